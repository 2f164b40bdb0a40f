"""Tables of lepton number over directions, v and G, from a file: text of two columns, or HDF5 with two datasets."""

import os
import re

from ..errors import InputError
from ..storage.config_text import in_words, system_path

LONGEST = 2**20  # bytes of a text; its numbers go into the config


def take_in(modes, base_dir):
    """Put the numbers of `modes.path` in the place of the path: v and G of a raw section [modes], which is changed.

    base_dir: where relative paths start. Nothing without a path. The numbers themselves are checked with the rest of the
    config. InputError if the file cannot be read, or v or G are there as well.
    """
    path = modes.get("path")
    if modes.get("distribution") != "table" or not isinstance(path, str):
        return
    both = [name for name in ("v", "G") if modes.get(name) is not None]
    if both:
        raise InputError(f"modes.path and modes.{both[0]} exclude each other: the table stands in the file or in the config")
    place = os.path.join(base_dir, os.path.expanduser(system_path(path)))
    del modes["path"]
    modes["v"], modes["G"] = _read(place, in_words(path))


def _read(path, shown):
    from ..storage import start_file
    from ..storage.file_kind import is_hdf5

    start_file.check_there(path, "modes.path")
    if is_hdf5(path):
        found = start_file.find(path, ("v", "G"), "modes.path")
        shapes = found.shape("v"), found.shape("G")
        if len(shapes[0]) != 1 or shapes[0] != shapes[1]:
            raise InputError(f"modes.path: {shown}: v and G must be lists of the same length, not {shapes[0]} and {shapes[1]}")
        if shapes[0][0] > LONGEST:
            raise InputError(f"modes.path: {shown}: v and G must be lists of at most {LONGEST} numbers")
        return [start_file.whole(found, name).tolist() for name in ("v", "G")]
    with open(path, "rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise InputError(f"modes.path: {shown} is longer than {LONGEST} bytes, which no such table is")
    try:
        return _columns(content.decode("utf-8-sig"), shown)
    except UnicodeDecodeError:
        raise InputError(f"modes.path: {shown} is neither text nor HDF5") from None


def _columns(text, shown):
    """v and G of the lines of a text; one line of words may stand above the numbers."""
    rows, begun = [], False
    for number, line in enumerate(text.splitlines(), 1):
        words = re.split(r"[\s,;]+", line.partition("#")[0].strip(" \t,;"))
        if words == [""]:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            if not begun and not any(re.match(r"[-+.\d]", word) for word in words):
                if [word.strip('"').lower() for word in words][:2] == ["g", "v"]:
                    raise InputError(f"modes.path: {shown} has its columns as G, v: they must be v, G") from None
                begun = True
                continue
            row = []
        if len(row) != 2:
            raise InputError(f'modes.path: line {number} of {shown} must have two numbers, v and G, not "{line.strip()[:60]}"')
        begun = True
        rows.append(row)
    if not rows:
        raise InputError(f"modes.path: {shown} has no line of numbers, v and G")
    return [list(column) for column in zip(*rows)]

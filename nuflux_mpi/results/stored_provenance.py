"""Where a file or a figure came from: the provenance that a run wrote into it, read back.

    read("fields.h5"), read("energy.png")      {label: attributes}, config_toml among them

HDF5 files have it as attributes, PNG as text chunks, PDF in the document's information. Figures of several runs have it
for each, under a label. Nothing but the standard library is needed for figures, and h5py for files.
"""

import json
import re
import zlib
from pathlib import Path

from ..errors import InputError
from ..storage.atomic import open_plain
from ..storage.file_kind import is_hdf5

PNG = b"\x89PNG\r\n\x1a\n"
SUFFIXES = ".h5, .png, .pdf"
ONE = ""  # label where there is one run


def read(path) -> dict[str, dict]:
    """{label: {name: value}} for a file of a run or a figure; InputError if it has none."""
    path = Path(path)
    try:
        with open_plain(path) as file:
            start = file.read(8)
            if start == PNG:
                found = _of_png(file.read())
            elif start.startswith(b"%PDF"):
                found = _of_pdf(start + file.read())
            elif is_hdf5(path):
                found = _of_hdf5(path)
            else:
                place = f"; ask its directory, {path.parent}" if (path.parent / "series.h5").is_file() else ""
                raise InputError(
                    f"{path} is neither an HDF5 file nor a figure ({SUFFIXES}): only those say which run they came from{place}."
                )
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    found = {label: attrs for label, attrs in found.items() if "config_toml" in attrs}
    if not found:
        raise InputError(
            f"{path} does not say which run it came from: give a run directory, or a file ({SUFFIXES}) made by nuflux_mpi."
        )
    return found


def config_toml(path):
    """The config, as TOML text, that repeats the run of a file or figure. InputError if it shows several runs."""
    found = read(path)
    if len(found) > 1:
        raise InputError(f"{path} shows {len(found)} runs ({', '.join(found)}): ask one of their directories.")
    return next(iter(found.values()))["config_toml"]


def described(path):
    """The same as lines of text for `info`."""
    lines = []
    for label, attrs in read(path).items():
        if label:
            lines.append(f"{label}:")
        width = max(map(len, attrs))
        lines += [f"{name:<{width}}  {value}" for name, value in attrs.items() if name != "config_toml"]
    return "\n".join([*lines, "(--toml prints the config that repeats it)"])


def _of_hdf5(path):
    from .reader import file_attributes

    return {ONE: file_attributes(path)}


def _of_png(content):
    """Text chunks (tEXt, zTXt, iTXt) after the signature; a damaged end is left out."""
    texts, at = {}, 0
    while at + 8 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        key, _, value = content[at + 8 : at + 8 + length].partition(b"\0")
        at += 12 + length
        try:
            if kind == b"tEXt":
                texts[key.decode("latin-1")] = value.decode("latin-1")
            elif kind == b"zTXt":
                texts[key.decode("latin-1")] = zlib.decompress(value[1:]).decode("latin-1")
            elif kind == b"iTXt":
                packed, (_, _, text) = value[:1] == b"\1", value[2:].split(b"\0", 2)
                texts[key.decode("latin-1")] = (zlib.decompress(text) if packed else text).decode("utf-8")
        except (ValueError, zlib.error):
            continue
    return _by_label(texts)


def _by_label(texts):
    """{label: attributes} of entries "label: name", or "name" where there is one run."""
    found = {}
    for key, value in texts.items():
        label, _, name = key.rpartition(": ")
        found.setdefault(label, {})[name] = value
    return found


def _of_pdf(content):
    """The subject of the document, in which figures keep it as JSON."""
    match = re.search(rb"/Subject\s*(\((?:[^\\()]|\\.)*\)|<[0-9A-Fa-f\s]*>)", content, re.DOTALL)
    try:
        found = json.loads(_pdf_string(match[1])) if match else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) and all(isinstance(attrs, dict) for attrs in found.values()) else {}


def _pdf_string(token):
    """A string object of PDF (literal or hexadecimal) as text."""
    if token.startswith(b"<"):
        raw = bytes.fromhex(token[1:-1].decode())
    else:
        named: dict[bytes, bytes] = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"\n": b""}

        def plain(match) -> bytes:
            return bytes([int(match[1], 8)]) if match[1].isdigit() else named.get(match[1], bytes(match[1]))

        raw = re.sub(rb"\\([0-7]{1,3}|.)", plain, token[1:-1], flags=re.DOTALL)
    return raw[2:].decode("utf-16-be") if raw.startswith(b"\xfe\xff") else raw.decode("latin-1")

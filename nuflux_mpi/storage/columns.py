"""Tables of named columns that a user hands in: text with a line of names above the numbers, or HDF5 with a dataset per column.

    table = columns.read(path, "modes.path")
    table.numbers("n_nue"), table.units["n_nue"]

Text is separated by commas, semicolons or blanks; "#" begins a comment, and may stand before the line of names. A unit may follow a
name in brackets, as in n_nue [1/cm^3]; in HDF5 it is the attribute units. A dataset (rows, 3) is three columns, NAME_x, NAME_y, NAME_z.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from .config_text import in_words, system_path

LONGEST = 2**26  # bytes of a text
LARGEST = 1e60  # size of a number: densities in units of the laboratory are larger than what a config may have
_NAME = re.compile(r"\s*([^\[\]()]+?)\s*(?:[\[(]\s*([^\[\]()]*?)\s*[\])])?\s*")


@dataclass(frozen=True, eq=False)
class Table:
    """path: as it is shown. columns: {name: numbers (rows,), or words}. units: {name: unit, or ""}."""

    path: str
    columns: dict
    units: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def numbers(self, name: str, key: str) -> np.ndarray:
        """A column as numbers (rows,). InputError, beginning with `key`, for a word that is none or is not finite."""
        values = self.columns[name]
        if isinstance(values, np.ndarray):
            return values
        found = np.empty(len(values))
        for row, word in enumerate(values):
            found[row] = _number(word)
            if not np.isfinite(found[row]):
                raise InputError(f'{key}: row {row} of {self.path} has "{word[:40]}" as {name}, where a finite number must be.')
        return found


def read(path, key: str) -> Table:
    """The table of a file. Call on one rank; InputError, beginning with the key that names the file."""
    from . import file_kind, start_file

    place, shown = os.path.abspath(system_path(os.fspath(path))), in_words(os.fspath(path))
    start_file.check_there(place, key)
    if file_kind.is_hdf5(place):
        return _of_datasets(place, shown, key)
    with open(place, "rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise InputError(f"{key}: {shown} is longer than {LONGEST} bytes, which no such table is.")
    try:
        return _of_lines(content.decode("utf-8-sig"), shown, key)
    except UnicodeDecodeError:
        raise InputError(f"{key}: {shown} is neither text nor HDF5.") from None


def _of_datasets(path, shown, key):
    from . import start_file

    units = start_file.names(path, key)
    if not units:
        raise InputError(f"{key}: {shown} has no dataset: a table has one for each column.")
    found = start_file.find(path, tuple(units), key, values=LARGEST)
    columns, of_columns = {}, {}
    for name, unit in units.items():
        shape = found.shape(name)
        if len(shape) == 1:
            columns[name], of_columns[name] = start_file.whole(found, name), unit
        elif len(shape) == 2 and shape[1] == 3:
            values = start_file.whole(found, name)
            for axis, letter in enumerate("xyz"):
                columns[f"{name}_{letter}"], of_columns[f"{name}_{letter}"] = values[:, axis], unit
        else:
            raise InputError(f"{key}: dataset {name} of {shown} has the shape {shape}, and a column is (rows,) or (rows, 3).")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        one, other = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise InputError(f"{key}: {shown} has {lengths[one]} rows of {one} and {lengths[other]} of {other}.")
    return Table(shown, columns, of_columns)


def _of_lines(text, shown, key):
    above: list[list[str]] = []  # words of lines without numbers
    names: list[str] = []
    units: list[str] = []
    rows: list[list[str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        before, _, comment = line.partition("#")
        words = _words(before)
        if not rows and not any(np.isfinite(_number(word)) for word in words):
            above += [each for each in (words or _words(comment),) if each]
            continue
        if not words:
            continue
        if not rows:
            names, units = _heading(above, len(words))
        if not names:
            raise InputError(f"{key}: {shown} has no line with the names of its {len(words)} columns above its numbers.")
        if len(words) != len(names):
            raise InputError(f"{key}: line {number} of {shown} has {len(words)} columns, and there are {len(names)} names.")
        rows.append(words)
    if not rows:
        raise InputError(f"{key}: {shown} has no line of numbers.")
    if len(set(names)) < len(names):
        raise InputError(f"{key}: {shown} has two columns of one name.")
    return Table(shown, {name: [row[i] for row in rows] for i, name in enumerate(names)}, dict(zip(names, units)))


def _heading(above, count) -> tuple[list[str], list[str]]:
    """Names and units of so many columns, from the lines above the numbers: the last line that can be names, with units in brackets or
    in the next line."""
    fitting = [i for i, words in enumerate(above) if len(words) == count]
    for i in reversed(fitting):
        names, units = _named(above[i])
        if len(set(names)) == count and all(re.match(r"[^\W\d]", name) for name in names):
            if not any(units) and i + 1 in fitting:
                units = ["" if unit in ("-", "--") else unit for unit in above[i + 1]]
            return names, units
    others = above and not fitting
    return _named(above[-1]) if others or fitting else ([], [])


def _words(line):
    line = line.strip()
    if not line:
        return []
    if "," in line or ";" in line or "\t" in line:
        return [word.strip().strip('"') for word in re.split(r"[,;\t]", line.rstrip(",;"))]
    return re.findall(r"[^\s\[\](]+(?:\s*\[[^\]]*\])?", line) if "[" in line else line.split()


def _named(words):
    matches = [_NAME.fullmatch(word) for word in words]
    return [match[1] if match else word for match, word in zip(matches, words)], [
        (match[2] or "") if match else "" for match in matches
    ]


def _number(word) -> float:
    """What a word says as a number, also with the D of Fortran; nan if it is none."""
    try:
        return float(word)
    except ValueError:
        try:
            return float(word.lower().replace("d", "e")) if re.fullmatch(r"[-+\d.]+[dD][-+]?\d+", word) else np.nan
        except ValueError:
            return np.nan

"""Quantities with units in a config, such as "10 MeV": made into numbers in code units, before anything is checked."""

import re
from collections.abc import Iterator
from typing import Any

from .. import units
from ..errors import EnvironmentProblem, InputError
from . import catalog
from .catalog import Entry
from .sentences import refusal

_BEGIN = re.compile(r"\s*[+-]?\.?\d")  # of a quantity; other text is no number at all, which is told with what the key allows
_SAME = (
    1e-9  # part of a number by which it may differ from what was given and still be the same: versions of pint differ in ulps
)


def take_in(raw: dict) -> None:
    """Put numbers in code units in place of all text with a unit of a raw config, and keep that text in units.given.

    InputError with a line for each quantity that is not what its key is, or that needs a scale which [units] does not give.
    """
    section = raw.get("units", {})
    if not isinstance(section, dict):
        return
    scale, recorded, problems = units.scale_of(raw), {}, []
    before = section.get("given") or {}
    if not isinstance(before, dict):
        raise InputError(refusal("units.given", "a table", before))
    for where, entry, table in _quantities(raw):
        value = table[entry.name]
        try:
            number = _number(value, entry, where, scale)
        except InputError as error:
            problems.append(str(error))
            continue
        if number != value:
            table[entry.name], recorded[where] = number, value
        elif where in before and _is_still(value, before[where], entry, scale):
            recorded[where] = before[where]
    if problems:
        raise InputError("\n".join(problems))
    if recorded:
        raw["units"] = {**section, "given": recorded}
    elif before:
        del section["given"]


def _quantities(raw: dict) -> Iterator[tuple[str, Entry, dict]]:
    """("section.key", its record, the table that holds it) of each key that is there and has a unit."""
    for section, kinds in catalog.sections().items():
        table = raw.get(section) if section else raw
        if not isinstance(table, dict):
            continue
        kind = catalog.kind_of(kinds, table)
        if not isinstance(kind, Entry):
            yield from _in_table(f"{section}." if section else "", catalog.entries((kind,)), table)


def _in_table(prefix: str, entries: dict[str, Entry], table: dict) -> Iterator[tuple[str, Entry, dict]]:
    for name in [name for name in entries if name in table]:
        entry = entries[name]
        if entry.quantity:
            yield prefix + name, entry, table
        elif entry.table and isinstance(table[name], list):
            fields = {field.name: field for field in entry.fields}
            for i, item in enumerate(table[name]):
                if isinstance(item, dict):
                    yield from _in_table(f"{prefix}{name}[{i}].", fields, item)


def _number(value: Any, entry: Entry, where: str, scale: units.Scale | None) -> Any:
    """A value with numbers in place of its text; what is no quantity is left as it is."""
    if isinstance(value, str) and value.strip().startswith("[") and value.strip().endswith("]"):  # of a command line
        value = [_plain_number(item.strip()) for item in value.strip()[1:-1].split(",")]
    if isinstance(value, list):
        return [_number(item, entry, f"{where}[{i}]", scale) for i, item in enumerate(value)]
    if isinstance(value, str) and _BEGIN.match(value):
        return units.quantity(value, entry.quantity, scale, where)
    return value


def _plain_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _is_still(value: Any, given: Any, entry: Entry, scale: units.Scale | None) -> bool:
    """Whether a number is what a quantity says from which it was made; where nobody can tell, it is."""
    try:
        return _near(value, _number(given, entry, "", scale))
    except InputError:
        return False
    except EnvironmentProblem:
        return True


def _near(value: Any, other: Any) -> bool:
    if isinstance(value, list):
        others = other if isinstance(other, list) else [other] * len(value)  # one number for all of them, such as all modes
        return len(value) == len(others) and all(map(_near, value, others))
    if not isinstance(value, (int, float)) or not isinstance(other, (int, float)):
        return False
    return abs(value - other) <= _SAME * abs(other)

"""One sentence for each mistake, with the key, what is allowed, and what was probably meant."""

import difflib
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..storage.section import LARGEST, SMALLEST
from .toml import toml_value

if TYPE_CHECKING:
    from .catalog import Entry

LONGEST_VALUE = 60  # letters of a value that is shown


def refusal(name: str, allowed: str, value: Any) -> str:
    """The sentence about a value that is not allowed."""
    shown = toml_value(value)
    if isinstance(value, (int, float)) and (0 < abs(value) < SMALLEST or LARGEST < abs(value) < math.inf):
        allowed = allowed.replace("a finite number", f"a finite number from {SMALLEST:g} to {LARGEST:g} in size")
    if isinstance(value, str) and allowed == "a string":
        allowed = "a string of valid characters, none of them NUL"
    shown = shown if len(shown) <= LONGEST_VALUE else shown[: LONGEST_VALUE - 3] + "..."
    return f"{name} must be {allowed}, not {shown}."


def length_problem(name: str, values: list | None, count: int, rule: str = "one per mode") -> Iterator[str]:
    """The sentence about a list that has not `count` items, if it is one."""
    if values is not None and len(values) != count:
        yield f"{name} must have {count} items, {rule}, not {len(values)}."


def closest(name: Any, names: Iterable[str]) -> str | None:
    """The one of `names` that a misspelled name probably stands for."""
    return next(iter(difflib.get_close_matches(str(name), list(names), n=1)), None)


def unknown(prefix: str, name: Any, known: dict[str, "Entry"], here: Iterable[str], where: str) -> str:
    """The sentence about a key that does not exist, with the place or the spelling that was probably meant.

    known: the keys of the section whatever its kind; here: those of this kind; where: the section, "" at the top of the file.
    """
    from .catalog import schema

    text, names, elsewhere = f"{prefix}{name} is unknown", list(here), {}
    for section, entries in schema().items():
        if section != where:
            for entry in entries:
                elsewhere.setdefault(entry.name, f"[{section}]" if section else "the top of the file")
    if name in known:  # exists for another kind only
        return f"{text}: it belongs to {known[name].owners}."
    if name and name in schema():
        return f"{text}: [{name}] is a section of its own."
    if name in elsewhere:
        return f"{text}: it belongs to {elsewhere[name]}."
    candidates = names if where else names + [section for section in schema() if section]
    if close := closest(name, candidates):
        return f"{text}: did you mean {close}?"
    if close := closest(name, elsewhere):
        return f"{text}: did you mean {close}, in {elsewhere[close]}?"
    return f"{text}: allowed are {', '.join(candidates)}."


def sentence(detail: dict, table: dict, where: str, known: dict[str, "Entry"], here: dict[str, "Entry"]) -> str:
    """One of pydantic's error records as a sentence.

    table: the section as it was given; known: its keys whatever its kind; here: those of this kind.
    """
    location, prefix = detail["loc"], f"{where}." if where else ""
    entry = here.get(location[0])
    if entry is not None and entry.table and len(location) == 2:  # an item that is no table
        return refusal(f"{prefix}{entry.name}[{location[1]}]", "a table", table[entry.name][location[1]])
    if entry is not None and entry.table and len(location) > 2:  # inside one of a list of tables
        table, prefix = table[entry.name][location[1]], f"{prefix}{entry.name}[{location[1]}]."
        known = here = {field.name: field for field in entry.fields}
        location = location[2:]
        entry = here.get(location[0])
    if entry is None:
        return unknown(prefix, location[0], known, here, where)
    if detail["type"] == "missing":
        return f"{prefix}{entry.name} is missing: {entry.allowed_item if entry.per_axis else entry.allowed} ({entry.meaning})."
    value, name, allowed = table[entry.name], f"{prefix}{entry.name}", entry.allowed
    for index in location[1:] if entry.items or entry.per_axis or entry.per_mode else ():
        value, name, allowed = value[index], f"{name}[{index}]", entry.allowed_item
    if entry.type == "rows" and len(location) == 2:
        allowed = "a list of numbers"
    if entry.vectors and len(location) == 2 and any(isinstance(item, list) for item in table[entry.name]):
        allowed = "a list of two or three numbers like the others"
        allowed = f"a vector, {allowed}" if entry.type == "vectors" else allowed
    return refusal(name, entry.allowed_item if entry.per_axis and not isinstance(value, list) else allowed, value)

"""Types, bounds, choices and unknown keys of each section: from a table as it was given to the object of its kind.

pydantic's core does the work, from one description for each kind that is made when a section of that kind is first checked.
It is imported here and by `schema` alone. pydantic itself, which would take a tenth of a second to import and as long for its
first model, adds nothing that a run needs.
"""

import functools
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..errors import EnvironmentProblem
from ..storage import config_text
from ..storage.section import LARGEST, SMALLEST, Section
from . import catalog
from .catalog import REQUIRED, Entry, Kinds
from .models.root import Config
from .sentences import closest, refusal, sentence
from .toml import toml_value

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

_TAGS = _ONE, _LIST, _OTHER = (
    "<one>",
    "<list>",
    "<other>",
)  # of values that may be one number or several, in the locations of errors


def sections_of(raw: Mapping, problems: list[str]) -> dict[str, Any]:
    """The sections and the keys at the top of a raw config, as the values of a Config; appends what is wrong to `problems`."""
    known = [name for name in catalog.sections() if name]
    top = {key: value for key, value in raw.items() if key not in known}
    found = _checked_values("", (Config,), top, problems) or {}
    level = None
    for name in sorted(known, key=lambda name: name in catalog.LEVEL_SECTIONS):
        table = raw.get(name)
        if table is None and catalog.is_optional(name) and level != name:
            continue
        if isinstance(table, Mapping) or table is None:
            found[name] = section = checked(name, table or {}, problems)
            if name == "equations":
                level = section and section["level"]
        else:
            problems.append(f"{name} must be a section with keys of its own, not {toml_value(table)}.")
    return found


def checked(where: str, table: Mapping, problems: list[str]) -> Section | None:
    """A section as the object of its kind, or None with sentences appended to `problems`."""
    kinds = catalog.sections()[where]
    kind = catalog.kind_of(kinds, table)
    if isinstance(kind, Entry):  # nobody knows which other keys are meant
        problems.append(refusal(f"{where}.{kind.name}", kind.allowed, table[kind.name]))
        return None
    values = _checked_values(where, kinds, table, problems, kind)
    return None if values is None else kind(**values)


def _checked_values(where: str, kinds: Kinds, given: Mapping, problems: list[str], kind: Any = Config) -> dict[str, Any] | None:
    """The values of the keys of a table that are given, or None with sentences appended to `problems`."""
    core = _core()
    table: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    known = catalog.entries(kinds)
    here = {name: known[name] for name in kind.key_names if name in known}
    alone = [name for name in here if known[name].per_axis and isinstance(table.get(name), list) and len(table[name]) == 1]
    table = table | {name: table[name][0] for name in alone}
    table = {name: _without_open_keys(value) if name in here and here[name].table else value for name, value in table.items()}
    try:
        values = _validator(kind).validate_python(table)
    except core.ValidationError as error:
        # A misspelled key is one mistake: that the right one is missing then goes without saying.
        most = 2 * config_text.MOST_SENTENCES
        details: list[dict[str, Any]] = [
            {"type": detail["type"], "loc": _location(detail["loc"])} for detail in error.errors(include_url=False)[:most]
        ]
        misspelled = {closest(name, here) for name in islice(table, most) if name not in here}
        found = [
            sentence(detail, table, where, known, here)
            for detail in details
            if not (detail["type"] == "missing" and len(detail["loc"]) == 1 and detail["loc"][0] in misspelled)
        ]
        problems.extend(dict.fromkeys(found))  # each once
        return None
    for name, entry in here.items():
        if entry.table and name in values:
            values[name] = [entry.table(**item) for item in values[name]]
    return values


def _without_open_keys(tables: Any) -> Any:
    """A list of tables without the keys that are None."""
    if not isinstance(tables, list):
        return tables
    return [
        {name: value for name, value in item.items() if value is not None} if isinstance(item, Mapping) else item
        for item in tables
    ]


def _location(location: tuple) -> tuple:
    """Where an error is, without the names that alternatives have."""
    return location[:1] + tuple(part for part in location[1:] if part not in _TAGS)


def _core() -> Any:
    """pydantic's core; EnvironmentProblem without it, as with pydantic 1."""
    try:
        import pydantic_core
    except ModuleNotFoundError:  # other errors are of an import that fails, such as for want of memory
        from ..runtime.remedies import install_hint

        raise EnvironmentProblem(
            f"configs are checked by pydantic 2, which is not installed: {install_hint('pydantic')}"
        ) from None
    return pydantic_core


@functools.cache
def _validator(kind: type[Section]) -> "SchemaValidator":
    return _core().SchemaValidator(_table(kind))  # type: ignore[arg-type]


def _table(kind: type[Section]) -> dict:
    """pydantic's description of a table with the keys of one kind."""
    fields = {
        entry.name: {"type": "typed-dict-field", "required": entry.default is REQUIRED, "schema": _value(entry)}
        for entry in catalog.entries((kind,)).values()
    }
    return {"type": "typed-dict", "fields": fields, "extra_behavior": "forbid"}


def _value(entry: Entry) -> dict:
    """pydantic's description of what one key takes. A value says itself whether it is meant as one number or as several."""
    if entry.table:
        return _list(_table(entry.table))
    if entry.type == "table":
        return {"type": "dict", "strict": True, "keys_schema": {"type": "str"}}
    item = _item(entry)
    if entry.type == "modes":
        return _by(_form_of_modes, {_ONE: item, _LIST: _list(item), _OTHER: {"type": "literal", "expected": ["all"]}})
    several = {"type": "list", "strict": True, "items_schema": item, "min_length": 2, "max_length": 3}
    if entry.per_axis or entry.per_mode:
        return _by(_form, {_ONE: item, _LIST: several if entry.per_axis else _list(item)})
    if entry.vectors:
        return _by(_form_of_vectors, {_LIST: _list(item), _OTHER: _list(several)})
    if entry.type == "rows":
        return _list(_list(item))
    return _list(item) if entry.items else item


def _form(value: Any) -> str:
    return _LIST if isinstance(value, list) else _ONE


def _form_of_modes(value: Any) -> str:
    return _OTHER if isinstance(value, str) else _form(value)


def _form_of_vectors(value: Any) -> str:
    return _OTHER if isinstance(value, list) and any(isinstance(item, list) for item in value) else _LIST


def _item(entry: Entry) -> dict:
    """The same of a single value of it."""
    kinds = dict.fromkeys(("number", "vector", "content", "row"), "float") | {
        "integer": "int",
        "modes": "int",
        "mode": "int",
        "boolean": "bool",
    }
    kind = kinds.get(entry.scalar, "str")
    item: dict = {"type": kind, "strict": True} | ({} if entry.choices else entry.bounds)
    if kind == "float":
        item["allow_inf_nan"] = False
    if entry.choices:  # not a literal, which takes true for 1
        return _after(item, functools.partial(_one_of, choices=entry.choices))
    return _after(item, {"float": _of_usual_size, "str": _writable}[kind]) if kind in ("float", "str") else item


def _list(item: dict) -> dict:
    return {"type": "list", "strict": True, "items_schema": item, "min_length": 1}


def _by(form: Any, forms: dict[str, dict]) -> dict:
    return {"type": "tagged-union", "choices": forms, "discriminator": form}


def _after(item: dict, function: Any) -> dict:
    return {"type": "function-after", "function": {"type": "no-info", "function": function}, "schema": item}


def _one_of(value: Any, choices: tuple) -> Any:
    if value not in choices:
        raise ValueError
    return value


def _writable(text: str) -> str:
    """Text that files and HDF5 attributes can hold."""
    if "\0" in text:
        raise ValueError
    text.encode()  # a UnicodeEncodeError is a ValueError
    return text


def _of_usual_size(value: float) -> float:
    if value and not SMALLEST <= abs(value) <= LARGEST:
        raise ValueError
    return value

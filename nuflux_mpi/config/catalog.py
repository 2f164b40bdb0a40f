"""The keys of all sections as records, read off the models: for checks, sentences, templates, docs/config.md and the schema."""

import functools
import operator
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from ..storage.section import Contents, Key, PerAxis, PerMode, Rows, Section, Vectors, key_of
from .models.root import Config
from .toml import toml_value

REQUIRED = object()  # default of a key that has none
LISTS = ("numbers", "integers", "strings", "vectors", "contents", "rows")
LEVEL_SECTIONS = ("full", "momentum")  # may be there for another level, so that levels of one case can be compared
Kind = type[Section]
Kinds = tuple[Kind, ...]  # the classes of a section, one for each kind

_TYPES = {
    float: "number",
    int: "integer",
    bool: "boolean",
    str: "string",
    list[float]: "numbers",
    list[int]: "integers",
    list[str]: "strings",
    PerAxis[float]: "number per axis",
    PerAxis[int]: "integer per axis",
    PerMode[float]: "number per mode",
    PerMode[int]: "integer per mode",
    Contents: "contents",
    Rows: "rows",
    Vectors: "vectors",
    int | list[int] | Literal["all"]: "modes",
    dict[str, Any]: "table",
}
_NOUNS = {"integer": "an integer", "boolean": "true or false"} | dict.fromkeys(
    ("number", "vector", "content", "row"), "a finite number"
)
_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


class Entry(NamedTuple):
    """One key: what it accepts, its default, what it means.

    type: number, integer, boolean, string, choice, numbers, integers, vectors, contents, rows, modes, tables (of the class `table`), or
    number and integer per axis and per mode. default: None stands for what `unset` says. when: {key: values} under which the
    key exists at all. selects: whether it is one of those keys itself, such as kind. quantity: of a number that may have a
    unit, a key of `units.QUANTITIES`.
    """

    name: str
    type: str
    default: Any
    meaning: str
    bounds: dict[str, float]
    unset: str
    is_free: bool
    choices: tuple = ()
    when: dict[str, tuple] = {}
    table: Kind | None = None
    selects: bool = False
    quantity: str = ""
    per: str = "axis"

    @property
    def fields(self) -> tuple["Entry", ...]:
        """The keys of one of the tables that a key of this type holds."""
        return tuple(entries((self.table,)).values()) if self.table else ()

    @property
    def scalar(self) -> str:
        """The type of a single number, if the key takes several as well."""
        return self.type.partition(" per ")[0].removesuffix("s")

    @property
    def per_axis(self) -> bool:
        return self.type.endswith(" per axis")

    @property
    def per_mode(self) -> bool:
        return self.type.endswith(" per mode")

    @property
    def items(self) -> bool:
        """Whether it is a list of numbers."""
        return self.type in LISTS

    @property
    def vectors(self) -> bool:
        return self.type in ("vectors", "contents")

    @property
    def allowed(self) -> str:
        """What the key accepts, as the end of the sentence 'it must be ...'."""
        if self.type == "rows":
            return f"a non-empty list of lists, each item of them {self.allowed_item}"
        if self.items:
            of_each = {"vectors": ", or a list of them, one per axis", "contents": ", one per flavor, or a list of such lists"}
            return f"a non-empty list, each item {self.allowed_item}{of_each.get(self.type, '')}"
        if self.per_axis or self.per_mode:
            return f"{self.allowed_item}, or a list of them, one per {self.per if self.per_axis else 'mode'}"
        if self.type == "modes":
            return 'a mode index counted from 0, a list of them, or "all"'
        if self.type == "table":
            return "a table"
        return "a non-empty list of tables" if self.table else self.allowed_item

    @property
    def allowed_item(self) -> str:
        """The same for a single value."""
        if self.choices:
            return "one of " + ", ".join(toml_value(choice) for choice in self.choices)
        bounds = " and ".join(f"{_SIGNS[name]} {value:g}" for name, value in self.bounds.items())
        return f"{_NOUNS.get(self.scalar, 'a string')} {bounds}".rstrip()

    @property
    def owners(self) -> str:
        """The kinds to which the key belongs, in TOML."""
        return " and ".join(f"{name} = {' or '.join(map(toml_value, values))}" for name, values in self.when.items())


def sections() -> dict[str, Kinds]:
    """The classes of each section by its name; those of the top of the file are those of "". Terms bring theirs."""
    from ..physics import terms

    return _own_sections() | {name: _classes(section) for name, section in terms.sections().items()}


@functools.cache
def _own_sections() -> dict[str, Kinds]:
    hints = get_type_hints(Config)
    found = {name: _classes(hints[name]) for name in Config.key_names}
    return {"": (Config,)} | {name: kinds for name, kinds in found.items() if kinds}


def kind_of(kinds: Kinds, table: Mapping) -> Kind | Entry:
    """The class that a table chooses by kind, distribution and the like, or the key whose value names none of them."""
    for name, entry in entries(kinds).items():
        having = [kind for kind in kinds if name in kind.key_names]
        if not entry.selects or len(having) < len(kinds):
            continue
        value = getattr(kinds[0], name) if table.get(name) is None else table[name]
        kinds = tuple(kind for kind in kinds if getattr(kind, name) == value)
        if not kinds:
            return entry
    return kinds[0]


def is_optional(name: str) -> bool:
    """Whether a section may be missing without standing for its defaults."""
    return getattr(Config, name, REQUIRED) is None or name not in Config.key_names


def is_free_on_resume(key: str) -> bool:
    """Whether "section.key" may have changed when a run is continued: other values of it do not make it another problem."""
    section, _, name = key.partition(".") if "." in key else ("", "", key)
    name = name.partition(".")[0]  # of a table in it all is free, or nothing
    entries = schema().get(section, ())
    known = [entry.is_free for entry in entries if entry.name == name]
    return known[0] if known else bool(entries) and all(entry.is_free for entry in entries)


def schema() -> dict[str, tuple[Entry, ...]]:
    """All keys by section, those of the top of the file under ""."""
    return {name: tuple(entries(kinds).values()) for name, kinds in sections().items()}


@functools.cache
def entries(kinds: Kinds) -> dict[str, Entry]:
    """The keys of a section by name, those of all its kinds in one order."""
    of_kinds = [_entries_of(kind) for kind in kinds]
    merged: dict[str, Entry] = {}
    for kind in of_kinds:
        names, known = list(merged), list(kind)
        for i, name in enumerate(known):
            if name not in names:  # in front of the next key that is known already
                place = next((names.index(other) for other in known[i:] if other in names), len(names))
                names.insert(place, name)
        merged = {name: merged.get(name) or kind[name] for name in names}
    return {name: _merged(name, of_kinds) for name in merged}


def _merged(name: str, of_kinds: list[dict[str, Entry]]) -> Entry:
    """A key as the kinds together have it: the choices of `kind` itself, and for which kinds others exist."""
    having, among, when = [kind for kind in of_kinds if name in kind], of_kinds, {}
    for selector in [entry.name for entry in having[0].values() if entry.selects and entry.name != name]:
        values = tuple(dict.fromkeys(kind[selector].default for kind in having if selector in kind))
        if {kind[selector].default for kind in among if selector in kind} - set(values):
            when[selector] = values
            among = [kind for kind in among if selector in kind and kind[selector].default in values]
    choices = tuple(dict.fromkeys(choice for kind in having for choice in kind[name].choices))
    return having[0][name]._replace(choices=choices, when=when)


def _entries_of(kind: Kind) -> dict[str, Entry]:
    """The keys of one class; annotations that are not annotated further are the sections of the whole config."""
    hints = {key_of(name): hint for name, hint in get_type_hints(kind, include_extras=True).items()}
    annotated = {name: get_args(hints[name]) for name in kind.key_names if get_origin(hints[name]) is Annotated}
    return {name: _entry(name, parts[0], parts[1], getattr(kind, name, REQUIRED)) for name, parts in annotated.items()}


def _entry(name: str, kind: Any, key: Key, default: Any) -> Entry:
    """The record of one key from its type, with or without None."""
    if get_origin(kind) in (Union, UnionType):
        kind = functools.reduce(operator.or_, [part for part in get_args(kind) if part is not NoneType])
    item = get_args(kind)[0] if get_origin(kind) is list else kind
    choices, table, selects = key.choices, None, False
    if get_origin(item) is Literal:
        choices, selects = get_args(item), len(get_args(item)) == 1
        kind = list[type(choices[0])] if item is not kind else type(choices[0])  # type: ignore[misc]
    if isinstance(item, type) and issubclass(item, Section):
        described, table = "tables", item
    else:
        described = "choice" if choices and kind is str else _TYPES[kind]
    told = key.meaning, key.bounds, key.unset, key.free
    entry = Entry(name, described, default, *told, choices=choices, table=table, selects=selects)
    return entry._replace(quantity=key.quantity, per=key.per)


def _classes(kind: Any) -> Kinds:
    """The classes of a section from its annotation in Config; none for a key of the top of the file."""
    parts = get_args(kind) or (kind,)
    return tuple(part for part in parts if isinstance(part, type) and issubclass(part, Section))

"""What others read of the models: docs/config.md, and a JSON Schema from which editors complete and check a config."""

from typing import Any

from ..storage.section import LARGEST, SMALLEST, Section
from ..units import QUANTITIES
from . import catalog
from .catalog import REQUIRED, Entry, Kinds
from .toml import toml_value

_PAGE = f"""\
# The config

This page is generated from the models in `nuflux_mpi/config/models`:

    python -m nuflux_mpi.config > docs/config.md

A config is a TOML file. `python -m nuflux_mpi init NAME` prints a shipped case with every key and its meaning,
`init --list` names the cases, and `--set section.key=value` changes a key for one run. Keys that are unknown, or that
belong to another kind, are refused. The resolved config, every default written out, is stored as `run.toml` beside the
results and runs again as it is.

Units: hbar = c = 1; lengths and times in 1/mu, densities and polarization vectors in n. Where the column "allowed" has an example
in quotes, a number may be given as text with a unit in its place, in lists too: `energy = ["10 MeV", "15 MeV"]`. [units] then says
what the units are ([units.md](units.md)). Numbers other than 0 must be
from {SMALLEST:g} to {LARGEST:g} in size. Equation numbers are those of Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024).

## In an editor

`python -m nuflux_mpi schema --out nuflux_mpi.schema.json` writes a JSON Schema of these tables. With the line

    #:schema ./nuflux_mpi.schema.json

at the top of a config, editors that know Taplo (VS Code with Even Better TOML, Zed, Neovim, Helix) complete its keys, show what
they mean, and mark what is not allowed. `taplo check case.toml` does the last on a command line. What depends on several keys
at once is found by `check` alone.
"""


def documentation() -> str:
    """The text of docs/config.md."""
    blocks = [_PAGE]
    for section, entries in catalog.schema().items():
        blocks.append(f"## [{section}]\n" if section else "## Top of the file\n")
        blocks.append(_page_table(entries))
        for entry in entries:
            if entry.table:
                blocks.append(f"### [[{section}.{entry.name}]]\n")
                blocks.append(_page_table(entry.fields))
    return "\n".join(blocks)


def _page_table(entries: tuple[Entry, ...]) -> str:
    conditions = any(entry.when for entry in entries)
    rows = [["key", "meaning", "allowed", "default"] + ["only with"] * conditions]
    rows.append(["---"] * len(rows[0]))
    for entry in entries:
        default = entry.unset if entry.default is None else f"`{toml_value(entry.default)}`"
        example = f', or text: "{QUANTITIES[entry.quantity].example}"' if entry.quantity else ""
        row = [f"`{entry.name}`", entry.meaning, entry.allowed + example, "required" if entry.default is REQUIRED else default]
        if conditions:
            row.append(", ".join(f"{name} = {' or '.join(values)}" for name, values in entry.when.items()))
        rows.append(row)
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


# ---- JSON Schema

_BOUNDS = {
    "gt": lambda value: {"minimum": value, "exclusiveMinimum": True},
    "ge": lambda value: {"minimum": value},
    "lt": lambda value: {"maximum": value, "exclusiveMaximum": True},
    "le": lambda value: {"maximum": value},
}
_WITH_UNIT = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*[^\s0-9.]"
_SCALARS = dict.fromkeys(("number", "vector", "content", "row"), "number") | {
    "integer": "integer",
    "mode": "integer",
    "boolean": "boolean",
}


def json_schema() -> dict:
    """A JSON Schema of a config, in draft 4, which is what Taplo knows."""
    top, names = _object(catalog.sections()[""][0]), [name for name in catalog.sections() if name]
    sections = {name: _section(catalog.sections()[name]) for name in names}
    needed = [name for name in names if _is_needed(name)]
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "A config of nuflux_mpi",
        **top,
        "properties": top["properties"] | sections,
        "required": needed,
    }


def _is_needed(section: str) -> bool:
    """Whether a section cannot be left out, since a key of its first kind must be given."""
    first = catalog.sections()[section][0]
    return not catalog.is_optional(section) and any(entry.default is REQUIRED for entry in catalog.entries((first,)).values())


def _section(kinds: Kinds) -> dict:
    """A section: one table, or one of the tables of its kinds. The first kind is meant where none is named."""
    tables = [_object(kind) for kind in kinds]
    if len(tables) == 1:
        return tables[0]
    for kind, table in zip(kinds, tables):
        entries = catalog.entries((kind,))
        named = [name for name, entry in entries.items() if entry.selects and entry.default != _usual(kinds, entry, entries)]
        table["required"] = named + table.get("required", [])
    return {"type": "object", "anyOf": [table if table["required"] else _without(table, "required") for table in tables]}


def _usual(kinds: Kinds, entry: Entry, entries: dict[str, Entry]) -> Any:
    """The value that a key such as kind has where it is not given."""
    return next(getattr(kind, entry.name) for kind in kinds if entry.name in kind.key_names)


def _without(table: dict, name: str) -> dict:
    return {key: value for key, value in table.items() if key != name}


def _object(kind: type[Section]) -> dict:
    entries = catalog.entries((kind,))
    properties = {name: _property(entry) for name, entry in entries.items()}
    required = [name for name, entry in entries.items() if entry.default is REQUIRED]
    table = {"type": "object", "properties": properties, "additionalProperties": False}
    return table | ({"required": required} if required else {})


def _property(entry: Entry) -> dict:
    """One key: what it may be, what it means, its default."""
    if entry.table:
        allowed: dict = {"type": "array", "items": _object(entry.table), "minItems": 1}
    elif entry.type == "table":
        allowed = {"type": "object"}
    else:
        item = {"enum": list(entry.choices)} if entry.choices else {"type": _SCALARS.get(entry.scalar, "string")}
        for name, value in entry.bounds.items():
            item |= _BOUNDS[name](value)
        if entry.quantity:
            item = {"anyOf": [item, {"type": "string", "pattern": _WITH_UNIT}]}
        several, vectors = (
            {"type": "array", "items": item, "minItems": 1},
            {"type": "array", "items": item, "minItems": 2, "maxItems": 3},
        )
        allowed = item
        if entry.type == "rows":
            allowed = {"type": "array", "items": several, "minItems": 1}
        elif entry.type == "modes":
            allowed = {"anyOf": [item, several, {"enum": ["all"]}]}
        elif entry.per_axis or entry.per_mode:
            allowed = {"anyOf": [item, {**vectors, "minItems": 1} if entry.per_axis else several]}
        elif entry.items:
            allowed = several
            if entry.vectors:
                allowed = {"anyOf": [several, {"type": "array", "items": vectors, "minItems": 1}]}
    meaning = entry.meaning + (f"; default: {entry.unset}" if entry.default is None else "")
    default = {} if entry.default is REQUIRED or entry.default is None else {"default": entry.default}
    return {"description": meaning, **allowed, **default}

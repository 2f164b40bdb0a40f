"""Commented configs to start from: a shipped case with every key, its meaning and its value."""

import tomllib
from typing import Any

from ..errors import EnvironmentProblem
from . import catalog
from .catalog import Entry
from .models.root import Config
from .resolving import resolve
from .source import DEFAULT_CASE, case_text
from .toml import toml_value

COLUMN, WIDTH = 28, 120  # where comments begin, and how long a line may be


def template(name: str = DEFAULT_CASE) -> str:
    """A shipped case as commented TOML, ready for `run`: every key of its kinds; those that it leaves open stand in comments.

    InputError if there is no such case, EnvironmentProblem without tomlkit.
    """
    text = case_text(name)
    remarks = [line[1:].strip() for line in text.split("\n\n")[0].splitlines() if line.startswith("#")]
    return commented(tomllib.loads(text), remarks, resolve(name))


def commented(raw: dict, remarks: list[str], resolved: Config | None = None) -> str:
    """A config as commented TOML, remarks above it; resolved: the same with every default, as from `resolve`."""
    try:
        import tomlkit
    except ModuleNotFoundError:
        from ..runtime.remedies import install_hint

        raise EnvironmentProblem(f"init needs tomlkit, a small package: {install_hint('tomlkit')}") from None
    resolved, document = resolve(raw) if resolved is None else resolved, tomlkit.document()
    for line in remarks:
        document.add(tomlkit.comment(line))
    document.add(tomlkit.comment("Units: hbar = c = 1; lengths and times in 1/mu, densities in n."))
    document.add(tomlkit.nl())
    _write(document, catalog.entries((type(resolved),)), resolved, raw)
    for section, values in resolved.sections.items():
        document.add(tomlkit.nl())
        table = tomlkit.table()
        entries = catalog.entries(catalog.sections()[section])
        _write(table, {key: entries[key] for key in type(values).key_names}, values, raw.get(section, {}))
        document.add(section, table)
    return tomlkit.dumps(document)


def _write(table: Any, entries: dict[str, Entry], values: Any, given: dict) -> None:
    """The keys of a table with their meanings; lists of tables behind the others, as TOML wants it."""
    import tomlkit

    for entry in sorted(entries.values(), key=lambda entry: entry.table is not None):
        if entry.table:
            table.add(tomlkit.nl())
            tables = tomlkit.aot()
            for value, before in zip(values[entry.name], given[entry.name]):
                item = tomlkit.table()
                _write(item, {field.name: field for field in entry.fields}, value, before)
                tables.append(item)
            table.add(entry.name, tables)
            continue
        if entry.type == "table":
            continue
        note, value = _note(entry), values[entry.name]
        if entry.quantity and _has_text(given.get(entry.name)):
            value = given[entry.name]
        is_open = entry.default is None and entry.name not in given
        line = f"# {entry.name} =" if is_open else f"{entry.name} = {toml_value(value)}"
        if is_open:
            note += f"; default: {entry.unset}"
            line += f" {toml_value(value)}" if value is not None else ""
        beside = f"{line:<{COLUMN}}  # {note}"
        if len(beside) > WIDTH:
            table.add(tomlkit.comment(note))
        if is_open:
            table.add(tomlkit.comment((beside if len(beside) <= WIDTH else line).removeprefix("# ")))
        else:
            item = tomlkit.item(value)
            if len(beside) <= WIDTH:
                item.comment(note)
                item.trivia.comment_ws = " " * (max(COLUMN - len(line), 0) + 2)
            table.add(entry.name, item)


def _has_text(value: Any) -> bool:
    return any(map(_has_text, value)) if isinstance(value, list) else isinstance(value, str)


def _note(entry: Entry) -> str:
    """The meaning of a key, with its choices where these are not in it."""
    if all(choice in entry.meaning for choice in entry.choices if isinstance(choice, str)):
        return entry.meaning
    return f"{entry.meaning} ({', '.join(entry.choices)})"

"""From what a user writes to a resolved config, in which every default is written out."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..physics import direction_table, seeding
from ..storage import config_text
from ..storage.section import Section
from . import catalog, quantities
from . import source as sources
from .models.root import Config
from .toml import to_toml
from .validate import sections_of


def resolve(source: Any, overrides: Iterable[str] = (), base_dir: Path | str | None = None) -> Config:
    """Check a config and write out every default.

    source: path of a TOML file, name of a shipped case, or a dict (a resolved one comes back unchanged).
    overrides: strings "section.key=value"; the value is TOML, or a bare word for a string. One of initial.n_max and k_max
    replaces the other one.
    base_dir: directory that relative paths start from; default: the file's own, for a dict the current one.
    Returns a Config; keys that may stay open (such as modes.density) are None, paths are absolute.
    InputError lists everything that is wrong, one sentence per line. Call it on one rank and broadcast.
    """
    raw, label, name, directory = sources.load(source)
    directory, overrides, problems = Path(base_dir) if base_dir is not None else directory, list(overrides), []
    seeding.make_way(raw, overrides)
    for override in overrides:
        sources.apply(override, raw)
    _make_paths_portable(raw)
    if isinstance(raw.get("modes"), dict):
        try:
            direction_table.take_in(raw["modes"], directory)
            if raw["modes"].get("kind") == "table":
                from ..physics import mode_table  # with numpy

                mode_table.take_in(raw["modes"], directory)
        except InputError as error:
            raise InputError(f"{label}: {str(error).rstrip('.')}.") from None
    try:
        quantities.take_in(raw)
    except InputError as error:
        raise InputError(config_text.told(str(error).split("\n"), label)) from None
    values = sections_of(raw, problems)
    resolved = None
    if not problems:
        resolved = Config(**values | {"name": values.get("name", name)})
        resolved = _with_absolute_paths(resolved.completed(), directory)
        problems += resolved.problems()
    if resolved is None or problems:
        raise InputError(config_text.told(problems, label))
    if len(to_toml(resolved).encode()) > config_text.LONGEST:
        problem = (
            f"with every default written out it has more than {config_text.LONGEST} bytes, so that it could not be read again."
        )
        raise InputError(config_text.told([problem], label))
    return resolved


def stored(table: Mapping) -> Config:
    """A config as it stands in results, of this or of another version: nothing is checked.

    Keys that are missing have their defaults; those that no section has now are kept. A section without a kind of today, and
    what is no section, is a plain value.
    """
    if isinstance(table, Config):
        return table
    values = {name: value for name, value in table.items() if value is not None}
    for name, kinds in catalog.sections().items():
        given = table.get(name)
        if name and (isinstance(given, Mapping) or given is None and not catalog.is_optional(name)):
            kind = catalog.kind_of(kinds, given or {})
            values[name] = given if isinstance(kind, catalog.Entry) else _stored_section(kind, given or {})
    return Config.unchecked(values)


def _stored_section(kind: type[Section], given: Mapping) -> Section:
    values = dict(given)
    for entry in catalog.entries((kind,)).values():
        if entry.table and entry.name in values:
            values[entry.name] = [entry.table.unchecked(item) for item in values[entry.name]]
    return kind.unchecked(values)


def _make_paths_portable(raw: dict) -> None:
    """Paths that --set or a program gave with bytes that are no UTF-8, in place, as a config can hold them."""
    for table in raw.values():
        if isinstance(table, dict) and isinstance(table.get("path"), str):
            table["path"] = config_text.portable_path(table["path"])


def _with_absolute_paths(config: Config, directory: Path) -> Config:
    for name, section in config.sections.items():
        if section.get("path"):
            config = config.replace(**{name: section.replace(path=_absolute(section["path"], directory))})
    return config


def _absolute(path: str, directory: Path) -> str:
    """A path of a config as it stands from anywhere; one below a home that nobody has is left as it is."""
    path = config_text.system_path(path)
    try:
        place = Path(path).expanduser()
    except RuntimeError:  # "~nobody/"
        place = Path(path)
    return config_text.portable_path(str((directory / place).resolve()))

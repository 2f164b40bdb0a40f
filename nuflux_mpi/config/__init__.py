"""The config: its sections as types, from which checks, commented templates, docs/config.md and the JSON Schema are made.

A config is TOML. `resolve` turns a file, a dict or the name of a shipped case into a `Config`, in which every default is
written out: what the rest of the package sees, what is broadcast to the other ranks, and what is stored as run.toml.
Nothing here knows about MPI, and the validator is imported only where a config is checked.

    models/    the sections, a class for each kind     catalog    their keys as records
    source     file, case, dict, --set                 validate   a table against its class
    resolving  all of it, in order                     sentences  what is wrong, in words
    toml       text of run.toml                        templates, documents  for users

May import physics and all rooms before it. Names: `resolve`, `Config`, `to_toml`, `documentation`, `json_schema`.
"""

from typing import TYPE_CHECKING

from ..lazily import offer

if TYPE_CHECKING:
    from .catalog import schema
    from .documents import documentation, json_schema
    from .models.root import Config
    from .resolving import resolve, stored
    from .source import cases
    from .templates import template
    from .toml import flat, to_toml, toml_value

__all__ = ["Config", "cases", "documentation", "flat", "json_schema", "resolve", "schema", "stored", "template", "to_toml", "toml_value"]  # fmt: skip

_NAMES = {
    "catalog": ("LEVEL_SECTIONS", "LISTS", "REQUIRED", "schema"),
    "documents": ("documentation", "json_schema"),
    "models.root": ("Config",),
    "resolving": ("resolve", "stored"),
    "source": ("DEFAULT_CASE", "cases"),
    "templates": ("template",),
    "toml": ("flat", "to_toml", "toml_value"),
}

__getattr__, __dir__ = offer(__name__, {name: home for home, names in _NAMES.items() for name in names})

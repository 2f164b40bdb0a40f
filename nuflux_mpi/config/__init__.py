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

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..lazily import offer
from ..storage.section import per_axis
from ..time.methods import SPLITTINGS
from .models.root import Config
from .toml import flat, to_toml, toml_value

if TYPE_CHECKING:
    from .catalog import schema
    from .documents import documentation, json_schema
    from .resolving import resolve, stored
    from .source import cases
    from .templates import template

__all__ = [
    "Config",
    "SPLITTINGS",
    "cases",
    "dimensions",
    "documentation",
    "flat",
    "json_schema",
    "mode_count",
    "per_axis",
    "resolve",
    "schema",
    "stored",
    "template",
    "to_toml",
    "toml_value",
]


def mode_count(modes: Mapping) -> int:
    """Number of modes that a section [modes] describes."""
    return len(modes["velocity"]) if modes["kind"] == "beams" else modes["number"] * (modes.get("azimuths") or 1)


def dimensions(config: Mapping) -> int:
    """Number of space dimensions of a config."""
    return len(per_axis(config["box"]["points"]))


_HOMES = {
    "LEVEL_SECTIONS": "catalog",
    "LISTS": "catalog",
    "REQUIRED": "catalog",
    "schema": "catalog",
    "documentation": "documents",
    "json_schema": "documents",
    "resolve": "resolving",
    "stored": "resolving",
    "cases": "source",
    "DEFAULT_CASE": "source",
    "template": "templates",
}

__getattr__, __dir__ = offer(__name__, _HOMES)

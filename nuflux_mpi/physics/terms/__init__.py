"""The terms of the equations, one file each: what it adds, the energy that belongs to it, its linear theory, its flow.

`TERMS` is the list of all. The terms with a config section are in a run where the section is; the others belong to levels.
May import what physics may; nothing here needs numba or MPI before a run is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .force import WeakForce
from .matter import Matter
from .self_interaction import SelfInteraction
from .term import Term
from .vacuum import Vacuum

TERMS: list[type[Term]] = [SelfInteraction, WeakForce, Vacuum, Matter]


def sections() -> dict[str, type | None]:
    """{name of a config section: its class} of the terms that have one."""
    return {term.section: term.Settings for term in TERMS if term.section and term.Settings}


def chosen(config) -> list[type[Term]]:
    """The terms that a resolved config adds to those of its level, in the order of `TERMS`."""
    return [term for term in TERMS if term.section and config.get(term.section) is not None]


def factor_of(config, term: type[Term]) -> float:
    """What [attenuation] of a resolved config multiplies a term by, 1 without it."""
    section = config.get("attenuation")
    return 1.0 if section is None or term.attenuation is None else section[term.attenuation]


def built(config, modes, classes: Iterable[type[Term]] | None = None) -> list[Term]:
    """Terms of a resolved config for its modes, each with its section and its factor; default: those that the config adds."""
    classes = chosen(config) if classes is None else classes
    return [term(config.get(term.section) if term.section else None, modes, factor_of(config, term)) for term in classes]


class Stored(Mapping):
    """What the terms of `TERMS` store, by name: (dimensions, unit, meaning), as in results/names.py."""

    def __getitem__(self, name: str) -> tuple:
        for term in TERMS:
            if name in term.series:
                return term.series[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for term in TERMS for name in term.series)

    def __len__(self) -> int:
        return sum(len(term.series) for term in TERMS)

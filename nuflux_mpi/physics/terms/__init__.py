"""The terms of the equations, one file each: what it adds, the energy that belongs to it, its linear theory, its flow.

`TERMS` is the list of all. The terms with a config section are in a run where the section is; the others belong to levels.
May import what physics may; nothing here needs numba or MPI before a run is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from .force import WeakForce
from .self_interaction import SelfInteraction
from .term import Term

if TYPE_CHECKING:
    from ...theory.linear import Background

TERMS: list[type[Term]] = [SelfInteraction, WeakForce]


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


def background(config, modes, q, pair: int = 0) -> Background:
    """What linear theory is about, for a pair of flavors (an index) whose densities differ by q (modes,), with what the terms
    of a resolved config add. InputError where that is no stationary state of a term.
    """
    from ...theory.linear import Background

    plain = Background(modes.velocity, modes.s, q)
    shift, coupling = 0.0, None
    for term in built(config, modes):
        part = term.linear(plain, pair)
        shift = shift + part.shift
        if part.coupling is not None:
            coupling = part.coupling if coupling is None else coupling + part.coupling
    return plain._replace(shift=shift, coupling=coupling)

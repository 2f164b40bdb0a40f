"""The terms of the equations, one file each: what it adds, the energy that belongs to it, its linear theory, its flow.

`TERMS` is the list of all. The terms with a config section are in a run where the section is; the others belong to levels.
May import what physics may; nothing here needs numba or MPI before a run is built.
"""

from .force import WeakForce
from .self_interaction import SelfInteraction
from .term import Term

TERMS: list[type[Term]] = [SelfInteraction, WeakForce]


def sections() -> dict[str, type]:
    """{name of a config section: its class} of the terms that have one."""
    return {term.section: term.Settings for term in TERMS if term.section}


def chosen(config) -> list[type[Term]]:
    """The terms that a resolved config adds to those of its level, in the order of `TERMS`."""
    return [term for term in TERMS if term.section and config.get(term.section) is not None]


def stored() -> dict[str, tuple]:
    """What the terms of `TERMS` store, by name: (dimensions, unit, meaning), as in results/names.py."""
    return {name: entry for term in TERMS for name, entry in term.series.items()}

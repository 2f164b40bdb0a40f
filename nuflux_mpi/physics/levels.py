"""The levels of description by name, and what is built of them: what `equations.level` of a config chooses from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..time.methods import SPLITTINGS
from . import modes as gas
from .fields import Declaration
from .interaction import InteractionPicture
from .modes import Modes
from .terms import built, chosen
from .terms.total import without_flow

# Parts of a term for which a level needs a place, see `Level.takes`.
PARTS = ("potential", "mode_potential", "trace", "source", "fields")

# Where each level is: a run loads its own.
_HOMES = {
    "standard": "polarization.Standard",
    "energy": "polarization.Energy",
    "momentum": "momentum.Momentum",
    "full": "full.Full",
}


class _Levels(Mapping):
    """{name: class of the level}, each loaded when it is asked for."""

    def __getitem__(self, name):
        module, _, level = _HOMES[name].partition(".")
        return getattr(import_module(f".{module}", __package__), level)

    def __iter__(self):
        return iter(_HOMES)

    def __len__(self):
        return len(_HOMES)


LEVELS = _Levels()


def level_of(config):
    """The level of a resolved config."""
    return LEVELS[config.equations.level]


def method_of(config):
    """The time-stepping method of a resolved config: what "auto" stands for is the level's own choice."""
    method = config.time.method
    return level_of(config).auto_method if method == "auto" else method


def terms_of(config, modes):
    """All terms of a resolved config, those of its level first, for its modes."""
    own = level_of(config).own_terms
    classes = [*own, *(term for term in chosen(config) if term not in own)]
    return built(config, modes, classes)


def modes_of(config) -> Modes:
    """The modes of a resolved config. InputError if a merged direction carries no lepton number."""
    return gas.build(config.modes, config.box.dimensions, config.flavor.number, bool(separating(config)))


def separating(config) -> str:
    """What of a resolved config tells species or energies of one direction apart, in words; "" if nothing does."""
    if terms := [f"[{term.section}]" for term in chosen(config) if term.separates]:
        return " and ".join(terms)
    level = config.equations.level
    return f"level {level}" if level in ("momentum", "full") and config.modes.get("energy") is not None else ""


@dataclass(frozen=True, eq=False)
class Setup:
    """What follows from a resolved config alone, made once and handed on: modes, terms, and what the level holds."""

    config: Any
    modes: Modes
    terms: list
    declared: Declaration

    @classmethod
    def of(cls, config) -> Setup:
        """InputError if a direction carries no lepton number."""
        modes, level = modes_of(config), level_of(config)
        terms = terms_of(config, modes)
        return cls(config, modes, terms, level.declare(modes, config.get(level.level), terms, modes.velocity.shape[1]))

    @property
    def level(self):
        """The class of the level."""
        return level_of(self.config)

    @property
    def method(self) -> str:
        """The time-stepping method."""
        return method_of(self.config)

    def build(self, box):
        """The level in a box, with its picture. Collective."""
        return build(self.level, box, self.modes, self.config.get(self.level.level), self.terms)


def build(level, box, modes, settings=None, terms=None):
    """A level in a periodic box, with its picture. Collective.

    settings: the config section of its name; terms: as from `terms_of`, default those that the level always has.
    """
    terms = [term(None, modes) for term in level.own_terms] if terms is None else terms
    picture = InteractionPicture.of(box, level.declare(modes, settings, terms, box.dimensions))
    return level(box, modes, settings, picture, terms)


def _has_place(level, term) -> bool:
    """Whether a level has a place for all parts of a term. With `mass`, `mode_potential` is not asked for."""
    in_its_place = {"mode_potential"} if "mass" in level.takes and term.has("mass") else set()
    return all(part in level.takes or part in in_its_place for part in PARTS if term.has(part))


def problems(config):
    """What is wrong between the level, the terms and the method of a resolved config, one sentence each."""
    level, method = level_of(config), config.time.method
    for term in chosen(config):
        if not _has_place(level, term):
            able = [name for name, one in LEVELS.items() if _has_place(one, term)]
            yield f"equations.level must be {' or '.join(able)} with [{term.section}], not {level.level}."
    if method in SPLITTINGS:
        missing = without_flow((*level.own_terms, *chosen(config)))
        if not level.splits:
            yield (
                f"time.method must be adams, auto or a Runge-Kutta pair (8vr, ...) with equations.level = {level.level}, not "
                f"{method}: splitting is for the levels standard and energy, at which neutrinos keep their momenta."
            )
        elif missing:
            yield (
                f"time.method must be adams, auto or a Runge-Kutta pair (8vr, ...), not {method}: splitting needs the exact "
                f"local flow of every term, and there is none of {' and '.join(missing)}."
            )

"""The levels of description by name, and what is built of them: what `equations.level` of a config chooses from."""

from .full import Full
from .interaction import InteractionPicture
from .momentum import Momentum
from .polarization import Energy, Standard
from .terms import chosen

LEVELS = {level.level: level for level in (Standard, Energy, Momentum, Full)}


def level_of(config):
    """The level of a resolved config."""
    return LEVELS[config["equations"]["level"]]


def method_of(config):
    """The time-stepping method of a resolved config: what "auto" stands for is the level's own choice."""
    method = config["time"]["method"]
    return level_of(config).auto_method if method == "auto" else method


def terms_of(config, modes):
    """All terms of a resolved config, those of its level first, for its modes."""
    own = [term(None, modes) for term in level_of(config).own_terms]
    return own + [term(config[term.section], modes) for term in chosen(config)]


def declared(config, modes):
    """What the level of a resolved config holds, a :class:`~nuflux_mpi.physics.fields.Declaration`."""
    level = level_of(config)
    return level.declare(modes, config.get(level.level), terms_of(config, modes), modes.velocity.shape[1])


def build(level, box, modes, settings=None, terms=None):
    """A level in a periodic box, with its picture. Collective.

    settings: the config section of its name; terms: as from `terms_of`, default those that the level always has.
    """
    terms = [term(None, modes) for term in level.own_terms] if terms is None else terms
    picture = InteractionPicture.of(box, level.declare(modes, settings, terms, box.dimensions))
    return level(box, modes, settings, picture, terms)

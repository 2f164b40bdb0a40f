"""The levels of description by name: what `equations.level` of a config chooses from."""

from .equations import Energy, Standard
from .momentum import Momentum

LEVELS = {level.level: level for level in (Standard, Energy, Momentum)}


def settings(config):
    """The section of a resolved config that belongs to its level, or None."""
    return config.get(config["equations"]["level"])

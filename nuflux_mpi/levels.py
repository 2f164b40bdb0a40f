"""The levels of description by name: what `equations.level` of a config chooses from."""

from .equations import Energy, Standard
from .full import Full
from .momentum import Momentum

LEVELS = {level.level: level for level in (Standard, Energy, Momentum, Full)}


def settings(config, signs):
    """The section of a resolved config that belongs to its level, or None; signs: s_a of the modes."""
    name = config["equations"]["level"]
    section = config.get(name)
    return section | {"species": len(set(signs))} if name == Full.level else section

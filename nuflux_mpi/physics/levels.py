"""The levels of description by name: what `equations.level` of a config chooses from."""

from .full import Full
from .momentum import Momentum
from .polarization import Energy, Standard

LEVELS = {level.level: level for level in (Standard, Energy, Momentum, Full)}


def method_of(config):
    """The time-stepping method of a resolved config: what "auto" stands for is the level's own choice."""
    method = config["time"]["method"]
    return LEVELS[config["equations"]["level"]].auto_method if method == "auto" else method

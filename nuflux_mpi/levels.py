"""The levels of description by name: what `equations.level` of a config chooses from."""

from .equations import Energy, Standard
from .full import Full
from .momentum import Momentum

LEVELS = {level.level: level for level in (Standard, Energy, Momentum, Full)}

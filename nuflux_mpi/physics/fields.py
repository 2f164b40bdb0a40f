"""What a level holds, as data: its fields, and every count that follows from them.

A level declares its fields before anything is built. The lines of the state, their velocities, what is transformed and
sent, the names and shapes in the files, and the memory that `check` foretells are all read off the declaration.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np


class Field(NamedTuple):
    """One field: real functions of space, as many as its leading axes have entries.

    shape: axes in front of space, such as (modes, components).
    velocity: with which the entries are advected, an array that broadcasts to (*shape, axes); None: they stay in place.
    evolved: whether the field is part of the state; else it is made of the others when it is stored.
    active: whether right-hand sides depend on it. A passive field is a quadrature, which time steps need not predict.
    flux: whether the level gives a flux of it besides, whose divergence is taken in wave space.
    stored: file of the run directory that has it, "fields" (fields.h5), "phase_space" (phase_space.h5, from which
        a state can be made again where fields.h5 does not suffice), "series" (its box average in series.h5), or "" for none.
    """

    name: str
    shape: tuple[int, ...]
    velocity: np.ndarray | None = None
    evolved: bool = True
    active: bool = True
    flux: bool = False
    stored: str = "fields"

    @property
    def lines(self) -> int:
        """Number of real functions of space."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Declaration:
    """The fields of a level in a box of so many axes, and what its right-hand sides need beside them.

    gradient: real functions of space whose gradient each right-hand side takes; flow_gradient: the same for each local
    flow of a splitting method, which holds flow_arrays besides. beside: those of which arrays outside the state hold the
    gradient, for right-hand sides and for the series; arrays: those in arrays outside the state that are never transformed. passing_states: copies of the
    state that a row of the series or a snapshot needs for a moment.
    """

    axes: int
    fields: tuple[Field, ...]
    gradient: int = 0
    flow_gradient: int = 0
    flow_arrays: int = 0
    beside: int = 0
    arrays: int = 0
    passing_states: int = 0

    @cached_property
    def evolved(self) -> tuple[Field, ...]:
        """The fields of the state, in the order of its lines: active ones first."""
        state = [field for field in self.fields if field.evolved]
        return tuple(sorted(state, key=lambda field: not field.active))

    @property
    def segments(self) -> tuple[int, ...]:
        """Numbers of lines of the state: those that right-hand sides depend on, then the passive ones, if there are any."""
        active = sum(field.lines for field in self.evolved if field.active)
        passive = self.lines - active
        return (active, passive) if passive else (active,)

    @property
    def lines(self) -> int:
        """Number of lines of the state."""
        return sum(field.lines for field in self.evolved)

    @property
    def flux_lines(self) -> int:
        """Lines that the forward transform carries besides those of the state."""
        return sum(field.lines for field in self.evolved if field.flux)

    @property
    def velocity(self) -> np.ndarray:
        """Velocity of each line of the state, (lines, axes)."""
        still = np.zeros(self.axes)
        parts = [
            np.broadcast_to(still if field.velocity is None else field.velocity, (*field.shape, self.axes))
            for field in self.evolved
        ]
        return np.concatenate([part.reshape(-1, self.axes) for part in parts])

    def stored(self, file: str) -> dict[str, tuple[int, ...]]:
        """The fields in a file, "fields", "phase_space" or "series": {name: axes in front of space}."""
        return {field.name: field.shape for field in self.fields if field.stored == file}

    def views(self, lines: np.ndarray) -> dict[str, np.ndarray]:
        """The fields of the state by name in an array of its lines, (lines, *space): views (*shape, *space)."""
        found, first = {}, 0
        for field in self.evolved:
            found[field.name] = lines[first : first + field.lines].reshape(*field.shape, *lines.shape[1:])
            first += field.lines
        return found

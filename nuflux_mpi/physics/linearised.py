"""What linear theory is about, from a config: the background of a pair of flavors with what all terms of a run add to it."""

from __future__ import annotations

import numpy as np

from ..storage import start_file
from ..theory.linear import Background, Linearised
from .terms import built, factor_of
from .terms.self_interaction import SelfInteraction


class Place:
    """The whole box of a resolved config, for what is asked without ranks: the part of a `box.Box` that states and terms read.

    length, origin, points: (axes,).
    """

    def __init__(self, length, origin, points):
        self.length, self.origin, self.points = tuple(length), tuple(origin), tuple(points)

    @classmethod
    def of(cls, config) -> Place:
        return cls(config.box.lengths, config.box.origins, config.box.shape)

    @property
    def dimensions(self) -> int:
        return len(self.points)

    @property
    def local_shape(self) -> tuple[int, ...]:
        return self.points

    def positions(self) -> list[np.ndarray]:
        """Coordinates counted from the box's origin, one array per axis, broadcastable to `local_shape`."""
        return list(np.ix_(*(np.arange(N) * L / N for N, L in zip(self.points, self.length))))

    def coordinates(self) -> list[np.ndarray]:
        """As of a box, one array per axis, broadcastable to `local_shape`."""
        return [start + r for start, r in zip(self.origin, self.positions())]

    def read(self, path, name: str, leading: tuple[int, ...], key: str) -> np.ndarray:
        """A dataset (*leading, *points) of an HDF5 file; InputError, beginning with the key, if it is not as asked."""
        return start_file.whole(start_file.find(path, (name,), key, shapes=[(*leading, *self.points)]), name)

    # Sums over space of fields (..., *points), as of a box.

    def max(self, field):
        return np.max(field)

    def mean(self, field):
        return np.mean(field, axis=tuple(range(-self.dimensions, 0)))


def linearised(config, modes, q, pair: int = 0) -> Linearised:
    """The Linearised state for a pair of flavors (an index) whose densities differ by q (modes,), with all terms of a resolved
    config. InputError where that is no stationary state of a term.
    """
    whole = modes.vectors
    vectors = whole if whole.shape[1] > modes.velocity.shape[1] else None
    plain = Background(modes.velocity, modes.s, q, vectors=vectors, strength=factor_of(config, SelfInteraction))
    shift, coupling, mixing, profile = 0.0, None, 0.0, None
    for term in built(config, modes):
        term.enter(Place.of(config))
        part = term.linear(plain, pair)
        shift, mixing = shift + part.shift, mixing + part.mixing
        if part.coupling is not None:
            coupling = part.coupling if coupling is None else coupling + part.coupling
        if part.profile is not None and np.any(part.profile):
            profile = part.profile if profile is None else profile + part.profile
    return Linearised(plain._replace(shift=shift, coupling=coupling), mixing, profile)

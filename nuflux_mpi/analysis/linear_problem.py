"""The problem that linear theory is asked about: background, seeds and angular grid of a case, or of a run.

No ranks, no MPI, no PETSc. The background is the homogeneous P_a^z of the case, and the equations are those of flavor at level
"standard", which the levels "energy" and "momentum" share; at level "full" the beams have a width in direction, in whose place
the theory takes their sharp directions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..config import dimensions, mode_count, per_axis
from ..errors import InputError
from ..physics import initial, modes
from ..runtime.limits import available_memory
from ..storage import start_file
from ..theory import linear
from ..theory.linear import Background

STATES = 6  # complex arrays (modes, points) alive at once while the seeds are made and predicted


@dataclass(frozen=True)
class Place:
    """What initial states ask of a box."""

    length: tuple
    origin: tuple


@dataclass(frozen=True, eq=False)
class Problem:
    """The linear problem of a resolved config.

    psi: seeds on the grid, complex (modes, *points), in units of n. spacing: (modes,) width of the bins of an angular grid in
    one dimension, None elsewhere and for beams, whose directions are what they are.
    """

    config: dict
    background: Background
    psi: np.ndarray
    spacing: np.ndarray | None

    def __len__(self) -> int:
        return len(self.background.s)

    # Of boxes of one dimension:

    @property
    def v(self) -> np.ndarray:
        """Velocities along the box, (modes,)."""
        return self.background.v[:, 0]

    @property
    def step(self) -> float:
        """Distance of the box's wavenumbers, 2 pi / L."""
        return 2 * np.pi / self.config["box"]["length"]

    @property
    def harmonics(self) -> np.ndarray:
        """All that the grid carries, ascending."""
        highest = (self.config["box"]["points"] - 1) // 2
        return np.arange(-highest, highest + 1)

    @property
    def two_beams(self) -> tuple[float, float] | None:
        """(zeta_+, zeta_-) if these are two beams of neutrinos, v = +1 and -1, for which closed forms exist; else None."""
        if sorted(self.v) != [-1, 1] or np.any(self.background.s != 1):
            return None
        forward = int(np.argmax(self.v))
        return self.background.q[forward], self.background.q[1 - forward]


def problem(config) -> Problem:
    """The Problem of a resolved config. InputError if its background is not stationary and homogeneous."""
    if not linear.has_sharp_directions(config):
        raise InputError(
            f'linear: full.distribution = "{config["full"]["distribution"]}" has no sharp directions; describe '
            'them as kind = "angular" at another level.'
        )
    axes, box = dimensions(config), config["box"]
    directions, points = modes.build(config["modes"], axes), per_axis(box["points"])
    needed, available = STATES * 16 * len(directions) * math.prod(points), available_memory()
    if needed > available:
        raise InputError(
            f"linear: box.points = {box['points']} with {len(directions)} modes need about {needed / 1e9:.3g} GB, "
            f"and {available / 1e9:.3g} GB are available; choose fewer points, the growth of a wave does not "
            "depend on them."
        )
    if config["initial"]["kind"] == "file":
        P = _from_file(config)
        zeta, psi = P[:, 2].reshape(len(P), -1).mean(axis=-1), P[:, 0] + 1j * P[:, 1]
        uneven = np.abs(P[:, 2] - zeta.reshape(-1, *[1] * axes)).max()
    else:
        place = Place(tuple(per_axis(box["length"])), tuple(per_axis(box["origin"])))
        r = np.ix_(*(np.arange(N) * L / N for N, L in zip(points, place.length)))
        zeta, uneven = initial.background(config, directions), 0.0
        psi = np.broadcast_to(initial.coherence(config, directions, r, place), (len(directions), *points))
    size, seed = np.abs(zeta).max(), np.abs(psi).max()
    if seed > linear.LARGEST_SEED * size or uneven > linear.LARGEST_SEED * size:
        what = f"|psi| reaches {seed:.3g}" if seed > linear.LARGEST_SEED * size else f"P^z varies by {uneven:.3g}"
        raise InputError(
            f"initial: the background is not stationary, {what} where the largest P^z is {size:.3g}; linear "
            f"theory takes up to {linear.LARGEST_SEED:g} of it."
        )
    return Problem(config, Background(directions.velocity, directions.s, zeta), psi, directions.bins)


def _from_file(config):
    path, shape = config["initial"]["path"], (mode_count(config["modes"]), 3, *per_axis(config["box"]["points"]))
    return start_file.whole(start_file.find(path, ("P",), "initial.path", shapes=[shape]), "P")

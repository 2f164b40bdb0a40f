"""The problem that linear theory is asked about: background, seeds and angular grid of a case, or of a run.

No ranks, no MPI, no PETSc. The background is the homogeneous P_a^z of the case, and the equations are those of flavor at level
"standard", which the levels "energy" and "momentum" share; at level "full" the beams have a width in direction, in whose place
the theory takes their sharp directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..config import Config
from ..errors import InputError
from ..flavor.algebra import of_components
from ..physics import initial, modes
from ..physics.terms import background, chosen
from ..runtime.limits import available_memory
from ..storage import start_file
from ..theory import growth_curve, linear
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

    background: of one pair of flavors. psi: its seeds on the grid, complex (modes, *points), in units of n. spacing: (modes,)
    width of the bins of an angular grid in one dimension, None elsewhere and for beams, whose directions are what they are.
    """

    config: Config
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
        return 2 * np.pi / self.config.box.length  # pyright: ignore[reportOperatorIssue] (one axis)

    @property
    def harmonics(self) -> np.ndarray:
        """All that the grid carries, ascending."""
        highest = (self.config.box.points - 1) // 2  # pyright: ignore[reportOperatorIssue] (one axis)
        return np.arange(-highest, highest + 1)

    @property
    def two_beams(self) -> tuple[float, float] | None:
        """(zeta_+, zeta_-) if these are two beams of neutrinos, v = +1 and -1, for which closed forms exist; else None."""
        if sorted(self.v) != [-1, 1] or np.any(self.background.s != 1):
            return None
        forward = int(np.argmax(self.v))
        return self.background.q[forward], self.background.q[1 - forward]


def problem(config) -> Problem:
    """The Problem of a resolved config for the first two flavors. InputError if its background is not stationary and
    homogeneous."""
    if not _has_sharp_directions(config):
        raise InputError(
            f'linear: full.distribution = "{config.full.distribution}" has no sharp directions; describe '
            'them as kind = "angular" at another level.'
        )
    axes, box = config.box.dimensions, config.box
    directions, points = modes.build(config.modes, axes), box.shape
    needed, available = STATES * 16 * len(directions) * math.prod(points), available_memory()
    if needed > available:
        raise InputError(
            f"linear: box.points = {box.points} with {len(directions)} modes need about {needed / 1e9:.3g} GB, "
            f"and {available / 1e9:.3g} GB are available; choose fewer points, the growth of a wave does not "
            "depend on them."
        )
    if config.initial.kind == "file":
        P, algebra = _from_file(config, directions), directions.algebra
        difference, psi = algebra.difference(P, algebra.pairs[0], axis=1), algebra.coherence(P, algebra.pairs[0], axis=1)
        zeta = difference.reshape(len(P), -1).mean(axis=-1)
        uneven = np.abs(difference - zeta.reshape(-1, *[1] * axes)).max()
    else:
        place = Place(tuple(box.lengths), tuple(box.origins))
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
    return Problem(config, background(config, directions, zeta), psi, directions.bins)


def _has_sharp_directions(config):
    """Whether the modes of a resolved config are its directions: not for states of level "full" other than beams."""
    if config.equations.level != "full":
        return True
    return config.full.get("distribution", "gaussian") == "gaussian"


def applies(config) -> bool:
    """Whether there is a linear theory of a resolved config: sharp directions, and a background that no term turns."""
    if not _has_sharp_directions(config):
        return False
    if chosen(config):
        directions = modes.build(config.modes, config.box.dimensions)
        try:
            background(config, directions, np.zeros(len(directions)))
        except InputError:
            return False
    return True


def of_run(run) -> list[Background]:
    """The Backgrounds of a run, one for each pair of flavors, from the box averages at its start."""
    series = run.series
    v, P = np.asarray(series["v"]), np.asarray(series["P_mean"][0])
    algebra = of_components(P.shape[1])
    directions = modes.Modes(v, np.asarray(series["sign"]), None, np.ones(len(v)), flavors=algebra.flavors)
    differences = [algebra.difference(P, pair, axis=1) for pair in algebra.pairs]
    return [background(run.config, directions, q, pair) for pair, q in enumerate(differences)]


def rates_of(backgrounds: list[Background]) -> Callable:
    """Function of k, (m,), that returns the growth rates of the fastest pair of flavors there; see `growth_curve`."""
    each = [growth_curve.rates_of(*background) for background in backgrounds]
    return lambda k: np.max([rates(k) for rates in each], axis=0)


def _from_file(config, directions):
    shape = (len(directions), directions.algebra.components, *config.box.shape)
    path = config.initial.path
    return start_file.whole(start_file.find(path, ("P",), "initial.path", shapes=[shape]), "P")

"""The problem that linear theory is asked about: background, seeds and angular grid of a case, or of a run.

Each pair of flavors has a problem of its own. No ranks, no MPI, no PETSc. The background is the mean state of the case, and the
equations are those of flavor at level "standard", which the levels "energy" and "momentum" share; at level "full" the beams have
a width in direction, in whose place the theory takes their sharp directions, and their momenta, in whose place it takes the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..config import Config
from ..errors import InputError
from ..flavor.algebra import Pair, of_components
from ..flavor.algebra import algebra as of_flavors
from ..physics import initial
from ..physics.levels import modes_of
from ..physics.linearised import Place, linearised
from ..physics.modes import Modes
from ..physics.terms import chosen
from ..runtime.limits import available_memory
from ..theory import alike, growth_curve, linear, stationary
from ..theory.linear import Background, Linearised

STATES = 6  # complex arrays (modes, points) alive at once while the seeds are made and predicted


@dataclass(frozen=True, eq=False)
class Problem:
    """The linear problem of a resolved config for one pair of flavors.

    state: what is linearised about. psi: its seeds on the grid, complex (modes, *points), in units of n. spacing: (modes,) width of
    the bins of an angular grid in one dimension, None elsewhere and for beams, whose directions are what they are. index: of the
    pair in `modes.algebra.pairs`.
    """

    config: Config
    modes: Modes
    index: int
    state: Linearised
    psi: np.ndarray
    spacing: np.ndarray | None

    def __len__(self) -> int:
        return len(self.background.s)

    @property
    def background(self) -> Background:
        """What is linearised about; without a profile in space, if there is one."""
        return self.state.background

    @property
    def pair(self) -> Pair:
        return self.modes.algebra.pairs[self.index]

    @property
    def pair_name(self) -> str:
        """The pair as users write it, such as "e mu"."""
        return named(self.modes.algebra, self.index)

    @property
    def several(self) -> bool:
        """Whether there are other pairs of flavors."""
        return len(self.modes.algebra.pairs) > 1

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
        """(zeta_+, zeta_-) if these are two beams of neutrinos, v = +1 and -1, and nothing else, for which closed forms exist;
        else None."""
        background = self.background
        if sorted(self.v) != [-1, 1] or np.any(background.s != 1) or background.strength != 1 or self.state.profile is not None:
            return None
        if np.any(background.shift) or background.coupling is not None:
            return None
        forward = int(np.argmax(self.v))
        return background.q[forward], background.q[1 - forward]


def named(algebra, index: int) -> str:
    """A pair of flavors as users write it: "e x", "e mu", ..."""
    pair = algebra.pairs[index]
    return f"{algebra.names[pair.first]} {algebra.names[pair.second]}"


def problem(config) -> Problem:
    """The Problem of a resolved config for its first pair of flavors; see `problems`."""
    return problems(config)[0]


def problems(config, pair: str | None = None) -> list[Problem]:
    """The Problems of a resolved config, one for each pair of flavors, or for the pair that is named.

    InputError if the background is not stationary and homogeneous (but for the profile of a term), or for an unknown pair.
    """
    if not _has_sharp_directions(config):
        raise InputError(
            f'linear: full.distribution = "{config.full.distribution}" has no sharp directions; describe '
            'them as kind = "angular" at another level.'
        )
    box, directions = config.box, modes_of(config)
    needed, available = STATES * 16 * len(directions) * math.prod(box.shape), available_memory()
    if needed > available:
        raise InputError(
            f"linear: box.points = {box.points} with {len(directions)} modes need about {needed / 1e9:.3g} GB, "
            f"and {available / 1e9:.3g} GB are available; choose fewer points, the growth of a wave does not "
            "depend on them."
        )
    asked = range(len(directions.algebra.pairs)) if pair is None else [_index(directions.algebra, pair)]
    state = _State.of(config, directions)
    state.check(directions.algebra)
    states = states_of(config, directions, state.difference)
    found = [Problem(config, directions, i, states[i], state.psi[i], directions.bins) for i in asked]
    if turned := moving(config, [one.state for one in found]):
        raise InputError(f"linear: {turned}.")
    return found


def states_of(config, directions, differences) -> list[Linearised]:
    """The Linearised of each pair of flavors, for combinations of mu and tau that do not mix where these are alike."""
    return alike.unmixed([linearised(config, directions, q, pair) for pair, q in enumerate(differences)])


def seeded_pair(config) -> int:
    """Index of the pair of flavors in whose waves an eigenmode is seeded."""
    name = config.get("initial", {}).get("pair")
    return 0 if name is None else _index(of_flavors(config.flavor.number), name)


def _index(algebra, name):
    """Index of the pair of flavors that a user names."""
    known = [named(algebra, i) for i in range(len(algebra.pairs))]
    words = name.replace("-", " ").split()
    for i, one in enumerate(known):
        if words in (one.split(), one.split()[::-1]):
            return i
    raise InputError(f"linear: --pair must be {' or '.join(known)}, not {name!r}.")


@dataclass(frozen=True, eq=False)
class _State:
    """Of each pair: difference of the densities, (pairs, modes), how far it varies in space, and psi (pairs, modes, *points)."""

    difference: np.ndarray
    uneven: np.ndarray
    psi: list

    @classmethod
    def of(cls, config, directions):
        pairs, place = directions.algebra.pairs, Place.of(config)
        if config.initial.kind == "file":
            P = place.read(config.initial.path, "P", (len(directions), directions.algebra.components), "initial.path")
            return cls.of_polarization(P, directions.algebra)
        shape, zero = (len(directions), *place.points), np.zeros((1,) * (1 + place.dimensions))
        psi = [initial.coherence(config, directions, place.positions(), place, i) for i in range(len(pairs))]
        psi = [zero if one is None else one for one in psi]
        return cls(_differences(config, directions), np.zeros(len(pairs)), [np.broadcast_to(one, shape) for one in psi])

    @classmethod
    def of_polarization(cls, P, algebra):
        flat = P.reshape(*P.shape[:2], -1)
        differences = np.array([algebra.difference(flat, pair, axis=1) for pair in algebra.pairs])
        mean = differences.mean(axis=-1)
        uneven = np.abs(differences - mean[..., None]).max(axis=(1, 2))
        return cls(mean, uneven, [algebra.coherence(P, pair, axis=1) for pair in algebra.pairs])

    def check(self, algebra):
        """InputError if a pair's coherence or variation is no small disturbance."""
        size = np.abs(self.difference).max()
        symbol, of = ("P^z", "") if len(self.psi) == 1 else ("n_alpha - n_beta", " of {}")
        for i, (uneven, psi) in enumerate(zip(self.uneven, self.psi)):
            seed = np.abs(psi).max()
            if seed > linear.LARGEST_SEED * size or uneven > linear.LARGEST_SEED * size:
                pair = of.format(named(algebra, i))
                what = f"|psi|{pair} reaches {seed:.3g}"
                if seed <= linear.LARGEST_SEED * size:
                    what = f"{symbol}{pair} varies by {uneven:.3g}"
                raise InputError(
                    f"initial: the background is not stationary, {what} where the largest {symbol} is {size:.3g}; linear "
                    f"theory takes up to {linear.LARGEST_SEED:g} of it."
                )


def _differences(config, directions):
    """Difference of the densities of each pair of flavors, (pairs, modes)."""
    return np.array([initial.background(config, directions, pair) for pair in range(len(directions.algebra.pairs))])


def moving(config, states: list[Linearised]) -> str | None:
    """A sentence if mixing turns the background of a pair before its waves have grown, so that there is no linear theory."""
    if not any(np.any(state.mixing) for state in states):
        return None
    growth = max(_fastest(config, state) for state in states)
    each = [stationary.turning(state, growth) for state in states]
    turned = max(each, key=lambda one: one.tilt)
    if turned.still:
        return None
    compared, within = "and nothing grows", ""
    if growth > 0:
        compared = f"{turned.rate / growth:.3g} of the fastest growth ({growth:.3g})"
        within = f" within {stationary.EFOLDINGS:g} e-folds of growth"
    angle, allowed = (np.degrees(np.arcsin(min(sine, 1.0))) for sine in (turned.tilt, linear.LARGEST_SEED))
    return (
        f"the start is no stationary state: vacuum mixing turns it at the rate sin 2theta omega = {turned.rate:.3g}, {compared}, "
        f"and tilts it by {angle:.3g} degrees{within}, where linear theory takes {allowed:.3g}"
    )


def moving_start(config) -> str | None:
    """`moving` of a resolved config whose start is made by the program; None for a start file and for states without a theory."""
    if config.initial.kind == "file" or not chosen(config) or not applies(config):
        return None
    directions = modes_of(config)
    return moving(config, states_of(config, directions, _differences(config, directions)))


def _fastest(config, state):
    """Largest growth rate among a sample of the box's waves, without a profile, 0 where nothing grows."""
    background = state.background
    if config.box.dimensions > 1:
        n = np.array(list(np.ndindex(*[5] * config.box.dimensions))) - 2
        k = 2 * np.pi * n / config.box.lengths
        followed = growth_curve.follows(background)
        rates = growth_curve.Followed(background)(k) if followed else linear.growth_rate(k, *background)
        return max(float(rates.max()), 0.0)
    highest = (config.box.points - 1) // 2
    k = 2 * np.pi / config.box.length * np.arange(-highest, highest + 1)
    rates = growth_curve.rates_of(*background)(linear.scanned(k, len(background.s)))
    fastest = float(rates.max())
    return fastest if fastest > linear.ROUND_OFF * background.size else 0.0


def _has_sharp_directions(config):
    """Whether the modes of a resolved config are its directions: not for states of level "full" other than beams."""
    if config.equations.level != "full":
        return True
    return config.full.get("distribution", "gaussian") == "gaussian"


def applies(config) -> bool:
    """Whether there may be a linear theory of a resolved config: sharp directions, and no term that refuses. See `moving`, too."""
    if not _has_sharp_directions(config):
        return False
    if chosen(config):
        directions = modes_of(config)
        try:
            for pair in range(len(directions.algebra.pairs)):
                linearised(config, directions, np.zeros(len(directions)), pair)
        except InputError:
            return False
    return True


def of_run(run) -> list[Linearised]:
    """The states of a run that linear theory is about, one for each pair of flavors, from the box averages at its start."""
    series = run.series
    P = np.asarray(series["P_mean"][0])
    algebra, directions = of_components(P.shape[1]), _modes_of_run(run, P)
    differences = [algebra.difference(P, pair, axis=1) for pair in algebra.pairs]
    return states_of(run.config, directions, differences)


def _modes_of_run(run, P):
    """The modes of a run; where its config does not say them, what its series know of them."""
    flavors = of_components(P.shape[1]).flavors
    if run.config.get("modes") and run.config.get("box", {}).get("points"):
        directions = modes_of(run.config)
        if (len(directions), directions.flavors) == (len(P), flavors):
            return directions
    v = np.asarray(run.series["v"])
    return Modes(v, np.asarray(run.series["sign"]), None, np.ones(len(v)), flavors=flavors)


def rates_of(states: list[Linearised]) -> Callable:
    """Function of k, (m,), that returns the growth rates of the fastest pair of flavors there; see `growth_curve`."""
    each = [growth_curve.rates_of(*state.background) for state in states]
    return lambda k: np.max([rates(k) for rates in each], axis=0)

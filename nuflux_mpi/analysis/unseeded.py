"""Waves that linear theory says grow, and that the initial state does not seed: one sentence of warning.

    from nuflux_mpi import config
    from nuflux_mpi.analysis import unseeded
    unseeded.of_config(config.resolve("two_beam", ["box.length=1000", "box.points=8192"]))

A longer box has the same harmonics at smaller wave numbers. Seeds that are counted by harmonics then miss the waves that grow,
and a run shows the growth of others. `of_config` looks at the config alone, `of_spectrum` at the power spectrum of a state. No
ranks, no MPI. A sample of the box's waves is looked at, which takes about a second at most.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..errors import InputError
from ..physics import initial, levels
from ..physics.linearised import linearised
from ..physics.seeding import PAIRS, highest_harmonics
from ..storage.section import per_axis
from ..theory import linear
from . import linear_problem

# Eigenvalues cost modes^3, and a call is worth some more. So many take a second.
MOST_OPERATIONS, CALL = 1e8, 1e4
MOST_WAVES, FEWEST_WAVES = 400, 16  # looked at; with fewer nothing can be said
MOST_DIRECTIONS, MOST_IN_SPACE = (
    64,
    (16, 8),
)  # of an angular distribution (there: number and azimuths); its waves are those of more
# Power of a wave that counts as none, over that of the strongest: an amplitude of 1e-8 of its own.
NONE = 1e-16
# Waves faster than this share of the fastest seeded one are missed. Those of a list or of a file were chosen, and in more
# dimensions growth goes on without end along strips of wave vectors, which no seeds fill.
MISSED, MISSED_BY_CHOICE = 0.9, 1.02
EFOLDINGS = 3.0  # growth in the whole run below which a wave does not matter
REFINED = 9  # harmonics tried between the neighbours of the fastest


def of_config(config):
    """The sentence for a resolved config, or None; also None for a start file, whose waves only the run knows."""
    if config.initial.kind == "file" or not _has_theory(config) or _without_seeds(config.initial):
        return None
    directions = _directions(config)
    for pair in initial.seeded_pairs(config.initial, directions.flavors):  # others were left out by choice
        found = _sentence(
            config, directions, initial.background(config, directions, pair), _power_of_config(config, pair), pair
        )
        if found:
            return found
    return None


def of_spectra(config, k, psi2, differences):
    """`of_spectrum` of each pair of flavors, the first sentence; psi2: (pairs, waves), differences: (pairs, modes)."""
    everything = np.sum(psi2)
    for pair, (power, difference) in enumerate(zip(psi2, differences)):
        if np.sum(power) > NONE * everything:  # else it was left out by choice, or has no difference that could turn
            found = of_spectrum(config, k, power, difference, pair)
            if found:
                return found
    return None


def of_spectrum(config, k, psi2, Pz, pair=0):
    """The sentence for a state with the power spectrum psi2 over k, as in the series of a run, or None.

    k, psi2: (waves,), in more dimensions than one of shells of abs(k); Pz: (modes,) box averages, of a pair of flavors (an index)
    the difference of the two. None as well where the waves are too large for linear theory.
    """
    total = np.sum(psi2)
    if not _has_theory(config) or total == 0 or total > linear.LARGEST_SEED**2 * np.sum(Pz**2):
        return None
    directions, spacing = _directions(config), k[1] - k[0] if len(k) > 1 else 1.0

    def power(wave_vectors):
        """Of a shell for all waves in it."""
        q = wave_vectors[:, 0] if config.box.dimensions == 1 else np.linalg.norm(wave_vectors, axis=1)
        return psi2[np.clip(np.rint((q - k[0]) / spacing).astype(int), 0, len(k) - 1)] / psi2.max()

    q = Pz if len(directions) == len(Pz) else initial.background(config, directions, pair)
    return _sentence(config, directions, q, power, pair)


def _has_theory(config):
    """Whether waves may be missed at all: an eigenmode is wanted alone."""
    return linear_problem.applies(config) and config.initial.kind != "eigenmode"


def _without_seeds(section):
    """Whether the initial state has no transverse part, which nobody writes by mistake."""
    sizes = [wave.amplitude for name in ("waves", "turns") for wave in section.get(name, ())]
    return not any([*sizes, section.get("amplitude"), section.get("variance")])


def _directions(config):
    """The modes of a config, or fewer of the same angular distribution where a box's waves would cost too much."""
    axes, section = config.box.dimensions, config.modes
    if section.kind == "angular" and config.initial.get("zeta") is None and config.initial.kind != "file":
        most = MOST_DIRECTIONS if axes == 1 else MOST_IN_SPACE[0]
        fewer = section.replace(number=min(section.number, most))
        if axes > 1:
            fewer = fewer.replace(azimuths=min(section.azimuths, MOST_IN_SPACE[1]))
        try:
            return levels.modes_of(config.replace(modes=fewer))
        except InputError:  # one of these directions happens to be empty
            pass
    return levels.modes_of(config)


# ---- what is seeded --------------------------------------------------------------------------------------------------


def _power_of_config(config, pair):
    """Function of wave vectors (waves, axes): power of a pair of the initial state there over its largest, (waves,)."""
    section, length = config.initial, np.array(config.box.lengths, dtype=float)

    def harmonics(k):
        return np.rint(k * length / (2 * np.pi))

    if section.kind in ("fourier", "rotation"):
        waves = section.waves if section.kind == "fourier" else section.turns
        names = PAIRS[config.flavor.number]
        waves = [wave for wave in waves if names.index(wave.get("pair") or names[pair]) == pair]
        chosen = {tuple(per_axis(wave.n)) for wave in waves if wave.amplitude}
        if section.kind == "rotation":  # of cosines
            chosen |= {tuple(-number for number in n) for n in chosen}
        return lambda k: np.array([float(tuple(n) in chosen) for n in harmonics(k).astype(int).tolist()])
    if section.kind == "profile":
        center = 2 * np.pi * np.array(per_axis(section.n)) / length
        shape = _transform_of(section.shape)
        return lambda k: shape(section.width * np.linalg.norm(k - center, axis=1)) ** 2

    highest = np.array(highest_harmonics(section, length))
    without_zero = section.kind == "power-law" or section.draw == "golden-ratio"
    exponent = section.exponent if section.kind == "power-law" else 0.0

    def random(k):
        n = harmonics(k)
        size = np.maximum(np.linalg.norm(n, axis=1), 1.0)
        seeded = np.all(np.abs(n) <= highest, axis=1) & ~(without_zero & ~np.any(n, axis=1))
        return seeded * size ** (-2 * exponent)

    return random


def _transform_of(shape):
    """Function of kappa = k width: the Fourier transform of a bump, over its value at 0; that of one axis serves all."""
    if shape == "gaussian":
        return lambda x: np.exp(-(np.minimum(x, 30.0) ** 2) / 2)
    if shape == "sech":
        return lambda x: 1 / np.cosh(np.minimum(np.pi * x / 2, 300.0))
    return lambda x: np.minimum(1.0, 1 / np.maximum(x, 1.0) ** 3)  # the cosine's falls as a power, with zeros between


# ---- what grows ------------------------------------------------------------------------------------------------------


def _state(config, directions, zeta, pair):
    """What linear theory is about; of three flavors with what the other pairs do to this one, where the config knows them."""
    if directions.flavors == 2 or config.initial.kind == "file":
        return linearised(config, directions, zeta, pair)
    pairs = range(len(directions.algebra.pairs))
    differences = [zeta if i == pair else initial.background(config, directions, i) for i in pairs]
    return linear_problem.states_of(config, directions, differences)[pair]


def _sentence(config, directions, zeta, power, pair):
    """The sentence for a pair of flavors; power: function of wave vectors as above."""
    axes, state = config.box.dimensions, _state(config, directions, zeta, pair)
    if state.profile is not None or linear_problem.moving(config, [state]):
        return None  # a profile couples all waves, so that all are seeded; a start that mixing turns has no linear theory
    background = state.background
    most, size = min(MOST_WAVES, int(MOST_OPERATIONS / (len(directions) ** 3 + CALL))), background.size
    if most < FEWEST_WAVES or size == 0:
        return None
    waves = _Waves(config, background, directions.bins, power, _sample(config, most))
    for seeded in (True, False):
        waves.refine(seeded)
    with_seed, without = waves.fastest(True), waves.fastest(False)
    rate = waves.rate[with_seed] if with_seed is not None else 0.0
    duration = config.time.duration
    chosen = axes > 1 or config.initial.kind in ("fourier", "rotation", "file")
    share = MISSED_BY_CHOICE if chosen else MISSED
    least = max(share * rate, EFOLDINGS / duration, linear.SLOWEST * size)
    if without is None or waves.rate[without] <= least:
        return None
    of_pair = f" of {linear_problem.named(directions.algebra, pair)}" if directions.flavors > 2 else ""
    return _in_words(config, waves, with_seed if rate > linear.ROUND_OFF * size else None, without, of_pair)


def _sample(config, most):
    """Harmonics (waves, axes) of the box's lattice, all if they are few, else denser towards 0; at most about `most`."""
    points = config.box.shape
    side = max(3, int(most ** (1 / len(points))))
    numbers = []
    for N in points:
        highest = (N - 1) // 2
        above = (
            np.arange(1, highest + 1)
            if 2 * highest + 1 <= side
            else np.unique(np.geomspace(1, highest, side // 2).astype(np.int64))
        )
        numbers.append(np.concatenate([-above[::-1], [0], above]))
    return np.array(list(itertools.product(*numbers)), dtype=np.int64)


class _Waves:
    """Harmonics n (waves, axes) with wave vectors k, whether they are seeded, and growth rates; a sample that can grow.

    background: as in `linear`; spacing: bins of an angular grid in one dimension, else None: there growth counts
    without a seed only where it is collective, for the rest belongs to the grid.
    """

    def __init__(self, config, background, spacing, power, n):
        self.background, self.spacing, self.power = background, spacing, power
        self.step = 2 * np.pi / np.array(config.box.lengths, dtype=float)
        self.highest = np.array([(N - 1) // 2 for N in config.box.shape])
        axes = len(self.step)
        self.n, self.k = np.zeros((0, axes), dtype=np.int64), np.zeros((0, axes))
        self.seeded, self.rate = np.zeros(0, dtype=bool), np.zeros(0)
        self._add(n)

    def _add(self, n):
        k = n * self.step
        seeded = self.power(k) > NONE
        roots = linear.spectrum(k, *self.background)
        rate = roots[:, 0].imag.copy()
        if self.spacing is not None:
            for i in np.flatnonzero(~seeded & (rate > linear.ROUND_OFF * self.background.size)):
                rate[i] = self._collective(k[i], roots[i])
        order = np.lexsort(np.concatenate((self.n, n)).T[::-1])
        for name, new in (("n", n), ("k", k), ("seeded", seeded), ("rate", rate)):
            setattr(self, name, np.concatenate((getattr(self, name), new))[order])

    def _collective(self, k, roots):
        """The fastest growth among the roots at one k that a finer grid has too."""
        for omega in roots[roots.imag > linear.SLOWEST * self.background.size]:
            if linear.line_width(omega, k, self.spacing, *self.background) >= 1:
                return omega.imag
        return 0.0

    def fastest(self, seeded):
        """Index of the fastest of the seeded (or of the other) waves, None if there are none."""
        chosen = np.flatnonzero(self.seeded == seeded)
        return chosen[np.argmax(self.rate[chosen])] if chosen.size else None

    def refine(self, seeded):
        """Add harmonics between the fastest wave and its neighbours, along each axis."""
        best = self.fastest(seeded)
        if best is None or self.rate[best] == 0:
            return
        known, new = {tuple(n) for n in self.n.tolist()}, []
        for axis in range(self.n.shape[1]):
            along = np.unique(self.n[:, axis])
            place = np.searchsorted(along, self.n[best, axis])
            low, high = along[max(place - 1, 0)], along[min(place + 1, len(along) - 1)]
            for number in np.unique(np.linspace(low, high, REFINED).astype(np.int64)):
                n = self.n[best].copy()
                n[axis] = number
                if tuple(n.tolist()) not in known:
                    new.append(n)
        if new:
            self._add(np.array(new))


# ---- in words --------------------------------------------------------------------------------------------------------


def _in_words(config, waves, with_seed, without, of_pair):
    k, rate = waves.k, waves.rate
    grows = ~waves.seeded & (rate > 0.1 * rate[without])
    q, name = np.linalg.norm(k[grows], axis=1), "abs(k)"
    if k.shape[1] == 1 and abs(np.sign(k[grows, 0]).sum()) == len(q):  # all to one side of k = 0
        q, name = k[grows, 0], "k"
    which = f"{name} = {q.min():.3g} to {q.max():.3g}"
    text = f"waves{of_pair} with {which} grow at rates up to {rate[without]:.3g}, and have no seed"
    if with_seed is None:
        text += " (of those that have one none grows)"
    else:
        text += f" (the fastest that has one grows at {rate[with_seed]:.3g})"
    return f"{text}: {_remedy(config, waves, grows, without)}"


def _remedy(config, waves, grows, without):
    n, kind = waves.n[without], config.initial.kind
    number = n.tolist() if len(n) > 1 else int(n[0])
    if kind == "fourier":
        return f"give a wave in [[initial.waves]] n = {number}"
    if kind == "rotation":
        return f"give a wave in [[initial.turns]] n = {number}"
    if kind == "profile":
        return f"set initial.n = {number} or a smaller initial.width"
    if kind == "file":
        return "seed them in the start file"
    if np.any(grows & np.any(np.abs(waves.n) == waves.highest, axis=1)):
        # Growth without end in k: of its fastest part the first.
        reach = np.abs(waves.k[grows & (waves.rate > 0.98 * waves.rate[without])]).max(axis=1).min()
    else:
        reach = np.abs(waves.k[grows]).max()
    # The least wave of the sample beyond all of these, along any axis, has their band below it.
    beyond = np.abs(waves.k)[np.abs(waves.k) > reach * (1 + 1e-9)].min(initial=np.inf)
    end = float((waves.highest * waves.step).min())
    in_place = " in place of n_max" if config.initial.get("k_max") is None else ""
    return f"set initial.k_max = {_rounded_up(min(beyond, end), end)}{in_place}"


def _rounded_up(value, most):
    """A number in as few digits as keep it between value and most."""
    for digits in range(2, 16):
        scale = 10.0 ** (math.floor(math.log10(value)) + 1 - digits)
        rounded = math.ceil(value / scale * (1 - 1e-12)) * scale
        if rounded <= most * (1 + 1e-12):
            return f"{rounded:.{digits}g}"
    return f"{value:.15g}"

"""[initial] kind = "eigenmode": a start in one wave of linear theory, which then grows as exp(-i omega t) alone.

Where the background is uniform it is one wave exp(i k.r). Where a term has a profile in space waves are coupled, and it is a
function of the whole box.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..theory import linear, profile
from .linearised import linearised


def coherence(config, modes, q, unit, r, pair: int = 0) -> np.ndarray:
    """psi_a of a pair of flavors (an index) at positions r counted from the box's origin: complex, (modes, *points).

    q: (modes,), difference of its two densities. unit: (modes,), see amplitudes_in. The amplitude is the largest |psi_a| / unit_a,
    the phase that of the largest psi_a in units of n. InputError if the wave does not grow and a growing one is wanted, or if
    there are too many unknowns.
    """
    state = linearised(config, modes, q, pair)
    if state.profile is not None:
        return _in_profile(config, state, unit, r)
    initial, box = config.initial, config.box
    k = 2 * np.pi * np.atleast_1d(initial.n) / np.array(box.lengths)
    shown = f"{k[0]:.6g}" if len(r) == 1 else f"({', '.join(f'{component:.6g}' for component in k)})"
    omega, waves = linear.eigenmodes(k, *state.background)
    root = initial.root
    _check_growth(initial, omega, state.background, f"this wave of harmonic initial.n = {initial.n} (k = {shown})")
    wave = waves[root] / np.max(np.abs(waves[root]) / unit)
    return initial.amplitude * _column(wave, len(r)) * np.exp(1j * (sum(map(np.multiply, k, r)) + initial.phase))


def _check_growth(initial, omega, background, wave):
    root = initial.root
    if initial.growing and omega[root].imag <= linear.ROUND_OFF * background.size:
        raise InputError(
            f"initial.root = {root}: {wave} does not grow, {_growing_ones(omega, background)}; choose another, or growing = false."
        )


def _growing_ones(omega, background):
    count = int(np.count_nonzero(omega.imag > linear.ROUND_OFF * background.size))
    return f"only root{'s 0 to' * (count > 1)} {count - 1} grow{'s' * (count == 1)}" if count else "and no other one does"


def _in_profile(config, state, unit, r):
    initial, box = config.initial, config.box
    if np.any(initial.n):
        raise InputError(
            f"initial.n = {initial.n}: an eigenmode in matter with a profile is made of all waves, and has no harmonic: leave it "
            "out; initial.root counts the eigenmodes of the box."
        )
    found = in_box(config, state, initial.root + 1)
    if initial.root >= len(found.omega):
        raise InputError(
            f"initial.root must be below {len(found.omega)}, the number of eigenmodes that were found, not {initial.root}."
        )
    _check_growth(initial, found.omega, state.background, "this eigenmode")
    waves = found.waves[initial.root]
    largest = np.argmax(np.abs(found.psi[initial.root]))
    waves = waves * (np.abs(found.psi[initial.root].flat[largest]) / found.psi[initial.root].flat[largest])
    waves = waves / np.max(np.abs(found.psi[initial.root]) / _column(unit, len(r)))
    # One axis after the other, the last first: sum_n psi_n exp(i k_n r) at these positions.
    for axis in reversed(range(len(r))):
        n = profile.harmonics(found.points)[axis]
        exponentials = np.exp(2j * np.pi / box.lengths[axis] * np.outer(n, np.ravel(r[axis])))
        waves = np.moveaxis(np.tensordot(waves, exponentials, axes=(1 + axis, 0)), -1, 1 + axis)
    return initial.amplitude * waves * np.exp(1j * initial.phase)


def in_box(config, state: Any, roots: int = profile.ROOTS) -> profile.Found:
    """The eigenmodes of a state with a profile, in the box of a resolved config: `theory.profile.Found`.

    InputError where they are too many unknowns.
    """
    box = config.box
    try:
        return profile.solve(state, tuple(box.lengths), box.shape, _first_grid(config, state), roots)
    except profile.TooLarge as refused:
        raise InputError(
            f"[{_where(config)}] couples all waves of the box, and {len(state.background.s)} modes with the waves that are needed make "
            f"{refused.unknowns} unknowns, of at most {profile.MOST_UNKNOWNS}; choose fewer box.points (the growth of a wave does "
            "not depend on them) or fewer modes."
        ) from None


def _where(config):
    return "matter" if config.get("matter") is not None else "config"


def _first_grid(config, state):
    """Points of the first grid: twice the waves that would grow in a uniform background, and those that the profile has."""
    box, spectrum = config.box, np.abs(np.fft.fftn(state.profile, axes=range(1, state.profile.ndim)))
    shape = []
    for axis, (L, N) in enumerate(zip(box.lengths, box.shape)):
        along = spectrum.max(axis=tuple(i for i in range(spectrum.ndim) if i != axis + 1))
        strong = np.abs(profile.harmonics(along.shape)[0])[along > 1e-3 * along.max()].max(initial=0)
        reach = _reach(L, N, state.background, axis)
        shape.append(int(2 ** np.ceil(np.log2(max(16, 4 * (reach + strong))))))
    return tuple(min(N, M) for N, M in zip(box.shape, shape))


def _reach(length, points, background, axis):
    """The highest harmonic along an axis whose wave grows in a uniform background."""
    highest = (points - 1) // 2
    harmonics = np.arange(-highest, highest + 1)
    chosen = linear.scanned(harmonics, len(background.s))
    k = np.zeros((len(chosen), linear.velocities(background.v).shape[1]))
    k[:, axis] = 2 * np.pi / length * chosen
    grows = linear.growth_rate(k, *background) > linear.SLOWEST * background.size
    return int(np.abs(chosen[grows]).max(initial=0))


def _column(values, axes):
    return np.reshape(values, (-1,) + (1,) * axes)

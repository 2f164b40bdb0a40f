"""Starts whose densities of flavors are turned by a unitary matrix: N_a = V_a diag(n_a^alpha) V_a^+.

The eigenvalues of N_a are the densities themselves, so that no occupation is negative, for any number of flavors. V_a is given
by waves of its generators, or is the small one that makes given coherences. In vectors V_a = exp(-i W_a.lambda/2) turns P_a
about W_a.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..flavor.algebra import Algebra
from .seeding import PAIRS

EQUAL = 1e-12  # of a density, by which two flavors must differ to be told apart: a few thousand roundings


def by_waves(initial, algebra: Algebra, content, r, box) -> np.ndarray:
    """P (modes, components, *points) of kind "rotation": V_a = exp(i X_a), X_a = sum A/2 lambda_c cos(2 pi n.r/L + phase).

    The sum is over `initial.turns` that name mode a. content: (modes, flavors); r: positions counted from the origin.
    """
    count, points = len(content), np.broadcast_shapes(*(x.shape for x in r))
    W = np.zeros((count, algebra.components, *points))
    for turn in initial.turns:
        component = algebra.component_names.index(turn["component"])
        W[carriers(turn), component] -= turn["amplitude"] * np.cos(angle(turn["n"], r, box) + turn["phase"])
    return _turned(algebra, content, W)


def by_coherences(algebra: Algebra, content, psi: list, normalize: bool, box) -> np.ndarray:
    """P (modes, components, *points) with the coherences psi of all pairs, each (modes, *points) or None.

    With `normalize` by the rotation of each mode that would make each coherence if it were the only one; then it is exact, and
    several differ from psi by terms of second order. Without, the densities stay, and eigenvalues may be negative. box: gives
    `max` over all its points. InputError, on all ranks alike, if a coherence is longer than the difference of its densities.
    """
    there = [(pair, one) for pair, one in zip(algebra.pairs, psi) if one is not None]
    points = np.broadcast_shapes(*(np.shape(one)[1:] for _, one in there)) if there else box.local_shape
    if not normalize:
        P = _homogeneous(algebra, content, points)
        for pair, one in there:
            P[:, pair.real], P[:, pair.imaginary] = np.real(one), np.imag(one)
        return P
    W = np.zeros((len(content), algebra.components, *points))
    for pair, one in there:
        q = content[:, pair.first] - content[:, pair.second]
        _check_length(algebra, pair, one, q, box)
        size, q = np.abs(one), q.reshape(-1, *[1] * len(points))
        with np.errstate(divide="ignore", invalid="ignore"):
            turn = np.where(size > 0, 1j * one * np.arcsin(np.where(size > 0, size / q, 0.0)) / size, 0.0)
        W[:, pair.real], W[:, pair.imaginary] = turn.real, turn.imag
    return _turned(algebra, content, W)


def differ(q, n) -> np.ndarray:
    """Whether two flavors of which a mode has n q more of one are told apart at all, (modes,)."""
    return np.abs(q) > EQUAL * (np.abs(q).max() if n is None else n)


def carriers(wave):
    """Index of the modes that a wave names, by its key mode."""
    return slice(None) if wave["mode"] == "all" else np.atleast_1d(wave["mode"])


def angle(n, r, box):
    """2 pi n.r / L at positions r of a harmonic n: an integer, or one for each axis."""
    return sum(2 * np.pi * number * x / length for number, x, length in zip(np.atleast_1d(n), r, box.length))


def _homogeneous(algebra, content, points):
    """P of diagonal matrices, the same at all points."""
    P = algebra.polarization_of(content, axis=1)[1]
    return np.broadcast_to(P.reshape(*P.shape, *[1] * len(points)), (*P.shape, *points)).copy()


def _turned(algebra, content, W):
    """exp(W x) P mode by mode, so that matrices of one mode at a time are held."""
    for a, P in enumerate(_homogeneous(algebra, content, [1] * (W.ndim - 2))):
        W[a] = algebra.turned(P, W[a])
    return W


def _check_length(algebra, pair, psi, q, box):
    excess = np.array([box.max(field) for field in np.abs(psi) - np.abs(q).reshape(-1, *[1] * (psi.ndim - 1))])
    a = int(np.argmax(excess > 0))
    if excess[a] > 0:
        name = PAIRS[algebra.flavors][algebra.pairs.index(pair)]
        raise InputError(
            f"mode {a}: the coherence of {name} reaches |psi| = {excess[a] + abs(q[a]):.4g}, more than the difference of its densities, "
            f'{abs(q[a]):.4g}; choose smaller amplitudes, amplitudes_in = "n_a", or initial.pairs without "{name}".'
        )

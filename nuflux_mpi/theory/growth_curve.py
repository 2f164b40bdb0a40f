"""Largest growth rate over many wave vectors, for figures and scans: quick for any number of modes.

The matrix of `linear` costs modes^3 per k, and a search that misses no root (`dispersion`) seconds for thousands of modes: a
curve of some hundred k would take minutes to hours. With very many modes neighbouring directions act together. So the roots of
a few groups of them come first, and Newton's method on the dispersion relation carries these to the roots of all modes, from
the root of a neighbouring k as well. What it finds are eigenvalues of all modes. It may miss waves that belong to single
directions of the grid and are no part of a smooth curve.

Arguments as in `linear`; k are numbers in a box of one dimension, also where velocities have more components.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import dispersion, linear

# Up to so many modes the matrix takes some 10 ms per k.
MOST_DENSE = 128
GROUPS = 64
STARTS = 4  # roots of the groups that are followed: the fastest
# Slower growth, in sum |q_a|, is given as 0.
SLOWEST = 1e-4
_ITERATIONS, _CONVERGED = 30, 1e-10  # in sum |q_a|


def rates_of(v, *others) -> Callable:
    """Function of k, (m,), that returns the growth rates there, (m,); arguments as of a `linear.Background`. One dimension."""
    background = linear.Background(np.ravel(v), *others)
    if not follows(background):
        return lambda k: linear.growth_rate(k, *background)
    return Followed(background)


def follows(background: linear.Background) -> bool:
    """Whether there are so many modes that roots are followed, and a dispersion relation to follow them with."""
    return len(background.s) > MOST_DENSE and linear.has_dispersion_relation(background.shift, background.coupling)


class Followed:
    """Calls find the fastest root at each k and remember it for the next ones.

    k: (m,) where background.v has one number for each mode, else (m, axes).
    """

    def __init__(self, background):
        self.background, self.size = background, background.size
        self.v = dispersion.flat(background.directions)
        self.g = background.strength * background.s * background.q
        self.groups = _grouped(background, self.g)
        self.roots = {}  # by k

    def __call__(self, k):
        """Growth rates, of the shape of k without its axes."""
        return np.maximum(self.fastest(k).imag, 0.0)

    def fastest(self, k):
        """The fastest root at each k, complex; 0 where none grows."""
        k = np.asarray(k, dtype=float)
        each = [tuple(one) for one in k.reshape(-1, *k.shape[1:]).tolist()] if k.ndim > 1 else k.ravel().tolist()
        # The way back carries roots to where the groups had none.
        for q in (*each, *each[::-1]):
            self.roots[q] = self._fastest(q)
        return np.reshape([self.roots[q] for q in each], k.shape[:1])

    def _fastest(self, k):
        known = self.roots.get(k)
        if known is None:
            starts = linear.spectrum(k, *self.groups)[:STARTS]
        else:
            starts = np.array([known])
        if self.roots:
            places = [q for q in self.roots if q != k]
            if places:
                apart = np.abs(np.array(places) - k)
                nearest = int(np.argmin(apart if apart.ndim == 1 else np.sum(apart**2, axis=1)))
                starts = np.append(starts, self.roots[places[nearest]])
        starts = starts[starts.imag > SLOWEST * self.size]
        if not starts.size:
            return 0j
        roots = self._newton(starts.astype(complex), linear.continuum(k, *self.background))
        return max((*roots, known or 0j), key=lambda omega: omega.imag)

    def _newton(self, omega, d):
        """The growing roots that Newton's method comes to from each start."""
        done = np.zeros(len(omega), dtype=bool)
        for _ in range(_ITERATIONS):
            at = np.flatnonzero(~done)
            if not at.size:
                break
            value, slope = dispersion.determinant(omega[at], d, self.v, self.g)
            step = np.divide(value, slope, out=np.full(at.size, np.inf + 0j), where=slope != 0)
            omega[at] -= step
            lost = ~(np.abs(omega[at]) < np.inf) | (omega[at].imag <= 0)
            omega[at[lost]] = -1j
            done[at] = lost | (np.abs(step) < _CONVERGED * self.size)
        return omega[done & (omega.imag > SLOWEST * self.size)]


def _grouped(background, g):
    """The Background of GROUPS groups of neighbouring modes: their centres and sums."""
    directions = background.directions
    shift = np.broadcast_to(background.shift, g.shape)
    if directions.shape[1] == 1 and np.ndim(background.shift) == 0:
        parts = np.array_split(np.argsort(np.ravel(background.v), kind="stable"), GROUPS)
    else:
        scale = np.ptp(shift) / max(background.size, np.finfo(float).tiny)
        parts = _neighbours(np.column_stack([directions, scale * _unit(shift)]), GROUPS)
    weight = np.abs(g) + np.finfo(float).tiny
    centres = np.array([np.average(directions[part], axis=0, weights=weight[part]) for part in parts])
    along, shifts = (
        np.array([np.average(x[part], axis=0, weights=weight[part]) for part in parts]) for x in (background.v, shift)
    )
    sums = np.array([g[part].sum() for part in parts])
    vectors = centres if background.vectors is not None else None
    return linear.Background(along, np.ones(len(parts)), sums, shifts, None, vectors)


def _unit(x):
    """x from 0 to 1."""
    return (x - x.min()) / max(np.ptp(x), np.finfo(float).tiny)


def _neighbours(places, groups):
    """Indices of places (n, coordinates) in so many groups of neighbours: halved across the longest side, again and again."""
    parts = [np.arange(len(places))]
    while len(parts) < groups:
        sides = [np.ptp(places[part], axis=0) for part in parts]
        widest = int(np.argmax([side.max() if len(part) > 1 else -1.0 for part, side in zip(parts, sides)]))
        part = parts.pop(widest)
        if len(part) == 1:
            return [*parts, part]
        order = part[np.argsort(places[part, np.argmax(sides[widest])], kind="stable")]
        parts += np.array_split(order, 2)
    return parts

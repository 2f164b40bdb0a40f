"""Transforms along the axes of a box that are whole on every rank: x, or x and y, for all points along z of this rank.

Values at neighbouring points along z are next to each other in memory, so that a transform along x jumps from row to row. Two
neighbouring columns of real numbers, a and b, are taken as one of complex numbers, a + i b: what lies in memory need not be
touched, FFTW can use vector instructions, and of the transform C = A + i B the two are found again by

    A_m = (C_m + conj C_-m) / 2,      B_m = (C_m - conj C_-m) / 2i.

A derivative need not even take them apart. Some columns at a time are brought to a small matrix that stays in the cache; its
rows are a little longer than needed, since with a power of two all would compete for the same places there.

For compiled loops; without numba, or where FFTW's functions cannot be reached, `box` does with whole batches.
"""

import math

import numpy as np

from .. import kernels
from ..kernels.records import CONJUGATE, PAD, REAL, SAME
from .fft_plans import ColumnPlan, usable, zeros

_WIDTH = 64  # complex columns taken together


class Across:
    """Between real lines (lines, *points, columns) and their waves (lines, kept, columns), all contiguous and local.

    points: along the axes to be transformed; kept: all waves along these axes but half of those of the last, as numpy's rfftn
    has them. Unnormalised both ways; the lines are kept by `forward`, the waves by `backward`.
    """

    def __init__(self, points, columns, effort):
        self._matrix, self._forward, self._backward = _matrix(points, columns, effort)
        self._kept, self._partner, self._source, self._kind = _partners(points)

    def forward(self, lines, waves):
        """waves <- the transform of `lines`."""
        lines, waves = _flat(lines, len(self._source)), _flat(waves, len(self._kept))
        kernels.columns_to_waves(lines, self._kept, self._partner, self._forward.address, self._matrix, waves)

    def backward(self, waves, lines):
        """lines <- the transform back of `waves`; what no real line has in them does not count."""
        lines, waves = _flat(lines, len(self._source)), _flat(waves, len(self._kept))
        kernels.waves_to_columns(waves, self._source, self._kind, self._backward.address, self._matrix, lines)


class SlopeAcross:
    """Derivative along one axis of real lines (before, points, after), contiguous; exactly skew-adjoint on the grid.

    rate: (points,) wave numbers over `points`, signed, and 0 for the Nyquist wave.
    """

    def __init__(self, rate, after, effort):
        self._rate = np.ascontiguousarray(rate, dtype=float)
        self._matrix, self._forward, self._backward = _matrix((len(rate),), after, effort)

    def __call__(self, lines, slope):
        """slope <- the derivative of `lines`."""
        kernels.differentiate_columns(lines, self._rate, self._forward.address, self._backward.address, self._matrix, slope)


def _matrix(points, columns, effort):
    """Room for some columns, and the plans that transform them there."""
    width = min(_WIDTH, (columns + 1) // 2)
    matrix = zeros((math.prod(points), width + PAD), complex)
    plans = [ColumnPlan(kind, points, width, matrix, effort) for kind in ("forward", "backward")]
    matrix[...] = 0.0
    return matrix, *plans


def _flat(array, rows):
    """A view of the shape (lines, rows, columns)."""
    return array.reshape(len(array), rows, array.shape[-1])


def _partners(points):
    """Tables (kept, partner, source, kind) of the waves of a real function on a grid.

    kept[q] and partner[q]: indices on the whole grid of the kept wave q and of the wave opposite to it. source[m], kind[m]: of
    which kept wave the wave m of the whole grid is made, and how.
    """
    grid = np.stack(np.meshgrid(*map(np.arange, points), indexing="ij"), axis=-1).reshape(-1, len(points))
    opposite = np.ravel_multi_index(tuple((-grid % points).T), points)
    here = np.arange(len(grid))
    kept = here[grid[:, -1] <= points[-1] // 2]
    number = np.full(len(grid), -1)
    number[kept] = np.arange(len(kept))
    # Of two opposite waves that are both kept, the first stands for both.
    first = (number[opposite] < 0) | (here <= opposite)
    direct = (number >= 0) & first
    kind = np.where(here == opposite, REAL, np.where(direct, SAME, CONJUGATE))
    source = np.where(direct, number, number[opposite])
    tables = (kept, opposite[kept], source, kind)
    return tuple(np.ascontiguousarray(table, dtype=np.int64) for table in tables)


def touch():
    """Compile the kernels of this module (or load them from numba's cache)."""
    if not usable():
        return
    across, slope = Across((2,), 1, "estimate"), SlopeAcross(np.zeros(2), 1, "estimate")
    lines, waves = np.zeros((1, 2, 1)), np.zeros((1, 2, 1), dtype=complex)
    across.forward(lines, waves)
    across.backward(waves, lines)
    slope(lines, lines)

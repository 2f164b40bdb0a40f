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

from ..kernels import kernels
from .fft_plans import ColumnPlan, usable, zeros

_WIDTH = 64  # complex columns taken together
_PAD = 4  # complex numbers that a row of the matrix is longer
# How a wave of the whole grid follows from one that is kept: it is that one, its conjugate partner, or its own partner.
_SAME, _CONJUGATE, _REAL = 0, 1, 2


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
        _forward(lines, self._kept, self._partner, self._forward.address, self._matrix, waves)

    def backward(self, waves, lines):
        """lines <- the transform back of `waves`; what no real line has in them does not count."""
        lines, waves = _flat(lines, len(self._source)), _flat(waves, len(self._kept))
        _backward(waves, self._source, self._kind, self._backward.address, self._matrix, lines)


class SlopeAcross:
    """Derivative along one axis of real lines (before, points, after), contiguous; exactly skew-adjoint on the grid.

    rate: (points,) wave numbers over `points`, signed, and 0 for the Nyquist wave.
    """

    def __init__(self, rate, after, effort):
        self._rate = np.ascontiguousarray(rate, dtype=float)
        self._matrix, self._forward, self._backward = _matrix((len(rate),), after, effort)

    def __call__(self, lines, slope):
        """slope <- the derivative of `lines`."""
        _differentiate(lines, self._rate, self._forward.address, self._backward.address, self._matrix, slope)


def _matrix(points, columns, effort):
    """Room for some columns, and the plans that transform them there."""
    width = min(_WIDTH, (columns + 1) // 2)
    matrix = zeros((math.prod(points), width + _PAD), complex)
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
    kind = np.where(here == opposite, _REAL, np.where(direct, _SAME, _CONJUGATE))
    source = np.where(direct, number, number[opposite])
    return tuple(np.ascontiguousarray(table, dtype=np.int64) for table in (kept, opposite[kept], source, kind))


if kernels.COMPILED:
    from ..kernels.kernels import jit
    from ..kernels.simd import copy, execute, two_waves

    @jit
    def _step(matrix):
        """How many real columns the matrix takes at a time."""
        return 2 * (matrix.shape[1] - _PAD)

    @jit
    def _to_waves(lines, first, plan, matrix):
        """matrix <- transform of the columns from `first` on, zeros behind the last; lines: (rows, columns) real.

        Returns how many there are.
        """
        count = min(_step(matrix), lines.shape[1] - first)
        if count < _step(matrix):
            matrix[:, count // 2 :] = 0.0
        source, target = lines.ctypes.data + 8 * first, matrix.ctypes.data
        for m in range(lines.shape[0]):
            copy(target + m * matrix.strides[0], source + m * lines.strides[0], 8 * count)
        execute(plan[0], plan[1], matrix.ctypes.data, matrix.ctypes.data)
        return count

    @jit
    def _to_lines(matrix, plan, first, count, lines):
        """`count` columns of `lines` from `first` on <- the transform back of the matrix."""
        execute(plan[0], plan[1], matrix.ctypes.data, matrix.ctypes.data)
        source, target = matrix.ctypes.data, lines.ctypes.data + 8 * first
        for m in range(lines.shape[0]):
            copy(target + m * lines.strides[0], source + m * matrix.strides[0], 8 * count)

    @jit
    def _separate(C, D, out):
        """The waves `out` of all columns, from C and the opposite D."""
        pairs = len(out) // 2
        for j in range(pairs):
            two_waves(C, D, out, j)
        if len(out) % 2:
            out[2 * pairs] = 0.5 * (C[pairs] + D[pairs].conjugate())

    @jit
    def _join(waves, kind, C):
        """C[j] = the wave of column 2 j and i times that of column 2 j + 1, of the kept `waves` or as `kind` says."""
        pairs = len(waves) // 2
        w, c = waves.view(np.float64), C.view(np.float64)
        if kind == _SAME:
            for j in range(pairs):
                c[2 * j] = w[4 * j] - w[4 * j + 3]
                c[2 * j + 1] = w[4 * j + 1] + w[4 * j + 2]
        elif kind == _CONJUGATE:
            for j in range(pairs):
                c[2 * j] = w[4 * j] + w[4 * j + 3]
                c[2 * j + 1] = w[4 * j + 2] - w[4 * j + 1]
        else:
            for j in range(pairs):
                c[2 * j] = w[4 * j]
                c[2 * j + 1] = w[4 * j + 2]
        if len(waves) % 2:
            last = waves[2 * pairs]
            C[pairs] = last.real if kind == _REAL else last if kind == _SAME else last.conjugate()

    @jit
    def _forward(lines, kept, partner, plan, matrix, waves):
        for a in range(lines.shape[0]):
            for first in range(0, lines.shape[2], _step(matrix)):
                count = _to_waves(lines[a], first, plan, matrix)
                for q in range(len(kept)):
                    _separate(matrix[kept[q]], matrix[partner[q]], waves[a, q, first : first + count])

    @jit
    def _backward(waves, source, kind, plan, matrix, lines):
        for a in range(lines.shape[0]):
            for first in range(0, lines.shape[2], _step(matrix)):
                count = min(_step(matrix), lines.shape[2] - first)
                for m in range(len(source)):
                    _join(waves[a, source[m], first : first + count], kind[m], matrix[m])
                _to_lines(matrix, plan, first, count, lines[a])

    @jit
    def _differentiate(lines, rate, forward, backward, matrix, slope):
        for a in range(lines.shape[0]):
            for first in range(0, lines.shape[2], _step(matrix)):
                count = _to_waves(lines[a], first, forward, matrix)
                for m in range(len(rate)):
                    row = matrix[m].view(np.float64)
                    for j in range(len(row) // 2):
                        real = row[2 * j]
                        row[2 * j] = -rate[m] * row[2 * j + 1]
                        row[2 * j + 1] = rate[m] * real
                _to_lines(matrix, backward, first, count, slope[a])


def touch():
    """Compile the kernels of this module (or load them from numba's cache)."""
    if not usable():
        return
    across, slope = Across((2,), 1, "estimate"), SlopeAcross(np.zeros(2), 1, "estimate")
    lines, waves = np.zeros((1, 2, 1)), np.zeros((1, 2, 1), dtype=complex)
    across.forward(lines, waves)
    across.backward(waves, lines)
    slope(lines, lines)

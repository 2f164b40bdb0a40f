"""Compiled: transforms along axes that are whole on every rank, two real columns as one complex one. See `box.columns`."""

import numpy as np

from .jit import jit
from .records import CONJUGATE, PAD, REAL, SAME
from .simd import copy, execute, two_waves


@jit
def _step(matrix):
    """How many real columns the matrix takes at a time."""
    return 2 * (matrix.shape[1] - PAD)


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
    if kind == SAME:
        for j in range(pairs):
            c[2 * j] = w[4 * j] - w[4 * j + 3]
            c[2 * j + 1] = w[4 * j + 1] + w[4 * j + 2]
    elif kind == CONJUGATE:
        for j in range(pairs):
            c[2 * j] = w[4 * j] + w[4 * j + 3]
            c[2 * j + 1] = w[4 * j + 2] - w[4 * j + 1]
    else:
        for j in range(pairs):
            c[2 * j] = w[4 * j]
            c[2 * j + 1] = w[4 * j + 2]
    if len(waves) % 2:
        last = waves[2 * pairs]
        C[pairs] = last.real if kind == REAL else last if kind == SAME else last.conjugate()


@jit
def columns_to_waves(lines, kept, partner, plan, matrix, waves):
    for a in range(lines.shape[0]):
        for first in range(0, lines.shape[2], _step(matrix)):
            count = _to_waves(lines[a], first, plan, matrix)
            for q in range(len(kept)):
                _separate(matrix[kept[q]], matrix[partner[q]], waves[a, q, first : first + count])


@jit
def waves_to_columns(waves, source, kind, plan, matrix, lines):
    for a in range(lines.shape[0]):
        for first in range(0, lines.shape[2], _step(matrix)):
            count = min(_step(matrix), lines.shape[2] - first)
            for m in range(len(source)):
                _join(waves[a, source[m], first : first + count], kind[m], matrix[m])
            _to_lines(matrix, plan, first, count, lines[a])


@jit
def differentiate_columns(lines, rate, forward, backward, matrix, slope):
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

"""Compiled: between the state in the interaction picture and pencils in space, one row at a time.

A row gets its phases, is transformed, and goes where it is needed before the next one comes: so it stays in the cache. FFTW's
plans are called by address from within. The arguments are told in :mod:`nuflux_mpi.kernels.records`;
the forms for whole batches of rows, for transforms without such plans, have their meaning from `reference`.
"""

import math

import numba
import numpy as np

from .jit import jit
from .records import BACKWARD, FORWARD, FROM_STATE, TO_STATE, Phases, Rows
from .simd import copy, execute, two_products
from .vectors import correct, multiply, multiply_conjugate


# Part of its callers: as a function of its own it would be compiled once for itself and once for each of them, and
# which copy runs, with which rounding, would depend on whether they come from numba's cache.
@numba.njit(inline="always")
def _powers(angle, table):
    """table[j] = exp(i j angle): exact for j = 1, 8, 64, ..., each other entry the product of a few of these.

    So no error grows along the table: the entries q m for q < 8, m = 8^p are products of at most three exact ones, and the
    entry q m + r is that of q m times that of r < m.
    """
    table[0] = 1.0
    m, n = 1, len(table)
    while m < n:
        table[m] = complex(math.cos(m * angle), math.sin(m * angle))
        for q in range(2, min(8, (n - 1) // m + 1)):
            table[q * m] = table[(q // 2) * m] * table[(q - q // 2) * m]
        for q in range(1, 8):
            for j in range(q * m + 1, min((q + 1) * m, n)):
                table[j] = table[q * m] * table[j - q * m]
        m *= 8


# Whole batches


@jit
def phase_table(angle, harmonic, phase):
    groups, K = phase.shape
    shared = harmonic.shape[0] == 1
    top = 0
    for g in range(harmonic.shape[0]):
        for d in range(K):
            top = max(top, abs(harmonic[g, d]))
    coarse, fine = np.empty((top >> 6) + 1, dtype=np.complex128), np.empty(64, dtype=np.complex128)
    for g in range(groups):
        _powers(64.0 * angle[g], coarse)
        _powers(angle[g], fine)
        row, out = harmonic[0] if shared else harmonic[g], phase[g]
        d = 0
        while d < K:
            h = row[d]
            if (h & 63) == 0 and h >= 0 and d + 64 <= K and row[d + 63] == h + 63:
                # 64 waves in order, the usual case: one factor times the short table
                c = coarse[h >> 6]
                for j in range(64):
                    f = fine[j]
                    out[d + j] = complex(c.real * f.real - c.imag * f.imag, c.real * f.imag + c.imag * f.real)
                d += 64
                continue
            j = abs(h)
            c, f = coarse[j >> 6], fine[j & 63]
            im = c.real * f.imag + c.imag * f.real
            out[d] = complex(c.real * f.real - c.imag * f.imag, im if h >= 0 else -im)
            d += 1


@jit
def from_interaction_picture_batch(u, phase, group, row_scale, column_scale, out):
    for r in range(u.shape[0]):
        p, scale = phase[group[r]], row_scale[r]
        for d in range(u.shape[1]):
            a, b, c = u[r, d], p[d], scale * column_scale[d]
            out[r, d] = complex(c * (a.real * b.real + a.imag * b.imag), c * (a.imag * b.real - a.real * b.imag))


@jit
def to_interaction_picture_batch(amplitude, phase, group, row_scale, column_scale, out):
    for r in range(amplitude.shape[0]):
        p, scale = phase[group[r]], row_scale[r]
        for d in range(amplitude.shape[1]):
            a, b, c = amplitude[r, d], p[d], scale * column_scale[d]
            out[r, d] = complex(c * (a.real * b.real - a.imag * b.imag), c * (a.imag * b.real + a.real * b.imag))


# Row by row


@jit
def phase_factors(angle, step, first, fine, coarse):
    """fine[g, j] = exp(i step j angle_g) and coarse[g, r] = exp(i first[g or 0, r] angle_g), of `Phases`."""
    top = 0
    for g in range(first.shape[0]):
        for r in range(first.shape[1]):
            top = max(top, abs(first[g, r]))
    high, low = np.empty((top >> 6) + 1, dtype=np.complex128), np.empty(64, dtype=np.complex128)
    for g in range(len(angle)):
        _powers(step * angle[g], fine[g])
        _powers(64.0 * angle[g], high)
        if step == 1.0:
            low = fine[g]
        else:
            _powers(angle[g], low)
        h = first[g if len(first) > 1 else 0]
        for r in range(len(h)):
            p = high[abs(h[r]) >> 6] * low[abs(h[r]) & 63]
            coarse[g, r] = p if h[r] >= 0 else p.conjugate()


@jit
def _phase_row(phases, scale, g, factor, phase):
    """phase = ``scale coarse fine`` of the waves of group g."""
    fine, coarse, start = phases.fine[g], phases.coarse[g], phases.start[g]
    for r in range(len(coarse)):
        factor[0] = factor[1] = scale[g, r] * coarse[r]
        p = phase[start[r] : start[r + 1]]
        n = len(p)
        for j in range(0, n - 1, 2):
            two_products(factor, 0, fine, p, j, 0)
        if n % 2:
            p[n - 1] = factor[0] * fine[n - 1]


@jit
def _line(rows, r):
    """Address of row r: its own where it stays whole, else the room through which all rows go in turn."""
    return rows.address + (r * rows.stride if len(rows.pieces) == 0 else 0)


@jit
def _scatter(line, rows, r):
    """Copy row r from the address `line` to its pieces."""
    pieces = rows.pieces
    for i in range(len(pieces)):
        copy(pieces[i, 0] + rows.numbers[pieces[i, 3], r] * pieces[i, 1], line + pieces[i, 2], pieces[i, 1])


@jit
def _gather(line, rows, r):
    """Copy row r from its pieces to the address `line`."""
    pieces = rows.pieces
    for i in range(len(pieces)):
        copy(line + pieces[i, 2], pieces[i, 0] + rows.numbers[pieces[i, 3], r] * pieces[i, 1], pieces[i, 1])


@jit
def from_interaction_picture(u, phases, scales, plans, waves, rows):
    """Row r = transform to points of ``u[r] conj(phase) scale``. u: (rows, K) complex, read only; waves: room for a row."""
    phases, rows = Phases(*phases), Rows(*rows)
    phase, factor, last = np.empty(len(waves), dtype=np.complex128), np.empty(2, dtype=np.complex128), -1
    for r in range(rows.numbers.shape[1]):
        g = phases.group[r]
        if g != last:
            _phase_row(phases, scales[FROM_STATE], g, factor, phase)
            last = g
        multiply_conjugate(phase, u[r], waves)
        line = _line(rows, r)
        execute(plans[BACKWARD, 0], plans[BACKWARD, 1], waves.ctypes.data, line)
        _scatter(line, rows, r)


@jit
def to_interaction_picture(rows, phases, scales, plans, waves, u):
    """u[r] = ``phase scale`` times the transform of row r to waves; see `from_interaction_picture`."""
    phases, rows = Phases(*phases), Rows(*rows)
    phase, factor, last = np.empty(len(waves), dtype=np.complex128), np.empty(2, dtype=np.complex128), -1
    for r in range(rows.numbers.shape[1]):
        g = phases.group[r]
        if g != last:
            _phase_row(phases, scales[TO_STATE], g, factor, phase)
            last = g
        line = _line(rows, r)
        _gather(line, rows, r)
        execute(plans[FORWARD, 0], plans[FORWARD, 1], line, waves.ctypes.data)
        multiply(phase, waves, u[r])


@jit
def correct_pencils(rows, phases, scales, plans, waves, p, extrapolated, factor):
    """The end of one right-hand side and the beginning of the next at the same time t.

    `to_interaction_picture` into F, p <- p + factor (F - extrapolated), `from_interaction_picture` of p; returns the sum of
    squares of F - extrapolated. A row of F is in the cache while it is needed, and is kept nowhere.
    """
    phases, rows = Phases(*phases), Rows(*rows)
    K = len(waves)
    there, back = np.empty(K, dtype=np.complex128), np.empty(K, dtype=np.complex128)
    F, two, last, total = np.empty(K, dtype=np.complex128), np.empty(2, dtype=np.complex128), -1, 0.0
    for r in range(rows.numbers.shape[1]):
        g = phases.group[r]
        if g != last:
            _phase_row(phases, scales[TO_STATE], g, two, there)
            _phase_row(phases, scales[FROM_STATE], g, two, back)
            last = g
        line = _line(rows, r)
        _gather(line, rows, r)
        execute(plans[FORWARD, 0], plans[FORWARD, 1], line, waves.ctypes.data)
        multiply(there, waves, F)
        total += correct(p[r].view(np.float64), extrapolated[r].view(np.float64), F.view(np.float64), factor)
        multiply_conjugate(back, p[r], waves)
        execute(plans[BACKWARD, 0], plans[BACKWARD, 1], waves.ctypes.data, line)
        _scatter(line, rows, r)
    return total


@jit
def differentiate_pencils(rows, k, plans, waves):
    """Row r <- transform back of ``i k`` times the transform of row r; k: (1 or rows, K), waves: room for a row."""
    rows = Rows(*rows)
    for r in range(rows.numbers.shape[1]):
        row, line = k[r if len(k) > 1 else 0], _line(rows, r)
        _gather(line, rows, r)
        execute(plans[FORWARD, 0], plans[FORWARD, 1], line, waves.ctypes.data)
        for d in range(len(waves)):
            a = waves[d]
            waves[d] = complex(-row[d] * a.imag, row[d] * a.real)
        execute(plans[BACKWARD, 0], plans[BACKWARD, 1], waves.ctypes.data, line)
        _scatter(line, rows, r)


def _read_only(u):
    u = u.view()
    u.flags.writeable = False
    return u


def _nothing():
    """Arguments of the loops over pencils that have no rows."""
    u = np.zeros((1, 1), dtype=complex)
    rows = 0, 0, np.zeros((0, 4), dtype=np.intp), np.zeros((2, 0), dtype=np.intp)
    phases = np.zeros(1, dtype=np.int64), np.zeros((1, 2), dtype=np.int64), np.ones((1, 64), dtype=complex), u.copy()
    return rows, phases, np.zeros((2, 1, 1)), np.zeros((2, 2), dtype=np.intp), u


def touch_pencils(axes=1, components=3):
    """Compile what every run row by row calls (or load it from the cache)."""
    rows, phases, scales, plans, u = _nothing()
    phase_factors(np.zeros(1), 1.0, np.zeros((1, 1), dtype=np.int64), phases[2], u.copy())
    from_interaction_picture(_read_only(u), phases, scales, plans, u[0].copy(), rows)
    to_interaction_picture(rows, phases, scales, plans, u[0].copy(), u)
    differentiate_pencils(rows, np.ones((1, 1)), plans, u[0].copy())


def touch_correct_pencils(axes=1, components=3):
    """The same for what the multistep method calls besides."""
    rows, phases, scales, plans, u = _nothing()
    correct_pencils(rows, phases, scales, plans, u[0].copy(), u, u.copy(), 0.0)


def touch_batches(axes=1, components=3):
    """The same for the forms of whole batches."""
    u, one, group = np.zeros((1, 1), dtype=complex), np.ones(1), np.zeros(1, dtype=np.int64)
    phase_table(one, np.zeros((1, 1), dtype=np.int64), u.copy())
    from_interaction_picture_batch(_read_only(u), u, group, one, one, u.copy())
    to_interaction_picture_batch(u, u, group, one, one, u.copy())

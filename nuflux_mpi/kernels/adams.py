"""Compiled: the sums over derivatives of the multistep method. For the meaning of the arguments see `reference`."""

import numpy as np

from .jit import jit_sum
from .simd import at_once, rows_at
from .vectors import correct

# Numbers taken together: sums stay in the second-level cache, and rows are read long enough at a stretch.
BLOCK = 4096

# Four rows at a time: with one, loading and storing the sum would cost more than reading the row.


@jit_sum
def _add_four(r0, r1, r2, r3, b, out):
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    for i in range(len(out)):
        out[i] += b0 * r0[i] + b1 * r1[i] + b2 * r2[i] + b3 * r3[i]


@jit_sum
def _add_rows(pool, rows, b, start, stop, out):
    """out += sum_j b_j pool[rows_j, start:stop]."""
    fours = len(rows) - len(rows) % 4
    for j in range(0, fours, 4):
        k, m, n, q = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
        _add_four(pool[k, start:stop], pool[m, start:stop], pool[n, start:stop], pool[q, start:stop], b[j : j + 4], out)
    for j in range(fours, len(rows)):
        row, factor = pool[rows[j], start:stop], b[j]
        for i in range(len(out)):
            out[i] += factor * row[i]


# All sums at once, and all rows in one pass: the sums are then never loaded. The number of rows must be known to the
# compiler; there are four of them, filled up with the first row, times zero. Eight numbers of a row at a time: with
# four, fetching the weights takes longer than memory does.


def _weighted(written, rows, numbers):
    parts = [numbers[i : i + len(rows)] for i in range(0, len(numbers), len(rows))]
    products = [[c * row for c, row in zip(part, rows)] for part in parts]
    return tuple(sum(some[1:], some[0]) for some in products)


def _completed(written, rows, numbers):
    (p, extrapolated), (y, f), (b, x) = written, rows, numbers
    return p + y + b * f, extrapolated + x * f


_weigh_8, _weigh_1 = at_once(_weighted, 8), at_once(_weighted, 1)
_complete_4, _complete_1 = at_once(_completed, 4), at_once(_completed, 1)
_FOUR, _SEVEN, _TEN, _THIRTEEN = (0,) * 4, (0,) * 7, (0,) * 10, (0,) * 13


@jit_sum
def _weigh(written, rows, numbers):
    n = len(written[0])
    for i in range(0, n - 7, 8):
        _weigh_8(written, rows, numbers, i)
    for i in range(n - n % 8, n):
        _weigh_1(written, rows, numbers, i)


@jit_sum
def weigh(pool, rows, weights, start, written):
    pool, count = pool[:, start:], len(rows)
    room = max(4, 3 * ((count + 1) // 3) + 1)
    at, c = np.full(room, rows[0]), np.zeros((len(weights), room))
    at[:count], c[:, :count] = rows, weights
    if room == 4:
        _weigh(written, rows_at(pool, _FOUR, at), c)
    elif room == 7:
        _weigh(written, rows_at(pool, _SEVEN, at), c)
    elif room == 10:
        _weigh(written, rows_at(pool, _TEN, at), c)
    else:
        _weigh(written, rows_at(pool, _THIRTEEN, at), c)


@jit_sum
def complete(y, f, b, x, p, extrapolated):
    n, written, rows, numbers = len(p), (p, extrapolated), (y, f), (b, x)
    for i in range(0, n - 3, 4):
        _complete_4(written, rows, numbers, i)
    for i in range(n - n % 4, n):
        _complete_1(written, rows, numbers, i)


@jit_sum
def integrate(pool, rows, weights, start, g, rate, out):
    total, extrapolated = 0.0, np.empty(BLOCK)
    for first in range(0, len(out), BLOCK):
        last = min(first + BLOCK, len(out))
        some, p = extrapolated[: last - first], out[first:last]
        weigh(pool, rows, weights, start + first, (p, some))
        total += correct(p, some, rate[first:last], g)
    return total


@jit_sum
def combine(pool, rows, b, out):
    for start in range(0, len(out), BLOCK):
        stop = min(start + BLOCK, len(out))
        out[start:stop] = 0.0
        _add_rows(pool, rows, b, start, stop, out[start:stop])


@jit_sum
def squares(pool, rows, d):
    weights, space, total, n = np.zeros((4, len(rows))), np.empty((4, BLOCK)), np.zeros(len(d)), pool.shape[1]
    weights[: len(d)] = d
    for start in range(0, n, BLOCK):
        block = space[:, : min(n - start, BLOCK)]
        weigh(pool, rows, weights, start, (block[0], block[1], block[2], block[3]))
        for i in range(len(d)):
            part = 0.0
            for z in range(block.shape[1]):
                part += block[i, z] * block[i, z]
            total[i] += part
    return total


def touch_adams(axes=1, components=3):
    """Compile the sums (or load them from the cache)."""
    pool, one, numbers = np.zeros((2, 1)), np.zeros(1), np.zeros(1, dtype=np.int64)
    two, four = np.zeros((2, 1)), np.zeros((4, 1))
    weigh(pool, numbers, two, 0, (pool[0], pool[1]))
    weigh(pool, numbers, four, 0, (pool[0], pool[1], pool[0], pool[1]))
    complete(pool[0], pool[0], 0.0, 0.0, pool[0], pool[1])
    integrate(pool, numbers, two, 0, 0.0, pool[0], pool[1])
    correct(pool[0], pool[0], pool[1], 0.0)
    combine(pool, numbers, one, pool[1])
    squares(pool, numbers, np.zeros((1, 1)))

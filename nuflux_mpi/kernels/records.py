"""Arguments of kernels that belong together. Plain tuples of these fields are what compiled loops are called with.

numba recognises a plain tuple four times faster than a NamedTuple, and an array faster than a tuple: microseconds that a small
problem feels at each call. So callers hand over ``tuple(record)``, made once, and the loops name the fields again; and what
can be one array is one. Needs neither numba nor NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Rows(NamedTuple):
    """Pencils to read or to write: rows that are whole along z, or cut into pieces, one for each rank's points.

    Row r starts at ``address + r stride`` where rows are whole; where there are pieces, each row goes through the room for
    one at `address`. pieces: (ranks, 4) integers, none where rows are whole: address of the first piece of a rank, bytes
    of a piece, its first byte in the row, and by which of the two numberings they lie one after the other. numbers: (2,
    rows), number of each row among all rows and among this rank's.
    """

    address: int
    stride: int
    pieces: np.ndarray
    numbers: np.ndarray


class Phases(NamedTuple):
    """exp(i k v t) of the waves of each group of rows with one velocity: products of two short tables.

    The waves come in runs along which the harmonic grows by the same step. Wave ``start[g, r] + j`` of group g, in its run
    r, has the phase ``coarse[g, r] fine[g, j]``. group: (rows,) integers; start: (groups, runs + 1) integers.
    """

    group: np.ndarray
    start: np.ndarray
    fine: np.ndarray
    coarse: np.ndarray


# First index of the real factors of each group and run on the way between state and amplitudes, scales (2, groups, runs).
FROM_STATE, TO_STATE = 0, 1
# First index of the addresses (function, plan) of FFTW's plans for one row, (2, 2) integers: waves to points, points to waves.
BACKWARD, FORWARD = 0, 1

# Of `columns`: complex numbers that a row of the matrix is longer than its columns, and how a wave of the whole grid follows
# from one that is kept: it is that one, its conjugate partner, or its own partner.
PAD = 4
SAME, CONJUGATE, REAL = 0, 1, 2

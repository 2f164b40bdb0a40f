"""Compiled: the local terms of level "momentum". For the meaning of the arguments see `reference`."""

import numpy as np

from ..flavor.algebra import of_components
from ..flavor.generate import Vector, anticommutator, cross
from .jit import jit
from .simd import at_once, rows

# Points handled together: one mode and its potentials stay in the second-level cache.
BLOCK = 2048


def _turned(P, read, numbers):
    (W,) = read
    return cross([W[c] for c in range(len(P))], P)


def _pushed(written, read, numbers):
    """Real and imaginary parts of one amplitude, (n, P) each."""
    (A, W), (y,), C = read, numbers, len(written) // 2 - 1
    (n0, *P0), (n1, *P1) = written[: C + 1], written[C + 1 :]
    A0, A, W = y * A[0], Vector(y * A[c + 1] for c in range(C)), Vector(W[c] for c in range(C))
    trace, real = anticommutator(A0, A, n1, P1, cross(W, P0), -1)
    other, imaginary = anticommutator(A0, A, n0, P0, cross(W, P1))
    return -trace, *real, other, *imaginary


_turn_4, _turn_1 = at_once(_turned, 4), at_once(_turned, 1)
_push_4, _push_1 = at_once(_pushed, 4), at_once(_pushed, 1)


@jit
def _turn(f, start, width, W, like):
    """n <- 0, P <- W x P for one amplitude f (1 + C, n) that feels no force."""
    f[0, start : start + width] = 0.0
    written = rows(f[1:], like, start)
    for z in range(0, width - 3, 4):
        _turn_4(written, (W,), (), z)
    for z in range(width - width % 4, width):
        _turn_1(written, (W,), (), z)


@jit
def _potentials(numbers, M, dM, start, A, W):
    """W <- D_0 - v D_1 and A <- the coefficients of the force, from `start` on; numbers: (v, s v_z/2, trace, width)."""
    v, half, trace, width = numbers
    for c in range(M.shape[1]):
        M0, M1, dM0, dM1 = M[0, c, start:], M[1, c, start:], dM[0, c, start:], dM[1, c, start:]
        if c == 0:
            for z in range(width):
                A[0, z] = trace * half * (dM0[z] - v * dM1[z])
        else:
            for z in range(width):
                W[c - 1, z] = M0[z] - v * M1[z]
                A[c, z] = half * (dM0[z] - v * dM1[z])


@jit
def _subtract(row, factor, other, start):
    for z in range(len(row)):
        row[z] -= factor * other[start + z]


@jit
def _more_moments(v, half, trace, M, dM, start, A, W):
    """W -= v_i D_i, and the same in A, for the components of the velocity beyond the first; all at the points of W."""
    for i in range(1, len(v)):
        _subtract(A[0], trace * half * v[i], dM[i + 1, 0], start)
        for c in range(len(W)):
            _subtract(W[c], v[i], M[i + 1, c + 1], start)
            _subtract(A[c + 1], half * v[i], dM[i + 1, c + 1], start)


@jit
def _push(f, v, along, y, M, dM, w, constants):
    """w: (modes, C), or no rows at all; constants: the factor of traces, and tuples as long as C and 1 + C."""
    modes, components, Q, n = f.shape
    pairs, (trace, like, coefficients) = (Q - 1) // 2, constants
    W, A = np.empty((components - 1, BLOCK)), np.empty((components, BLOCK))
    for start in range(0, n, BLOCK):
        width = min(start + BLOCK, n) - start
        for a in range(modes):
            half = 0.5 * along[a]
            _potentials((v[0, a], half, trace, width), M, dM, start, A, W)
            if len(v) > 1:
                _more_moments(v[:, a], half, trace, M, dM, start, A[:, :width], W[:, :width])
            for c in range(len(W) if len(w) else 0):
                W[c, :width] += w[a, c]
            _turn(f[a, :, 0], start, width, W, like)
            if Q % 2 == 0:
                _turn(f[a, :, Q - 1], start, width, W, like)
            for j in range(1, pairs + 1):
                written = rows(f[a, :, 2 * j - 1], coefficients, start) + rows(f[a, :, 2 * j], coefficients, start)
                for z in range(0, width - 3, 4):
                    _push_4(written, (A, W), (y[j],), z)
                for z in range(width - width % 4, width):
                    _push_1(written, (A, W), (y[j],), z)


def push(f, v, along, y, M, dM, w=None):
    C = f.shape[1] - 1
    own = np.zeros((0, C)) if w is None else w
    _push(f, v, along, y, M, dM, own, (2.0 * of_components(C).trace_weight, (0,) * C, (0,) * (C + 1)))


def touch_push(axes=1, components=3):
    """Compile `push` (or load it from the cache)."""
    M, one = np.zeros((2, 1 + components, 1)), np.ones(1)
    push(np.zeros((1, 1 + components, 4, 1)), np.ones((1, 1)), one, np.zeros(3), M, M)

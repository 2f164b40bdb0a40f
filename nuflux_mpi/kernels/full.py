"""Compiled: the arithmetic of level "full", pointwise sums and products of matrices over phase space.

For shapes and the meaning of the arguments see `reference`.
"""

import numpy as np

from ..flavor.generate import Vector, anticommutator, cross
from .jit import jit
from .simd import at_once, entries, rows

# Points handled together: their moments stay in the first-level cache.
BLOCK = 2048


@jit
def phase_space_moments(f, w0, w1, M):
    n = f.shape[3]
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        M[:, :, start:stop] = 0.0
        for q in range(f.shape[0]):
            for c in range(f.shape[1]):
                M0, M1 = M[0, c], M[1, c]
                for i in range(f.shape[2]):
                    line, a, b = f[q, c, i], w0[q, i], w1[q, i]
                    for z in range(start, stop):
                        M0[z] += a * line[z]
                        M1[z] += b * line[z]


def _anticommuted(written, read, numbers):
    (G, f), (a, b, own), C = read, numbers, len(written) - 1
    A0, *A = (a * G[0, c] + b * G[1, c] for c in range(C + 1))
    if own:
        A0, *A = (x + y for x, y in zip((A0, *A), own))
    trace, P = anticommutator(A0, A, f[0], [f[c + 1] for c in range(C)])
    return trace, *P


def _commuted(P, read, numbers):
    (G,), (v, own) = read, numbers
    W = [G[0, c + 1] - v * G[1, c + 1] for c in range(len(P))]
    if own:
        W = [x + y for x, y in zip(W, own[1:])]
    return cross(Vector(2.0 * x for x in W), P)


_anticommute_4, _anticommute_1 = at_once(_anticommuted, 4), at_once(_anticommuted, 1)
_commute_4, _commute_1 = at_once(_commuted, 4), at_once(_commuted, 1)


# own: rows (I,) of the coefficients of matrices that are the same at all points, or ().


@jit
def _anticommute(f, rates, G, span, out, like, own):
    (alpha, beta), (start, width, shift) = rates, span
    for i in range(f.shape[1]):
        written, numbers = rows(out[:, i], like, start - shift), (alpha[i], beta[i], entries(own, i))
        read = G[:, :, start : start + width], f[:, i, start : start + width]
        for z in range(0, width - 3, 4):
            _anticommute_4(written, read, numbers, z)
        for z in range(width - width % 4, width):
            _anticommute_1(written, read, numbers, z)


@jit
def _commute(f, v, G, start, width, like, own):
    for i in range(f.shape[1]):
        f[0, i, start : start + width] = 0.0
        written, read, numbers = rows(f[1:, i], like, start), (G[:, :, start : start + width],), (v[i], entries(own, i))
        for z in range(0, width - 3, 4):
            _commute_4(written, read, numbers, z)
        for z in range(width - width % 4, width):
            _commute_1(written, read, numbers, z)


@jit
def _anticommute_with_own(f, rates, G, span, out, like, own):
    _anticommute(f, rates, G, span, out, like, rows(own, like, 0))


@jit
def _commute_with_own(f, v, G, start, width, like, own, like_own):
    _commute(f, v, G, start, width, like, rows(own, like_own, 0))


def anticommute(f, alpha, beta, G, start, stop, out, shift, *, own=None):
    span, like = (start, stop - start, shift), (0,) * len(f)
    if own is None:
        _anticommute(f, (alpha, beta), G, span, out, like, ())
    else:
        _anticommute_with_own(f, (alpha, beta), G, span, out, like, own)


def commute(f, v, G, start, stop, *, own=None):
    like = (0,) * (len(f) - 1)
    if own is None:
        _commute(f, v, G, start, stop - start, like, ())
    else:
        _commute_with_own(f, v, G, start, stop - start, like, own, (0, *like))


@jit
def add(f, change, start, stop):
    for c in range(f.shape[0]):
        for i in range(f.shape[1]):
            line, more = f[c, i], change[c, i]
            for z in range(start, stop):
                line[z] += more[z - start]


@jit
def differentiate_waves(waves, rate):
    for c in range(waves.shape[0]):
        for m in range(waves.shape[1]):
            row, r = waves[c, m], rate[m]
            for z in range(waves.shape[2]):
                a = row[z]
                row[z] = complex(-r * a.imag, r * a.real)


@jit
def subtract_derivative(spectral, flux, k):
    shared = k.shape[0] == 1
    for r in range(spectral.shape[0]):
        row = k[0] if shared else k[r]
        for d in range(spectral.shape[1]):
            a, b = spectral[r, d], flux[r, d]
            spectral[r, d] = complex(a.real + row[d] * b.imag, a.imag - row[d] * b.real)


def touch_full(axes=1, components=3):
    """Compile these kernels (or load them from the cache)."""
    f, G, one = np.zeros((1, 1 + components, 1, 1)), np.zeros((2, 1 + components, 1)), np.ones(1)
    phase_space_moments(f, np.ones((1, 1)), np.ones((1, 1)), G)
    anticommute(f[0], one, one, G, 0, 1, f[0].copy(), 0)
    commute(f[0], one, G, 0, 1)
    add(f[0], f[0], 0, 1)
    differentiate_waves(np.zeros((1 + components, 1, 1), dtype=complex), one)
    u = np.zeros((1, 1), dtype=complex)
    subtract_derivative(u, u.copy(), np.ones((1, 1)))


def touch_full_with_more(axes=1, components=3):
    """The same for `anticommute` and `commute` with matrices of their own, which vacuum mixing makes use of."""
    f, G, one, own = (
        np.zeros((1 + components, 1, 1)),
        np.zeros((2, 1 + components, 1)),
        np.ones(1),
        np.zeros((1 + components, 1)),
    )
    anticommute(f, one, one, G, 0, 1, f.copy(), 0, own=own)
    commute(f, one, G, 0, 1, own=own)

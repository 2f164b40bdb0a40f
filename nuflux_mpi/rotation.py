"""The local flow of the flavor equation: polarization vectors turn at each point while nothing moves.

    d_t P_a = (D_0 - v_a D_1) x P_a ,   D_m = sum_b s_b v_b^m P_b

D_0 is constant; the higher moments obey d_t D_n = D_0 x D_n - D_1 x D_{n+1}, so the Taylor series of D_1(t) follows
from D_0 .. D_6 at the start, at a cost that does not depend on the number of modes. With W_a(t) then known, each mode
turns by the vector Omega_a of the sixth-order Magnus expansion (Blanes, Casas, Ros, BIT 40, 434 (2000), in terms of the
integrals of W_a, t W_a and t^2 W_a over the step, t counted from its middle). The rotation is that of a normalised quaternion:
|P_a| is kept to rounding, whatever the error of Omega_a. That error is O(h^7).

numba where it is installed, else NumPy with the same numbers to rounding. Arrays are local: P (modes, 3, n).
"""

import numpy as np

from . import kernels

_BLOCK = 128  # points handled together: their moments and Taylor coefficients stay in the first-level cache
_TERMS = 6  # coefficients of the Taylor series of D_1, from as many moments


def _parabola():
    """What coefficient j of a Taylor series on 0 < t < 1 adds to alpha_1, alpha_2, alpha_3 of the expansion, (3, j).

    alpha_1 + alpha_2 x + alpha_3 x^2, x = t - 1/2, has the same integrals with 1, x and x^2 as the series.
    """
    j = np.arange(_TERMS)
    B0, B1 = 1.0 / (j + 1), 1.0 / (j + 2) - 0.5 / (j + 1)
    B2 = 1.0 / (j + 3) - 1.0 / (j + 2) + 0.25 / (j + 1)
    return np.stack((2.25 * B0 - 15.0 * B2, 12.0 * B1, 180.0 * B2 - 15.0 * B0))


_PARABOLA = _parabola()


def turn(P, v, s, h):
    """Carry P over a time h by the local flow, in place. v, s: (modes,)."""
    for start in range(0, P.shape[2], _BLOCK * 16):
        part = P[:, :, start : start + _BLOCK * 16]
        E = _coefficients(np.stack([s * v**m for m in range(_TERMS + 1)]) @ part.reshape(len(P), -1) * h, part.shape[2])
        for a in range(len(P)):
            _rotate(part[a], *_angle(E, v[a]))


def _coefficients(moments, n):
    """h D_0 and the parabola of h D_1 over the step, three coefficients, each (3, n); moments: those of h P."""
    M = moments.reshape(_TERMS + 1, 3, n)
    T = [list(M[1:])]  # T[j][m]: coefficient j of D_{m+1} about the start
    for j in range(_TERMS - 1):
        T.append([
            (_cross(M[0], T[j][m]) - sum(_cross(T[i][0], T[j - i][m + 1]) for i in range(j + 1))) / (j + 1)
            for m in range(_TERMS - 1 - j)
        ])
    return M[0], *np.tensordot(_PARABOLA, np.stack([row[0] for row in T]), 1)


def _angle(E, v):
    """The rotation vector Omega of a mode with velocity v, (3, n)."""
    D0, E0, E1, E2 = E
    A, B, C = D0 - v * E0, -v * E1, -v * E2
    F = _cross(A, B)
    G = _cross(A, 2.0 * C + F) * (-1.0 / 60.0)
    return (A + C / 12.0 + _cross(F - 20.0 * A - C, B + G) / 240.0,)


def _rotate(P, W):
    """P <- P turned by the vector W, both (3, n), in place."""
    y = 0.25 * np.sum(W**2, axis=0)
    # cos and sin of half the angle, up to a common factor: tan x = x (945 - 105 x^2 + x^4) / (945 - 420 x^2 + 15 x^4)
    c, q = 945.0 + y * (15.0 * y - 420.0), 0.5 * (945.0 + y * (y - 105.0)) * W
    t = _cross(q, P)
    P += (2.0 / (c**2 + np.sum(q**2, axis=0))) * (c * t + _cross(q, t))


def _cross(A, B):
    return np.stack((A[1] * B[2] - A[2] * B[1], A[2] * B[0] - A[0] * B[2], A[0] * B[1] - A[1] * B[0]))


if kernels.COMPILED:
    from numba import njit

    _jit = njit(cache=True, fastmath={"contract"}, error_model="numpy")

    @_jit
    def _add_cross(A, B, factor, out, width):
        """out += factor A x B, all (3, points)."""
        A0, A1, A2, B0, B1, B2 = A[0], A[1], A[2], B[0], B[1], B[2]
        O0, O1, O2 = out[0], out[1], out[2]
        for z in range(width):
            O0[z] += factor * (A1[z] * B2[z] - A2[z] * B1[z])
        for z in range(width):
            O1[z] += factor * (A2[z] * B0[z] - A0[z] * B2[z])
        for z in range(width):
            O2[z] += factor * (A0[z] * B1[z] - A1[z] * B0[z])

    @_jit
    def _moments(P, v, s, h, start, width, M):
        M[:, :, :width] = 0.0
        for a in range(P.shape[0]):
            for c in range(3):
                p, w = P[a, c], h * s[a]
                for m in range(M.shape[0]):
                    row = M[m, c]
                    for z in range(width):
                        row[z] += w * p[start + z]
                    w *= v[a]

    @_jit
    def _series(M, T, E, width):
        """E <- the parabola of D_1 over the step; T: (terms, terms, 3, points) work space."""
        terms = T.shape[0]
        for m in range(terms):
            T[0, m, :, :width] = M[m + 1, :, :width]
        for j in range(terms - 1):
            for m in range(terms - 1 - j):
                out = T[j + 1, m]
                out[:, :width] = 0.0
                _add_cross(M[0], T[j, m], 1.0 / (j + 1), out, width)
                for i in range(j + 1):
                    _add_cross(T[i, 0], T[j - i, m + 1], -1.0 / (j + 1), out, width)
        E[:, :, :width] = 0.0
        for j in range(terms):
            for i in range(3):
                for c in range(3):
                    row, term, f = E[i, c], T[j, 0, c], _PARABOLA[i, j]
                    for z in range(width):
                        row[z] += f * term[z]

    @_jit
    def _turn_mode(X, Y, Z, v, D, E, width):
        """Turn the points of one mode; X, Y, Z: its components there."""
        for z in range(width):
            a0, a1, a2 = D[0, z] - v * E[0, 0, z], D[1, z] - v * E[0, 1, z], D[2, z] - v * E[0, 2, z]
            b0, b1, b2 = -v * E[1, 0, z], -v * E[1, 1, z], -v * E[1, 2, z]
            c0, c1, c2 = -v * E[2, 0, z], -v * E[2, 1, z], -v * E[2, 2, z]
            f0, f1, f2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
            e0, e1, e2 = 2.0 * c0 + f0, 2.0 * c1 + f1, 2.0 * c2 + f2
            g0, g1 = b0 - (a1 * e2 - a2 * e1) / 60.0, b1 - (a2 * e0 - a0 * e2) / 60.0
            g2 = b2 - (a0 * e1 - a1 * e0) / 60.0
            d0, d1, d2 = f0 - 20.0 * a0 - c0, f1 - 20.0 * a1 - c1, f2 - 20.0 * a2 - c2
            w0 = a0 + c0 / 12.0 + (d1 * g2 - d2 * g1) / 240.0
            w1 = a1 + c1 / 12.0 + (d2 * g0 - d0 * g2) / 240.0
            w2 = a2 + c2 / 12.0 + (d0 * g1 - d1 * g0) / 240.0
            y = 0.25 * (w0 * w0 + w1 * w1 + w2 * w2)
            c, f = 945.0 + y * (15.0 * y - 420.0), 0.5 * (945.0 + y * (y - 105.0))
            q0, q1, q2 = f * w0, f * w1, f * w2
            x0, x1, x2 = X[z], Y[z], Z[z]
            t0, t1, t2 = q1 * x2 - q2 * x1, q2 * x0 - q0 * x2, q0 * x1 - q1 * x0
            k = 2.0 / (c * c + 4.0 * f * f * y)
            X[z] = x0 + k * (c * t0 + q1 * t2 - q2 * t1)
            Y[z] = x1 + k * (c * t1 + q2 * t0 - q0 * t2)
            Z[z] = x2 + k * (c * t2 + q0 * t1 - q1 * t0)

    @_jit
    def turn(P, v, s, h):  # noqa: F811
        M, T = np.empty((_TERMS + 1, 3, _BLOCK)), np.empty((_TERMS, _TERMS, 3, _BLOCK))
        E = np.empty((3, 3, _BLOCK))
        for start in range(0, P.shape[2], _BLOCK):
            stop = min(start + _BLOCK, P.shape[2])
            _moments(P, v, s, h, start, stop - start, M)
            _series(M, T, E, stop - start)
            for a in range(P.shape[0]):
                _turn_mode(P[a, 0, start:stop], P[a, 1, start:stop], P[a, 2, start:stop], v[a], M[0], E, stop - start)


def touch():
    """Compile `turn` (or load it from numba's cache)."""
    turn(np.zeros((1, 3, 1)), np.ones(1), np.ones(1), 0.0)

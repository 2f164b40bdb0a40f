"""The local flow of the flavor equation: polarization vectors turn at each point while nothing moves.

    d_t P_a = W_a x P_a ,   W_a = D_0 - sum_i v_ai D_i ,   D_0 = sum_b s_b P_b ,   D_i = sum_b s_b v_bi P_b

D_0 is constant. With the higher moments D_n = sum_b s_b v_b^n P_b, n = (n_1, ...) a power for each axis of the box,

    d_t D_n = D_0 x D_n - sum_i D_i x D_{n + e_i} ,

so the Taylor series of D_i(t) follows from the moments up to degree 6 at the start, at a cost that does not depend on the
number of modes: 7 moments on one axis, 28 on two, 84 on three. With W_a(t) then known, each mode turns by the vector Omega_a
of the sixth-order Magnus expansion (Blanes, Casas, Ros, BIT 40, 434 (2000), in terms of the integrals of W_a, t W_a and
t^2 W_a over the step, t counted from its middle). The rotation is that of a normalised quaternion: |P_a| is kept to
rounding, whatever the error of Omega_a. That error is O(h^7).

The weak force does the work -s_a/2 int v_a.grad W_a . P_a dt meanwhile. It is summed by Gauss's formula over three times within
the step, to each of which P_a turns in the same way: to O(h^7) too. The gradients of the series of D_i, which it needs, are
not local.

numba where it is installed, else NumPy with the same numbers to rounding. Arrays are local: P (modes, 3, n), kappa (modes, n),
v (d, modes) along the d axes of the box, s (modes,).
"""

import functools
import itertools

import numpy as np

from . import kernels

TERMS = 6  # coefficients of the Taylor series of D_i, from moments up to this degree
# Points handled together, by the number of axes: their moments and Taylor coefficients stay in the cache.
_BLOCKS = (128, 64, 32)


def rows(axes):
    """Flavor vectors that `series` leaves at each point."""
    return 1 + TERMS * axes


def _parabola():
    """What coefficient j of a Taylor series on 0 < t < 1 adds to alpha_1, alpha_2, alpha_3 of the expansion, (3, j).

    alpha_1 + alpha_2 x + alpha_3 x^2, x = t - 1/2, has the same integrals with 1, x and x^2 as the series.
    """
    j = np.arange(TERMS)
    B0, B1 = 1.0 / (j + 1), 1.0 / (j + 2) - 0.5 / (j + 1)
    B2 = 1.0 / (j + 3) - 1.0 / (j + 2) + 0.25 / (j + 1)
    return np.stack((2.25 * B0 - 15.0 * B2, 12.0 * B1, 180.0 * B2 - 15.0 * B0))


_PARABOLA = _parabola()
_TIMES, _WEIGHTS = np.polynomial.legendre.leggauss(3)
_TIMES, _WEIGHTS = 0.5 * (1.0 + _TIMES), 0.5 * _WEIGHTS


@functools.cache
def _powers(axes):
    """The moments D_n in ascending degree, D_0 first and then D_i.

    -> how many have a degree up to m, (TERMS + 1,); above[n, i], the number of D_{n + e_i}; below, (moments, 2): the number
    of a moment with one power less, and the axis of that power.
    """
    powers = sorted(itertools.product(range(TERMS + 1), repeat=axes), key=lambda n: (sum(n), tuple(-i for i in n)))
    powers = [n for n in powers if sum(n) <= TERMS]
    number = {n: place for place, n in enumerate(powers)}
    up_to = np.array([sum(sum(n) <= m for n in powers) for m in range(TERMS + 1)])
    above, below = np.zeros((len(powers), axes), dtype=np.int64), np.zeros((len(powers), 2), dtype=np.int64)
    for n, place in number.items():
        for axis in range(axes):
            more = (*n[:axis], n[axis] + 1, *n[axis + 1 :])
            if more in number:
                above[place, axis] = number[more]
                below[number[more]] = place, axis
    return up_to, above, below


def turn(P, v, s, h):
    """Carry P over a time h by the local flow, in place."""
    for part in _parts(P.shape[2], len(v)):
        _turn(P[..., part], v, *_flatten(_series(P[..., part], v, s, h), len(v)))


def series(P, v, s, h, S):
    """S <- h D_0 and, of h D_i, the coefficients of its series in the time over h: S[1 + j d + i] is coefficient j.

    S: (rows(d), 3, n).
    """
    for part in _parts(P.shape[2], len(v)):
        S[..., part] = _series(P[..., part], v, s, h)


def turn_and_drive(P, kappa, v, s, S, dS):
    """Carry P over the time of `series` by the local flow, and kappa by the work of the weak force; both in place.

    dS: (d, rows(d), 3, n), the gradients of S, the axis of the derivative first.
    """
    for part in _parts(P.shape[2], len(v)):
        here, slopes = S[..., part], dS[..., part]
        for x, weight in zip(_TIMES, _WEIGHTS):
            then = P[..., part].copy()
            _turn(then, v, *_flatten(here, len(v), x))
            dD = [_value(slope, len(v), x) for slope in slopes]
            for a in range(len(P)):
                force = sum(speed * (D[0] - np.tensordot(v[:, a], D[1:], 1)) for speed, D in zip(v[:, a], dD))
                kappa[a, part] -= 0.5 * weight * s[a] * np.sum(force * then[a], axis=0)
        _turn(P[..., part], v, *_flatten(here, len(v)))


def _parts(n, axes):
    size = 16 * _BLOCKS[axes - 1]
    return [slice(start, start + size) for start in range(0, n, size)]


def _series(P, v, s, h):
    up_to, above, below = _powers(len(v))
    weights = np.empty((len(below), len(s)))
    weights[0] = h * s
    for place in range(1, len(below)):
        lower, axis = below[place]
        weights[place] = weights[lower] * v[axis]
    T = [(weights @ P.reshape(len(P), -1)).reshape(-1, *P.shape[1:])]  # T[j][n]: coefficient j of D_n
    D0, axes = T[0][0], range(len(v))
    for j in range(TERMS - 1):
        following = np.zeros((up_to[TERMS - j - 1],) + P.shape[1:])
        for n in range(1, len(following)):
            change = sum(_cross(T[i][1 + axis], T[j - i][above[n, axis]]) for i in range(j + 1) for axis in axes)
            following[n] = (_cross(D0, T[j][n]) - change) / (j + 1)
        T.append(following)
    return np.concatenate([D0[None]] + [row[1 : 1 + len(v)] for row in T])


def _flatten(S, axes, x=1.0):
    """x h D_0 and the parabolas of x h D_i from the start to the time x h: (3, n), and three coefficients (3, axes, 3, n)."""
    return x * S[0], np.tensordot(_PARABOLA * x ** np.arange(1, TERMS + 1), S[1:].reshape(TERMS, axes, *S.shape[1:]), 1)


def _value(S, axes, x):
    """h D_0 and h D_i at the time x h, (1 + axes, 3, n)."""
    return np.concatenate((S[:1], np.tensordot(x ** np.arange(TERMS), S[1:].reshape(TERMS, axes, *S.shape[1:]), 1)))


def _turn(P, v, D, E):
    for a in range(len(P)):
        A, B, C = -np.tensordot(v[:, a], E, (0, 1))
        A += D
        F = _cross(A, B)
        G = _cross(A, 2.0 * C + F) * (-1.0 / 60.0)
        _rotate(P[a], A + C / 12.0 + _cross(F - 20.0 * A - C, B + G) / 240.0)


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
    from .compiling import njit

    _jit = njit(fastmath={"contract"}, error_model="numpy")

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
    def _add(A, factor, out, width):
        """out += factor A, both (3, points)."""
        for c in range(3):
            row, term = out[c], A[c]
            for z in range(width):
                row[z] += factor * term[z]

    @_jit
    def _moments(P, v, s, h, below, start, width, weight, M):
        M[:, :, :width] = 0.0
        for a in range(P.shape[0]):
            weight[0] = h * s[a]
            for n in range(1, len(weight)):
                weight[n] = weight[below[n, 0]] * v[below[n, 1], a]
            for c in range(3):
                p = P[a, c, start : start + width]
                for n in range(len(weight)):
                    row, w = M[n, c], weight[n]
                    for z in range(width):
                        row[z] += w * p[z]

    @_jit
    def _expand(M, up_to, above, T, S, width):
        """S[..., :width] <- h D_0 and the coefficients of h D_i from the moments M of h P; T: (TERMS, moments, 3, points)."""
        axes = above.shape[1]
        S[0, :, :width] = M[0, :, :width]
        for n in range(1, len(M)):
            T[0, n, :, :width] = M[n, :, :width]
        for j in range(TERMS - 1):
            for n in range(1, up_to[TERMS - j - 1]):
                out = T[j + 1, n]
                out[:, :width] = 0.0
                _add_cross(M[0], T[j, n], 1.0 / (j + 1), out, width)
                for axis in range(axes):
                    for i in range(j + 1):
                        _add_cross(T[i, 1 + axis], T[j - i, above[n, axis]], -1.0 / (j + 1), out, width)
        for j in range(TERMS):
            for axis in range(axes):
                S[1 + j * axes + axis, :, :width] = T[j, 1 + axis, :, :width]

    @_jit
    def _flatten(S, x, D, E, width):  # noqa: F811
        """D, E[i] <- x h D_0 and the parabola of x h D_i from the start to the time x h, three coefficients (3, 3, points)."""
        axes = len(E)
        D[:, :width] = 0.0
        _add(S[0], x, D, width)
        E[:, :, :, :width] = 0.0
        for axis in range(axes):
            power = x
            for j in range(TERMS):
                for i in range(3):
                    _add(S[1 + j * axes + axis], power * _PARABOLA[i, j], E[axis, i], width)
                power *= x

    @_jit
    def _value(S, x, value, width):  # noqa: F811
        """value <- h D_0 and h D_i at the time x h, (1 + axes, 3, points), from S or one of its derivatives."""
        axes = len(value) - 1
        value[0, :, :width] = S[0, :, :width]
        value[1:, :, :width] = 0.0
        power = 1.0
        for j in range(TERMS):
            for axis in range(axes):
                _add(S[1 + j * axes + axis], power, value[1 + axis], width)
            power *= x

    @_jit
    def _turn_mode(X, Y, Z, v, D, E):
        """Turn the points of one mode; X, Y, Z: its components there. W = D - v E."""
        for z in range(len(X)):
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
    def _along(v, E, along, width):
        """The speed and the parabola, 3 x (3, points), with which a mode of velocity v turns: those of E on one axis."""
        if len(v) == 1:
            return v[0], E[0]
        along[:, :, :width] = 0.0
        for axis in range(len(v)):
            for i in range(3):
                _add(E[axis, i], v[axis], along[i], width)
        return 1.0, along

    @_jit
    def _work(P, s, v, dD, weight, force, kappa, width):
        """Add to kappa what the weak force does to a mode, by its P at one of the times; dD: (d, 1 + d, 3, points)."""
        force[:, :width] = 0.0
        for k in range(len(v)):
            _add(dD[k, 0], v[k], force, width)
            for i in range(len(v)):
                _add(dD[k, 1 + i], -v[k] * v[i], force, width)
        factor = -0.5 * weight * s
        for z in range(width):
            kappa[z] += factor * (force[0, z] * P[0, z] + force[1, z] * P[1, z] + force[2, z] * P[2, z])

    @_jit
    def _turn_points(P, v, s, h, up_to, above, below, block):
        axes, weight = len(v), np.empty(len(below))
        M, T = np.empty((len(below), 3, block)), np.empty((TERMS, len(below), 3, block))
        S, D = np.empty((1 + TERMS * axes, 3, block)), np.empty((3, block))
        E, along = np.empty((axes, 3, 3, block)), np.empty((3, 3, block))
        for start in range(0, P.shape[2], block):
            stop = min(start + block, P.shape[2])
            width = stop - start
            _moments(P, v, s, h, below, start, width, weight, M)
            _expand(M, up_to, above, T, S, width)
            _flatten(S, 1.0, D, E, width)
            for a in range(P.shape[0]):
                speed, turned = _along(v[:, a], E, along, width)
                _turn_mode(P[a, 0, start:stop], P[a, 1, start:stop], P[a, 2, start:stop], speed, D, turned)

    @_jit
    def _expand_points(P, v, s, h, up_to, above, below, block, S):
        weight = np.empty(len(below))
        M, T = np.empty((len(below), 3, block)), np.empty((TERMS, len(below), 3, block))
        for start in range(0, P.shape[2], block):
            stop = min(start + block, P.shape[2])
            _moments(P, v, s, h, below, start, stop - start, weight, M)
            _expand(M, up_to, above, T, S[:, :, start:stop], stop - start)

    @_jit
    def _drive_points(P, kappa, v, s, S, dS, block):
        axes, times = len(v), len(_TIMES) + 1
        D, E, along = np.empty((times, 3, block)), np.empty((times, axes, 3, 3, block)), np.empty((3, 3, block))
        dD = np.empty((times, axes, 1 + axes, 3, block))
        then, force = np.empty((3, block)), np.empty((3, block))
        for start in range(0, P.shape[2], block):
            stop = min(start + block, P.shape[2])
            width, here = stop - start, S[:, :, start:stop]
            for i in range(times):  # those of Gauss's formula, and the end
                x = _TIMES[i] if i < len(_TIMES) else 1.0
                _flatten(here, x, D[i], E[i], width)
                for k in range(axes):
                    _value(dS[k, :, :, start:stop], x, dD[i, k], width)
            for a in range(P.shape[0]):
                for i in range(times):
                    then[:, :width] = P[a, :, start:stop]
                    speed, turned = _along(v[:, a], E[i], along, width)
                    _turn_mode(then[0, :width], then[1, :width], then[2, :width], speed, D[i], turned)
                    if i < len(_TIMES):
                        _work(then, s[a], v[:, a], dD[i], _WEIGHTS[i], force, kappa[a, start:stop], width)
                P[a, :, start:stop] = then[:, :width]

    def turn(P, v, s, h):  # noqa: F811
        _turn_points(P, v, s, h, *_powers(len(v)), _BLOCKS[len(v) - 1])

    def series(P, v, s, h, S):  # noqa: F811
        _expand_points(P, v, s, h, *_powers(len(v)), _BLOCKS[len(v) - 1], S)

    def turn_and_drive(P, kappa, v, s, S, dS):  # noqa: F811
        _drive_points(P, kappa, v, s, S, dS, _BLOCKS[len(v) - 1])


def touch():
    """Compile what splittings use of this module (or load it from numba's cache)."""
    P, kappa, v, s, S = np.zeros((1, 3, 1)), np.zeros((1, 1)), np.ones((1, 1)), np.ones(1), np.zeros((rows(1), 3, 1))
    turn(P, v, s, 0.0)
    series(P, v, s, 0.0, S)
    turn_and_drive(P, kappa, v, s, S, S[None])

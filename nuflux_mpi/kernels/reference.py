"""All kernels in plain NumPy: what each of them does, the oracle of the tests, and what runs where numba is not in use.

The compiled forms give the same numbers to rounding. No function knows about ranks: arrays are local.

Shapes: P (modes, C, n) with C = 3 flavor components, or 8 of three flavors; kappa (modes, n); v (m, modes), the velocities
with m components; along (d, modes), those along the d axes of the box, or None where they are v; s (modes,); the moments
D (1 + m, C, n) with D[0] = D_0 and then D_i, one flavor vector for each component of v; their gradients dD (d, 1 + m, C, n),
the axis of the derivative first. n is the number of this rank's points.
Spectral arrays are (rows, K) complex; `phase` is (groups, K) complex with ``group[row]``.
Level "full": f (Q, 1 + C, I, n) or one of its parts f[q], with q over species and transverse momenta, the coefficients (n, P)
of the matrix n/F + P.lambda/2, i over p_z; potentials G (2, 1 + C, n) hold (w0, W) of w0 1 + W.lambda for the two moments.
"""

import numpy as np

from ..flavor.algebra import of_components
from ..flavor.generate import magnus
from .expansion import PARABOLA, TERMS, TIMES, WEIGHTS, block, moment_table, moment_weights

# ---- flavor


def moments(P, v, s, D):
    """D_0 = sum_b s_b P_b, and D_i = sum_b s_b v_bi P_b for each component i."""
    np.matmul(np.concatenate((s[None], s * v)), P.reshape(len(P), -1), out=D.reshape(len(D), -1))


def _potential(v, D):
    """D_0 - sum_i v_i D_i."""
    return D[0] - np.tensordot(v, D[1:], 1)


def rotate(P, v, D, w=None):
    """P_a <- W_a x P_a in place, W_a = D_0 - sum_i v_ai D_i + w_a. w: (modes, C), constants of each mode, or None."""
    cross = of_components(P.shape[1]).cross
    for a in range(len(P)):
        W = _potential(v[:, a], D)
        P[a] = cross(W if w is None else W + w[a][:, None], P[a])


def precess(P, v, s, D, h=None, w=None):
    """`moments`, D <- D + h, and `rotate`, in one pass. h: (1 + m, C, n or 1), or None."""
    moments(P, v, s, D)
    if h is not None:
        D += h
    rotate(P, v, D, w)


def rotate_and_drive(P, kappa, v, s, D, dD, w=None, along=None):
    """kappa_a <- -s_a/2 v_a.grad(D_0 - sum_i v_ai D_i) . P_a, then `rotate`; both in place."""
    along = v if along is None else along
    for a in range(len(P)):
        slope = sum(speed * _potential(v[:, a], slopes) for speed, slopes in zip(along[:, a], dD))
        kappa[a] = -0.5 * s[a] * np.einsum("cz,cz->z", slope, P[a])
    rotate(P, v, D, w)


def add_forces(kappa, factors, slopes):
    """kappa_a += sum_k factors[k, a] slopes[k]: forces that push all flavors alike. factors (k, modes), slopes (k, n)."""
    kappa += factors.T @ slopes


# ---- level "momentum"


def push(f, v, along, y, M, dM, w=None):
    """Local terms of level "momentum", in place on f (modes, 1 + C, Q, n): the rotation and the matrix-valued force.

    f holds, along Q, the Fourier amplitudes in q: the real one of y = 0, real and imaginary parts in turn for
    y[1], y[2], ..., and for even Q the real one of the highest y, whose derivative is zero. v: (m, modes), the components of
    the velocity that enter 1 - v_a.v_b; along: (modes,), s_a v_a along z. M, dM: (1 + m, 1 + C, n), the moments (n_0, D_0),
    (n_i, D_i) and their derivatives d_z. w: (modes, C), constants of each mode, or None. With W = D_0 - sum_i v_ai D_i + w_a
    and the matrix a0 + A.lambda = along_a d_z Omega_a, that is a0 = along_a (F + 1)/F (n_0' - sum_i v_ai n_i') and A = along_a/2
    (D_0' - sum_i v_ai D_i'):

        n <- i y (a0 n + A.P),    P_k <- (W x P)_k + i y (a0 P_k + 2/F n A_k + d_ijk A_i P_j)
    """
    one, Q = of_components(f.shape[1] - 1), f.shape[2]
    pairs = (Q - 1) // 2
    for a in range(len(f)):
        W = _potential(v[:, a], M)[1:]
        if w is not None:
            W = W + w[a][:, None]
        A = 0.5 * along[a] * _potential(v[:, a], dM)
        A[0] *= 2.0 * one.trace_weight
        real, imaginary = f[a, :, 1 : 2 * pairs : 2], f[a, :, 2 : 2 * pairs + 1 : 2]
        wave = real + 1j * imaginary
        n, P, iy = wave[0], wave[1:], 1j * y[1 : pairs + 1, None]
        trace, force = one.anticommutator(A[0], 2.0 * A[1:, None], n, P)
        change = np.empty(wave.shape, dtype=complex)
        change[0], change[1:] = iy * trace, one.cross(W[:, None], P) + iy * force
        for j in {0, Q - 1} if Q % 2 == 0 else {0}:
            f[a, 1:, j] = one.cross(W, f[a, 1:, j])
            f[a, 0, j] = 0.0
        real[...], imaginary[...] = np.real(change), np.imag(change)


# ---- level "full"


def phase_space_moments(f, w0, w1, M):
    """M[m, c] = sum over q, i of wm[q, i] f[q, c, i] for m = 0, 1; M is (2, 1 + C, n)."""
    np.einsum("mqi,qciz->mcz", np.stack((w0, w1)), f, out=M, optimize=True)


def anticommute(f, alpha, beta, G, start, stop, out, shift, *, own=None):
    """out = 1/2 {A, f} with A = alpha_i G_0 + beta_i G_1 + own_i, at the points start..stop; f is (1 + C, I, n).

    out: (1 + C, I, at least stop - shift); the point z goes to ``out[:, :, z - shift]``. own: coefficients (1 + C, I) of
    matrices w0 1 + W.lambda that are the same at all points, or None.
    """
    G, f = G[:, :, start:stop], f[:, :, start:stop]
    A = alpha[None, :, None] * G[0][:, None] + beta[None, :, None] * G[1][:, None]
    if own is not None:
        A = A + own[:, :, None]
    part = out[:, :, start - shift : stop - shift]
    part[0], part[1:] = of_components(len(f) - 1).anticommutator(A[0], 2.0 * A[1:], f[0], f[1:])


def commute(f, v, G, start, stop, *, own=None):
    """f <- i [f, G_0 - v_i G_1 + own_i] in place at the points start..stop: P turns about 2 W, n stays; f is (1 + C, I, n).

    own: as in `anticommute`.
    """
    P = f[1:, :, start:stop]
    W = G[0, 1:, None, start:stop] - v[None, :, None] * G[1, 1:, None, start:stop]
    if own is not None:
        W = W + own[1:, :, None]
    P[...] = of_components(len(P)).cross(2.0 * W, P)
    f[0, :, start:stop] = 0.0


def add(f, change, start, stop):
    """f += change at the points start..stop; f is (1 + C, I, n), and `change` begins with the point `start`."""
    f[:, :, start:stop] += change[:, :, : stop - start]


def differentiate_waves(waves, rate):
    """waves *= i rate; waves (1 + C, K, width) complex, rate (K,)."""
    waves *= 1j * rate[:, None]


def subtract_derivative(spectral, flux, k):
    """spectral -= i k flux; spectral and flux (rows, K) complex, k (1 or rows, K)."""
    spectral -= 1j * k * flux


# ---- the local flow of the self-interaction
#
# At a point d_t P_a = (D_0 - sum_i v_ai D_i) x P_a, a system of differential equations. The moments obey one of their own,
# see `expansion`: their Taylor series over the time h gives W_a(t), which is made a parabola with the same first integrals,
# whose turn is that of one vector, to order 6 (`generate.magnus`).


def turn(P, v, s, h):
    """Carry P over a time h by the local flow, in place."""
    for part in _parts(P, v):
        _turn(P[..., part], v, *_flatten(_series(P[..., part], v, s, h), len(v)))


def series(P, v, s, h, S):
    """S <- h D_0 and, of h D_i, the coefficients of its series in the time over h: S[1 + j m + i] is coefficient j.

    S: (`expansion.series_rows` (m), C, n).
    """
    for part in _parts(P, v):
        S[..., part] = _series(P[..., part], v, s, h)


def turn_and_drive(P, kappa, v, s, S, dS, along=None):
    """Carry P over the time of `series` by the local flow, and kappa by the work of the weak force; both in place.

    dS: (d, rows of S, C, n), the gradients of S, the axis of the derivative first.
    """
    along = v if along is None else along
    for part in _parts(P, v):
        here, slopes = S[..., part], dS[..., part]
        for x, weight in zip(TIMES, WEIGHTS):
            then = P[..., part].copy()
            _turn(then, v, *_flatten(here, len(v), x))
            dD = [_value(slope, len(v), x) for slope in slopes]
            for a in range(len(P)):
                force = sum(speed * _potential(v[:, a], D) for speed, D in zip(along[:, a], dD))
                kappa[a, part] -= 0.5 * weight * s[a] * np.sum(force * then[a], axis=0)
        _turn(P[..., part], v, *_flatten(here, len(v)))


def turn_about(P, W, w=None):
    """P_a <- exp((W + w_a) x) P_a in place: a given rotation, W (C, n), w (modes, C) or None."""
    one = of_components(P.shape[1])
    for a in range(len(P)):
        P[a] = one.rotate(P[a], W if w is None else W + w[a][:, None])


# The same with constant vectors: d_t P_a = (G_0 - sum_i v_ai G_i) x P_a with G_0 = D_0 + A_0 and G_i = D_i + A_i, i up to m,
# where A_i are parallel to A_0 at each point. With a vacuum term x_a B there is one component more, v = -x_a and G = B. All of
# it is meant in the frame that turns about A_0 (matter): there B turns, G_0 is D_0, and the rest stays what it is.


def turn_together(P, W, factor=1.0):
    """P_a <- exp(factor W x) P_a in place, exact for any W (C, n): one rotation for all modes."""
    one = of_components(P.shape[1])
    if one.flavors == 2:
        half = 0.5 * factor * np.sqrt(one.dot(W, W))
        q = 0.5 * factor * np.sinc(half / np.pi) * W
        t = one.cross(q[None], P, 1)
        P += 2.0 * (np.cos(half) * t + one.cross(q[None], t, 1))
    else:
        for a in range(len(P)):
            P[a] = one.rotate(P[a], factor * W)


def joint_turn(P, v, s, h, A, B):
    """Carry P over a time h in the frame about A_0, in place. v: (m or m + 1, modes); A: (1 + m, C, n); B: (C,)."""
    for part in _parts(P, v):
        _turn(P[..., part], v, *_flatten_jointly(_joint_series(P[..., part], v, s, h, A[..., part], B)))


def joint_series(P, v, s, h, A, B, S):
    """S <- the coefficients of the series of h G_0 and h G_i in that frame, (`expansion.TERMS`, 1 + components of v, C, n)."""
    for part in _parts(P, v):
        S[..., part] = _joint_series(P[..., part], v, s, h, A[..., part], B)


def joint_drive(P, kappa, v, along, s, S, dV):
    """Carry P over the time of `joint_series`, and kappa by the work of the weak force; both in place.

    dV: (d, times of Gauss, 1 + m, C, n), the gradients of h G at `expansion.TIMES`, turned back into the frame.
    """
    m = dV.shape[2] - 1
    for part in _parts(P, v):
        here = S[..., part]
        for i, (x, weight) in enumerate(zip(TIMES, WEIGHTS)):
            then = P[..., part].copy()
            _turn(then, v, *_flatten_jointly(here, x))
            for a in range(len(P)):
                force = sum(speed * _potential(v[:m, a], slope[i, ..., part]) for speed, slope in zip(along[:, a], dV))
                kappa[a, part] -= 0.5 * weight * s[a] * np.sum(force * then[a], axis=0)
        _turn(P[..., part], v, *_flatten_jointly(here))


def _joint_series(P, v, s, h, A, B):
    m, several, cross = len(A) - 1, len(v), of_components(P.shape[1]).cross
    up_to, above, _ = moment_table(several)
    T = [(moment_weights(v, s, h) @ P.reshape(len(P), -1)).reshape(-1, *P.shape[1:])]
    G = np.zeros((TERMS, 1 + several, *P.shape[1:]))
    G[0, 1 : m + 1] = h * A[1:]
    if several > m:
        G[0, several] = h * B[:, None]
        for j in range(TERMS - 1):
            G[j + 1, several] = -h / (j + 1) * cross(A[0], G[j, several])
    for j in range(TERMS):
        G[j, : m + 1] += T[j][: m + 1]
        if j < TERMS - 1:
            following = np.zeros((up_to[TERMS - j - 1],) + P.shape[1:])
            for n in range(len(following)):
                for i in range(j + 1):
                    following[n] += cross(G[i, 0], T[j - i][n])
                    following[n] -= sum(cross(G[i, 1 + k], T[j - i][above[n, k]]) for k in range(several))
            T.append(following / (j + 1))
    return G


def _flatten_jointly(S, x=1.0):
    """Parabolas of x h G_0 (3, C, n) and x h G_i (3, components, C, n)."""
    E = np.tensordot(PARABOLA * x ** np.arange(1, TERMS + 1), S, 1)
    return E[:, 0], E[:, 1:]


def _parts(P, v):
    size = 16 * block(len(v), P.shape[1])
    return [slice(start, start + size) for start in range(0, P.shape[2], size)]


def _series(P, v, s, h):
    cross = of_components(P.shape[1]).cross
    up_to, above, _ = moment_table(len(v))
    # T[j][n]: coefficient j of D_n
    T = [(moment_weights(v, s, h) @ P.reshape(len(P), -1)).reshape(-1, *P.shape[1:])]
    D0, several = T[0][0], range(len(v))
    for j in range(TERMS - 1):
        following = np.zeros((up_to[TERMS - j - 1],) + P.shape[1:])
        for n in range(1, len(following)):
            change = sum(cross(T[i][1 + k], T[j - i][above[n, k]]) for i in range(j + 1) for k in several)
            following[n] = (cross(D0, T[j][n]) - change) / (j + 1)
        T.append(following)
    return np.concatenate([D0[None]] + [row[1 : 1 + len(v)] for row in T])


def _flatten(S, m, x=1.0):
    """x h D_0 and the parabolas of x h D_i from the start to the time x h: (C, n), and three coefficients (3, m, C, n)."""
    return x * S[0], np.tensordot(PARABOLA * x ** np.arange(1, TERMS + 1), S[1:].reshape(TERMS, m, *S.shape[1:]), 1)


def _value(S, m, x):
    """h D_0 and h D_i at the time x h, (1 + m, C, n)."""
    return np.concatenate((S[:1], np.tensordot(x ** np.arange(TERMS), S[1:].reshape(TERMS, m, *S.shape[1:]), 1)))


def _turn(P, v, D, E):
    """D: (C, n), or a parabola (3, C, n); E: (3, components, C, n)."""
    one = of_components(P.shape[1])
    for a in range(len(P)):
        A, B, C = -np.tensordot(v[:, a], E, (0, 1))
        if D.ndim == 3:
            A, B, C = D[0] + A, D[1] + B, D[2] + C
        else:
            A = A + D
        P[a] = one.rotate(P[a], magnus(A, B, C, one.cross))


# ---- the interaction picture, whole batches of rows


def phase_table(angle, harmonic, phase):
    """phase[g, d] = exp(i h angle_g) for the integers h = harmonic[g or 0, d], by products of two short tables of powers.

    angle: (groups,), harmonic: (1 or groups, K) integers, phase: (groups, K), overwritten.
    """
    size = np.abs(harmonic)
    coarse = np.exp(1j * angle[:, None] * (64.0 * np.arange((size.max(initial=0) >> 6) + 1)))
    fine = np.exp(1j * angle[:, None] * np.arange(64.0))
    if harmonic.shape[0] == 1:
        np.multiply(coarse[:, size[0] >> 6], fine[:, size[0] & 63], out=phase)
    else:
        np.multiply(np.take_along_axis(coarse, size >> 6, axis=1), np.take_along_axis(fine, size & 63, axis=1), out=phase)
    np.conjugate(phase, out=phase, where=np.broadcast_to(harmonic < 0, phase.shape))


def from_interaction_picture_batch(u, phase, group, row_scale, column_scale, out):
    """out = u conj(phase[group]) row_scale column_scale: from the state to amplitudes."""
    np.multiply(u, phase[group].conj(), out=out)
    np.multiply(out, row_scale[:, None] * column_scale[None, :], out=out)


def to_interaction_picture_batch(amplitude, phase, group, row_scale, column_scale, out):
    """out = amplitude phase[group] row_scale column_scale: from amplitudes to the state."""
    np.multiply(amplitude, phase[group], out=out)
    np.multiply(out, row_scale[:, None] * column_scale[None, :], out=out)


# ---- sums of the multistep method


def correct(p, extrapolated, rate, factor):
    """p <- p + factor (rate - extrapolated); returns the sum of squares of rate - extrapolated, which is used up."""
    difference = np.subtract(rate, extrapolated, out=extrapolated)
    square = float(np.dot(difference, difference))
    difference *= factor
    p += difference
    return square


def weigh(pool, rows, weights, start, written):
    """written[i] <- sum_j weights[i, j] pool[rows_j] for each of two or four vectors.

    No more than 13 rows, and of each as many numbers as the vectors have, from `start`.
    """
    some = pool[rows, start : start + len(written[0])]
    for out, b in zip(written, weights):
        np.dot(b, some, out=out)


def complete(y, f, b, x, p, extrapolated):
    """p <- y + p + b f, extrapolated <- extrapolated + x f: sums over the other derivatives are there already."""
    p += y
    p += b * f
    extrapolated += x * f


def integrate(pool, rows, weights, start, g, rate, out):
    """out <- p + g (rate - extrapolated) for the numbers from `start`, the last; p and extrapolated as by `weigh`.

    rate, out: (numbers,). Returns the sum of squares of rate - extrapolated.
    """
    total, size = 0.0, 4096
    extrapolated = np.empty(size)
    for first in range(0, len(out), size):
        last = min(first + size, len(out))
        some, p = extrapolated[: last - first], out[first:last]
        weigh(pool, rows, weights, start + first, (p, some))
        total += correct(p, some, rate[first:last], g)
    return total


def combine(pool, rows, b, out):
    """out <- sum_j b_j pool[rows_j]."""
    np.dot(b, pool[rows], out=out)


def squares(pool, rows, d):
    """Sums of squares of the combinations sum_j d[i, j] pool[rows_j], one for each row of d, which are up to four."""
    return np.array([float(np.dot(v, v)) for v in d @ pool[rows]])

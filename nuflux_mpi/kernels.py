"""The arithmetic of the time loop, compiled with numba where it is installed and in plain NumPy where it is not.

Both forms give the same numbers to rounding; `COMPILED` tells which is in use (``NUFLUX_NUMBA=0`` asks for NumPy).
No function here allocates an array of the state's size when compiled, and none knows about ranks: arrays are local.

Shapes: P (modes, 3, n), kappa (modes, n), D (2, 3, n) with D[0] = D_0 and D[1] = D_1, v and s (modes,), where n is the
number of this rank's points. Spectral arrays are (rows, K) complex; `phase` is (groups, K) complex with ``group[row]``.
"""

import math
import os

import numpy as np

try:
    if os.environ.get("NUFLUX_NUMBA") == "0":
        raise ImportError("switched off by NUFLUX_NUMBA=0")
    import numba
except ImportError:
    numba = None

COMPILED = numba is not None

# Points handled together: the moments and one mode of a block stay in the first-level cache.
_BLOCK = 256


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
        np.multiply(
            np.take_along_axis(coarse, size >> 6, axis=1), np.take_along_axis(fine, size & 63, axis=1), out=phase
        )
    np.conjugate(phase, out=phase, where=np.broadcast_to(harmonic < 0, phase.shape))


def unwind(u, phase, group, row_scale, column_scale, out):
    """out = u conj(phase[group]) row_scale column_scale: from the interaction picture to amplitudes."""
    np.multiply(u, phase[group].conj(), out=out)
    np.multiply(out, row_scale[:, None] * column_scale[None, :], out=out)


def wind(amplitude, phase, group, row_scale, column_scale, out):
    """out = amplitude phase[group] row_scale column_scale: from amplitudes to the interaction picture."""
    np.multiply(amplitude, phase[group], out=out)
    np.multiply(out, row_scale[:, None] * column_scale[None, :], out=out)


def moments(P, v, s, D):
    """D_m = sum_b s_b v_b^m P_b for m = 0, 1."""
    np.matmul(np.stack((s, s * v)), P.reshape(len(P), -1), out=D.reshape(2, -1))


def rotate(P, v, D):
    """P_a <- (D_0 - v_a D_1) x P_a, in place."""
    for a in range(len(P)):
        W = D[0] - v[a] * D[1]
        P[a] = np.cross(W, P[a], axis=0)


def precess(P, v, s, D):
    """P_a <- (D_0 - v_a D_1) x P_a, in place, with D <- the moments of P: `moments` and `rotate` in one pass."""
    moments(P, v, s, D)
    rotate(P, v, D)


def rotate_and_drive(P, kappa, v, s, D, dD):
    """kappa_a <- -s_a v_a/2 (d_z D_0 - v_a d_z D_1) . P_a, then P_a <- (D_0 - v_a D_1) x P_a; both in place."""
    for a in range(len(P)):
        kappa[a] = -0.5 * s[a] * v[a] * np.einsum("cz,cz->z", dD[0] - v[a] * dD[1], P[a])
    rotate(P, v, D)


def push(f, v, s, y, M, dM):
    """Local terms of level "momentum", in place on f (modes, 4, Q, n): the rotation and the matrix-valued force.

    f holds, along Q, the Fourier amplitudes in q: the real one of y = 0, real and imaginary parts in turn for
    y[1], y[2], ..., and for even Q the real one of the highest y, whose derivative is zero. M, dM: (2, 4, n), the moments
    (n_m, D_m) for m = 0, 1 and their derivatives d_z. With W = D_0 - v_a D_1 and a = s_a v_a d_z Omega_a,
    (a0, A) = s_a v_a/2 (3 (n_0' - v_a n_1'), D_0' - v_a D_1'):

        n <- i y (a0 n + A.P),    P <- W x P + i y (a0 P + n A)
    """
    Q = f.shape[2]
    pairs = (Q - 1) // 2
    for a in range(len(f)):
        W = M[0, 1:] - v[a] * M[1, 1:]
        A = 0.5 * s[a] * v[a] * (dM[0] - v[a] * dM[1])
        A[0] *= 3.0
        real, imaginary = f[a, :, 1 : 2 * pairs : 2], f[a, :, 2 : 2 * pairs + 1 : 2]
        wave = real + 1j * imaginary
        n, P, iy = wave[0], wave[1:], 1j * y[1 : pairs + 1, None]
        change = np.empty_like(wave)
        change[0] = iy * (A[0] * n + np.einsum("cz,cjz->jz", A[1:], P))
        change[1:] = np.cross(W[:, None], P, axis=0) + iy * (A[0] * P + n * A[1:, None])
        for j in {0, Q - 1} if Q % 2 == 0 else {0}:
            f[a, 1:, j] = np.cross(W, f[a, 1:, j], axis=0)
            f[a, 0, j] = 0.0
        real[...], imaginary[...] = change.real, change.imag


if COMPILED:
    _jit = numba.njit(cache=True, fastmath={"contract", "nsz", "arcp"}, boundscheck=False)

    @_jit
    def _powers(angle, table):
        """table[j] = exp(i j angle), by doubling: each entry is a product of few exact ones."""
        table[0] = 1.0
        m = 1
        while m < len(table):
            c, s = math.cos(m * angle), math.sin(m * angle)
            for j in range(min(m, len(table) - m)):
                p = table[j]
                table[m + j] = complex(c * p.real - s * p.imag, c * p.imag + s * p.real)
            m *= 2

    @_jit
    def phase_table(angle, harmonic, phase):  # noqa: F811
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

    @_jit
    def unwind(u, phase, group, row_scale, column_scale, out):  # noqa: F811
        for r in range(u.shape[0]):
            p, scale = phase[group[r]], row_scale[r]
            for d in range(u.shape[1]):
                a, b, c = u[r, d], p[d], scale * column_scale[d]
                out[r, d] = complex(c * (a.real * b.real + a.imag * b.imag), c * (a.imag * b.real - a.real * b.imag))

    @_jit
    def wind(amplitude, phase, group, row_scale, column_scale, out):  # noqa: F811
        for r in range(amplitude.shape[0]):
            p, scale = phase[group[r]], row_scale[r]
            for d in range(amplitude.shape[1]):
                a, b, c = amplitude[r, d], p[d], scale * column_scale[d]
                out[r, d] = complex(c * (a.real * b.real - a.imag * b.imag), c * (a.imag * b.real + a.real * b.imag))

    @_jit
    def _add_moments(P, v, s, D, start, stop):
        """The moments of the points start..stop; two modes at a time, so that D is read half as often."""
        D[:, :, start:stop] = 0.0
        modes = P.shape[0]
        for a in range(0, modes - 1, 2):
            s0, s1, t0, t1 = s[a], s[a] * v[a], s[a + 1], s[a + 1] * v[a + 1]
            for c in range(3):
                p, q, D0, D1 = P[a, c], P[a + 1, c], D[0, c], D[1, c]
                for z in range(start, stop):
                    D0[z] += s0 * p[z] + t0 * q[z]
                    D1[z] += s1 * p[z] + t1 * q[z]
        if modes % 2:
            a = modes - 1
            s0, s1 = s[a], s[a] * v[a]
            for c in range(3):
                p, D0, D1 = P[a, c], D[0, c], D[1, c]
                for z in range(start, stop):
                    D0[z] += s0 * p[z]
                    D1[z] += s1 * p[z]

    @_jit
    def _rotate_block(P, v, D, start, stop):
        for a in range(P.shape[0]):
            va = v[a]
            X, Y, Z = P[a, 0], P[a, 1], P[a, 2]
            for z in range(start, stop):
                wx, wy, wz = D[0, 0, z] - va * D[1, 0, z], D[0, 1, z] - va * D[1, 1, z], D[0, 2, z] - va * D[1, 2, z]
                x, y, u = X[z], Y[z], Z[z]
                X[z], Y[z], Z[z] = wy * u - wz * y, wz * x - wx * u, wx * y - wy * x

    @_jit
    def moments(P, v, s, D):  # noqa: F811
        for start in range(0, P.shape[2], _BLOCK):
            _add_moments(P, v, s, D, start, min(start + _BLOCK, P.shape[2]))

    @_jit
    def rotate(P, v, D):  # noqa: F811
        for start in range(0, P.shape[2], _BLOCK):
            _rotate_block(P, v, D, start, min(start + _BLOCK, P.shape[2]))

    @_jit
    def precess(P, v, s, D):  # noqa: F811
        for start in range(0, P.shape[2], _BLOCK):
            stop = min(start + _BLOCK, P.shape[2])
            _add_moments(P, v, s, D, start, stop)
            _rotate_block(P, v, D, start, stop)

    @_jit
    def rotate_and_drive(P, kappa, v, s, D, dD):  # noqa: F811
        n = P.shape[2]
        for start in range(0, n, _BLOCK):
            stop = min(start + _BLOCK, n)
            for a in range(P.shape[0]):
                va, half = v[a], -0.5 * s[a] * v[a]
                X, Y, Z, E = P[a, 0], P[a, 1], P[a, 2], kappa[a]
                for z in range(start, stop):
                    wx, wy, wz = D[0, 0, z] - va * D[1, 0, z], D[0, 1, z] - va * D[1, 1, z], D[0, 2, z] - va * D[1, 2, z]
                    x, y, u = X[z], Y[z], Z[z]
                    E[z] = half * (
                        (dD[0, 0, z] - va * dD[1, 0, z]) * x
                        + (dD[0, 1, z] - va * dD[1, 1, z]) * y
                        + (dD[0, 2, z] - va * dD[1, 2, z]) * u
                    )
                    X[z], Y[z], Z[z] = wy * u - wz * y, wz * x - wx * u, wx * y - wy * x

    @_jit
    def push(f, v, s, y, M, dM):  # noqa: F811
        Q, n = f.shape[2], f.shape[3]
        pairs = (Q - 1) // 2
        W, A = np.empty((3, _BLOCK)), np.empty((4, _BLOCK))
        for start in range(0, n, _BLOCK):
            width = min(start + _BLOCK, n) - start
            for a in range(f.shape[0]):
                va, half = v[a], 0.5 * s[a] * v[a]
                for z in range(width):
                    A[0, z] = 3.0 * half * (dM[0, 0, start + z] - va * dM[1, 0, start + z])
                    for c in range(3):
                        W[c, z] = M[0, c + 1, start + z] - va * M[1, c + 1, start + z]
                        A[c + 1, z] = half * (dM[0, c + 1, start + z] - va * dM[1, c + 1, start + z])
                _turn(f, a, 0, start, width, W)
                if Q % 2 == 0:
                    _turn(f, a, Q - 1, start, width, W)
                for j in range(1, pairs + 1):
                    N, I = f[a, 0, 2 * j - 1], f[a, 0, 2 * j]
                    X, K = f[a, 1, 2 * j - 1], f[a, 1, 2 * j]
                    Y, L = f[a, 2, 2 * j - 1], f[a, 2, 2 * j]
                    Z, H = f[a, 3, 2 * j - 1], f[a, 3, 2 * j]
                    yj = y[j]
                    for z in range(width):
                        i = start + z
                        a0, ax, ay, az = yj * A[0, z], yj * A[1, z], yj * A[2, z], yj * A[3, z]
                        wx, wy, wz = W[0, z], W[1, z], W[2, z]
                        n0, x0, y0, z0 = N[i], X[i], Y[i], Z[i]
                        n1, x1, y1, z1 = I[i], K[i], L[i], H[i]
                        N[i] = -(a0 * n1 + ax * x1 + ay * y1 + az * z1)
                        I[i] = a0 * n0 + ax * x0 + ay * y0 + az * z0
                        X[i] = wy * z0 - wz * y0 - a0 * x1 - ax * n1
                        K[i] = wy * z1 - wz * y1 + a0 * x0 + ax * n0
                        Y[i] = wz * x0 - wx * z0 - a0 * y1 - ay * n1
                        L[i] = wz * x1 - wx * z1 + a0 * y0 + ay * n0
                        Z[i] = wx * y0 - wy * x0 - a0 * z1 - az * n1
                        H[i] = wx * y1 - wy * x1 + a0 * z0 + az * n0

    @_jit
    def _turn(f, a, j, start, width, W):
        """n <- 0, P <- W x P for one amplitude that feels no force."""
        N, X, Y, Z = f[a, 0, j], f[a, 1, j], f[a, 2, j], f[a, 3, j]
        for z in range(width):
            i = start + z
            x, y, u = X[i], Y[i], Z[i]
            N[i] = 0.0
            X[i], Y[i], Z[i] = W[1, z] * u - W[2, z] * y, W[2, z] * x - W[0, z] * u, W[0, z] * y - W[1, z] * x


def warm_up(comm, *others):
    """Compile (or load from numba's cache) every kernel, rank 0 first, so that the others find a filled cache.

    others: functions that call the kernels of other modules once. All ranks must call it. Without numba it does nothing.
    """
    if not COMPILED:
        return
    for turn in (True, False):
        if (comm.Get_rank() == 0) == turn:
            for touch in (_touch, *others):
                touch()
        comm.Barrier()


def _touch():
    P, D, one = np.zeros((1, 3, 1)), np.zeros((2, 3, 1)), np.ones(1)
    moments(P, one, one, D)
    rotate(P, one, D)
    precess(P, one, one, D)
    rotate_and_drive(P, np.zeros((1, 1)), one, one, D, D)
    push(np.zeros((1, 4, 4, 1)), one, one, np.zeros(3), np.zeros((2, 4, 1)), np.zeros((2, 4, 1)))
    table, group = np.ones((1, 64), dtype=complex), np.zeros(1, dtype=np.int64)
    u = np.zeros((1, 1), dtype=complex)
    phase_table(one, np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=complex))
    unwind(u, u, group, one, one, u.copy())
    frozen = u.copy()
    frozen.flags.writeable = False  # as PETSc hands out the state inside a step
    unwind(frozen, u, group, one, one, u.copy())
    wind(u, u, group, one, one, u.copy())

"""The arithmetic of level "full": pointwise sums and matrix products over phase space.

The same two forms as in :mod:`nuflux_mpi.kernels.kernels`, compiled with numba or in plain NumPy, equal to rounding. Arrays are
local.

Shapes: f (Q, 4, I, n) or one of its parts f[q] of shape (4, I, n), with q over species and transverse momenta, the four
coefficients (n, P^x, P^y, P^z) of the matrix (n + P.sigma)/2, i over p_z and n points. Potentials G (2, 4, n) hold the
coefficients (w0, W) of w0 1 + W.sigma for the two moments G_0 and G_1. `start` and `stop` bound the points to work on.
"""

import numpy as np

from .kernels import BLOCK, COMPILED


def moments(f, w0, w1, M):
    """M[m, c] = sum over q, i of wm[q, i] f[q, c, i] for m = 0, 1; M is (2, 4, n)."""
    np.einsum("mqi,qciz->mcz", np.stack((w0, w1)), f, out=M, optimize=True)


def anticommute(f, alpha, beta, G, start, stop, out, shift):
    """out = 1/2 {A, f} with A = alpha_i G_0 + beta_i G_1, at the points start..stop; f is (4, I, n).

    out: (4, I, at least stop - shift); the point z goes to ``out[:, :, z - shift]``.
    """
    G, f = G[:, :, start:stop], f[:, :, start:stop]
    A = alpha[None, :, None] * G[0][:, None] + beta[None, :, None] * G[1][:, None]
    part = out[:, :, start - shift : stop - shift]
    part[0] = np.sum(A * f, axis=0)
    part[1:] = A[:1] * f[1:] + f[:1] * A[1:]


def commute(f, v, G, start, stop):
    """f <- i [f, G_0 - v_i G_1] in place at the points start..stop: P turns about 2 W, n stays; f is (4, I, n)."""
    P = f[1:, :, start:stop]
    W = G[0, 1:, None, start:stop] - v[None, :, None] * G[1, 1:, None, start:stop]
    P[...] = 2.0 * np.cross(W, P, axis=0)
    f[0, :, start:stop] = 0.0


def add(f, change, start, stop):
    """f += change at the points start..stop; f is (4, I, n), and `change` begins with the point `start`."""
    f[:, :, start:stop] += change[:, :, : stop - start]


def differentiate(waves, rate):
    """waves *= i rate; waves (4, K, width) complex, rate (K,)."""
    waves *= 1j * rate[:, None]


def subtract_derivative(spectral, flux, k):
    """spectral -= i k flux; spectral and flux (rows, K) complex, k (1 or rows, K)."""
    spectral -= 1j * k * flux


if COMPILED:
    from .kernels import jit

    @jit
    def moments(f, w0, w1, M):  # noqa: F811
        n = f.shape[3]
        for start in range(0, n, BLOCK):
            stop = min(start + BLOCK, n)
            M[:, :, start:stop] = 0.0
            for q in range(f.shape[0]):
                for c in range(4):
                    M0, M1 = M[0, c], M[1, c]
                    for i in range(f.shape[2]):
                        line, a, b = f[q, c, i], w0[q, i], w1[q, i]
                        for z in range(start, stop):
                            M0[z] += a * line[z]
                            M1[z] += b * line[z]

    @jit
    def anticommute(f, alpha, beta, G, start, stop, out, shift):  # noqa: F811
        for i in range(f.shape[1]):
            a, b = alpha[i], beta[i]
            n, X, Y, Z = f[0, i], f[1, i], f[2, i], f[3, i]
            n_, X_, Y_, Z_ = out[0, i], out[1, i], out[2, i], out[3, i]
            for z in range(start, stop):
                A0, A1 = a * G[0, 0, z] + b * G[1, 0, z], a * G[0, 1, z] + b * G[1, 1, z]
                A2, A3 = a * G[0, 2, z] + b * G[1, 2, z], a * G[0, 3, z] + b * G[1, 3, z]
                m, x, y, u = n[z], X[z], Y[z], Z[z]
                n_[z - shift] = A0 * m + A1 * x + A2 * y + A3 * u
                X_[z - shift] = A0 * x + m * A1
                Y_[z - shift] = A0 * y + m * A2
                Z_[z - shift] = A0 * u + m * A3

    @jit
    def commute(f, v, G, start, stop):  # noqa: F811
        for i in range(f.shape[1]):
            vi = v[i]
            n, X, Y, Z = f[0, i], f[1, i], f[2, i], f[3, i]
            for z in range(start, stop):
                wx = 2.0 * (G[0, 1, z] - vi * G[1, 1, z])
                wy = 2.0 * (G[0, 2, z] - vi * G[1, 2, z])
                wz = 2.0 * (G[0, 3, z] - vi * G[1, 3, z])
                x, y, u = X[z], Y[z], Z[z]
                n[z] = 0.0
                X[z], Y[z], Z[z] = wy * u - wz * y, wz * x - wx * u, wx * y - wy * x

    @jit
    def add(f, change, start, stop):  # noqa: F811
        for c in range(4):
            for i in range(f.shape[1]):
                line, more = f[c, i], change[c, i]
                for z in range(start, stop):
                    line[z] += more[z - start]

    @jit
    def differentiate(waves, rate):  # noqa: F811
        for c in range(waves.shape[0]):
            for m in range(waves.shape[1]):
                row, r = waves[c, m], rate[m]
                for z in range(waves.shape[2]):
                    a = row[z]
                    row[z] = complex(-r * a.imag, r * a.real)

    @jit
    def subtract_derivative(spectral, flux, k):  # noqa: F811
        shared = k.shape[0] == 1
        for r in range(spectral.shape[0]):
            row = k[0] if shared else k[r]
            for d in range(spectral.shape[1]):
                a, b = spectral[r, d], flux[r, d]
                spectral[r, d] = complex(a.real + row[d] * b.imag, a.imag - row[d] * b.real)


def touch():
    """Compile these kernels (or load them from numba's cache)."""
    f, G, one = np.zeros((1, 4, 1, 1)), np.zeros((2, 4, 1)), np.ones(1)
    moments(f, np.ones((1, 1)), np.ones((1, 1)), G)
    anticommute(f[0], one, one, G, 0, 1, f[0].copy(), 0)
    commute(f[0], one, G, 0, 1)
    add(f[0], f[0], 0, 1)
    differentiate(np.zeros((4, 1, 1), dtype=complex), one)
    u = np.zeros((1, 1), dtype=complex)
    subtract_derivative(u, u.copy(), np.ones((1, 1)))

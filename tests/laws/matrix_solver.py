"""A solver of its own for tests: the same equations with unitary matrices as the unknown, in NumPy and SciPy alone.

    i (d_t + v_a . grad) V_a = Omega_a V_a,    N_a = V_a diag(n_a) V_a^+
    Omega_a = c_vac s_a M^2/2p_a + c_mat lambda(r) (1 - v_a.u) L + c_nu sum_b s_b (1 - v_a.v_b) N_b

Nothing is shared with the package: no vectors, no structure constants, no force. The kinetic energy comes from the phases,

    kappa_a = v_a.pi_a minus its advected start,    pi_a = s_a sum_j n_aj Im( V_j^+ grad V_j ),

which holds with the trace of Omega as well, but for that of refraction, which is the same everywhere.
"""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp


@dataclass
class Gas:
    """v, u: vectors along the axes of the box, (modes, axes) and (axes,). n: (modes, F) eigenvalues. M: (modes, F, F), c_vac
    M^2/2p_a without the sign; matter: c_mat lambda on the grid, a number or (*points); c_nu: strength of refraction."""

    length: tuple
    points: tuple
    v: np.ndarray
    s: np.ndarray
    n: np.ndarray
    M: np.ndarray
    matter: np.ndarray = 0.0  # type: ignore[assignment]
    u: np.ndarray = 0.0  # type: ignore[assignment]
    c_nu: float = 1.0

    def __post_init__(self):
        self.axes = len(self.points)
        k = [2 * np.pi / L * np.fft.fftfreq(N, 1 / N) for L, N in zip(self.length, self.points)]
        self.k = np.stack(np.meshgrid(*k, indexing="ij"))
        self.kv = np.tensordot(self.v, self.k, 1)[:, None, None]
        self.space = tuple(range(-self.axes, 0))
        self.moving = 1.0 - self.v @ np.broadcast_to(self.u, (self.axes,))

    def at_start(self, X):
        """V_a = exp(i X_a) of Hermitian X (modes, F, F, *points)."""
        w, v = np.linalg.eigh(np.moveaxis(X, (1, 2), (-2, -1)))
        return np.moveaxis(np.einsum("...ij,...j,...kj->...ik", v, np.exp(1j * w), v.conj()), (-2, -1), (1, 2))

    def N(self, V):
        return np.einsum("aij...,aj,akj...->aik...", V, self.n, V.conj())

    def omega(self, V):
        N, one = self.N(V), np.ones(self.points)
        sN = self.s.reshape(-1, *[1] * (N.ndim - 1)) * N
        G = [sN.sum(axis=0), *np.tensordot(self.v.T, sN, 1)]
        H = self.c_nu * (G[0] - np.tensordot(self.v, np.stack(G[1:]), 1))
        H = H + (self.s[:, None, None] * self.M).reshape(*self.M.shape, *[1] * self.axes)
        H[:, 0, 0] += np.multiply.outer(self.moving, self.matter * one)
        return H

    def evolved(self, V, t, rtol=1e-12):
        """V at the time t."""
        start = np.fft.fftn(V, axes=self.space)

        def rhs(t, flat):
            phase = np.exp(-1j * self.kv * t)
            now = np.fft.ifftn(phase * flat.reshape(V.shape), axes=self.space)
            change = -1j * np.einsum("aij...,ajk...->aik...", self.omega(now), now)
            return (np.fft.fftn(change, axes=self.space) / phase).ravel()

        found = solve_ivp(rhs, (0.0, t), start.ravel(), method="DOP853", rtol=rtol, atol=rtol * np.abs(start).max())
        return np.fft.ifftn(np.exp(-1j * self.kv * t) * found.y[:, -1].reshape(V.shape), axes=self.space)

    def power(self, V):
        """v_a.pi_a, (modes, *points)."""
        slope = np.fft.ifftn(1j * self.kv * np.fft.fftn(V, axes=self.space), axes=self.space)  # v_a.grad V
        by_state = np.einsum("aij...,aij...->aj...", V.conj(), slope).imag
        return self.s.reshape(-1, *[1] * self.axes) * np.einsum("aj,aj...->a...", self.n, by_state)

    def kappa(self, before, after, t):
        """The kinetic energy density gained, (modes, *points)."""
        waves = np.fft.fftn(self.power(before), axes=self.space) * np.exp(-1j * self.kv[:, 0, 0] * t)
        return self.power(after) - np.fft.ifftn(waves, axes=self.space).real


def start_matrices(generators, modes, eps, z, length):
    """X_a of the starts of the benchmarks: (eps/2) sum_c lambda_c cos(2 pi h z/L + c + a), h = 1 + (c + a) mod 3, over the
    generators lambda_c that are not diagonal; (modes, F, F, *z.shape)."""
    off_diagonal = [c for c, one in enumerate(generators) if not np.diag(one).any()]
    F = generators.shape[1]
    X = np.zeros((modes, F, F, *z.shape), dtype=complex)
    for a in range(modes):
        for c in off_diagonal:
            h = 1 + (c + a) % 3
            X[a] += np.multiply.outer(generators[c], eps / 2 * np.cos(2 * np.pi * h * z / length + c + a))
    return X

"""A plain NumPy solver of the equations at level energy in one dimension: density matrices, Fourier derivatives, SciPy's steps."""

import numpy as np
from scipy.integrate import solve_ivp

from nuflux_mpi.flavor import algebra


class Gas:
    """Modes of velocities xyz (modes, 3) and signs s; waves along z. Matrices N (modes, F, F, points) are the unknowns.

    vacuum: (modes, F, F), M^2/2p_a; matter: lambda (points,), with the velocity u (3,); c: factors of vacuum, matter, refraction;
    n: (modes,), the traces, which a matter profile pushes.
    """

    def __init__(self, xyz, s, flavors, length, points, *, vacuum=0.0, matter=0.0, u=(0.0, 0.0, 0.0), c=(1.0, 1.0, 1.0), n=0.0):
        self.xyz, self.s, self.one, self.points, self.cell = np.asarray(xyz), s, algebra(flavors), points, length / points
        self.k = 2 * np.pi / length * np.fft.fftfreq(points, 1 / points)
        if points % 2 == 0:
            self.k[points // 2] = 0.0  # as the transforms of the package have it
        self.vacuum = c[0] * np.broadcast_to(vacuum, (len(s), flavors, flavors))
        self.matter, self.u, self.c = np.broadcast_to(c[1] * np.asarray(matter, dtype=float), (points,)), np.asarray(u), c
        self.n, self.L = np.broadcast_to(n, (len(s),)), np.diag(np.eye(flavors)[0])

    def slope(self, field):
        return np.fft.ifft(1j * self.k * np.fft.fft(field))

    def hamiltonian(self, N, static=True):
        """Omega_a, (modes, F, F, points); without what is constant in space with static=False."""
        pairs = self.c[2] * self.s * (1.0 - self.xyz @ self.xyz.T)
        Omega = np.einsum("ab,bijz->aijz", pairs, N)
        Omega = Omega + (1.0 - self.xyz @ self.u)[:, None, None, None] * self.L[:, :, None] * self.matter
        return Omega + (self.s[:, None, None] * self.vacuum)[..., None] if static else Omega

    def rates(self, N, kappa):
        Omega, v = self.hamiltonian(N), self.xyz[:, 2]
        turn = np.einsum("aijz,ajkz->aikz", Omega, N)
        dN = -1j * (turn - np.conj(np.swapaxes(turn, 1, 2))) - v[:, None, None, None] * self.slope(N)
        traceless = N + self.n[:, None, None, None] / self.one.flavors * np.eye(self.one.flavors)[:, :, None]
        force = np.einsum("aijz,ajiz->az", self.slope(self.hamiltonian(N, False)), traceless).real
        # The trace of the refraction itself is homogeneous, and exerts none.
        return dN, -(self.s * v)[:, None] * force - v[:, None] * self.slope(kappa).real

    def run(self, P, end, rtol=1e-12):
        """(P, kappa) at the time `end` from P (modes, C, points)."""
        N0, shape = self.one.matrix(0.0, P, axis=1), (len(P), P.shape[-1])

        def both(t, y):
            N, kappa = y[: N0.size].reshape(N0.shape), y[N0.size :].reshape(shape).real
            dN, dkappa = self.rates(N, kappa)
            return np.concatenate((dN.ravel(), dkappa.ravel()))

        y = np.concatenate((N0.ravel(), np.zeros(shape).ravel()))
        y = solve_ivp(both, (0.0, end), y, method="DOP853", rtol=rtol, atol=1e-14).y[:, -1]
        return self.one.coefficients(y[: N0.size].reshape(N0.shape), axis=1)[1], y[N0.size :].reshape(shape).real

    def U(self, P):
        """U_osc."""
        pairs = 0.25 * self.c[2] * np.outer(self.s, self.s) * (1.0 - self.xyz @ self.xyz.T)
        return self.cell * np.einsum("ab,acz,bcz->", pairs, P, P)

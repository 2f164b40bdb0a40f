"""Linear theory: which waves of flavor coherence grow, and how fast.

Paper: Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024). While |psi_a| << |P_a^z| the transverse polarization
psi_a = P_a^x + i P_a^y of mode `a` is a sum of waves exp(i k z - i omega t) with

    omega psi_a = [ k v_a - (D_0^z - v_a D_1^z) ] psi_a + P_a^z sum_b s_b (1 - v_a v_b) psi_b

and D_m^z = sum_b s_b v_b^m P_b^z: an eigenvalue problem of the size of the mode list for each wavenumber k. For two
beams it is Eq. 9, whose closed forms (Eqs. 10-12) stand in the second half of this module. Im omega > 0 grows; the sign
of k matters.

Everywhere: v, s and Pz are real arrays of shape (n,) with direction cosine, sign (+1 neutrinos, -1 antineutrinos) and
initial P^z (mode weight absorbed, in units of n) of each mode; k and omega are in units of mu. Plain numpy, nothing
distributed.
"""

from __future__ import annotations

import numpy as np

# ---- any list of modes ----------------------------------------------------------------------------------------------


def advection(k, v):
    """Motion along the box, diag(k v_a): shape (..., n, n) for k of shape (...)."""
    return np.asarray(k, dtype=float)[..., None, None] * np.diag(v)


def precession(v, s, Pz):
    """Precession in the mean field of all modes, diag(-(D_0^z - v_a D_1^z)): shape (n, n)."""
    D0, D1 = np.sum(s * Pz), np.sum(s * v * Pz)
    return np.diag(-(D0 - v * D1))


def coupling(v, s, Pz):
    """Response of each mode to the coherence of all others, P_a^z s_b (1 - v_a v_b): shape (n, n)."""
    return Pz[:, None] * s * (1 - np.outer(v, v))


def matrix(k, v, s, Pz):
    """The real matrix whose eigenvalues are omega: shape (..., n, n) for k of shape (...).

    ValueError unless v, s and Pz have the same shape (n,).
    """
    v, s, Pz = (np.asarray(x, dtype=float) for x in (v, s, Pz))
    if v.ndim != 1 or not v.shape == s.shape == Pz.shape:
        raise ValueError(f"v, s and Pz need one value per mode; their shapes are {v.shape}, {s.shape} and {Pz.shape}")
    return advection(k, v) + precession(v, s, Pz) + coupling(v, s, Pz)


def spectrum(k, v, s, Pz):
    """All eigenfrequencies omega, complex, shape (..., n) for k of shape (...); the fastest growing one comes first."""
    k = np.asarray(k, dtype=float)
    # One k at a time: all matrices of a scan would need k.size n^2 numbers and save little beside the solver.
    omega = np.array([np.linalg.eigvals(matrix(q, v, s, Pz)) for q in k.ravel()], dtype=complex)
    order = np.lexsort((omega.real, -omega.imag), axis=-1)
    return np.take_along_axis(omega, order, axis=-1).reshape(*k.shape, -1)


def growth_rate(k, v, s, Pz):
    """Largest Im omega at each k: real, shape of k. Never negative, because a real matrix has complex pairs."""
    return spectrum(k, v, s, Pz)[..., 0].imag


def eigenvector(k, v, s, Pz):
    """Fastest growing wave at one k: (omega, psi), psi complex of shape (n,).

    psi is normalized to sum |psi_a|^2 = 1, its largest entry real and positive. Where nothing grows, the wave with the
    largest Im omega that round-off leaves is returned.
    """
    omega, waves = np.linalg.eig(matrix(float(k), v, s, Pz))
    fastest_wave = np.argmax(omega.imag)
    psi = waves[:, fastest_wave].astype(complex)
    largest = psi[np.argmax(abs(psi))]
    return complex(omega[fastest_wave]), psi * (abs(largest) / largest) / np.linalg.norm(psi)


def fastest(k, v, s, Pz, tolerance=1e-8):
    """Fastest growth in a range of wavenumbers: (k, omega) of the maximum of Im omega(k), a float and a complex.

    k: increasing array of shape (m,), fine enough to separate neighbouring maxima. The best of its values is improved
    to `tolerance` (in mu) by golden-section search between its two neighbours.
    """
    k = np.asarray(k, dtype=float)
    best = int(np.argmax(growth_rate(k, v, s, Pz)))
    left, right = k[max(best - 1, 0)], k[min(best + 1, k.size - 1)]
    golden = (np.sqrt(5) - 1) / 2
    inner = [right - golden * (right - left), left + golden * (right - left)]
    gamma = [growth_rate(q, v, s, Pz) for q in inner]
    while right - left > tolerance:
        if gamma[0] >= gamma[1]:
            right = inner[1]
            inner = [right - golden * (right - left), inner[0]]
            gamma = [growth_rate(inner[0], v, s, Pz), gamma[0]]
        else:
            left = inner[0]
            inner = [inner[1], left + golden * (right - left)]
            gamma = [gamma[1], growth_rate(inner[1], v, s, Pz)]
    k_fastest = float(left + right) / 2
    return k_fastest, complex(spectrum(k_fastest, v, s, Pz)[0])


# ---- two beams, v = +1 and -1, both of neutrinos (s = +1) -----------------------------------------------------------


def two_beam_edges(zeta_plus, zeta_minus):
    """Edges (k1, k2) of the unstable band, k_bar -+ 2 sqrt(-zeta_+ zeta_-) with k_bar = zeta_- - zeta_+ (below Eq. 9).

    Without a crossing (zeta_+ zeta_- >= 0) nothing is unstable and both edges are k_bar.
    """
    half_width = 2 * np.sqrt(max(-zeta_plus * zeta_minus, 0.0))
    k_bar = zeta_minus - zeta_plus
    return k_bar - half_width, k_bar + half_width


def two_beam_growth(k, zeta_plus, zeta_minus):
    """Growth rate gamma_k = sqrt((k - k1)(k2 - k)) inside the unstable band and 0 outside (below Eq. 9): shape of k."""
    k1, k2 = two_beam_edges(zeta_plus, zeta_minus)
    k = np.asarray(k, dtype=float)
    return np.sqrt(np.maximum((k - k1) * (k2 - k), 0.0))


def growing_amplitude(k, psi_plus, psi_minus, zeta_plus, zeta_minus):
    """Amplitude alpha_k of the growing wave in an initial state (Eq. 11): complex, shape of k; 0 for stable k.

    psi_plus, psi_minus: complex, shape of k, initial Fourier coefficients (1/L) int psi exp(-i k z) dz of the two
    beams. The wave itself is alpha_k (k + omega_0 + i gamma_k, k - omega_0 - i gamma_k) exp((gamma_k - i omega_0) t),
    with omega_0 = -(zeta_+ + zeta_-) (Eq. 10).
    """
    k = np.asarray(k, dtype=float)
    gamma = two_beam_growth(k, zeta_plus, zeta_minus)
    omega_0 = -(zeta_plus + zeta_minus)
    unstable = gamma > 0  # k = 0 is never inside the band, at most on its edge
    numerator = (gamma + 1j * omega_0) * (psi_plus + psi_minus) - 1j * k * (psi_plus - psi_minus)
    return np.where(unstable, numerator, 0) / np.where(unstable, 4 * k * gamma, 1)


def delta_U_transverse(t, k, alpha, zeta_plus, zeta_minus, length):
    """Change of the *transverse* part of U_osc while linear: L sum_k 2 k (k - k_bar) |alpha_k|^2 exp(2 gamma_k t).

    This is Eq. 12 as printed, where it is named after the whole. It is only the part of int P_+ . P_- that lies in P^x
    and P^y; the growing coherence also shortens P^z, which changes U_osc in the same order (see `delta_U_whole`). It
    vanishes for the fastest wave, k = k_bar. t: scalar or any shape; k, alpha: (m,) the wavenumbers of the box and
    `growing_amplitude`; length: L. Returns the shape of t. Wavenumbers outside the unstable band do not contribute.
    """
    k = np.asarray(k, dtype=float)
    return _sum_of_growing_waves(t, k, 2 * k * (k - (zeta_minus - zeta_plus)), alpha, zeta_plus, zeta_minus, length)


def delta_U_whole(t, k, alpha, zeta_plus, zeta_minus, length):
    """Change of the *whole* U_osc while linear: L sum_k 2 k^2 |alpha_k|^2 exp(2 gamma_k t), Eq. 12 corrected.

    It is the time integral of dU_osc/dt = -2 int P_- . d_z P_+ (Eq. 7 for two beams) with the growing wave of Eq. 10,
    and holds the longitudinal back-reaction that Eq. 12 leaves out. Positive for every unstable k, the fastest one
    included. Arguments and result as in `delta_U_transverse`.
    """
    k = np.asarray(k, dtype=float)
    return _sum_of_growing_waves(t, k, 2 * k**2, alpha, zeta_plus, zeta_minus, length)


def _sum_of_growing_waves(t, k, weight, alpha, zeta_plus, zeta_minus, length):
    gamma = two_beam_growth(k, zeta_plus, zeta_minus)
    strength = np.where(gamma > 0, weight * abs(np.asarray(alpha)) ** 2, 0.0)
    return length * np.exp(2 * gamma * np.asarray(t, dtype=float)[..., None]) @ strength

"""Linear theory: which waves of flavor coherence grow, and how fast.

Paper: Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024). While |psi_a| << |P_a^z| the transverse polarization
psi_a = P_a^x + i P_a^y of mode `a` is a sum of waves exp(i k z - i omega t) with

    omega psi_a = [ k v_a - (D_0^z - v_a D_1^z) ] psi_a + P_a^z sum_b s_b (1 - v_a v_b) psi_b

and D_m^z = sum_b s_b v_b^m P_b^z: an eigenvalue problem of the size of the mode list for each wavenumber k, made of
one function per term of the equations. For two beams it is Eq. 9, whose closed forms (Eqs. 10-12) stand at the end of
this module. Im omega > 0 grows; the sign of k matters. With very many modes `growing` leaves the matrix to `dispersion`.

Everywhere: v, s and Pz are real arrays of shape (n,) with direction cosine, sign (+1 neutrinos, -1 antineutrinos) and
initial P^z (mode weight absorbed, in units of n) of each mode; k and omega are in units of mu. Plain numpy, nothing
distributed. In two and three dimensions v is (n, axes) and one k is a vector (axes,), with scalar products in place of
k v_a and v_a v_b; the functions that know this say (..., axes) for k.
"""

from __future__ import annotations

import numpy as np

from . import dispersion

# With more modes than this the matrix takes too long, several seconds per k, and the dispersion relation stands in.
DENSE_LIMIT = 1000
# Growth slower than this share of sum |P_a^z| is none: a defective eigenvalue is off by the square root of round-off.
ROUND_OFF = 1e-7
# The dispersion relation looks for growth faster than this share of sum |P_a^z|: the less, the more sums it takes.
SLOWEST = 1e-3
# A seed of this share of the polarization changes growth rates by about its square, 4 %.
LARGEST_SEED = 0.2


def has_sharp_directions(config):
    """Whether the modes of a resolved config are its directions: not for states of level "full" other than beams."""
    if config["equations"]["level"] != "full":
        return True
    return config["full"].get("distribution", "gaussian") == "gaussian"


# ---- any list of modes ----------------------------------------------------------------------------------------------


def advection(k, v):
    """Motion along the box, k v_a, on the diagonal: shape (..., n) for k of shape (...) or (..., axes)."""
    k = np.asarray(k, dtype=float)
    return k[..., None] * v if np.ndim(v) == 1 else k @ v.T


def precession(v, s, Pz):
    """Precession in the mean field of all modes, -(D_0^z - v_a D_1^z), on the diagonal: shape (n,)."""
    return -(np.sum(s * Pz) - (v * np.sum(s * v * Pz) if v.ndim == 1 else v @ ((s * Pz) @ v)))


def continuum(k, v, s, Pz):
    """Frequencies of single directions without the coupling, all diagonal terms: shape (..., n); k as in `advection`."""
    return advection(k, v) + precession(v, s, Pz)


def coupling(v, s, Pz):
    """Response of each mode to the coherence of all others, P_a^z s_b (1 - v_a v_b): shape (n, n)."""
    return Pz[:, None] * s * (1 - (np.outer(v, v) if v.ndim == 1 else v @ v.T))


def matrix(k, v, s, Pz):
    """The real matrix whose eigenvalues are omega: shape (..., n, n); k as in `advection`.

    ValueError unless v, s and Pz have the same shape (n,), or v (n, axes).
    """
    v, s, Pz = (np.asarray(x, dtype=float) for x in (v, s, Pz))
    if v.ndim not in (1, 2) or not v.shape[:1] == s.shape == Pz.shape:
        raise ValueError(f"v, s and Pz need one value per mode; their shapes are {v.shape}, {s.shape} and {Pz.shape}")
    return continuum(k, v, s, Pz)[..., None] * np.eye(len(v)) + coupling(v, s, Pz)


def spectrum(k, v, s, Pz):
    """All eigenfrequencies omega, complex, shape (..., n), the fastest growing one first; k as in `advection`."""
    k = np.asarray(k, dtype=float)
    vector = np.shape(v)[1:]
    # One k at a time: all matrices of a scan would need k.size n^2 numbers and save little beside the solver.
    omega = np.array([np.linalg.eigvals(matrix(q, v, s, Pz)) for q in k.reshape(-1, *vector)], dtype=complex)
    order = np.lexsort((omega.real, -omega.imag), axis=-1)
    return np.take_along_axis(omega, order, axis=-1).reshape(*k.shape[: k.ndim - len(vector)], -1)


def growth_rate(k, v, s, Pz):
    """Largest Im omega at each k (..., or ..., axes): real, (...). Never negative, because a real matrix has complex pairs.

    Above DENSE_LIMIT modes, in one dimension, growth slower than SLOWEST sum |P_a^z| is given as 0.
    """
    if np.ndim(v) > 1 or np.size(v) <= DENSE_LIMIT:
        return spectrum(k, v, s, Pz)[..., 0].imag
    k = np.asarray(k, dtype=float)
    rates = [growing(q, v, s, Pz)[0].imag.max(initial=0.0) for q in k.ravel()]
    return np.reshape(rates, k.shape)


def growing(k, v, s, Pz, method="auto"):
    """The growing waves at one k: (omega, psi), complex of shape (m,) and (m, n), the fastest first; m may be 0.

    method: "dense", the matrix; "secular", the dispersion relation, which finds what grows faster than SLOWEST sum |P_a^z|;
    "auto", the latter above DENSE_LIMIT modes. psi is normalized as by `eigenvector`.
    """
    v, s, Pz = (np.asarray(x, dtype=float) for x in (v, s, Pz))
    if method == "secular" or method == "auto" and v.size > DENSE_LIMIT:
        d = continuum(k, v, s, Pz)
        omega = dispersion.growing_roots(d, v, s * Pz, SLOWEST * np.sum(np.abs(Pz)))
        waves = [_normalized(dispersion.eigenvector(root, d, v, s, Pz)) for root in omega]
        return omega, np.array(waves, dtype=complex).reshape(-1, v.size)
    omega, psi = eigenmodes(k, v, s, Pz)
    grows = omega.imag > ROUND_OFF * np.sum(np.abs(Pz))
    return omega[grows], psi[grows]


def eigenmodes(k, v, s, Pz):
    """All waves at one k, a number or a vector (axes,): (omega, psi), complex of shape (n,) and (n, n), psi[i] with omega[i].

    Order as in `spectrum`.
    """
    omega, waves = np.linalg.eig(matrix(k, v, s, Pz))
    omega, waves = omega.astype(complex), waves.T.astype(complex)
    order = np.lexsort((omega.real, -omega.imag))
    return omega[order], np.array([_normalized(wave) for wave in waves[order]])


def eigenvector(k, v, s, Pz):
    """Fastest growing wave at one k: (omega, psi), psi complex of shape (n,).

    psi is normalized to sum |psi_a|^2 = 1, its largest entry (the first of equals) real and positive. Where nothing
    grows, the wave with the largest Im omega that round-off leaves is returned.
    """
    omega, psi = eigenmodes(k, v, s, Pz)
    return complex(omega[0]), psi[0]


def _normalized(psi):
    # Equal entries differ by round-off, which must not decide about the phase.
    largest = psi[np.argmax(np.abs(psi) > (1 - 1e-9) * np.abs(psi).max())]
    return psi * (abs(largest) / largest) / np.linalg.norm(psi)


def line_width(omega, k, v, s, Pz, spacing):
    """How many bins of an angular grid the resonance of a growing wave covers: 2 Im omega / (|k + D_1^z| spacing).

    A wave is in resonance with the directions whose frequency k v_a - (D_0^z - v_a D_1^z) is within Im omega of
    Re omega; spacing: (n,) distance of neighbouring directions in v, the weight of a quadrature. If Re omega lies beyond
    the frequencies of all directions its distance to them counts too. A sum over bins stands for the integral over v up
    to 2 exp(-pi line_width) of it (poles off the real axis, trapezoidal rule), so that below 1, where fewer than one bin
    is in resonance, a wave belongs to the grid: a finer one has it at another rate or not at all. Such waves are called
    continuum here, the others collective.
    """
    d = continuum(k, v, s, Pz)
    beyond = max(d.min() - omega.real, omega.real - d.max(), 0.0)
    bins = abs(k + np.sum(s * v * Pz)) * spacing[np.argmin(np.abs(d - omega.real))]
    return float(2 * np.hypot(omega.imag, beyond) / bins) if bins > 0 else np.inf


# Wavenumbers that a first look at instability takes; 64 directions then need about half a second.
SCANNED = 150


def scanned(k, mode_count):
    """Those of a box's wavenumbers k, ascending, on which to look for instability: all for a few modes, else denser
    towards k = 0."""
    if mode_count <= 8:
        return k
    distance = np.unique(np.geomspace(1, max(len(k) // 2, 1), SCANNED // 2).astype(int))
    zero = int(np.argmin(abs(k)))
    chosen = np.concatenate([zero - distance[::-1], [zero], zero + distance])
    return k[chosen[(chosen >= 0) & (chosen < len(k))]]


def band(k, rates, slowest, rate):
    """Outermost k that grow faster than `slowest`, by bisection between neighbours of the ascending k; None without growth.

    rates: growth rates at k, of the function `rate` of an array of k.
    """
    unstable = np.flatnonzero(rates > slowest)
    if not unstable.size:
        return None
    edges = []
    for inside, beyond in ((unstable[0], unstable[0] - 1), (unstable[-1], unstable[-1] + 1)):
        edge = k[inside]
        if 0 <= beyond < len(k):
            outside = k[beyond]
            for _ in range(20):  # a millionth of the spacing, finer than any figure shows
                middle = (edge + outside) / 2
                edge, outside = (middle, outside) if rate(np.array([middle]))[0] > slowest else (edge, middle)
        edges.append(float(edge))
    return tuple(edges)


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

"""Linear theory: which waves of flavor coherence grow, and how fast.

Paper: Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024). The background is homogeneous and diagonal in flavor. Each pair of
flavors (alpha, beta) then has a coherence of its own, and at linear order the pairs do not see each other: psi_a, which for
two flavors is P_a^x + i P_a^y, is a sum of waves exp(i k.r - i omega t) with

    omega psi_a = [ k.v_a - c (Q_0 - v_a.Q_1) + shift_a ] psi_a + q_a c sum_b s_b (1 - v_a.v_b) psi_b + sum_b coupling_ab psi_b

where q_a = n_a^alpha - n_a^beta is the difference of the two populations, for two flavors P_a^z, and Q_0 = sum_b s_b q_b,
Q_1 = sum_b s_b v_b q_b are its moments: an eigenvalue problem of the size of the mode list for each wave vector k. `shift` and
`coupling` are what terms beyond the self-interaction add, nothing by default; c is the `strength` of the self-interaction. For
two beams it is Eq. 9, whose closed forms (Eqs. 10-12) stand at the end of this module. Im omega > 0 grows; the sign of k
matters. With very many modes `growing` leaves the matrix to `dispersion`; a background that varies in space is for `profile`.

    argument   shape            meaning
    k          (..., axes)      wave vectors, in mu
    v          (modes, axes)    velocities along the axes of the box
    s          (modes,)         +1 neutrinos, -1 antineutrinos
    q          (modes,)         difference of the two populations, weights absorbed, in n
    shift      (modes,) or 0    added to the diagonal, real or complex
    coupling   (modes, modes)   added to the matrix, real or complex, or None
    vectors    (modes, m)       whole velocities, which enter 1 - v_a.v_b; None: they are v
    strength   number           factor of the self-interaction, 1 if nothing attenuates it

In one dimension numbers may stand for vectors of one component: v (modes,) and then k (...). A `Background` holds all but
k, and is handed on as ``*background``. Plain numpy, nothing distributed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import dispersion

MATRIX_NUMBERS = 2**16  # of matrices that are made at once

Array = np.ndarray

# With more modes than this the matrix takes too long, several seconds per k, and the dispersion relation stands in.
DENSE_LIMIT = 1000
# Growth slower than this share of sum |q_a| is none: a defective eigenvalue is off by the square root of round-off.
ROUND_OFF = 1e-7
# The dispersion relation looks for growth faster than this share of sum |q_a|: the less, the more sums it takes.
SLOWEST = 1e-3
# A seed of this share of the polarization changes growth rates by about its square, 4 %.
LARGEST_SEED = 0.2


class Linear(NamedTuple):
    """What a term adds to the right-hand side for omega psi_a: shift_a psi_a + sum_b coupling_ab psi_b.

    profile: what varies in space, real (1 + m, *points): it adds -(profile_0 - v_a.profile_1) to the shift, mean included.
    mixing: 2 Omega_beta,alpha of each mode, complex (modes,) or 0: a constant at k = 0, i d_t psi_a = [...] + mixing_a q_a, which
    no eigenvalue knows.
    """

    shift: Any = 0.0
    coupling: Array | None = None
    mixing: Any = 0.0
    profile: Array | None = None


class Background(NamedTuple):
    """The state about which is linearised, for one pair of flavors; shapes above."""

    v: Array
    s: Array
    q: Array
    shift: Any = 0.0
    coupling: Array | None = None
    vectors: Array | None = None
    strength: float = 1.0

    @property
    def size(self) -> float:
        """sum |q_a| times the strength, beside which growth counts as slow or as none."""
        return float(self.strength * np.sum(np.abs(self.q)))

    @property
    def directions(self) -> Array:
        """The velocities that enter 1 - v_a.v_b, (modes, m)."""
        return velocities(self.v) if self.vectors is None else self.vectors


class Linearised(NamedTuple):
    """A `Background`, what mixes its flavors, and what varies in space; the latter two as in `Linear`.

    basis: of flavors that take the place of mu and tau, unitary (2, 2) with a column for each, see `alike`; None: they themselves.
    """

    background: Background
    mixing: Any = 0.0
    profile: Array | None = None
    basis: Array | None = None


# ---- any list of modes ----------------------------------------------------------------------------------------------


def velocities(v) -> Array:
    """v as (modes, axes), also where it has one number for each mode."""
    v = np.asarray(v, dtype=float)
    return v[:, None] if v.ndim == 1 else v


def wave_vectors(k, v) -> Array:
    """k as (..., axes), also where v has one number for each mode and k (...)."""
    k = np.asarray(k, dtype=float)
    return k[..., None] if np.ndim(v) == 1 else k


def moments(v, s, q) -> tuple[float, Array]:
    """Q_0 = sum_b s_b q_b and Q_1 = sum_b s_b v_b q_b, the latter (axes,)."""
    return np.sum(s * q), np.sum(s * q * velocities(v).T, axis=-1)


def advection(k, v) -> Array:
    """Motion through the box, k.v_a, on the diagonal: shape (..., modes)."""
    return wave_vectors(k, v) @ velocities(v).T


def self_interaction(v, s, q, strength=1.0) -> Linear:
    """Refraction of the modes on each other: precession in the mean field of all, -(Q_0 - v_a.Q_1), and their response
    q_a s_b (1 - v_a.v_b) to the coherence of all. v: the whole velocities."""
    v = velocities(v)
    return Linear(_precession(v, s, q, strength), strength * q[:, None] * s * (1 - v @ v.T))


def _precession(v, s, q, strength=1.0):
    Q0, Q1 = moments(v, s, q)
    return -strength * (Q0 - np.sum(velocities(v) * Q1, axis=-1))


def continuum(k, v, s, q, shift=0.0, coupling=None, vectors=None, strength=1.0) -> Array:
    """Frequencies of single directions, all diagonal terms without those of a coupling: shape (..., modes)."""
    return advection(k, v) + _precession(v if vectors is None else vectors, s, q, strength) + shift


def matrix(k, v, s, q, shift=0.0, coupling=None, vectors=None, strength=1.0) -> Array:
    """The matrix whose eigenvalues are omega, real unless a term makes it complex: shape (..., modes, modes).

    ValueError unless v, s and q have one value per mode.
    """
    v, s, q = np.asarray(v, dtype=float), np.asarray(s, dtype=float), np.asarray(q, dtype=float)
    if v.ndim not in (1, 2) or not v.shape[:1] == s.shape == q.shape:
        raise ValueError(f"v, s and q need one value per mode; their shapes are {v.shape}, {s.shape} and {q.shape}")
    response: Any = self_interaction(v if vectors is None else vectors, s, q, strength).coupling
    if coupling is not None:
        response = response + coupling
    return continuum(k, v, s, q, shift, None, vectors, strength)[..., None] * np.eye(len(v)) + response


def spectrum(k, v, s, q, shift=0.0, coupling=None, vectors=None, strength=1.0) -> Array:
    """All eigenfrequencies omega, complex, shape (..., modes), the fastest growing one first."""
    k, v = wave_vectors(k, v), velocities(v)
    each = k.reshape(-1, v.shape[1])
    omega = np.empty((len(each), len(v)), dtype=complex)
    some = max(1, MATRIX_NUMBERS // len(v) ** 2)  # all matrices of a scan would need k.size n^2 numbers
    for start in range(0, len(each), some):
        some_matrices = matrix(each[start : start + some], v, s, q, shift, coupling, vectors, strength)
        omega[start : start + some] = np.linalg.eigvals(some_matrices)
    order = np.lexsort((omega.real, -omega.imag), axis=-1)
    return np.take_along_axis(omega, order, axis=-1).reshape(*k.shape[:-1], -1)


def has_dispersion_relation(shift=0.0, coupling=None) -> bool:
    """Whether `dispersion` serves: with real frequencies and no coupling beyond the self-interaction."""
    return coupling is None and not np.iscomplexobj(shift)


def growth_rate(k, v, s, q, shift=0.0, coupling=None, vectors=None, strength=1.0) -> Array:
    """Largest Im omega at each k: real, (...). Without complex terms never negative: a real matrix has complex pairs.

    Above DENSE_LIMIT modes, where there is a dispersion relation, growth slower than SLOWEST sum |q_a| is given as 0.
    """
    if len(v) <= DENSE_LIMIT or not has_dispersion_relation(shift, coupling):
        return spectrum(k, v, s, q, shift, coupling, vectors, strength)[..., 0].imag
    k = wave_vectors(k, v)
    v = velocities(v)
    modes = (v, s, q, shift, None, vectors, strength)
    rates = [growing(each, *modes)[0].imag.max(initial=0.0) for each in k.reshape(-1, v.shape[1])]
    return np.reshape(rates, k.shape[:-1])


def growing(k, v, s, q, shift=0.0, coupling=None, vectors=None, strength=1.0, *, method="auto") -> tuple[Array, Array]:
    """The growing waves at one k: (omega, psi), complex of shape (m,) and (m, modes), the fastest first; m may be 0.

    method: "dense", the matrix; "secular", the dispersion relation, which finds what grows faster than SLOWEST of the
    background's size; "auto", the latter above DENSE_LIMIT modes. psi is normalized as by `eigenvector`.
    """
    s, q = np.asarray(s, dtype=float), np.asarray(q, dtype=float)
    size = strength * np.sum(np.abs(q))
    many = len(s) > DENSE_LIMIT and has_dispersion_relation(shift, coupling)
    if method == "secular" or method == "auto" and many:
        d = continuum(k, v, s, q, shift, None, vectors, strength)
        u = dispersion.flat(velocities(v) if vectors is None else vectors)
        omega = dispersion.growing_roots(d, u, strength * s * q, SLOWEST * size)
        waves = [normalized(psi) for psi in dispersion.eigenvectors(omega, d, u, s, strength * q)]
        return omega, np.array(waves, dtype=complex).reshape(-1, len(s))
    omega, psi = eigenmodes(k, v, s, q, shift, coupling, vectors, strength)
    grows = omega.imag > ROUND_OFF * size
    return omega[grows], psi[grows]


def eigenmodes(k, v, s, q, shift=0.0, coupling=None, vectors=None, strength=1.0) -> tuple[Array, Array]:
    """All waves at one k: (omega, psi), complex of shape (modes,) and (modes, modes), psi[i] with omega[i].

    Order as in `spectrum`.
    """
    return sorted_modes(*np.linalg.eig(matrix(k, v, s, q, shift, coupling, vectors, strength)))


def sorted_modes(omega, columns) -> tuple[Array, Array]:
    """(omega, psi) of eigenvalues and eigenvectors (in columns) as in `spectrum`, psi[i] with omega[i], normalized."""
    omega, waves = omega.astype(complex), columns.T.astype(complex)
    order = np.lexsort((omega.real, -omega.imag))
    return omega[order], np.array([normalized(wave) for wave in waves[order]])


def eigenvector(k, v, s, q, shift=0.0, coupling=None, vectors=None, strength=1.0) -> tuple[complex, Array]:
    """Fastest growing wave at one k: (omega, psi), psi complex of shape (modes,).

    psi is normalized to sum |psi_a|^2 = 1, its largest entry (the first of equals) real and positive. Where nothing
    grows, the wave with the largest Im omega that round-off leaves is returned.
    """
    omega, psi = eigenmodes(k, v, s, q, shift, coupling, vectors, strength)
    return complex(omega[0]), psi[0]


def normalized(psi) -> Array:
    """psi with sum |psi_a|^2 = 1, its largest entry (the first of equals) real and positive."""
    # Equal entries differ by round-off, which must not decide about the phase.
    largest = psi[np.argmax(np.abs(psi) > (1 - 1e-9) * np.abs(psi).max())]
    return psi * (abs(largest) / largest) / np.linalg.norm(psi)


def line_width(omega, k, spacing, *modes) -> float:
    """How many bins of an angular grid the resonance of a growing wave covers: 2 Im omega / (|k + c Q_1| spacing).

    In one dimension; modes: v, s, q and so on, a Background. A wave is in resonance with the directions whose frequency k v_a - (Q_0 - v_a Q_1) is within Im omega
    of Re omega; spacing: (modes,) distance of neighbouring directions in v, the weight of a quadrature. If Re omega lies beyond
    the frequencies of all directions its distance to them counts too. A sum over bins stands for the integral over v up
    to 2 exp(-pi line_width) of it (poles off the real axis, trapezoidal rule), so that below 1, where fewer than one bin
    is in resonance, a wave belongs to the grid: a finer one has it at another rate or not at all. Such waves are called
    continuum here, the others collective.
    """
    background = Background(*modes)
    v, s, q, strength = background.v, background.s, background.q, background.strength
    d = continuum(k, *background).real
    beyond = max(d.min() - omega.real, omega.real - d.max(), 0.0)
    slope = float(np.linalg.norm(wave_vectors(k, v) + strength * moments(v, s, q)[1]))
    bins = slope * spacing[np.argmin(np.abs(d - omega.real))]
    return float(2 * np.hypot(omega.imag, beyond) / bins) if bins > 0 else np.inf


# Wavenumbers that a first look at instability takes; 64 directions then need about half a second.
SCANNED = 150


def scanned(k: Array, mode_count: int) -> Array:
    """Those of a box's wavenumbers k, ascending, on which to look for instability: all for a few modes, else denser
    towards k = 0."""
    if mode_count <= 8:
        return k
    distance = np.unique(np.geomspace(1, max(len(k) // 2, 1), SCANNED // 2).astype(int))
    zero = int(np.argmin(abs(k)))
    chosen = np.concatenate([zero - distance[::-1], [zero], zero + distance])
    return k[chosen[(chosen >= 0) & (chosen < len(k))]]


def band(k: Array, rates: Array, slowest: float, rate: Callable) -> tuple[float, float] | None:
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


def fastest(k, v, s, q, *others, tolerance=1e-8) -> tuple[float, complex]:
    """Fastest growth in a range of wavenumbers: (k, omega) of the maximum of Im omega(k), a float and a complex.

    In one dimension; others: as of `spectrum`. k: increasing array of shape (m,), fine enough to separate neighbouring maxima. The best of its
    values is improved to `tolerance` (in mu) by golden-section search between its two neighbours.
    """
    k, modes = np.asarray(k, dtype=float), (np.ravel(v), s, q, *others)
    best = int(np.argmax(growth_rate(k, *modes)))
    left, right = k[max(best - 1, 0)], k[min(best + 1, k.size - 1)]
    golden = (np.sqrt(5) - 1) / 2
    inner = [right - golden * (right - left), left + golden * (right - left)]
    gamma = [growth_rate(each, *modes) for each in inner]
    while right - left > tolerance:
        if gamma[0] >= gamma[1]:
            right = inner[1]
            inner = [right - golden * (right - left), inner[0]]
            gamma = [growth_rate(inner[0], *modes), gamma[0]]
        else:
            left = inner[0]
            inner = [inner[1], left + golden * (right - left)]
            gamma = [gamma[1], growth_rate(inner[1], *modes)]
    k_fastest = float(left + right) / 2
    return k_fastest, complex(spectrum(k_fastest, *modes)[0])


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

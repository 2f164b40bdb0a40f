"""Level "momentum" of the extended equations: the momentum distribution of each mode, and the force that shapes it.

f_a(q, z, t) is the density matrix of mode a per unit of q = |p| - p_0, the momentum gained along its direction:

    (d_t + v_a d_z) f_a - 1/2 { s_a v_a d_z Omega_a , d_q f_a } = i [ f_a , Omega_a ]

with N_b = int f_b dq and Omega_a = c_nu sum_b s_b (1 - v_a v_b) (N_b + Tr N_b), to which the terms of the run add mixing c_vac s_a
M^2/2p_a and matter c_mat lambda (1 - v_a u) L. It is Eq. 16 of Fiorillo, Raffelt, Sigl, PRL
133, 021002 (2024) for p_0 -> infinity: exact for beams along the box, the leading order in mu / p_0 for others. The force
-v d_z Omega is a matrix in flavor space, so a bunch splits by flavor, as atoms do by spin in a Stern-Gerlach magnet.

In the Fourier variable y dual to q every y evolves by itself,

    (d_t + v_a d_z) f_a(y) = i y/2 { s_a v_a d_z Omega_a , f_a(y) } + i [ f_a(y) , Omega_a ],

and y = 0, the integral over q, is the standard equation. No derivative in q has to be taken and none costs a message. The
right-hand side is anti-Hermitian in f(y), so that int Tr f^2 is constant and nothing can grow unstable.
"""

import numpy as np

from .. import kernels
from . import phase_space
from .fields import Declaration, Field
from .initial import occupied
from .level import Level
from .terms.external import External
from .terms.force import ForceDensity
from .terms.self_interaction import coefficients


def to_amplitudes(f, dq):
    """Amplitudes in y of f (modes, 1 + C, Q, ...) real over q, as real lines of the same shape; see `kernels.push`."""
    Q = f.shape[2]
    wave = np.fft.rfft(f, axis=2) * dq
    lines = np.empty(f.shape)
    lines[:, :, 0] = wave[:, :, 0].real
    lines[:, :, 1::2] = wave[:, :, 1:].real
    lines[:, :, 2::2] = wave[:, :, 1 : (Q + 1) // 2].imag
    return lines


def from_amplitudes(lines, dq):
    """f over q (modes, 1 + C, Q, ...) from its amplitudes, the inverse of `to_amplitudes`."""
    Q = lines.shape[2]
    wave = np.zeros(lines.shape[:2] + (Q // 2 + 1,) + lines.shape[3:], dtype=complex)
    wave[:, :, 0] = lines[:, :, 0]
    wave[:, :, 1:].real = lines[:, :, 1::2]
    wave[:, :, 1 : (Q + 1) // 2].imag = lines[:, :, 2::2]
    return np.fft.irfft(wave, n=Q, axis=2) / dq


class Momentum(Level):
    """Level "momentum". State: the amplitudes f_a(y, z), lines (modes, 1 + C, Q, z), see `kernels.reference.push`.

    settings: resolved section [momentum]: `points` = Q and `half_width` of the grid of q, and the distribution at the start.
    Fields: P = int f dq as polarization, and kappa = int q Tr f dq less its value at the start; the state itself, f over
    (mode, coefficient, q, z), comes from :meth:`take_state`.
    """

    level = "momentum"
    takes = ("potential", "mode_potential", "trace")
    own_kernels = ("touch_push",)
    diagnostics = (*Level.diagnostics, "budget")

    @classmethod
    def declare(cls, modes, settings, terms=(), axes=1):
        count, points, C = len(modes), settings["points"], modes.algebra.components
        f = Field("f", (count, 1 + C, points), modes.velocity[:, None, None], stored="phase_space")
        made = (Field("P", (count, C), evolved=False), *(Field(name, (count,), evolved=False) for name in ("kappa", "F")))
        f_q = Field("f_q", f.shape, evolved=False, stored="series")
        gradient = (1 + C) * (1 + modes.vectors.shape[1])
        beside = gradient + ForceDensity.lines(count, 1 + C)
        steady = gradient * any(term.steady and term.has("potential") for term in terms)
        # For a moment: amplitudes, complex, and f over q.
        return Declaration(axes, (f, *made, f_q), gradient=gradient, beside=beside, arrays=steady, passing_states=3)

    def _lay_out(self):
        Q, modes, C = self.settings["points"], len(self.modes), self.modes.algebra.components
        self.q = phase_space.grid(Q, self.settings["half_width"])
        self.dq = 2.0 * self.settings["half_width"] / Q
        self.distribution = phase_space.distribution(self.settings, self.q, self.box.comm)
        self.y = 2 * np.pi / (Q * self.dq) * np.arange(Q // 2 + 1)
        self.f_hat = self.fields["f"]
        self.P = np.zeros((modes, C) + self.box.local_shape)
        self.kappa = np.zeros((modes,) + self.box.local_shape)
        vectors = self.modes.vectors
        self._components, self._along = np.ascontiguousarray(vectors.T), self.s * self.v
        self.M = np.zeros((1 + len(self._components), 1 + C) + self.box.local_shape)
        self._weights = self.strength * np.concatenate((self.s[None], self.s * self._components))
        self._external = External(self._others, self.modes, self.M.shape)
        self._gradient = self.box.gradient(self.declared.gradient)
        self._force = ForceDensity(self.box, self.modes, coefficients(self.modes.algebra), self._potentials, self.strength)
        # int q Tr f dq is linear in the amplitudes: Re(f_y Q_y) summed over y and -y, with Q_y = sum_q q e^{i q y} / Q
        wave = np.fft.rfft(self.q).conj() / Q
        self._q_moment = np.empty(Q)
        self._q_moment[0] = wave[0].real
        self._q_moment[1::2] = 2.0 * wave[1:].real
        self._q_moment[2::2] = -2.0 * wave[1 : (Q + 1) // 2].imag
        if Q % 2 == 0:
            self._q_moment[-1] *= 0.5
        self._kappa_at_start, self._largest_at_start = 0.0, np.inf
        self.picture.drive(self.source)

    def source(self, t):
        """The local terms, in place on the lines of `transform.physical`."""
        np.einsum("ma,acz->mcz", self._weights, self.f_hat[:, :, 0], out=self.M)  # y = 0: (n_a, P_a)
        self._external.add(t, self.f_hat[:, 1:, 0], self.M)
        dM = self._gradient(self.M.reshape(self.declared.gradient, -1)).reshape(self.M.shape)
        kernels.push(self.f_hat, self._components, self._along, self.y, self.M, dM, self._external.vectors(t))

    def start(self, t, u, P, density):
        """Every mode with the configured distribution in q, times N_a = n_a/F + P_a.lambda/2.

        n_a is the density or, where larger, the largest |P_a| in the box, so that no occupation is negative.
        """
        n = occupied(density, P, self.box)
        N = np.empty((len(n), 1 + P.shape[1]) + self.box.local_shape)
        N[:, 0], N[:, 1:] = n.reshape(-1, *[1] * self.box.dimensions), P
        f = N[:, :, None] * self.distribution.reshape(-1, *[1] * self.box.dimensions)
        for term in self.terms:
            term.start(P, n)
        self.put(t, u, f=f)
        self._kappa_at_start = np.einsum("q,aqz->az", self.q * self.dq, f[:, 0])
        self._largest_at_start = self.box.max(phase_space.occupations(f)[-1])

    def put(self, t, u, f):
        """u <- the state at time t of f (modes, 1 + C, Q, *local_shape), local."""
        self.f_hat[...] = to_amplitudes(f, self.dq)
        self.picture.store(t, u)

    def take(self, t, u):
        self.picture.fields(t, u)
        self.P[...] = self.f_hat[:, 1:, 0]
        np.einsum("q,aqz->az", self._q_moment, self.f_hat[:, 0], out=self.kappa)
        self.kappa -= self._kappa_at_start
        return {"P": self.P, "kappa": self.kappa, "F": self._force(t, self.f_hat[:, :, 0])}

    def take_state(self, t, u):
        """{"f": (modes, 1 + C, Q, *local_shape)} at time t, a new local array."""
        self.picture.fields(t, u)
        return {"f": from_amplitudes(self.f_hat, self.dq)}

    def axes(self):
        return {"q": self.q, "coefficient": np.arange(1 + self.modes.algebra.components)}

    def rates(self):
        return np.abs(self.f_hat).max(axis=(1, 2)).reshape(len(self.modes), -1)

    def warnings(self, row):
        found = {}
        edge = phase_space.edge_advice(row["f_q"], self.q)
        if edge:
            found["edge"] = edge
        occupation = phase_space.occupation_advice(row, self._largest_at_start, "a distribution wider in q (momentum.sigma)")
        if occupation:
            found["occupation"] = occupation
        return found

    def measure(self, t=0.0):
        """Phase-space series of the state that `take` left: invariants, entropies, occupations, f over q. Collective."""
        f = from_amplitudes(self.f_hat, self.dq)
        series = phase_space.measures(f, self.dq, self.box)
        series["f_q"] = self.box.mean(f)
        series["edge_weight"] = phase_space.edge_weight(series["f_q"], self.q)
        return series

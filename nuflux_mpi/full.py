"""Level "full": the whole kinetic equation with its gradient terms, resolved in momentum.

One-dimensional box, axial symmetry about it, two flavors. f(p_z, p_perp, z) = (n + P.sigma)/2 is the density matrix per
phase-space volume d^3p dz, and with h = |p| + s Omega

    d_t f + v d_z f + s/2 {d_pz Omega, d_z f} - s/2 {d_z Omega, d_pz f} = i [f, Omega]                         (Eq. 16)
    Omega = G_0 - v G_1,  G_m = int d^3p s v^m (f + 1 Tr f),  v = p_z / |p|,  d_pz Omega = -(p_perp^2 / |p|^3) G_1

where the integral of G_m also sums over the species, s = +1 for neutrinos and -1 for antineutrinos. Equation numbers
are those of Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024); the curl term of its Eq. 18 vanishes with this symmetry.
What is computed is the equivalent form with two divergences,

    d_t f + v d_z f = - d_z Phi + d_pz F + i [f, Omega],    Phi = s/2 {d_pz Omega, f},  F = s/2 {d_z Omega, f},

in which particle number and flavor isospin cannot change on any grid. See docs/full.md.
"""

import math

import numpy as np

from . import full_kernels, phase_space
from .errors import InputError
from .interaction import InteractionPicture

# Coefficients (w0, W) of G_m in terms of the moments (n_m, D_m).
_POTENTIAL = np.array([1.5, 0.5, 0.5, 0.5])

# Parts of the largest f, at the ends of the p_z grid and next to p = 0, that are worth a warning: at 1e-5 and 2e-4 the
# two bunches of docs/full.md still keep momentum to 3e-6 and energy to 2e-8.
TAIL, CENTRE = 1e-4, 1e-3
# Gaussian widths between a beam and p = 0 or the ends of the grid: exp(-6^2/2) = 2e-8 of the peak is left there.
WIDTHS = 6.0
# Grid spacings per width: the wave of shortest length on the grid then has exp(-(2 pi)^2/2) = 3e-9 of a Gaussian.
SPACINGS = 2.0


class MomentumGrid:
    """Cylindrical momenta: p_z uniform and periodic, p_perp a Gauss-Laguerre quadrature. The same on every rank.

    settings: dict with points (of p_z, even), p_max, perp_points, sigma; momenta in mu.
    p_z: (points,), half a spacing off -p_max, so that p = 0 is between two points. p_perp: (perp_points,).
    p, v, dv_dp: |p|, p_z / |p| and its derivative by p_z, shape (perp_points, points).
    weight: (perp_points,) such that ``sum_ji weight[j] g[j, i]`` is int d^3p g = int 2 pi p_perp dp_perp dp_z g; exact
    in p_perp for exp(-p_perp^2 / 2 sigma^2) times polynomials in p_perp^2 up to degree 2 perp_points - 1.
    """

    def __init__(self, settings):
        points, p_max, sigma = settings["points"], settings["p_max"], settings["sigma"]
        self.sigma, self.spacing = sigma, 2.0 * p_max / points
        self.p_z = (np.arange(points) - 0.5 * (points - 1)) * self.spacing
        x, w = np.polynomial.laguerre.laggauss(settings["perp_points"])
        self.p_perp = sigma * np.sqrt(2.0 * x)
        self.weight = 2.0 * np.pi * sigma**2 * w * np.exp(x) * self.spacing
        self.p = np.hypot(self.p_z, self.p_perp[:, None])
        self.v = self.p_z / self.p
        self.dv_dp = self.p_perp[:, None] ** 2 / self.p**3
        self.shape = self.p.shape

    def gaussian(self, p0, v):
        """A Gaussian of width sigma about |p| = p0, p_z / |p| = v, with integral 1 here; (perp_points, points)."""
        bump, _ = self._bump(p0, v)
        return bump / np.sum(self.weight[:, None] * bump)

    def quadrature_error(self, p0, v):
        """Relative error of the quadrature for the integral of such a Gaussian."""
        bump, exact = self._bump(p0, v)
        return abs(np.sum(self.weight[:, None] * bump) / exact - 1.0)

    def _bump(self, p0, v):
        """The Gaussian with height one, and its exact integral over d^3p."""
        sigma, along, across = self.sigma, p0 * v, p0 * math.sqrt(1.0 - v * v)
        bump = np.exp(-((self.p_z - along) ** 2 + (self.p_perp[:, None] - across) ** 2) / (2.0 * sigma**2))
        b = across / sigma
        ring = math.exp(-0.5 * b * b) + b * math.sqrt(0.5 * math.pi) * (1.0 + math.erf(b / math.sqrt(2.0)))
        return bump, (2.0 * math.pi) ** 1.5 * sigma**3 * ring


def check(settings, v):
    """Whether the momentum grid holds Gaussian beams of directions v; pure function.

    InputError names the key (as in the config section [full]) and the value that would do.
    """
    points, p_max, p0, sigma = (settings[key] for key in ("points", "p_max", "p0", "sigma"))
    if points < 4 or points % 2:
        raise InputError(f"full.points = {points}: must be even and at least 4, so that p = 0 lies between two points")
    if settings["perp_points"] < 1:
        raise InputError(f"full.perp_points = {settings['perp_points']}: must be at least 1")
    for key in ("p_max", "p0", "sigma"):
        if not settings[key] > 0:
            raise InputError(f"full.{key} = {settings[key]}: must be positive")
    if p0 < WIDTHS * sigma:
        raise InputError(
            f"full.p0 = {p0:g}: p = 0, where the velocity is not defined, lies inside the distribution; take p0 >= "
            f"{WIDTHS * sigma:g}, {WIDTHS:g} times full.sigma"
        )
    needed = p0 * max(abs(a) for a in v) + WIDTHS * sigma
    if p_max < needed:
        raise InputError(f"full.p_max = {p_max:g}: the grid is too narrow for the distribution; take at least "
                         f"{needed:g}, {WIDTHS:g} times full.sigma beyond the beams")
    if 2.0 * p_max / points > sigma / SPACINGS:
        raise InputError(f"full.points = {points}: the grid is too coarse for the distribution; take at least "
                         f"{2 * math.ceil(SPACINGS * p_max / sigma)}, a spacing of full.sigma / {SPACINGS:g}")
    grid = MomentumGrid(settings)
    for a in v:
        error = grid.quadrature_error(p0, a)
        if error > 1e-4:
            raise InputError(
                f"full.perp_points = {settings['perp_points']}: the quadrature in p_perp integrates the beam with "
                f"v = {a:g} with a relative error of {error:.1g}; take more points"
            )


class FluxTransform:
    """A :class:`~nuflux_mpi.box.Transform` of lines that each have a flux: `forward` adds minus its divergence.

    physical, flux: (lines, *local_shape). After `forward`, `spectral` holds the waves of ``physical - d_z flux``; one
    exchange carries both. Everything else is as in Transform, for the lines alone.
    """

    def __init__(self, box, lines):
        self._both = both = box.transform(lines, lines, back=(1,), aligned=True)
        half = both.rows // 2

        def own(table):
            return table if len(table) == 1 else table[:half]

        self.box, self.lines, self.points, self.rows = box, lines, both.points, half
        self.physical, self.flux = both.physical[:lines], both.physical[lines:]
        self.spectral, self._flux = both.spectral[:half], both.spectral[half:]
        self.line, self.residue = both.line[:half], both.residue[:half]
        self.harmonic, self.weight = own(both.harmonic), own(both.weight)
        self.k = np.ascontiguousarray(own(both.k))

    def forward(self):
        """spectral <- physical - d_z flux (both are used up). One all-to-all."""
        self._both.forward()
        full_kernels.subtract_derivative(self.spectral, self._flux, self.k)
        return self.spectral

    def backward(self, segments=None):
        """physical <- spectral. One all-to-all; `segments` is there for the interface, the lines are one."""
        self._both.backward(1)
        return self.physical


class MomentumDerivative:
    """Spectral derivative by p_z of (4, points, width) real arrays, along the middle axis; no communication.

    Write to `values` and call: `values` then holds the derivative. The wave of shortest length has none, so that the
    derivative is skew-adjoint on the grid. width: how many points of space are taken together.
    """

    def __init__(self, points, spacing, width, effort):
        from mpi4py_fft import fftw

        self.values = fftw.aligned((4, points, width), dtype=np.dtype(float))
        waves = self._waves = fftw.aligned((4, points // 2 + 1, width), dtype=np.dtype(complex))
        flags = (getattr(fftw, f"FFTW_{effort.upper()}"), fftw.FFTW_DESTROY_INPUT)
        self._forward = fftw.rfftn(self.values, axes=(1,), flags=flags, output_array=waves)
        self._backward = fftw.irfftn(waves, s=(points,), axes=(1,), flags=flags, output_array=self.values)
        # FFTW does not normalise: the wave number in p_z, over the number of points.
        self._rate = 2.0 * np.pi * np.arange(points // 2 + 1) / (points * spacing) / points
        self._rate[-1] = 0.0
        self.values[...] = 0.0

    def __call__(self):
        self._forward()
        full_kernels.differentiate(self._waves, self._rate)
        self._backward()
        return self.values


class Full:
    """Level "full" of the extended equations.

    box: :class:`~nuflux_mpi.box.Box` made for ``Full.lines(len(modes), settings)`` lines. modes: v = cos(theta) and s
    of each beam; all beams of one sign share one f. settings: dict with

        points, p_max, perp_points     the grid, see :class:`MomentumGrid`
        p0, sigma                      |p| of the beams and their width, in mu
        group_velocity, force, commutator   switches of the three terms of Eq. 16 beyond free streaming
        species                        how many different signs s the modes have, 1 or 2

    Field to store: P as polarization of each beam, see :meth:`take`. The state: f (species, perp_points, 4, points,
    *local_shape), in n / mu^3, local in space, species in the order of `signs`; see :meth:`take_state`. `picture` is
    the right-hand side for the integrator.
    """

    level = "full"
    gradient_lines = 8

    @staticmethod
    def flux_lines(modes, settings):
        """Lines that the forward transform carries besides those of the state: Phi of each."""
        return Full.lines(modes, settings) if settings["group_velocity"] else 0

    @staticmethod
    def segments(modes, settings):
        """Numbers of lines of the state, one segment."""
        return (4 * settings["species"] * settings["perp_points"] * settings["points"],)

    @classmethod
    def lines(cls, modes, settings):
        """Number of lines of the state."""
        return sum(cls.segments(modes, settings))

    @staticmethod
    def leading(modes):
        """Fields to store, by name, with their axes in front of space."""
        return {"P": (modes, 3)}

    @staticmethod
    def state_leading(modes, settings):
        """The same for the field from which a run can be continued."""
        return {"rho": (settings["species"], settings["perp_points"], 4, settings["points"])}

    def __init__(self, box, modes, settings):
        check(settings, modes.v)
        self.box, self.modes, self.settings = box, modes, settings
        grid = self.grid = MomentumGrid(settings)
        self.signs = np.array(sorted(set(modes.s), reverse=True), dtype=float)
        lines = self.lines(len(modes), settings)
        self.transform = FluxTransform(box, lines) if settings["group_velocity"] else box.transform(lines)
        parts = len(self.signs) * len(grid.p_perp)
        points = int(np.prod(box.local_shape))
        self._f = self.transform.physical.reshape(parts, 4, len(grid.p_z), points)
        self.f = self._f.reshape(len(self.signs), *grid.shape[:1], 4, len(grid.p_z), *box.local_shape)
        # Per part q = (species, p_perp) and p_z.
        self._sign = np.repeat(self.signs, len(grid.p_perp))[:, None]
        self._weight = np.tile(grid.weight, len(self.signs))[:, None] * np.ones(len(grid.p_z))
        self._v = np.tile(grid.v, (len(self.signs), 1))
        self._dv = np.tile(grid.dv_dp, (len(self.signs), 1))
        self._moment_weights = [np.ascontiguousarray(self._sign * self._weight * self._v**m) for m in range(3)]
        self.G, self.dG = np.zeros((2, 4, points)), np.zeros((2, 4, points))
        self.gradient = box.gradient(self.gradient_lines)
        self._choose_terms(points)
        velocity = np.broadcast_to(self._v[:, None, :], self._f.shape[:3]).ravel()
        self.picture = InteractionPicture(self.transform, velocity, self.source, needed=1)

    def _choose_terms(self, points):
        """The brackets and the commutator that the settings ask for, each a function of (part, start, stop)."""
        settings, grid = self.settings, self.grid
        # Buffers of 16384 numbers stay in the second-level cache.
        self._width = max(1, min(points, max(16, 4096 // len(grid.p_z))))
        self._kinetic_at_start = np.zeros(len(self.modes))
        self._zero, self._one = np.zeros(len(grid.p_z)), np.ones(len(grid.p_z))
        self._brackets = []
        if settings["group_velocity"]:
            self._flux = self.transform.flux.reshape(self._f.shape)
            self._brackets.append(self._group_velocity)
        if settings["force"]:
            self._derivative = MomentumDerivative(len(grid.p_z), grid.spacing, self._width, self.box.fftw)
            self._brackets.append(self._force)
        if settings["group_velocity"] != settings["force"]:
            self._squeezed = np.zeros((4, len(grid.p_z), self._width))
            self._brackets.append(self._compression)
        self._rest = self._commutator if settings["commutator"] else self._vanish

    # The terms. Each works on the points start..stop of one part; what a bracket returns, if anything, is to be added
    # there, and begins with the point `start`.

    def _group_velocity(self, q, start, stop):
        """Phi = s/2 {d_pz Omega, f}, whose divergence in space the transform takes."""
        slope = -self._sign[q] * self._dv[q]
        full_kernels.anticommute(self._f[q], self._zero, slope, self.G, start, stop, self._flux[q], 0)

    def _force(self, q, start, stop):
        """d_pz F with F = s/2 {d_z Omega, f}."""
        s = self._sign[q]
        values = self._derivative.values
        full_kernels.anticommute(self._f[q], s * self._one, -s * self._v[q], self.dG, start, stop, values, start)
        return self._derivative()

    def _compression(self, q, start, stop):
        """What a bracket alone has beyond its divergence: +- s/2 {d_z d_pz Omega, f}. With both terms it cancels."""
        slope = -self._sign[q] * self._dv[q] * (1.0 if self.settings["group_velocity"] else -1.0)
        full_kernels.anticommute(self._f[q], self._zero, slope, self.dG, start, stop, self._squeezed, start)
        return self._squeezed

    def _commutator(self, q, start, stop):
        """f <- i [f, Omega]."""
        full_kernels.commute(self._f[q], self._v[q], self.G, start, stop)

    def _vanish(self, q, start, stop):
        self._f[q, :, :, start:stop] = 0.0

    def source(self, t):
        """Everything but free streaming, in place on the lines in `transform.physical`; Phi into `transform.flux`."""
        self._potentials()
        n = self._f.shape[3]
        for q in range(len(self._f)):
            for start in range(0, n, self._width):
                stop = min(start + self._width, n)
                changes = [bracket(q, start, stop) for bracket in self._brackets]
                self._rest(q, start, stop)
                for change in changes:
                    if change is not None:
                        full_kernels.add(self._f[q], change, start, stop)

    def _potentials(self):
        """G_0, G_1 and their gradients from f."""
        w0, w1, _ = self._moment_weights
        full_kernels.moments(self._f, w0, w1, self.G)
        self.G *= _POTENTIAL[:, None]
        self.dG[...] = self.gradient(self.G).reshape(self.dG.shape)

    def start(self, t, u, P, density=None):
        """u <- the state at time t of Gaussian beams, each times (n_a + P_a.sigma)/2. Collective.

        P: (modes, 3, *local_shape), local. density: n_a, one number per mode, raised to the largest |P_a| where it is less,
        or (modes, *local_shape), which must not be less: InputError, on all ranks. Default: the largest |P_a| of each.
        """
        self._fill(np.asarray(P, dtype=float).reshape(len(self.modes), 3, -1), density)
        self._kinetic_at_start = self._kinetic_by_beam(self._over_box())
        self._store(t, u)

    def put(self, t, u, rho):
        """u <- the state at time t of rho = f (species, perp_points, 4, points, *local_shape), local. Collective."""
        self.f[...] = rho
        self._store(t, u)

    def _store(self, t, u):
        if self.settings["group_velocity"]:
            self.transform.flux[...] = 0.0
        self.picture.store(t, u)

    def _fill(self, P, n):
        length = np.sqrt(np.sum(P**2, axis=1))
        n = np.asarray(0.0 if n is None else n, dtype=float)
        if n.ndim <= 1:
            n = np.maximum(n, [self.box.max(of_beam) for of_beam in length])
        n = np.broadcast_to(n.reshape(len(n), -1), length.shape)
        # Rounding of a P that was normalised to n.
        if self.box.max(length - n * (1.0 + 1e-12)) > 0:
            raise InputError("the initial state has a negative occupation number: |P| exceeds the density n somewhere")
        self._f[...] = 0.0
        for a, (v, s) in enumerate(zip(self.modes.v, self.modes.s)):
            species = int(np.flatnonzero(self.signs == s)[0])
            N = np.concatenate((n[a : a + 1], P[a]))
            of_species = self._f.reshape(len(self.signs), -1, *self._f.shape[1:])[species]
            for part, g in zip(of_species, self.grid.gaussian(self.settings["p0"], v)):
                part += g[None, :, None] * N[:, None, :]

    def take(self, t, u):
        """Field to store, by name, at time t, local. Collective.

        P: (modes, 3, *local_shape), the polarization summed over the momenta of the species of mode a whose direction v
        is nearest to v_a (v = +1 and -1: the two hemispheres).
        """
        self.picture.fields(t, u)
        return {"P": self._by_beam()}

    def take_state(self, t, u):
        """{"rho": f as (species, perp_points, 4, points, *local_shape)} at time t, a view that the next call overwrites."""
        self.picture.fields(t, u)
        return {"rho": self.f}

    def axes(self):
        """Coordinates along axes that only this level's results have, by name."""
        grid = self.grid
        return {"species": self.signs, "p_perp": grid.p_perp, "coefficient": np.arange(4), "p_z": grid.p_z}

    def warnings(self, row):
        """What the user should know about a row of :meth:`measure`: {subject: one sentence}."""
        found = {}
        if row["edge"] > TAIL:
            found["edge"] = (
                f"f at the ends of the momentum grid has grown to {row['edge']:.1g} of its largest value: momentum and "
                "energy drift; take a larger full.p_max, with more full.points"
            )
        if row["centre"] > CENTRE:
            found["centre"] = (
                f"f next to p = 0, where the velocity turns over, has grown to {row['centre']:.1g} of its largest "
                "value: the grid does not resolve it; take a larger full.p0 or a smaller full.sigma"
            )
        return found

    def _by_beam(self):
        P = np.zeros((len(self.modes), 3, self._f.shape[3]))
        for a, weight in enumerate(self._beam_weights()):
            P[a] = np.einsum("qi,qciz->cz", weight, self._f[:, 1:], optimize=True)
        return P.reshape(len(P), 3, *self.box.local_shape)

    def _beam_weights(self):
        """For each beam the quadrature weight (parts, points) of the momenta that count as its own, 0 for the others."""
        v, s = np.asarray(self.modes.v), np.asarray(self.modes.s)
        nearest = np.full(self._v.shape, -1)
        for sign in self.signs:
            mine = np.flatnonzero(s == sign)
            closest = mine[np.abs(self._v[:, :, None] - v[mine]).argmin(axis=2)]
            nearest = np.where(self._sign == sign, closest, nearest)
        for a in range(len(v)):
            yield np.where(nearest == a, self._weight, 0.0)

    def _over_box(self):
        """int f dz of the lines in `transform.physical`, (parts, 4, points). Collective."""
        return self.box.integral(self._f.reshape(self._f.shape[:3] + self.box.local_shape))

    def _kinetic_by_beam(self, F):
        """int |p| Tr f of each beam, (modes,), from f integrated over the box."""
        p = np.tile(self.grid.p, (len(self.signs), 1))
        return np.array([np.sum(weight * p * F[:, 0]) for weight in self._beam_weights()])

    def measure(self, t, u):
        """Integrals over phase space at time t, the same on all ranks. Collective.

        All of :func:`nuflux_mpi.phase_space.measures`, number and Casimirs among them, with int d^3p. kinetic_energy =
        int |p| Tr f, and K its change since the start by beam (modes,); U_trace and U_osc, the parts of the refractive energy from densities
        and from polarization (Eqs. 3 and 5); energy = kinetic_energy + U_trace + U_osc; momentum int p_z Tr f; D0 (3,) int sum s P;
        dK_dt by Eq. 22, the rate of the equation with all its terms, whatever is switched on; f_p (species, 4, points):
        f integrated over p_perp, box average, per dp_z; edge and centre: the density in f_p at the ends of the grid,
        and that of f next to p = 0 in box average, both relative to their maximum.
        """
        self.picture.fields(t, u)
        box, grid, f = self.box, self.grid, self._f
        F = self._over_box()
        M = self._three_moments()
        dM = self.gradient(M[:2]).reshape(2, 4, -1)
        energy_parts = 0.5 * _POTENTIAL * box.cell * box.total(np.sum(M[0] ** 2 - M[1] ** 2, axis=-1))
        power = -box.cell * box.total(_POTENTIAL @ np.sum(dM[0] * M[1] - dM[1] * M[2], axis=-1))
        n = self._weight * F[:, 0]
        p_z, kinetic = grid.p_z, self._kinetic_by_beam(F)
        by_species = F.reshape(len(self.signs), -1, 4, len(p_z))
        f_p = np.einsum("j,sjci->sci", grid.weight, by_species) / (grid.spacing * box.volume)
        U_trace, U_osc = energy_parts[0], energy_parts[1:].sum()
        return {
            **phase_space.measures(f, self._weight, box),
            "K": kinetic - self._kinetic_at_start,
            "kinetic_energy": kinetic.sum(),
            "U_trace": U_trace,
            "U_osc": U_osc,
            "energy": kinetic.sum() + U_trace + U_osc,
            "momentum": np.sum(p_z * n),
            "D0": np.einsum("qi,qci->c", self._moment_weights[0], F[:, 1:]),
            "dK_dt": float(power),
            "f_p": f_p,
            "edge": float(np.abs(f_p[:, 0, [0, -1]]).max() / np.abs(f_p[:, 0]).max()),
            "centre": self._centre(F[:, 0]),
            # These belong to sharp directions: Eq. 7, and lengths kept along rays.
            "dU_osc_dt": np.nan,
            "P_drift_max": np.nan,
            "P_drift_mean": np.nan,
        }

    warm_up = staticmethod(full_kernels.warm_up)

    def rates(self):
        """Largest component of the right-hand side that `source` left, (parts, points of this rank)."""
        return np.abs(self._f).max(axis=(1, 2))

    def place(self, row):
        """In words, what a row of `rates` belongs to."""
        species, ring = divmod(row, len(self.grid.p_perp))
        return f"at p_perp = {self.grid.p_perp[ring]:.4g} (s = {self.signs[species]:+.0f})"

    def _three_moments(self):
        """Moments m = 0, 1, 2 of (n, P), shape (3, 4, n)."""
        w, M = self._moment_weights, np.zeros((4, 4, self._f.shape[3]))
        full_kernels.moments(self._f, w[0], w[1], M[:2])
        full_kernels.moments(self._f, w[1], w[2], M[2:])
        return M[[0, 1, 3]]

    def _centre(self, n):
        nearest = np.tile(self.grid.p, (len(self.signs), 1)) < self.grid.p.min() * (1.0 + 1e-12)
        return float(np.abs(n[nearest]).max() / np.abs(n).max())

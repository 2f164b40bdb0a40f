"""Level "full": the whole kinetic equation with its gradient terms, resolved in momentum.

One-dimensional box, axial symmetry about it. f(p_z, p_perp, z) = n/F + P.lambda/2 is the density matrix per phase-space volume
d^3p dz, and with h = |p| + c_vac M^2/2|p| + s Omega

    d_t f + 1/2 {d_pz h, d_z f} - 1/2 {d_z h, d_pz f} = i [f, s h]                                                 (Eq. 16)
    Omega = G_0 - v G_1,  G_m = c_nu int d^3p s v^m (f + 1 Tr f) + c_mat u^m lambda L,  v = p_z / |p|
    d_pz Omega = -(p_perp^2 / |p|^3) G_1

where the integral of G_m also sums over the species, s = +1 for neutrinos and -1 for antineutrinos. Masses and matter are there
where the run has their terms. Equation numbers are those of Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024); the curl term of
its Eq. 18 vanishes with this symmetry. What is computed is the equivalent form with two divergences,

    d_t f + v d_z f = - d_z Phi + d_pz F + i [f, s h],    Phi = 1/2 {d_pz (h - |p|), f},  F = s/2 {d_z Omega, f},

in which particle number and, without masses and matter, flavor isospin cannot change on any grid. See docs/full.md.
"""

import numpy as np

from .. import kernels
from ..errors import InputError
from . import phase_space
from .diagnostics import FLAVOR
from .fields import Declaration, Field
from .flux import MomentumDerivative
from .full_grid import MomentumGrid, check_grid, momenta
from .full_parts import Masses, Parts
from .full_start import Start
from .initial import occupied
from .level import Level
from .terms.external import External
from .terms.self_interaction import coefficients, moments, refractive_energy

# Parts of the largest f, at the ends of the p_z grid and next to p = 0, that are worth a warning: at 1e-5 and 2e-4 the
# two bunches of docs/full.md still keep momentum to 3e-6 and energy to 2e-8.
TAIL, CENTRE = 1e-4, 1e-3


def _sums_of(terms):
    """How many sums over the momenta of a beam are kept, see Full._sums: with masses one more."""
    return 5 if any(term.has("mass") for term in terms) else 4


class Full(Level):
    """Level "full" of the extended equations.

    modes: v = cos(theta) and s of each beam; all beams of one sign share one f. settings: dict with

        points, p_max, perp_points     the grid, see :class:`~nuflux_mpi.physics.full_grid.MomentumGrid`
        distribution                   "gaussian", "thermal" or "file", each with its keys, see docs/config.md
        group_velocity, force, commutator   switches of the three terms of Eq. 16 beyond free streaming

    Fields to store: P as polarization of each beam, and the fluxes Phi and F, see :meth:`take`. The state: f (species,
    perp_points, 1 + C, points, *local_shape), in n / mu^3, local in space, species in the order of `signs`; see
    :meth:`take_state`.
    """

    level = "full"
    takes = ("potential", "trace", "mass")
    diagnostics = FLAVOR  # energies and rates are those of f, see `measure`; Eq. 7 and lengths belong to sharp directions
    own_kernels = ("touch_batches", "touch_full")
    # Next to p = 0, where dv/dp_z is largest, the shortest waves in z are stiff, and what error they get grows. The steps of
    # adams are at its limit of stability there, so that its errors collect in them; those of 8vr stay away from its own.
    auto_method = "8vr"

    @classmethod
    def declare(cls, modes, settings, terms=(), axes=1):
        grid, count, species, C = MomentumGrid(settings), len(modes), len(set(modes.s)), modes.algebra.components
        shape = (species, len(grid.p_perp), 1 + C, len(grid.p_z))
        velocity = grid.v[None, :, None, :, None]
        f = Field("rho", shape, velocity, flux=settings["group_velocity"], stored="phase_space")
        made = (Field("P", (count, C), evolved=False), *(Field(name, (count,), evolved=False) for name in ("Phi", "F")))
        f_p = Field("f_p", (species, 1 + C, len(grid.p_z)), evolved=False, stored="series")
        gradient = (1 + C) * (1 + axes)
        sums = _sums_of(terms) * (1 + C) * count  # over the momenta of each mode
        sums += gradient * any(term.steady and term.has("potential") for term in terms)
        # For a moment at the start: eigenvalues of f.
        return Declaration(axes, (f, *made, f_p), gradient=gradient, beside=gradient, arrays=sums, passing_states=1)

    def _lay_out(self):
        modes, settings, box = self.modes, self.settings, self.box
        check_grid(settings, modes.v, modes.s, modes.p)
        grid = self.grid = MomentumGrid(settings)
        parts = self._parts = Parts(grid, modes, momenta(settings, len(modes), modes.p))
        C, self._factors = modes.algebra.components, coefficients(modes.algebra)
        self.signs = parts.signs
        points = int(np.prod(box.local_shape))
        self._f = self.transform.physical.reshape(parts.count, 1 + C, len(grid.p_z), points)
        self.f = self.fields["rho"]
        self._moment_weights = [np.ascontiguousarray(parts.sign * parts.weight * parts.v**m) for m in range(2)]
        self._strong_weights = [self.strength * weight for weight in self._moment_weights]
        self._N = np.zeros((len(modes), 1 + C, _sums_of(self.terms), points))
        self.G, self.dG = np.zeros((2, 1 + C, points)), np.zeros((2, 1 + C, points))
        self.gradient = box.gradient(self.declared.gradient)
        self._external = External([term for term in self._others if not term.has("mass")], modes, self.G.shape)
        massive = [term for term in self.terms if term.has("mass")]
        self._masses = Masses(massive[0], parts) if massive else None
        # The momenta of which the series `centre` tells.
        nearest = parts.p < parts.p.min() * (1.0 + 1e-12)
        self._or_masses = "" if self._masses is None else " and masses are no longer small"
        self._near_zero = nearest if self._masses is None else nearest | (parts.p < self._masses.critical)
        stored = self.declared.stored("phase_space")["rho"]
        self._start = Start(settings, modes, box, grid, parts, self._masses, stored)
        self._choose_terms(points)
        self.picture.drive(self.source)

    def _choose_terms(self, points):
        """The brackets and the commutator that the settings ask for, each a function of (part, start, stop)."""
        settings, grid = self.settings, self.grid
        # Buffers of 16384 numbers stay in the second-level cache.
        self._width = max(1, min(points, max(16, 4096 // len(grid.p_z))))
        self._kinetic_at_start, self._largest_at_start = np.zeros(len(self.modes)), np.inf
        self._zero, self._one = np.zeros(len(grid.p_z)), np.ones(len(grid.p_z))
        nothing = [None] * self._parts.count
        self._rotation = nothing if self._masses is None else self._masses.rotation
        self._velocity = nothing if self._masses is None else self._masses.velocity
        self._brackets = []
        if settings["group_velocity"]:
            self._flux = self.transform.flux.reshape(self._f.shape)
            self._brackets.append(self._group_velocity)
        if settings["force"]:
            self._derivative = MomentumDerivative(self._f.shape[1:3], grid.spacing, self._width, self.box.fftw)
            self._brackets.append(self._force)
        if settings["group_velocity"] != settings["force"]:
            self._squeezed = np.zeros((1 + self.modes.algebra.components, len(grid.p_z), self._width))
            self._brackets.append(self._compression)
        self._rest = self._commutator if settings["commutator"] else self._vanish

    # The terms. Each works on the points start..stop of one part; what a bracket returns, if anything, is to be added
    # there, and begins with the point `start`.

    def _group_velocity(self, q, start, stop):
        """Phi = 1/2 {d_pz h, f} without |p|, whose divergence in space the transform takes."""
        slope = -self._parts.sign[q] * self._parts.dv[q]
        kernels.anticommute(self._f[q], self._zero, slope, self.G, start, stop, self._flux[q], 0, own=self._velocity[q])

    def _force(self, q, start, stop):
        """d_pz F with F = s/2 {d_z Omega, f}."""
        s = self._parts.sign[q]
        values = self._derivative.values
        kernels.anticommute(self._f[q], s * self._one, -s * self._parts.v[q], self.dG, start, stop, values, start)
        return self._derivative()

    def _compression(self, q, start, stop):
        """What a bracket alone has beyond its divergence: +- s/2 {d_z d_pz Omega, f}. With both terms it cancels."""
        slope = -self._parts.sign[q] * self._parts.dv[q] * (1.0 if self.settings["group_velocity"] else -1.0)
        kernels.anticommute(self._f[q], self._zero, slope, self.dG, start, stop, self._squeezed, start)
        return self._squeezed

    def _commutator(self, q, start, stop):
        """f <- i [f, Omega]."""
        kernels.commute(self._f[q], self._parts.v[q], self.G, start, stop, own=self._rotation[q])

    def _vanish(self, q, start, stop):
        self._f[q, :, :, start:stop] = 0.0

    def source(self, t):
        """Everything but free streaming, in place on the lines in `transform.physical`; Phi into `transform.flux`."""
        self._take_moments(t)
        n = self._f.shape[3]
        for q in range(len(self._f)):
            for start in range(0, n, self._width):
                stop = min(start + self._width, n)
                changes = [bracket(q, start, stop) for bracket in self._brackets]
                self._rest(q, start, stop)
                for change in changes:
                    if change is not None:
                        kernels.add(self._f[q], change, start, stop)

    def _take_moments(self, t):
        """G_0, G_1 and their gradients from f."""
        w0, w1 = self._strong_weights
        kernels.phase_space_moments(self._f, w0, w1, self.G)
        self._external.add(t, None, self.G)
        self.G *= self._factors[:, None]
        self.dG[...] = self.gradient(self.G).reshape(self.dG.shape)

    def start(self, t, u, P, density=None):
        """u <- the state at time t of the configured distribution, f = sum_a g_a(p) (n_a/F + P_a.lambda/2). Collective.

        P: (modes, C, *local_shape), local. density: n_a, one number per mode, raised to the largest |P_a| where it is
        less, or (modes, *local_shape). Default: the largest |P_a| of each. A file holds f itself; where that is
        homogeneous, the P_a tell how its polarizations are tilted, see `full_start.tilt`. InputError, on all ranks, for
        negative occupations.
        """
        P = np.asarray(P, dtype=float)
        density = np.zeros(len(P)) if density is None else np.asarray(density, dtype=float)
        for term in self.terms:
            term.start(P, density)
        flat, first = P.reshape(*P.shape[:2], -1), self._start
        if self.settings["distribution"] == "file":
            first.fill_from_file(self._f, flat)
        else:
            n = occupied(density, P, self.box) if density.ndim == 1 else density
            first.fill(self._f, flat, n.reshape(len(P), -1))
        lower, *_, upper = phase_space.occupations(self._f)
        lowest, self._largest_at_start = -self.box.max(-lower), self.box.max(upper)
        if lowest < -1e-12 * self._largest_at_start:  # rounding of a P that was normalised to n
            raise InputError(
                f"the initial state has a negative occupation number, {lowest / self._largest_at_start:.2g} "
                "of the largest: |P| exceeds the density n somewhere"
            )
        F = self._over_box()
        first.check(F)
        self._kinetic_at_start = self._kinetic_by_beam(F)
        self._store(t, u)

    def put(self, t, u, rho):
        """u <- the state at time t of rho = f (species, perp_points, 1 + C, points, *local_shape), local. Collective."""
        self.f[...] = rho
        self._store(t, u)

    def _store(self, t, u):
        if self.settings["group_velocity"]:
            self.transform.flux[...] = 0.0
        self.picture.store(t, u)

    def take(self, t, u):
        """Fields to store, by name, at time t, local. Collective.

        P: (modes, C, *local_shape), the polarization summed over the momenta of the species of mode a whose direction v
        is nearest to v_a (v = +1 and -1: the two hemispheres). Phi, F: (modes, *local_shape), the traces of Eqs. 20 and
        21 summed over the same momenta, for the equation with all its terms, whatever is switched on:

            Phi_a = s_a G_1 . sum (dv/dp_z) f,    F_a = s_a (G_0 . d_z sum f - G_1 . d_z sum v f),

        where A . f = w0 n + W.P is the trace of a potential times f; with masses Phi_a has - M^2/2 . sum (d_pz g) f besides, and
        their part of F_a, a gradient, is left out. Phi_a is Eq. 20 integrated by parts in p_z, without
        what a distribution has where it goes over from one beam to the next.
        """
        self.picture.fields(t, u)
        N = self._sums()
        G = self._with_potentials(t, self._factors[:, None] * self._moments_of(N)[:2])
        Phi, F = np.empty((2, len(N), N.shape[-1]))
        for a, s in enumerate(self.modes.s):
            slope = self.gradient(np.ascontiguousarray(N[a, :, :2]).reshape(2 * N.shape[1], -1)).reshape(-1, 2, N.shape[-1])
            F[a] = s * (np.einsum("cz,cz->z", G[0], slope[:, 0]) - np.einsum("cz,cz->z", G[1], slope[:, 1]))
            Phi[a] = s * np.einsum("cz,cz->z", G[1], N[a, :, 3])
        if self._masses is not None:
            Phi -= self._masses.trace(N[:, :, 4])
        space = (len(N), *self.box.local_shape)
        P = N[:, 1:, 0].reshape(len(N), -1, *self.box.local_shape)
        return {"P": P, "Phi": Phi.reshape(space), "F": F.reshape(space)}

    def take_state(self, t, u):
        """{"rho": f, (species, perp_points, 1 + C, points, *local_shape)} at time t, a view that the next call overwrites."""
        self.picture.fields(t, u)
        return {"rho": self.f}

    def axes(self):
        """Coordinates along axes that only this level's results have, by name."""
        grid = self.grid
        return {
            "species": self.signs,
            "p_perp": grid.p_perp,
            "coefficient": np.arange(1 + self.modes.algebra.components),
            "p_z": grid.p_z,
        }

    def warnings(self, row):
        """What the user should know about a row of :meth:`measure`: {subject: one sentence}."""
        found = {}
        occupation = phase_space.occupation_advice(row, self._largest_at_start, "a distribution wider in p_z")
        if occupation:
            found["occupation"] = occupation
        if row["edge"] > TAIL:
            found["edge"] = (
                f"f at the ends of the momentum grid has grown to {row['edge']:.1g} of its largest value: momentum and "
                "energy drift; take a larger full.p_max, with more full.points"
            )
        if row["centre"] > CENTRE:
            found["centre"] = (
                f"f next to p = 0, where the velocity turns over{self._or_masses}, has grown to {row['centre']:.1g} of its largest "
                "value: the grid does not resolve it; take a distribution farther from p = 0 or narrower"
            )
        return found

    def _sums(self):
        """Sums over the momenta of each beam with the weights v^0, v^1, v^2, dv/dp_z and, with masses, d_pz g (see `Masses`):
        (modes, 1 + C, 4 or 5, n), local."""
        self._N[...] = 0.0
        for q, a, span in self._parts.shares:
            v = self._parts.v[q, span]
            weights = [np.ones(len(v)), v, v**2, self._parts.dv[q, span]]
            if self._masses is not None:
                weights.append(self._masses.slope[q, span])
            self._N[a] += self._parts.weight[q, span] * np.stack(weights) @ self._f[q, :, span]
        return self._N

    def _moments_of(self, N):
        """Coefficients (n_m, P_m) of the sums of s v^m f for m = 0, 1, 2, (3, 1 + C, n), from the sums over each beam."""
        return np.einsum("a,acmz->mcz", self.modes.s, N[:, :, :3])

    def _over_box(self):
        """int f dz of the lines in `transform.physical`, (parts, 1 + C, points). Collective."""
        return self.box.integral(self._f.reshape(self._f.shape[:3] + self.box.local_shape))

    def _kinetic_by_beam(self, F):
        """int |p| Tr f of each beam, (modes,), from f integrated over the box."""
        return self._parts.by_mode(self._parts.weight * self._parts.p * F[:, 0], len(self.modes))

    def _with_potentials(self, t, G):
        """Potentials G (2, 1 + C, n) of the self-interaction, with its strength and those of other terms."""
        more = np.zeros_like(G)
        self._external.add(t, None, more)
        return self.strength * G + self._factors[:, None] * more

    def measure(self, t=0.0):
        """Integrals over phase space of the state that `take` left, the same on all ranks. Collective.

        All of :func:`nuflux_mpi.physics.phase_space.measures`, number and Casimirs among them, with int d^3p. kinetic_energy =
        int |p| Tr f, and K its change since the start by beam (modes,); U_trace and U_osc, the parts of the refractive
        energy from densities and from polarization (Eqs. 3 and 5); energy = kinetic_energy + U_trace + U_osc and those
        of other terms; momentum int p_z Tr f; D0 (C,) int sum s P; dK_dt by Eq. 22, the rate of the equation with all
        its terms, whatever is switched on; f_p (species, 1 + C, points): f integrated over p_perp, box average, per dp_z; edge and
        centre: the density in f_p at the ends of the grid, and that of f next to p = 0 in box average, both relative to
        their maximum.
        """
        box, grid, f, weight = self.box, self.grid, self._f, self._parts.weight
        F = self._over_box()
        kinetic = self._kinetic_by_beam(F)
        by_species = F.reshape(len(self.signs), -1, F.shape[1], len(grid.p_z))
        f_p = np.einsum("j,sjci->sci", grid.weight, by_species) / (grid.spacing * box.volume)
        energies = self._energies(t, F)
        budget = [energies[name] for term in self._others for name in term.budget]
        return {
            **phase_space.measures(f, weight, box),
            "K": kinetic - self._kinetic_at_start,
            "kinetic_energy": kinetic.sum(),
            **energies,
            "energy": kinetic.sum() + energies["U_trace"] + energies["U_osc"] + sum(budget),
            "momentum": np.sum(grid.p_z * (weight * F[:, 0])),
            "D0": np.einsum("qi,qci->c", self._moment_weights[0], F[:, 1:]),
            "f_p": f_p,
            "edge": float(np.abs(f_p[:, 0, [0, -1]]).max() / np.abs(f_p[:, 0]).max()),
            "centre": self._parts.largest(F[:, 0], self._near_zero),
        }

    def _energies(self, t, F):
        """Energies of the potentials and dK_dt, from the sums that `take` left and f integrated over the box. Collective."""
        box, c_nu, of_terms = self.box, self.strength, {}
        # The moments times their factors in the potential: products of two of them have one factor too many.
        moments_of_all = self._moments_of(self._N)
        M = self._factors[:, None] * moments_of_all
        dG = self.gradient(self._with_potentials(t, M[:2]).reshape(-1, M.shape[-1])).reshape(2, *M.shape[1:])
        parts = c_nu * (0.5 / self._factors * box.cell * box.total(np.sum(M[0] ** 2 - M[1] ** 2, axis=-1)))
        power = -box.cell * box.total((1.0 / self._factors) @ np.sum(dG[0] * M[1] - dG[1] * M[2], axis=-1))
        P = self._N[:, 1:, 0].reshape(len(self._N), -1, *box.local_shape)
        D = moments(P, self.modes)
        transverse, longitudinal = (c_nu * part for part in refractive_energy(D, box))
        fields = {"P": P, "moments": moments_of_all[:2].reshape(2, -1, *box.local_shape)}
        for term in self._others:
            if term.has("mass"):
                of_terms[term.budget[0]] = self._masses.energy(self._parts.weight[:, None] * F)
            else:
                of_terms |= term.energies(t, fields, D, box)
        return {
            "U_trace": parts[0],
            "U_osc": parts[1:].sum(),
            "U_osc_transverse": transverse,
            "U_osc_longitudinal": longitudinal,
            **of_terms,
            "dK_dt": float(power),
        }

    def rates(self):
        """Largest component of the right-hand side that `source` left, (parts, points of this rank)."""
        return np.abs(self._f).max(axis=(1, 2))

    def place(self, row):
        """In words, what a row of `rates` belongs to."""
        species, ring = divmod(row, len(self.grid.p_perp))
        return f"at p_perp = {self.grid.p_perp[ring]:.4g} (s = {self.signs[species]:+.0f})"

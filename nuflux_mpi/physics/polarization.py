"""The kinetic equations: what each level evolves, and its local terms.

Two flavors, mu = sqrt(2) G_F n = 1 (docs/conventions.md). With P_a = P_a(z, t) the polarization
vector of mode a (velocity v_a, sign s_a) and the moments D_m = sum_b s_b v_b^m P_b,

    standard:   (d_t + v_a d_z) P_a     = (D_0 - v_a D_1) x P_a                                             (Eq. 6b)
    energy:     (d_t + v_a d_z) kappa_a = - s_a v_a / 2 (d_z D_0 - v_a d_z D_1) . P_a        (from Eqs. 16 and 22)

kappa_a is the density of kinetic energy that mode a has gained: the weak force -d_z Omega does work on the neutrinos.
The refractive energy U_osc = 1/4 int (D_0.D_0 - D_1.D_1) and K = sum_a int kappa_a then add up to a constant, exactly on
any grid, because the spectral derivative is skew-adjoint. So it is in two and three dimensions, where v_a d_z stands for
v_a . grad, v_a D_1 for sum_i v_ai D_i with D_i = sum_b s_b v_bi P_b, and D_1.D_1 for sum_i D_i.D_i.
Equation numbers are those of Fiorillo, Raffelt and Sigl, PRL 133, 021002 (2024). The flavor equations do not depend on kappa.

A level is a class with the same few parts: `level` is its name, `segments` count the lines of its state, `leading` names
what it stores, `source` holds its local terms, `start`, `put` and `take` move fields into the state and out of it.
`levels.LEVELS` lists them.
"""

import functools

import numpy as np

from ..kernels import kernels, local_flow
from .interaction import InteractionPicture
from .modes import shown


class ForceDensity:
    """Tr F_a of Eq. 21 for sharp directions, F_a = s_a Tr(Omega_a grad N_a): the momentum that mode a gains, per volume.

    Eq. 22: dK_a/dt = int v_a . F_a. Calling it with the coefficients N of N_a, P alone or (n, P), (modes, coefficients,
    *local_shape), gives (modes, *local_shape), in more dimensions than one (modes, axes, *local_shape), local; collective.
    potential: for each coefficient its factor in Omega_a = G_0 - v_a . G_1, 1/2 for P and 3/2 for n. Modes are taken in
    batches to bound the memory.
    """

    BATCH = 8

    def __init__(self, box, modes, potential):
        self.box, self.velocity, self.s = box, modes.velocity, modes.s
        self._potential = np.array(potential)
        self._batch = min(self.BATCH, len(modes))
        self._gradient = box.gradient(self._batch * len(potential))
        self._lines = np.zeros((self._batch, len(potential)) + box.local_shape)

    def __call__(self, N):
        box, (count, coefficients) = self.box, N.shape[:2]
        weights = np.concatenate((self.s[None], self.s * self.velocity.T))
        G = np.einsum("c,ma,acz->mcz", self._potential, weights, N.reshape(count, coefficients, -1), optimize=True)
        F = np.empty((count, box.dimensions, G.shape[-1]))
        for first in range(0, count, self._batch):
            part = slice(first, min(first + self._batch, count))
            some = part.stop - first
            self._lines[:some] = N[part]
            slope = self._gradient(self._lines.reshape(-1, *box.local_shape))
            slope = slope.reshape(box.dimensions, self._batch, coefficients, -1)[:, :some]
            potential = G[0] - np.einsum("ai,icz->acz", self.velocity[part], G[1:])
            F[part] = self.s[part, None, None] * np.einsum("acz,iacz->aiz", potential, slope)
        return F.reshape(count, *box.vector_shape, *box.local_shape)


class Standard:
    """The usual kinetic equation: flavor rotates, refractive energy is not conserved.

    modes: :class:`~nuflux_mpi.physics.modes.Modes`; box: :class:`~nuflux_mpi.box.box.Box`; settings: the config section that belongs
    to the level, if there is one. `picture` is the right-hand side for the integrator. P and the other fields are local.
    """

    level = "standard"
    splits = True  # whether the local terms can be solved by themselves: `local_flow`
    gradient_lines = 0  # lines whose spectral derivative each right-hand side takes, half of them for each moment: D_0, D_1
    active_source = None  # `source` without what serves passive lines alone: those that do not act back
    own_kernels = ()  # functions that call once what the level compiles besides `kernels`, for kernels.warm_up
    unit = 1.0  # of what the state holds beside densities, see `Energy`
    passing_states = 0  # copies of the state that a row of the series or a snapshot needs for a moment
    lacks = ()  # series of `diagnostics` that mean nothing at this level, and are not written
    auto_method = "adams"  # what time.method = "auto" stands for: docs/performance.md tells from what measurements

    @classmethod
    def settings_of(cls, config, signs):
        """What the level is told: the section of a resolved config that bears its name, or None."""
        return config.get(cls.level)

    @staticmethod
    def segments(modes, settings=None):
        """Numbers of lines of the state for so many modes: first those that the source reads, then the others."""
        return (3 * modes,)

    @staticmethod
    def flux_lines(modes, settings=None):
        """Lines that the forward transform carries besides those of the state."""
        return 0

    @classmethod
    def auxiliary_lines(cls, modes):
        """Lines that transforms beside that of the state hold in one dimension, for the forecast of memory."""
        return cls.gradient_lines

    @staticmethod
    def flow_gradient_lines(axes):
        """Lines whose spectral derivative each `local_flow` takes."""
        return 0

    @classmethod
    def lines(cls, modes, settings=None):
        """Number of lines of the state."""
        return sum(cls.segments(modes, settings))

    @staticmethod
    def leading(modes, vector=()):
        """Fields to store, by name, with their axes in front of space; vector: `Box.vector_shape`."""
        return {"P": (modes, 3)}

    @classmethod
    def state_leading(cls, modes, settings=None):
        """The same for the fields from which a run can be continued, if those to store are not enough; else {}."""
        return {}

    def __init__(self, box, modes, settings=None):
        self.box, self.modes, self.settings = box, modes, settings
        self.v, self.s = np.asarray(modes.v, dtype=float), np.asarray(modes.s, dtype=float)
        self.velocity = modes.velocity
        self._speeds = np.ascontiguousarray(modes.velocity.T, dtype=float)  # as kernels want them, axis by axis
        segments = self.segments(len(modes), settings)
        self.transform = box.transform(*segments, back=tuple({1, len(segments)}))
        self._lay_out()
        flow = self.local_flow if self.splits else None
        self.picture = InteractionPicture(self.transform, self._velocity(), self.source, 1, self.active_source, flow)

    def _velocity(self):
        return np.repeat(self.velocity, 3, axis=0)

    def _lay_out(self):
        """Name the parts of the transform's lines, allocate the rest. `_P` and `_D` have all points in one row."""
        count = len(self.modes)
        self._P = self.transform.physical[: 3 * count].reshape(count, 3, -1)
        self.P = self._P.reshape(count, 3, *self.box.local_shape)
        self.D = np.zeros((1 + self.box.dimensions, 3) + self.box.local_shape)
        self._D = self.D.reshape(len(self.D), 3, -1)

    def source(self, t):
        """Local terms, in place on the lines of `transform.physical`."""
        kernels.precess(self._P, self._speeds, self.s, self._D)

    def local_flow(self, h):
        """Carry the lines of `transform.physical` over a time h by the local terms alone."""
        local_flow.turn(self._P, self._speeds, self.s, h)

    def start(self, t, u, P, density):
        """u <- the state at time t of the initial polarization P (modes, 3, *local_shape); nothing gained yet."""
        self.put(t, u, P=P)

    def put(self, t, u, **fields):
        """u <- the state at time t of the local `fields` by name; those not given are zero."""
        self.transform.physical[...] = 0.0
        for name, field in fields.items():
            getattr(self, name)[...] = field
        self.picture.store(t, u)

    def take(self, t, u):
        """Fields to store, by name, at time t: local views that the next right-hand side overwrites. Collective."""
        self.picture.fields(t, u)
        return {name: getattr(self, name) for name in self.leading(len(self.modes), self.box.vector_shape)}

    def count_in(self, unit):
        """Go on with a state whose `unit` was this one: here there is only one."""

    def axes(self):
        """Coordinates along axes that only this level's results have, by name."""
        return {}

    def measure(self):
        """Series that only this level has, by name, of the state that `take` left. Collective."""
        return {}

    def rates(self):
        """Largest component of dP_a/dt that `source` left at each point, (modes, points of this rank)."""
        return np.abs(self.P).max(axis=1).reshape(len(self.modes), -1)

    def place(self, row):
        """In words, what a row of `rates` belongs to."""
        return f"in mode {row} (v = {shown(self.v[row], 6)})"

    def warnings(self, row):
        """What the user should know about a row of the series: {subject: one sentence}. Each subject is told once."""
        return {}


class Energy(Standard):
    """Level "energy" of the extended equations: the kinetic energy density that each mode has gained.

    For any directions and signs. The trace part of the density matrices is taken homogeneous: then it exerts no force.

    The state holds kappa / `unit`, unit being the refractive energy of all neutrinos, sum_a n_a: so it has the unit of P, and
    the tolerance, which is for both together, does not depend on the unit of time.
    """

    level = "energy"
    gradient_lines = 6
    active_source = Standard.source  # kappa does not act back

    @staticmethod
    def segments(modes, settings=None):
        return (3 * modes, modes)

    @classmethod
    def auxiliary_lines(cls, modes):
        return cls.gradient_lines + 3 * min(ForceDensity.BATCH, modes)

    @staticmethod
    def flow_gradient_lines(axes):
        return 3 * local_flow.rows(axes)

    @staticmethod
    def leading(modes, vector=()):
        return {"P": (modes, 3), "kappa": (modes,), "F": (modes, *vector)}

    def _lay_out(self):
        super()._lay_out()
        box, count = self.box, len(self.modes)
        self._force = ForceDensity(box, self.modes, (0.5, 0.5, 0.5))
        self.F = np.zeros((count,) + box.vector_shape + box.local_shape)
        self._kappa, self._work = self.transform.physical[3 * count :].reshape(count, -1), self.s
        self.kappa = self._kappa.reshape(count, *box.local_shape)
        self.gradient = box.gradient(3 * len(self.D))

    @functools.cached_property
    def _expansion(self):
        """For `local_flow` alone: room for the series of the moments at each point, and their gradient."""
        S = np.zeros((local_flow.rows(self.box.dimensions), 3) + self.box.local_shape)
        return S, self.box.gradient(self.flow_gradient_lines(self.box.dimensions))

    def _velocity(self):
        return np.concatenate((np.repeat(self.velocity, 3, axis=0), self.velocity))

    def local_flow(self, h):
        S, gradient = self._expansion
        flat = S.reshape(*S.shape[:2], -1)
        local_flow.series(self._P, self._speeds, self.s, h, flat)
        dS = gradient(S).reshape(self.box.dimensions, *flat.shape)
        local_flow.turn_and_drive(self._P, self._kappa, self._speeds, self._work, flat, dS)

    def start(self, t, u, P, density):
        self.count_in(float(np.sum(density)) or 1.0)
        super().start(t, u, P, density)

    def count_in(self, unit):
        """Take `unit` as that of the kappa in the state."""
        self.unit, self._work = unit, self.s / unit

    def put(self, t, u, **fields):
        super().put(t, u, **{name: field / self.unit if name == "kappa" else field for name, field in fields.items()})

    def take(self, t, u):
        fields = super().take(t, u)
        self._kappa *= self.unit
        self.F[...] = self._force(self.P)
        return fields

    def source(self, t):
        kernels.moments(self._P, self._speeds, self.s, self._D)
        dD = self.gradient(self.D).reshape(self.box.dimensions, *self._D.shape)
        kernels.rotate_and_drive(self._P, self._kappa, self._speeds, self._work, self._D, dD)

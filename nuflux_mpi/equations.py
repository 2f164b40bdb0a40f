"""The kinetic equations: what each level evolves, and its local terms.

Two flavors, one-dimensional box, mu = sqrt(2) G_F n = 1 (docs/conventions.md). With P_a = P_a(z, t) the polarization
vector of mode a (velocity v_a, sign s_a) and the moments D_m = sum_b s_b v_b^m P_b,

    standard:   (d_t + v_a d_z) P_a     = (D_0 - v_a D_1) x P_a                                             (Eq. 6b)
    energy:     (d_t + v_a d_z) kappa_a = - s_a v_a / 2 (d_z D_0 - v_a d_z D_1) . P_a        (from Eqs. 16 and 22)

kappa_a is the density of kinetic energy that mode a has gained: the weak force -d_z Omega does work on the neutrinos.
The refractive energy U_osc = 1/4 int (D_0.D_0 - D_1.D_1) and K = sum_a int kappa_a then add up to a constant, exactly on
any grid, because the spectral derivative is skew-adjoint. Equation numbers are those of Fiorillo, Raffelt and Sigl,
PRL 133, 021002 (2024). The flavor equations do not depend on kappa.

A level is a class with the same few parts: `level` and `fields` name it and what it stores, `lines` counts its state,
`source` holds its local terms, `put` and `take` move fields into the state and out of it.
"""

import numpy as np

from . import kernels
from .interaction import InteractionPicture


class Standard:
    """The usual kinetic equation: flavor rotates, refractive energy is not conserved.

    modes: :class:`~nuflux_mpi.modes.Modes`; box: :class:`~nuflux_mpi.box.Box`.
    `picture` is the right-hand side for the integrator.
    """

    level = "standard"
    fields = ("P",)

    @staticmethod
    def lines(modes):
        """Number of lines of the state for so many modes."""
        return 3 * modes

    def __init__(self, box, modes):
        self.box, self.modes = box, modes
        self.v, self.s = np.asarray(modes.v, dtype=float), np.asarray(modes.s, dtype=float)
        segments = self._segments()
        self.transform = box.transform(*segments, back=tuple({1, len(segments)}))
        count = len(modes)
        physical = self.transform.physical
        self.P = physical[: 3 * count].reshape(count, 3, *box.local_shape)
        self.D = np.zeros((2, 3) + box.local_shape)
        self.picture = InteractionPicture(self.transform, self._velocity(), self.source, needed=1)

    def _segments(self):
        return (3 * len(self.modes),)

    def _velocity(self):
        return np.repeat(self.v, 3)

    def source(self, t):
        """Local terms, in place on the lines of `transform.physical`."""
        kernels.moments(self.P, self.v, self.s, self.D)
        kernels.rotate(self.P, self.v, self.D)

    def put(self, t, u, **fields):
        """u <- the state at time t of the local `fields` by name; those not given are zero."""
        self.transform.physical[...] = 0.0
        for name, field in fields.items():
            getattr(self, name)[...] = field
        self.picture.store(t, u)

    def take(self, t, u):
        """Fields by name at time t, local views that the next right-hand side overwrites."""
        self.picture.fields(t, u)
        return {"P": self.P}


class Energy(Standard):
    """Level "energy" of the extended equations: the kinetic energy density that each mode has gained.

    For any directions and signs. The trace part of the density matrices is taken homogeneous: then it exerts no force.
    """

    level = "energy"
    fields = ("P", "kappa")

    @staticmethod
    def lines(modes):
        return 4 * modes

    def __init__(self, box, modes):
        super().__init__(box, modes)
        self.kappa = self.transform.physical[3 * len(modes) :].reshape(len(modes), *box.local_shape)
        self.gradient = box.gradient(6)

    def _segments(self):
        return (3 * len(self.modes), len(self.modes))

    def _velocity(self):
        return np.concatenate((np.repeat(self.v, 3), self.v))

    def source(self, t):
        kernels.moments(self.P, self.v, self.s, self.D)
        dD = self.gradient(self.D.reshape(6, -1)).reshape(self.D.shape)
        kernels.rotate_and_drive(self.P, self.kappa, self.v, self.s, self.D, dD)

    def take(self, t, u):
        self.picture.fields(t, u)
        return {"P": self.P, "kappa": self.kappa}


LEVELS = {level.level: level for level in (Standard, Energy)}

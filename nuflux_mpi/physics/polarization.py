"""The kinetic equations of sharp directions: what the levels standard and energy evolve.

Two flavors, mu = sqrt(2) G_F n = 1 (docs/conventions.md). With P_a = P_a(z, t) the polarization
vector of mode a (velocity v_a, sign s_a) and the moments D_m = sum_b s_b v_b^m P_b,

    standard:   (d_t + v_a d_z) P_a     = (D_0 - v_a D_1) x P_a                                             (Eq. 6b)
    energy:     (d_t + v_a d_z) kappa_a = - s_a v_a / 2 (d_z D_0 - v_a d_z D_1) . P_a        (from Eqs. 16 and 22)

kappa_a is the density of kinetic energy that mode a has gained: the weak force -d_z Omega does work on the neutrinos.
The refractive energy U_osc = 1/4 int (D_0.D_0 - D_1.D_1) and K = sum_a int kappa_a then add up to a constant, exactly on
any grid, because the spectral derivative is skew-adjoint. So it is in two and three dimensions, where v_a d_z stands for
v_a . grad, v_a D_1 for sum_i v_ai D_i with D_i = sum_b s_b v_bi P_b, and D_1.D_1 for sum_i D_i.D_i.
Equation numbers are those of Fiorillo, Raffelt and Sigl, PRL 133, 021002 (2024). The flavor equations do not depend on kappa.

Their terms stand in `terms`, one file each; here is what the levels hold. `levels.LEVELS` lists all levels.
"""

from dataclasses import replace

import numpy as np

from .. import kernels
from .fields import Declaration, Field
from .level import Level
from .terms.flows import series_lines, work_lines
from .terms.force import ForceDensity
from .terms.self_interaction import SelfInteraction, coefficients
from .terms.term import Here
from .terms.total import Total, has_sources, is_joint, kept_lines, pushing_lines


class Standard(Level):
    """The usual kinetic equation: flavor rotates, refractive energy is not conserved."""

    level = "standard"
    own_kernels = ("touch_precess",)
    own_terms = (SelfInteraction,)
    takes = ("potential", "mode_potential", "trace", "source", "fields", "flow")
    splits = True

    @classmethod
    def declare(cls, modes, settings=None, terms=(), axes=1):
        P = Field("P", (len(modes), modes.algebra.components), modes.velocity[:, None])
        flavor = Declaration(axes, (P, *(field for term in terms for field in term.fields(axes))))
        arrays = kept_lines(terms, modes) + (flavor.lines if has_sources(terms) else 0)
        return replace(flavor, arrays=arrays)

    def _lay_out(self):
        box, modes = self.box, self.modes
        self.P, m = self.fields["P"], modes.vectors.shape[1]
        self.D = np.zeros((1 + m, modes.algebra.components) + box.local_shape)
        at_once = {name: field.reshape(*field.shape[: -box.dimensions], -1) for name, field in self.fields.items()}
        v = modes.speeds if m == box.dimensions else np.ascontiguousarray(modes.vectors.T)
        D, weight = self.D.reshape(*self.D.shape[:2], -1), self.strength * self.s
        self._here = Here(at_once, v, modes.speeds, self.s, D, work=self.s, weight=weight)
        self.total = Total(self.terms, self._here, box, [field.name for field in self.declared.evolved if field.active])
        passive = len(self.declared.segments) > 1
        self.picture.drive(self.source, 1, self.active_source if passive else None, self.total.flow)

    def source(self, t):
        """The local terms of all fields, in place on the lines of `transform.physical`."""
        self.total(t)

    def active_source(self, t):
        """`source` without what serves passive fields alone."""
        self.total.active(t)

    def put(self, t, u, **fields):
        if "P" in fields and self.total.in_frame:
            P = np.array(fields["P"], dtype=float)
            self.total.turn_from_frame(-t, P.reshape(*P.shape[:2], -1))
            fields["P"] = P
        super().put(t, u, **fields)

    def _fields(self, t, u):
        """The fields at time t in their places, as the laboratory has them. Collective."""
        self.picture.fields(t, u)
        self.total.turn_from_frame(t, self._here.fields["P"])

    def take(self, t, u):
        self._fields(t, u)
        return {name: self.fields[name] for name in self.declared.stored("fields")}


class Energy(Standard):
    """Level "energy" of the extended equations: the kinetic energy density that each mode has gained.

    For any directions and signs. The trace part of the density matrices is taken homogeneous: then it exerts no force.

    The state holds kappa / `unit`, unit being the refractive energy of all neutrinos, sum_a n_a: so it has the unit of P, and
    the tolerance, which is for both together, does not depend on the unit of time.
    """

    level = "energy"
    own_kernels = ("touch_precess", "touch_drive")
    own_terms = Level.own_terms
    diagnostics = (*Level.diagnostics, "budget")

    @classmethod
    def declare(cls, modes, settings=None, terms=(), axes=1):
        count, flavor = len(modes), super().declare(modes, settings, terms, axes)
        kappa = Field("kappa", (count,), modes.velocity, active=False)
        F = Field("F", (count, axes)[: 2 if axes > 1 else 1], evolved=False)
        C, m = modes.algebra.components, modes.vectors.shape[1]
        gradient = C * (1 + m)
        return Declaration(
            axes,
            (*flavor.fields, kappa, F),
            gradient=gradient,
            flow_gradient=work_lines(C, m) if is_joint(terms) else C * kernels.series_rows(m),
            flow_arrays=series_lines(C, m) if is_joint(terms) else C * kernels.series_rows(m),
            beside=gradient + ForceDensity.lines(count, C),
            arrays=flavor.arrays + pushing_lines(terms, modes, axes) + (count if has_sources(terms) else 0),
        )

    def _lay_out(self):
        super()._lay_out()
        self.kappa = self.fields["kappa"]
        self._force = ForceDensity(self.box, self.modes, coefficients(self.modes.algebra)[1:], self._potentials, self.strength)
        self.F = np.zeros((len(self.modes),) + self.box.vector_shape + self.box.local_shape)

    def start(self, t, u, P, density):
        self.count_in(float(np.sum(density)) or 1.0)
        self._here.density = np.asarray(density)
        super().start(t, u, P, density)

    def count_in(self, unit):
        """Take `unit` as that of the kappa in the state."""
        self.unit, self._here.work = unit, self.s / unit

    def put(self, t, u, **fields):
        super().put(t, u, **{name: field / self.unit if name == "kappa" else field for name, field in fields.items()})

    def take(self, t, u):
        self._fields(t, u)
        self.kappa *= self.unit
        self.F[...] = self._force(t, self.P)
        return {name: {**self.fields, "F": self.F}[name] for name in self.declared.stored("fields")}

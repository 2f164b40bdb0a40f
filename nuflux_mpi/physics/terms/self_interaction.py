"""Refraction of neutrinos on neutrinos: W_a = D_0 - v_a . D_1 with D_0 = sum_b s_b P_b, D_i = sum_b s_b v_bi P_b (Eq. 6b)."""

import numpy as np

from ...flavor.algebra import of_components
from .term import Term


def moments(P, modes):
    """D_0 = sum_b s_b P_b and D_i = sum_b s_b v_bi P_b for each of the m components of `modes.vectors`: (1 + m, C, *local_shape),
    local."""
    return np.tensordot(np.concatenate((modes.s[None], modes.s * modes.vectors.T)), P, axes=1)


def refractive_energy(D, box):
    """(transverse, longitudinal) parts of U_osc = 1/4 int (D_0.D_0 - D_1.D_1) (Eq. 5), from the moments. Collective.

    Transverse is what flavor coherence has, longitudinal what the diagonal of density matrices has.
    """
    by_component = 0.25 * box.integral(D[0] ** 2 - np.sum(D[1:] ** 2, axis=0))
    coherent = [place for pair in of_components(len(by_component)).pairs for place in (pair.real, pair.imaginary)]
    return sum(by_component[coherent]), sum(np.delete(by_component, coherent))


def coefficients(algebra):
    """Factors (1 + C,) of the moments (n_m, P_m) in Omega = w0 1 + W.lambda, beside 1 - v_a.v_b: those of traces, then 1/2."""
    return np.array([algebra.trace_weight, *[0.5] * algebra.components])


class SelfInteraction(Term):
    """The refractive vectors of all modes; they conserve U_osc but for what advection and the weak force do."""

    name, attenuation = "self_interaction", "self"
    budget = ("U_osc",)

    def potential(self, t, P, D):
        D += self.factor * moments(P, self.modes)

    def turns_about(self):
        return np.zeros((0, self.algebra.components))  # each mode is turned by the others as much as it turns them

    def energies(self, t, fields, D, box):
        transverse, longitudinal = (self.factor * part for part in refractive_energy(D, box))
        return {"U_osc": transverse + longitudinal, "U_osc_transverse": transverse, "U_osc_longitudinal": longitudinal}

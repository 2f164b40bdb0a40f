"""An example of a term, in full: d_t P_a += h x P_a with one constant vector h for all modes. See docs/architecture.md."""

from typing import Annotated

import numpy as np

from nuflux_mpi.errors import InputError
from nuflux_mpi.physics.terms.term import Term
from nuflux_mpi.storage.section import Key, Section
from nuflux_mpi.theory.linear import Linear


class Settings(Section):
    h: Annotated[list[float], Key("vector about which all polarizations turn [mu]: h_x, h_y, h_z")]

    def problems(self, config):
        if len(self.h) != 3:
            yield f"uniform_field.h must have three components, not {len(self.h)}."


class UniformField(Term):
    """E_field = 1/2 h . int D_0, since d_t P_a = 2 s_a dE/dP_a x P_a; h does no work, being the same everywhere."""

    name = section = "uniform_field"
    Settings = Settings
    series = {"E_field": (("time",), "mu n (1/mu)", "energy in the uniform field, 1/2 h . int D_0")}
    budget = ("E_field",)
    commutes = True  # the self-interaction turns with all polarizations, if they turn together

    def __init__(self, settings, modes, factor=1.0):
        super().__init__(settings, modes, factor)
        self.h = np.array(settings["h"], dtype=float)

    def potential(self, t, P, D):
        D[0] += self.h[:, None]

    def energies(self, t, fields, D, box):
        return {"E_field": 0.5 * float(self.h @ box.integral(D[0]))}

    def turns_about(self):
        return self.h[None]

    def linear(self, background, pair):
        if self.h[:2].any():
            raise InputError("uniform_field.h must be along z for linear theory: else the start is no stationary state.")
        return Linear(-self.h[2], None)

    def flow(self, t, h, here):
        P = here.fields["P"]
        P[...] = self.algebra.rotate(P, h * self.h[None, :, None], axis=1)

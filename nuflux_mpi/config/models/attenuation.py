"""[attenuation]: factors on terms of the Hamiltonian, and on the energies that belong to them."""

from typing import Annotated

from ...storage.section import Key, Section


class Attenuation(Section):
    vacuum: Annotated[float, Key("c_vac: factor on vacuum mixing and on E_vac", ge=0)] = 1.0
    matter: Annotated[float, Key("c_mat: factor on matter and on E_mat", ge=0)] = 1.0
    self: Annotated[float, Key("c_nu: factor on the refraction of neutrinos on neutrinos and on U_osc; 0: none", ge=0)] = 1.0

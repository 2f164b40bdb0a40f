"""The program's units in the laboratory's, from constants of their own, and the table that docs show."""

import math
from pathlib import Path

import pytest

from nuflux_mpi import units

DOCS = Path(__file__).parent.parent / "docs"


def test_mu_from_si_constants():
    """sqrt(2) G_F n with G_F in J m^3, hbar and c in SI, which the module does not use."""
    hbar, c, e = 1.054571817e-34, 299792458.0, 1.602176634e-19
    fermi = 1.1663788e-5 / (1e9 * e) ** 2 * (hbar * c) ** 3  # J m^3
    for n in (1e25, 1e32, 3e35):
        energy = math.sqrt(2) * fermi * n * 1e6  # J
        # 1e-9: the digits of hbar c
        assert units.potential(n) == pytest.approx(energy / e, rel=1e-9)
        assert units.length(n) == pytest.approx(100 * hbar * c / energy, rel=1e-9)
        assert units.time(n) == pytest.approx(1e9 * hbar / energy, rel=1e-9)


def test_known_sizes():
    """sqrt(2) G_F rho N_A is 7.6e-14 eV for a gram of electrons' nucleons per cm^3, as in every text on matter effects."""
    assert units.potential(6.02214076e23) == pytest.approx(7.63e-14, rel=2e-3)


def test_the_table_of_the_docs_is_that_of_the_code():
    assert units.table() in (DOCS / "conventions.md").read_text(encoding="utf-8")

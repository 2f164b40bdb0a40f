"""Spectra in bins against integrals in closed form."""

import numpy as np
import pytest

from nuflux_mpi.physics import spectra

E = np.linspace(0, 800, 400001)  # area and mean by the trapezoidal rule, smooth and zero at both ends


@pytest.mark.parametrize(("kind", "pinching"), [("fermi-dirac", 2.0), ("pinched", 2.0), ("pinched", 3.5)])
def test_area_and_mean_energy(kind, pinching):
    S = spectra.spectrum(kind, E, 12.0, pinching)
    assert S.sum() * E[1] == pytest.approx(1, rel=1e-10) and (S * E).sum() * E[1] == pytest.approx(12, rel=1e-10)


def test_width_of_a_pinched_spectrum():
    """<E^2>/<E>^2 = (a + 2)/(a + 1), the definition of a."""
    S = spectra.spectrum("pinched", E, 12.0, 3.0)
    assert (S * E**2).sum() * E[1] == pytest.approx(144 * 5 / 4, rel=1e-10)


def test_a_quadrature_is_exact_where_the_spectrum_is_that_of_its_nodes():
    """Maxwell-Boltzmann with the mean of the nodes: a polynomial of degree 2 + m times the weight."""
    energy, parts = spectra.by_quadrature("pinched", 4, [12.0], [2.0])
    for m in range(6):  # degree 2 + m up to 7
        assert parts[0] @ energy**m == pytest.approx(np.prod(np.arange(3, 3 + m)) * 4.0**m, rel=1e-12)


def test_bins_between_edges_by_the_integral():
    """Of E^2 exp(-E) / 2 from a to b: the difference of (1 + E + E^2/2) exp(-E)."""
    edges = np.array([0.5, 1.0, 4.0, 30.0])
    energy, parts = spectra.between("pinched", edges, [3.0], [2.0])
    below = (1 + edges + edges**2 / 2) * np.exp(-edges)
    np.testing.assert_allclose(parts[0], below[:-1] - below[1:], rtol=1e-12)
    first = (3 + 3 * edges + 1.5 * edges**2 + edges**3 / 2) * np.exp(-edges)  # the same of E^3 exp(-E) / 2
    np.testing.assert_allclose(energy, (first[:-1] - first[1:]) / parts[0], rtol=1e-12)

"""The maximum-entropy closure: against closed forms, quadrature, and its limits."""

import numpy as np
import pytest

from nuflux_mpi.physics import closure, sphere

RATIOS = [0, 1e-300, 1e-9, 1e-3, 0.0999, 0.1001, 0.3, 0.5, 0.9, 0.99, 1 - 1e-6, 1 - 1e-12]


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_langevin_function_and_its_inverse(ratio):
    Z = closure.inverse_langevin(ratio)
    assert closure.langevin(Z) == pytest.approx(ratio, rel=2e-14, abs=0)  # a few roundings
    assert np.array_equal(closure.inverse_langevin(np.array([ratio, 0.25])), [Z, closure.inverse_langevin(0.25)])


def test_the_langevin_function_in_closed_form():
    """(e^2Z + 1)/(e^2Z - 1) - 1/Z where this loses no digits, and the first of the series where it does."""
    assert closure.langevin(2.0) == pytest.approx((np.exp(4) + 1) / (np.exp(4) - 1) - 0.5, rel=1e-15)
    assert closure.langevin(1e-5) == pytest.approx(1e-5 / 3 - 1e-15 / 45, rel=1e-15)
    below, above = closure.langevin(np.nextafter(0.3, 0)), closure.langevin(0.3)
    assert above - below == pytest.approx(0, abs=2e-15)  # both forms meet
    assert closure.inverse_langevin(1 - 1e-3) == pytest.approx(1000, rel=1e-12)  # coth Z = 1 to rounding: 1 - 1/Z


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, np.nan])
def test_a_flux_that_is_as_large_as_the_density_has_no_closure(ratio):
    with pytest.raises(ValueError):
        closure.inverse_langevin(ratio)


@pytest.mark.parametrize("flux", [[0, 0, 0], [0, 0, 1e-9], [0.1, -0.2, 0.3], [0, 0.8, -0.3], [0.97, 0, 0]])
def test_moments_of_the_distribution_by_a_fine_quadrature(flux):
    fine = sphere.product(80, 160)  # the distribution of Z = 33 needs some thirty degrees for 14 digits
    f = closure.minerbo(fine.xyz, flux)
    assert fine.weight @ f == pytest.approx(1, abs=1e-13)
    np.testing.assert_allclose((fine.weight * f) @ fine.xyz, flux, rtol=0, atol=1e-13)
    # The second moment, in closed form: <(v.n)^2> = 1 - 2 |f|/Z.
    if size := np.linalg.norm(flux):
        along = fine.xyz @ (np.array(flux) / size)
        assert (fine.weight * f) @ along**2 == pytest.approx(1 - 2 * size / closure.inverse_langevin(size), abs=1e-7 if size < 1e-6 else 1e-13)  # fmt: skip


def test_isotropic_and_free_streaming_limits():
    directions = sphere.lebedev(23)
    assert np.array_equal(closure.minerbo(directions.xyz, [0, 0, 0]), np.ones(len(directions)))
    weak = closure.minerbo(directions.xyz, [0, 0, 1e-6])
    np.testing.assert_allclose(weak, 1 + 3e-6 * directions.xyz[:, 2], rtol=0, atol=1e-11)  # Z = 3 f, second order left out
    strong = closure.minerbo(np.array([[0, 0, 1.0], [0, np.sin(0.1), np.cos(0.1)], [0, 1, 0]]), [0, 0, 1 - 1e-4])
    assert strong[0] == pytest.approx(2e4, rel=1e-12) and strong[1] / strong[0] < 1e-21 and strong[2] == 0
    assert strong[1] / strong[0] == pytest.approx(np.exp(1e4 * (np.cos(0.1) - 1)), rel=1e-8)


@pytest.mark.parametrize("flux", [[0, 0, 0], [0, 0, 1e-9], [0.1, -0.2, 0.3], [0.3, 0.4, -0.6]])
@pytest.mark.parametrize("directions", [sphere.lebedev(5), sphere.product(3, 6), sphere.lebedev(17)])
def test_sums_over_directions_are_exact_where_they_are_solved_for(directions, flux):
    f = closure.on_directions(directions.xyz, directions.weight, flux)
    assert f.min() > 0 and directions.weight @ f == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose((directions.weight * f) @ directions.xyz, flux, rtol=0, atol=1e-13)
    # Of all positive distributions with these moments the one of greatest entropy: its logarithm is linear in v.
    linear = np.column_stack([np.ones(len(directions)), directions.xyz])
    np.testing.assert_allclose(linear @ np.linalg.lstsq(linear, np.log(f), rcond=None)[0], np.log(f), rtol=0, atol=1e-11)


def test_a_flux_beyond_the_directions_has_no_distribution():
    """The largest component along z that two Gauss-Legendre points have is 1/sqrt(3)."""
    directions = sphere.product(2, 4)
    assert closure.on_directions(directions.xyz, directions.weight, [0, 0, 0.58]) is None
    assert closure.on_directions(directions.xyz, directions.weight, [0, 0, 0.57]) is not None

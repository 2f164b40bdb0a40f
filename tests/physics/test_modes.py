"""Directions and lepton-number distributions against integrals and published crossings."""

import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import levels, modes
from nuflux_mpi.physics.angular import crossings, g, quadrature

# Set-up of COSEnu, Phys. Rev. D 106, 043011: sigma = 0.6, sigma_bar = 0.53, crossings to six digits.
CROSSINGS = {0.89: 0.867935, 0.90: 0.785501, 0.93: 0.639655, 0.97: 0.512637, 1.00: 0.438393}


def angular(**keys):
    """A resolved section [modes] of kind angular."""
    source = {
        "box": {"length": 10, "points": 64},
        "initial": {"n_max": 3},
        "time": {"end": 1},
        "modes": {"kind": "angular", "number": 64} | keys,
    }
    return config.resolve(source)["modes"]


def test_beams_keep_their_lists():
    beams = modes.build({"kind": "beams", "velocity": [1.0, -0.5, 0.0], "sign": [1, -1, 1], "density": [0.5, 0.2, 0.1]})
    assert len(beams) == 3
    assert beams.v.tolist() == [1.0, -0.5, 0.0] and beams.s.tolist() == [1.0, -1.0, 1.0]
    assert beams.n.tolist() == [0.5, 0.2, 0.1] and beams.weight.tolist() == [1.0, 1.0, 1.0]
    assert beams.nu_weight is None and beams.antinu_weight is None
    assert beams.names == ["v = +1, s = +1", "v = -0.5, s = -1", "v = +0, s = +1"]


def test_two_beams_read_well():
    beams = modes.build(config.resolve("two_beam")["modes"])
    assert beams.n is None
    assert repr(beams) == "Modes(v = +1; v = -1)"
    assert repr(modes.build(angular(alpha=0.9))).startswith("Modes(64 directions")
    mixed = config.resolve("two_beam", ["modes.velocity=[0.3,-1.0,0.5,1.0,0.1]", "initial.zeta=[0.5,-0.5,0.1,0.1,0.1]"])
    assert str(modes.build(mixed["modes"])) == "5 directions, -1 <= v <= +1, 0 with s = -1"


@pytest.mark.parametrize("name, degree", [("gauss-legendre", 9), ("midpoint", 1)])
def test_quadratures_integrate_polynomials(name, degree):
    v, weight = quadrature(name, 5)
    assert np.all(np.diff(v) > 0) and np.all(np.abs(v) < 1)
    for power in range(degree + 1):
        exact = (1 + (-1) ** power) / (power + 1)
        assert np.sum(weight * v**power) == pytest.approx(exact, abs=1e-15 * 10)  # ten roundings of numbers below 1


def test_midpoints_are_the_bin_centres():
    v, weight = quadrature("midpoint", 4)
    assert v.tolist() == [-0.75, -0.25, 0.25, 0.75] and weight.tolist() == [0.5] * 4


@pytest.mark.parametrize("sigma", [0.3, 0.53, 0.6, 5.0])
def test_g_is_normalised(sigma):
    v, weight = quadrature("gauss-legendre", 64)
    assert np.sum(weight * g(v, sigma)) == pytest.approx(1, abs=1e-13)  # 64 points integrate it to round-off


@pytest.mark.parametrize("alpha, crossing", CROSSINGS.items())
def test_published_crossings(alpha, crossing):
    assert crossings(angular(alpha=alpha)) == [pytest.approx(crossing, abs=6e-7)]  # digits printed


def test_no_crossing():
    assert crossings(angular(alpha=0.88)) == []


def test_crossings_on_a_sample_point_count_once():
    assert crossings(angular(distribution="polynomial", coefficients=[0, 1])) == [pytest.approx(0, abs=1e-15)]
    assert crossings(angular(distribution="polynomial", coefficients=[0, 0, 1])) == []  # touches 0 only
    found = crossings(angular(distribution="polynomial", coefficients=[-0.25, 0, 1]))
    assert found == pytest.approx([-0.5, 0.5], abs=1e-15)


def test_signs_and_densities_carry_the_lepton_number():
    section = angular(alpha=0.9)
    a = modes.build(section)
    assert set(a.s) == {1.0, -1.0} and np.all(a.n > 0)
    np.testing.assert_array_equal(a.s < 0, a.v > crossings(section)[0])
    # sum_a s_a n_a = int G dv = 1 - alpha: 64 Gauss points integrate both Gaussians to round-off
    assert np.sum(a.s * a.n) == pytest.approx(0.1, abs=1e-13)
    assert np.sum(a.nu_weight) == pytest.approx(1, abs=1e-13)
    assert np.sum(a.antinu_weight) == pytest.approx(0.9, abs=1e-13)


def test_polynomial_and_table_agree_on_a_straight_line():
    line = modes.build(angular(distribution="polynomial", coefficients=[0.4, -1.0]))
    table = modes.build(angular(distribution="table", v=[-1.0, 1.0], G=[1.4, -0.6]))
    np.testing.assert_allclose(line.s * line.n, line.weight * (0.4 - line.v), rtol=0, atol=1e-16)
    np.testing.assert_allclose(table.s * table.n, line.s * line.n, rtol=0, atol=1e-16)
    np.testing.assert_array_equal(line.antinu_weight[line.s > 0], 0)
    np.testing.assert_array_equal(line.nu_weight[line.s < 0], 0)


def test_a_direction_without_lepton_number_is_refused():
    with pytest.raises(InputError, match="no lepton number at v = 0"):
        modes.build(angular(distribution="polynomial", coefficients=[0.0, 1.0], number=5))
    assert len(modes.build(angular(distribution="polynomial", coefficients=[0.0, 1.0], number=4))) == 4


# ---- labels ---------------------------------------------------------------------------------------------------------


def test_equal_velocities_are_one_direction_whatever_the_species():
    beams = modes.build({"kind": "beams", "velocity": [1.0, -0.5, 1.0], "sign": [1, 1, -1], "density": [0.5, 0.2, 0.1]})
    assert beams.direction.tolist() == [0, 1, 0] and beams.directions.tolist() == [0, 1]
    assert beams.species.tolist() == [1, 1, -1] and beams.energy.tolist() == [0, 0, 0] and beams.p is None
    np.testing.assert_array_equal(beams.velocity[beams.directions][beams.direction], beams.velocity)
    assert not beams.merged and beams.bins is None


def test_velocity_has_an_axis_in_any_box_and_three_components_in_space():
    line = modes.Modes(v=np.array([1.0, -0.5]), s=np.ones(2), n=None, weight=np.ones(2))
    plane = modes.Modes(v=np.array([[0.6, 0.8], [0.0, -1.0]]), s=np.ones(2), n=None, weight=np.ones(2))
    assert line.velocity.shape == (2, 1) and line.speeds.shape == (1, 2) and plane.speeds.flags.c_contiguous
    assert line.velocity_xyz.tolist() == [[0, 0, 1], [0, 0, -0.5]]
    assert plane.velocity_xyz.tolist() == [[0.6, 0, 0.8], [0, 0, -1]]
    for some in (line, plane):  # 1 - v_a.v_b, which all refraction is made of, is the same with three components
        np.testing.assert_array_equal(some.velocity @ some.velocity.T, some.velocity_xyz @ some.velocity_xyz.T)


def test_directions_energies_and_species_as_a_product():
    """What the labels are for: two directions of both species with two energies, the direction slowest."""
    shape = 2, 2, 2
    direction, species, energy = (index.ravel() for index in np.indices(shape))
    gas = modes.Modes(
        v=np.array([0.9, -0.6])[direction], s=np.array([1.0, -1.0])[species], n=np.ones(8), weight=np.ones(8),
        p=np.array([1.0, 2.5])[energy], direction=direction, energy=energy,
    )  # fmt: skip
    assert gas.directions.tolist() == [0, 4] and gas.species.tolist() == [1, 1, -1, -1] * 2
    table = np.exp(1j * gas.velocity[gas.directions, 0])  # made once per direction
    np.testing.assert_array_equal(table[gas.direction], np.exp(1j * gas.v))


def test_angular_distributions_are_merged_and_know_their_bins():
    section = angular(alpha=0.9)
    line, plane = modes.build(section), modes.build(section | {"azimuths": 3}, 2)
    assert line.merged and line.bins is line.weight and plane.merged and plane.bins is None
    assert len(line.directions) == len(line) and len(plane.directions) == len(plane) == 3 * len(line)


@pytest.mark.parametrize("wrong", [{"p": np.ones(3)}, {"direction": np.array([0, 0])}, {"direction": np.array([1, 2])}])
def test_labels_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="one value per mode|one velocity"):
        modes.Modes(v=np.array([1.0, -0.5]), s=np.ones(2), n=None, weight=np.ones(2), **wrong)


# ---- flavors, energies, species


def made(**sections):
    """Modes of a config whose sections stand beside those that every run needs."""
    source = {"box": {"length": 10, "points": 64}, "initial": {"n_max": 3}, "time": {"end": 1}}
    return levels.modes_of(config.resolve(source | sections))


def test_beams_have_energies_species_and_contents():
    content = [[0.3, 0.1, 0.1], [0.0, 0.2, 0.0]]
    beams = made(
        flavor={"number": 3}, modes={"velocity": [0.9, -0.6], "sign": [1, -1], "energy": [1.0, 2.5], "content": content}
    )
    assert beams.flavors == 3 and beams.content.tolist() == content and beams.n.tolist() == [0.5, 0.2]
    assert beams.p.tolist() == [1.0, 2.5] and beams.species.tolist() == [1, -1] and beams.energy.tolist() == [0, 1]
    same = made(modes={"velocity": [0.9, -0.6, 0.0], "sign": -1, "energy": 2.0, "content": [0.3, 0.1]})
    assert same.p.tolist() == [2.0] * 3 and same.s.tolist() == [-1] * 3 and same.content.tolist() == [[0.3, 0.1]] * 3
    assert made(modes={"velocity": [0.9, 0.0], "density": 0.5}).n.tolist() == [0.5, 0.5]


def test_whole_velocities_are_kept_where_they_point_out_of_the_box():
    line = made(modes={"velocity": [[0.6, 0.0, 0.8], [0.0, 0.0, -1.0], [0.0, 0.6, 0.8]], "density": 1.0})
    assert line.v.tolist() == [0.8, -1.0, 0.8] and line.velocity.shape == (3, 1)
    assert line.vectors is not line.velocity and line.vectors.tolist() == line.velocity_xyz.tolist()
    assert line.direction.tolist() == [0, 1, 2]  # two of them move alike in the box, and refract differently
    straight = made(modes={"velocity": [[0.0, 0.0, 0.8], [0.0, 0.0, -1.0]], "density": 1.0})
    assert straight.vectors is straight.velocity
    plane = {"box": {"length": [10, 10], "points": [16, 16]}}
    across = made(**plane, modes={"velocity": [[0.6, 0.0, 0.8], [0.0, 0.6, 0.8]], "density": 1.0})
    assert across.v.tolist() == [[0.6, 0.8], [0.0, 0.8]] and across.vectors.shape == (2, 3)
    within = made(**plane, modes={"velocity": [[0.6, 0.0, 0.8], [1.0, 0.0, 0.0]], "density": 1.0})
    assert within.vectors is within.velocity


def test_a_gas_has_each_species_flavor_and_energy_in_each_direction():
    widths = {"alpha": 0.9, "sigma": 0.6, "alpha_x": [0.2, 0.3], "sigma_x": 1.0, "alpha_x_bar": 0.1, "sigma_x_bar": [1.5, 2.0]}
    bins = {"energy": [1.0, 2.0, 4.0], "energy_weight": [1.0, 2.0, 1.0], "energy_weight_x": [0.0, 1.0, 3.0]}
    gas = made(flavor={"number": 3}, modes={"kind": "angular", "number": 32, "species": "apart"} | widths | bins)
    assert len(gas) == 32 * 2 * 3 and len(gas.directions) == 32 and not gas.merged
    # directions slowest, then species, energies fastest
    assert gas.direction.tolist() == np.repeat(np.arange(32), 6).tolist() and gas.s[:6].tolist() == [1, 1, 1, -1, -1, -1]
    assert gas.p[:6].tolist() == [1.0, 2.0, 4.0] * 2 and gas.energy[:6].tolist() == [0, 1, 2] * 2
    content = gas.content.reshape(32, 2, 3, 3)
    v, weight = quadrature("gauss-legendre", 32)
    shape = weight[:, None] * np.array([g(v, 0.6), 0.2 * g(v, 1.0), 0.3 * g(v, 1.0)]).T
    np.testing.assert_allclose(content[:, 0, 2], shape * [0.25, 0.75, 0.75], rtol=1e-14)
    np.testing.assert_allclose(content[:, 1, 1, 2], weight * 0.1 * g(v, 2.0) * 0.25, rtol=1e-14)
    np.testing.assert_allclose(gas.n, gas.content.sum(axis=1), rtol=1e-15)
    assert gas.bins.tolist() == np.repeat(weight, 6).tolist()
    assert gas.names[4] == "v = -0.9973, s = -1, p = 2"
    assert str(gas) == "192 modes of 32 directions, -0.9973 <= v <= +0.9973, 96 with s = -1, 3 energies"


def test_bins_without_neutrinos_are_no_modes():
    bins = {"energy": [1.0, 2.0], "energy_weight": [1.0, 0.0], "energy_weight_bar": [1.0, 1.0]}
    gas = made(modes={"kind": "angular", "number": 4, "alpha": 0.9, "species": "apart"} | bins)
    assert gas.s[:3].tolist() == [1, -1, -1] and gas.energy[:3].tolist() == [0, 0, 1] and len(gas) == 12

"""Neutrinos and antineutrinos of a direction in one mode, or apart, with energies or without: nothing changes without masses."""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.config import resolve
from nuflux_mpi.physics.levels import modes_of
from nuflux_mpi.results import summary

RTOL = 1e-12
ATOL = 1e-10  # what the two are promised to agree to; each step of some hundred may be off by RTOL, and errors grow e^8-fold
POLYNOMIAL = {"distribution": "polynomial", "coefficients": [0.5, 0.45], "coefficients_bar": [0.5, -0.4]}
GAS = {"kind": "angular", "number": 6} | POLYNOMIAL
CASE = {
    "box": {"length": 40.0, "points": 32},
    "modes": GAS,
    "initial": {"kind": "seeds", "n_max": 3, "variance": 1e-6, "same_for_all": True, "amplitudes_in": "n_a"},
    "equations": {"level": "energy"},
    "time": {"end": 20.0, "rtol": RTOL, "method": "8vr"},
    "output": {"series_every": 5.0, "fields_every": 20.0, "spectrum_every": 20.0},
}
PLANE = {
    "box": {"length": [20.0, 40.0], "points": [8, 16]},
    "modes": GAS | {"azimuths": 3},
    "time": CASE["time"] | {"end": 12.0},
    "output": CASE["output"] | {"series_every": 4.0},
}


WITH_X = {
    "modes": {
        "kind": "angular",
        "number": 6,
        "alpha": 1.2,
        "sigma_bar": 0.4,
        "alpha_x": 0.2,
        "sigma_x": 1.5,
        "sigma_x_bar": 1.2,
    },
    "initial": {
        "kind": "rotation",
        "turns": [{"component": "1", "n": 1, "amplitude": 0.05}, {"component": "5", "n": -2, "amplitude": 0.03, "phase": 1.0}],
    },
    "time": CASE["time"] | {"end": 40.0},
}


SPHERE = {
    "modes": {
        "kind": "lebedev", "degree": 5, "distribution": "moments", "tolerance": 0.1, "densities": [1.0, 0.9, 0.2],
        "fluxes": [[0.1, 0.2, 0.0], [0.0, 0.1, 0.5], [0.0, 0.0, 0.1]],
    },
    "initial": WITH_X["initial"],
    "time": CASE["time"] | {"end": 10.0},
}  # fmt: skip


@pytest.mark.parametrize(
    "flavors, space", [(2, {}), (2, PLANE), (3, WITH_X), (3, SPHERE)], ids=["line", "plane", "three flavors", "sphere"]
)
def test_merged_and_apart_are_the_same(flavors, space):
    """All sums over modes, and of each direction sum s P. The start turns a species as the other: they are parallel."""
    source = CASE | {"flavor": {"number": flavors}} | space
    bins = {"energy": [1.0, 3.0], "energy_weight": [2.0, 1.0], "energy_weight_bar": [1.0, 1.0]}
    one = nuflux_mpi.simulate(source | {"modes": source["modes"] | {"species": "merged"}})
    each = nuflux_mpi.simulate(source | {"modes": source["modes"] | {"species": "apart"} | bins})
    directions, merged = modes_of(each.config), modes_of(one.config)
    assert len(directions) == 4 * len(merged) and merged.merged and not directions.merged
    assert "antineutrinos merged" in summary.case(one) and "antineutrinos merged" not in summary.case(each)
    for name in ("D0", "U_osc"):
        np.testing.assert_allclose(each.series[name], one.series[name], rtol=0, atol=ATOL)
    np.testing.assert_allclose(each.series["K"].sum(axis=1), one.series["K"].sum(axis=1), rtol=0, atol=ATOL)
    assert np.ptp(one.series["U_osc"]) > 1e-4 and np.abs(one.series["K"].sum(axis=1)[-1]) > 1e-4  # something happened
    P, n = each.fields["P"][-1], len(merged)
    sums = np.zeros((n, *P.shape[1:]))
    np.add.at(sums, directions.direction, directions.s.reshape(-1, *[1] * (P.ndim - 1)) * P)
    expected = merged.s.reshape(-1, *[1] * (P.ndim - 1)) * one.fields["P"][-1]
    np.testing.assert_allclose(sums, expected, rtol=0, atol=ATOL)


def test_what_is_exact_decides():
    """Merged by itself with nu_e and anti-nu_e alone; not with energies at a level that resolves them. By hand not where more nu_mu
    than nu_tau make up a lepton number."""
    assert modes_of(resolve(CASE)).merged and modes_of(resolve(CASE | {"modes": GAS | {"energy": [1.0, 2.0]}})).merged
    uneven = {
        "flavor": {"number": 3},
        "modes": {"kind": "angular", "number": 6, "alpha": 0.97, "alpha_x": [0.2, 0.3], "alpha_x_bar": 0.1},
    }
    apart = modes_of(resolve(CASE | uneven))
    assert not apart.merged and apart.content.shape == (12, 3)
    assert np.array_equal(apart.content[:, 1] < apart.content[:, 2], apart.s > 0)
    with pytest.raises(nuflux_mpi.InputError, match="needs as many nu_mu as nu_tau in each direction"):
        resolve(CASE | uneven | {"modes": uneven["modes"] | {"species": "merged"}})
    resolved = resolve(CASE | {"modes": GAS | {"energy": [1.0, 2.0]}, "equations": {"level": "momentum"}, "momentum": {}})
    assert not modes_of(resolved).merged

"""Crossings of lepton numbers, pair by pair."""

import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.analysis import crossings as told
from nuflux_mpi.physics import crossings, levels


def found(**modes):
    table = {
        "box": {"length": 10.0, "points": 16}, "flavor": {"number": modes.pop("flavors", 2)}, "modes": modes,
        "initial": {"kind": "seeds", "n_max": 2}, "time": {"end": 1.0},
    }  # fmt: skip
    resolved = config.resolve(table)
    directions = levels.modes_of(resolved)
    return crossings.of(directions, told.content(resolved, directions)), told.lines(resolved, directions)


@pytest.mark.parametrize("species", ["merged", "apart"])
def test_the_published_crossing_of_an_angular_distribution(species):
    """Code comparison, Phys. Rev. D 106, 043011: v = 0.7855 for alpha = 0.9; between 64 directions on a straight line."""
    (one,), lines = found(kind="angular", number=64, distribution="gaussian", alpha=0.9, species=species)
    assert one.zeros == [pytest.approx(0.7855, abs=3e-4)] and one.center[2] == pytest.approx(0.92, abs=0.03)
    assert one.part == pytest.approx((1 - 0.7855) / 2, abs=0.02)  # of bins as wide as 0.03
    assert "ex: at v = 0.7855" in lines[0] and "fast instability expected" in lines[0]


def test_depth_and_rate_of_a_polynomial_in_closed_form():
    """G = v + 1/2 on the sphere: negative for v < -1/2, areas 9/16 and 1/16 of the mean of G over v."""
    (one,), _ = found(kind="product", polar=40, azimuthal=3, distribution="polynomial", powers=[[1.0, 1.0], [0.5]])
    assert (one.plus, one.minus) == (pytest.approx(9 / 16, rel=5e-3), pytest.approx(1 / 16, rel=5e-2))  # of 40 points
    assert one.depth == pytest.approx(0.1, rel=5e-2) and one.part == pytest.approx(0.25, abs=0.03)
    assert one.rate == pytest.approx(3 / 16, rel=3e-2) and one.zeros is None


def test_three_flavors_pair_by_pair():
    """nu_mu and nu_tau of the same density have no lepton number between them; nu_e without nu_x has no crossing."""
    keys = {"kind": "lebedev", "degree": 7, "distribution": "moments", "flavors": 3}
    pairs, lines = found(**keys, densities=[1.0, 0.9, 0.2], fluxes=[[0, 0, 0.1], [0, 0, 0.4], [0, 0, 0.1]])
    assert [one.pair for one in pairs] == [("e", "mu"), ("e", "tau"), ("mu", "tau")]
    assert [one.there for one in pairs] == [True, True, False] and "mu tau: no lepton number" in lines[2]
    pairs, lines = found(**keys, densities=[1.0, 0.5, 0.0], fluxes=[[0, 0, 0.1], [0, 0, 0.05], [0, 0, 0]])
    assert not any(one.there for one in pairs) and "all lepton number is positive: nothing fast grows" in lines[0]


def test_beams():
    (one,), lines = found(velocity=[0.9, -0.6], sign=[1, -1], density=[1.0, 0.5])
    assert one.zeros == [pytest.approx(-0.1)] and one.depth == pytest.approx(1 / 3) and "between beams" in lines[0]
    (one,), _ = found(velocity=[0.9, -0.6], density=[1.0, 0.5])
    assert not one.there and one.depth == 0 and np.all(one.center == 0)


def test_a_crossing_between_the_directions_is_told():
    """Of 4 directions none lies beyond v = 0.99, where G < 0."""
    keys = {"kind": "angular", "distribution": "polynomial", "coefficients": [0.99, -1.0]}
    (one,), lines = found(**keys, number=4)
    assert not one.there and "the distribution has one of depth" in lines[1] and "take more directions" in lines[1]
    assert len(found(**keys, number=64)[1]) == 1
    keys = {
        "kind": "product",
        "distribution": "moments",
        "densities": [1.0, 0.8],
        "fluxes": [[0, 0, 0.1], [0, 0, 0.2]],
        "tolerance": 0.1,
    }
    (one,), lines = found(**keys, polar=2, azimuthal=4)
    assert not one.there and "depth" in lines[1]

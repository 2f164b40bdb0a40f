"""[modes] on the sphere: what comes of the section, and what is refused in a sentence."""

import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import levels

MOMENTS = {
    "kind": "product", "polar": 6, "azimuthal": 12, "distribution": "moments", "densities": [1.4, 1.9, 0.5],
    "fluxes": [[0.14, 0.06, -0.19], [0.14, 0.06, -0.66], [-0.01, 0.04, -0.26]],
}  # fmt: skip


def case(dimensions=1, flavors=2, level="standard", **modes):
    box = {"length": 10.0, "points": 16} if dimensions == 1 else {"length": [10.0] * dimensions, "points": [8] * dimensions}
    return {
        "box": box,
        "flavor": {"number": flavors},
        "modes": {name: value for name, value in (MOMENTS | modes).items() if value is not None},
        "initial": {"kind": "seeds", "n_max": 2},
        "equations": {"level": level},
        "time": {"end": 1.0},
    }


def modes_of(*arguments, **keys):
    return levels.modes_of(config.resolve(case(*arguments, **keys)))


def moments(modes, content):
    """Sums over modes of density and flux by flavor and species: {+1, -1}: (flavors,), (3, flavors)."""
    return {
        s: (content[modes.s == s].sum(axis=0), modes.xyz[modes.s == s].T @ content[modes.s == s]) for s in (1.0, -1.0)
    }  # fmt: skip


DIRECTIONS = {
    "product": {},
    "lebedev": {"kind": "lebedev", "polar": None, "azimuthal": None, "degree": 9},
    "directions": {
        "kind": "directions", "polar": None, "azimuthal": None, "tolerance": 0.2,
        "direction": np.concatenate([np.eye(3), -np.eye(3)]).tolist(),
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", DIRECTIONS)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_sums_over_the_modes_are_the_moments(kind, dimensions):
    """Three flavors apart, in any box: densities and fluxes of each species to rounding."""
    modes = modes_of(dimensions, 3, species="apart", **DIRECTIONS[kind])
    assert modes.velocity.shape[1] == dimensions and modes.vectors.shape[1] == 3
    found = moments(modes, modes.content)
    n, f = np.array(MOMENTS["densities"]), np.array(MOMENTS["fluxes"])
    for sign, first in ((1.0, 0), (-1.0, 1)):
        np.testing.assert_allclose(found[sign][0], n[[first, 2, 2]], rtol=1e-13)
        np.testing.assert_allclose(found[sign][1].T, f[[first, 2, 2]], rtol=0, atol=1e-12)


def test_without_exact_the_sums_are_those_of_the_quadrature():
    exact, plain = (modes_of(species="apart", exact=exact, polar=3, azimuthal=6) for exact in (True, False))
    off = abs(moments(plain, plain.content)[1.0][1][:, 0] - MOMENTS["fluxes"][0]).max()
    assert 1e-7 < off < 1e-3  # exact to degree five, for Z = 0.5
    np.testing.assert_allclose(plain.content, exact.content, rtol=2e-2)


def test_merged_modes_have_the_lepton_number_of_the_directions():
    merged, apart = modes_of(species="merged"), modes_of(species="apart")
    G = np.bincount(apart.direction, apart.s * (apart.content[:, 0] - apart.content[:, 1]))
    assert merged.merged and len(apart) == 2 * len(merged)
    np.testing.assert_allclose(merged.s * merged.n, G, rtol=0, atol=1e-14)


def test_six_species_and_four():
    six = modes_of(1, 3, densities=[1.4, 1.9, 0.5, 0.6, 0.3, 0.2], fluxes=[[0, 0, 0.1]] * 6)
    found = moments(six, six.content)
    np.testing.assert_allclose([found[1.0][0], found[-1.0][0]], [[1.4, 0.5, 0.3], [1.9, 0.6, 0.2]], rtol=1e-13)
    four = modes_of(1, 2, densities=[1.4, 1.9, 0.5, 0.6], fluxes=[[0, 0, 0.1]] * 4, species="apart")
    found = moments(four, four.content)
    np.testing.assert_allclose([found[1.0][0], found[-1.0][0]], [[1.4, 0.5], [1.9, 0.6]], rtol=1e-13)


@pytest.mark.parametrize(
    ("distribution", "mean"),
    [
        ({"distribution": "isotropic"}, 0.0),
        ({"distribution": "polynomial", "densities": None, "powers": [[1.0, 0.6, 0.3], [1.0]], "axis": [1, 2, 2]}, 0.2 / 1.1),
        ({"distribution": "gaussian", "widths": [1.0, 1.2], "axis": [1, 2, 2], "densities": [1.0, 0.9]}, None),
    ],
)
def test_distributions_along_an_axis(distribution, mean):
    """Mean velocity of nu_e: g_1/3 over g_0 + g_2/3 for a polynomial, an integral by sums for a Gaussian."""
    keys = {"fluxes": None, "polar": 10, "azimuthal": 20, "species": "apart"} | distribution
    modes = modes_of(**keys)
    number, flux = (each[..., 0] for each in moments(modes, modes.content)[1.0])
    if mean is None:
        v = (np.arange(20000) + 0.5) / 10000 - 1
        g = np.exp(-((v - 1) ** 2) / 2)
        mean = (g * v).sum() / g.sum()
    axis = [0, 0, 1] if mean == 0 else np.array([1, 2, 2]) / 3
    np.testing.assert_allclose(flux / number, mean * np.array(axis), rtol=0, atol=3e-8)  # the rule of middles


def test_energy_bins_of_spectra():
    """Numbers and mean energies of each species, to what the bins hold; means by the quadrature of the modes themselves."""
    modes = modes_of(species="apart", spectrum="fermi-dirac", mean_energies=[10.0, 12.0, 15.0], bins=10)
    assert len(set(modes.p)) == 10 and list(modes.energy[:10]) == list(range(10))
    for species, flavor, number, mean in ((1, 0, 1.4, 10), (-1, 0, 1.9, 12), (1, 1, 0.5, 15), (-1, 1, 0.5, 15)):
        of = modes.content[:, flavor] * (modes.s == species)
        assert of.sum() == pytest.approx(number, rel=1e-12) and of @ modes.p / of.sum() == pytest.approx(mean, rel=1e-3)
    edges = modes_of(
        species="apart", spectrum="pinched", mean_energies=[10.0] * 3, pinching=[2.0] * 3, edges=[0, 5, 10, 15, 20, 40, 80]
    )
    assert len(set(edges.p)) == 6 and 10 < sorted(edges.p)[-1] / 4 < 15
    nu_e = edges.content[:, 0] * (edges.s == 1)
    assert nu_e @ edges.p / nu_e.sum() == pytest.approx(10, rel=1e-3)  # what lies beyond the last edge


@pytest.mark.parametrize("dimensions", [1, 3])
def test_moments_along_z_on_an_angular_grid(dimensions):
    """Axially symmetric: sums over the directions, and over their azimuths, are the moments along z."""
    fluxes = [[0, 0, 0.5], [0, 0, 0.9], [0, 0, -0.2]]
    keys = {"kind": "angular", "polar": None, "azimuthal": None, "number": 8, "fluxes": fluxes, "species": "apart"}
    modes = modes_of(dimensions, **keys)
    for sign, flavor, n, f in ((1, 0, 1.4, 0.5), (-1, 0, 1.9, 0.9), (1, 1, 0.5, -0.2), (-1, 1, 0.5, -0.2)):
        of = modes.content[:, flavor] * (modes.s == sign)
        assert of.sum() == pytest.approx(n, rel=1e-13)
        np.testing.assert_allclose(of @ modes.velocity, [0] * (dimensions - 1) + [f], rtol=0, atol=1e-13)
    with pytest.raises(InputError, match=r"modes.fluxes\[0\] must be along z"):
        modes_of(**keys | {"fluxes": MOMENTS["fluxes"]})
    with pytest.raises(InputError, match="the 2 directions miss the flux of anti-nu_e by .* with number = 4 will do"):
        modes_of(**keys | {"number": 2, "densities": [1.4, 1.5, 0.5], "tolerance": 1e-3})
    isotropic = modes_of(**keys | {"distribution": "isotropic", "fluxes": None})
    assert isotropic.content[:, 0].sum() == pytest.approx(3.3) and isotropic.s @ (
        isotropic.content[:, 0] * isotropic.v
    ) == pytest.approx(0)


LISTED = {"kind": "directions", "polar": None, "azimuthal": None}
WRONG = [
    (LISTED | {"direction": [[0, 0, 1], [0.6, 0.8, 0.1]]}, "modes.direction[1] must be a unit vector"),
    (LISTED | {"direction": [[0, 0, 1.0], [0, 1.0]]}, "modes.direction[1] must be a unit vector"),
    (LISTED | {"direction": np.eye(3).tolist(), "weight": [1.0, 2.0]}, "modes.weight must have 3 items"),
    (LISTED | {"direction": np.eye(3).tolist()}, "weighted sum is not 0"),
    (LISTED | {"direction": [1.0, 2.0]}, "modes.direction[0] must be a list of numbers, not 1.0"),
    ({"polar": 2, "azimuthal": 4}, "miss the flux of nu_x by"),
    ({"polar": 64, "azimuthal": 64}, "at most 2048 directions, not 4096"),
    ({"kind": "lebedev", "polar": None, "azimuthal": None, "degree": 13}, "modes.degree must be one of 3, 5"),
    ({"kind": "lebedev", "polar": None, "azimuthal": None, "degree": 3}, "degree = 5 has 14 that will do"),
    ({"densities": [1.4, -1.9, 0.5]}, "modes.densities[1] must be a finite number >= 0"),
    ({"densities": [0.0, 0.0, 0.0]}, "modes.densities must not all be 0"),
    ({"densities": [1.0] * 6}, "modes.densities must have 2, 3 or 4 items"),
    ({"fluxes": [[0, 0, 0.1]] * 2}, "modes.fluxes must have 3 items"),
    ({"fluxes": [[0, 0, 0.1], [1.5, 1.2, 0], [0, 0, 0]]}, "the flux of anti-nu_e must be smaller than its density"),
    ({"fluxes": [[0, 0, 0.1], [1.9, 0, 0], [0, 0, 0]]}, "neutrinos of one direction are a beam"),
    ({"fluxes": [[0, 0.1]] * 3}, "modes.fluxes[0] must be a vector of three components"),
    ({"spectrum": "pinched"}, "modes.mean_energies is missing"),
    ({"bins": 3}, "modes.bins belongs to a spectrum"),
    ({"spectrum": "pinched", "mean_energies": [1.0, 2.0, 0.0], "bins": 8}, "modes.mean_energies[2] must be a finite number > 0"),
    ({"spectrum": "pinched", "mean_energies": [9.0] * 3}, "either modes.bins, how many energies, or modes.edges"),
    ({"spectrum": "pinched", "mean_energies": [9.0] * 3, "edges": [0, 4, 8]}, "the 2 energy bins miss the number of nu_e by"),
    ({"spectrum": "fermi-dirac", "mean_energies": [9.0] * 3, "bins": 8, "energy": [1.0]}, "exclude each other"),
    ({"distribution": "polynomial", "densities": None, "fluxes": None, "powers": [[1, 0.5], [1, -1.5]]}, "anti-nu_e a negative density"),
    ({"distribution": "gaussian", "fluxes": None, "widths": [0.002, 1, 1]}, "narrower than directions can tell"),
    ({"distribution": "gaussian", "fluxes": None, "widths": [1, 1, 1], "axis": [0, 0, 0]}, "modes.axis must be a vector"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "sentence"), WRONG)
def test_what_cannot_be_is_refused_in_a_sentence(keys, sentence):
    with pytest.raises(InputError) as refused:
        config.resolve(case(**keys))
    assert sentence in str(refused.value)


def test_a_resolved_config_comes_back_unchanged():
    resolved = config.resolve(case(spectrum="fermi-dirac", mean_energies=[10.0, 12.0, 15.0], bins=8))
    assert config.resolve(resolved) == resolved

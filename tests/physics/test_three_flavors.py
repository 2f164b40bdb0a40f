"""Nothing but the flavor algebra knows how many components a density matrix has: the rest of the package with three flavors.

Initial states, linear theory, eigenvalues, files and figures follow from the algebra of the modes.
"""

import dataclasses

import h5py
import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.analysis import linear_problem
from nuflux_mpi.box.box import Box
from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.physics import initial, phase_space
from nuflux_mpi.physics.diagnostics import Diagnostics
from nuflux_mpi.physics.levels import modes_of
from nuflux_mpi.results import datasets, figure_modes, names
from nuflux_mpi.results.coordinates import coordinates
from nuflux_mpi.results.reader import MemoryRun
from nuflux_mpi.theory import linear

SOURCE = {
    "box": {"length": 10.0, "points": 32},
    "modes": {"velocity": [1.0, -0.6, 0.3], "sign": [1, 1, -1], "density": [0.5, 0.4, 0.3]},
    "initial": {"kind": "seeds", "n_max": 3, "variance": 1e-6, "seed": 2, "normalize": True},
    "time": {"end": 1.0},
}


class Place:
    """A box without ranks, as far as initial states and measures ask for one."""

    def __init__(self, length, points):
        self.length, self.points, self.origin, self.local_shape = (length,), (points,), (0.0,), (points,)
        self.dimensions, self.axis_names, self.cell = 1, ("z",), length / points

    def coordinates(self):
        return self.axes()

    def axes(self):
        return [np.arange(self.points[0]) * self.length[0] / self.points[0]]

    def mean(self, fields):
        return np.mean(fields, axis=-1)

    def total(self, values):
        return values

    def max(self, values):
        return float(np.max(values))


@pytest.fixture
def three():
    return algebra(3)


def resolved_for(flavors, **settings):
    """The case with so many flavors, of which the first two have all coherence."""
    pairs = {} if flavors == 2 else {"pairs": ["e mu"]}
    return config.resolve(SOURCE | {"flavor": {"number": flavors}, "initial": SOURCE["initial"] | pairs | settings})


def started(flavors=3, **settings):
    """(config, modes, box, P) of the start."""
    resolved = resolved_for(flavors, **settings)
    directions, box = modes_of(resolved), Place(10.0, 32)
    return resolved, directions, box, initial.polarization(resolved, directions, box)


def test_a_start_of_the_first_two_flavors_is_that_of_two(three):
    (_, directions, box, P), (_, two, _, plain) = started(), started(flavors=2)
    assert P.shape == (3, 8, 32) and plain.shape == (3, 3, 32)
    np.testing.assert_array_equal(initial.density(P, directions, box), initial.density(plain, two, box))
    n = directions.n[:, None]
    e, x = algebra().content(n, plain, axis=1).swapaxes(0, 1)
    # Content of e, mu and tau: rounding of sums of three numbers below 1.
    np.testing.assert_allclose(three.content(n, P, axis=1).swapaxes(0, 1), [e, x, 0 * e], rtol=0, atol=1e-15)
    pair = three.pairs[0]
    assert pair.name == "emu"
    expected = algebra().coherence(plain, algebra().pairs[0], axis=1)
    np.testing.assert_allclose(three.coherence(P, pair, axis=1), expected, rtol=0, atol=1e-15)
    # Pure, as they were normalised: no neutrinos of a third kind, and none missing.
    occupations = three.occupations(n, P, axis=1)
    np.testing.assert_allclose(occupations[:, -1], np.broadcast_to(n, (3, 32)), rtol=1e-14)
    np.testing.assert_allclose(occupations[:, :-1], 0, atol=1e-15)


@pytest.mark.mpi
@pytest.mark.parametrize("points", [32, [6, 8]])
def test_a_row_of_two_flavors_among_three_is_that_of_two(points, three, comm):
    """Contents, survival, spectra: all but what knows the energy and the angle between the components."""
    lines, dimensions = 24, np.size(points)
    box = Box(10.0 if dimensions == 1 else [10.0, 12.0], points, lines, comm)
    v = [1.0, -0.6, 0.3] if dimensions == 1 else [[0.0, 1.0], [0.8, -0.6], [0.6, 0.3]]
    row = {}
    for flavors in (2, 3):
        resolved = resolved_for(flavors, seed=4)
        some = dataclasses.replace(modes_of(resolved), v=np.array(v), direction=None)
        P = initial.polarization(resolved, some, box)
        measured = Diagnostics(box, some, P, some.n, parts=("flavor", "spectrum"))
        turned = P.copy()  # a later state: the coherence has grown
        for part in (some.algebra.pairs[0].real, some.algebra.pairs[0].imaginary):
            turned[:, part] *= 3
        row[flavors] = measured.measure(1.0, {"P": turned})
        norm = np.sum(np.sum(box.mean(P**2), axis=1))  # the fields' 2-norm counts all components: it is another one
        row[flavors]["norm"] = norm
    for name in ("nu_x", "P_ee", "P_ee_bar"):
        np.testing.assert_allclose(row[3][name], row[2][name], rtol=0, atol=1e-15)  # a few roundings of numbers up to 1
    # The start of three flavors is turned by matrices: psi, of a size near 1e-3, is another by roundings of P, some 1e-16.
    power = row[2]["psi2"]
    np.testing.assert_allclose(row[3]["psi2"], power, rtol=1e-12, atol=1e-15 * np.sqrt(power.max()))
    np.testing.assert_allclose(row[3]["k_rms"], row[2]["k_rms"], rtol=1e-12)
    shares = [row[flavors]["coherence"] * np.sqrt(row[flavors]["norm"]) for flavors in (2, 3)]
    assert shares[0] == pytest.approx(shares[1], rel=1e-12)
    assert row[2]["psi2"].sum() > 0 and 0 < row[2]["P_ee"] <= 1


def test_densities_that_the_start_decides_are_those_of_pure_states(three):
    _, directions, box, P = started()
    open_ones = dataclasses.replace(directions, n=None)
    np.testing.assert_allclose(initial.density(P, open_ones, box), [0.5, 0.4, 0.3], rtol=1e-14)


def test_a_file_of_eight_components_is_the_start_and_the_problem(three, tmp_path):
    _, directions, box, P = started()
    with h5py.File(tmp_path / "start.h5", "w") as file:
        file["P"] = P
    start = {"kind": "file", "path": str(tmp_path / "start.h5")}
    resolved = config.resolve(SOURCE | {"flavor": {"number": 3}, "initial": start})
    asked = linear_problem.problem(resolved)
    pair = three.pairs[0]
    np.testing.assert_array_equal(asked.psi, three.coherence(P, pair, axis=1))
    np.testing.assert_allclose(asked.background.q, three.difference(P, pair, axis=1).mean(axis=-1), rtol=1e-15)


def test_every_pair_of_flavors_has_its_own_linear_theory(three):
    """Eigenfrequencies of each coherence against the linearised matrix equation, i d_t N_a = [Omega_a, N_a] + k v_a N_a."""
    content = np.array([[0.5, 0.1, 0.3], [0.05, 0.4, 0.1], [0.2, 0.3, 0.0]])  # mode, flavor
    v, s, k = np.array([1.0, -0.6, 0.3]), np.array([1.0, 1.0, -1.0]), 0.7
    _, P = three.polarization_of(content, axis=1)
    series = {"v": v, "sign": s, "P_mean": P[None], "component": np.arange(8)}
    states = linear_problem.of_run(MemoryRun(resolved_for(3), series, {}))
    backgrounds = [state.background for state in states]
    assert len(backgrounds) == 3

    N = np.array([np.diag(each) for each in content]).astype(complex)
    weights = s * (1 - np.outer(v, v))  # row: of the mode that is acted on
    omega = np.einsum("ab,bij->aij", weights, N)

    def rate(change):
        """i d_t of a small change of N: [omega, change] + [d omega, N]."""
        bent = np.einsum("ab,bij->aij", weights, change)
        return omega @ change - change @ omega + bent @ N - N @ bent + k * v[:, None, None] * change

    for background, pair in zip(backgrounds, three.pairs):
        columns = []
        for mode in range(3):
            change = np.zeros((3, 3, 3), dtype=complex)
            change[mode, pair.second, pair.first] = 1.0
            answer = rate(change)
            columns.append(answer[:, pair.second, pair.first].copy())
            answer[:, pair.second, pair.first] = 0
            assert not answer.any()  # pairs do not see each other
        np.testing.assert_allclose(linear.matrix([k], *background), np.array(columns).T, atol=1e-15)
    fastest = max(float(linear.growth_rate([k], *background)) for background in backgrounds)
    assert fastest > 0.01
    assert linear_problem.rates_of(states)(np.array([k])) == pytest.approx([fastest], abs=1e-14)


def test_eigenvalues_and_measures_of_a_distribution(three):
    generator = np.random.default_rng(3)
    root = generator.normal(size=(2, 6, 5, 3, 3)) + 1j * generator.normal(size=(2, 6, 5, 3, 3))  # mode, q, z
    N = root @ root.conj().swapaxes(-1, -2)
    n, P = three.coefficients(N, axis=-1)
    f = np.concatenate((n[:, None], np.moveaxis(P, -1, 1)), axis=1)
    box = Place(10.0, 5)
    eigenvalues = np.linalg.eigvalsh(N)
    np.testing.assert_allclose(np.moveaxis(phase_space.occupations(f), 0, -1), eigenvalues, atol=1e-12)
    measured = phase_space.measures(f, 0.5, box)
    # Sums of 180 numbers.
    for name, density in (("number", eigenvalues), ("casimir2", eigenvalues**2), ("casimir3", eigenvalues**3)):
        assert measured[name] == pytest.approx(density.sum() * 0.5 * box.cell, rel=1e-12)
    assert measured["occupation_min"] == pytest.approx(eigenvalues.min(), abs=1e-12)
    q = np.arange(6.0) - 3
    homogeneous = np.broadcast_to(f[0, :, :1, :1], (9, 6, 5))  # without gradients f * f * f is f f f
    trace = (eigenvalues[0, 0, 0] ** 3).sum() * 6 * 10.0
    assert phase_space.star_casimir3(homogeneous, q, 10.0, 0.7) == pytest.approx(trace, rel=1e-12)


def test_files_name_the_components_of_three_flavors(three, tmp_path):
    _, directions, box, _ = started()
    axes = coordinates(box, directions, directions.n, {"coefficient": np.arange(9)})
    assert axes["component"].tolist() == list(range(8)) and names.algebra_of(axes) is three
    with h5py.File(tmp_path / "axes.h5", "w") as file:
        for name, values in axes.items():
            datasets.create(file, name, values.shape, values.dtype)
        datasets.label(file, axes)
        assert file["component"].attrs["labels"] == "1 2 3 4 5 6 7 8"
        assert file["component"].attrs["long_name"].endswith("6 7, 7 8")
        assert "n/3 + P.lambda/2: 0 n, 1 to 8" in file["coefficient"].attrs["long_name"]
    assert names.meaning("component", (3,)) == names.LAYOUT["component"][2] == "flavor component: 0 x, 1 y, 2 z"


def test_figures_show_what_is_no_longer_nu_e(three):
    content = np.array([0.3, 0.15, 0.05])
    n, P = three.polarization_of(content)
    asked = []

    def component(index):
        asked.append(index)
        return P[index]

    assert figure_modes.share_of_others(three, component, n) == pytest.approx(0.4, abs=1e-15)
    assert asked == [2, 7]  # populations alone, the only ones that are read from a file
    assert figure_modes.species(1, "mu") == r"$\nu_{\mu}$" and figure_modes.species(-1, "x") == r"$\bar\nu_x$"

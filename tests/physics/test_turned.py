"""Starts of two and three flavors by unitary matrices: eigenvalues stay, coherences are those asked for, pairs by name."""

import numpy as np
import pytest
from scipy.linalg import expm

from nuflux_mpi import config
from nuflux_mpi.errors import InputError
from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.physics import initial, seeding
from nuflux_mpi.physics.levels import modes_of
from nuflux_mpi.physics.linearised import Place

CONTENT = [[0.5, 0.1, 0.05], [0.1, 0.4, 0.1], [0.3, 0.0, 0.0]]
SOURCE = {
    "box": {"length": 10.0, "points": 32},
    "flavor": {"number": 3},
    "modes": {"velocity": [1.0, -0.6, 0.3], "sign": [1, 1, -1], "content": CONTENT},
    "time": {"end": 1.0},
}


class Whole(Place):
    """A box on one rank without MPI."""

    local_shape = property(lambda self: self.points)

    def max(self, values):
        return float(np.max(values))


def start(**sections):
    """(config, modes, box, P) of the start."""
    resolved = config.resolve(SOURCE | sections)
    box, modes = Whole.of(resolved), modes_of(resolved)
    return resolved, modes, box, initial.polarization(resolved, modes, box)


def seeds(**keys):
    return {"kind": "seeds", "n_max": 3, "variance": 1e-4, "seed": 3} | keys


def test_names_of_pairs_are_those_of_the_algebra():
    for flavors, names in seeding.PAIRS.items():
        assert [name.replace(" ", "") for name in names] == [pair.name for pair in algebra(flavors).pairs]


@pytest.mark.parametrize("points", [32, [6, 8]])
def test_seeds_of_all_pairs_leave_the_eigenvalues(points):
    """The start is positive to rounding with seeds of a tenth of the densities."""
    axes = np.size(points)
    v = [1.0, -0.6, 0.3] if axes == 1 else [[0.0, 1.0], [0.8, -0.6], [0.6, 0.3]]
    space = {
        "box": {"length": 10.0 if axes == 1 else [10.0, 8.0], "points": points},
        "modes": SOURCE["modes"] | {"velocity": v},
    }
    _, modes, box, P = start(initial=seeds(n_max=2, variance=1e-5, amplitudes_in="n_a"), **space)
    found = modes.algebra.occupations(modes.n.reshape(-1, *[1] * axes), P, axis=1)
    expected = np.sort(CONTENT, axis=1).reshape(3, 3, *[1] * axes)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=0, atol=1e-15)
    psi = [np.abs(modes.algebra.coherence(P, pair, axis=1)).max(axis=tuple(range(1, axes + 1))) for pair in modes.algebra.pairs]
    # Mode 1 has as many nu_e as nu_tau, mode 2 neither nu_mu nor nu_tau: what two rotations make of these is of second order.
    assert min(psi[0]) > 1e-3 and psi[1][1] < 0.1 * psi[1][0] and psi[2][2] < 0.1 * psi[2][0]


def test_coherences_are_those_asked_for_up_to_second_order():
    sizes = []
    for variance in (1e-6, 1e-8):
        resolved, modes, box, P = start(initial=seeds(variance=variance))
        r = [x - z0 for x, z0 in zip(box.coordinates(), box.origin)]
        asked = [initial.coherence(resolved, modes, r, box, pair) for pair in range(3)]
        made = [modes.algebra.coherence(P, pair, axis=1) for pair in modes.algebra.pairs]
        there = [np.abs(initial.background(resolved, modes, pair)) > 1e-12 for pair in range(3)]
        sizes.append(max(np.abs(one - other)[which].max() for one, other, which in zip(made, asked, there)))
    assert 1e-5 < sizes[0] < 1e-3 and sizes[1] < 0.02 * sizes[0]  # of rotations by 1e-2; by a tenth of it a hundredth


@pytest.mark.parametrize("name", ["e mu", "e tau"])
@pytest.mark.parametrize("kind", ["seeds", "golden", "power-law", "profile", "fourier"])
def test_one_pair_is_that_of_two_flavors(name, kind):
    """The same numbers, and the same shortened difference, whichever of three flavors the two are."""
    first, second = algebra(3).names.index("e"), algebra(3).names.index(name.split()[1])
    two = [[0.5, 0.1], [0.05, 0.4], [0.3, 0.0]]
    three = np.zeros((3, 3))
    three[:, [first, second]] = two
    keys = {
        "seeds": seeds(), "golden": seeds(draw="golden-ratio"), "profile": {"kind": "profile", "amplitude": 0.01, "width": 2.0},
        "power-law": {"kind": "power-law", "amplitude": 0.01, "n_max": 3},
        "fourier": {"kind": "fourier", "waves": [{"n": 2, "amplitude": 0.01, "mode": [0, 2]}, {"n": -1, "amplitude": 0.02}]},
    }[kind]  # fmt: skip
    _, modes, _, plain = start(flavor={"number": 2}, modes=SOURCE["modes"] | {"content": two}, initial=keys)
    chosen = keys | {"pairs": [name]}
    if kind == "fourier":
        chosen = keys | {"waves": [wave | {"pair": name} for wave in keys["waves"]]}
    _, three_modes, _, P = start(modes=SOURCE["modes"] | {"content": three.tolist()}, initial=chosen)
    of = algebra(3)
    pair = of.pairs[seeding.PAIRS[3].index(name)]
    np.testing.assert_allclose(of.difference(P, pair, axis=1), plain[:, 2], rtol=0, atol=1e-15)
    np.testing.assert_allclose(of.coherence(P, pair, axis=1), plain[:, 0] + 1j * plain[:, 1], rtol=0, atol=1e-15)
    empty = 3 - first - second
    np.testing.assert_allclose(of.content(modes.n[:, None], P, axis=1)[:, empty], 0, atol=1e-15)


def test_pairs_have_their_numbers_in_turn():
    """The first seeded pair has those of today, the next the following ones, whoever else there is."""

    def psi(pair, **keys):
        resolved = config.resolve(SOURCE | {"initial": seeds(**keys)})
        return initial.coherence(resolved, modes_of(resolved), [np.arange(5.0)], Place.of(resolved), pair)

    all_pairs = [psi(pair) for pair in range(3)]
    np.testing.assert_array_equal(psi(2, pairs=["mu tau"])[0], all_pairs[0][0])
    np.testing.assert_array_equal(psi(0, pairs=["mu tau", "e mu"])[0], all_pairs[1][0])
    assert psi(1, pairs=["mu tau", "e mu"]) is None
    assert np.all(all_pairs[1][1] == 0)  # as many nu_e as nu_tau


def turn(component, **keys):
    return {"component": component, "amplitude": 0.3} | keys


def test_a_rotation_is_the_unitary_matrix_of_its_generators():
    turns = [turn("1", n=1, phase=0.4), turn("5", n=2, mode=[0, 1]), turn("6", amplitude=1.1), turn("3", n=-1, mode=2)]
    _, modes, box, P = start(initial={"kind": "rotation", "turns": turns})
    of = modes.algebra
    for j in (0, 7, 21):
        z = 10.0 * j / 32
        waves = {"1": 0.3 * np.cos(2 * np.pi * z / 10 + 0.4), "6": 1.1}
        for a, more in enumerate(
            [
                {"5": 0.3 * np.cos(4 * np.pi * z / 10)},
                {"5": 0.3 * np.cos(4 * np.pi * z / 10)},
                {"3": 0.3 * np.cos(2 * np.pi * z / 10)},
            ]
        ):
            X = sum(size / 2 * of.generators[int(c) - 1] for c, size in (waves | more).items())
            V = expm(1j * X)
            np.testing.assert_allclose(P[a, :, j], of.coefficients(V @ np.diag(CONTENT[a]) @ V.conj().T)[1], rtol=0, atol=1e-15)


@pytest.mark.mpi
@pytest.mark.parametrize("kind", ["seeds", "rotation"])
def test_in_a_plane_whatever_the_ranks(kind, comm):
    """Each rank has its part of the same start; a wave of a rotation is a plane wave."""
    from mpi4py import MPI

    from nuflux_mpi.box.box import Box

    plane = {
        "box": {"length": [10.0, 8.0], "points": [6, 12]},
        "modes": SOURCE["modes"] | {"velocity": [[0.0, 1.0], [0.8, -0.6], [0.6, 0.3]]},
    }
    turns = [turn("1", n=[1, -2], phase=0.4), turn("7", n=[0, 0], mode=1)]
    start = {"seeds": seeds(n_max=2, variance=1e-6), "rotation": {"kind": "rotation", "turns": turns}}[kind]
    resolved = config.resolve(SOURCE | plane | {"initial": start})
    modes = modes_of(resolved)
    boxes = [Box([10.0, 8.0], [6, 12], 24, one) for one in (MPI.COMM_SELF, comm)]
    alone, shared = (initial.polarization(resolved, modes, box) for box in boxes)
    mine = boxes[1].indices()
    np.testing.assert_allclose(shared, alone[(..., *mine)], rtol=0, atol=1e-15)  # other lanes of sums
    if kind == "rotation":
        W = np.zeros(8)
        W[0] = -0.3 * np.cos(2 * np.pi * (2 / 6 - 2 * 5 / 12) + 0.4)
        expected = modes.algebra.turned(modes.algebra.polarization_of(CONTENT[0])[1], W)
        np.testing.assert_allclose(alone[0, :, 2, 5], expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    "sections, words",
    [
        ({"initial": seeds(pairs=["e x"])}, 'initial.pairs[0] must be "e mu" or "e tau" or "mu tau" (flavor.number = 3), not "e x".'),
        ({"initial": seeds(pairs=["emu"])}, 'initial.pairs[0] must be one of "e x", "e mu", "e tau", "mu tau", not "emu".'),
        ({"initial": seeds(pairs=["e mu", "e mu"])}, "initial.pairs must have no pair twice."),
        (
            {"initial": {"kind": "eigenmode", "amplitude": 1e-3, "pair": "e x"}},
            'initial.pair must be "e mu" or "e tau" or "mu tau" (flavor.number = 3), not "e x".',
        ),
        (
            {"initial": {"kind": "fourier", "waves": [{"n": 1, "amplitude": 1e-3, "pair": "e x"}]}},
            'initial.waves[0].pair must be "e mu" or "e tau" or "mu tau" (flavor.number = 3), not "e x".',
        ),
        (
            {"initial": {"kind": "rotation", "turns": [turn("x")]}},
            'initial.turns[0].component must be one of "1", "2", "3", "4", "5", "6", "7", "8" (flavor.number = 3), not "x".',
        ),
        ({"initial": {"kind": "rotation", "turns": [turn("1", n=20)]}}, "initial.turns[0].n must be below box.points / 2"),
        ({"initial": {"kind": "rotation", "turns": [turn("1", mode=3)]}}, "initial.turns[0].mode must be below the number of modes, 3"),
        (
            {"initial": {"kind": "fourier", "waves": [{"n": 1, "amplitude": 0.1, "pair": "mu tau"}]}},
            'mode 0: the coherence of mu tau reaches |psi| = 0.1, more than the difference of its densities, 0.05; choose smaller '
            'amplitudes, amplitudes_in = "n_a", or initial.pairs without "mu tau".',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_one_sentence(sections, words):
    with pytest.raises(InputError) as caught:
        start(**sections)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_densities_without_any_given_are_the_least_that_leave_no_eigenvalue_negative():
    """Of a file: for three flavors not from |P| alone, since a vector of a pure state turned around is no state."""
    of = algebra(3)
    pure, around = of.polarization_of(np.array([[0.5, 0, 0], [0.25, 0.25, 0]]), axis=1)[1]
    P = np.stack([pure, around, -pure])[..., None] * np.ones(4)
    resolved = config.resolve(SOURCE | {"initial": seeds()})
    box = Whole.of(resolved)
    least = initial.occupied(np.zeros(3), P, box)
    np.testing.assert_allclose(least, [0.5, 0.5, 1.0], rtol=1e-14)
    np.testing.assert_allclose(of.occupations(least[:, None], P, axis=1).min(axis=(1, 2)), 0, atol=1e-15)


def waves_of(count, generators, size=0.02):
    """The waves of the problems A to D: X_a = (size/2) sum_c lambda_c cos(2 pi h z/L + c + a), h = 1 + (c + a) mod 3."""
    return [
        {"component": name, "n": 1 + (c + a) % 3, "phase": float(c + a), "mode": a, "amplitude": size}
        for a in range(count)
        for c, name in generators
    ]


@pytest.mark.parametrize(
    "sections, generators, vector, shares",
    [
        (
            {"flavor": {"number": 2}, "modes": {"velocity": [1.0, -1.0], "content": [[0.5, 0.0], [0.0, 0.5]]}},
            [(0, "x"), (1, "y")],
            [-0.00540256, 0.00999914, 0.49987081],
            [0.9999000042, 0.0000999958],
        ),
        (
            {
                "modes": {
                    "velocity": [1.0, -0.5, 0.5, -1.0],
                    "sign": [1, 1, -1, -1],
                    "content": [[0.5, 0.1, 0.1], [0.2, 0.15, 0.1], [0.2, 0.1, 0.15], [0.45, 0.1, 0.15]],
                }
            },
            [(c, str(c + 1)) for c in (0, 1, 3, 4, 5, 6)],
            [-0.00428524, 0.00796783, 0.39984087, 0.00523752, -0.00796291, -0.00010739, -0.00000951, 0.23084174],
            [0.7141714391, 0.1429142805, 0.1429142804],
        ),
    ],
    ids=["two", "three"],
)
def test_starts_that_two_other_solvers_have_printed(sections, generators, vector, shares):
    """P and content of the first mode, to the digits printed."""
    count = len(sections["modes"]["velocity"])
    turns = {"initial": {"kind": "rotation", "turns": waves_of(count, generators)}, "box": {"length": 20.0, "points": 32}}
    _, modes, _, P = start(**sections, **turns)
    np.testing.assert_allclose(P[0, :, 0], vector, rtol=0, atol=5.1e-9)
    content = modes.algebra.content(modes.n[:, None], P, axis=1).mean(axis=-1)[0]
    np.testing.assert_allclose(content / modes.n[0], shares, rtol=0, atol=5.1e-11)


@pytest.mark.parametrize("flavors, components", [(2, 8), (3, 3)])
def test_a_file_of_another_number_of_flavors_is_refused(flavors, components, tmp_path):
    import h5py

    from nuflux_mpi.run import check

    with h5py.File(tmp_path / "start.h5", "w") as file:
        file["P"] = np.full((3, components, 32), 0.1)
    content = [each[:flavors] for each in CONTENT]
    sections = {"flavor": {"number": flavors}, "modes": SOURCE["modes"] | {"content": content}}
    resolved = config.resolve(SOURCE | sections | {"initial": {"kind": "file", "path": str(tmp_path / "start.h5")}})
    with pytest.raises(InputError, match=f"; {components} components are those of flavor.number = {5 - flavors}"):
        check.report(resolved, 1)

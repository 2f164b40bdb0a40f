"""Momentum distributions, their grids, and measures over phase space, against closed forms."""

import re

import h5py
import numpy as np
import pytest

from nuflux_mpi.box.box import Box
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import phase_space

LENGTH = 9.0
ROUNDING = {"rel": 1e-13, "abs": 1e-13}  # sums of some 1e4 terms of order one


def here(f, comm):
    """Box of the ranks, this rank's part of f (modes, 4, Q, points)."""
    box = Box(LENGTH, f.shape[-1], f[..., 0].size, comm)
    return box, f[..., box.indices()[0]]


def measured(f, weight, comm, **options):
    box, mine = here(f, comm)
    return phase_space.measures(mine, weight, box, **options)


def noise(modes=2, Q=10, points=21, seed=0):
    """Random f, the same on all ranks; n is large enough for positive occupations in most places, not in all."""
    f = np.random.default_rng(seed).standard_normal((modes, 4, Q, points))
    f[:, 0] += 2.0
    return f


def directions(shape, seed=1):
    u = np.random.default_rng(seed).standard_normal((3, *shape))
    return u / np.sqrt(np.sum(u**2, axis=0))


# ---- grids and distributions


def test_grid_is_uniform_and_holds_zero():
    np.testing.assert_allclose(phase_space.grid(6, 3.0), [-3, -2, -1, 0, 1, 2], atol=0)


@pytest.mark.parametrize(
    "points, half_width, key",
    [
        (7, 1.0, "points"),
        (0, 1.0, "points"),
        (-4, 1.0, "points"),
        (8, 0.0, "half_width"),
        (8, -1.0, "half_width"),
        (8, np.nan, "half_width"),
    ],
)
def test_impossible_grids_are_refused(points, half_width, key):
    with pytest.raises(InputError, match=f"momentum.{key} must be"):
        phase_space.grid(points, half_width)


def test_gaussian_has_its_moments():
    q = phase_space.grid(64, 12.0)
    g, dq = phase_space.gaussian(q, 0.7), q[1] - q[0]
    # The trapezoid rule is exact but for the content beyond the grid, exp(-(2 pi 0.7 / dq)^2 / 2) = 1e-30.
    assert np.sum(g) * dq == pytest.approx(1, rel=1e-14)
    assert np.sum(q * g) * dq == pytest.approx(0, abs=1e-14)
    assert np.sum(q**2 * g) * dq == pytest.approx(0.49, rel=1e-13)
    assert g.max() == pytest.approx(1 / (0.7 * np.sqrt(2 * np.pi)), rel=1e-13)


def test_fermi_dirac_is_thermal_about_its_mean():
    """With zeta(3), eta = 0: int p^2/(e^p + 1) = 3/2 zeta(3), <p> = 7 pi^4 / (180 zeta(3))."""
    zeta3 = 1.2020569031595942
    q = phase_space.grid(2**14, 120.0)
    g, T = phase_space.fermi_dirac(q, 2.0), 2.0
    p = q / T + 7 * np.pi**4 / (180 * zeta3)
    # p^2 has a kink at p = 0: the trapezoid rule is off by about (dq / T)^3 / 100.
    np.testing.assert_allclose(g, np.where(p > 0, p**2 / (np.exp(p) + 1), 0) / (1.5 * zeta3 * T), rtol=1e-8, atol=1e-12)
    assert np.sum(q * g) * (q[1] - q[0]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    "eta, mean, accuracy",
    [
        (-40.0, 3.0, 1e-12),  # Maxwell and Boltzmann: int p^3 e^-p / int p^2 e^-p
        # Sommerfeld: (eta^4/4 + pi^2 eta^2/2 + 7 pi^4/60) / (eta^3/3 + pi^2 eta/3), up to exp(-eta)
        (30.0, (30**4 / 4 + np.pi**2 * 30**2 / 2 + 7 * np.pi**4 / 60) / (30**3 / 3 + np.pi**2 * 10), 1e-11),
    ],
)
def test_mean_momentum_of_dilute_and_degenerate_neutrinos(eta, mean, accuracy):
    q = phase_space.grid(2**12, 80.0)
    g = phase_space.fermi_dirac(q, 1.0, eta)
    assert q[np.flatnonzero(g)[0]] == pytest.approx(-mean, abs=q[1] - q[0])  # the support begins at p = 0
    # What is left of the mean on the grid is the trapezoid rule at the kink, about dq^3.
    assert np.sum(q * g) * (q[1] - q[0]) == pytest.approx(0, abs=1e-4)
    assert phase_space._mean_momentum(eta) == pytest.approx(mean, rel=accuracy)


def write_table(path, **datasets):
    with h5py.File(path, "w") as file:
        file.update(datasets)
    return path


def test_a_table_on_the_grid_is_taken_as_it_is(tmp_path):
    q = phase_space.grid(32, 8.0)
    g = np.exp(-np.abs(q)) * (1.2 + np.sin(3 * q))
    path = write_table(tmp_path / "g.h5", q=q, g=g)
    np.testing.assert_allclose(phase_space.from_file(path, q), g / (g.sum() * 0.5), rtol=1e-14)


def test_a_table_is_interpolated_without_new_extrema(tmp_path):
    """A step stays between its levels, a Gaussian is met to the square of the table's spacing at its peak."""
    table = np.array([-4.0, -3, -1, 0, 0.5, 2, 4])
    path = write_table(tmp_path / "step.h5", q=table, g=np.array([0.0, 0, 0, 1, 1, 1, 0]))
    q = phase_space.grid(400, 5.0)
    g = phase_space.from_file(path, q)
    g = g / g.max()
    assert g.min() == 0 and np.all(np.diff(g[(q > -4) & (q < 0)]) >= 0)
    np.testing.assert_allclose(g[(q >= 0) & (q <= 2)], 1, rtol=1e-14)
    assert not g[(q < -1) | (q > 4)].any()
    fine = np.linspace(-6, 6, 241)
    path = write_table(tmp_path / "bell.h5", q=fine, g=3 * np.exp(-(fine**2) / 2))
    np.testing.assert_allclose(phase_space.from_file(path, q), phase_space.gaussian(q, 1.0), atol=0.05**2 / 8)


@pytest.mark.parametrize(
    "datasets, complaint",
    [
        ({"q": [0.0, 1, 2]}, "holds no dataset g"),
        ({"q": [0.0, 1, 2], "g": [1.0, 2]}, "same length"),
        ({"q": [0.0, 2, 1], "g": [1.0, 2, 1]}, "must ascend"),
        ({"q": [0.0, 1, 2], "g": [1.0, np.nan, 1]}, "not finite"),
        ({"q": [0.0, 1, 2], "g": [0.0, 0, 0]}, "zero everywhere"),
    ],
)
def test_what_is_not_a_table_is_refused(datasets, complaint, tmp_path):
    with pytest.raises(InputError, match=complaint):
        phase_space.from_file(write_table(tmp_path / "g.h5", **datasets), phase_space.grid(8, 4.0))


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="momentum.path: no such file"):
        phase_space.from_file(tmp_path / "none.h5", phase_space.grid(8, 4.0))


# ---- does the grid hold the distribution?

GAUSSIAN = {"distribution": "gaussian", "sigma": 0.7}
THERMAL = {"distribution": "fermi-dirac", "temperature": 2.0, "eta": 0.5}


def test_distributions_by_config(tmp_path):
    q = phase_space.grid(64, 12.0)
    np.testing.assert_array_equal(phase_space.distribution(GAUSSIAN, q), phase_space.gaussian(q, 0.7))
    path = write_table(tmp_path / "g.h5", q=q, g=np.exp(-(q**2)))
    table = phase_space.distribution({"distribution": "file", "path": str(path)}, q)
    np.testing.assert_array_equal(table, phase_space.from_file(path, q))
    q = phase_space.grid(512, 60.0)
    np.testing.assert_array_equal(phase_space.distribution(THERMAL, q), phase_space.fermi_dirac(q, 2.0, 0.5))


NARROW = r"too narrow .* it needs (?P<width>[\d.]+), and with that at least (?P<n>\d+) points"
COARSE = r"too coarse .* it needs at least (?P<n>\d+) points"


@pytest.mark.parametrize(
    "settings, points, half_width, complaint",
    [
        (GAUSSIAN, 64, 2.0, f"half_width = 2 is {NARROW}"),
        (GAUSSIAN, 8, 1.0, f"half_width = 1 is {NARROW}"),
        (THERMAL, 64, 10.0, f"half_width = 10 is {NARROW}"),
        (GAUSSIAN, 16, 12.0, f"points = 16 is {COARSE}"),
        (THERMAL, 64, 60.0, f"points = 64 is {COARSE}"),
    ],
)
def test_grids_that_do_not_hold_the_distribution(settings, points, half_width, complaint):
    """The sentence says what would do, and it does; two thirds of it does not."""
    with pytest.raises(InputError) as refused:
        phase_space.distribution(settings, phase_space.grid(points, half_width))
    refused.match(complaint)
    advice = re.search(complaint, str(refused.value)).groupdict()
    width, enough = float(advice.get("width", half_width)), int(advice["n"])
    phase_space.distribution(settings, phase_space.grid(enough, width))
    if width > half_width:
        with pytest.raises(InputError, match="too narrow"):
            phase_space.distribution(settings, phase_space.grid(enough, width / 1.5))
    elif enough > points:
        with pytest.raises(InputError, match="too coarse"):
            phase_space.distribution(settings, phase_space.grid(2 * (enough // 3), width))


def test_limits_of_a_gaussian_grid_are_those_of_its_tails():
    """exp(-q^2/2 sigma^2) = 1e-8 at q = 6.07 sigma; exp(-y^2 sigma^2/2) = 1e-6 at y = pi/dq = 5.26 / sigma."""

    def bell(q):
        return np.exp(-(q**2) / 2)

    phase_space.check_grid(bell, phase_space.grid(64, 6.1))
    with pytest.raises(InputError, match="too narrow"):
        phase_space.check_grid(bell, phase_space.grid(64, 6.0))
    phase_space.check_grid(bell, phase_space.grid(34, 10.0))  # pi/dq = 5.34
    with pytest.raises(InputError, match="too coarse"):
        phase_space.check_grid(bell, phase_space.grid(32, 10.0))  # 5.03


def test_what_no_grid_holds_is_said():
    with pytest.raises(InputError, match="needs more than 65536 points"):
        phase_space.check_grid(lambda q: np.exp(-(q**2) / 2e-10), phase_space.grid(64, 12.0))
    with pytest.raises(InputError, match="no width holds"):
        phase_space.check_grid(np.ones_like, phase_space.grid(64, 12.0))


def test_negative_occupation_is_refused():
    with pytest.raises(InputError, match="negative, g = -0.135 at q = 2"):
        phase_space.check_grid(lambda q: (1 - q**2 / 2) * np.exp(-(q**2) / 2) * (q > 0), phase_space.grid(64, 16.0))


# ---- measures: closed forms


@pytest.mark.mpi
@pytest.mark.parametrize("purity", [1.0, 0.5, 1.25])
def test_product_of_a_gaussian_and_a_flavor_state(purity, comm):
    """f = g(q) (1 + purity u.sigma)/2 with eigenvalues c g, c = (1 +- purity)/2; pure, mixed, and one negative.

    With int g^2 = 1/(2 sqrt(pi) sigma), int g^3 = 1/(2 sqrt(3) pi sigma^2), -int g ln g = ln(sigma sqrt(2 pi e)).
    """
    sigma, points = 0.8, 20
    q = phase_space.grid(96, 12.0)
    g, dq = phase_space.gaussian(q, sigma), q[1] - q[0]
    f = np.empty((1, 4, len(q), points))
    f[0, 0] = g[:, None]
    f[0, 1:] = purity * g[:, None] * directions((points,))[:, None, :]
    result = measured(f, dq, comm)
    c = np.array([1 + purity, 1 - purity]) / 2
    assert result["number"] == pytest.approx(LENGTH, **ROUNDING)
    assert result["casimir2"] == pytest.approx(LENGTH * np.sum(c**2) / (2 * np.sqrt(np.pi) * sigma), **ROUNDING)
    assert result["casimir3"] == pytest.approx(LENGTH * np.sum(c**3) / (2 * np.sqrt(3) * np.pi * sigma**2), **ROUNDING)
    # |P| is a root: rounding lets eigenvalues of a pure state differ from 0 by 1e-16, whose entropy adds 1e-14 a point.
    occupied = c[c != 0]
    entropy = np.sum(occupied * (np.log(sigma * np.sqrt(2 * np.pi * np.e)) - np.log(np.abs(occupied))))
    assert result["entropy"] == pytest.approx(LENGTH * entropy, abs=1e-11)
    peak = 1 / (sigma * np.sqrt(2 * np.pi))
    assert result["occupation_max"] == pytest.approx(c[0] * peak, rel=1e-13)
    assert result["occupation_min"] == pytest.approx(min(c[1] * peak, 0.0), rel=1e-13, abs=1e-15)
    relative = measured(f, dq, comm, largest=c[0] * peak)
    assert relative["occupation_max"] == pytest.approx(1, rel=1e-13)
    assert relative["occupation_min"] == pytest.approx(min(c[1] / c[0], 0.0), rel=1e-12, abs=1e-15)


@pytest.mark.mpi
def test_fermionic_entropy_of_an_even_filling(comm):
    """nu = 0.7 and 0.2 everywhere: -nu ln nu - (1 - nu) ln(1 - nu) each, per cell of size 1/occupation."""
    f = np.zeros((1, 4, 6, 10))
    f[:, 0], f[:, 2] = 0.9 / 50, -0.5 / 50
    per_cell = -sum(x * np.log(x) for x in (0.7, 0.3, 0.2, 0.8))
    result = measured(f, 0.25, comm, occupation=50.0)
    assert result["fermi_entropy"] == pytest.approx(per_cell / 50 * 6 * 0.25 * LENGTH, rel=1e-13)


@pytest.mark.mpi
def test_fermionic_entropy_of_a_dilute_gas_is_the_other_one(comm):
    """For c << 1 and nu = c f, -Tr [nu ln nu + (1 - nu) ln(1 - nu)] / c = -Tr f ln f + (1 - ln c) Tr f - c/2 Tr f^2."""
    f, c = noise(), 1e-5
    result = measured(f, 0.5, comm, occupation=c)
    expected = result["entropy"] + (1 - np.log(c)) * result["number"] - c / 2 * result["casimir2"]
    # Rounding of 1 - c f, an error of 1e-16, is divided by c.
    assert result["fermi_entropy"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.mpi
def test_measures_are_traces_of_matrices(comm):
    """Against complex 2 x 2 matrices and their eigenvalues, with weights per mode and momentum."""
    f = noise()
    weight = np.random.default_rng(2).random((2, 10))
    result = measured(f, weight, comm)
    pauli = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    eigenvalues = np.linalg.eigvalsh(np.einsum("acqz,cij->aqzij", f, pauli) / 2)
    assert eigenvalues.min() < 0
    for name, density in {
        "number": eigenvalues,
        "casimir2": eigenvalues**2,
        "casimir3": eigenvalues**3,
        "entropy": -eigenvalues * np.log(np.abs(eigenvalues)),
    }.items():
        expected = np.einsum("aqzi,aq->", density, weight) * LENGTH / 21
        assert result[name] == pytest.approx(expected, rel=1e-12), name  # rounding of the eigenvalues
    assert result["occupation_min"] == pytest.approx(eigenvalues.min(), rel=1e-12)
    assert result["occupation_max"] == pytest.approx(eigenvalues.max(), rel=1e-12)
    lower, upper = phase_space.occupations(f)
    np.testing.assert_allclose(np.stack([lower, upper], axis=-1), eigenvalues, atol=1e-14)


# ---- measures: invariances


@pytest.mark.mpi
def test_rotations_of_flavor_and_shifts_in_momentum_and_space_change_nothing(comm):
    """Rotated by another angle at every point, and turned around the periodic axes."""
    f = noise()
    axis, angle = directions((2, 10, 21)), 3.0 * np.random.default_rng(3).random((2, 10, 21))
    P = np.moveaxis(f[:, 1:], 1, 0)
    along = np.sum(axis * P, axis=0) * axis
    turned = along + np.cos(angle) * (P - along) + np.sin(angle) * np.cross(axis, P, axis=0)
    rotated = f.copy()
    rotated[:, 1:] = np.moveaxis(turned, 0, 1)
    assert np.abs(rotated - f).max() > 1
    original = measured(f, 0.3, comm)
    for other in (rotated, np.roll(f, 3, axis=2), np.roll(f, 5, axis=3), f[::-1].copy()):
        assert measured(other, 0.3, comm) == {name: pytest.approx(value, rel=1e-12) for name, value in original.items()}


@pytest.mark.mpi
def test_parts_of_the_momentum_axis_add_up(comm, monkeypatch):
    f, weight = noise(Q=11), np.random.default_rng(4).random(11)
    whole = measured(f, weight, comm)
    monkeypatch.setattr(phase_space, "_POINTS_AT_ONCE", 40)  # one to a few momenta at once, with a remainder
    assert measured(f, weight, comm) == {name: pytest.approx(value, rel=1e-13) for name, value in whole.items()}


@pytest.mark.mpi
def test_every_rank_gets_the_same_numbers_as_one_rank_alone(comm):
    from mpi4py import MPI

    f = noise(points=23)
    alone = phase_space.measures(f, 0.3, Box(LENGTH, 23, 80, MPI.COMM_SELF))
    together = measured(f, 0.3, comm)
    assert together == {name: pytest.approx(value, rel=1e-13) for name, value in alone.items()}  # order of summation
    assert comm.allgather(together) == [together] * comm.size  # to the last bit


@pytest.mark.mpi
def test_not_a_number_is_not_hidden(comm):
    f = noise()
    f[1, 2, 3, -1] = np.nan
    result = measured(f, 0.3, comm)
    for name in ("casimir2", "casimir3", "entropy", "fermi_entropy", "occupation_min", "occupation_max"):
        assert np.isnan(result[name]), name


# ---- the Casimir of the star product


@pytest.mark.parametrize("v, sign", [(1.0, 1.0), (-1.0, 1.0), (0.5, -1.0)])
def test_star_casimir_is_kept_where_the_pointwise_one_is_not(v, sign):
    """Spins along x in a field that grows along z turn into a helix and split by v a in q: an exact solution.

    Before: f = g(q) (1 + sigma_x)/2. After: f_11 = g(q + s v a)/2, f_22 = g(q - s v a)/2, f_12 = g(q) exp(-2 i a z)/2.
    To order a^2 the pointwise Casimir falls by 3/4 (v a)^2 int (dg/dq)^2 g, and that of the star product not at all.
    """
    length, sigma = 20.0, 1.5
    q = phase_space.grid(96, 14.0)
    g, dq = phase_space.gaussian(q, sigma), q[1] - q[0]
    z = length * np.arange(40) / 40
    changes, plain = [], []
    for harmonic in (1, 2):
        a = np.pi * harmonic / length  # the helix has the wave number 2 a
        shift = sign * v * a
        up, down = (phase_space.gaussian(q + d, sigma)[:, None] * np.ones(40) for d in (shift, -shift))
        helix = np.array([np.cos(2 * a * z), np.sin(2 * a * z)])[:, None, :] * g[:, None]
        after = np.stack([(up + down) / 2, helix[0], helix[1], (up - down) / 2])
        before = np.stack([g[:, None] * np.ones(40), g[:, None] * np.ones(40), *np.zeros((2, 96, 40))])
        start, end = (phase_space.star_casimir3(f, q, length, v, sign) for f in (before, after))
        pointwise = [
            np.sum(f[0] * (f[0] ** 2 + 3 * np.sum(f[1:] ** 2, axis=0))) / 4 * dq * length / 40 for f in (before, after)
        ]
        assert start == pytest.approx(pointwise[0], rel=1e-13)  # without gradients in z they agree
        steepness = np.sum((q / sigma**2 * g) ** 2 * g) * dq * length
        plain.append((pointwise[1] - pointwise[0]) / (-0.75 * shift**2 * steepness))
        changes.append((end - start) / start)
    small = (v * np.pi / length / sigma) ** 2  # the square of v a / sigma for the first helix, 0.01 or less
    assert plain[0] == pytest.approx(1, abs=small)  # up to the next order
    assert abs(changes[0]) < 2 * small**2
    assert changes[1] / changes[0] == pytest.approx(2**4, rel=8 * small)  # fourth order, and a little of the sixth


# ---- ends of the grid


def test_edge_weight_of_a_uniform_distribution_is_the_part_that_the_edges_are():
    f_q = np.zeros((2, 4, 64))
    f_q[0, 0] = 1.0
    q = phase_space.grid(64, 1.0)
    assert phase_space.edge_weight(f_q, q) == pytest.approx(2 / 16, rel=1e-14)
    f_q[1, 3, 30:34] = 1.0  # |f| of a matrix without trace: both its eigenvalues count
    assert phase_space.edge_weight(f_q, q) == pytest.approx(2 / 16, rel=1e-14)
    f_q[1, 3, 0] = -4.0
    assert phase_space.edge_weight(f_q, q) == pytest.approx(0.5, rel=1e-14)


def test_advice_holds_what_was_too_wide():
    wide, q = 3.0, phase_space.grid(64, 12.0)
    f_q = np.zeros((1, 4, 64))
    f_q[0, 0] = phase_space.gaussian(q, wide)
    assert phase_space.edge_weight(f_q, q) > phase_space.EDGE_ALLOWED
    sentence = phase_space.edge_advice(f_q, q)
    assert "momentum.half_width = 12 is too narrow" in sentence
    advised = float(sentence.split("about ")[1].split()[0])
    wider = phase_space.grid(64, advised)
    f_q[0, 0] = phase_space.gaussian(wider, wide)
    assert phase_space.edge_advice(f_q, wider) is None
    assert advised < 2 * 12  # and not much more than needed: 7/8 of it is 5.2 widths

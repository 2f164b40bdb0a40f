"""The paper's example and exact solutions of two beams.

Paper: Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024). Two beams, v = +1 and -1, zeta = +1/2 and -1/2, box of length
100: the refractive energy starts at -25, and the flavor instability takes it to about 0.
"""

import h5py
import numpy as np
import pytest
from mpi4py import MPI

import nuflux_mpi
from nuflux_mpi.box import box as boxes
from nuflux_mpi.validation import published

SPARSE = ["output.fields_every=0", "output.spectrum_every=0"]


def two_beams(*overrides, comm=None):
    return nuflux_mpi.simulate("two_beam", overrides=[*SPARSE, *overrides], comm=comm)


# ---- the paper's example


@pytest.fixture(scope="module")
def long_run():
    """The example at level "energy" up to t = 100, as shipped: N = 1024, rtol = 1e-10."""
    return two_beams("time.end=100", "output.series_every=2")


def test_kinetic_and_refractive_energy_add_up_to_a_constant(long_run):
    series = long_run.series
    U, K = series["U_osc"], series["K"].sum(axis=1)
    np.testing.assert_array_equal(series["energy"], U + K)
    # 1100 steps with an error of 1e-10 |P| each, if all of it went one way, are 1e-7; they do not add up like that.
    assert np.abs(U + K - U[0]).max() < 1e-8 * abs(U[0])
    assert np.ptp(U) > 25 and np.ptp(K) > 25  # there was something to balance


def test_both_beams_gain_the_same_kinetic_energy(long_run):
    """As total momentum, K_+ - K_-, is conserved and the beams are mirror images of each other in speed."""
    K = long_run.series["K"]
    assert np.abs(K).max() > 10
    np.testing.assert_allclose(K[:, 0], K[:, 1], rtol=0, atol=1e-8)  # rounding, summed over 1100 steps
    np.testing.assert_allclose(long_run.series["momentum"], 0, atol=1e-8)


def test_lengths_of_polarization_vectors_are_kept(long_run):
    assert long_run.series["P_drift_mean"].max() < 1e-9  # a part of the tolerance, 1e-10 per step
    assert long_run.series["spectral_tail"].max() < 1e-7  # resolved all the way: else aliasing would show first


def test_isospin_is_conserved(long_run):
    """int D_0, the total flavor isospin: exactly kept by rotation about D_0 - v D_1."""
    D0 = long_run.series["D0"]
    np.testing.assert_allclose(D0, np.broadcast_to(D0[0], D0.shape), rtol=0, atol=1e-7)  # 1e-10 per step, times L


def test_the_papers_puzzle_refractive_energy_alone_rises_from_minus_25_to_about_0():
    run = two_beams("equations.level=standard", "time.end=50", "output.series_every=0.5")
    t, U = run.series["time"], run.series["U_osc"]
    assert U[0] == pytest.approx(-25, abs=1e-4)  # seeds of variance 1e-8 change it by 200 L 1e-8 / 10 at most
    assert "energy" not in run.series and "K" not in run.series
    first = t[U > -2.5][0]
    assert 7 < first < 12  # Fig. 1: the bulk of the change is in the first instability phase
    late = U[t > first]
    assert abs(late.mean()) < 2.5  # "about 0": a tenth of the change; beats of the size of L^-1/2 remain
    assert np.abs(late).max() < 15


def test_flavor_does_not_depend_on_the_energy_that_is_followed():
    levels = ("standard", "energy")
    flavor, both = (two_beams("time.end=10", f"equations.level={level}").fields["P"][-1] for level in levels)
    # The steps differ: kappa is in the norm. 1e-10 per step, times a part of the growth, exp(7).
    np.testing.assert_allclose(flavor, both, rtol=0, atol=1e-8)
    assert np.abs(flavor[:, :2]).max() > 0.4


def test_eq_7_is_the_slope_of_the_refractive_energy():
    cadence = 0.01
    run = two_beams("equations.level=standard", "box.points=512", "time.end=9", f"output.series_every={cadence}")
    rate, difference = run.series["dU_osc_dt"], run.series["dU_osc_dt_difference"]
    size = np.abs(rate).max()
    assert size > 10
    # Central differences: error h^2/6 U''', and U'' changes over times of 1/3: 1.5e-4 of the rate; twice that at the
    # ends, one-sided.
    np.testing.assert_allclose(difference[1:-1], rate[1:-1], rtol=0, atol=1.5e-4 * size)
    np.testing.assert_allclose(difference[[0, -1]], rate[[0, -1]], rtol=0, atol=3e-4 * size)


def test_twice_the_points_change_nothing():
    """N = 1024 resolves the example: spectral convergence."""
    coarse, fine = (
        two_beams("time.end=20", "time.rtol=1e-12", f"box.points={points}", "equations.level=standard").fields["P"][-1]
        for points in (1024, 2048)
    )
    # The smallest scales hold 1e-11 at N = 1024, and 1e-6 at N = 512.
    np.testing.assert_allclose(fine[..., ::2], coarse, rtol=0, atol=1e-10)


@pytest.mark.mpi
def test_every_number_of_ranks_gives_the_same_fields(comm):
    settings = ["time.end=20", "time.rtol=1e-10", "output.series_every=10"]
    shared = two_beams(*settings, comm=comm)
    if comm.rank == 0:
        alone = two_beams(*settings, comm=MPI.COMM_SELF)
        # Sums in another order differ by rounding, of which the instability makes 1e4 times more.
        np.testing.assert_allclose(shared.fields["P"][-1], alone.fields["P"][-1], rtol=0, atol=1e-8)
        np.testing.assert_allclose(shared.fields["kappa"][-1], alone.fields["kappa"][-1], rtol=0, atol=1e-8)
        np.testing.assert_allclose(shared.series["U_osc"], alone.series["U_osc"], rtol=0, atol=1e-8)
    assert np.abs(shared.series["energy_residual"]).max() < 25e-8


@pytest.mark.mpi
@pytest.mark.parametrize("N1", [8, 15])
def test_a_factored_box_gives_the_same_fields(N1, comm, monkeypatch):
    """The cut that many ranks get, forced on few."""
    settings = ["time.end=4", "box.points=240", "output.series_every=2", "output.spectrum_every=2"]
    slabs = two_beams(*settings, comm=comm)
    monkeypatch.setattr(boxes, "plan", lambda points, lines, ranks: boxes.Plan(points, lines, ranks, N1))
    factored = two_beams(*settings, comm=comm)
    assert np.abs(factored.series["psi2"] - slabs.series["psi2"]).max() < 1e-12  # rounding, times exp(4)
    if comm.rank == 0:
        np.testing.assert_allclose(factored.fields["P"][-1], slabs.fields["P"][-1], rtol=0, atol=1e-11)
        np.testing.assert_allclose(factored.fields["kappa"][-1], slabs.fields["kappa"][-1], rtol=0, atol=1e-11)


# ---- an independent solution


def method_of_lines(P, v, s, length, end, steps):
    """P and kappa at t = end by the classical Runge-Kutta method on whole arrays, with derivatives by numpy."""
    v, s = v[:, None, None], s[:, None, None]
    k = 2 * np.pi / length * np.fft.rfftfreq(P.shape[-1], 1 / P.shape[-1])
    k[-1] = 0  # Nyquist

    def slope(field):
        return np.fft.irfft(1j * k * np.fft.rfft(field), field.shape[-1])

    def rate(P, kappa):
        Omega = np.sum(s * P, axis=0) - v * np.sum(s * v * P, axis=0)
        work = -0.5 * np.sum(s * v * slope(Omega) * P, axis=1)
        return np.cross(Omega, P, axis=1) - v * slope(P), work - v[:, 0] * slope(kappa)

    state, h = (P, np.zeros_like(P[:, 0])), end / steps
    for _ in range(steps):
        stages = [rate(*state)]
        for part in (h / 2, h / 2, h):
            stages.append(rate(*(x + part * dx for x, dx in zip(state, stages[-1]))))
        state = tuple(x + h / 6 * (a + 2 * b + 2 * c + d) for x, a, b, c, d in zip(state, *stages))
    return state


def test_fields_and_gained_energy_agree_point_by_point_with_a_method_of_lines(tmp_path):
    """Four beams of both signs; kappa, which enters nothing else, has to be in the right place too."""
    v, s, length, points = np.array([1.0, 0.4, -0.3, -1.0]), np.array([1.0, -1.0, 1.0, -1.0]), 10.0, 48
    z = 2 * np.pi * np.arange(points) / points
    n, phase = np.arange(1, 4)[:, None], np.random.default_rng(7).uniform(0, 2 * np.pi, (4, 3, 3, 1))
    P = 0.3 * np.random.default_rng(8).standard_normal((4, 3, 1)) + 0.1 * np.cos(n * z + phase).sum(axis=2)
    with h5py.File(tmp_path / "start.h5", "w") as file:
        file["P"] = P
    run = nuflux_mpi.simulate(
        {
            "box": {"length": length, "points": points},
            "modes": {"velocity": v.tolist(), "sign": s.astype(int).tolist()},
            "initial": {"kind": "file", "path": str(tmp_path / "start.h5")},
            "equations": {"level": "energy"},
            "time": {"end": 2.0, "rtol": 1e-12},
            "output": {"fields_every": 0},
        }
    )
    P, kappa = method_of_lines(P, v, s, length, 2.0, 800)
    # Fourth order, h = 1/400: (h k)^4 k / 120 per unit time is 4e-11 of the waves at k = 4, and hardly anything is
    # beyond 10, where it is 3e-8.
    np.testing.assert_allclose(run.fields["P"][-1], P, rtol=0, atol=1e-9)
    np.testing.assert_allclose(run.fields["kappa"][-1], kappa, rtol=0, atol=1e-9)
    assert np.ptp(kappa, axis=1).min() > 1e-2


# ---- known solutions: see also test_published.py


def test_kinetic_energy_mirrors_the_swing_of_the_exact_single_wave():
    """P_+^z = tanh^2(t - 6)/2: U_osc swings from -L/4 to +L/4 and back, and K the opposite way."""
    series = nuflux_mpi.simulate("single_wave").series
    swing = 2 * np.tanh(series["time"] - 6) ** 2 - 1
    np.testing.assert_allclose(series["U_osc"], -2 * np.pi / 4 * swing, rtol=0, atol=1e-9)
    lost = series["U_osc"][0] - series["U_osc"]
    np.testing.assert_allclose(series["K"].sum(axis=1), lost, rtol=0, atol=1e-9)


def test_a_grid_that_is_no_power_of_two_gives_the_other_codes_digits_too():
    rows = list(published.golden_ratio(overrides=["box.points=540"]))
    assert len(rows) == 11 and not [row for row in rows if not row.passed]

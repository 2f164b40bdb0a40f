"""Level "momentum": the energy found in the momentum distribution, against level "energy" and by its invariants."""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import momentum
from nuflux_mpi.results.reader import Run

# The paper's two beams in a shorter box and from larger seeds, so that flavor turns over at t = 5.
SMALL = {
    "box": {"length": 20.0, "points": 96},
    "modes": {"velocity": [1.0, -1.0]},
    "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 6, "variance": 1e-5, "seed": 4},
    "equations": {"level": "momentum"},
    "momentum": {"points": 48, "half_width": 12.0, "sigma": 0.9},
    "time": {"end": 8.0},
    "output": {"series_every": 1.0, "fields_every": 4.0},
}


def changed(base, **sections):
    return {**base, **{name: {**base.get(name, {}), **keys} for name, keys in sections.items()}}


@pytest.fixture(scope="module")
def paper():
    """The paper's example at levels energy and momentum, N_z = 512, N_q = 64, up to t = 20."""
    overrides = ["time.end=20", "output.series_every=2", "output.fields_every=10"]
    return {
        level: nuflux_mpi.simulate("missing_energy", overrides=overrides + [f'equations.level="{level}"'])
        for level in ("standard", "energy", "momentum")
    }


def test_kinetic_energy_is_that_of_level_energy(paper):
    # 64 points in q carry all but 3e-8 of f at the highest y: what is left comes from there, and is gone with 80
    np.testing.assert_allclose(paper["momentum"].series["K"], paper["energy"].series["K"], atol=1e-6)


def test_budget_closes(paper):
    series = paper["momentum"].series
    assert series["U_osc"][-1] - series["U_osc"][0] > 10  # a large change to be accounted for
    assert np.abs(series["energy_residual"]).max() <= 1e-7 * abs(series["U_osc"][0])  # as above, relative to 25


def test_integral_over_momentum_follows_the_standard_equation(paper):
    # equal tolerance 1e-10 per step on different step sequences, amplified by exp(7)
    np.testing.assert_allclose(paper["momentum"].fields["P"], paper["standard"].fields["P"], atol=1e-8)


def test_invariants_of_phase_space(paper):
    series = paper["momentum"].series
    for name in ("number", "casimir2"):  # linear and quadratic invariants of an anti-Hermitian evolution
        np.testing.assert_allclose(series[name], series[name][0], rtol=1e-10)
    # not conserved beyond first order in gradients, and visible at this width: the test knows the difference
    assert abs(series["casimir3"][-1] / series["casimir3"][0] - 1) > 0.05
    assert series["occupation_min"].min() < -0.01


def test_bunch_splits_by_flavor(paper):
    """nu_e and nu_x of one beam end at different mean momenta: the force is a matrix in flavor space."""
    run = paper["momentum"]
    q, f = run.series["q"], run.series["f_q"][-1, 0]
    electron, other = (f[0] + f[3]) / 2, (f[0] - f[3]) / 2
    means = [np.sum(q * g) / np.sum(g) for g in (electron, other)]
    assert abs(means[0] - means[1]) > 0.1


def test_amplitudes_and_back():
    for Q in (6, 8):
        f = np.random.default_rng(1).standard_normal((2, 4, Q, 5))
        lines = momentum.to_amplitudes(f, 0.3)
        np.testing.assert_allclose(lines[:, :, 0], f.sum(axis=2) * 0.3, atol=1e-14)
        np.testing.assert_allclose(momentum.from_amplitudes(lines, 0.3), f, atol=1e-14)


def test_free_streaming_keeps_the_distribution():
    """Without flavor coherence nothing but advection acts, whatever the distribution."""
    case = changed(
        SMALL,
        initial={"variance": 0.0},
        momentum={"distribution": "fermi-dirac", "temperature": 1.0, "half_width": 24.0, "points": 288, "sigma": None},
    )
    run = nuflux_mpi.simulate(case)
    np.testing.assert_allclose(run.series["f_q"], np.broadcast_to(run.series["f_q"][0], run.series["f_q"].shape), atol=1e-13)
    assert np.abs(run.series["K"]).max() < 1e-12


def test_sign_and_direction_of_antineutrinos_and_slanted_modes():
    """K of level energy for any velocities and signs, a nonlinear state of four modes."""
    modes = {"velocity": [1.0, -1.0, 0.4, -0.3], "sign": [1, 1, -1, -1]}
    case = changed(SMALL, modes=modes, initial={"zeta": [0.5, -0.4, 0.3, 0.2]}, momentum={"half_width": 20.0, "points": 96})
    fine = nuflux_mpi.simulate(case)
    energy = nuflux_mpi.simulate(changed(case, equations={"level": "energy"}))
    assert np.abs(energy.series["K"]).max() > 1e-3
    np.testing.assert_allclose(fine.series["K"], energy.series["K"], atol=1e-8)
    assert np.abs(fine.series["energy_residual"]).max() < 1e-8


@pytest.mark.mpi
@pytest.mark.parametrize("level", ["energy", "momentum", "full"])
def test_kinetic_energy_grows_at_the_rate_of_equation_22(level, comm):
    """int sum_a Tr v F against the parabola through three rows of K, whose error is h^2/6 of K's third derivative."""
    h = 0.1
    full = {"points": 72, "p_max": 18.0, "p0": 9.0, "sigma": 1.2, "perp_points": 2}
    case = changed(
        SMALL,
        equations={"level": level},
        full=full,
        box={"points": 64},
        time={"end": 4.0, "rtol": 1e-11},
        output={"series_every": h},
    )
    series = nuflux_mpi.simulate(case, comm=comm).series
    rate, difference = series["dK_dt"], series["dK_dt_difference"]
    assert np.abs(rate).max() > 0.1
    third = np.abs(np.diff(rate, 2)).max() / h**2
    # beside the parabola: what f near p = 0 and the ends of its grid leaves
    assert np.abs(rate - difference)[1:-1].max() < 1.2 * h**2 / 6 * third + 1e-7
    if level != "full":  # K + U_osc is constant as an identity of the grid, so Eq. 22 is minus Eq. 7; in q to 3e-8
        np.testing.assert_allclose(rate, -series["dU_osc_dt"], rtol=0, atol=1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize("level", ["energy", "momentum"])
def test_stored_force_is_that_of_equation_21(level, comm):
    modes = {"velocity": [1.0, -1.0, 0.4], "sign": [1, 1, -1]}
    case = changed(
        SMALL,
        equations={"level": level},
        modes=modes,
        initial={"zeta": [0.5, -0.5, 0.2]},
        time={"end": 3.0},
        output={"fields_every": 3.0},
    )
    fields = comm.bcast(dict(nuflux_mpi.simulate(case, comm=comm).fields))
    P, v, s = fields["P"][-1], np.array([1.0, -1.0, 0.4]), np.array([1.0, 1.0, -1.0])
    k = 2 * np.pi / 20.0 * np.fft.rfftfreq(96, 1 / 96)
    k[-1] = 0.0
    slope = np.fft.irfft(1j * k * np.fft.rfft(P), 96)
    pairs = np.outer(s, s) * (1 - np.outer(v, v))  # densities are homogeneous: their part of Eq. 21 vanishes
    expected = 0.5 * np.einsum("ab,bcz,acz->az", pairs, P, slope)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(fields["F"][-1], expected, rtol=0, atol=1e-12)  # rounding times k up to 15


@pytest.mark.mpi
def test_same_answer_on_any_number_of_ranks(comm):
    from mpi4py import MPI

    case = changed(SMALL, time={"end": 6.0})
    shared = nuflux_mpi.simulate(case, comm=comm)
    alone = nuflux_mpi.simulate(case, comm=MPI.COMM_SELF)
    np.testing.assert_allclose(shared.series["K"], alone.series["K"], atol=1e-10)
    np.testing.assert_allclose(shared.series["f_q"], alone.series["f_q"], atol=1e-10)
    if comm.rank == 0:
        assert shared.phase_space["f"].shape == (2, 2, 4, 48, 96)
        np.testing.assert_allclose(shared.phase_space["f"], alone.phase_space["f"], atol=1e-10)


def test_resumed_run_equals_the_uninterrupted_one(tmp_path):
    whole = nuflux_mpi.simulate(SMALL, out=tmp_path / "whole")
    nuflux_mpi.simulate(changed(SMALL, time={"end": 4.0}), out=tmp_path / "parts")
    parts = nuflux_mpi.simulate(SMALL, out=tmp_path / "parts", resume="auto")
    np.testing.assert_array_equal(parts.series["time"], whole.series["time"])
    np.testing.assert_allclose(parts.series["K"], whole.series["K"], atol=1e-9)
    np.testing.assert_allclose(Run(tmp_path / "parts").phase_space["f"][-1], whole.phase_space["f"][-1], atol=1e-9)


@pytest.mark.parametrize(
    "keys, words",
    [
        ({"half_width": 3.0}, "too narrow"),
        ({"points": 8}, "too coarse"),
        ({"points": 47}, "even"),
        ({"points": 2}, "momentum.points"),
        ({"sigma": -1.0}, "momentum.sigma"),
        ({"distribution": "file", "sigma": None, "path": "none.h5"}, "none.h5"),
    ],
)
def test_bad_momentum_grids_are_refused(keys, words):
    with pytest.raises(InputError, match=words):
        nuflux_mpi.simulate(changed(SMALL, momentum=keys))


def test_warnings_name_what_to_change(run_cli, tmp_path):
    """The paper's width of 0.7 is small beside 1 / wavelength, and a grid that is too narrow is told while it runs."""
    short = ["--set", "time.end=8", "--set", "box.points=256", "--set", "output.figures=false"]
    done = run_cli(
        [
            "run",
            "missing_energy",
            "--out",
            tmp_path / "run",
            *short,
            "--set",
            "momentum.half_width=5",
            "--set",
            "momentum.points=32",
        ],
        ranks=2,
    )
    assert done.returncode == 0, done.stderr
    # while it runs, and once more in the summary at the end
    running = done.stderr[: done.stderr.index("progress  finished")]
    for key in ("momentum.sigma", "momentum.half_width"):
        assert running.count(key) == 1 and done.stderr.count(key) <= 2

"""`python -m nuflux_mpi linear`: what it solves, says, writes and refuses."""

import csv

import h5py
import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.analysis import linear_problem, linear_report
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import initial
from nuflux_mpi.theory import linear


def problem(case="two_beam", *overrides):
    return linear_problem.problem(config.resolve(case, overrides))


def solved(case, *overrides, **chosen):
    asked = problem(case, *overrides)
    return linear_report.solve(asked, linear_report.wave_numbers(asked, **chosen))


def coarse(number=12):
    return solved(
        "angular",
        f"modes.number={number}",
        "modes.quadrature=midpoint",
        "modes.alpha=0.97",
        "box.length=300",
        "box.points=64",
        "initial.n_max=20",
    )


# ---- which wavenumbers


def test_all_waves_of_the_box():
    k = linear_report.wave_numbers(problem("two_beam", "box.points=512"))
    np.testing.assert_allclose(k, 2 * np.pi / 100 * np.arange(-255, 256), rtol=1e-15)


def test_a_large_problem_solves_for_what_matters(monkeypatch):
    """Half of the waves are left out, and none that grows."""
    asked = problem("angular", "modes.number=24")
    every = linear_report.wave_numbers(asked)
    monkeypatch.setattr(linear_report, "MOST_OPERATIONS", 1e5)
    some = linear_report.wave_numbers(asked)
    assert every.size == 1023 and some.size < 300
    growing = linear.growth_rate(every[:, None], *asked.background) > linear.SLOWEST * asked.background.size
    assert growing.sum() > 15 and np.isin(every[growing], some).all()


def test_chosen_and_continuous_waves():
    asked = problem()
    step = 2 * np.pi / 100
    np.testing.assert_allclose(linear_report.wave_numbers(asked, k=[-0.94248, -1.00531]), [-16 * step, -15 * step], rtol=1e-14)
    np.testing.assert_allclose(linear_report.wave_numbers(asked, span=(-0.2, 0.1)), step * np.arange(-3, 2), atol=1e-15)
    assert linear_report.wave_numbers(asked, k=[-1.0], continuous=True) == [-1]
    scan = linear_report.wave_numbers(asked, span=(1, -2), continuous=True)
    assert scan[0] == -2 and scan[-1] == 1 and scan.size == linear_report.CONTINUOUS_POINTS


@pytest.mark.parametrize(
    "chosen, words",
    [
        ({"k": [-1.0]}, r"k = -1 is not a wavenumber .* the nearest are -1.0053096 and -0.9424778"),
        ({"k": [40.0]}, r"k = 40 .* the nearest are 32.107077 and 32.107077"),
        ({"span": (0.01, 0.02)}, "no wavenumber in --range"),
        ({"continuous": True}, "--continuous needs --k or --range"),
        ({"k": [np.inf]}, "finite"),
        ({"span": (0.0, np.nan), "continuous": True}, "finite"),
    ],
)
def test_waves_that_the_box_does_not_have_are_refused(chosen, words):
    with pytest.raises(InputError, match=words):
        linear_report.wave_numbers(problem(), **chosen)


def test_too_many_waves_and_too_many_points_are_refused_before_they_are_made(monkeypatch):
    with pytest.raises(InputError, match=r"box.points = 1000000000 with 2 modes need about 192 GB, and 8 GB are"):
        monkeypatch.setattr(linear_problem, "available_memory", lambda: 8e9)
        problem("two_beam", "box.points=1000000000")
    asked = problem("two_beam", "box.points=262148")
    with pytest.raises(InputError, match="262147 wavenumbers .* at most 131072"):
        linear_report.wave_numbers(asked)
    assert len(linear_report.wave_numbers(asked, span=(-2, 2))) == 2 * 31 + 1  # 2 / (2 pi / 100) = 31.8


# ---- backgrounds


def test_background_that_is_not_stationary_is_refused(tmp_path):
    with pytest.raises(InputError, match="not stationary, .psi. reaches 0.2 where the largest P.z is 0.5"):
        problem(
            {
                "box": {"length": 10.0, "points": 32},
                "time": {"end": 1.0},
                "initial": {"kind": "profile", "zeta": [0.5, -0.5], "amplitude": 0.2, "width": 2.0},
            }
        )
    path = tmp_path / "start.h5"
    P = initial.single_wave(np.arange(32) * 2 * np.pi / 32, 0.0, t0=8.0)
    source = {"box": {"length": 2 * np.pi, "points": 32}, "time": {"end": 1.0}, "initial": {"kind": "file", "path": str(path)}}
    with h5py.File(path, "w") as file:
        file["P"] = P
    asked = problem(source)
    np.testing.assert_allclose(asked.background.q, [0.5, -0.5], atol=1e-6)  # a wave of 5e-4 shortens P^z by its square
    np.testing.assert_array_equal(asked.psi, P[:, 0] + 1j * P[:, 1])
    P[:, 2] *= 1 + 0.5 * np.cos(2 * np.pi * np.arange(32) / 32)
    with h5py.File(path, "w") as file:
        file["P"] = P
    with pytest.raises(InputError, match="not stationary, P.z varies by 0.25"):
        problem(source)
    with h5py.File(path, "w") as file:
        file["P"] = P[:1]
    with pytest.raises(InputError, match="has the shape"):
        problem(source)
    path.write_text("no HDF5")
    with pytest.raises(InputError, match="initial.path: .* is no HDF5 file"):
        problem(source)


def test_seeds_are_those_of_a_run():
    """The paper's seeds: Fourier coefficients as drawn, independent of the grid."""
    asked = problem("two_beam", "box.points=256")
    amplitude, phase = initial.draw_seeds(seed=1, functions=2, n_max=100, variance=1e-8)
    c = amplitude * np.exp(1j * phase)
    psi = np.fft.fft(asked.psi, axis=-1) / 256
    np.testing.assert_allclose(psi[:, 1:101], c[:, 0, 1:] + 1j * c[:, 1, 1:], atol=1e-16)


def test_states_without_sharp_directions_are_refused():
    with pytest.raises(InputError, match='full.distribution = "thermal" has no sharp directions'):
        problem("full_thermal")
    assert "sharp directions" in linear_report.report(solved("finite_rmu"))


# ---- solutions


def test_two_beams_are_the_closed_forms():
    result = solved("two_beam", "initial.zeta=[0.7, -0.2]")
    assert len(result.waves) == 24  # 2 pi n / 100 between -1.648331 and -0.151669
    for wave in result.waves:
        assert wave.kind == "collective"
        assert wave.omega.imag == pytest.approx(linear.two_beam_growth(wave.k, 0.7, -0.2), abs=1e-10)
        assert wave.omega.real == pytest.approx(-0.5, abs=1e-10)
    assert result.fastest.k == pytest.approx(-14 * 2 * np.pi / 100)
    assert "unstable for -1.6483315 < k < -0.15166852" in linear_report.report(result)


@pytest.mark.parametrize("order", [[1.0, -1.0], [-1.0, 1.0]])
def test_prediction_of_U_follows_the_run_of_the_same_case(order):
    """Against the sum over beams by hand: a seed in one wave, the forward beam first or last."""
    forward = order.index(1.0)
    zeta = [0.7, -0.2] if forward == 0 else [-0.2, 0.7]
    k, length = -2 * np.pi / 7, 7.0
    found = linear_report.predicted(
        problem(
            {
                "box": {"length": length, "points": 16},
                "modes": {"velocity": order},
                "time": {"end": 1.0},
                "initial": {"kind": "fourier", "zeta": zeta, "waves": [{"n": -1, "amplitude": 1e-4, "mode": forward}]},
            }
        )
    )
    alpha = linear.growing_amplitude(k, 1e-4, 0.0, 0.7, -0.2)
    whole = linear.delta_U_whole(found.t, [k], [alpha], 0.7, -0.2, length)
    np.testing.assert_allclose(found.whole, whole, rtol=1e-10)
    assert found.transverse[-1] == pytest.approx(whole[-1] * (k + 0.9) / k, rel=1e-10)


def test_no_prediction_without_growing_seeds_or_two_beams():
    assert linear_report.predicted(problem("angular", "modes.number=4")) is None
    assert linear_report.predicted(problem("two_beam", "initial.zeta=[0.5, 0.2]")) is None
    assert linear_report.predicted(problem("two_beam", "initial.variance=0")) is None


def test_waves_of_the_grid_are_named():
    result = coarse()
    kinds = {wave.kind for wave in result.waves}
    assert kinds == {"collective", "continuum"} and result.fastest.kind == "collective"
    # The edge of the band of the continuum distribution lies near 0.33 (200 directions).
    assert max(wave.k for wave in result.collective) < 0.33
    text = linear_report.report(result)
    named = sum(wave.kind == "continuum" for wave in result.waves)
    assert f"continuum    {named} of {len(result.waves)} growing waves" in text


def test_too_many_modes_for_a_matrix(monkeypatch):
    monkeypatch.setattr(linear, "DENSE_LIMIT", 10)
    asked = problem("angular", "modes.number=24")
    with pytest.raises(InputError, match="24 modes make too large a matrix for --method dense .at most 10.; --method secular"):
        linear_report.solve(asked, np.array([0.1]), "dense")
    k = 2 * np.pi / 1000 * np.array([20.0])
    auto = linear_report.solve(asked, k)
    assert auto.method == "secular"
    assert auto.fastest.omega == pytest.approx(linear.spectrum(k[:1], *asked.background)[0], abs=1e-10)
    assert "dispersion relation of 24 modes" in linear_report.report(auto)


def test_hundreds_of_modes_take_the_quicker_way(monkeypatch):
    """The matrix of 1000 modes takes seconds per k; who wants it may still ask for it."""
    monkeypatch.setattr(linear_report, "MOST_DENSE", 20)
    asked, k = problem("angular", "modes.number=24"), 2 * np.pi / 1000 * np.array([0.0, 20.0])
    auto, dense = linear_report.solve(asked, k), linear_report.solve(asked, k, "dense")
    assert (auto.method, dense.method) == ("secular", "dense")
    assert auto.fastest.omega == pytest.approx(dense.fastest.omega, abs=1e-10)


# ---- advice


def test_advice_for_two_beams():
    length, points = linear_report.advice(solved("two_beam"))
    # Fastest wave of the box -16 (2 pi / 100): eight of them; band edge -1.948: 8 * 1.948 * 50 / pi = 248.
    assert length == pytest.approx(50) and points == 256
    assert linear_report.advice(solved("two_beam", "initial.zeta=[0.5, 0.2]")) is None


def test_recurrence_of_equal_bins_is_exact():
    """Free streaming of mid-point bins: after 2 pi / (K spacing) all phases K v t agree again."""
    asked = problem("angular", "modes.quadrature=midpoint", "modes.number=10")
    k = 0.3
    t = linear_report.recurrence(asked, k)
    phases = np.exp(-1j * linear.continuum([k], *asked.background) * t)
    np.testing.assert_allclose(phases, phases[0], atol=1e-12)
    between = np.exp(-1j * linear.continuum([k], *asked.background) * t / 2)
    assert abs(between.sum()) < 1e-10  # and half-way they cancel
    assert linear_report.recurrence(problem(), k) is None


# ---- the command


def test_the_command_prints_writes_and_draws(run_cli, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "lin"
    done = run_cli(["linear", "two_beam", "--range", "-2.1", "0.1", "--out", out, "-o", tmp_path / "figure.pdf"])
    assert done.returncode == 0, done.stderr
    assert "k = -1.0053096, gamma = 0.9999859037" in done.stdout
    assert (out / "linear.txt").read_text() in done.stdout
    with open(out / "linear.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    gamma = {float(row["k"]): float(row["gamma"]) for row in rows}
    for k, rate in gamma.items():
        assert rate == pytest.approx(linear.two_beam_growth(k, 0.5, -0.5), abs=1e-10)
    assert [row["kind"] for row in rows].count("stable") == 4  # k = 0, +1 and -33, -32 of 2 pi / 100
    with open(out / "eigenvector.csv", newline="") as file:
        psi = [complex(float(row["psi_real"]), float(row["psi_imag"])) for row in csv.DictReader(file)]
    k = -16 * 2 * np.pi / 100
    assert psi[1] / psi[0] == pytest.approx((k - 1j * gamma[k]) / (k + 1j * gamma[k]), abs=1e-12)
    for path in (out / "linear.png", tmp_path / "figure.pdf"):
        assert path.stat().st_size > 5000


def test_the_command_refuses_in_one_sentence(run_cli):
    done = run_cli(["linear", "two_beam", "--k", "-1.0"], ranks=2)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.count("nuflux_mpi: linear: k = -1 is not a wavenumber") == 1


def test_the_command_starts_neither_mpi_nor_petsc(run_cli, tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('not here')\n")
    (tmp_path / "petsc4py.py").write_text("raise ImportError('not here')\n")
    done = run_cli(["linear", "two_beam", "--range", "-0.2", "0"], env={"PYTHONPATH": tmp_path})
    assert done.returncode == 0, done.stderr


def test_figure_shows_what_was_solved():
    plots_linear = pytest.importorskip("nuflux_mpi.plots.linear_theory")
    result = coarse()
    figure = plots_linear.dispersion(result)
    rates = figure.axes[0]
    drawn = {line.get_label(): line.get_data() for line in rates.lines}
    for kind in ("collective", "continuum"):
        waves = [(wave.k, wave.omega.imag) for wave in result.waves if wave.kind == kind]
        np.testing.assert_array_equal(np.transpose(drawn[kind]), waves)
    assert "closed form" not in drawn
    two = plots_linear.dispersion(solved("two_beam"), title=False)
    assert figure.get_suptitle() and not two.get_suptitle()
    k, gamma = {line.get_label(): line.get_data() for line in two.axes[0].lines}["closed form"]
    np.testing.assert_allclose(gamma, linear.two_beam_growth(k, 0.5, -0.5), rtol=1e-15)
    assert len(two.axes) == 4  # with the prediction for U_osc


def test_modes_of_one_velocity_have_rows_of_their_own():
    """Neutrinos and antineutrinos of v = 1 and v = -1: four rows with their names, and two bars each."""
    plots_linear = pytest.importorskip("nuflux_mpi.plots.linear_theory")
    case = {
        "box": {"length": 20.0, "points": 64},
        "modes": {"velocity": [1.0, -1.0, 1.0, -1.0], "sign": [1, 1, -1, -1], "density": [0.5, 0.3, 0.2, 0.4]},
        "initial": {"kind": "seeds", "variance": 1e-8, "n_max": 5},
        "time": {"end": 1.0},
    }
    problem = linear_problem.problem(config.resolve(case))
    result = linear_report.solve(problem, linear_report.wave_numbers(problem))
    figure = plots_linear.dispersion(result)
    (axes,) = (axes for axes in figure.axes if "fastest wave" in axes.get_title(loc="left"))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [r"$\nu$, $v = +1$", r"$\bar\nu$, $v = +1$", r"$\nu$, $v = -1$", r"$\bar\nu$, $v = -1$"]
    lengths = np.reshape([bar.get_width() for bar in axes.patches], (2, 4))
    size = np.abs(result.fastest.psi)[[0, 2, 1, 3]]
    np.testing.assert_allclose(lengths[0], size / size.max())
    shares = size / np.array([0.5, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(lengths[1], shares / shares.max())
    bars = [bar.get_extents() for bar in axes.patches]
    assert not any(one.overlaps(other) for i, one in enumerate(bars) for other in bars[:i])
    # The range of k that is shown is not that of the box, and it says so.
    assert figure.axes[0].get_title(loc="right").startswith("the box has $|k| \\leq 9.739")

"""Growth as measured in a run: the fit, its error estimate, the verdict, and the file it goes to."""

import dataclasses

import numpy as np
import pytest
from test_reader import synthetic

import nuflux_mpi
from nuflux_mpi.analysis import growth, linear_problem
from nuflux_mpi.errors import InputError
from nuflux_mpi.results import growth_table
from nuflux_mpi.results.reader import MemoryRun, Run
from nuflux_mpi.theory import linear


def synthetic_run(change=lambda series: None):
    """Two beams whose spectra follow linear theory exactly, or are changed."""
    config, series, fields, attrs = synthetic()
    change(series)
    return MemoryRun(config, series, fields, attrs)


def exact(k):
    return np.sqrt(-k * (2 + k))


def all_agree(waves):
    judged = np.count_nonzero(waves.judged)
    return judged > 0 and waves.verdict().startswith(f"linear theory: {judged} of {judged} wave")


def with_theory_off_by(waves, share):
    """The same measurement beside a theory whose rates are wrong."""
    return dataclasses.replace(waves, theory=waves.theory * (1 + share))


def test_pure_exponentials_are_measured_to_round_off():
    waves = growth.measure(synthetic_run())
    assert len(waves) == 6 and waves.judged.all()
    np.testing.assert_allclose(waves.measured, exact(waves.k), rtol=1e-12)
    np.testing.assert_allclose(waves.theory, exact(waves.k), rtol=1e-12)
    assert waves.bend.max() < 1e-12 and waves.driven.max() < growth.DISTURBED
    grown = 2 * waves.measured * (waves.end - waves.start)
    assert grown.min() > 2 * min(growth.EFOLDINGS)
    assert waves.shift.max() < 1e-12
    assert waves.verdict().startswith("linear theory: 6 of 6 waves agree within the fit's error, worst ")


def test_a_window_leaves_out_start_and_saturation():
    def saturating(series):
        t = series["spectrum_time"]
        series["psi2"] = series["psi2"] * (t[:, None] < 6) + series["psi2"][12] * (t[:, None] >= 6)

    waves = growth.measure(synthetic_run(saturating))
    assert waves.end.max() <= 6
    np.testing.assert_allclose(waves.measured, exact(waves.k), rtol=1e-12)


def test_a_run_that_differs_from_theory_does_not_agree():
    def faster(series):
        series["psi2"] = series["psi2"] * np.exp(2 * 0.05 * series["spectrum_time"])[:, None]

    waves = growth.measure(synthetic_run(faster))
    np.testing.assert_allclose(waves.measured, exact(waves.k) + 0.05, rtol=1e-10)
    judged = np.count_nonzero(waves.judged)
    assert judged and waves.verdict().startswith(f"linear theory: 0 of {judged} waves agree")
    assert waves.verdict().endswith(": run and theory do not agree")


def test_growth_where_theory_has_none_does_not_agree():
    def all_electron(series):
        series["P_mean"] = np.abs(series["P_mean"])

    waves = growth.measure(synthetic_run(all_electron))
    assert np.isinf(waves.difference[waves.judged]).all() and waves.verdict().endswith("do not agree")


def test_another_eigenmode_bends_the_line_by_what_the_estimate_says():
    def mixed(series):
        t = series["spectrum_time"]
        series["psi2"] = series["psi2"] * np.abs(1 + 0.8 * np.exp(-0.5 * t))[:, None] ** 2

    waves = growth.measure(synthetic_run(mixed))
    off = np.abs(waves.difference)
    assert off.max() > 1e-3  # the admixture matters
    assert np.all(off < growth.MARGIN * waves.error)
    assert all_agree(waves)


@pytest.mark.parametrize("share", [0.03, -0.03, 0.1, -0.1])
def test_a_theory_that_is_wrong_is_found(share):
    waves = with_theory_off_by(growth.measure(synthetic_run()), share)
    assert waves.verdict().startswith("linear theory: 0 of 6 waves agree") and waves.verdict().endswith("do not agree")


def test_one_wave_of_many_is_told_and_turns_no_verdict():
    """20 waves, one of them off by twice what its fit allows: it is named, and the others are counted. Far off it counts."""
    n = np.arange(20)
    rates = 1 + 0.01 * n
    waves = growth.Growth(
        k=-n / 10,
        measured=rates.copy(),
        start=n + 0.0,
        end=n + 5.0,
        bend=0 * n + 0.01,
        shift=0.0 * n,
        driven=0.0 * n,
        step_error=0.0 * n,
        theory=rates,
    )
    assert waves.verdict() == "linear theory: 20 of 20 waves agree within the fit's error, worst 0.0e+00 at k = 0"
    waves.measured[7] *= 1 + 2 * growth.MARGIN * 0.01
    assert waves.verdict() == (
        "linear theory: 19 of 20 waves agree within the fit's error, k = -0.7 is off by 3.0e-02 (the fit allows 1.5e-02)"
    )
    waves.measured[7] = 1.1 * rates[7]
    assert waves.verdict().endswith("k = -0.7 is off by 1.0e-01 (the fit allows 1.5e-02): run and theory do not agree")
    waves.measured[:] = rates
    waves.measured[:3] *= 1.02
    assert waves.verdict().startswith("linear theory: 17 of 20") and waves.verdict().endswith("do not agree")


def test_no_linear_phase_is_said():
    def large(series):
        series["psi2"] = series["psi2"] * 1e9

    waves = growth.measure(synthetic_run(large))
    assert len(waves) == 0
    assert waves.verdict() == "linear theory: no linear phase to judge it by"


def test_waves_driven_by_others_are_not_taken_for_growing_ones():
    """A wave that is nothing but the cube of the others grows three times as fast, and says nothing about theory."""

    def driven(series):
        total = series["psi2"].sum(axis=1)
        series["psi2"][:, np.argmin(np.abs(series["k"] - 1.5))] = total**3 / 0.5**2  # sum n_a^2 = 1/2

    waves = growth.measure(synthetic_run(driven))
    assert waves.k.max() < 0 and all_agree(waves)


def test_amplitudes_below_the_tolerance_are_not_used():
    run = synthetic_run()
    run.config = run.config.replace(time=run.config.time.replace(rtol=1e-5))
    waves = growth.measure(run)
    # psi at the start of a window is at least 50 times the tolerance.
    assert waves.step_error.max() < growth.DISTURBED
    assert (waves.start > growth.measure(synthetic_run()).start.min()).all()


def test_level_full_is_not_judged():
    text = growth.measure(synthetic_run()).verdict("full")
    assert text.startswith("linear theory of sharp directions: 6 waves, worst ") and "agree" not in text


def test_spectra_are_needed():
    def without(series):
        del series["psi2"]

    with pytest.raises(InputError, match="output.spectrum_every"):
        growth.measure(synthetic_run(without))


def test_the_table_reads_back_as_written(tmp_path):
    waves = growth.measure(synthetic_run())
    growth.write(waves, tmp_path / "growth.csv", waves.verdict())
    again, verdict = growth.read(tmp_path / "growth.csv")
    for name in growth_table.COLUMNS:
        np.testing.assert_array_equal(getattr(again, name), getattr(waves, name))
    assert verdict == waves.verdict()
    # Files of version 0.1 have no column shift.
    rows = [line.split(",") for line in (tmp_path / "growth.csv").read_text().splitlines()[1:]]
    column = rows[0].index("shift")
    older = ["# linear theory: 13 waves, worst 2.8e-03 at k = -1.31947: agrees"]
    older += [",".join(row[:column] + row[column + 1 :]) for row in rows]
    (tmp_path / "growth.csv").write_text("\n".join(older) + "\n")
    again, verdict = growth.read(tmp_path / "growth.csv")
    assert not again.shift.any() and verdict.endswith("agrees")
    np.testing.assert_array_equal(again.measured, waves.measured)
    (tmp_path / "growth.csv").write_text("nonsense\nk,measured\n1,2\n")
    with pytest.raises(InputError, match="growth.csv"):
        growth.read(tmp_path / "growth.csv")


def test_costly_theory_is_asked_for_fewer_waves(monkeypatch):
    monkeypatch.setattr(growth, "MOST_OPERATIONS", 3 * (2**3 + growth.CALL))
    assert len(growth.measure(synthetic_run())) == 3


# ---- in runs ---------------------------------------------------------------------------------------------------------

EIGENMODE = {
    "box": {"length": 2 * np.pi / 0.7, "points": 8},
    "modes": {"velocity": [1.0, -1.0]},
    "initial": {"kind": "eigenmode", "zeta": [0.7, -0.2], "n": -1, "amplitude": 1e-6},
    # The tolerance is one for |P|: 1e-7 of the seed.
    "time": {"end": 9.0, "rtol": 1e-13},
    "output": {"fields_every": 0, "series_every": 0.1, "figures": False},
}


@pytest.mark.mpi
def test_a_run_writes_its_growth_and_info_repeats_the_verdict(comm, shared_tmp_path):
    run = nuflux_mpi.simulate(EIGENMODE, out=shared_tmp_path / "run", comm=comm)
    comm.Barrier()
    waves, verdict = growth.read(shared_tmp_path / "run" / growth_table.FILE)
    # k = -0.7: gamma^2 = 0.56 - (k + 0.9)^2
    assert waves.k == pytest.approx([-0.7]) and waves.theory == pytest.approx(
        [np.sqrt(0.52)], rel=1e-10
    )  # seeds shorten P^z by 1e-12
    # The wave acts on itself by the square of its size, 1e-8 at the end of the window, and steps are good to 1e-7.
    assert waves.measured == pytest.approx(waves.theory, rel=1e-6)
    assert verdict.startswith("linear theory: 1 of 1 wave agrees within the fit's error, worst ")
    assert f"growth    {verdict}" in Run(run.directory).summary()


def test_that_nothing_grows_is_said(tmp_path):
    """Both beams have neutrinos of one flavor: no crossing."""
    settings = ["initial.zeta=[0.5, 0.5]", "box.points=64", "initial.n_max=10", "time.end=4", "output.figures=false"]
    run = nuflux_mpi.simulate("two_beam", out=tmp_path, overrides=settings)
    assert "linear theory: nothing grows, and nothing did" in run.summary()


@pytest.mark.mpi
def test_a_slower_eigenmode_is_compared_with_its_own_rate():
    """Six beams with two growing roots at k = 0.5: the slower one, started alone, keeps its own rate."""
    v, zeta = [1.0, 0.6, 0.2, -0.2, -0.6, -1.0], [0.3, -0.4, 0.5, -0.4, 0.3, -0.2]
    config = EIGENMODE | {
        "box": {"length": 2 * np.pi / 0.5, "points": 8},
        "modes": {"velocity": v},
        "time": {"end": 40.0, "rtol": 1e-13},
        "initial": {"kind": "eigenmode", "zeta": zeta, "n": 1, "root": 1, "amplitude": 1e-5},
        "output": {"fields_every": 0, "series_every": 0.25, "figures": False},
    }
    waves = growth.measure(nuflux_mpi.simulate(config))
    rates = nuflux_mpi.theory.linear.spectrum(0.5, np.array(v), np.ones(6), np.array(zeta)).imag
    assert rates[0] > 1.2 * rates[1] > 0
    assert waves.theory == pytest.approx([rates[1]], rel=1e-8)
    assert waves.measured == pytest.approx([rates[1]], rel=1e-4)


V = np.linspace(-1, 1, 41)
OWN_ELN = {
    "box": {"length": 100.0, "points": 128},
    "modes": {
        "kind": "angular",
        "number": 48,
        "distribution": "table",
        "v": V.tolist(),
        "G": (
            0.8 * np.exp(-((V - 0.9) ** 2) / 0.125)
            - 0.5 * np.exp(-((V - 0.1) ** 2) / 0.18)
            + 0.3 * np.exp(-((V + 0.6) ** 2) / 0.18)
        ).tolist(),
    },
    "initial": {"kind": "seeds", "variance": 1e-8, "n_max": 25, "same_for_all": True, "amplitudes_in": "n_a"},
    "time": {"end": 60.0, "rtol": 1e-8},
    "output": {"series_every": 1.0, "spectrum_every": 0.5, "fields_every": 0, "figures": False},
}


@pytest.mark.mpi
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_what_a_slow_second_mode_bends_evenly_is_estimated(seed):
    """The distribution of a user: what is left of the other directions tilts waves by 2 to 3 % without bending them."""
    waves = growth.measure(nuflux_mpi.simulate(OWN_ELN, overrides=[f"initial.seed={seed}"]))
    assert np.abs(waves.difference[waves.judged]).max() > 5e-3 and all_agree(waves)
    for share in (0.1, -0.1):
        assert with_theory_off_by(waves, share).verdict().endswith("do not agree")


@pytest.mark.mpi
def test_a_run_of_other_physics_is_found():
    """Two beams: theory 3 % off, and theory for a P_z that is 5 % larger, or for the other sign of the crossing."""
    config = {
        "box": {"length": 100.0, "points": 256},
        "modes": {"velocity": [1.0, -1.0]},
        "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "variance": 1e-8, "n_max": 32},
        "time": {"end": 9.0, "rtol": 1e-10},
        "output": EIGENMODE["output"],
    }
    run = nuflux_mpi.simulate(config)
    waves = growth.measure(run)
    assert all_agree(waves) and np.count_nonzero(waves.judged) >= 10
    for share in (0.03, -0.03):
        assert with_theory_off_by(waves, share).verdict().endswith("do not agree")
    start = run.series["P_mean"].copy()
    for factor in (1.05, -1.0):
        run.series["P_mean"] = factor * start
        assert growth.measure(run).verdict().endswith("do not agree")


# ---- pairs of flavors, profiles, and starts that mixing turns -------------------------------------------------------

GAS = {
    "flavor": {"number": 3},
    "box": {"length": 12.0, "points": 32},
    "modes": {"velocity": [1.0, -0.7], "content": [[0.6, 0.05, 0.25], [0.1, 0.45, 0.1]]},
    "initial": {"kind": "seeds", "variance": 1e-20, "n_max": 3, "seed": 5},
    "time": {"end": 24.0},
    "output": {"figures": False, "series_every": 0.25, "spectrum_every": 0.25},
}


def gas_run(**sections):
    return nuflux_mpi.simulate(GAS | sections)


def test_each_pair_of_three_flavors_is_measured_and_judged_by_itself(tmp_path):
    run = gas_run()
    np.testing.assert_allclose(run.series["psi2_pairs"].sum(axis=1), run.series["psi2"], rtol=1e-14)
    assert run.series["psi2_pairs"].shape[1] == 3
    waves = growth.measure(run)
    assert set(waves.pair[waves.judged]) >= {"e mu"} and waves.verdict().count("agree") == 1
    states = linear_problem.of_run(run)
    for i in np.flatnonzero(waves.judged):
        state = states[["e mu", "e tau", "mu tau"].index(waves.pair[i])]
        assert waves.theory[i] == linear.growth_rate(waves.k[i : i + 1], *state.background)
        assert abs(waves.difference[i]) < growth.MARGIN * waves.error[i]
    growth.write(waves, tmp_path / growth_table.FILE, waves.verdict())
    again, verdict = growth.read(tmp_path / growth_table.FILE)
    assert verdict == waves.verdict() and list(again.pair) == list(waves.pair)
    np.testing.assert_array_equal(again.measured, waves.measured)
    judged = np.flatnonzero(waves.judged)
    assert f"k = {waves.k[judged[0]]:.6g} of {waves.pair[judged[0]]}" == waves.name(judged[0])


def test_waves_that_a_profile_couples_grow_as_the_fastest_eigenmode():
    """Two flavors in a matter profile: every wave comes to grow alike, slower than the fastest of them would alone."""
    run = gas_run(
        flavor={"number": 2},
        box={"length": 4.0, "points": 32},
        modes={"velocity": [0.8, -0.6], "density": [0.5, 0.5]},
        initial=GAS["initial"] | {"zeta": [0.5, -0.5]},
        matter={"kind": "cosine", "lambda": 1.0, "amplitude": 2.0},
        time={"end": 50.0},
    )
    waves = growth.measure(run)
    assert len(set(waves.theory)) == 1 and waves.judged.sum() > 3
    assert waves.verdict().startswith(f"linear theory: {waves.judged.sum()} of {waves.judged.sum()} waves agree")
    (state,) = linear_problem.of_run(run)
    assert waves.theory[0] < 0.7 * linear.growth_rate(run.series["k"][:, None], *state.background).max()


def test_a_start_that_mixing_turns_is_not_compared(tmp_path):
    """Three flavors with large mixing: waves are measured, and no theory is beside them."""
    source = GAS | {"vacuum": {"omega": [0.1, -0.4], "theta": [0.6, 0.15, 0.8]}, "time": {"end": 6.0}}
    run = nuflux_mpi.simulate(source, out=tmp_path / "run")
    waves, verdict = growth.read(tmp_path / "run" / growth_table.FILE)
    assert verdict.startswith(
        "linear theory does not apply: the start is no stationary state: vacuum mixing turns it at the rate"
    )
    assert np.isnan(waves.theory).all() and np.isnan(waves.difference).all()
    assert "linear theory does not apply" in run.summary()


def test_eigenmodes_of_whole_velocities_that_grow_beside_the_fastest_count_as_an_error():
    """A ring of directions with k along its axis: two of its waves grow slower, and do not fade beside the fastest."""
    phi = 2 * np.pi * np.arange(8) / 8
    rings = [np.stack([a * np.cos(phi), a * np.sin(phi), np.full(8, c)], axis=1) for a, c in ((0.6, 0.8), (0.8, -0.6))]
    v, q = np.concatenate(rings), np.repeat([0.1, -0.08], 8)
    state = linear.Linearised(linear.Background(v[:, 2:], np.ones(16), q, vectors=v))
    rates = np.unique(np.round(linear.spectrum([-0.75], *state.background).imag, 10))[::-1]
    assert rates[0] > 5 * rates[1] > 0.5 > rates[2]  # 0.911 and, twice, 0.171
    run = MemoryRun({"initial": {}}, {}, {})
    columns = {name: np.zeros(1) for name in growth_table.COLUMNS} | {"k": np.array([-0.75]), "end": np.array([2.0])}
    found = growth._Theory(run, [state], 0, "").checked(growth.Growth(**columns))
    apart = rates[0] - rates[1]
    assert found.shift[0] == pytest.approx(apart / rates[0] * np.exp(-2.0 * apart), rel=1e-6)
    plain = linear.Linearised(linear.Background(v[:, 2:], np.ones(16), q))
    assert growth._Theory(run, [plain], 0, "").checked(growth.Growth(**columns)).shift[0] == 0.0

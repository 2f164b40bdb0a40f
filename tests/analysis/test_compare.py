"""`diff`: what differs between two runs is found, where it is, and no more."""

import re

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.analysis import compare, expected
from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError

SMALL = {
    "box": {"length": 10.0, "points": 16},
    "initial": {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": -1, "amplitude": 0.05}]},
    "equations": {"level": "energy"},
    "time": {"end": 1.0, "rtol": 1e-10},
    "output": {"series_every": 0.25, "fields_every": 0.5},
}


def simulated(*overrides, out=None):
    return nuflux_mpi.simulate(SMALL, out=out, overrides=overrides)


def found(a, b):
    """{name: row without the name} of the differences."""
    return {name: rest for name, *rest in compare.results(a, b)[0]}


def test_a_run_equals_itself():
    a = simulated()
    text, worst = compare.report(a, a)
    assert worst == 0 and "The results agree" in text
    assert text.count("the same\n") == 2  # configuration and provenance


def test_a_changed_number_is_found_with_its_time():
    a, b = simulated(), simulated()
    b.series["U_osc"][3] += 1e-3
    b.fields["P"][1, 0, 2, 5] += 0.01
    largest, relative, t = found(a, b)["U_osc"]
    # The rounding of one subtraction.
    assert largest == pytest.approx(1e-3, rel=1e-9) and t == 0.75
    energies = ("U_osc", "U_osc_transverse", "U_osc_longitudinal", "K", "energy", "energy_residual", "momentum")
    unit = max(np.abs(run.series[name]).max() for run in (a, b) for name in energies)
    assert relative == pytest.approx(1e-3 / unit, rel=1e-9)
    largest, _, t, norm, _ = found(a, b)["P"]
    assert largest == pytest.approx(0.01, rel=1e-9) and t == 0.5
    assert norm == pytest.approx(0.01 / np.linalg.norm(a.fields["P"][1]), rel=1e-9)
    assert compare.report(a, b, tolerance=0.1)[1] < 0.1 < compare.report(a, b)[1] * 10


def test_runs_without_a_result_in_common_do_not_agree():
    a, b = simulated(), simulated()
    b.series = {"time": b.series["time"]}
    b.fields = {}
    with pytest.raises(InputError, match="no result in common .*fields: only in A"):
        compare.report(a, b)
    b.series = a.series
    text, worst = compare.report(a, b)
    assert worst == 0 and "The results agree in what both have (fields: only in A): largest" in text


def test_not_a_number_on_one_side_is_an_infinite_difference():
    a, b = simulated(), simulated()
    b.series["U_osc"][2] = np.nan
    assert found(a, b)["U_osc"][0] == np.inf
    a.series["U_osc"][2] = np.nan
    assert found(a, b)["U_osc"][0] == 0


def test_other_grids_levels_and_cadences_are_compared_where_they_meet():
    """A single wave is the same on any grid that holds it: rounding, for two times the points."""
    a = simulated()
    b = simulated("box.points=32", "equations.level=standard", "output.series_every=0.125", "output.fields_every=1")
    rows, alone = compare.results(a, b)
    rows = {name: rest for name, *rest in rows}
    assert any(line.startswith("K: only in A") for line in alone)
    # One unit in the last place per operation of some hundred; time steps are cut differently, at rtol = 1e-10.
    assert 0 <= rows["P"][0] < 1e-8 and rows["psi2"][1] < 1e-7
    text, _ = compare.report(a, b)
    assert "box.points             16 -> 32" in text
    assert 'equations.level        "energy" -> "standard"' in text


def test_difference_quotients_depend_on_the_cadence_and_are_not_judged():
    a, b = simulated(), simulated("output.series_every=0.125")
    rows, (_, worst) = found(a, b), compare.report(a, b)
    assert worst < 1e-8  # the same solution at rtol = 1e-10, its steps cut otherwise
    for name in ("dU_osc_dt_difference", "dK_dt_difference"):
        assert rows[name][1] > 1e-4  # the error of a parabola through three rows


def test_modes_are_matched_by_direction_and_sign():
    a = simulated()
    b = simulated("modes.velocity=[-1.0, 1.0]", "initial.zeta=[-0.5, 0.5]")
    assert found(a, b)["P"][1] < 1e-8  # the same run with its beams in the other order


def test_exit_codes_are_those_of_diff(tmp_path, capsys):
    for name, override in (("a", "time.rtol=1e-10"), ("b", "time.rtol=1e-5"), ("late", "time.start=10")):
        simulated(override, "time.end=11" if name == "late" else "time.end=1", out=tmp_path / name)
    a, b, late = (str(tmp_path / name) for name in ("a", "b", "late"))
    assert commands.main(["diff", a, a]) == 0
    assert commands.main(["diff", a, b]) == 1
    assert commands.main(["diff", a, b, "--tolerance", "0.01"]) == 0
    assert "time.rtol" in capsys.readouterr().out
    assert commands.main(["diff", a, late]) == 2
    assert "no output time in common" in capsys.readouterr().err
    assert commands.main(["diff", a, str(tmp_path / "none")]) == 2
    with pytest.raises(SystemExit):
        commands.main(["diff", a, b, "--tolerance", "-1"])


def test_runs_without_common_times_cannot_be_compared():
    a = simulated()
    with pytest.raises(InputError, match="no output time in common"):
        compare.results(a, simulated("time.start=5", "time.end=6"))


# --- what is to be expected ------------------------------------------------------------------------------------------


def size_told(lines):
    return float(re.search(r"up to (\S+) of the state until", lines[0])[1])


@pytest.mark.parametrize("rtol", ["1e-5", "1e-7", "1e-9"])
def test_differences_of_the_tolerance_are_within_what_is_told(rtol):
    a, b = simulated("time.end=6"), simulated("time.end=6", f"time.rtol={rtol}")
    lines, (text, worst) = expected.lines(a, b), compare.report(a, b)
    assert 0 < worst < size_told(lines) < 1e5 * float(rtol)  # a bound, and not an empty one
    assert lines[0].startswith("time steps (time.rtol): up to") and lines[0] in text


def test_runs_that_differ_in_rounding_alone():
    a, b = simulated(), simulated("box.fftw=estimate", "output.log_every=3")
    b.series["U_osc"][-1] *= 1 + 2**-52
    lines = expected.lines(a, b)
    assert lines[0].startswith("rounding (ranks, ") and 1e-16 < size_told(lines) < 1e-12
    assert compare.report(a, b)[1] < size_told(lines)


def test_runs_of_other_problems_are_not_judged():
    a, b = simulated(), simulated("box.points=32", "time.rtol=1e-8")
    (line,) = expected.lines(a, b)
    assert "differ in what they compute (box.points)" in line and "to be expected" in compare.report(a, b)[0]


def test_a_cadence_cuts_the_steps_otherwise():
    assert expected.lines(simulated(), simulated("output.series_every=0.125"))[0].startswith("time steps (output.series_every")


def test_what_is_told_follows_the_rise_of_the_coherence():
    a, b = simulated(), simulated("time.rtol=1e-8")
    before = size_told(expected.lines(a, b))
    for run in (a, b):
        run.series["coherence"] = np.array([1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
        run.series["step"][:] = [0, 10, 20, 30, 99]
    lines = expected.lines(a, b)
    assert size_told(lines) == pytest.approx(1e-8 * 100 * 1e4) != before and "until t = 1 " in lines[0]
    a.series["coherence"][2] = np.nan
    assert expected.lines(a, b) == []

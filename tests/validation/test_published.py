"""The published problems: the quick ones agree in every number, and tools/validate.py tells when one does not.

Each number's tolerance stands, with its reason, beside it in nuflux_mpi/validation.
"""

from pathlib import Path

import numpy as np
import pytest
from processes import carry_out, python
from validate import main as validate

from nuflux_mpi import config
from nuflux_mpi.physics.modes import build
from nuflux_mpi.validation import published
from nuflux_mpi.validation.published import PROBLEMS, Row

ROOT = Path(__file__).resolve().parents[2]
QUICK = [name for name, problem in PROBLEMS.items() if problem.quick]


@pytest.mark.parametrize("name", QUICK)
def test_every_number_of_a_quick_problem_agrees(name):
    rows = list(PROBLEMS[name].rows())
    assert len(rows) >= 6
    assert not [row for row in rows if not row.passed]


@pytest.mark.mpi
def test_every_rank_gets_the_same_numbers(comm):
    """Single wave: one with fields, which only rank 0 holds, and one with series."""
    rows = list(PROBLEMS["single_wave"].rows(comm))
    assert all(row.passed for row in rows)
    assert len(set(comm.allgather(tuple(rows)))) == 1


def test_code_comparison_in_small_grows_as_its_bins_do_and_changes_one_side_only():
    """16 bins in a quarter of the case's box, larger seeds. So few waves swing back: half of the flavor returns."""
    from nuflux_mpi import simulate

    run = simulate(
        "code_comparison",
        overrides=[
            "box.length=256",
            "box.points=256",
            "modes.number=16",
            "initial.amplitude=1e-6",
            "initial.n_max=12",
            "time.end=2000",
            "time.rtol=1e-9",
            "output.fields_every=0",
        ],
    )
    rows = {row.quantity: row for row in published.one_sided(run)}
    eigenvalue, whole = (
        next(row for name, row in rows.items() if words in name)
        for words in ("eigenvalue of these bins", "all waves of the box")
    )
    # 16 bins grow at another rate than the continuum, but at that of their own eigenvalues.
    assert eigenvalue.ours == pytest.approx(eigenvalue.expected, rel=1e-3) and whole.passed
    late = published.late_survival(run)
    v = run.series["v"]
    assert late[v > 0.7855].mean() < 0.9 and late[v < 0].min() > 0.97
    assert rows["largest drift of the lepton-number vector int D_0, relative"].passed


def test_homogeneous_tilt_of_all_directions_rests():
    """Which is why `homogeneous_gain` tilts half of them: parallel vectors do not turn, stable or not."""
    modes = build(published.peaked(32, 0.93))
    series = published.homogeneous(0.93, 1e-3 * modes.n, 100.0, 50.0)
    np.testing.assert_allclose(series["P_mean"], series["P_mean"][[0, 0, 0]], rtol=0, atol=1e-14)  # rounding


def test_a_row_agrees_within_its_tolerance_and_never_with_nan():
    assert Row("x", 1.0, 1.1, 0.2).passed and Row("x", 1.0, 1.1, 0.2).difference == pytest.approx(0.1)
    assert not Row("x", 1.0, 1.3, 0.2).passed and not Row("x", 1.0, np.nan, 0.2).passed


def test_problems_that_a_toml_file_can_tell_are_cases():
    shipped = config.cases()
    assert {"single_wave", "golden_ratio", "two_beam", "multi_angle", "code_comparison"} <= set(shipped) & set(PROBLEMS)


def test_the_job_is_the_published_problem_and_the_case_a_tenth_of_it():
    job, case = config.resolve(ROOT / "jobs" / "code_comparison.toml"), config.resolve("code_comparison")
    assert (job["box"]["length"], job["box"]["points"], job["modes"]["number"]) == (10240.0, 10240, 200)
    assert (job["time"]["end"], job["initial"]["amplitude"], job["initial"]["n_max"]) == (5000.0, 1e-7, 512)
    assert job["modes"] | {"number": 64} == case["modes"]
    assert job["initial"] | {"n_max": 51} == case["initial"] and job["box"]["length"] == 10 * case["box"]["length"]


# ---- the tool


def test_validate_ends_with_0_and_shows_both_numbers(capsys):
    assert validate(["stationary_wave"]) == 0
    out = capsys.readouterr().out
    assert "0.252783558621" in out and "all numbers agree" in out and "DISAGREES" not in out


def test_validate_ends_with_1_when_a_number_disagrees(capsys, monkeypatch):
    monkeypatch.setitem(published.GOLDEN_RATIO, 8, (0.3213179367, 0.1707466637))  # 1e-9 off
    assert validate(["golden_ratio"]) == 1
    wrong = [line for line in capsys.readouterr().out.splitlines() if "DISAGREES" in line]
    assert len(wrong) == 1 and "nu_x content of v = +1 at t = 8" in wrong[0]


def test_validate_makes_tables_for_the_documents(capsys):
    assert validate(["stationary_wave", "--markdown"]) == 0
    assert "| Omega | 0.252783558621 | 0.25278356" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["no_such"], "no_such is not one of two_beam_growth"),
        (["multi_angle", "--run", "x"], "--run belongs to the problem code_comparison alone"),
        (["code_comparison", "--run", "no/such/run"], "no/such/run"),
        (["code_comparison", "--figure", "x.png"], "--figure needs the results of a run"),
    ],
)
def test_validate_refuses_what_does_not_fit_together(capsys, words, sentence):
    with pytest.raises(SystemExit) as end:
        validate(words)
    assert end.value.code == 2 and sentence in capsys.readouterr().err


def test_validate_takes_a_run_and_draws_it(capsys, tmp_path):
    """A run that is too short for the answer, from larger seeds: growth agrees, the end does not."""
    from nuflux_mpi import simulate

    simulate(
        "code_comparison",
        out=tmp_path / "run",
        overrides=[
            "box.length=256",
            "box.points=256",
            "modes.number=16",
            "initial.amplitude=1e-6",
            "initial.n_max=12",
            "time.end=1200",
            "time.rtol=1e-9",
            "output.fields_every=0",
        ],
    )
    assert validate(["code_comparison", "--run", str(tmp_path / "run"), "--figure", str(tmp_path / "x.png")]) == 1
    out = capsys.readouterr().out
    (wave,) = [line for line in out.splitlines() if "eigenvalue of these bins" in line]
    assert "late P_ee, mean over v beyond the crossing" in out and "k = 0.1227" in wave
    assert (tmp_path / "x.png").stat().st_size > 10000


def test_validate_runs_on_several_ranks():
    done = carry_out(python([ROOT / "tools" / "validate.py", "golden_ratio"], ranks=2))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("all numbers agree") == 1

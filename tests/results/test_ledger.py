"""Where the wall time went: the parts add up, and run.log gives them back."""

import re
import types

import pytest

from nuflux_mpi.results import ledger


@pytest.fixture
def clock(monkeypatch):
    now = types.SimpleNamespace(value=100.0, reads=0)

    def monotonic():
        now.reads += 1
        return now.value

    monkeypatch.setattr(ledger.time, "monotonic", monotonic)
    return now


def test_parts_add_up_to_the_wall_time(clock):
    spent = ledger.Ledger(begin=100.0)
    spent.start, spent.stepping, spent.right_hand_sides, spent.output, spent.checkpoints = 1.0, 5.0, 4.0, 2.0, 0.5
    clock.value += 10.0
    parts = spent.parts()
    assert parts == {
        "start": 1.0,
        "right-hand sides": 4.0,
        "method": 1.0,
        "output": 2.0,
        "checkpoints": 0.5,
        "figures": 0.0,
        "rest": 1.5,
    }
    assert spent.sentence() == (
        "wall time 10 s: start 1 s (10 %), right-hand sides 4 s (40 %), method 1 s (10 %), "
        "output 2 s (20 %), checkpoints 0.5 s (5 %), rest 1.5 s (15 %)"
    )


def test_an_estimate_is_never_more_than_what_it_is_part_of(clock):
    spent = ledger.Ledger(begin=100.0)
    spent.stepping, spent.right_hand_sides = 1.0, 1.25
    clock.value += 1.0
    assert spent.parts()["right-hand sides"] == 1.0 and spent.parts()["method"] == 0.0


def test_run_log_gives_the_parts_back_added_up():
    first, second = {"start": 20.0, "output": 1234.0}, {"start": 3.0, "right-hand sides": 5.0, "rest": 0.001}
    log = f"title\nwall time {ledger.told(first)}\nresumed\nwall time {ledger.told(second)}\nresults in wall time 3 s: x\n"
    assert ledger.spent(log) == {"start": 23.0, "right-hand sides": 5.0, "output": 1234.0}
    assert ledger.spent("nothing") == {}


@pytest.mark.parametrize("period", [1, 2, 3, 7, 8, 9, 10, 13])
def test_a_sample_of_the_evaluations_stands_for_all(clock, period):
    """Whatever the pattern of short and long ones: here one in `period` takes ten times as long."""
    calls = []

    def evaluate(t, u, du):
        calls.append(t)
        clock.value += 10.0 if len(calls) % period == 0 else 1.0

    spent = ledger.Ledger(begin=100.0)
    problem = types.SimpleNamespace(size=3, active=2, rhs=evaluate, flow=None, correct=evaluate)
    timed = ledger.Timed(problem, spent)
    assert (timed.size, timed.active, timed.flow) == (3, 2, None)
    begin, count = clock.value, 11 * 2520
    for i in range(count):
        (timed.rhs if i % 2 else timed.correct)(0.0, None, None)
    # After the first eleven, each exact, whole periods are sampled: only those few can be off.
    assert spent.right_hand_sides == pytest.approx(clock.value - begin, rel=2e-3)
    assert clock.reads < 2 * (count / 11 + 12)


def test_the_result_of_an_evaluation_is_passed_on():
    problem = types.SimpleNamespace(size=0, active=0, rhs=lambda *a: sum(a), flow=lambda *a: max(a), correct=None)
    timed = ledger.Timed(problem, ledger.Ledger())
    assert timed.rhs(1, 2) == 3 and timed.flow(1, 2) == 2 and timed.correct is None


def test_a_run_tells_where_its_time_went(run_cli, tmp_path):
    (tmp_path / "case.toml").write_text(
        '[box]\nlength = 6.3\npoints = 16\n[initial]\nkind = "fourier"\nzeta = [0.5, -0.5]\n'
        "waves = [{n = -1, amplitude = 1e-3}]\n[time]\nend = 5.0\n"
    )
    ended = run_cli(["run", "case.toml", "--out", "run"], cwd=tmp_path)
    line = re.search(r"^wall time (\S+) s: (.*)$", ended.stderr, re.MULTILINE)
    parts = ledger.spent((tmp_path / "run" / "run.log").read_text())
    assert {"start", "figures"} <= set(parts)
    # Parts below half a percent are left out, of which there are five, and numbers have three digits.
    assert sum(parts.values()) == pytest.approx(float(line[1]), rel=0.04)
    percents = [int(share) for share in re.findall(r"\((\d+) %\)", line[2])]
    assert 94 <= sum(percents) <= 104
    assert f"time      {ledger.told(parts)}" in run_cli(["info", "run"], cwd=tmp_path).stdout

"""tools/bench.py: the messages of a right-hand side, counted as MPI gets them, against the formula and the forecast."""

import sys

import bench
import numpy as np
import pytest

from nuflux_mpi.box.plan import blocks
from nuflux_mpi.run import check

GRID = {"points": 24, "half_width": 5.5, "distribution": "gaussian", "sigma": 0.8}


@pytest.mark.mpi
@pytest.mark.parametrize("points", [96, 50])  # shared evenly by 1, 2, 3 and 4 ranks, and not
@pytest.mark.parametrize("level, modes, grid", [("standard", 4, None), ("energy", 4, None), ("momentum", 2, GRID)])
def test_messages_of_one_right_hand_side(comm, level, modes, grid, points):
    counting = bench.CountingComm(comm)
    row = bench.count(counting, modes, points, level, grid)
    equations = bench.problem(counting, modes, points, level, grid, fftw="estimate", exchange="messages")[0]
    segments, ranks = equations.declared.segments, comm.size
    # One all-to-all each way, and two more for a gradient; each with at most one message to every other rank.
    exchanges = 0 if ranks == 1 else 4 if equations.declared.gradient else 2
    assert row["calls"] == exchanges
    assert row["messages"] <= exchanges * ranks * (ranks - 1)
    # A step of the multistep method: one of these, and one for the active lines alone, which needs no gradient for kappa.
    counting.reset()
    picture = equations.picture
    picture.correct(0.5, *np.zeros((2, picture.size)), 0.0, np.zeros(picture.size))
    assert counting.calls == (0 if ranks == 1 else exchanges + (4 if level == "momentum" else 2))
    # Every line goes, in whole, from the rank that holds its waves to those that hold its points, or the other way.
    columns = blocks(points, ranks)[0]
    batches = [segments[:1], segments] + [(equations.declared.gradient,)] * 2
    moved = sum(np.sum(rows * (points - columns)) for rows in (check.rows_per_rank(equations.box.plan, b) for b in batches))
    assert row["sent"] == 8 * moved
    if points == 96:
        assert row["sent"] == pytest.approx(row["formula"], rel=0.01)  # 6 lines of a gradient on 4 ranks are not even
    assert row["most"] <= 1.4 * max(1, row["sent"]) / ranks


@pytest.mark.mpi
@pytest.mark.parametrize("node", [1, 2, 4])
def test_ranks_of_a_node_send_no_messages_to_each_other(comm, node):
    row = bench.count(bench.CountingComm(comm), 4, 96, "standard", None, exchange=node)
    nodes = [min(node, comm.size - first) for first in range(0, comm.size, node)]
    # Every rank has one partner on each other node, and all lines go to the points of all nodes but their own.
    assert row["messages"] == 2 * comm.size * (len(nodes) - 1)
    assert row["calls"] == (2 if len(nodes) > 1 else 0)
    columns, rows = blocks(96, comm.size)[0], blocks(12, comm.size)[0]
    of_nodes = [slice(first, first + node) for first in range(0, comm.size, node)]
    assert row["sent"] == 2 * 8 * sum(rows[part].sum() * (96 - columns[part].sum()) for part in of_nodes)
    if comm.size % node == 0:
        assert row["sent"] == pytest.approx(row["formula"], rel=1e-12)


@pytest.mark.mpi
def test_forecast_of_the_bytes_a_rank_sends(comm):
    row = bench.count(bench.CountingComm(comm), 8, 96, "energy", None)
    equations = bench.problem(comm, 8, 96, "energy", None, fftw="estimate")[0]
    expected = check.exchange_bytes(equations.box.plan, equations.declared.segments, equations.declared.gradient)
    assert row["most"] == pytest.approx(expected, rel=0.1)  # uneven: the gradient's six lines on four ranks


@pytest.mark.mpi
def test_all_ranks_are_measured_against_one(comm):
    rows = bench.speedup(bench.CountingComm(comm), 2, 64, "energy", None, ("adams",), 1, "auto")
    alone, together, ratio = np.transpose(rows)  # the right-hand side and the loop
    assert len(rows) == 2 and np.all(together > 0)
    if comm.rank == 0:  # which alone has worked alone
        np.testing.assert_allclose(ratio, alone / together, rtol=1e-12)
        assert np.all(ratio > 0)


def test_a_table_is_measured(capsys, monkeypatch, tmp_path):
    table = tmp_path / "table.json"
    options = ["--modes", "2", "--points", "64", "--level", "energy", "--repeat", "1", "--cpu", "--json", str(table)]
    monkeypatch.setattr(sys, "argv", ["bench.py", *options])
    bench.main()
    assert "rhs/bare" in capsys.readouterr().out
    import json

    (row,) = json.loads(table.read_text())
    assert row["lines"] == 8 and row["rhs"] > 0
    for method in ("adams", "8vr"):
        assert row["loop"][method] > 0 and row["loop_ratio"][method] > 0


def test_the_start_of_a_run_in_parts():
    """Every part is there, in a process of its own; how long they take is no matter of a test."""
    pytest.importorskip("matplotlib")
    import start_parts

    found = start_parts.measured(ranks=1, repeat=1)
    assert {"NumPy", "MPI", "numba", "config", "compiled loops", "steps, output, checkpoints", "figures"} <= set(found)
    assert all(seconds >= 0.0 for seconds in found.values())
    assert start_parts.table({"MPI": 0.25, "NumPy": 0.05}).splitlines()[-1].split() == ["sum", "300", "ms"]


@pytest.mark.mpi
def test_costs_of_terms(comm):
    """Each case is there, beside one with which it can be compared."""
    import term_costs

    found = term_costs.measured(comm, 2, 16, "energy", repeat=1)
    assert all(time > 0 and ratio > 0 and other in found for time, ratio, other in found.values())
    assert len(term_costs.table(found, 2, 16, "energy").splitlines()) == 1 + len(found) == 10

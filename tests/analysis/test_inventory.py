"""`info` for programs: JSON and CSV say what the text says, in numbers."""

import csv
import io
import json

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.analysis import inventory
from nuflux_mpi.cli import commands
from nuflux_mpi.results.reader import Run

SMALL = {
    "box": {"length": 6.3, "points": 16},
    "initial": {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": -1, "amplitude": 1e-3}]},
    "equations": {"level": "energy"},
    "time": {"end": 2.0, "rtol": 1e-8},
    "output": {"series_every": 0.5},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that differ in the number of points, and one of another level that is only begun."""
    parent = tmp_path_factory.mktemp("runs")
    for points in (16, 32):
        nuflux_mpi.simulate(SMALL, overrides=[f"box.points={points}"], out=parent / f"N{points}")
    with nuflux_mpi.Simulation(SMALL, overrides=["equations.level=standard"], out=parent / "begun") as simulation:
        simulation.run(stop=lambda: simulation.integrator.t > 0.6 and "the test")
    return parent


def told(capsys, *words):
    assert commands.main(["info", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_json_has_what_the_text_says(runs, capsys):
    known, run = json.loads(told(capsys, runs / "N16", "--json")), Run(runs / "N16")
    assert known["config"] == run.config and known["directory"] == str(runs / "N16") and known["title"] == run.title
    assert known["attributes"]["n_ranks"] == 1 and "config_toml" not in known["attributes"]
    assert known["progress"] == {"t": 2.0, "start": 0.0, "end": 2.0, "share": 1.0, "finished": True}
    for name in ("U_osc", "energy", "step", "dt"):
        assert [known["first"][name], known["last"][name]] == [run.series[name][0], run.series[name][-1]]
    assert known["last"]["K"] == run.series["K"][-1].sum()
    assert known["largest"]["energy_residual"] == abs(run.series["energy_residual"]).max()
    assert known["growth"] in run.summary() and known["warnings"] == run.warnings
    assert known["checkpoints"]["number"] == 2 and f"{known['checkpoints']['bytes'] / 1e6:.3g} MB" in run.summary()
    assert known["seconds"]["start"] > 0


def test_json_of_several_runs_is_a_list_in_their_order(runs, capsys):
    known = json.loads(told(capsys, runs / "N32", runs / "begun", "--json"))
    assert [entry["config"]["box"]["points"] for entry in known] == [32, 16]
    assert not known[1]["progress"]["finished"] and 0 < known[1]["progress"]["share"] < 1
    assert "K" not in known[1]["last"]


def test_json_is_strict():
    text = inventory.as_json(
        {
            "a": np.nan,
            "b": [np.inf, np.float64(1.5), np.int64(2), np.bool_(True)],
            "c": b"x\xff",
            "d": np.array([[1.0, np.nan]]),
            "e": None,
            "f": "\u00fc",
            "g": "l\udce4ufe",
        }
    )
    assert text.isascii()  # a locale, or a byte that is no UTF-8, would make something else of other letters
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found == {
        "a": None,
        "b": [None, 1.5, 2, True],
        "c": "x\\xff",
        "d": [[1.0, None]],
        "e": None,
        "f": "\u00fc",
        "g": "l\udce4ufe",
    }


def test_csv_has_a_line_per_run_with_the_keys_that_differ(runs, capsys):
    names = ["N16", "N32", "begun"]
    rows = list(csv.DictReader(io.StringIO(told(capsys, *(runs / name for name in names), "--csv"))))
    assert [row["run"] for row in rows] == [str(runs / name) for name in names]
    assert [row["box.points"] for row in rows] == ["16", "32", "16"]
    assert [row["equations.level"] for row in rows] == ["energy", "energy", "standard"]
    assert "time.rtol" not in rows[0]  # the same in all
    run = Run(runs / "N32")
    assert float(rows[1]["U_osc"]) == run.series["U_osc"][-1] and float(rows[1]["U_osc_start"]) == run.series["U_osc"][0]
    assert float(rows[1]["K"]) == run.series["K"][-1].sum() and rows[2]["K"] == ""
    assert float(rows[1]["largest_P_drift_max"]) == run.series["P_drift_max"].max()
    assert [row["finished"] for row in rows] == ["True", "True", "False"]


def test_several_runs_in_words(runs, capsys):
    text = told(capsys, runs / "N16", runs / "N32")
    assert text == f"{Run(runs / 'N16').summary()}\n\n{Run(runs / 'N32').summary()}\n"


def test_a_file_as_json(runs, capsys):
    known = json.loads(told(capsys, runs / "N16" / "series.h5", "--json"))
    assert "[box]" in known[""]["config_toml"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["N16", "N32", "--toml"], "one run"),
        (["N16", "N32/series.h5"], "described alone"),
        (["N16/series.h5", "--csv"], "has no table"),
        (["N16", "none", "--csv"], "no run directory"),
    ],
)
def test_what_cannot_be_described_is_a_sentence(runs, capsys, words, message):
    words = [word if word.startswith("--") else str(runs / word) for word in words]
    assert commands.main(["info", *words]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.out == ""


def test_a_run_that_has_written_nothing_yet(runs):
    run = nuflux_mpi.simulate(SMALL, overrides=["time.end=0.5"])
    run.series = {
        name: values[:0] if name not in ("v", "sign", "density", "mode") else values for name, values in run.series.items()
    }
    known = inventory.described(run)
    assert known["progress"]["t"] is None and known["first"] == {} and known["last"] == {}
    assert inventory.table([run]).count("\n") == 2

"""Several runs in one figure: named by what differs, each with its own curve, whatever their level and length."""

import numpy as np
import pytest
from test_reader import PROVENANCE, synthetic, write_run

from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError
from nuflux_mpi.results.reader import MemoryRun

pytest.importorskip("matplotlib")
from test_evolution import axes_titled, line, png_text, title_of  # noqa: E402  (needs matplotlib)

from nuflux_mpi.plots import comparison  # noqa: E402


def changed(config, section, name, value):
    return config.replace(**{section: config[section].replace(**{name: value})})


def runs_with(key, values, **changes):
    """Synthetic runs that differ in one key "section.name" of the config."""
    found = []
    for value in values:
        config, *rest = synthetic(**changes)
        section, name = key.split(".")
        config[section][name] = value
        found.append(MemoryRun(config, *rest))
    return found


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def titles(figure):
    return [title_of(axes) for axes in figure.axes]


def test_runs_are_named_by_the_keys_that_differ():
    assert comparison.names(runs_with("time.rtol", [1e-8, 1e-10])) == ["time.rtol = 1e-08", "time.rtol = 1e-10"]
    same = runs_with("output.figures", [True, False])  # no physics
    assert comparison.names(same) == ["run 0", "run 1"]
    many = runs_with("time.rtol", [1e-8, 1e-10])
    for number, key in enumerate(("atol", "start", "end")):
        many[1].config = changed(many[1].config, "time", key, number + 20.0)
    assert comparison.names(many) == ["run 0", "run 1"]  # four keys would be no name
    twins = runs_with("time.rtol", [1e-8, 1e-8, 1e-9])
    assert comparison.names(twins) == ["time.rtol = 1e-08 (run 0)", "time.rtol = 1e-08 (run 1)", "time.rtol = 1e-09"]
    assert comparison.names(runs_with("modes.velocity", [[1.0, -1.0], [0.5] * 9])) == ["run 0", "run 1"]  # too long


def test_each_series_of_each_run_is_drawn():
    runs = runs_with("time.rtol", [1e-8, 1e-9, 1e-10])
    for number, run in enumerate(runs):
        run.series["U_osc"] = run.series["U_osc"] * (1 + number)
        run.series["P_ee"] = np.full(21, 1 / (1 + number))
    figure = comparison.comparison(runs)
    assert [title.split(" ")[0] for title in titles(figure)] == ["refractive", "kinetic", "how", "survival"]
    for number, run in enumerate(runs):
        np.testing.assert_allclose(
            line(axes_titled(figure, "refractive energy"), number)[1], run.series["U_osc"] / 5 / (1 + number)
        )
        np.testing.assert_array_equal(line(axes_titled(figure, "survival of"), number)[1], run.series["P_ee"])
    assert axes_titled(figure, "how far").get_yscale() == "log"
    assert legend(figure) == ["time.rtol = 1e-08", "time.rtol = 1e-09", "time.rtol = 1e-10"]
    # One number differs: colors along a scale, by its size.
    colors = [curve.get_color() for curve in axes_titled(figure, "survival of").lines]
    assert len(set(colors)) == 3
    assert {curve.get_linestyle() for curve in axes_titled(figure, "survival of").lines} == {"-"}


def test_levels_lengths_and_times_may_differ():
    standard, long = MemoryRun(*synthetic(level="standard")), MemoryRun(*synthetic())
    long.series["time"] = long.series["time"] * 3
    figure = comparison.comparison([standard, long])
    assert axes_titled(figure, "kinetic energy").get_title(loc="right") == "1 of 2 runs have it"
    assert all(axes.get_xlim() == (0, 30) for axes in figure.axes)
    np.testing.assert_array_equal(line(axes_titled(figure, "refractive"), 1)[0], long.series["time"])
    assert figure.get_suptitle().startswith("two synthetic beams")  # one title, L and N for both
    long.config = changed(long.config, "box", "points", 64)
    assert comparison.comparison([standard, long]).get_suptitle() == ""


def test_power_over_time_and_by_wave():
    runs = runs_with("time.rtol", [1e-8, 1e-9])
    figure = comparison.power(runs)
    total, by_wave = axes_titled(figure, "power in all waves"), axes_titled(figure, "power by wave")
    np.testing.assert_allclose(line(total, 1)[1], runs[1].series["psi2"].sum(axis=1))
    k, last = line(by_wave, 0)
    np.testing.assert_array_equal(k, runs[0].series["k"])
    assert last.max() == runs[0].series["psi2"][-1].max() and by_wave.get_yscale() == total.get_yscale() == "log"


def test_many_runs_have_a_legend_that_ends():
    figure = comparison.energy(runs_with("time.rtol", [1e-9 * (1 + i) for i in range(30)]))
    assert len(legend(figure)) == comparison.MOST_NAMES and legend(figure)[-1].endswith("... and 14 more")
    assert len([curve for curve in axes_titled(figure, "refractive").lines if len(curve.get_xdata()) > 2]) == 30


def test_what_cannot_be_compared_is_said(tmp_path):
    with pytest.raises(InputError, match="has written no results"):
        comparison.energy([MemoryRun(*synthetic()), MemoryRun(*synthetic(records=0))])
    runs = runs_with("time.rtol", [1e-8, 1e-9])
    with pytest.raises(InputError, match="none of these runs has what the figure"):
        comparison.survival(runs)  # P_ee was not recorded


def test_plot_of_two_directories(tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert commands.main(["plot", "a", "b"]) == 0
    assert capsys.readouterr().out.split() == ["comparison.png"]
    _, text = png_text(tmp_path / "comparison.png")
    for label in ("run 1, a", "run 2, b"):
        assert text[f"{label}: git_commit"] == PROVENANCE["git_commit"]
    assert commands.main(["info", "comparison.png"]) == 0
    assert "run 2, b:" in capsys.readouterr().out
    assert commands.main(["plot", "a", "b", "--what", "energy"]) == 0 and (tmp_path / "comparison_energy.png").is_file()
    assert commands.main(["plot", "a", "b", "--what", "spectrum", "-o", "p.pdf"]) == 0 and (tmp_path / "p.pdf").is_file()
    capsys.readouterr()
    for words, complaint in (
        (["a", "./a"], "named twice"),
        (["a", "b", "--what", "maps"], "not maps"),
        (["a", "b", "--modes", "0"], "of one run"),
        (["a", "--what", "spectrum", "--modes", "0"], "--modes"),
    ):
        assert commands.main(["plot", *words]) == 2
        assert complaint in capsys.readouterr().err


def test_chosen_modes_are_those_of_the_figure(tmp_path, capsys):
    write_run(tmp_path)
    assert commands.main(["plot", str(tmp_path), "--modes", "1"]) == 0
    assert commands.main(["plot", str(tmp_path), "--modes", "2"]) == 2
    assert "there is no mode 2; the run has modes 0 to 1" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        commands.main(["plot", str(tmp_path), "--modes", "one"])
    assert end.value.code == 2 and "indices of modes with commas" in capsys.readouterr().err

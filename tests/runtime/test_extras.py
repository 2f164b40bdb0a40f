"""What comes after the work, such as figures, ends no run."""

import shutil

import pytest
from processes import carry_out, python

from nuflux_mpi.analysis import growth
from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError
from nuflux_mpi.runtime import extras

TINY = ["run", "two_beam", "--set", "box.points=64", "--set", "initial.n_max=4", "--set", "time.end=0.1"]
MANY = ["module://matplotlib_inline.backend_inline", "nonsense", "module://no.such.module", "TkAgg", ""]


@pytest.mark.parametrize(
    "error, words",
    [
        (ValueError("bad value\nof two lines"), "ValueError: bad value of two lines"),
        (MemoryError(), "MemoryError"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (RecursionError("deep"), "RecursionError: deep"),
        (InputError("no room."), "no room."),
        (RuntimeError("x" * 5000), "RuntimeError: xxx"),
    ],
)
def test_whatever_is_raised_is_one_line(error, words):
    said = []
    with extras.attempted("the figures cannot be drawn", said.append, "draw them later"):
        raise error
    (line,) = said
    assert line.startswith(f"warning: the figures cannot be drawn ({words}") and line.endswith("; draw them later")
    assert "\n" not in line and len(line) < 400
    with pytest.raises(KeyboardInterrupt), extras.attempted("nothing", said.append):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A run without figures (path of its directory)."""
    out = tmp_path_factory.mktemp("tiny") / "run"
    done = carry_out(python(["-m", "nuflux_mpi", *TINY, "--set", "output.figures=false", "--out", out]))
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("name", MANY)
def test_figures_need_no_backend_of_the_users(name, run_cli, tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "run")
    done = run_cli(["plot", tmp_path / "run"], env={"MPLBACKEND": name})
    assert done.returncode == 0 and "energy.png" in done.stdout and "warning" not in done.stderr, done.stderr
    assert (tmp_path / "run" / "energy.png").stat().st_size > 1000


def test_neither_do_those_at_the_end_of_a_run_and_of_linear_theory(run_cli, tmp_path):
    done = run_cli([*TINY, "--out", tmp_path / "run"], env={"MPLBACKEND": MANY[0]})
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    assert (tmp_path / "run" / "energy.png").stat().st_size > 1000
    words = ["linear", "two_beam", "--continuous", "--k", "-1", "-o", tmp_path / "linear.png"]
    done = run_cli(words, env={"MPLBACKEND": "nonsense"})
    assert done.returncode == 0 and (tmp_path / "linear.png").exists(), done.stderr


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_matplotlibrc_that_cannot_be_read_costs_the_figures_alone(ranks, run_cli, tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe\n")
    done = run_cli([*TINY, "--out", "run"], ranks=ranks, cwd=tmp_path)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("warning: the figures cannot be drawn (matplotlib cannot be imported, is a file matplotlibrc") == 1
    assert "results in" in done.stderr
    done = run_cli(["plot", "run"], cwd=tmp_path)
    assert done.returncode == 1 and "nuflux_mpi: matplotlib cannot be imported, is a file matplotlibrc" in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "matplotlibrc").unlink()
    assert run_cli(["plot", "run"], cwd=tmp_path).returncode == 0


def test_growth_rates_and_summary_end_no_run(monkeypatch, tmp_path, capsys):
    from nuflux_mpi.results.reader import BaseRun

    def broken(*arguments, **keywords):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(growth, "record", broken)
    monkeypatch.setattr(BaseRun, "summary", broken)
    assert commands.main([*TINY, "--set", "output.figures=false", "--out", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().err
    assert "growth.csv cannot be written (ZeroDivisionError: a defect)" in told
    assert "the summary cannot be made (ZeroDivisionError: a defect)" in told and "results in" in told

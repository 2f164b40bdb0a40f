"""The command line as a user types it: runs, refusals, exit codes, and how faults end, alone and under mpirun."""

import os
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import processes
import pytest

from nuflux_mpi.cli import parser
from nuflux_mpi.errors import InputError
from nuflux_mpi.results.reader import Run

# A two-beam run of a second: few points, short time.
CASE = """
title = "small"
[box]
length = 10.0
points = 48
[modes]
velocity = [1.0, -1.0]
[initial]
kind = "seeds"
zeta = [0.5, -0.5]
n_max = 5
[equations]
level = "energy"
[time]
end = 1.0
[output]
series_every = 0.5
fields_every = 0.5
figures = false
"""


@pytest.fixture
def case(tmp_path):
    (tmp_path / "case.toml").write_text(CASE)
    return tmp_path / "case.toml"


def replaced(case, old, new):
    text = case.read_text()
    assert old in text
    case.write_text(text.replace(old, new))


def assert_refused(done, *words):
    """Exit code 2, one sentence with these words, from one rank, and no traceback."""
    said = [line for line in done.stderr.splitlines() if line.startswith("nuflux_mpi")]
    assert done.returncode == 2, done.stderr
    assert len(said) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in said[0]


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("points = 48", "pionts = 48", ("box.pionts", "points")),
        ("points = 48", 'points = "many"', ("box.points", "integer")),
        ("points = 48", "points = 0", ("box.points",)),
        ("length = 10.0", "length = -1.0", ("box.length",)),
        ("n_max = 5", "n_max = 24", ("initial.n_max", "box.points")),
        ("[1.0, -1.0]", "[1.0, -1.5]", ("modes.velocity",)),
        ("[1.0, -1.0]", "[]", ("modes.velocity",)),
        ("end = 1.0", "end = -1.0", ("time.end",)),
        ('level = "energy"', 'level = "enrgy"', ("equations.level", "energy", "standard")),
        ("[box]", "[box", ("TOML",)),
    ],
)
def test_bad_config_is_refused_in_one_sentence(run_cli, case, old, new, words):
    replaced(case, old, new)
    assert_refused(run_cli(["run", case, "--out", case.parent / "run"]), *words)
    assert not (case.parent / "run").exists()


def test_refusal_comes_from_one_rank(run_cli, case):
    replaced(case, "points = 48", "pionts = 48")
    assert_refused(run_cli(["run", case], ranks=3), "box.pionts")


def test_unknown_option_is_said_once(run_cli, case):
    done = run_cli(["run", case, "--ovrewrite"], ranks=2)
    assert done.returncode == 2
    assert done.stderr.count("unrecognized arguments: --ovrewrite") == 1


def test_more_ranks_than_the_box_can_feed(run_cli, case):
    replaced(case, "points = 48", "points = 3")
    replaced(case, "n_max = 5", "n_max = 1")
    assert_refused(run_cli(["run", case], ranks=4, cwd=case.parent), "4 ranks", "at most 3 ranks")


def start_file(path, P):
    with h5py.File(path, "w") as file:
        file["P"] = P
    return path


FILE_CASE = CASE.replace('kind = "seeds"\nzeta = [0.5, -0.5]\nn_max = 5', 'kind = "file"\npath = "start.h5"')


@pytest.mark.parametrize("ranks", [None, 2])
@pytest.mark.parametrize(
    "shape, value, words", [((2, 3, 47), 0.5, ("(2, 3, 47)", "(2, 3, 48)")), ((2, 3, 48), np.nan, ("finite",))]
)
def test_bad_start_file_is_refused(run_cli, tmp_path, ranks, shape, value, words):
    (tmp_path / "case.toml").write_text(FILE_CASE)
    P = np.full(shape, 0.5)
    P[-1, -1, -1] = value
    start_file(tmp_path / "start.h5", P)
    assert_refused(run_cli(["run", tmp_path / "case.toml"], ranks=ranks, cwd=tmp_path), "start.h5", *words)


def test_start_file_is_the_first_snapshot(run_cli, tmp_path):
    (tmp_path / "case.toml").write_text(FILE_CASE)
    P = np.random.default_rng(3).standard_normal((2, 3, 48))
    start_file(tmp_path / "start.h5", P)
    done = run_cli(["run", tmp_path / "case.toml", "--out", tmp_path / "run"], ranks=2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # forward and backward transform: a few roundings of numbers of size 1
    np.testing.assert_allclose(Run(tmp_path / "run").fields["P"][0], P, atol=1e-14)


def test_files_of_a_run(run_cli, case):
    out = case.parent / "run"
    done = run_cli(["run", case, "--out", out, "--set", "time.end=2"], ranks=3)
    assert done.returncode == 0, done.stderr
    with h5py.File(out / "fields.h5") as fields, h5py.File(out / "series.h5") as series:
        assert fields["P"].shape == (5, 2, 3, 48)
        assert fields["kappa"].shape == (5, 2, 48)
        np.testing.assert_array_equal(fields["time"], [0.0, 0.5, 1.0, 1.5, 2.0])
        np.testing.assert_array_equal(series["time"], fields["time"])
        np.testing.assert_allclose(fields["z"], np.arange(48) * 10 / 48, atol=1e-14)
        assert fields["P"].dims[3][0].name == "/z"
        # the series are those of the fields: K is the integral of kappa
        K = fields["kappa"][:].mean(axis=2) * 10
        np.testing.assert_allclose(series["K"], K, atol=1e-14)
        assert series.attrs["n_ranks"] == 3
        assert "two_beam" not in series.attrs["config_toml"]
    # run.toml repeats the run
    again = run_cli(["run", out / "run.toml", "--out", case.parent / "again"])
    assert again.returncode == 0, again.stderr
    np.testing.assert_allclose(
        Run(case.parent / "again").fields["P"][-1],
        Run(out).fields["P"][-1],
        atol=1e-12,  # 1 rank against 3
    )


def test_xarray_opens_the_files(run_cli, case):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    out = case.parent / "run"
    assert run_cli(["run", case, "--out", out], ranks=2).returncode == 0
    with xarray.open_dataset(out / "fields.h5", engine="h5netcdf") as fields:
        assert fields["P"].dims == ("time", "mode", "component", "z")
        assert "v" in fields.coords
        assert float(fields["P"].sel(time=0.0, component=2, mode=0).mean()) == pytest.approx(0.5)
    with xarray.open_dataset(out / "series.h5", engine="h5netcdf") as series:
        assert series["K"].dims == ("time", "mode")


def test_a_run_is_not_overwritten_unasked(run_cli, case):
    out = case.parent / "run"
    assert run_cli(["run", case, "--out", out]).returncode == 0
    before = (out / "fields.h5").read_bytes()
    assert_refused(run_cli(["run", case, "--out", out], ranks=2), "already holds a run", "--overwrite")
    assert (out / "fields.h5").read_bytes() == before
    # a config that is refused leaves the old run alone even with --overwrite
    assert run_cli(["run", case, "--out", out, "--overwrite", "--set", "box.points=3"]).returncode == 2
    assert (out / "fields.h5").read_bytes() == before
    assert run_cli(["run", case, "--out", out, "--overwrite", "--set", "time.end=0.5"]).returncode == 0
    assert Run(out).series["time"][-1] == 0.5


def test_unwritable_directory_is_refused(run_cli, case):
    assert_refused(run_cli(["run", case, "--out", "/proc/nuflux"], ranks=2), "cannot be written")


def test_without_name_each_run_gets_its_directory(run_cli, case):
    for _ in range(2):
        assert run_cli(["run", case], cwd=case.parent).returncode == 0
    assert sorted(path.name for path in (case.parent / "runs").iterdir()) == ["case", "case-2"]


def test_no_arguments_mean_the_papers_example():
    arguments = parser.parser().parse_args(parser.normalized([]))
    assert (arguments.command, arguments.case) == ("run", "two_beam")
    arguments = parser.parser().parse_args(parser.normalized(["my.toml", "--set", "time.end=3"]))
    assert (arguments.command, arguments.case) == ("run", "my.toml")


def test_petsc_options_pass_through(run_cli, case):
    done = run_cli(
        ["run", case, "--out", case.parent / "run", "--set", "time.method=8vr", "--", "-ts_view", "-ts_adapt_type", "none"]
    )
    assert done.returncode == 0, done.stderr
    assert "type: rk" in done.stdout
    assert "type: none" in done.stdout


def test_figures_can_be_drawn_later(run_cli, case):
    out = case.parent / "run"
    assert run_cli(["run", case, "--out", out]).returncode == 0
    done = run_cli(["plot", out])
    assert done.returncode == 0, done.stderr
    drawn = done.stdout.split()
    assert {os.path.basename(path) for path in drawn} == {"energy.png", "spectrum.png"}
    assert all(open(path, "rb").read(8) == b"\x89PNG\r\n\x1a\n" for path in drawn)


@pytest.mark.parametrize("command", [["init"], ["init", "--list"], ["check", "two_beam", "--ranks", "64"], ["--help"]])
def test_commands_without_mpi(command):
    """They must work where MPI may not start, such as login nodes: neither mpi4py.MPI nor PETSc is loaded."""
    code = (
        "import sys\nfrom nuflux_mpi import cli\n"
        f"try:\n    code = cli.main({command!r})\nexcept SystemExit as end:\n    code = end.code\n"
        "assert not code, code\n"
        "assert not {'mpi4py.MPI', 'petsc4py.PETSc'} & set(sys.modules), 'MPI was loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_template_runs_as_it_is(run_cli, tmp_path):
    template = run_cli(["init", "two_beam"])
    assert template.returncode == 0
    (tmp_path / "mine.toml").write_text(template.stdout)
    short = ["--set", "time.end=0.5", "--set", "output.figures=false"]
    done = run_cli(["run", tmp_path / "mine.toml", "--out", tmp_path / "run", *short])
    assert done.returncode == 0, done.stderr
    assert Run(tmp_path / "run").finished


# --- stopping and faults ----------------------------------------------------------------------------------------------


OVERSUBSCRIBED = {"OMPI_MCA_rmaps_base_oversubscribe": "1"}  # 3 ranks on a machine with 2 cores


def start(arguments, ranks, directory):
    command = processes.python(["-m", "nuflux_mpi", *arguments], ranks)
    return processes.start(command, OVERSUBSCRIBED, cwd=directory, stderr=subprocess.STDOUT)


def wait_until_running(out, seconds=60):
    """Until the run has come beyond its first row."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if len(Run(out).series["time"]) > 1:
                return
        except InputError:
            pass  # not there yet, or just being written
        time.sleep(0.1)
    raise AssertionError(f"{out} did not come to life in {seconds} s")


def test_wall_time_ends_a_run_in_order(run_cli, case):
    out = case.parent / "run"
    # A busy machine may take long to start, and is granted more; that the reserve is kept is a matter of test_stopping.py.
    for granted in (8, 40):
        done = run_cli(["run", case, "--out", out, "--set", "time.end=3e5", "--walltime", granted, "--overwrite"], ranks=2)
        if done.returncode != 2:  # as where the start alone took longer
            break
    assert done.returncode == 3, done.stderr
    assert "stopped by the end of the wall time" in done.stderr and "--resume auto" in done.stderr
    assert (out / "checkpoint.h5").exists() and not (out / "RUNNING").exists()
    time_reached = Run(out).series["time"]
    # a stop leaves no rows of its own, so that the resumed files are those of an uninterrupted run
    np.testing.assert_allclose(time_reached % 0.5, 0.0, atol=1e-9)


def test_wall_time_that_is_over_at_once_is_refused(run_cli, case):
    done = run_cli(["run", case, "--out", case.parent / "run", "--walltime", "0.1"], ranks=2)
    assert_refused(done, "--walltime", "of 0.1 s is shorter than the start")
    assert "--walltime: soon is not HH:MM:SS" in run_cli(["run", case, "--walltime", "soon"]).stderr


def test_file_stop_ends_a_run_in_order(case):
    out = case.parent / "run"
    process = start(["run", case, "--out", out, "--set", "time.end=20000"], 2, case.parent)
    wait_until_running(out)
    (out / "STOP").touch()
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 3, said
    assert "stopped by the file STOP" in said
    assert not (out / "STOP").exists()


def test_second_run_in_a_directory_is_refused(run_cli, case):
    out = case.parent / "run"
    process = start(["run", case, "--out", out, "--set", "time.end=20000"], 2, case.parent)
    wait_until_running(out)
    try:
        refused = run_cli(["run", case, "--out", out, "--resume", "auto"], ranks=2)
        assert_refused(refused, "is being written by another run", "RUNNING")
        with h5py.File(out / "series.h5", "r"):  # a reader that locks the file
            time.sleep(0.5)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGUSR1)
        process.communicate(timeout=30)
    assert process.returncode == 3


def ranks_of(launcher):
    """Process ids of the ranks below a launcher, which may start daemons of its own in between (MPICH does)."""
    below = subprocess.run(["pgrep", "-P", str(launcher)], capture_output=True, text=True).stdout.split()
    found = []
    for process in map(int, below):
        with open(f"/proc/{process}/cmdline", "rb") as words:
            program = words.read().split(b"\0")[0]
        found += [process] if os.path.basename(program).startswith(b"python") else ranks_of(process)
    return found


def test_killed_run_goes_on_with_another_number_of_ranks(run_cli, case):
    # How far it gets is open. Steps of 8vr end at the rows; those of adams would follow the roundings of other ranks.
    replaced(case, "end = 1.0", 'end = 1.0\nmethod = "8vr"')
    out, often = case.parent / "run", ["--set", "output.checkpoint_every=0.01", "--resume", "auto", "--deterministic"]
    process = start(["run", case, "--out", out, "--set", "time.end=20000", *often], 2, case.parent)
    wait_until_running(out)
    os.kill(ranks_of(process.pid)[-1], signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode not in (0, 3)
    assert (out / "RUNNING").exists()  # nobody was left to take it away
    end = np.ceil(Run(out).series["time"][-1]) + 1
    done = run_cli(["run", case, "--out", out, "--set", f"time.end={end}", *often], ranks=3)
    assert done.returncode == 0, done.stderr
    whole = run_cli(["run", case, "--out", case.parent / "whole", "--set", f"time.end={end}"], ranks=2)
    assert whole.returncode == 0, whole.stderr
    a, b = Run(case.parent / "whole"), Run(out)
    np.testing.assert_array_equal(a.series["time"], b.series["time"])
    np.testing.assert_array_equal(a.series["step"], b.series["step"])
    np.testing.assert_array_equal(a.fields["time"], b.fields["time"])
    # the cut's roundings, amplified by at most exp(gamma t); see the drift of K + U_osc
    np.testing.assert_allclose(a.fields["P"][-1], b.fields["P"][-1], atol=1e-9)


@pytest.mark.parametrize("ranks, number", [(None, signal.SIGINT), (2, signal.SIGUSR1)])
def test_stopped_run_can_be_resumed(run_cli, case, ranks, number):
    long, out = ["--set", "time.end=20000"], case.parent / "run"
    process = start(["run", case, "--out", out, *long], ranks, case.parent)
    wait_until_running(out)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 3, said
    assert "--resume" in said
    stopped_at = Run(out).series["time"][-1]
    assert 0 < stopped_at < 20000

    end = np.ceil(stopped_at) + 1
    done = run_cli(["run", case, "--out", out, "--resume", "--set", f"time.end={end}"], ranks=3)
    assert done.returncode == 0, done.stderr
    run = Run(out)
    assert np.all(np.diff(run.series["time"]) > 0)
    assert np.all(np.diff(run.fields["time"]) > 0)
    assert np.all(np.diff(run.series["step"]) > 0)
    assert run.series["time"][-1] == end
    assert np.abs(run.series["energy_residual"]).max() < 1e-8 * abs(run.series["U_osc"][0])


def test_resumed_run_equals_the_uninterrupted_one(run_cli, case):
    whole, halves = case.parent / "whole", case.parent / "halves"
    assert run_cli(["run", case, "--out", whole, "--set", "time.end=8"]).returncode == 0
    assert run_cli(["run", case, "--out", halves, "--set", "time.end=3.5"], ranks=2).returncode == 0
    done = run_cli(["run", case, "--out", halves, "--resume", "--set", "time.end=8"], ranks=3)
    assert done.returncode == 0, done.stderr
    a, b = Run(whole), Run(halves)
    np.testing.assert_array_equal(a.series["time"], b.series["time"])
    # rtol 1e-10 per step, some ten steps, amplified by exp(gamma t) of the instability at most
    np.testing.assert_allclose(a.fields["P"][-1], b.fields["P"][-1], atol=1e-8)
    np.testing.assert_allclose(a.series["dU_osc_dt_difference"], b.series["dU_osc_dt_difference"], atol=1e-7)


def test_other_physics_is_not_resumed(run_cli, case):
    out = case.parent / "run"
    assert run_cli(["run", case, "--out", out]).returncode == 0
    refused = run_cli(["run", case, "--out", out, "--resume", "--set", "modes.velocity=[1.0, -0.5]"])
    assert_refused(refused, "modes.velocity", "-0.5")


def test_resuming_a_directory_without_a_run_starts_one(run_cli, case):
    out = case.parent / "new"
    assert run_cli(["run", case, "--out", out, "--resume", "auto"]).returncode == 0
    before = Run(out).series["wall_time"]
    again = run_cli(["run", case, "--out", out, "--resume"], ranks=2)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("is finished: t = 1 is reached") == 1
    np.testing.assert_array_equal(Run(out).series["wall_time"], before)


FAULT = """
import sys
from nuflux_mpi import cli; from nuflux_mpi.physics import polarization as equations
def faulty(rotate):
    def source(self, t):
        rotate(self, t)
        if t > 0.5 and {where}:
            {fault}
    return source
for name in ("source", "active_source"):
    setattr(equations.Energy, name, faulty(getattr(equations.Energy, name)))
sys.exit(cli.main(sys.argv[1:]))
"""


def run_with_fault(case, where, fault, ranks):
    script = case.parent / "fault.py"
    script.write_text(FAULT.format(where=where, fault=fault))
    command = processes.python([script, "run", case, "--out", case.parent / "run"], ranks)
    return processes.carry_out(command, timeout=90, env=OVERSUBSCRIBED)


def test_exception_on_one_rank_ends_all(case):
    done = run_with_fault(case, "self.box.rank == 1", "raise RuntimeError('lost my way')", ranks=3)
    assert done.returncode == 1
    assert "RuntimeError: lost my way" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_not_a_number_is_told_with_time_and_place(case):
    replaced(case, "series_every = 0.5", "series_every = 0.05")
    done = run_with_fault(case, "self.box.rank == 1", "self.P[1, 0, 3] = float('nan')", ranks=2)
    assert done.returncode == 4, done.stderr
    # rank 1 of 2 holds points 24 to 47 of 48
    assert f"at z = {27 * 10 / 48:.6g} in mode 1" in done.stderr
    before = float(re.search(r"in the step from t = (\d\.\d+)", done.stderr)[1])
    assert 0.3 < before <= 0.5
    assert Run(case.parent / "run").series["time"][-1] == pytest.approx(np.floor(before / 0.05) * 0.05)
    with h5py.File(case.parent / "run" / "postmortem.h5") as file:
        assert f"at z = {27 * 10 / 48:.6g} in mode 1" in file.attrs["place"] and "not-a-number" in file.attrs["failure"]
        assert file["time"][0] == pytest.approx(before) and file["P"].shape == (1, 2, 3, 48)
        assert np.isfinite(file["P"][:]).all()


def test_more_memory_than_there_is_is_refused_before_the_run(run_cli, case):
    # some hundred terabytes: no machine that runs the tests has them
    huge = ["--set", "box.points=549755813888", "--set", "time.method=8vr"]
    assert_refused(run_cli(["run", case, *huge], cwd=case.parent), "GB on one node")


@pytest.mark.parametrize("name", ["RUNNING", "STOP", "run.log", "fields.h5"])
def test_what_is_no_file_under_the_name_of_one_is_refused(name, tmp_path, run_cli):
    (tmp_path / "a" / name).mkdir(parents=True)
    done = run_cli(["run", "single_wave", "--out", "a"], cwd=tmp_path)
    told = [line for line in done.stderr.splitlines() if line.startswith("nuflux_mpi: --out: ")]
    assert done.returncode == 2 and len(told) == 1 and f"{name} is a directory" in told[0] and "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "a").iterdir()] == [name]


@pytest.mark.parametrize("variables", [{}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}])
def test_names_that_are_no_text(variables, tmp_path, run_cli):
    """Bytes that are no UTF-8 in directories and arguments, a title that rings the bell: all of it works."""
    place = tmp_path / os.fsdecode(b"l\xe4ufe\x07")
    place.mkdir()
    (place / "case.toml").write_text(CASE.replace("small", "ring \\u0007"))
    for command in (
        ["run", place / "case.toml", "--out", place / "a"],
        ["run", place / "a" / "run.toml", "--out", place / "a", "--resume", "auto", "--set", "time.end=1.5"],
        ["info", place / "a"],
        ["info", place / "a" / "series.h5"],
        ["diff", place / "a", place / "a"],
    ):
        done = run_cli(command, cwd=tmp_path, env=variables)
        said = done.stdout + done.stderr
        assert done.returncode == 0 and "Traceback" not in said and "\x07" not in said, said
    assert "ring \\x07" in (place / "a" / "run.log").read_text()


def test_words_about_what_is_no_file_of_a_run(tmp_path, run_cli):
    (tmp_path / "case.toml").write_text(CASE)
    assert run_cli(["run", "case.toml", "--out", "a"], cwd=tmp_path).returncode == 0
    for command, words in (
        (["info", "a/run.toml"], "a/run.toml is neither an HDF5 file nor a figure"),
        (["info", "a/run.log"], "ask its directory, a."),
        (["info", "/dev/null"], "/dev/null is neither a run directory nor a file of one."),
        (["run", "case.toml", "--out", "b", "--resume", "a/series.h5"], "series.h5 is no checkpoint; did you mean "),
    ):
        done = run_cli(command, cwd=tmp_path)
        assert done.returncode == 2 and words in done.stderr and "damaged" not in done.stderr, done.stderr


def test_a_colon_in_a_path_is_no_matter_for_any_io(tmp_path, run_cli):
    """ROMIO, which is asked for here by leaving out Open MPI's own, takes what stands before a colon for a file system."""
    (tmp_path / "case.toml").write_text(CASE)
    for more in ([], ["--resume", "auto", "--set", "time.end=1.5"]):
        done = run_cli(
            ["run", "case.toml", "--out", "2026-11-28T12:00/a:b", *more], ranks=2, cwd=tmp_path, env={"OMPI_MCA_io": "^ompio"}
        )
        assert done.returncode == 0, done.stderr
    assert len(Run(tmp_path / "2026-11-28T12:00" / "a:b").fields["time"]) == 4
    assert [path.name for path in tmp_path.iterdir() if path.name != "case.toml"] == ["2026-11-28T12:00"]

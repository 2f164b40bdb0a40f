"""Result files that are never silently wrong: what a resumed run finds in its directory is what the run wrote."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from processes import carry_out, python

import nuflux_mpi
from nuflux_mpi.errors import FileProblem, InputError, NumericalFailure
from nuflux_mpi.physics import diagnostics
from nuflux_mpi.results import checkpoint, content, datasets, names, probe, series_file
from nuflux_mpi.results import resume as resuming
from nuflux_mpi.results.reader import Run
from nuflux_mpi.run import finite
from nuflux_mpi.run.recorder import Recorder
from nuflux_mpi.runtime import child, environment
from nuflux_mpi.storage import hdf5

BEAMS = {
    "title": "two beams",
    "box": {"length": 10.0, "points": 32},
    "modes": {"velocity": [1.0, -1.0]},
    "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 5, "variance": 1e-4, "seed": 1},
    "equations": {"level": "momentum"},
    "momentum": {"points": 24, "half_width": 8.0, "sigma": 1.2},
    "time": {"end": 1.5, "rtol": 1e-8, "method": "8vr"},
    "output": {
        "series_every": 0.125,
        "fields_every": 0.25,
        "phase_space_every": 0.25,
        "spectrum_every": 0.25,
        "figures": False,
    },
}
FILES = ("series.h5", "fields.h5", "phase_space.h5")


def until(end, **changed):
    return BEAMS | changed | {"time": BEAMS["time"] | {"end": end}}


def simulate(config, out, **options):
    return nuflux_mpi.simulate(config, out=out, deterministic=True, **options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Directories: a run to t = 0.75, the same to t = 1.5 without a stop, and another with other seeds."""
    parent = tmp_path_factory.mktemp("runs")
    simulate(until(0.75), parent / "half")
    simulate(until(1.5), parent / "whole")
    simulate(until(0.75, initial=BEAMS["initial"] | {"seed": 2}), parent / "other")
    return parent


@pytest.fixture
def half(runs, tmp_path):
    return shutil.copytree(runs / "half", tmp_path / "run")


def arrays(path):
    """All datasets of a file but the wall time, by name."""
    with h5py.File(path) as file:
        return {name: file[name][...] for name in file if name != "wall_time"}


def assert_right(path, runs):
    """Every record that a directory has is that of the run without a stop; -> {file: number of records}."""
    numbers = {}
    for name in FILES:
        whole, found = arrays(runs / "whole" / name), arrays(path / name)
        rows = np.searchsorted(whole["time"], found["time"])
        numbers[name] = len(rows)
        for key, values in found.items():
            axis = content.dimensions(key)[0]
            if axis == "spectrum_time":
                expected = whole[key][np.searchsorted(whole[axis], found[axis])]
            else:
                expected = whole[key][rows] if axis == "time" else whole[key]
            np.testing.assert_array_equal(values, expected, err_msg=f"{name} {key}")
    return numbers


def resume(path, end=1.5):
    with nuflux_mpi.Simulation(until(end), out=path, resume="auto", deterministic=True) as simulation:
        said = [line for line in simulation.said if not line.startswith("checked ")]  # on a slow machine
        simulation.run()
    return said


def flip(path, place, bit=0):
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def test_an_undamaged_run_goes_on_in_its_files(runs, half):
    assert resume(half) == []
    assert assert_right(half, runs) == {"series.h5": 13, "fields.h5": 7, "phase_space.h5": 7}
    assert sorted(path.name for path in half.iterdir() if path.suffix == ".h5") == [
        "checkpoint.h5",
        "checkpoint.previous.h5",
        *sorted(FILES),
    ]
    assert not list(half.glob(".*"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.5, 0.9, 0.999])
def test_a_cut_file_has_no_zeros(runs, half, name, part):
    os.truncate(half / name, int(part * (half / name).stat().st_size))
    size = (half / name).stat().st_size
    said = resume(half)
    numbers = assert_right(half, runs)
    if said:
        aside = name.replace(".h5", ".damaged.h5")
        assert len(said) == 1 and said[0].endswith(f"it is now {aside}, and a new one begins here")
        assert (half / aside).stat().st_size == size  # as it was found
        assert 0 < numbers[name] <= 6
    else:  # what was missing were no numbers
        assert numbers[name] in (7, 13)


@pytest.mark.parametrize("name", FILES)
def test_zeros_in_place_of_a_number_are_found(runs, half, name):
    dataset = {"series.h5": "U_osc", "fields.h5": "P", "phase_space.h5": "f"}[name]
    with h5py.File(half / name, "r+") as file:
        file[dataset][1] = 0.0
    [said] = resume(half)
    assert said.startswith(f"{name} is damaged ({dataset} is not what was written): it is now")
    assert_right(half, runs)


def test_every_bit_counts_in_a_sum():
    rng = np.random.default_rng(3)
    values = rng.standard_normal((4, 3, 5))
    known = content.sum_of_rows(values, 2)
    for bit in range(64):
        wrong = values.copy()
        wrong.view(np.uint64)[1, 2, 3] ^= np.uint64(1) << np.uint64(bit)
        assert content.sum_of_rows(wrong, 2) != known
    for wrong in (values[::-1], values[:, ::-1], np.roll(values, 1, axis=2), np.zeros_like(values)):
        assert content.sum_of_rows(wrong, 2) != known
    assert content.sum_of_rows(values, 3) != known


def test_sums_of_parts_add_up():
    values = np.random.default_rng(4).standard_normal((3, 7, 10))
    whole = content.sum_of_rows(values, 0)
    for most in (8, 80, 200, 2000, 10**6):
        parts = list(content.pieces(values.shape, most))
        assert all(8 * values[part].size <= most for part in parts)
        assert sum(content.part_sum(values[part], part) for part in parts) % content.WORD == whole


def test_each_static_number_and_attribute_is_looked_at(runs, half):
    """In the axes, too, and in what tells the meaning of a dataset."""
    with h5py.File(half / "fields.h5", "r+") as file:
        file["v"][0] = 0.5
    with h5py.File(half / "series.h5", "r+") as file:
        file["U_osc"].attrs["units"] = "eV"
    said = " ".join(resume(half))
    assert "fields.h5 is damaged (v is not what was written)" in said
    assert "series.h5 is damaged (U_osc is not as it was made)" in said
    assert_right(half, runs)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_run_is_refused(runs, half, name):
    shutil.copy(runs / "other" / name, half / name)
    before = {path: path.read_bytes() for path in half.iterdir()}
    with pytest.raises(InputError, match=f"{name} belongs to another run than the checkpoint beside it, and nothing"):
        resume(half)
    assert {path: path.read_bytes() for path in half.iterdir()} == before
    (half / name).unlink()
    assert resume(half) == [f"{name} is gone: a new one begins here"]
    assert_right(half, runs)


def test_a_file_of_the_same_config_but_another_run_is_refused(runs, half, tmp_path):
    simulate(until(0.75, title="again"), tmp_path / "again")
    shutil.copy(tmp_path / "again" / "series.h5", half)  # its wall times are others
    with pytest.raises(InputError, match="belongs to another run"):
        resume(half)


def test_a_file_of_an_earlier_state_is_set_aside(runs, half, tmp_path):
    early = tmp_path / "early"
    simulate(until(0.5), early)
    shutil.copytree(early, tmp_path / "longer")
    simulate(until(0.75), tmp_path / "longer", resume="auto")
    shutil.copy(early / "fields.h5", tmp_path / "longer")
    [said] = resume(tmp_path / "longer")
    assert said.startswith("fields.h5 is damaged (P has 3 records, and 4 were written)") or "has 3 records" in said
    assert_right(tmp_path / "longer", runs)


def test_files_that_have_changed_places_are_set_aside(runs, half):
    (half / "series.h5").rename(half / "x")
    (half / "fields.h5").rename(half / "series.h5")
    (half / "x").rename(half / "fields.h5")
    assert len(resume(half)) == 2
    assert_right(half, runs)


def test_a_checkpoint_of_version_1_compares_the_problem(runs, half, monkeypatch):
    as_of_version_1(monkeypatch)
    shutil.copytree(half, half.parent / "copy")
    shutil.copy(runs / "other" / "fields.h5", half / "fields.h5")
    with pytest.raises(InputError, match="fields.h5 belongs to another run"):
        resume(half)
    assert resume(half.parent / "copy") == []
    assert_right(half.parent / "copy", runs)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.5, 0.9, 0.999])
def test_a_cut_file_of_version_1_has_no_zeros(runs, half, monkeypatch, name, part):
    """What HDF5 makes of missing bytes shows in no sum there, but in where the records lie."""
    as_of_version_1(monkeypatch)
    os.truncate(half / name, int(part * os.path.getsize(half / name)))
    resume(half)
    assert_right(half, runs)


def as_of_version_1(monkeypatch):
    """Let checkpoints know neither sums nor names of runs."""
    known = Recorder._load

    def load(self, found):
        saved = known(self, found)
        saved.memory.files, saved.memory.run_id, saved.memory.created = {}, "", ""
        return saved

    monkeypatch.setattr(Recorder, "_load", load)


def test_identity_is_the_same_everywhere(runs, half):
    resume(half)
    names = set()
    for name in FILES:
        with h5py.File(half / name) as file:
            names.add(file.attrs["run_id"])
            assert file.attrs["created"] <= file.attrs["continued"]
    with h5py.File(half / checkpoint.NEWEST) as file:
        names.add(file.attrs["run_id"])
    with h5py.File(runs / "half" / "series.h5") as file:
        names.add(file.attrs["run_id"])
    assert len(names) == 1 and len(names.pop()) == 32
    simulate(until(1.5), half.parent / "branch", resume=str(half / checkpoint.PREVIOUS))
    with h5py.File(half.parent / "branch" / "series.h5") as file, h5py.File(half / "series.h5") as parent:
        assert file.attrs["run_id"] != parent.attrs["run_id"]


def test_run_toml_of_another_run_is_kept_aside(runs, half):
    shutil.copy(runs / "other" / "run.toml", half)
    assert resume(half) == ["run.toml is not that of this run: it is now run.other.toml, and a new one is written"]
    assert (half / "run.other.toml").read_text() == (runs / "other" / "run.toml").read_text()
    assert "seed = 1" in (half / "run.toml").read_text()


# --- a finished run -----------------------------------------------------------------------------------------------------


def test_damage_of_a_finished_run_is_said(half):
    with h5py.File(half / "fields.h5", "r+") as file:
        file["P"][2, 0, 0, 5] += 1e-12
    before = {path: path.read_bytes() for path in half.iterdir()}
    with pytest.raises(FileProblem, match=r"fields.h5 is damaged \(P is not what was written\), and the run is finished"):
        resume(half, end=0.75)
    assert {path: path.read_bytes() for path in half.iterdir()} == before


def test_attributes_of_a_finished_run_are_looked_at(half):
    with h5py.File(half / "series.h5", "r+") as file:
        file.attrs["n_ranks"] = 7
    with pytest.raises(FileProblem, match="series.h5 is damaged .its attributes are not those that were written"):
        resume(half, end=0.75)
    with h5py.File(half / "series.h5", "r+") as file:
        file.attrs["n_ranks"] = 1
        file.attrs["note"] = "by the user, who may"
    (half / "phase_space.h5").unlink()  # large, and not wanted any more
    assert resume(half, end=0.75) == []


# --- what may not be opened, and what crashes ----------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
@pytest.mark.parametrize("name", ["series.h5", "fields.h5"])
def test_no_permission_is_no_damage(half, name):
    """As another user, who may write into the directory."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(shutil.copytree(half, Path(place) / "run"))
        os.chmod(place, 0o755)
        for path in (out, *out.iterdir()):
            os.chmod(path, 0o777 if path.is_dir() else 0o666)
        os.chmod(out / name, 0o600)
        before = sorted(path.name for path in out.iterdir())
        program = (
            "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
            "from nuflux_mpi import cli; sys.exit(cli.main())"
        )
        command = [
            sys.executable,
            "-c",
            program,
            "run",
            out / "run.toml",
            "--set",
            "time.end=1.5",
            "--out",
            out,
            "--resume",
            "auto",
        ]
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            cwd="/",
            env=environment.mpirun_environment() | {"NUFLUX_NUMBA": "0"},
        )
        assert done.returncode == 1, done.stderr
        assert done.stderr.splitlines()[-1] == (
            f"nuflux_mpi: {out / name} cannot be opened (Permission denied): nothing has been changed"
        )
        assert "Traceback" not in done.stderr
        assert sorted(path.name for path in out.iterdir()) == before


def test_a_run_with_damaged_series_and_no_checkpoint_is_not_begun_again(half):
    for name in (checkpoint.NEWEST, checkpoint.PREVIOUS):
        (half / name).unlink()
    os.truncate(half / "series.h5", 1000)
    with pytest.raises(InputError, match="holds a run without a checkpoint to go on from; --overwrite"):
        resume(half)
    assert (half / "fields.h5").exists()


def test_no_permission_for_the_newest_checkpoint_does_not_lead_to_an_older_one(half, monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(checkpoint, "open_plain", refused)
    before = {path.name: path.read_bytes() for path in half.iterdir()}
    assert checkpoint.PREVIOUS in before
    with pytest.raises(
        FileProblem, match=f"{checkpoint.NEWEST} cannot be opened .Permission denied.: nothing has been changed"
    ):
        resume(half)
    assert {path.name: path.read_bytes() for path in half.iterdir()} == before


@pytest.mark.parametrize("name", FILES)
def test_a_directory_in_place_of_a_file_is_said(half, name):
    (half / name).unlink()
    (half / name).mkdir()
    with pytest.raises(InputError, match=f"{name} is a directory"):
        resume(half)
    with pytest.raises(FileProblem, match=f"{name} is no file: put it elsewhere"):
        resuming.openable(half / name, os.O_RDONLY)
    assert (half / name).is_dir()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_kills_its_reader_is_damaged(runs, half, monkeypatch, name):
    """The others are asked again, one by one."""
    asked, ask = [], child.ask

    def deadly(module, arguments, timeout):
        requests = json.loads(arguments[0])
        asked.append(len(requests))
        if any(request["path"].endswith(name) for request in requests):
            raise child.Crashed("signal 11")
        return ask(module, arguments, timeout)

    monkeypatch.setattr(child, "ask", deadly)
    [said] = resume(half)
    assert said.startswith(f"{name} is damaged (reading it ends with: signal 11): it is now ")
    assert sorted(asked) == [0, 1, 1, 1, 3]
    assert_right(half, runs)


@pytest.mark.parametrize("large", [False, True])
def test_a_wrong_bit_in_the_name_of_an_attribute_is_found(runs, half, monkeypatch, large):
    """Whether the file is copied or not: HDF5 may fail at it when it writes other attributes."""
    monkeypatch.setattr(resuming, "_REWRITTEN", 0 if large else 2**28)
    whole = (half / "fields.h5").read_bytes()
    flip(half / "fields.h5", whole.index(b"hdf5_version\0") + 12 * large)  # of the name, or what ends it
    [said] = resume(half)
    assert said.startswith("fields.h5 is damaged (")
    assert_right(half, runs)


def test_a_process_that_is_ended_from_outside_is_no_damage(runs, half, monkeypatch):
    """By the memory's guard, or by a batch system: then the files are read here."""

    def ended(*arguments):
        raise child.Unavailable("it was ended by signal 9")

    monkeypatch.setattr(child, "ask", ended)
    [said] = resume(half)
    assert said.endswith("no other starts (it was ended by signal 9)")
    assert_right(half, runs)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_only_a_crash_is_an_answer(monkeypatch, number):
    run = subprocess.run
    program = f"import os; os.kill(os.getpid(), {int(number)})"
    monkeypatch.setattr(subprocess, "run", lambda command, **more: run([sys.executable, "-c", program], **more))
    with pytest.raises((child.Unavailable, child.Crashed)) as caught:
        child.ask("probe", ["[]"], 60.0)
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in str(caught.value) or "signal 2" in str(caught.value)
    else:
        assert caught.type is child.Unavailable
    assert signal.SIGSEGV in child.CRASHES and number not in child.CRASHES


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a call of Linux")
def test_the_reader_of_a_run_that_is_killed_ends_with_it():
    program = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'from nuflux_mpi.runtime import child; "
        "child.begin(); print(1, flush=True); import time; time.sleep(100)'], stdout=subprocess.PIPE); "
        "child.stdout.readline(); print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment.mpirun_environment(),
    ) as run:
        reader = int(run.stdout.readline())
        assert Path(f"/proc/{reader}").exists()
        run.kill()
    end = time.monotonic() + 30
    while time.monotonic() < end and Path(f"/proc/{reader}/cmdline").exists() and Path(f"/proc/{reader}/cmdline").read_bytes():
        time.sleep(0.05)
    assert time.monotonic() < end


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_an_error_of_the_disk_is_no_damage(half, monkeypatch, number):
    text = f"Can't read data (file read failed: errno = {number}, error message = '{os.strerror(number)}', buf = 0x1)"
    monkeypatch.setattr(
        child, "ask", lambda module, arguments, timeout: [probe.examine(request) for request in json.loads(arguments[0])]
    )

    def refuse(*arguments):
        raise OSError(text)

    monkeypatch.setattr(datasets, "sums", refuse)
    monkeypatch.setattr(datasets, "copy", refuse)
    before = {path: path.read_bytes() for path in half.iterdir()}
    with pytest.raises(FileProblem, match=rf"cannot be read \({os.strerror(number)}\): nothing has been changed"):
        resume(half)
    assert {path: path.read_bytes() for path in half.iterdir()} == before


def test_a_file_without_room_for_a_copy_is_continued(runs, half, monkeypatch):
    monkeypatch.setattr(
        child, "ask", lambda module, arguments, timeout: [probe.examine(request) for request in json.loads(arguments[0])]
    )

    def full(source, target, rows):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(datasets, "copy", full)
    assert resume(half) == []
    assert assert_right(half, runs) == {"series.h5": 13, "fields.h5": 7, "phase_space.h5": 7}
    assert not list(half.glob(".*"))


def test_where_no_process_can_be_started_the_files_are_read_here(half, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/python")
    [said] = resume(half)
    assert said.startswith("the files are checked in this process, which a damaged one may crash: no other starts ([Errno 2]")


def test_a_large_file_is_not_copied(runs, half, monkeypatch):
    monkeypatch.setattr(resuming, "_REWRITTEN", 0)
    number = (half / "fields.h5").stat().st_ino
    with open(half / "fields.h5", "r+b") as file:  # the end by the header, after which HDF5 would write
        file.seek(40)
        file.write((3000).to_bytes(8, "little"))
    said = resume(half)
    assert (half / "fields.h5").stat().st_ino == number or said
    assert_right(half, runs)


def test_new_data_are_not_written_over_old(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(1000.0)
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(40)
        file.write((size - 4000).to_bytes(8, "little"))
    hdf5.keep_whole(path)
    with h5py.File(path, "r+") as file:
        file["b"] = np.zeros(2000)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["a"], np.arange(1000.0))


# --- rows of the series -------------------------------------------------------------------------------------------------


def test_rows_are_written_in_blocks_and_read_whole(tmp_path, monkeypatch):
    """Few calls for many rows; whoever reads meanwhile sees whole rows."""
    flushed = []
    flush = series_file.SeriesFile.flush
    monkeypatch.setattr(series_file.SeriesFile, "flush", lambda self: flushed.append(self.rows["time"]) or flush(self))
    monkeypatch.setattr(series_file, "_PAUSE", 1e9)
    config = until(0.75, output=BEAMS["output"] | {"series_every": 2**-7, "fields_every": 0.375})
    run = simulate(config, tmp_path / "run")
    assert len(run.series["time"]) == 97
    assert len([rows for rows in flushed if rows]) < 20, flushed  # at snapshots, checkpoints and the end
    every = simulate(config, tmp_path / "every")
    monkeypatch.setattr(series_file, "_PAUSE", 0.0)  # each row by itself
    single = simulate(config, tmp_path / "single")
    for other in (every, single):
        for name in set(run.series) - {"wall_time"}:
            np.testing.assert_array_equal(run.series[name], other.series[name], err_msg=name)


def test_sums_of_blocks_are_those_of_the_file(half):
    with h5py.File(half / checkpoint.NEWEST) as file:
        memory = json.loads(file.attrs["memory"])
    for name, known in memory["files"].items():
        with h5py.File(half / name) as file:
            rows = {"time": 0, "spectrum_time": 0} | memory["rows"][name]
            assert datasets.sums(file, rows) == known["sums"]
            assert content.forms(file) == known["forms"]
    answer = probe.examine(
        {
            "path": str(half / "series.h5"),
            "rows": memory["rows"]["series.h5"],
            "copy": "",
            "room": 0,
            "sums": memory["files"]["series.h5"]["sums"],
            "forms": None,
            "stored": {},
            "named": None,
            "attributes": None,
        }
    )
    assert answer["problem"] == "" and answer["run_id"] == memory["run_id"]


def test_a_difference_quotient_that_was_improved_after_the_checkpoint_is_no_damage(runs, half):
    """The row after the checkpoint changes the one before it; that row is cut off."""
    with h5py.File(half / "series.h5", "r+") as file:
        file["dU_osc_dt_difference"][6] = 12.0
    assert resume(half) == []
    assert_right(half, runs)


FULL_BEFORE_TIME = """
import json, resource, sys
import nuflux_mpi
from nuflux_mpi.results import series_file
from nuflux_mpi.runtime import environment

extend = series_file.SeriesFile._extend


def full(self, name, first, values):
    if name == "time" and first:  # all other columns are on the disk
        end = self._file["time"].id.get_chunk_info(0).byte_offset
        resource.setrlimit(resource.RLIMIT_FSIZE, (end, end))
    extend(self, name, first, values)


series_file.SeriesFile._extend = full
environment.install_excepthook()
nuflux_mpi.simulate(json.loads(sys.argv[1]), out=sys.argv[2])
"""


def test_a_disk_that_takes_the_length_of_time_and_not_its_values_counts_no_row(tmp_path):
    config = {key: value for key, value in until(0.75, equations={"level": "energy"}).items() if key != "momentum"}
    done = carry_out(python(["-c", FULL_BEFORE_TIME, json.dumps(config), tmp_path / "run"]))
    assert done.returncode == 1 and "series.h5 cannot be written" in done.stderr, done.stderr
    with h5py.File(tmp_path / "run" / "series.h5") as file:
        assert list(file["time"]) == [0.0]  # the row of the checkpoint at the start


def test_what_is_not_finite_is_not_written():
    finite.check_row(0.0, {"a": 1.0, "b": np.array([1.0, np.nan])}, {"b": np.array([True, False])})
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(NumericalFailure, match="^b is not finite at t = 2$"):
            finite.check_row(2.0, {"a": 1.0, "b": np.array([1.0, value])})


def test_a_run_whose_results_are_not_finite_fails(tmp_path, monkeypatch):
    """As products of two fields beyond 1e154 are, where the fields are not. Nor does a difference quotient tell of it."""
    measure = diagnostics.Diagnostics.measure
    monkeypatch.setattr(
        diagnostics.Diagnostics,
        "measure",
        lambda self, t, fields: measure(self, t, fields) | ({"U_osc": np.inf} if t > 0.45 else {}),
    )
    config = until(0.75, equations={"level": "energy"})
    with pytest.raises(NumericalFailure, match="U_osc, .* not finite at t = 0.5; .*postmortem.h5"):
        simulate({key: value for key, value in config.items() if key != "momentum"}, tmp_path)
    series = Run(tmp_path).series
    np.testing.assert_allclose(series["time"], [0.0, 0.125, 0.25, 0.375], rtol=1e-12)
    assert np.isfinite(series["dU_osc_dt_difference"]).all()


# --- which level has what -------------------------------------------------------------------------------------------------

LEVELS = {
    "standard": {},
    "energy": {},
    "momentum": {"momentum": BEAMS["momentum"]},
    "full": {"full": {"points": 60, "p_max": 15.0, "perp_points": 2, "p0": 7.5, "sigma": 1.2}},
}
# In boxes of more dimensions, for other modes, and in runs with flavors, energies or mixing, as the page says.
ELSEWHERE = {"axis", "x", "y", "P_ee", "P_ee_bar", "pair", "psi2_pairs", "coherence_pairs", "PPP_drift_max"}
ELSEWHERE |= {"E_vac", "E_mat", "E_flavor", "content", "flavor_density", "conversion", "lepton_drift"}
ELSEWHERE |= {"direction", "energy_bin", "p", "velocity_xyz", "vector", "content_start", "flavor", "start_flavor"}


def levels_table():
    """{name: levels that write it} by docs/output.md."""
    page = (Path(__file__).parents[2] / "docs" / "output.md").read_text(encoding="utf-8")
    rows = page.split("| written at level |")[1].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return {
        name.strip(" `"): {level for level, mark in zip(LEVELS, marks) if mark == "x"}
        for names, *marks in cells
        for name in names.split(",")
    }


def test_a_level_writes_what_the_table_says():
    told, found = levels_table(), {}
    for level, more in LEVELS.items():
        config = {key: value for key, value in BEAMS.items() if key != "momentum"} | more
        run = nuflux_mpi.simulate(config | {"equations": {"level": level}, "time": {"end": 0.25}})
        for part in (run.series, run.fields, run.phase_space):
            for name in part:
                found.setdefault(name, set()).add(level)
        for name in run.series:
            assert np.isfinite(run.series[name]).all(), name
    assert {name: levels for name, levels in found.items() if name not in ELSEWHERE} == told
    assert set(told) | ELSEWHERE == set(names.LAYOUT)


# --- other programs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*FILES, "checkpoint.h5"])
@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4", "scipy"])
def test_xarray_saves_what_it_has_read(half, name, engine):
    """With each of the libraries, from a file and from `Run.to_xarray`, and reads the same again."""
    if (name, engine) == ("checkpoint.h5", "scipy"):
        pytest.skip("netCDF's first format has no unsigned numbers, such as checksums are")
    xarray = pytest.importorskip("xarray")
    pytest.importorskip({"h5netcdf": "h5netcdf", "netcdf4": "netCDF4", "scipy": "scipy"}[engine])
    pytest.importorskip("h5netcdf")
    sets = [xarray.open_dataset(half / name, engine="h5netcdf", **({"phony_dims": "sort"} if "check" in name else {}))]
    if name in ("series.h5", "fields.h5"):
        sets.append(Run(half).to_xarray(name.removesuffix(".h5")))
    for number, data in enumerate(sets):
        copy = half / f"copy-{number}.nc"
        data.load().to_netcdf(copy, engine=engine)
        with xarray.open_dataset(copy, engine=engine) as again:
            assert set(again.variables) == set(data.variables)
            for variable in data.variables:
                np.testing.assert_array_equal(again[variable], data[variable])
            assert again.attrs["config_toml"] == data.attrs["config_toml"] and int(again.attrs["git_dirty"]) in (-1, 0, 1)


@pytest.mark.parametrize("name", [*FILES, "checkpoint.h5"])
def test_types_are_those_that_others_know(half, name):
    """Numbers and texts: no enum, which h5py makes of a bool, no reference but those of dimension scales."""
    with h5py.File(half / name) as file:
        for place in (file, *file.values()):
            for key, value in place.attrs.items():
                kind = place.attrs.get_id(key).get_type().get_class()
                if key not in ("DIMENSION_LIST", "REFERENCE_LIST"):
                    assert kind in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING), key
                    assert np.ndim(value) == 0, key
        assert {dataset.dtype.kind for dataset in file.values()} <= {"i", "f", "u"}

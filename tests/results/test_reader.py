"""Reading runs: written and in memory, finished and not, whole and damaged. `write_run` makes a tiny synthetic one."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from nuflux_mpi.analysis import compare, growth
from nuflux_mpi.config import resolve
from nuflux_mpi.errors import InputError
from nuflux_mpi.results import stored_provenance
from nuflux_mpi.results.reader import MemoryRun, Run

PROVENANCE = {
    "nuflux_version": "0.1.0",
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "git_dirty": False,
    "created": "2026-01-02T03:04:05+00:00",
    "n_ranks": 3,
    "command_line": "nuflux_mpi run case.toml",
    "config_sha256": "ab" * 32,
}
LENGTH, POINTS = 20.0, 32


def synthetic(level="energy", records=21, snapshots=6):
    """(config, series, fields, attrs) of two beams whose spectra follow linear theory exactly; not a solution beyond
    that."""
    config = resolve(
        {
            "title": "two synthetic beams",
            "box": {"length": LENGTH, "points": POINTS},
            "modes": {"velocity": [1.0, -1.0]},
            "initial": {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": -3, "amplitude": 1e-4}]},
            "equations": {"level": level},
            "time": {"end": 10.0},
        }
    ).plain()
    t = np.linspace(0, 10, records)
    k = 2 * np.pi * np.arange(-POINTS // 2, POINTS // 2) / LENGTH
    gamma = np.sqrt(np.maximum(-k * (2 + k), 0))
    # From a largest possible power of 1/2, the linear phase lasts until about t = 9.
    psi2 = 1e-10 * np.exp(2 * np.outer(t, gamma)) * (1 + np.cos(k) ** 2)
    U_start = -5.0
    U = U_start * np.cos(np.pi * t / 10)
    residual = 1e-9 * t * (-1) ** np.arange(records)
    modes = {
        "mode": np.arange(2),
        "v": np.array([1.0, -1.0]),
        "sign": np.ones(2),
        "density": np.full(2, 0.5),
        "component": np.arange(3),
    }
    series = {
        **modes,
        "time": t,
        "U_osc": U,
        "P_mean": np.tile([[0, 0, 0.5], [0, 0, -0.5]], (records, 1, 1)),
        "nu_x": np.tile([0.0, 1.0], (records, 1)),
        "step": 10 * np.arange(records),
        "rejections": np.arange(records),
        "rhs_evaluations": 130 * np.arange(records),
        "wall_time": 0.25 * np.arange(records),
        "spectrum_time": t,
        "k": k,
        "psi2": psi2,
    }
    if level == "energy":
        series["K"] = np.stack([(U_start - U + residual) / 2] * 2, axis=1)
        series["energy"] = U_start + residual
        series["energy_residual"] = residual
    t_fields, z = np.linspace(0, 10, snapshots), LENGTH * np.arange(POINTS) / POINTS
    P = np.zeros((snapshots, 2, 3, POINTS))
    P[:, :, 2] = np.cos(0.1 * t_fields[:, None, None] * (1 + np.sin(2 * np.pi * z / LENGTH))) * [[[0.5], [-0.5]]]
    fields = {**modes, "time": t_fields, "z": z, "P": P, "kappa": np.zeros((snapshots, 2, POINTS))}
    return config, series, fields, dict(PROVENANCE)


def write_run(directory, level="energy", records=21, snapshots=6):
    """Writes the synthetic run in the layout of the output files; returns its `MemoryRun`."""
    run = MemoryRun(*synthetic(level, records, snapshots))
    (directory / "run.toml").write_text(run.toml(), encoding="utf-8")
    for name, arrays in (("series.h5", run.series), ("fields.h5", run.fields)):
        with h5py.File(directory / name, "w") as file:
            file.attrs.update({**run.attrs, "config_toml": run.toml()})
            for dataset in arrays:
                # Growing along time, as in a run; the axes that do not grow are simply never resized.
                shape = np.shape(arrays[dataset])
                file.create_dataset(dataset, data=arrays[dataset], maxshape=(None, *shape[1:]), chunks=True)
    return run


@pytest.fixture
def written(tmp_path):
    return write_run(tmp_path), Run(tmp_path)


def test_a_written_run_reads_like_the_one_in_memory(written):
    memory, run = written
    assert set(run.series) == set(memory.series) and set(run.fields) == set(memory.fields)
    for name in memory.series:
        np.testing.assert_array_equal(run.series[name], memory.series[name])
    for name in memory.fields:
        np.testing.assert_array_equal(run.fields[name], memory.fields[name])
    assert run.config == memory.config and run.config.time.end == 10.0
    assert run.attrs["n_ranks"] == 3 and run.attrs["git_dirty"] is False  # Python numbers, not HDF5's


def test_fields_are_read_in_parts(written):
    memory, run = written
    P, expected = run.fields["P"], memory.fields["P"]
    assert P.shape == expected.shape and len(P) == 6 and not isinstance(P, np.ndarray)
    for key in [2, -1, np.s_[1:4], np.s_[-2:, 0, 2], np.s_[::2, 1], np.s_[..., 5], (3, 1, 2, slice(4, 9))]:
        np.testing.assert_array_equal(P[key], expected[key])
    with pytest.raises(IndexError):
        P[6]
    assert not np.any(np.asarray(run.fields["kappa"]))


def test_fields_at_an_output_time(written):
    memory, run = written
    for each in (memory, run):
        snapshot = each.fields.at(4.0)
        np.testing.assert_array_equal(snapshot["P"], memory.fields["P"][2])
        np.testing.assert_array_equal(snapshot["z"], memory.fields["z"])
        assert snapshot["time"] == 4.0
        with pytest.raises(InputError, match=r"t = 4\.5.*4, 6"):
            each.fields.at(4.5)


def test_rows_beyond_the_time_axis_are_not_there_yet(tmp_path):
    """A writer extends every dataset first and time last; a reader in between must see the last complete state."""
    memory = write_run(tmp_path)
    with h5py.File(tmp_path / "series.h5", "a") as file:
        for name in ("time", "spectrum_time"):
            file[name].resize(8, axis=0)
    with h5py.File(tmp_path / "fields.h5", "a") as file:
        file["time"].resize(3, axis=0)
    run = Run(tmp_path)
    np.testing.assert_array_equal(run.series["K"], memory.series["K"][:8])
    assert run.series["psi2"].shape == (8, POINTS) and run.series["v"].shape == (2,)
    assert run.fields["P"].shape == (3, 2, 3, POINTS)
    np.testing.assert_array_equal(run.fields["P"][-1], memory.fields["P"][2])
    np.testing.assert_array_equal(run.fields["P"][1:, 0], memory.fields["P"][1:3, 0])
    assert np.asarray(run.fields["P"]).shape == (3, 2, 3, POINTS)
    assert not run.finished
    assert "not finished: t = 3.5 of 10 (35.0%)" in run.summary()


def test_summary_of_a_finished_run(written):
    memory, run = written
    text = run.summary()
    for said in [
        "two synthetic beams",
        '2 beams in a box of length 20.0 with 32 points, level "energy"',
        "2026-01-02T03:04:05+00:00, nuflux_mpi 0.1.0, commit 0123456789ab, 3 ranks",
        "finished at t = 10",
        "U_osc went from -5 to 5; K + U_osc stayed constant to 2.0e-09 |U_osc(0)|",
        "200 steps, 20 rejected, 2600 right-hand sides, 5.0 s wall time",
    ]:
        assert said in text
    assert str(run.directory) in text and "in memory" in memory.summary()
    assert memory.summary().splitlines()[1:] == text.splitlines()[1:]


def test_summary_adds_up_the_checkpoints_in_the_log(tmp_path):
    write_run(tmp_path)
    assert "\nsaved" not in Run(tmp_path).summary()
    (tmp_path / "run.log").write_text("""t = 0.5/10 (5%)  step 10
checkpoint at t = 0: 200 MB in 0.4 s, 500 MB/s
warning: no checkpoint at t = 5: out of room; the run goes on
checkpoint at t = 7.5: 200 MB in 0.5 s, 400 MB/s
checkpoint at t = 10: 1200 MB in 1.1 s, 1091 MB/s
saved     2 checkpoints, 400 MB in 0.9 s, 444 MB/s
""")
    assert "saved     3 checkpoints, 1600 MB in 2 s, 800 MB/s" in Run(tmp_path).summary()


def test_summary_says_when_kinetic_energy_was_not_followed(tmp_path):
    write_run(tmp_path, level="standard")
    assert 'level "standard" does not follow the kinetic energy' in Run(tmp_path).summary()


def test_a_run_that_has_only_started(tmp_path):
    write_run(tmp_path, records=0, snapshots=0)
    run = Run(tmp_path)
    assert not run.finished and "nothing written yet" in run.summary()
    with pytest.raises(InputError, match="none"):
        run.fields.at(0.0)


def test_the_config_survives_the_loss_of_run_toml(written):
    memory, run = written
    (run.directory / "run.toml").unlink()
    assert Run(run.directory).toml() == memory.toml()


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(InputError, match="no run directory"):
        Run(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no series.h5"):
        Run(tmp_path)
    write_run(tmp_path)
    (tmp_path / "fields.h5").unlink()
    with pytest.raises(InputError, match="holds no fields.h5"):
        assert Run(tmp_path).fields
    for text, words in (("title = ", "config .* is damaged"), ("[box]\n", "no section modes, equations, time, output")):
        (tmp_path / "run.toml").write_text(text)
        with pytest.raises(InputError, match=words):
            assert Run(tmp_path).config
    with h5py.File(tmp_path / "series.h5", "a") as file:
        del file["density"]
    with pytest.raises(InputError, match="series.h5 has no dataset density"):
        Run(tmp_path).series["density"]
    assert "density" not in Run(tmp_path).series and Run(tmp_path).series.get("density") is None
    whole = (tmp_path / "series.h5").read_bytes()
    (tmp_path / "series.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="series.h5 cannot be read"):
        Run(tmp_path)
    with h5py.File(tmp_path / "series.h5", "w") as file:
        file["U_osc"] = [1.0]
    with pytest.raises(InputError, match="no time axis"):
        Run(tmp_path)


def elsewhere():
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "U_osc", (2,))
    return layout


@pytest.mark.parametrize(
    "name, make",
    [
        ("time", lambda file: file.create_group("time")),
        ("time", lambda file: file.create_dataset("time", data=1.0)),
        ("time", lambda file: file.create_dataset("time", data=h5py.Empty("f8"))),
        ("time", lambda file: file.create_dataset("time", data=[b"a", b"b"])),
        ("U_osc", lambda file: file.__setitem__("U_osc", h5py.ExternalLink("other.h5", "/U_osc"))),
        ("U_osc", lambda file: file.__setitem__("U_osc", h5py.SoftLink("/gone"))),
        ("U_osc", lambda file: file.create_dataset("U_osc", data=[[1.0]])),
        ("U_osc", lambda file: file.create_virtual_dataset("U_osc", elsewhere())),
    ],
)
def test_what_no_run_writes_is_damage(name, make, tmp_path):
    """Numbers of another file, or none at all, are not shown as those of the run."""
    write_run(tmp_path)
    with h5py.File(tmp_path / "series.h5", "a") as file:
        del file[name]
        make(file)
    with pytest.raises(InputError, match=f"series.h5 is damaged: its {name} is not as runs write it"):
        Run(tmp_path)


def test_a_damaged_part_is_not_taken_for_one_that_is_not_there(tmp_path):
    write_run(tmp_path)
    run = Run(tmp_path)
    assert not len(compare._stored(run, "phase_space")) and len(compare._stored(run, "fields"))
    os.truncate(tmp_path / "fields.h5", 1000)
    with pytest.raises(InputError, match="fields.h5 cannot be read"):
        compare.report(run, Run(tmp_path))


def test_pipes_in_a_run_directory_are_not_waited_for(tmp_path):
    write_run(tmp_path)
    for name in ("run.toml", "run.log", "growth.csv"):
        (tmp_path / name).unlink(missing_ok=True)
        os.mkfifo(tmp_path / name)
    run = Run(tmp_path)
    with pytest.raises(InputError, match="run.toml cannot be read: it is no plain file"):
        run.toml()
    assert run.log() == ""
    for read in (growth.read, stored_provenance.read):
        with pytest.raises(InputError, match="growth.csv cannot be read: .*no plain file"):
            read(tmp_path / "growth.csv")


def test_a_file_held_by_its_writer_can_be_read(written):
    """A run may be watched while it is being written: the lock of the writing process must not keep the reader out."""
    memory, run = written
    hold = (
        "import sys, nuflux_mpi, h5py\nwith h5py.File(sys.argv[1], 'a'):\n    print('open', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", hold, str(run.directory / "series.h5")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        np.testing.assert_array_equal(Run(run.directory).series["U_osc"], memory.series["U_osc"])
        writer.stdin.close()
        assert writer.wait(timeout=30) == 0


def test_a_file_open_in_the_same_process_can_be_read(written):
    memory, run = written
    with h5py.File(run.directory / "series.h5", "r"):
        np.testing.assert_array_equal(Run(run.directory).series["U_osc"], memory.series["U_osc"])


def test_xarray_gets_names_and_coordinates(written):
    pytest.importorskip("xarray")
    memory, run = written
    for each in (memory, run):
        series = each.to_xarray()
        assert series["K"].dims == ("time", "mode") and series["psi2"].dims == ("spectrum_time", "k")
        assert series["U_osc"].sel(time=10.0) == 5.0
        assert series["K"].coords["v"].values.tolist() == [1.0, -1.0]
        assert series.attrs["n_ranks"] == 3 and series["U_osc"].attrs["units"] == "mu n (1/mu)"
        fields = each.to_xarray("fields")
        assert fields["P"].dims == ("time", "mode", "component", "z")
        np.testing.assert_array_equal(fields["P"].sel(time=4.0, mode=1), memory.fields["P"][2, 1])
    with pytest.raises(InputError, match="parts"):
        run.to_xarray("figures")

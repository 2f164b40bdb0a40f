"""A run goes on when the files it began from are gone, or others by now, and gives what it would have given."""

import contextlib
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from nuflux_mpi import simulate
from nuflux_mpi.errors import InputError
from nuflux_mpi.results.reader import Run

Z = 2 * np.pi * np.arange(16) / 16


def beams(file):
    """Two beams whose |P| varies in space."""
    P = np.zeros((2, 3, 16))
    P[0, 2], P[1, 2] = 0.5 + 0.1 * np.sin(Z), -0.5
    P[0, 0], P[0, 1] = 1e-3 * np.cos(Z), -1e-3 * np.sin(Z)
    file["P"] = P


def table(file):
    q = np.linspace(-6, 6, 121)
    file["q"], file["g"] = q, np.exp(-(q**2))


def homogeneous(file):
    """The bunch of Gaussian width 1.2 at p_z = 8 on the grid of the config below, by its own quadrature."""
    from nuflux_mpi.physics.full_grid import Gaussian, MomentumGrid

    grid = MomentumGrid(CONFIGS["full"]["full"])
    g = grid.sample(Gaussian(8.0, 1.2, 1.0))
    rho = np.zeros((1, 4, 4, 64))
    rho[0, :, 0] = rho[0, :, 3] = 0.5 * g
    file["rho"] = rho


BOX = {
    "box": {"length": 2 * np.pi, "points": 16, "fftw": "estimate"},
    "time": {"end": 0.4, "rtol": 1e-8},
    "output": {"series_every": 0.1, "fields_every": 0.2, "figures": False},
}
WAVES = {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": -1, "amplitude": 1e-3, "mode": 0}]}
CONFIGS = {
    "initial": BOX | {"initial": {"kind": "file", "path": "s.h5"}, "equations": {"level": "energy"}},
    "momentum": BOX
    | {
        "initial": WAVES,
        "equations": {"level": "momentum"},
        "momentum": {"distribution": "file", "path": "s.h5", "points": 64, "half_width": 8.0},
    },
    "full": BOX
    | {
        "initial": WAVES | {"zeta": [0.5], "waves": [{"n": -1, "amplitude": 1e-3}]},
        "modes": {"velocity": [1.0]},
        "equations": {"level": "full"},
        "full": {
            "distribution": "file",
            "path": "s.h5",
            "points": 64,
            "p_max": 16.0,
            "perp_points": 4,
            "sigma": 1.2,
            "quadrature": "laguerre",
        },
    },
}
MAKERS = {"initial": beams, "momentum": table, "full": homogeneous}


def write(path, make):
    with h5py.File(path, "w") as file:
        make(file)


@pytest.fixture(scope="module")
def half_way(comm, tmp_path_factory):
    """half_way(kind): a directory with the run `a` that has come half its way, the whole run `straight`, and `moved.h5`.

    That is the start file, which is no longer where these runs found it, s.h5. Collective.
    """
    made = {}

    def half(kind):
        if kind not in made:
            place = made[kind] = Path(comm.bcast(tmp_path_factory.mktemp(kind)))
            with contextlib.chdir(place):
                if comm.rank == 0:
                    write("s.h5", MAKERS[kind])
                comm.Barrier()
                config, end = CONFIGS[kind], ["time.end=0.2", "output.series_every=0.1", "output.fields_every=0.2"]
                simulate(config, out="a", overrides=end, comm=comm)
                if comm.rank == 0:
                    shutil.copytree("a", "straight")
                comm.Barrier()
                simulate(config, out="straight", comm=comm, resume="auto")
                comm.Barrier()
                if comm.rank == 0:
                    Path("s.h5").rename("moved.h5")
        return made[kind]

    return half


@pytest.mark.mpi
@pytest.mark.parametrize("fate", ["gone", "another", "a pipe", "moved with the directory"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_a_run_goes_on_without_its_start_file(kind, fate, comm, shared_tmp_path, half_way, monkeypatch):
    before = half_way(kind)
    monkeypatch.chdir(shared_tmp_path)
    if comm.rank == 0:
        shutil.copytree(before, shared_tmp_path, dirs_exist_ok=True)
        (shared_tmp_path / "moved.h5").rename("s.h5")
    comm.Barrier()
    config = CONFIGS[kind]
    where = "a"
    if comm.rank == 0:
        if fate == "another":
            with h5py.File("s.h5", "r+") as file:
                file[list(file)[0]][...] *= 0.5
        else:
            (shared_tmp_path / "s.h5").unlink()
        if fate == "a pipe":
            os.mkfifo(shared_tmp_path / "s.h5")
        if fate.startswith("moved"):
            (shared_tmp_path / "a").rename(shared_tmp_path / "b")
    comm.Barrier()
    if fate.startswith("moved"):
        where, config = "b", "b/run.toml"
    simulate(config, out=where, overrides=["time.end=0.4"], comm=comm, resume="auto")
    comm.Barrier()
    found, wanted = Run(where), Run("straight")
    for name in wanted.series:
        if name not in ("wall_time",):
            np.testing.assert_array_equal(found.series[name], wanted.series[name], err_msg=name)
    np.testing.assert_array_equal(found.fields["P"][...], wanted.fields["P"][...])
    assert ".start.h5" in found.attrs["start_files"] and ".start.h5" not in wanted.attrs["start_files"]


@pytest.mark.mpi
def test_a_damaged_copy_is_refused_and_the_original_will_do(comm, shared_tmp_path, monkeypatch):
    monkeypatch.chdir(shared_tmp_path)
    if comm.rank == 0:
        write("s.h5", beams)
    comm.Barrier()
    simulate(CONFIGS["initial"], out="a", overrides=["time.end=0.2"], comm=comm)
    if comm.rank == 0:
        (copy,) = (shared_tmp_path / "a").glob("initial.*.start.h5")
        with h5py.File(copy, "r+") as file:
            file["P"][0, 2, 0] += 1e-12
    comm.Barrier()
    simulate(CONFIGS["initial"], out="a", overrides=["time.end=0.3"], comm=comm, resume="auto")
    if comm.rank == 0:
        (shared_tmp_path / "s.h5").unlink()
    comm.Barrier()
    with pytest.raises(InputError, match="initial.path: .*start.h5 is damaged: its checksum is not that in its name"):
        simulate(CONFIGS["initial"], out="a", comm=comm, resume="auto")
    with pytest.raises(InputError, match="initial.path: no such file"):
        simulate(CONFIGS["initial"], out="fresh", comm=comm)
    assert not (shared_tmp_path / "fresh").exists()


@pytest.mark.mpi
def test_a_run_without_copies_gets_them_when_it_goes_on(comm, shared_tmp_path, monkeypatch):
    """As one of version 0.1 has none."""
    monkeypatch.chdir(shared_tmp_path)
    if comm.rank == 0:
        write("s.h5", beams)
    comm.Barrier()
    simulate(CONFIGS["initial"], out="a", overrides=["time.end=0.1"], comm=comm)
    if comm.rank == 0:
        next((shared_tmp_path / "a").glob("initial.*.start.h5")).unlink()
        (shared_tmp_path / "s.h5").rename(shared_tmp_path / "moved.h5")
    comm.Barrier()
    with pytest.raises(InputError, match="no such file .* The run in a has no copy of it: put it back, .* --set initial.path="):
        simulate(CONFIGS["initial"], out="a", overrides=["time.end=0.2"], comm=comm, resume="auto")
    simulate(CONFIGS["initial"], out="a", overrides=["time.end=0.2", "initial.path=moved.h5"], comm=comm, resume="auto")
    comm.Barrier()
    assert len(list((shared_tmp_path / "a").glob("initial.*.start.h5"))) == 1


@pytest.mark.mpi
def test_copies_are_those_of_the_run_in_the_directory(comm, shared_tmp_path, monkeypatch):
    monkeypatch.chdir(shared_tmp_path)
    if comm.rank == 0:
        write("s.h5", beams)
    comm.Barrier()
    simulate(CONFIGS["initial"], out="a", overrides=["time.end=0.1"], comm=comm)
    simulate("a/run.toml", out="a", comm=comm, overwrite=True)
    assert len(list((shared_tmp_path / "a").glob("*.start.h5"))) == 1
    comm.Barrier()
    simulate(BOX | {"initial": WAVES}, out="a", overrides=["time.end=0.1"], comm=comm, overwrite=True)
    comm.Barrier()
    assert not list((shared_tmp_path / "a").glob("*.start.h5"))

"""fields.xmf: what a viewer reads is what fields.h5 holds, at the same places and times."""

import shutil
import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import Run
from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError
from nuflux_mpi.results import xdmf

BEAMS = {
    2: {"velocity": [[0.6, 0.8], [0.0, -1.0]], "sign": [1, -1], "density": [0.5, 0.25]},
    3: {"velocity": [[0.6, 0.0, 0.8], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]], "sign": [1, -1, 1], "density": [0.5, 0.25, 0.3]},
}


def a_run(directory, axes, **output):
    """A short run in a box whose sides and points all differ, so that no two axes can be taken for each other."""
    nuflux_mpi.simulate(
        {
            "title": 'a "title" with <marks> & more',
            "box": {"length": [5.0, 6.0, 7.0][:axes], "points": [6, 8, 10][:axes], "origin": [-1.0, 0.5, 2.0][:axes]},
            "modes": BEAMS[axes],
            "initial": {"kind": "seeds", "variance": 1e-4, "n_max": 1, "seed": 1, "same_for_all": True, "amplitudes_in": "n_a"},
            "equations": {"level": "energy"},
            "time": {"end": 1.5, "rtol": 1e-6},
            "output": {"series_every": 0.5, "fields_every": 0.5, "figures": False} | output,
        },
        out=str(directory),
    )
    return Run(directory)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return {axes: a_run(tmp_path_factory.mktemp(f"run{axes}"), axes) for axes in (2, 3)}


# ---- the text


def test_a_run_in_space_writes_it_at_its_end(runs):
    for run in runs.values():
        tree = xml.etree.ElementTree.parse(run.directory / xdmf.FILE)
        (series,) = tree.findall("./Domain/Grid")
        assert series.get("CollectionType") == "Temporal" and series.get("Name") == 'a "title" with <marks> & more'
        assert [float(time.get("Value")) for time in series.findall("./Grid/Time")] == list(run.fields["time"])
        files = {item.text.split(":")[0] for item in tree.iter("DataItem") if item.get("Format") == "HDF"}
        assert files == {"fields.h5", xdmf.GRID}  # beside it, wherever the directory is


@pytest.mark.mpi
def test_one_of_many_ranks_writes_it(comm, shared_tmp_path):
    run = a_run(shared_tmp_path / "run", 2)
    comm.Barrier()
    tree = xml.etree.ElementTree.parse(shared_tmp_path / "run" / xdmf.FILE)
    assert len(tree.findall("./Domain/Grid/Grid")) == len(run.fields["time"])


def test_only_rows_that_are_complete_are_listed(runs, tmp_path):
    import h5py

    shutil.copytree(runs[2].directory, tmp_path / "live")
    with h5py.File(tmp_path / "live" / "fields.h5", "r+") as file:
        file["time"].resize(2, axis=0)  # as while the third snapshot is written
    xdmf.write(Run(tmp_path / "live"))
    tree = xml.etree.ElementTree.parse(tmp_path / "live" / xdmf.FILE)
    assert len(tree.findall("./Domain/Grid/Grid")) == 2


def test_modes_can_be_chosen_and_are_said(runs, tmp_path, capsys):
    shutil.copytree(runs[3].directory, tmp_path / "run")
    assert commands.main(["xdmf", str(tmp_path / "run"), "--modes", "2"]) == 0
    said = capsys.readouterr().out
    assert "fields.xmf" in said and "P_2, kappa_2, ...: neutrinos, v = (0, 1, 0), density 0.3 n" in said
    text = (tmp_path / "run" / xdmf.FILE).read_text()
    assert 'Name="P_2"' in text and 'Name="P_0"' not in text and 'Name="U_density"' in text
    assert commands.main(["xdmf", str(tmp_path / "run"), "--modes", "3"]) == 2
    assert "there is no mode 3" in capsys.readouterr().err


def test_boxes_of_one_dimension_and_places_without_room_are_refused(tmp_path, capsys, runs):
    one = nuflux_mpi.simulate(
        {
            "box": {"length": 5.0, "points": 16},
            "modes": {"velocity": [1.0, -1.0]},
            "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 1},
            "time": {"end": 0.5},
            "output": {"figures": False},
        },
        out=str(tmp_path / "one"),
    )
    assert not (tmp_path / "one" / xdmf.FILE).exists()
    with pytest.raises(InputError, match="this one has one"):
        xdmf.write(one)
    assert commands.main(["xdmf", str(tmp_path / "nowhere")]) == 2
    assert "no run directory" in capsys.readouterr().err
    shutil.copytree(runs[2].directory, tmp_path / "full")
    (tmp_path / "full" / xdmf.FILE).unlink()
    (tmp_path / "full" / xdmf.FILE).mkdir()  # nothing can take its place
    assert commands.main(["xdmf", str(tmp_path / "full")]) == 2
    assert "cannot be written" in capsys.readouterr().err


# ---- what a reader makes of it

# In a process of its own: viewers bring an HDF5 of their own.
READ = """
import sys
import numpy as np
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as pipeline
from vtkmodules.vtkIOXdmf2 import vtkXdmfReader
from vtkmodules.util.numpy_support import vtk_to_numpy
reader = vtkXdmfReader()
reader.SetFileName(sys.argv[1])
reader.UpdateInformation()
times = reader.GetOutputInformation(0).Get(pipeline.TIME_STEPS())
found = {"times": times}
for row, time in enumerate(times):
    reader.UpdateTimeStep(time)
    data = reader.GetOutputDataObject(0)
    while hasattr(data, "GetBlock"):
        data = data.GetBlock(0)
    found["kind"] = data.GetClassName()
    found["points"] = np.array([data.GetPoint(i) for i in range(data.GetNumberOfPoints())])
    values = data.GetPointData()
    for i in range(values.GetNumberOfArrays()):
        found[f"{row} {values.GetArrayName(i)}"] = vtk_to_numpy(values.GetArray(i))
np.savez(sys.argv[2], **found)
"""


def read_by_vtk(path, tmp_path):
    pytest.importorskip("vtkmodules")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), str(tmp_path / "read.npz")], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "ERR" not in done.stderr and "Error" not in done.stderr
    return np.load(tmp_path / "read.npz")


def moments(run, row):
    """U density of a snapshot by sums over pairs: 1/4 sum_ab s_a s_b (1 - v_a.v_b) P_a.P_b."""
    P, s, v = np.asarray(run.fields["P"][row]), run.series["sign"], np.asarray(run.series["v"])
    pairs = np.outer(s, s) * (1 - v @ v.T)
    return 0.25 * np.einsum("ab,ac...,bc...->...", pairs, P, P)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_viewer_finds_the_numbers_of_the_files_at_their_places(runs, tmp_path, axes):
    # In a directory with a name of all kinds, which was moved after the run.
    place = shutil.copytree(runs[axes].directory, tmp_path / "höhe & <b> 'x' 100%")
    run, found = Run(place), read_by_vtk(place / xdmf.FILE, tmp_path)
    np.testing.assert_allclose(found["times"], run.fields["time"], rtol=1e-15)
    at = {axis: np.asarray(run.fields[axis]) for axis in run.fields if axis in "xyz"} | (
        {} if axes == 3 else {"y": np.zeros(1)}
    )
    x, y, z = np.meshgrid(at["x"], at["y"], at["z"], indexing="ij")
    np.testing.assert_allclose(
        found["points"], np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1), atol=1e-6
    )  # single precision
    for row in range(len(run.fields["time"])):
        P, kappa, F = (np.asarray(run.fields[name][row]) for name in ("P", "kappa", "F"))
        for mode in range(len(P)):
            np.testing.assert_array_equal(found[f"{row} P_{mode}"], P[mode].reshape(3, -1).T)
            np.testing.assert_array_equal(found[f"{row} Pz_{mode}"], P[mode, 2].ravel())
            np.testing.assert_array_equal(found[f"{row} kappa_{mode}"], kappa[mode].ravel())
            if axes == 3:
                np.testing.assert_array_equal(found[f"{row} F_{mode}"], F[mode].reshape(3, -1).T)
            else:
                np.testing.assert_array_equal(found[f"{row} Fz_{mode}"], F[mode, 1].ravel())
        # Sums of a dozen products of order one: a few roundings.
        np.testing.assert_allclose(found[f"{row} U_density"], moments(run, row).ravel(), atol=1e-14)
    # Its mean times the volume is U_osc.
    assert np.mean(found["0 U_density"]) * np.prod(run.config["box"]["length"]) == pytest.approx(
        run.series["U_osc"][0], rel=1e-12
    )


def test_a_uniform_grid_has_z_along_the_first_axis(runs, tmp_path):
    place = shutil.copytree(runs[3].directory, tmp_path / "run")
    run = Run(place)
    assert xdmf.write(run, uniform=True) == [place / xdmf.FILE]
    found = read_by_vtk(place / xdmf.FILE, tmp_path)
    assert str(found["kind"]) in ("vtkImageData", "vtkUniformGrid")
    x, y, z = np.meshgrid(*(np.asarray(run.fields[axis]) for axis in "xyz"), indexing="ij")
    np.testing.assert_allclose(found["points"], np.stack([z.ravel(), y.ravel(), x.ravel()], axis=1), atol=1e-12)
    np.testing.assert_array_equal(found["1 P_2"], np.asarray(run.fields["P"][1])[2].reshape(3, -1).T)
    F = np.asarray(run.fields["F"][1])[0]
    np.testing.assert_array_equal(found["1 F_0"], F[::-1].reshape(3, -1).T)  # vectors of space turn with the axes

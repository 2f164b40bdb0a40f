"""Plans of single lines against numpy's transforms, called as the compiled loops call them."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import kernels
from nuflux_mpi.box import fft_plans
from nuflux_mpi.box.fft_plans import LinePlan, library
from nuflux_mpi.cli import doctor
from nuflux_mpi.runtime import kept

pytestmark = pytest.mark.skipif(library() is None, reason="FFTW's functions cannot be reached")
EXECUTE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def transform(kind, length, lines, target, effort="estimate"):
    """The lines (rows, ...) transformed one by one into `target`."""
    source = np.empty_like(lines)
    plan = LinePlan(kind, length, source, target, effort)
    source[...] = lines  # the planner scribbles
    function, address = (int(number) for number in plan.address)
    for row, out in zip(source, target):
        EXECUTE(function)(address, row.ctypes.data, out.ctypes.data)
    return target


def noise(*shape):
    return np.random.default_rng(4).standard_normal(shape)


# Odd lengths: every other real row is not aligned as FFTW's vector instructions would like.
lengths = pytest.mark.parametrize("length", [1, 2, 64, 45, 31])


@lengths
@pytest.mark.parametrize("effort", ["measure", "estimate"])
def test_real_lines(length, effort):
    lines = noise(5, length)
    waves = transform("r2c", length, lines, np.empty((5, length // 2 + 1), dtype=complex), effort)
    np.testing.assert_allclose(waves, np.fft.rfft(lines), rtol=0, atol=2e-14)  # sums of up to 64 numbers of size 1
    back = transform("c2r", length, waves, np.empty((5, length)), effort)
    np.testing.assert_allclose(back / length, lines, rtol=0, atol=1e-14)  # there and back, numbers of size 1


@lengths
def test_complex_lines(length):
    lines = noise(3, length) + 1j * noise(3, length)
    waves = transform("forward", length, lines, np.empty_like(lines))
    np.testing.assert_allclose(waves, np.fft.fft(lines), rtol=0, atol=4e-14)
    back = transform("backward", length, waves, np.empty_like(lines))
    np.testing.assert_allclose(back / length, lines, rtol=0, atol=2e-14)


PLANNED = """
import sys
from nuflux_mpi.box import fft_plans as plans

lines, waves = plans.zeros((2, 60)), plans.zeros((2, 31), complex)
plans.LinePlan("r2c", 60, lines, waves, sys.argv[1])
print(plans.recall.cache_info().currsize and len(plans.recall()))
plans.remember()
"""


def test_what_fftw_has_learned_is_kept(tmp_path):
    def planned(effort):
        """(how many bytes a process took up from earlier ones, the files that are kept then)."""
        env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", PLANNED, effort], env=env, capture_output=True, text=True, check=True)
        return int(done.stdout), {path: path.read_bytes() for path in tmp_path.rglob("*.wisdom")}

    assert planned("estimate") == (0, {})
    learned, files = planned("measure")
    [(path, content)] = files.items()
    assert learned == 0 and b"fftw" in content
    assert planned("measure") == (len(content) - len(kept.MAGIC) - kept.DIGEST_BYTES, files)
    assert planned("estimate") == (0, files)  # plans by estimate are those of a process that knows nothing
    path.write_bytes(content[:-9])  # damaged: measured anew, and replaced
    assert planned("measure")[0] == 0 and path.read_bytes().startswith(content[:9])
    assert planned("measure")[0] > 0


def test_where_fftw_cannot_be_reached_the_run_and_its_files_say_so(monkeypatch, tmp_path):
    if not kernels.COMPILED:
        pytest.skip("there are no compiled loops")
    overrides = ["time.end=0.01", "output.figures=false"]
    results = {}
    for name in ("plain", "batches"):
        if name == "batches":
            monkeypatch.setattr(fft_plans, "library", lambda: None)
        with nuflux_mpi.Simulation("two_beam", out=tmp_path / name, overrides=overrides) as simulation:
            said = simulation.describe()
            results[name] = simulation.run()
        assert ("transforms in batches (slower: FFTW's functions cannot be reached)" in said) == (name == "batches")
        assert ("transforms in batches" in results[name].attrs["kernels"]) == (name == "batches")
    one, other = (run.series["U_osc"] for run in results.values())
    np.testing.assert_allclose(one, other, rtol=1e-13)  # the same transforms, sums in another order


@pytest.mark.parametrize("reached, ok", [(True, True), (False, None)])
def test_doctor_tells_whether_fftw_is_reached(reached, ok):
    found = {"mpi_libraries": [], "mpi": "", "h5py_mpi": True, "h5py_file": "", "hdf5": "", "petsc_scalar": "float64"}
    found |= {"petsc": "", "petsc_index": "", "blas_libraries": [], "fftw": reached}
    [finding] = [finding for finding in doctor.judge_process(found) if finding.what == "FFTW"]
    assert finding.ok is ok and ("slower" in finding.text) != reached

"""Plans of single lines against numpy's transforms, called as the compiled loops call them."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

from nuflux_mpi.box.fft_plans import LinePlan, library
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

"""Plans of single lines against numpy's transforms, called as the compiled loops call them."""

import ctypes

import numpy as np
import pytest

from nuflux_mpi.box.fft_plans import LinePlan, library

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

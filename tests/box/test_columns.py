"""Transforms along axes that are whole on every rank, against numpy's, for even and odd grids and numbers of columns."""

import numpy as np
import pytest

from nuflux_mpi.box import columns
from nuflux_mpi.box import fft_plans as plans
from nuflux_mpi.box.transform import signed, wave_numbers

pytestmark = pytest.mark.skipif(not plans.usable(), reason="for compiled loops alone")
# One column, an odd number, one chunk but for a column, three chunks of which the last is odd.
COLUMNS = [1, 2, 7, 127, 128, 261]
GRIDS = [(6,), (7,), (1,), (4, 6), (5, 4), (4, 5), (3, 1)]


def noise(*shape):
    return np.random.default_rng(5).standard_normal(shape)


@pytest.mark.parametrize("points", GRIDS)
@pytest.mark.parametrize("count", COLUMNS)
def test_waves_are_numpys_and_give_the_lines_back(points, count):
    lines, axes = noise(3, *points, count), tuple(range(1, 1 + len(points)))
    expected = np.fft.rfftn(lines, axes=axes)
    transform = columns.Across(points, count, "estimate")
    waves, kept = np.empty(expected.shape, dtype=complex), lines.copy()
    transform.forward(lines, waves)
    np.testing.assert_array_equal(lines, kept)
    np.testing.assert_allclose(waves, expected, rtol=0, atol=5e-14)  # sums of up to 24 numbers of size 1
    back = np.empty_like(lines)
    transform.backward(waves, back)
    np.testing.assert_allclose(back / np.prod(points), lines, rtol=0, atol=2e-14)  # there and back


@pytest.mark.parametrize("points", [(6,), (7,)])
def test_what_no_real_line_has_does_not_count(points):
    """The imaginary parts of waves that are their own partners, as numpy ignores them; a neighbour must not get them."""
    waves = noise(2, points[0] // 2 + 1, 5) + 1j * noise(2, points[0] // 2 + 1, 5)
    lines = np.empty((2, *points, 5))
    columns.Across(points, 5, "estimate").backward(waves, lines)
    expected = points[0] * np.fft.irfft(waves, n=points[0], axis=1)
    np.testing.assert_allclose(lines, expected, rtol=0, atol=2e-14)


def test_of_two_kept_opposite_waves_one_counts():
    """In two axes some opposite waves are both kept: whatever they hold, the lines are real functions."""
    waves = noise(1, 4, 3, 6) + 1j * noise(1, 4, 3, 6)
    transform, lines = columns.Across((4, 4), 6, "estimate"), np.empty((1, 4, 4, 6))
    transform.backward(waves, lines)
    again = np.empty_like(waves)
    transform.forward(lines, again)
    second = np.empty_like(lines)
    transform.backward(again / 16, second)
    np.testing.assert_allclose(second, lines, rtol=0, atol=1e-14)
    np.testing.assert_allclose(again[0, 1, 1] / 16, waves[0, 1, 1], rtol=0, atol=1e-14)  # whose partner is not kept


@pytest.mark.parametrize("shape", [(2, 8, 5), (3, 7, 130), (1, 1, 4)])
def test_slopes(shape):
    before, points, after = shape
    lines = noise(*shape)
    rate = wave_numbers(signed(np.arange(points), points), points, 2.0) / points
    slope = np.empty_like(lines)
    columns.SlopeAcross(rate, after, "estimate")(lines, slope)
    expected = np.fft.ifft(1j * points * rate[:, None] * np.fft.fft(lines, axis=1), axis=1).real
    np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-13)  # wave numbers up to 13

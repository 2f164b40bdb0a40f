"""Averages and envelopes: what figures make of more numbers than they have pixels."""

import numpy as np
import pytest

from nuflux_mpi.plots import binning


def test_few_numbers_stay_as_they_are():
    values = np.arange(12.0).reshape(3, 4)
    assert binning.averaged(values, most=3) is values
    x = np.arange(40.0)
    assert binning.envelope(x, x, most=10) == (pytest.approx(x), pytest.approx(x))


@pytest.mark.parametrize("count", [10, 11, 12, 19])
def test_averages_are_those_of_the_bins(count):
    values = np.random.default_rng(1).normal(size=(count, 3))
    found, step = binning.averaged(values, most=5), -(-count // 5)
    expected = [values[i : i + step].mean(axis=0) for i in range(0, count, step)]
    np.testing.assert_allclose(found, expected, atol=1e-15)
    np.testing.assert_allclose(binning.averaged(values.T, most=5, axis=1), np.transpose(expected), atol=1e-15)
    edges = binning.edges(np.arange(float(count)), most=5)
    np.testing.assert_array_equal(edges, [*np.arange(0, count, step) - 0.5, count - 0.5])


def test_fine_structure_does_not_alias():
    """A wave of two points would come out as a constant or a long wave where rows are left out; its mean is zero."""
    wave = np.cos(np.pi * np.arange(1000))
    assert np.abs(binning.averaged(wave, most=100)).max() < 1e-12
    assert np.abs(wave[::10]).min() == 1


def test_every_snapshot_has_a_whole_cell():
    np.testing.assert_allclose(binning.edges([0.0, 1.0, 2.0, 2.5]), [-0.5, 0.5, 1.5, 2.25, 2.75])
    np.testing.assert_array_equal(binning.edges([3.0]), [2.5, 3.5])


@pytest.mark.parametrize("at_once", [1, 50, 10**6])
def test_fields_are_averaged_part_by_part(monkeypatch, at_once):
    monkeypatch.setattr(binning, "_READ_AT_ONCE", at_once)
    field = np.random.default_rng(2).normal(size=(23, 2, 3, 14))
    found = binning.space_time(field, (1, 2, slice(None)), most=7)
    expected = binning.averaged(binning.averaged(field[:, 1, 2], 7), 7, axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-14)
    np.testing.assert_array_equal(binning.space_time(field, (0, 1, slice(None))), field[:, 0, 1])


def test_a_curve_keeps_its_extremes_and_ends():
    x = np.arange(100_000.0)
    y = np.sin(x)
    y[77_777] = 5.0
    few = binning.envelope(x, y, most=100)
    assert len(few[0]) <= 400 and np.all(np.diff(few[0]) > 0)
    assert few[1].max() == 5.0 and few[1].min() == y.min() and few[0][np.argmax(few[1])] == 77_777
    assert (few[0][0], few[0][-1]) == (0, x[-1])


def test_what_is_not_known_stays_a_gap():
    x, y = np.arange(1000.0), np.ma.masked_less(np.arange(1000.0), 600)
    kept, values = binning.envelope(x, y, most=10)
    np.testing.assert_array_equal(np.ma.getmaskarray(values), kept < 600)

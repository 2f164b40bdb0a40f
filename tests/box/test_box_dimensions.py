"""Boxes of two and three dimensions against numpy's FFT and exact facts, for even, odd and uneven sizes on any ranks."""

import itertools

import h5py
import numpy as np
import pytest

from nuflux_mpi import kernels
from nuflux_mpi.box.box import Box
from nuflux_mpi.box.plan import most_ranks, plan
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics.interaction import InteractionPicture
from nuflux_mpi.storage import hdf5

# Even, odd and both; blocks of z that are uneven for 3 and 4 ranks.
GRIDS = [(6, 8), (5, 9), (8, 7), (4, 6, 8), (3, 5, 7), (6, 3, 10)]
LENGTHS = (7.3, 5.1, 3.7)
grids = pytest.mark.parametrize("points", GRIDS, ids=str)


def length(points):
    """As many different lengths as axes."""
    return LENGTHS[: len(points)]


def make(points, comm, *segments):
    box = Box(length(points), points, sum(segments), comm, origin=[-1.0, 0.5, 2.0][: len(points)])
    return box, box.transform(*segments, back=tuple(range(1, len(segments) + 1)))


def noise(lines, points, seed=0):
    """The same random lines on all ranks: every wave is present, all Nyquist waves included."""
    return np.random.default_rng(seed).standard_normal((lines, *points))


def mine(box, lines):
    """This rank's part of whole lines."""
    return np.ascontiguousarray(lines[(slice(None), *box.indices())])


def axes_of(points):
    return tuple(range(1, 1 + len(points)))


@pytest.mark.mpi
@grids
def test_ranks_hold_every_point_once(points, comm):
    box, _ = make(points, comm, 4)
    held = np.ravel_multi_index(np.broadcast_arrays(*box.indices()), points)
    assert held.shape == box.local_shape
    assert sorted(np.concatenate([part.ravel() for part in comm.allgather(held)])) == list(range(np.prod(points)))
    for x, whole, index in zip(box.coordinates(), box.axes(), box.indices()):
        np.testing.assert_array_equal(x, whole[index])
    # The same points, as HDF5 counts them.
    counted = [
        np.add.outer(start + stride * np.arange(count), np.arange(block)).ravel()
        for start, stride, count, block in zip(*box.hyperslab())
    ]
    np.testing.assert_array_equal(held, np.ravel_multi_index(np.ix_(*counted), points))


@pytest.mark.mpi
@grids
def test_forward_is_numpys_fft(points, comm):
    box, transform = make(points, comm, 5, 2)
    lines = noise(7, points)
    transform.physical[...] = mine(box, lines)
    waves = [harmonic % N for harmonic, N in zip(transform.harmonics, points)]
    expected = np.fft.fftn(lines, axes=axes_of(points))[(transform.line[:, None], *waves)]
    # Sums of up to 192 numbers of size 1: a few roundings of numbers up to 60 in size.
    np.testing.assert_allclose(transform.forward(), expected, rtol=0, atol=2e-13)


@pytest.mark.mpi
@grids
def test_every_wave_of_every_line_is_held_once(points, comm):
    _, transform = make(points, comm, 3, 2)
    shape = transform.shape
    line = np.broadcast_to(transform.line[:, None], shape)
    waves = np.stack([np.broadcast_to(harmonic, shape) for harmonic in transform.harmonics])
    twice = np.broadcast_to(transform.weight, shape) == 2
    sizes = np.array(points)[:, None]
    numbers = [line.ravel() * np.prod(points) + np.ravel_multi_index(waves.reshape(len(points), -1) % sizes, points)]
    numbers.append(line[twice] * np.prod(points) + np.ravel_multi_index(-waves[:, twice] % sizes, points))
    held = np.concatenate(comm.allgather(np.concatenate(numbers)))
    assert sorted(held) == list(range(5 * np.prod(points)))


@pytest.mark.mpi
@grids
def test_wave_vectors_are_zero_along_the_axis_of_a_nyquist_wave_only(points, comm):
    _, transform = make(points, comm, 3)
    for harmonic, k, N, L in zip(transform.harmonics, transform.wave_vector, points, length(points)):
        assert np.all(2 * np.abs(harmonic) <= N)
        expected = np.where(2 * np.abs(harmonic) == N, 0, 2 * np.pi / L * harmonic)
        np.testing.assert_allclose(k, expected, rtol=1e-15)  # one rounding


@pytest.mark.mpi
@grids
def test_there_and_back_with_the_norm_of_the_fields(points, comm):
    box, transform = make(points, comm, 4, 2)
    lines = mine(box, noise(6, points))
    amplitudes = transform.amplitudes(lines)
    power = transform.weight * np.abs(amplitudes) ** 2
    per_line = box.total(np.bincount(transform.line, power.sum(axis=1), minlength=6))
    np.testing.assert_allclose(per_line, box.mean(lines**2), rtol=1e-14)  # Parseval, line by line
    for segments, count in ((1, 4), (2, 6)):
        transform.spectral[...] = amplitudes
        np.testing.assert_allclose(transform.backward(segments)[:count], lines[:count], rtol=0, atol=1e-14)  # rounding


@pytest.mark.mpi
@grids
@pytest.mark.parametrize("compiled", [True, False])
def test_gradient_of_plane_waves_is_exact(points, compiled, comm, monkeypatch):
    if compiled and not kernels.COMPILED:
        pytest.skip("numba is not installed")
    monkeypatch.setattr(kernels, "COMPILED", compiled)
    box, _ = make(points, comm, 4)
    for harmonic in itertools.product(*[(0, 1, -((N - 1) // 2)) for N in points]):
        k = 2 * np.pi * np.array(harmonic) / length(points)
        angle = 0.3 + sum(2 * np.pi * (n * i % N) / N for n, i, N in zip(harmonic, box.indices(), points))
        slopes = box.gradient(2)(np.stack((np.cos(angle), np.sin(angle))))
        expected = [(-each * np.sin(angle), each * np.cos(angle)) for each in k]
        # A few roundings of numbers of size 1, multiplied by k, at most 6.
        np.testing.assert_allclose(slopes, expected, rtol=0, atol=3e-14)


@pytest.mark.mpi
@pytest.mark.parametrize("points", [(6, 8), (4, 6, 8)], ids=str)
def test_a_nyquist_wave_has_no_slope_along_its_own_axis_and_that_of_a_wave_along_others(points, comm):
    box, _ = make(points, comm, 4)
    index, last = box.indices(), 2 * np.pi * box.indices()[-1] / points[-1]
    crest = np.where(index[0] % 2, -1.0, 1.0)
    slope = box.gradient(1)((crest * np.cos(last) * np.ones(box.local_shape))[None])
    np.testing.assert_allclose(slope[0], 0, atol=1e-14)
    expected = -2 * np.pi / length(points)[-1] * crest * np.sin(last)
    np.testing.assert_allclose(slope[-1, 0], np.broadcast_to(expected, box.local_shape), rtol=0, atol=1e-14)


@pytest.mark.mpi
@grids
def test_gradient_is_skew_adjoint_whatever_the_fields(points, comm):
    """int f d_i g = -int g d_i f on the grid itself, for fields it does not resolve: this is what closes the budget."""
    box, _ = make(points, comm, 4)
    f, g = mine(box, noise(3, points, seed=1)), mine(box, noise(3, points, seed=2))
    gradient = box.gradient(3)
    df, dg = gradient(f).copy(), gradient(g).copy()
    size = np.sqrt(box.integral(f**2) * box.integral(dg**2))
    assert np.all(np.abs(box.integral(f * dg + g * df)) <= 3e-14 * size)  # rounding of two integrals that cancel
    assert np.all(size > 1)


@pytest.mark.mpi
@pytest.mark.parametrize("points", [(5, 9), (3, 5, 7)], ids=str)
@pytest.mark.parametrize("compiled", [True, False])
def test_advection_by_whole_cells_is_a_shift_of_the_grid(points, compiled, comm, monkeypatch):
    """Odd grids carry every wave along: then even noise comes back point by point."""
    if compiled and not kernels.COMPILED:
        pytest.skip("numba is not installed")
    monkeypatch.setattr(kernels, "COMPILED", compiled)
    cells = np.array([(1, 2, -1), (0, -3, 2), (2, 0, 1), (-2, 1, 0)])[:, : len(points)]
    box, transform = make(points, comm, 3, 1)
    time = 2.5
    picture = InteractionPicture(transform, cells * box.spacing / time, lambda t: None, needed=1)
    lines, u = noise(4, points), np.empty(picture.size)
    transform.physical[...] = mine(box, lines)
    picture.store(0.0, u)
    np.testing.assert_allclose(box.total(u @ u), np.mean(lines**2, axis=axes_of(points)).sum(), rtol=1e-14)
    moved = np.stack([np.roll(line, shift, range(len(points))) for line, shift in zip(lines, cells)])
    np.testing.assert_allclose(picture.fields(time, u), mine(box, moved), rtol=0, atol=2e-14)  # rounding of phases


@pytest.mark.mpi
@grids
def test_a_field_is_written_and_read_point_by_point(points, comm, shared_tmp_path):
    box, _ = make(points, comm, 6)
    field, path = noise(6, points), shared_tmp_path / "start.h5"
    with hdf5.open_parallel(path, "w", comm) as file:
        hdf5.create_growing(file, "P", (2, 3, *points))
        file["P"].resize(1, axis=0)
        hdf5.write_field(file["P"], 0, mine(box, field).reshape(2, 3, *box.local_shape), box)
        file.create_dataset("start", data=field.reshape(2, 3, *points))
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(file["P"][0].reshape(6, *points), field)
    read = box.read(path, "start", leading=(2, 3), key="initial.path")
    np.testing.assert_array_equal(read.reshape(6, *box.local_shape), mine(box, field))


def test_the_last_axis_is_cut_and_limits_the_number_of_ranks():
    assert plan((64, 64), 6, 16).points_per_rank.tolist() == [256] * 16
    assert plan((4, 6, 8), 6, 3).points_per_rank.tolist() == [72, 72, 48]
    assert most_ranks((64, 48), 6) == 48
    with pytest.raises(InputError, match=r"box.points = 64 x 48 points can be cut for at most 48 ranks; .* along z"):
        plan((64, 48), 6, 49)
    with pytest.raises(InputError, match="at most 5 ranks"):  # 2 lines of 2 inner waves each, 3/4 of the ranks at least
        plan((2, 100), 2, 6)


def test_lengths_and_points_go_together():
    with pytest.raises(InputError, match="one number for each of up to three axes, not 1 and 2"):
        Box([1.0], [4, 4], 1, None)
    with pytest.raises(InputError, match="not 4 and 4"):
        Box([1.0] * 4, [4] * 4, 1, None)

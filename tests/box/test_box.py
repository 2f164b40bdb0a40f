"""The box against numpy's FFT and exact facts, for even, odd and prime sizes, both cuts, and ranks without rows."""

import gc
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpi4py import MPI

from nuflux_mpi.box.box import Box
from nuflux_mpi.box.plan import blocks, most_ranks, plan
from nuflux_mpi.errors import InputError

LENGTH = 7.3
# points, N1 forced (None: as planned), segments. Uneven blocks, even and odd N1, more ranks than rows, many lines.
CUTS = [
    (30, None, (6,)),
    (31, None, (6, 2)),
    (45, None, (3, 1)),
    (77, None, (12,)),
    (64, None, (2,)),
    (30, 1, (1, 1)),
    (30, 2, (3,)),
    (30, 5, (2, 1)),
    (30, 6, (1, 1)),
    (45, 9, (3,)),
    (77, 7, (1,)),
    (77, 11, (5, 2)),
    (64, 8, (3, 1)),
]
cuts = pytest.mark.parametrize("points, factor, segments", CUTS)
# All ranks on one node, each on its own, and nodes of two: on three ranks the second has one.
exchanges = pytest.mark.parametrize("exchange", ["auto", "messages", 2])


def noise(lines, points, seed=0):
    """The same random lines on all ranks, (lines, points): every wave is present, the Nyquist wave included."""
    return np.random.default_rng(seed).standard_normal((lines, points))


def make(points, factor, segments, comm, **keys):
    """A box for sum(segments) lines, and a transform of them from which every leading segment can be asked back."""
    box = Box(LENGTH, points, sum(segments), comm, factor=factor, **keys)
    return box, box.transform(*segments, back=tuple(range(1, len(segments) + 1)))


# ---- how the box is cut


class Seat:
    """A rank's place in a communicator that never communicates."""

    def __init__(self, rank, size):
        self.Get_rank, self.Get_size = lambda: rank, lambda: size


@given(points=st.integers(2, 300), lines=st.integers(1, 20), ranks=st.integers(1, 40))
def test_a_plan_deals_every_point_once_and_leaves_no_rank_without(points, lines, ranks):
    if ranks > most_ranks(points, lines):
        with pytest.raises(InputError):
            plan(points, lines, ranks)
        return
    cut = plan(points, lines, ranks)
    assert cut.N1 * cut.N2 == points
    assert cut.points_per_rank.min() >= 1 and cut.points_per_rank.sum() == points
    assert np.ptp(cut.points_per_rank) <= cut.N1  # blocks differ by one column at most
    boxes = [Box(LENGTH, points, lines, Seat(rank, ranks)) for rank in range(ranks)]
    dealt = np.concatenate([box.indices()[0] for box in boxes])
    assert sorted(dealt) == list(range(points))
    assert [box.local_shape[0] for box in boxes] == cut.points_per_rank.tolist()


@given(points=st.integers(2, 300), lines=st.integers(1, 20))
def test_a_refusal_names_the_largest_number_of_ranks_that_works(points, lines):
    most = most_ranks(points, lines)
    assert plan(points, lines, most).ranks == most
    with pytest.raises(InputError, match=rf"at most {most} ranks"):
        plan(points, lines, most + 1)


def test_slabs_where_lines_suffice_and_a_factored_cut_where_they_do_not():
    assert not plan(1024, 8, 8).factored
    cut = plan(1024, 8, 64)  # two beams at level "energy" on 64 ranks
    assert cut.factored and cut.lines * cut.pairs_per_line >= 64 and cut.N2 >= 64
    # 31 is prime: no factored cut is possible, and 2 lines alone feed 2 ranks (3/4 of them at least must have rows)
    with pytest.raises(InputError, match="31 points can be cut for at most 2 ranks"):
        plan(31, 2, 4)


@pytest.mark.parametrize("total, ranks, expected", [(7, 3, [3, 2, 2]), (2, 4, [1, 1, 0, 0]), (0, 2, [0, 0])])
def test_blocks_are_contiguous_and_differ_by_one_at_most(total, ranks, expected):
    sizes, starts = blocks(total, ranks)
    assert sizes.tolist() == expected
    assert starts.tolist() == np.cumsum([0] + expected[:-1]).tolist()


@pytest.mark.mpi
@cuts
def test_ranks_hold_every_point_once(points, factor, segments, comm):
    box, _ = make(points, factor, segments, comm, origin=-2.0)
    (mine,), (z,) = box.indices(), box.coordinates()
    assert z.shape == box.local_shape
    np.testing.assert_array_equal(z, box.axes()[0][mine])
    assert sorted(np.concatenate(comm.allgather(mine))) == list(range(points))
    # The same points, as HDF5 counts them.
    (start,), (stride,), (count,), (block,) = box.hyperslab()
    np.testing.assert_array_equal(mine, np.add.outer(start + stride * np.arange(count), np.arange(block)).ravel())


# ---- transforms


@pytest.mark.mpi
@exchanges
@cuts
def test_forward_is_numpys_fft(points, factor, segments, exchange, comm):
    box, transform = make(points, factor, segments, comm, exchange=exchange)
    lines = noise(transform.lines, points)
    transform.physical[...] = lines[:, box.indices()[0]]
    spectral = transform.forward()
    expected = np.fft.fft(lines)[transform.line[:, None], transform.harmonic % points]
    assert spectral.shape == expected.shape
    # Sums of up to 77 numbers of size 1: a few roundings of numbers up to 30 in size.
    np.testing.assert_allclose(spectral, expected, rtol=0, atol=1e-13)


@pytest.mark.mpi
@cuts
def test_every_wave_of_every_line_is_held_once(points, factor, segments, comm):
    _, transform = make(points, factor, segments, comm)
    shape = transform.spectral.shape
    line = np.broadcast_to(transform.line[:, None], shape).ravel()
    wave = np.broadcast_to(transform.harmonic, shape).ravel() % points
    conjugates = np.broadcast_to(transform.weight, shape).ravel() == 2
    held = np.stack([np.concatenate((line, line[conjugates])), np.concatenate((wave, -wave[conjugates] % points))])
    everything = np.concatenate(comm.allgather(held), axis=1).T
    assert sorted(map(tuple, everything)) == [(i, j) for i in range(transform.lines) for j in range(points)]


@pytest.mark.mpi
@cuts
def test_wave_numbers_are_signed_and_zero_at_nyquist(points, factor, segments, comm):
    _, transform = make(points, factor, segments, comm)
    harmonic = transform.harmonic
    assert np.all(2 * np.abs(harmonic) <= points)
    expected = np.where(2 * np.abs(harmonic) == points, 0, 2 * np.pi / LENGTH * harmonic)
    np.testing.assert_allclose(transform.k, expected, rtol=1e-15)  # one rounding


@pytest.mark.mpi
@exchanges
@cuts
def test_backward_returns_the_lines_for_any_leading_segments(points, factor, segments, exchange, comm):
    box, transform = make(points, factor, segments, comm, exchange=exchange)
    lines = noise(transform.lines, points)[:, box.indices()[0]]
    amplitudes = transform.amplitudes(lines)
    for leading in range(1, len(segments) + 1):
        transform.spectral[...] = amplitudes
        count = sum(segments[:leading])
        np.testing.assert_allclose(transform.backward(leading)[:count], lines[:count], rtol=0, atol=1e-14)  # rounding
    transform.spectral[...] = amplitudes
    np.testing.assert_allclose(transform.backward(), lines, rtol=0, atol=1e-14)


@pytest.mark.mpi
@cuts
def test_weighted_amplitudes_have_the_norm_of_the_fields(points, factor, segments, comm):
    box, transform = make(points, factor, segments, comm)
    lines = noise(transform.lines, points)[:, box.indices()[0]]
    power = transform.weight * np.abs(transform.amplitudes(lines)) ** 2
    # Parseval, line by line.
    per_line = box.total(np.bincount(transform.line, power.sum(axis=1), minlength=transform.lines))
    np.testing.assert_allclose(per_line, box.mean(lines**2), rtol=1e-14)


@pytest.mark.mpi
def test_aligned_segments_lie_on_equal_ranks(comm):
    box = Box(LENGTH, 30, 10, comm)
    transform = box.transform(5, 5, aligned=True)
    half = transform.rows // 2
    np.testing.assert_array_equal(transform.line[half:], transform.line[:half] + 5)
    np.testing.assert_array_equal(transform.residue[half:], transform.residue[:half])


@pytest.mark.mpi
def test_estimated_plans_repeat_bit_for_bit(comm):
    lines = noise(4, 60)
    results = []
    for _ in range(2):
        box, transform = make(60, None, (4,), comm, fftw="estimate")
        results.append(transform.amplitudes(lines[:, box.indices()[0]]))
    np.testing.assert_array_equal(*results)


# ---- derivatives


@pytest.mark.mpi
@exchanges
@cuts
def test_gradient_of_trigonometric_functions_is_exact(points, factor, segments, exchange, comm):
    box, _ = make(points, factor, segments, comm, exchange=exchange)
    n = np.arange((points + 1) // 2)[:, None]  # every wave below Nyquist
    k = 2 * np.pi * n / LENGTH
    angle = 0.3 + n + 2 * np.pi * (n * box.indices()[0] % points) / points  # k z, reduced to one turn
    slope = box.gradient(len(n))(np.cos(angle))
    # A few roundings of numbers of size 1, multiplied by k, at most 33.
    np.testing.assert_allclose(slope, -k * np.sin(angle), rtol=0, atol=2e-13)


@pytest.mark.mpi
@pytest.mark.parametrize("factor", [None, 4])
def test_gradient_of_the_nyquist_wave_is_zero(factor, comm):
    box = Box(LENGTH, 32, 4, comm, factor=factor)
    slope = box.gradient(1)(np.where(box.indices()[0] % 2, -1.0, 1.0)[None])
    np.testing.assert_allclose(slope, 0, atol=1e-14)


@pytest.mark.mpi
@cuts
def test_gradient_is_skew_adjoint_whatever_the_fields(points, factor, segments, comm):
    """int f dg/dz = -int g df/dz on the grid itself, for fields it does not resolve: this is what closes the budget."""
    box, _ = make(points, factor, segments, comm)
    (mine,) = box.indices()
    f, g = noise(3, points, seed=1)[:, mine], noise(3, points, seed=2)[:, mine]
    gradient = box.gradient(3)
    df, dg = gradient(f).copy(), gradient(g).copy()
    size = np.sqrt(box.integral(f**2) * box.integral(dg**2))
    assert np.all(np.abs(box.integral(f * dg + g * df)) <= 1e-14 * size)  # rounding of two integrals that cancel
    assert np.all(size > 1)


# ---- sums


@pytest.mark.mpi
@cuts
def test_sums_are_those_of_the_whole_field(points, factor, segments, comm):
    box, _ = make(points, factor, segments, comm)
    field = noise(6, points).reshape(2, 3, points)
    mine = field[..., box.indices()[0]]
    assert box.sum(mine).shape == (2, 3)
    np.testing.assert_allclose(box.sum(mine), field.sum(-1), rtol=0, atol=1e-13)  # rounding, in another order
    np.testing.assert_allclose(box.integral(mine), field.mean(-1) * LENGTH, rtol=0, atol=1e-13)
    np.testing.assert_allclose(box.mean(mine), field.mean(-1), rtol=0, atol=1e-14)
    total = box.sum(mine[0, 0])
    assert isinstance(total, float) and total == pytest.approx(field[0, 0].sum(), abs=1e-13)
    assert box.max(mine) == field.max()
    assert box.max(mine - 10) == (field - 10).max() < 0


@pytest.mark.mpi
@pytest.mark.parametrize("where", [0, 17, 29])
def test_one_nan_anywhere_is_seen_by_all_ranks(where, comm):
    box = Box(LENGTH, 30, 6, comm)
    field = np.where(box.indices()[0] == where, np.nan, 1.0)
    assert np.isnan(box.max(field))
    assert np.isnan(box.sum(field))
    assert box.max(np.where(np.isnan(field), np.inf, field)) == np.inf


@pytest.mark.mpi
def test_a_rank_without_points_takes_part_in_sums(comm):
    box = Box(LENGTH, 2, 1, comm, factor=1)
    mine = np.array([3.0, -5.0])[box.indices()[0]]
    assert box.sum(mine) == -2.0
    assert box.max(-mine) == 5.0


# ---- reading


@pytest.mark.mpi
@pytest.mark.parametrize("factor", [None, 5])
def test_a_file_is_read_point_by_point(factor, comm, shared_tmp_path):
    import h5py

    field, path = noise(6, 45).reshape(2, 3, 45), shared_tmp_path / "start.h5"
    if comm.rank == 0:
        with h5py.File(path, "w") as file:
            file["P"] = field
    comm.Barrier()
    box = Box(LENGTH, 45, 6, comm, factor=factor)
    np.testing.assert_array_equal(box.read(path, "P", leading=(2, 3), key="initial.path"), field[..., box.indices()[0]])
    with pytest.raises(InputError, match=r"\(2, 3, 45\)"):
        box.read(path, "P", leading=(3, 3), key="initial.path")


@pytest.mark.mpi
def test_a_forward_transform_of_leading_segments_leaves_the_others_alone(comm):
    box = Box(LENGTH, 30, 8, comm)
    transform = box.transform(6, 2, back=(1, 2))
    lines = noise(8, 30)[:, box.indices()[0]]
    whole = transform.amplitudes(lines).copy()
    transform.physical[...] = lines
    transform.spectral[...] = 7.0
    transform.forward(1)
    leading = transform.line < 6
    np.testing.assert_allclose(transform.spectral[leading] / 30, whole[leading], rtol=0, atol=1e-14)
    assert np.all(transform.spectral[~leading] == 7.0)


@pytest.mark.mpi
@exchanges
def test_points_may_be_written_at_once_after_a_transform(exchange, comm):
    """Ranks that are ahead must not overwrite what others still read, nor get what these have yet to write."""
    box = Box(LENGTH, 64, 16, comm, exchange=exchange)
    transform, mine = box.transform(16), box.indices()[0]
    for turn in range(20):
        lines = noise(16, 64, seed=turn)
        if comm.rank == turn % comm.size:
            time.sleep(2e-3)  # each is late once in a while
        transform.physical[...] = lines[:, mine]
        waves = transform.forward().copy()
        transform.physical[...] = np.nan
        transform.spectral[...] = waves / 64
        back = transform.backward().copy()
        transform.spectral[...] = 2 * waves / 64
        transform.backward()
        np.testing.assert_allclose(back, lines[:, mine], rtol=0, atol=1e-14)  # rounding


@pytest.mark.mpi
def test_datatypes_are_given_back(comm):
    """A process may make many boxes: what an exchange has asked of MPI goes with it."""
    transform = Box(10.0, 16, 6, comm, exchange="messages").transform(6)
    transform.physical[...] = 1.0
    transform.forward()
    messages = transform._exchange._messages[1]._types if comm.size > 1 else []
    types = [kind for side in messages for kind in side]
    assert len(types) == (2 * comm.size if comm.size > 1 else 0)
    del transform, messages
    gc.collect()
    assert all(kind == MPI.DATATYPE_NULL for kind in types)

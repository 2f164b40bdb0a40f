"""Memory that ranks share: they see each other's writes, nothing is left behind, and without it there are messages."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest

from nuflux_mpi.box import node as node_module
from nuflux_mpi.box.box import Box
from nuflux_mpi.box.node import node_of


@pytest.fixture
def fresh(comm):
    """A communicator that remembers no nodes."""
    duplicate = comm.Dup()
    yield duplicate
    duplicate.Free()


def mappings():
    return Path("/proc/self/maps").read_text().count("memfd:nuflux_mpi")


@pytest.mark.mpi
@pytest.mark.parametrize("exchange", ["auto", 2])
def test_ranks_see_what_the_others_of_their_node_write(exchange, comm):
    node = node_of(comm, exchange)
    own = node.ranks.index(comm.rank)
    arrays = node.share([(rank, 3) for rank in node.ranks], float)  # rank 0 has none
    assert [array.shape for array in arrays] == [(rank, 3) for rank in node.ranks]
    assert all(np.all(array == 0.0) for array in arrays)
    node.wait()
    arrays[own][...] = comm.rank + 0.5
    node.wait()
    for rank, array in zip(node.ranks, arrays):
        np.testing.assert_array_equal(array, np.full((rank, 3), rank + 0.5))


@pytest.mark.mpi
def test_neighbouring_ranks_form_nodes(comm):
    nodes = node_of(comm, 2).nodes
    assert nodes == tuple(tuple(range(first, min(first + 2, comm.size))) for first in range(0, comm.size, 2))
    assert node_of(comm, "messages").nodes == tuple((rank,) for rank in range(comm.size))
    assert node_of(comm, "auto").nodes == (tuple(range(comm.size)),)
    assert str(node_of(comm, "auto")) == ("memory shared" if comm.size > 1 else "one rank")
    if comm.size > 2:
        assert str(node_of(comm, 2)) == "memory shared on each of 2 nodes"
    assert node_of(comm, 2) is node_of(comm, 2)


@pytest.mark.mpi
def test_memory_goes_with_its_arrays(comm):
    """Each process unmaps by itself what it no longer holds, and keeps no file open."""
    node = node_of(comm, "auto")
    gc.collect()
    before, files = mappings(), len(os.listdir("/proc/self/fd"))
    arrays = node.share([(1000,)] * comm.size, complex)
    assert mappings() > before or comm.size == 1
    assert len(os.listdir("/proc/self/fd")) == files
    view = arrays[0][10:]
    del arrays
    assert np.all(view == 0.0)  # a view keeps it
    del view
    gc.collect()
    assert mappings() == before


@pytest.mark.mpi
def test_where_one_rank_cannot_share_all_use_messages(fresh, monkeypatch):
    if fresh.rank == fresh.size - 1:

        def refuse(*arguments):
            raise OSError("not here")

        monkeypatch.setattr(node_module, "_mapped", refuse)
    assert node_of(fresh, "auto").nodes == tuple((rank,) for rank in range(fresh.size))
    lines = np.random.default_rng(1).standard_normal((6, 20))
    box = Box(1.0, 20, 6, fresh)
    transform = box.transform(6)
    amplitudes = transform.amplitudes(lines[:, box.indices()[0]])
    np.testing.assert_allclose(amplitudes, np.fft.rfft(lines)[transform.line] / 20, rtol=0, atol=1e-14)  # rounding


@pytest.mark.mpi
def test_too_little_memory_on_one_rank_is_an_error_on_all(comm, monkeypatch):
    node = node_of(comm, "auto")
    if comm.rank == comm.size - 1:

        def refuse(*arguments):
            raise OSError("no space left")

        monkeypatch.setattr(node_module, "_reserve", refuse)
    if comm.size == 1:  # nothing is shared
        assert node.share([(10,)], float)[0].shape == (10,)
        return
    with pytest.raises(MemoryError, match="no space left"):
        node.share([(10,)] * comm.size, float)

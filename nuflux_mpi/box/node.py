"""Ranks that share memory: which they are, and arrays of one that the others read and write as their own.

An array lies in an anonymous file in memory (Linux's memfd) that the other ranks of the node map too. It has no name, so
that nothing of it outlives the processes, however they end; its pages are reserved when it is made, by its owner, so that
too little memory is an error then and there, and they lie near the owner's core. Each process unmaps it by itself when
Python drops the array: freeing MPI's own shared windows would be collective, at a moment that garbage collection chooses.

Where this cannot be had (another system than Linux, ranks in separate containers), each rank is a node by itself.
"""

import ctypes
import mmap
import os
from functools import cache

import numpy as np

from ..runtime.collective import any_rank, first_problem, key_of
from .fft_plans import zeros


class Node:
    """The ranks of a communicator that share memory with this one, and how all others are grouped.

    ranks: ranks of this node, ascending, this one included; nodes: the same for all nodes, a tuple of tuples.
    comm: communicator of this node's ranks. See :func:`node_of`, which makes it.
    """

    def __init__(self, rank, nodes, comm):
        self.rank, self.nodes, self.comm = rank, nodes, comm
        self.ranks = next(ranks for ranks in nodes if rank in ranks)

    def __str__(self):
        if len(self.nodes) == 1:
            return "memory shared" if len(self.ranks) > 1 else "one rank"
        if all(len(ranks) == 1 for ranks in self.nodes):
            return "messages"
        return f"memory shared on each of {len(self.nodes)} nodes"

    def wait(self):
        """Return when all ranks of the node have come here; what they wrote before is then seen by all."""
        if len(self.ranks) > 1:
            self.comm.Barrier()

    def share(self, shapes, dtype):
        """Zeroed arrays, one of each rank of `ranks`, with their `shapes`: all ranks of the node see the same memory.

        Collective on the node. MemoryError on all of them where one cannot have its memory.
        """
        if len(self.ranks) == 1:
            return [zeros(shapes[0], dtype)]
        kind = np.dtype(dtype)
        counts = [int(np.prod(shape)) for shape in shapes]
        sizes = [max(1, count) * kind.itemsize for count in counts]
        try:
            file, problem = _reserve(sizes[self.ranks.index(self.rank)]), ""
        except OSError as error:
            file, problem = None, str(error)
        offers = self.comm.allgather((os.getpid(), file, problem))
        memory = []
        if not any(problem for _, _, problem in offers):
            try:
                memory = [_mapped(process, file, size) for (process, file, _), size in zip(offers, sizes)]
            except OSError as error:
                problem = str(error)
        problem = first_problem(self.comm, problem)  # and all have opened what they need
        if file is not None:
            os.close(file)
        if problem:
            raise MemoryError(f"{sum(sizes)} bytes of memory for the ranks of a node to share: {problem}")
        return [
            part.view(kind)[:count].reshape(shape) if count else np.zeros(shape, kind)
            for part, count, shape in zip(memory, counts, shapes)
        ]


class _Mapping:
    """Memory of a file descriptor, mapped as long as an array of it lives. Python's own mmap would keep the file open."""

    def __init__(self, file, size):
        libc = _libc()
        self._unmap, self._size = libc.munmap, size
        self._address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file, 0)
        if self._address in (None, ctypes.c_void_p(-1).value):
            self._address = None
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.__array_interface__ = {"data": (self._address, False), "shape": (size,), "typestr": "|u1", "version": 3}

    def __del__(self):
        if getattr(self, "_address", None):
            self._unmap(self._address, self._size)


@cache
def _libc():
    """mmap and munmap of the C library, with the types of their arguments: see `_Mapping` for why they are called here."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc


def _reserve(size):
    """A file descriptor of so many bytes of memory, all of which are there."""
    file = os.memfd_create("nuflux_mpi")
    try:
        os.posix_fallocate(file, 0, size)
    except OSError:
        os.close(file)
        raise
    return file


def _mapped(process, file, size):
    """The memory behind a file descriptor of a process of this user, as bytes."""
    descriptor = os.open(f"/proc/{process}/fd/{file}", os.O_RDWR)
    try:
        return np.asarray(_Mapping(descriptor, size))
    finally:
        os.close(descriptor)


def node_of(comm, exchange):
    """The :class:`Node` of this rank. Collective at the first call for a communicator, which remembers it.

    exchange: "auto", ranks share memory where they can; "messages", none do; or a number of neighbouring ranks to be taken
        as a node, which lets one computer stand for several.
    """
    known = comm.Get_attr(key_of("nodes")) or {}
    if exchange not in known:
        known = known | {exchange: _find(comm, exchange)}
        comm.Set_attr(key_of("nodes"), known)
    return known[exchange]


def _find(comm, exchange):
    from mpi4py import MPI

    rank = comm.Get_rank()
    alone = Node(rank, tuple((r,) for r in range(comm.Get_size())), MPI.COMM_SELF)
    if exchange == "messages" or comm.Get_size() == 1:
        return alone
    together = comm.Split_type(MPI.COMM_TYPE_SHARED, key=rank)
    if exchange != "auto":
        smaller = together.Split(rank // exchange, key=rank)
        together.Free()
        together = smaller
    members = comm.allgather(tuple(together.allgather(rank)))
    nodes = tuple(sorted(set(members)))
    node = Node(rank, nodes, together)
    works = not any_rank(comm, not _works(node))
    if works and len(nodes) > 1:
        return node
    together.Free()
    return Node(rank, nodes, comm) if works else alone


def _works(node):
    """Whether this rank sees the memory of the others of its node. Collective on the node."""
    if any_rank(node.comm, not hasattr(os, "memfd_create")):
        return False
    secret = np.frombuffer(os.urandom(16), dtype=np.uint8)
    try:
        memory = node.share([secret.shape] * len(node.ranks), np.uint8)
    except MemoryError:  # on all of them
        return False
    memory[node.ranks.index(node.rank)][...] = secret
    written = node.comm.allgather(secret.tobytes())
    return [piece.tobytes() for piece in memory] == written

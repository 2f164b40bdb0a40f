"""The exchange between points and rows: what a rank has of all rows at its points, and whole rows where their waves are.

A row is cut into pieces, one for each rank, of the columns that this rank holds. On one node the ranks see each other's
memory (:mod:`~nuflux_mpi.box.node`): a row is put down piece by piece where it is needed, as it comes out of its transform,
and picked up in the same way. Nothing is copied on the way; ranks only wait for each other.

Between nodes pieces travel in messages, packed by the loops that make or read the rows. All that one rank has for all
ranks of another node goes in one message to one of them, its partner there, and MPI puts it into the memory of each. So R
ranks on nodes of p send R (R/p - 1) messages in one all-to-all, not R (R - 1).
"""

import weakref

import numpy as np

from ..kernels.records import Rows

# Columns of a table of pieces: address of the first piece of a rank, bytes of a piece, its first byte in the row, and by
# which numbering the pieces lie one after the other: GLOBAL (all rows) or OWN (this rank's).
_ADDRESS, _BYTES, _FIRST, _NUMBERING = range(4)
_GLOBAL, _OWN = 0, 1


class Stay:
    """In the place of an :class:`Exchange` where there is one rank: rows are whole, and stay where they are.

    outer: (rows, N2), whose rows they are; leading: number of rows of the leading segments that will be asked for.
    """

    def __init__(self, outer, leading):
        self.line = outer
        whole = np.zeros((0, 4), dtype=np.intp)
        place = outer.ctypes.data, outer.strides[0]
        self._rows = {n: tuple(Rows(*place, whole, np.zeros((2, rows), dtype=np.intp))) for n, rows in leading.items()}

    def open(self, segments):
        return self._rows[segments]

    fetch = open

    def close(self, segments):
        pass

    def release(self):
        pass

    def put(self, outer, segments):
        pass

    take = put


class Exchange:
    """One way of cutting rows into pieces: see the module's text.

    box: whose ranks, columns and node. line: (1, N2), room for a row. shared: for each rank of the node its array (all
    rows, its columns). dealt: over segments the (sizes, starts) over the ranks of the rows that each holds. counts: the
    numbers of leading segments that will be asked for.

    Between :meth:`open` and :meth:`close` rows may be written, between :meth:`fetch` and :meth:`release` read, both of the
    leading `segments`. All four wait for the other ranks of the node; where there are several nodes `close` and `fetch` make
    an all-to-all.
    """

    def __init__(self, box, line, shared, dealt, counts):
        self.node, self.comm, self.line, self._shared = box.node, box.comm, line, shared  # whose addresses are in the tables
        held = [int(sizes[box.rank]) for sizes, _ in dealt]
        rows = sum(held)
        # Rows of each segment, among those of this rank and among all.
        own = [slice(sum(held[:i]), sum(held[: i + 1])) for i in range(len(held))]
        everywhere = [slice(starts[box.rank], starts[box.rank] + size) for size, (_, starts) in zip(held, dealt)]
        among_all = np.concatenate([np.arange(part.start, part.stop) for part in everywhere])
        numbers = np.stack((among_all, np.arange(rows))).astype(np.intp)
        blocks, pieces, self._parts = _blocks(box, rows, line.dtype), np.zeros((box.size, 4), dtype=np.intp), []
        for r, (width, start) in enumerate(zip(box.columns, box.column_starts)):
            if r in blocks:
                array, numbering, places = blocks[r], _OWN, own
            else:
                array, numbering, places = shared[box.node.ranks.index(r)], _GLOBAL, everywhere
            pieces[r] = array.ctypes.data, width * line.itemsize, start * line.itemsize, numbering
            columns = slice(start, start + width)
            self._parts += [(i, mine, columns, array[place]) for i, (mine, place) in enumerate(zip(own, places))]
        pieces, leading = pieces[box.columns > 0], {n: sum(held[:n]) for n in counts}
        place = line.ctypes.data, line.strides[0]
        self._rows = {n: tuple(Rows(*place, pieces, np.ascontiguousarray(numbers[:, : leading[n]]))) for n in counts}
        self._messages = {n: _Messages(box, blocks, shared, dealt[:n], leading[n], line.dtype) for n in counts}

    def open(self, segments):
        """The fields of :class:`~nuflux_mpi.kernels.records.Rows` to write into. Collective."""
        self.node.wait()
        return self._rows[segments]

    def close(self, segments):
        """Bring what was written to the points. Collective."""
        self._messages[segments].to_points(self.comm)
        self.node.wait()

    def fetch(self, segments):
        """The fields of :class:`~nuflux_mpi.kernels.records.Rows` to read, from the points. Collective."""
        self.node.wait()
        self._messages[segments].to_rows(self.comm)
        return self._rows[segments]

    def release(self):
        """Nothing is read any more: the arrays at the points may be written again. Collective."""
        self.node.wait()

    # Whole batches of rows, where no compiled loop takes the pieces.

    def put(self, outer, segments):
        """Write whole rows, (rows, N2), after `open`."""
        for i, rows, columns, part in self._parts:
            if i < segments:
                part[...] = outer[rows, columns]

    def take(self, outer, segments):
        """Read whole rows, (rows, N2), after `fetch`."""
        for i, rows, columns, part in self._parts:
            if i < segments:
                outer[rows, columns] = part


def _blocks(box, rows, kind):
    """Room for the pieces (rows, columns) of all ranks of other nodes, a dictionary; those of a node lie in a row."""
    others = [r for ranks in box.node.nodes if ranks != box.node.ranks for r in ranks]
    ends = np.cumsum(rows * box.columns[others])
    packed = np.zeros(ends[-1] if others else 0, kind)
    return {r: packed[end - rows * box.columns[r] : end].reshape(rows, box.columns[r]) for r, end in zip(others, ends)}


class _Messages:
    """The messages between nodes, of the leading `rows` of this rank and of what the others hold: an all-to-all, or nothing.

    A rank sends to its partner on each other node, one block for each rank there; it receives from those of whom it is the
    partner, and what it receives lies, in blocks of rows, in the arrays of all ranks of its own node.
    """

    def __init__(self, box, blocks, shared, dealt, rows, kind):
        from mpi4py import MPI

        node, size = box.node, box.size
        self._any = len(node.nodes) > 1
        if not self._any:
            return
        widths, item = box.columns, np.dtype(kind).itemsize
        # For each rank the (length, address) of what goes to it, and of what comes from it.
        out, into = [[] for _ in range(size)], [[] for _ in range(size)]
        place = node.ranks.index(box.rank)
        for there in node.nodes:
            if there == node.ranks:
                continue
            partner = there[place % len(there)]
            out[partner] = [(rows * int(widths[r]), blocks[r].ctypes.data) for r in there]
            for i, sender in enumerate(there):
                if node.ranks[i % len(node.ranks)] == box.rank:
                    into[sender] = [
                        (int(sizes[sender] * widths[r]), array.ctypes.data + int(starts[sender] * widths[r]) * item)
                        for r, array in zip(node.ranks, shared)
                        for sizes, starts in dealt
                    ]
        base = MPI._typedict[np.dtype(kind).char]
        self._types = [
            [base.Create_hindexed([n for n, _ in parts], [place for _, place in parts]).Commit() for parts in side]
            for side in (out, into)
        ]
        self._counts = [[int(any(length for length, _ in parts)) for parts in side] for side in (out, into)]
        self._zeros = [0] * size
        weakref.finalize(self, _free, sum(self._types, []))

    def _spec(self, side):
        from mpi4py import MPI

        return [MPI.BOTTOM, (self._counts[side], self._zeros), self._types[side]]

    def to_points(self, comm):
        if self._any:
            comm.Alltoallw(self._spec(0), self._spec(1))

    def to_rows(self, comm):
        if self._any:
            comm.Alltoallw(self._spec(1), self._spec(0))


def _free(types):
    """Give MPI datatypes back. Local; at the end of the process it comes before MPI's own end."""
    for datatype in types:
        datatype.Free()

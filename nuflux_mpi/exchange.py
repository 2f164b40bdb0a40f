"""The exchange between points and rows: what a rank has of all rows at its points, and whole rows where their waves are.

A row is cut into pieces, one for each rank, of the columns that this rank holds. On one node the ranks see each other's
memory (:mod:`~nuflux_mpi.node`): a row is put down piece by piece where it is needed, as it comes out of its transform,
and picked up in the same way. Nothing is copied on the way; ranks only wait for each other.

Between nodes pieces travel in messages, packed by the loops that make or read the rows. All that one rank has for all
ranks of another node goes in one message to one of them, its partner there, and MPI puts it into the memory of each. So R ranks on
nodes of p send R (R/p - 1) messages in one all-to-all, not R (R - 1).
"""

import weakref
from typing import NamedTuple

import numpy as np

# Columns of a table of pieces: address of the first piece of a rank, bytes of a piece, its first byte in the row, and by
# which numbering the pieces lie one after the other: GLOBAL (all rows) or OWN (this rank's).
_ADDRESS, _BYTES, _FIRST, _NUMBERING = range(4)
_GLOBAL, _OWN = 0, 1


class Rows(NamedTuple):
    """Rows to read or to write: whole ones in `lines`, or where `pieces` says.

    lines: (rows, N2), or, where there are pieces, room for a single row. pieces: (ranks, 4) integers, see above, none where
    rows are whole; numbers: (2, rows), number of each row among all rows and among this rank's.
    """

    lines: np.ndarray
    pieces: np.ndarray
    numbers: np.ndarray


WHOLE = np.zeros((0, 4), dtype=np.intp)  # no pieces


class Exchange:
    """One way of cutting rows into pieces: see the module's text.

    box: whose ranks, columns and node. line: (1, N2), room for a row. shared: for each rank of the node its
    array (all rows, its columns). dealt: over segments the (sizes, starts) over the ranks of the rows that each holds.
    counts: the numbers of leading segments that will be asked for.

    Between :meth:`open` and :meth:`close` rows may be written, between :meth:`fetch` and :meth:`release` read, both of the
    leading `segments`. All four wait for the other ranks of the node; where there are several nodes `close` and `fetch` make
    an all-to-all.
    """

    def __init__(self, box, line, shared, dealt, counts):
        self.node, self.comm, self.line = box.node, box.comm, line
        item, kind = line.itemsize, line.dtype
        held = [int(sizes[box.rank]) for sizes, _ in dealt]
        rows = sum(held)
        widths, starts = box.columns, box.column_starts
        outside = [r for r in range(box.size) if r not in box.node.ranks]
        # One block (rows, columns) for each rank of another node, the ranks of a node in a row.
        first = dict(zip(outside, np.concatenate(([0], np.cumsum(rows * widths[outside])))[:-1].astype(int)))
        self._packed = np.zeros(rows * int(widths[outside].sum()), kind)
        pieces, self._parts = np.zeros((box.size, 4), dtype=np.intp), []
        ends = np.cumsum(held)
        for r in range(box.size):
            columns = slice(starts[r], starts[r] + widths[r])
            if r in first:
                block = self._packed[first[r] : first[r] + rows * widths[r]].reshape(rows, widths[r])
                numbering, parts = _OWN, [block[end - size : end] for size, end in zip(held, ends)]
            else:
                block, numbering = shared[box.node.ranks.index(r)], _GLOBAL
                parts = [block[begin[box.rank] : begin[box.rank] + size] for size, (_, begin) in zip(held, dealt)]
            pieces[r] = block.ctypes.data, widths[r] * item, starts[r] * item, numbering
            self._parts += [(i, slice(end - size, end), columns, part)
                            for i, (size, end, part) in enumerate(zip(held, ends, parts))]
        self._pieces = pieces[widths > 0]
        numbers = [np.arange(begin[box.rank], begin[box.rank] + size) for size, (_, begin) in zip(held, dealt)]
        self._numbers = np.stack((np.concatenate(numbers), np.arange(rows))).astype(np.intp)
        self._rows = {n: int(sum(held[:n])) for n in counts}
        self._keep = shared  # whose addresses are in the tables
        self._messages = {n: _Messages(box, self._packed, first, shared, dealt[:n], self._rows[n]) for n in counts}

    def rows(self, segments):
        return Rows(self.line, self._pieces, self._numbers[:, : self._rows[segments]])

    def open(self, segments):
        """The :class:`Rows` to write into. Collective."""
        self.node.wait()
        return self.rows(segments)

    def close(self, segments):
        """Bring what was written to the points. Collective."""
        self._messages[segments].to_points(self.comm)
        self.node.wait()

    def fetch(self, segments):
        """The :class:`Rows` to read, from the points. Collective."""
        self.node.wait()
        self._messages[segments].to_rows(self.comm)
        return self.rows(segments)

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


class _Messages:
    """The messages between nodes, of the rows that each rank holds, `rows` on this one: an all-to-all, or nothing.

    A rank sends to its partner on each other node, one block for each rank there, from `packed`; it receives from those of
    whom it is the partner, and what it receives lies, in blocks of rows, in the arrays of all ranks of its own node.
    """

    def __init__(self, box, packed, first, shared, dealt, rows):
        from mpi4py import MPI

        node, size = box.node, box.size
        self._types, self._any = None, len(node.nodes) > 1
        if not self._any:
            return
        base, item, widths = MPI._typedict[packed.dtype.char], packed.itemsize, box.columns
        blocks = [([], []) for _ in range(size)], [([], []) for _ in range(size)]  # lengths and addresses, out and in
        mine = node.ranks.index(box.rank)
        for there in node.nodes:
            if there == node.ranks:
                continue
            lengths, addresses = blocks[0][there[mine % len(there)]]
            for r in there:
                lengths.append(rows * int(widths[r]))
                addresses.append(packed.ctypes.data + first[r] * item)
            for i, sender in enumerate(there):
                if node.ranks[i % len(node.ranks)] != box.rank:
                    continue
                lengths, addresses = blocks[1][sender]
                for r, array in zip(node.ranks, shared):
                    for sizes, starts in dealt:
                        lengths.append(int(sizes[sender] * widths[r]))
                        addresses.append(array.ctypes.data + int(starts[sender] * widths[r]) * item)
        self._types = [[base.Create_hindexed(*block).Commit() for block in side] for side in blocks]
        self._counts = [[int(any(lengths)) for lengths, _ in side] for side in blocks]
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

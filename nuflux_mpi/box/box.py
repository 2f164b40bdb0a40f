"""The periodic box: grid, decomposition over the ranks, transforms, derivatives and sums.

Everything that knows how space is cut lives here. Fields are *lines*: real functions of space, one per mode and flavor
component, stored as ``(lines, *box.local_shape)`` with all lines and only a part of space on each rank. A
:class:`Transform` takes a batch of lines to Fourier space and back, with one message exchange each way.

How a one-dimensional box is cut
--------------------------------
The ``N`` points are read as a matrix, ``z index = N2 a + b`` with ``0 <= a < N1`` and ``0 <= b < N2``. A rank holds all
``a`` for its own block of ``b``. With ``N1 = 1`` that is the plain slab: contiguous blocks that differ by one point at
most. The discrete Fourier transform splits the same way, ``wave index = c + N1 d``::

    X[c + N1 d] = sum_b exp(-2 pi i b d / N2) exp(-2 pi i b c / N) sum_a x[N2 a + b] exp(-2 pi i a c / N1)

The inner sum over ``a`` is local (a short real transform), then come the twiddle factors, then *one* exchange that
brings all ``b`` of a pair (line, ``c``) to one rank (:mod:`~nuflux_mpi.box.exchange`), and the sum over ``b``. The second
transposition of the textbook is never made: the state stays in this order of wave numbers, and nobody needs another. With
at least as many lines as ranks ``N1 = 1`` and whole lines are exchanged for slabs; with fewer, the smallest ``N1`` is taken
that gives every rank work in both spaces.

Two and three dimensions
------------------------
The axes are x, z or x, y, z, and the last one is cut into slabs. The path is the same, with the other axes in the place
of ``a``: a real transform along them, which is local, one exchange that brings all of z for a pair (line, inner wave) to
one rank, and the transform along z. There are no twiddle factors, and ``N1`` stays 1.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputError
from ..runtime.shapes import Array, Field
from . import fft_plans
from .axes import AXES
from .derivative import Gradient, Slope
from .node import node_of
from .plan import Plan, blocks, plan
from .transform import Transform


class Box:
    """Periodic box of one to three dimensions, cut over the ranks of a communicator.

    length, points, origin: lengths in 1/mu, numbers of points, coordinates of the first point; numbers, or lists with one
        entry per axis (one `origin` serves all axes). The axes are z, or x, z, or x, y, z: the last one is cut.
    lines: number of lines the state has; together with the ranks it decides the cut (see the module's text).
    comm: an mpi4py communicator; the box keeps it and never uses another.
    fftw: "measure" or "estimate", the effort of FFTW's planner. With "estimate" plans, and so the last bits of every
        result, repeat from run to run.
    factor: force ``N1`` of a box of one dimension (tests of the factored transform on few ranks).
    exchange: "auto", ranks of one node exchange through memory they share, and "messages", they do not; see
        :func:`~nuflux_mpi.box.node.node_of`.

    Attributes (tuples have one entry per space dimension): `length`, `points`, `origin`, `spacing`, `volume`,
    `cell` (volume per point), `local_shape` (points of this rank); `columns` and `column_starts` (ranks,), the blocks of
    the N2 columns.
    Raises InputError if the ranks cannot be fed. All ranks must call every method that communicates: `sum`, `integral`,
    `mean`, `max`, `total`, `transform`, `gradient`, `read`, and whatever a :class:`Transform` does.
    """

    def __init__(self, length, points, lines, comm, origin=0.0, fftw="measure", factor=None, exchange="auto"):
        self.points = tuple(int(n) for n in np.atleast_1d(points))
        self.length = tuple(np.atleast_1d(np.asarray(length, dtype=float)))
        d = len(self.points)
        if not d == len(self.length) <= len(AXES):
            raise InputError(
                f"box.length and box.points must have one number for each of up to three axes, not {len(self.length)} and {d}"
            )
        self.origin = tuple(np.broadcast_to(np.asarray(origin, dtype=float), (d,)))
        self.comm, self.rank, self.size = comm, comm.Get_rank(), comm.Get_size()
        self.fftw, self.exchange = fftw, exchange
        grid = self.points if d > 1 else self.points[0]
        self.plan = plan(grid, lines, self.size) if factor is None else Plan(self.points[-1], lines, self.size, factor)
        self.spacing = tuple(L / N for L, N in zip(self.length, self.points))
        self.volume = math.prod(self.length)
        self.global_points = math.prod(self.points)
        self.cell = self.volume / self.global_points
        N1, N2 = self.plan.N1, self.plan.N2
        self.columns, self.column_starts = blocks(N2, self.size)
        self._nb, self._b0 = int(self.columns[self.rank]), int(self.column_starts[self.rank])
        self.local_shape = (*self.plan.across, N1 * self._nb)

    def __repr__(self):
        cut = f"{self.plan.N1} x {self.plan.N2}" if self.plan.factored else "slabs"
        return f"Box(length={self.length}, points={self.points}, ranks={self.size}, cut={cut}, local={self.local_shape})"

    @property
    def dimensions(self) -> int:
        return len(self.points)

    @cached_property
    def node(self):
        """The :class:`~nuflux_mpi.box.node.Node` of this rank. Collective at the first use."""
        return node_of(self.comm, self.exchange)

    def remember_plans(self):
        """Keep what FFTW has learned about the transforms of this box for later runs. Call it on one rank."""
        fft_plans.remember()

    @property
    def vector_shape(self) -> tuple[int, ...]:
        """Shape of a vector of space in front of the points: nothing in one dimension, else (axes,)."""
        return (self.dimensions,) if self.dimensions > 1 else ()

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes in order: ("z",), ("x", "z") or ("x", "y", "z")."""
        return AXES[self.dimensions]

    def indices(self) -> tuple[Array, ...]:
        """Global grid indices of this rank's points, one integer array per dimension, broadcastable to `local_shape`."""
        a = np.arange(self.plan.N1)[:, None] * self.plan.N2
        z = (a + np.arange(self._b0, self._b0 + self._nb)[None, :]).ravel()
        return np.ix_(*map(np.arange, self.plan.across), z)

    def coordinates(self) -> list[Array]:
        """Coordinates of this rank's points in 1/mu, one array per dimension, broadcastable to `local_shape`."""
        return [start + step * index for start, step, index in zip(self.origin, self.spacing, self.indices())]

    def axes(self) -> list[Array]:
        """The whole grid's coordinates in 1/mu, one array per dimension (the same on all ranks, no communication)."""
        return [start + step * np.arange(N) for start, step, N in zip(self.origin, self.spacing, self.points)]

    def hyperslab(self) -> tuple[tuple[int, ...], ...]:
        """This rank's points in a global array: (start, stride, count, block) for HDF5, one entry per dimension."""
        whole, cut = self.plan.across, self.plan
        start, count = (0,) * len(whole), (1,) * len(whole)
        return (*start, self._b0), (*whole, cut.N2), (*count, cut.N1), (*whole, self._nb)

    def read(self, path, name: str, leading: tuple[int, ...], key: str) -> Field:
        """This rank's part of the HDF5 dataset `name`, global shape ``(*leading, *points)``; collective.

        Returns a float64 array ``(*leading, *local_shape)``. Raises the same InputError on all ranks if the file, the
        dataset or its shape is not as asked; it begins with the config key that named the file. See :mod:`nuflux_mpi.storage.start_file`.
        """
        from ..storage import start_file

        found = start_file.find(path, (name,), key, self.comm, [(*leading, *self.points)])
        return start_file.field(found, name, self)

    # Sums over space. The trailing axes of `field` are this rank's points.

    def sum(self, field: Field) -> Any:
        """Sum over all points of the box; shape of the leading axes, the same on all ranks."""
        field = np.asarray(field)
        local = field.reshape(field.shape[: field.ndim - self.dimensions] + (-1,)).sum(axis=-1)
        return self.total(local)

    def integral(self, field: Field) -> Any:
        """Integral over the box (trapezoid rule, spectrally accurate for periodic fields), same shape as `sum`."""
        return self.sum(field) * self.cell

    def mean(self, field: Field) -> Any:
        return self.sum(field) / self.global_points

    def max(self, field: Field) -> float:
        """Largest value over all points, all leading axes and all ranks, as a float; NaN if there is one anywhere."""
        field = np.asarray(field)
        local = float(field.max()) if field.size else -np.inf
        # MPI's MAX leaves the order of NaN open: carry them as a second number.
        both = np.array([-np.inf if np.isnan(local) else local, float(np.isnan(local))])
        from mpi4py import MPI

        self.comm.Allreduce(MPI.IN_PLACE, both, op=MPI.MAX)
        return float("nan") if both[1] else float(both[0])

    def total(self, local) -> Any:
        """Sum of one small array over the ranks."""
        from mpi4py import MPI

        total = np.array(local, dtype=float)
        if self.size > 1:
            self.comm.Allreduce(MPI.IN_PLACE, total, op=MPI.SUM)
        return total if total.ndim else float(total)

    def transform(self, *segments: int, back: tuple[int, ...] | None = None, aligned: bool = False) -> Transform:
        """A :class:`Transform` for ``sum(segments)`` lines; see there for `back` and `aligned`."""
        return Transform(self, segments, (len(segments),) if back is None else back, aligned)

    def gradient(self, lines: int) -> Slope | Gradient:
        """The spectral derivative of `lines` lines: a :class:`Slope` in one dimension, else a :class:`Gradient`."""
        return Slope(self, lines) if self.dimensions == 1 else Gradient(self, lines)

    @staticmethod
    def gradient_lines(lines: int, axes: int) -> int:
        """Real functions of space that the arrays of a gradient of so many hold: in more dimensions than one the result, too."""
        return lines if axes == 1 else lines * (1 + axes)

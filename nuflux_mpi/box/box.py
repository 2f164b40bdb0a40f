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
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np

from ..errors import InputError
from ..kernels import kernels
from .axes import AXES
from .columns import Across, SlopeAcross
from .exchange import Exchange, Stay
from .fft_plans import LinePlan, usable, zeros
from .node import node_of


def blocks(total, ranks):
    """Sizes and starts of `total` items dealt to `ranks` in contiguous blocks that differ by one item at most."""
    quotient, remainder = divmod(total, ranks)
    sizes = np.full(ranks, quotient, dtype=int)
    sizes[:remainder] += 1
    return sizes, np.concatenate(([0], np.cumsum(sizes)[:-1]))


@dataclass(frozen=True)
class Plan:
    """How a box is cut: z has ``points = N1 * N2`` points, and the columns ``b`` of the N1 x N2 matrix are dealt to the ranks.

    across: points along the other axes of the box, which are whole on every rank; ``N1 = 1`` where there are any.
    """

    points: int
    lines: int
    ranks: int
    N1: int
    across: tuple = ()

    @property
    def N2(self):
        return self.points // self.N1

    @property
    def total(self):
        """Points of the whole box."""
        return self.points * math.prod(self.across)

    @property
    def inner(self):
        """Points along the axes that are transformed before the exchange: the other axes, or the rows of a factored z."""
        return (self.N1,) if self.factored else self.across

    @property
    def inner_waves(self):
        """Waves kept along each of these axes: half of the last one suffices, the others are conjugates."""
        return (*self.inner[:-1], self.inner[-1] // 2 + 1) if self.inner else ()

    @property
    def pairs_per_line(self):
        """Number of inner waves kept of each real line: wave-number residues ``c``, or waves along the other axes."""
        return math.prod(self.inner_waves)

    @property
    def points_per_rank(self):
        """Points on each rank, shape (ranks,)."""
        return math.prod(self.across) * self.N1 * blocks(self.N2, self.ranks)[0]

    @property
    def factored(self):
        return self.N1 > 1

    def __str__(self):
        if self.factored:
            return f"{self.N1} x {self.N2} points, columns dealt to the ranks"
        return "slabs" if not self.across else "slabs of z"


@lru_cache(maxsize=None)
def _divisors(points):
    small = [i for i in range(1, int(points**0.5) + 1) if points % i == 0]
    return sorted(set(small + [points // i for i in small]))


# A cut is accepted when at least this part of the ranks has waves to work on; every rank has points in any case.
_BUSY = 0.75


def _candidates(points, lines, ranks):
    """All plans for a box of so many points, an integer or one per axis: with several axes there is one."""
    *across, points = np.atleast_1d(points).tolist()
    factors = [1] if across else _divisors(points)
    return [Plan(points, lines, ranks, N1, tuple(across)) for N1 in factors]


def _busy_ranks(candidate):
    """Ranks with rows in wave space; 0 where some rank would be without points."""
    busy = min(candidate.ranks, candidate.lines * candidate.pairs_per_line)
    return busy if candidate.N2 >= candidate.ranks else 0


def most_ranks(points, lines):
    """The largest number of ranks that `lines` lines of `points` points (an integer, or one per axis) can feed."""
    return max(min(candidate.N2, int(lines * candidate.pairs_per_line / _BUSY)) for candidate in _candidates(points, lines, 1))


def plan(points, lines, ranks):
    """Cut `points` points (an integer, or one per axis) and `lines` lines for `ranks` ranks.

    In one dimension the smallest ``N1`` is taken that keeps most ranks busy. Pure function, no communication. InputError if
    too many ranks would idle; it names the largest possible number.
    """
    best = max(_candidates(points, lines, ranks), key=lambda candidate: (_busy_ranks(candidate), -candidate.N1))
    if _busy_ranks(best) < _BUSY * ranks:
        remedy = (
            "more points along z, the last axis" if best.across else "more points with many divisors (a power of two is best)"
        )
        raise InputError(
            f"{ranks} ranks are more than this box can feed: {lines} lines (modes x components) of box.points = "
            f"{' x '.join(map(str, (*best.across, best.points)))} points can be cut for at most "
            f"{most_ranks(points, lines)} ranks; use fewer ranks, or {remedy}"
        )
    return best


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
    def dimensions(self):
        return len(self.points)

    @cached_property
    def node(self):
        """The :class:`~nuflux_mpi.box.node.Node` of this rank. Collective at the first use."""
        return node_of(self.comm, self.exchange)

    @property
    def vector_shape(self):
        """Shape of a vector of space in front of the points: nothing in one dimension, else (axes,)."""
        return (self.dimensions,) if self.dimensions > 1 else ()

    @property
    def axis_names(self):
        """Names of the axes in order: ("z",), ("x", "z") or ("x", "y", "z")."""
        return AXES[self.dimensions]

    def indices(self):
        """Global grid indices of this rank's points, one integer array per dimension, broadcastable to `local_shape`."""
        a = np.arange(self.plan.N1)[:, None] * self.plan.N2
        z = (a + np.arange(self._b0, self._b0 + self._nb)[None, :]).ravel()
        return np.ix_(*map(np.arange, self.plan.across), z)

    def coordinates(self):
        """Coordinates of this rank's points in 1/mu, one array per dimension, broadcastable to `local_shape`."""
        return [start + step * index for start, step, index in zip(self.origin, self.spacing, self.indices())]

    def axes(self):
        """The whole grid's coordinates in 1/mu, one array per dimension (the same on all ranks, no communication)."""
        return [start + step * np.arange(N) for start, step, N in zip(self.origin, self.spacing, self.points)]

    def hyperslab(self):
        """This rank's points in a global array: (start, stride, count, block) for HDF5, one entry per dimension."""
        whole, cut = self.plan.across, self.plan
        start, count = (0,) * len(whole), (1,) * len(whole)
        return (*start, self._b0), (*whole, cut.N2), (*count, cut.N1), (*whole, self._nb)

    def read(self, path, name, leading, key):
        """This rank's part of the HDF5 dataset `name`, global shape ``(*leading, *points)``; collective.

        Returns a float64 array ``(*leading, *local_shape)``. Raises the same InputError on all ranks if the file, the
        dataset or its shape is not as asked; it begins with the config key that named the file. See :mod:`nuflux_mpi.storage.start_file`.
        """
        from ..storage import start_file

        found = start_file.find(path, (name,), key, self.comm, [(*leading, *self.points)])
        return start_file.field(found, name, self)

    # Sums over space. The trailing axes of `field` are this rank's points.

    def sum(self, field):
        """Sum over all points of the box; shape of the leading axes, the same on all ranks."""
        field = np.asarray(field)
        local = field.reshape(field.shape[: field.ndim - self.dimensions] + (-1,)).sum(axis=-1)
        return self.total(local)

    def integral(self, field):
        """Integral over the box (trapezoid rule, spectrally accurate for periodic fields), same shape as `sum`."""
        return self.sum(field) * self.cell

    def mean(self, field):
        return self.sum(field) / self.global_points

    def max(self, field):
        """Largest value over all points, all leading axes and all ranks, as a float; NaN if there is one anywhere."""
        field = np.asarray(field)
        local = float(field.max()) if field.size else -np.inf
        # MPI's MAX leaves the order of NaN open: carry them as a second number.
        both = np.array([-np.inf if np.isnan(local) else local, float(np.isnan(local))])
        from mpi4py import MPI

        self.comm.Allreduce(MPI.IN_PLACE, both, op=MPI.MAX)
        return float("nan") if both[1] else float(both[0])

    def total(self, local):
        """Sum of one small array over the ranks."""
        from mpi4py import MPI

        total = np.array(local, dtype=float)
        if self.size > 1:
            self.comm.Allreduce(MPI.IN_PLACE, total, op=MPI.SUM)
        return total if total.ndim else float(total)

    def transform(self, *segments, back=None, aligned=False):
        """A :class:`Transform` for ``sum(segments)`` lines; see there for `back` and `aligned`."""
        return Transform(self, segments, (len(segments),) if back is None else back, aligned)

    def gradient(self, lines):
        """The spectral derivative of `lines` lines: a :class:`Slope` in one dimension, else a :class:`Gradient`."""
        return Slope(self, lines) if self.dimensions == 1 else Gradient(self, lines)


class Transform:
    """Fourier transform of a batch of real lines, between points (all lines here) and waves (all waves of a row here).

    physical: (lines, *box.local_shape) real, this rank's points of every line.
        On several ranks it is memory that the others of the node see.
    outer: (rows, N2) what the long transform makes of `spectral`: whole real lines in slabs of one dimension, else complex
        columns. On one rank it shares its memory with what comes next; on several it is made at the first use.
    spectral: (rows, K) complex, the rows this rank holds; allocated at the first use, as `shape` tells without it. Row r
        belongs to line ``line[r]``, to the inner wave ``residue[r]`` of it (see :class:`Plan`), and has the wave indices
        along z ``harmonic[r]`` (signed integers); `harmonic` and `k` have shape (rows, K), or (1, K) where all rows agree.
    k: wave number along z, 2 pi harmonic / L, and 0 for the Nyquist wave of an even grid: its derivative is not
        representable by a real function on the grid, and with 0 the derivative stays skew-adjoint.
    harmonics, wave_vector: the same for all axes, a tuple in their order with arrays that broadcast to (rows, K).
    weight: how many waves (itself and its conjugate) an entry stands for, shape (rows, 1) or (1, K); with
        ``c = spectral / points`` of a line, ``sum(weight |c|^2) = mean over space of line^2`` (Parseval).
    forward(segments): spectral = sum_z line exp(-i k z), unnormalised: divide by `points` for the amplitude c.
    backward(segments): line = sum_k c exp(+i k z); `spectral` is used up.

    The lines come in segments, e.g. (3 modes, modes) for polarization and energy, each dealt evenly to the ranks; one
    exchange carries all of them. Segments are dealt from the first and the last rank in turn, which
    balances the load, or with `aligned` all in the same way, so that equal segments lie on equal ranks.
    `back` lists the numbers of leading segments that can be asked for.
    """

    def __init__(self, box, segments, back, aligned):
        self.box, self.segments = box, tuple(int(s) for s in segments)
        plan, rank = box.plan, box.rank
        self.lines, self.points = sum(self.segments), plan.total
        pairs, first, held = [], 0, []
        for i, segment in enumerate(self.segments):
            sizes, starts = blocks(segment * plan.pairs_per_line, box.size)
            if i % 2 and not aligned:
                sizes, starts = sizes[::-1], starts[::-1]
            pairs.append((sizes, starts + first))
            held.append(np.arange(first + starts[rank], first + starts[rank] + sizes[rank]))
            first += segment * plan.pairs_per_line
        rows = np.concatenate(held)
        self.rows = len(rows)
        self.line, self.residue = np.divmod(rows, plan.pairs_per_line)
        self._lay_out_waves()
        self.shape = (self.rows, self.harmonic.shape[1])
        counts = tuple({*back, len(self.segments)})
        self._rows_of = {n: sum(len(h) for h in held[:n]) for n in counts}
        self._make_arrays(pairs, counts)
        self._to_waves, self._to_lines = ({n: plans(n) for n in counts} for plans in (self._long_forward, self._long_backward))
        self._inward, self._outward = ({n: steps(n) for n in counts} for steps in (self._inner_forward, self._inner_backward))

    @cached_property
    def spectral(self):
        return zeros(self.shape, complex)

    def _lay_out_waves(self):
        plan, length, c = self.box.plan, self.box.length, self.residue
        N, N1, N2 = plan.points, plan.N1, plan.N2
        if plan.factored:
            index = c[:, None] + N1 * np.arange(N2)[None, :]
        else:
            index = np.arange(N2 if plan.inner else N // 2 + 1)[None, :]
        self.harmonic = _signed(index, N)
        across = np.unravel_index(c, plan.inner_waves) if plan.across else ()
        across = [_signed(index, points)[:, None] for index, points in zip(across, plan.across)]
        self.harmonics = (*across, self.harmonic)
        self.wave_vector = tuple(map(_wave_numbers, self.harmonics, (*plan.across, N), length))
        self.k = self.wave_vector[-1]
        if plan.inner:
            # Conjugates of waves at the ends of the half axis lie at its ends too, where all of them are kept.
            half = c % plan.inner_waves[-1]
            self.weight = np.where((half == 0) | (2 * half == plan.inner[-1]), 1.0, 2.0)[:, None]
        else:
            self.weight = np.where((self.harmonic == 0) | (2 * self.harmonic == N), 1.0, 2.0)

    # `inner` is (pairs, local columns), `outer` is (rows, all columns): the two sides of the exchange. On one rank they
    # are the same array, and with whole lines `inner` is the physical array itself: nothing is copied.

    def _make_arrays(self, pairs, counts):
        plan, box = self.box.plan, self.box
        kind = complex if plan.inner else float
        if box.size == 1:
            self.outer = inner = zeros((self.lines * plan.pairs_per_line, box._nb), kind)
            self._exchange = Stay(inner, self._rows_of)
        else:
            shared = box.node.share([(self.lines * plan.pairs_per_line, box.columns[r]) for r in box.node.ranks], kind)
            inner = shared[box.node.ranks.index(box.rank)]
            self._exchange = Exchange(box, zeros((1, plan.N2), kind), shared, pairs, counts)
        if not plan.inner:
            self.physical = inner.reshape(self.lines, *box.local_shape)
            return
        self.physical = zeros((self.lines,) + box.local_shape)
        self._columns = inner.reshape(self.lines, *plan.inner_waves, box._nb)
        self._across = Across(plan.across, box._nb, box.fftw) if plan.across and usable() else None
        self._axes = tuple(range(1, 1 + len(plan.inner)))
        if plan.factored:
            b = np.arange(box._b0, box._b0 + box._nb)
            turn = np.outer(np.arange(plan.pairs_per_line), b)  # c b < N: an angle below one turn, exact before rounding
            self._twiddle = np.exp(-2j * np.pi * turn / plan.points)
            self._untwiddle = self._twiddle.conj()

    @cached_property
    def outer(self):
        return zeros((self.rows, self.box.plan.N2), complex if self.box.plan.inner else float)

    def _long_forward(self, count):
        from mpi4py_fft import fftw

        kind, rows = fftw.fftn if self.box.plan.inner else fftw.rfftn, self._rows_of[count]
        return _planned(kind, lambda: (self.outer[:rows], self.spectral[:rows]), self.box.fftw)

    def _long_backward(self, count):
        from mpi4py_fft import fftw

        plan, rows = self.box.plan, self._rows_of[count]
        kind, shape = (fftw.ifftn, None) if plan.inner else (fftw.irfftn, (plan.N2,))
        return _planned(kind, lambda: (self.spectral[:rows], self.outer[:rows]), self.box.fftw, shape=shape)

    def _matrices(self, count):
        """The leading segments at the points, and their inner waves: (lines, *inner, columns) and (lines, *waves, columns)."""
        lines = sum(self.segments[:count])
        return self.physical[:lines].reshape(lines, *self.box.plan.inner, self.box._nb), self._columns[:lines]

    def _inner_forward(self, count):
        """What is done from `physical` to the inner waves, a list of functions."""
        from mpi4py_fft import fftw

        plan = self.box.plan
        if not plan.inner:
            return []
        matrix, columns = self._matrices(count)
        if self._across:
            return [partial(self._across.forward, matrix, columns)]
        steps = [_planned(fftw.rfftn, lambda: (matrix, columns), self.box.fftw, axes=self._axes)]
        if plan.factored:
            steps.append(partial(np.multiply, columns, self._twiddle, out=columns))
        return steps

    def _inner_backward(self, count):
        """What is done from the inner waves to `physical`, a list of functions."""
        from mpi4py_fft import fftw

        plan = self.box.plan
        if not plan.inner:
            return []
        matrix, columns = self._matrices(count)
        if self._across:
            return [partial(self._across.backward, columns, matrix)]
        steps = [partial(np.multiply, columns, self._untwiddle, out=columns)] if plan.factored else []
        steps.append(_planned(fftw.irfftn, lambda: (columns, matrix), self.box.fftw, shape=plan.inner, axes=self._axes))
        return steps

    def forward(self, segments=None):
        """spectral <- physical, the leading `segments`, or all (`physical` is used up). One exchange."""
        segments = segments or len(self.segments)
        self.collect(segments)
        self._exchange.take(self.outer, segments)
        self.release()
        self._to_waves[segments]()
        return self.spectral

    def backward(self, segments=None):
        """physical <- spectral (amplitudes c), the leading `segments`, or all (`spectral` is used up). One exchange."""
        segments = segments or len(self.segments)
        self._to_lines[segments]()
        self.open(segments)
        self._exchange.put(self.outer, segments)
        return self.spread(segments)

    # The halves of the way, for those who do the long transforms themselves. All are collective.

    def collect(self, segments=None):
        """From `physical` (used up): the :class:`~nuflux_mpi.box.exchange.Rows` before the long transform, until `release`."""
        segments = segments or len(self.segments)
        for step in self._inward[segments]:
            step()
        return self._exchange.fetch(segments)

    def release(self):
        """The rows that `collect` gave are no longer read, and `physical` may be written."""
        self._exchange.release()

    def open(self, segments=None):
        """The :class:`~nuflux_mpi.box.exchange.Rows` to write after the long transform; then comes `spread`."""
        return self._exchange.open(segments or len(self.segments))

    def spread(self, segments=None):
        """physical <- the rows that were written after `open`, or changed after `collect`; returns it."""
        segments = segments or len(self.segments)
        self._exchange.close(segments)
        for step in self._outward[segments]:
            step()
        return self.physical

    def line_plans(self):
        """(backward, forward, waves): plans of the long transform for one row at a time, and a buffer for one row of waves.

        :class:`~nuflux_mpi.box.fft_plans.LinePlan` between `waves` (K,) and any row of ``Rows.lines``; None for the plans where there
        are no rows, None altogether where no compiled loop could execute them. The lines are lost.
        """
        if not usable():
            return None
        waves = zeros((1, self.shape[1]), complex)
        if self.rows == 0:
            return None, None, waves[0]
        lines = self._exchange.line
        back, forth = ("backward", "forward") if self.box.plan.inner else ("c2r", "r2c")
        length, effort = self.box.plan.N2, self.box.fftw
        plans = LinePlan(back, length, waves, lines, effort), LinePlan(forth, length, lines, waves, effort)
        lines[...] = 0.0
        return *plans, waves[0]

    def amplitudes(self, field):
        """Amplitudes c of the real lines `field` (lines, *local_shape): a new array (rows, K); `field` is kept."""
        self.physical[...] = field.reshape(self.physical.shape)
        return self.forward() / self.points


def _signed(index, points):
    """Signed harmonics of wave indices 0 .. points - 1; that of the Nyquist wave is positive."""
    return np.where(index > points // 2, index - points, index)


def _wave_numbers(harmonic, points, length):
    """2 pi harmonic / length, and 0 for the Nyquist wave (see :class:`Transform`)."""
    return np.where(2 * harmonic == points, 0.0, 2 * np.pi / length * harmonic)


def _planned(kind, arrays, effort, shape=None, axes=(-1,), keep=False):
    """A callable that transforms along some axes, or does nothing where this rank has no rows.

    ``arrays() = (source, target)``. It is asked, and FFTW plans, at the first call: lines that are only ever transformed one
    by one need neither a plan for the batch nor room for its waves. The source is used up, unless a real one is to `keep`.
    """
    from mpi4py_fft import fftw

    flags = (getattr(fftw, f"FFTW_{effort.upper()}"), fftw.FFTW_PRESERVE_INPUT if keep else fftw.FFTW_DESTROY_INPUT)

    @lru_cache(maxsize=None)
    def plan():
        source, target = arrays()
        if 0 in source.shape or 0 in target.shape:
            return lambda: None
        kept = source.copy()  # the planner scribbles on both arrays
        made = kind(source, s=shape, axes=tuple(axis % source.ndim for axis in axes), flags=flags, output_array=target)
        source[...] = kept
        return made

    return lambda: plan()()


class Slope:
    """Spectral derivative d/dz of a batch of lines of a box of one dimension, exactly skew-adjoint on the grid.

    Calling it with lines ``(lines, *local_shape)`` returns their derivative, an array of the same shape that the next
    call overwrites. Two exchanges. `Slope.lines` is where a caller may write the lines to save the copy.
    """

    def __init__(self, box, lines):
        transform = self._transform = box.transform(lines)
        plans = transform.line_plans()
        if plans is None:
            self._differentiate = self._batch
            self._factor = 1j * transform.k / box.global_points
        else:
            self._differentiate = self._line_by_line
            self._backward, self._forward, self._waves = plans
            self._rate = transform.k / box.global_points
        self.lines = transform.physical

    def __call__(self, field=None):
        if field is not None:
            self.lines[...] = field.reshape(self.lines.shape)
        self._differentiate()
        return self.lines

    def _batch(self):
        spectral = self._transform.forward()
        np.multiply(spectral, self._factor, out=spectral)
        self._transform.backward()

    def _line_by_line(self):
        rows = self._transform.collect()
        if self._forward is not None:
            plans = self._forward.address, self._backward.address
            kernels.differentiate_lines(*rows, self._rate, *plans, self._waves)
        self._transform.spread()


class Gradient:
    """Spectral gradient of a batch of lines of a box of two or three dimensions, exactly skew-adjoint on the grid.

    Calling it with lines ``(lines, *local_shape)`` returns their derivatives ``(axes, lines, *local_shape)``, an array that
    the next call overwrites. A derivative along z has each point of the other axes as a line of its own, in slabs: two
    exchanges of real numbers. The others are local, since their axes are whole on every rank.
    """

    def __init__(self, box, lines):
        others = box.plan.across
        rows = lines * math.prod(others)
        along_z = Box(box.length[-1], box.points[-1], rows, box.comm, fftw=box.fftw, factor=1, exchange=box.exchange)
        self._along_z = Slope(along_z, rows)
        self.lines = self._along_z.lines.reshape(lines, *box.local_shape)
        self._result = zeros((box.dimensions, *self.lines.shape))
        self._across = [_slope_across(box, self.lines, axis, self._result[axis]) for axis in range(len(others))]

    def __call__(self, field=None):
        if field is not None:
            self.lines[...] = field.reshape(self.lines.shape)
        for differentiate in self._across:
            differentiate()
        self._result[-1] = self._along_z().reshape(self.lines.shape)
        return self._result


def _slope_across(box, lines, axis, slope):
    """A callable for ``slope <- d lines / d(axis)`` along an axis that is whole on every rank; `lines` are kept."""
    from mpi4py_fft import fftw

    points, position = box.points[axis], axis - box.dimensions
    if usable():
        rate = _wave_numbers(_signed(np.arange(points), points), points, box.length[axis]) / points
        shape = (-1, points, math.prod(lines.shape[position + 1 :]))
        return partial(SlopeAcross(rate, shape[-1], box.fftw), lines.reshape(shape), slope.reshape(shape))
    shape = list(lines.shape)
    shape[position] = points // 2 + 1
    waves = zeros(tuple(shape), complex)
    k = _wave_numbers(np.arange(points // 2 + 1), points, box.length[axis])
    factor = (1j / points * k).reshape(-1, *[1] * (-position - 1))
    forward = _planned(fftw.rfftn, lambda: (lines, waves), box.fftw, axes=(position,), keep=True)
    backward = _planned(fftw.irfftn, lambda: (waves, slope), box.fftw, shape=(points,), axes=(position,))

    def differentiate():
        forward()
        np.multiply(waves, factor, out=waves)
        backward()

    return differentiate

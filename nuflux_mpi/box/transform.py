"""Transforms of a batch of real lines between points and waves, with one message exchange each way; see :mod:`~nuflux_mpi.box.box`."""

from __future__ import annotations

from functools import cache, cached_property, partial
from typing import Any, Protocol

import numpy as np

from ..runtime.shapes import Lines, Waves
from .columns import Across
from .exchange import Exchange, Stay
from .fft_plans import LinePlan, recall, usable, zeros
from .plan import blocks


class LineTransform(Protocol):
    """What the interaction picture and checkpoints ask of a transform: a :class:`Transform`, or something in its place.

    The meaning and shapes of all attributes are those of :class:`Transform`. ``line_plans() is None`` tells that lines cannot
    be transformed one by one: then `forward` and `backward` are called, otherwise `collect`, `release`, `open` and `spread`.
    """

    box: Any
    lines: int
    points: int
    rows: int
    shape: tuple
    physical: Lines
    spectral: Waves
    line: np.ndarray
    residue: np.ndarray
    harmonic: np.ndarray
    weight: np.ndarray
    k: np.ndarray
    wave_vector: tuple

    def forward(self, segments: int | None = None) -> Waves: ...

    def backward(self, segments: int | None = None) -> Lines: ...

    def line_plans(self) -> tuple | None: ...


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
        pairs, held = [], []
        first: Any = 0
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
        self.harmonic = signed(index, N)
        across = np.unravel_index(c, plan.inner_waves) if plan.across else ()
        across = [signed(index, points)[:, None] for index, points in zip(across, plan.across)]
        self.harmonics = (*across, self.harmonic)
        self.wave_vector = tuple(map(wave_numbers, self.harmonics, (*plan.across, N), length))
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
        return planned(kind, lambda: (self.outer[:rows], self.spectral[:rows]), self.box.fftw)

    def _long_backward(self, count):
        from mpi4py_fft import fftw

        plan, rows = self.box.plan, self._rows_of[count]
        kind, shape = (fftw.ifftn, None) if plan.inner else (fftw.irfftn, (plan.N2,))
        return planned(kind, lambda: (self.spectral[:rows], self.outer[:rows]), self.box.fftw, shape=shape)

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
        steps = [planned(fftw.rfftn, lambda: (matrix, columns), self.box.fftw, axes=self._axes)]
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
        steps: list = [partial(np.multiply, columns, self._untwiddle, out=columns)] if plan.factored else []
        steps.append(planned(fftw.irfftn, lambda: (columns, matrix), self.box.fftw, shape=plan.inner, axes=self._axes))
        return steps

    def forward(self, segments: int | None = None) -> Waves:
        """spectral <- physical, the leading `segments`, or all (`physical` is used up). One exchange."""
        segments = segments or len(self.segments)
        self.collect(segments)
        self._exchange.take(self.outer, segments)
        self.release()
        self._to_waves[segments]()
        return self.spectral

    def backward(self, segments: int | None = None) -> Lines:
        """physical <- spectral (amplitudes c), the leading `segments`, or all (`spectral` is used up). One exchange."""
        segments = segments or len(self.segments)
        self._to_lines[segments]()
        self.open(segments)
        self._exchange.put(self.outer, segments)
        return self.spread(segments)

    # The halves of the way, for those who do the long transforms themselves. All are collective.

    def collect(self, segments=None):
        """From `physical` (used up): the :class:`~nuflux_mpi.kernels.records.Rows` before the long transform, until `release`."""
        segments = segments or len(self.segments)
        for step in self._inward[segments]:
            step()
        return self._exchange.fetch(segments)

    def release(self):
        """The rows that `collect` gave are no longer read, and `physical` may be written."""
        self._exchange.release()

    def open(self, segments=None):
        """The :class:`~nuflux_mpi.kernels.records.Rows` to write after the long transform; then comes `spread`."""
        return self._exchange.open(segments or len(self.segments))

    def spread(self, segments: int | None = None) -> Lines:
        """physical <- the rows that were written after `open`, or changed after `collect`; returns it."""
        segments = segments or len(self.segments)
        self._exchange.close(segments)
        for step in self._outward[segments]:
            step()
        return self.physical

    def line_plans(self) -> tuple | None:
        """(backward, forward, waves): plans of the long transform for one row at a time, and a buffer for one row of waves.

        :class:`~nuflux_mpi.box.fft_plans.LinePlan` between `waves` (K,) and any row of the exchange; None for the plans where there
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

    def amplitudes(self, field: Lines) -> Waves:
        """Amplitudes c of the real lines `field` (lines, *local_shape): a new array (rows, K); `field` is kept."""
        self.physical[...] = field.reshape(self.physical.shape)
        return self.forward() / self.points


def signed(index, points):
    """Signed harmonics of wave indices 0 .. points - 1; that of the Nyquist wave is positive."""
    return np.where(index > points // 2, index - points, index)


def wave_numbers(harmonic, points, length):
    """2 pi harmonic / length, and 0 for the Nyquist wave (see :class:`Transform`)."""
    return np.where(2 * harmonic == points, 0.0, 2 * np.pi / length * harmonic)


def planned(kind, arrays, effort, shape=None, axes=(-1,), keep=False):
    """A callable that transforms along some axes, or does nothing where this rank has no rows.

    ``arrays() = (source, target)``. It is asked, and FFTW plans, at the first call: lines that are only ever transformed one
    by one need neither a plan for the batch nor room for its waves. The source is used up, unless a real one is to `keep`.
    """
    from mpi4py_fft import fftw

    flags = (getattr(fftw, f"FFTW_{effort.upper()}"), fftw.FFTW_PRESERVE_INPUT if keep else fftw.FFTW_DESTROY_INPUT)

    @cache
    def plan():
        source, target = arrays()
        if 0 in source.shape or 0 in target.shape:
            return lambda: None
        if effort == "measure":
            recall()
        kept = source.copy()  # the planner scribbles on both arrays
        made = kind(source, s=shape, axes=tuple(axis % source.ndim for axis in axes), flags=flags, output_array=target)
        source[...] = kept
        return made

    return lambda: plan()()

"""The interaction picture: advection solved exactly, so that time steps follow the flavor dynamics and not the grid.

A line P moving with velocity v obeys ``(d_t + v d_z) P = R``. With amplitudes c_k of the line, the state

    u_k = sqrt(weight) exp(i k v t) c_k        obeys       d_t u_k = sqrt(weight) exp(i k v t) R_k :

the advection is gone from the equation and from its stability limit (an integrating factor, as in Lawson's methods). The
factor sqrt(weight) makes the Euclidean norm of the state the norm of the fields, ``|u|^2 = mean over space of sum of
line^2``, so that an error tolerance for the state is one for the fields. In two and three dimensions k v is the scalar
product of the wave vector and the velocity.
"""

import numpy as np

from .. import kernels
from ..kernels.records import Phases
from .fields import Declaration
from .flux import FluxTransform


class InteractionPicture:
    """Right-hand side of the state vector u for fields that advect linearly and interact locally in space.

    transform: the :class:`~nuflux_mpi.box.transform.Transform` of the lines; its `physical` array is where the source works.
    velocity: velocity of each line, (lines,) or (lines, axes).
    source, needed, active_source, local_flow: what `drive` is told, unless it is called later.

    `of` makes the one that a level has declared, in a periodic box. Another transport of the lines would be another class
    with the same methods, handed to the level in its place.

    The state is this rank's part, a real vector of length `size`, two numbers per complex amplitude; any rank may hold
    none. Its first `active` numbers are those of active lines. `rhs`, `correct`, `store` and `fields` communicate: all ranks
    must call them together. Cost of one `rhs`: one transform back of the needed lines, one forward of all lines, one pass
    over the state before and one after, nothing allocated.
    """

    @classmethod
    def of(cls, box, declared: Declaration):
        """The picture of the fields that a level declares, without a source yet."""
        if declared.flux_lines:
            return cls(FluxTransform(box, declared.lines), declared.velocity)
        segments = declared.segments
        return cls(box.transform(*segments, back=tuple({1, len(segments)})), declared.velocity)

    def __init__(self, transform, velocity, source=None, needed=1, active_source=None, local_flow=None):
        self.transform = transform
        rows, waves = transform.shape
        self.shape, self.size = (rows, waves), 2 * rows * waves
        # Lines of one velocity and residue share their phases.
        speeds = np.asarray(velocity, dtype=float).reshape(transform.lines, -1)[transform.line]
        key = np.column_stack((speeds, transform.residue.astype(float)))
        groups, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
        phases = _Phases(transform, groups[:, :-1], np.ascontiguousarray(group.reshape(-1), dtype=np.int64), first)
        plans = transform.line_plans()
        self._waves = _Batches(transform, phases) if plans is None else _Lines(transform, phases, *plans)
        self.drive(source, needed, active_source, local_flow)

    def drive(self, source, needed=1, active_source=None, local_flow=None):
        """Take the local terms of the lines in ``transform.physical``.

        source: callable ``source(t)``; finds the leading `needed` segments of lines there and leaves the right-hand side R
            of *all* lines.
        needed: how many leading segments the source reads.
        active_source: where the lines behind the needed ones are passive, a callable like `source` that leaves the
            right-hand side of the needed, active ones alone; default None: all lines are active.
        local_flow: callable ``local_flow(t, h)`` that carries the lines over a time h by the source as it is at t; only
            `flow`, and so the splitting methods, want it.
        """
        self.source, self.needed, self.local_flow = source, needed, local_flow
        transform, (rows, waves) = self.transform, self.shape
        self._active_source, self._active_segments, self._active_rows = active_source or source, None, rows
        if active_source is not None:
            self._active_segments = needed
            self._active_rows = np.count_nonzero(transform.line < sum(transform.segments[:needed]))
        self.active = 2 * self._active_rows * waves

    def fields(self, t, u, segments=None):
        """The lines at time t in ``transform.physical`` (leading `segments`, or all) from the state u."""
        return self._waves.fields(t, _locked(u.view(complex).reshape(self.shape)), segments)

    def store(self, t, u):
        """u <- the state of the lines in ``transform.physical`` at time t; the lines are used up."""
        self._waves.store(t, u.view(complex).reshape(self.shape))

    def flow(self, t, h, u):
        """u <- u carried over a time h by the local terms alone, while advection stands still at time t."""
        self.fields(t, u)
        assert self.local_flow is not None
        self.local_flow(t, h)
        self.store(t, u)

    def rhs(self, t, u, du):
        """du <- d_t u."""
        self.fields(t, u, self.needed)
        self.source(t)
        self.store(t, du)

    def correct(self, t, p, extrapolated, factor, du):
        """p <- p + factor (F - extrapolated), F = d_t p, for the active numbers alone, and then du <- d_t p.

        Returns this rank's sum of squares of F - extrapolated, which is used up. The passive numbers of p are neither
        read nor written. Two right-hand sides, the first without what serves passive lines alone, in fewer passes.
        """
        p, extrapolated, rate = (v.view(complex).reshape(self.shape)[: self._active_rows] for v in (p, extrapolated, du))
        self._waves.fields(t, _locked(p.view()), self.needed)
        self._active_source(t)
        square = self._waves.correct(t, p, extrapolated, factor, rate, self._active_segments, self.needed)
        self.source(t)
        self.store(t, du)
        return square


def _locked(view):
    """The view, not to be written, as PETSc hands out the state inside a step: loops are compiled for this kind alone."""
    view.setflags(write=False)
    return view


class _Phases:
    """Groups of rows with the same phases. rate: (groups,) angle per unit of time of the wave of harmonic 1 along z;
    group: (rows,) group of each row; first: (groups,) a row of each group; harmonic: (1 or rows, K) along z, as it is
    advected.
    """

    def __init__(self, transform, speeds, group, first):
        self.group, self.first, self.rate = group, first, 2 * np.pi / transform.box.length[-1] * speeds[:, -1]
        # The Nyquist wave is not advected (its derivative is zero), see Transform.k.
        self.harmonic = np.where(transform.k == 0.0, 0, transform.harmonic)
        across = zip(transform.wave_vector[:-1], speeds.T)
        self._across = sum((speed * k[first, 0] for k, speed in across), np.zeros(len(first)))
        self._several = len(transform.wave_vector) > 1

    def turn_across(self, t, phase):
        """Add the angles of the other axes to phases that have those of z: ``phase`` (groups, any), in place."""
        if self._several:
            phase *= np.exp(1j * t * self._across)[:, None]


class _Batches:
    """Between state and lines in whole batches: phases, then all transforms. For NumPy, and transforms without plans."""

    def __init__(self, transform, phases):
        self.transform, self._phases_of, self._group, self._rate = transform, phases, phases.group, phases.rate
        rows, waves = transform.shape
        harmonic = phases.harmonic
        self._harmonic = np.ascontiguousarray(harmonic if len(harmonic) == 1 else harmonic[phases.first], dtype=np.int64)
        self._phase = np.ones((len(self._rate), waves), dtype=complex)
        self._phase_time = None
        root = np.sqrt(np.broadcast_to(transform.weight, (rows, waves)))
        # weight varies along rows or along columns, never both
        by_rows = transform.weight.shape[1] == 1
        ones_r, ones_c = np.ones(rows), np.ones(waves)
        rows_root = np.ascontiguousarray(root[:, 0]) if by_rows and rows else ones_r
        columns_root = ones_c if by_rows else np.sqrt(transform.weight[0])
        self._to_state = (rows_root / transform.points, columns_root)
        self._from_state = (1.0 / rows_root, 1.0 / columns_root)

    def _phases(self, t):
        if t != self._phase_time:
            kernels.phase_table(self._rate * t, self._harmonic, self._phase)
            self._phases_of.turn_across(t, self._phase)
            self._phase_time = t
        return self._phase

    # `state` is all rows, or the leading ones that belong to the segments.

    def fields(self, t, state, segments):
        n, (rows_scale, columns_scale) = len(state), self._from_state
        spectral = self.transform.spectral[:n]
        kernels.from_interaction_picture_batch(state, self._phases(t), self._group[:n], rows_scale[:n], columns_scale, spectral)
        return self.transform.backward(segments)

    def store(self, t, state, segments=None):
        n, (rows_scale, columns_scale) = len(state), self._to_state
        spectral = self.transform.forward(segments)[:n]
        kernels.to_interaction_picture_batch(spectral, self._phases(t), self._group[:n], rows_scale[:n], columns_scale, state)

    def correct(self, t, p, extrapolated, factor, rate, active, needed):
        """`InteractionPicture.correct` from source to source; `rate` and `extrapolated` are used up."""
        self.store(t, rate, active)
        numbers, before, new = (v.reshape(-1).view(float) for v in (p, extrapolated, rate))
        square = kernels.correct(numbers, before, new, factor)
        self.fields(t, _locked(p.view()), needed)
        return square


# Waves that share a factor of their phases: the short table of the others stays in the first-level cache.
_RUN = 64


class _Lines:
    """The same, line by line: each gets its phases, is transformed and gone before the next, and so stays in the cache.

    The waves of a row come in runs of at most `_RUN`, along which the harmonic grows by N1 and the weight is the same.
    """

    def __init__(self, transform, phases, backward, forward, waves):
        self.transform, self._phases, self._group, self._buffer = transform, phases, phases.group, waves
        self._kept = backward, forward  # kernels have the addresses of the plans alone
        self._plans = backward and np.stack((backward.address, forward.address))
        self._step, groups, first = float(transform.box.plan.N1), len(phases.rate), phases.first
        K = len(waves)
        harmonic = np.broadcast_to(phases.harmonic, (transform.rows, K))[first]
        weight = np.broadcast_to(transform.weight, (transform.rows, K))[first]
        starts = [_runs(h, w, int(self._step)) for h, w in zip(harmonic, weight)]
        most = max(map(len, starts), default=1)
        start = np.array([run + [K] * (most - len(run)) for run in starts], dtype=np.int64).reshape(groups, most)
        at = np.minimum(start[:, :-1], K - 1)
        self._first = np.ascontiguousarray(np.take_along_axis(harmonic, at, axis=1), dtype=np.int64)
        root = np.sqrt(np.take_along_axis(weight, at, axis=1))
        self._scales = np.stack((1.0 / root, root / transform.points))  # from the state, to the state
        self._fine, self._coarse = np.ones((groups, _RUN), dtype=complex), np.ones(root.shape, dtype=complex)
        self._tables = tuple(Phases(phases.group, start, self._fine, self._coarse))
        self._phase_time = None

    def _phases_at(self, t):
        if t != self._phase_time:
            kernels.phase_factors(self._phases.rate * t, self._step, self._first, self._fine, self._coarse)
            self._phases.turn_across(t, self._coarse)
            self._phase_time = t
        return self._tables

    def fields(self, t, state, segments):
        rows = self.transform.open(segments)
        if self._plans is not None:
            phases = self._phases_at(t)
            kernels.from_interaction_picture(state, phases, self._scales, self._plans, self._buffer, rows)
        return self.transform.spread(segments)

    def store(self, t, state):
        rows = self.transform.collect()
        if self._plans is not None:
            phases = self._phases_at(t)
            kernels.to_interaction_picture(rows, phases, self._scales, self._plans, self._buffer, state)
        self.transform.release()

    def correct(self, t, p, extrapolated, factor, rate, active, needed):
        rows, square = self.transform.collect(active), 0.0
        if self._plans is not None:
            phases = self._phases_at(t)
            square = kernels.correct_pencils(rows, phases, self._scales, self._plans, self._buffer, p, extrapolated, factor)
        self.transform.spread(needed)
        return square


def _runs(harmonic, weight, step):
    """Where the runs of a row start, and its end: a list of indices."""
    breaks = np.flatnonzero((np.diff(harmonic) != step) | (np.diff(weight) != 0)) + 1
    edges = [0, *breaks.tolist(), len(harmonic)]
    starts = [start for low, high in zip(edges, edges[1:]) for start in range(low, high, _RUN)]
    return starts + [len(harmonic)]

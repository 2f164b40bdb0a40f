"""From the state to what is kept of it: rows, fields, checkpoints, warnings, and the last words about a run that failed."""

from __future__ import annotations

import time as clock
import weakref
from typing import Any

import numpy as np

from .. import config as configuration
from ..analysis import growth, unseeded
from ..errors import InputError
from ..physics import invariants
from ..results import checkpoint, growth_table, provenance
from ..results.coordinates import coordinates
from ..results.names import DIFFERENCES, SPECTRA
from ..results.run_directory import Memory, RunDirectory, Stored, check_same_physics, choose_directory
from ..runtime import extras
from ..runtime.collective import on_root
from ..time.memory import RunMemory
from ..time.times import SAME
from . import finite, start_copy
from .run_warnings import Watch


class Recorder:
    """Writes what is due of a run, and takes up where an earlier one has ended. All methods are collective.

    problem: :class:`~nuflux_mpi.run.problem.Problem`. ledger, pace: what is told how long writing took. watchdog: what is told
    that there is progress. checkout: (commit, dirty) of the code.

    output: a :class:`~nuflux_mpi.results.run_directory.RunDirectory` or `Memory`, after `open`; `said` then has sentences
    about what was found there. voice: the :class:`~nuflux_mpi.run.messages.Voice` of a run that is carried out.
    norm: of the state at the start. rows: the last rows of the series. fresh: nothing is written yet. saved: time.monotonic()
    of the last checkpoint.
    """

    def __init__(self, problem, ledger, pace, watchdog, checkout):
        config, times = problem.config, problem.config.time
        self._problem, self._ledger, self._pace, self._watchdog = problem, ledger, pace, watchdog
        self.norm = problem.integrator.norm()
        self.watch = Watch(config, problem.setup.modes, times.rtol + (times.atol / self.norm if self.norm else 0.0))
        diagnostics, modes = problem.diagnostics, problem.setup.modes
        contents = diagnostics.contents if diagnostics.detailed else None
        self._axes = coordinates(problem.box, modes, problem.density, problem.equations.axes(), contents)
        text = on_root(problem.comm, configuration.to_toml, config)
        self._attrs = provenance.attributes(config, text, problem.box, checkout)
        if diagnostics.detailed:
            self._attrs |= {
                "flavors": " ".join(modes.algebra.names),
                "pairs": " ".join(pair.name for pair in modes.algebra.pairs),
                "conserved": invariants.sentence(problem.setup.terms, modes.algebra, problem.equations.level),
            }
        self.output: Any = None
        self.layout, self.voice, self._lock = None, None, None
        self.said, self.fresh, self.rows = [], True, []
        self._promised = {"nu_x": problem.density > 0, "conversion": diagnostics.contents.defined}
        self._warned = {}  # warnings so far by subject
        self._wall_time = 0.0  # of the runs before this one
        self._begun = self.saved = clock.monotonic()

    def open(self, out, overwrite, resume):
        """Make `output`, and take up the checkpoint that the run goes on from, if there is one. -> output"""
        problem, config, level = self._problem, self._problem.config, self._problem.equations
        leading, state_leading = (level.declared.stored(file) for file in ("fields", "phase_space"))
        k = problem.diagnostics.spectrum.k if config.output.spectrum_every else None
        stored = Stored(config, self._attrs, problem.box, self._axes, leading, state_leading, k)
        if out is None:
            self.output = Memory(stored)
            return self.output
        self.layout = checkpoint.Layout(level.transform)
        directory, found, own = on_root(problem.comm, choose_directory, config, out, overwrite, resume)
        on_root(problem.comm, self._take_lock, directory)
        before = self._go_on(found, own) if found else None
        if problem.finished and own:
            self.output = RunDirectory.closed(directory, before, config, problem.comm)
        else:
            self.said += on_root(problem.comm, start_copy.keep, directory, config, self.fresh)
            self.output = RunDirectory(directory, before, stored)
            if self._warned:
                self.output.warn(self.warnings)
        self.said += self.output.said
        return self.output

    def _take_lock(self, directory):
        from ..results.lock import RunLock

        self._lock = RunLock(directory)
        weakref.finalize(self, self._lock.release)  # also of a simulation that nobody closed

    def unlock(self):
        """Let others have the directory. Local."""
        if self._lock:
            self._lock.release()
            self._lock = None

    @property
    def warnings(self):
        """The sentences of warnings so far."""
        return list(self._warned.values())

    def _go_on(self, found, own):
        """Go on from the first checkpoint of `found` that is whole. -> its memory, or None if it is another run's"""
        problem, times = self._problem, self._problem.config.time
        saved = self._load(found)
        self.fresh = not own
        if own and saved.memory.run_id:
            self._attrs["run_id"] = saved.memory.run_id
        if problem.integrator.t > problem.duration * (1.0 + SAME):
            reached = times.start + problem.integrator.t
            raise InputError(f"--resume: time.end = {times.end:g} is before t = {reached:g}, which {saved.path} has reached")
        if problem.finished and not own:
            raise InputError(f"--resume: {saved.path} is at t = {problem.t:g}: time.end must be later")
        return saved.memory if own else None

    def _load(self, found):
        """Take up the first checkpoint of `found` that is whole. -> it"""
        integrator = self._problem.integrator

        def accept(path, config, memory, vectors):
            check_same_physics(path, config, self._problem.config)
            integrator.understands(memory.integrator, vectors)

        saved, said = checkpoint.load(found, self.layout, accept, self._problem.comm)
        self.said += [said] if said else []
        memory = saved.memory
        # The start is made anew from the config; only a file, or another version of this code, could make it another one.
        if abs(self.norm - memory.norm_at_start) > 1e-9 * memory.norm_at_start:
            raise InputError(f"--resume: the initial state is not the one that {saved.path} began with")
        self.norm = memory.norm_at_start
        integrator.t, integrator.u[...] = memory.since_start, saved.vectors[0]
        integrator.recall(memory.integrator, saved.vectors[1:])
        self._problem.equations.count_in(memory.unit)
        self._problem.diagnostics.energy_at_start = memory.energy_at_start
        self.rows, self._wall_time = memory.recent, memory.wall_time
        self._warned, self.watch.onset, self.watch.largest_tail = memory.warned, memory.coherent_since, memory.largest_tail
        return saved

    def start(self, due):
        """The first rows and the first checkpoint of a run that has none."""
        self.rows = []
        power = self.record(self._problem.t, due)
        self._look_at_start(power)
        self.checkpoint()

    def begin(self, voice):
        """The run is carried out from now on, and tells of it by `voice`."""
        self.voice, self._begun = voice, clock.monotonic()

    def _elapsed(self):
        return self._wall_time + clock.monotonic() - self._begun

    def record(self, t, due):
        """Write what is due of the state at hand, whose time is told as t. -> the power spectra of each pair of flavors, if
        they were measured"""
        begin, spectra, since_start = clock.monotonic(), {}, self._problem.integrator.t
        comm, level, u = self._problem.comm, self._problem.equations, self._problem.integrator.u
        fields = level.take(since_start, u)
        self._watchdog.pat(comm.Get_size() * sum(field.nbytes for field in fields.values()))
        if "fields" in due:
            finite.check_fields(t, fields, comm)
            self.output.append_fields(t, fields)
        if due & {"series", "spectrum"}:
            measured = self._problem.diagnostics.measure(since_start, fields)
            spectra = {name: measured.pop(name) for name in SPECTRA if name in measured}
            if "series" in due:
                self._append(t, self._problem.diagnostics.complete(measured | level.measure(since_start)))
            if "spectrum" in due and self._problem.config.output.spectrum_every:
                finite.check_row(t, spectra)
                self.output.append_spectrum(t, spectra)
        if "phase_space" in due and level.declared.stored("phase_space"):
            state = level.take_state(since_start, u)
            finite.check_fields(t, state, comm)
            self.output.append_state(t, state)
        taken = clock.monotonic() - begin
        self._pace.note(output=taken)
        self._ledger.output += taken
        return spectra.get("psi2_pairs", np.atleast_2d(spectra["psi2"])) if spectra else None

    def _append(self, t, measured):
        """A row of the series: what was measured, rates of change by differences, and counts."""
        integrator, rows = self._problem.integrator, self.rows
        counts = integrator.statistics
        row = {
            "time": t,
            **measured,
            **{slope: np.nan for slope, name in DIFFERENCES.items() if name in measured},
            "step": counts.steps,
            "dt": counts.dt,
            "rejections": counts.rejections,
            "rhs_evaluations": counts.rhs_evaluations,
            "wall_time": self._elapsed(),
        }
        rows.append(row | {"time": integrator.t})
        del rows[:-3]
        amended = {}
        for slope, name in DIFFERENCES.items() if len(rows) > 1 else ():
            if name in row:
                row[slope] = _slope(rows, name, rows[-1]["time"])
                # The row before now has neighbours on both sides.
                amended[slope] = _slope(rows, name, rows[-2]["time"])
        finite.check_row(t, row, self._promised | dict.fromkeys(DIFFERENCES, len(rows) > 1))
        for slope, value in amended.items():
            self.output.amend(slope, value)
        self.output.append(row)
        self._warn(t, self.watch(row) | self._problem.equations.warnings(row))

    def _look_at_start(self, power):
        """Warn of waves that grow by linear theory and have no seed, and of files that will be huge."""
        from .check import large_files

        problem, algebra = self._problem, self._problem.setup.modes.algebra
        differences = [algebra.difference(self.rows[-1]["P_mean"], pair, axis=1) for pair in algebra.pairs]
        k = problem.diagnostics.spectrum.k
        found = {"seeds": on_root(problem.comm, unseeded.of_spectra, problem.config, k, power, differences)}
        if self.output.directory is not None:
            found["files"] = "; ".join(on_root(problem.comm, large_files, problem.setup, problem.comm.Get_size()))
        self._warn(problem.t, {subject: sentence for subject, sentence in found.items() if sentence})

    def _warn(self, t, found):
        """Say and keep what is worth a warning at time t, {subject: sentence}, once for each subject."""
        for subject in [name for name in found if name not in self._warned]:
            text = self._warned[subject] = f"warning at t = {t:.6g}: {found[subject]}"
            self.output.warn(self.warnings)
            self.voice.worry(text, subject)

    def checkpoint(self):
        """Save all that is needed to go on; where that fails the run goes on with the checkpoints it has."""
        if self.output.directory is None:
            return
        begin = clock.monotonic()
        comm, integrator, t = self._problem.comm, self._problem.integrator, self._problem.t
        self.output.sync()
        remembered, vectors = integrator.memory()
        memory = RunMemory(
            since_start=integrator.t,
            integrator=remembered,
            norm_at_start=self.norm,
            wall_time=self._elapsed(),
            unit=self._problem.equations.unit,
            energy_at_start=self._problem.diagnostics.energy_at_start,
            coherent_since=self.watch.onset,
            largest_tail=self.watch.largest_tail,
            recent=[{name: value for name, value in row.items() if np.ndim(value) < 2} for row in self.rows[-2:]],
            warned=self._warned,
            **self.output.known(),
        )
        self._watchdog.pat(comm.Get_size() * sum(vector.nbytes for vector in (integrator.u, *vectors)))
        cost, problem = checkpoint.write(
            self.output.directory, self.layout, [integrator.u, *vectors], memory, self._attrs, comm
        )
        self._pace.note(checkpoint=cost.seconds)
        self.saved = clock.monotonic()
        self._ledger.checkpoints += self.saved - begin
        if problem:
            self.voice.worry(f"warning: no checkpoint at t = {t:.6g}: {problem}; the run goes on", "checkpoint")
        else:
            self.voice.note(checkpoint.sentence(t, cost))

    def report_damage(self, failure):
        """The sentence `failure` with the place of the damage; postmortem.h5 gets the last good state."""
        problem, place = self._problem, self._problem.place_of_damage()
        if self.output.directory is None:
            return f"{failure}; {place}"
        t, fields = problem.t, problem.equations.take(problem.integrator.t, problem.integrator.u)
        path = self.output.postmortem(t, fields, self._attrs | {"failure": failure, "place": place}, self._axes)
        return f"{failure}; {place}; the last good state, t = {t:.6g}, is in {path}"

    def finish(self, stopped):
        """Close the files of a run that has ended, add what is made of its results, let others have it. -> results"""
        self.output.close()
        run = self.output.result()
        extra = []
        if run.directory and not stopped:
            extra.append((growth_table.FILE, growth.record))
        if run.directory and self._problem.box.dimensions > 1:
            from ..results import xdmf

            extra.append((xdmf.FILE, xdmf.write))  # for ParaView and VisIt
        for name, write in extra:
            problem = on_root(self._problem.comm, _attempt, run, name, write)
            if problem:
                self.voice.worry(problem)
        self.unlock()
        return run


def _attempt(run, name, write):
    """write(run), without whose file a run is whole, too. Call on one rank. -> what went wrong, or ""."""
    said = []
    with extras.attempted(f"{run.directory / name} cannot be written", said.append):
        write(run)
    return "".join(said)


def _slope(rows, name, t):
    """Rate of change of a series, summed over modes, at one of the last two or three rows: of the parabola (or line)."""
    times = np.array([row["time"] for row in rows]) - t
    values = [np.sum(row[name]) for row in rows]
    return float(np.polynomial.polynomial.polyfit(times, values, len(rows) - 1)[1])

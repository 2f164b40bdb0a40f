"""A run from config to results: each of the program's nouns in its order, one line each in `Simulation.__init__`."""

import time as clock
import weakref
from contextlib import suppress

import numpy as np

from .. import config as configuration
from ..analysis import growth, unseeded
from ..box import columns, fft_plans
from ..errors import InputError, NumericalFailure, RunWarning, WriteFailure
from ..kernels import kernels
from ..physics import initial
from ..results import checkpoint, growth_table, outside, provenance
from ..results.ledger import Ledger, Timed
from ..results.names import DIFFERENCES
from ..runtime import extras
from ..runtime.collective import any_rank, first_problem, largest, on_root
from ..time import petsc_options
from ..time.memory import RunMemory
from ..time.times import SAME, schedule
from . import finite, messages, start_copy
from .interrupt import INTERRUPT, Interrupt, stopped
from .run_warnings import Watch
from .stopping import Pace
from .watchdog import Watchdog


def simulate(config, out=None, overrides=(), **options):
    """Build the run of `config`, carry it out and return its results (:class:`~nuflux_mpi.results.reader.Run`-like).

    See :class:`Simulation` for the arguments.
    """
    with Simulation(config, out=out, overrides=overrides, **options) as simulation:
        return simulation.run()


class Simulation:
    """One run. All ranks of `comm` make it, run it and close it together.

    config: path to a TOML file, name of a shipped case, or a dict.
    out: run directory, "" for a new one below runs/, or None to keep the results in memory.
    overrides: "section.key=value" strings that replace values of the config.
    comm: mpi4py communicator, default COMM_WORLD.
    overwrite: replace a run that `out` already holds. resume: "auto" continues it from its newest checkpoint, and starts
        where there is none; the path of a checkpoint goes on from there, in `out` as a new run; "never" refuses a
        directory that holds a run. The config must describe the same problem, a later end or other cadences are welcome.
    deterministic: FFTW's plans by estimate, so that results repeat bit for bit on equal ranks.
    checkout: (commit, dirty) of the code, if the caller asked git before MPI was started.

    InputError, with the same message on all ranks, for anything wrong in the config. What a run is worried about comes as
    RunWarning, what it tells through the logger "nuflux_mpi", both on rank 0 (:mod:`~nuflux_mpi.run.messages`).

    `ledger` has the seconds that were spent, by what they were spent on. `stopped` is the reason why the run ended before its
    time, or "".
    """

    def __init__(
        self, config, out=None, overrides=(), comm=None, overwrite=False, resume="never", deterministic=False, checkout=None
    ):
        self.ledger = Ledger()
        self._checkout = checkout or provenance.commit()
        from mpi4py import MPI

        from ..box.box import Box
        from ..physics.diagnostics import Diagnostics
        from ..physics.levels import Setup
        from ..runtime.environment import check_index_size, check_parallel
        from ..runtime.limits import check_memory, claim_algebra
        from ..time.integrator import KERNELS, Integrator, initialize
        from .check import memory_per_rank

        claim_algebra()
        comm = self.comm = MPI.COMM_WORLD if comm is None else comm
        self.said = on_root(comm, outside.check)
        self.config = config = on_root(comm, configuration.resolve, config, overrides)
        self.config, said = on_root(comm, start_copy.take_up, config, out, resume)
        config, self.said = self.config, self.said + said
        petsc = initialize(comm, config["petsc"]["options"])
        check_parallel(comm)
        self.said += [*petsc_options.ignored(petsc.Options()), *filter(None, [outside.differing(comm)])]
        if deterministic:
            self.config = config = config.replace(box=config.box.replace(fftw="estimate"))

        self._setup = setup = Setup.of(config)
        check_memory(on_root(comm, memory_per_rank, setup, comm.Get_size()), comm)
        place, times = config["box"], config["time"]
        modes, holds, method = setup.modes, setup.declared, setup.method
        self.modes = modes
        other_axes = (columns.touch,) if configuration.dimensions(config) > 1 else ()
        own_kernels = [touch for part in (setup.level, *setup.terms) for touch in part.own_kernels]
        kernels.warm_up(comm, *own_kernels, *KERNELS.get(method, ()), *other_axes)
        check_index_size(2 * holds.lines * (np.prod(place["points"], dtype=int) // 2 + 1), 8 * petsc.IntType().itemsize)
        self.box = box = Box(
            place["length"],
            place["points"],
            holds.lines,
            comm,
            origin=place["origin"],
            fftw=place["fftw"],
            exchange=place["exchange"],
        )
        P = initial.polarization(config, modes, box)
        self.density = initial.density(P, modes, box)
        self.equations = setup.build(box)
        self.integrator = Integrator.of(
            Timed(self.equations.picture, self.ledger),
            comm,
            method=method,
            rtol=times["rtol"],
            atol=times["atol"],
            origin=times["start"],
            dt_initial=times["dt_initial"],
            dt_min=times["dt_min"],
            dt_max=times["dt_max"],
            options=config["petsc"]["options"],
        )
        self.stopped = ""
        self.pace, self._lock = Pace(), None
        self._rows, self._warned = [], {}  # the last rows of the series; warnings so far by subject
        self._wall_time = 0.0  # of the runs before this one
        self._voice, self._over = None, False
        self._watchdog = Watchdog(config["run"]["timeout"], comm.Get_rank(), lambda: f"at t = {self.t:.6g}")
        try:
            self.diagnostics = Diagnostics(box, modes, P, self.density, parts=setup.level.diagnostics, terms=setup.terms)
            self.equations.start(0.0, self.integrator.u, P, self.density)
            self._norm = self.integrator.norm()
            self._watch = Watch(config, modes, times["rtol"] + (times["atol"] / self._norm if self._norm else 0.0))
            self.output = self._open_output(out, overwrite, resume)
        except BaseException as error:
            self._unlock()
            if isinstance(error, InputError):  # on all ranks alike
                self.integrator.destroy()
            raise

    def _open_output(self, out, overwrite, resume):
        from ..results.run_directory import Memory, RunDirectory, Stored, choose_directory, coordinates

        config, box = self.config, self.box
        level = self.equations
        leading, state_leading = (level.declared.stored(file) for file in ("fields", "phase_space"))
        self._axes = coordinates(box, self.modes, self.density, level.axes())
        k = self.diagnostics.spectrum.k if config["output"]["spectrum_every"] else None
        text = on_root(self.comm, configuration.to_toml, config)
        self._attrs = provenance.attributes(config, text, box, self._checkout)
        parts = Stored(config, self._attrs, box, self._axes, leading, state_leading, k)
        self._fresh = True
        if out is None:
            return Memory(parts)
        directory, found, own = on_root(self.comm, choose_directory, config, out, overwrite, resume)
        on_root(self.comm, self._take_lock, directory)
        self._layout, before = checkpoint.Layout(level.transform), None
        if found:
            saved = self._load(found)
            self._fresh = not own
            before = saved.memory if own else None
            if own and before.run_id:
                self._attrs["run_id"] = before.run_id
            end = config["time"]["end"]
            if self.integrator.t > self._duration * (1.0 + SAME):
                reached = config["time"]["start"] + self.integrator.t
                raise InputError(f"--resume: time.end = {end:g} is before t = {reached:g}, which {saved.path} has reached")
            if self.finished and own:
                output = RunDirectory.closed(directory, before, config, self.comm)
                self.said += output.said
                return output
            if self.finished:
                raise InputError(f"--resume: {saved.path} is at t = {self.t:g}: time.end must be later")
        self.said += on_root(self.comm, start_copy.keep, directory, config, self._fresh)
        output = RunDirectory(directory, before, parts)
        if self._warned:
            output.warn(list(self._warned.values()))
        self.said += output.said
        return output

    def _take_lock(self, directory):
        from ..results.lock import RunLock

        self._lock = RunLock(directory)
        weakref.finalize(self, self._lock.release)  # also of a simulation that nobody closed

    def _load(self, found):
        """Take up the first checkpoint of `found` that is whole. -> it"""
        from ..results.run_directory import check_same_physics

        integrator = self.integrator

        def accept(path, config, memory, vectors):
            check_same_physics(path, config, self.config)
            integrator.understands(memory.integrator, vectors)

        saved, said = checkpoint.load(found, self._layout, accept, self.comm)
        self.said += [said] if said else []
        memory = saved.memory
        # The start is made anew from the config; only a file, or another version of this code, could make it another one.
        if abs(self._norm - memory.norm_at_start) > 1e-9 * memory.norm_at_start:
            raise InputError(f"--resume: the initial state is not the one that {saved.path} began with")
        self._norm = memory.norm_at_start
        integrator.t, integrator.u[...] = memory.since_start, saved.vectors[0]
        integrator.recall(memory.integrator, saved.vectors[1:])
        self.equations.count_in(memory.unit)
        self.diagnostics.energy_at_start = memory.energy_at_start
        self._rows, self._wall_time = memory.recent, memory.wall_time
        self._warned, self._watch.onset, self._watch.largest_tail = memory.warned, memory.coherent_since, memory.largest_tail
        return saved

    @property
    def t(self):
        """The time that is reached. The integrator's own counts from time.start, see :mod:`~nuflux_mpi.time.times`."""
        return self.config["time"]["end"] if self.finished else self.config["time"]["start"] + self.integrator.t

    @property
    def _duration(self):
        return self.config["time"]["end"] - self.config["time"]["start"]

    @property
    def finished(self):
        """Whether the end time is reached, which is met exactly."""
        return self.integrator.t >= self._duration

    def describe(self):
        """What is about to run, in a few lines."""
        config, box, modes = self.config, self.box, self.modes
        length, points = " x ".join(f"{L:g}" for L in box.length), " x ".join(map(str, box.points))
        cut = f"cut as {box.plan.N1} x {box.plan.N2} points" if box.plan.factored else "in slabs"
        exchange = f"{box.node}, " if box.size > 1 else ""
        kernels_used = "compiled kernels (numba)" if kernels.COMPILED else f"NumPy kernels (slower: {kernels.WHY_NOT})"
        lines = [
            config["title"] or config["name"],
            f'{len(modes)} modes, box of length {length} with {points} points, level "{self.equations.level}", '
            f"t = {self.t:g} .. {config['time']['end']:g}, {self.integrator.method} "
            f"at rtol {config['time']['rtol']:g}",
            f"{box.size} rank{'s' * (box.size > 1)}, {cut}, {exchange}{kernels_used}",
        ]
        return "\n".join(lines)

    def __repr__(self):
        times = self.config["time"]
        return (
            f"<Simulation {self.config['title'] or self.config['name']}: t = {self.t:g} of {times['end']:g}, "
            f"{len(self.modes)} modes, {' x '.join(map(str, self.box.points))} points>"
        )

    def _repr_html_(self):
        from ..results.display import lines_table

        return lines_table(self.describe(), str(self.output.directory or "results in memory"), *self._warned.values())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        # After an error on this rank alone the others would not take part in a collective close.
        if error[0] is None or self.comm.Get_size() == 1 or issubclass(error[0], (InputError, NumericalFailure, RunWarning)):
            self.close()
        elif error[0] is not WriteFailure:
            with suppress(WriteFailure):
                self.output.flush()
        self._unlock()

    def run(self, progress=None, stop=None):
        """Integrate to the end, writing as the config asks; -> results.

        progress: a :class:`~nuflux_mpi.run.progress.Progress` or None. stop: callable asked after every step and output on
        every rank; a true answer on any rank, best a few words that name the reason, ends the run there, and `stopped`
        is that reason. A run in a directory leaves a checkpoint at the start, as often as the config asks, and when it
        ends or stops. Ctrl-C stops it likewise, unless the program handles it otherwise, and KeyboardInterrupt comes then,
        on all ranks. NumericalFailure if the integration cannot go on; all rows before are written. InputError for a
        simulation that has ended before.
        """
        if self._over and not self.finished:
            raise InputError('This simulation has ended: make a new one (resume="auto" goes on in its directory).')
        self._begun = clock.monotonic()
        self._voice = messages.Voice(self.comm, self.output.directory, self.config, progress)
        try:
            with self._voice, Interrupt(stop) as asked:
                run = self._carried_out(asked)
        except KeyboardInterrupt:
            if self.comm.Get_size() == 1:  # a second one, which may come anywhere: leave no lock and no open file behind
                self.close()
            raise
        if self.stopped == INTERRUPT:
            raise stopped(self.t, self.output.directory)
        return run

    def _carried_out(self, stop):
        for sentence in self.comm.bcast(self.said):
            self._voice.worry(sentence)
        if self.finished:
            self._unlock()
            return self.output.result()
        integrator, self._over = self.integrator, True
        integrator.begin(norm=self._norm)  # that of the start, also when the run is resumed
        self._voice.begin(self.describe())
        self.ledger.start = clock.monotonic() - self.ledger.begin
        try:
            self._advance(stop)
        except NumericalFailure as failure:
            raise NumericalFailure(self._report_damage(str(failure))) from None
        integrator.view()
        self.output.close()
        run = self.output.result()
        if run.directory and not self.stopped:
            problem = on_root(self.comm, self._record_growth, run)
            if problem:
                self._voice.worry(problem)
        if run.directory and self.box.dimensions > 1:
            problem = on_root(self.comm, self._describe_for_viewers, run)
            if problem:
                self._voice.worry(problem)
        self._unlock()
        self._voice.end(run, self.ledger)
        return run

    def _record_growth(self, run):
        """Growth rates of a finished run, which is whole without them. Call on one rank. -> what went wrong, or ""."""
        said = []
        with extras.attempted(f"{run.directory / growth_table.FILE} cannot be written", said.append):
            growth.record(run)
        return "".join(said)

    def _describe_for_viewers(self, run):
        """fields.xmf for ParaView and VisIt, without which a run is whole, too. Call on one rank. -> what went wrong, or ""."""
        from ..results import xdmf

        said = []
        with extras.attempted("fields.xmf cannot be written", said.append):
            xdmf.write(run)
        return "".join(said)

    def _advance(self, stop):
        """From output time to output time, with checkpoints between."""
        times, every = self.config["time"], self.config["output"]
        cadences = {name: every[f"{name}_every"] for name in ("series", "fields", "spectrum", "phase_space")}
        plan, done = schedule(times["start"], times["end"], cadences), self.integrator.t
        if self._fresh:
            self._rows = []
            power = self._record(self.t, set(cadences))
            self._look_at_start(power)
            self._checkpoint()
        if self.comm.Get_rank() == 0:
            fft_plans.remember()
        self._saved, self._due = clock.monotonic(), False
        self._ask(stop)

        def after_step():
            taken = clock.monotonic() - self._stepped
            self.pace.note(step=taken)
            self.ledger.stepping += taken
            self._voice.update(self.t, self.integrator.statistics, self._rows[-1])
            self.ledger.output += self.output.keep_up()
            self._ask(stop)
            return self.stopped or self._due

        with self._watchdog:
            for since_start, t, due in plan:
                reached = since_start - done <= 1e-12 * self._duration
                while not reached and not self.stopped:
                    self._stepped = clock.monotonic()
                    reached = self.integrator.advance(since_start, after_step)
                    if reached:
                        self._record(t, due)
                    if reached and not self.stopped:  # a method that runs freely meets many output times within one step
                        self._ask(stop)
                    if self._due or self.stopped or self.finished:
                        self._checkpoint()

    def _ask(self, stop):
        """Find out together whether to stop, and whether a checkpoint is due: one reduction. Collective."""
        reason, every = stop() if stop else "", self.config["output"]["checkpoint_every"]
        due = self.comm.Get_rank() == 0 and 0 < every <= clock.monotonic() - self._saved
        wish = largest(self.comm, 2 if reason else int(due))
        self._watchdog.pat()
        self._due, self._stepped = wish == 1, clock.monotonic()
        if wish == 2:
            self.stopped = first_problem(self.comm, reason if isinstance(reason, str) else "request" if reason else "")

    def _checkpoint(self):
        """Save all that is needed to go on; where that fails the run goes on with the checkpoints it has. Collective."""
        self._due = False
        if self.output.directory is None:
            return
        begin = clock.monotonic()
        self.output.sync()
        remembered, vectors = self.integrator.memory()
        memory = RunMemory(
            since_start=self.integrator.t,
            integrator=remembered,
            norm_at_start=self._norm,
            wall_time=self._elapsed(),
            unit=self.equations.unit,
            energy_at_start=self.diagnostics.energy_at_start,
            coherent_since=self._watch.onset,
            largest_tail=self._watch.largest_tail,
            recent=[{name: value for name, value in row.items() if np.ndim(value) < 2} for row in self._rows[-2:]],
            warned=self._warned,
            **self.output.known(),
        )
        self._watchdog.pat(self.comm.Get_size() * sum(vector.nbytes for vector in (self.integrator.u, *vectors)))
        cost, problem = checkpoint.write(
            self.output.directory, self._layout, [self.integrator.u, *vectors], memory, self._attrs, self.comm
        )
        self.pace.note(checkpoint=cost.seconds)
        self._saved = clock.monotonic()
        self.ledger.checkpoints += self._saved - begin
        if problem:
            self._voice.worry(f"warning: no checkpoint at t = {self.t:.6g}: {problem}; the run goes on", "checkpoint")
        else:
            self._voice.note(checkpoint.sentence(self.t, cost))

    def _elapsed(self):
        return self._wall_time + clock.monotonic() - self._begun

    def _record(self, t, due):
        """Write what is due of the state at hand, whose time is told as t. -> the power spectrum, if it was measured"""
        begin, power, since_start = clock.monotonic(), None, self.integrator.t
        level = self.equations
        fields = level.take(since_start, self.integrator.u)
        self._watchdog.pat(self.comm.Get_size() * sum(field.nbytes for field in fields.values()))
        if "fields" in due:
            finite.check_fields(t, fields, self.comm)
            self.output.append_fields(t, fields)
        if due & {"series", "spectrum"}:
            measured = self.diagnostics.measure(since_start, fields)
            power = measured.pop("psi2")
            if "series" in due:
                self._append(t, self.diagnostics.complete(measured | level.measure()))
            if "spectrum" in due and self.config["output"]["spectrum_every"]:
                finite.check_row(t, {"psi2": power})
                self.output.append_spectrum(t, power)
        if "phase_space" in due and level.declared.stored("phase_space"):
            state = level.take_state(since_start, self.integrator.u)
            finite.check_fields(t, state, self.comm)
            self.output.append_state(t, state)
        taken = clock.monotonic() - begin
        self.pace.note(output=taken)
        self.ledger.output += taken
        return power

    def _look_at_start(self, power):
        """Warn of waves that grow by linear theory and have no seed, and of files that will be huge. Collective."""
        from .check import large_files

        P, k, algebra = self._rows[-1]["P_mean"], self.diagnostics.spectrum.k, self.modes.algebra
        difference = algebra.difference(P, algebra.pairs[0], axis=1)
        found = {"seeds": on_root(self.comm, unseeded.of_spectrum, self.config, k, power, difference)}
        if self.output.directory is not None:
            found["files"] = "; ".join(on_root(self.comm, large_files, self._setup, self.comm.Get_size()))
        self._warn(self.t, {subject: sentence for subject, sentence in found.items() if sentence})

    def _append(self, t, measured):
        """A row of the series: what was measured, rates of change by differences, and counts."""
        counts, rows = self.integrator.statistics, self._rows
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
        rows.append(row | {"time": self.integrator.t})
        del rows[:-3]
        amended = {}
        for slope, name in DIFFERENCES.items() if len(rows) > 1 else ():
            if name in row:
                row[slope] = _slope(rows, name, rows[-1]["time"])
                # The row before now has neighbours on both sides.
                amended[slope] = _slope(rows, name, rows[-2]["time"])
        finite.check_row(t, row, {"nu_x": self.density > 0} | dict.fromkeys(DIFFERENCES, len(rows) > 1))
        for slope, value in amended.items():
            self.output.amend(slope, value)
        self.output.append(row)
        self._warn(t, self._watch(row) | self.equations.warnings(row))

    def _warn(self, t, found):
        """Say and keep what is worth a warning at time t, {subject: sentence}, once for each subject."""
        for subject in [name for name in found if name not in self._warned]:
            text = self._warned[subject] = f"warning at t = {t:.6g}: {found[subject]}"
            self.output.warn(list(self._warned.values()))
            self._voice.worry(text, subject)

    def _report_damage(self, failure):
        """The sentence with the place of the damage, and postmortem.h5 with the last good state. Collective."""
        place = self._place_of_damage()
        if self.output.directory is None:
            return f"{failure}; {place}"
        t, fields = self.t, self.equations.take(self.integrator.t, self.integrator.u)
        path = self.output.postmortem(t, fields, self._attrs | {"failure": failure, "place": place}, self._axes)
        return f"{failure}; {place}; the last good state, t = {t:.6g}, is in {path}"

    def _place_of_damage(self):
        """Where the last good state changes fastest, or not in numbers at all, in words. Collective."""
        level, t = self.equations, self.integrator.t
        for moment in (t, t + self.integrator.attempted):
            level.picture.fields(moment, self.integrator.u, level.picture.needed)
            level.picture.source(moment)
            rates = level.rates()
            if any_rank(self.comm, not np.isfinite(rates).all()):
                break
        worst = np.where(np.isfinite(rates), rates, np.inf)
        row, point = np.unravel_index(np.argmax(worst), worst.shape)
        where = [float(x.ravel()[point]) for x in np.broadcast_arrays(*self.box.coordinates())]
        value, row, *where = max(self.comm.allgather((float(worst[row, point]), int(row), *where)))
        what = "is not finite" if np.isinf(value) else f"is largest ({value:.3g})"
        place = ", ".join(f"{axis} = {x:.6g}" for axis, x in zip(self.box.axis_names, where))
        return f"the rate of change {what} at {place} {level.place(row)}"

    def close(self):
        """Close the files and free PETSc's objects (collective)."""
        self.output.close()
        self.integrator.destroy()
        self._unlock()

    def _unlock(self):
        if self._lock:
            self._lock.release()
            self._lock = None


def _slope(rows, name, t):
    """Rate of change of a series, summed over modes, at one of the last two or three rows: of the parabola (or line)."""
    times = np.array([row["time"] for row in rows]) - t
    values = [np.sum(row[name]) for row in rows]
    return float(np.polynomial.polynomial.polyfit(times, values, len(rows) - 1)[1])

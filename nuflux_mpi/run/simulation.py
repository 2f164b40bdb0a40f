"""A run from config to results: each of the program's nouns in its order, one line each in `Simulation.__init__`."""

import time as clock
from contextlib import suppress

from ..config import Config
from ..errors import InputError, NumericalFailure, RunWarning, WriteFailure
from ..results import provenance
from ..results.ledger import Ledger, Timed
from ..runtime.collective import first_problem, largest
from ..time.times import schedule
from . import messages
from .interrupt import INTERRUPT, Interrupt, stopped
from .problem import Problem
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
        self.ledger, self.pace, self.stopped = Ledger(), Pace(), ""
        self._over, self._checkpoint_due, self._step_began = False, False, 0.0
        checkout = checkout or provenance.commit()
        self.comm = comm = _started(comm)

        from ..physics import initial
        from ..physics.diagnostics import Diagnostics
        from ..physics.levels import Setup
        from . import prepare
        from .recorder import Recorder

        self.config: Config
        self.config, said = prepare.configured(comm, config, overrides, out, resume, deterministic)
        setup = Setup.of(self.config)
        prepare.check_room(setup, comm)
        prepare.load_loops(setup, comm)
        self.modes = setup.modes
        self.box = prepare.box_of(setup, comm)
        P = initial.polarization(self.config, self.modes, self.box)
        self.density = initial.density(P, self.modes, self.box)
        self.equations = setup.build(self.box)
        self.integrator = prepare.integrator_of(setup, Timed(self.equations.picture, self.ledger), comm)
        self._watchdog = Watchdog(self.config.run.timeout, comm.Get_rank(), lambda: f"at t = {self.t:.6g}")
        self._recorder = None
        try:
            parts, terms = setup.level.diagnostics, setup.terms
            self.diagnostics = Diagnostics(self.box, self.modes, P, self.density, parts=parts, terms=terms)
            self.equations.start(0.0, self.integrator.u, P, self.density)
            self._problem = Problem(comm, setup, self.box, self.density, self.equations, self.diagnostics, self.integrator)
            self._recorder = Recorder(self._problem, self.ledger, self.pace, self._watchdog, checkout)
            self.output = self._recorder.open(out, overwrite, resume)
        except BaseException as error:
            self._unlock()
            if isinstance(error, InputError):  # on all ranks alike
                self.integrator.destroy()
            raise
        self.said = said + self._recorder.said

    @property
    def t(self):
        """The time that is reached, see :class:`~nuflux_mpi.run.problem.Problem`."""
        return self._problem.t

    @property
    def finished(self):
        """Whether the end time is reached, which is met exactly."""
        return self._problem.finished

    def describe(self):
        """What is about to run, in a few lines."""
        config, box, modes = self.config, self.box, self.modes
        length, points = " x ".join(f"{L:g}" for L in box.length), " x ".join(map(str, box.points))
        cut = f"cut as {box.plan.N1} x {box.plan.N2} points" if box.plan.factored else "in slabs"
        exchange = f"{box.node}, " if box.size > 1 else ""
        from .. import kernels
        from ..box import fft_plans

        kernels_used = "compiled kernels (numba)" if kernels.COMPILED else f"NumPy kernels (slower: {kernels.WHY_NOT})"
        if fft_plans.why_in_batches():
            kernels_used += f", transforms in batches (slower: {fft_plans.why_in_batches()})"
        merged = ", neutrinos and antineutrinos of each direction merged" if modes.merged else ""
        lines = [
            config.title or config.name,
            f'{len(modes)} modes{merged}, box of length {length} with {points} points, level "{self.equations.level}", '
            f"t = {self.t:g} .. {config.time.end:g}, {self.integrator.method} "
            f"at rtol {config.time.rtol:g}",
            f"{box.size} rank{'s' * (box.size > 1)}, {cut}, {exchange}{kernels_used}",
        ]
        return "\n".join(lines)

    def __repr__(self):
        times = self.config.time
        return (
            f"<Simulation {self.config.title or self.config.name}: t = {self.t:g} of {times.end:g}, "
            f"{len(self.modes)} modes, {' x '.join(map(str, self.box.points))} points>"
        )

    def _repr_html_(self):
        from ..results.display import lines_table

        return lines_table(self.describe(), str(self.output.directory or "results in memory"), *self._recorder.warnings)

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
        voice = messages.Voice(self.comm, self.output.directory, self.config, progress)
        self._recorder.begin(voice)
        try:
            with voice, Interrupt(stop) as asked:
                run = self._carried_out(voice, asked)
        except KeyboardInterrupt:
            if self.comm.Get_size() == 1:  # a second one, which may come anywhere: leave no lock and no open file behind
                self.close()
            raise
        if self.stopped == INTERRUPT:
            raise stopped(self.t, self.output.directory)
        return run

    def _carried_out(self, voice, stop):
        for sentence in self.comm.bcast(self.said):
            voice.worry(sentence)
        if self.finished:
            self._unlock()
            return self.output.result()
        self._over = True
        self.integrator.begin(norm=self._recorder.norm)  # that of the start, also when the run is resumed
        voice.begin(self.describe())
        self.ledger.start = clock.monotonic() - self.ledger.begin
        try:
            self._advance(voice, stop)
        except NumericalFailure as failure:
            raise NumericalFailure(self._recorder.report_damage(str(failure))) from None
        self.integrator.view()
        run = self._recorder.finish(self.stopped)
        voice.end(run, self.ledger)
        return run

    def _advance(self, voice, stop):
        """From output time to output time, with checkpoints between."""
        times, every, recorder = self.config.time, self.config.output, self._recorder
        cadences = {name: every[f"{name}_every"] for name in ("series", "fields", "spectrum", "phase_space")}
        plan, done = schedule(times.start, times.end, cadences), self.integrator.t
        if recorder.fresh:
            recorder.start(set(cadences))
        if self.comm.Get_rank() == 0:
            self.box.remember_plans()
        recorder.saved = clock.monotonic()
        self._ask(stop)

        def after_step():
            taken = clock.monotonic() - self._step_began
            self.pace.note(step=taken)
            self.ledger.stepping += taken
            voice.update(self.t, self.integrator.statistics, recorder.rows[-1])
            self.ledger.output += self.output.keep_up()
            self._ask(stop)
            return self.stopped or self._checkpoint_due

        with self._watchdog:
            for since_start, t, due in plan:
                reached = since_start - done <= 1e-12 * self._problem.duration
                while not reached and not self.stopped:
                    self._step_began = clock.monotonic()
                    reached = self.integrator.advance(since_start, after_step)
                    if reached:
                        recorder.record(t, due)
                    if reached and not self.stopped:  # a method that runs freely meets many output times within one step
                        self._ask(stop)
                    if self._checkpoint_due or self.stopped or self.finished:
                        self._checkpoint_due = False
                        recorder.checkpoint()

    def _ask(self, stop):
        """Find out together whether to stop, and whether a checkpoint is due: one reduction. Collective."""
        reason, every = stop() if stop else "", self.config.output.checkpoint_every
        due = self.comm.Get_rank() == 0 and 0 < every <= clock.monotonic() - self._recorder.saved
        wish = largest(self.comm, 2 if reason else int(due))
        self._watchdog.pat()
        self._checkpoint_due, self._step_began = wish == 1, clock.monotonic()
        if wish == 2:
            self.stopped = first_problem(self.comm, reason if isinstance(reason, str) else "request" if reason else "")

    def close(self):
        """Close the files and free PETSc's objects (collective)."""
        self.output.close()
        self.integrator.destroy()
        self._unlock()

    def _unlock(self):
        if self._recorder:
            self._recorder.unlock()


def _started(comm):
    """The communicator of a run, COMM_WORLD for None, with MPI and what NumPy needs under way."""
    from mpi4py import MPI

    from ..runtime.limits import claim_algebra

    claim_algebra()
    return MPI.COMM_WORLD if comm is None else comm

"""Adaptive time integration with PETSc TS. Knows a right-hand side and a state vector, and no physics.

Tolerances mean what they say in the 2-norm: a step is accepted when the estimated error of the state, as a Euclidean
norm over all ranks, is below ``atol + rtol |u(start)|``, the norm at the start of the run. PETSc's norm is a root mean
square over entries, so the scalar tolerance it gets is that number divided by the square root of the global size; its
own component-wise relative tolerance is off, since single Fourier amplitudes may well be zero.
"""

import sys
from dataclasses import replace

import numpy as np

from ..errors import EnvironmentProblem, NumericalFailure
from ..runtime import remedies
from ..runtime.collective import key_of
from . import adams, petsc_options
from .adams import Adams
from .memory import Foreign, IntegratorMemory, Statistics
from .methods import METHODS, MULTISTEP, RUNGE_KUTTA, SPLITTINGS
from .stepper import MOST_REJECTIONS
from .times import shortest_step

# What compiles the kernels that a method calls besides those of the right-hand side, for kernels.warm_up.
KERNELS = {MULTISTEP: ("touch_correct_pencils", "touch_step_weights", "touch_adams")} | {
    method: ("touch_local_flow",) for method in SPLITTINGS
}


def vectors(method):
    """Vectors of the state's size that a method keeps, the state itself included.

    PETSc's Runge-Kutta methods keep two per stage and three more (measured with PETSc 3.18), and the last good state.
    """
    if method == MULTISTEP:
        return adams.VECTORS + 1
    return 4 if method in SPLITTINGS else 2 * METHODS[method].stages + 4


def stored_vectors(method):
    """Vectors of the state's size in a checkpoint, the state itself included: the most there are after a while.

    See `Integrator.memory`: the multistep method has a state of its own and derivatives, some others a stage.
    """
    if method == MULTISTEP:
        return 2 + adams.KEPT
    return 2 if METHODS[method].reuses_last_stage else 1


def check_options(options, method):
    """InputError for PETSc options that no run takes, or that `method` has no use for: see `petsc_options`."""
    petsc_options.check_options(options, RUNGE_KUTTA, method)


def initialize(comm, options=""):
    """Start PETSc on a communicator; where it runs already, only give it what acts on all of it. -> the module.

    Options of the environment and of rc files do not come in: see `petsc_options`. Those of an integrator get to it when it
    begins. EnvironmentProblem where petsc4py cannot be imported.
    """
    running = "petsc4py.PETSc" in sys.modules
    try:
        import petsc4py

        if not running:
            # PETSc's world must outlive PETSc, which ends with the process: it gets a communicator of its own.
            words = ["nuflux_mpi", *petsc_options.AT_START, *petsc_options.of_process(options)]
            with petsc_options.unseen():
                petsc4py.init(words, comm=comm.Dup())
                from petsc4py import PETSc
        from petsc4py import PETSc
    except ImportError as error:
        raise EnvironmentProblem(remedies.petsc4py_remedy(error)) from error
    if running:
        petsc_options.give_to_process(PETSc, options)
    return PETSc


_DUPLICATES = []  # of communicators; who drops one gives it back to PETSc


def keep_duplicate(comm, PETSc):
    """Have PETSc keep its duplicate of a communicator for good. Collective.

    Else it would go with the last object on it and come with the next, both collectively; Python drops objects whenever it
    collects garbage, on each rank at another time, and ranks would wait for each other in different calls.
    """
    if comm.Get_attr(key_of("duplicate of PETSc")) is None:
        _DUPLICATES.append(PETSc.Comm(comm).duplicate())
        comm.Set_attr(key_of("duplicate of PETSc"), True)


class Integrator:
    """A state vector that PETSc TS carries forward in time.

    rhs: callable ``rhs(t, u, du)`` on local real arrays, called by all ranks together; flow: callable ``flow(t, h, u)``,
    needed by the splitting methods alone (:mod:`~nuflux_mpi.time.splitting`); correct, active: what serves the multistep
    method alone, see :class:`~nuflux_mpi.time.adams.Adams`.
    size: local length of the state (zero is allowed); comm: mpi4py communicator.
    method: one of `methods.METHODS`; rtol, atol: see the module's text. start: initial time.
    origin: is added to times that are told, since times are best counted from 0. dt_initial, dt_max: optional step sizes.
    dt_min: a controller that asks for less ends the run as a collapsed step; default `times.shortest_step`, also while a
    multistep method starts.
    options: PETSc options of this integrator alone; those of PETSc as a whole, such as -log_view, stay in force.
    InputError for options that the method leaves no room for, see `check_options`.

    `u` is the local state and `t` its time: set them, then call `begin`, then `advance`. After a NumericalFailure `u` is
    the last good state and `attempted` the step size that failed. Call `destroy` when done (collective).
    """

    @classmethod
    def of(cls, problem, comm, **options):
        """The integrator of an object with `rhs`, `size`, `flow`, `correct` and `active`, such as an interaction picture."""
        return cls(
            problem.rhs, problem.size, comm, flow=problem.flow, correct=problem.correct, active=problem.active, **options
        )

    def __init__(
        self,
        rhs,
        size,
        comm,
        *,
        method=MULTISTEP,
        rtol=1e-10,
        atol=0.0,
        start=0.0,
        dt_initial=None,
        dt_min=None,
        dt_max=None,
        options="",
        flow=None,
        correct=None,
        active=None,
        origin=0.0,
    ):
        check_options(options, method)
        PETSc = self._PETSc = initialize(comm, options)
        keep_duplicate(comm, PETSc)
        self._rhs, self.rtol, self.atol, self.method, self._options = rhs, rtol, atol, method, options
        self.statistics, self._rejected_before = Statistics(), 0
        self._stage = self._recalled = None  # the derivative last computed; that of an earlier run
        self._vector = PETSc.Vec().createMPI((size, None), comm=comm)
        self._array, self._array_time = self._vector.getArray(), None
        self.t, self._origin, self._dt, self._dt_min, self._dt_max = start, origin, dt_initial, dt_min, dt_max
        ts = self._ts = PETSc.TS().create(comm=comm)
        ts.setOptionsPrefix(petsc_options.PREFIX)
        self._stepper = self._own_method(flow, correct, active, size, comm)
        if self._stepper is None:
            self._work, self._good = self._vector.duplicate(), self._vector.duplicate()
            ts.setType(PETSc.TS.Type.RK)
            ts.setRKType(method)
            ts.setRHSFunction(self._evaluate, self._work)
        else:
            ts.setType(PETSc.TS.Type.PYTHON)
            ts.setPythonContext(self._stepper)
        ts.setProblemType(PETSc.TS.ProblemType.NONLINEAR)
        ts.setExactFinalTime(PETSc.TS.ExactFinalTime.STEPOVER)
        ts.setMaxTime(1e300)
        ts.setMaxSteps(2**31 - 1)
        ts.setMaxStepRejections(0)  # `_step_of_petsc` repeats it
        ts.setErrorIfStepFails(False)
        if self._stepper is None:
            petsc_options.try_controller(ts, PETSc.Options(), options, _NO_LIMITS)

    def _own_method(self, flow, correct, active, size, comm):
        """The stepper of a method that is not PETSc's, or None."""
        if self.method == MULTISTEP:
            return Adams(self._counted(self._rhs), comm, size, correct and self._counted(correct, 2), active)
        if self.method in SPLITTINGS:
            from .splitting import Splitting

            return Splitting(self._counted(flow), comm, size, self.method)
        return None

    def _counted(self, function, evaluations=1):
        def counted(*arguments):
            self.statistics.rhs_evaluations += evaluations
            return function(*arguments)

        return counted

    def _evaluate(self, ts, t, u, du):
        self._stage = du
        if self._recalled is not None and t == self.t:  # the first stage of the first step
            du.getArray()[...] = self._recalled
            return
        self.statistics.rhs_evaluations += 1
        self._rhs(t, u.getArray(readonly=True), du.getArray())

    @property
    def u(self):
        """The local state at time `t`."""
        if self._running_free() and self.t != self._array_time:
            self._stepper.state(self.t, self._array)
            self._array_time = self.t
        return self._array

    def _running_free(self):
        """Whether a stepper keeps the state, at times of its own."""
        return self._array_time is not None and self._stepper is not None and self._stepper.free_running

    def memory(self):
        """What the next step depends on besides `u` and `t`: (IntegratorMemory, list of local vectors).

        It is complete for PETSc's usual controller, which remembers nothing, and not for those that do, such as dsp.
        """
        record, vectors = IntegratorMemory(self._dt, replace(self.statistics)), []
        if self._stepper is not None:
            record.stepper, vectors = self._stepper.memory()
            return record, vectors
        if self._reuses_last_stage() and self.statistics.steps:
            # Computed anew from `u` it would differ in the last bits: PETSc sums the stages in another order there.
            vectors.append(self._stage.getArray(readonly=True) if self._recalled is None else self._recalled)
        return record, vectors

    def understands(self, record, vectors):
        """Foreign if this is no `memory` of an integrator with this method; vectors: how many there are."""
        if self._stepper is not None:
            self._stepper.understands(record.stepper, vectors)
        elif record.stepper is not None or vectors > 1:
            raise Foreign("it is of another method")

    def recall(self, record, vectors):
        """Go on from the `memory` of an earlier integrator; call it before `begin`, with `u` and `t` set."""
        self._dt, self.statistics = record.dt, replace(record.statistics)
        self._rejected_before = self.statistics.rejections
        self._ts.setStepNumber(self.statistics.steps)
        if self._stepper is not None:
            self._stepper.recall(record.stepper, vectors)
        else:
            self._recalled = vectors[0] if vectors else None

    def _reuses_last_stage(self):
        return self._ts.getType() == self._PETSc.TS.Type.RK and METHODS[self._ts.getRKType()].reuses_last_stage

    def norm(self):
        """Euclidean norm of the state over all ranks. Collective."""
        self._vector.assemble()  # `u` was written behind PETSc's back
        return self._vector.norm()

    def begin(self, norm=None):
        """Take the state in `u` as initial: set the tolerance from `norm` (default: its own), choose the first step."""
        ts, norm = self._ts, self.norm() if norm is None else norm
        self.tolerance = self.atol + self.rtol * norm
        ts.setTolerances(rtol=0.0, atol=max(self.tolerance, 1e-300) / np.sqrt(self._vector.getSize()))
        ts.setSolution(self._vector)
        ts.setTime(self.t)
        if self._dt is None:
            self._dt = self._first_step()
        if self._dt is not None:
            ts.setTimeStep(self._dt)
        with petsc_options.at_hand(self._PETSc.Options(), self._options, _NO_LIMITS):
            ts.setFromOptions()
        ts.setUp()
        if self._stepper is not None:
            self._stepper.begin(self.t, self._array, self.tolerance)
            ts.setTime(self._stepper.time)
        self._array_time = self.t

    def _first_step(self):
        """First step from the sizes of the first two derivatives (Hairer, Norsett, Wanner, Solving ODEs I, II.4).

        Theirs mixes units; here the local error is taken as |f| / rate (rate h)^(order + 1), rate being that at which the state
        or its derivative changes. None for a state at rest, which has no rate.
        """
        u, (f, v, g) = self._vector, (self._vector.duplicate() for _ in range(3))
        try:
            self._evaluate(None, self.t, u, f)
            d1, tolerance = f.norm(), max(self.tolerance, 1e-300)
            if not np.isfinite(d1):
                raise NumericalFailure(f"the right-hand side is not finite at the start, t = {self._told(self.t):g}")
            if d1 == 0.0:
                return None
            size = max(u.norm(), tolerance)
            h = 0.01 * size / d1
            for _ in range(_MOST_PROBES):
                v.waxpy(h, f, u)
                self._evaluate(None, self.t + h, v, g)
                g.axpy(-1.0, f)
                change = g.norm() / d1
                if change <= 0.1:  # else h is no short time for the derivative, and its change tells no rate
                    break
                h *= 0.03125
            rate = max(d1 / size, min(change, 1.0) / h) if np.isfinite(change) else d1 / size
            order = METHODS[self.method].order if self._stepper is None else self._stepper.order
            return min(100 * h, (0.01 * tolerance / (d1 / rate)) ** (1.0 / (order + 1)) / rate)
        finally:
            for vector in (f, v, g):
                vector.destroy()

    def advance(self, target, after_step=None):
        """Integrate to exactly `target`. `after_step()` is called after every accepted step; a true value stops there.

        Returns True if the target was reached. The last steps are shortened or halved so that the target is met without
        a tiny one, and the step that the controller wanted is kept for later; a method that runs freely steps past the
        target instead and gives the state there from its own polynomial. NumericalFailure (on all ranks) if the step
        collapses or the state is no longer finite.
        """
        if self._dt is None:  # at rest: what lies ahead has no rate but that of the output
            self._dt = 0.01 * (target - self.t)
        while self.t < target:
            if self._running_free() and self._stepper.time > self.t:
                self.t = min(target, self._stepper.time)
                continue
            wanted = self._dt if self._dt_max is None else min(self._dt, self._dt_max)
            h = wanted if self._running_free() else _fitted(wanted, target - self.t)
            self._step(h)
            self._count_step(h, wanted, target)
            if self._dt < self._smallest():
                raise self._collapsed()
            if after_step is not None and after_step():
                return self.t >= target
        return True

    def _count_step(self, h, wanted, target):
        """Take over time, proposed step and counts from TS after a step that was asked to be h."""
        ts, stat, before = self._ts, self.statistics, self.t
        reached, proposed = ts.getTime(), ts.getTimeStep()
        taken = reached - before
        if self._running_free():
            self.t, self._dt = min(reached, target), proposed
        else:
            last = abs(reached - target) <= 1e-13 * max(abs(target), target - before)
            self.t = target if last else reached
            if last:
                ts.setTime(target)  # the sum of steps may miss it by rounding
            # A step cut for the target says little about the next one: keep what was wanted unless it was rejected.
            self._dt = max(proposed, wanted) if taken >= h * (1.0 - 1e-12) else proposed
        stat.steps, stat.dt = ts.getStepNumber(), taken
        rejections = ts.getStepRejections() if self._stepper is None else self._stepper.rejections
        stat.rejections = self._rejected_before + rejections
        stat.smallest_dt, stat.largest_dt = min(stat.smallest_dt, taken), max(stat.largest_dt, taken)
        ts.monitor(stat.steps, reached)

    def _smallest(self):
        starting = self._stepper is not None and self._stepper.starting
        default = shortest_step(self.t, self.statistics.largest_dt)
        return default if self._dt_min is None or starting else self._dt_min

    def _told(self, t):
        return self._origin + t

    def _collapsed(self):
        return NumericalFailure(
            f"the step size collapsed at t = {self._told(self.t):.10g}: no step of {self._smallest():.3g} (time.dt_min) or "
            f"more meets the tolerance {self.tolerance:.3g} (time.rtol, time.atol); a tolerance below what rounding allows "
            "and a field that is not resolved are the usual causes"
        )

    def _step(self, h):
        ts = self._ts
        ts.setTimeStep(h)
        self.attempted = h
        if self._stepper is None:
            finite = self._step_of_petsc()
            broken = ts.getConvergedReason() < 0
        else:
            ts.step()
            finite, broken = self._stepper.broken != "finite", self._stepper.broken
        if not finite:
            raise NumericalFailure(
                f"not-a-number or infinity in the step from t = {self._told(self.t):.10g} to {self._told(self.t + h):.10g}"
            )
        if broken or ts.getTime() - self.t < min(self._smallest(), h * (1.0 - 1e-9)):
            raise self._collapsed()

    def _step_of_petsc(self):
        """A step of TSRK; returns whether it is finite, and keeps the last good state where not."""
        self._vector.copy(self._good)  # little beside a step's many stages; the stages cannot be had back from PETSc
        PETSc, ts = self._PETSc, self._ts
        try:
            ts.step()
            self._recalled = None  # where PETSc starts again it computes the first stage itself
            for _ in range(MOST_REJECTIONS):
                if ts.getConvergedReason() != PETSc.TS.ConvergedReason.DIVERGED_STEP_REJECTED:
                    break
                # PETSc takes a rejected step back by subtracting it, and its rounding stays: of a step that was far
                # too long, all that there is. So it starts again from the copy, with the step size now proposed.
                self._good.copy(self._vector)
                ts.setConvergedReason(PETSc.TS.ConvergedReason.ITERATING)
                ts.restartStep()
                ts.step()
        except PETSc.Error as error:
            if error.ierr != PETSC_ERR_FP:
                raise
            self._good.copy(self._vector)
            return False
        return True

    def view(self):
        """Honour ``-ts_view`` as TSSolve would."""
        with petsc_options.at_hand(self._PETSc.Options(), self._options):
            self._ts.viewFromOptions("-ts_view")

    def destroy(self):
        """Give PETSc's objects back (collective)."""
        self._array = self._array_time = self._stage = None
        vectors = (self._vector, self._work, self._good) if self._stepper is None else (self._vector,)
        for thing in (self._ts, *vectors):
            thing.destroy()


def _fitted(h, remaining):
    """The step to take where `remaining` is left to a target: h, all of it, or half of it."""
    if h >= remaining * (1.0 - 1e-12):
        return remaining
    return 0.5 * remaining if 2.0 * h > remaining else h


PETSC_ERR_FP = 72
_NO_LIMITS = {"ts_adapt_dt_min": 1e-300, "ts_adapt_dt_max": 1e300}
_MOST_PROBES = 30  # of the first step: 1e-45 of the time in which the state would change

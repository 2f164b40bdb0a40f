"""What time-stepping methods of our own have in common: the loop of attempts at a step, as a python type of PETSc TS.

PETSc's step-size controllers (TSAdapt) are out of reach of python types, so the choice of the step is made here, by the
rule of PETSc's basic one: h (safety x tolerance / error)^(1/order), clipped. Errors are 2-norms over all ranks.
"""

import numpy as np

from .memory import Foreign

MOST_REJECTIONS = 60  # of one step; each makes it shorter
SAFETY, SHRINK, GROW = 0.9, 0.2, 2.0


class Stepper:
    """A method with error control. Subclasses carry the state; `Integrator` owns the time loop and the targets.

    comm: mpi4py communicator; size: local length of the state. `tolerance` is set by :meth:`begin`.
    `time` is that of the stepper's state, `rejections` counts rejected attempts; `broken` tells why
    the last step failed: "finite" (it was not), "collapsed", or "".

    A subclass has `order`, that of the error estimate, and `_attempt(t, h)`, which returns this rank's part of the square
    of the estimated error, in an array of one; `_accept(t, h, error)`, with the error in tolerances, and `_refuse(h, error,
    attempt)`, which return the next step; `memory`, `understands` and `recall`, if it remembers more than the state.
    """

    free_running = False  # True: goes past output times, and `state` interpolates
    starting = False  # True: every step so far was followed by a longer one

    def __init__(self, comm, size):
        self.comm, self.size = comm, size
        self.rejections, self.broken, self.tolerance = 0, "", np.nan

    def begin(self, t, u, tolerance):
        """Take u (local, kept by reference) as the state at time t, unless an earlier one was recalled."""
        self.u, self.time, self.tolerance = u, t, max(tolerance, 1e-300)

    def memory(self):
        """What the next step depends on besides state and time: (record or None, list of local vectors)."""
        return None, []

    @staticmethod
    def understands(record, vectors):
        """Foreign if this is no `memory` of this method; vectors: how many there are."""
        if record is not None or vectors:
            raise Foreign("it is of another method")

    def recall(self, record, vectors):
        """Go on from the `memory` of an earlier stepper; call it before `begin`."""

    def _attempt(self, t, h):
        raise NotImplementedError

    def _accept(self, t, h, error):
        raise NotImplementedError

    def _refuse(self, h=0.0, error=1.0, attempt=0):
        raise NotImplementedError

    def state(self, t, u):
        """u <- the state at a time within the last step, of a method that runs freely."""
        raise NotImplementedError

    def step(self, ts):
        """One accepted step of TS, or `broken`. PETSc calls it on all ranks."""
        t, h = ts.getTime(), ts.getTimeStep()
        for attempt in range(MOST_REJECTIONS):
            error = float(np.sqrt(self._total(self._attempt(t, h))[0])) / self.tolerance
            if not np.isfinite(error):
                self._refuse()
                self.broken = "finite"
                return
            if error <= 1.0:
                wanted = self._accept(t, h, error)
                self.time = t + h
                ts.setTime(self.time)
                ts.setTimeStep(wanted)
                return
            self.rejections += 1
            h = self._refuse(h, error, attempt)
            if t + h == t:
                break
        self.broken = "collapsed"

    def _total(self, local):
        """Sum of a small array over the ranks."""
        if self.comm.size == 1:
            return local
        total = np.empty_like(local)
        self.comm.Allreduce(local, total)
        return total

    def _factor(self, error, order):
        """By how much the step may change, for a local error ~ h^order."""
        return min(GROW, max(SHRINK, SAFETY * max(error, 1e-30) ** (-1.0 / order)))

"""Adams-Bashforth-Moulton methods of variable order and step, predict - evaluate - correct - evaluate.

The derivatives f_0, f_1, ... at the last times t_0 > t_1 > ... are kept as they are; a step changes coefficients, which
are numbers, and no vector. With the polynomial through k of them,

    predictor   p = y + int f ,      extrapolated derivative  x = f(t_0 + h)
    corrector   y <- p + g (F - x),  F the right-hand side at p:   the Adams-Moulton formula of order k + 1,
    derivative of the new state, kept,

and the difference to the Adams-Moulton formula of order k, a multiple of F - x, is the error estimate: an error per
step of the method of order k, while the one of order k + 1 is carried on (Shampine and Gordon, Computer Solution of
Ordinary Differential Equations, 1975; Hairer, Norsett, Wanner, Solving ODEs I, III.5-7). Orders go from 1 at the start
up to 12, where the estimated errors of neighbouring orders say that steps could be longer.

Beyond its right-hand sides a step costs the reading of k derivatives. The pass that sums them for one step therefore
begins the sums of the next one too, in the hope that it will be as long; then that only adds the newest derivative.

Part of the state may be passive: the derivative does not depend on it. It needs no predictor, since it is a quadrature:
the same formula with the derivative of the new state as F.

Steps do not end at output times: the state there is the integral of the polynomial through the last k + 1 derivatives,
as accurate as the step itself.
"""

from typing import Any

import numpy as np

from .. import kernels
from .memory import AdamsMemory, Foreign
from .stepper import Stepper

MOST = 12  # largest k
KEPT = MOST + 1  # derivatives kept: order k + 1 is judged by a difference of k + 2 of them
# And the state, the predictor that becomes the new one, the extrapolation, both as begun for the next step. The
# derivative of the new state takes the place of the oldest.
VECTORS = KEPT + 5
# Where the next step could be this much longer than the last, it is as long, and sums begun for it are of use.
KEEP = 0.95, 1.3


class Adams(Stepper):
    """The method above. rhs: callable ``rhs(t, u, du)`` on local arrays.

    correct: what an attempt asks of the right-hand side, where that knows a shorter way than calling `rhs` twice:
    callable ``correct(t, p, extrapolated, factor, du)`` that makes p <- p + factor (F - extrapolated), F the derivative
    of the `active` leading numbers of p, then du <- the derivative of all at the new p, and returns this rank's sum of
    squares of F - extrapolated, which it may use up. The numbers behind the active ones are passive: nothing depends on
    them.

    It keeps `VECTORS` vectors beside u: derivatives, and the roles of the step, which change places and are not copied.
    """

    free_running = True

    def __init__(self, rhs, comm, size, correct=None, active=None):
        super().__init__(comm, size)
        self._rhs, self._correct = rhs, correct or self._correct_plainly
        self._active = size if active is None else active
        self._pool = np.empty((VECTORS, size))  # for which numpy asks for huge pages, unlike np.zeros; saves a tenth
        self._y, self._history = 0, []  # rows of the pool: the state; derivatives, the newest first
        self._times, self.order, self._since, self._ramp, self.starting = [], 1, 0, True, True
        self._ahead: Any = None  # length of the next step for which sums have been begun, and their two rows

    # The state at any time that the last step has covered

    def begin(self, t, u, tolerance):
        super().begin(t, u, tolerance)
        if self._times:  # recalled
            self.time = self._times[0]
            return
        self._pool[self._y] = u
        self._evaluate(t)

    def state(self, t, out):
        """out <- the state at time t within the last step."""
        h = t - self._times[0]
        if h == 0.0:
            out[:] = self._pool[self._y]
            return
        rows = self._history[: self.order + 1]
        nodes = self._nodes(self._times[: len(rows)], self._times[0], h)
        b, x = np.empty(len(rows)), np.empty(len(rows))
        kernels.formula(nodes, b, x)
        kernels.combine(self._pool, np.array([self._y, *rows]), np.append(1.0, h * b), out)

    def memory(self):
        ahead = self._ahead and self._ahead[0]
        record = AdamsMemory(list(self._times), self.order, self._since, self._ramp, self.starting, ahead)
        return record, [self._pool[row] for row in (self._y, *self._history)]

    @staticmethod
    def understands(record, vectors):
        if record is None or record.order > MOST or not len(record.times) + 1 == vectors <= KEPT + 1:
            raise Foreign("it is of another method")

    def recall(self, record, vectors):
        self._times, self.order, self._since = list(record.times), record.order, record.since
        self._ramp, self.starting = record.ramp, record.starting
        self._y, self._history = 0, list(range(1, len(vectors)))
        for row, vector in enumerate(vectors):
            self._pool[row] = vector
        if record.ahead:  # made anew as in the step before, which was as long: the same bits
            h, past = record.ahead, slice(1, self.order + 1)
            weights, written = kernels.step_weights(np.array(self._times[past]), h, True)[0], self._free(4)
            kernels.weigh(self._pool, np.array([self._y, *self._history[past]]), weights, 0, self._actives(*written))
            self._ahead = h, *written[2:]

    # A step

    def _free(self, count):
        used = {self._y, *self._history, *(self._ahead[1:] if self._ahead else ())}
        return [row for row in range(VECTORS) if row not in used][:count]

    def _evaluate(self, t):
        """Derivative of the state at time t, the newest of the history."""
        (row,) = self._free(1)
        self._rhs(t, self._pool[self._y], self._pool[row])
        self._remember(t, row)

    def _remember(self, t, row):
        """A derivative at time t becomes the newest of the history."""
        self._history = [row] + self._history[: KEPT - 1]
        self._times = [t] + self._times[: KEPT - 1]

    def _nodes(self, times, origin, h):
        return (np.array(times) - origin) / h

    def _actives(self, *rows):
        return tuple(self._pool[row, : self._active] for row in rows)

    def _attempt(self, t, h):
        # The oldest derivative makes room for that of the new state.
        self._history, self._times = self._history[: KEPT - 1], self._times[: KEPT - 1]
        k, pool, active = self.order, self._pool, self._active
        begun = self._ahead if self._ahead and self._ahead[0] == h else None
        self._ahead, ahead = None, not self._ramp and not begun
        weights, g, e = kernels.step_weights(np.array(self._times[:k]), h, ahead)
        rows = np.array([self._y, *self._history[:k]])
        if begun:
            p, extrapolated = begun[1:]
            kernels.complete(*self._actives(*rows[:2]), *weights[:, 1], *self._actives(p, extrapolated))
        else:
            written = self._free(4 if ahead else 2)
            kernels.weigh(pool, rows, weights, 0, self._actives(*written))
            p, extrapolated = written[:2]
            self._ahead = (h, *written[2:]) if ahead else None
        new = next(row for row in self._free(VECTORS) if row not in (p, extrapolated))
        square = self._correct(t + h, pool[p], pool[extrapolated], h * g, pool[new])
        if active < self.size:
            square += kernels.integrate(pool, rows, weights[:2], active, h * g, pool[new, active:], pool[p, active:])
        self._attempted = p, new
        return np.array([square * (h * e) ** 2])

    def _correct_plainly(self, t, p, extrapolated, factor, du):
        self._rhs(t, p, du)
        square = kernels.correct(p, extrapolated, du, factor)
        self._rhs(t, p, du)
        return square

    def _accept(self, t, h, error):
        self._y, new = self._attempted
        self._remember(t + h, new)
        self._since += 1
        factor = self._choose_order(h, error)
        self.starting = self.starting and factor > 1.0
        if self._ahead and KEEP[0] <= factor <= KEEP[1]:
            return h
        self._ahead = None
        return h * factor

    def _refuse(self, h=0.0, error=1.0, attempt=0):
        self._ramp, self.starting, self._ahead = False, False, None
        if attempt >= 2:  # the past says nothing about what comes: start again
            self.order = 1
        return h * min(0.5 if attempt else 1.0, self._factor(error, self.order + 1))

    def _choose_order(self, h, error):
        """Change the order where another allows a longer step; returns the factor for the step. Collective."""
        k, held = self.order, len(self._history)
        if self._ramp and k < MOST and k + 1 <= held:
            lower = self._errors(h, [k - 1, k])[0] if k > 2 else np.inf
            if lower > error:
                self.order += 1
                return self._factor(error, k + 1)
        self._ramp = False
        if self._since > k and not self._ahead:
            orders = [m for m in (k - 1, k, k + 1) if 1 <= m <= MOST and m + 1 <= held]
            errors = self._errors(h, orders)
            factors = [max(e, 1e-30) ** (-1.0 / (m + 1)) for m, e in zip(orders, errors)]
            best = factors.index(max(factors))
            self._since = 0
            if orders[best] != k:
                self.order = orders[best]
                return self._factor(errors[best], self.order + 1)
        return self._factor(error, k + 1)

    def _errors(self, h, orders):
        """Estimated errors, in tolerances, of the formulas of these orders in the step just made."""
        rows = np.array(self._history[: max(orders) + 1])
        nodes = self._nodes(self._times[: len(rows)], self._times[0] - h, h)  # the new time at 1
        weights, factors = np.zeros((len(orders), len(rows))), np.zeros(len(orders))
        for i, m in enumerate(orders):
            factors[i] = h * kernels.difference(nodes[: m + 1], weights[i, : m + 1])
        return factors * np.sqrt(self._total(kernels.squares(self._pool, rows, weights))) / self.tolerance

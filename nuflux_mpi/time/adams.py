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

import functools
import operator

import numpy as np

from ..kernels import kernels
from .memory import AdamsMemory, Foreign
from .stepper import Stepper

MOST = 12  # largest k
KEPT = MOST + 1  # derivatives kept: order k + 1 is judged by a difference of k + 2 of them
# And the state, the predictor that becomes the new one, the extrapolation, both as begun for the next step. The
# derivative of the new state takes the place of the oldest.
VECTORS = KEPT + 5
# Where the next step could be this much longer than the last, it is as long, and sums begun for it are of use.
KEEP = 0.95, 1.3
_X, _W = np.polynomial.legendre.leggauss(8)  # exact to degree 15
_X, _W = 0.5 * (_X + 1.0), 0.5 * _W
# Numbers taken together: sums stay in the second-level cache, and rows are read long enough at a stretch.
_BLOCK = 4096


def formula(nodes, b, x):
    """Coefficients of one step, for the k times of the derivatives in units of the step, the new time at 1.

    b_j = int_0^1 l_j and x_j = l_j(1), l_j the Lagrange polynomials of the nodes, are written into b and x.
    Returns g, what the corrector adds per F - x, and e, the same for the difference to the corrector of one order less.
    """
    k, g, e = len(nodes), 0.0, 0.0
    b[:] = 0.0
    for q in range(len(_X)):
        z, weight = _X[q], _W[q]
        product = 1.0
        for j in range(k):
            value = 1.0
            for m in range(k):
                if m != j:
                    value *= (z - nodes[m]) / (nodes[j] - nodes[m])
            b[j] += weight * value
            if j == k - 1:
                e += weight * product * (z - 1.0) / (1.0 - nodes[j])
            product *= (z - nodes[j]) / (1.0 - nodes[j])
        g += weight * product
    for j in range(k):
        x[j] = 1.0
        for m in range(k):
            if m != j:
                x[j] *= (1.0 - nodes[m]) / (nodes[j] - nodes[m])
    return g, abs(e)


def step_weights(times, h, ahead):
    """Weights of the state and of the derivatives at `times`, the newest first, in the sums of a step of length h.

    weights: (2, 1 + times) for the predictor and the extrapolation; g and e of :func:`formula` come after. With `ahead`,
    (4, 1 + times): then for the same sums of another such step, less the derivative that is to come.
    """
    k = len(times)
    weights, b, x = np.zeros((4 if ahead else 2, k + 1)), np.empty(k), np.empty(k)
    if ahead:
        later = np.empty(k)
        later[0], later[1:] = times[0] + h, times[:-1]
        formula((later - later[0]) / h, b, x)
        weights[2, 1:k], weights[3, 1:k] = h * b[1:], x[1:]
    g, e = formula((times - times[0]) / h, b, x)
    weights[0, 0], weights[0, 1:], weights[1, 1:] = 1.0, h * b, x
    return weights, g, e


def difference(nodes, d):
    """Weights d_j of the divided difference sum_j d_j f_j over all nodes, the new time's (1) first.

    Returns the factor that makes of its norm the estimated error of the formula of order len(nodes) - 1, in units of h.
    """
    total, factor = len(nodes), 0.0
    for j in range(total):
        product = 1.0
        for m in range(total):
            if m != j:
                product *= nodes[j] - nodes[m]
        d[j] = 1.0 / product
    for q in range(len(_X)):
        product = _W[q] * (1.0 - _X[q])
        for j in range(1, total - 1):
            product *= _X[q] - nodes[j]
        factor += product
    return abs(factor)


def weigh(pool, rows, weights, start, written):
    """written[i] <- sum_j weights[i, j] pool[rows_j] for each of two or four vectors.

    No more than 13 rows, and of each as many numbers as the vectors have, from `start`.
    """
    some = pool[rows, start : start + len(written[0])]
    for out, b in zip(written, weights):
        np.dot(b, some, out=out)


def complete(y, f, b, x, p, extrapolated):
    """p <- y + p + b f, extrapolated <- extrapolated + x f: sums over the other derivatives are there already."""
    p += y
    p += b * f
    extrapolated += x * f


def integrate(pool, rows, weights, start, g, rate, out):
    """out <- p + g (rate - extrapolated) for the numbers from `start`, the last; p and extrapolated as by `weigh`.

    rate, out: (numbers,). Returns the sum of squares of rate - extrapolated.
    """
    total, extrapolated = 0.0, np.empty(_BLOCK)
    for first in range(0, len(out), _BLOCK):
        last = min(first + _BLOCK, len(out))
        some, p = extrapolated[: last - first], out[first:last]
        weigh(pool, rows, weights, start + first, (p, some))
        total += kernels.correct(p, some, rate[first:last], g)
    return total


def combine(pool, rows, b, out):
    """out <- sum_j b_j pool[rows_j]."""
    np.dot(b, pool[rows], out=out)


def squares(pool, rows, d):
    """Sums of squares of the combinations sum_j d[i, j] pool[rows_j], one for each row of d, which are up to four."""
    return np.array([float(np.dot(v, v)) for v in d @ pool[rows]])


if kernels.COMPILED:
    from ..kernels.compiling import njit
    from ..kernels.simd import at_once

    _jit = njit(fastmath={"contract", "nsz", "arcp", "reassoc"})

    formula, difference = _jit(formula), _jit(difference)
    step_weights = _jit(step_weights)

    # Four rows at a time: with one, loading and storing the sum would cost more than reading the row.

    @_jit
    def _add_four(r0, r1, r2, r3, b, out):
        b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
        for i in range(len(out)):
            out[i] += b0 * r0[i] + b1 * r1[i] + b2 * r2[i] + b3 * r3[i]

    @_jit
    def _add_rows(pool, rows, b, start, stop, out):
        """out += sum_j b_j pool[rows_j, start:stop]."""
        fours = len(rows) - len(rows) % 4
        for j in range(0, fours, 4):
            k, m, n, q = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
            _add_four(pool[k, start:stop], pool[m, start:stop], pool[n, start:stop], pool[q, start:stop], b[j : j + 4], out)
        for j in range(fours, len(rows)):
            row, factor = pool[rows[j], start:stop], b[j]
            for i in range(len(out)):
                out[i] += factor * row[i]

    # All sums at once, and all rows in one pass: the sums are then never loaded. The number of rows must be known to the
    # compiler; there are four of them, filled up with the first row, times zero. Eight numbers of a row at a time: with
    # four, fetching the weights takes longer than memory does.

    def _weighted(written, rows, numbers):
        parts = [numbers[i : i + len(rows)] for i in range(0, len(numbers), len(rows))]
        return tuple(functools.reduce(operator.add, [c * row for c, row in zip(part, rows)]) for part in parts)

    def _completed(written, rows, numbers):
        (p, extrapolated), (y, f), (b, x) = written, rows, numbers
        return p + y + b * f, extrapolated + x * f

    _weigh_8, _weigh_1 = at_once(_weighted, 8), at_once(_weighted, 1)
    _complete_4, _complete_1 = at_once(_completed, 4), at_once(_completed, 1)

    @_jit
    def _four(x, i):
        return x[i[0]], x[i[1]], x[i[2]], x[i[3]]

    @_jit
    def _seven(x, i):
        return (*_four(x, i), x[i[4]], x[i[5]], x[i[6]])

    @_jit
    def _ten(x, i):
        return (*_seven(x, i), x[i[7]], x[i[8]], x[i[9]])

    @_jit
    def _thirteen(x, i):
        return (*_ten(x, i), x[i[10]], x[i[11]], x[i[12]])

    @_jit
    def _weigh(written, rows, numbers):
        n = len(written[0])
        for i in range(0, n - 7, 8):
            _weigh_8(written, rows, numbers, i)
        for i in range(n - n % 8, n):
            _weigh_1(written, rows, numbers, i)

    @_jit
    def weigh(pool, rows, weights, start, written):  # noqa: F811
        pool, count = pool[:, start:], len(rows)
        room = max(4, 3 * ((count + 1) // 3) + 1)
        at, c = np.full(room, rows[0]), np.zeros((len(weights), room))
        at[:count], c[:, :count] = rows, weights
        if room == 4:
            _weigh(written, _four(pool, at), c)
        elif room == 7:
            _weigh(written, _seven(pool, at), c)
        elif room == 10:
            _weigh(written, _ten(pool, at), c)
        else:
            _weigh(written, _thirteen(pool, at), c)

    @_jit
    def complete(y, f, b, x, p, extrapolated):  # noqa: F811
        n, written, rows, numbers = len(p), (p, extrapolated), (y, f), (b, x)
        for i in range(0, n - 3, 4):
            _complete_4(written, rows, numbers, i)
        for i in range(n - n % 4, n):
            _complete_1(written, rows, numbers, i)

    integrate = _jit(integrate)

    @_jit
    def combine(pool, rows, b, out):  # noqa: F811
        for start in range(0, len(out), _BLOCK):
            stop = min(start + _BLOCK, len(out))
            out[start:stop] = 0.0
            _add_rows(pool, rows, b, start, stop, out[start:stop])

    @_jit
    def squares(pool, rows, d):  # noqa: F811
        weights, space, total, n = np.zeros((4, len(rows))), np.empty((4, _BLOCK)), np.zeros(len(d)), pool.shape[1]
        weights[: len(d)] = d
        for start in range(0, n, _BLOCK):
            block = space[:, : min(n - start, _BLOCK)]
            weigh(pool, rows, weights, start, (block[0], block[1], block[2], block[3]))
            for i in range(len(d)):
                part = 0.0
                for z in range(block.shape[1]):
                    part += block[i, z] * block[i, z]
                total[i] += part
        return total


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
        self._ahead = None  # length of the next step for which sums have been begun, and their two rows

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
        formula(nodes, b, x)
        combine(self._pool, np.array([self._y, *rows]), np.append(1.0, h * b), out)

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
            weights, written = step_weights(np.array(self._times[past]), h, True)[0], self._free(4)
            weigh(self._pool, np.array([self._y, *self._history[past]]), weights, 0, self._actives(*written))
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
        weights, g, e = step_weights(np.array(self._times[:k]), h, ahead)
        rows = np.array([self._y, *self._history[:k]])
        if begun:
            p, extrapolated = begun[1:]
            complete(*self._actives(*rows[:2]), *weights[:, 1], *self._actives(p, extrapolated))
        else:
            written = self._free(4 if ahead else 2)
            weigh(pool, rows, weights, 0, self._actives(*written))
            p, extrapolated = written[:2]
            self._ahead = (h, *written[2:]) if ahead else None
        new = next(row for row in self._free(VECTORS) if row not in (p, extrapolated))
        square = self._correct(t + h, pool[p], pool[extrapolated], h * g, pool[new])
        if active < self.size:
            square += integrate(pool, rows, weights[:2], active, h * g, pool[new, active:], pool[p, active:])
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
            factors[i] = h * difference(nodes[: m + 1], weights[i, : m + 1])
        return factors * np.sqrt(self._total(squares(self._pool, rows, weights))) / self.tolerance


def touch():
    """Compile the vector kernels (or load them from numba's cache)."""
    pool, one, rows = np.zeros((2, 1)), np.zeros(1), np.zeros(1, dtype=np.int64)
    two, four = np.zeros((2, 1)), np.zeros((4, 1))
    weigh(pool, rows, two, 0, (pool[0], pool[1]))
    weigh(pool, rows, four, 0, (pool[0], pool[1], pool[0], pool[1]))
    complete(pool[0], pool[0], 0.0, 0.0, pool[0], pool[1])
    integrate(pool, rows, two, 0, 0.0, pool[0], pool[1])
    kernels.correct(pool[0], pool[0], pool[1], 0.0)
    combine(pool, rows, one, pool[1])
    squares(pool, rows, np.zeros((1, 1)))
    step_weights(one, 1.0, True)
    formula(one, one, one)
    difference(one, one)

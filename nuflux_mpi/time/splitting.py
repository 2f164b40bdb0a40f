"""Symmetric splitting: advection and local flow, each solved on its own, in turn.

In the interaction picture advection is no more than the passing of time, so a step of length h is a sequence of local
flows of lengths b_i h, made at the times t + c_i h: one pair of transforms each. Both flows keep |P_a|, and therefore
so does the method, to rounding, whatever its error.

The coefficients are those of Blanes and Moan, J. Comput. Appl. Math. 142, 313 (2002): S_6 of order 4, S_10 of order 6.
The error estimate costs no flow: it is the one linear combination of the states between the flows that vanishes to order
3 ("4bm") or 4 ("6bm"), in the manner of Blanes, Casas, Thalhammer, Appl. Numer. Math. 146, 400 (2019).
"""

from itertools import product
from math import factorial

import numpy as np

from .methods import METHODS
from .stepper import Stepper

# (a_1, a_2, ...), (b_1, b_2, ...): lengths of advection and of local flow, up to the middle of the palindrome
_HALVES = {
    "4bm": ((0.0792036964311957, 0.353172906049774, -0.0420650803577195), (0.209515106613362, -0.143851773179818)),
    "6bm": (
        (0.0502627644003922, 0.413514300428344, 0.0450798897943977, -0.188054853819569, 0.541960678450780),
        (0.148816447901042, -0.132385865767784, 0.067307604692185, 0.432666402578175),
    ),
}


def coefficients(method):
    """b_i, c_i of the local flows, and the weights that the states before, between and after them have in the estimate."""
    a, b = (list(half) for half in _HALVES[method])
    a.append(1.0 - 2.0 * sum(a))
    b.append(0.5 - sum(b))
    b, c = np.array(b + b[::-1]), np.cumsum(a + a[-2::-1])[:-1]
    return b, c, _estimate(b, c, METHODS[method].estimate)


def _estimate(b, c, order):
    """Weights w with sum_i w_i u_i = O(h^(order + 1)) for any flows; the last one is 1.

    The expansion of a state in h has a term for each word (p_1, ..., p_m): int s_1^p_1 ... s_m^p_m over ascending s,
    of order m + sum p; the weights are orthogonal to all words up to `order`. They are unique here.
    """
    words = [word for m in range(order + 1) for word in product(range(order), repeat=m) if m + sum(word) <= order]
    values = {word: float(word == ()) for word in words}
    states = [list(values.values())]
    for flow, time in zip(b, c):
        values = {
            word: sum(
                values[word[: len(word) - m]] * flow**m / factorial(m) * time ** sum(word[len(word) - m :])
                for m in range(len(word) + 1)
            )
            for word in words
        }
        states.append(list(values.values()))
    weights = np.linalg.svd(np.transpose(states))[2][-1]
    return weights / weights[-1]


class Splitting(Stepper):
    """A symmetric splitting. flow: callable ``flow(t, h, u)`` that carries the local state u over a time h in place.

    It meets output times by shortening its steps. It keeps three vectors: the state, the last good one, the estimate.
    """

    def __init__(self, flow, comm, size, method):
        super().__init__(comm, size)
        self._flow = flow
        self._b, self._c, self._weights = coefficients(method)
        self.order = METHODS[method].estimate
        self._good, self._estimated, self._scaled = np.zeros(size), np.zeros(size), np.zeros(size)

    def _attempt(self, t, h):
        u, estimated = self.u, self._estimated
        self._good[:] = u
        np.multiply(u, self._weights[0], out=estimated)
        for b, c, weight in zip(self._b, self._c, self._weights[1:]):
            self._flow(t + c * h, b * h, u)
            np.multiply(u, weight, out=self._scaled)
            estimated += self._scaled
        return np.array([np.dot(estimated, estimated)])

    def _accept(self, t, h, error):
        return h * self._factor(error, self.order + 1)

    def _refuse(self, h=0.0, error=1.0, attempt=0):
        self.u[:] = self._good
        return h * self._factor(error, self.order + 1)

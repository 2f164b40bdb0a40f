"""Numbers of the local flow: which moments its Taylor series needs, and how a series becomes a parabola. Plain NumPy.

The moments D_n = sum_b s_b v_b^n P_b, n a power of each component of v, obey d_t D_n = D_0 x D_n - sum_i D_i x D_(n + e_i) at each
point, where D_0 is constant and D_i is the moment of power 1 on axis i. So coefficient j of the series of D_i follows from
moments up to the power 1 + j.
"""

import functools
import itertools

import numpy as np

TERMS = 6  # coefficients of the Taylor series of D_i, from moments up to this degree
# Points handled together for two flavors, by the number of components of velocities: their moments and Taylor coefficients stay in the cache.
BLOCKS = (128, 64, 32, 16)


def series_rows(axes):
    """Flavor vectors that `series` leaves at each point: D_0, and the coefficients of each D_i."""
    return 1 + TERMS * axes


def block(axes, components):
    """Points handled together, a multiple of 4."""
    return max(8, 3 * BLOCKS[axes - 1] // components // 4 * 4)


def _parabola():
    """What coefficient j of a Taylor series on 0 < t < 1 adds to alpha_1, alpha_2, alpha_3 of the expansion, (3, j).

    alpha_1 + alpha_2 x + alpha_3 x^2, x = t - 1/2, has the same integrals B0, B1, B2 with 1, x and x^2 as the series. The
    matrix of these integrals, (1, 0, 1/12), (0, 1/12, 0), (1/12, 0, 1/80), has the inverse with 9/4, -15, 12, 180.
    """
    j = np.arange(TERMS)
    B0, B1 = 1.0 / (j + 1), 1.0 / (j + 2) - 0.5 / (j + 1)
    B2 = 1.0 / (j + 3) - 1.0 / (j + 2) + 0.25 / (j + 1)
    return np.stack((2.25 * B0 - 15.0 * B2, 12.0 * B1, 180.0 * B2 - 15.0 * B0))


PARABOLA = _parabola()
# Gauss's formula of three points on 0 < t < 1, for the work of the weak force.
_X, _W = np.polynomial.legendre.leggauss(3)
TIMES, WEIGHTS = 0.5 * (1.0 + _X), 0.5 * _W


@functools.cache
def moment_table(axes):
    """The moments D_n in ascending degree, D_0 first and then D_i.

    -> how many have a degree up to m, (TERMS + 1,); above[n, i], the number of D_{n + e_i}; below, (moments, 2): the number
    of a moment with one power less, and the axis of that power.
    """
    powers = sorted(itertools.product(range(TERMS + 1), repeat=axes), key=lambda n: (sum(n), tuple(-i for i in n)))
    powers = [n for n in powers if sum(n) <= TERMS]
    number = {n: place for place, n in enumerate(powers)}
    up_to = np.array([sum(sum(n) <= m for n in powers) for m in range(TERMS + 1)])
    above, below = np.zeros((len(powers), axes), dtype=np.int64), np.zeros((len(powers), 2), dtype=np.int64)
    for n, place in number.items():
        for axis in range(axes):
            more = (*n[:axis], n[axis] + 1, *n[axis + 1 :])
            if more in number:
                above[place, axis] = number[more]
                below[number[more]] = place, axis
    return up_to, above, below


def moment_weights(v, s, h):
    """h s_b v_b^n, (moments, modes): the weights of P_b in h D_n."""
    below = moment_table(len(v))[2]
    weights = np.empty((len(below), len(s)))
    weights[0] = h * s
    for place in range(1, len(below)):
        lower, axis = below[place]
        weights[place] = weights[lower] * v[axis]
    return weights

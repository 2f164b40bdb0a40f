"""Coefficients of one step of the multistep method; compiled where numba is in use, from this one source."""

import numpy as np

from .jit import jit_sum

_X, _W = np.polynomial.legendre.leggauss(8)  # exact to degree 15
_X, _W = 0.5 * (_X + 1.0), 0.5 * _W


@jit_sum
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


@jit_sum
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


@jit_sum
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


def touch_step_weights(axes=1, components=3):
    """Compile these functions (or load them from the cache)."""
    one = np.zeros(1)
    step_weights(one, 1.0, True)
    formula(one, one, one)
    difference(one, one)

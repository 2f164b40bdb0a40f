"""Compiled arithmetic of contiguous vectors that loops of several modules share."""

from .jit import jit, jit_sum
from .simd import two_products


@jit
def multiply(x, y, out):
    """out = x y for contiguous complex rows of one length."""
    n = len(y)
    for d in range(0, n - 1, 2):
        two_products(x, d, y, out, d, 0)
    if n % 2:
        out[n - 1] = x[n - 1] * y[n - 1]


@jit
def multiply_conjugate(x, y, out):
    """out = conj(x) y for contiguous complex rows of one length."""
    n = len(y)
    for d in range(0, n - 1, 2):
        two_products(x, d, y, out, d, 1)
    if n % 2:
        out[n - 1] = x[n - 1].conjugate() * y[n - 1]


@jit_sum
def correct(p, extrapolated, rate, factor):
    """p <- p + factor (rate - extrapolated); returns the sum of squares of rate - extrapolated, which may be used up."""
    total = 0.0
    for i in range(len(p)):
        d = rate[i] - extrapolated[i]
        total += d * d
        p[i] += factor * d
    return total

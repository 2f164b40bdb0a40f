"""Distributions of directions from moments: the maximum-entropy closure of classical particles, f(v) ~ exp(Z.v).

G. N. Minerbo, J. Quant. Spectrosc. Radiat. Transfer 20 (1978) 541. The flux has the direction of Z, and its length per density is
the Langevin function coth |Z| - 1/|Z|: 0 for an isotropic gas, 1 for free streaming in one direction.
"""

from __future__ import annotations

import numpy as np

# of the series of coth Z - 1/Z in odd powers of Z, 2^2n B_2n / (2n)!
_SERIES = (1 / 3, -1 / 45, 2 / 945, -1 / 4725, 2 / 93555, -1382 / 638512875, 4 / 18243225, -3617 / 162820783125)
_SMALL = 0.3  # below it the series has all digits, above it the difference loses two at most
_STEPS = 60  # of Newton's method; a few are taken
_ROUNDING = 4e-15


def langevin(Z):
    """coth Z - 1/Z, for numbers or arrays Z >= 0."""
    Z = np.asarray(Z, dtype=float)
    square, small = Z * Z, Z < _SMALL
    series = np.polynomial.polynomial.polyval(np.where(small, square, 0.0), _SERIES) * Z
    large = np.where(small, 1.0, Z)
    return np.where(small, series, 1 / np.tanh(large) - 1 / large)[()]


def inverse_langevin(ratio):
    """Z >= 0 with langevin(Z) = ratio, for numbers or arrays 0 <= ratio < 1; to the rounding of the ratio.

    Newton's method from Cohen's approximation, which is right to 5 %. ValueError outside of the interval.
    """
    ratio = np.asarray(ratio, dtype=float)
    if not np.all((ratio >= 0) & (ratio < 1)):
        raise ValueError("the flux must be smaller than the density")
    Z = ratio * (3 - ratio**2) / ((1 - ratio) * (1 + ratio))
    for _ in range(_STEPS):
        value = langevin(Z)
        slope = np.where(Z < _SMALL, 1 / 3 - Z**2 / 15, 1 - 2 * value / np.maximum(Z, _SMALL) - value**2)
        slope = np.where(Z > 20, 1 / np.maximum(Z, 20.0) ** 2, slope)  # the difference above cancels there
        step = (value - ratio) / slope
        Z = np.maximum(Z - step, 0)
        if np.all(abs(step) <= _ROUNDING * Z):
            break
    return Z[()]


def minerbo(xyz, flux):
    """f(v) of a gas of density 1, per mean over the sphere: its mean is 1 and its mean of v is `flux`, which is shorter than 1.

    xyz: unit vectors (directions, 3); flux: (3,). -> (directions,).
    """
    flux = np.asarray(flux, dtype=float)
    length = float(np.linalg.norm(flux))
    Z = float(inverse_langevin(length))
    if Z == 0:
        return np.ones(len(xyz))
    cosine = xyz @ (flux / length)
    return 2 * Z / -np.expm1(-2 * Z) * np.exp(Z * (cosine - 1))


def on_directions(xyz, weight, flux):
    """The same with Z and normalisation solved for on a set of directions, so that both sums over it are exact.

    weight: (directions,), of sum 1. -> (directions,), or None where no positive distribution on the set has this flux.
    Newton's method on the convex function log sum w exp(Z.v) - Z.flux; sums to rounding.
    """
    flux = np.asarray(flux, dtype=float)
    length = float(np.linalg.norm(flux))
    Z = inverse_langevin(length) * (flux / length) if length else np.zeros(3)

    def state(Z):
        exponent = xyz @ Z
        top = exponent.max()
        f = np.exp(exponent - top)
        total = weight @ f
        return top + np.log(total) - Z @ flux, f / total

    value, f = state(Z)
    for _ in range(_STEPS):
        p = weight * f
        mean = p @ xyz
        excess = mean - flux
        if np.abs(excess).max() <= _ROUNDING:
            break
        spread = (xyz * p[:, None]).T @ xyz - np.outer(mean, mean)
        step = np.linalg.lstsq(spread, excess, rcond=1e-12)[0]
        factor = 1.0
        while factor > 1e-6:
            new = state(Z - factor * step)
            if np.isfinite(new[0]) and new[0] <= value + 1e-14 * (1 + abs(value)):
                break
            factor /= 2
        Z = Z - factor * step
        value, f = new
    off = np.abs((weight * f) @ xyz - flux).max()
    return f if off <= 1e-12 else None

"""A point of a neutron-star merger from its densities and fluxes: growth by an integral over the sphere, and runs."""

import numpy as np

from .. import units
from ..config import resolve
from ..flavor.algebra import algebra
from ..physics.initial import background
from ..physics.levels import modes_of
from ..run.simulation import simulate
from ..theory import linear
from .problem import Row

FASTEST = -0.75  # wave number along z [mu] close to the fastest


def integral_growth(k, densities, fluxes):
    """Growth rate [mu] at wave number k along z of nu_e and anti-nu_e with maximum-entropy distributions, by no quadrature of a run.

    densities: (2,), fluxes: (2, 3) of nu_e and anti-nu_e [n]; nu_x of one kind with its antineutrinos drop out. The root of
    det(eta - int dv G(v) (1, v)(1, v)^T / (omega + D_0 - (k + D_1).v)), eta = diag(1, -1, -1, -1), by Newton's method.
    """
    z, w = np.polynomial.legendre.leggauss(48)
    phi = 2 * np.pi * np.arange(48) / 48
    across = np.sqrt(1 - z**2)
    v = np.stack([np.outer(across, np.cos(phi)), np.outer(across, np.sin(phi)), np.outer(z, np.ones(48))]).reshape(3, -1)
    w = np.repeat(w / 96, 48)  # mean over the sphere
    G = 0.0
    for sign, n, flux in zip((1, -1), densities, fluxes):
        size = np.linalg.norm(flux)
        Z = inverse_langevin(size / n)
        G = G + sign * n * Z / np.sinh(Z) * np.exp(Z * (np.asarray(flux) / size) @ v)
    D0, D1 = w @ G, v @ (w * G)
    four, eta = np.vstack([np.ones_like(w), v]), np.diag([1.0, -1.0, -1.0, -1.0])

    def mismatch(omega):
        kernel = w * G / (omega + D0 - k * v[2] - D1 @ v)
        return np.linalg.det(np.eye(4) - (four * kernel) @ four.T @ eta)

    omega, step = 0.1 + 0.3j, 1e-7
    for _ in range(60):
        omega -= 2 * step * mismatch(omega) / (mismatch(omega + step) - mismatch(omega - step))
    return abs(omega.imag)  # roots come in pairs


def inverse_langevin(ratio):
    """Z with coth Z - 1/Z = ratio, by halving."""
    low, high = 1e-9, 100.0
    for _ in range(80):
        Z = (low + high) / 2
        low, high = (Z, high) if 1 / np.tanh(Z) - 1 / Z < ratio else (low, Z)
    return low


def growth_of_directions(config, k):
    """The same of the directions of a config, by eigenvalues; k: number or vector."""
    modes = modes_of(config)
    q = background(config, modes)
    return float(np.ravel(linear.growth_rate(np.array([k]), modes.velocity, modes.s, q, vectors=modes.vectors))[0])


def merger(comm=None):
    """The case merger: growth of its 50 directions and of both pairs of flavors, conserved numbers."""
    config = resolve("merger")
    moments = config.modes.densities[:2], config.modes.fluxes[:2]
    exact, scale = integral_growth(FASTEST, *moments), units.scale_of(config)
    yield Row("fastest growth rate of the integral [1e10/s]", 6.2216, exact / scale.time * 1e-10, 5e-5)  # digits
    yield Row("at the wave number [1/cm]", 4.8171, -FASTEST / scale.length, 5e-5)
    # The quadrature is exact to degree 11, the distributions go on.
    yield Row("growth rate of 50 directions there [mu]", exact, growth_of_directions(config, FASTEST), 2e-5 * exact)
    # Smaller seeds than those of the case give a longer linear phase.
    smaller = ["initial.variance=1e-16", "time.rtol=1e-12", "output.fields_every=0"]
    run = simulate("merger", overrides=smaller, comm=comm)
    series, one = run.series, algebra(3)
    t, waves = series["spectrum_time"], series["k"]
    fastest, linear_phase = np.argmin(np.abs(waves - FASTEST)), (t > 22) & (t < 30)
    expected = integral_growth(waves[fastest], *moments)
    for pair, label in enumerate(("e mu", "e tau")):
        rate = np.polyfit(t[linear_phase], 0.5 * np.log(series["psi2_pairs"][linear_phase, pair, fastest]), 1)[0]
        # From 7 to 10 e-foldings: what does not grow is some 1e-3 of the wave at first, and over 8 makes 4e-4 of the slope.
        yield Row(f"growth rate of {label} at k = {waves[fastest]:.4f} [mu]", expected, rate, 2e-3 * expected)
    yield from conserved(run, one)


def conserved(run, one):
    """Rows of what an instability must not change: lepton number of each flavor, the whole energy."""
    series = run.series
    contents = one.content(series["density"], series["P_mean"], axis=2)
    neutrinos, antineutrinos = (contents[:, series["sign"] == sign].sum(axis=1) for sign in (1, -1))
    balance = neutrinos - antineutrinos
    yield Row("largest change of nu_alpha minus anti-nu_alpha, any flavor [n]", 0, np.abs(balance - balance[0]).max(), 1e-10)
    changed = neutrinos[0, 0] - neutrinos[:, 0]
    yield Row("nu_e that have changed flavor at the most, at least 0.1 n", 0.5, changed.max(), 0.4)
    size = np.abs(series["U_osc"]).max()
    yield Row("largest change of K + U_osc over the largest |U_osc|", 0, np.abs(series["energy_residual"]).max() / size, 1e-7)


def merger_3d(comm=None):
    """The case merger_3d: an eigenmode along z against the integral, and its run from random seeds."""
    config = resolve("merger_3d")
    k = -2 * np.pi / config.box.lengths[2]
    exact = integral_growth(k, config.modes.densities[:2], config.modes.fluxes[:2])
    eigenvalue = growth_of_directions(config, [0.0, 0.0, k])
    yield Row(f"growth rate of 26 directions at k = (0, 0, {k:.4f}) [mu]", exact, eigenvalue, 2e-3 * exact)  # degree 7
    start = {"kind": "eigenmode", "n": [0, 0, -1], "amplitude": 1e-6}
    end, few = 12.0, {"fields_every": 0, "series_every": 6.0, "spectrum_every": 6.0}
    alone = config.plain() | {"initial": start, "time": {"end": end, "rtol": 1e-11}, "output": few}
    alone["box"] |= {"points": [4, 4, 8]}
    psi = np.sqrt(np.sum(simulate(alone, comm=comm).series["psi2"], axis=1))
    # It stays below 5e-5, and depletes itself by the square.
    yield Row("the same of a run from this eigenmode", eigenvalue, np.log(psi[2] / psi[1]) / 6, 1e-6 * eigenvalue)
    run = simulate("merger_3d", overrides=["output.fields_every=0"], comm=comm)
    yield from conserved(run, algebra(2))
    yield Row("largest change of |P_a| along the rays", 0, run.series["P_drift_max"].max(), 1e-6)

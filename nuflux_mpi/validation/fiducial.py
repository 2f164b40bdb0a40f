"""Fast instabilities of three flavors: Emu's fiducial box, and the code comparison with both species apart."""

import numpy as np

from ..flavor.algebra import algebra
from ..physics.initial import background
from ..physics.levels import modes_of
from ..run.simulation import simulate
from ..theory import linear
from .angular import MIDPOINT_GROWTH
from .problem import Row


def growth_of_linear(k):
    """Growth rate [mu] of the lepton number G(v) = v at wavenumber k [mu], from integrals in closed form, by Newton's method.

    Eigenfrequencies solve (1 - I_0)(1 + I_2) + I_1^2 = 0, I_m = int v^(m+1) dv / (Omega - K v), K = k + 2/3.
    """
    K, Omega = k + 2 / 3, 0.7j

    def mismatch(Omega):
        J = [np.log((Omega + K) / (Omega - K)) / K]
        for m in range(3):
            J.append((Omega * J[-1] - (0 if m % 2 else 2 / (m + 1))) / K)
        return (1 - J[1]) * (1 + J[3]) + J[2] ** 2

    for _ in range(50):
        step = 1e-6
        Omega = Omega - mismatch(Omega) * 2 * step / (mismatch(Omega + step) - mismatch(Omega - step))
    return Omega.imag


FASTEST, WAVE_NUMBER = 0.68962903, 0.90769773  # mu, of G = -v in `angular.LINEAR_GROWTH`: all directions are turned around here


def fiducial_three_flavors(comm=None):
    """The case fiducial_three_flavors: growth of both pairs of flavors, conserved numbers, budget."""
    # Smaller seeds than those of the case give a longer linear phase.
    smaller = ["initial.variance=1e-14", "time.rtol=1e-11", "output.fields_every=0"]
    run = simulate("fiducial_three_flavors", overrides=smaller, comm=comm)
    series, scale, modes = run.series, run.scale, modes_of(run.config)
    per_second = 1e-10 / scale.time
    k, omega = linear.fastest(np.linspace(-1.2, -0.6, 7), modes.v, modes.s, background(run.config, modes))
    # Sixteen directions: a quadrature error of 3e-7.
    yield Row("fastest growth rate of the 16 directions [1e10/s]", FASTEST * per_second, omega.imag * per_second, 1e-5)
    yield Row(
        "its wavelength [cm]", 2 * np.pi * scale.length / WAVE_NUMBER, -2 * np.pi * scale.length / k, 1e-3
    )  # a flat maximum
    one, t, waves = algebra(3), series["spectrum_time"], series["k"]
    # From 7.6 to 10 e-foldings: coherence that does not grow is some 1e-3 of the wave at first, which over 4 makes 5e-4 of the
    # slope; at the end psi is 1e-2, and depletes nu_e by the square.
    linear_phase = (t > 11) & (t < 15)
    fastest = np.argmin(np.abs(waves + WAVE_NUMBER))
    for pair, label in enumerate(("e mu", "e tau")):
        power = series["psi2_pairs"][linear_phase, pair, fastest]
        rate = np.polyfit(t[linear_phase], 0.5 * np.log(power), 1)[0]
        expected = growth_of_linear(waves[fastest])
        yield Row(
            f"growth rate of {label} at k = {waves[fastest]:.4f} mu [1e10/s]", expected * per_second, rate * per_second, 0.01
        )
    contents = one.content(series["density"], series["P_mean"], axis=2)
    neutrinos, antineutrinos = (contents[:, series["sign"] == sign].sum(axis=1) for sign in (1, -1))
    for flavor, name in enumerate(one.names):
        number = (neutrinos - antineutrinos)[:, flavor]
        yield Row(f"largest change of nu_{name} minus anti-nu_{name} [n]", 0, np.abs(number - number[0]).max(), 1e-10)
    size = abs(series["U_osc"][0])
    yield Row("largest change of K + U_osc over |U_osc(0)|", 0, np.abs(series["energy_residual"]).max() / size, 1e-7)
    yield Row("nu_e that have changed flavor by 0.4 ns, at least 0.3", 0.6, 1 - neutrinos[-1, 0], 0.3)


def code_comparison_three_flavors(comm=None):
    """The case code_comparison_three_flavors: growth of both pairs, what is left of nu_e on either side, conserved numbers."""
    run = simulate("code_comparison_three_flavors", overrides=["output.fields_every=0"], comm=comm)
    series, modes, one = run.series, modes_of(run.config), algebra(3)
    q = background(run.config, modes)
    t, waves = series["spectrum_time"], series["k"]
    _, omega = linear.fastest(np.linspace(0.12, 0.137, 4), modes.v, modes.s, q)
    yield Row("largest growth rate of the 32 bins", MIDPOINT_GROWTH[32], omega.imag, 1e-6)
    near = np.flatnonzero((waves > 0.1) & (waves < 0.16))
    gamma = linear.growth_rate(waves[near], modes.v, modes.s, q)
    fastest = near[np.argmax(gamma)]
    for pair, label in enumerate(("e mu", "e tau")):
        power = series["psi2_pairs"][:, pair, fastest]
        window = (t > 300) & (t < 600)  # 4 to 8 e-foldings
        rate = np.polyfit(t[window], 0.5 * np.log(power[window]), 1)[0]
        yield Row(f"growth rate of {label} at k = {waves[fastest]:.4f}", gamma.max(), rate, 1e-3 * gamma.max())
    late = series["time"] > 0.8 * run.config.time.end
    contents = one.content(series["density"], series["P_mean"], axis=2)
    survival = contents[late, :, 0].mean(axis=0) / series["density"]
    neutrinos = series["sign"] > 0
    v = series["v"][neutrinos]
    # A box of length L holds some gamma L independent patches, here seven; two flavors have 0.53 to 0.59 in it in place of 1/2.
    yield Row("late P_ee of neutrinos, mean over v beyond the crossing", 1 / 3, survival[neutrinos][v > 0.7855].mean(), 0.08)
    yield Row("late P_ee of neutrinos at the most backward v", 1.0, survival[neutrinos][0], 0.02)
    difference = np.abs(survival[neutrinos] - survival[~neutrinos]).max()
    yield Row(
        "largest difference of late P_ee between the species of a direction", 0, difference, 1e-8
    )  # one equation for both
    balance = contents[:, neutrinos].sum(axis=1) - contents[:, ~neutrinos].sum(axis=1)
    yield Row("largest change of nu_alpha minus anti-nu_alpha, any flavor [n]", 0, np.abs(balance - balance[0]).max(), 1e-10)
    size = abs(series["U_osc"][0])
    yield Row("largest change of K + U_osc over |U_osc(0)|", 0, np.abs(series["energy_residual"]).max() / size, 1e-6)

"""Homogeneous gases with vacuum mixing and matter: a resonance, three flavors with CP violation, slow instabilities."""

import numpy as np

from .. import units
from ..config import resolve
from ..flavor.algebra import algebra
from ..run.simulation import simulate
from .problem import TWO, Row

# Numbers of benchmarks that others have printed or that follow from closed forms; the tables are in docs/cases.md.
MSW_FREQUENCIES = {"P_ee": 0.924811846, "P_ee_bar": 1.197568015}  # in omega
MSW_DEPTHS = {"P_ee": 1.0, "P_ee_bar": 0.596357096}
MSW_LENGTHS = {"P_ee": 0.5, "P_ee_bar": 0.38612080}  # cm
EMU_HBAR_C = 1.97326724e-5  # eV cm, of Emu


def msw(comm=None):
    """The case msw: frequencies and lengths against Emu's test, and its curves over two centimeters."""
    run = simulate("msw", comm=comm)
    t, scale, theta = run.series["time"], run.scale, np.radians(33.82)
    vacuum, matter = run.config["vacuum"], run.config["matter"]
    omega = vacuum.dm2 / (2 * run.config.modes.energy[0])
    yield Row("omega [1/cm]", 13.588012, omega / scale.length, 5e-7)  # digits printed
    yield Row(
        "omega of Emu, whose hbar c is another one [1/cm]", 13.588029, omega / scale.length * units.HBAR_C / EMU_HBAR_C, 2e-6
    )
    yield Row("lambda [1/cm]", 5.1692372, matter["lambda"] / scale.length, 1e-6)  # 8 digits of the density in the case
    for name, frequency in MSW_FREQUENCIES.items():
        label = "neutrinos" if name == "P_ee" else "antineutrinos"
        # lambda of the case is 2.6e-6 beyond the resonance of these constants: as much of a phase of 27 by the end.
        expected = 1 - MSW_DEPTHS[name] * np.sin(frequency * omega * t / 2) ** 2
        yield Row(f"{label}: largest error of the probability over 2 cm", 0, np.abs(run.series[name] - expected).max(), 4e-5)
        angle = 2 * np.arcsin(np.sqrt((1 - run.series[name][10]) / MSW_DEPTHS[name]))  # after 1 ps, in the first quarter
        yield Row(f"{label}: length of an oscillation [cm]", MSW_LENGTHS[name], 2 * np.pi * t[10] / angle * scale.length, 3e-6)
        exact = exact_probability(omega if name == "P_ee" else -omega, matter["lambda"], theta, t)
        # errors of 400 steps
        yield Row(
            f"{label}: largest error against the closed form of these constants",
            0,
            np.abs(run.series[name] - exact).max(),
            1e-9,
        )


def exact_probability(omega, matter, theta, t):
    """Survival of nu_e in uniform matter over time; omega < 0 for antineutrinos."""
    across, along = omega * np.sin(2 * theta), omega * np.cos(2 * theta) - matter
    return 1 - across**2 / (across**2 + along**2) * np.sin(np.hypot(across, along) * t / 2) ** 2


THREE_FLAVORS = {  # (omega_31, t): P(alpha -> beta) of neutrinos, rows alpha = e, mu, tau; that of antineutrinos is transposed
    (1.0, 3): [
        [0.9036154905, 0.0312779910, 0.0651065185],
        [0.0545064850, 0.0264809545, 0.9190125605],
        [0.0418780245, 0.9422410545, 0.0158809210],
    ],
    (1.0, 20): [
        [0.9086688914, 0.0247227133, 0.0666083953],
        [0.0474921394, 0.8488046934, 0.1037031672],
        [0.0438389692, 0.1264725933, 0.8296884375],
    ],
    (1.0, 100): [
        [0.1778661086, 0.4090555031, 0.4130783883],
        [0.5428728937, 0.0389443068, 0.4181827994],
        [0.2792609977, 0.5520001900, 0.1687388123],
    ],
    (-0.97, 3): [
        [0.9039396177, 0.0319243403, 0.0641360420],
        [0.0551528343, 0.0225621301, 0.9222850356],
        [0.0409075480, 0.9455135296, 0.0135789224],
    ],
    (-0.97, 20): [
        [0.9172954310, 0.0419250903, 0.0407794787],
        [0.0646945164, 0.7445064545, 0.1907990291],
        [0.0180100526, 0.2135684552, 0.7684214922],
    ],
    (-0.97, 100): [
        [0.1431536063, 0.3398345200, 0.5170118737],
        [0.4736519106, 0.4586320413, 0.0677160481],
        [0.3831944831, 0.2015334387, 0.4152720782],
    ],
}


def vacuum_three_flavors(comm=None):
    """The case vacuum_three_flavors, both orderings, against the closed form that every text has."""
    for omega_31, ordering in ((1.0, "normal"), (-0.97, "inverted")):
        run = simulate("vacuum_three_flavors", overrides=[f"vacuum.omega=[0.03, {omega_31}]"], comm=comm)
        for t in (3, 20, 100):
            neutrinos, antineutrinos = probabilities(run, t)
            expected = np.array(THREE_FLAVORS[omega_31, t])
            label = f"{ordering} ordering, t = {t}: largest error of nine probabilities"
            # Ten digits are printed; a thousand steps of 1e-13.
            yield Row(f"{label}, neutrinos", 0, np.abs(neutrinos - expected).max(), 1e-9)
            yield Row(f"{label}, antineutrinos", 0, np.abs(antineutrinos - expected.T).max(), 1e-9)
        first, second = neutrinos[1, 0], antineutrinos[1, 0]
        yield Row(f"{ordering} ordering, t = 100: P(mu -> e)", THREE_FLAVORS[omega_31, 100][1][0], first, 1e-9)
        yield Row(f"{ordering} ordering, t = 100: P(anti-mu -> anti-e)", THREE_FLAVORS[omega_31, 100][0][1], second, 1e-9)


def probabilities(run, t):
    """P(alpha -> beta), two arrays (alpha, beta), of a run with neutrinos that start in each flavor, then antineutrinos."""
    row = int(np.argmin(np.abs(run.series["time"] - t)))
    density = run.series["density"]
    content = algebra(3).content(density, run.series["P_mean"][row], axis=1) / density[:, None]
    return content[:3], content[3:]


PERIOD, LOWEST, ENERGY = 2.393368847, -0.802212106, 4.9003328892


def bipolar(comm=None):
    """The case bipolar against its solution in elliptic functions, from the period to the lowest point."""
    run = simulate("bipolar", comm=comm)
    t, P, n = run.series["time"], run.series["P_mean"], 5.0
    along = P @ np.array([-np.sin(0.2), 0.0, np.cos(0.2)]) / n
    # Steps of 1e-13, of which an unstable motion makes 1e-9.
    yield Row("period of P.B, from where it passes 0", PERIOD, period(t, along[:, 0]), 1e-8)
    yield Row("lowest P.B / n", LOWEST, along[50, 0], 1e-8)
    yield Row("P.B / n after one period", np.cos(0.2), along[100, 0], 1e-8)
    yield Row(
        "largest difference between neutrinos and antineutrinos of P.B / n", 0, np.abs(along[:, 0] - along[:, 1]).max(), 1e-8
    )
    total = run.series["U_osc"] + run.series["E_vac"]
    yield Row("U_osc + E_vac at the start", ENERGY, total[0], 1e-9)
    yield Row("largest change of U_osc + E_vac", 0, np.abs(total - total[0]).max(), 1e-9)


def period(t, height):
    """Time between the first two passages of zero on the way down, by polynomials through ten rows."""
    down = np.flatnonzero((height[:-1] > 0) & (height[1:] <= 0))[:2]
    crossings = []
    for row in down:
        near = slice(row - 4, row + 6)
        fit = np.polynomial.Polynomial.fit(height[near], t[near], 9)  # t as a function of height
        crossings.append(fit(0.0))
    return crossings[1] - crossings[0]


SLOW = {0.26: 0.2, 0.5: 1.0, 1.0: 1.7320508, 3.0: 3.3166248}  # mu/omega: growth rate in omega


def best_frequency(cycles, values):
    """Frequency, in cycles, of the sine with a constant that is nearest to the values."""
    trials = np.linspace(0.95, 1.05, 1001)
    left = []
    for trial in trials:
        angle = 2 * np.pi * trial * cycles
        basis = np.column_stack([np.ones_like(angle), np.cos(angle), np.sin(angle)])
        left.append(np.linalg.norm(values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]))
    return trials[np.argmin(left)]


def slow_two_beams(comm=None):
    """The case slow_two_beams at several densities: growth at k = 0 against sqrt(4 mu omega - omega^2), and its budget."""
    for ratio, gamma in SLOW.items():
        measured = slow_growth(-1 / ratio, ratio, comm)
        yield Row(
            f"mu/omega = {ratio:g}, inverted ordering: growth rate in omega", gamma, measured, 1e-7 + 1e-6 * gamma
        )  # 8 digits
    run = simulate("slow_two_beams", comm=comm)
    yield Row(
        "mu/omega = 3: largest change of K + U_osc + E_vac to t = 40", 0, np.abs(run.series["energy_residual"]).max(), 1e-10
    )
    for ratio, omega, label in ((0.2, -5.0, "mu/omega = 0.2, inverted ordering"), (1.0, 1.0, "mu/omega = 1, normal ordering")):
        gain = slow_gain(omega, ratio, comm)
        yield Row(f"{label}: largest gain of a seed by t = 20/omega", 1, gain, 5.0)  # it beats


def slow_growth(omega, ratio, comm=None):
    """Growth rate over abs(omega) of the eigenmode of the two beams at k = 0, over five e-foldings."""
    # Errors per step are 1e-7 of the seed; at the end it is 1.5e-4, and depletes the beams by the square of that.
    end = 5.0 / SLOW[ratio] * ratio
    run = simulate(
        "slow_two_beams", comm=comm, overrides=[f"vacuum.omega={omega}", f"time.end={end}", f"output.series_every={end}"]
    )
    size = coherences(run)
    return np.log(size[-1] / size[0]) / end * ratio


def slow_gain(omega, ratio, comm=None):
    """Largest gain of a seed in one of the beams by t = 20/abs(omega)."""
    seed = {"kind": "fourier", "waves": [{"n": 0, "amplitude": 1e-6, "mode": 0}]}
    config = resolve("slow_two_beams").replace(initial=seed).plain()
    run = simulate(
        config, comm=comm, overrides=[f"vacuum.omega={omega}", f"time.end={20.0 * ratio}", f"output.series_every={ratio}"]
    )
    size = coherences(run)
    return size.max() / size[0]


def coherences(run):
    """The larger |psi_a| of a homogeneous run over time."""
    return np.abs(TWO.coherence(run.series["P_mean"], TWO.pairs[0], axis=2)).max(axis=1)


def synchronized(comm=None):
    """The case synchronized, at twice its omega and at its own: the common frequency, to first order in omega/mu."""
    probability, spread, budget = {}, {}, {}
    for omega in (0.004, 0.002):
        period = 2 * np.pi / (2.5 * omega)  # sum n_a/p_a over sum s_a n_a: 2.5
        run = simulate(
            "synchronized",
            comm=comm,
            overrides=[f"vacuum.omega={omega}", f"time.end={2 * period}", f"output.series_every={period / 100}"],
        )
        P = TWO.difference(run.series["P_mean"], TWO.pairs[0], axis=2) / run.series["density"]
        probability[omega], spread[omega] = run.series["P_ee"], np.ptp(P[:, :4], axis=1).max()
        budget[omega] = np.abs(run.series["energy_residual"]).max()
        cycles = run.series["time"] / period
    exact = 1 - np.sin(0.8) ** 2 * np.sin(np.pi * cycles) ** 2
    errors = {omega: np.abs(found - exact).max() for omega, found in probability.items()}
    yield Row("largest difference from one common oscillation, omega = 0.004", 0, errors[0.004], 0.06)  # some omega/mu
    yield Row("the same, omega = 0.002", 0, errors[0.002], 0.03)
    yield Row("the first over the second: of first order in omega/mu", 2, errors[0.004] / errors[0.002], 0.1)
    faster, slower = (best_frequency(cycles, probability[omega]) for omega in (0.004, 0.002))
    yield Row("frequency over that of all together, omega = 0.002", 1, slower, 0.01)  # some omega/mu
    yield Row(
        "the same extrapolated to omega/mu = 0", 1, 2 * slower - faster, 5e-4
    )  # of second order: 1e-4; steps of the fit: 1e-4
    yield Row("largest spread of P^z/n over the energies, omega = 0.002", 0, spread[0.002], 5e-3)
    yield Row("U_osc + E_vac, largest change", 0, max(budget.values()), 1e-12)

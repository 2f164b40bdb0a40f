"""Published problems with known answers: how each is set up, what was printed elsewhere, and what this code gives.

    for row in published.PROBLEMS["multi_angle"].rows(comm):
        print(row.quantity, row.expected, row.ours, row.passed)

`rows` is collective and gives the same rows on every rank; tools/validate.py prints them as tables. Sources:

- paper: Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024)
- NuGas: github.com/NuCO-UNM/nugas, commit 884d44e, and its notebook of stationary waves; COSEnu:
  github.com/COSEnu/COSEnu, commit 090456d, its code-comparison branch fowdr/COSEnu
- code comparison: Richers et al., PRD 106, 043011 (2022); one-sided depolarization: arXiv:2304.05044, 2307.11129; equal
  numbers: Wu et al., arXiv:2108.09886
- stationary waves: Duan, Martin, Omanakuttan, arXiv:2110.02286
- pendulum: Padilla-Gay, Tamborra, Raffelt, PRL 128, 121102 (2022)
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..flavor.algebra import algebra
from ..physics.initial import single_wave
from ..physics.modes import build, crossings, quadrature
from ..run.simulation import simulate
from ..runtime.collective import on_root
from ..theory import linear

TWO = algebra()  # flavors, in all that is published here


@dataclass(frozen=True)
class Row:
    """A number, published or exact, beside ours; they agree if they differ by no more than `tolerance`."""

    quantity: str
    expected: float
    ours: float
    tolerance: float

    @property
    def difference(self):
        return self.ours - self.expected

    @property
    def passed(self):
        return bool(abs(self.difference) <= self.tolerance)  # not so for NaN


@dataclass(frozen=True)
class Problem:
    """A published problem. rows: function of a communicator; quick: whether it takes no more than a few seconds."""

    title: str
    source: str
    rows: Callable
    quick: bool = True


SPARSE = ("output.fields_every=0", "output.spectrum_every=0")


# ---- one wave in a box of one wavelength


def one_wave(modes, zeta, k, psi, times, comm=None):
    """psi_a at wavenumber k over time, complex (times, modes), in units of n, the same on all ranks. Collective.

    modes: section [modes] of a config; zeta: P_a^z, None for n_a; psi: complex (modes,), the seed; times: evenly spaced
    from 0. The box holds one wavelength, so that no other growing wave of small |k| fits into it.
    """
    n = 1 if k > 0 else -1
    run = simulate(
        {
            "box": {"length": abs(2 * np.pi / k), "points": 16},
            "modes": modes,
            "initial": {"kind": "fourier", "zeta": None if zeta is None else list(zeta), "waves": _waves(psi, n)},
            # The tolerance is one for |P|: errors per step are 1e-5 of a seed of 1e-8.
            "time": {"end": times[-1], "rtol": 1e-13},
            "output": {"series_every": times[-1], "fields_every": times[1] - times[0], "spectrum_every": 0},
        },
        comm=comm,
    )

    def wave():
        P = np.asarray(run.fields["P"])
        return np.fft.fft(TWO.coherence(P, TWO.pairs[0], axis=2), axis=-1)[..., n] / P.shape[-1]

    return _on_root(comm, wave)


def _waves(psi, n):
    """Tables [[initial.waves]] of one harmonic with amplitude psi_a in mode a."""
    return [{"n": n, "amplitude": abs(wave), "phase": float(np.angle(wave)), "mode": a} for a, wave in enumerate(psi)]


def _on_root(comm, function):
    """Value of a function that needs fields, which rank 0 alone has, on all ranks. Collective."""
    from mpi4py import MPI

    return on_root(MPI.COMM_WORLD if comm is None else comm, function)


# ---- two beams: growth

SEED = 1e-8


def two_beam_growth(comm=None):
    """Growth of two beams: eigenvalues and a run against gamma_k = sqrt((k - k1)(k2 - k)), band edges, Re Omega."""
    beams = {"velocity": [1.0, -1.0]}
    v, s = np.array([1.0, -1.0]), np.ones(2)
    for zeta, k1, k2, k_max, gamma_max, omega in (
        ((0.5, -0.5), -2, 0, -1, 1, 0),
        ((0.7, -0.2), -1.648331, -0.151669, -0.9, 0.7483315, -0.5),
    ):
        label = f"zeta = {zeta[0]:g}, {zeta[1]:g}"
        edges = linear.two_beam_edges(*zeta)
        yield Row(f"{label}: lower edge of the band", k1, edges[0], 5e-7)  # digits printed
        yield Row(f"{label}: upper edge of the band", k2, edges[1], 5e-7)
        eigenvalue = linear.spectrum(k_max, v, s, np.array(zeta))[0]
        yield Row(f"{label}: eigenvalue at k = {k_max:g}, gamma", gamma_max, eigenvalue.imag, 5e-8)
        yield Row(f"{label}: eigenvalue at k = {k_max:g}, Re Omega", omega, eigenvalue.real, 1e-10)
        for part in (0.3, 0.5, 0.7):
            k = edges[0] + part * (edges[1] - edges[0])
            gamma = np.sqrt((k - edges[0]) * (edges[1] - k))
            eigenvalue = linear.spectrum(k, v, s, np.array(zeta))[0]
            yield Row(f"{label}: eigenvalue at k = {k:.4g}, against the closed form", gamma, eigenvalue.imag, 1e-10)
            times = np.arange(11) / gamma
            psi = one_wave(beams, zeta, k, SEED * np.exp([0, 1j]), times, comm)
            # From 7 to 10 e-foldings: the decaying wave is below exp(-14) = 1e-6 of the growing one, its change of the
            # slope 3e-7; the growing one is below 5e-4, and depletes itself by the square of that.
            measured = np.log(np.abs(psi[10, 0] / psi[7, 0])) / (times[10] - times[7])
            yield Row(f"{label}: run at k = {k:.4g}, gamma", gamma, measured, 1e-6 * gamma)
    size = np.abs(one_wave(beams, (0.5, -0.5), 1.0, SEED * np.exp([0, 1j]), np.arange(0, 41, 0.5), comm)).max(axis=1)
    # It beats between the beams; a rate of 0.005 would be 10 % over the 20 between the two halves.
    yield Row("zeta = 0.5, -0.5: run at k = +1, gamma", 0, np.log(size[41:].max() / size[:41].max()) / 20, 0.005)


# ---- two beams: nonlinear


def exact_single_wave(comm=None):
    """The case single_wave against the closed nonlinear solution, point by point and in energy."""
    run = simulate("single_wave", comm=comm)
    t, U = run.series["time"], run.series["U_osc"]
    fields = run.fields
    error = _on_root(
        comm,
        lambda: max(
            np.abs(fields["P"][row] - single_wave(np.asarray(fields["z"]), now, 6.0)).max()
            for row, now in enumerate(fields["time"])
        ),
    )
    # The solution is unstable itself: 12 e-foldings turn a rounding of 1e-16 into 2e-11.
    yield Row("largest error of any component of P, t <= 12", 0, error, 1e-10)
    swing = U / (-2 * np.pi / 4)
    for moment in (0, 3, 6, 9, 12):
        (row,) = np.flatnonzero(np.abs(t - moment) < 1e-9)
        yield Row(f"U_osc / U_osc(-infinity) at t = {moment}", 2 * np.tanh(moment - 6) ** 2 - 1, swing[row], 1e-9)


GOLDEN_RATIO_ENERGY = -24.99996915352762
GOLDEN_RATIO = {  # t: U_osc / U_osc(0), nu_x content of the beam v = +1
    2: (0.9999880694, 0.0000034610),
    4: (0.9995372982, 0.0001158576),
    6: (0.9802603400, 0.0049351767),
    7: (0.8718820244, 0.0320523306),
    8: (0.3213179367, 0.1707466627),
}


def golden_ratio(comm=None, overrides=()):
    """The case golden_ratio against the numbers of NuGas (FFT, DOP853 at 1e-12; N = 512, 1024, 2048 agree)."""
    run = simulate("golden_ratio", overrides=[*SPARSE, "output.series_every=1", *overrides], comm=comm)
    U, nu_x = run.series["U_osc"], run.series["nu_x"][:, 0]
    yield Row("U_osc(0)", GOLDEN_RATIO_ENERGY, U[0], 2e-13)  # rounding of the sum
    for t, (ratio, content) in GOLDEN_RATIO.items():
        yield Row(f"U_osc / U_osc(0) at t = {t}", ratio, U[t] / U[0], 2e-10)  # the digits printed
        yield Row(f"nu_x content of v = +1 at t = {t}", content, nu_x[t], 2e-10)


def figure_1(comm=None):
    """What Fig. 1 of the paper shows, in the case two_beam, and how the late beats shrink with the box."""
    run = simulate("two_beam", overrides=[*SPARSE, "time.end=100"], comm=comm)
    t, U = run.series["time"], run.series["U_osc"]
    yield Row("U_osc(0)", -25, U[0], 1e-4)  # seeds of variance 1e-8 in a length of 100
    yield Row("largest |K + U_osc - U_osc(0)| / |U_osc(0)|", 0, np.abs(run.series["energy_residual"]).max() / 25, 1e-8)
    first = t[U > -2.5][0]
    yield Row("time at which U_osc has lost nine tenths", 9.5, first, 2.5)  # the first instability phase: 7 to 12
    yield Row("mean of U_osc / |U_osc(0)| afterwards", 0, U[t > first].mean() / 25, 0.1)
    short, long = late_beats(100, 16, comm), late_beats(400, 8, comm)
    # L^-1/2. With ten independent times in each run the two scatter by 6 and 8 %, the ratio by 10 %.
    yield Row("late beats of U_osc, those in L = 100 over those in L = 400", 2, short / long, 0.5)


def late_beats(length, realizations, comm=None):
    """Standard deviation of U_osc / U_osc(0) over realizations, rms over 30 < t < 60, in a box `length` long.

    The case two_beam with seeds 1, 2, ..., the same waves and the same seed amplitude at each place.
    """
    scale = length / 100
    late_values = []
    for seed in range(1, realizations + 1):
        run = simulate(
            "two_beam",
            comm=comm,
            overrides=[
                *SPARSE,
                "equations.level=standard",
                f"box.length={length}",
                f"box.points={round(1024 * scale)}",
                "time.rtol=1e-8",
                f"initial.k_max={2 * np.pi}",
                f"initial.variance={1e-8 / scale}",
                f"initial.seed={seed}",
            ],
        )
        late = run.series["time"] > 30
        late_values.append(run.series["U_osc"][late] / run.series["U_osc"][0])
    return np.sqrt(np.mean(np.var(late_values, axis=0, ddof=1)))


# ---- angular distributions


def peaked(number, alpha, rule="gauss-legendre"):
    """Section [modes] with G(v) = g(v; 0.6) - alpha g(v; 0.53), the lepton number of the code comparison."""
    return {
        "kind": "angular",
        "number": number,
        "quadrature": rule,
        "distribution": "gaussian",
        "alpha": alpha,
        "sigma": 0.6,
        "sigma_bar": 0.53,
    }


def polynomial(number, *coefficients):
    """Section [modes] with G(v) = sum_n g_n v^n on Gauss-Legendre points."""
    return {
        "kind": "angular",
        "number": number,
        "quadrature": "gauss-legendre",
        "distribution": "polynomial",
        "coefficients": list(coefficients),
    }


PEAKED_GROWTH = {  # alpha: crossing, k_max, gamma_max, Re Omega there, Omega at k = 0
    0.89: (0.867935, 0.136320, 0.00541845, 0.03010011, 0),
    0.90: (0.785501, 0.128397, 0.01271149, 0.02348136, 0),
    0.93: (0.639655, 0.113389, 0.03043221, 0.01697164, -0.07374628 + 0.00755892j),
    0.97: (0.512637, 0.107634, 0.04839280, 0.02389662, -0.03202019 + 0.00501813j),
    1.00: (0.438393, 0.111798, 0.05867436, 0.03619045, 0),
}
MIDPOINT_GROWTH = {32: 0.012788, 64: 0.012731, 200: 0.012713}  # bins: gamma_max for alpha = 0.9
LINEAR_GROWTH = {  # a, b of G = a - b v: k_max, Omega there
    (0, 1): (0.90769773, 0.68962903j),
    (0.2, 1): (0.95763131, -0.23533415 + 0.64335699j),
    (0.4, 1): (1.17882393, -0.39693071 + 0.51308314j),
    (0.5, 0.7): (1.24217277, -0.28203991 + 0.16822486j),
}


def angular_growth(comm=None):
    """Dispersion relations of angular distributions, and runs against the eigenvalue of their own bins."""
    for alpha, (crossing, k_max, gamma_max, omega_max, at_zero) in PEAKED_GROWTH.items():
        # 128 points: the pole gamma/k off the real axis leaves a quadrature error below 1e-8 for all rows.
        section = peaked(128, alpha)
        modes = build(section)
        k, omega = linear.fastest(np.linspace(0.09, 0.15, 13), modes.v, modes.s, modes.n)
        zero = linear.spectrum(0.0, modes.v, modes.s, modes.n)[0]
        label = f"alpha = {alpha:.2f}"
        yield Row(f"{label}: crossing", crossing, crossings(section)[0], 5e-7)  # digits printed, as all here
        yield Row(f"{label}: k_max", k_max, k, 1e-6)  # a flat maximum: half a unit more
        yield Row(f"{label}: gamma_max", gamma_max, omega.imag, 1e-8)
        yield Row(f"{label}: Re Omega", omega_max, omega.real, 3e-8)  # follows the error of k
        yield Row(f"{label}: gamma at k = 0", np.imag(at_zero), zero.imag, 1e-8)
        if at_zero:
            yield Row(f"{label}: Re Omega at k = 0", at_zero.real, zero.real, 1e-8)
    for bins, gamma_max in MIDPOINT_GROWTH.items():
        modes = build(peaked(bins, 0.9, "midpoint"))
        _, omega = linear.fastest(np.linspace(0.12, 0.137, 4), modes.v, modes.s, modes.n)
        yield Row(f"alpha = 0.90, {bins} mid-point bins: gamma_max", gamma_max, omega.imag, 1e-6)
    for (a, b), (k_max, omega_max) in LINEAR_GROWTH.items():
        modes = build(polynomial(96, a, -b))
        k, omega = linear.fastest(np.linspace(0.6, 1.5, 10), modes.v, modes.s, modes.n)
        yield Row(f"G = {a:g} - {b:g} v: k_max", k_max, k, 1e-6)
        yield Row(f"G = {a:g} - {b:g} v: gamma_max", omega_max.imag, omega.imag, 1e-8)
        yield Row(f"G = {a:g} - {b:g} v: Re Omega", omega_max.real, omega.real, 1e-6)
    for label, section, k in (
        ("alpha = 0.88", peaked(48, 0.88), np.linspace(-0.5, 0.5, 101)),
        ("G = 1.2 - v", polynomial(48, 1.2, -1), np.linspace(-2, 2, 41)),
    ):
        modes = build(section)
        # Round-off of nearly equal eigenvalues, its square root at worst.
        yield Row(
            f"{label}, no crossing: largest gamma at any k", 0, linear.growth_rate(k, modes.v, modes.s, modes.n).max(), 1e-7
        )
    for alpha, rule, k in ((0.9, "midpoint", 0.12), (0.9, "midpoint", 0.1284), (0.97, "gauss-legendre", 0.1076)):
        measured, gamma = eigenmode_growth(peaked(64, alpha, rule), k, comm)
        label = f"alpha = {alpha:.2f}, run with 64 directions ({rule}) at k = {k:g}"
        yield Row(f"{label}: gamma", gamma, measured, 1e-5 * gamma)


def eigenmode_growth(section, k, comm=None):
    """Growth rate of the fastest wave at k over three e-foldings, started alone: (measured, eigenvalue)."""
    modes = build(section)
    omega, wave = linear.eigenvector(k, modes.v, modes.s, modes.n)
    times = np.arange(4) / omega.imag
    # 64 modes share the error of a step, 1e-13 of all of them: 1e-7 of this seed, which stays linear to (1e-6 e^3)^2 = 4e-10.
    psi = one_wave(section, None, k, wave * 1e-6 / np.abs(wave / modes.n).max(), times, comm)
    return np.log(np.linalg.norm(psi[3]) / np.linalg.norm(psi[0])) / times[3], omega.imag


MULTI_ANGLE = {  # t: P_ee, P_ee of antineutrinos, U_osc, each over its value at the start
    20: (0.9999990204, 0.9999989901, 0.9999509998),
    40: (0.9999914873, 0.9999912240, 0.9997231771),
    60: (0.9999480200, 0.9999464122, 0.9983811527),
    80: (0.9996855153, 0.9996757879, 0.9901985539),
}


def multi_angle(comm=None):
    """The case multi_angle against the numbers that NuGas (FFT) and COSEnu (finite volumes) share to seven digits."""
    run = simulate("multi_angle", overrides=["output.series_every=20", *SPARSE], comm=comm)
    series = run.series
    for row, (t, values) in enumerate(MULTI_ANGLE.items(), start=1):
        for name, value in zip(("P_ee", "P_ee_bar", "U_osc"), values):
            yield Row(f"{name} / {name}(0) at t = {t}", value, series[name][row] / series[name][0], 1e-8)
    # COSEnu needs N_z = 960 for 6e-9; here N_z = 480.
    yield Row("largest ||P| - 1|, t <= 80", 0, series["P_drift_max"].max(), 6e-9)
    yield Row(
        "largest |K + U_osc - U_osc(0)| / |U_osc(0)|",
        0,
        np.abs(series["energy_residual"]).max() / abs(series["U_osc"][0]),
        1e-8,
    )


# ---- the code-comparison problem


def code_comparison(comm=None, run=None):
    """The code-comparison problem: growth, depolarization on one side of the crossing, and what must be conserved.

    run: results of jobs/code_comparison.toml or another of its kind; default: the case code_comparison is run.
    """
    yield from one_sided(run or simulate("code_comparison", overrides=["output.fields_every=0"], comm=comm))


def equal_numbers(comm=None):
    """The same with alpha = 1, as many antineutrinos as neutrinos: every direction loses its flavor."""
    run = simulate("code_comparison", overrides=[*SPARSE, "modes.alpha=1", "time.rtol=1e-9"], comm=comm)
    late = late_survival(run)
    # Box and time leave beats: single rows of the series differ from their mean by 0.04.
    yield Row("late P_ee, mean over v", 0.5, late.mean(), 0.04)
    yield Row("late P_ee, the v farthest from 1/2", 0.5, late[np.argmax(np.abs(late - 0.5))], 0.08)
    # Structure reaches down to the grid's spacing of 1, the published one: more than with alpha = 0.9.
    yield Row("mean change of |P|, largest over time", 0, run.series["P_drift_mean"].max(), 1e-6)


def one_sided(run):
    """Rows of the code-comparison problem from the results of a run."""
    section, series = run.config.modes, run.series
    modes = build(section)
    linear_phase = LinearPhase.of(run)
    k, gamma, rate = linear_phase.fastest()
    yield Row("growth rate of the fastest wave", 0.0127, rate, 5e-5)  # digits printed
    yield Row(f"the same against the eigenvalue of these bins at k = {k:.4f}", gamma, rate, 1e-4 * gamma)
    # The packet narrows as it grows, and the rms lags behind its fastest wave by 1/4t.
    expected, measured = linear_phase.whole()
    yield Row("growth rate of rms coherence against all waves of the box", expected, measured, 1e-3 * gamma)
    late, crossing = late_survival(run), crossings(section)[0]
    beyond = modes.v > crossing
    # A box of length L holds some gamma L independent patches: tenths in the short one.
    yield Row("late P_ee, mean over v beyond the crossing", 0.5, late[beyond].mean(), 0.05)
    yield Row("late P_ee at the most backward v", 1.0, late[0], 0.01)
    yield Row("late P_ee where v = 0", 1.0, np.interp(0.0, modes.v, late), 0.05)
    yield Row("largest change of |P|", 0, series["P_drift_max"].max(), 1e-6)
    yield Row("mean change of |P|, largest over time", 0, series["P_drift_mean"].max(), 1e-8)
    D0 = series["D0"]
    drift = np.linalg.norm(D0 - D0[0], axis=1).max() / np.linalg.norm(D0[0])
    yield Row("largest drift of the lepton-number vector int D_0, relative", 0, drift, 1e-8)


def coherence(run):
    """rms of the transverse part, sqrt(<sum_a |psi_a|^2> / sum_a n_a^2) over the box, at the spectra's times."""
    return np.sqrt(run.series["psi2"].sum(axis=1) / np.sum(run.series["density"] ** 2))


@dataclass(frozen=True)
class LinearPhase:
    """Growth while coherence rises from 1e-5 to 1e-2.

    t: (times,); power: (times, waves), psi2 of the waves that may grow; k, gamma: (waves,), gamma by eigenvalue.
    """

    t: np.ndarray
    power: np.ndarray
    k: np.ndarray
    gamma: np.ndarray

    @classmethod
    def of(cls, run):
        """That of a run of the code-comparison problem, whose waves grow at 0.05 < k < 0.25 and nowhere else."""
        size, modes, k = coherence(run), build(run.config.modes), run.series["k"]
        end = int(np.argmax(size > 1e-2))
        times = np.flatnonzero(size[:end] > 1e-5)
        waves = np.flatnonzero((k > 0.05) & (k < 0.25))
        gamma = linear.growth_rate(k[waves], modes.v, modes.s, modes.n)
        return cls(run.series["spectrum_time"][times], run.series["psi2"][np.ix_(times, waves)], k[waves], gamma)

    def fastest(self):
        """(k, eigenvalue's gamma, measured gamma) of the box's fastest wave."""
        wave = np.argmax(self.gamma)
        return self.k[wave], self.gamma[wave], self._rate(self.power[:, wave])

    def whole(self):
        """Growth rate of the rms of all waves: (if each follows its eigenvalue from the first time on, measured)."""
        alone = self.power[0] * np.exp(2 * np.outer(self.t - self.t[0], self.gamma))
        return self._rate(alone.sum(axis=1)), self._rate(self.power.sum(axis=1))

    def _rate(self, power):
        return np.polyfit(self.t, 0.5 * np.log(power), 1)[0]


def late_survival(run):
    """P_ee of each direction, shape (modes,): averaged over the box and over the last fifth of the run."""
    t = run.series["time"]
    return 1 - run.series["nu_x"][t >= t[-1] - 0.2 * (t[-1] - t[0])].mean(axis=0)


# ---- stationary wave


def stationary_wave_moments(v, g, N3, K):
    """A wave that travels without change (Duan, Martin, Omanakuttan, arXiv:2110.02286), on the bins (v, g = w G).

    Unit vectors with transverse part P_perp exp(i(Omega t - K z)) and longitudinal part P_3; N1, N3 and F1, F3 are the
    same parts of D_0 and D_1. Along a ray a vector turns about e_z at Omega - K v, so it lies along
    D_0 - v D_1 - (Omega - K v) e_z, and the moments must come out as assumed. Newton's method with differences, begun
    near the published wave. Returns (N1, F1, F3, Omega), P_perp, P_3; RuntimeError if it does not converge.
    """

    def vectors(x):
        N1, F1, F3, Omega = x
        along, up = N1 - F1 * v, N3 - Omega - (F3 - K) * v
        length = np.hypot(along, up)
        return along / length, up / length

    def mismatch(x):
        along, up = vectors(x)
        return np.array([g @ along - x[0], g @ (v * along) - x[1], g @ up - N3, g @ (v * up) - x[2]])

    x = np.array([0.1588, -0.0201, -0.4384, 0.2528])
    for _ in range(6):  # quadratic convergence: 1e-4, 1e-8, rounding
        slope = np.stack([(mismatch(x + h) - mismatch(x - h)) / 2e-5 for h in 1e-5 * np.eye(4)], axis=1)
        x = x - np.linalg.solve(slope, mismatch(x))
    if not np.abs(mismatch(x)).max() < 1e-14:
        raise RuntimeError(f"no stationary wave found near the published one, K = {K:g}, N3 = {N3:g}")
    return x, *vectors(x)


def stationary_wave(comm=None):
    """G(u) = 0.5 - 0.7 u, K = -2, N3 = 1: moments against the notebook of NuGas, and a run that must not change it."""
    v, w = quadrature("gauss-legendre", 64)
    g, K, points = w * (0.5 - 0.7 * v), -2.0, 16
    (N1, F1, F3, Omega), along, up = stationary_wave_moments(v, g, N3=1.0, K=K)
    for name, theirs, ours in (
        ("Omega", 0.2527835586211527, Omega),
        ("F1", -0.020067242663505274, F1),
        ("F3", -0.4383727752198316, F3),
    ):
        yield Row(name, theirs, ours, 1e-8)  # their quadrature is another one: 8 digits
    yield Row("N1, from lepton-number conservation F1 K / Omega", F1 * K / Omega, N1, 1e-12)

    def exact(t):
        angle = Omega * t - K * 2 * np.pi * np.arange(points) / points
        n = np.abs(g)[:, None]
        return np.stack(
            [n * along[:, None] * np.cos(angle), n * along[:, None] * np.sin(angle), n * up[:, None] * np.ones(points)], axis=1
        )

    run = run_from_fields(
        exact(0.0),
        {
            "box": {"length": 2 * np.pi, "points": points},
            "modes": polynomial(64, 0.5, -0.7),
            "time": {"end": 20.0, "rtol": 1e-12},
            "output": {"fields_every": 5.0},
        },
        comm,
    )
    error = _on_root(
        comm, lambda: max(np.abs(run.fields["P"][row] - exact(t)).max() for row, t in enumerate(run.fields["time"]))
    )
    # 60 steps of 1e-12, grown little by t = 20.
    yield Row("largest error of any component of P, t <= 20", 0, error, 1e-9)
    yield Row("change of U_osc", 0, np.ptp(run.series["U_osc"]), 1e-9)


def run_from_fields(P, config, comm=None):
    """Results, in memory, of `config` started from whole fields P (modes, 3, points). Collective."""
    import h5py

    def write():
        with h5py.File(path, "w") as file:
            file["P"] = P

    with tempfile.TemporaryDirectory(prefix="nuflux-") as directory:
        path = _on_root(comm, lambda: Path(directory) / "start.h5")
        _on_root(comm, write)
        return simulate(config | {"initial": {"kind": "file", "path": str(path)}}, comm=comm)


# ---- homogeneous gas


def homogeneous(alpha, psi, end, every, comm=None, rtol=1e-13):
    """Series of a homogeneous gas of 32 directions, lepton number of `peaked`; psi: complex (32,), the seed.

    rtol: errors of the steps are multiplied as the seed is, up to 1e5 in the runs here.
    """
    return simulate(
        {
            "box": {"length": 1.0, "points": 16},
            "modes": peaked(32, alpha),
            "initial": {"kind": "fourier", "waves": _waves(psi, 0)},
            "time": {"end": end, "rtol": rtol},
            "output": {"series_every": every, "fields_every": 0, "spectrum_every": 0},
        },
        comm=comm,
    ).series


def fast_pendulum(comm=None):
    """A homogeneous gas swings as a pendulum in every direction:

    with Omega(k = 0) + L_0 = omega_P + i Gamma and L_m = D_m^z at the start, |D_1| stays and

        1 - P_v^z = depth_v sech^2(Gamma (t - t_0)),
        depth_v = 2 Gamma^2 L_1^2 / (omega_P^2 + Gamma^2) v^2 / ((omega_P - v L_1)^2 + Gamma^2).
    """
    modes = build(peaked(32, 0.93))
    v, s, n = modes.v, modes.s, modes.n
    omega, wave = linear.eigenvector(0.0, v, s, n)
    L0, L1 = np.sum(s * n), np.sum(s * n * v)
    omega_P, Gamma = omega.real + L0, omega.imag
    lowest = (omega_P**2 - Gamma**2) / (omega_P**2 + Gamma**2)
    yield Row("alpha = 0.93: omega_P", -0.0037462785, omega_P, 1e-10)  # digits printed; 32 directions give them
    yield Row("alpha = 0.93: Gamma", 0.0075589208, Gamma, 1e-10)
    yield Row("alpha = 0.93: lowest cosine, by formula", -0.6056138599, lowest, 1e-8)

    series = homogeneous(0.93, wave * 1e-5 / np.abs(wave / n).max(), 2400.0, 5.0, comm)
    t, P = series["time"], series["P_mean"]
    dip = 1 - TWO.difference(P, TWO.pairs[0], axis=2) / n
    depth = 2 * (Gamma * L1) ** 2 / (omega_P**2 + Gamma**2) * v**2 / ((omega_P - v * L1) ** 2 + Gamma**2)
    # t_0 from one number: the last direction's dip at t = 1000, long before the swing.
    t0 = 1000 + np.arccosh(np.sqrt(depth[-1] / dip[t == 1000, -1])) / Gamma
    expected = depth / np.cosh(Gamma * (t - t0))[:, None] ** 2
    # The solution is that of an infinitesimal seed; 1e-5 of amplitude make 1e-8 of difference.
    yield Row("alpha = 0.93: largest error of 1 - P_v^z, any v and t", 0, np.abs(dip - expected).max(), 1e-7)
    D1 = np.einsum("a,tac->tc", s * v, P)
    length = np.linalg.norm(D1, axis=1)
    yield Row("alpha = 0.93: change of |D_1|, relative", 0, np.abs(length / length[0] - 1).max(), 1e-9)  # 540 steps
    # Rows every 5: one is within 2.5 of the turning point, where the cosine is off by (2.5 Gamma)^2 of its swing.
    yield Row("alpha = 0.93: lowest cosine, in the run", lowest, (D1 @ D1[0] / length[0] ** 2).min(), 6e-4)

    yield Row("alpha = 0.90: gain over t = 500 to 1000, in spite of a crossing", 1, homogeneous_gain(0.90, comm), 0.1)
    yield Row("alpha = 0.93: the same", np.exp(500 * Gamma), homogeneous_gain(0.93, comm), 0.1 * np.exp(500 * Gamma))


def homogeneous_gain(alpha, comm=None):
    """Growth of coherence over the second half of t = 0 to 1000, from a tilt of 1e-6 of the directions v > 0.

    Not of all: vectors that are all parallel rest.
    """
    modes = build(peaked(32, alpha))
    series = homogeneous(alpha, np.where(modes.v > 0, 1e-6 * modes.n, 0.0), 1000.0, 10.0, comm, rtol=1e-12)
    size = np.linalg.norm(TWO.coherence(series["P_mean"], TWO.pairs[0], axis=2), axis=1)
    return size[51:].max() / size[:51].max()


PROBLEMS = {
    "two_beam_growth": Problem("Growth of two beams", "paper, Eqs. 9-11", two_beam_growth),
    "single_wave": Problem("One wave: closed nonlinear solution", "existence: arXiv:2601.15372", exact_single_wave),
    "golden_ratio": Problem("Two beams, a start that every code can repeat", "NuGas, commit 884d44e", golden_ratio),
    "two_beam": Problem("The paper's example", "paper, Fig. 1", figure_1, quick=False),
    "angular_growth": Problem(
        "Dispersion relations of angular distributions", "fowdr/COSEnu; PRD 99, 063005; closed integrals", angular_growth
    ),
    "multi_angle": Problem("A multi-angle gas", "NuGas, commit 884d44e; COSEnu, commit 090456d", multi_angle),
    "code_comparison": Problem(
        "The code-comparison problem", "PRD 106, 043011; arXiv:2304.05044", code_comparison, quick=False
    ),
    "equal_numbers": Problem("Code comparison with alpha = 1", "arXiv:2108.09886", equal_numbers, quick=False),
    "stationary_wave": Problem("Stationary wave", "arXiv:2110.02286; notebook of NuGas", stationary_wave),
    "fast_pendulum": Problem("Fast flavor pendulum, homogeneous gas", "PRL 128, 121102", fast_pendulum),
}

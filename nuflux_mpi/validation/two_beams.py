"""Two beams: growth, and how the instability saturates."""

import numpy as np

from ..physics.initial import single_wave
from ..run.simulation import simulate
from ..theory import linear
from .problem import SPARSE, Row, one_wave, value_of_root

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
    error = value_of_root(
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

"""Solutions in closed form: a stationary wave, and the pendulum of a homogeneous gas."""

import tempfile
from pathlib import Path

import numpy as np

from ..physics.angular import quadrature
from ..physics.modes import build
from ..run.simulation import simulate
from ..theory import linear
from .angular import peaked, polynomial
from .problem import TWO, Row, seeded_waves, value_of_root

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
    error = value_of_root(
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
        path = value_of_root(comm, lambda: Path(directory) / "start.h5")
        value_of_root(comm, write)
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
            "initial": {"kind": "fourier", "waves": seeded_waves(psi, 0)},
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

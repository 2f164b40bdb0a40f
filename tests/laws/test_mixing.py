"""Homogeneous gases with vacuum mixing and matter against closed forms: oscillation, resonance, growth at k = 0, pendulum."""

import numpy as np
import pytest
from gases import contents, diagonal, problem, simulated
from scipy.special import ellipj, ellipk

from nuflux_mpi.physics.terms.vacuum import mass_matrix, mixing_matrix

# Few points, since nothing depends on z. Steps of 1e-13 whose errors add up stay below the 1e-9 that is asked for.
FEW = {"length": 1.0, "points": 4, "fftw": "estimate"}
QUIET = {"figures": False, "spectrum_every": 0.0, "fields_every": 0.0}

MSW = """
title = "MSW resonance: neutrinos and antineutrinos of one direction, which do not refract on each other"
[box]
length = 1.0
points = 4
[modes]
velocity = [1.0, 1.0]
sign = [1, -1]
density = 1.0
[vacuum]
omega = 1.0
theta = 0.5902703530244823     # 33.82 degrees
[matter]
lambda = 0.380559              # set by the test: cos 2 theta
[time]
end = 12.0
rtol = 1e-13
"""


def test_msw_resonance(tmp_path):
    theta = np.deg2rad(33.82)
    config = problem(MSW, vacuum={"theta": theta}, matter={"lambda": float(np.cos(2 * theta))}, output=QUIET)
    series = simulated(config, None, diagonal([[1, 0], [1, 0]], (4,)), tmp_path / "P.h5").series
    t = series["time"]
    np.testing.assert_allclose(series["P_ee"], 1 - np.sin(0.924811846 * t / 2) ** 2, rtol=0, atol=6e-9)  # nine digits times t
    np.testing.assert_allclose(series["P_ee_bar"], 1 - 0.596357096 * np.sin(1.197568015 * t / 2) ** 2, rtol=0, atol=6e-9)
    depth, frequency = [np.sin(2 * theta) ** 2 / X for X in (np.sin(2 * theta) ** 2, 1 + 3 * np.cos(2 * theta) ** 2)], []
    frequency = [np.sin(2 * theta), np.sqrt(1 + 3 * np.cos(2 * theta) ** 2)]
    for name, A, w in zip(("P_ee", "P_ee_bar"), depth, frequency):
        np.testing.assert_allclose(series[name], 1 - A * np.sin(w * t / 2) ** 2, rtol=0, atol=1e-9)


def test_moving_matter(tmp_path):
    """lambda (1 - v u) takes the place of lambda; refraction is switched off by [attenuation]."""
    theta, v, u = np.deg2rad(33.82), np.array([0.5, -0.5]), 0.6
    config = problem(
        MSW,
        modes={"velocity": v.tolist(), "sign": [1, 1]},
        vacuum={"theta": theta},
        matter={"lambda": 0.4, "velocity": u},
        attenuation={"self": 0.0},
        output=QUIET,
    )
    run = simulated(config, None, diagonal([[1, 0], [1, 0]], (4,)), tmp_path / "P.h5")
    C, S = np.cos(2 * theta) - 0.4 * (1 - v * u), np.sin(2 * theta)
    w = np.hypot(C, S)
    expected = 1 - (S / w) ** 2 * np.sin(w * run.series["time"][:, None] / 2) ** 2
    np.testing.assert_allclose(1 - run.series["nu_x"], expected, rtol=0, atol=1e-9)
    assert not run.series["U_osc"].any()


THREE = """
title = "Three flavors in vacuum, with CP violation: six modes, neutrinos and antineutrinos that start in each flavor"
[flavor]
number = 3
[box]
length = 1.0
points = 4
[modes]
velocity = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
sign = [1, 1, 1, -1, -1, -1]
content = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
[initial]
variance = 0.0
n_max = 0
[vacuum]
omega = [0.03, 1.0]
theta = [0.5759586531581288, 0.15707963267948966, 0.7330382858376184]     # 33, 9, 42 degrees
delta = 4.363323129985824                                                 # 250 degrees
[attenuation]
self = 0.0
[time]
end = 100.0
rtol = 1e-13
"""
# alpha -> e, mu, tau for alpha = e, mu, tau: from the closed form, and with matter by matrix exponential.
PUBLISHED = {
    ("normal", 3, 0.0, 1): [
        [0.9036154905, 0.0312779910, 0.0651065185],
        [0.0545064850, 0.0264809545, 0.9190125605],
        [0.0418780245, 0.9422410545, 0.0158809210],
    ],
    ("normal", 100, 0.0, 1): [
        [0.1778661086, 0.4090555031, 0.4130783883],
        [0.5428728937, 0.0389443068, 0.4181827994],
        [0.2792609977, 0.5520001900, 0.1687388123],
    ],
    ("inverted", 20, 0.0, 1): [
        [0.9172954310, 0.0419250903, 0.0407794787],
        [0.0646945164, 0.7445064545, 0.1907990291],
        [0.0180100526, 0.2135684552, 0.7684214922],
    ],
    ("normal", 20, 0.5, 1): [
        [0.7968924004, 0.1116975194, 0.0914100803],
        [0.0847530689, 0.5732378386, 0.3420090925],
        [0.1183545307, 0.3150646420, 0.5665808273],
    ],
    ("normal", 20, 0.5, -1): [
        [0.9686308362, 0.0137197529, 0.0176494109],
        [0.0092623289, 0.9122244157, 0.0785132554],
        [0.0221068349, 0.0740558314, 0.9038373337],
    ],
    ("inverted", 20, 0.5, -1): [
        [0.7573870692, 0.0862668432, 0.1563460876],
        [0.1186861210, 0.4723170223, 0.4089968567],
        [0.1239268098, 0.4414161345, 0.4346570557],
    ],
}
ORDERINGS = {"normal": 1.0, "inverted": -0.97}


def vacuum_probabilities(t, omega, theta, delta, species):
    """P(alpha -> beta), [alpha, beta], by the textbook's sum over pairs of mass states."""
    U, m = mixing_matrix(theta, delta), np.array([0.0, *omega])
    P = np.eye(3)
    for i in range(3):
        for j in range(i):
            J = np.einsum("a,b,a,b->ab", U[:, i].conj(), U[:, i], U[:, j], U[:, j].conj())
            D = (m[i] - m[j]) * t
            P = P - 4 * J.real * np.sin(D / 2) ** 2 + species * 2 * J.imag * np.sin(D)
    return P


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_three_flavors_in_vacuum(ordering):
    omega = [0.03, ORDERINGS[ordering]]
    config = problem(THREE, vacuum={"omega": omega}, output=QUIET | {"series_every": 1.0})
    run = simulated(config, None)
    vacuum = config["vacuum"]
    for t in (3, 20, 100):
        seen = contents(run, t)
        for species, some in ((1, seen[:3]), (-1, seen[3:])):
            expected = vacuum_probabilities(t, omega, vacuum["theta"], vacuum["delta"], species)
            np.testing.assert_allclose(some, expected, rtol=0, atol=1e-9)
            published = PUBLISHED.get((ordering, t, 0.0, species))
            if published is not None:
                np.testing.assert_allclose(some, published, rtol=0, atol=1e-9)
        np.testing.assert_allclose(seen[3:], seen[:3].T, rtol=0, atol=1e-9)  # CPT
        assert np.abs(seen[3:] - seen[:3]).max() > 0.02  # and CP is violated


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_three_flavors_in_matter(ordering):
    omega = [0.03, ORDERINGS[ordering]]
    config = problem(THREE, vacuum={"omega": omega}, matter={"lambda": 0.5}, time={"end": 20.0}, output=QUIET)
    seen = contents(simulated(config, None))
    M = mass_matrix(omega, config["vacuum"]["theta"], config["vacuum"]["delta"])
    for species, some in ((1, seen[:3]), (-1, seen[3:])):
        x, V = np.linalg.eigh(species * M + np.diag([0.5, 0.0, 0.0]))
        amplitude = (V * np.exp(-20j * x)) @ V.conj().T  # [beta, alpha]
        np.testing.assert_allclose(some, np.abs(amplitude.T) ** 2, rtol=0, atol=1e-9)
        published = PUBLISHED.get((ordering, 20, 0.5, species))
        if published is not None:
            np.testing.assert_allclose(some, published, rtol=0, atol=1e-9)


TWO_BEAMS = """
title = "Two beams at k = 0: neutrinos against antineutrinos, inverted ordering, mu = 3 omega"
[box]
length = 1.0
points = 4
[modes]
velocity = [1.0, -1.0]
sign = [1, -1]
density = 1.0
[vacuum]
omega = -0.3333333333333333
theta = 0.0
[time]
end = 6.0
rtol = 1e-13
"""


@pytest.mark.parametrize("ratio, sign", [(0.26, -1), (0.5, -1), (1.0, -1), (3.0, -1), (0.2, -1), (1.0, 1)])
def test_two_beams_grow_at_k_0(ratio, sign, tmp_path):
    """gamma = sqrt(4 mu omega - omega^2); stable for mu < omega/4, and in the normal ordering. In units of omega here."""
    omega, n = 1.0 / ratio, 1.0
    gamma = np.sqrt(np.maximum(4 * omega - omega**2, 0.0)) if sign < 0 else 0.0
    config = problem(TWO_BEAMS, vacuum={"omega": sign * omega}, time={"end": 6.0}, output=QUIET)
    P = diagonal([[1, 0], [1, 0]], (4,)).copy()
    P[0, 0], P[1, 1] = 1e-6, -0.5e-6  # seeds
    run = simulated(config, None, P, tmp_path / "P.h5")
    psi = run.series["P_mean"][:, :, 0] + 1j * run.series["P_mean"][:, :, 1]
    # i d_t psi = M psi of linear theory (docs/linear.md), of which this is the solution.
    q, s = np.array([n, n]), np.array([1.0, -1.0])
    M = np.array([[0.0, 2.0 * q[0] * s[1]], [2.0 * q[1] * s[0], 0.0]]) + np.diag([-2 * s[1] * q[1], -2 * s[0] * q[0]])
    M = M + np.diag(s * sign * omega)  # - s_a omega B_z, B_z = -1
    x, V = np.linalg.eig(M)
    assert np.max(x.imag) == pytest.approx(gamma, abs=1e-7)
    t = run.series["time"]
    expected = (V * np.exp(-1j * np.multiply.outer(t, x))[:, None]) @ np.linalg.solve(V, psi[0])
    within = np.abs(expected).max(axis=1) < 1e-4  # beyond, squares of psi count
    assert np.count_nonzero(within) > 20
    np.testing.assert_allclose(psi[within], expected[within], rtol=1e-6, atol=1e-10)  # steps of 1e-13, which grow as psi does
    assert (np.abs(psi[-1]).max() > 1e-5) == (gamma * 6.0 > 3.0)


PENDULUM = """
title = "Bipolar pendulum: neutrinos and antineutrinos at rest, inverted ordering"
[box]
length = 1.0
points = 4
[modes]
velocity = [0.0, 0.0]
sign = [1, -1]
density = 5.0
[vacuum]
omega = -1.0
theta = 0.1
[time]
end = 2.3933688473
rtol = 1e-13
"""


def test_bipolar_pendulum(tmp_path):
    n, omega, mu, theta = 5.0, 1.0, 5.0, 0.1  # mu: that of one species, in units in which sqrt(2) G_F n = 1
    B = np.array([-np.sin(2 * theta), 0.0, np.cos(2 * theta)])
    start = np.array([0.0, 0.0, 2.0]) - omega / mu * B
    q = np.linalg.norm(start)
    phi0 = np.arccos(-start @ B / q)
    m, rate = np.sin(phi0 / 2) ** 2, np.sqrt(omega * mu * q)
    period = 2 * ellipk(m) / rate
    assert period == pytest.approx(2.393368847, abs=1e-9)
    config = problem(PENDULUM, time={"end": 2 * period}, output=QUIET | {"series_every": period / 40})
    run = simulated(config | {"equations": {"level": "energy"}}, None, diagonal([[n, 0], [n, 0]], (4,)), tmp_path / "P.h5")
    series, t = run.series, run.series["time"]
    sn, cn, dn, _ = ellipj(rate * t, m)
    phi = 2 * np.arcsin(np.sqrt(m) * cn / dn)
    expected = (omega / mu - q * np.cos(phi)) / 2
    along = series["P_mean"] @ B / n
    np.testing.assert_allclose(along[:, 0], expected, rtol=0, atol=1e-8)
    assert along[:, 0].min() == pytest.approx(-0.802212106, abs=1e-8)
    np.testing.assert_allclose(
        along[40], along[0], rtol=0, atol=1e-9
    )  # the period of P.B, in which the pendulum comes to the other side
    np.testing.assert_allclose(series["P_mean"][80], series["P_mean"][0], rtol=0, atol=5e-8)  # 5 n, in an unstable motion
    np.testing.assert_allclose(series["U_osc"] + series["E_vac"], 4.9003328892, rtol=0, atol=1e-9)
    np.testing.assert_allclose(series["energy"], 4.9003328892, rtol=0, atol=1e-9)
    assert np.ptp(series["U_osc"]) > 1.0

"""A point of a neutron-star merger, from densities and fluxes: growth against the integral dispersion relation, in one and three
dimensions.

Densities and flux factors of Emu's Scripts/initial_conditions/st5_minerbo.py, the point of E. Grohs et al., Phys. Lett. B 846 (2023)
138210. The oracle knows no modes: it integrates over the whole sphere.
"""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import config, units
from nuflux_mpi.analysis import linear_problem
from nuflux_mpi.theory import linear

N = np.array([1.421954234999705, 1.9146237131657563, 1.9645407875568215 / 4])  # 1e33 /cm^3
FACTORS = np.array(
    [[0.0974572, 0.04217632, -0.13433261], [0.07237959, 0.03132354, -0.3446878], [-0.02165833, 0.07431613, -0.53545951]]
)
NET = N[0] * FACTORS[0] - N[1] * FACTORS[1]
FASTEST = 0.75  # wave number [mu] along -NET, close to the fastest


def aligned():
    """Flux factors with NET along z: the rows of an orthonormal frame."""
    z = NET / np.linalg.norm(NET)
    x = np.cross([0, 1, 0], z)
    x /= np.linalg.norm(x)
    return FACTORS @ np.array([x, np.cross(z, x), z]).T


def case(points=16, dimensions=1, end=1.0, level="standard", **modes):
    length = 2 * np.pi / FASTEST
    box = {"length": [length] * dimensions, "points": [*[4] * (dimensions - 1), points]} if dimensions > 1 else None
    n = [0] * (dimensions - 1) + [-1]
    return {
        "units": {"density": "1e33 /cm^3"},
        "box": box or {"length": length, "points": points},
        "modes": {
            "kind": "lebedev", "degree": 7, "distribution": "moments", "densities": N.tolist(),
            "fluxes": (N[:, None] * aligned()).tolist(), "tolerance": 0.02,
        } | modes,
        "initial": {"kind": "eigenmode", "n": n if dimensions > 1 else -1, "amplitude": 1e-6},
        "equations": {"level": level},
        "time": {"end": end, "rtol": 1e-11},
        "output": {"series_every": end / 2, "spectrum_every": end / 2, "fields_every": 0.0, "figures": False},
    }  # fmt: skip


def inverse_langevin(ratio):
    """By halving, from its definition alone."""
    low, high = 1e-9, 100.0
    for _ in range(80):
        Z = (low + high) / 2
        low, high = (Z, high) if 1 / np.tanh(Z) - 1 / Z < ratio else (low, Z)
    return low


def growth_of_the_integral(k):
    """Im omega of the root of det(eta + int dv G(v) v^mu v^nu / (omega' - k'.v)) with k along z: Gauss-Legendre in v_z times azimuths,
    the root by Newton's method from a start near it. omega', k' are shifted by D_0 and D_1, which change no growth."""
    v, w = np.polynomial.legendre.leggauss(48)
    phi = 2 * np.pi * np.arange(48) / 48
    x = np.stack([np.outer(np.sqrt(1 - v**2), np.cos(phi)), np.outer(np.sqrt(1 - v**2), np.sin(phi)), np.outer(v, np.ones(48))])
    x, w = x.reshape(3, -1), np.repeat(w / 96, 48)
    G = 0.0
    for sign, n, f in ((1, N[0], aligned()[0]), (-1, N[1], aligned()[1])):
        Z = inverse_langevin(np.linalg.norm(f))
        G = G + sign * n * Z / np.sinh(Z) * np.exp(Z * (f / np.linalg.norm(f)) @ x)
    four, eta = np.vstack([np.ones(x.shape[1]), x]), np.diag([1.0, -1, -1, -1])
    D0, D1 = w @ G, (w * G) @ x.T

    def det(omega):
        kernel = w * G / (omega + D0 - (k * x[2] + D1 @ x))
        return np.linalg.det(np.eye(4) - (four * kernel) @ four.T @ eta)

    omega, step = 0.3j + 0.1, 1e-7
    for _ in range(60):
        omega -= det(omega) / ((det(omega + step) - det(omega - step)) / (2 * step))
    assert abs(det(omega)) < 1e-9
    return abs(omega.imag)  # roots come in pairs


def of_modes(k, **modes):
    background = linear_problem.problem(config.resolve(case(**modes))).background
    return float(np.ravel(linear.growth_rate(np.array([k]), *background))[0])


def test_growth_of_directions_is_that_of_the_integral():
    """With more directions ever closer; in the laboratory 6.2e10 /s at 4.8 /cm."""
    exact = growth_of_the_integral(-FASTEST)
    assert exact == pytest.approx(0.32311273, abs=1e-8)
    # Errors of sums that are exact to degree 7, 11, 17 for distributions of Z up to 1.1
    for degree, error in ((7, 1e-3), (11, 2e-5), (17, 1e-8)):
        assert of_modes(-FASTEST, degree=degree) == pytest.approx(exact, rel=error)
    assert of_modes(-FASTEST, kind="product", polar=6, azimuthal=12, degree=None) == pytest.approx(exact, rel=1e-4)  # degree 11
    scale = units.Scale.of_density(1e33)
    assert exact / scale.time == pytest.approx(6.2216e10, rel=1e-4) and FASTEST / scale.length == pytest.approx(
        4.8171, rel=1e-4
    )


@pytest.mark.parametrize("dimensions", [1, 3])
def test_a_run_grows_at_this_rate(dimensions):
    """Two stretches of a seeded eigenmode: |psi| of 1e-6 to 5e-5, which depletes itself by the square of that; K + U stays."""
    table = case(8, dimensions, end=12.0, level="energy")
    run = nuflux_mpi.simulate(table)
    psi = np.sqrt(np.sum(run.series["psi2"], axis=1))
    assert np.log(psi[2] / psi[1]) / 6 == pytest.approx(of_modes(-FASTEST), rel=1e-6)
    energy = np.asarray(run.series["energy"])
    assert np.ptp(energy) < 1e-10 * abs(run.series["U_osc"][0])

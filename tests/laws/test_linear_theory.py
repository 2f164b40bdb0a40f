"""Runs that start in one eigenmode of linear theory follow exp(-i omega t), pair by pair, with everything a real gas has.

psi(T) exp(i omega T) / psi(0) - 1 at every point and in every mode. With amplitudes of 1e-5 and growth by some e^3 the next order
is a share of 1e-7 and less; steps of rtol = 1e-14 add about as much.
"""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.analysis import linear_problem
from nuflux_mpi.box.box import Box
from nuflux_mpi.physics import eigenmode, initial
from nuflux_mpi.theory import linear

CLOSE = 1e-6
EIGHT = {
    "flavor": {"number": 3},
    "box": {"length": 12.0, "points": 8},
    "modes": {
        "velocity": [1.0] * 4 + [-0.7] * 4,
        "sign": [1, 1, -1, -1] * 2,
        "energy": [1.0, 2.0] * 4,
        "content": [
            [0.34, 0.05, 0.07], [0.18, 0.04, 0.05], [0.15, 0.06, 0.04], [0.10, 0.04, 0.06],
            [0.14, 0.05, 0.04], [0.09, 0.05, 0.06], [0.27, 0.05, 0.06], [0.17, 0.06, 0.03],
        ],
    },
    "vacuum": {"omega": [-0.15962007, -0.11914277], "theta": [0.0, 0.0, 0.0]},
    "matter": {"lambda": 0.7, "velocity": 0.2},
    "initial": {"kind": "eigenmode", "amplitude": 1e-5},
    "time": {"end": 6.0, "rtol": 1e-14},
    "output": {"figures": False},
}  # fmt: skip


def followed(source, omega, pair=0, mark=0.02):
    """Largest |psi(T) exp(i omega T) / psi(0) - 1| where psi(0) is no less than a share `mark` of its largest."""
    run = nuflux_mpi.simulate(source)
    P, algebra = run.fields["P"], linear_problem.modes_of(run.config).algebra
    start, end = (algebra.coherence(P[row], algebra.pairs[pair], axis=1) for row in (0, -1))
    T = run.fields["time"][-1]
    large = np.abs(start) > mark * np.abs(start).max()
    others = [np.abs(algebra.coherence(P[-1], other, axis=1)).max() for i, other in enumerate(algebra.pairs) if i != pair]
    assert max(others, default=0.0) < 1e-6 * np.abs(end).max()  # pairs do not see each other
    return np.abs(end[large] * np.exp(1j * omega * T) / start[large] - 1).max()


@pytest.mark.parametrize(
    "pair, name, n, omega",
    [
        (0, "e mu", -1, -0.81107483 + 0.47018254j),
        (0, "e mu", 0, -0.75278452 + 0.28225568j),
        (1, "e tau", -1, -0.78044041 + 0.44800859j),
        (2, "mu tau", -1, 0.39312588 + 0.00698165j),
        (2, "mu tau", 1, -0.34196818 + 0.01043460j),
    ],
)
def test_every_pair_follows_its_printed_frequency(pair, name, n, omega):
    """Eight modes: two energies, neutrinos and antineutrinos, moving matter, masses."""
    source = EIGHT | {"initial": EIGHT["initial"] | {"n": n, "pair": name}}
    exact = linear_problem.problems(config.resolve(source), name)[0].background
    found = linear.spectrum([n * 2 * np.pi / 12], *exact)[0]
    assert found == pytest.approx(omega, abs=2e-8)
    assert followed(source, found, pair) < CLOSE


def two_flavors(**sections):
    return {key: value for key, value in EIGHT.items() if key not in ("flavor", "vacuum", "matter")} | sections


def test_two_flavors_attenuated_with_whole_velocities():
    """Velocities that point out of the box's axis, attenuation of every term, vacuum of the inverted ordering."""
    source = two_flavors(
        modes={
            "velocity": [[0.6, 0.0, 0.8], [-0.48, 0.6, -0.64], [0.0, -0.8, 0.6], [0.8, 0.6, 0.0]],
            "sign": [1, -1, 1, -1],
            "energy": [1.0, 0.5, 2.0, 1.0],
            "content": [[0.9, 0.1], [0.7, 0.0], [0.2, 0.6], [0.5, 0.1]],
        },
        vacuum={"omega": -0.5, "theta": 0.0},
        matter={"lambda": 1.5, "velocity": [0.1, 0.0, 0.3]},
        attenuation={"vacuum": 0.7, "matter": 0.6, "self": 0.8},
        initial=EIGHT["initial"] | {"n": -1},
        time={"end": 4.0, "rtol": 1e-14},
    )
    background = linear_problem.problem(config.resolve(source)).background
    omega = linear.spectrum([-2 * np.pi / 12], *background)[0]
    assert omega.imag > 0.2 and background.strength == 0.8 and background.vectors is not None
    assert followed(source, omega) < CLOSE


@pytest.mark.parametrize("root", [0, 2])
def test_an_eigenmode_of_a_profile_keeps_its_form(root):
    """Waves coupled by matter with a profile that moves: the whole function of z grows with one omega."""
    source = two_flavors(
        box={"length": 20.0, "points": 64},
        modes={"velocity": [0.8, -0.6, 0.1], "sign": [1, 1, -1], "density": [0.5, 0.4, 0.3]},
        matter={"kind": "cosine", "lambda": 1.0, "amplitude": 0.5, "velocity": 0.1},
        initial=EIGHT["initial"] | {"zeta": [0.5, -0.4, 0.3], "root": root},
        time={"end": 5.0, "rtol": 1e-14},
    )
    resolved = config.resolve(source)
    omega = eigenmode.in_box(resolved, linear_problem.problem(resolved).state, root + 1).omega[root]
    assert omega.imag > 0.3
    assert followed(source, omega) < CLOSE


def test_two_dimensions_with_matter_that_moves():
    source = two_flavors(
        box={"length": [9.0, 12.0], "points": [6, 8]},
        modes={"velocity": [[0.6, 0.8], [-0.8, 0.6], [0.0, -1.0]], "sign": [1, -1, 1], "energy": [1.0, 0.6, 1.5],
               "content": [[0.7, 0.1], [0.5, 0.1], [0.1, 0.5]]},
        vacuum={"omega": 0.3, "theta": 0.0},
        matter={"lambda": 0.8, "velocity": [0.1, -0.2]},
        initial=EIGHT["initial"] | {"n": [1, -1]},
        time={"end": 4.0, "rtol": 1e-14},
    )  # fmt: skip
    background = linear_problem.problem(config.resolve(source)).background
    omega = linear.spectrum([2 * np.pi / 9, -2 * np.pi / 12], *background)[0]
    assert omega.imag > 0.1
    assert followed(source, omega) < CLOSE


def test_the_level_momentum_shares_the_theory():
    source = two_flavors(
        modes={"velocity": [1.0, -0.7], "sign": [1, -1], "energy": [6.0, 9.0], "content": [[0.6, 0.05], [0.5, 0.1]]},
        vacuum={"omega": -0.3, "theta": 0.0, "at_energy": 6.0},
        matter={"lambda": 0.4},
        equations={"level": "momentum"},
        momentum={"half_width": 5.0, "points": 32},
        initial=EIGHT["initial"] | {"n": -1},
        time={"end": 3.0, "rtol": 1e-13},
    )
    background = linear_problem.problem(config.resolve(source)).background
    omega = linear.spectrum([-2 * np.pi / 12], *background)[0]
    assert omega.imag > 0.2
    assert followed(source, omega) < CLOSE  # summed over q, the equation of flavor is that of sharp momenta


def test_a_profile_in_two_dimensions():
    """Two beams grow along a whole strip of wave vectors: the eigenmode that is seeded is one that the grid carries."""
    source = two_flavors(
        box={"length": [8.0, 10.0], "points": [16, 20]},
        modes={"velocity": [[0.6, 0.8], [-0.8, 0.6]], "content": [[0.6, 0.0], [0.0, 0.5]]},
        matter={"kind": "cosine", "lambda": 0.5, "amplitude": 0.1, "n": [1, 1]},
        time={"end": 3.0, "rtol": 1e-14},
    )
    resolved = config.resolve(source)
    found = eigenmode.in_box(resolved, linear_problem.problem(resolved).state)
    power = np.fft.fftshift(np.sum(np.abs(found.waves) ** 2, axis=1), axes=(1, 2))
    outer = power.sum(axis=(1, 2)) - power[:, 3:-3, 3:-3].sum(axis=(1, 2))
    root = int(np.argmin(np.where(found.omega.imag > 0.2, outer, np.inf)))
    assert found.all_roots and outer[root] < 1e-6
    source = source | {"initial": source["initial"] | {"root": root}}
    assert followed(source, found.omega[root], mark=0.1) < CLOSE


@pytest.mark.mpi
def test_an_eigenmode_of_a_profile_is_the_same_on_any_ranks(comm):
    resolved = config.resolve(
        two_flavors(
            box={"length": 20.0, "points": 64},
            modes={"velocity": [0.8, -0.6], "density": [0.5, 0.4]},
            matter={"kind": "gaussian", "lambda": 1.0, "amplitude": 0.5, "width": 2.0},
            initial=EIGHT["initial"] | {"zeta": [0.5, -0.4]},
        )
    )
    modes, box = linear_problem.modes_of(resolved), Box(20.0, 64, 6, comm)
    P = initial.polarization(resolved, modes, box)
    whole = linear_problem.problem(resolved).psi
    np.testing.assert_allclose(P[:, 0] + 1j * P[:, 1], whole[:, box.indices()[0].ravel()], rtol=0, atol=1e-18)
    assert box.max(np.abs(P[:, :2]).max(axis=(0, 1))) > 1e-6

"""mu and tau that are alike in every mode: combinations of them that mixing does not couple."""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.analysis import growth, linear_pairs, linear_problem
from nuflux_mpi.theory import alike, linear

# The inverted ordering with a maximal angle of mu and tau, theta_12 = theta_13 = 0 and a CP phase: no seed, and no tilt.
CASE = {
    "flavor": {"number": 3},
    "box": {"length": 12.0, "points": 16},
    "modes": {
        "velocity": [1.0, 1.0, -0.7, -0.7],
        "sign": [1, -1, 1, -1],
        "energy": [1.0, 2.0, 2.0, 1.0],
        "content": [[0.6, 0.1, 0.1], [0.2, 0.1, 0.1], [0.2, 0.1, 0.1], [0.5, 0.1, 0.1]],
    },
    "vacuum": {"omega": [0.0, -0.6], "theta": [0.0, 0.0, 0.7], "delta": 0.4, "at_energy": 1.0},
    "matter": {"lambda": 0.3},
    "initial": {"kind": "seeds", "variance": 1e-20, "n_max": 2},
    "time": {"end": 20.0},
    "output": {"figures": False, "series_every": 0.2, "spectrum_every": 0.2},
}


def whole(states, k, matrices):
    """Eigenvalues of both pairs with what couples them, (psi_e,mu, psi_e,tau) of all modes in one matrix."""
    count = len(states[0].background.s)
    M = np.zeros((2 * count, 2 * count), dtype=complex)
    for i in range(2):
        M[i * count : (i + 1) * count, i * count : (i + 1) * count] = linear.matrix(k, *states[i].background)
    M[count:, :count], M[:count, count:] = np.diag(matrices / 2), np.diag(matrices.conj() / 2)
    omega = np.linalg.eigvals(M)
    return omega[np.argsort(-omega.imag)]


def test_their_rates_are_those_of_the_coupled_problem():
    resolved = config.resolve(CASE)
    directions = linear_problem.modes_of(resolved)
    q = linear_problem._differences(resolved, directions)
    plain = [linear_problem.linearised(resolved, directions, q[i], i) for i in range(3)]
    states = alike.unmixed(plain)
    assert states[0].basis is not None and not np.any(states[2].mixing)
    for n in (-1, 0, 1):
        k = [2 * np.pi * n / 12]
        joined = whole(plain, k, np.asarray(plain[2].mixing))
        parts = np.concatenate([linear.spectrum(k, *state.background) for state in states[:2]])
        np.testing.assert_allclose(np.sort(parts.imag)[::-1], joined.imag, atol=1e-9)
    apart = [linear.growth_rate([0.0], *state.background) for state in plain[:2]]
    assert abs(max(apart) - linear.growth_rate([0.0], *states[1].background)) > 0.02  # flavors alone would be wrong


def test_without_mixing_or_alike_flavors_they_stay_as_they_are():
    for change in ({"theta": [0.0, 0.0, 0.0]}, None):
        case = (
            CASE | {"vacuum": CASE["vacuum"] | change}
            if change
            else CASE | {"modes": CASE["modes"] | {"content": [[0.6, 0.1, 0.2]] * 4}}
        )
        resolved = config.resolve(case)
        directions = linear_problem.modes_of(resolved)
        q = linear_problem._differences(resolved, directions)
        states = [linear_problem.linearised(resolved, directions, q[i], i) for i in range(3)]
        assert alike.unmixed(states) is states


def test_linear_says_what_they_are_made_of_and_a_run_agrees():
    problems = linear_problem.problems(config.resolve(CASE))
    text = linear_pairs.report(linear_pairs.solve(problems))
    assert "mu and tau are alike in every mode, and mixing joins them" in text
    np.testing.assert_allclose(
        np.abs(problems[0].state.basis), [[np.cos(0.7), np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]], atol=1e-12
    )
    waves = growth.measure(nuflux_mpi.simulate(CASE))
    judged = np.flatnonzero(waves.judged)
    assert set(waves.pair[judged]) == {"e mu + e tau"} and len(judged) >= 3
    assert np.all(np.abs(waves.difference[judged]) < growth.MARGIN * waves.error[judged])
    assert waves.theory.max() == pytest.approx(
        max(linear.growth_rate(waves.k[:, None], *problem.background).max() for problem in problems), rel=1e-12
    )

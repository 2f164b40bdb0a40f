"""`python -m nuflux_mpi linear` for three flavors, vacuum and matter: every pair of flavors, and profiles in space."""

import csv

import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.analysis import linear_lattice, linear_pairs, linear_problem, linear_profile
from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError
from nuflux_mpi.run import check
from nuflux_mpi.theory import linear

# Eight modes of two energies, neutrinos and antineutrinos; masses without mixing; matter that moves.
EIGHT = """
title = "eight modes"
[flavor]
number = 3
[box]
length = 12.0
points = 16
[modes]
velocity = [1.0, 1.0, 1.0, 1.0, -0.7, -0.7, -0.7, -0.7]
sign = [1, 1, -1, -1, 1, 1, -1, -1]
energy = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]
content = [
    [0.34, 0.05, 0.07], [0.18, 0.04, 0.05], [0.15, 0.06, 0.04], [0.10, 0.04, 0.06],
    [0.14, 0.05, 0.04], [0.09, 0.05, 0.06], [0.27, 0.05, 0.06], [0.17, 0.06, 0.03],
]
[vacuum]
omega = [-0.15962007, -0.11914277]
theta = [0.0, 0.0, 0.0]
[matter]
lambda = 0.7
velocity = 0.2
[initial]
kind = "seeds"
variance = 1e-12
n_max = 3
[time]
end = 5.0
"""
# omega of the fastest wave of e mu, e tau and mu tau at k = n 2 pi / 12
FASTEST = {
    -1: (-0.81107483 + 0.47018254j, -0.78044041 + 0.44800859j, 0.39312588 + 0.00698165j),
    0: (-0.75278452 + 0.28225568j, -0.71532302 + 0.20397351j, 0.01920558 + 0.02278003j),
    1: (None, None, -0.34196818 + 0.01043460j),
}
PAIRS = ("e mu", "e tau", "mu tau")


@pytest.fixture
def eight(tmp_path):
    path = tmp_path / "eight.toml"
    path.write_text(EIGHT)
    return path


def two(**sections):
    """Two flavors: a neutrino and an antineutrino beam."""
    return {
        "box": {"length": 10.0, "points": 16},
        "modes": {"velocity": [1.0, -1.0], "sign": [1, -1], "content": [[1.0, 0.0], [1.0, 0.0]]},
        "initial": {"kind": "seeds", "variance": 1e-12, "n_max": 2},
        "time": {"end": 5.0},
    } | sections


def test_the_command_has_every_pair_at_every_wave(eight, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert commands.main(["linear", str(eight), "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    with open(tmp_path / "linear.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for n, expected in FASTEST.items():
        for pair, omega in zip(PAIRS, expected):
            there = [row for row in rows if row["pair"] == pair and abs(float(row["k"]) - n * 2 * np.pi / 12) < 1e-9]
            if omega is None:
                assert [row["kind"] for row in there] == ["stable"]
            else:
                assert float(there[0]["gamma"]) == pytest.approx(omega.imag, rel=1e-5, abs=2e-8)
                assert float(there[0]["omega"]) == pytest.approx(omega.real, abs=2e-8)
    for pair in PAIRS:
        assert f"\n  {pair}\n" in text
    assert "  e mu        -0.523599   0.4701825" in text and "degenerate" not in text
    with open(tmp_path / "eigenvector.csv", newline="") as file:
        assert [row["pair"] for row in csv.DictReader(file)] == [pair for pair in PAIRS for _ in range(8)]
    assert (tmp_path / "linear.png").stat().st_size > 5000


def test_one_pair_is_chosen_by_name(eight, capsys):
    for name in ("e tau", "tau-e"):
        assert commands.main(["linear", str(eight), "--pair", name, "--k", "0"]) == 0
        text = capsys.readouterr().out
        assert "gamma = 0.2039734" in text and "e mu" not in text
    assert commands.main(["linear", str(eight), "--pair", "e x"]) == 2
    assert "--pair must be e mu or e tau or mu tau, not 'e x'" in capsys.readouterr().err


def test_pairs_that_obey_one_equation_are_named():
    """mu and tau alike: without masses e mu and e tau are one problem, and mu tau has no polarization."""
    content = [[0.5, 0.1, 0.1], [0.1, 0.3, 0.3]]
    case = two(flavor={"number": 3}, modes={"velocity": [1.0, -0.5], "content": content}, matter={"lambda": 0.4})
    text = linear_pairs.report(linear_pairs.solve(linear_problem.problems(config.resolve(case))))
    assert "degenerate   e mu and e tau obey the same equation" in text
    assert text.count("nothing grows") == 1
    masses = case | {"vacuum": {"omega": [0.1, 0.3], "theta": [0.0, 0.0, 0.0]}}
    text = linear_pairs.report(linear_pairs.solve(linear_problem.problems(config.resolve(masses))))
    assert "degenerate" not in text


@pytest.mark.parametrize("mu, omega", [(0.26, -1.0), (0.5, -1.0), (3.0, -1.0), (0.2, -1.0), (3.0, 1.0)])
def test_two_beams_with_vacuum(mu, omega):
    """Neutrinos along z, antineutrinos against it, k = 0: gamma^2 = 4 mu omega - omega^2 in the inverted ordering."""
    content = [[mu, 0.0], [mu, 0.0]]
    case = two(modes={"velocity": [1.0, -1.0], "sign": [1, -1], "content": content}, vacuum={"omega": omega, "theta": 1e-6})
    (problem,) = linear_problem.problems(config.resolve(case))
    (result,) = linear_pairs.solve([problem], k=[0.0])
    square = 4 * mu * abs(omega) - omega**2
    if omega < 0 and square > 0:
        assert result.fastest.omega.imag == pytest.approx(np.sqrt(square), rel=1e-9)
    else:
        assert result.fastest is None


def test_the_pendulum_has_its_small_rate():
    """A neutrino and an antineutrino mode at rest: sqrt(2 mu omega - omega^2) in the inverted ordering."""
    case = two(
        modes={"velocity": [0.0, 0.0], "sign": [1, -1], "content": [[5.0, 0.0], [5.0, 0.0]]},
        vacuum={"omega": -1.0, "theta": 1e-4},
    )
    (result,) = linear_pairs.solve(linear_problem.problems(config.resolve(case)), k=[0.0])
    # mu = 10: their densities together; W of one is 2 n_a, both ways
    assert result.fastest.omega.imag == pytest.approx(np.sqrt(2 * 5.0 - 1.0), rel=1e-7)


def test_uniform_matter_shifts_frequencies_alone(eight, capsys):
    rates = []
    for value in ("0.0", "0.7"):
        settings = ["--set", f"matter.lambda={value}", "--set", "matter.velocity=0.0"]
        assert commands.main(["linear", str(eight), "--k", "-0.5235987756", *settings]) == 0
        text = capsys.readouterr().out
        rates.append(
            [[float(word) for word in line.split()[-2:]] for line in text.splitlines() if line.startswith("  e mu   ")]
        )
    (plain,), (shifted,) = rates
    assert shifted[0] == pytest.approx(plain[0], abs=1e-9) and shifted[1] == pytest.approx(plain[1] - 0.7, abs=1e-9)


# ---- stationarity ---------------------------------------------------------------------------------------------------


def test_mixing_that_turns_the_start_is_refused_with_its_size():
    with pytest.raises(InputError, match=r"vacuum mixing turns it at the rate sin 2theta omega = 0.932, 0.47 of the fastest"):
        linear_problem.problems(config.resolve(two(vacuum={"omega": -1.0, "theta": 0.6})))
    assert "note            linear theory does not apply: the start is no" in check.report(
        config.resolve(two(vacuum={"omega": -1.0, "theta": 0.6})), 1
    )
    # Small mixing, mixing that matter holds, and mixing that is slow beside the growth of other waves:
    small = two(vacuum={"omega": -1.0, "theta": 0.02})
    held = two(vacuum={"omega": -1.0, "theta": 0.6}, matter={"lambda": 100.0})
    slow = two(vacuum={"omega": -1e-4, "theta": 0.6}, modes={"velocity": [1.0, -1.0], "content": [[1.0, 0.0], [0.0, 1.0]]})
    for case in (small, held, slow):
        (problem,) = linear_problem.problems(config.resolve(case))
        assert np.any(problem.state.mixing) and linear_problem.moving_start(config.resolve(case)) is None


# ---- profiles -------------------------------------------------------------------------------------------------------


def waved(**sections):
    return two(
        modes={"velocity": [0.8, -0.6, 0.1], "sign": [1, 1, -1], "density": [0.5, 0.4, 0.3]},
        box={"length": 20.0, "points": 64},
        matter={"kind": "cosine", "lambda": 1.0, "amplitude": 0.5},
        initial={"kind": "seeds", "variance": 1e-12, "n_max": 2, "zeta": [0.5, -0.4, 0.3]},
        **sections,
    )


def test_a_profile_couples_waves(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "waved.toml"
    path.write_text(config.to_toml(config.resolve(waved())))
    assert commands.main(["linear", str(path), "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "profile      shifts the frequencies by -1.5 to -0.5 over the box, -1 in the mean" in text
    assert (
        "fastest      gamma = 0.56110536" in text and "warning" not in text
    )  # by time steps too: tests/laws/test_linear_theory.py
    with open(tmp_path / "linear.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["gamma"]) == pytest.approx(0.5611053667, abs=1e-9) and 0 < float(rows[0]["spread"]) < 1
    with open(tmp_path / "eigenvector.csv", newline="") as file:
        power = sum(float(row["psi_real"]) ** 2 + float(row["psi_imag"]) ** 2 for row in csv.DictReader(file))
    assert power == pytest.approx(1.0, abs=1e-9)
    assert (tmp_path / "linear.png").stat().st_size > 5000
    assert commands.main(["linear", str(path), "--k", "0"]) == 2
    assert "with a profile in space all waves of the box are coupled" in capsys.readouterr().err


def test_a_profile_reaches_the_pairs_of_electrons_alone():
    case = waved(flavor={"number": 3})
    case["modes"] = {"velocity": [0.8, -0.6], "content": [[0.5, 0.1, 0.2], [0.1, 0.35, 0.1]]}
    case["initial"].pop("zeta")
    results = linear_profile.solve(linear_problem.problems(config.resolve(case)))
    text = linear_profile.report(results)
    assert text.count("none reaches this pair") == 1
    q = results[2].problem.background
    k = 2 * np.pi / 20 * np.arange(-31, 32)
    assert results[2].found.omega[0].imag == pytest.approx(linear.growth_rate(k[:, None], *q).max(), abs=1e-12)
    mean, width = results[2].of_waves(0)
    assert width == 0.0 and linear.growth_rate(mean, *q) == pytest.approx(results[2].found.omega[0].imag, abs=1e-12)
    assert "pair" in linear_profile.tables(results)["linear.csv"][0]


def test_too_many_unknowns_are_refused_in_one_sentence(monkeypatch):
    from nuflux_mpi.theory import profile

    monkeypatch.setattr(profile, "MOST_UNKNOWNS", 50)
    with pytest.raises(
        InputError, match=r"\[matter\] couples all waves .* 3 modes .* make 189 unknowns, of at most 50; choose fewer"
    ):
        linear_profile.solve(linear_problem.problems(config.resolve(waved())))


def test_two_dimensions_know_pairs_and_profiles():
    case = two(
        flavor={"number": 3}, box={"length": [10.0, 10.0], "points": [6, 6]}, matter={"lambda": 0.3, "velocity": [0.1, 0.2]}
    )
    case["modes"] = {"velocity": [[0.6, 0.8], [-0.8, 0.6]], "content": [[0.5, 0.1, 0.2], [0.1, 0.35, 0.1]]}
    lattices = [linear_lattice.solve(problem) for problem in linear_problem.problems(config.resolve(case))]
    text = linear_lattice.report(lattices)
    assert all(f"\n  {pair}\n" in text for pair in PAIRS)
    growing = {row[0] for row in linear_lattice.tables(lattices)["linear.csv"][1:]}
    assert growing == {"e mu", "mu tau"} and text.count("nothing grows") == 1  # e tau has no crossing
    case["matter"] = {"kind": "gaussian", "lambda": 0.3, "amplitude": 0.5, "width": 1.0}
    results = linear_profile.solve(linear_problem.problems(config.resolve(case), "e mu"))
    assert "eigenvalues of 2 modes x 25 waves" in linear_profile.report(results)
    assert linear_profile.tables(results)["linear.csv"][0][-3:] == ["k_x", "k_z", "spread"]

"""Warnings while a run goes on: each comes on a small run made for it, once, and the shipped cases stay quiet."""

import re

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.physics import modes
from nuflux_mpi.run import run_warnings

WAVE = {
    "box": {"length": 2 * np.pi, "points": 16},
    "initial": {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": -1, "amplitude": 0.05}]},
    "equations": {"level": "energy"},
    "time": {"end": 2.0, "rtol": 1e-8},
    "output": {"series_every": 0.5},
}
FREE = {"velocity": [0.0, 0.0]}


def warned(base, *overrides):
    """Warnings of a run as they are kept with it."""
    return nuflux_mpi.simulate(base, overrides=overrides).warnings


def only(lines, words):
    """Whether these are all the warnings, one for each of the words, in any order."""
    return len(lines) == len(words) and all(any(word in line for line in lines) for word in words)


def test_a_run_in_order_is_quiet():
    assert warned(WAVE) == []


def test_waves_at_the_end_of_the_grid():
    lines = warned(WAVE, "initial.waves=[{n = -7, amplitude = 0.05}]", "time.end=0.2")
    assert only(lines, ["spectral_tail"])
    # tail = 0.05 * sqrt(2) / sqrt(1/2) = 0.1; exp(-c N) = 0.1 becomes 1e-6 with six times the points, eight as a power
    # of 2
    assert "box.points = 128" in lines[0] and lines[0].startswith("warning at t = 0:")


def test_steps_that_do_not_keep_their_promise():
    """No step is refused at a tolerance of 1e-3, but the watch is told 1e-12: lengths and energy are then far off."""
    config = nuflux_mpi.simulate(WAVE).config
    row = {
        "time": 1.0,
        "step": 10,
        "spectral_tail": 0.0,
        "P_length_max": 1.0,
        "coherence": 0.5,
        "k_rms": 1.0,
        "U_osc": 1.0,
        "K": np.array([0.1, -0.1]),
        "P_drift_max": 1e-5,
        "energy_residual": 1e-5,
    }
    promised = run_warnings.Watch(config, modes.build(config["modes"]), rtol=1e-12)
    assert set(promised(row)) == {"drift", "budget"}
    # Lepton numbers that should stay are watched where a run has them, and |P_a| where no term changes it.
    told = promised(row | {"lepton_drift": 1e-4})
    assert set(told) == {"drift", "budget", "leptons"} and "lepton_drift = 0.0001 of all neutrinos" in told["leptons"]
    assert "time.rtol = " in told["leptons"]
    free = {name: value for name, value in row.items() if name != "P_drift_max"}
    assert set(promised(free | {"P_length_max": 1.1})) == {"budget", "length"}
    # A tail of rounding: nothing is there that a finer grid could resolve, however small the error of the energy is.
    assert "box.points" not in promised(row | {"energy_residual": 1e-12, "spectral_tail": 1e-16})["drift"]
    assert "box.points" in promised(row | {"energy_residual": 1e-12, "spectral_tail": 1e-9})["drift"]
    assert "time.rtol" in promised(row)["drift"]
    # K + U_osc stays, whatever the grid in space: where |P_a| changes alone, it is the grid.
    assert "box.points" not in promised(row | {"spectral_tail": 0.1})["drift"]
    assert "box.points" in promised(row | {"spectral_tail": 0.1, "energy_residual": 1e-9})["drift"]
    # Ten steps at 1e-6 may come to 1e-4: ten times 1e-6 for each step.
    assert run_warnings.Watch(config, modes.build(config["modes"]), rtol=1e-6)(row) == {}


def test_fixed_steps_that_are_too_long_cost_length_and_energy():
    """Without PETSc's control nothing keeps the tolerance: steps of 0.5 with a method of third order."""
    lines = warned(WAVE, "petsc.options=-ts_adapt_type none", "time.method=3bs", "time.dt_initial=0.5", "time.end=10")
    assert only(lines, ["P_drift_max", "energy_residual"])
    assert all("leave -ts_adapt_type none out" in line and "time.rtol" not in line for line in lines)


SEEDS = {
    "box": {"length": 20.0, "points": 128, "fftw": "estimate"},
    "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 6, "variance": 1e-6, "seed": 1},
    "equations": {"level": "energy"},
    "time": {"end": 9.0, "rtol": 1e-8},
    "output": {"series_every": 0.5},
}
MOMENTUM = ["equations.level=momentum", "momentum.points=36", "momentum.half_width=12", "momentum.sigma=1.2"]
FIXED = ["petsc.options=-ts_adapt_type none", "time.method=3bs", "time.dt_initial=0.2"]


def worries(*overrides):
    """The warnings about lengths and energy: others are about the problem."""
    return [
        line
        for line in warned(SEEDS, *overrides)
        if any(word in line for word in ("P_drift_max", "energy_residual", "exceeds n_a"))
    ]


def advised(lines):
    """What the warnings say to set, as overrides; of several values the strictest."""
    told = [found for line in lines for found in re.findall(r"take ([a-z_.]+) = ([0-9.e+-]+)", line)]
    values = {}
    for key, value in told:
        keep = max if key.endswith("points") else min
        values[key] = keep(float(value), values.get(key, float(value)))
    return [f"{key}={int(value) if key.endswith('points') else value}" for key, value in values.items()]


@pytest.mark.parametrize(
    "overrides, keys, vain",
    [
        # too coarse a grid: a smaller tolerance is in vain
        (["box.points=32"], ["box.points"], "time.rtol=1e-10"),
        (["box.points=32", "time.rtol=1e-12"], ["box.points"], "time.rtol=1e-13"),
        (["box.points=32", "equations.level=standard"], ["box.points"], "time.rtol=1e-10"),
        (["box.points=32", "time.rtol=1e-3", "time.method=4bm"], ["box.points"], "time.rtol=1e-5"),
        (["box.points=32", *MOMENTUM], ["box.points"], "time.rtol=1e-10"),
        # seeds of so short waves that their products do not fit, before they have a tail
        (
            ["box.points=64", "box.length=100", "initial.n_max=20", "initial.variance=1e-8", "time.end=3", "time.rtol=1e-10"],
            ["box.points"],
            "time.rtol=1e-12",
        ),
        # too loose a tolerance: a finer grid is in vain
        (["time.rtol=1e-2"], ["time.rtol"], "box.points=256"),
        (["time.rtol=1e-2", "box.points=64"], ["time.rtol"], "box.points=128"),
        (["time.rtol=1e-2", "equations.level=standard"], ["time.rtol"], "box.points=256"),
        (["time.atol=1e-2"], ["time.atol"], "time.rtol=1e-10"),
        (["time.rtol=1e-3", *MOMENTUM], ["time.rtol"], "box.points=256"),
        # both
        (["box.points=32", "time.rtol=1e-3", "equations.level=standard"], ["box.points", "time.rtol"], "time.rtol=1e-6"),
    ],
)
def test_following_the_advice_mends_it_and_nothing_else_does(overrides, keys, vain):
    lines = worries(*overrides)
    advice = advised(lines)
    assert lines and sorted(word.split("=")[0] for word in advice) == keys, lines
    assert worries(*overrides, vain) != []
    assert worries(*overrides, *advice) == []


def test_steps_without_control_are_mended_by_control():
    lines = worries(*FIXED)
    assert lines and all("leave -ts_adapt_type none out of petsc.options" in line for line in lines)
    assert worries(*FIXED, "time.rtol=1e-12") != []
    assert worries("time.method=3bs", "time.dt_initial=0.2", "time.rtol=1e-6") == []


def test_a_grid_of_momenta_that_does_not_hold_f_is_told_from_the_steps():
    overrides = ["time.rtol=1e-12", "time.end=10", *MOMENTUM, "momentum.points=24", "momentum.half_width=8"]
    lines = [line for line in worries(*overrides) if "energy_residual" in line]
    assert len(lines) == 1 and advised(lines) == ["momentum.points=48"]


def test_lengths_that_were_too_large_at_the_start_are_told_from_errors():
    watched = run_warnings.Watch(
        nuflux_mpi.simulate(WAVE).config, modes.build(nuflux_mpi.simulate(WAVE).config["modes"]), rtol=1e-8
    )
    row = {
        "time": 1.0,
        "step": 10,
        "spectral_tail": 0.0,
        "P_length_max": 1.01,
        "coherence": 0.5,
        "k_rms": 1.0,
        "U_osc": 1.0,
        "K": np.array([0.1, -0.1]),
        "P_drift_max": 0.0,
        "energy_residual": 0.0,
    }
    assert "initial.normalize" in watched(row)["length"]
    assert "time.rtol" in watched(row | {"P_drift_max": 0.01, "energy_residual": 0.01})["length"]


def test_an_unresolved_run_loses_length():
    """Beams that cross a box of steep waves: lengths at the points change, as the grid does not hold their products."""
    lines = warned(
        WAVE,
        "time.rtol=1e-12",
        "initial.waves=[{n = -6, amplitude = 0.2}, {n = 5, amplitude = 0.2}]",
        "output.series_every=0.1",
        "time.end=4",
    )
    assert any("spectral_tail" in line for line in lines)
    assert any("P_drift_max" in line for line in lines)


def test_more_polarization_than_density():
    lines = warned(
        WAVE, "initial.normalize=false", "initial.waves=[{n = -1, amplitude = 0.2}]", "modes.density=[0.5, 0.5]", "time.end=0.2"
    )
    assert only(lines, ["(n_a - |P_a|)/2 is negative"])
    # sqrt(0.5^2 + 0.2^2) = 0.5385 is 0.077 n_a beyond n_a = 0.5.
    assert "exceeds n_a by 0.077 n_a" in lines[0]


ANGULAR = {
    "box": {"length": 2 * np.pi, "points": 16},
    "modes": {"kind": "angular", "number": 4, "quadrature": "midpoint", "distribution": "polynomial", "coefficients": [1e-3]},
    "initial": {"kind": "fourier", "waves": [{"n": 1, "amplitude": 0.5}], "amplitudes_in": "n_a"},
    "time": {"end": 20.0, "rtol": 1e-8},
    "output": {"series_every": 0.5},
}


def test_free_directions_recur_when_the_formula_says():
    """Almost free streaming, densities of 1e-3: the average over directions of one wave, exp(-i k v t), is back in size
    at t = 2 pi / (k dv) = 4 pi, to the little that the interaction does."""
    run = nuflux_mpi.simulate(ANGULAR)
    assert only(run.warnings, ["4 directions recur"])
    assert run.warnings[0].startswith("warning at t = 13:")  # the first row after 4 pi = 12.57
    P = run.fields.at(0.0)["P"].sum(axis=0)
    size = np.abs(P[0] + 1j * P[1]).max()
    times = np.asarray(run.fields["time"])
    P = np.asarray(run.fields["P"]).sum(axis=1)
    mixed = np.abs(P[:, 0] + 1j * P[:, 1]).max(axis=1)
    assert mixed[np.argmin(abs(times - 2 * np.pi))] < 0.2 * size  # dephased half way
    assert mixed[np.argmin(abs(times - 4 * np.pi))] > 0.9 * size


def test_small_waves_recur_without_a_word():
    assert warned(ANGULAR, "initial.waves=[{n = 1, amplitude = 0.05}]") == []


@pytest.mark.parametrize("case, end", [("single_wave", 6), ("two_beam", 8), ("multi_angle", 2)])
def test_shipped_cases_are_quiet(case, end):
    assert warned(case, f"time.end={end}", "output.series_every=1", "output.fields_every=0") == []


def test_warnings_are_kept_and_told(run_cli, tmp_path):
    """Once on the terminal, in run.log, with series.h5 and in `info`; from one of the ranks."""
    settings = ["time.end=0.2", "initial.n_max=31", "initial.variance=1e-4", "box.points=64", "output.figures=false"]
    command = ["run", "two_beam", "--out", tmp_path / "run"] + [word for item in settings for word in ("--set", item)]
    done = run_cli(command, ranks=2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning at t = 0: spectral_tail") == 2  # the line, and the summary at the end
    assert (tmp_path / "run" / "run.log").read_text().count("warning at t = 0: spectral_tail") == 2
    assert run_cli(["info", tmp_path / "run"]).stdout.count("warning at t = 0: spectral_tail") == 1

"""The warning about waves that grow and have no seed: given where it is due, and nowhere else."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.analysis import linear_problem, linear_report, unseeded
from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.run import check

JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("*.toml"))
LONG = ["box.length=1000", "box.points=8192"]


@pytest.mark.parametrize("case", [*config.cases(), *JOBS], ids=str)
def test_no_false_alarm_for_what_is_shipped(case):
    assert unseeded.of_config(config.resolve(case)) is None


def numbers(sentence):
    """(lowest k, highest k, fastest without a seed, fastest with one, the k_max that is advised)."""
    found = re.fullmatch(
        r"waves with (?:k|abs\(k\)) = (\S+) to (\S+) grow at rates up to (\S+), and have no seed \((?:the fastest "
        r"that has one grows at (\S+)\)|of those that have one none grows\)): .*?(?:k_max = (\S+))?(?: in .*)?",
        sentence,
    )
    assert found, sentence
    return [float(text) if text else None for text in found.groups()]


def test_a_longer_box_with_the_same_n_max_is_told():
    low, high, without, with_seed, k_max = numbers(unseeded.of_config(config.resolve("two_beam", LONG)))
    # gamma^2 = -k (2 + k); seeds end at k = -100 * 2 pi / 1000
    assert -2 < low < -1.8 and high == pytest.approx(-0.2 * np.pi * 1.01, rel=2e-2)
    assert without == pytest.approx(1.0, abs=1e-3) and 2.0 <= k_max <= 2.2
    assert with_seed == pytest.approx(np.sqrt(0.2 * np.pi * (2 - 0.2 * np.pi)), abs=1e-3)
    assert unseeded.of_config(config.resolve("two_beam", [*LONG, f"initial.k_max={k_max}"])) is None


# What has a slower seeded wave than others that grow: in each kind of state, and in other units of length
MISSED = [
    ("angular", ["box.length=10000", "box.points=8192"]),
    ("angular", ["box.length=10000", "box.points=8192", "modes.number=512"]),
    ("code_comparison", ["box.length=10240.0"]),
    ("golden_ratio", LONG),
    ("missing_energy", LONG),
    ("finite_rmu", ["box.length=60"]),
    ("multi_angle", ["initial.width=100"]),
    ("single_wave", ["box.length=62.83185307179586", "box.points=512"]),
    ("four_beams_2d", ["box.length=[400.0, 400.0]", "box.points=[1024, 1024]"]),
    ("two_beam", ["initial.n_max=16"]),
    ("two_beam", [*LONG, "initial.k_max=0.5"]),
    ("two_beam", [*LONG, "initial.kind=power-law", "initial.amplitude=1e-4", "initial.n_max=100"]),
]


@pytest.mark.parametrize("case, overrides", MISSED, ids=[f"{case}-{i}" for i, (case, _) in enumerate(MISSED)])
def test_missed_waves_are_told_and_the_remedy_helps(case, overrides):
    if "initial.kind=power-law" in overrides:
        raw = config.resolve(case).plain()
        raw["initial"] = {"kind": "power-law", "zeta": [0.5, -0.5], "amplitude": 1e-4, "n_max": 100}
        resolved = config.resolve(raw, LONG)
    else:
        raw, resolved = case, config.resolve(case, overrides)
    sentence = unseeded.of_config(resolved)
    low, high, without, with_seed, k_max = numbers(sentence)
    assert low <= high and without > 0.9 * (with_seed or 0)
    assert (k_max is not None) == (resolved["initial"]["kind"] in ("seeds", "power-law"))
    if k_max:
        again = [
            line
            for line in overrides
            if not line.startswith(("initial.n_max", "initial.k_max", "initial.kind", "initial.amplitude"))
        ]
        assert unseeded.of_config(config.resolve(raw, [*again, f"initial.k_max={k_max}"])) is None


def test_states_that_are_meant_so_are_left_alone():
    for overrides in (["initial.variance=0"], ["time.end=2", *LONG], ["initial.zeta=[0.5, 0.5]", *LONG]):
        assert unseeded.of_config(config.resolve("two_beam", overrides)) is None
    eigenmode = config.resolve("two_beam") | {"initial": {"kind": "eigenmode", "zeta": [0.5, -0.5], "n": -3, "amplitude": 1e-5}}
    assert unseeded.of_config(config.resolve(eigenmode)) is None
    assert unseeded.of_config(config.resolve("full_thermal", ["box.length=1000"])) is None  # no sharp directions


@pytest.mark.parametrize("scale", [1e-10, 1e10])
def test_the_units_do_not_matter(scale):
    """mu, and with it lengths and times, in other units; densities are counted in n and carry the factor."""
    raw = config.resolve("two_beam", LONG).plain()
    raw["box"]["length"] /= scale
    raw["time"]["end"] /= scale
    raw["output"] = {}
    raw["initial"] |= {"zeta": [0.5 * scale, -0.5 * scale], "variance": 1e-8 * scale**2}
    low, _, without, _, k_max = numbers(unseeded.of_config(config.resolve(raw)))
    assert without == pytest.approx(scale, rel=1e-3) and -2 * scale < low < -1.8 * scale
    assert 2 * scale <= k_max <= 2.2 * scale


def test_check_and_linear_say_it():
    resolved = config.resolve("two_beam", LONG)
    for text in (
        check.report(resolved, 1),
        linear_report.report(linear_report.solve(linear_problem.problem(resolved), [-1.0055309649])),
    ):
        assert "  warning" in text and "set initial.k_max = 2.1 in place of n_max" in text
    assert "have no seed" not in check.report(config.resolve("two_beam"), 1)


SMALL = {
    "box": {"length": 200.0, "points": 256},
    "modes": {"velocity": [1.0, -1.0]},
    "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "variance": 1e-14, "n_max": 10},
    "time": {"end": 4.0, "rtol": 1e-6},
    "output": {"figures": False, "fields_every": 0},
}


@pytest.mark.mpi
@pytest.mark.parametrize("spectra", [{}, {"spectrum_every": 0}])
def test_a_run_keeps_it_with_its_warnings(spectra, comm):
    run = nuflux_mpi.simulate(SMALL | {"output": SMALL["output"] | spectra}, comm=comm)
    if comm.rank == 0:
        warnings = run.attrs.get("warnings", "").splitlines()
        assert len(warnings) == 1 and warnings[0].startswith("warning at t = 0: waves with k = ")
        *_, k_max = numbers(warnings[0].partition(": ")[2])
    k_max = comm.bcast(k_max if comm.rank == 0 else None)
    run = nuflux_mpi.simulate(SMALL, overrides=[f"initial.k_max={k_max}"], comm=comm)
    assert comm.rank or run.attrs.get("warnings", "") == ""


@pytest.mark.mpi
def test_a_run_in_a_plane_keeps_it(comm):
    plane = {"modes": {"velocity": [[0.0, 1.0], [0.0, -1.0]]}, "box": {"length": [60.0, 60.0], "points": [32, 32]}}
    for n_max, count in ((2, 1), (12, 0)):
        run = nuflux_mpi.simulate(SMALL | plane, overrides=[f"initial.n_max={n_max}"], comm=comm)
        assert comm.rank or run.attrs.get("warnings", "").count("have no seed") == count


@pytest.mark.mpi
@pytest.mark.parametrize("harmonic, due", [(-32, False), (-5, True), (20, True)])
def test_the_spectrum_of_a_start_file_is_looked_at(harmonic, due, comm, shared_tmp_path):
    z = 2 * np.pi * np.arange(256) / 256
    path = shared_tmp_path / "start.h5"
    if comm.rank == 0:
        psi = 1e-6 * np.exp(1j * harmonic * z)
        with h5py.File(path, "w") as file:
            file["P"] = np.array([[psi.real, psi.imag, np.full(256, zeta)] for zeta in (0.5, -0.5)])
    comm.Barrier()
    source = SMALL | {"initial": {"kind": "file", "path": str(path)}}
    run = nuflux_mpi.simulate(source, comm=comm)
    if comm.rank == 0:
        assert ("have no seed" in run.attrs.get("warnings", "")) == due
        assert (": seed them in the start file" in run.attrs.get("warnings", "")) == due
        assert ("have no seed" in "\n".join(linear_report.seed_lines(linear_problem.problem(config.resolve(source))))) == due


def test_waves_of_a_pair_of_flavors_are_told_with_its_name():
    """Three flavors: e tau alone grows; a pair that was left out by choice is not told."""
    case = {
        "flavor": {"number": 3},
        "box": {"length": 200.0, "points": 256},
        "modes": {"velocity": [1.0, -1.0], "content": [[0.5, 0.3, 0.1], [0.1, 0.05, 0.5]]},
        "initial": {"kind": "seeds", "variance": 1e-12, "n_max": 4},
        "time": {"end": 40.0},
    }
    resolved = config.resolve(case)
    sentence = unseeded.of_config(resolved)
    assert sentence.startswith("waves of e tau with k = ")
    run = nuflux_mpi.simulate(case | {"time": {"end": 0.1}, "output": {"figures": False}})
    three = algebra(3)
    differences = [three.difference(run.series["P_mean"][0], pair, axis=1) for pair in three.pairs]
    psi2 = run.series["psi2_pairs"][0]
    assert unseeded.of_spectra(resolved, run.series["k"], psi2, differences).startswith("waves of e tau with k = ")
    alone = case | {"initial": case["initial"] | {"pairs": ["mu tau"]}}
    assert "of mu tau with" in unseeded.of_config(config.resolve(alone))
    psi2[1] = 0.0
    assert "of mu tau with" in unseeded.of_spectra(resolved, run.series["k"], psi2, differences)

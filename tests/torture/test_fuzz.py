"""Mangled configs: refused in sentences or carried out, never a traceback, and nothing that is silently not a number.

The examples are those of mangled_configs.py, which has many more of them and the command line around.
"""

import copy
import tomllib
from pathlib import Path

import mangled_configs as fuzz
import pytest
from hypothesis import HealthCheck, given, settings

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.cli import commands
from nuflux_mpi.config import resolving
from nuflux_mpi.errors import InputError, NumericalFailure
from nuflux_mpi.time.times import schedule

SLOW_IS_FINE = settings(suppress_health_check=list(HealthCheck))


@settings(SLOW_IS_FINE, max_examples=100)
@given(fuzz.texts(), fuzz.overrides())
def test_resolving_refuses_in_sentences_or_comes_to_rest(tmp_path_factory, text, words):
    case = tmp_path_factory.getbasetemp() / "case.toml"
    case.write_bytes(text)
    try:
        resolved = config.resolve(case, words)
    except InputError as refusal:
        assert str(refusal).strip() and "Error" not in str(refusal)
        return
    assert config.resolve(resolved) == resolved
    assert config.resolve(tomllib.loads(config.to_toml(resolved))) == resolved


class AfterThreeSteps:
    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.asked >= 3


# Keys of [modes] that have a meaning beside others alone.
BESIDE = {
    name: {"energy": [1.0, 2.0]} for name in ("energy_weight", "energy_weight_bar", "energy_weight_x", "energy_weight_x_bar")
}
BESIDE["spectrum"] = {"mean_energies": [8.0, 9.0], "bins": 2}


@pytest.mark.parametrize("section, key", fuzz._ALL_KEYS, ids=[f"{name}.{key.name}" for name, key in fuzz._ALL_KEYS])
def test_every_key_of_the_schema_can_be_put_in_force(section, key):
    """A key that is new is fuzzed by itself: with what it requires it exists, and at most its value is refused."""
    whole = copy.deepcopy(fuzz.SMALL[0])
    fuzz.put(whole, section, key, fuzz.usual(key))
    if section == "modes":
        whole[section] |= BESIDE.get(key.name, {})
    try:
        resolved = config.resolve(whole)
    except InputError as refusal:
        assert "unknown" not in str(refusal) and "missing" not in str(refusal)
    else:
        assert (resolved[section] if section else resolved)[key.name] is not None


@pytest.mark.mpi
@settings(SLOW_IS_FINE, max_examples=60)
@given(fuzz.dicts(most=1))
def test_what_resolves_runs_or_is_refused_by_all_ranks(comm, whole):
    """A few steps of each; box and levels are made on every rank, so that refusals must agree."""
    try:
        with nuflux_mpi.Simulation(whole, comm=comm) as simulation:
            run = simulation.run(stop=AfterThreeSteps())
    except (InputError, NumericalFailure) as refusal:
        said, refused = str(refusal), True
    else:
        said, refused = fuzz.silent_nan(run), False
    assert set(comm.allgather(refused)) == {refused}
    assert bool(said) == refused


# Configs that once ended in a traceback, a hang, or a silent wrong result.
FOUND = {
    "quadrature without end": ("[modes]\nkind = 'angular'\nnumber = 26113\nalpha = 0.9", "modes.number"),
    "rings without weight": ("[equations]\nlevel = 'full'\n[full]\nperp_points = 400", "full.perp_points"),
    "a billion rows": ("[output]\nseries_every = 1e-12", "output.series_every must be at least"),
    "width that overflows": ("[modes]\nkind = 'angular'\nnumber = 4\nalpha = 1\nsigma = 1e200", "modes.sigma"),
    "box that underflows": ("[box]\nlength = 1e-300\npoints = 16", "box.length"),
    "integer that is no double": (f"[box]\nlength = 1{'0' * 400}\npoints = 16", "box.length"),
    "integer that cannot be printed": (f"[box]\nlength = 1{'0' * 5000}\npoints = 16", "TOML"),
    "brackets without end": ("[time]\nend = " + "[" * 2000, "TOML"),
    "dots without end": ("[time]\nend" + ".a" * 2000 + " = 1", "nested"),
}


@pytest.mark.parametrize("text, words", FOUND.values(), ids=FOUND.keys())
def test_what_was_found_is_refused(tmp_path, capsys, text, words):
    path = tmp_path / "case.toml"
    rest = {"box": "length = 10.0\npoints = 16", "initial": "zeta = [0.5, -0.5]\nn_max = 3", "time": "end = 0.2"}
    path.write_text(text + "".join(f"\n[{name}]\n{keys}" for name, keys in rest.items() if f"[{name}]" not in text))
    assert commands.main(["check", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_a_run_without_spectra_can_be_stopped():
    run_in = {
        "box": {"length": 10.0, "points": 16},
        "initial": {"zeta": [0.5, -0.5], "n_max": 3},
        "time": {"end": 1.0},
        "output": {"spectrum_every": 0},
    }
    with nuflux_mpi.Simulation(run_in) as simulation:
        run = simulation.run(stop=lambda: True)
    assert not run.finished and "psi2" not in run.series


@pytest.mark.parametrize("every", [1e9, 1e30])
def test_a_cadence_far_longer_than_the_run_still_means_both_ends(every):
    assert schedule(0.0, 0.2, {"series": every}) == [(0.0, 0.0, {"series"}), (0.2, 0.2, {"series"})]


def test_the_tool_counts_and_finds(monkeypatch, capsys, tmp_path):
    """A few examples pass; with a defect planted they are reported and the exit code is 1."""
    monkeypatch.chdir(tmp_path)
    assert fuzz.main(["--examples", "5", "--seconds", "0.5"]) == 0
    assert "5 examples" in capsys.readouterr().out
    monkeypatch.setattr(fuzz, "prepare", lambda: Path("start.h5").touch())  # a defect would show there already
    monkeypatch.setattr(resolving, "sections_of", lambda *arguments: 1 / 0)
    assert fuzz.main(["--examples", "5", "--seconds", "0.5"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out

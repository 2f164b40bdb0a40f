"""Sections: objects with attributes that are mappings as well, kinds by class, and those that a term brings along."""

import pickle
import subprocess
import sys
import tomllib
from typing import Annotated, Literal

import pytest

from nuflux_mpi import config
from nuflux_mpi.config import catalog, models
from nuflux_mpi.config.models import equations, initial, modes
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import terms
from nuflux_mpi.physics.terms.term import Term
from nuflux_mpi.storage.section import Key, PerAxis, Section

MINIMAL = {"box": {"length": 100, "points": 64}, "initial": {"zeta": [0.5, -0.5], "n_max": 10}, "time": {"end": 20}}


def test_keys_are_attributes_and_items():
    resolved = config.resolve(MINIMAL)
    assert resolved.box.points == resolved["box"]["points"] == resolved.box.get("points") == 64
    assert isinstance(resolved.initial, initial.Seeds) and resolved.initial.draw == "random"
    assert "points" in resolved.box and "draw" not in resolved.box and resolved.box.get("draw", 3) == 3
    assert list(resolved.box) == ["length", "points", "origin", "fftw", "exchange"]
    assert resolved.full is None and "full" not in resolved and resolved.get("full") is None
    with pytest.raises(KeyError):
        resolved["full"]
    assert resolved.box.shape == [64] and resolved.box.dimensions == 1 and resolved.modes.count == 2


def test_a_config_equals_the_dict_of_its_content():
    resolved = config.resolve(MINIMAL)
    plain = resolved.plain()
    assert type(plain) is dict and type(plain["box"]) is dict
    assert resolved == plain and plain == resolved and config.resolve(plain) == resolved
    plain["box"]["points"] = 32
    assert resolved != plain and resolved.box.points == 64
    longer = resolved | {"time": {"end": 30}}
    assert type(longer) is dict and config.resolve(longer).time.end == 30.0


def test_a_config_is_frozen():
    resolved = config.resolve(MINIMAL)
    with pytest.raises(AttributeError, match=r"replace\(\)"):
        resolved.box.points = 32
    with pytest.raises(AttributeError):
        del resolved.box.points
    with pytest.raises(TypeError):
        resolved["box"]["points"] = 32
    other = resolved.replace(box=resolved.box.replace(points=32))
    assert other.box.points == 32 and resolved.box.points == 64 and other.time == resolved.time
    with pytest.raises(TypeError, match="has no pionts"):
        resolved.box.replace(pionts=3)
    with pytest.raises(TypeError, match="needs length"):
        type(resolved.box)(points=3)


@pytest.mark.parametrize("case", config.cases())
def test_other_ranks_get_it_without_a_validator(case):
    """What travels by broadcast is a pickle: who reads it imports neither pydantic nor MPI."""
    code = (
        "import pickle, sys; config = pickle.load(sys.stdin.buffer); "
        "print([name for name in ('pydantic', 'pydantic_core', 'mpi4py.MPI', 'numpy') if name in sys.modules]); "
        "print(config.box.points)"
    )
    resolved = config.resolve(case)
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(resolved), capture_output=True, check=True, timeout=60
    )
    known = ["numpy"] if resolved.terms else []  # a term has its section in its own file
    assert done.stdout.decode().splitlines() == [str(known), str(resolved.box.points)]
    assert pickle.loads(pickle.dumps(resolved)) == resolved


@pytest.mark.parametrize(
    "union, kinds",
    [
        (modes.Modes, {"kind": ("beams", "table", "angular"), "distribution": ("gaussian", "polynomial", "table")}),
        (initial.Initial, {"kind": ("seeds", "power-law", "fourier", "profile", "eigenmode", "rotation", "file")}),
        (equations.Full, {"distribution": ("gaussian", "thermal", "file")}),
        (equations.Momentum, {"distribution": ("gaussian", "fermi-dirac", "file")}),
    ],
)
def test_kinds_are_told_apart_by_one_word_each(union, kinds):
    entries = catalog.entries(union.__args__)
    assert {name: entry.choices for name, entry in entries.items() if entry.selects} == kinds
    for kind in union.__args__:
        assert all(set(kind.key_names) >= {name for name, entry in entries.items() if not entry.when} for name in kinds)


def test_a_key_tells_for_which_kinds_it_exists():
    entries = catalog.entries(modes.Modes.__args__)
    assert entries["kind"].when == {} and entries["number"].when == {"kind": ("angular",)}
    assert entries["alpha"].when == {"kind": ("angular",), "distribution": ("gaussian",)}
    assert catalog.entries(initial.Initial.__args__)["n"].when == {"kind": ("profile", "eigenmode")}


@pytest.mark.parametrize(
    "key, free",
    [
        ("title", True),
        ("output.figures", True),
        ("output.of_another_version", True),  # all of the section is free
        ("petsc.options", True),
        ("box.fftw", True),
        ("time.end", True),
        ("initial.path", True),
        ("box.points", False),
        ("box.of_another_version", False),
        ("initial.waves", False),
        ("time.rtol", False),
    ],
)
def test_what_may_change_when_a_run_goes_on(key, free):
    assert catalog.is_free_on_resume(key) is free


# ---- a section that a term brings


class Turning(Section):
    """A section with two kinds' worth of keys of all sorts."""

    strength: Annotated[float, Key("how fast [mu]", ge=0)]
    along: Annotated[PerAxis[float] | None, Key("where it is [1/mu]", unset="everywhere")] = None
    shape: Annotated[Literal["flat", "step"], Key("flat or step")] = "flat"

    def problems(self, config):
        if self.strength > config.time.end:
            yield f"turning.strength must not exceed time.end, not {self.strength:g}."


class TurningTerm(Term):
    name, section, Settings = "turning", "turning", Turning


@pytest.fixture
def turning(monkeypatch):
    monkeypatch.setattr(terms, "TERMS", [*terms.TERMS, TurningTerm])


def test_a_section_of_a_term_needs_no_entry_elsewhere(turning):
    assert "turning" not in config.resolve(MINIMAL)  # the term is not in such a run
    resolved = config.resolve(MINIMAL | {"turning": {"strength": 2}})
    assert resolved.terms == {"turning": {"strength": 2.0, "along": None, "shape": "flat"}}
    assert resolved["turning"].strength == 2.0 and config.resolve(resolved) == resolved
    assert config.resolve(MINIMAL, ["turning.strength=3"])["turning"]["strength"] == 3.0
    page = config.documentation()
    assert "## [turning]" in page and "| `strength` | how fast [mu] | a finite number >= 0 | required |" in page
    assert config.json_schema()["properties"]["turning"]["required"] == ["strength"]
    assert "turning" not in config.json_schema()["required"]


@pytest.mark.parametrize(
    "section, words",
    [
        ({}, "turning.strength is missing: a finite number >= 0 (how fast [mu])."),
        ({"strength": -1}, "turning.strength must be a finite number >= 0, not -1."),
        ({"strength": 1, "shap": "step"}, "turning.shap is unknown: did you mean shape?"),
        ({"strength": 30}, "turning.strength must not exceed time.end, not 30."),
        (3, "turning must be a section with keys of its own, not 3."),
    ],
)
def test_a_section_of_a_term_is_checked_like_the_others(turning, section, words):
    with pytest.raises(InputError) as caught:
        config.resolve(MINIMAL | {"turning": section})
    assert str(caught.value) == f"config: {words}"


def test_no_other_section_has_its_name():
    assert not set(terms.sections()) & set(models.root.Config.key_names)


# ---- configs in results


def test_a_stored_config_of_another_version_is_read():
    """Keys that are missing have their defaults, those of another version stay, and nothing is refused."""
    written = config.resolve("single_wave").plain()
    written["modes"] |= {"kind": "beams", "flavors": 3}
    written["box"] = {"length": 10.0, "points": 16}
    written["initial"]["waves"][0].pop("phase")
    del written["run"], written["output"]["log_every"]
    stored = config.stored(written | {"collisions": {"rate": 1.0}})
    assert stored.box.exchange == "auto" and stored.run.timeout == 0.0 and stored.output.log_every == 10.0
    assert stored.initial.waves[0].phase == 0.0 and stored.initial.waves[0].n == written["initial"]["waves"][0]["n"]
    assert stored["modes"]["flavors"] == 3 and stored["collisions"] == {"rate": 1.0}
    assert stored.full is None and "full" not in stored and config.stored(stored) is stored


def test_a_stored_section_of_an_unknown_kind_stays_a_dict():
    written = config.resolve("two_beam").plain() | {"initial": {"kind": "vortex", "winding": 2}}
    assert config.stored(written)["initial"] == {"kind": "vortex", "winding": 2}


@pytest.mark.parametrize("case", config.cases())
def test_a_stored_config_is_the_one_that_was_resolved(case):
    resolved = config.resolve(case)
    stored = config.stored(tomllib.loads(config.to_toml(resolved)))
    assert stored == resolved and [type(one) for one in stored.values()] == [type(one) for one in resolved.values()]
    assert list(stored) == list(resolved) and config.to_toml(stored) == config.to_toml(resolved)

"""The JSON Schema: valid, true to the config that the program takes, and written where an editor finds it."""

import json
import sys
import tomllib
from pathlib import Path

import pytest

from nuflux_mpi import config
from nuflux_mpi.cli import commands
from nuflux_mpi.config import source

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]
SHIPPED = [*source.CASES_DIR.glob("*.toml"), *(ROOT / "jobs").glob("*.toml")]


@pytest.fixture(scope="module")
def validator():
    schema = config.json_schema()
    jsonschema.Draft4Validator.check_schema(schema)
    return jsonschema.Draft4Validator(schema)


def test_there_is_something_to_check():
    assert {"two_beam", "angular", "two_beam_64"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configs_are_valid(validator, path):
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    assert not [error.message for error in validator.iter_errors(raw)]
    resolved = tomllib.loads(config.to_toml(config.resolve(path)))
    assert not [error.message for error in validator.iter_errors(resolved)]


def changed(case, section, key, value):
    raw = tomllib.loads(source.case_text(case))
    raw.setdefault(section, {})[key] = value
    return raw


@pytest.mark.parametrize(
    "case, section, key, value",
    [
        ("two_beam", "box", "points", 64.5),
        ("two_beam", "box", "points", 1),
        ("two_beam", "box", "length", "long"),
        ("two_beam", "box", "length", [1.0, 2.0, 3.0, 4.0]),
        ("two_beam", "box", "lenght", 3.0),
        ("two_beam", "box", "fftw", "patient"),
        ("two_beam", "output", "figures", "yes"),
        ("two_beam", "modes", "kind", "angle"),
        ("two_beam", "modes", "alpha", 0.9),  # of another kind
        ("two_beam", "modes", "sign", [1, 2]),
        ("two_beam", "modes", "velocity", [1.5]),
        ("two_beam", "initial", "exponent", 1.0),
        ("single_wave", "initial", "waves", []),
        ("single_wave", "initial", "waves", [{"n": 1}]),
        ("angular", "modes", "number", None),
        ("two_beam", "time", "method", "8rv"),
    ],
)
def test_what_is_wrong_is_refused(validator, case, section, key, value):
    raw = changed(case, section, key, value)
    if value is None:
        del raw[section][key]
    assert not validator.is_valid(raw)


@pytest.mark.parametrize(
    "case, section, key, value",
    [
        ("two_beam", "box", "length", 3),
        ("four_beams_2d", "box", "points", [8, 8]),
        ("four_beams_2d", "box", "origin", 0.5),
        (
            "single_wave",
            "initial",
            "waves",
            [{"n": [1, 2], "amplitude": 1e-3, "mode": "all"}, {"n": 1, "amplitude": 0, "mode": [0]}],
        ),
        ("two_beam", "modes", "kind", "beams"),
        ("two_beam", "full", "points", 32),  # of another level: the first kind is meant
    ],
)
def test_what_is_right_is_not(validator, case, section, key, value):
    assert validator.is_valid(changed(case, section, key, value))


def test_every_key_has_its_meaning_in_the_schema():
    properties = config.json_schema()["properties"]
    for section, entries in config.schema().items():
        tables = [properties[section], *properties[section].get("anyOf", [])] if section else [{"properties": properties}]
        for entry in entries:
            found = [table["properties"][entry.name] for table in tables if entry.name in table.get("properties", {})]
            assert found and all(one["description"].startswith(entry.meaning) for one in found)


def test_the_command_prints_or_writes_it(tmp_path, capsys):
    assert commands.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == config.json_schema()
    assert commands.main(["schema", "--out", str(tmp_path / "nuflux_mpi.schema.json")]) == 0
    assert json.loads((tmp_path / "nuflux_mpi.schema.json").read_text()) == config.json_schema()
    assert capsys.readouterr().out == ""


def test_without_pydantic_2_nothing_but_a_sentence_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pydantic_core", None)
    assert commands.main(["check"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("nuflux_mpi: configs are checked by pydantic 2") and said.err.count("\n") == 1


def test_init_without_tomlkit_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    assert commands.main(["init"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("nuflux_mpi: init needs tomlkit") and said.err.count("\n") == 1
    assert commands.main(["init", "--list"]) == 0

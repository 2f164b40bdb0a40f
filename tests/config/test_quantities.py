"""Quantities with units in a config: the numbers they become, where they are kept, and what is refused."""

import math
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nuflux_mpi import config, units
from nuflux_mpi.errors import InputError

SCALE = units.Scale.of_density(1e33)


def given(**sections):
    """The shortest config of two beams in the laboratory's units, with sections replaced or added."""
    plain = {
        "units": {"density": "1e33 /cm^3"},
        "box": {"length": "10 cm", "points": 16},
        "initial": {"kind": "fourier", "zeta": ["5e32 /cm^3", -0.5], "waves": [{"n": 1, "amplitude": 1e-3, "phase": "90 deg"}]},
        "time": {"end": "0.1 ns"},
        "output": {"log_every": "1 min"},
    }
    return plain | sections


def refusal(source, *overrides):
    with pytest.raises(InputError) as caught:
        config.resolve(source, overrides)
    return str(caught.value)


def test_numbers_in_code_units():
    resolved = config.resolve(given())
    assert resolved.box.length == pytest.approx(10 / SCALE.length, rel=1e-14)  # some roundings, as below
    assert resolved.initial.zeta == pytest.approx([0.5, -0.5], rel=1e-14)
    assert resolved.initial.waves[0].phase == pytest.approx(math.pi / 2, rel=1e-14)
    assert resolved.time.end == pytest.approx(1e-10 / SCALE.time, rel=1e-14)
    assert resolved.output.log_every == 60.0
    assert resolved.output.series_every == resolved.time.end / 200  # defaults follow


def test_both_are_kept_and_run_again_to_the_last_bit():
    resolved = config.resolve(given())
    text = config.to_toml(resolved)
    assert tomllib.loads(text)["units"]["given"] == {
        "box.length": "10 cm", "initial.zeta": ["5e32 /cm^3", -0.5], "initial.waves[0].phase": "90 deg", "time.end": "0.1 ns", "output.log_every": "1 min",
    }  # fmt: skip
    again = config.resolve(tomllib.loads(text))
    assert config.to_toml(again) == text and again == resolved


def test_a_number_takes_the_place_of_what_was_given():
    stored = tomllib.loads(config.to_toml(config.resolve(given())))
    changed = config.resolve(stored, ["time.end=3", "box.length=2 cm"])
    assert changed.time.end == 3.0 and changed.units.given["box.length"] == "2 cm"
    assert "time.end" not in changed.units.given and "initial.zeta" in changed.units.given
    rescaled = config.resolve(stored, ["units.density=1e32 /cm^3"])  # numbers stay, and were not given like that
    assert rescaled.box == changed.box.replace(length=rescaled.box.length) and rescaled.time.end == stored["time"]["end"]
    assert list(rescaled.units.given) == ["initial.waves[0].phase", "output.log_every"]


def test_a_command_line_gives_lists():
    resolved = config.resolve(given(), ["initial.zeta=[4e32 /cm^3, -0.25]"])
    assert resolved.initial.zeta == pytest.approx([0.4, -0.25], rel=1e-14)


def test_quantities_of_pint():
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry()
    box = {"length": registry.Quantity(10.0, "cm"), "points": 16}
    zeta = registry.Quantity([5e32, -5e32], "1 / cm ** 3")
    resolved = config.resolve(given(box=box, initial={"zeta": zeta, "n_max": 3}))
    assert resolved.box.length == pytest.approx(10 / SCALE.length, rel=1e-14)
    assert resolved.initial.zeta == pytest.approx([0.5, -0.5], rel=1e-14)
    assert config.resolve(tomllib.loads(config.to_toml(resolved))) == resolved


def test_angles_need_no_scale():
    resolved = config.resolve(given(units={}, box={"length": 10, "points": 16}, time={"end": 2}), ["initial.zeta=[0.5, -0.5]"])
    assert resolved.initial.waves[0].phase == pytest.approx(math.pi / 2) and units.scale_of(resolved) is None


WRONG = [
    ("box.length=10 MeV", 'box.length must be a length, such as "100 km", or a number in units of 1/mu, not "10 MeV".'),
    ("time.end=10 furlong", 'time.end must be a time, such as "3 ns", or a number in units of 1/mu, not "10 furlong".'),
    ("initial.zeta=[1 /cm^2, 0.5]", 'initial.zeta[0] must be a density of neutrinos, such as "1e33 /cm^3"'),
    ("units.density=1e33", 'units.density must have a unit, such as "1e33 /cm^3", not 1e+33.'),
    ("units.mu=1 eV", "units.density and units.mu say the same thing"),
    ("box.length=-10 cm", "box.length must be a finite number > 0, not -64.2"),
    ("box.length=long", 'box.length must be a finite number > 0, not "long".'),
    ("box.points=16 cm", 'box.points must be an integer >= 2 and <= 1e+12, not "16 cm".'),
    ("units.given=3", "units.given must be a table, not 3."),
    ("units=3", "units must be a section with keys of its own, not 3."),
]


@pytest.mark.parametrize("override, words", WRONG, ids=[override for override, _ in WRONG])
def test_what_is_refused(override, words):
    assert words in refusal(given(), override)


def test_other_units_of_the_same_numbers_are_no_other_problem():
    from nuflux_mpi.results.run_directory import differences

    by_unit = config.resolve(given())
    by_number = config.resolve({key: value for key, value in by_unit.plain().items() if key != "units"})
    assert differences(by_unit, by_number) == [] == differences(by_number, by_unit)
    assert (
        len(differences(by_unit, config.resolve(given(), ["units.density=2e33 /cm^3"]))) == 2
    )  # length, zeta; time.end is free


@pytest.mark.mpi
def test_all_ranks_are_told():
    import nuflux_mpi

    with pytest.raises(InputError, match='box.length must be a length, such as "100 km"'):
        nuflux_mpi.simulate(given(), overrides=["box.length=10 MeV"])


def test_without_units_the_key_is_named():
    said = refusal(given(units={}))
    assert 'box.length = "10 cm" needs to know what mu is in eV' in said and "time.end" in said and "log_every" not in said


def test_pint_is_imported_for_text_alone():
    script = (
        "import sys; from nuflux_mpi import config; config.resolve('two_beam'); assert 'pint' not in sys.modules; "
        "config.resolve('two_beam', ['box.length=1 cm', 'units.density=1e33 /cm^3']); assert 'pint' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_pint_a_sentence(monkeypatch):
    from nuflux_mpi.errors import EnvironmentProblem

    monkeypatch.setitem(sys.modules, "pint", None)
    units._registry.cache_clear()
    with pytest.raises(EnvironmentProblem, match="units are read by pint, which is not installed: "):
        config.resolve(given())
    units._registry.cache_clear()


def test_init_shows_what_the_case_has(monkeypatch, tmp_path):
    from nuflux_mpi.config import source

    (tmp_path / "small.toml").write_text(config.to_toml(given()), encoding="utf-8")
    monkeypatch.setattr(source, "CASES_DIR", tmp_path)
    text = config.template("small")
    assert 'length = "10 cm"' in text and 'phase = "90 deg"' in text and "given" not in text
    assert tomllib.loads(text)["initial"]["zeta"] == ["5e32 /cm^3", -0.5]
    (tmp_path / "again.toml").write_text(text, encoding="utf-8")
    assert config.resolve(tmp_path / "again.toml").replace(name="small") == config.resolve("small")


def test_the_example_of_the_docs_is_a_config():
    page = Path(__file__).parents[2] / "docs" / "units.md"
    example = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    resolved = config.resolve(tomllib.loads(example))
    assert resolved.modes.energy[1] == pytest.approx(SCALE.in_mu(15.0), rel=1e-14)
    vacuum = resolved.vacuum
    assert vacuum.dm2 / (2 * vacuum.at_energy) == pytest.approx(SCALE.omega(2.5e-3, 10.0), rel=1e-13)
    assert resolved.matter["lambda"] == pytest.approx(SCALE.matter(1e10), rel=1e-13)

"""Configs: what is refused and in which words, what is filled in, and that text and schema stay one thing."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.errors import InputError
from nuflux_mpi.storage import config_text


def minimal(**sections):
    """The shortest config of two beams, with sections replaced or added."""
    return {"box": {"length": 100, "points": 64}, "initial": {"zeta": [0.5, -0.5], "n_max": 10}, "time": {"end": 20}} | sections


def refusal(source, *overrides, **keywords):
    with pytest.raises(InputError) as caught:
        config.resolve(source, overrides, **keywords)
    return str(caught.value)


# ---- what comes out


def test_every_default_is_written_out():
    resolved = config.resolve(minimal())
    assert not set(config.LEVEL_SECTIONS) & set(resolved)  # sections of other levels stay away
    resolved = config.resolve(minimal() | {section: {} for section in config.LEVEL_SECTIONS})
    beams = {"kind": "beams", "velocity": [1.0, -1.0], "sign": [1, 1], "energy": None, "density": None, "content": None}
    assert resolved["modes"] == beams and resolved["flavor"] == {"number": 2}
    assert resolved["output"] == {
        "series_every": 0.1,
        "fields_every": 0.1,
        "spectrum_every": 0.1,
        "figures": True,
        "phase_space_every": 0.0,
        "checkpoint_every": 600.0,
        "units": "code",
        "log_every": 10.0,
    }
    assert resolved["time"]["method"] == "auto" and resolved["time"]["start"] == 0.0
    assert resolved["equations"]["level"] == "standard"
    assert isinstance(resolved["box"]["length"], float)  # given as an integer
    for section, keys in config.schema().items():
        if section and section not in resolved:
            assert config.catalog.is_optional(section)  # attenuation, and terms
            continue
        table = resolved[section] if section else resolved
        always = {key.name for key in keys if not key.when}
        assert always <= set(table)


def test_cadences_follow_the_duration_not_the_end():
    output = config.resolve(minimal(time={"start": 10, "end": 20}))["output"]
    assert output["series_every"] == 0.05 and output["fields_every"] == 0.05


def test_source_is_not_changed_and_numpy_is_welcome():
    source = minimal(modes={"velocity": np.array([1.0, -1.0])}, box={"length": (100,), "points": np.int64(64)})
    resolved = config.resolve(source, ["box.points=128"])
    assert resolved["box"]["points"] == 128 and resolved["box"]["length"] == 100.0
    assert source["box"]["points"] == 64
    assert resolved["modes"]["velocity"] == [1.0, -1.0]


def test_resolving_twice_changes_nothing():
    for name in config.cases():
        resolved = config.resolve(name)
        assert config.resolve(resolved) == resolved


def test_overrides():
    resolved = config.resolve(
        "two_beam",
        [
            "time.end=50",
            "equations.level=standard",
            "title=two words",
            "petsc.options=-ts_view -log_view",
            'box.fftw="estimate"',
            "box.points=[256]",
        ],
    )
    assert resolved["time"]["end"] == 50.0
    assert resolved["equations"]["level"] == "standard"
    assert resolved["title"] == "two words"
    assert resolved["petsc"]["options"] == "-ts_view -log_view"
    assert resolved["box"]["fftw"] == "estimate"
    assert resolved["box"]["points"] == 256


def test_name_and_paths(tmp_path):
    (tmp_path / "start.h5").touch()
    file = tmp_path / "my_run.toml"
    file.write_text('[box]\nlength = 1\npoints = 8\n[initial]\nkind = "file"\npath = "start.h5"\n[time]\nend = 1\n')
    resolved = config.resolve(file)
    assert resolved["name"] == "my_run"
    assert resolved["initial"]["path"] == str(tmp_path.resolve() / "start.h5")
    assert config.resolve(minimal())["name"] == "run"
    source = minimal(initial={"kind": "file", "path": "start.h5"})
    assert config.resolve(source, base_dir=tmp_path)["initial"]["path"] == str(tmp_path.resolve() / "start.h5")


def test_a_directory_may_have_the_name_of_a_case(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("two_beam").mkdir()  # a directory does not hide the case: runs are often called after it
    assert config.resolve("two_beam")["box"]["points"] == 1024


# ---- what is refused


@pytest.mark.parametrize(
    "override, words",
    [
        ("box.length=0", "box.length must be a finite number > 0, not 0."),
        ("box.length=true", "box.length must be a finite number > 0, not true."),
        ("box.length=nan", "not nan."),
        ("box.length=inf", "not inf."),
        ("box.length=[100.0, 100.0]", "box.length must be a finite number > 0, not [100.0, 100.0]."),
        ("box.points=10.0", "box.points must be an integer >= 2 and <= 1e+12, not 10.0."),
        ("box.points=1", "box.points must be an integer >= 2 and <= 1e+12, not 1."),
        ("box.points=many", 'box.points must be an integer >= 2 and <= 1e+12, not "many".'),
        ("box=3", "box must be a section with keys of its own, not 3."),
        ("box.fftw=patient", 'box.fftw must be one of "measure", "estimate", not "patient".'),
        ("modes.velocity=[]", "modes.velocity must be a non-empty list"),
        ("modes.velocity=[1.5, -1]", "modes.velocity[0] must be a finite number >= -1 and <= 1, not 1.5."),
        ("modes.sign=[1, 2]", "modes.sign[1] must be one of 1, -1, not 2."),
        ("modes.sign=[true, 1]", "modes.sign[0] must be one of 1, -1, not true."),
        ("modes.sign=[1]", "modes.sign must have 2 items, one per mode, not 1."),
        ("modes.density=[0.5]", "modes.density must have 2 items, one per mode, not 1."),
        ("modes.density=[0.5, 0.4]", "initial.zeta[1] must not exceed modes.density[1] = 0.4 in size, not -0.5."),
        (
            "modes.kind=angle",
            'modes.kind must be one of "beams", "table", "angular", "product", "lebedev", "directions", not "angle".',
        ),
        ("initial.zeta=[0.5]", "initial.zeta must have 2 items, one per mode, not 1."),
        ('initial.zeta=["a", 1]', 'initial.zeta[0] must be a finite number, not "a".'),
        ("initial.n_max=512", "initial.n_max must be below box.points / 2, not 512"),
        ("initial.draw=silver", 'initial.draw must be one of "random", "golden-ratio", not "silver".'),
        ("initial.exponent=1.0", 'initial.exponent is unknown: it belongs to kind = "power-law".'),
        ("initial.normalize=1", "initial.normalize must be true or false, not 1."),
        ("equations.level=none", 'equations.level must be one of "standard", "energy", "momentum", "full", not "none".'),
        ("full.points=0", "full.points must be an integer >= 4 and <= 65536, not 0."),
        ("full.sigma=-1", "full.sigma must be a finite number > 0, not -1."),
        ("full.perp_points=0", "full.perp_points must be an integer >= 1 and <= 128, not 0."),
        ("momentum.points=63", "momentum.points must be even, not 63."),
        ("time.end=-1", "time.end must be later than time.start = 0, not -1."),
        ("time.rtol=1e-16", "time.rtol must be a finite number >= 1e-15 and < 1, not 1e-16."),
        ("time.rtol=1", "time.rtol must be"),
        (
            "time.method=8rv",
            'time.method must be one of "3bs", "5dp", "5bs", "6vr", "7vr", "8vr", "4bm", "6bm", "adams", "auto", not "8rv".',
        ),
        ("output.series_every=0", "output.series_every must be a finite number > 0, not 0."),
        ("output.fields_every=-1", "output.fields_every must be a finite number >= 0, not -1."),
        ("name=a/b", "name must be a word without '/'"),
        ('name=".."', "name must be a word without '/' that can name a directory"),
        (f"name={'x' * 300}", "(at most 200 bytes)"),
        ('title="a\\u0000b"', "title must be a string of valid characters, none of them NUL"),
        (f"box.points=0x{'f' * 5000}", "not an integer of thousands of digits"),  # which Python does not print
        ("title=\udcff", "title must be a string of valid characters"),
        ("petsc.options=-ts_type euler", "petsc.options must not hold -ts_type: time.method"),
    ],
)
def test_wrong_values_are_told_with_what_is_allowed(override, words):
    text = refusal("two_beam", override)
    assert words in text
    assert "\n" not in text  # one problem, one sentence


@pytest.mark.parametrize(
    "override, hint",
    [
        ("box.lenght=3", "box.lenght is unknown: did you mean length?"),
        ("box.rtol=1e-8", "box.rtol is unknown: it belongs to [time]."),
        ("rtol=1e-8", "rtol is unknown: it belongs to [time]."),
        ("boxes.length=3", "boxes is unknown: did you mean box?"),
        ("box.time=3", "box.time is unknown: [time] is a section of its own."),
        ("box.rtl=3", "box.rtl is unknown: did you mean rtol, in [time]?"),
        ("box.xyzw=1", "box.xyzw is unknown: allowed are length, points, origin, fftw, exchange."),
        ("modes.alpha=3", 'modes.alpha is unknown: it belongs to kind = "angular" and distribution = "gaussian".'),
        ("initial.waves=[{n = 1, amplitude = 1}]", 'initial.waves is unknown: it belongs to kind = "fourier".'),
    ],
)
def test_unknown_keys_say_what_was_meant(override, hint):
    assert refusal("two_beam", override).endswith(hint)


def test_all_problems_are_listed():
    text = refusal("two_beam", "box.length=-1", "box.pionts=3", "time.rtol=2", "equations.level=none")
    lines = text.splitlines()
    assert len(lines) == 4
    for words in ("box.length must", "did you mean points", "time.rtol must", "equations.level must"):
        assert sum(words in line for line in lines) == 1


def test_missing_keys_say_what_they_are():
    text = refusal({})
    assert "box.length is missing: a finite number > 0 (length of the periodic box" in text
    assert "time.end is missing" in text
    assert "initial.zeta is missing" in refusal(minimal(initial={"n_max": 10}))


def test_waves():
    def waves(*items):
        return minimal(initial={"kind": "fourier", "zeta": [0.5, -0.5], "waves": list(items)})

    resolved = config.resolve(waves({"n": -3, "amplitude": 1e-8}, {"n": 31, "amplitude": 0, "mode": [0, 1]}))
    assert resolved["initial"]["waves"][0] == {"n": -3, "amplitude": 1e-8, "pair": None, "phase": 0.0, "mode": "all"}
    assert "initial.waves must be a non-empty list of tables" in refusal(waves())
    assert "initial.waves[0].n must be below box.points / 2 in size, not -32" in refusal(waves({"n": -32, "amplitude": 1}))
    assert "initial.waves[1] must be a table, not 3." in refusal(waves({"n": 1, "amplitude": 1}, 3))
    text = refusal(waves({"n": 1, "amplitude": -1, "mod": 0}, {"amplitude": 1, "mode": "some"}))
    assert "initial.waves[0].amplitude must be a finite number >= 0, not -1." in text
    assert "initial.waves[0].mod is unknown: did you mean mode?" in text
    assert "initial.waves[1].n is missing" in text
    assert 'initial.waves[1].mode must be a mode index counted from 0, a list of them, or "all", not "some".' in text
    assert "initial.waves[0].mode must be below the number of modes, 2, not 2." in refusal(
        waves({"n": 1, "amplitude": 1, "mode": 2})
    )


def test_power_law_seeds():
    law = {"kind": "power-law", "zeta": [0.5, -0.5], "amplitude": 1e-7, "n_max": 10}
    assert config.resolve(minimal(initial=law))["initial"]["exponent"] == 1.0
    assert "initial.amplitude is missing" in refusal(minimal(initial={"kind": "power-law"}))
    assert "initial.n_max must be below box.points / 2, not 32" in refusal(minimal(initial=law | {"n_max": 32}))
    assert "initial.exponent must be a finite number >= 0, not -1" in refusal(minimal(initial=law | {"exponent": -1.0}))


def test_angular_distributions():
    angular = {"kind": "angular", "number": 8}
    start = {"n_max": 10, "amplitudes_in": "n_a"}
    resolved = config.resolve(minimal(modes=angular | {"alpha": 0.9}, initial=start))
    assert resolved["modes"]["sigma"] == 0.6 and "density" not in resolved["modes"]
    assert resolved.modes.count == 8
    assert "modes.alpha is missing" in refusal(minimal(modes=angular, initial=start))
    table = angular | {"distribution": "table", "v": [0.5, -0.5], "G": [1.0]}
    text = refusal(minimal(modes=table, initial=start))
    assert "modes.G must have 2 items, as many as modes.v, not 1." in text and "ascending order" in text
    polynomial = angular | {"distribution": "polynomial", "coefficients": [0, 0]}
    assert "must not all be 0" in refusal(minimal(modes=polynomial, initial=start))


def test_profile_must_be_seen_by_the_grid():
    profile = {"kind": "profile", "zeta": [0.5, -0.5], "amplitude": 0.1, "width": 1.0, "n": 32}
    text = refusal(minimal(initial=profile))
    assert "initial.width must be at least the grid spacing 1.5625, not 1." in text
    assert "initial.n must be below box.points / 2 in size, not 32" in text


def test_files_that_are_no_config(tmp_path):
    file = tmp_path / "case.toml"
    assert "no such file" in refusal(file)
    assert "is a directory" in refusal(tmp_path)
    file.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refusal(file)
    file.write_text("length: 100")
    assert "is not valid TOML" in refusal(file)
    assert "did you mean the shipped case two_beam" in refusal("two_baem")


@pytest.mark.parametrize("override", ["box.length", "=3", "box.=3", "box.length.more=3"])
def test_malformed_overrides(override):
    assert "expected section.key=value" in refusal("two_beam", override)


@pytest.mark.parametrize("override", ["time.end=2\noutput.figures = true", 'title="a"\n[output]\nfigures = true'])
def test_an_override_is_one_value(override):
    assert "expected one value, without further lines" in refusal("two_beam", override)


# ---- text


def test_toml_round_trip():
    value = {
        "a b": 'quote " back\\slash\nline \x7f \t é',
        "f": [1e-10, 1e16, -0.0, 0.1],
        "flag": True,
        "none": None,
        "inner": {"list": [1, 2], "empty": [], "tables": [{"n": 1, "deep": {"x": 1.5}}, {"n": -2}]},
        "n": 3,
    }
    text = config.to_toml(value)
    del value["none"]
    assert tomllib.loads(text) == value


@pytest.mark.parametrize("name", list(config.cases()))
def test_run_toml_repeats_the_run(name, tmp_path):
    resolved = config.resolve(name)
    file = tmp_path / "run.toml"
    file.write_text(config.to_toml(resolved))
    assert config.resolve(file) == resolved


@pytest.mark.parametrize("name", list(config.cases()))
def test_template_is_the_case_with_every_key(name, tmp_path):
    text = config.template(name)
    file = tmp_path / f"{name}.toml"
    file.write_text(text)
    resolved = config.resolve(file)
    assert resolved == config.resolve(name)
    for section in config.schema():
        if section in resolved:
            for key in set(resolved[section]) - {"given"}:  # which the program writes
                assert f"\n{key} = " in text or f"\n# {key} =" in text or f"[[{section}.{key}]]" in text
    assert max(map(len, text.splitlines())) <= 120


def test_cases_have_a_description_and_the_default_one_is_first():
    cases = config.cases()
    assert list(cases)[0] == config.DEFAULT_CASE == "two_beam"
    assert all(len(title) > 10 for title in cases.values())
    with pytest.raises(InputError, match="did you mean two_beam"):
        config.template("two_baem")


def test_documentation_is_generated_from_the_schema():
    page = Path(__file__).parents[2] / "docs" / "config.md"
    assert page.read_text() == config.documentation(), "run: python -m nuflux_mpi.config > docs/config.md"


def test_every_schema_default_is_allowed():
    for section in (name for name in config.schema() if name):
        for key in config.schema()[section]:
            if key.choices and key.default is not None:
                assert key.default in key.choices
            if key.type == "number" and isinstance(key.default, float):
                assert all(
                    {
                        "gt": key.default > bound,
                        "ge": key.default >= bound,
                        "lt": key.default < bound,
                        "le": key.default <= bound,
                    }[name]
                    for name, bound in key.bounds.items()
                )


def test_reading_a_resolved_config_needs_no_pydantic():
    """Ranks other than 0 get the dict by broadcast; importing the module must not pull in the validator or MPI."""
    code = "import sys, nuflux_mpi.config; print([m for m in ('pydantic', 'mpi4py.MPI') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


# ---- from somebody else


HOSTILE = {
    "dots": "a" + ".a" * 100000 + " = 1",
    "quoted dots": '"a b"' + '."a b"' * 100000 + " = 1",
    "dots between blanks": "a" + " . a" * 99999,
    "in a table": "x = {a" + ".a" * 100000 + " = 1}",
    "in a header": "[a" + ".a" * 100000 + "]",
    "lists": "x = " + "[" * 500000,
    "a long title": 'title = "' + "x" * 2**20 + '"',
    "many keys": "\n".join(f"k{i} = {i}" for i in range(50000)),
    "a long key": "k" * 10**6 + " = 1",
    "no end of a string": 'x = """' + '\\"""' * 200000,
    "quotes": "'" * 10**6,
    "a long number": "x = " + "9" * 900000,
    "waves": "[initial]\nkind = 'fourier'\nwaves = [" + "{n=1}," * 50000 + "]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_config_is_refused_in_words(name, tmp_path):
    """Some of them would keep a parser busy for minutes; the test session's own patience is the limit here."""
    file = tmp_path / "case.toml"
    file.write_text(HOSTILE[name])
    assert len(refusal(file)) < 100 * 1100


@pytest.mark.parametrize(
    "make",
    [
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.write_bytes(b" " * (2**20 + 1)),
    ],
)
def test_what_is_no_config_file_is_refused_at_once(make, tmp_path):
    make(tmp_path / "case.toml")
    assert re.search("is no plain file|is longer than", refusal(tmp_path / "case.toml"))


@pytest.mark.parametrize(
    "text",
    [
        'title = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z"',
        "title = 'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w'  # a.b.c",
        'title = """' + 'a."b".\'' * 30 + '"""""',
        "# " + "0.1 " * 30 + "a.b" * 30 + "\ntitle = 'x'",
    ],
)
def test_dots_that_are_no_keys(text, tmp_path):
    (tmp_path / "case.toml").write_text(text + "\n" + config.to_toml(minimal()))
    assert config.resolve(tmp_path / "case.toml")["title"]


def test_a_file_of_the_name_of_a_case_is_not_taken_without_a_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two_beam").write_text(config.to_toml(minimal()))
    assert "write ./two_beam for the file" in refusal("two_beam")
    assert config.resolve("./two_beam")["name"] == "two_beam"


def test_paths_with_bytes_that_are_no_text(tmp_path):
    place = tmp_path / os.fsdecode(b"l\xe4ufe")
    place.mkdir()
    file = place / os.fsdecode(b"t\xe4\x07st.toml")
    source = minimal() | {"initial": {"kind": "file", "path": "s.h5"}}
    file.write_text(config.to_toml(source))
    resolved = config.resolve(file)
    assert resolved["name"] == "t__st" and resolved["initial"]["path"] == f"file:{tmp_path}/l%E4ufe/s.h5"
    assert config_text.system_path(resolved["initial"]["path"]) == str(place / "s.h5")
    again = config.resolve(tomllib.loads(config.to_toml(resolved)))  # as run.toml gives it back
    assert again == resolved
    told = config.resolve(source, [f"initial.path={place}/s.h5"])
    assert told["initial"]["path"] == resolved["initial"]["path"]

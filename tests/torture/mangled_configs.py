"""Mangled configs and command lines: each must run, or be refused in sentences, and never end in a traceback.

    python tests/torture configs --examples 1000
    python tests/torture configs --examples 1000 --seed 7 --seconds 2
    python tests/torture configs --examples 0 --sweep

Each example is a small config of one of the kinds and levels that something was done to: values of other types, NaN,
infinities, huge and tiny numbers, unicode, keys and sections that are missing, too many, misspelled or elsewhere, deep
nesting, bytes of the text changed, overrides of every shape; any key of the schema may be put in force. It goes through
`nuflux_mpi.cli.commands.main`: most to `run`, the others to any command with any of its options and arguments, right and wrong.
--sweep goes through the shipped cases, made small: every key in force is set to every extreme value, for `check`,
`linear` and `run`. A run is asked to stop after --seconds. What may come out: exit code 0 or 3 with series free of NaN,
or 2 or 4 with sentences on stderr (1 from `diff`: the runs differ). Anything else is printed with the config and makes
the exit code 1. Needs hypothesis.
"""

import argparse
import collections
import contextlib
import faulthandler
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import hypothesis  # noqa: E402
import hypothesis.strategies as some  # noqa: E402
import numpy as np  # noqa: E402

import nuflux_mpi  # noqa: E402,F401  (prepares the environment before numpy is loaded)
from nuflux_mpi import config, errors
from nuflux_mpi.cli import commands  # noqa: E402
from nuflux_mpi.cli.parser import parser  # noqa: E402
from nuflux_mpi.units import QUANTITIES

MEMORY = 6 * 2**30  # bytes of address space: what asks for more must have been refused before
HANGS_AFTER = 120.0  # seconds after which an example counts as hanging: the stacks are printed and the program ends

_TIME = {"end": 0.2, "rtol": 1e-6}
_BOX = {"length": 10.0, "points": 16}
_SEEDS = {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 3}
_WAVE_LIST = [{"n": 1, "amplitude": 0.1}, {"n": -2, "amplitude": 0.1, "mode": 0}]
_WAVES = {"kind": "fourier", "zeta": [0.5, -0.5], "waves": _WAVE_LIST}
_PROFILE = {"kind": "profile", "zeta": [0.5, -0.5], "shape": "sech", "amplitude": 0.1, "width": 1.0, "n": 1}
_EIGENMODE = {"kind": "eigenmode", "zeta": [0.5, -0.5], "amplitude": 1e-3, "n": -1}
_POWER_LAW = {"kind": "power-law", "zeta": [0.5, -0.5], "amplitude": 1e-3, "n_max": 3, "exponent": 1.5}
_GAUSSIAN = {"kind": "angular", "number": 4, "alpha": 0.9}
_POLYNOMIAL = {
    "kind": "angular",
    "number": 4,
    "quadrature": "midpoint",
    "distribution": "polynomial",
    "coefficients": [0.1, 1.0],
}
_TABLE = {"kind": "angular", "number": 4, "distribution": "table", "v": [-1.0, 0.0, 1.0], "G": [-1.0, 0.2, 1.0]}
_ANGULAR_SEEDS = {"n_max": 3, "amplitudes_in": "n_a", "same_for_all": True}
_BEAMS = {"velocity": [1.0, -1.0], "sign": [1, -1], "density": [0.6, 0.7]}
_FERMI_DIRAC = {"points": 512, "half_width": 30.0, "distribution": "fermi-dirac", "temperature": 1.0}
_FULL = {"points": 48, "p_max": 12.0, "p0": 6.0, "sigma": 1.0}
_THERMAL = {"points": 72, "p_max": 18.0, "perp_points": 12, "distribution": "thermal", "p_mean": [5.0]}
_FULL_TIME = {"end": 0.05, "rtol": 1e-4, "method": "5dp"}
_FULL_BOX, _FULL_SEEDS = _BOX | {"points": 4}, _SEEDS | {"n_max": 1}
_LEVEL = {name: {"level": name} for name in ("standard", "energy", "momentum", "full")}

# Small runs of every kind of modes, initial state, level, distribution and method, each a few milliseconds of work.
SMALL = (
    {"box": _BOX, "initial": _SEEDS, "time": _TIME},
    {"box": _BOX, "initial": _WAVES, "time": _TIME, "equations": _LEVEL["energy"], "modes": _BEAMS},
    {"box": _BOX, "initial": _PROFILE, "time": _TIME | {"method": "5dp"}, "petsc": {"options": ""}},
    {"box": _BOX, "initial": _EIGENMODE, "time": _TIME | {"method": "4bm"}},
    {"box": _BOX, "initial": _POWER_LAW, "time": _TIME | {"method": "adams"}, "equations": _LEVEL["energy"]},
    {"box": _BOX, "initial": _SEEDS | {"draw": "golden-ratio"}, "time": _TIME | {"method": "6bm"}},
    {"box": _BOX, "modes": _GAUSSIAN, "initial": _ANGULAR_SEEDS, "time": _TIME | {"method": "auto"}},
    {"box": _BOX, "modes": _POLYNOMIAL, "initial": _ANGULAR_SEEDS, "time": _TIME, "equations": _LEVEL["energy"]},
    {"box": _BOX, "modes": _TABLE, "initial": _ANGULAR_SEEDS | {"variance": 1e-4}, "time": _TIME},
    {"box": _BOX, "initial": {"kind": "file", "path": "start.h5"}, "time": _TIME},
    {"box": _BOX, "initial": _SEEDS, "time": _TIME, "equations": _LEVEL["momentum"], "momentum": {"points": 64}},
    {
        "box": _BOX,
        "modes": _GAUSSIAN,
        "initial": _ANGULAR_SEEDS,
        "time": _TIME,
        "equations": _LEVEL["momentum"],
        "momentum": _FERMI_DIRAC,
    },
    {
        "box": _BOX,
        "initial": _SEEDS,
        "time": _TIME | {"method": "adams"},
        "equations": _LEVEL["momentum"],
        "momentum": {"points": 64, "distribution": "file", "path": "start.h5"},
    },
    {"box": _FULL_BOX, "initial": _FULL_SEEDS, "equations": _LEVEL["full"], "full": _FULL, "time": _FULL_TIME},
    {"box": _FULL_BOX, "initial": _FULL_SEEDS, "equations": _LEVEL["full"], "full": _THERMAL, "time": _FULL_TIME},
    {
        "box": _FULL_BOX,
        "initial": _FULL_SEEDS,
        "equations": _LEVEL["full"],
        "time": _FULL_TIME,
        "full": {
            "points": 48,
            "p_max": 12.0,
            "sigma": 1.0,
            "distribution": "file",
            "path": "start.h5",
            "quadrature": "laguerre",
        },
    },
)
OUTPUT = {"figures": False, "series_every": 0.1}

_NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    5,
    7,
    17,
    0.5,
    -0.5,
    1e-3,
    1e-9,
    1e-30,
    1e-300,
    5e-324,
    1e9,
    1e30,
    1e300,
    1.7e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    2**31,
    2**31 - 1,
    2**63,
    -(2**63),
    2**64,
    10**30,
    10**400,
    -0.0,
)
_WORDS = (
    "",
    " ",
    "\n",
    "ü",
    "🌀",
    "\u202e",
    "../x",
    "/",
    "~",
    "nan",
    "inf",
    "all",
    "None",
    "true",
    "start.h5",
    "none.h5",
    "a" * 5000,
    "\x7f",
    "$(id)",
    "%s{}",
    "-ts_view",
    "-help",
    "-ts_rk_type nonsense",
    "0",
    "x\ty",
)
_KEYS = sorted({key.name for keys in config.schema().values() for key in keys} | {name for name in config.schema() if name})
_CHOICES = sorted(
    {choice for keys in config.schema().values() for key in keys for choice in key.choices if isinstance(choice, str)}
)
_ALL_KEYS = [(section, key) for section, keys in config.schema().items() for key in keys]


def numbers():
    """Numbers at the ends of what a double or an integer can be, and ordinary ones."""
    return some.sampled_from(_NUMBERS) | some.floats() | some.floats(-2, 2) | some.integers(-20, 20) | some.integers()


def words():
    """Strings: choices of other keys, paths, unicode, nothing at all."""
    text = some.text(some.characters(exclude_categories=["Cs"]), max_size=8)
    return some.sampled_from(_WORDS) | some.sampled_from(_CHOICES) | text


def values():
    """Anything that TOML can say."""
    plain = numbers() | words() | some.booleans() | some.dates()
    lists = some.lists(numbers(), max_size=5) | some.lists(plain, max_size=3)
    tables = some.dictionaries(names(), plain, max_size=3)
    nested = some.builds(_nested, some.just([]), some.integers(1, 60)) | some.builds(
        _nested, some.just({}), some.integers(1, 40)
    )
    return some.one_of(numbers(), numbers(), plain, lists, tables, some.lists(tables, max_size=2), nested)


def names():
    """Names of keys and sections: real ones, slightly wrong ones, strange ones."""
    real = some.sampled_from(_KEYS)
    wrong = (real.map(lambda name: name + "s"), real.map(str.upper), real.map(lambda name: name[:-1]))
    return some.one_of(real, *wrong, words())


def _nested(kind, depth):
    value = 1
    for _ in range(depth):
        value = [value] if isinstance(kind, list) else {"end": value}
    return value


@some.composite
def dicts(draw, most=2):
    """A small config with up to `most` things done to it, as a nested dict."""
    whole = {name: dict(section) for name, section in draw(some.sampled_from(SMALL)).items()}
    whole["output"] = dict(OUTPUT)
    for _ in range(draw(some.sampled_from((0, 1, 1, 1, 2))) if most == 2 else draw(some.integers(0, most))):
        _mangle(draw, whole)
    return whole


_MANGLINGS = ("set",) * 9 + ("in force",) * 9 + ("any",) * 2 + ("drop", "extra", "section", "drop section", "move", "rename")


def _mangle(draw, whole):
    """One change in place."""
    sections = [name for name in whole if isinstance(whole[name], dict)]
    what = draw(some.sampled_from(_MANGLINGS))
    if what == "in force":
        _put_in_force(draw, whole)
        return
    if what == "section" or not sections:
        whole[draw(names())] = draw(values())
        return
    name = draw(some.sampled_from(sections))
    section = whole[name]
    known = [key.name for key in config.schema().get(name, ())] or _KEYS
    present = sorted(section, key=str)
    if what == "set":
        key = draw(some.sampled_from(known))
        section[key] = draw(_nearly(name, key))
    elif what == "any":
        section[draw(some.sampled_from(known))] = draw(values())
    elif what == "extra":
        section[draw(names())] = draw(values())
    elif what == "drop section":
        del whole[name]
    elif what == "move":
        whole[draw(some.sampled_from(sections))] = section
    elif present:
        value = section.pop(draw(some.sampled_from(present)))
        if what == "rename":
            section[draw(names())] = value


def _put_in_force(draw, whole):
    """Any key of the schema, set, with the kind and level under which it exists and what else these require."""
    name, key = draw(some.sampled_from(_ALL_KEYS))
    if isinstance(whole.get(name, {}), dict):
        put(whole, name, key, draw(_nearly(name, key.name)))


def put(whole, name, key, value):
    """Set a key of section `name` in place, in a kind that has it; keys that this kind has not go, those it requires come."""
    kinds, table = config.catalog.sections()[name], whole.setdefault(name, {}) if name else whole
    if name in config.LEVEL_SECTIONS:
        whole["equations"] = {"level": name}
    known = config.catalog.entries(kinds)
    here = config.catalog.entries((next(kind for kind in kinds if key.name in kind.key_names),))
    for other in [other for other in table if other in known and other not in here]:
        del table[other]
    for other in here.values():
        if other.selects:
            table[other.name] = other.default
        elif other.default is config.REQUIRED and other.name not in table:
            table[other.name] = usual(other)
    table[key.name] = value


def usual(key):
    """An unremarkable value of a key of the schema, within its bounds."""
    low, high = (next((key.bounds[name] for name in pair if name in key.bounds), None) for pair in (("gt", "ge"), ("lt", "le")))
    number = 4 if low is None or low < 4 else low + 1
    number = number if high is None or number <= high else high
    plain = {"number": float(number), "integer": int(number), "boolean": True, "string": "start.h5", "modes": 0, "table": {}}
    if key.choices:
        plain = dict.fromkeys((key.type, key.scalar), key.choices[0])
    if key.type == "tables":
        return [{field.name: usual(field) for field in key.fields}]
    plain["vector"] = plain["content"] = plain.get("number")
    if key.type == "rows":
        return [[float(number)] * 3] * 2
    one = plain[key.type] if key.type in plain else plain[key.scalar]
    return [one] * 2 if key.type in config.LISTS else one


def _nearly(section, name):
    """Values of about the right type for a key, so that many pass the first checks."""
    key = next((key for key in config.schema().get(section, ()) if key.name == name), None)
    kind = key.type if key else "string"
    if key and key.per_axis:
        one = _nearly_number(key, key.scalar)
        return one | some.lists(one, min_size=1, max_size=4)
    if kind == "vectors":
        speeds = some.sampled_from((-1.0, 0.0, 0.6, 0.8)) | numbers()
        return some.lists(speeds | some.lists(speeds, min_size=1, max_size=4), max_size=4)
    if key and key.choices and kind == "choice":
        return some.sampled_from(key.choices) | words()
    if kind in ("numbers", "integers"):
        few = some.lists(some.sampled_from((-1, 0, 1, 0.5, 1e300)), min_size=2, max_size=4)
        return some.lists(numbers(), max_size=5) | few
    if kind in ("number", "integer"):
        return _nearly_number(key, kind)
    if kind == "tables":
        required = {field.name: numbers() for field in key.fields if field.default is config.REQUIRED}
        others = {field.name: values() for field in key.fields if field.name not in required}
        table = some.fixed_dictionaries(required, optional=others)
        return some.lists(table | values(), max_size=3)
    return {"boolean": some.booleans() | values(), "string": words()}.get(kind, values())


def _nearly_number(key, kind):
    common = some.sampled_from((0.5, 1.0, 3.0, 1e-6, 1e-30, 1e30) if kind == "number" else (0, 2, 3, 4, 6, 16))
    ordinary = some.floats(-2, 2) if kind == "number" else some.integers(0, 20)
    if key.quantity:
        common |= some.sampled_from((QUANTITIES[key.quantity].example, "1e33 /cm^3", "3 /km", "1e400 m", "2 m^-3^9"))
    return some.one_of(common, ordinary, some.just(usual(key)), some.integers(-4, 100), numbers())


@some.composite
def texts(draw):
    """The config as bytes of a file: mostly a mangled dict as TOML, sometimes with bytes changed on top."""
    text = bytearray(_written(draw(dicts())).encode("utf-8", "surrogatepass"))
    if draw(some.integers(0, 7)) == 0:
        for _ in range(draw(some.integers(1, 4))):
            place = draw(some.integers(0, len(text)))
            what = draw(some.sampled_from(("insert", "delete", "cut", "double")))
            if what == "insert":
                text[place:place] = draw(some.binary(max_size=4) | words().map(str.encode))
            elif what == "delete":
                del text[place : place + draw(some.integers(1, 8))]
            elif what == "cut":
                del text[place:]
            else:
                text += text[place:]
    return bytes(text)


def _written(whole):
    try:
        return config.to_toml(whole)
    except (TypeError, ValueError):  # keys that are no strings, integers with too many digits to print
        return repr(whole)


def overrides():
    """Words after --set, mostly few."""
    name = some.sampled_from([f"{section}.{key.name}" if section else key.name for section, key in _ALL_KEYS])
    broken = some.sampled_from(("[1,", "{a=1}", "'", '"""', "1\n2", "[0.5, -0.5]", "true"))
    value = some.one_of(numbers().map(_short), words(), broken)
    proper = some.builds("{}={}".format, name, value)
    longer = proper.map(lambda text: text + "=1")
    strange = some.one_of(words(), some.builds("{}.{}={}".format, names(), names(), value), name, longer)
    few = some.lists(proper | strange, min_size=1, max_size=2)
    return some.integers(0, 7).flatmap(lambda die: some.just([]) if die else few)


def _short(number):
    return "1e999" if isinstance(number, int) and abs(number) > 10**300 else str(number)


# --- command lines ---------------------------------------------------------------------------------------------------

# Files and directories that `prepare` makes, inside of a run and beside; none leads out of the directory.
_RUNS = ("good", "good", "good", "stopped", "full", "damaged", "empty")
_PLACES = (
    "new",
    "new/deeper",
    "new.svg",
    "new.jpg",
    "good/series.h5",
    "good/energy.png",
    "good/run.toml",
    "stopped/checkpoint.h5",
    "stopped/run.toml",
    "damaged/checkpoint.h5",
    "damaged/series.h5",
    "damaged/energy.png",
    "start.h5",
    "start.h5/below",
    "case.toml",
    "case.toml/below",
    "none.toml",
    "none.h5",
    "none.xyz",
    "new.png",
    "new.pdf",
    "empty/none.h5",
)
_WALL_TIMES = (
    "99:30",
    "99:00:20",
    "1-00:00:00",
    "100000",
    "1e3",
    "-5",
    "0",
    "0.5",
    "1:2:3:4",
    "99:99:99",
    "9" * 400,
    "1:",
    "1-1",
    "٣",
    "²",
    "1.5e",
    "inf",
)
_CASES = ("two_beam", "single_wave", "two_beams", "Two_Beam")
_COMMANDS = next(action for action in parser()._actions if action.dest == "command").choices


def _safe_words():
    """Words of a command line that name no place outside of the directory, and no other file of it by accident."""
    return words().filter(lambda word: not set(word) & set("/~\0") and ".." not in word)


def _argument(action):
    """What may stand for one value of an argument of argparse: mostly of its own kind."""
    if action.choices:
        own = some.sampled_from(sorted(action.choices))
    elif action.type is float:
        own = some.floats(-10, 10).map(str) | numbers().map(str)
    elif action.dest == "overrides":
        own = overrides().map(lambda chosen: (chosen + ["time.rtol=1e-5"])[0]).filter(lambda word: "/" not in word)
    elif action.dest in ("case", "name"):
        own = some.just("case.toml") | some.just("case.toml") | some.sampled_from(_RUNS + _PLACES + _CASES)
    elif action.dest in ("walltime", "ranks"):
        own = some.sampled_from(_WALL_TIMES) | some.integers(-2, 300).map(str)
    elif action.dest == "resume":
        own = some.sampled_from(("auto", "never", "stopped/checkpoint.h5", "damaged/checkpoint.h5", "start.h5"))
    else:
        own = some.sampled_from(_RUNS) | some.sampled_from(_RUNS + _PLACES)
    return some.integers(0, 19).flatmap(lambda die: own if die else _safe_words() | some.sampled_from(_PLACES))


@some.composite
def command_lines(draw):
    """Arguments of cli.main: a command with any of its options, as its parser has them, in any order."""
    others = [name for name in _COMMANDS if name != "doctor"]
    name = draw(some.sampled_from(["run", "linear", "check", "diff", *others]))
    parts = []
    for action in _COMMANDS[name]._actions:
        if action.dest == "help" or action.option_strings and draw(some.integers(0, 3)):
            continue
        if draw(some.integers(0, 19)) == 0:
            count = draw(some.integers(0, 3))  # too few, perhaps, or too many
        elif isinstance(action.nargs, int):
            count = action.nargs
        else:
            count = draw(some.integers(1, 3)) if action.nargs == "+" else 1
        flag = [draw(some.sampled_from(action.option_strings))] if action.option_strings else []
        parts.append(flag + [draw(_argument(action)) for _ in range(count)])
    words = [word for part in (parts if draw(some.booleans()) else draw(some.permutations(parts))) for word in part]
    if draw(some.integers(0, 19)) == 0:
        words.insert(draw(some.integers(0, len(words))), draw(_safe_words()))
    if name == "run" and draw(some.integers(0, 5)) == 0:
        words += ["--", *draw(some.lists(_safe_words(), max_size=3))]
    return [name, *words]


@some.composite
def examples(draw):
    """(bytes of case.toml, arguments of cli.main): two in three are plain runs of the config with overrides."""
    if draw(some.integers(0, 2)) == 0:
        text = draw(texts()) if draw(some.booleans()) else _written(draw(dicts(most=0))).encode()
        return text, draw(command_lines())
    return draw(texts()), plain_run(draw(overrides()))


_PLAIN_RUN = ["run", "case.toml", "--out", "new"]


def plain_run(overrides):
    """Arguments that run case.toml in the directory "new"."""
    settings = [f"--set={word}" for word in overrides]
    return [*_PLAIN_RUN, "--overwrite", "--deterministic", *settings]


# --- sweep -----------------------------------------------------------------------------------------------------------

EXTREMES = (
    "0",
    "-1",
    "1",
    "1e-30",
    "1e30",
    "-1e30",
    "nan",
    "inf",
    "-inf",
    str(2**31),
    str(2**63 - 1),
    "1" + "0" * 400,
    '""',
    "true",
    "[]",
    "{}",
    "[nan]",
)
_SMALLER = {"box.points": 16, "box.length": 10.0, "initial.n_max": 3, "modes.number": 4, "output.figures": False}


def small_case(name):
    """A shipped case, resolved, with few points, directions and steps; its momenta stay."""
    present = dict(config.flat(config.resolve(name)))
    wanted = {
        key: [value] * len(present[key]) if isinstance(present[key], list) else value
        for key, value in _SMALLER.items()
        if key in present
    }
    small = config.resolve(name, [f"{key}={config.toml_value(value)}" for key, value in wanted.items()]).plain()
    start = small["time"]["start"]
    small["time"] |= {"end": start + 0.2, "rtol": 1e-5}
    small["output"] |= {"series_every": 0.1, "fields_every": 0.1, "spectrum_every": 0.1}
    return small


def sweep(cases):
    """(bytes of case.toml, override): each key of these shipped cases at each extreme value."""
    for name in cases:
        small = small_case(name)
        text = config.to_toml(small).encode()
        for section, key in _ALL_KEYS:
            table = small.get(section, {}) if section else small
            if key.name not in table:
                continue
            where = f"{section}.{key.name}" if section else key.name
            for word in _at_extremes(key, table[key.name], config.stored(small).modes.count):
                yield text, f"{where}={word}"


def _at_extremes(key, value, count):
    """TOML values for one key: the extremes; lists of them of the right length; items and tables with one of them."""
    yield from EXTREMES
    if key.type in config.LISTS or isinstance(value, list) and key.per_axis:
        length = len(value) if value else count
        for word in EXTREMES:
            yield f"[{', '.join([word] * length)}]"
            yield f"[{', '.join([word] + ['0.5'] * (length - 1))}]"
    for field in key.fields:
        for word in EXTREMES:
            others = {other.name: config.toml_value(value[0][other.name]) for other in key.fields} | {field.name: word}
            yield "[{" + ", ".join(f"{name} = {item}" for name, item in others.items()) + "}]"


# --- carrying out ----------------------------------------------------------------------------------------------------

_NAMES = {
    errors.EXIT_DONE: "ran",
    errors.EXIT_STOPPED: "stopped in time",
    errors.EXIT_BAD_INPUT: "refused",
    errors.EXIT_NUMERICAL: "numerical failure",
}
OUTCOMES = (*_NAMES.values(), "traceback", "wrong")


def sentences(text):
    """Whether stderr of a refusal is sentences: something is said, and no traceback."""
    return bool(text.strip()) and "Traceback" not in text and "Error:" not in text


def silent_nan(run):
    """Names of series of a run that hold NaN or infinity where docs/output.md does not say that they may."""
    may = {"dU_osc_dt_difference", "dK_dt_difference", "nu_x", "P_ee", "P_ee_bar"}
    if run.config["equations"]["level"] == "full":
        may |= {"dU_osc_dt", "P_drift_max", "P_drift_mean"}
    return [name for name in run.series if name not in may and not np.isfinite(run.series[name]).all()]


@contextlib.contextmanager
def stopping(seconds):
    """SIGTERM to this process after `seconds`, again and again, as soon as a run listens for it."""

    def remind(number, frame):
        if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0.1)

    before = signal.signal(signal.SIGALRM, remind)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def carry_out(text, argv, seconds):
    """One example through cli.main in the current directory; -> (outcome, what is wrong or "")."""
    Path("case.toml").write_bytes(text)
    said, problem = io.StringIO(), ""
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()), stopping(seconds):
        try:
            code = commands.main(argv)
        except SystemExit as end:
            code = end.code
        except Exception:
            return "traceback", traceback.format_exc()
    if argv[0] == "diff" and code == errors.EXIT_FAILURE:
        code = errors.EXIT_DONE  # they differ
    if code not in _NAMES:
        problem = f"exit code {code}: {said.getvalue()}"
    elif code in (errors.EXIT_BAD_INPUT, errors.EXIT_NUMERICAL) and not sentences(said.getvalue()):
        problem = f"no sentence: {said.getvalue()!r}"
    elif code in (errors.EXIT_DONE, errors.EXIT_STOPPED) and argv[:4] == _PLAIN_RUN:
        from nuflux_mpi.results.reader import Run

        damaged = silent_nan(Run("new"))
        problem = f"not finite, but not said: {', '.join(damaged)}" if damaged else ""
    return ("wrong" if problem else _NAMES[code]), problem


def prepare():
    """Files that the examples name, in the current directory: initial files, runs that are done, stopped and damaged.

    The kernels are compiled by the way, if they are not yet.
    """
    import h5py

    quiet = io.StringIO()
    with contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
        Path("empty").mkdir()
        Path("case.toml").write_text(config.to_toml(SMALL[0] | {"output": OUTPUT}))
        commands.main(["run", "case.toml", "--out", "good", "--deterministic"])
        commands.main(["plot", "good", "--what", "energy"])
        with stopping(0.01):
            commands.main(["run", "case.toml", "--out", "stopped", "--deterministic", "--set=time.end=1e3"])
        full = nuflux_mpi.simulate(next(case for case in SMALL if case.get("full") == _FULL), out="full")
        with h5py.File("start.h5", "w") as file:
            file["P"] = _polarization(16)
            file["q"] = q = np.linspace(-8, 8, 101)
            file["g"] = np.exp(-(q**2) / 2)
            file["rho"] = full.phase_space["rho"][0]
        shutil.copytree("good", "damaged")
        for name in ("series.h5", "checkpoint.h5", "energy.png"):
            os.truncate(f"damaged/{name}", os.path.getsize(f"good/{name}") // 2)


def _polarization(points):
    P = np.zeros((2, 3, points))
    P[:, 2] = [[0.5], [-0.5]]
    P[:, 0] = 1e-3 * np.cos(2 * np.pi * np.arange(points) / points)
    return P


class Tally:
    """Examples carried out one by one in copies of prepared files; counts, and keeps what is wrong."""

    def __init__(self, stock, seconds):
        self.stock, self.seconds = stock, seconds
        self.outcomes, self.slowest, self.wrong = collections.Counter(), (0.0, []), 0

    def __call__(self, text, argv):
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True, file=sys.__stderr__)
        with tempfile.TemporaryDirectory() as here:
            Path(here, "last").write_bytes(text + repr(argv).encode())
            if argv[:4] == _PLAIN_RUN or argv[0] in ("check", "linear"):  # these need no runs to look at
                shutil.copy(self.stock / "start.h5", here)
            else:
                shutil.copytree(self.stock, here, dirs_exist_ok=True)
            os.chdir(here)
            begun = time.monotonic()
            outcome, problem = carry_out(text, argv, self.seconds)
            taken = time.monotonic() - begun
            os.chdir(self.stock)
        faulthandler.cancel_dump_traceback_later()
        self.slowest = max(self.slowest, (taken, argv))
        self.outcomes[argv[0], outcome] += 1
        if problem:
            self.wrong += 1
            print(f"--- {outcome}\n{text.decode('utf-8', 'replace')[:1500]}\n{argv}\n{problem[-1500:]}", flush=True)
        return outcome

    def table(self):
        """Counts by command and outcome, and the longest time, as lines of text."""
        commands = sorted({command for command, _ in self.outcomes})
        width = max(map(len, OUTCOMES))
        lines = [f"{'':<8}" + "".join(f"{outcome:>{width + 2}}" for outcome in OUTCOMES)]
        for command in commands:
            counts = (self.outcomes[command, outcome] for outcome in OUTCOMES)
            lines.append(f"{command:<8}" + "".join(f"{count:>{width + 2}}" for count in counts))
        sums = (sum(self.outcomes[command, outcome] for command in commands) for outcome in OUTCOMES)
        lines.append(f"{'all':<8}" + "".join(f"{count:>{width + 2}}" for count in sums))
        seconds, argv = self.slowest
        lines.append(f"{self.outcomes.total()} examples; the longest took {seconds:.1f} s: {' '.join(argv)!r}")
        return "\n".join(lines)


def main(argv=None):
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--examples", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--seconds", type=float, default=1.0, help="after this long a run is asked to stop")
    arguments.add_argument("--sweep", nargs="*", metavar="CASE", help="shipped cases (all) at extreme values")
    options = arguments.parse_args(argv)

    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        prepare()
        tally = Tally(Path(name), options.seconds)

        @hypothesis.settings(
            max_examples=max(options.examples, 1),
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.seed(options.seed)
        @hypothesis.given(examples())
        def carry_out_all(example):
            if tally.outcomes.total() < options.examples:
                tally(*example)

        if options.examples:
            carry_out_all()
        for text, override in sweep(options.sweep or config.cases()) if options.sweep is not None else ():
            if tally(text, ["check", "case.toml", f"--set={override}"]) != "refused":
                tally(text, ["linear", "case.toml", f"--set={override}"])
                tally(text, plain_run([override]))

    print(tally.table())
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    sys.exit(main())

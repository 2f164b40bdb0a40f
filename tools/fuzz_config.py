#!/usr/bin/env python3
"""Mangled configs through the command line: each must run, or be refused in sentences, and never end in a traceback.

    python tools/fuzz_config.py --examples 1000
    python tools/fuzz_config.py --examples 1000 --seed 7 --seconds 2

Each example is a small config of one of the kinds and levels that something was done to: values of other types, NaN,
infinities, huge and tiny numbers, unicode, keys and sections that are missing, too many, misspelled or elsewhere, deep
nesting, bytes of the text changed, overrides of every shape. It goes through `nuflux_mpi.cli.main` with --set and all; a
run is asked to stop after --seconds. What may come out: exit code 0 or 3 with series free of NaN, 2 or 4 with sentences
on stderr. Anything else is printed with the config and makes the exit code 1. Needs hypothesis.
"""

import argparse
import collections
import contextlib
import faulthandler
import io
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nuflux_mpi  # noqa: E402,F401  (prepares the environment before numpy is loaded)
import hypothesis  # noqa: E402
import hypothesis.strategies as some  # noqa: E402
import numpy as np  # noqa: E402
from nuflux_mpi import cli, config, errors  # noqa: E402

HANGS_AFTER = 60.0  # seconds after which an example counts as hanging: the stacks are printed and the program ends

_TIME = {"end": 0.2, "rtol": 1e-6}
_BOX = {"length": 10.0, "points": 16}
_SEEDS = {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 3}
_WAVES = {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": 1, "amplitude": 0.1}, {"n": -2, "amplitude": 0.1, "mode": 0}]}
_PROFILE = {"kind": "profile", "zeta": [0.5, -0.5], "shape": "sech", "amplitude": 0.1, "width": 1.0, "n": 1}
_GAUSSIAN = {"kind": "angular", "number": 4, "alpha": 0.9}
_POLYNOMIAL = {"kind": "angular", "number": 4, "quadrature": "midpoint", "distribution": "polynomial", "coefficients": [0.1, 1.0]}
_TABLE = {"kind": "angular", "number": 4, "distribution": "table", "v": [-1.0, 0.0, 1.0], "G": [-1.0, 0.2, 1.0]}
_ANGULAR_SEEDS = {"n_max": 3, "amplitudes_in": "n_a", "same_for_all": True}
_BEAMS = {"velocity": [1.0, -1.0], "sign": [1, -1], "density": [0.6, 0.7]}
_THERMAL = {"points": 512, "half_width": 30.0, "distribution": "fermi-dirac", "temperature": 1.0}
_FULL = {"points": 48, "p_max": 12.0, "p0": 6.0, "sigma": 1.0}
_LEVEL = {name: {"level": name} for name in ("standard", "energy", "momentum", "full")}

# Small runs of every kind of modes, initial state and level, each a few milliseconds of work.
SMALL = (
    {"box": _BOX, "initial": _SEEDS, "time": _TIME},
    {"box": _BOX, "initial": _WAVES, "time": _TIME, "equations": _LEVEL["energy"], "modes": _BEAMS},
    {"box": _BOX, "initial": _PROFILE, "time": _TIME | {"method": "5dp"}, "petsc": {"options": ""}},
    {"box": _BOX, "modes": _GAUSSIAN, "initial": _ANGULAR_SEEDS, "time": _TIME},
    {"box": _BOX, "modes": _POLYNOMIAL, "initial": _ANGULAR_SEEDS, "time": _TIME, "equations": _LEVEL["energy"]},
    {"box": _BOX, "modes": _TABLE, "initial": _ANGULAR_SEEDS | {"variance": 1e-4}, "time": _TIME},
    {"box": _BOX, "initial": {"kind": "file", "path": "start.h5"}, "time": _TIME},
    {"box": _BOX, "initial": _SEEDS, "time": _TIME, "equations": _LEVEL["momentum"], "momentum": {"points": 64}},
    {"box": _BOX, "modes": _GAUSSIAN, "initial": _ANGULAR_SEEDS, "time": _TIME, "equations": _LEVEL["momentum"],
     "momentum": _THERMAL},
    {"box": _BOX | {"points": 4}, "initial": _SEEDS | {"n_max": 1}, "equations": _LEVEL["full"], "full": _FULL,
     "time": {"end": 0.05, "rtol": 1e-4, "method": "5dp"}},
)
OUTPUT = {"figures": False, "series_every": 0.1}

_NUMBERS = (0, 1, -1, 2, 3, 5, 7, 17, 0.5, -0.5, 1e-3, 1e-9, 1e-30, 1e-300, 5e-324, 1e9, 1e30, 1e300, 1.7e308, float("inf"), float("-inf"),
            float("nan"), 2**31, 2**31 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400, -0.0)
_WORDS = ("", " ", "\n", "ü", "🌀", "\u202e", "../x", "/", "~", "nan", "inf", "all", "None", "true", "start.h5", "none.h5", "a" * 5000,
          "\x7f", "$(id)", "%s{}", "-ts_view", "-help", "-ts_rk_type nonsense", "0", "x\ty")
_KEYS = sorted({key.name for keys in config.SCHEMA.values() for key in keys} | {name for name in config.SCHEMA if name})
_CHOICES = sorted({choice for keys in config.SCHEMA.values() for key in keys for choice in key.choices if isinstance(choice, str)})


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
    nested = some.integers(1, 60).map(lambda depth: _nested([], depth)) | some.integers(1, 40).map(lambda depth: _nested({}, depth))
    return some.one_of(numbers(), numbers(), plain, lists, tables, some.lists(tables, max_size=2), nested)


def names():
    """Names of keys and sections: real ones, slightly wrong ones, strange ones."""
    real = some.sampled_from(_KEYS)
    return some.one_of(real, real.map(lambda name: name + "s"), real.map(str.upper), real.map(lambda name: name[:-1]), words())


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
    for _ in range(draw(some.integers(0, most))):
        _mangle(draw, whole)
    return whole


def _mangle(draw, whole):
    """One change in place."""
    sections = [name for name in whole if isinstance(whole[name], dict)]
    what = draw(some.sampled_from(("set", "set", "set", "set", "any", "set", "any", "drop", "extra", "section", "drop section", "move", "rename")))
    if what == "section" or not sections:
        whole[draw(names())] = draw(values())
        return
    name = draw(some.sampled_from(sections))
    section = whole[name]
    known = [key.name for key in config.SCHEMA.get(name, ())] or _KEYS
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


def _nearly(section, name):
    """Values of about the right type for a key, so that many pass the first checks."""
    key = next((key for key in config.SCHEMA.get(section, ()) if key.name == name), None)
    kind = key.type if key else "string"
    if key and key.choices and kind == "choice":
        return some.sampled_from(key.choices) | words()
    if kind in ("numbers", "integers"):
        return some.lists(numbers(), max_size=5) | some.lists(some.sampled_from((-1, 0, 1, 0.5, 1e300)), min_size=2, max_size=4)
    if kind in ("number", "integer"):
        usual = some.sampled_from((0.5, 1.0, 3.0, 1e-6) if kind == "number" else (2, 3, 4, 6, 16))
        return usual | numbers() | some.integers(-4, 100)
    if kind == "tables":
        wave = some.fixed_dictionaries({"n": numbers(), "amplitude": numbers()}, optional={"mode": values(), "phase": numbers()})
        return some.lists(wave | values(), max_size=3)
    return {"boolean": some.booleans() | values(), "string": words()}.get(kind, values())


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
    name = some.sampled_from([f"{section}.{key.name}" if section else key.name for section, keys in config.SCHEMA.items() for key in keys])
    value = some.one_of(numbers().map(_short), words(), some.sampled_from(("[1,", "{a=1}", "'", '"""', "1\n2", "[0.5, -0.5]", "true")))
    proper = some.builds("{}={}".format, name, value)
    strange = some.one_of(words(), some.builds("{}.{}={}".format, names(), names(), value), name, proper.map(lambda text: text + "=1"))
    return some.integers(0, 3).flatmap(lambda die: some.just([]) if die else some.lists(proper | strange, max_size=2))


def _short(number):
    return "1e999" if isinstance(number, int) and abs(number) > 10**300 else str(number)


# --- carrying out ----------------------------------------------------------------------------------------------------


def sentences(text):
    """Whether stderr of a refusal is sentences: something is said, and no traceback."""
    return bool(text.strip()) and "Traceback" not in text and "Error:" not in text


def silent_nan(run):
    """Names of series of a run that hold NaN or infinity where docs/output.md does not say that they may."""
    may = {"dU_osc_dt_difference", "nu_x", "P_ee", "P_ee_bar"}
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


def carry_out(text, words, directory, seconds):
    """One example through cli.main in `directory`; -> (outcome, what is wrong or "")."""
    case, out = directory / "case.toml", directory / "run"
    case.write_bytes(text)
    argv = ["run", str(case), "--out", str(out), "--overwrite", "--deterministic"]
    argv += [f"--set={word}" for word in words]
    said, problem = io.StringIO(), ""
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said), stopping(seconds):
        try:
            code = cli.main(argv)
        except SystemExit as end:
            code = end.code
        except Exception:
            return "traceback", traceback.format_exc()
    if code in (errors.EXIT_DONE, errors.EXIT_STOPPED):
        from nuflux_mpi.results import Run

        damaged = silent_nan(Run(out))
        problem = f"not finite, but not said: {', '.join(damaged)}" if damaged else ""
    elif code not in (errors.EXIT_BAD_INPUT, errors.EXIT_NUMERICAL):
        problem = f"exit code {code}: {said.getvalue()}"
    elif not sentences(said.getvalue()):
        problem = f"no sentence: {said.getvalue()!r}"
    names = {errors.EXIT_DONE: "ran", errors.EXIT_STOPPED: "stopped in time", errors.EXIT_BAD_INPUT: "refused",
             errors.EXIT_NUMERICAL: "numerical failure"}
    return ("wrong" if problem else names[code]), problem


def write_start(path):
    """An initial file that fits the small configs."""
    import h5py

    P = np.zeros((2, 3, 16))
    P[:, 2] = [[0.5], [-0.5]]
    P[:, 0] = 1e-3 * np.cos(2 * np.pi * np.arange(16) / 16)
    with h5py.File(path, "w") as file:
        file["P"] = P


def main(argv=None):
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--examples", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--seconds", type=float, default=1.0, help="after this long a run is asked to stop")
    arguments.add_argument("--list", action="store_true", help="print each distinct refusal")
    options = arguments.parse_args(argv)
    outcomes, slowest, refusals, wrong = collections.Counter(), 0.0, collections.Counter(), []

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_start(directory / "start.h5")
        os.chdir(directory)

        @hypothesis.settings(max_examples=options.examples, deadline=None, database=None,
                             phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.seed(options.seed)
        @hypothesis.given(texts(), overrides())
        def examples(text, words):
            nonlocal slowest
            if sum(outcomes.values()) >= options.examples:
                return
            faulthandler.dump_traceback_later(HANGS_AFTER, exit=True, file=sys.__stderr__)
            (directory / "last").write_bytes(text + repr(words).encode())
            begun = time.monotonic()
            outcome, problem = carry_out(text, words, directory, options.seconds)
            slowest = max(slowest, time.monotonic() - begun)
            faulthandler.cancel_dump_traceback_later()
            outcomes[outcome] += 1
            if problem:
                wrong.append((outcome, text, words, problem))

        examples()

    for outcome, text, words, problem in wrong[:20]:
        print(f"--- {outcome}\n{text.decode('utf-8', 'replace')[:1500]}\n--set {words}\n{problem[-1500:]}")
    print(f"{sum(outcomes.values())} configs: " + ", ".join(f"{outcomes[name]} {name}" for name in
          ("ran", "stopped in time", "refused", "numerical failure", "traceback", "wrong")) + f"; the longest took {slowest:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

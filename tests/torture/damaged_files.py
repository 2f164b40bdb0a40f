"""Damage to the files of runs: does each resumed run end with the right result, or in a sentence?

    python tests/torture files --flips 2000 --cuts 200 --swaps 50 --seed 1     exit code 1 if one did not

Small runs with every kind of file are finished, stopped, or killed in the middle. A trial takes a copy of one, turns a bit of
one of its files, cuts one, or puts something else in its place (a file of another run or of an earlier state, another file of
the same run, nothing, text, noise), and resumes. It must

- end with exit code 0, and then every complete record of every result file is that of an undisturbed run, bit for bit; or
- end with exit code 1 or 2 and one sentence, and then all files are as they were.

No traceback, no signal, no hang. A trial is reproduced by its seed and number (--seed S --first N).

Each run is a child forked from this process, which has loaded everything and has not started MPI; so is the process that
looks into the files before. A few are real commands (--real).
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mpi4py  # noqa: E402

mpi4py.rc.initialize = False

import h5py  # noqa: E402
import numpy as np  # noqa: E402
from mpi4py import MPI  # noqa: E402
from processes import python, start  # noqa: E402

from nuflux_mpi import config, kernels  # noqa: E402
from nuflux_mpi.analysis import growth  # noqa: E402, F401  (loaded for all runs)
from nuflux_mpi.cli import commands  # noqa: E402
from nuflux_mpi.physics import diagnostics  # noqa: E402, F401
from nuflux_mpi.results import content, probe, provenance, run_directory, summary  # noqa: E402, F401
from nuflux_mpi.run import check, simulation  # noqa: E402, F401  (loaded for all runs)
from nuflux_mpi.runtime import child  # noqa: E402
from nuflux_mpi.time.integrator import KERNELS  # noqa: E402

CASE = """
[box]
length = 10.0
points = 16
[modes]
velocity = [1.0, -1.0]
[initial]
kind = "seeds"
zeta = [0.5, -0.5]
n_max = 5
variance = 1e-4
seed = {seed}
[equations]
level = "momentum"
[momentum]
points = 22
half_width = 7.7
sigma = 1.2
[time]
end = {end}
rtol = 1e-6
[output]
series_every = 0.25
fields_every = 0.5
spectrum_every = 0.5
phase_space_every = 1.0
figures = false
"""
END, EARLY, MIDDLE = 4.0, 2.0, 3.0
RESULTS = ("series.h5", "fields.h5", "phase_space.h5")
STATES = ("killed", "stopped", "finished")
PATIENCE, A_LOOK = 300.0, 10.0  # seconds of a run that takes one; of a look into its files, which takes less


def in_child(function, log=os.devnull, patience=PATIENCE):
    """Call `function` in a fork, its output in the file `log`. -> exit code, or the negative of a signal."""
    begin, pid = time.monotonic(), os.fork()
    if pid == 0:
        code = 70
        try:
            child.end_with_parent()
            sys.stdout = sys.stderr = open(log, "w", buffering=1, errors="backslashreplace")
            os.dup2(sys.stdout.fileno(), 1)
            os.dup2(sys.stdout.fileno(), 2)
            code = function()
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            sys.stdout.flush()
            os._exit(code if isinstance(code, int) else 70)
    while time.monotonic() - begin < patience:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -signal.SIGALRM


def fork_to_ask(module, arguments, timeout):
    """In place of `child.ask` within a run: the same in a fork, which has everything loaded."""
    answers = Path(tempfile.mkstemp(prefix="answer-")[1])

    def answer():
        answers.write_text(json.dumps([probe.examine(request) for request in json.loads(arguments[0])]))
        return 0

    try:
        code = in_child(answer, patience=A_LOOK)
        if code:
            raise child.Crashed(f"signal {-code}")
        return json.loads(answers.read_text())
    finally:
        answers.unlink()


def command(words):
    """`python -m nuflux_mpi` with these words, in this process. -> exit code"""
    MPI.Init()
    child.ask, provenance.commit = fork_to_ask, lambda: ("", False)
    return commands.main([str(word) for word in words])


def prepare(scratch):
    """Make the runs that are damaged, and those that are compared or mistaken for them."""
    for name, seed, end in (("case", 1, END), ("early", 1, EARLY), ("middle", 1, MIDDLE), ("other", 2, END)):
        (scratch / f"{name}.toml").write_text(CASE.format(seed=seed, end=end))

    def run(case, out, *more):
        code = in_child(
            lambda: command(["run", scratch / f"{case}.toml", "--out", scratch / out, "--deterministic", *more]),
            scratch / "prepare.log",
        )
        assert code == 0, (scratch / "prepare.log").read_text()

    run("case", "whole")
    run("other", "other")
    run("case", "again")
    run("early", "early", "--set", "output.figures=true")
    shutil.copytree(scratch / "early", scratch / "stopped")
    run("middle", "stopped", "--resume", "auto")
    shutil.copytree(scratch / "stopped", scratch / "finished")
    run("case", "finished", "--resume", "auto")
    shutil.copytree(scratch / "stopped", scratch / "killed")
    after_the_checkpoint(scratch)


def after_the_checkpoint(scratch):
    """Let `killed` be a run that was killed when it had written more than its checkpoint counts, and its lock."""
    for name in RESULTS:
        shutil.copy(scratch / "finished" / name, scratch / "killed" / name)
    shutil.copy(scratch / "finished" / "checkpoint.previous.h5", scratch / "killed" / "left.h5")
    os.replace(scratch / "killed" / "left.h5", scratch / "killed" / "checkpoint.writing.h5")
    lock = {"host": os.uname().nodename, "pid": 4194303, "job": "", "started": "2026-01-01T00:00:00Z"}
    (scratch / "killed" / "RUNNING").write_text(json.dumps(lock) + "\n")


# --- damage --------------------------------------------------------------------------------------------------------------


def flip(rng, directory, scratch):
    path = choose(rng, directory)
    content_, bit = bytearray(path.read_bytes()), rng.randrange(8)
    place = rng.randrange(len(content_))
    content_[place] ^= 1 << bit
    path.write_bytes(content_)
    return f"bit {bit} of byte {place} of {path.name}"


def cut(rng, directory, scratch):
    path = choose(rng, directory)
    size = path.stat().st_size
    left = min(size - 1, int(size * rng.choice((rng.random(), 0.9, 0.99, 0.999, 1.0))))
    os.truncate(path, left)
    return f"{path.name} cut to {left} of {size} bytes"


def swap(rng, directory, scratch):
    path, kind = choose(rng, directory), rng.choice(("other", "again", "early", "whole", "places", "empty", "text", "noise"))
    if kind == "places":
        other = choose(rng, directory)
        whole, theirs = path.read_bytes(), other.read_bytes()
        path.write_bytes(theirs)
        other.write_bytes(whole)
        return f"{path.name} and {other.name} exchanged"
    source = scratch / kind / path.name
    if source.exists():
        shutil.copy(source, path)
        return f"{path.name} of the run {kind}"
    path.write_bytes({"empty": b"", "text": b"not what it was\n"}.get(kind, rng.randbytes(2000)))
    return f"{path.name} replaced by {kind}"


def choose(rng, directory):
    """A file of a run, those of results oftener."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.stat().st_size)
    return rng.choice([path for path in files for _ in range(4 if path.name in RESULTS else 1)])


# --- a trial and its judgement -------------------------------------------------------------------------------------------


def trial(kind, seed, number, scratch, real=False):
    """-> (what was done, exit code, what is wrong, "" if nothing)"""
    rng = random.Random(f"{seed} {number} {kind.__name__}")
    state, directory, log = rng.choice(STATES), scratch / "trial", scratch / "trial.log"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(scratch / state, directory)
    done = f"{state}: {kind(rng, directory, scratch)}"
    before = contents(directory)
    words = ["run", scratch / "case.toml", "--out", directory, "--deterministic", "--resume", "auto"]
    if real:
        with open(log, "w") as output:
            code = start(python(["-m", "nuflux_mpi", *words]), stdout=output, stderr=output).wait()
    else:
        code = in_child(lambda: command(words), log)
    said = log.read_text(errors="replace")
    return done, code, wrong(code, said, directory, before, scratch)


def contents(directory):
    """{name: bytes} of what a refused run must leave as it is."""
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if path.is_file() and path.name not in ("RUNNING", "run.log", "checkpoint.writing.h5")
    }


def wrong(code, said, directory, before, scratch):
    """What is not as promised, or ""."""
    if "Traceback" in said:
        return f"a traceback:\n{said}"
    if code in (1, 2):
        sentences = re.findall(r"^nuflux_mpi: .*$", said, re.MULTILINE)
        if len(sentences) != 1:
            return f"exit code {code} and {len(sentences)} sentences:\n{said}"
        changed = [name for name, whole in before.items() if contents(directory).get(name) != whole]
        return f"it was refused, and {', '.join(changed)} changed:\n{said}" if changed else ""
    if code:
        return f"exit code {code}:\n{said}"
    found = scratch / "found"
    judged = in_child(lambda: found.write_text("; ".join(differences(directory, scratch / "whole"))) and 0, found)
    text = found.read_text()
    return f"{text or 'judging it failed'}\n{said}" if judged or text else ""


def differences(directory, whole):
    """In words, what is in the result files of a run and not in an undisturbed one."""
    for name in RESULTS:
        ours, theirs = arrays(directory / name), arrays(whole / name)
        if ours is None:
            yield f"{name} is gone"
            continue
        if ours["time"].size and ours["time"][-1] != theirs["time"][-1]:
            yield f"{name} ends at {ours['time'][-1]}"
        for key, values in ours.items():
            axis = content.dimensions(key)[0]
            expected = theirs.get(key)
            if axis in ("time", "spectrum_time") and expected is not None:
                rows = np.searchsorted(theirs[axis], ours[axis])
                expected = expected[np.minimum(rows, len(expected) - 1)]
            if expected is None or not np.array_equal(values, expected, equal_nan=True):
                yield f"{name}: {key} differs"


def arrays(path):
    if not path.exists():
        return None
    with h5py.File(path, "r") as file:
        return {name: file[name][...] for name in file if name != "wall_time"}


# --- the command -----------------------------------------------------------------------------------------------------------


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind in (flip, cut, swap):
        parser.add_argument(f"--{kind.__name__}s", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first trial of each kind")
    parser.add_argument("--real", type=int, default=0, metavar="N", help="the first N of each kind as real commands")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new directory, and keep it")
    arguments = parser.parse_args(argv)
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
    scratch = (arguments.keep or Path(tempfile.mkdtemp(prefix="torture-files-"))).resolve()
    every = ("touch_pencils", "touch_precess", "touch_drive", "touch_push", "touch_full")
    for touch in (*every, *(touch for some in KERNELS.values() for touch in some)):
        getattr(kernels, touch)()
    prepare(scratch)
    config.resolve(str(scratch / "case.toml"))
    codes, failed, begin = Counter(), 0, time.monotonic()
    for kind in (flip, cut, swap):
        for number in range(arguments.first, arguments.first + getattr(arguments, f"{kind.__name__}s")):
            done, code, problem = trial(kind, arguments.seed, number, scratch, number - arguments.first < arguments.real)
            codes[kind.__name__, code] += 1
            if number % 100 == 99:
                print(f"{kind.__name__} {number}: {time.monotonic() - begin:.0f} s, {failed} failed", flush=True)
            if problem:
                failed += 1
                print(f"{kind.__name__} {number} FAILED: {done}: {problem}", flush=True)
    for kind in (flip, cut, swap):
        counts = {code: number for (name, code), number in sorted(codes.items()) if name == kind.__name__}
        print(f"{kind.__name__}s: {sum(counts.values())}, by exit code: {counts}")
    print(f"{failed} of {sum(codes.values())} failed")
    if not arguments.keep:
        shutil.rmtree(scratch)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Faults injected into real runs: does each run end in time, in words, with nothing lost?

    python tools/torture.py --faults 66 --seed 1        each kind of fault in turn, a table; exit code 1 if one failed
    python tools/torture.py --only exception --faults 5
    python tools/torture.py --faults 66 --seed 1 --table docs/reliability.md

Each fault strikes a run of its own under mpirun, on 1 to 4 ranks, when the run has come a random part of its way. Then

- the run ends within 10 s, or goes on undisturbed where that is promised, and leaves no process behind;
- exit code and words are those of docs/reliability.md: one sentence, and a traceback only for a defect, once;
- `python -m nuflux_mpi info` and `results.Run` read the directory, and the series have the rows of an undisturbed run,
  none twice and none missing;
- `--resume auto`, on the same or on other numbers of ranks, repeated until the exit code is 0, goes on from the last
  checkpoint and ends with the numbers of an undisturbed run: on the same ranks with --deterministic bit for bit, else P
  to 1e-9.

A fault is reproduced by its seed and number (`--seed S --first N --faults 1`), but for the scheduling of the machine.
Needs mpirun and a Linux /proc. A full disk needs the right to mount a tmpfs; without it that kind is left out, and said
so. Exit codes of runs that are killed are those of Open MPI's mpirun.
"""

import argparse
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nuflux_mpi.errors import InputError  # noqa: E402
from nuflux_mpi.results import checkpoint, lock, names  # noqa: E402
from nuflux_mpi.results.reader import Run  # noqa: E402
from nuflux_mpi.runtime import environment  # noqa: E402

LIMIT = 10.0  # seconds from the fault to the end of the last process
PATIENCE = 300.0  # seconds for everything that no fault hurries: a start, a whole run
TOLERANCE = 1e-9  # of P on other ranks: a few hundred steps at rtol 1e-10, whose rounding grows by exp(4) at most

BEAMS = """
title = "two beams"
[box]
length = 10.0
points = 32
[modes]
velocity = [1.0, -1.0]
[initial]
kind = "seeds"
zeta = [0.5, -0.5]
n_max = 5
variance = 1e-4
[equations]
level = "energy"
[time]
end = 4.0
method = "5dp"
dt_max = 0.04
[output]
series_every = 0.1
fields_every = 0.4
checkpoint_every = 0.1
figures = false
"""
MOMENTUM = (
    BEAMS.replace('"energy"', '"momentum"').replace('"5dp"', '"adams"').replace("= 0.04", "= 0.1")
    + """
[momentum]
points = 22
half_width = 7.7
sigma = 1.2
"""
)
CASES = {"beams": BEAMS, "momentum": MOMENTUM}
END = 4.0  # time.end of both


# --- a run and its processes -----------------------------------------------------------------------------------------


class Job:
    """A run under mpirun that writes to `directory`, with its output in a file beside it."""

    def __init__(self, directory, case, ranks, *options, program=("-m", "nuflux_mpi")):
        self.directory, self._mark = directory, os.fsencode(directory)
        command = ["mpirun", "-n", ranks, sys.executable, *program, "run", case, "--out", directory, *options]
        self._output = tempfile.TemporaryFile("w+", errors="replace")
        self.began = time.time()
        # Ranks that wait leave the core to others: there may be fewer cores than ranks.
        variables = environment.mpirun_environment() | {"OMP_NUM_THREADS": "1", "OMPI_MCA_mpi_yield_when_idle": "1"}
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env=variables,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def processes(self):
        """Process ids that belong to this run, with their rank, or None for the launcher. They name its directory."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if self._mark in words and self._session(entry) == self.process.pid:
                    found[int(entry.name)] = _rank((entry / "environ").read_bytes())
            except OSError:
                pass  # it has just ended
        return found

    @staticmethod
    def _session(entry):
        return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[3])

    def rank(self, number):
        """Process id of a rank."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            for pid, rank in self.processes().items():
                if rank == number:
                    return pid
            time.sleep(0.02)
        raise ProcessLookupError(f"rank {number} did not start")

    def signal_ranks(self, number):
        for pid, rank in self.processes().items():
            if rank is not None:
                os.kill(pid, number)

    def kill(self, *pids):
        for pid in pids or self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait(self, condition, pause=0.01, patience=PATIENCE):
        """Until condition() or the end of the launcher; -> whether it was the condition."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if condition():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(pause)
        return False

    def lives_for(self, seconds):
        """Let it run for so long; -> whether it has not ended meanwhile."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is None

    def end(self, since, limit):
        """Wait until launcher and ranks are gone. -> (exit code, seconds since the time `since`, whether in time).

        What has not ended after twice the limit, plus a while, is killed.
        """
        latest = since + 2 * limit + 10.0
        while time.time() < latest:
            if self.process.poll() is not None and not self.processes():
                seconds = time.time() - since
                return self.process.returncode, seconds, seconds <= limit
            time.sleep(0.02)
        self.kill()
        self.process.wait()
        return self.process.returncode, time.time() - since, False

    def said(self):
        self._output.seek(0)
        return self._output.read()


def _rank(environ):
    variables = dict(item.split(b"=", 1) for item in environ.split(b"\0") if b"=" in item)
    for _, name in environment.LAUNCHER_VARIABLES:
        if (value := variables.get(name.encode(), b"")).isdigit():
            return int(value)
    return None


def saved_times(directory):
    """Times of the checkpoints that the log of a run tells of."""
    try:
        text = (directory / "run.log").read_text(errors="replace")
    except OSError:
        return []
    return [float(t) for t in re.findall(r"^checkpoint at t = (\S+):", text, re.MULTILINE)]


# --- kinds of faults -------------------------------------------------------------------------------------------------


class Fault:
    """A kind of fault: `strike` injects it into a running job, the attributes say what should come of it.

    codes: exit codes that are right. words: regular expression that the output must contain once. tracebacks: how many
    the output holds. goes_on: the run is not to end early. early: strikes in the start of a run, too. There is one
    object for each fault.
    """

    name = meaning = ""
    codes, words, tracebacks, goes_on, early = (3,), r"stopped by .*continue with:\n.*--resume auto", 0, False, False

    @classmethod
    def missing(cls):
        """Why this kind cannot be injected here, or ""."""
        return ""

    def __init__(self, trial):
        self.trial, self.rng = trial, trial.rng

    def directory(self, parent):
        """Where the run writes."""
        return parent / "run"

    def start(self):
        return self.trial.start()

    def reach(self, job):
        """Wait for the random moment; -> False if the run was over before it."""
        rng, trial = self.rng, self.trial
        if self.early and rng.random() < 0.25:
            return job.lives_for(rng.uniform(0.1, trial.startup))
        wanted = rng.uniform(0.0, 0.8) * END * trial.hurry
        return job.wait(lambda: saved_times(trial.directory)[-1:] >= [wanted]) and job.lives_for(rng.uniform(0.0, 0.2))

    def strike(self, job):
        raise NotImplementedError

    def missed(self, code, said):
        """Whether the run was over before the fault had an effect."""
        return code == 0 and 0 not in self.codes and "results in" in said

    def since(self, struck):
        """The moment from which the seconds to the end count; struck: when `strike` was called."""
        return struck

    def aftermath(self):
        """What happens between the end of the run and its being resumed."""

    def relieve(self):
        """Take back what would hinder the next run."""

    def lost(self):
        """How many of the newest checkpoints are spoiled."""
        return 0


class SignalToLauncher(Fault):
    number = None

    def strike(self, job):
        job.process.send_signal(self.number)


class CtrlC(SignalToLauncher):
    name, meaning, number = "ctrl-c", "Ctrl-C (SIGINT) to mpirun", signal.SIGINT
    codes, words, early = (1, 3, 130), None, True


class Sigterm(SignalToLauncher):
    name, meaning, number = "sigterm", "SIGTERM to mpirun", signal.SIGTERM
    codes, words, early = (1, 3, 143), None, True


class Sigusr1(SignalToLauncher):
    name, meaning, number = "sigusr1", "SIGUSR1 to mpirun", signal.SIGUSR1


class Sigusr1ToRank(Fault):
    name, meaning = "sigusr1-rank", "SIGUSR1 to one rank"

    def strike(self, job):
        os.kill(job.rank(self.rng.randrange(self.trial.ranks)), signal.SIGUSR1)


class StopFile(Fault):
    name, meaning = "stop-file", "a file STOP in the run directory"

    def strike(self, job):
        (job.directory / names.STOP).touch()


class Walltime(Fault):
    """The wall time is long enough for any start, and the run is held until little of it is left."""

    name, meaning = "walltime", "--walltime is reached"
    left = 5.0  # seconds of wall time when the run goes on

    def start(self):
        granted = 3.0 * self.trial.startup + 2.0 * self.left
        self._end = time.time() + granted
        return self.trial.start("--walltime", f"{granted:.2f}")

    def strike(self, job):
        job.signal_ranks(signal.SIGSTOP)
        time.sleep(max(0.0, self._end - self.left - time.time()))
        job.signal_ranks(signal.SIGCONT)

    def since(self, struck):
        return self._end


class RankKilled(Fault):
    name, meaning = "rank-killed", "kill -9 of one rank"
    codes, words, early = (137,), None, True

    def strike(self, job):
        job.kill(job.rank(self.rng.randrange(self.trial.ranks)))


class AllKilled(Fault):
    name, meaning = "all-killed", "kill -9 of all ranks and mpirun"
    codes, words, early = (-9,), None, True

    def strike(self, job):
        job.kill()


class LauncherKilled(Fault):
    name, meaning = "mpirun-killed", "kill -9 of mpirun alone"
    codes, words = (-9,), None

    def strike(self, job):
        job.process.kill()


class KilledInCheckpoint(AllKilled):
    name, meaning, early = "killed-writing", "kill -9 of all while a checkpoint is being written", False

    def strike(self, job):
        everybody, aside = job.processes(), f".{checkpoint.NEWEST}.*.new"
        job.wait(lambda: any(job.directory.glob(aside)), pause=0.0)
        job.kill(*everybody)


class Defect(Fault):
    kind = ""

    def start(self):
        trial = self.trial
        self._mark = trial.parent / "struck"
        self._mark.unlink(missing_ok=True)
        rank, t = self.rng.randrange(trial.ranks), self.rng.uniform(0.01, 0.9) * END
        return trial.start(program=(ROOT / "tools" / "torture_fault.py", self.kind, rank, t, self._mark))

    def reach(self, job):
        return job.wait(self._mark.exists)

    def strike(self, job):
        pass

    def since(self, struck):
        return self._mark.stat().st_ctime


class ExceptionOnRank(Defect):
    name, meaning, kind = "exception", "an exception in the right-hand side of one rank", "exception"
    codes, words, tracebacks = (1,), "RuntimeError: a defect put in on purpose", 1


class NotANumber(Defect):
    name, meaning, kind = "nan", "a not-a-number in the state of one rank", "nan"
    codes, words = (4,), r"^nuflux_mpi: not-a-number .*postmortem\.h5"


CANNOT_WRITE = r"^nuflux_mpi: .* cannot be written \(.*\)"


class DiskFull(Fault):
    name, meaning = "disk-full", "the disk is full"
    codes, words = (1,), CANNOT_WRITE

    @classmethod
    def missing(cls):
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run(["mount", "-t", "tmpfs", "none", place], capture_output=True)
            if done.returncode:
                return "a tmpfs cannot be mounted here"
            subprocess.run(["umount", place], check=True)
        return ""

    def directory(self, parent):
        self._disk = parent / "disk"
        self._disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", self._disk], check=True)
        self.trial.clean.callback(subprocess.run, ["umount", self._disk], check=True)
        return self._disk / "run"

    def strike(self, job):
        self._filler, left = self._disk / "filler", self.rng.choice((0, 1, 2, 4, 8, 16)) * 4096
        with open(self._filler, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
            file.truncate(max(0, file.tell() - left))

    def relieve(self):
        self._filler.unlink()


class FileLimit(Fault):
    name, meaning = "file-limit", "files may not grow any more (RLIMIT_FSIZE)"
    codes, words = (1,), CANNOT_WRITE

    @classmethod
    def missing(cls):
        return "" if hasattr(resource, "prlimit") else "another process's limits cannot be set here"

    def strike(self, job):
        largest = max(path.stat().st_size for path in job.directory.glob("*.h5"))
        limit = int(self.rng.uniform(0.1, 0.5) * largest)
        for pid, rank in job.processes().items():
            if rank is not None:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, limit))


class ReadOnly(Fault):
    """Open files can still be written, new ones not made: the run goes on without checkpoints, a new one is refused."""

    name, meaning, goes_on = "read-only", "the run directory becomes read-only", True
    codes, words = (0,), None

    @classmethod
    def missing(cls):
        with tempfile.TemporaryDirectory() as place:
            if os.geteuid() or not subprocess.run(["chattr", "+i", place], capture_output=True).returncode:
                _writable(place, True)
                return ""
        return "root writes everywhere and chattr has no effect here"

    def strike(self, job):
        self.trial.clean.callback(_writable, job.directory, True)
        _writable(job.directory, False)

    def aftermath(self):
        self.trial.expect_refused("--resume", "auto", words="cannot be written")

    def relieve(self):
        _writable(self.trial.directory, True)


def _writable(directory, yes):
    """Allow or forbid new files in a directory; nothing less than chattr stops root."""
    if os.geteuid():
        os.chmod(directory, 0o755 if yes else 0o555)
    else:
        subprocess.run(["chattr", "-i" if yes else "+i", directory], check=True, capture_output=True)


class SpoiledCheckpoint(AllKilled):
    """All is killed after the second checkpoint, and then the newest is spoiled."""

    early = False

    def reach(self, job):
        return job.wait(lambda: len(saved_times(job.directory)) > 2) and super().reach(job)

    def aftermath(self):
        self.spoil(self.trial.directory / checkpoint.NEWEST)

    def spoil(self, path):
        raise NotImplementedError

    def lost(self):
        return 1


class Truncated(SpoiledCheckpoint):
    name, meaning = "checkpoint-cut", "the newest checkpoint is truncated"

    def spoil(self, path):
        os.truncate(path, self.rng.randrange(path.stat().st_size))


class Flipped(SpoiledCheckpoint):
    name, meaning = "checkpoint-bit", "one bit of the newest checkpoint is wrong"

    def spoil(self, path):
        data = bytearray(path.read_bytes())
        used = [i for i, byte in enumerate(data) if byte]  # most of the rest is padding that nobody reads
        data[self.rng.choice(used)] ^= 1 << self.rng.randrange(8)
        path.write_bytes(data)


class OtherVersion(SpoiledCheckpoint):
    name, meaning = "checkpoint-version", "the newest checkpoint is of another version"

    def spoil(self, path):
        with open(path, "r+b") as file:
            file.write(checkpoint.seal({"format": checkpoint.VERSION + 1}))
        self.trial.expect_refused("--resume", "auto", words="checkpoint format")
        path.unlink()


class BothDamaged(SpoiledCheckpoint):
    name, meaning = "checkpoints-both", "both checkpoints are damaged; refused, then begun anew with --overwrite"

    def aftermath(self):
        for path in checkpoint.candidates(self.trial.directory):
            os.truncate(path, self.rng.randrange(path.stat().st_size))
        self.trial.expect_refused("--resume", "auto", words="no checkpoint in .* can be used")
        self.trial.resume_with = ("--overwrite",)

    def lost(self):
        return 99


class SecondRun(Fault):
    name, meaning, goes_on = "second-run", "a second run is started in the directory of a living one", True
    codes, words = (0,), None

    def strike(self, job):
        how = self.rng.choice((("--resume", "auto"), ("--overwrite",)))
        job.signal_ranks(signal.SIGSTOP)  # a short run would be over before another one has started
        try:
            self._living = (job.directory / lock.NAME).exists()
            if self._living:
                self.trial.expect_refused(*how, words="is being written by another run")
        finally:
            job.signal_ranks(signal.SIGCONT)

    def missed(self, code, said):
        return not self._living


class StaleLock(AllKilled):
    name, meaning, early = "stale-lock", "a lock left behind by a run that is gone", False

    def aftermath(self):
        path = self.trial.directory / lock.NAME
        if not path.exists():
            return  # killed in its last moments
        old = time.time() - 2 * lock.SILENCE
        variant = self.rng.randrange(4)
        if variant:  # 0: the lock that the killed run has left; 1: another process has its number; 2: it was elsewhere
            changed = ({}, {"pid": os.getpid()}, {"host": "elsewhere"}, {})[variant]
            text = json.dumps(json.loads(path.read_text()) | changed)
            path.write_text(text if variant != 3 else "")  # 3: killed before it had written anything
            os.utime(path, (old, old))


READER = """
import h5py, sys, time
files = []
for path in sys.argv[1:]:
    while True:
        try:
            files.append(h5py.File(path, "r"))
            break
        except OSError:
            time.sleep(0.02)
print("open", flush=True)
sys.stdin.read()
"""


class Reader(Fault):
    name, meaning = "reader", "series.h5 and fields.h5 are held open, and locked, by another program; then SIGUSR1"
    # The other program takes a second to start, and a run of several ranks may then be over.
    codes, words = (0, 3), r"stopped by .*continue with:\n.*--resume auto|^progress +finished"

    def strike(self, job):
        files = [job.directory / "series.h5", job.directory / "fields.h5"]
        self._reader = subprocess.Popen(
            [sys.executable, "-c", READER, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.trial.clean.callback(self._reader.communicate)
        self._opened = self._reader.stdout.readline() == "open\n"
        self._struck = time.time()
        job.process.send_signal(signal.SIGUSR1)

    def since(self, struck):
        return self._struck

    def aftermath(self):
        self.trial.expect("readable", self._opened, "h5py could not open the files of the living run")


FAULTS = (
    CtrlC,
    Sigterm,
    Sigusr1,
    Sigusr1ToRank,
    StopFile,
    Walltime,
    RankKilled,
    AllKilled,
    LauncherKilled,
    KilledInCheckpoint,
    ExceptionOnRank,
    NotANumber,
    DiskFull,
    FileLimit,
    ReadOnly,
    Truncated,
    Flipped,
    OtherVersion,
    BothDamaged,
    SecondRun,
    StaleLock,
    Reader,
)
KINDS = {fault.name: fault for fault in FAULTS}


# --- one fault from start to verdict ---------------------------------------------------------------------------------


ASPECTS = ("ended", "words", "readable", "resumed")  # what can be wrong


@dataclass
class Outcome:
    """What became of one fault: seconds to the end, exit code, number of resumptions, sentences for what was wrong."""

    kind: str
    ranks: int = 0
    seconds: float = 0.0
    code: int | None = None
    resumes: int = 0
    problems: dict = field(default_factory=lambda: {what: [] for what in ASPECTS})

    def failed(self):
        return any(self.problems.values())


class References:
    """Undisturbed runs of `cases` on `ranks`, each made when first asked for.

    Called with a case and a number of ranks: (directory, seconds until the first checkpoint, seconds from there).
    """

    def __init__(self, scratch, cases, ranks):
        self.cases, self.ranks = cases, ranks
        self._scratch, self._made, self._lock = scratch, {}, threading.Lock()
        for name, text in CASES.items():
            (scratch / f"{name}.toml").write_text(text)

    def case(self, name):
        return self._scratch / f"{name}.toml"

    def __call__(self, name, ranks):
        with self._lock:
            if (name, ranks) not in self._made:
                self._made[name, ranks] = self._make(name, ranks)
        return self._made[name, ranks]

    def _compile(self, name):
        """A first short run: the one that compiles the kernels may differ in the last bits from those that find them."""
        job = Job(self._scratch / f"first-{name}", self.case(name), 1, "--set", "time.end=0.1")
        try:
            job.end(time.time(), PATIENCE)
        finally:
            job.kill()

    def _make(self, name, ranks):
        if not any(made == name for made, _ in self._made):
            self._compile(name)
        directory = self._scratch / f"reference-{name}-{ranks}"
        job = Job(directory, self.case(name), ranks, "--deterministic")
        try:
            job.wait(lambda: saved_times(directory))
            started = time.time()
            code, _, _ = job.end(started, PATIENCE)
        finally:
            job.kill()
        if code:
            raise RuntimeError(f"the undisturbed run of {name} on {ranks} ranks ended with {code}:\n{job.said()}")
        return directory, started - job.began, time.time() - started


class Trial:
    """One fault: a run, the fault, its end, its resumption."""

    def __init__(self, kind, rng, references, parent, hurry=1.0):
        self.rng, self.references, self.parent, self.hurry = rng, references, parent, hurry
        self.case, self.ranks = rng.choice(references.cases), rng.choice(references.ranks)
        self.deterministic = rng.random() < 0.75
        self.same_ranks = rng.random() < 0.5
        self.reference, self.startup, self.duration = references(self.case, self.ranks)
        self.outcome = Outcome(kind.name, self.ranks)
        self.clean = contextlib.ExitStack()
        self.resume_with = ("--resume", "auto")
        parent.mkdir()
        self.fault = kind(self)
        self.directory = self.fault.directory(parent)

    def expect(self, what, condition, sentence):
        if not condition:
            self.outcome.problems[what].append(sentence)

    def start(self, *options, ranks=None, **program):
        """A run in the directory of this fault, with some ten checkpoints on its way."""
        options += ("--set", f"output.checkpoint_every={max(self.duration / 10, 0.03):.2f}")
        options += ("--deterministic",) * self.deterministic
        job = Job(self.directory, self.references.case(self.case), ranks or self.ranks, *options, **program)
        self.clean.callback(job.kill)
        return job

    def run(self):
        """-> the Outcome, or None if the run was over before the fault could strike."""
        with self.clean:
            job = self.fault.start()
            if not self.fault.reach(job):
                job.end(time.time(), PATIENCE)
                return None
            struck = time.time()
            try:
                self.fault.strike(job)
            except ProcessLookupError:  # it has just ended
                job.end(time.time(), PATIENCE)
                return None
            if not self._judge_end(job, struck):
                return None
            self._judge_directory()
            saved = saved_times(self.directory)
            self.fault.aftermath()
            self.fault.relieve()
            self._resume(saved[: len(saved) - self.fault.lost()] if self.fault.lost() < len(saved) else [])
        return self.outcome

    def _judge_end(self, job, struck):
        """Whether the fault did strike before the run was over."""
        fault, outcome = self.fault, self.outcome
        limit = PATIENCE if fault.goes_on else LIMIT
        outcome.code, seconds, in_time = job.end(fault.since(struck), limit)
        said = job.said()
        if fault.missed(outcome.code, said):
            return False
        outcome.seconds = 0.0 if fault.goes_on else max(0.0, seconds)
        self.expect("ended", in_time, f"ended {seconds:.1f} s after the fault")
        self.expect("words", outcome.code in fault.codes, f"exit code {outcome.code}:\n{said}")
        tracebacks = said.count("Traceback")
        self.expect("words", tracebacks == fault.tracebacks, f"{tracebacks} tracebacks:\n{said}")
        if fault.words:
            # Ranks that meet the same full disk each say so.
            found = len(re.findall(fault.words, said, re.MULTILINE))
            self.expect(
                "words",
                1 <= found <= (self.ranks if fault.words == CANNOT_WRITE else 1),
                f"{found} times {fault.words}:\n{said}",
            )
        return True

    def _judge_directory(self):
        """Is the directory readable, and has it the first rows of the undisturbed run?"""
        done = subprocess.run(
            [sys.executable, "-m", "nuflux_mpi", "info", self.directory], cwd=ROOT, capture_output=True, text=True
        )
        if not saved_times(self.directory):  # killed before it had begun: nothing there, which is said in a sentence
            in_words = done.returncode in (0, 2) and "Traceback" not in done.stderr
            self.expect("readable", in_words, f"info:\n{done.stderr}")
            return
        self.expect("readable", done.returncode == 0, f"info ended with {done.returncode}:\n{done.stderr}")
        try:
            run, whole = Run(self.directory), Run(self.reference)
            for part in ("series", "fields"):
                time_, expected = getattr(run, part)["time"][:], getattr(whole, part)["time"][:]
                self.expect("readable", list(time_) == list(expected[: len(time_)]), f"{part}: times {time_}")
        except InputError as error:
            self.expect("readable", False, str(error))

    def _resume(self, saved):
        """Until it is done; from the last of the `saved` times on."""
        code, ranks, all_ranks = None, self.ranks, {self.ranks}
        while code != 0 and self.outcome.resumes < 5:
            ranks = self.ranks if self.same_ranks else self.rng.choice(self.references.ranks)
            all_ranks.add(ranks)
            job = self.start(*self.resume_with, ranks=ranks)
            code, _, _ = job.end(time.time(), PATIENCE)
            said = job.said()
            self.outcome.resumes += 1
            if code not in (0, 3):
                self.expect("resumed", False, f"resuming ended with {code}:\n{said}")
                return
            begun = re.search(r"t = (\S+) \.\. ", said)
            if saved and begun:
                self.expect(
                    "resumed",
                    float(begun[1]) >= saved[-1] * (1 - 1e-5),
                    f"went on from t = {begun[1]}, and not from {saved[-1]}:\n{said}",
                )
        self.expect("resumed", code == 0, f"not done after {self.outcome.resumes} times")
        bits = self.deterministic and len(all_ranks) == 1
        for sentence in differences(Run(self.reference), Run(self.directory), bits):
            self.expect("resumed", False, sentence)

    def expect_refused(self, *options, words):
        """A run started in the directory with `options` now ends with exit code 2 and one sentence with `words`."""
        job = self.start(*options)
        code, seconds, _ = job.end(job.began, PATIENCE)
        said = job.said()
        sentences = re.findall(rf"^nuflux_mpi: .*{words}.*$", said, re.MULTILINE)
        self.expect(
            "words",
            code == 2 and len(sentences) == 1 and "Traceback" not in said,
            f"{' '.join(options)} was to be refused, and ended with {code}:\n{said}",
        )
        latest = LIMIT + 2.0 * self.startup  # most of it is the start, which may be slower than the undisturbed one
        self.expect("ended", seconds <= latest, f"refused after {seconds:.1f} s")


def differences(whole, run, bits):
    """In words, what is not the same in two runs: bit for bit, or within `TOLERANCE`."""
    import numpy as np

    for part in ("series", "fields"):
        ours, theirs = getattr(run, part), getattr(whole, part)
        if list(ours["time"][:]) != list(theirs["time"][:]):
            yield f"{part} has times {ours['time'][:]}"
        elif bits:
            names = [name for name in theirs if name != "wall_time"]
            differ = [
                name
                for name in names
                if name not in ours or not np.array_equal(ours[name][...], theirs[name][...], equal_nan=True)
            ]
            if differ:
                yield f"{part} differs in {', '.join(differ)}"
        elif part == "fields":
            worst = np.abs(ours["P"][...] - theirs["P"][...]).max()
            if not worst <= TOLERANCE:
                yield f"P differs by {worst:.1e}"


def inject(kind, seed, number, references, scratch):
    """One fault of the class `kind`. -> its Outcome. After a run that was over too soon another is struck sooner."""
    for attempt in range(4):
        rng, parent = random.Random(f"{seed} {number} {attempt}"), scratch / f"{number}-{kind.name}-{attempt}"
        outcome = Trial(kind, rng, references, parent, hurry=0.5**attempt).run()
        if outcome:
            if not outcome.failed():
                shutil.rmtree(parent)
            return outcome
    missed = Outcome(kind.name)
    missed.problems["ended"].append("every run was over before the fault could strike")
    return missed


# --- the command -----------------------------------------------------------------------------------------------------


def table(outcomes):
    """Markdown, one line per kind of fault and one for all."""
    lines = [
        "| fault | number | ended in time | slowest | exit code | words as promised | readable | resumed, equal |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for name in [*KINDS, None]:
        mine = [outcome for outcome in outcomes if name in (None, outcome.kind)]
        if mine:
            ended, words, readable, resumed = (sum(not outcome.problems[what] for outcome in mine) for what in ASPECTS)
            slowest = max(outcome.seconds for outcome in mine)
            slowest = "goes on" if name and KINDS[name].goes_on else f"{slowest:.1f} s"
            codes = ", ".join(map(str, sorted({o.code for o in mine if o.code is not None}))) if name else ""
            meaning = KINDS[name].meaning if name else "all"
            lines.append(f"| {meaning} | {len(mine)} | {ended} | {slowest} | {codes} | {words} | {readable} | {resumed} |")
    return "\n".join(lines)


def report(number, outcome):
    """A line about one fault, and what was wrong."""
    print(
        f"{number:4d} {outcome.kind:<20} {outcome.ranks} rank(s)  exit {outcome.code}  {outcome.seconds:4.1f} s  "
        f"resumed {outcome.resumes}x  {'FAILED' if outcome.failed() else 'ok'}",
        flush=True,
    )
    for what, sentences in outcome.problems.items():
        for sentence in sentences:
            print(f"     {what}: {sentence}", flush=True)


HEADING = "## Faults injected"
ABOUT = """`{command}` starts short runs of two beams, at level `energy` with `5dp` and at level
`momentum` with `adams`, on 1 to 4 ranks under Open MPI, and strikes each when it has come a random part of its way, some
that are killed already in their start. (These runs take seconds: one whose wall time is to end, and one in whose directory
a second is started, are held with SIGSTOP meanwhile.) Counted are the runs of which all this is true:

- *ended in time*: no process is left 10 s after the fault (the slowest is given), and a run that is refused ends within
  10 s and twice an undisturbed start.
- *words as promised*: exit code and output are those of the tables above.
- *readable*: `info` and `results.Run` read the directory, and series and fields have the first rows of an undisturbed
  run, none twice, none missing.
- *resumed, equal*: `--resume auto`, on the same or on other numbers of ranks, went on from the last checkpoint that was
  written (from the one before if that was spoiled) and ended with the numbers of an undisturbed run: bit for bit
  on the same ranks with `--deterministic`, otherwise P to 1e-9.
"""


def put_table(path, text):
    """Write the section with the table into a page, in place of what it held before."""
    page = path.read_text() if path.exists() else f"# Reliability\n\n{HEADING}\n"
    if HEADING not in page:
        page = f"{page.rstrip()}\n\n{HEADING}\n"
    before, after = page.split(HEADING, 1)
    rest = after.find("\n## ")
    path.write_text(f"{before}{HEADING}\n\n{text}\n{after[rest:] if rest >= 0 else ''}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=len(KINDS), metavar="N", help="default: one of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first fault")
    parser.add_argument("--only", choices=KINDS, action="append", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 3, 4], metavar="N", help="to choose from")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="faults at the same time")
    parser.add_argument("--case", choices=CASES, action="append", help="only this case")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table into this Markdown page")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new directory, and keep it")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends what it has started, too

    reasons = {name: KINDS[name].missing() for name in arguments.only or KINDS}
    kinds = [KINDS[name] for name, reason in reasons.items() if not reason]
    left_out = "\n".join(f"left out: {KINDS[name].meaning} ({reason})" for name, reason in reasons.items() if reason)
    if left_out:
        print(left_out, flush=True)
    if not kinds:
        return 0
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
    scratch = arguments.keep or Path(tempfile.mkdtemp(prefix="torture-"))
    scratch = scratch.resolve()
    references, outcomes = References(scratch, arguments.case or list(CASES), arguments.ranks), []
    pool = ThreadPoolExecutor(arguments.jobs)
    try:
        numbers = range(arguments.first, arguments.first + arguments.faults)
        for number, outcome in zip(
            numbers,
            pool.map(lambda number: inject(kinds[number % len(kinds)], arguments.seed, number, references, scratch), numbers),
        ):
            outcomes.append(outcome)
            report(number, outcome)
    finally:
        pool.shutdown(cancel_futures=True)
    failed = any(outcome.failed() for outcome in outcomes)
    print(table(outcomes))
    if arguments.table:
        command = f"python tools/torture.py --faults {arguments.faults} --seed {arguments.seed}"
        put_table(arguments.table, "\n".join((ABOUT.format(command=command), table(outcomes), left_out)).rstrip())
    if failed:
        print(f"failed runs are in {scratch}")
    elif not arguments.keep:
        shutil.rmtree(scratch)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The kinds of faults that strike runs, each with what should come of it (docs/reliability.md)."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from job import END, saved_times

from nuflux_mpi.results import checkpoint, file_names, lock


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
        (job.directory / file_names.STOP).touch()


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
        return trial.start(program=(Path(__file__).with_name("defect.py"), self.kind, rank, t, self._mark))

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

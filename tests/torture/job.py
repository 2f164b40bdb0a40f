"""A run under mpirun that faults can strike: its processes, their end, and what it has saved."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from processes import python, start

from nuflux_mpi.runtime import environment

PATIENCE = 300.0  # seconds for everything that no fault hurries: a start, a whole run

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


class Job:
    """A run under mpirun that writes to `directory`, with its output in a file beside it."""

    def __init__(self, directory, case, ranks, *options, program=("-m", "nuflux_mpi")):
        self.directory, self._mark = directory, os.fsencode(directory)
        words = [*program, "run", case, "--out", directory, *options]
        self._output = tempfile.TemporaryFile("w+", errors="replace")
        self.began = time.time()
        # Ranks that wait leave the core to others: there may be fewer cores than ranks.
        yielding = {"OMPI_MCA_mpi_yield_when_idle": "1"}
        self.process = start(
            python(words, ranks), yielding, start_new_session=True, stdout=self._output, stderr=subprocess.STDOUT, text=None
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

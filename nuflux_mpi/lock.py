"""One run per directory: a file RUNNING that says who writes there, and lives as long as its process.

The file names host, process, job and start. A thread touches it twice a minute, so that a reader on another host, who
cannot look at the process, sees life in its time of change. Rank 0 alone deals with it.
"""

import json
import os
import platform
import threading
import time
from pathlib import Path

from .errors import InputError

NAME = "RUNNING"
HEARTBEAT = 30.0  # seconds between touches
SILENCE = 300.0  # seconds without one after which a process on another host counts as dead


class RunLock:
    """The right to write to a run directory, taken at once and given back by `release`.

    InputError, naming the owner, while another process that lives has it. A lock that a dead process left is taken over.
    """

    def __init__(self, directory):
        self._path = Path(directory) / NAME
        self._text = json.dumps({
            "host": platform.node(), "pid": os.getpid(), "born": _birth(os.getpid()),
            "job": os.environ.get("SLURM_JOB_ID") or os.environ.get("PBS_JOBID") or "",
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        })
        while not self._take():
            self._remove_if_stale()
        self._over = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def _take(self):
        """Make the file, which only one process can do; -> whether it was this one."""
        try:
            with open(self._path, "x", encoding="utf-8") as file:
                file.write(self._text)
        except FileExistsError:
            return False
        return True

    def _remove_if_stale(self):
        aside = self._path.with_name(f"{NAME}.{platform.node()}.{os.getpid()}")
        try:
            text, touched = self._path.read_text(encoding="utf-8"), self._path.stat().st_mtime
            aside.touch()
            silence = aside.stat().st_mtime - touched  # both by the clock of the disk's server, which may be another
            owner, living = _judge(text, silence)
            if living:
                aside.unlink()
                raise InputError(
                    f"--out: {self._path.parent} is being written by another run ({_describe(owner)}); wait for it or stop "
                    f"it, or choose another directory; should that run be gone, remove {self._path}"
                )
            self._path.replace(aside)
            if aside.read_text(encoding="utf-8") == text:
                aside.unlink()
            else:
                aside.replace(self._path)  # another process has taken it over meanwhile
        except FileNotFoundError:
            pass  # it was given back, or taken over, just now

    def _beat(self):
        while not self._over.wait(HEARTBEAT):
            try:
                os.utime(self._path)
            except OSError:
                pass  # a disk that is away for a moment ends no run

    def release(self):
        """Remove the file, if it is still this run's."""
        self._over.set()
        try:
            if self._path.read_text(encoding="utf-8") == self._text:
                self._path.unlink()
        except OSError:
            pass


def _judge(text, silence):
    """(owner as a dict, whether it lives) from the text of a lock and the seconds since it was touched."""
    try:
        owner = json.loads(text)
        host, pid, born = owner["host"], owner["pid"], owner["born"]
    except (ValueError, KeyError, TypeError):
        return {}, silence < SILENCE  # perhaps its owner has not written it yet
    return owner, silence < SILENCE if host != platform.node() else _birth(pid) == born


def _describe(owner):
    job = f", job {owner['job']}" if owner.get("job") else ""
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}{job}, since {owner.get('started', '?')}"


def _birth(pid):
    """When a process of this host started, in a form that tells it from a later one of the same number; None: no such.

    One that is dead and whose parent has not noticed yet is none: in a container it may stay so for ever.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            state, *numbers = file.read().rpartition(")")[2].split()
        return None if state in "ZXx" else numbers[18]
    except OSError:
        pass
    if os.path.isdir("/proc/self"):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"

"""One run per directory: a file RUNNING that says who writes there, and lives as long as its process.

The file names host, process, job and start. A thread touches it every few seconds, so that a reader who cannot look at the
process, on another host or in another container, sees life in its time of change. Rank 0 alone deals with it.

It is written aside and gets its name, by a link, when it is whole. A lock whose owner is gone is removed by one process at a
time, that which holds the system's lock (flock) on that very file.
"""

import fcntl
import json
import os
import platform
import threading
import time
from pathlib import Path

from ..errors import InputError
from ..storage.atomic import aside, create, kind, remove_leftovers, sync

NAME = "RUNNING"
HEARTBEAT = 5.0  # seconds between touches
BEATS_MISSED = 4  # after so many a run of the same job elsewhere counts as gone: its node is lost, or was taken away
SILENCE = 300.0  # seconds without a touch after which any process that cannot be looked at counts as dead
_OLD_HEARTBEAT = 30.0  # of version 0.1, whose locks do not tell theirs
_LONGEST = 2**16  # bytes of a lock that are read
JOB_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "FLUX_JOB_ID", "COBALT_JOBID")


class RunLock:
    """The right to write to a run directory, taken at once and given back by `release`.

    InputError, naming the owner, while another process that lives has it. A lock that a dead process left is taken over;
    where that has to be told by its silence, and the owner was of the same job, this waits for `BEATS_MISSED` of its beats.
    """

    def __init__(self, directory):
        self._path = Path(directory) / NAME
        self._text = json.dumps(_myself())
        while not self._take():
            self._remove_if_stale()
        remove_leftovers(directory)
        self._over = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def _take(self):
        """Give the name to a file of this run, which only one process can do; -> whether it was this one."""
        new = aside(self._path)
        try:
            create(new, self._text.encode())
            sync(new)
            try:
                os.link(new, self._path)
            except FileExistsError:
                return self._is_mine(new)  # the answer to a link that was made may be lost on its way
            except OSError:  # a disk without links
                create(self._path, self._text.encode())
                sync(self._path)
            sync(self._path.parent)
            return True
        except FileExistsError:
            return False
        except OSError as error:
            raise InputError(f"--out: {self._path} cannot be written ({error.strerror or error})") from None
        finally:
            new.unlink(missing_ok=True)

    def _is_mine(self, new):
        try:
            return os.path.samestat(os.lstat(new), os.lstat(self._path))
        except OSError:
            return False

    def _remove_if_stale(self):
        """InputError if the owner of the lock lives; else the lock is gone afterwards."""
        what = kind(self._path)
        if what:
            raise InputError(f"--out: {self._path} is {what}, and a run has a file of this name; remove it")
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # it was given back just now
        except OSError as error:
            raise InputError(
                f"--out: {self._path} cannot be read ({error.strerror}); it says who writes to this directory"
            ) from None
        try:
            self._judge_and_remove(handle)
        except FileNotFoundError:
            pass  # it was given back, or taken over, just now
        finally:
            os.close(handle)

    def _judge_and_remove(self, handle):
        content = os.read(handle, _LONGEST)
        owner = _owner(content)
        if not self._gone(owner, handle):
            raise InputError(
                f"--out: {self._path.parent} is being written by another run ({_describe(owner)}); wait for it or stop "
                f"it, or choose another directory; should that run be gone, remove {self._path}"
            )
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)  # another process is about to remove it
            return
        except OSError:
            pass  # a disk without such locks; what is left is the comparison
        if os.path.samestat(os.fstat(handle), os.stat(self._path)) and os.pread(handle, _LONGEST, 0) == content:
            os.unlink(self._path)

    def _gone(self, owner, handle):
        """Whether a lock's owner is dead, as far as can be told from here."""
        if owner and _within_sight(owner):
            return _birth(owner["pid"]) != owner["born"]
        if self._silence(handle) >= SILENCE:
            return True
        job = _job()
        if not owner or not job or owner.get("job") != job:
            return False
        # The same job on another host: it was started again here, since its node is lost, or it runs twice. A run that lives
        # touches its lock meanwhile. Only the time of change is compared with itself, so that clocks may differ.
        patience, begin = BEATS_MISSED * owner.get("beat", _OLD_HEARTBEAT), time.monotonic()
        before = os.fstat(handle).st_mtime_ns
        while time.monotonic() - begin < patience:
            time.sleep(min(1.0, patience / 20))
            now = os.stat(self._path)  # by name: disks in a network ask the server then
            if now.st_mtime_ns != before or not os.path.samestat(now, os.fstat(handle)):
                return False
        return True

    def _silence(self, handle):
        """Seconds since the lock was touched, by the clock of the disk's server, which may be another than ours."""
        now = aside(self._path)
        try:
            create(now)
            return os.stat(now).st_mtime - os.fstat(handle).st_mtime
        except OSError as error:
            raise InputError(f"--out: {self._path.parent} cannot be written ({error.strerror or error})") from None
        finally:
            now.unlink(missing_ok=True)

    def _beat(self):
        while not self._over.wait(HEARTBEAT):
            try:
                os.utime(self._path, follow_symlinks=False)
            except OSError:
                pass  # a disk that is away for a moment ends no run

    def release(self):
        """Remove the file, if it is still this run's."""
        self._over.set()
        try:
            if not kind(self._path) and self._path.read_bytes() == self._text.encode():
                self._path.unlink()
        except OSError:
            pass


def _myself():
    return {
        "host": platform.node(),
        "boot": _boot(),
        "processes": _processes(),
        "pid": os.getpid(),
        "born": _birth(os.getpid()),
        "job": _job(),
        "beat": HEARTBEAT,
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _job():
    return next(filter(None, (os.environ.get(name) for name in JOB_VARIABLES)), "")


def _boot():
    """What tells one start of a machine from another, and machines of one name from each other; "" where unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def _processes():
    """Name of the world of process numbers that this one lives in, which in a container is its own; "" where unknown."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _within_sight(owner):
    """Whether the owner's process number means the same here. Locks of version 0.1 tell the host alone."""
    same = owner.get("boot", "") in ("", _boot()) and owner.get("processes", "") in ("", _processes())
    return same and owner["host"] == platform.node()


def _owner(content):
    """The owner in a lock's bytes; {} if they are no lock, perhaps since its owner, a version 0.1, has not written it yet."""
    try:
        owner = json.loads(content.decode("utf-8"))
        usable = isinstance(owner["host"], str) and isinstance(owner["pid"], int) and "born" in owner
        return owner if usable and isinstance(owner.get("beat", 0.0), (int, float)) else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


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

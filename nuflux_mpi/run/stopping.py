"""When a run should end before its time: signals, the wall time that was granted, a file STOP. Knows no physics, no MPI."""

import os
import re
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from ..errors import InputError
from ..results.file_names import STOP

WALLTIME = "the end of the wall time"
_SAFETY = 1.5  # the next step may take longer than any before
_FINISH = 1.0  # seconds that closing files and ending MPI take at least


@dataclass
class Pace:
    """Wall time in seconds that the slowest step, output and checkpoint have taken so far."""

    step: float = 0.0
    output: float = 0.0
    checkpoint: float = 0.0
    interrupted: bool = False  # what is noted next has a time in it in which the process was stopped (SIGSTOP, Ctrl-Z)

    def note(self, **taken):
        """Remember a time if it is the longest, e.g. ``note(step=0.1)``."""
        if self.interrupted:
            self.interrupted = False
            return
        for name, seconds in taken.items():
            setattr(self, name, max(getattr(self, name), seconds))

    def reserve(self):
        """Seconds to keep for one more step with its output, a checkpoint and the end.

        The end, closing files and ending MPI, cannot be measured before. What makes it slow is the disk, which the run
        has met when it wrote rows and checkpoints.
        """
        writing = self.output + self.checkpoint
        return _SAFETY * (self.step + writing) + max(_FINISH, 2 * writing)


class StopRequest:
    """Asked after every step: the reason to stop now, or "".

    Within ``with``, each of SIGNALS asks for an orderly end; a second Ctrl-C ends at once. One that was ignored when the
    process was started stays so, as nohup wants it. Where a program has a handler of its own for one of WARNINGS, that stays.
    `attend`, called on one rank, adds the wall time and the file STOP. walltime: seconds since the start of the process, or
    None. last: the process ends after it, and a warning of a clock that does not know this is ignored from then on; other
    signals, and all of them where a program lives on, get back the handlers they had. In a thread, where Python hears no
    signals, there are none.
    """

    # What batch systems send before they kill, what the system sends at a limit of processor time, what a terminal sends
    # when it is closed.
    WARNINGS = ("SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM", "SIGHUP")
    SIGNALS = ("SIGINT", "SIGTERM", *WARNINGS)

    def __init__(self, walltime=None, last=False):
        self.reason = ""
        self.walltime, self._last = walltime, last
        self._before, self._pace, self._file = {}, None, None

    def attend(self, pace, directory, every=1.0):
        """Watch the clock, with the times in `pace`, and each `every` seconds for a file STOP in `directory`."""
        self._pace, self._file, self._every = pace, directory / STOP, every
        self._file.unlink(missing_ok=True)  # it was meant for a run before this one
        self._looked = time.monotonic()
        self._end = deadline(self.walltime)

    def __call__(self):
        if not self.reason and self._pace:
            due = self._due()
            if due:  # else a signal that was heard meanwhile would be forgotten
                self.reason = due
        return self.reason

    def _due(self):
        if self.remaining() < self._pace.reserve():
            return WALLTIME
        if time.monotonic() - self._looked >= self._every:
            self._looked = time.monotonic()
            if self._file.exists():
                with suppress(OSError):  # it need not be a plain file
                    self._file.unlink()
                return "the file STOP"
        return ""

    def check_overrun(self, steps):
        """InputError if `steps` steps, which were stopped by the wall time, are none in time; on the rank that attends."""
        if steps > 1 or (steps == 1 and self.remaining() > 0):
            return
        granted = f" of {self.walltime:g} s" if self.walltime else " until SLURM_JOB_END_TIME"
        one = f" and one step ({self._pace.step:.1f} s)" if steps else ", one step and a checkpoint"
        raise InputError(f"--walltime: the wall time{granted} is shorter than the start{one}: {process_age():.1f} s so far")

    def remaining(self):
        """Seconds until the granted wall time ends; infinity where none is known."""
        return self._end - time.time()

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():
            return self
        for name in self.SIGNALS:
            number = getattr(signal, name)
            before = signal.getsignal(number)
            if before != signal.SIG_IGN and (
                name not in ("SIGUSR2", "SIGXCPU", "SIGALRM", "SIGHUP") or before == signal.SIG_DFL
            ):
                self._before[number] = signal.signal(number, self._note)
        if signal.getsignal(signal.SIGCONT) == signal.SIG_DFL:
            self._before[signal.SIGCONT] = signal.signal(signal.SIGCONT, self._go_on)
        return self

    def __exit__(self, *error):
        for number, handler in self._before.items():
            late = self._last and signal.Signals(number).name in self.WARNINGS
            signal.signal(number, signal.SIG_IGN if late else handler)

    def _go_on(self, number, frame):
        if self._pace:
            self._pace.interrupted = True

    def _note(self, number, frame):
        if self.reason and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.reason = {signal.SIGINT: "Ctrl-C"}.get(number, signal.Signals(number).name)


def deadline(walltime):
    """When to be done, as time.time() counts: after `walltime` seconds of this process, or at Slurm's end of the job.

    A job that ended before this process began is another one: its variables live on in a terminal that was opened in it.
    """
    ends = [float("inf")]
    if walltime is not None:
        ends.append(time.time() - process_age() + walltime)
    granted = os.environ.get("SLURM_JOB_END_TIME", "")
    if granted.isdecimal() and float(granted) > time.time() - process_age():
        ends.append(float(granted))
    return min(ends)


def process_age():
    """Seconds since this process started, as far as the system tells."""
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError):
        return time.process_time()


def seconds(text):
    """Seconds of a wall time as one types it: HH:MM:SS, MM:SS, D-HH:MM:SS as Slurm shows it, or a number of seconds."""
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d\d)|(\d+(?:\.\d+)?)", text.strip())
    if not match:
        raise InputError(f"--walltime: {text} is not HH:MM:SS or a number of seconds")
    days, hours, minutes, rest, plain = match.groups()
    total = float(plain) if plain else 86400 * int(days or 0) + 3600 * int(hours or 0) + 60 * int(minutes) + int(rest)
    if total <= 0:
        raise InputError(f"--walltime: {text} leaves no time at all")
    return total

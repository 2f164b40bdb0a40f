"""What a run says while it works: a line that renews itself on a terminal, plain lines in a log file or batch job."""

import collections
import sys
import time

LOG = "run.log"


class Progress:
    """Speaks on rank 0 only, to `stream` and to the log file.

    start, end: times of the run. every: wall time in seconds between lines; the pause grows from two seconds to it, so
    that short runs say something and long ones stay readable. A terminal gets a bar instead, renewed five times a second.
    log: path of run.log or None.
    """

    def __init__(self, start, end, every, log=None, stream=None, silent=False):
        self._start, self._end, self._every = start, end, every
        self._stream = stream or sys.stderr
        self._silent = silent
        self._log = _opened(log) if log else None
        self._tty = not silent and self._stream.isatty()
        self._drawn = self._said = time.monotonic()
        self._pause = min(2.0, every)
        self._window = collections.deque(maxlen=200)  # (wall time, t) of the last lines or bars
        self._width = 0

    def say(self, text):
        """One line on the stream and in the log, whatever the cadence."""
        self._wipe()
        self._show(text + "\n")
        self.note(text)

    def _show(self, text):
        """Text on the stream; one that takes no more, such as a pipe whose reader has gone, ends the talk and not the run."""
        if self._silent:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._silent, self._tty = True, False

    def note(self, text):
        """One line in the log only; a disk that takes no more ends the log and not the run."""
        if self._log:
            try:
                print(text, file=self._log, flush=True)
            except OSError:
                self._end_log()

    def _end_log(self):
        try:
            self._log.close()
        except OSError:
            pass  # what is left in its buffer is lost
        self._log = None

    def _wipe(self):
        if self._width:
            self._show("\r" + " " * self._width + "\r")
            self._width = 0

    def update(self, t, statistics, latest):
        """After a step: t, step size, U_osc, energy drift, time left. latest: the last row of the series."""
        now = time.monotonic()
        line = now - self._said >= self._pause
        bar = self._tty and now - self._drawn >= 0.2
        if (self._silent and not self._log) or not (line or bar or not self._window):
            return
        self._window.append((now, t))
        if not (line or bar):
            return  # the first step only starts the clock: a resumed run does not begin at `start`
        done = (t - self._start) / (self._end - self._start)
        text = f"t = {t:.4g}/{self._end:g} ({done:.0%})  step {statistics.steps}  dt {statistics.dt:.2e}"
        if latest:
            text += f"  U_osc {latest['U_osc']:+.6g}"
            if "energy_residual" in latest and latest["U_osc"]:
                text += f"  energy drift {latest['energy_residual'] / max(abs(latest['U_osc']), abs(latest['energy'])):+.1e}"
        text += f"  left {self._left(now, t)}"
        if bar:
            self._drawn = now
            drawn = f"[{'#' * int(20 * done):<20}] {text}"
            self._show("\r" + drawn.ljust(self._width))
            self._width = len(drawn)
        if line:
            self._said, self._pause = now, min(self._every, 2 * self._pause)
            if not self._tty:
                self._show(text + "\n")
            self.note(text)

    def _left(self, now, t):
        """Wall time to the end from the recent speed: the steps are adaptive, so counting steps would mislead."""
        then, before = self._window[0]
        if t <= before or now <= then:
            return "?"
        seconds = (self._end - t) * (now - then) / (t - before)
        if seconds < 120:
            return f"{seconds:.0f} s"
        return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

    def close(self):
        self._wipe()
        if self._log:
            self._end_log()


def _opened(log):
    """The log to append to; None where the disk takes none, which ends the log and not the run."""
    try:
        return open(log, "a", encoding="utf-8")
    except OSError:
        return None

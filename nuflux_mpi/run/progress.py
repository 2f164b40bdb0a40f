"""What a run says while it works: a line that renews itself on a terminal, plain lines in a log file or batch job."""

import collections
import os
import sys
import time
import unicodedata

from ..runtime.text import visible

FALLBACK = 80  # columns of a terminal that does not tell
BAR = 20  # columns of the bar where there is room
# Which parts of the line go first where there is no room: dt, energy drift, step, U_osc; t and the time left stay longest.
LEAST = ("dt ", "energy drift ", "step ", "U_osc ", "left ")


class Progress:
    """Speaks on rank 0 only, to `stream` and to the log file.

    start, end: times of the run. every: wall time in seconds between lines; the pause grows from two seconds to it, so
    that short runs say something and long ones stay readable. A terminal gets a bar instead, renewed five times a second.
    log: path of run.log or None. tell: callable (line, whether it is a warning) that hears what goes into the log, or None.
    """

    def __init__(self, start, end, every, log=None, stream=None, silent=False, tell=None):
        self._start, self._end, self._every = start, end, every
        self._stream = stream or sys.stderr
        self._silent = silent
        self._log, self._tell = _opened(log) if log else None, tell
        self._tty = not silent and self._stream.isatty()
        self._drawn = self._said = time.monotonic()
        self._pause = min(2.0, every)
        self._window = collections.deque(maxlen=200)  # (wall time, t, dt) of the last lines or bars
        self._width = 0

    def say(self, text):
        """One line on the stream and in the log, whatever the cadence."""
        self._speak(text, warning=False)

    def worry(self, text):
        """The same for a warning."""
        self._speak(text, warning=True)

    def _speak(self, text, warning):
        self._wipe()
        self._show(visible(text) + "\n")
        self.note(text, warning)

    def _show(self, text):
        """Text on the stream; one that takes no more, such as a pipe whose reader has gone, ends the talk and not the run."""
        if self._silent:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._silent, self._tty = True, False

    def note(self, text, warning=False):
        """One line in the log only; a disk that takes no more ends the log and not the run."""
        if self._tell:
            self._tell(text, warning)
        if self._log:
            try:
                print(visible(text), file=self._log, flush=True)
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
            self._show("\r" + " " * min(self._width, self._room()) + "\r")
            self._width = 0

    def _room(self):
        """Columns that a line may take: one less than the terminal has, where the cursor would go to the next line."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError, AttributeError):  # no terminal after all, such as a stream of a test
            columns = 0
        return (columns or FALLBACK) - 1

    def update(self, t, statistics, latest):
        """After a step: t, step size, U_osc, energy drift, time left. latest: the last row of the series."""
        now = time.monotonic()
        line = now - self._said >= self._pause
        bar = self._tty and now - self._drawn >= 0.2
        if (self._silent and not (self._log or self._tell)) or not (line or bar or not self._window):
            return
        self._window.append((now, t, statistics.dt))
        if not (line or bar):
            return  # the first step only starts the clock: a resumed run does not begin at `start`
        done = (t - self._start) / (self._end - self._start)
        parts = [
            f"t = {t:.4g}/{self._end:g} ({done:.0%})",
            f"step {statistics.steps}",
            f"dt {statistics.dt:.2e}",
            *_energies(latest),
            f"left {self._left(now, t)}",
        ]
        if bar:
            self._drawn = now
            drawn = fitted(done, parts, self._room())
            self._show("\r" + drawn + " " * max(min(self._width, self._room()) - width(drawn), 0))
            self._width = width(drawn)
        if line:
            self._said, self._pause = now, min(self._every, 2 * self._pause)
            text = "  ".join(parts)
            if not self._tty:
                self._show(text + "\n")
            self.note(text)

    def _left(self, now, t):
        """Wall time to the end from the recent speed: the steps are adaptive, so counting steps would mislead."""
        then, before, _ = self._window[0]
        if t <= before or now <= then or self._starts(t - before):
            return "?"
        seconds = (self._end - t) * (now - then) / (t - before)
        if seconds < 120:
            return f"{seconds:.0f} s"
        return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

    def _starts(self, come):
        """Whether steps still grow from the tiny first ones, whose speed says nothing; come: time that has been covered."""
        share = come / (self._end - self._start)
        return share < 1e-6 or share < 1e-3 and self._window[-1][2] > 2 * self._window[-2][2]

    def close(self):
        self._wipe()
        if self._log:
            self._end_log()


def _opened(log):
    """The log to append to; None where the disk takes none, which ends the log and not the run."""
    try:
        return open(log, "a", encoding="utf-8", errors="backslashreplace")
    except OSError:
        return None


def _energies(latest):
    """Parts of the line about the energy in a row of the series."""
    if not latest:
        return []
    parts = [f"U_osc {latest['U_osc']:+.6g}"]
    sizes = [abs(latest[name]) for name in ("U_osc", "energy", "E_vac", "E_mat") if name in latest]
    if "energy_residual" in latest and max(sizes[:1] + sizes[2:]):
        drift = latest["energy_residual"] / max(sizes)
        parts.append(f"energy drift {drift:+.1e}")
    return parts


def fitted(done, parts, room):
    """The bar and as many of the parts as fit into `room` columns; what is left of the first where not even that fits.

    done: share of the run that is over.
    """
    share = min(max(done, 0.0), 1.0)
    for least in (None, *LEAST):
        parts = [part for part in parts if least is None or not part.startswith(least)]
        text = "  ".join(parts)
        for columns in (BAR, BAR // 2):
            drawn = f"[{'#' * int(columns * share):<{columns}}] {text}"
            if width(drawn) <= room:
                return drawn
        if width(text) <= room and least == LEAST[-2]:
            return text  # the time left says more than a bar
    return text if width(text) <= room else cut(f"{share:.0%}", room)


def width(text):
    """Columns that a text takes: wide letters take two, marks on a letter none, and what cannot be printed none."""
    columns = 0
    for letter in text:
        if unicodedata.combining(letter) or unicodedata.category(letter) in ("Cc", "Cf", "Mn", "Me"):
            continue
        columns += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
    return columns


def cut(text, room):
    """The beginning of a text that fits into so many columns."""
    while width(text) > room:
        text = text[:-1]
    return text

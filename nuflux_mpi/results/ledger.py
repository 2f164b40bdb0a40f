"""Where the wall time of a run goes: seconds by what they were spent on, one line of run.log that `info` adds up.

The loop over steps reads the clock once per step for it. Right-hand sides are not timed one by one: the first few are,
and then one in EVERY, which stands for the others.
"""

import re
import time
from dataclasses import dataclass, field

EVERY = 11  # prime to the number of evaluations in a step of every method, so that all kinds of them are met alike
PARTS = ("start", "right-hand sides", "method", "output", "checkpoints", "figures", "rest")


@dataclass
class Ledger:
    """Seconds of this process by what they went into. Local: each rank has its own, and rank 0 tells of it.

    begin: time.monotonic() when it all began. start: until the first step. stepping: in the integrator. right_hand_sides:
    of these, in the equations, exchange between ranks included. output: rows and snapshots. checkpoints, figures.
    """

    begin: float = field(default_factory=time.monotonic)
    start: float = 0.0
    stepping: float = 0.0
    right_hand_sides: float = 0.0
    output: float = 0.0
    checkpoints: float = 0.0
    figures: float = 0.0

    def parts(self):
        """{part: seconds} of PARTS until now; they add up to the time since `begin`."""
        inside = min(self.right_hand_sides, self.stepping)
        known = {
            "start": self.start,
            "right-hand sides": inside,
            "method": self.stepping - inside,
            "output": self.output,
            "checkpoints": self.checkpoints,
            "figures": self.figures,
        }
        return known | {"rest": max(time.monotonic() - self.begin - sum(known.values()), 0.0)}

    def sentence(self):
        """The line of run.log, which `spent` reads again."""
        return f"wall time {told(self.parts())}"


class Timed:
    """A problem for :class:`~nuflux_mpi.time.integrator.Integrator` whose evaluations are entered into a ledger, by samples."""

    def __init__(self, problem, ledger):
        self._ledger, self._calls = ledger, 0
        self.size, self.active = problem.size, problem.active
        self.rhs, self.flow, self.correct = map(self._timed, (problem.rhs, problem.flow, problem.correct))

    def _timed(self, function):
        if function is None:
            return None

        def evaluated(*arguments):
            self._calls += 1
            if self._calls > EVERY and self._calls % EVERY:
                return function(*arguments)
            before = time.monotonic()
            result = function(*arguments)
            taken = time.monotonic() - before
            self._ledger.right_hand_sides += taken if self._calls <= EVERY else EVERY * taken
            return result

        return evaluated


def told(parts):
    """ "12.3 s: start 2.1 s (17 %), ..." of {part: seconds}, without those that took nothing to speak of."""
    total = sum(parts.values())
    shares = [
        f"{name} {_seconds(taken)} s ({taken / total:.0%})".replace("%", " %")
        for name, taken in parts.items()
        if taken >= 0.005 * total and total > 0
    ]
    return f"{_seconds(total)} s: {', '.join(shares)}"


def spent(log):
    """{part: seconds} that the text of a run.log tells of, added up over the times the run was continued; {} if none."""
    found = {}
    for line in re.findall(r"^wall time \S+ s: (.*)$", log, re.MULTILINE):
        for name, seconds in re.findall(r"([a-z][a-z -]*?) (\d\S*) s \(\d+ %\)", line):
            if name in PARTS:
                found[name] = found.get(name, 0.0) + float(seconds)
    return {name: found[name] for name in PARTS if name in found}


def _seconds(value):
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"

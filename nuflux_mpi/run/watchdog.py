"""Ends a process that gets no further: a lost node or network leaves MPI waiting for ever, and no signal ends that.

A thread on each rank counts the time since the last progress of the time loop and, after ``run.timeout`` seconds, ends its
process in one sentence; mpirun then ends the others. It counts its own ticks and not the clock, so that no time passes while
the process is suspended. It cannot work while PETSc waits inside a sum over ranks and keeps Python from running. For that
the kernel holds a timer of processor time, which waiting in MPI uses up, and ends the process by SIGPROF.
"""

import os
import signal
import threading
import time

from ..errors import EXIT_FAILURE

SLOWEST_DISK = 1e7  # bytes per second: what is written may take this long before it counts as no progress
_GRACE = 30.0  # seconds of processor time beyond the limit before SIGPROF
_APART = 0.5  # seconds between ranks that give up, so that one speaks for all
_MOST_APART = 10.0


class Watchdog:
    """Within ``with``, ends the process after `timeout` seconds without `pat`; 0 for never, which costs nothing.

    rank: of this process. where: callable that tells the last progress in words.
    """

    def __init__(self, timeout, rank, where):
        self._timeout, self._where = timeout, where
        self._tick = min(1.0, timeout / 10)
        self._delay = min(_APART * rank, _MOST_APART)
        self._over = threading.Event()
        self.pat()

    def pat(self, nbytes=0.0):
        """There is progress. nbytes: what all ranks together are about to write, for which there is more time then."""
        self._waited, self._allowed = 0.0, self._timeout + nbytes / SLOWEST_DISK
        self._patted = time.time()

    def __enter__(self):
        if self._timeout:
            self.pat()
            self._by_kernel = signal.getsignal(signal.SIGPROF) == signal.SIG_DFL  # no profiler has it
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._over.set()
        if self._timeout and self._by_kernel:
            signal.setitimer(signal.ITIMER_PROF, 0.0)

    def _watch(self):
        while not self._over.wait(self._tick):
            self._waited += self._tick
            if self._by_kernel:
                signal.setitimer(signal.ITIMER_PROF, max(self._allowed - self._waited, 0.0) + self._delay + _GRACE)
                if self._over.is_set():
                    signal.setitimer(signal.ITIMER_PROF, 0.0)
            if self._waited > self._allowed + self._delay:
                self._end()

    def _end(self):
        # Straight to the descriptor, and nothing else: a stream, a disk or MPI might hang as the run does.
        last = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._patted))
        text = (
            f"nuflux_mpi: no progress for {self._waited:.0f} s (run.timeout = {self._timeout:g}) since {last}, "
            f"{self._where()}: a node, the network or another rank is lost, or a disk does not answer; ending this rank. "
            "Go on from the last checkpoint with --resume auto\n"
        )
        try:
            os.write(2, text.encode(errors="backslashreplace"))
        except OSError:
            pass
        os._exit(EXIT_FAILURE)

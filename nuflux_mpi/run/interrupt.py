"""Ctrl-C while a run goes on inside a program or a notebook: it ends after its step, with a checkpoint, as on the command line."""

import signal
import threading

INTERRUPT = "Ctrl-C in the program"


class Interrupt:
    """Within ``with`` the first Ctrl-C is kept: called, this answers with INTERRUPT then. A second one ends at once.

    Only where Ctrl-C would raise KeyboardInterrupt here and now: other handlers, and other threads than the main one, are
    left alone. stop: callable that is asked as well, or None; its reason comes first.
    """

    def __init__(self, stop=None):
        self._stop, self._reason, self._before = stop, "", None

    def __call__(self):
        return (self._stop() if self._stop else "") or self._reason

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _note(self, number, frame):
        if self._reason:
            raise KeyboardInterrupt
        self._reason = INTERRUPT


def stopped(t, directory):
    """The KeyboardInterrupt with which a run ends that was stopped at time t; directory: where its files are, or None."""
    rest = f'; simulate(..., out="{directory}", resume="auto") goes on' if directory else ", and its results are lost"
    return KeyboardInterrupt(f"stopped at t = {t:.6g}{rest}")

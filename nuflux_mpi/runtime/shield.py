"""A command in a process of its own, so that one sentence can be said where HDF5 crashes on a damaged file.

For commands that only read. No MPI has been started, so a fork is safe, and it takes a millisecond.
"""

import os
import signal

from ..errors import EXIT_FAILURE
from .child import CRASHES

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


def enter():
    """Go on in a child; this process waits for it and ends as the child does. Where there is no fork, nothing happens."""
    try:
        child = os.fork()  # nothing has been printed that both could flush
    except (AttributeError, OSError):
        return
    if child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child hears Ctrl-C, too
        for number in _PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, frame: os.kill(child, number))
        _end_as(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _end_as(code):
    """End this process with the exit code of the child, or by the signal that has ended it (a negative number)."""
    if code >= 0:
        os._exit(code)
    if -code in CRASHES:
        name = signal.Signals(-code).name
        os.write(2, f"nuflux_mpi: HDF5 crashes ({name}) while it reads: a file of the run is damaged\n".encode())
        os._exit(EXIT_FAILURE)
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)

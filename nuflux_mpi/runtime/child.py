"""Questions that are put to a process of its own, since what they touch may end it: HDF5 and a damaged file.

The child is `python -m nuflux_mpi.MODULE ARGUMENTS`, which answers with one JSON value on its standard output. It is no rank:
the variables of launchers are kept from it, and `begin` keeps MPI from starting in it.
"""

import contextlib
import json
import signal
import subprocess
import sys

CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)  # any other comes from outside


class Crashed(Exception):
    """The child ended without an answer; the message says how."""


class Unavailable(Exception):
    """No child can be started here; the message says why."""


def ask(module, arguments, timeout):
    """What the module of this package answers, after at most `timeout` seconds. Call on one rank; Crashed, Unavailable.

    arguments: list of strings; a path may hold any bytes, as os.fsdecode makes them, and is best an absolute one.
    """
    from .environment import mpirun_environment

    # -P: a file h5py.py in the working directory is not what is meant.
    command = [sys.executable, "-P", "-m", f"nuflux_mpi.{module}", *arguments]
    try:
        # A session of its own: Ctrl-C and what a batch system sends to the run are not meant for it, and are no answer.
        done = subprocess.run(
            command,
            env=mpirun_environment(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Crashed(f"no answer within {timeout:.0f} s") from None
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise Unavailable(str(error)) from None
    if -done.returncode in CRASHES:
        raise Crashed(f"signal {-done.returncode}")
    if done.returncode < 0:
        raise Unavailable(f"it was ended by signal {-done.returncode}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.decode(errors="backslashreplace").strip().splitlines()
        raise Crashed(lines[-1] if lines else f"exit code {done.returncode}") from None


def begin():
    """To be called in the child before anything else is imported: no MPI, no core file."""
    import resource

    import mpi4py

    mpi4py.rc.initialize = False
    mpi4py.rc.finalize = False
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):  # which batch systems send to all processes
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def end_with_parent():
    """Have the system end this process when the one that waits for it is gone: HDF5 may be busy for ever. Linux only."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def answer(value):
    """Print the answer, JSON of ASCII letters alone."""
    print(json.dumps(value), flush=True)

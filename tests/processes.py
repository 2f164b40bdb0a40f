"""Child processes of tests: their environment, how they are started, and how they end when they take too long."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from nuflux_mpi.runtime import environment

ROOT = Path(__file__).resolve().parent.parent
# For `run`, after the name of a case: it takes some tenths of a second.
TINY = ["--set", "box.points=64", "--set", "initial.n_max=4", "--set", "time.end=0.1", "--set", "output.figures=false"]
PIPES = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def variables(changed=()):
    """Environment of a child that imports this checkout's package and may start mpirun, with one thread per rank.

    Present variables without those of a launcher, and with the `changed` ones (a dict; None removes one).
    """
    found = environment.mpirun_environment() | {"OMP_NUM_THREADS": "1"}
    places = [str(ROOT), *filter(None, found.get("PYTHONPATH", "").split(os.pathsep))]
    found["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(places))
    for name, value in dict(changed).items():
        found.pop(name, None) if value is None else found.update({name: str(value)})
    return found


def python(words, ranks=None):
    """Command line `python WORDS`, under mpirun if `ranks` is a number: a list of strings."""
    command = [sys.executable, *map(str, words)]
    return command if ranks is None else ["mpirun", "-n", str(ranks), *command]


def start(command, env=(), **options):
    """Popen of a command line (list) in the environment of :func:`variables`; options of Popen on top of `PIPES`."""
    return subprocess.Popen(list(map(str, command)), env=variables(env), **(PIPES | options))


def ended(process, timeout=120, stdin=None):
    """Wait for a process of :func:`start`. -> CompletedProcess with its output

    After `timeout` seconds it is ended, and the test fails with what it has said.
    """
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # mpirun ends its ranks on SIGTERM; on SIGKILL it could leave them behind
        try:
            out, err = process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        import pytest  # the long runs of tests/torture do without it

        line = " ".join(map(str, process.args))
        pytest.fail(f"{line} did not end in {timeout} s\n--- stdout\n{out}\n--- stderr\n{err}")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def carry_out(command, timeout=120, **options):
    """Start a command line and wait for its end. -> CompletedProcess; options as of :func:`start`"""
    return ended(start(command, **options), timeout)

"""Every way in which a terminal or a batch system says "end soon", with real processes: exit code 3 and a checkpoint."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import processes
import pytest

from nuflux_mpi import Run
from nuflux_mpi.run.stopping import StopRequest

LONG = [
    "--set",
    "box.points=64",
    "--set",
    "initial.n_max=8",
    "--set",
    "time.end=1e5",
    "--set",
    "time.dt_max=1e-2",
    "--set",
    "output.figures=false",
    "--set",
    "output.fields_every=0",
    "--set",
    "output.series_every=1",
    "--set",
    "output.spectrum_every=0",
]


def start(out, ranks=None, before="", more=(), **streams):
    """A run that would take hours; -> the process, once it computes. before: what the shell does first."""
    launcher = f"mpirun -n {ranks} " if ranks else ""
    command = f'{before} exec {launcher}"{sys.executable}" -m nuflux_mpi run two_beam "$@"'
    streams = {"stderr": subprocess.STDOUT, "text": None} | streams
    process = processes.start(["bash", "-c", command, "bash", *LONG, *more, "--out", out], **streams)
    end = time.monotonic() + 100
    while not (out / "checkpoint.h5").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[0]
    return process


def said(process, seconds=60):
    """What it has said when it has ended."""
    try:
        return process.communicate(timeout=seconds)[0].decode()
    except subprocess.TimeoutExpired:
        process.kill()
        return f"did not end; {process.communicate()[0].decode()}"


def ranks_of(out):
    """Process numbers of the ranks of a run, rank 0 first."""
    root = json.loads((out / "RUNNING").read_text())["pid"]
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        if b"nuflux_mpi" in words and os.fsencode(out) in words and b"mpirun" not in words[0]:
            found.append(int(pid))
    return [root, *sorted(set(found) - {root})]


def stopped_in_order(out, text, reason):
    assert f"stopped by {reason} at t = " in text, text
    run = Run(out)
    assert not run.finished and (out / "checkpoint.h5").exists() and not (out / "RUNNING").exists()


@pytest.mark.parametrize("name", StopRequest.SIGNALS)
def test_one_process(name, tmp_path):
    process = start(tmp_path / "run")
    process.send_signal(getattr(signal, name))
    text = said(process)
    assert process.returncode == 3, text
    stopped_in_order(tmp_path / "run", text, "Ctrl-C" if name == "SIGINT" else name)


@pytest.mark.parametrize("name, who", [("SIGUSR2", "last"), ("SIGXCPU", "first"), ("SIGHUP", "last"), ("SIGALRM", "all")])
def test_ranks(name, who, tmp_path):
    process = start(tmp_path / "run", ranks=2)
    pids = ranks_of(tmp_path / "run")
    assert len(pids) == 2
    for pid in {"first": pids[:1], "last": pids[1:], "all": pids}[who]:
        os.kill(pid, getattr(signal, name))
    text = said(process)
    assert process.returncode == 3, text
    stopped_in_order(tmp_path / "run", text, name)


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2"])
def test_launcher(name, tmp_path):
    """Those that every mpirun passes on."""
    process = start(tmp_path / "run", ranks=2)
    process.send_signal(getattr(signal, name))
    text = said(process)
    assert process.returncode == 3, text
    stopped_in_order(tmp_path / "run", text, name)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR2", "SIGTERM"])
def test_what_was_ignored_at_the_start_stays_ignored(name, tmp_path):
    """nohup, or `trap '' USR2` in a script."""
    process = start(tmp_path / "run", before=f"trap '' {name[3:]};")
    process.send_signal(getattr(signal, name))
    time.sleep(1.0)
    assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    text = said(process)
    assert process.returncode == 3
    stopped_in_order(tmp_path / "run", text, "SIGUSR1")


def test_suspended_and_continued(tmp_path):
    """Ctrl-Z, SGE, `scontrol suspend`: it goes on."""
    process = start(tmp_path / "run")
    for name in ("SIGTSTP", "SIGCONT", "SIGSTOP", "SIGCONT"):
        process.send_signal(getattr(signal, name))
        time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    text = said(process)
    assert process.returncode == 3, text


@pytest.mark.parametrize("ignored", [False, True], ids=["", "nohup"])
def test_a_terminal_that_is_closed(ignored, tmp_path):
    """SIGHUP from the system, and a terminal that gives an error for every line written to it."""
    leader, follower = pty.openpty()
    process = start(
        tmp_path / "run",
        before="trap '' HUP;" if ignored else "",
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: _make_controlling(0),
    )
    os.close(follower)
    os.close(leader)
    if ignored:
        time.sleep(3.0)  # some lines of progress
        assert process.poll() is None
        process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=200) == 3
    stopped_in_order(tmp_path / "run", (tmp_path / "run" / "run.log").read_text(), "SIGUSR1" if ignored else "SIGHUP")


def _make_controlling(descriptor):
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("command", [["run", "two_beam"], ["linear", "two_beam"], ["doctor"]])
def test_ctrl_c_while_the_program_is_loaded_is_a_word(command, tmp_path):
    """Before there is anything to save: no traceback, and the shell learns that it was Ctrl-C."""
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name in ('numpy', 'nuflux_mpi.cli.doctor'):\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from nuflux_mpi.cli.commands import main\n"
        "sys.exit(main())"
    )
    done = processes.carry_out(processes.python(["-c", code, *command]), cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (-signal.SIGINT, "nuflux_mpi: interrupted\n", "")
    assert not list(tmp_path.iterdir())

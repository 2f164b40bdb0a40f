"""A run that gets no further ends by itself, in one sentence, and goes on from its checkpoint; others are left in peace."""

import os
import re
import signal
import time

import processes
import pytest
from test_signals import LONG, ranks_of, said, start

from nuflux_mpi import Run
from nuflux_mpi.run import watchdog

TIMEOUT = ["--set", "run.timeout=4"]


@pytest.mark.parametrize("method", ["adams", "5dp"])
def test_a_rank_that_is_lost_ends_the_others_in_time(method, tmp_path, run_cli):
    """It is stopped, so that nobody hears of its loss, as of that of a node."""
    out = tmp_path / "run"
    process = start(out, ranks=2, more=[*TIMEOUT, "--set", f"time.method={method}", "--set", "output.checkpoint_every=0.5"])
    time.sleep(1.5)
    os.kill(ranks_of(out)[1], signal.SIGSTOP)
    text = said(process, seconds=90)
    assert process.returncode != 0 and "did not end" not in text
    told = re.findall(r"nuflux_mpi: no progress for \d+ s \(run.timeout = 4\) since [-\d]+ [\d:]+, at t = [\d.]+:", text)
    assert len(told) == 1 or "Profiling timer expired" in text, text
    assert "Traceback" not in text
    end = float(Run(out).series["time"][-1]) + 3.0
    done = run_cli(
        [
            "run",
            "two_beam",
            *LONG,
            "--set",
            f"time.method={method}",
            "--set",
            f"time.end={end}",
            "--out",
            out,
            "--resume",
            "auto",
        ]
    )
    assert done.returncode == 0, done.stderr
    assert Run(out).series["time"][-1] == end


def python(code, timeout=60):
    return processes.carry_out(processes.python(["-c", code]), timeout)


def test_it_ends_what_python_cannot_end_itself():
    """PETSc waits in MPI without letting other threads run; here a loop in C that keeps them from running."""
    code = (
        "from nuflux_mpi.run import watchdog; watchdog._GRACE = 0.5\n"
        "import time, re\n"
        "with watchdog.Watchdog(1.0, 0, lambda: 'x'):\n"
        "    time.sleep(0.5)\n"
        "    re.match('(a*)*b', 'a' * 60)\n"
    )  # takes ages, in one call
    begin = time.monotonic()
    done = python(code)
    assert done.returncode == -signal.SIGPROF and time.monotonic() - begin < 50


def test_progress_of_any_kind_keeps_it_quiet():
    code = (
        "from nuflux_mpi.run import watchdog; import time\n"
        "watchdog.SLOWEST_DISK = 1.0\n"
        "with watchdog.Watchdog(1.0, 0, lambda: 'x') as dog:\n"
        "    for _ in range(8):\n"
        "        time.sleep(0.3); dog.pat()\n"
        "    dog.pat(100.0)\n"  # a write of a hundred bytes at one byte per second
        "    time.sleep(2.5)\n"
        "print('done')\n"
    )
    done = python(code)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_it_ends_a_process_that_waits():
    done = python(
        "from nuflux_mpi.run import watchdog; import time\nwith watchdog.Watchdog(0.5, 0, lambda: 'at t = 3'): time.sleep(50)"
    )
    assert done.returncode == 1
    assert re.fullmatch(
        r"nuflux_mpi: no progress for 1 s \(run.timeout = 0.5\) since .*, at t = 3: a node.*--resume auto\n", done.stderr
    )


def test_no_time_passes_while_the_process_is_suspended():
    code = (
        "from nuflux_mpi.run import watchdog; import time\n"
        "with watchdog.Watchdog(3.0, 0, lambda: 'x') as dog:\n"
        "    print('go', flush=True)\n"
        "    for _ in range(3): time.sleep(0.5); dog.pat()\n"
    )
    process = processes.start(processes.python(["-c", code]))
    process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    time.sleep(5.0)
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=60) == 0


def test_it_costs_nothing_unless_it_is_asked_for():
    with watchdog.Watchdog(0.0, 0, lambda: "x") as dog:
        dog.pat()
        assert not any("_watch" in str(getattr(thread, "_target", "")) for thread in watchdog.threading.enumerate())
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)

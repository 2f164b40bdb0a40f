"""tools/torture_files.py: a few of its trials; and reading commands where HDF5 crashes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nuflux_mpi.runtime import environment

ROOT = Path(__file__).resolve().parents[2]


def test_damaged_files_end_in_the_right_result_or_in_a_sentence():
    command = [
        sys.executable,
        ROOT / "tools" / "torture_files.py",
        "--flips",
        "3",
        "--cuts",
        "2",
        "--swaps",
        "2",
        "--seed",
        "5",
    ]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=290, env=environment.mpirun_environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "0 of 7 failed"


PROGRAM = """
import os, signal, sys
from nuflux_mpi import cli
def end(arguments):
    print("read", flush=True)
    {}
    return 7
cli._info = end
sys.argv = ["nuflux_mpi", "info", "somewhere"]
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    "line, code, said",
    [
        ("pass", 7, ""),
        (
            "os.kill(os.getpid(), signal.SIGSEGV)",
            1,
            "nuflux_mpi: HDF5 crashes (SIGSEGV) while it reads: a file of the run is damaged\n",
        ),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
        ("sys.stderr.write('two'); os._exit(2)", 2, "two"),
    ],
)
def test_a_reading_command_ends_as_its_child_does(line, code, said):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(line)],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": ""},
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "read\n", said)

"""Damaged files of runs: a few trials; and reading commands where HDF5 crashes."""

import signal
from pathlib import Path

import pytest
from processes import carry_out, python


def test_damaged_files_end_in_the_right_result_or_in_a_sentence():
    words = ["files", "--flips", 3, "--cuts", 2, "--swaps", 2, "--seed", 5]
    done = carry_out(python([Path(__file__).parent, *words]), timeout=290)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "0 of 7 failed"


PROGRAM = """
import os, signal, sys
from nuflux_mpi.cli import commands as cli
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
    done = carry_out(python(["-c", PROGRAM.format(line)]), env={"PYTHONFAULTHANDLER": ""})
    assert (done.returncode, done.stdout, done.stderr) == (code, "read\n", said)

"""Standard streams in every state in which a shell or a batch system can hand them over."""

import fcntl
import os
import subprocess
import sys
import time

import pytest
from processes import TINY

from nuflux_mpi.runtime import environment

COMMANDS = (
    ["info", "run"],
    ["init", "two_beam"],
    ["init", "--list"],
    ["--help"],
    ["run", "--help"],
    ["--version"],
    ["check", "two_beam"],
    ["diff", "run", "run"],
    ["linear", "two_beam", "--continuous", "--k", "-1"],
    ["plot", "run"],
    ["info", "run", "--toml"],
    ["doctor", "--ranks", "0"],
)


def shell(command, arguments, cwd, **variables):
    """A command line in which N stands for `python -m nuflux_mpi ARGUMENTS`."""
    line = command.replace("N", f'"{sys.executable}" -m nuflux_mpi "$@"')
    return subprocess.run(
        ["bash", "-c", line, "bash", *map(str, arguments)],
        cwd=cwd,
        timeout=120,
        capture_output=True,
        env=environment.mpirun_environment() | variables,
        text=True,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with a run in `run`."""
    directory = tmp_path_factory.mktemp("streams")
    done = shell("N", ["run", "two_beam", *TINY, "--deterministic", "--out", "run"], directory)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_output_that_cannot_be_written_is_one_sentence(arguments, place):
    done = shell("N > /dev/full", arguments, place)
    assert done.returncode == 1
    assert done.stderr == "nuflux_mpi: standard output cannot be written (No space left on device)\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_output_is_one_sentence(unbuffered, place):
    done = shell("N >&-", ["info", "run"], place, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert done.stderr == "nuflux_mpi: standard output cannot be written (Bad file descriptor)\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_is_no_fault(unbuffered, place):
    done = shell(
        "set -o pipefail; N | head -1; exit ${PIPESTATUS[0]}", ["init", "two_beam"], place, PYTHONUNBUFFERED=unbuffered
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# Two beams")
    done = shell("N | true; exit ${PIPESTATUS[0]}", ["info", "run"], place, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("how", [">&-", "2>&-", "<&- >&- 2>&-", "> /dev/full 2> /dev/full", "2>&1 | true"])
def test_a_run_goes_on_without_any_stream(how, place, tmp_path):
    done = shell(
        f"N {how}; exit ${{PIPESTATUS[0]}}", ["run", "two_beam", *TINY, "--deterministic", "--out", tmp_path / "out"], place
    )
    assert done.returncode == 0, done.stderr
    assert "finished at t = 0.1" in (tmp_path / "out" / "run.log").read_text()
    # No file has taken what was meant for a closed stream.
    listed = shell("N", ["diff", "run", tmp_path / "out"], place)
    assert listed.returncode == 0, listed.stdout


def test_errors_with_no_place_to_go_keep_their_exit_code(place):
    for how in ("2>&-", "2> /dev/full"):
        assert shell(f"N {how}", ["info", "nowhere"], place).returncode == 2
        assert shell(f"N {how}", ["run", "--nonsense"], place).returncode == 2


def test_a_narrow_encoding_shows_escapes(place):
    case = place / "case.toml"
    text = shell("N", ["info", "run", "--toml"], place).stdout
    case.write_text(text.replace(text.splitlines()[0], 'title = "ν, two beams"'), encoding="utf-8")
    assert shell("N", ["run", case, "--out", "nu"], place, PYTHONIOENCODING="ascii", PYTHONUTF8="0").returncode == 0
    done = shell("N", ["info", "nu"], place, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and r"\u03bd, two beams" in done.stdout, done.stderr


def test_a_pipe_that_does_not_block_loses_nothing(place):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    command = [sys.executable, "-m", "nuflux_mpi", "info", "run", "--toml"]
    expected = subprocess.run(command, cwd=place, capture_output=True, env=environment.mpirun_environment()).stdout
    times = 1 + 3 * 4096 // len(expected)
    script = (
        "import sys; from nuflux_mpi import cli; from nuflux_mpi.runtime import streams; s = streams.Streams()\n"
        f"for _ in range({times}): code = cli.main({command[3:]!r})\nsys.exit(s.verdict(code))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=place, stdout=writing, env=environment.mpirun_environment())
    os.close(writing)
    time.sleep(0.5)  # it meets the full pipe
    with open(reading, "rb") as pipe:
        found = pipe.read()
    assert process.wait(timeout=60) == 0
    assert found == times * expected


def test_the_bare_name_at_a_terminal_shows_the_help(place):
    """As the console script does; `python -m nuflux_mpi` runs the paper's example (test_cli.py)."""
    import pty

    leader, follower = pty.openpty()
    code = "import sys; sys.argv = ['/usr/bin/nuflux_mpi']; from nuflux_mpi.cli.commands import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=place,
        env=environment.mpirun_environment(),
        stdin=follower,
        stdout=follower,
        stderr=subprocess.PIPE,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # closed by the other side
            break
        if not part:
            break
        shown += part
    assert process.wait(timeout=60) == 0
    assert b"usage: nuflux_mpi" in shown and not (place / "runs").exists()

"""tools/: what they import, the summary that continuous integration reads, the guard of the MPI tests, and run.sh."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import carry_out, python
from summarize_tests import main as summarize

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("path", sorted((ROOT / "tools").glob("*.py")), ids=lambda path: path.name)
def test_what_tools_import_exists(path):
    """Tools import late and are not all run by tests: a name that moved would go unnoticed."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("nuflux_mpi"):
            exec(ast.unparse(node), {})  # ImportError where it does not


# --- the summary -----------------------------------------------------------------------------------------------------


def write_session(directory, name, status, **outcomes):
    """The files of one pytest session: its exit code and its report of tests (passed, failed, error or skipped)."""
    (directory / f"{name}.status").write_text(f"{status}\n")
    tags = {"passed": "", "failed": "<failure/>", "error": "<error/>", "skipped": "<skipped/>"}
    cases = "".join(f'<testcase classname="t" name="{test}">{tags[kind]}</testcase>' for test, kind in outcomes.items())
    (directory / f"{name}.rank0.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")


def last_line(capsys):
    return capsys.readouterr().out.splitlines()[-1]


def test_sessions_are_summed(tmp_path, capsys):
    write_session(tmp_path, "serial", 0, a="passed", b="skipped")
    write_session(tmp_path, "ranks1", 0, c="passed", d="skipped")
    write_session(tmp_path, "ranks2", 0, c="passed", d="passed")
    assert summarize(tmp_path) == 0
    assert last_line(capsys) == "4 passed, 0 failed, 2 skipped"


def test_failures_and_errors_count_as_failed(tmp_path, capsys):
    write_session(tmp_path, "serial", 1, a="failed", b="error", c="passed")
    assert summarize(tmp_path) == 1
    assert last_line(capsys) == "1 passed, 2 failed, 0 skipped"


def test_a_test_skipped_on_every_number_of_ranks_fails(tmp_path, capsys):
    for ranks in 1, 2:
        write_session(tmp_path, f"ranks{ranks}", 0, never="skipped", always="passed")
    assert summarize(tmp_path) == 1
    assert last_line(capsys) == "2 passed, 1 failed, 2 skipped"


def test_a_killed_session_fails(tmp_path, capsys):
    write_session(tmp_path, "serial", 0, a="passed")
    (tmp_path / "ranks3.status").write_text("124\n")
    assert summarize(tmp_path) == 1
    assert last_line(capsys) == "1 passed, 1 failed, 0 skipped"


def test_nothing_ran_is_a_failure(tmp_path, capsys):
    (tmp_path / "serial.status").write_text("5\n")
    assert summarize(tmp_path) == 1
    assert last_line(capsys) == "0 passed, 1 failed, 0 skipped"


# --- the guard -------------------------------------------------------------------------------------------------------

GUARDED = """
import pytest
pytestmark = pytest.mark.mpi

def test_one_rank_fails_in_the_call(comm):
    assert comm.rank != 1, "the reason"

@pytest.fixture
def broken(comm):
    if comm.rank == 1:
        raise RuntimeError("the set-up")

def test_one_rank_fails_in_the_setup(broken, comm):
    comm.Barrier()

def test_one_rank_skips(comm):
    if comm.rank == 0:
        pytest.skip("alone")

def test_all_pass(comm):
    comm.Barrier()
"""

HANGING = """
import pytest

@pytest.mark.mpi
def test_waits_for_the_failed_rank(comm):
    assert comm.rank != 1, "the reason"
    comm.Barrier()
"""


def run_guarded(directory, text):
    """Run a test file, beside a copy of conftest.py, on 3 ranks."""
    shutil.copy(ROOT / "tests" / "conftest.py", directory)
    (directory / "test_guarded.py").write_text(text)
    (directory / "pytest.ini").write_text("[pytest]\n")
    command = python(["-m", "pytest", "--with-mpi", "-p", "no:cacheprovider", "-q", "--color=no"], ranks=3)
    return carry_out(command, timeout=90, cwd=directory, env={"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"})


def test_the_guard_makes_all_ranks_agree(tmp_path):
    done = run_guarded(tmp_path, GUARDED)
    assert done.returncode == 1
    # Each of the 3 sessions reports the same, also those whose own rank had no problem.
    assert done.stdout.count("2 failed, 1 passed, 1 error") == 3, done.stdout + done.stderr
    assert "rank 1 failed" in done.stderr and "the reason" in done.stderr
    assert "failed on ranks [1] of 3" in done.stdout and "outcome differs from rank to rank" in done.stdout


def test_the_guard_ends_a_test_that_waits_for_a_failed_rank(tmp_path):
    done = run_guarded(tmp_path, HANGING)  # without the guard: subprocess.TimeoutExpired
    assert done.returncode == 1
    assert "the reason" in done.stderr and "the other ranks did not arrive" in done.stderr


# --- run.sh ----------------------------------------------------------------------------------------------------------


def run_script(*arguments, cwd, **variables):
    command = ["bash", ROOT / "tools" / "run.sh", *arguments]
    return carry_out(command, cwd=cwd, env={"NUFLUX_PYTHON": sys.executable} | variables)


def test_run_sh_passes_the_exit_code_on(tmp_path):
    done = run_script("run", "no-such-case.toml", cwd=tmp_path, NUFLUX_RANKS="2")
    assert done.returncode == 2 and "no-such-case" in done.stderr


def test_run_sh_leaves_standard_output_to_the_program(tmp_path):
    done = run_script("init", cwd=tmp_path)
    assert done.returncode == 0 and "[box]" in done.stdout and "setup:" not in done.stdout


@pytest.mark.parametrize("ranks", ["0", "-1", "two", "1.5"])
def test_run_sh_refuses_a_wrong_number_of_ranks(tmp_path, ranks):
    done = run_script("run", cwd=tmp_path, NUFLUX_RANKS=ranks)
    assert done.returncode == 2 and f"NUFLUX_RANKS={ranks} is not a positive whole number" in done.stderr
    assert not os.listdir(tmp_path)


def test_setup_names_what_an_incomplete_python_lacks(tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')  # -S: without site-packages
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", ROOT / "tools" / "setup.sh"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"NUFLUX_PYTHON": str(python)},
    )
    assert done.returncode == 1
    assert "lacks" in done.stderr and "pydantic" in done.stderr and "docs/install.md" in done.stderr

"""How the tests run: serial and MPI sessions, a guard against hanging, and fixtures for both.

Tests marked `mpi` run with --with-mpi, on one process or under mpirun; all others run without it, on one process. So
`pytest` alone is the serial session, and tools/test.sh runs them all.

Nothing here starts MPI before an `mpi` test needs it: tests of the command line start mpirun themselves, from a process
that must not be an MPI process.
"""

import functools
import sys
import time

import hypothesis
import processes
import pytest

from nuflux_mpi.runtime import environment

ARRIVAL_SECONDS = 10.0  # ranks of one test end within milliseconds; more than this means they wait for a failed one

# The same examples on every rank and in every run; no deadline, since ranks may share a core.
hypothesis.settings.register_profile("nuflux", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("nuflux")


def pytest_configure(config):
    if environment.launcher_size() > 1 and not config.getoption("--with-mpi"):
        raise pytest.UsageError("under mpirun add --with-mpi (tools/test.sh does it all)")


def pytest_collection_modifyitems(config, items):
    """Keep the tests of this kind of session only."""
    with_mpi = config.getoption("--with-mpi")
    selected = [item for item in items if ("mpi" in item.keywords) == with_mpi]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(selected)])
    items[:] = selected


# --- guard against hanging -------------------------------------------------------------------------------------------


@functools.cache
def guard_comm():
    """The guard's own communicator of all ranks, or None on one process. Starts MPI under mpirun. Collective."""
    if environment.launcher_size() == 1:
        return None
    from mpi4py import MPI

    return MPI.COMM_WORLD.Dup()


def pytest_collection_finish(session):
    """End at once if the ranks collected different tests: their sessions would wait for each other."""
    comm = guard_comm()
    if comm and len(set(comm.allgather(tuple(item.nodeid for item in session.items)))) > 1:
        pytest.exit("the ranks collected different tests", returncode=3)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Give each phase of a test the same outcome on all ranks, so that all go on, or stop, together."""
    outcome = yield
    comm = guard_comm()
    if comm:
        agree(comm, outcome.get_result())


def agree(comm, report):
    """Make `report` (of one phase of one test) failed on all ranks of `comm` if it failed on one. Collective.

    A failing rank prints its traceback at once. If the others do not arrive they wait for it inside the test, and it
    ends all ranks.
    """
    if report.failed:
        complain(f"rank {comm.rank} failed {report.nodeid} ({report.when}):\n{report.longreprtext}")
    arrival = comm.Ibarrier()
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not arrival.Test():
        if report.failed and time.monotonic() > deadline:
            complain(f"rank {comm.rank}: the other ranks did not arrive in {ARRIVAL_SECONDS:.0f} s; ending all ranks")
            comm.Abort(1)
        time.sleep(0.001)

    outcomes = comm.allgather((report.outcome, report.longreprtext))
    if len({outcome for outcome, _ in outcomes}) == 1:
        return
    problems = [(rank, text) for rank, (outcome, text) in enumerate(outcomes) if outcome == "failed"]
    if problems:
        message = f"failed on ranks {[rank for rank, _ in problems]} of {comm.size}"
    else:
        message = f"outcome differs from rank to rank: {[outcome for outcome, _ in outcomes]}"
    details = "".join(f"\n\n--- rank {rank} ---\n{text}" for rank, text in problems)
    report.outcome = "failed"
    report.longrepr = message + details


def complain(text):
    """Write to the real standard error, past pytest's capturing, in one piece."""
    sys.__stderr__.write(f"\n{text}\n")
    sys.__stderr__.flush()


# --- fixtures --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def comm():
    """A duplicate of COMM_WORLD. Collective; starts MPI."""
    from mpi4py import MPI

    duplicate = MPI.COMM_WORLD.Dup()
    yield duplicate
    duplicate.Free()


@pytest.fixture
def shared_tmp_path(comm, tmp_path):
    """One new directory (pathlib.Path), the same on all ranks. Collective."""
    return comm.bcast(tmp_path)


@pytest.fixture
def run_cli():
    """The function `run_cli`, for tests of the command line."""
    return _run_cli


def _run_cli(args, ranks=None, timeout=120, cwd=None, env=()):
    """Run `python -m nuflux_mpi ARGS`, under mpirun if `ranks` is a number; return a CompletedProcess with text output.

    args: list of strings or paths. timeout: seconds after which the run is ended and the test fails with its output.
    env: variables to set on top of the present environment, without those of a launcher (a value None removes one).
    """
    return processes.carry_out(processes.python(["-m", "nuflux_mpi", *args], ranks), timeout, cwd=cwd, env=env or ())

"""Runs over a network: two hosts on one machine, see hosts.py. Skipped where they cannot be made."""

import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from hosts import two_hosts, why_not
from processes import carry_out, start

from nuflux_mpi import Run

CASE = [
    "two_beam",
    "--set",
    "box.points=96",
    "--set",
    "box.length=40",
    "--set",
    "initial.n_max=20",
    "--set",
    "output.figures=false",
    "--set",
    "output.series_every=0.5",
    "--set",
    "output.fields_every=1",
]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    if why_not():
        pytest.skip(f"no two hosts here: {why_not()}")
    try:
        with two_hosts(tmp_path_factory.mktemp("hosts")) as both:
            yield both
    except OSError as error:
        pytest.skip(f"no two hosts here: {error}")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run on one rank (path of its directory)."""
    out = tmp_path_factory.mktemp("alone") / "run"
    done = carry_out(command_alone(out, "--set", "time.end=4"), timeout=240)
    assert done.returncode == 0, done.stderr
    return out


def command_alone(out, *more):
    return [sys.executable, "-m", "nuflux_mpi", "run", *CASE, "--out", str(out), *more]


def last_fields(out):
    with h5py.File(out / "fields.h5") as file:
        return file["time"][-1], file["P"][-1]


def same_result(out, alone):
    """Two runs agree to what rounding becomes: an unstable system makes it exp(4) times more, and sums differ in order."""
    (t, P), (expected_t, expected) = last_fields(out), last_fields(alone)
    assert t == expected_t
    np.testing.assert_allclose(P, expected, rtol=0, atol=1e-11)


@pytest.mark.timeout(600)
def test_results_memory_of_each_node_and_fewer_hosts(hosts, alone, tmp_path):
    whole = hosts.run([2, 2], "run", *CASE, "--out", tmp_path / "whole", "--set", "time.end=4")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "4 ranks" in whole.stderr and "memory shared on each of 2 nodes" in whole.stderr
    same_result(tmp_path / "whole", alone)
    # A checkpoint of two hosts goes on on one of them.
    half = hosts.run([2, 1], "run", *CASE, "--out", tmp_path / "half", "--set", "time.end=2")
    assert half.returncode == 0, half.stdout + half.stderr
    rest = hosts.run([2, 0], "run", *CASE, "--out", tmp_path / "half", "--set", "time.end=4", "--resume", "auto")
    assert rest.returncode == 0, rest.stdout + rest.stderr
    assert last_fields(tmp_path / "half")[0] == 4.0
    with h5py.File(tmp_path / "half" / "series.h5") as file:
        assert np.array_equal(file["time"][:], np.arange(9) * 0.5)
    # It was stopped in between, where the steps of the two differ: equal to the error that rtol allows.
    np.testing.assert_allclose(last_fields(tmp_path / "half")[1], last_fields(alone)[1], rtol=0, atol=1e-6)


@pytest.mark.timeout(600)
def test_a_lost_host_ends_in_time_and_the_run_goes_on_elsewhere(hosts, tmp_path):
    """Nothing inside MPI ends a job whose link is gone: the watchdog of each rank does."""
    out = tmp_path / "lost"
    arguments = [
        "run",
        *CASE,
        "--out",
        out,
        "--set",
        "time.end=4000",
        "--set",
        "output.checkpoint_every=1",
        "--set",
        "run.timeout=20",
    ]
    job = start(hosts.command([1, 1], *arguments), stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 240  # the loops may have to be compiled first
        while not (out / "checkpoint.previous.h5").exists():
            assert time.monotonic() < deadline and job.poll() is None, "the run did not come to its second checkpoint"
            time.sleep(0.2)
        hosts.cut_off(1)
        told, _ = job.communicate(timeout=200)
    finally:
        job.kill()
    assert job.returncode not in (0, 3), told
    # The watchdog of the rank that is left; on a very busy machine mpirun may have noticed before.
    assert "no progress for" in told and "run.timeout = 20" in told or "lost communication" in told, told
    # The host that is left goes on with the run, at once: it sees that the process which holds the lock is dead.
    reached = Run(out).series["time"][-1]
    done = hosts.run([1, 0], *arguments, "--resume", "auto", "--set", f"time.end={reached + 2}")
    assert done.returncode == 0, done.stdout + done.stderr
    times = Run(out).series["time"]
    np.testing.assert_allclose(times, 0.5 * np.arange(len(times)), rtol=0, atol=1e-9)  # output times are met to rounding
    assert times[-1] == reached + 2

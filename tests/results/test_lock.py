"""One run per directory: a living owner is respected, a dead one is not."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from nuflux_mpi.errors import InputError
from nuflux_mpi.results import lock


def left_behind(directory, age=0.0, **owner):
    """A lock as some process left it, last touched `age` seconds ago."""
    path = directory / lock.NAME
    path.write_text(json.dumps({"host": platform.node(), "pid": 1, "born": "0", "job": "", "started": "then"} | owner))
    now = path.stat().st_mtime
    os.utime(path, (now - age, now - age))
    return path


def dead_process():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_second_run_is_refused_until_the_first_is_done(tmp_path):
    first = lock.RunLock(tmp_path)
    with pytest.raises(InputError, match=f"process {os.getpid()} on {platform.node()}"):
        lock.RunLock(tmp_path)
    first.release()
    lock.RunLock(tmp_path).release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "owner, age",
    [
        ({"pid": dead_process()}, 0.0),
        ({"pid": os.getpid(), "born": "0"}, 0.0),  # the number belongs to another process by now
        ({"host": "elsewhere"}, lock.SILENCE + 1.0),
    ],
)
def test_lock_of_a_dead_run_is_taken_over(tmp_path, owner, age):
    left_behind(tmp_path, age, **owner)
    lock.RunLock(tmp_path).release()
    assert not list(tmp_path.iterdir())


def test_lock_of_a_dead_run_is_taken_over_before_its_parent_has_noticed(tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        left_behind(tmp_path, pid=owner.pid, born=lock._birth(owner.pid))
        with pytest.raises(InputError, match=f"process {owner.pid}"):
            lock.RunLock(tmp_path)
        owner.kill()
        os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)  # dead, and still among the processes
        lock.RunLock(tmp_path).release()
        assert not list(tmp_path.iterdir())
    finally:
        owner.kill()
        owner.communicate()


def test_run_on_another_host_lives_while_it_touches_its_lock(tmp_path):
    left_behind(tmp_path, lock.SILENCE - 30.0, host="elsewhere", job="4711")
    with pytest.raises(InputError, match="on elsewhere, job 4711, since then"):
        lock.RunLock(tmp_path)


def test_unreadable_lock_counts_by_its_age(tmp_path):
    path = left_behind(tmp_path)
    path.write_text("")
    with pytest.raises(InputError, match="being written by another run"):
        lock.RunLock(tmp_path)
    os.utime(path, (0, 0))
    lock.RunLock(tmp_path).release()


def test_a_run_of_the_same_job_elsewhere_is_gone_after_a_few_silent_beats(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    left_behind(tmp_path, host="lost", job="4711", beat=0.02)
    lock.RunLock(tmp_path).release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("owner", [{"host": "elsewhere"}, {"processes": "pid:[1]"}, {"boot": "another"}])
def test_a_run_of_the_same_job_that_beats_is_respected(owner, tmp_path, monkeypatch):
    """Also in another container of this host, where process numbers mean something else."""
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    path = left_behind(tmp_path, job="4711", beat=5.0, pid=dead_process(), **owner)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 5:
            os.utime(path)

    monkeypatch.setattr(lock.time, "sleep", sleep)
    with pytest.raises(InputError, match="being written by another run .*job 4711"):
        lock.RunLock(tmp_path)
    assert len(slept) == 5


def test_another_job_does_not_wait(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4712")
    monkeypatch.setattr(lock.time, "sleep", None)
    left_behind(tmp_path, host="elsewhere", job="4711")
    with pytest.raises(InputError, match="job 4711"):
        lock.RunLock(tmp_path)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe{", b"", b"[" * 10**5, b'{"host": 1, "pid": "x", "born": null}', bytes(2**17), b"null"]
)
def test_what_is_no_lock_counts_by_its_age(content, tmp_path):
    path = tmp_path / lock.NAME
    path.write_bytes(content)
    with pytest.raises(InputError, match="being written by another run"):
        lock.RunLock(tmp_path)
    os.utime(path, (0, 0))
    lock.RunLock(tmp_path).release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda path: path.mkdir(), "is a directory"),
        (os.mkfifo, "is a pipe"),
        (lambda path: path.symlink_to("gone"), "leads nowhere"),
        (lambda path: path.symlink_to("/dev/zero"), "is a link to a device"),
    ],
)
def test_what_is_no_file_is_refused(make, words, tmp_path):
    make(tmp_path / lock.NAME)
    with pytest.raises(InputError, match=f"--out: .*{lock.NAME} {words}|--out: .*{words}"):
        lock.RunLock(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [lock.NAME]


def test_a_disk_without_links(tmp_path, monkeypatch):
    def refuse(*names):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    first = lock.RunLock(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [lock.NAME]
    with pytest.raises(InputError, match=f"process {os.getpid()}"):
        lock.RunLock(tmp_path)
    first.release()


def test_a_lock_is_whole_when_it_has_its_name(tmp_path, monkeypatch):
    link, seen = os.link, []

    def watched(new, path):
        seen.append(json.loads(new.read_text()))
        link(new, path)

    monkeypatch.setattr(os, "link", watched)
    mine = lock.RunLock(tmp_path)
    assert seen[0]["pid"] == os.getpid() and seen[0]["born"] and seen[0]["beat"] == lock.HEARTBEAT
    mine.release()


def test_leftovers_of_killed_runs_go(tmp_path):
    for name in (".run.toml.0123456789abcdef.new", ".RUNNING.0123456789abcdef.new", ".run.toml.new", ".writable-77"):
        (tmp_path / name).touch()
    mine = {".mine.new.txt", ".bashrc.new"}
    for name in mine:
        (tmp_path / name).touch()
    lock.RunLock(tmp_path).release()
    assert {path.name for path in tmp_path.iterdir()} == mine


# Takes the lock at a moment that all agree on, tells whether it could, and lives on until its input ends.
_STARTER = """
import sys, time
from nuflux_mpi.results import lock
from nuflux_mpi.errors import InputError
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
try:
    lock.RunLock(sys.argv[1])
    print("taken", flush=True)
except InputError:
    print("refused", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("stale", [False, True])
def test_of_many_that_start_at_once_one_writes(stale, tmp_path):
    if stale:
        left_behind(tmp_path, pid=dead_process())
    begin = str(lock.time.time() + 4.0)
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", _STARTER, str(tmp_path), begin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(20)
    ]
    try:
        said = [starter.stdout.readline().strip() for starter in starters]
        assert sorted(said) == ["refused"] * 19 + ["taken"]
        winner = starters[said.index("taken")]
        assert json.loads((tmp_path / lock.NAME).read_text())["pid"] == winner.pid
        assert [path.name for path in tmp_path.iterdir()] == [lock.NAME]
    finally:
        for starter in starters:
            starter.send_signal(signal.SIGKILL)
            starter.communicate()


def test_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT", 0.01)
    mine = lock.RunLock(tmp_path)
    path = tmp_path / lock.NAME
    os.utime(path, (0, 0))
    for _ in range(500):
        if path.stat().st_mtime:
            break
        mine._over.wait(0.01)
    assert path.stat().st_mtime > 0
    mine.release()


def test_only_ones_own_lock_is_given_back(tmp_path):
    mine = lock.RunLock(tmp_path)
    left_behind(tmp_path, host="elsewhere")
    mine.release()
    assert (tmp_path / lock.NAME).exists()

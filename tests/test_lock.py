"""One run per directory: a living owner is respected, a dead one is not."""

import json
import os
import platform
import subprocess
import sys

import pytest

from nuflux_mpi import lock
from nuflux_mpi.errors import InputError


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


@pytest.mark.parametrize("owner, age", [
    ({"pid": dead_process()}, 0.0),
    ({"pid": os.getpid(), "born": "0"}, 0.0),  # the number belongs to another process by now
    ({"host": "elsewhere"}, lock.SILENCE + 1.0),
])
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

"""When a run should stop: wall times as they are typed, the margin before their end, the file STOP."""

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError
from nuflux_mpi.run import stopping


@pytest.mark.parametrize(
    "text, seconds",
    [("90", 90.0), ("0.5", 0.5), ("02:30", 150.0), ("11:45:00", 42300.0), ("1-00:00:10", 86410.0), (" 1:02:03 ", 3723.0)],
)
def test_wall_time_as_it_is_typed(text, seconds):
    assert stopping.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "an hour", "-5", "1:2:3", "0", "00:00:00", "1e3", "nan"])
def test_what_is_no_wall_time(text):
    with pytest.raises(InputError, match="--walltime"):
        stopping.seconds(text)


def attentive(tmp_path, walltime, pace=None, every=0.0):
    stop = stopping.StopRequest(walltime)
    stop.attend(pace or stopping.Pace(), tmp_path, every)
    return stop


def test_wall_time_counts_from_the_start_of_the_process(tmp_path):
    age = stopping.process_age()
    assert 0.0 < age < 1e5
    assert attentive(tmp_path, age + 100.0).remaining() == pytest.approx(100.0, abs=5.0)  # a busy machine
    assert attentive(tmp_path, None).remaining() == float("inf")


def test_end_of_the_job_as_slurm_exports_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 500))
    assert attentive(tmp_path, None).remaining() == pytest.approx(500.0, abs=5.0)
    assert attentive(tmp_path, stopping.process_age() + 50.0).remaining() == pytest.approx(50.0, abs=5.0)  # the earlier one


@pytest.mark.parametrize("end", ["1", "1700000000", "²", "soon", "-5", ""])
def test_the_end_of_another_job_is_none(monkeypatch, end):
    """A terminal that was opened in a job keeps its variables when the job is over."""
    monkeypatch.setenv("SLURM_JOB_END_TIME", end)
    assert stopping.deadline(None) == float("inf")


def test_stops_when_what_is_left_is_needed(tmp_path):
    """One step, output and checkpoint more must fit in, with half of that to spare, and the end."""
    pace, left = stopping.Pace(), 100.0
    stop = attentive(tmp_path, stopping.process_age() + left, pace)
    pace.note(step=40.0, output=4.0, checkpoint=4.0)
    assert stop() == ""  # 72 s and 16 s for the end, of 100
    pace.note(step=1.0, output=10.0)
    assert stop() == stopping.WALLTIME  # 81 s and 28 s


def test_end_takes_a_second_or_what_writing_has_taken_twice():
    assert stopping.Pace().reserve() == 1.0
    assert stopping.Pace(output=0.1, checkpoint=0.3).reserve() == pytest.approx(1.5 * 0.4 + 1.0)
    assert stopping.Pace(output=1.0, checkpoint=3.0).reserve() == pytest.approx(1.5 * 4.0 + 8.0)


@pytest.mark.parametrize("checkpoint", [0.05, 30.0])
@pytest.mark.parametrize("granted", [200.0, 333.0, 1000.0])
def test_a_run_on_a_slow_disk_ends_within_its_wall_time(tmp_path, monkeypatch, checkpoint, granted):
    """Steps of 1 s, rows of 0.5 s; the last checkpoint takes a half more, and closing the files as long as one."""
    clock = SimpleNamespace(now=1e9)
    monkeypatch.setattr(stopping, "time", SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.now))
    monkeypatch.setattr(stopping, "process_age", lambda: 0.0)
    pace, begun, steps = stopping.Pace(), clock.now, 0
    stop = attentive(tmp_path, granted, pace)
    pace.note(output=0.5, checkpoint=checkpoint)  # those of the start
    clock.now += 0.5 + checkpoint
    while not stop():
        clock.now += 1.5
        steps += 1
        pace.note(step=1.0, output=0.5)
    clock.now += 1.5 * checkpoint + max(checkpoint, 0.9)
    assert stop.reason == stopping.WALLTIME and clock.now <= begun + granted
    assert steps == int((granted - 0.5 - checkpoint - pace.reserve()) / 1.5) + 1  # and no time is given away


def test_file_is_obeyed_once(tmp_path):
    (tmp_path / "STOP").touch()
    stop = attentive(tmp_path, None)
    assert stop() == ""  # one from before the run was not meant for it
    (tmp_path / "STOP").touch()
    assert stop() == "the file STOP" == stop()
    assert not (tmp_path / "STOP").exists()


def test_a_signal_while_the_clock_is_read_is_heard(tmp_path, monkeypatch):
    """With steps of some microseconds that is where many of them arrive."""
    stop = attentive(tmp_path, None)

    def look():
        os.kill(os.getpid(), signal.SIGUSR1)
        return float("inf")

    monkeypatch.setattr(stop, "remaining", look)
    with stop:
        assert stop() == "SIGUSR1" and stop() == "SIGUSR1"


def test_disk_is_not_asked_at_every_step(tmp_path):
    stop = attentive(tmp_path, None, every=1000.0)
    (tmp_path / "STOP").touch()
    assert stop() == ""


@pytest.mark.parametrize("name", stopping.StopRequest.WARNINGS)
def test_a_program_keeps_what_it_ignores(handlers, name):
    """As nohup does with SIGHUP; the tests of another process are in test_signals.py."""
    number = getattr(signal, name)
    signal.signal(number, signal.SIG_IGN)
    with stopping.StopRequest() as stop:
        os.kill(os.getpid(), number)
        assert stop() == ""


def test_a_thread_hears_no_signals_and_may_ask_all_the_same():
    found = []

    def ask():
        with stopping.StopRequest() as stop:
            found.append(stop())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [""]


def test_a_time_in_which_the_process_was_stopped_counts_for_no_step():
    pace = stopping.Pace(step=1.0)
    pace.interrupted = True
    pace.note(step=3600.0)
    assert pace.step == 1.0
    pace.note(step=2.0)
    assert pace.step == 2.0


@pytest.fixture
def usual():
    """SIGINT and the warnings as a shell leaves them in the foreground."""
    before = {name: signal.getsignal(getattr(signal, name)) for name in stopping.StopRequest.SIGNALS}
    for name in before:
        signal.signal(getattr(signal, name), signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


def test_signals_are_reasons(usual):
    for name in stopping.StopRequest.WARNINGS:
        with stopping.StopRequest() as stop:
            os.kill(os.getpid(), getattr(signal, name))
            assert stop() == name
    with stopping.StopRequest() as stop:
        os.kill(os.getpid(), stopping.signal.SIGINT)
        assert stop() == "Ctrl-C"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), stopping.signal.SIGINT)


def test_wall_time_in_which_nothing_can_be_done_is_told(tmp_path):
    enough, little = (attentive(tmp_path, walltime) for walltime in (stopping.process_age() + 100.0, 1e-3))
    enough.check_overrun(1)
    little.check_overrun(2)
    with pytest.raises(InputError, match="shorter than the start, one step and a checkpoint"):
        enough.check_overrun(0)
    with pytest.raises(InputError, match="of 0.001 s is shorter than the start and one step"):
        little.check_overrun(1)


@pytest.fixture
def handlers():
    """Handlers of all signals as they were; restored at the end, since every process that a test starts inherits them."""
    before = {name: signal.getsignal(getattr(signal, name)) for name in stopping.StopRequest.SIGNALS}
    yield before
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


def test_a_request_after_the_end_does_not_kill(usual, handlers):
    """SIGUSR1 is sent by a clock, which does not know that a run has just finished."""
    with stopping.StopRequest(last=True) as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop() == "SIGUSR1"
    os.kill(os.getpid(), signal.SIGUSR1)
    assert signal.getsignal(signal.SIGINT) == handlers["SIGINT"]
    assert signal.getsignal(signal.SIGTERM) == handlers["SIGTERM"]


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, lambda *arguments: None])
def test_a_program_that_lives_on_gets_its_handlers_back(handlers, handler):
    """An ignored signal would be ignored by every process it starts, too: bash cannot trap what it inherits ignored."""
    for name in handlers:
        signal.signal(getattr(signal, name), handler)
    with stopping.StopRequest():
        pass
    assert all(signal.getsignal(getattr(signal, name)) is handler for name in handlers)


def test_commands_called_from_a_program_leave_its_signals_alone(handlers, tmp_path):
    assert (
        commands.main(
            [
                "run",
                "two_beam",
                "--out",
                str(tmp_path / "run"),
                "--set",
                "time.end=0.01",
                "--set",
                "box.points=64",
                "--set",
                "initial.n_max=8",
                "--set",
                "output.figures=false",
            ]
        )
        == 0
    )
    assert {name: signal.getsignal(getattr(signal, name)) for name in handlers} == handlers

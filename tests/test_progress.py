"""What a run says: a bar on a terminal, lines at a growing pause elsewhere, and the time left from the recent speed."""

import io
import types

import pytest

from nuflux_mpi import progress

STATISTICS = types.SimpleNamespace(steps=7, dt=0.25)
ROW = {"U_osc": -25.0, "energy": -25.0, "energy_residual": 2.5e-9}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock to be set by hand."""
    now = types.SimpleNamespace(value=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.value)
    return now


def follow(clock, stream, log, seconds, every=10.0, start=0.0):
    """A run of one unit of t per second for so long, a step each eighth of a second."""
    told = progress.Progress(0.0, 1000.0, every, log=log, stream=stream)
    for i in range(8 * seconds):
        clock.value += 0.125
        told.update(start + 0.125 * (i + 1), STATISTICS, ROW)
    told.close()
    return stream.getvalue()


def test_lines_come_at_a_growing_pause(clock, tmp_path):
    said = follow(clock, io.StringIO(), tmp_path / "run.log", 60)
    lines = said.splitlines()
    # after 2, 4, 8 and then every 10 seconds: t = 2, 6, 14, 24, 34, 44, 54
    assert [line.split("/")[0] for line in lines] == ["t = 2", "t = 6", "t = 14", "t = 24", "t = 34", "t = 44", "t = 54"]
    assert "U_osc -25" in lines[0] and "energy drift +1.0e-10" in lines[0] and "\r" not in said
    assert (tmp_path / "run.log").read_text() == said


def test_terminal_gets_a_bar_and_the_log_lines(clock, tmp_path):
    said = follow(clock, Terminal(), tmp_path / "run.log", 60)
    assert said.count("\r[") >= 200 and "\n" not in said
    assert len((tmp_path / "run.log").read_text().splitlines()) == 7


def test_time_left_of_a_resumed_run(clock, tmp_path):
    """The speed counts, not the time that an earlier run has covered."""
    last = follow(clock, io.StringIO(), None, 20, start=900.0).splitlines()[-1]
    assert last.endswith("left 86 s")  # t = 914 at one unit per second


class GonePipe(Terminal):
    def write(self, text):
        raise BrokenPipeError


def test_a_stream_whose_reader_has_gone_leaves_the_log(clock, tmp_path):
    assert follow(clock, GonePipe(), tmp_path / "run.log", 60) == ""
    assert len((tmp_path / "run.log").read_text().splitlines()) == 7


def test_silence(clock, tmp_path):
    told = progress.Progress(0.0, 1.0, 10.0, stream=(stream := io.StringIO()), silent=True)
    clock.value += 100
    told.update(0.5, STATISTICS, ROW)
    told.say("nothing")
    assert stream.getvalue() == ""

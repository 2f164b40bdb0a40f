"""What a run says: a bar on a terminal, lines at a growing pause elsewhere, and the time left from the recent speed."""

import fcntl
import io
import os
import pty
import re
import select
import struct
import termios
import types

import pytest

from nuflux_mpi.run import progress

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


def test_first_steps_promise_no_time_left(clock):
    """The first steps may be a million times shorter than those that follow, and a busy machine dwells on them."""
    stream, t, dt = io.StringIO(), 0.0, 1e-14
    told = progress.Progress(0.0, 1000.0, 4.0, stream=stream)
    for _ in range(60):
        clock.value += 0.5
        t, dt = t + dt, min(1.5 * dt, 10.0)
        told.update(t, types.SimpleNamespace(steps=1, dt=dt), ROW)
    left = [line.split("left ")[1] for line in stream.getvalue().splitlines()]
    assert len(left) > 5 and set(left) == {"?"}  # t = 6e-4 after 30 s
    told._end = 1e-3
    clock.value += 10
    told.update(7e-4, types.SimpleNamespace(steps=99, dt=dt), ROW)
    assert stream.getvalue().rstrip().endswith("left 17 s")  # 3e-4 at 7e-4 in 40 s


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


# --- width of a terminal ---------------------------------------------------------------------------------------------


def resize(descriptor, columns):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def read_all(descriptor):
    """What waits there; the kernel hands it on in pieces."""
    found = b""
    while select.select([descriptor], [], [], 0.2)[0]:
        found += os.read(descriptor, 2**16)
    return found.decode()


@pytest.fixture
def terminal():
    """(stream of a pseudo-terminal, function that sets its columns, function that reads what was written)."""
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST  # what is written arrives as it is
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield stream, lambda columns: resize(slave, columns), lambda: read_all(master)
    os.close(master)


def rows_taken(said, columns):
    """The number of rows of a terminal into which a text without line feeds runs, and what stands in the last at the end."""
    row, column, shown = 0, 0, [" "] * columns
    for letter in said:
        if letter == "\r":
            column = 0
            continue
        if column == columns:  # the cursor waits behind the last column until one more letter comes
            row, column, shown = row + 1, 0, [" "] * columns
        shown[column] = letter
        column += 1
    return row + 1, "".join(shown).rstrip()


@pytest.mark.parametrize("columns", [200, 80, 40, 20, 5, 1])
def test_the_bar_stays_on_one_line_of_any_terminal(clock, terminal, columns):
    stream, set_columns, read = terminal
    set_columns(columns)
    told = progress.Progress(0.0, 1000.0, 10.0, stream=stream)
    for i in range(8):
        clock.value += 0.25
        told.update(123.5 * (i + 1), STATISTICS, ROW)
    said = read()
    rows, shown = rows_taken(said, columns)
    assert rows == 1 and "\n" not in said
    if columns >= 20:
        assert shown.endswith("(99%)") or "(99%)  " in shown
    if columns >= 80:
        assert shown.startswith("[###") and "U_osc -25" in shown and shown.endswith("left 0 s")
    told.close()
    assert rows_taken(said + read(), columns) == (1, "")  # wiped


def test_the_bar_follows_a_terminal_that_changes_its_width(clock, terminal):
    stream, set_columns, read = terminal
    told = progress.Progress(0.0, 1000.0, 10.0, stream=stream)
    seen = {}
    for columns in (120, 40, 120):
        set_columns(columns)
        for _ in range(2):
            clock.value += 0.25
            told.update(10.0, STATISTICS, ROW)
        *_, seen[columns] = read().split("\r")
        assert progress.width(seen[columns]) < columns
    assert "energy drift" in seen[120] and "energy drift" not in seen[40]


def test_a_terminal_that_does_not_tell_its_width_has_80_columns(clock, terminal):
    stream, set_columns, read = terminal
    set_columns(0)
    told = progress.Progress(0.0, 1000.0, 10.0, stream=stream)
    for i in range(3):
        clock.value += 0.25
        told.update(float(i), STATISTICS, ROW)
    assert 60 < max(len(part) for part in re.split("[\r\n]", read())) <= 79


@pytest.mark.parametrize(
    "text, columns", [("abc", 3), ("\u4e2d\u6587", 4), ("e\u0301", 1), ("a\u200bb", 2), ("\x07", 0), ("", 0)]
)
def test_columns_of_letters(text, columns):
    assert progress.width(text) == columns
    assert progress.width(progress.cut(text * 3, 2)) <= 2

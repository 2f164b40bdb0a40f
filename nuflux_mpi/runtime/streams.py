"""Standard output and error in whatever state they are: closed, full, broken, not blocking, or of a narrow encoding.

A command of the command line writes through `Streams`. A character that the encoding has not is written as an escape. What
standard error does not take is lost, and nothing else: a terminal that is gone ends no run. What standard output does not
take is remembered, and `verdict` makes one sentence and exit code 1 of it.
"""

import io
import os
import select
import sys

from ..errors import EXIT_DONE, EXIT_FAILURE


class _Sink(io.RawIOBase):
    """A file descriptor that takes what it can; after a failure, `problem`, it swallows all that is written."""

    def __init__(self, descriptor):
        self._descriptor, self.problem = descriptor, None

    def writable(self):
        return True

    def fileno(self):
        return self._descriptor

    def isatty(self):
        return os.isatty(self._descriptor)

    def write(self, data):
        rest = memoryview(data)
        while rest and self.problem is None:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody has set the descriptor so, and the reader is slow
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.problem = error
        return len(data)


class Streams:
    """Takes the place of sys.stdout and sys.stderr, for good: the interpreter writes to them once more at its end."""

    def __init__(self):
        _reopen_closed()
        self._out = _Sink(1)
        sys.stdout = _text(self._out, sys.stdout)
        sys.stderr = _text(_Sink(2), sys.stderr, line_buffering=True)

    def verdict(self, code):
        """The exit code of a command that ended with `code`, after a sentence if its output could not be written."""
        sys.stdout.flush()
        problem = self._out.problem
        if problem is None or isinstance(problem, BrokenPipeError):  # `... | head` has seen what it wanted
            return code
        print(f"nuflux_mpi: standard output cannot be written ({problem.strerror})", file=sys.stderr)
        return EXIT_FAILURE if code == EXIT_DONE else code


def _reopen_closed():
    """Put something that takes nothing where a standard stream is closed: the next file to be opened would be there else."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)  # the lowest number that is free


def _text(sink, before, line_buffering=False):
    """A text stream into `sink` that is like the one `before`, which may be None."""
    if before is not None:
        try:
            before.flush()
        except OSError:
            pass
    direct = getattr(before, "write_through", False)
    return io.TextIOWrapper(
        sink if direct else io.BufferedWriter(sink),
        getattr(before, "encoding", None) or "utf-8",
        "backslashreplace",
        line_buffering=line_buffering or sink.isatty(),
        write_through=direct,
    )

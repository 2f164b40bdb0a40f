"""How a run speaks to a program that uses it: Python's warnings for what is worrying, `logging` for everything.

The command line shows the same sentences by itself (:mod:`~nuflux_mpi.run.progress`) and hides the Python warnings. The
logger is called "nuflux_mpi" and says nothing unless the program gives it a handler:

    logging.basicConfig(level=logging.INFO)
    warnings.filterwarnings("error", category=nuflux_mpi.RunWarning)
"""

import logging
import os
import sys
import warnings
from contextlib import contextmanager

from ..errors import RunWarning
from ..results.file_names import LOG
from .progress import Progress

LOGGER = logging.getLogger("nuflux_mpi")
LOGGER.addHandler(logging.NullHandler())
_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


class Voice:
    """All that one run says, on rank 0. Used in ``with``, which closes what it has opened.

    comm: of the run. directory: of the run, or None. config: resolved dict. progress: a Progress that shows it, or None where
    a program has given none: the logger hears it then, and run.log is written all the same.
    """

    def __init__(self, comm, directory, config, progress):
        self._comm, self._progress, self._own = comm, progress, None
        if progress is None and comm.Get_rank() == 0 and (directory or LOGGER.isEnabledFor(logging.INFO)):
            times = config.time
            self._own = self._progress = Progress(
                times.start,
                times.end,
                config.output.log_every,
                silent=True,
                log=directory / LOG if directory else None,
                tell=_tell,
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._own:
            if error[0]:
                self._own.note(f"ended: {error[1] or error[0].__name__}")
            self._own.close()

    def begin(self, description):
        """What is about to run, where nobody else tells it."""
        if self._own:
            self.note(description)

    def end(self, run, ledger):
        """How it went, and where the time went, where nobody else tells it."""
        if self._own:
            self.note(run.summary(without="time"))
            self.note(ledger.sentence())

    def note(self, sentence):
        """For run.log and the logger."""
        if self._progress:
            self._progress.note(sentence)

    def worry(self, sentence, subject=""):
        """A warning, to be seen: text and RunWarning. Collective; the sentence of rank 0 counts."""
        if self._progress:
            # What version 0.1 called a Progress says everything in one way.
            getattr(self._progress, "worry", self._progress.say)(sentence)
        elif self._comm.Get_rank() == 0:
            _tell(sentence, warning=True)
        warn(self._comm, sentence, subject)

    def update(self, t, statistics, latest):
        """After a step, see `Progress.update`."""
        if self._progress:
            self._progress.update(t, statistics, latest)


def _tell(sentence, warning):
    LOGGER.log(logging.WARNING if warning else logging.INFO, "%s", sentence)


@contextmanager
def as_text_only():
    """No Python warnings of runs inside: for the command line, which shows their text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RunWarning)
        yield


def warn(comm, sentence, subject=""):
    """Issue a RunWarning that points at the line of the caller outside this package. Collective.

    sentence: of rank 0; others may give any text. RunWarning on all ranks alike, where the filters of rank 0 make an error
    of it: a warning that ended one rank would leave the others waiting.
    """
    raised = None
    if comm.Get_rank() == 0:
        warning = RunWarning(sentence.removeprefix("warning: ").removeprefix("warning "), subject)
        try:
            _issue(warning)
        except RunWarning as error:
            raised = error
    if comm.Get_size() > 1:
        raised = comm.bcast(raised)
    if raised is not None:
        raise raised


def _issue(warning):
    """warnings.warn for the innermost frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    # A registry of its own: each run says its warnings, also where an earlier run said the same from the same line.
    warnings.warn_explicit(
        warning,
        RunWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", "__main__"),
        registry={},
    )

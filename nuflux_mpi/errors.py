"""Errors that carry their exit code; everything else is a defect and ends with a traceback and exit code 1."""

EXIT_DONE = 0
EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2
EXIT_STOPPED = 3
EXIT_NUMERICAL = 4


class NufluxError(Exception):
    """A problem that one sentence explains; the sentence is the message, the class decides the exit code."""

    exit_code = EXIT_FAILURE


class InputError(NufluxError):
    """The user asked for something that cannot work: names the key and what is allowed."""

    exit_code = EXIT_BAD_INPUT


class EnvironmentProblem(NufluxError):
    """The installed packages do not fit together: says which, and the remedy."""

    exit_code = EXIT_FAILURE


class FileProblem(NufluxError):
    """A file of a run cannot be used, through no fault of the input: says which, why, and what has been done."""

    exit_code = EXIT_FAILURE


class NumericalFailure(NufluxError):
    """The integration cannot go on (NaN, collapsed step): says when and where."""

    exit_code = EXIT_NUMERICAL


class WriteFailure(Exception):
    """An output file cannot be written: says which and why.

    No NufluxError, because it may be met by one rank alone: whoever lets it pass must end all ranks, as the hook of
    `environment.install_excepthook` does.
    """


class RunWarning(UserWarning):
    """What a run is worried about, such as waves that the grid does not resolve; also in `warnings` of its results.

    subject: a word for what it is about ("tail", "drift", "budget", "length", "recurrence", ...), or "". Each subject is
    warned about once in a run.
    """

    def __init__(self, message, subject=""):
        super().__init__(message)
        self.subject = subject

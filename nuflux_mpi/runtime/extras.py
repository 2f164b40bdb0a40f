"""What is done after the work, such as figures: whatever it raises is a warning, and the run has ended well."""

import traceback
from contextlib import contextmanager

from ..errors import NufluxError


@contextmanager
def attempted(failed, say, remedy=""):
    """Do what stands within; should it raise, say one line: `failed`, the exception and the remedy, as a warning.

    failed: words such as "the figures cannot be drawn". say: a function that takes one line. KeyboardInterrupt and SystemExit
    pass through.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - fonts, settings of a user, a full disk: what it may be is not ours to list
        say(f"warning: {failed} ({in_words(error)}){f'; {remedy}' if remedy else ''}")


def in_words(error):
    """An exception in one line: the system's words, or its class and what it says."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, NufluxError):
        return str(error)
    text = " ".join("".join(traceback.format_exception_only(error)).split())
    return text if len(text) <= 300 else text[:297] + "..."

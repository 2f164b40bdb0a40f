"""What h5py and the system say when a file cannot be written, in one sentence."""

import re

from ..errors import WriteFailure


def write_failure(path, error):
    """The WriteFailure for `path` with the reason that h5py or the system gives in `error`."""
    told = re.search(r"error message = '([^']*)'|MPI error string is '([^']*)'", str(error))
    own_words = getattr(error, "strerror", None) or str(error).splitlines()[0]
    reason = next(filter(None, told.groups())) if told else own_words
    return WriteFailure(f"{path} cannot be written ({reason})")


def failure_on_closing(error, trace):
    """The WriteFailure behind an exception that h5py met while Python dropped one of its objects; None for any other.

    Nobody can catch such an exception: Python hands it to sys.excepthook at once.
    """
    while trace.tb_next:
        trace = trace.tb_next
    code, named = trace.tb_frame.f_code, re.search(r"filename = '([^']*)'", str(error))
    closing = "h5py" in code.co_filename and code.co_name.endswith(("__dealloc__", "._dealloc"))  # h5py 3.7; 3.16
    return write_failure(named[1] if named else "an output file", error) if closing else None

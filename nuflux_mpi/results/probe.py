"""Reads a file of results in a process of its own, and tells whether it holds what the run wrote into it.

    python -m nuflux_mpi.results.probe '[REQUEST, ...]'      the answers as a JSON list, see `examine`

A damaged HDF5 file can be read wrongly, crash the library or keep it busy for ever. Here that harms nobody.
"""

import errno
import json
import math
import os
import re
import sys

from ..runtime import child

if __name__ == "__main__":
    child.begin()

from ..storage import hdf5  # noqa: E402
from . import content, datasets
from .names import RECORD_AXES, dimensions, learn  # noqa: E402

# Errors of a disk, a network or a permission, in the words of `errno`.
_SYSTEM = {
    getattr(errno, name)
    for name in (
        "EIO",
        "EACCES",
        "EPERM",
        "ESTALE",
        "ENXIO",
        "ENODEV",
        "ENOMEM",
        "EMFILE",
        "ENFILE",
        "ETIMEDOUT",
        "EHOSTDOWN",
        "EREMOTEIO",
        "ENOTCONN",
        "EBUSY",
        "EAGAIN",
        "EINTR",
        "ENOLCK",
    )
    if hasattr(errno, name)
}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}  # for a copy, without which it goes as well
IDENTITY = ("run_id", "config_toml", "created")


def examine(request):
    """What the file of a request holds: a dict with its IDENTITY, and `problem` or `sums`.

    `system` has the system's words if it would not let us read; `copied` tells whether there is a copy.

    request: `path`; `rows`, the number of records by record axis that it must have; `sums` and `forms` by dataset as in
    `content`, or None where they are not known; `stored`, what terms store, as in `names.learn`; `named`, attributes that it
    must have, and `attributes`, their sum as in `content`, each or None; `copy`, a path to which its complete records are
    written if the disk has room for them, or ""; `room`, see `_opened`.
    """
    answer = {"problem": "", "system": "", "copied": False}
    learn(request["stored"])
    try:
        size = os.path.getsize(request["path"])
        with _opened(request["path"], request["room"]) as file:
            answer |= {name: content.plain(file.attrs[name]) for name in IDENTITY if name in file.attrs}
            answer["problem"] = _lacking(file, request)
            if not answer["problem"] and request["sums"] is None:  # else zeros in place of what is missing show in the sums
                answer["problem"] = _cut(file, request["rows"], size)
            if not answer["problem"]:
                answer["sums"], answer["copied"] = _sums(file, request)
                answer["problem"] = _different(answer["sums"], request["sums"])
    except MemoryError:
        answer["system"] = os.strerror(errno.ENOMEM)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, UnicodeError) as error:
        # All that h5py raises for damage, here or there.
        answer["system"] = _system(error)
        answer["problem"] = f"it cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}"
    return answer


def _system(error):
    """What the system says if it would not let us read, which says nothing about the file, or ""."""
    number = _number(error)
    return os.strerror(number) if number is not None and number in _SYSTEM else ""


def _number(error):
    """The system's number of an error of h5py or Python, or None."""
    told = re.search(r"errno = (\d+)", str(error))
    return int(told[1]) if told else getattr(error, "errno", None)


def _opened(path, room):
    """An h5py.File to read from; one that a kill left shorter than its header says is made as long, if by `room` at most."""
    try:
        return hdf5.open_alone(path, "r")
    except OSError as error:
        told = re.search(r"truncated file: .*stored_eof = (\d+)", str(error))
        if not told or int(told[1]) > os.path.getsize(path) + room:
            raise
        os.truncate(path, int(told[1]))
        return hdf5.open_alone(path, "r")


def _lacking(file, request):
    """Why an open file cannot be what the run wrote, before its numbers are read, or ""."""
    rows, forms = request["rows"], request["forms"]
    if "time" not in file:
        return "it has no time axis"
    for name in filter(content.LAYOUT.__contains__, file):
        number = rows.get(dimensions(name)[0], 0)
        if file[name].shape[:1] < (number,) and dimensions(name)[0] in RECORD_AXES and (forms is None or name in forms):
            return f"{name} has {file[name].shape[0]} records, and {number} were written"
    if forms is not None:
        there = content.forms(file)
        for name in forms:
            if there.get(name) != forms[name]:
                return f"{name} is not as it was made" if name in there else f"it has no {name}"
    attributes = dict(file.attrs)  # all are read: one of a wrong name must not be met when others are written
    names, known = request["named"] or (), request["attributes"]
    if set(names) - set(attributes) or (known is not None and content.attributes_sum(attributes, names) != known):
        return "its attributes are not those that were written"
    return ""


def _cut(file, rows, size):
    """Why an open file that had `size` bytes before `_opened` made it longer lacks some of its complete records, or ""."""
    if os.path.getsize(file.filename) <= size:
        return ""
    for name in filter(content.LAYOUT.__contains__, file):
        data, row = file[name], file[name].dtype.itemsize
        axis = dimensions(name)[0]
        final = min(rows.get(axis, 0) if axis in RECORD_AXES else data.shape[0], data.shape[0])
        if data.chunks is None:
            pieces = [(0, data.id.get_offset() or 0, data.shape[0] * row * math.prod(data.shape[1:]))]
        else:
            row *= math.prod(data.chunks[1:])
            found = map(data.id.get_chunk_info, range(data.id.get_num_chunks()))
            pieces = [
                (info.chunk_offset[0], info.byte_offset, min(final - info.chunk_offset[0], data.chunks[0]) * row)
                for info in found
            ]
        if any(first < final and begin + length > size for first, begin, length in pieces):
            return f"it was cut short, and records of {name} are missing"
    return ""


def _sums(file, request):
    """(content sums of the complete records, whether they have been copied)."""
    rows = {axis: 0 for axis in RECORD_AXES} | request["rows"]
    if request["copy"]:
        try:
            with hdf5.open_alone(request["copy"], "x") as target:
                return datasets.copy(file, target, rows), True
        except (OSError, RuntimeError) as error:
            if _number(error) not in _NO_ROOM:
                raise
    return datasets.sums(file, rows), False


def _different(found, known):
    wrong = [name for name in known or () if found.get(name) != known[name]]
    return f"{', '.join(wrong[:3])} {'is' if len(wrong) == 1 else 'are'} not what was written" if wrong else ""


if __name__ == "__main__":
    child.answer([examine(request) for request in json.loads(sys.argv[1])])

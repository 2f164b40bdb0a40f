"""What a file of results holds, in numbers by which it is known again: sums of its records and the form of its datasets.

The sum of a dataset is that of (bits of an entry, as a whole number) x (an odd number that belongs to its place) modulo
2^64. One wrong bit always changes it, since an odd number has an inverse. Sums of parts add up, whatever the parts: so
each rank sums its own points while it writes them, row by row, and no file is read again. The odd number of a place is a
product of one for each axis, so that a sum is a contraction with a short vector for each axis.

Nothing here knows ranks. Arrays have entries of 8 bytes; axis 0 is that of the records, if there is one.
"""

import json
import math
import zlib

import numpy as np

from .names import DIFFERENCES, LAYOUT, RECORD_AXES, dimensions, space_of

WORD = 2**64
_PIECE = 2**24  # bytes that are read at once: they stay in memory while they are summed
_ATTRIBUTES = ("units", "long_name", "labels", "axis", "period")  # of datasets, all that `datasets` writes


def weights(axis, indices):
    """Odd uint64 numbers for global indices (n,) along an axis of an array: those of splitmix64."""
    with np.errstate(over="ignore"):
        x = np.asarray(indices).astype(np.uint64) + np.uint64(axis + 1) * np.uint64(0x9E3779B97F4A7C15)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(30)
        x *= np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return x | np.uint64(1)


def sum_of(values, along):
    """Sum, modulo 2^64, of an array whose axes have the `weights` `along`, one array for each. -> int"""
    bits = np.ascontiguousarray(values).view(np.uint64)
    for factors in reversed(along):
        bits = bits @ factors
    return int(bits)


def sum_of_rows(values, first):
    """The same of whole records (n, ...), the first of which has the number `first`. -> int"""
    start = (first,) + (0,) * (values.ndim - 1)
    return sum_of(values, [weights(axis, np.arange(n) + s) for axis, (n, s) in enumerate(zip(values.shape, start))])


def complete(name, shape, rows):
    """How many entries along axis 0 of a dataset of that shape are final. rows: numbers of records by record axis.

    The last of a series of difference quotients is not: it changes when there is a next row.
    """
    axis = dimensions(name)[0]
    return max(0, rows[axis] - (name in DIFFERENCES)) if axis in RECORD_AXES else shape[0]


def pieces(shape, most=_PIECE):
    """Slices that cut an array of entries of 8 bytes into pieces of at most `most` bytes, as tuples."""
    if 8 * math.prod(shape) <= most or not shape:
        yield tuple(slice(0, n) for n in shape)
        return
    inner = 8 * math.prod(shape[1:])
    step = max(1, most // max(inner, 1))
    for first in range(0, shape[0], step):
        head = slice(first, min(first + step, shape[0]))
        for rest in pieces(shape[1:], most) if inner > most else [tuple(slice(0, n) for n in shape[1:])]:
            yield (head, *rest)


def read(dataset, count):
    """The first `count` entries along axis 0, piece by piece: (slices, array)."""
    for part in pieces((count, *dataset.shape[1:])):
        yield part, dataset[part]


def part_sum(values, part):
    """Sum of a piece that lies at the slices `part` of its dataset."""
    return sum_of(values, [weights(axis, np.arange(s.start, s.stop)) for axis, s in enumerate(part)])


def form(dataset, space):
    """A number that stands for type, shape of a record, attributes and dimensions of a dataset of a run's file."""
    name = dataset.name.lstrip("/")
    axes = dimensions(name, space)
    fixed = dataset.shape[1:] if axes[0] in RECORD_AXES else dataset.shape
    attributes = [plain(dataset.attrs[key]) if key in dataset.attrs else None for key in _ATTRIBUTES]
    scales = [list(dataset.dims[i].keys()) for i, axis in enumerate(axes) if axis != name]
    words = [name, dataset.dtype.str, list(fixed), attributes, scales]
    return zlib.crc32(json.dumps(words).encode("utf-8", errors="backslashreplace"))


def forms(file):
    """{name: form} of the datasets of a run's file."""
    space = space_of(file)
    return {name: form(file[name], space) for name in file if name in LAYOUT}


def plain(value):
    """An attribute as JSON has it."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def attributes_sum(attrs, names):
    """A number that stands for the attributes `names` of a file."""
    words = [[name, plain(attrs[name]) if name in attrs else None] for name in sorted(names)]
    return zlib.crc32(json.dumps(words).encode("utf-8", errors="backslashreplace"))


def local_weights(leading, box):
    """`weights` of the axes of a field (record, *leading, *space) but the first, for the points of this rank."""
    parts = [np.arange(n) for n in leading] + [index.ravel() for index in box.indices()]
    return [weights(axis, indices) for axis, indices in enumerate(parts, 1)]

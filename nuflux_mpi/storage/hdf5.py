"""Parallel HDF5 with the habits that avoid its deadlocks.

Every rank makes every call that changes the structure of a parallel file, with the same arguments; data are written and
read collectively, a rank without points taking part with an empty selection; there are no variable-length datasets.
On one rank the plain driver is used, so a serial h5py does there.
"""

import errno
import os
from contextlib import contextmanager

import numpy as np

from ..runtime.failures import write_failure

_SLACK = 2**16  # bytes of metadata and part-filled blocks that come with a record


def open_parallel(path, mode, comm):
    """An h5py.File that all ranks of `comm` share. It is not locked: a program that reads it must not stop the run."""
    import h5py

    if comm.Get_size() == 1:
        return open_alone(path, mode)
    try:
        return h5py.File(path, mode, driver="mpio", comm=comm)
    except OSError:
        # ROMIO (MPICH, and Open MPI where it is asked for) takes what stands before a colon for a kind of file system, on all
        # ranks alike; a kind in front of that, here any disk of the system, leaves the path as it is.
        if ":" not in str(path):
            raise
        return h5py.File(f"ufs:{path}", mode, driver="mpio", comm=comm)


def open_alone(path, mode):
    """An h5py.File of one rank, not locked."""
    import h5py

    return h5py.File(path, mode, locking=False)


@contextmanager
def writing(path, size=0):
    """Turn what HDF5 and the system say when `path` cannot be written into a WriteFailure of one sentence.

    With a `size` in bytes, a disk that has not so much left is found before HDF5 writes: it would be left in a state in
    which it cannot close its files.
    """
    try:
        if size:
            space = os.statvfs(os.path.dirname(path))
            if space.f_bavail * space.f_frsize < size + _SLACK:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield
    except (OSError, RuntimeError) as error:
        raise write_failure(path, error) from error


def keep_whole(path):
    """Let the header of a file count all the bytes that it has, so that nothing new is written over them.

    The end that the header tells is where HDF5 puts what comes next; the first format of HDF5, which h5py writes, has no
    checksum of it. An `OSError` where the file cannot be written.
    """
    with open(path, "r+b") as file:
        head, size = file.read(48), os.fstat(file.fileno()).st_size
        first_format = head[:9] == b"\x89HDF\r\n\x1a\n\0" and head[13] == 8
        if first_format and int.from_bytes(head[40:], "little") < size:
            file.seek(40)
            file.write(size.to_bytes(8, "little"))


def create_growing(file, name, shape, dtype=float, chunk=None, most=None):
    """An empty dataset of the given row shape, unlimited (or up to `most`) along a leading axis; collective. -> Dataset

    Chunks are allocated as soon as the dataset grows, also in a file that one rank makes: with HDF5's usual allocation on
    first writing, a file made by one rank could not be continued by several.
    """
    import h5py

    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(chunk or _chunk(shape))
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)  # each row is written whole, right after it is made
    properties.set_obj_track_times(False)
    space = h5py.h5s.create_simple((0, *shape), (most or h5py.h5s.UNLIMITED, *shape))
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    h5py.h5d.create(file.id, name.encode(), kind, space, dcpl=properties).close()
    return file[name]


def _chunk(shape, most=4 * 2**20):
    """Chunk of one time: whole trailing axes as far as they fit into `most` bytes."""
    chunk, left = [], most // 8
    for n in reversed(shape):
        chunk.append(max(1, min(n, left)))
        left //= chunk[-1]
    return (1, *reversed(chunk))


def write_field(dataset, row, array, box):
    """Write this rank's points `array` (*leading, *local_shape) into ``dataset[row]``; collective."""
    import h5py

    array = np.ascontiguousarray(array, dtype=float)
    memory, target = selection(dataset, array.shape, box, row)
    dataset.id.write(memory, target, array, dxpl=_collective(h5py, box))


def selection(dataset, shape, box, row=None):
    """(memory space, file space) for this rank's points; with `row` the dataset has a leading time axis."""
    import h5py

    start, stride, count, block = box.hyperslab()
    leading = shape[: len(shape) - box.dimensions]
    ones, zeros = (1,) * len(leading), (0,) * len(leading)
    prefix = () if row is None else (1,)
    memory, target = h5py.h5s.create_simple(shape), dataset.id.get_space()
    if 0 in shape:
        memory.select_none()
        target.select_none()
    else:
        first = () if row is None else (row,)
        target.select_hyperslab(
            first + zeros + start, prefix + ones + count, prefix + ones + stride, prefix + tuple(leading) + block
        )
    return memory, target


def _collective(h5py, box):
    transfer = h5py.h5p.create(h5py.h5p.DATASET_XFER)
    if box.size > 1:
        transfer.set_dxpl_mpio(h5py.h5fd.MPIO_COLLECTIVE)
    return transfer

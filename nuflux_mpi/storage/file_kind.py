"""What kind of thing a path names: a plain file or another, HDF5 or another format."""

import os
import stat

_BEGINNINGS = (
    (b"CDF", "is a netCDF-3 file, not HDF5: convert it, for example with nccopy -k nc4 OLD NEW"),
    (b"\x0e\x03\x13\x01", "is an HDF4 file, not HDF5: convert it with h4toh5"),
    (b"\x93NUMPY", 'is an array file of NumPy, not HDF5: write it with h5py, file["{name}"] = array'),
    (b"PK\x03\x04", 'is a zip archive (such as .npz), not HDF5: write the array with h5py, file["{name}"] = array'),
    (b"\x1f\x8b", "is a gzip archive, not HDF5: unpack it"),
    (b"BZh", "is a bzip2 archive, not HDF5: unpack it"),
    (b"\xfd7zXZ", "is an xz archive, not HDF5: unpack it"),
)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def describe(path):
    """Whether `path` can be read as a plain file: "" or what it is instead. Never waits, as opening a pipe would."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            return "is a directory, not a file"
        if not stat.S_ISREG(mode):
            return "is no plain file (a pipe, a socket or a device)"
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        return "is not there: no such file"
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return ""


def other_than_hdf5(path, name):
    """ "" for an HDF5 file, else what it is: the end of a sentence. name: of the dataset that is wanted."""
    with open(path, "rb") as file:
        start = file.read(16)
    if not start:
        return "is empty"
    for signature, words in _BEGINNINGS:
        if start.startswith(signature):
            return words.format(name=name)
    return "" if is_hdf5(path) else "is no HDF5 file"


def is_hdf5(path):
    """Whether a file has HDF5's signature, which may stand behind a user block of 512, 1024, 2048, ... bytes."""
    with open(path, "rb") as file:
        at, size = 0, os.fstat(file.fileno()).st_size
        while at < size:
            file.seek(at)
            if file.read(8) == _SIGNATURE:
                return True
            at = max(512, 2 * at)
    return False

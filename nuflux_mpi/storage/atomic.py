"""Files that outlive an end in the middle of writing them. Knows no ranks: who calls is who writes.

What is written aside, to take another file's place, has a name that nobody can guess, and is made anew or not at all: in a
directory where others may write too, a link laid there beforehand cannot lead the run to another file.
"""

import errno
import io
import os
import re
import secrets
import stat

from ..errors import InputError

# Names of files aside, of this version and of 0.1; any other file is somebody's.
_ASIDE = re.compile(r"\..+\.[0-9a-f]{16}\.new|\.(run\.toml|growth\.csv)\.new|\.writable-\d+")


def local(path):
    """A path as the system is to be asked for it where it was given in letters, as in a config: in UTF-8, in any locale."""
    return os.fsdecode(os.fspath(path).encode("utf-8", "surrogateescape"))


def aside(path):
    """A path beside `path`, for what is to take its place."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")


def create(path, content=b""):
    """Make a file that is not there, with these bytes in it. FileExistsError if anything has the name, a link too."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with open(handle, "wb") as file:
        file.write(content)


def write_whole(path, text):
    """Write a small text file in place of the one that is there; at any moment one of the two is there, whole."""
    content, new = text.encode("utf-8"), aside(path)
    try:
        create(new, content)
        sync(new)  # else the new name might outlive a power cut, and the text might not
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def sync(path):
    """Have a file, or the names in a directory, written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def try_to_write(directory, size):
    """OSError unless a file of so many bytes can be written in a directory."""
    probe = aside(directory / "writable")
    try:
        create(probe, bytes(size))
    finally:
        probe.unlink(missing_ok=True)


def remove_leftovers(directory):
    """Remove what killed runs have left aside. Call while no other run writes there."""
    for name in os.listdir(directory):
        if _ASIDE.fullmatch(name):
            try:
                os.unlink(os.path.join(directory, name))
            except OSError:
                pass  # a directory, or another's: it does no harm


def check_plain(directory, names, option="--out"):
    """InputError for the first of `names` in a directory that is there and is no plain file, nor a link to one."""
    for name in names:
        path = os.path.join(directory, name)
        what = kind(path)
        if what:
            raise InputError(
                f"{option}: {path} is {what}, and a run has a file of this name; remove it, or choose another directory"
            )


def open_plain(path):
    """A plain file, or a link to one, opened to read bytes. OSError for anything else: a pipe would be waited for."""
    file = io.FileIO(path, opener=lambda name, how: os.open(name, how | os.O_NONBLOCK))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no plain file", os.fspath(path))
    return io.BufferedReader(file)


def read_plain(path, errors="strict"):
    """The text in UTF-8 of a plain file, as `open_plain` opens it. OSError, UnicodeDecodeError."""
    with io.TextIOWrapper(open_plain(path), encoding="utf-8", errors=errors) as file:
        return file.read()


def kind(path):
    """What a path is if not a plain file, in words; "" for a plain file, a link to one, and where there is nothing."""
    try:
        mode = os.lstat(path).st_mode
        linked = stat.S_ISLNK(mode)
        if linked:
            mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "a link that leads nowhere" if os.path.islink(path) else ""
    except OSError as error:
        return f"not to be looked at ({error.strerror})"
    if stat.S_ISREG(mode):
        return ""
    named = (
        "a directory"
        if stat.S_ISDIR(mode)
        else "a pipe"
        if stat.S_ISFIFO(mode)
        else "a socket"
        if stat.S_ISSOCK(mode)
        else "a device"
    )
    return f"a link to {named}" if linked else named

"""Files that are made once and kept for later runs: compiled loops, and what FFTW has learned. Whole or not at all.

Places, in this order: ``NUMBA_CACHE_DIR``, the package's own __pycache__, the user's cache directory, a directory of the
user's own below the temporary one. All are read; the first that can be written is written. A file begins with a checksum.
Files are written aside and renamed, so that runs at the same time, on one node or on several, see whole files only. What
another user may have written is not read, since it would be run.
"""

import functools
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[1]
MAGIC = b"nuflux_mpi kept 1\n"
DIGEST_BYTES = 32


class Places(NamedTuple):
    """Directories of compiled loops."""

    read: tuple  # in the order in which they are looked through
    kept_in: Path | None  # the one that is written; None: nothing is kept
    note: str  # what a user should know of it, "" if it is a usual place


@functools.cache
def places():
    """The places of this process (Places). Makes the directory that will be written."""
    named = os.environ.get("NUMBA_CACHE_DIR", "")
    own = f"nuflux_mpi_{hashlib.sha256(os.fsencode(PACKAGE)).hexdigest()[:12]}"  # two checkouts do not share
    usual = [Path(named).absolute() / own] if named else []
    usual.append(PACKAGE / "__pycache__")
    home = _user_cache()
    if home:
        usual.append(home / own)
    for i, place in enumerate(usual):
        if _can_be_written(place):
            note = f"NUMBA_CACHE_DIR={named} cannot be written; compiled loops are kept in {place}" if named and i else ""
            return Places(tuple(usual[: i + 1]), place, note)
    private = _private_directory()
    where = "neither the package nor the home directory can be written" + (f", nor NUMBA_CACHE_DIR={named}" if named else "")
    if private and _can_be_written(private / own):
        return Places(
            (*usual, private / own),
            private / own,
            f"{where}: compiled loops are kept in {private} (NUMBA_CACHE_DIR names another place)",
        )
    return Places(
        tuple(usual),
        None,
        f"{where}: the loops are compiled at each start (set NUMBA_CACHE_DIR to a directory of yours to keep them)",
    )


def contents(name):
    """(place, content) of each whole file of this name that may be trusted, in the order of the places."""
    for place in places().read:
        content = _read(place / name, _anybody(place))
        if content is not None:
            yield place, content


def write(name, content):
    """Keep a file, if there is a place and it can be; what was there under this name is replaced."""
    place = places().kept_in
    if place is None:
        return
    try:
        _write(place / name, MAGIC + hashlib.sha256(content).digest() + content)
    except OSError:
        pass  # a full disk: it is made again at the next start


def _read(path, anybody):
    """The content of a file, or None if it is not there, not whole, or not to be trusted.

    What a file of another user holds would be run; it is not looked at unless files of `anybody` are welcome.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not anybody and (status.st_uid not in _trusted() or status.st_mode & stat.S_IWOTH):
                return None
            content = file.read()
    except OSError:
        return None
    head = len(MAGIC) + DIGEST_BYTES
    whole = content[: len(MAGIC)] == MAGIC and hashlib.sha256(content[head:]).digest() == content[len(MAGIC) : head]
    return content[head:] if whole else None


def _user_cache():
    """The user's directory for caches (Path), or None where there is no home."""
    for base, below in ((os.environ.get("XDG_CACHE_HOME", ""), ""), (os.environ.get("HOME", ""), ".cache")):
        if os.path.isabs(base):
            return Path(base) / below
    return None


def _can_be_written(place):
    """Whether files can be made in `place`, which is made if need be."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return False
    return True


def _private_directory():
    """A directory below the temporary one that nobody else can write (Path), made if need be; None if there is none.

    A name that others can guess may be theirs already: a link, or a directory that is not ours alone, is not used, for what is
    loaded from there is run.
    """
    try:
        above = Path(tempfile.gettempdir())
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return None  # others could rename what is in it
        place = above / f"nuflux_mpi-{os.geteuid()}"
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            pass
        found = place.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return place if ours else None


@functools.cache
def _trusted():
    """User ids whose files are as good as the program itself: this user's, root's, and the owner's of the package."""
    return {os.geteuid(), 0, PACKAGE.stat().st_uid}


def _anybody(place):
    """Whether a place was named by the user, who knows who writes there, and is not open to everybody, as HOME=/tmp makes it."""
    named = os.environ.get("NUMBA_CACHE_DIR", "")
    return (
        bool(named)
        and place.parent == Path(named).absolute()
        and not any(directory.stat().st_mode & stat.S_IWOTH for directory in (place, place.parent))
    )


def _write(path, content):
    """Write a file aside, under a name that nobody can guess, and rename it; readable as the user's umask says."""
    aside = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise

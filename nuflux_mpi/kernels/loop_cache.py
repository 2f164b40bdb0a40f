"""Compiled loops on disk: where they are kept, and how they are found again, whole or not at all.

numba's own cache needs a place that can be written, believes every file it finds, and looks only at the source of the loop
itself. Here a loop has one file for each signature, processor, version of numba and setting of it; the file begins with a
checksum and says what it was compiled from. What does not fit is compiled anew, and what cannot be kept is compiled at each
start. Files are written aside and renamed, so that runs at the same time, on one node or on several, see whole files only.

Places, in this order: ``NUMBA_CACHE_DIR``, the package's own __pycache__, the user's cache directory, a directory of the
user's own below the temporary one. All are read; the first that can be written is written. Import only where numba is used.
"""

import functools
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numba
from numba.core import caching, compiler, serialize

PACKAGE = Path(__file__).resolve().parents[1]
SHARED_SOURCES = ("kernels/kernels.py", "kernels/simd.py")  # what loops of all modules are made with
MAGIC = b"nuflux_mpi loop 1\n"
DIGEST_BYTES = 32
# Variables of numba that change no machine code; every other one that is set is part of what a loop was compiled from.
HARMLESS = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_THREADING_LAYER")

counts = {"loaded": 0, "compiled": 0}  # loops of this process so far


class Places(NamedTuple):
    """Directories of compiled loops."""

    read: tuple  # in the order in which they are looked through
    kept_in: Path | None  # the one that is written; None: nothing is kept
    note: str  # what a user should know of it, "" if it is a usual place


@functools.lru_cache(maxsize=None)
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


def note():
    """What to tell of the place, "" if it is a usual one or if all loops came from such a one."""
    found = places()
    return found.note if counts["compiled"] or any(place == found.kept_in for place in _used) else ""


def kept():
    """Whether there is any compiled loop in the places, of whatever sources."""
    return any(next(place.glob("*.nbc"), None) for place in places().read)


_used = set()  # places that loops of this process were loaded from


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


@functools.lru_cache(maxsize=None)
def _source_of(path):
    """A digest of the sources that the loops of a file are made from (str)."""
    sources = {Path(path), *(PACKAGE / name for name in SHARED_SOURCES)}
    return hashlib.sha256(b"".join(source.read_bytes() for source in sorted(sources))).hexdigest()


def keep(dispatcher):
    """The compiled function `dispatcher`, which from now on looks in the places before it compiles, and keeps what it did."""
    dispatcher._cache = Kept(dispatcher.py_func)
    return dispatcher


class Kept(caching.FunctionCache):
    """What numba asks for a compiled function before it compiles, and gives it to afterwards."""

    def __init__(self, function):
        self._py_func = function
        code = function.__code__
        self._path = code.co_filename
        version = "".join(map(str, sys.version_info[:2]))
        name = f"{Path(self._path).stem}.{function.__qualname__}".replace("<", "").replace(">", "")
        self._name = f"{name}-{code.co_firstlineno}.py{version}"
        self.enable()

    cache_path = property(lambda self: str(places().kept_in or ""))

    def flush(self):
        """Nothing is removed: others may be reading."""

    def load_overload(self, sig, target_context):
        """The compile result for a signature, or None if no place holds a whole one from these sources."""
        target_context.refresh()
        key = self._key(sig, target_context.codegen())
        for place in places().read:
            try:
                found = self._read(place / self._file_name(key), key, _anybody(place))
                if found is not None:
                    result = compiler.CompileResult._rebuild(target_context, *found)
                    counts["loaded"] += 1
                    _used.add(place)
                    return result
            except Exception:  # whatever a file of another origin makes numba raise: it is compiled anew
                continue
        counts["compiled"] += 1
        return None

    def save_overload(self, sig, data):
        """Keep a compile result, if there is a place and it can be."""
        place = places().kept_in
        if place is None or data.lifted or data.library.has_dynamic_globals:
            return
        key = self._key(sig, data.codegen)
        body = serialize.dumps((key, data._reduce()))
        try:
            _write(place / self._file_name(key), MAGIC + hashlib.sha256(body).digest() + body)
        except OSError:
            pass  # a full disk: the loop is compiled, and it is compiled again at the next start

    def _key(self, sig, codegen):
        """All that the machine code depends on: signature, processor, byte code and closure; sources, numba, its settings."""
        settings = [
            (name, value) for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_") and name not in HARMLESS
        ]
        return (*self._index_key(sig, codegen), _source_of(self._path), numba.__version__, tuple(settings))

    def _file_name(self, key):
        """One file for each signature, processor, numba and setting. Other sources replace it, so that none is left over."""
        sig, processor, _, _, version, settings = key
        return f"{self._name}-{hashlib.sha256(repr((sig, processor, version, settings)).encode()).hexdigest()[:16]}.nbc"

    @staticmethod
    def _read(path, key, anybody=False):
        """What was kept under `key`, or None if the file is not there, not whole, or holds something else.

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
        if content[: len(MAGIC)] != MAGIC or hashlib.sha256(content[head:]).digest() != content[len(MAGIC) : head]:
            return None
        found, result = pickle.loads(content[head:])
        return result if found == key else None


@functools.lru_cache(maxsize=None)
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

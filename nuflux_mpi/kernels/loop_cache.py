"""Compiled loops on disk, and how they are found again.

numba's own cache needs a place that can be written, believes every file it finds, and looks only at the source of the loop
itself. Here a loop has one file for each signature, processor, version of numba and setting of it, which says what it was
compiled from. What does not fit is compiled anew, and what cannot be kept is compiled at each start. Where the files are, and
that they are whole, is the business of :mod:`nuflux_mpi.runtime.kept`. Import only where numba is used.
"""

import functools
import hashlib
import os
import pickle
import sys
from pathlib import Path

import numba
from numba.core import caching, compiler, serialize
from numba.core.runtime import rtsys

from ..runtime import kept as kept_files

# What loops of several modules are made with; a module's own file is looked at besides.
SHARED_SOURCES = (
    "flavor/algebra.py",
    "flavor/generate.py",
    "kernels/compiling.py",
    "kernels/jit.py",
    "kernels/local_flow.py",
    "kernels/simd.py",
    "kernels/vectors.py",
)
# Variables of numba that change no machine code; every other one that is set is part of what a loop was compiled from.
HARMLESS = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_THREADING_LAYER")

counts = {"loaded": 0, "compiled": 0}  # loops of this process so far


class NotKept(Exception):
    """A loop would have to be compiled while `loaded` asks for loops that are kept."""


def loaded(touches):
    """Whether all loops that the functions `touches` call could be loaded; nothing is compiled."""
    global _compile
    _compile = False
    try:
        for touch in touches:
            touch()
        return True
    except NotKept:
        return False
    finally:
        _compile = True


_compile = True  # whether a loop that is not kept is compiled


def note():
    """What to tell of the place, "" if it is a usual one or if all loops came from such a one."""
    found = kept_files.places()
    return found.note if counts["compiled"] or any(place == found.kept_in for place in _used) else ""


def kept():
    """Whether there is any compiled loop in the places, of whatever sources."""
    return any(next(place.glob("*.nbc"), None) for place in kept_files.places().read)


_used = set()  # places that loops of this process were loaded from


@functools.cache
def _source_of(path):
    """A digest of the sources that the loops of a file are made from (str)."""
    sources = {Path(path), *(kept_files.PACKAGE / name for name in SHARED_SOURCES)}
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

    cache_path = property(lambda self: str(kept_files.places().kept_in or ""))

    def flush(self):
        """Nothing is removed: others may be reading."""

    def load_overload(self, sig, target_context):
        """The compile result for a signature, or None if no place holds a whole one from these sources (NotKept in `loaded`).

        numba would first fill its tables of all that can be compiled, and import SciPy for them. What is only loaded needs
        none of that, but numba's functions for memory of arrays; who compiles fills the tables by itself.
        """
        key = self._key(sig, target_context.codegen())
        for place, content in kept_files.contents(self._file_name(key)):
            try:
                found, result = pickle.loads(content)
                if found == key:
                    rtsys.initialize(target_context)
                    rebuilt = compiler.CompileResult._rebuild(target_context, *result)
                    counts["loaded"] += 1
                    _used.add(place)
                    return rebuilt
            except Exception:  # whatever a file of another origin makes numba raise: it is compiled anew
                continue
        if not _compile:
            raise NotKept
        counts["compiled"] += 1
        return None

    def save_overload(self, sig, data):
        """Keep a compile result, if there is a place and it can be."""
        if kept_files.places().kept_in is None or data.lifted or data.library.has_dynamic_globals:
            return
        key = self._key(sig, data.codegen)
        kept_files.write(self._file_name(key), serialize.dumps((key, data._reduce())))

    def _key(self, sig, codegen):
        """All that the machine code depends on: signature, processor, byte code and closure; sources, numba, its settings."""
        settings = [
            (name, value) for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_") and name not in HARMLESS
        ]
        return (*self._index_key(sig, codegen), _source_of(self._path), numba.__version__, tuple(settings))

    def _file_name(self, key):
        """One file for each signature, processor, closure, numba and setting. Other sources replace it: none is left over."""
        sig, processor, (_, closure), _, version, settings = key
        what = repr((sig, processor, closure, version, settings)).encode()
        return f"{self._name}-{hashlib.sha256(what).hexdigest()[:16]}.nbc"

"""numba for the loops of the program: whether it is in use, and what is said and done while loops are compiled.

Compiled loops are kept on disk, see :mod:`nuflux_mpi.kernels.loop_cache`. Nothing here knows what the loops do.
"""

import contextlib
import os
import sys
import threading
import time
import warnings
from typing import Any, cast

from ..errors import InputError
from ..runtime.collective import any_rank

CONFIG_FILE = ".numba_config.yaml"
QUIET_SECONDS = 2.0  # compiling that takes longer is told
LOADING, COMPILING = 2**27, 2**28  # bytes that LLVM may take, which ends the process by a signal where it gets none
PAUSE = 0.02  # between two looks of a rank that waits, in seconds


def find():
    """(numba, "") or (None, why the loops run in NumPy instead). InputError for NUMBA_* variables it does not understand.

    ``NUFLUX_NUMBA=0`` asks for NumPy, and so does ``NUMBA_DISABLE_JIT=1``, since the loops cannot be interpreted.
    """
    if os.environ.get("NUFLUX_NUMBA") == "0":
        return None, "NUFLUX_NUMBA=0"
    if "numba" in sys.modules:
        import numba
    else:
        numba, why_not = _import()
        if why_not:
            return None, why_not
    if numba is not None and numba.config.DISABLE_JIT:
        return None, "NUMBA_DISABLE_JIT=1"
    return numba, ""


def _import():
    """(numba, "") or (None, why not), imported for the first time."""
    with _plainly(), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            import numba
        except ModuleNotFoundError as error:
            return None, "numba is not installed" if error.name == "numba" else f"numba cannot be imported: {error}"
        except (ImportError, OSError) as error:  # as to a numpy that is too new, or where llvmlite is not whole
            return None, f"numba cannot be imported: {error}"
        except (ValueError, RuntimeError, TypeError) as error:
            if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C while a class was made: Python 3.11 wraps it
                raise error.__cause__ from None
            raise InputError(f"numba cannot start with {_variables()}: {error}") from None
    for warning in told:
        text = str(warning.message).strip()
        if text.startswith("A Numba config file"):
            continue  # `outside` tells of it
        for name in _settings():
            if f"'{name}'" in text:
                raise InputError(f"the environment variable {name}={os.environ[name]} is not understood by numba: unset it")
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return numba, ""


@contextlib.contextmanager
def _plainly():
    """Within, numba is imported without YAML and SciPy, which take time, and from then on reads no CONFIG_FILE.

    With YAML it would read that file of the working directory like variables NUMBA_*; but no result tells of it. SciPy it only
    asks for its version; it imports it where it compiles.
    """
    absent, modules = object(), cast("dict[str, Any]", sys.modules)
    before = {name: modules.get(name, absent) for name in ("yaml", "scipy")}
    for name in [name for name, module in before.items() if module is absent or name == "yaml"]:
        modules[name] = None  # it cannot be imported now, and numba gives it up
    try:
        yield
    finally:
        for name, module in before.items():
            if module is absent:
                del modules[name]
            else:
                modules[name] = module
        config = modules.get("numba.core.config")
        if config is not None:
            config._config_fname = os.devnull


def _settings():
    return sorted(name for name in os.environ if name.startswith("NUMBA_"))


def _variables():
    return ", ".join(f"{name}={os.environ[name]}" for name in _settings()) or "this environment"


def njit(**options):
    """A decorator: numba.njit with `options`, its results kept by :mod:`nuflux_mpi.kernels.loop_cache`.

    Where numba is not in use the function stays what it is.
    """
    numba, _ = find()
    if numba is None:
        return lambda function: function

    from . import loop_cache

    def decorate(function):
        return loop_cache.keep(numba.njit(**options)(function))

    return decorate


def in_turn(comm, touches):
    """Call the functions `touches`, which load what they call, or compile it where it is not kept.

    What is kept all ranks load at once. If a rank misses anything, one rank of all compiles first, then one of each node, then
    the others: so what they compile is on disk when the others look, whether the nodes share it or each keeps its own, and
    nothing is compiled twice on one node. Where nothing can be kept all ranks compile at once. Rank 0 says what takes long, and
    where compiled loops are kept if that is no usual place. Collective; ranks that wait for a compiler sleep.
    """
    from ..runtime import limits
    from . import loop_cache

    limits.require_room(LOADING if loop_cache.kept() else COMPILING, "the compiled loops")
    if any_rank(comm, not loop_cache.loaded(touches)):
        _compile_in_turn(comm, touches)
    if comm.Get_rank() == 0 and loop_cache.note():
        say(loop_cache.note())


def _compile_in_turn(comm, touches):
    from mpi4py import MPI

    from ..runtime import kept

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    turn = 0 if comm.Get_rank() == 0 else 1 if node.Get_rank() == 0 else 2
    node.Free()
    at_once = comm.bcast(kept.places().kept_in is None)
    done = threading.Event()
    told = threading.Thread(target=_tell_that_it_takes_long, args=(done,), daemon=True)
    if comm.Get_rank() == 0:
        told.start()
    try:
        for now in range(3):
            if at_once and now == 0 or not at_once and turn == now:
                for touch in touches:
                    touch()
            wait_for_all(comm)
    finally:
        done.set()


def _tell_that_it_takes_long(done):
    """Says so once, also where loading, or a busy machine, took the first seconds. Returns when the event `done` is set."""
    from . import loop_cache

    while not done.wait(QUIET_SECONDS):
        if loop_cache.counts["compiled"]:
            say("compiling the loops, once, about 30 s")
            break


def say(text):
    """A line to standard error, which may be closed."""
    try:
        print(f"nuflux_mpi: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        pass


def wait_for_all(comm):
    """A barrier in which ranks sleep, for waits of seconds: MPI's own takes a whole core of each rank. Collective."""
    arrived = comm.Ibarrier()
    while not arrived.Test():
        time.sleep(PAUSE)

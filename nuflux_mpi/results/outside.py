"""What reaches a run from outside its config: environment variables and files that libraries read by themselves.

`READ` lists them. A variable either does not reach us (PETSc's options, matplotlib's backend), or it is checked, or it is
stored with the results, in the attribute ``environment``, if it can change their last bits or how they were made. Others,
such as those of a terminal, are none of our business. docs/reliability.md has the same list for users.
"""

import difflib
import os
import re
from typing import NamedTuple

from ..errors import InputError
from ..kernels.compiling import CONFIG_FILE


class Outside(NamedTuple):
    """One line of the list: a pattern of names, what it acts on, and what is done about it."""

    pattern: str
    acts_on: str
    done: str


RECORDED = "recorded"  # in the attribute `environment`
IGNORED = "does not reach the run"
TOLD = "read by nuflux_mpi, checked and recorded"

READ = (
    Outside(r"NUFLUX_\w+", "NUFLUX_NUMBA: compiled loops or NumPy's", TOLD),
    Outside(
        r"NUMBA_\w+",
        "how loops are compiled (last bits), where the compiled ones are kept; .numba_config.yaml is ignored",
        RECORDED,
    ),
    Outside(r"NPY_\w+", "which vector instructions NumPy uses (last bits)", RECORDED),
    Outside(
        r"(OMP|OPENBLAS|MKL|BLIS|GOTO|VECLIB|NUMEXPR|KMP|GOMP)_\w+", "threads and instructions of BLAS (last bits)", RECORDED
    ),
    Outside(
        r"GLIBC_TUNABLES|LD_PRELOAD|LD_BIND_NOW|MALLOC_\w+", "the C library, and libraries put in front of others", RECORDED
    ),
    Outside(r"HDF5_\w+|H5PY_\w+|ROMIO_\w+", "how files are opened, locked and written", RECORDED),
    Outside(
        r"OMPI_MCA_(btl|coll|fcoll|fbtl|fs|io|mpi|mtl|op|osc|pml|rmaps|sharedfp|topo)(_\w+)?|MPICH_\w+|MPIR_\w+|I_MPI_\w+"
        r"|UCX_\w+|FI_\w+|MV2_(?!COMM_)\w+",
        "messages and the order of sums over ranks (last bits)",
        RECORDED,
    ),
    Outside(
        r"PYTHON(HASHSEED|OPTIMIZE|PATH|HOME|SAFEPATH|NOUSERSITE|MALLOC|UTF8|DEVMODE|WARNINGS)",
        "Python, and which copy of the code runs",
        RECORDED,
    ),
    Outside(r"PETSC_(DIR|ARCH)", "which PETSc is loaded", RECORDED),
    Outside(r"PETSC_OPTIONS(_YAML)?", "options of PETSc; also .petscrc and petscrc", IGNORED),
    Outside(r"MPLBACKEND|MATPLOTLIBRC|MPLCONFIGDIR", "the look of figures; also matplotlibrc", IGNORED),
    Outside(r"SLURM_JOB_END_TIME", "the end of the wall time", RECORDED),
)
OWN = ("NUFLUX_NUMBA",)  # read by the package
OF_SCRIPTS = (
    "NUFLUX_PYTHON",
    "NUFLUX_RANKS",
    "NUFLUX_JOBS",
    "NUFLUX_LINKS",
    "NUFLUX_SRUN_MPI",
    "NUFLUX_TEST_SECONDS",
    "NUFLUX_SETTINGS",
)
_ON_RECORD = re.compile("|".join(f"(?:{line.pattern})" for line in READ if line.done != IGNORED))
_MOST = 500  # characters of one value
_ROOM = 16000  # bytes of all: attributes of HDF5 end at 64 kB


def recorded(environ=os.environ):
    """Lines NAME=value (str) of what is stored with the results: set, and able to change them. Local."""
    lines, room = [], _ROOM
    for name in sorted(environ):
        if not _ON_RECORD.fullmatch(name):
            continue
        line = _plain(f"{name}={environ[name]}")
        room -= len(line) + 1
        if room < 0:
            lines.append("...")
            break
        lines.append(line)
    return "\n".join(lines)


def _plain(text):
    """One line of ASCII whatever the text holds."""
    text = text.encode("unicode_escape", "surrogatepass").decode("ascii")
    return text if len(text) <= _MOST else text[: _MOST - 3] + "..."


def check(environ=os.environ):
    """Sentences (list) about variables that look like ours and are not. InputError where one of ours has no sense. Local."""
    value = environ.get("NUFLUX_NUMBA", "")
    if value not in ("", "0", "1"):
        raise InputError(f"NUFLUX_NUMBA must be 0 (NumPy's loops) or 1 (compiled loops, the default), not {_plain(value)}")
    said, known = [], OWN + OF_SCRIPTS
    for name in sorted(environ):
        if name.startswith("NUFLUX_") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            guess = f" (did you mean {near[0]}?)" if near else ""
            said.append(f"warning: {_plain(name)} is set, but nuflux_mpi reads no such variable{guess}")
    if os.path.isfile(CONFIG_FILE):
        said.append(f"{CONFIG_FILE} is ignored: settings of numba for a run are variables NUMBA_*, which are recorded with it")
    return said


def differing(comm, environ=os.environ):
    """One sentence on rank 0 if what is recorded differs between ranks, else "". Collective."""
    found = comm.gather({line.partition("=")[0]: line.partition("=")[2] for line in recorded(environ).splitlines()})
    if found is None:
        return ""
    names = {name for one in found for name in one}
    unequal = sorted(name for name in names if name not in _OF_ONE_RANK and len({one.get(name) for one in found}) > 1)
    if not unequal:
        return ""
    return (
        f"warning: {', '.join(unequal)} {'is' if len(unequal) == 1 else 'are'} not the same on all ranks; the attribute "
        "environment has what rank 0 sees"
    )


_OF_ONE_RANK = {"OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"}  # launchers set them for each rank

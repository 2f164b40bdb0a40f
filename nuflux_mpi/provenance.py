"""Where a number came from: version, commit, command, machine and libraries, for the attributes of every file."""

import datetime
import os
import platform
import subprocess
import sys
import uuid
from pathlib import Path

from . import __version__

FORMAT = "1.0"  # of series.h5 and fields.h5
REFERENCE = "Fiorillo, Raffelt, Sigl, Phys. Rev. Lett. 133, 021002 (2024), doi:10.1103/PhysRevLett.133.021002"


def commit():
    """(commit hash, dirty flag) of the checkout the package runs from; ("", False) where it is not a checkout.

    Starts git only while MPI is not running: a fork inside an MPI process is not safe everywhere. Afterwards the hash is
    read from git's files, and "dirty" cannot be told.
    """
    top = Path(__file__).resolve().parent.parent
    if not (top / ".git").exists():
        return "", False
    if "mpi4py.MPI" in sys.modules:
        return _commit_from_files(top / ".git"), False
    try:
        head, status = (
            subprocess.run(["git", "-C", str(top), *words], capture_output=True, text=True, timeout=10, check=True).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return "", False
    return head.strip(), bool(status.strip())


def _commit_from_files(git):
    try:
        head = (git / "HEAD").read_text().strip()
        return (git / head[5:]).read_text().strip() if head.startswith("ref: ") else head
    except OSError:
        return ""


def command_line():
    """The command as typed, with the module name where Python shows a path."""
    words = list(sys.argv)
    if words and words[0].endswith("__main__.py"):
        words[0] = "python -m nuflux_mpi"
    return " ".join(words)


def libraries():
    """Versions of the Python packages and of HDF5, as attributes."""
    import h5py
    import mpi4py
    import mpi4py_fft
    import numpy
    import petsc4py

    packages = {"mpi4py": mpi4py, "petsc4py": petsc4py, "mpi4py_fft": mpi4py_fft, "h5py": h5py, "numpy": numpy}
    versions = {f"{name}_version": str(getattr(package, "__version__", "")) for name, package in packages.items()}
    numba = sys.modules.get("numba")
    return {"python_version": platform.python_version(), **versions, "hdf5_version": h5py.version.hdf5_version,
            "numba_version": numba.__version__ if numba else ""}


def attributes(config, config_toml, box, checkout):
    """Attributes of a run's files, a flat dict of strings, numbers and flags, the same on all ranks. Collective.

    config: resolved dict; config_toml: its text; checkout: what `commit` said before MPI started.
    """
    import hashlib

    from mpi4py import MPI
    from petsc4py import PETSc

    from . import kernels, start_file

    attrs = {
        "Conventions": "CF-1.11",
        "title": config["title"] or config["name"],
        "nuflux_format": FORMAT,
        "nuflux_version": __version__,
        "git_commit": checkout[0],
        "git_dirty": int(checkout[1]),  # netCDF has no truth values
        "config_toml": config_toml,
        "config_sha256": hashlib.sha256(config_toml.encode()).hexdigest(),
        "start_files": start_file.provenance(config),
        "command_line": command_line(),
        "run_id": uuid.uuid4().hex,
        "created": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "host": platform.node(),
        "job_id": os.environ.get("SLURM_JOB_ID") or os.environ.get("PBS_JOBID") or "",
        "n_ranks": box.size,
        "decomposition": f"{box.plan.N1} x {box.plan.N2} points" if box.plan.factored else f"{box.size} slabs",
        "exchange": str(box.node),
        "mpi_library": MPI.Get_library_version().splitlines()[0].rstrip("\x00"),
        **libraries(),
        "petsc_version": ".".join(map(str, PETSc.Sys.getVersion())),
        "kernels": "numba" if kernels.COMPILED else "numpy",
        "fftw_effort": box.fftw,
        "units": "hbar = c = 1; lengths and times in 1/mu, energies in mu, densities in n, mu = sqrt(2) G_F n",
        "references": REFERENCE,
    }
    return box.comm.bcast(attrs)

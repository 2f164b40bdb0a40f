"""Where a number came from: version, commit, command, machine and libraries, for the attributes of every file."""

import datetime
import os
import platform
import sys
import uuid

from .. import __version__, units
from ..runtime.git import commit  # noqa: F401 - part of this module's face
from ..runtime.text import storable
from . import outside

FORMAT = "1.0"  # of series.h5 and fields.h5
UNKNOWN = -1  # git_dirty where git was not asked, or did not answer
REFERENCE = "Fiorillo, Raffelt, Sigl, Phys. Rev. Lett. 133, 021002 (2024), doi:10.1103/PhysRevLett.133.021002"


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
    return {
        "python_version": platform.python_version(),
        **versions,
        "hdf5_version": h5py.version.hdf5_version,
        "numba_version": numba.__version__ if numba else "",
    }


def _of_scale(config):
    """What the units are in the laboratory's, where the config says it."""
    scale = units.scale_of(config)
    if scale is None:
        return {}
    return {
        "mu_in_eV": scale.mu,
        "n_in_per_cm3": scale.density,
        "inverse_mu_in_cm": scale.length,
        "inverse_mu_in_s": scale.time,
    }


def attributes(config, config_toml, box, checkout):
    """Attributes of a run's files, a flat dict of strings, numbers and flags, the same on all ranks. Collective.

    config: resolved dict; config_toml: its text; checkout: what `commit` said before MPI started.
    What is the environment on rank 0 is the environment of the run: `outside.differing` tells where that is not so.
    """
    import hashlib

    from mpi4py import MPI
    from petsc4py import PETSc

    from .. import kernels
    from ..box import fft_plans
    from ..storage import start_file
    from ..time import petsc_options

    attrs = {
        "Conventions": "CF-1.11",
        "title": config.title or config.name,
        "nuflux_format": FORMAT,
        "nuflux_version": __version__,
        "git_commit": checkout[0],
        "git_dirty": UNKNOWN if checkout[1] is None else int(checkout[1]),
        "config_toml": config_toml,
        "config_sha256": hashlib.sha256(config_toml.encode()).hexdigest(),
        "start_files": start_file.provenance(config),
        "command_line": command_line(),
        "run_id": uuid.uuid4().hex,
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "host": platform.node(),
        "job_id": os.environ.get("SLURM_JOB_ID") or os.environ.get("PBS_JOBID") or "",
        "n_ranks": box.size,
        "decomposition": f"{box.plan.N1} x {box.plan.N2} points" if box.plan.factored else f"{box.size} slabs",
        "exchange": str(box.node),
        "mpi_library": MPI.Get_library_version().splitlines()[0].rstrip("\x00"),
        **libraries(),
        "petsc_version": ".".join(map(str, PETSc.Sys.getVersion())),
        "petsc_options": petsc_options.in_force(PETSc.Options(), config.petsc.options),
        "environment": outside.recorded(),
        "kernels": ("numba" if kernels.COMPILED else "numpy") + ", transforms in batches" * bool(fft_plans.why_in_batches()),
        "fftw_effort": box.fftw,
        "units": "hbar = c = 1; lengths and times in 1/mu, energies in mu, densities in n, mu = sqrt(2) G_F n",
        "references": REFERENCE,
        **_of_scale(config),
    }
    attrs = {name: storable(value) if isinstance(value, str) else value for name, value in attrs.items()}
    return box.comm.bcast(attrs)

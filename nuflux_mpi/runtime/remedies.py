"""The command that installs a package into the environment this Python runs in, without breaking what is there.

Three things break one: another major version of numpy than the compiled packages were built for, pip's serial h5py over a
parallel one (pip does not see Debian's), and packages of one source beside those of another. So every hint comes from here.
Nothing is imported but the standard library, and nothing is installed.
"""

import importlib.util
import os
import re
import shlex
import sys

DEBIAN_NAMES = {
    "petsc4py": "python3-petsc4py-real",
    "h5py": "python3-h5py python3-h5py-mpi",
    "mpi4py": "python3-mpi4py",
    "mpi4py_fft": "python3-mpi4py-fft",
}
DEBIAN_VERSION = "/etc/debian_version"
DEBIAN_PREFIX = "/usr"
# Builds that fit each other; everything else is what it is called.
CONDA_BUILDS = {"h5py": '"h5py=*=mpi_*"', "petsc4py": '"petsc=*=*real*" "petsc4py=*=*real*"', "mpi4py_fft": "mpi4py-fft"}


def source():
    """Where this Python's packages come from: "conda", "debian" (also a virtual environment of Debian's) or "pip"."""
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        return "conda"
    return "debian" if of_debian() else "pip"


def of_debian():
    """Whether this is the Python of Debian or Ubuntu, or a virtual environment of it."""
    return os.path.realpath(sys.base_prefix) == DEBIAN_PREFIX and os.path.exists(DEBIAN_VERSION)


def install_hint(package):
    """The command (str) that installs `package`, a name as in PyPI, here.

    The packages that are compiled with MPI come from where the others of them come from; a pure Python one by pip, with
    numpy held at its major version.
    """
    where = source()
    if where == "conda":
        return f"conda install -c conda-forge {CONDA_BUILDS.get(package, package)}"
    if where == "debian" and (package in DEBIAN_NAMES or not in_virtual_environment()):
        return f"apt install {DEBIAN_NAMES.get(package, 'python3-' + package.replace('_', '-'))}"
    if package in DEBIAN_NAMES:
        return 'see docs/install.md, "Modules and pip"'
    return pip_command(package)


def in_virtual_environment():
    """Whether pip installs into a virtual environment; Debian's Python itself refuses pip."""
    return sys.prefix != sys.base_prefix


def pip_command(*packages):
    """pip install of `packages` into this environment, with numpy held at its major version."""
    pip = [sys.executable, "-m", "pip", "install"]
    if importlib.util.find_spec("pip") is None:
        pip = ["uv", "pip", "install", "--python", sys.executable]
    held = [] if any(re.match(r"numpy\b", package) for package in packages) else [numpy_bound()]
    return shlex.join([*pip, *packages, *filter(None, held)])


def numpy_bound():
    """The requirement (str) that keeps numpy within the major version that is installed, "" where there is none."""
    from importlib import metadata  # late: it takes longer than all that every start needs of this module

    try:
        major = metadata.version("numpy").split(".")[0]
    except metadata.PackageNotFoundError:
        return "numpy<2" if of_debian() and sys.version_info < (3, 13) else ""
    return f"numpy<{int(major) + 1}"


def older_numpy_hint():
    """What to do where petsc4py was built for numpy 1 and a newer one is installed (str)."""
    if source() == "conda":
        return 'conda install -c conda-forge "numpy<2"'
    return pip_command("numpy<2")


def serial_h5py_remedy():
    """What to do where h5py has no MPI (str)."""
    remedy = install_hint("h5py")
    if source() == "debian":
        inside = " and no h5py from pip in the environment "
        return f"install a parallel h5py: `{remedy}`{inside}(`{shlex.quote(sys.executable)} -m pip uninstall h5py`)"
    if source() == "conda":
        return f"install a parallel h5py: `{remedy}`"
    return 'install a parallel h5py: build it with HDF5_MPI=ON (docs/install.md, "Modules and pip")'


def petsc4py_remedy(error):
    """One sentence for petsc4py failing to import with `error`: what is wrong and what to do."""
    from .limits import out_of_memory

    text = str(error)
    if out_of_memory(error):
        return out_of_memory(error)
    if "numpy" in text:
        return f"petsc4py was built for another numpy ({error}): {older_numpy_hint()}"
    directory = os.environ.get("PETSC_DIR")
    if "No module named 'imp'" in text or "No module named 'PETSc'" in text:
        version = ".".join(map(str, sys.version_info[:2]))
        return (
            f"petsc4py was built for another Python than this {version} ({error}): unset PETSC_DIR and PYTHONPATH, or "
            f"use the Python it belongs to; for this one: {_petsc4py_hint()}"
        )
    where = f"PETSC_DIR={directory} holds none" if directory else "PETSC_DIR is not set"
    return f"petsc4py cannot be imported ({error}; {where}): {_petsc4py_hint()}"


def _petsc4py_hint():
    """How to get petsc4py for this Python (str)."""
    if source() == "pip":
        debian = (
            f" (Debian's python3-petsc4py-real serves {DEBIAN_PREFIX}/bin/python3 and its virtual environments only)"
            if os.path.exists(DEBIAN_VERSION)
            else ""
        )
        return f"set PETSC_DIR to the PETSc it was installed with, or install both as docs/install.md says{debian}"
    return f"`{install_hint('petsc4py')}` (see docs/install.md)"

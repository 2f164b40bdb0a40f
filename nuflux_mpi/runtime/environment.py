"""The environment nuflux_mpi needs: what must be set before numpy and h5py load, and checks that say the remedy.

`prepare` runs when the package is imported and starts no MPI. `check_parallel` runs once at the start of a
simulation, on every rank. `install_excepthook` makes an exception on one rank end all ranks.
"""

import contextlib
import glob
import importlib.machinery
import importlib.util
import os
import re
import sys
import traceback

from ..errors import EXIT_FAILURE, EnvironmentProblem, WriteFailure
from . import remedies

# (size, rank) as each launcher tells its processes, before MPI is started. The order matters: mpirun inside a Slurm job
# also inherits Slurm's variables. Slurm's are those of a step (srun): SLURM_NTASKS is there outside a step as well.
LAUNCHER_VARIABLES = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),  # Open MPI
    ("PMI_SIZE", "PMI_RANK"),  # MPICH, Intel MPI, Cray
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),  # MVAPICH
    ("JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK"),  # jsrun
    ("FLUX_JOB_SIZE", "FLUX_TASK_RANK"),  # flux run
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),  # srun
)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
REQUIRED_PACKAGES = ("mpi4py", "mpi4py_fft", "h5py", "petsc4py", "numpy", "pydantic")
DEBIAN_PETSC4PY = "/usr/lib/petscdir/petsc*/*-real/lib/python3/dist-packages"


def prepare():
    """Set what numpy, h5py and petsc4py read from the environment when they are imported; a user's own setting stays.

    Called at package import, so before numpy and h5py unless the caller imported them first. Starts no MPI.
    """
    # Debian has a serial and a parallel h5py side by side and chooses the serial one unless told; others ignore this.
    os.environ.setdefault("H5PY_ALWAYS_USE_MPI", "1")
    if launcher_size() > 1:
        use_one_thread()  # the ranks already fill the cores
    find_petsc4py()


def use_one_thread():
    """Keep numpy, which is not loaded yet, from starting threads of its own; a user's own setting stays.

    In a time loop they have little to do, a scalar product at most, and wait for each other at full power meanwhile.
    """
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")


@contextlib.contextmanager
def spare_search_for_networks(environ=os.environ):
    """Within, a process that was started without a launcher may start MPI sooner; a user's own setting stays.

    Open MPI takes 0.2 s to look for fast networks, which a single rank does not need: its layer for messages is named instead
    (other MPIs ignore the variable). The variable goes again, so that it reaches no process that this one starts.
    """
    name = "OMPI_MCA_pml"
    if launcher_size() > 1 or _launcher() or name in environ:
        yield
        return
    environ[name] = "ob1"
    try:
        yield
    finally:
        environ.pop(name, None)


def find_petsc4py(pattern=DEBIAN_PETSC4PY):
    """Make Debian's petsc4py importable where it is not: append its newest real build to sys.path.

    Debian's own .pth file looks in PETSC_DIR, else in /usr/lib/petsc, a link that only the -dev packages create; so
    petsc4py stays hidden without them, and also when PETSC_DIR names another PETSc. Returns the directory, or None if
    petsc4py was importable already or there is none for this Python: it must be Debian's own, since a Python from elsewhere
    brings another numpy and another MPI. `pattern` is a glob of directories that hold petsc4py.
    """
    if importlib.util.find_spec("petsc4py") or not remedies.of_debian():
        return None
    compiled = f"PETSc{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    candidates = [
        path
        for path in glob.glob(pattern)
        if glob.glob(os.path.join(glob.escape(path), "petsc4py", "lib", "**", compiled), recursive=True)
    ]
    if not candidates:
        return None
    newest = max(candidates, key=_version_in_path)
    sys.path.append(newest)
    return newest


def _version_in_path(path):
    """The PETSc version in .../petsc3.18/... as (3, 18), for comparison."""
    match = re.search(r"petsc(\d+(?:\.\d+)*)", path)
    return tuple(int(number) for number in match[1].split(".")) if match else ()


def missing_packages():
    """Names of required packages that cannot be imported, found without importing them."""
    specs = {name: importlib.util.find_spec(name) for name in REQUIRED_PACKAGES}
    # A directory without __init__.py is what Ubuntu's python3-h5py-mpi leaves without python3-h5py.
    return [name for name, spec in specs.items() if spec is None or spec.origin is None]


def launcher_size():
    """Number of ranks the launcher says it started (int); 1 without a launcher. Does not start MPI."""
    return _launcher_value(0, 1)


def launcher_rank():
    """This process's rank as the launcher says (int); 0 without a launcher. Does not start MPI."""
    return _launcher_value(1, 0)


def speaks():
    """Whether this process is to tell what all ranks have to tell: MPI's rank 0, or the launcher's before MPI is started."""
    MPI = sys.modules.get("mpi4py.MPI")
    if MPI is not None and MPI.Is_initialized() and not MPI.Is_finalized():
        return MPI.COMM_WORLD.rank == 0
    return launcher_rank() == 0


def _launcher_value(index, without_launcher):
    """The size (index 0) or rank (1) of the first launcher that says both."""
    names = _launcher()
    return int(os.environ[names[index]]) if names else without_launcher


def _launcher():
    """The variables of the first launcher that says both size and rank, or None.

    Those that only an interactive shell was started with, and this process has from it, do not count.
    """
    for names in LAUNCHER_VARIABLES:
        if all(re.fullmatch("[0-9]{1,18}", os.environ.get(name, "")) for name in names) and not _of_the_shell(names):
            return names
    return None


def _of_the_shell(names):
    """Whether Slurm's variables are those of an interactive shell (`srun --pty bash`, or what `salloc` opens).

    Of such a step only one task has the terminal, and it is a shell and not this process. Where MPI could learn its rank from
    the step (PMI, PMIx) it may well be one of its ranks, for instance behind a script, so then they do count.
    """
    if names[0] != "SLURM_STEP_NUM_TASKS" or any(name.startswith(("PMI_", "PMIX_", "PMI2_")) for name in os.environ):
        return False
    task, step = os.environ.get("SLURM_TASK_PID", ""), os.environ.get("SLURM_STEP_ID", "")
    if task == str(os.getpid()) or os.environ[names[1]] != "0":
        return False
    # Numbers from there on are no steps of a user: the batch script, an interactive shell of salloc.
    return "SLURM_PTY_PORT" in os.environ or (step.isdecimal() and int(step) >= 0xFFFFFFF0) or _has_terminal()


def _has_terminal():
    """Whether somebody types into this process: no launcher gives a terminal to the ranks it starts."""
    try:
        return os.isatty(0)
    except OSError:
        return False


def temporary_problem(environ=os.environ):
    """A sentence if MPI will find no directory for its temporary files, "" if it will.

    Open MPI makes the one that is named where it can; it ends the process, in words of its own, where it cannot.
    """
    name = next((name for name in ("TMPDIR", "TEMP", "TMP") if environ.get(name)), "")
    above = place = os.path.abspath(environ[name] if name else "/tmp")
    while not os.path.exists(above):
        above = os.path.dirname(above)
    if os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK):
        return ""
    return (
        f"{f'{name}={place}' if name else place} cannot be written, where MPI keeps temporary files: export TMPDIR=DIRECTORY, "
        "one that you may write"
    )


def mpirun_environment(environ=os.environ):
    """A copy of the mapping `environ` (dict) in which mpirun can be started for this package, with any number of ranks.

    Also from inside an MPI job, whose variables are left out; as root, as in a container; with more ranks than cores.
    """
    settings = ("OMPI_MCA_rmaps", "OMPI_MCA_io", "OMPI_MCA_btl", "OMPI_ALLOW_")  # made by the user, not by a launcher
    launchers = ("OMPI_", "PMI_", "PMIX_", "MV2_COMM_", "HYDRA_", "HYDI_")
    variables = {name: value for name, value in environ.items() if name.startswith(settings) or not name.startswith(launchers)}
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [source, variables.get("PYTHONPATH")]))
    variables["OMPI_MCA_rmaps_base_oversubscribe"] = "1"
    if os.geteuid() == 0:
        variables |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return variables


def check_parallel(comm):
    """Refuse packages that do not work together on `comm`, the communicator of a run.

    Raises EnvironmentProblem, with the remedy, if mpirun and mpi4py belong to different MPIs, if petsc4py is missing or
    has complex scalars, or if h5py is serial although there is more than one rank. Every check is local, and its result
    is the same on all ranks of one installation, so all ranks raise or none. Starts PETSc.
    """
    from mpi4py import MPI

    check_launcher(MPI.COMM_WORLD.size)
    check_petsc()
    if comm.size > 1:
        check_h5py()


def check_launcher(size):
    """Raise EnvironmentProblem if the launcher started several ranks and MPI sees only `size` = 1.

    Each process would then believe to be rank 0 and write the same files. A process that somebody has typed in a shell which
    a launcher had started is alone, and welcome.
    """
    launched = launcher_size()
    if size > 1 or launched <= 1 or _has_terminal():
        return
    name = _launcher()[0]
    raise EnvironmentProblem(
        f"{launched} processes were started, but mpi4py sees 1 rank: mpirun and mpi4py belong to different MPIs. "
        "Use the mpirun of the MPI that mpi4py was built with (`python -m nuflux_mpi doctor` names it); with srun, "
        "choose the right plugin (`srun --mpi=list`, then --mpi=pmix or --mpi=pmi2). If this process was started alone, in "
        f"a shell or notebook that a launcher had started, {name}={launched} is left over from there: `unset {name}`"
    )


def check_petsc():
    """Raise EnvironmentProblem if petsc4py cannot be imported or its scalars are complex."""
    try:
        from petsc4py import PETSc
    except ImportError as error:
        raise EnvironmentProblem(remedies.petsc4py_remedy(error)) from error
    check_petsc_scalar(PETSc.ScalarType)


def check_petsc_scalar(scalar_type):
    """Raise EnvironmentProblem unless PETSc's scalars (`scalar_type`, a numpy type) are real."""
    import numpy

    if numpy.dtype(scalar_type).kind == "c":
        raise EnvironmentProblem(
            f"PETSc has complex scalars ({scalar_type.__name__}), and nuflux_mpi needs real ones: on Debian and Ubuntu "
            "install python3-petsc4py-real and set PETSC_DIR to its directory /usr/lib/petscdir/petsc*/*-real; with "
            "conda-forge petsc=*=*real* and petsc4py=*=*real*; elsewhere see docs/install.md"
        )


def check_h5py():
    """Raise EnvironmentProblem if h5py is incomplete or was built without MPI."""
    import h5py

    if not hasattr(h5py, "get_config"):
        raise EnvironmentProblem("h5py is incomplete: on Debian and Ubuntu `apt install python3-h5py python3-h5py-mpi`")
    if not h5py.get_config().mpi:
        raise EnvironmentProblem(
            f"h5py is serial ({h5py.__file__}) but there is more than one rank: {remedies.serial_h5py_remedy()}"
        )


def check_index_size(unknowns, index_bits):
    """Raise EnvironmentProblem if a vector of global length `unknowns` does not fit PETSc's signed indices."""
    largest = 2 ** (index_bits - 1) - 1
    if unknowns > largest:
        raise EnvironmentProblem(
            f"{unknowns} unknowns do not fit PETSc's {index_bits}-bit indices (at most {largest}): use a PETSc "
            "configured with --with-64-bit-indices, or fewer points or modes"
        )


def install_excepthook():
    """Make an uncaught exception on any rank print its traceback and end all ranks at once.

    Without it the other ranks wait for ever. `python -m mpi4py` does the same, but only after PETSc's collective
    clean-up has run on the broken job, which buries the traceback.
    """
    sys.excepthook = _abort_all_ranks


def _abort_all_ranks(kind, error, trace):
    """The exception hook: as usual on one rank, else traceback and MPI_Abort; a sentence for full disks, memory and Ctrl-C."""
    from .limits import out_of_memory

    MPI = sys.modules.get("mpi4py.MPI")
    parallel = MPI is not None and MPI.Is_initialized() and not MPI.Is_finalized() and MPI.COMM_WORLD.size > 1
    sentence = (
        "interrupted"
        if kind is KeyboardInterrupt
        else _write_failure(error, trace) or out_of_memory(error) or _variable_of_numpy(error)
    )
    if not parallel:
        if not sentence:
            sys.__excepthook__(kind, error, trace)
            return
        sys.stderr.write(f"nuflux_mpi: {sentence}\n")
        sys.stderr.flush()
        sys.stdout.flush()
        if kind is KeyboardInterrupt:
            return  # Python ends itself by SIGINT then, so that a shell ends its loop
        os._exit(EXIT_FAILURE)  # HDF5's own end would try to write again, and crash
    world = MPI.COMM_WORLD
    if sentence:
        text = f"nuflux_mpi: {sentence}; ending all ranks\n"
    else:
        text = "".join(traceback.format_exception(kind, error, trace))
        text = f"rank {world.rank} of {world.size} failed, ending all ranks:\n{text}"
    sys.stderr.write(text)  # one write, so that the lines of two failing ranks do not mix
    sys.stderr.flush()
    sys.stdout.flush()
    world.Abort(1)


def _variable_of_numpy(error):
    """What to say if NumPy could not be loaded for a variable NPY_* that it does not take, else ""."""
    named = re.search(r"NPY_[A-Z_]+", str(error)) if isinstance(error, (RuntimeError, ImportError)) else None
    if not named or named[0] not in os.environ:
        return ""
    return f"NumPy does not take the environment variable {named[0]}={os.environ[named[0]]}: unset it"


def _write_failure(error, trace):
    """What to say if `error` means that an output file cannot be written, else ""."""
    if "h5py" in sys.modules and not isinstance(error, WriteFailure):
        from .failures import failure_on_closing

        error = failure_on_closing(error, trace)
    return str(error) if isinstance(error, WriteFailure) else ""

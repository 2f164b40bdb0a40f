"""`python -m nuflux_mpi doctor`: do the installed packages work together, and if not, what to do.

Everything that starts MPI runs in a process of its own: `examine_process` on one process, `examine_ranks` under mpirun.
So the report comes out also where MPI cannot start, and says so.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

from ..runtime import environment, limits, remedies

OPTIONAL_PACKAGES = {  # and what they are for
    "numba": "the compiled time loop",
    "matplotlib": "figures",
    "xarray": "reading results as datasets",
    "h5netcdf": "reading results as datasets",
    "scipy": "tools/plain_script.py alone",
}
PROBE_SECONDS = 120  # imports from a slow shared disk take a minute


class Finding(NamedTuple):
    """One line of the report."""

    what: str
    ok: bool | None  # None: worth knowing, but nothing depends on it
    text: str
    remedy: str = ""


def main(argv=None):
    """Print the report; return the exit code, 1 if something that is required does not work."""
    parser = argparse.ArgumentParser(prog="nuflux_mpi doctor", description="Check the installed packages.")
    parser.add_argument(
        "--ranks",
        type=int,
        default=2,
        metavar="N",
        help="ranks of the mpirun test (default 2; 0 leaves it out, e.g. on a login node)",
    )
    arguments = parser.parse_args(argv)
    if environment.launcher_rank() > 0:
        return 0  # started under mpirun by mistake: one report is enough
    findings = report(arguments.ranks)
    print(as_text(findings))
    return 1 if any(finding.ok is False for finding in findings) else 0


def as_text(findings):
    """The report as lines of text."""
    marks = {True: "ok  ", False: "FAIL", None: "note"}
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.ok]}  {finding.what:<{width}}  {finding.text}")
        if finding.remedy and finding.ok is not True:
            lines.append(f"      {'':<{width}}  -> {finding.remedy}")
    failed = sum(finding.ok is False for finding in findings)
    lines.append("everything required works" if not failed else f"{failed} required point{'s' * (failed > 1)} failed")
    return "\n".join(lines)


def report(ranks=2):
    """List of Finding (what, ok, text, remedy). `ranks`: size of the mpirun test, 0 for none. Starts subprocesses."""
    findings = [*check_packages()]
    problem, _, remedy = environment.temporary_problem().partition(": ")
    if problem:
        findings.append(Finding("temporary files", None, problem, remedy))
    if all(finding.ok is not False for finding in findings):
        findings += check_process()
        findings += check_loops()
    if ranks:
        findings += check_mpirun(ranks)
    return [*findings, *check_threads(), *check_limits()]


# --- without MPI -----------------------------------------------------------------------------------------------------


def check_packages():
    """Python and the packages: present or not, and their versions."""
    yield Finding(
        "python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()} ({sys.executable})",
        "nuflux_mpi needs Python 3.11 or newer",
    )
    missing = environment.missing_packages()
    for name in environment.REQUIRED_PACKAGES:
        remedy = remedies.petsc4py_remedy("not found") if name == "petsc4py" else remedies.install_hint(name)
        yield Finding(name, name not in missing, "missing" if name in missing else version(name) or "version unknown", remedy)
    for name, purpose in OPTIONAL_PACKAGES.items():
        found = version(name)
        yield Finding(name, True if found else None, found or f"missing, needed for {purpose}", remedies.install_hint(name))


def version(name):
    """Version of an installed package (str), '' if its metadata says none. Does not import it."""
    # Debian's two builds of h5py are distributions of other names.
    for distribution in (name, name.replace("_", "-"), f"{name}.-debian-{name}-mpi", f"{name}.-debian-{name}-serial"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def check_threads():
    """Whether ranks would compete for cores with their own threads."""
    threads = os.environ.get("OMP_NUM_THREADS")
    yield Finding(
        "threads",
        None if threads not in (None, "1") else True,
        f"OMP_NUM_THREADS={threads}" if threads else "OMP_NUM_THREADS is not set; runs use 1",
        "one thread per rank is fastest unless there are fewer ranks than cores: export OMP_NUM_THREADS=1",
    )


def check_loops():
    """Whether loops are compiled, and where they are kept."""
    from ..errors import InputError
    from ..kernels import compiling

    try:
        numba, why_not = compiling.find()
    except InputError as error:
        yield Finding("compiled loops", False, str(error), "unset the variable")
        return
    if numba is None:
        yield Finding(
            "compiled loops",
            None,
            f"none, runs take several times longer: {why_not}",
            remedies.install_hint("numba") if "not installed" in why_not else "",
        )
        return
    from ..runtime.kept import places

    found = places()
    yield Finding(
        "compiled loops",
        None if found.note else True,
        found.note or f"kept in {found.kept_in}",
        "export NUMBA_CACHE_DIR=DIRECTORY, one of your own on a disk of this node",
    )


def check_limits():
    """What this machine grants, which may be less than it has."""
    granted, there = limits.cores(), os.cpu_count()
    yield Finding("cores", True, f"{granted} for ranks; the machine has {there} processors")
    least = min(limits.memory_limits(), default=None)
    if least:
        yield Finding("memory", True, f"{least.available / 1e9:.3g} GB ({least.words})")


# --- one MPI process -------------------------------------------------------------------------------------------------


def check_process():
    """What the compiled packages say once they are loaded together, in one process without mpirun."""
    found, error = run_probe([sys.executable], "examine_process()")
    if found is None:
        return [
            Finding(
                "MPI",
                False,
                f"importing mpi4py, h5py and petsc4py together failed: {error}",
                remedies.petsc4py_remedy(error)
                if "petsc" in error.lower()
                else "on a login node MPI may be forbidden: try in a job; else see docs/install.md",
            )
        ]
    return list(judge_process(found))


def judge_process(found):
    """Findings from what `examine_process` returned (dict)."""
    libraries = found["mpi_libraries"]
    one = len(libraries) < 2
    names = ", ".join(libraries) or "linked statically"
    yield Finding(
        "MPI",
        one,
        f"{found['mpi']}, one for all: {names}" if one else f"several in one process: {names}",
        "mpi4py, h5py and petsc4py must be built with one MPI: take all from one source (docs/install.md)",
    )
    kind = "parallel" if found["h5py_mpi"] else f"serial ({found['h5py_file']})"
    yield Finding("h5py with MPI", found["h5py_mpi"], f"HDF5 {found['hdf5']}, {kind}", remedies.serial_h5py_remedy())
    real = found["petsc_scalar"].startswith("float")
    yield Finding(
        "PETSc",
        real,
        f"{found['petsc']}, scalars {found['petsc_scalar']}, indices {found['petsc_index']}",
        "install a PETSc with real scalars (docs/install.md)",
    )
    reached = found["fftw"]
    yield Finding(
        "FFTW",
        True if reached else None,
        "reached by compiled loops"
        if reached
        else "compiled loops cannot reach its functions: transforms in batches, which are slower",
        "build mpi4py-fft with a shared FFTW (docs/install.md)",
    )
    yield Finding("BLAS", True, ", ".join(found["blas_libraries"]) or "none found")


def examine_process():
    """Load the compiled packages together and describe them (dict). Starts MPI."""
    import h5py
    from mpi4py import MPI
    from petsc4py import PETSc

    from ..box.fft_plans import library

    loaded = loaded_libraries()
    mpi_name = r"libmpi(ch)?\.so|libmpi_intel"
    blas_name = r"lib(open|scipy_open)?blas|libmkl_rt|libblis"
    return {
        "mpi": MPI.Get_library_version().strip("\0").splitlines()[0].split(",")[0],
        "mpi_libraries": [path for path in loaded if re.match(mpi_name, os.path.basename(path))],
        "blas_libraries": [os.path.basename(path) for path in loaded if re.match(blas_name, os.path.basename(path))],
        "fftw": library() is not None,
        "hdf5": h5py.version.hdf5_version,
        "h5py_mpi": bool(h5py.get_config().mpi),
        "h5py_file": h5py.__file__,
        "petsc": ".".join(map(str, PETSc.Sys.getVersion())),
        "petsc_scalar": PETSc.ScalarType.__name__,
        "petsc_index": PETSc.IntType.__name__,
    }


def loaded_libraries():
    """Paths of the shared libraries in this process, sorted (list); empty where there is no /proc."""
    try:
        with open("/proc/self/maps") as maps:
            fields = [line.split(maxsplit=5) for line in maps]
    except OSError:
        return []
    return sorted({field[5].strip() for field in fields if len(field) == 6 and ".so" in field[5]})


# --- mpirun ----------------------------------------------------------------------------------------------------------


def check_mpirun(ranks):
    """Start `ranks` ranks, let them exchange a number and write a file together."""
    mpirun = shutil.which("mpirun")
    if mpirun is None:
        return [Finding("mpirun", False, "not on PATH", mpirun_hint())]
    findings = []
    if os.geteuid() == 0 and "OMPI_ALLOW_RUN_AS_ROOT" not in os.environ and is_open_mpi(mpirun):
        findings.append(
            Finding(
                "root",
                None,
                "Open MPI refuses root; tools/run.sh and this test get around it",
                "for mpirun by hand: export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
            )
        )
    with tempfile.TemporaryDirectory(dir=os.getcwd() if os.access(".", os.W_OK) else None) as directory:
        path = os.path.join(directory, "probe.h5")
        found, error = run_probe([mpirun, "-n", str(ranks), sys.executable], f"examine_ranks({path!r})")
    if found is None:
        return [*findings, Finding("mpirun", False, f"{mpirun}: {error}", "see docs/troubleshooting.md")]
    return [*findings, *judge_ranks(found, ranks, mpirun)]


def mpirun_hint():
    """Where an mpirun comes from that fits the mpi4py of this environment (str)."""
    return {
        "debian": "apt install openmpi-bin",
        "conda": "activate the conda environment, which has the mpirun of its MPI",
        "pip": "load the module of the MPI that mpi4py was built with",
    }[remedies.source()]


def is_open_mpi(mpirun):
    """Whether this mpirun is Open MPI's, as it says itself."""
    try:
        told = subprocess.run([mpirun, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "open mpi" in told.stdout.lower() or "open-mpi" in told.stdout.lower()


def judge_ranks(found, ranks, mpirun):
    """Findings from what `examine_ranks` returned (dict) under `mpirun -n ranks`."""
    joined = found["size"] == ranks
    yield Finding(
        "mpirun",
        joined,
        f"{mpirun}: {found['size']} of {ranks} ranks joined",
        "mpirun and mpi4py belong to different MPIs: use the mpirun of mpi4py's MPI",
    )
    if joined:
        yield Finding(
            "messages",
            found["ping"],
            "every rank heard from its neighbor" if found["ping"] else "wrong data arrived",
            "MPI itself is broken: try its own examples",
        )
        yield Finding("collective write", found["write"], found["write_text"], remedies.serial_h5py_remedy())


def examine_ranks(path):
    """Pass a number around the ring of ranks and write one HDF5 file together; describe it (dict). Collective."""
    environment.install_excepthook()
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    left, right = (comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size
    heard = comm.sendrecv(comm.rank, dest=right, source=left)
    ping = comm.allreduce(heard == left, MPI.LAND)
    # Without this, each of several processes that believe to be alone would write the file.
    write, text = write_together(comm, path) if comm.size > 1 else (False, "not tried")
    return {"size": comm.size, "ping": ping, "write": write, "write_text": text} if comm.rank == 0 else None


def write_together(comm, path, count=4096):
    """Write `count` numbers per rank to one HDF5 file collectively and read them back; (ok, text). Collective."""
    import h5py
    import numpy

    if not h5py.get_config().mpi:
        return False, f"h5py is serial ({h5py.__file__})"
    mine = slice(comm.rank * count, (comm.rank + 1) * count)
    with h5py.File(path, "w", driver="mpio", comm=comm) as file:
        dataset = file.create_dataset("rank", (comm.size * count,), "f8")
        with dataset.collective:
            dataset[mine] = numpy.full(count, float(comm.rank))
    with h5py.File(path, "r", driver="mpio", comm=comm) as file:
        wrong = int((file["rank"][:] != numpy.repeat(numpy.arange(comm.size), count)).sum())
    return wrong == 0, f"{comm.size} ranks wrote one HDF5 file" + (f", {wrong} numbers of it wrong" if wrong else "")


def run_probe(python, call):
    """Run `call`, a call of a function of this module, in a new process started by the command `python` (list).

    Returns (result, ''), or (None, one line that says why there is no result).
    """
    code = (
        f"import json; from nuflux_mpi.cli import doctor; found = doctor.{call}\n"
        "if found: print('\\nprobe', json.dumps(found), flush=True)"
    )
    try:
        done = subprocess.run(
            [*python, "-P", "-c", code],
            env=environment.mpirun_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {PROBE_SECONDS} s"
    except OSError as error:
        return None, str(error)
    for line in done.stdout.splitlines():
        if line.startswith("probe "):
            return json.loads(line[len("probe ") :]), ""
    return None, reason(done.stderr) or f"ended with status {done.returncode} and no message"


def reason(stderr):
    """The line of an error output that says most: the exception of a traceback, else the first line with words."""
    lines = [line.strip() for line in stderr.splitlines() if re.search(r"\w", line)]
    exceptions = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Problem)\b", line)]
    return (exceptions or lines or [""])[0]

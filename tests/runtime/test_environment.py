"""The environment checks: each problem is recognized and its message names the remedy."""

import importlib.machinery
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import processes
import pytest
from processes import TINY

from nuflux_mpi.cli import doctor
from nuflux_mpi.errors import EnvironmentProblem
from nuflux_mpi.runtime import environment, remedies

LAUNCHER_NAMES = [name for pair in environment.LAUNCHER_VARIABLES for name in pair]


@pytest.fixture
def no_launcher(monkeypatch):
    for name in list(os.environ):
        if name in LAUNCHER_NAMES or name.startswith(("SLURM_", "PMI_", "PMIX_", "PMI2_")):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "_has_terminal", lambda: False)


def run_python(code, ranks=None, timeout=60, **variables):
    """Run Python code in a new process, under mpirun if `ranks` is given."""
    return processes.carry_out(processes.python(["-c", code], ranks), timeout, env=variables)


# --- launchers -------------------------------------------------------------------------------------------------------


def test_without_a_launcher_there_is_one_rank(no_launcher):
    assert (environment.launcher_size(), environment.launcher_rank()) == (1, 0)


@pytest.mark.parametrize("size_name, rank_name", environment.LAUNCHER_VARIABLES)
def test_each_launcher_is_read(no_launcher, monkeypatch, size_name, rank_name):
    monkeypatch.setenv(size_name, "64")
    monkeypatch.setenv(rank_name, "17")
    assert (environment.launcher_size(), environment.launcher_rank()) == (64, 17)


def test_mpirun_inside_a_slurm_step_counts(no_launcher, monkeypatch):
    for name, value in zip(LAUNCHER_NAMES, [4, 3] + [0] * (len(LAUNCHER_NAMES) - 4) + [1, 0]):
        monkeypatch.setenv(name, str(value))
    assert (environment.launcher_size(), environment.launcher_rank()) == (4, 3)


def test_a_batch_script_outside_a_step_is_one_process(no_launcher, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "64")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert environment.launcher_size() == 1


STEP = {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "1"}


@pytest.mark.parametrize(
    "more, size",
    [
        ({}, 8),  # srun -n 8 with a plugin that MPI does not understand: nothing tells it from a shell
        ({"SLURM_PTY_PORT": "40000"}, 1),  # srun -n 8 --pty bash
        ({"SLURM_PTY_PORT": "40000", "SLURM_TASK_PID": "1"}, 1),
        ({"SLURM_PTY_PORT": "40000", "SLURM_TASK_PID": str(os.getpid())}, 8),  # srun -n 8 --pty python -m nuflux_mpi
        ({"SLURM_PTY_PORT": "40000", "SLURM_PROCID": "3"}, 8),  # a task that has no terminal
        ({"SLURM_STEP_ID": "4294967290"}, 1),  # the shell of salloc
        ({"SLURM_PTY_PORT": "40000", "PMIX_RANK": "0"}, 8),
        ({"SLURM_PTY_PORT": "40000", "PMI_FD": "3"}, 8),  # MPI knows better
    ],
)
def test_the_shell_of_an_interactive_step_is_no_launch(more, size, no_launcher, monkeypatch):
    for name, value in (STEP | more).items():
        monkeypatch.setenv(name, value)
    assert environment.launcher_size() == size
    if size == 1:
        environment.check_launcher(1)
        assert environment.launcher_rank() == 0 and environment.speaks()
    else:
        with pytest.raises(EnvironmentProblem, match="8 processes.*`unset SLURM_STEP_NUM_TASKS`"):
            environment.check_launcher(1)


def test_a_process_that_somebody_types_is_alone(no_launcher, monkeypatch):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(environment, "_has_terminal", lambda: True)
    assert environment.launcher_size() == 1
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")  # a terminal that mpirun has opened
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    environment.check_launcher(1)


def test_a_run_starts_in_the_shell_of_an_interactive_step(run_cli, tmp_path):
    done = run_cli(["run", "two_beam", *TINY, "--out", tmp_path / "shell"], env=STEP | {"SLURM_PTY_PORT": "40000"})
    assert done.returncode == 0, done.stderr
    done = run_cli(["run", "two_beam", *TINY, "--out", tmp_path / "srun"], env=STEP)
    assert done.returncode == 1 and done.stderr.count("8 processes were started") == 1
    assert "Traceback" not in done.stderr and not (tmp_path / "srun").exists()


def test_mpirun_environment_drops_the_job_and_keeps_settings():
    variables = environment.mpirun_environment(
        {
            "OMPI_COMM_WORLD_RANK": "1",
            "PMIX_RANK": "1",
            "PMI_SIZE": "2",
            "OMPI_MCA_ess": "^singleton",
            "OMPI_MCA_io": "romio321",
            "HOME": "/home/nu",
        }
    )
    assert not {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_SIZE", "OMPI_MCA_ess"} & set(variables)
    assert variables["OMPI_MCA_io"] == "romio321" and variables["HOME"] == "/home/nu"


# --- prepare ---------------------------------------------------------------------------------------------------------


def test_import_is_light_and_starts_no_mpi():
    done = run_python(
        "import sys, nuflux_mpi\n"
        "print(sorted({'mpi4py.MPI', 'petsc4py.PETSc', 'numpy', 'h5py', 'matplotlib', 'pydantic'} & set(sys.modules)))"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_threads_are_one_under_a_launcher_unless_chosen(no_launcher, monkeypatch):
    for name in environment.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    environment.prepare()
    assert "OMP_NUM_THREADS" not in os.environ, "one process may use its threads"
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for name in environment.THREAD_VARIABLES[1:]:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)  # so that monkeypatch removes what prepare sets
    environment.prepare()
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert {os.environ[name] for name in environment.THREAD_VARIABLES[1:]} == {"1"}


def test_a_run_has_one_thread_unless_more_are_chosen(tmp_path):
    """Chosen before numpy is loaded, which reads it once; a program that imports the package keeps its own."""
    run = (
        "import os, sys; from nuflux_mpi import cli; print(os.environ.get('OMP_NUM_THREADS'), 'numpy' in sys.modules); "
        f"cli.main(['run', 'no_such_case', '--out', {str(tmp_path / 'out')!r}]); print(os.environ['OMP_NUM_THREADS'])"
    )
    variables = {name: os.environ[name] for name in environment.THREAD_VARIABLES if name in os.environ}
    for chosen, expected in ((None, ["None False", "1"]), ("3", ["3 False", "3"])):
        env = {name: value for name, value in environment.mpirun_environment().items() if name not in variables}
        env |= {"OMP_NUM_THREADS": chosen} if chosen else {}
        done = subprocess.run([sys.executable, "-c", run], env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout.split("\n")[:2] == expected, done.stderr


def test_h5py_is_the_parallel_one_without_a_launcher():
    done = run_python("import nuflux_mpi, h5py; print(h5py.get_config().mpi)", H5PY_ALWAYS_USE_MPI="1")
    if done.stdout.strip() == "False":
        pytest.skip("this h5py has no MPI at all")
    env = environment.mpirun_environment()
    env.pop("H5PY_ALWAYS_USE_MPI", None)
    done = subprocess.run(
        [sys.executable, "-c", "import nuflux_mpi, h5py; print(h5py.get_config().mpi)"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "True", done.stderr


def make_petsc(directory, version, suffix=importlib.machinery.EXTENSION_SUFFIXES[0]):
    """A directory tree like Debian's, with an empty petsc4py in it, compiled for the Python of a suffix."""
    packages = directory / f"petsc{version}" / "x86_64-linux-gnu-real" / "lib" / "python3" / "dist-packages"
    (packages / "petsc4py" / "lib").mkdir(parents=True)
    (packages / "petsc4py" / "lib" / f"PETSc{suffix}").touch()
    return str(packages)


def hide_petsc4py(monkeypatch):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(remedies, "of_debian", lambda: True)


def test_the_newest_debian_petsc4py_is_found(tmp_path, monkeypatch):
    hide_petsc4py(monkeypatch)
    make_petsc(tmp_path, "3.9")
    newest = make_petsc(tmp_path, "3.18")
    (tmp_path / "petsc3.22" / "x86_64-linux-gnu-real" / "lib" / "python3" / "dist-packages").mkdir(parents=True)
    pattern = str(tmp_path / "petsc*/*-real/lib/python3/dist-packages")
    assert environment.find_petsc4py(pattern) == newest, "3.18 is newer than 3.9, and 3.22 has no petsc4py"
    assert sys.path[-1] == newest


def test_debians_petsc4py_is_for_debians_python_alone(tmp_path, monkeypatch):
    hide_petsc4py(monkeypatch)
    pattern = str(tmp_path / "petsc*/*-real/lib/python3/dist-packages")
    make_petsc(tmp_path, "3.18", ".cpython-39-x86_64-linux-gnu.so")
    assert environment.find_petsc4py(pattern) is None, "it is compiled for another Python"
    fitting = make_petsc(tmp_path, "3.9")
    monkeypatch.setattr(remedies, "of_debian", lambda: False)
    assert environment.find_petsc4py(pattern) is None, "a Python from elsewhere has another numpy and another MPI"
    monkeypatch.setattr(remedies, "of_debian", lambda: True)
    assert environment.find_petsc4py(pattern) == fitting


def test_an_importable_petsc4py_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: object())
    make_petsc(tmp_path, "3.18")
    assert environment.find_petsc4py(str(tmp_path / "petsc*/*-real/lib/python3/dist-packages")) is None


@pytest.mark.parametrize("petsc_dir", [None, "/nonsense"])
def test_petsc4py_imports_whatever_petsc_dir_says(petsc_dir):
    env = environment.mpirun_environment()
    env.pop("PETSC_DIR", None)
    if petsc_dir:
        env["PETSC_DIR"] = petsc_dir
    code = "import nuflux_mpi, petsc4py.PETSc as PETSc; print(PETSc.Sys.getVersion()[0])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "3", done.stderr


# --- checks ----------------------------------------------------------------------------------------------------------


def test_wrong_mpirun_is_recognized(no_launcher, monkeypatch):
    environment.check_launcher(1)  # one process and no launcher is an ordinary case
    monkeypatch.setenv("PMI_SIZE", "4")
    monkeypatch.setenv("PMI_RANK", "2")
    environment.check_launcher(4)
    with pytest.raises(EnvironmentProblem, match="4 processes were started, but mpi4py sees 1 rank.*doctor"):
        environment.check_launcher(1)


def test_complex_petsc_is_refused():
    environment.check_petsc_scalar(np.float64)
    for scalar in (np.complex128, np.complex64):
        with pytest.raises(EnvironmentProblem, match="complex scalars.*petsc4py-real"):
            environment.check_petsc_scalar(scalar)


def test_missing_petsc4py_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "petsc4py", None)  # makes the import fail
    with pytest.raises(EnvironmentProblem, match="petsc4py cannot be imported"):
        environment.check_petsc()


def fake_h5py(mpi):
    return SimpleNamespace(get_config=lambda: SimpleNamespace(mpi=mpi), __file__="/somewhere/h5py/__init__.py")


def test_serial_h5py_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", fake_h5py(mpi=True))
    environment.check_h5py()
    monkeypatch.setitem(sys.modules, "h5py", fake_h5py(mpi=False))
    monkeypatch.setattr(remedies, "source", lambda: "debian")
    with pytest.raises(EnvironmentProblem, match="h5py is serial.*/somewhere/h5py.*python3-h5py-mpi"):
        environment.check_h5py()


def test_h5py_without_its_top_level_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", SimpleNamespace())
    with pytest.raises(EnvironmentProblem, match="incomplete.*python3-h5py "):
        environment.check_h5py()


def test_missing_packages_are_named(monkeypatch):
    assert environment.missing_packages() == []
    found = {"numpy": SimpleNamespace(origin="/numpy/__init__.py"), "h5py": SimpleNamespace(origin=None)}
    monkeypatch.setattr(environment.importlib.util, "find_spec", found.get)
    missing = environment.missing_packages()
    assert "h5py" in missing and "petsc4py" in missing and "numpy" not in missing


def test_index_overflow_is_refused():
    environment.check_index_size(2**31 - 1, 32)
    environment.check_index_size(2**31, 64)
    with pytest.raises(EnvironmentProblem, match="2147483648 unknowns.*32-bit.*64-bit-indices"):
        environment.check_index_size(2**31, 32)


@pytest.mark.mpi
def test_this_environment_passes(comm):
    environment.check_parallel(comm)
    assert comm.size == environment.launcher_size()


@pytest.mark.mpi(min_size=2)
def test_a_communicator_of_one_under_mpirun_is_welcome(comm):
    """Each rank may carry out a run of its own; what is refused is an MPI that does not see the other ranks."""
    from mpi4py import MPI

    environment.check_parallel(MPI.COMM_SELF)
    with pytest.raises(EnvironmentProblem, match=f"{comm.size} processes were started"):
        environment.check_launcher(1)


@pytest.mark.mpi
def test_shared_tmp_path_is_one_directory(comm, shared_tmp_path):
    (shared_tmp_path / str(comm.rank)).touch()
    comm.Barrier()
    assert sorted(os.listdir(shared_tmp_path)) == sorted(map(str, range(comm.size)))


# --- exceptions ------------------------------------------------------------------------------------------------------

FAILING_RANK = """
from nuflux_mpi.runtime import environment
environment.install_excepthook()
from mpi4py import MPI
from petsc4py import PETSc  # its clean-up at exit is collective and would hang or bury the traceback
if MPI.COMM_WORLD.rank == MPI.COMM_WORLD.size - 1:
    raise ArithmeticError("the reason")
MPI.COMM_WORLD.Barrier()
"""


def test_an_exception_on_one_rank_ends_all():
    done = run_python(FAILING_RANK, ranks=3)  # a hang would end in subprocess.TimeoutExpired
    assert done.returncode == 1
    assert "rank 2 of 3 failed" in done.stderr and "ArithmeticError: the reason" in done.stderr
    assert "MPI_ERR_TRUNCATE" not in done.stderr


def test_an_exception_on_one_process_is_an_ordinary_traceback():
    done = run_python(FAILING_RANK)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback") and done.stderr.rstrip().endswith("ArithmeticError: the reason")


FULL_DISK = """
import resource
from mpi4py import MPI
from nuflux_mpi.runtime import environment
from nuflux_mpi.storage import hdf5
environment.install_excepthook()
if MPI.COMM_WORLD.rank == 0:
    file = hdf5.open_alone({path!r}, "w")
    dataset = hdf5.create_growing(file, "time", (), chunk=(1024,))
    file.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    dataset.resize(5000, axis=0)
    dataset[:] = 1.0
    del dataset  # h5py writes here, where nobody can catch what it raises
MPI.COMM_WORLD.Barrier()
"""


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_file_that_cannot_be_closed_is_told_in_a_sentence(tmp_path, ranks):
    done = run_python(FULL_DISK.format(path=str(tmp_path / "x.h5")), ranks=ranks)
    assert done.returncode == 1
    sentence = f"nuflux_mpi: {tmp_path / 'x.h5'} cannot be written (File too large)"
    assert done.stderr.count(sentence) == 1, done.stderr
    assert "Traceback" not in done.stderr


# --- doctor ----------------------------------------------------------------------------------------------------------


def test_doctor_finds_this_environment_healthy():
    done = run_python(
        "import sys; from nuflux_mpi.cli import doctor; c = doctor.main([]); "
        "print('mpi4py.MPI' in sys.modules, 'petsc4py.PETSc' in sys.modules); sys.exit(c)",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 ranks joined" in done.stdout and "2 ranks wrote one HDF5 file" in done.stdout
    assert done.stdout.splitlines()[-1] == "False False", "the doctor itself must not start MPI"


def healthy():
    return {
        "mpi": "Open MPI v4.1.4",
        "mpi_libraries": ["/lib/libmpi.so.40"],
        "blas_libraries": ["libopenblas.so.0"],
        "fftw": True,
        "hdf5": "1.10.8",
        "h5py_mpi": True,
        "h5py_file": "/h5py/__init__.py",
        "petsc": "3.18.5",
        "petsc_scalar": "float64",
        "petsc_index": "int32",
    }


@pytest.mark.parametrize(
    "change, what",
    [
        ({}, []),
        ({"mpi_libraries": ["/lib/libmpi.so.40", "/opt/libmpich.so.12"]}, ["MPI"]),
        ({"h5py_mpi": False}, ["h5py with MPI"]),
        ({"petsc_scalar": "complex128"}, ["PETSc"]),
    ],
)
def test_doctor_judges_a_process(change, what):
    findings = list(doctor.judge_process(healthy() | change))
    assert [finding.what for finding in findings if finding.ok is False] == what
    assert all(finding.remedy for finding in findings if finding.ok is False)


def version_of(directory, text):
    """A program in `directory` (pathlib.Path) that answers --version as an mpirun does."""
    program = directory / "mpirun"
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("mpirun (Open MPI) 4.1.4", True),
        ("mpirun (Open MPI) 5.0.8\n\nReport bugs to https://www.open-mpi.org/", True),
        ("HYDRA build details:\n    Version: 4.0.2", False),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.9", False),
    ],
)
def test_only_open_mpi_is_told_to_refuse_root(monkeypatch, tmp_path, text, expected):
    assert doctor.is_open_mpi(version_of(tmp_path, text)) == expected
    monkeypatch.setattr(doctor.os, "geteuid", lambda: 0)
    monkeypatch.delenv("OMPI_ALLOW_RUN_AS_ROOT", raising=False)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: str(tmp_path / name))
    monkeypatch.setattr(doctor, "run_probe", lambda *call: (None, "not tried"))
    assert ("root" in [finding.what for finding in doctor.check_mpirun(2)]) == expected


@pytest.mark.parametrize(
    "change, what",
    [
        ({}, []),
        ({"size": 1}, ["mpirun"]),
        ({"write": False, "write_text": "h5py is serial"}, ["collective write"]),
        ({"ping": False}, ["messages"]),
    ],
)
def test_doctor_judges_mpirun(change, what):
    found = {"size": 2, "ping": True, "write": True, "write_text": "2 ranks wrote one HDF5 file"} | change
    findings = list(doctor.judge_ranks(found, 2, "/usr/bin/mpirun"))
    assert [finding.what for finding in findings if finding.ok is False] == what


def test_doctor_fails_and_says_the_remedy(monkeypatch, capsys):
    broken = [
        doctor.Finding("python", True, "3.11"),
        doctor.Finding("PETSc", False, "complex", "install the real one"),
        doctor.Finding("scipy", None, "missing", "pip install scipy"),
    ]
    monkeypatch.setattr(doctor, "report", lambda ranks: broken)
    monkeypatch.setattr(doctor.environment, "launcher_rank", lambda: 0)
    assert doctor.main([]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  PETSc" in printed and "-> install the real one" in printed and "1 required point failed" in printed
    monkeypatch.setattr(doctor, "report", lambda ranks: [broken[0], broken[2]])
    assert doctor.main([]) == 0, "an optional package may be missing"


def test_doctor_reports_why_a_probe_died():
    found, why = doctor.run_probe([sys.executable], "no_such_function()")
    assert found is None and "AttributeError" in why and "no_such_function" in why
    found, why = doctor.run_probe(["/no/such/python"], "examine_process()")
    assert found is None and "/no/such/python" in why


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_temporary_directory_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    assert environment.temporary_problem({"TMPDIR": str(tmp_path / "a" / "b")}).startswith("TMPDIR=")


def test_temporary_directories(tmp_path, monkeypatch):
    assert environment.temporary_problem({"TMPDIR": str(tmp_path / "new" / "one")}) == ""  # which Open MPI makes
    assert environment.temporary_problem({"TMPDIR": "", "TMP": str(tmp_path)}) == ""
    (tmp_path / "file").touch()
    assert environment.temporary_problem({"TMP": f"{tmp_path}/file/x"}).startswith(f"TMP={tmp_path}/file/x cannot be written")
    monkeypatch.setattr(os, "access", lambda path, mode: path != "/tmp")
    assert environment.temporary_problem({}).startswith("/tmp cannot be written, where MPI")
    (finding,) = (one for one in doctor.report(ranks=0) if one.what == "temporary files")
    assert finding.ok is None and finding.remedy.startswith("export TMPDIR=")


@pytest.mark.parametrize("size", ["²", "4" * 30, "-4", "four", ""])
def test_a_size_that_is_no_number_is_no_launch(monkeypatch, size):
    for names in environment.LAUNCHER_VARIABLES:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", size)
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    assert (environment.launcher_size(), environment.launcher_rank()) == (1, 0)


@pytest.mark.parametrize("found, within", [({}, "ob1"), ({"OMPI_MCA_pml": "ucx"}, "ucx")])
def test_a_process_alone_does_not_search_for_networks(monkeypatch, found, within):
    for names in environment.LAUNCHER_VARIABLES:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    variables = dict(found)
    with environment.spare_search_for_networks(variables):
        assert variables == {"OMPI_MCA_pml": within}
    assert variables == found


def test_ranks_of_a_launcher_search_for_networks(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    variables = {}
    with environment.spare_search_for_networks(variables):
        assert variables == {}

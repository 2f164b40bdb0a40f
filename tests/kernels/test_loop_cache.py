"""Compiled loops on disk and what is said of them: found whole or compiled anew, in a place that is there and safe."""

import ast
import os
import re
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nuflux_mpi import kernels
from nuflux_mpi.kernels import compiling
from nuflux_mpi.runtime import environment

pytestmark = pytest.mark.skipif(not kernels.COMPILED, reason="numba is not in use")
PACKAGE = Path(kernels.__file__).resolve().parents[1]
LOOP = """
import sys
sys.path.insert(0, {package!r})
from nuflux_mpi.kernels import compiling; from nuflux_mpi.kernels import loop_cache

@compiling.njit()
def square(x):
    return x * x + {constant}

print(square(3.0), loop_cache.counts["loaded"], loop_cache.counts["compiled"])
print(loop_cache.note())
"""


def square(path, constant=0.0, source=PACKAGE.parent, **variables):
    """What a process prints that compiles one loop or loads it: (result, loaded, compiled, note)."""
    path.write_text(LOOP.format(package=str(source), constant=constant))
    done = subprocess.run([sys.executable, str(path)], env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    numbers, note = done.stdout.split("\n")[:2]
    result, loaded, compiled = numbers.split()
    return float(result), int(loaded), int(compiled), note


@pytest.fixture
def loop(tmp_path):
    """(path of the loop's file, the variables that keep it in a place of its own)."""
    return tmp_path / "loop.py", {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}


def kept(tmp_path):
    return sorted((tmp_path / "kept").rglob("*.nbc"))


def test_a_loop_is_compiled_once(loop, tmp_path):
    path, variables = loop
    assert square(path, **variables) == (9.0, 0, 1, "")
    assert square(path, **variables) == (9.0, 1, 0, "")
    assert len(kept(tmp_path)) == 1 and not list(tmp_path.rglob(".*nbc*"))  # nothing written aside is left


def test_another_source_or_setting_compiles_it_anew(loop, tmp_path):
    path, variables = loop
    square(path, **variables)
    assert square(path, constant=1.0, **variables)[:3] == (10.0, 0, 1)
    assert len(kept(tmp_path)) == 1  # the old one is replaced
    assert square(path, constant=1.0, NUMBA_OPT="0", **variables)[:3] == (10.0, 0, 1)
    assert square(path, constant=1.0, NUMBA_CPU_NAME="generic", **variables)[:3] == (10.0, 0, 1)  # as of another processor
    assert square(path, constant=1.0, **variables)[:3] == (10.0, 1, 0)


@pytest.mark.parametrize("damage", ["empty", "half", "bit", "garbage", "directory", "another loop's"])
def test_a_damaged_file_is_compiled_anew(loop, tmp_path, damage):
    path, variables = loop
    square(path, constant=1.0, **variables)
    other = kept(tmp_path)[0].read_bytes()
    square(path, **variables)
    [file] = kept(tmp_path)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    new = {
        "empty": b"",
        "half": content[: len(content) // 2],
        "bit": content,
        "garbage": b"\x80\x05" + bytes(99),
        "another loop's": other,
    }
    if damage == "directory":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(new[damage])
    assert square(path, **variables)[:3] == (9.0, 0, 1)
    if damage != "directory":
        assert square(path, **variables)[:3] == (9.0, 1, 0)  # it was replaced by a whole one


def test_all_loops_watch_what_they_are_made_with():
    from nuflux_mpi.kernels import loop_cache

    shared = set(loop_cache.SHARED_SOURCES)
    loops = [path for path in PACKAGE.rglob("*.py") if re.search(r"^ *@(jit\w*|intrinsic|njit)\b", path.read_text(), re.M)]
    assert {path.parent.name for path in loops} == {"kernels"} and len(loops) > 5
    # Each is watched with its own file; what else of the package it takes is shared, or holds no code that is compiled.
    tables = {"kernels/records.py", "kernels/expansion.py"}
    for path in [*loops, PACKAGE / "flavor" / "generate.py"]:
        taken = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                room = path.parents[node.level - 1]
                taken.add(str((room / f"{node.module.replace('.', '/')}.py").relative_to(PACKAGE)))
        assert taken <= shared | tables, path.name
    assert {f"kernels/{path.name}" for path in loops if "@intrinsic" in path.read_text()} == {"kernels/simd.py"}
    assert all((PACKAGE / source).is_file() for source in shared)


def places(monkeypatch, package, **variables):
    """The places of a process whose package is at `package`, with these variables and no others that choose a place."""
    from nuflux_mpi.runtime import kept

    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(kept, "PACKAGE", package)
    # In place of a directory that this user may not write, which root may: one below a file.
    return kept.places.__wrapped__()


@pytest.fixture
def unwritable(tmp_path):
    """A path below which nothing can be made, whoever asks."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "below"


def test_places(monkeypatch, tmp_path, unwritable):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    usual = places(monkeypatch, tmp_path / "package", HOME=tmp_path / "home")
    assert usual.kept_in == tmp_path / "package" / "__pycache__" and not usual.note
    named = places(monkeypatch, tmp_path / "package", NUMBA_CACHE_DIR=tmp_path / "named")
    assert named.kept_in.parent == tmp_path / "named" and not named.note
    home = places(monkeypatch, unwritable, HOME=tmp_path / "home")
    assert home.kept_in.parent == tmp_path / "home" / ".cache" and not home.note
    temporary = places(monkeypatch, unwritable, HOME=unwritable)
    assert temporary.kept_in.parent == tmp_path / f"nuflux_mpi-{os.geteuid()}"
    assert "NUMBA_CACHE_DIR" in temporary.note and str(temporary.kept_in.parent) in temporary.note
    assert stat.S_IMODE(temporary.kept_in.parent.stat().st_mode) == 0o700
    assert temporary.read[0] == unwritable / "__pycache__"  # filled by an administrator, it may be read
    refused = places(monkeypatch, tmp_path / "package", NUMBA_CACHE_DIR=unwritable)
    assert refused.kept_in == tmp_path / "package" / "__pycache__" and "NUMBA_CACHE_DIR" in refused.note


@pytest.mark.parametrize("kind", ["link", "open to others", "file", "in a directory of all"])
def test_a_temporary_directory_of_others_is_not_used(monkeypatch, tmp_path, unwritable, kind):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    theirs = tmp_path / f"nuflux_mpi-{os.geteuid()}"
    if kind == "link":
        (tmp_path / "target").mkdir(mode=0o700)
        theirs.symlink_to(tmp_path / "target")
    elif kind == "open to others":
        theirs.mkdir()
        theirs.chmod(0o777)
    elif kind == "file":
        theirs.touch()
    else:
        tmp_path.chmod(0o777)
    found = places(monkeypatch, unwritable)
    assert found.kept_in is None and "compiled at each start" in found.note and "NUMBA_CACHE_DIR" in found.note


@pytest.fixture(scope="module")
def shared():
    """A directory that every user can reach (pytest's own are closed), with a copy of the package that only root can write."""
    directory = Path(
        subprocess.run(["mktemp", "-d", "/tmp/nuflux-shared.XXXXXX"], check=True, text=True, capture_output=True).stdout.strip()
    )
    directory.chmod(0o755)
    shutil.copytree(PACKAGE, directory / "nuflux_mpi", ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "work").mkdir()
    (directory / "work").chmod(0o777)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become another user")
def test_a_user_without_a_home_runs_from_a_package_that_cannot_be_written(shared):
    """Apptainer, Docker with a user id, an installation for all: a loop is kept in a directory of the user's own."""
    user = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"]
    if subprocess.run([*user, sys.executable, "-c", "import numba"], cwd=shared).returncode:
        pytest.skip("this Python is closed to other users")
    path = shared / "work" / "loop.py"
    path.write_text(LOOP.format(package=str(shared), constant=0.0))
    private = shared / "work" / "nuflux_mpi-65533"
    variables = {"PATH": os.environ["PATH"], "HOME": "/", "TMPDIR": str(shared / "work")}
    (shared / "work").chmod(0o1777)  # as /tmp is
    for expected in ("9.0 0 1", "9.0 1 0"):
        done = subprocess.run([*user, sys.executable, str(path)], env=variables, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr
        numbers, note = done.stdout.splitlines()
        assert numbers == expected and str(private) in note and "NUMBA_CACHE_DIR" in note
    assert list(private.rglob("*.nbc")) and stat.S_IMODE(private.stat().st_mode) == 0o700


def test_a_full_disk_keeps_nothing_and_ends_nothing(loop):
    path, variables = loop
    limited = textwrap.dedent("""
        import resource, runpy, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # no file grows beyond it
        runpy.run_path(sys.argv[1], run_name="__main__")
        """)
    square(path, NUFLUX_LOOP="first", NUMBA_CACHE_DIR=variables["NUMBA_CACHE_DIR"] + "-other")
    done = subprocess.run(
        [sys.executable, "-c", limited, str(path)], env=os.environ | variables, capture_output=True, text=True
    )
    assert done.stdout.startswith("9.0 0 1"), done.stderr
    assert not list(Path(variables["NUMBA_CACHE_DIR"]).rglob("*nbc*"))


@pytest.mark.parametrize(
    "setting, words",
    [
        ("NUMBA_NUM_THREADS=0", "numba cannot start with NUMBA_NUM_THREADS=0"),
        ("NUMBA_OPT=nonsense", "NUMBA_OPT=nonsense is not understood by numba"),
        ("NUMBA_DISABLE_JIT=true", "NUMBA_DISABLE_JIT=true is not understood by numba"),
    ],
)
def test_a_variable_that_numba_does_not_understand_is_a_sentence(run_cli, setting, words):
    name, _, value = setting.partition("=")
    others = {key: text for key, text in os.environ.items() if not key.startswith("NUMBA_")}
    done = run_cli(["check", "two_beam"], env=others | {name: value})
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("setting", ["NUFLUX_NUMBA=0", "NUMBA_DISABLE_JIT=1"])
def test_numba_is_switched_off(tmp_path, setting):
    name, _, value = setting.partition("=")
    code = "import nuflux_mpi\nwith nuflux_mpi.Simulation('two_beam', overrides=['time.end=1']) as s:\n s.run(); print(s.describe())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment.mpirun_environment() | {name: value},
        text=True,
        capture_output=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert f"NumPy kernels (slower: {setting})" in done.stdout


def not_kept(touch):
    """A touch of loops that are compiled: as long as they may only be loaded there are none."""
    from nuflux_mpi.kernels import loop_cache

    def called():
        if not loop_cache._compile:
            raise loop_cache.NotKept
        touch()

    return called


ONLY_LOAD = """
@compiling.njit()
def cube(x):
    return x * square(x)

touches = [lambda: square(3.0), lambda: cube(3.0)]
print(loop_cache.loaded(touches), loop_cache.loaded(touches[:1]), loop_cache.counts, "scipy.linalg" in sys.modules)
print(cube(2.0) if len(sys.argv) > 1 else "")
"""


def test_what_is_kept_is_loaded_without_compiling(loop):
    """Nothing is compiled to find out whether all is kept, and what is loaded needs none of numba's tables, nor SciPy."""
    path, variables = loop
    path.write_text(LOOP.format(package=str(PACKAGE.parent), constant=0.0).split("print")[0] + ONLY_LOAD)

    def printed(*more):
        done = subprocess.run(
            [sys.executable, str(path), *more], env=os.environ | variables, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    assert printed() == ["False False {'loaded': 0, 'compiled': 0} False", ""]
    assert printed("compile")[1] == "8.0"
    assert printed("compile") == ["True True {'loaded': 2, 'compiled': 0} False", "8.0"]


@pytest.mark.parametrize("compiled, lines", [(1, 1), (0, 0)])
def test_compiling_that_takes_long_is_told(monkeypatch, capsys, compiled, lines):
    import time

    from mpi4py import MPI

    from nuflux_mpi.kernels import loop_cache

    monkeypatch.setattr(compiling, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(loop_cache, "counts", {"loaded": 9, "compiled": compiled})
    monkeypatch.setattr(loop_cache, "note", lambda: "")
    compiling.in_turn(MPI.COMM_SELF, [not_kept(lambda: time.sleep(0.2))])
    assert capsys.readouterr().err == "nuflux_mpi: compiling the loops, once, about 30 s\n" * lines
    compiling.in_turn(MPI.COMM_SELF, [lambda: None])
    assert "compiling" not in capsys.readouterr().err


def test_compiling_that_begins_late_is_told_too(monkeypatch, capsys):
    """On a busy machine loading alone takes longer than what goes without a word."""
    import time

    from mpi4py import MPI

    from nuflux_mpi.kernels import loop_cache

    counts = {"loaded": 0, "compiled": 0}
    monkeypatch.setattr(compiling, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(loop_cache, "counts", counts)
    monkeypatch.setattr(loop_cache, "note", lambda: "")
    touches = lambda: time.sleep(0.2), lambda: counts.update(compiled=1), lambda: time.sleep(0.5)
    compiling.in_turn(MPI.COMM_SELF, [not_kept(touch) for touch in touches])
    assert capsys.readouterr().err.count("compiling the loops, once") == 1


@pytest.mark.mpi
def test_ranks_that_wait_sleep(comm):
    import time

    from nuflux_mpi.runtime.collective import largest

    if comm.rank == comm.size - 1:
        time.sleep(0.5)
    before = time.process_time()
    compiling.wait_for_all(comm)
    spent = time.process_time() - before
    assert largest(comm, spent) < 0.25  # processor time of a wait of half a second, which polling would take whole


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of other users")
def test_what_another_user_has_left_is_not_run(loop, tmp_path):
    """As in a home that all share, HOME=/tmp: what is kept is code, and would be run by whoever finds it."""
    path, variables = loop
    square(path, **variables)
    (file,) = kept(tmp_path)
    os.chown(file, 12345, 12345)
    assert square(path, **variables)[1:3] == (1, 0)  # the place was named, and nobody else can write there
    (file,) = kept(tmp_path)
    os.chown(file, 12345, 12345)
    file.parent.chmod(0o1777)
    assert square(path, **variables)[1:3] == (0, 1)
    assert not anybody_in(file.parent)


def anybody_in(place):
    """Whether files of all users are taken from a place that nobody has named."""
    code = "import sys; from pathlib import Path; from nuflux_mpi.runtime import kept; print(kept._anybody(Path(sys.argv[1])))"
    env = {name: value for name, value in environment.mpirun_environment().items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run([sys.executable, "-c", code, str(place)], env=env, capture_output=True, text=True)
    return done.stdout.strip() == "True"


def test_ctrl_c_while_numba_is_loaded_is_no_fault_of_numba(monkeypatch):
    class Interrupted:
        def find_spec(self, name, *more):
            if name == "numba":
                raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "numba")
    with pytest.raises(KeyboardInterrupt):
        compiling._import()

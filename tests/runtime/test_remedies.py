"""What to install, and how, in each kind of environment: a hint must not break the environment it is given in."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nuflux_mpi.cli import doctor
from nuflux_mpi.runtime import remedies

PACKAGE = Path(remedies.__file__).parents[1]


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A function that makes this look like a Python of some kind."""

    def pretend(kind, virtual=True, numpy="1.24.2"):
        base = {"debian": "/usr", "pip": "/opt/python", "conda": str(tmp_path)}[kind]
        monkeypatch.setattr(sys, "base_prefix", base)
        monkeypatch.setattr(sys, "prefix", str(tmp_path) if virtual or kind == "conda" else base)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
        (tmp_path / "version").touch()
        monkeypatch.setattr(remedies, "DEBIAN_VERSION", str(tmp_path / "version"))
        if kind == "conda":
            (tmp_path / "conda-meta").mkdir()
        monkeypatch.setattr("importlib.metadata.version", lambda name: numpy)
        monkeypatch.setattr(remedies.importlib.util, "find_spec", lambda name: object())
        return str(tmp_path / "bin" / "python")

    return pretend


@pytest.mark.parametrize("package", ["matplotlib", "xarray", "scipy", "numba", "h5netcdf", "pydantic"])
def test_pip_keeps_the_major_version_of_numpy(place, package):
    python = place("debian")
    assert shlex.split(remedies.install_hint(package)) == [python, "-m", "pip", "install", package, "numpy<2"]
    place("pip", numpy="2.5.5")
    assert shlex.split(remedies.install_hint(package)) == [python, "-m", "pip", "install", package, "numpy<3"]


def test_debians_own_python_installs_debian_packages(place):
    place("debian", virtual=False)
    assert remedies.install_hint("matplotlib") == "apt install python3-matplotlib"


def test_conda_installs_builds_that_fit(place):
    place("conda")
    assert remedies.install_hint("matplotlib") == "conda install -c conda-forge matplotlib"
    assert "h5py=*=mpi_*" in remedies.install_hint("h5py") and "real" in remedies.install_hint("petsc4py")
    assert remedies.older_numpy_hint() == 'conda install -c conda-forge "numpy<2"'


def test_what_is_compiled_with_mpi_never_comes_by_plain_pip(place):
    for kind in ("debian", "pip"):
        place(kind)
        for package in ("h5py", "petsc4py", "mpi4py", "mpi4py_fft"):
            assert "pip install" not in remedies.install_hint(package)
    place("debian")
    assert remedies.install_hint("petsc4py") == "apt install python3-petsc4py-real"


def test_without_pip_the_hint_is_for_uv(place, monkeypatch):
    place("pip", numpy="2.1.0")
    monkeypatch.setattr(remedies.importlib.util, "find_spec", lambda name: None)
    assert remedies.install_hint("xarray").startswith("uv pip install --python ")


@pytest.mark.parametrize(
    "kind, error, directory, words",
    [
        ("debian", "No module named 'petsc4py'", None, "PETSC_DIR is not set.*apt install python3-petsc4py-real"),
        ("debian", "No module named 'petsc4py'", "/opt/petsc", "PETSC_DIR=/opt/petsc holds none"),
        (
            "debian",
            "numpy.dtype size changed, may indicate binary incompatibility",
            None,
            "another numpy.*pip install 'numpy<2'",
        ),
        ("pip", "No module named 'petsc4py'", None, "PETSC_DIR is not set.*docs/install.md.*/usr/bin/python3"),
        ("pip", "No module named 'imp'", None, "built for another Python than this"),
        ("conda", "No module named 'petsc4py'", None, r"conda install -c conda-forge .*petsc4py=\*=\*real"),
    ],
)
def test_missing_petsc4py_names_the_remedy(place, monkeypatch, kind, error, directory, words):
    monkeypatch.delenv("PETSC_DIR", raising=False)
    if directory:
        monkeypatch.setenv("PETSC_DIR", directory)
    place(kind)
    assert re.search(words, remedies.petsc4py_remedy(ImportError(error)))


@pytest.mark.parametrize(
    "kind, words",
    [
        ("debian", "apt install python3-h5py python3-h5py-mpi.*pip uninstall h5py"),
        ("conda", r"conda install.*h5py=\*=mpi_"),
        ("pip", "HDF5_MPI=ON"),
    ],
)
def test_a_serial_h5py_has_a_remedy_everywhere(place, kind, words):
    place(kind)
    assert re.search(words, remedies.serial_h5py_remedy())


def test_all_hints_come_from_here():
    """So that none is forgotten: no other module names a command that installs with pip."""
    for path in PACKAGE.rglob("*.py"):
        if path.name != "remedies.py":
            assert not re.search(r"pip install|nuflux_mpi\[", path.read_text()), path.name


def test_doctor_names_what_is_missing_and_a_command_that_keeps_numpy(monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: "" if name in doctor.OPTIONAL_PACKAGES else "1.0")
    findings = {finding.what: finding for finding in doctor.check_packages()}
    for name in doctor.OPTIONAL_PACKAGES:
        assert findings[name].ok is None and findings[name].remedy == remedies.install_hint(name)


def test_doctor_says_what_scipy_is_for():
    """Nothing of the package imports it."""
    assert not any(re.search(r"^\s*(import|from) scipy", path.read_text(), re.M) for path in PACKAGE.rglob("*.py"))
    assert "alone" in doctor.OPTIONAL_PACKAGES["scipy"]


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="for Debian's Python")
def test_a_python_from_elsewhere_is_not_debians():
    code = "from nuflux_mpi.runtime import remedies; print(remedies.of_debian())"
    answers = {}
    for python in ("/usr/bin/python3", sys.executable):
        done = subprocess.run(
            [python, "-c", code], env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)}, text=True, capture_output=True
        )
        answers[python] = done.stdout.strip()
    if os.path.exists("/etc/debian_version"):
        assert answers["/usr/bin/python3"] == "True"
    assert answers[sys.executable] == str(os.path.realpath(sys.base_prefix) == "/usr" and os.path.exists("/etc/debian_version"))


@pytest.mark.parametrize(
    "setting, ok, words",
    [
        ({}, True, "kept in"),
        ({"NUFLUX_NUMBA": "0"}, None, "none, runs take several times longer: NUFLUX_NUMBA=0"),
        ({"NUMBA_CACHE_DIR": "/dev/null/no"}, None, "NUMBA_CACHE_DIR=/dev/null/no cannot be written"),
    ],
)
def test_doctor_tells_where_compiled_loops_are_kept(monkeypatch, setting, ok, words):
    pytest.importorskip("numba")
    from nuflux_mpi.runtime import kept

    for name in ("NUFLUX_NUMBA", "NUMBA_CACHE_DIR", "NUMBA_DISABLE_JIT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(kept, "places", kept.places.__wrapped__)
    [finding] = doctor.check_loops()
    assert finding.ok is ok and words in finding.text

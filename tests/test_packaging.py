"""What is installed and what is distributed: from any directory, with a licence, with all that the tests need."""

import fnmatch
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nuflux_mpi.runtime import environment

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_a_directory_of_the_packages_name_does_not_hide_it(tmp_path):
    """Anybody who stands above a checkout called nuflux_mpi, or keeps results in a folder of that name."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    (tmp_path / "nuflux_mpi").mkdir()

    def python(*arguments, cwd):
        return subprocess.run([sys.executable, *arguments], env=variables, capture_output=True, text=True, cwd=cwd)

    try:
        files = [str(file) for file in importlib.metadata.distribution("nuflux_mpi").files or []]
    except importlib.metadata.PackageNotFoundError:
        files = []
    if not any(name.startswith("__editable__") for name in files) or any(name.endswith("_finder.py") for name in files):
        pytest.skip("nuflux_mpi is not installed as tools/setup.sh does it")
    assert python("-m", "nuflux_mpi", "--version", cwd=tmp_path).returncode == 0
    done = python("-c", "import nuflux_mpi; print(nuflux_mpi.simulate.__name__)", cwd=tmp_path)
    assert done.stdout == "simulate\n", done.stderr


def test_setup_installs_by_a_path_and_not_by_a_finder():
    [line] = [line for line in (ROOT / "tools" / "setup.sh").read_text().splitlines() if "--editable" in line]
    assert "editable_mode=compat" in line


def test_the_licence_is_named_and_there():
    project = PROJECT["project"]
    assert project["license"] == "BSD-3-Clause" and project["authors"] and project["classifiers"] and project["urls"]
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("BSD 3-Clause License") and "The nuflux_mpi developers" in text
    assert "license: BSD-3-Clause" in (ROOT / "CITATION.cff").read_text()


def test_a_source_distribution_has_what_its_tests_need():
    grafted = re.findall(r"^graft (.*)$", (ROOT / "MANIFEST.in").read_text(), re.M)
    assert {"docs", "jobs", "tests", "tools", ".ci"} <= set(grafted)


def test_every_directory_of_the_package_is_packed():
    """By the pattern of [tool.setuptools.packages.find]: rooms, and the cases, a directory without Python."""
    (pattern,) = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    kept = {path.parent for path in (ROOT / "nuflux_mpi").rglob("*") if path.suffix in (".py", ".toml")}
    names = {".".join(path.relative_to(ROOT).parts) for path in kept}
    assert {"nuflux_mpi", "nuflux_mpi.cases", "nuflux_mpi.runtime"} <= names
    assert all(fnmatch.fnmatchcase(name, pattern) for name in names)
    others = {path.suffix for path in (ROOT / "nuflux_mpi").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    data = {Path(name).suffix for names in PROJECT["tool"]["setuptools"]["package-data"].values() for name in names}
    assert others <= {".py"} | data | {Path(name).suffix or name for name in ("py.typed",)}


@pytest.mark.parametrize("command", [["init", "two_beam"], ["check", "two_beam"], ["doctor"]])
def test_files_with_the_names_of_modules_are_not_taken_for_them(tmp_path, command):
    for name in ("h5py", "numpy", "numba", "tomllib", "signal", "re", "enum", "glob", "resource"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')\n")
    for name in ("petsc4py", "mpi4py", "mpi4py_fft", "nuflux_mpi"):
        (tmp_path / name).mkdir()
    elsewhere, here = (
        subprocess.run(
            [sys.executable, "-m", "nuflux_mpi", *command],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            env=environment.mpirun_environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        for directory in (ROOT / "docs", tmp_path)
    )
    assert "a file of the user" not in here.stdout + here.stderr
    assert (here.returncode, here.stderr) == (elsewhere.returncode, elsewhere.stderr)


def test_linters_have_one_version():
    """In the extra `test`, which CI installs, and before each commit: another version may find more."""
    pinned = [item for item in PROJECT["project"]["optional-dependencies"]["test"] if "==" in item]
    assert [re.match(r"\w+", item)[0] for item in pinned] == ["ruff", "pyright"]
    hooks = re.findall(r'additional_dependencies: \["(.*?)"\]', (ROOT / ".pre-commit-config.yaml").read_text())
    assert set(hooks) == set(pinned)


def test_types_are_told_to_others():
    assert (ROOT / "nuflux_mpi" / "py.typed").exists()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["nuflux_mpi"]

"""What a run loads: start-up time is what is imported, and a test cannot hold seconds."""

import json
import os
import subprocess
import sys

import pytest

from nuflux_mpi.runtime import environment

# A plain run without figures, in a process of its own; what it has imported by then, and how many loops it compiled.
RUN = """
import json, sys
from nuflux_mpi.cli.commands import main
code = main(["run", "two_beam", "--set", "time.end=0.01", "--set", "output.figures=false", "--out", sys.argv[1]])
loops = sys.modules.get("nuflux_mpi.kernels.loop_cache")
print(json.dumps([code, loops.counts["compiled"] if loops else 0, sorted(sys.modules)]))
"""
# Packages that nothing in it needs. SciPy is numba's, where it compiles.
PACKAGES = (
    "matplotlib",
    "PIL",
    "scipy.linalg",
    "xarray",
    "h5netcdf",
    "pandas",
    "pydantic",
    "tomlkit",
    "pint",
    "shtab",
    "vtk",
    "yaml",
    "pytest",
)
# What it needs of this package is all but these.
MODULES = (
    "plots.style",
    "plots.evolution",
    "cli.doctor",
    "config.documents",
    "config.templates",
    "analysis.compare",
    "analysis.inventory",
    "analysis.linear_report",
    "kernels.full",
    "kernels.momentum",
    "kernels.local_flow",
    "kernels.reference",
    "physics.full",
    "physics.full_grid",
    "physics.momentum",
    "physics.phase_space",
    "results.display",
    "results.figure_modes",
    "results.stored_provenance",
    "results.xdmf",
    "time.splitting",
    "validation",
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """(loops that were compiled, names of modules) of a run whose loops are kept."""
    directory = tmp_path_factory.mktemp("start")
    for attempt in range(2):  # the first may find no loops and compile them
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(directory / str(attempt))],
            env=environment.mpirun_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        code, compiled, modules = json.loads(done.stdout.splitlines()[-1])
        assert code == 0, done.stderr
        if not compiled:
            break
    return compiled, modules


@pytest.mark.parametrize("package", PACKAGES)
def test_a_plain_run_loads_no_package_that_it_does_not_need(loaded, package):
    compiled, modules = loaded
    if compiled and package.startswith("scipy"):
        pytest.skip("loops cannot be kept here")
    assert package not in modules


@pytest.mark.parametrize("module", MODULES)
def test_a_plain_run_loads_no_module_that_it_does_not_need(loaded, module):
    assert f"nuflux_mpi.{module}" not in loaded[1]


def test_the_command_line_loads_neither_numpy_nor_mpi():
    """Variables that NumPy reads when it is imported are set by the commands."""
    code = "import sys, nuflux_mpi.cli.commands; print({'numpy', 'mpi4py', 'h5py', 'numba', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

"""Figures do not depend on what the environment says about other figures: MPLBACKEND, files matplotlibrc."""

import sys

import pytest
from test_reader import write_run

pytest.importorskip("matplotlib")

ASK = (
    "import nuflux_mpi.plots.evolution, os, matplotlib; print(os.environ.get('MPLBACKEND'), '|', "
    "matplotlib.rcParams._get('backend') if hasattr(matplotlib.rcParams, '_get') else matplotlib.rcParams['backend'])"
)


@pytest.mark.parametrize(
    "backend", ["module://matplotlib_inline.backend_inline", "module://nothing.of_this_name", "nonsense", ""]
)
def test_any_backend_of_the_user_lets_figures_be_drawn(run_cli, tmp_path, backend):
    write_run(tmp_path)
    done = run_cli(["plot", tmp_path], env={"MPLBACKEND": backend})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and (tmp_path / "energy.png").is_file()


def test_a_settings_file_that_is_no_text_lets_figures_be_drawn(run_cli, tmp_path):
    write_run(tmp_path)
    (tmp_path / "rc").write_bytes(b"font.size: \xe4\n")
    done = run_cli(["plot", tmp_path], env={"MATPLOTLIBRC": tmp_path / "rc"})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and (tmp_path / "energy.png").is_file()
    # In the working directory there is no way around it.
    (tmp_path / "rc").rename(tmp_path / "matplotlibrc")
    done = run_cli(["plot", tmp_path], cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "is a file matplotlibrc damaged?" in done.stderr


def test_a_known_backend_is_still_that_of_other_figures(tmp_path):
    import subprocess

    from nuflux_mpi.runtime import environment

    for backend, chosen in (("svg", "svg"), ("nonsense", None)):
        variables = environment.mpirun_environment() | {"MPLBACKEND": backend}
        done = subprocess.run([sys.executable, "-c", ASK], env=variables, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        said, used = done.stdout.strip().split(" | ")
        assert said == backend and (used == chosen or chosen is None and used != "nonsense")

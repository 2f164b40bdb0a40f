"""What reaches a run from outside its config: listed, checked, recorded."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import TINY

from nuflux_mpi.errors import InputError
from nuflux_mpi.results import outside
from nuflux_mpi.runtime import environment

ROOT = Path(__file__).resolve().parents[2]


def test_what_can_change_numbers_is_recorded_and_nothing_else():
    environ = {
        "NUMBA_CPU_NAME": "generic",
        "NPY_DISABLE_CPU_FEATURES": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "LD_PRELOAD": "x.so",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2",
        "HDF5_USE_FILE_LOCKING": "FALSE",
        "OMPI_MCA_coll_tuned_priority": "0",
        "PYTHONHASHSEED": "3",
        "NUFLUX_NUMBA": "0",
        "OMP_NUM_THREADS": "2",
        "MKL_CBWR": "COMPATIBLE",
        "HOME": "/home/nu",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "PETSC_OPTIONS": "-x",
        "MPLBACKEND": "y",
        "OMPI_MCA_ess": "pmi",
        "OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1",
        "SLURM_JOB_ID": "5",
        "PATH": "/bin",
        "HYDRA_X": "1",
    }
    names = [line.partition("=")[0] for line in outside.recorded(environ).splitlines()]
    assert names == sorted(list(environ)[:11])


def test_a_record_is_short_plain_text_whatever_it_holds():
    environ = {"NUMBA_A": "a\nb", "NUMBA_B": "l\udce4ufe", "NUMBA_C": "x" * 9999, "NUMBA_D": "\u03bd"}
    lines = outside.recorded(environ).splitlines()
    assert lines[0] == r"NUMBA_A=a\nb" and lines[1] == r"NUMBA_B=l\udce4ufe" and lines[3] == r"NUMBA_D=\u03bd"
    assert len(lines) == 4 and len(lines[2]) == 500 and lines[2].endswith("...")
    many = {f"NUMBA_{i}": "x" * 400 for i in range(1000)}
    assert len(outside.recorded(many)) < 20000 and outside.recorded(many).endswith("\n...")


def test_own_variables_are_checked():
    assert outside.check({"NUFLUX_NUMBA": "0", "HOME": "x", "NUFLUX_PYTHON": "p"}) == []
    assert outside.check({"NUFLUX_NUMBER": "0"}) == [
        "warning: NUFLUX_NUMBER is set, but nuflux_mpi reads no such variable (did you mean NUFLUX_NUMBA?)"
    ]
    with pytest.raises(InputError, match="NUFLUX_NUMBA must be 0 .* or 1 .*, not off"):
        outside.check({"NUFLUX_NUMBA": "off"})


def test_all_of_our_own_variables_are_known():
    """Those that package and scripts read; documentation and tests may name others."""
    files = [*ROOT.glob("nuflux_mpi/**/*.py"), *ROOT.glob("tools/*"), *ROOT.glob("jobs/*.sh")]
    found = {
        name
        for path in files
        if path.is_file() and path.name != "outside.py"
        for name in re.findall(r"NUFLUX_[A-Z_]+", path.read_text(errors="replace"))
    }
    assert found <= set(outside.OWN + outside.OF_SCRIPTS)


def test_the_list_for_users_is_the_same():
    page = (ROOT / "docs" / "reliability.md").read_text()
    for line in outside.READ:
        assert f"| {line.acts_on} | {line.done} |" in page


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_run_keeps_what_it_was_made_under(ranks, run_cli, tmp_path):
    from nuflux_mpi import Run

    done = run_cli(
        ["run", "two_beam", *TINY, "--out", tmp_path / "run"],
        ranks=ranks,
        env={"NPY_DISABLE_CPU_FEATURES": "AVX512_ICL", "NUFLUX_NUMBR": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("NUFLUX_NUMBR is set") == 1
    lines = Run(tmp_path / "run").attrs["environment"].splitlines()
    assert "NPY_DISABLE_CPU_FEATURES=AVX512_ICL" in lines and "OMP_NUM_THREADS=1" in lines


def test_a_value_without_sense_is_refused_at_once(run_cli, tmp_path):
    done = run_cli(["run", "two_beam", *TINY, "--out", tmp_path / "run"], ranks=2, env={"NUFLUX_NUMBA": "no"})
    assert done.returncode == 2 and done.stderr.count("NUFLUX_NUMBA must be 0") == 1
    assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()


def test_ranks_with_different_settings_are_told(tmp_path):
    """A wrapper gives one rank what the other has not, as profiles of nodes may."""
    run = f'"{sys.executable}" -m nuflux_mpi run two_beam {" ".join(TINY)} --out "{tmp_path / "run"}"'
    wrapper = f'[ "${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}" = 1 ] && export NPY_DISABLE_CPU_FEATURES=AVX512_ICL; exec {run}'
    done = subprocess.run(
        ["mpirun", "-n", "2", "bash", "-c", wrapper],
        env=environment.mpirun_environment(),
        timeout=120,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("NPY_DISABLE_CPU_FEATURES is not the same on all ranks") == 1


def test_settings_of_numba_in_a_file_do_not_reach_a_run(tmp_path):
    pytest.importorskip("numba")
    (tmp_path / ".numba_config.yaml").write_text("disable_jit: 1\nopt: 0\n")
    code = (
        "import sys, warnings; warnings.simplefilter('error', UserWarning)\n"
        "from nuflux_mpi.kernels import compiling; from nuflux_mpi.results import outside\n"
        "numba, why_not = compiling.find()\n"
        "numba.core.config.reload_config()\n"  # as numba does whenever it compiles
        "print(numba.config.DISABLE_JIT, numba.config.OPT, sys.modules.get('yaml', 1) is None)\n"
        "print(*outside.check())\n"
    )
    variables = {name: value for name, value in environment.mpirun_environment().items() if not name.startswith("NUMBA_")}
    here, elsewhere = (
        subprocess.run([sys.executable, "-c", code], cwd=place, env=variables, capture_output=True, text=True)
        for place in (tmp_path, ROOT / "docs")
    )
    assert here.returncode == elsewhere.returncode == 0, here.stderr + elsewhere.stderr
    settings, said = here.stdout.splitlines()
    assert settings == elsewhere.stdout.splitlines()[0] and settings.startswith("0 ") and settings.endswith("False")
    assert said.startswith(".numba_config.yaml is ignored")


def test_a_variable_that_numpy_does_not_take_is_a_sentence(capsys, monkeypatch):
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "SSE")
    told = environment._variable_of_numpy(RuntimeError("During parsing environment variable: 'NPY_DISABLE_CPU_FEATURES':"))
    assert told == "NumPy does not take the environment variable NPY_DISABLE_CPU_FEATURES=SSE: unset it"
    assert not environment._variable_of_numpy(RuntimeError("another")) and not environment._variable_of_numpy(
        ValueError("NPY_X")
    )

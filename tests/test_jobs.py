"""The job scripts do what they say: here without a queue, on few ranks, with a case that takes a second."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nuflux_mpi import config, environment

ROOT = Path(__file__).resolve().parent.parent
JOBS = ROOT / "jobs"

SMALL_CASE = """
[box]
length = 10.0
points = 32
[modes]
velocity = [1.0, -1.0]
[initial]
kind = "seeds"
zeta = [0.5, -0.5]
n_max = 4
[time]
end = 0.1
[output]
figures = false
"""


def run_job(script, arguments, directory, **variables):
    """Run a job script with bash in `directory`, as a queue would on its first node."""
    environ = environment.mpirun_environment() | {"NUFLUX_PYTHON": sys.executable} | variables
    return subprocess.run(["bash", JOBS / script, *arguments], cwd=directory, env=environ, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("script", sorted(path.name for path in JOBS.glob("*.sh")))
def test_scripts_parse(script):
    done = subprocess.run(["bash", "-n", JOBS / script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_long_box_is_the_papers_example_64_times_over():
    paper, long = config.resolve("two_beam"), config.resolve(JOBS / "two_beam_64.toml")
    for section, key in [("box", "length"), ("box", "points"), ("initial", "n_max")]:
        assert long[section][key] == 64 * paper[section][key]
    assert 64 * long["initial"]["variance"] == pytest.approx(paper["initial"]["variance"], rel=1e-15)  # rounding
    for section, key in [("initial", "zeta"), ("initial", "normalize"), ("equations", "level"), ("time", "rtol")]:
        assert long[section][key] == paper[section][key]


def job_calls(tmp_path):
    """(script, arguments, variables) of each script for the small case on 2 ranks."""
    nodes = tmp_path / "nodes"
    nodes.write_text("localhost\n" * 2)
    return {
        "slurm_mpirun.sh": (["case.toml", "out"], {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_NTASKS": "2"}),
        "pbs.sh": ([], {"PBS_O_WORKDIR": str(tmp_path), "PBS_NODEFILE": str(nodes), "CASE": "case.toml", "OUT": "out"}),
    }


@pytest.mark.parametrize("script", ["slurm_mpirun.sh", "pbs.sh"])
def test_job_runs_on_the_ranks_it_was_given(script, tmp_path):
    (tmp_path / "case.toml").write_text(SMALL_CASE)
    arguments, variables = job_calls(tmp_path)[script]
    done = run_job(script, arguments, "/", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "series.h5").is_file()
    assert "2 ranks" in (tmp_path / "out" / "run.log").read_text()


def test_srun_job_starts_run_through_srun(tmp_path):
    """With an `srun` that starts mpirun, since there is no queue: what the script asks of it, and the run itself."""
    (tmp_path / "case.toml").write_text(SMALL_CASE)
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\necho "options: $1 $2 $3"\nshift 3\nexec mpirun -n 2 "$@"\n')
    srun.chmod(0o755)
    done = run_job("slurm_srun.sh", ["case.toml", "out"], "/", SLURM_SUBMIT_DIR=str(tmp_path), SLURM_NTASKS="2",
                   NUFLUX_SRUN_MPI="pmix", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "options: --mpi=pmix --kill-on-bad-exit=1 --cpu-bind=cores" in done.stdout
    assert (tmp_path / "out" / "series.h5").is_file()


def test_a_mistake_ends_the_job_before_the_ranks_start(tmp_path):
    (tmp_path / "case.toml").write_text(SMALL_CASE.replace("points", "pionts"))
    done = run_job("slurm_mpirun.sh", ["case.toml", "out"], "/", SLURM_SUBMIT_DIR=str(tmp_path), SLURM_NTASKS="2")
    assert done.returncode == 2
    assert "pionts" in done.stderr and "mpirun" not in done.stderr
    assert not (tmp_path / "out").exists()

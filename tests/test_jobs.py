"""The job scripts do what they say: here without a queue, on few ranks, with a case that takes a second."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import carry_out, ended, start

from nuflux_mpi import config
from nuflux_mpi.physics import seeding

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


def job_environment(variables):
    return {"NUFLUX_PYTHON": sys.executable, "NUFLUX_JOBS": str(JOBS)} | variables


def run_job(script, arguments, directory, **variables):
    """Run a job script with bash in `directory`, as a queue would on its first node."""
    return carry_out(["bash", JOBS / script, *arguments], cwd=directory, env=job_environment(variables))


def fake(directory, name, text):
    """A command that stands for one of the queue's; -> PATH on which it is found first."""
    command = directory / "bin" / name
    command.parent.mkdir(exist_ok=True)
    command.write_text("#!/bin/sh\n" + text)
    command.chmod(0o755)
    return f"{command.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("script", sorted(path.name for path in JOBS.glob("*.sh")))
def test_scripts_parse(script):
    done = subprocess.run(["bash", "-n", JOBS / script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_long_box_is_the_papers_example_64_times_over():
    paper, long = config.resolve("two_beam"), config.resolve(JOBS / "two_beam_64.toml")
    for section, key in [("box", "length"), ("box", "points")]:
        assert long[section][key] == 64 * paper[section][key]
    highest = [seeding.highest_harmonics(each["initial"], [each["box"]["length"]]) for each in (paper, long)]
    assert highest == [(100,), (6400,)]  # the same wave numbers
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
    again = run_job(script, arguments, "/", **variables)
    assert again.returncode == 0 and "is finished" in again.stderr, again.stderr


def test_srun_job_starts_run_through_srun(tmp_path):
    """With an `srun` that starts mpirun, since there is no queue: what the script asks of it, and the run itself."""
    (tmp_path / "case.toml").write_text(SMALL_CASE)
    path = fake(tmp_path, "srun", 'echo "options: $1 $2 $3"\nshift 3\nexec mpirun -n 2 "$@"\n')
    done = run_job(
        "slurm_srun.sh",
        ["case.toml", "out"],
        "/",
        SLURM_SUBMIT_DIR=str(tmp_path),
        SLURM_NTASKS="2",
        NUFLUX_SRUN_MPI="pmix",
        PATH=path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "options: --mpi=pmix --kill-on-bad-exit=1 --cpu-bind=cores" in done.stdout
    assert (tmp_path / "out" / "series.h5").is_file()


def test_a_mistake_ends_the_job_before_the_ranks_start(tmp_path):
    (tmp_path / "case.toml").write_text(SMALL_CASE.replace("points", "pionts"))
    done = run_job("slurm_mpirun.sh", ["case.toml", "out"], "/", SLURM_SUBMIT_DIR=str(tmp_path), SLURM_NTASKS="2")
    assert done.returncode == 2
    assert "pionts" in done.stderr and "mpirun" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "left, option", [("1-02:03:04", "--walltime 1-02:03:04"), ("9:30", "--walltime 9:30"), ("UNLIMITED", "--resume auto")]
)
def test_time_that_the_queue_leaves_is_passed_on(left, option, tmp_path):
    (tmp_path / "case.toml").write_text(SMALL_CASE)
    fake(tmp_path, "squeue", f"echo {left}\n")
    path = fake(tmp_path, "mpirun", 'echo "$@"\n')
    done = run_job("slurm_mpirun.sh", ["case.toml", "out"], "/", SLURM_SUBMIT_DIR=str(tmp_path), SLURM_NTASKS="2", PATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(option)


@pytest.mark.parametrize("code, submitted", [(3, "chain 4 case.toml out"), (0, ""), (1, ""), (2, ""), (4, "")])
def test_chain_goes_on_after_an_orderly_stop_only(code, submitted, tmp_path):
    (tmp_path / "case.toml").write_text(SMALL_CASE)
    fake(tmp_path, "mpirun", f"exit {code}\n")
    path = fake(tmp_path, "sbatch", f'echo "chain $NUFLUX_LINKS $2 $3" > {tmp_path}/submitted\n')
    done = run_job(
        "slurm_chain.sh",
        ["case.toml", "out"],
        "/",
        SLURM_SUBMIT_DIR=str(tmp_path),
        PATH=path,
        NUFLUX_LINKS="5",
        SLURM_NTASKS="2",
    )
    assert done.returncode == code, done.stderr
    record = tmp_path / "submitted"
    assert (record.read_text().strip() if record.exists() else "") == submitted


def test_chain_passes_the_queues_signal_to_the_run(tmp_path):
    (tmp_path / "case.toml").write_text(SMALL_CASE.replace("end = 0.1", "end = 100000.0"))
    path = fake(tmp_path, "sbatch", f'echo "$@" > {tmp_path}/submitted\n')
    variables = {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_NTASKS": "2", "PATH": path}
    command = ["bash", JOBS / "slurm_chain.sh", "case.toml", "out"]
    job = start(command, job_environment(variables), stderr=subprocess.STDOUT)
    end = time.monotonic() + 60
    while not (tmp_path / "out" / "checkpoint.h5").exists() and time.monotonic() < end:
        time.sleep(0.1)
    job.send_signal(signal.SIGUSR1)
    said = ended(job, timeout=60).stdout
    assert job.returncode == 3, said
    assert "stopped by SIGUSR1" in said
    assert (tmp_path / "submitted").read_text().split() == [str(JOBS / "slurm_chain.sh"), "case.toml", "out"]


def test_array_runs_the_case_of_its_task(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.toml").write_text(SMALL_CASE)
    path = fake(tmp_path, "mpirun", 'echo "$@"\n')
    variables = {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_NTASKS": "2", "PATH": path}
    done = run_job("slurm_array.sh", ["a.toml", "b.toml", "c.toml"], "/", SLURM_ARRAY_TASK_ID="1", **variables)
    assert done.returncode == 0, done.stderr
    assert "run b.toml --set run.timeout=1800 --out runs/b --resume auto" in done.stdout
    done = run_job("slurm_array.sh", ["a.toml"], "/", SLURM_ARRAY_TASK_ID="1", **variables)
    assert done.returncode == 2 and "no case number 1" in done.stderr

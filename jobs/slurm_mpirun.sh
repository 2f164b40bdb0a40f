#!/usr/bin/env bash
# Slurm job that starts the ranks with mpirun. From the top of the checkout:
#
#     sbatch jobs/slurm_mpirun.sh                     the case below
#     sbatch jobs/slurm_mpirun.sh my.toml runs/my     your own case and its output directory
#
# Submit it again, unchanged, until the run is finished: each job goes on from the last checkpoint of the one before.
# slurm_chain.sh does that by itself.
#
# Use this one if mpi4py's MPI is your own (Debian packages, conda). If it is the site's, take slurm_srun.sh.

#SBATCH --job-name=nuflux
# 64 ranks on 2 nodes: adapt both to your machine.
#SBATCH --nodes=2
#SBATCH --ntasks=64
#SBATCH --cpus-per-task=1
#SBATCH --hint=nomultithread
#SBATCH --time=02:00:00
#SBATCH --output=nuflux-%j.log
# Five minutes before the end the batch shell, which is mpirun by then, is told to stop in order.
#SBATCH --signal=B:USR1@300
# Memory: `python -m nuflux_mpi check CASE --ranks 64` says how much a rank needs; Python itself takes about 200 MB.
#SBATCH --mem-per-cpu=1G

set -eu
cd "${SLURM_SUBMIT_DIR:-.}"

# --- adapt to your site: how Python and MPI come onto PATH ---
# module load openmpi                                         # the MPI that mpi4py was built with
# source ~/miniforge3/bin/activate nuflux                     # conda; then python=python
python=${NUFLUX_PYTHON:-.venv/bin/python}

case_file=${1:-jobs/two_beam_64.toml}
out=${2:-runs/two_beam_64}                                    # the same in every job of a run: that is how it goes on

export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1               # the ranks already fill the cores
export HDF5_USE_FILE_LOCKING=FALSE                            # Lustre and NFS often have no locks
export PYTHONUNBUFFERED=1                                     # log lines appear when they are written
# Open MPI's mpirun asks the other nodes for a sign of life after a minute, and not after five; else it waits for a lost one.
export OMPI_MCA_oob_tcp_keepalive_time=60 OMPI_MCA_oob_tcp_keepalive_intvl=20 OMPI_MCA_oob_tcp_keepalive_probes=3

# A mistake in the case is found here, in a second, and not after 64 ranks have started.
"$python" -m nuflux_mpi check "$case_file" --ranks "${SLURM_NTASKS:-64}"

# The wall time that is left; newer versions of Slurm export the end of the job, which nuflux_mpi sees by itself.
left=$(squeue --noheader --jobs "${SLURM_JOB_ID:-0}" --format %L 2> /dev/null || true)
case $left in *[0-9]:[0-9][0-9]) ;; *) left= ;; esac

# run.timeout: a run that gets no further for half an hour, since a node is lost, ends and does not wait for the time limit.
# exec: signals from Slurm reach mpirun, and its exit code is the job's:
# 0 done, 1 failure, 2 bad input, 3 stopped early but resumable, 4 numerical failure.
exec mpirun -n "${SLURM_NTASKS:-64}" "$python" -m nuflux_mpi run "$case_file" --set run.timeout=1800 --out "$out" \
    --resume auto ${left:+--walltime "$left"}

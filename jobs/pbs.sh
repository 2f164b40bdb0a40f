#!/usr/bin/env bash
# PBS Pro / OpenPBS job. From the top of the checkout:
#
#     qsub jobs/pbs.sh                                                the case below
#     qsub -v CASE=my.toml,OUT=runs/my jobs/pbs.sh                    your own case and its output directory
#
# Submit it again, unchanged, until the run is finished: each job goes on from the last checkpoint of the one before.

#PBS -N nuflux
#PBS -l select=2:ncpus=32:mpiprocs=32:mem=32gb
#PBS -l walltime=02:00:00
#PBS -j oe
# 2 nodes of 32 cores: adapt to your machine, ncpus = mpiprocs = cores per node.
# Memory: `python -m nuflux_mpi check CASE --ranks 64` says how much a rank needs; Python itself takes about 200 MB.

set -eu
cd "${PBS_O_WORKDIR:-.}"

# --- adapt to your site: how Python and MPI come onto PATH ---
# module load openmpi                                         # the MPI that mpi4py was built with
python=${NUFLUX_PYTHON:-.venv/bin/python}

case_file=${CASE:-jobs/two_beam_64.toml}
out=${OUT:-runs/two_beam_64}                                  # the same in every job of a run: that is how it goes on
# PBS warns nobody before the end: this is the walltime above less what the start of the job takes.
walltime=${WALLTIME:-01:58:00}

export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1               # the ranks already fill the cores
export HDF5_USE_FILE_LOCKING=FALSE                            # Lustre and NFS often have no locks
export PYTHONUNBUFFERED=1                                     # log lines appear when they are written
# Open MPI's mpirun asks the other nodes for a sign of life after a minute, and not after five; else it waits for a lost one.
export OMPI_MCA_oob_tcp_keepalive_time=60 OMPI_MCA_oob_tcp_keepalive_intvl=20 OMPI_MCA_oob_tcp_keepalive_probes=3

# The node file has one line per rank. Open MPI built without PBS support needs it; others accept it.
if [ -n "${PBS_NODEFILE:-}" ]; then
    ranks=$(wc -l < "$PBS_NODEFILE")
    hosts="-hostfile $PBS_NODEFILE"
else
    ranks=64
    hosts=""
fi

# A mistake in the case is found here, in a second, and not after 64 ranks have started.
"$python" -m nuflux_mpi check "$case_file" --ranks "$ranks"

# run.timeout: a run that gets no further for half an hour, since a node is lost, ends and does not wait for the time limit.
# exec: signals from PBS reach mpirun, and its exit code is the job's:
# 0 done, 1 failure, 2 bad input, 3 stopped early but resumable, 4 numerical failure.
# shellcheck disable=SC2086  # hosts is two words or none
exec mpirun -n "$ranks" $hosts "$python" -m nuflux_mpi run "$case_file" --set run.timeout=1800 --out "$out" \
    --resume auto --walltime "$walltime"

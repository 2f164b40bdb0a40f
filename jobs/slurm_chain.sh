#!/usr/bin/env bash
# Slurm job that submits itself again until the run is finished. From the top of the checkout:
#
#     sbatch jobs/slurm_chain.sh                     the case of slurm_mpirun.sh
#     sbatch jobs/slurm_chain.sh my.toml runs/my     your own case and its output directory
#
# Only a run that stopped in order is followed by another job; a mistake or a failure ends the chain, and so does scancel.

#SBATCH --job-name=nuflux
#SBATCH --nodes=2
#SBATCH --ntasks=64
#SBATCH --cpus-per-task=1
#SBATCH --hint=nomultithread
#SBATCH --time=02:00:00
#SBATCH --output=nuflux-%j.log
#SBATCH --mem-per-cpu=1G
#SBATCH --signal=B:USR1@300

set -eu
cd "${SLURM_SUBMIT_DIR:-.}"
jobs=${NUFLUX_JOBS:-jobs}                                     # where these scripts lie
links=${NUFLUX_LINKS:-100}                                    # at most so many jobs from here on

# The child becomes mpirun, so that the signal comes through to it.
bash "$jobs/slurm_mpirun.sh" "$@" &
child=$!
told=
trap 'told=yes; kill -USR1 "$child"' USR1

status=0
wait "$child" || status=$?
if [ -n "$told" ]; then                                       # a trapped signal ends `wait`, and not the child
    status=0
    wait "$child" || status=$?
fi

# 3: stopped early but resumable
if [ "$status" -eq 3 ] && [ "$links" -gt 1 ]; then
    NUFLUX_LINKS=$((links - 1)) sbatch "$jobs/slurm_chain.sh" "$@"
fi
exit "$status"

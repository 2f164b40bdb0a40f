#!/usr/bin/env bash
# Slurm job array: one run for each case, side by side. From the top of the checkout:
#
#     sbatch --array=0-2 jobs/slurm_array.sh a.toml b.toml c.toml     runs/a, runs/b and runs/c
#
# Submit it again, unchanged, until all runs are finished: those that are end at once.

#SBATCH --job-name=nuflux
#SBATCH --nodes=2
#SBATCH --ntasks=64
#SBATCH --cpus-per-task=1
#SBATCH --hint=nomultithread
#SBATCH --time=02:00:00
#SBATCH --output=nuflux-%A_%a.log
#SBATCH --mem-per-cpu=1G
#SBATCH --signal=B:USR1@300

set -eu
cd "${SLURM_SUBMIT_DIR:-.}"
jobs=${NUFLUX_JOBS:-jobs}                                     # where these scripts lie

task=${SLURM_ARRAY_TASK_ID:?submit it with --array=0-2 for three cases}
if [ "$task" -ge "$#" ]; then
    echo "slurm_array.sh: there is no case number $task, counted from 0, among $# cases" >&2
    exit 2
fi
shift "$task"
exec bash "$jobs/slurm_mpirun.sh" "$1" "runs/$(basename "$1" .toml)"

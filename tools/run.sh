#!/usr/bin/env bash
# Runs nuflux_mpi, after setting it up if need be: the paper's example without arguments, else what the arguments say.
#
#     bash tools/run.sh                              the paper's example on all cores
#     bash tools/run.sh run my.toml --out runs/my    your own case
#     NUFLUX_RANKS=3 bash tools/run.sh run my.toml   on 3 ranks
#
# The exit code is that of nuflux_mpi: 0 done, 1 failure, 2 bad input, 3 stopped early but resumable, 4 numerical
# failure.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# These use one process and start no MPI.
case ${1:-} in
    init | plot | info | check | doctor | -h | --help | --version) exec "$python" -m nuflux_mpi "$@" ;;
esac

cores=$(physical_cores)
ranks=${NUFLUX_RANKS:-$cores}
case $ranks in
    '' | *[!0-9]* | 0*) echo "run: NUFLUX_RANKS=$ranks is not a positive whole number" >&2; exit 2 ;;
esac
# Whoever asks for more ranks than cores means it; Open MPI alone would refuse.
if [ "$ranks" -gt "$cores" ]; then
    export OMPI_MCA_rmaps_base_oversubscribe=1
fi
# exec: a signal sent to this process (Ctrl-C, kill) reaches mpirun itself.
exec mpirun -n "$ranks" "$python" -m nuflux_mpi "$@"

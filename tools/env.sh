# Sourced by run.sh and test.sh: sets nuflux_mpi up if need be, sets `root` and `python`, and exports what mpirun needs.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# On stderr, so that `run.sh init > case.toml` holds the case alone.
bash "$root/tools/setup.sh" >&2 </dev/null || exit 1

if [ -n "${NUFLUX_PYTHON:-}" ]; then
    python=$NUFLUX_PYTHON
    export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
    # The mpirun that fits this Python's mpi4py is the one beside it, if there is one (conda).
    case $python in */*) export PATH="$(cd "$(dirname "$python")" && pwd):$PATH" ;; esac
else
    python=$root/.venv/bin/python
fi

# One thread per rank: the ranks already fill the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"

# Open MPI refuses to run as root, which in a container is the ordinary user.
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# Cores this process may fill: those it is bound to, without hyperthreads, within the quota of a container or batch system.
physical_cores() {
    PYTHONPATH=$root "$python" -c 'from nuflux_mpi.runtime.limits import cores; print(cores())'
}

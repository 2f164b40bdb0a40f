"""Where the start of a run goes: each part in a fresh process, for `tools/bench.py --start`.

As a program it carries out one run of a trivial case, part after part in the order in which a run needs them, and prints
the seconds of each as JSON. `measured` starts it several times and takes medians.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = ("two_beam", ["time.end=0.01"])


def parts(directory, figures):
    """{part: seconds} of this process, which has done nothing before."""
    from nuflux_mpi.run.stopping import process_age

    found, last = {"Python, and the package's first modules": process_age()}, time.perf_counter()

    def note(name):
        nonlocal last
        now = time.perf_counter()
        found[name], last = now - last, now

    from nuflux_mpi.cli import commands  # noqa: F401

    note("command line")
    from nuflux_mpi.results import provenance

    checkout = provenance.commit()
    note("git")
    from nuflux_mpi.runtime import environment

    environment.use_one_thread()
    import numpy  # noqa: F401

    note("NumPy")
    with environment.spare_search_for_networks():
        from mpi4py import MPI
    note("MPI")
    import h5py  # noqa: F401
    from mpi4py_fft import fftw  # noqa: F401
    from petsc4py import PETSc  # noqa: F401

    note("PETSc, HDF5, FFTW")
    from nuflux_mpi import kernels

    if kernels.COMPILED:
        from nuflux_mpi.kernels import loop_cache, pencils  # noqa: F401
    note("numba")
    from nuflux_mpi.results import run_directory  # noqa: F401
    from nuflux_mpi.run import check, prepare, simulation  # noqa: F401

    note("other modules of nuflux_mpi")
    comm = MPI.COMM_WORLD
    config, _ = prepare.configured(comm, RUN[0], RUN[1], directory, "never", False)
    note("config")
    from nuflux_mpi.physics.levels import Setup

    setup = Setup.of(config)
    prepare.load_loops(setup, comm)
    note("compiled loops")
    one = simulation.Simulation(RUN[0], out=directory, overrides=RUN[1], checkout=checkout)
    note("box, transforms, initial state, files")
    run = one.run()
    one.close()
    note("steps, output, checkpoints")
    if figures and comm.Get_rank() == 0:
        from nuflux_mpi.plots import figure_list, style  # noqa: F401

        note("matplotlib")
        figure_list.draw_all(run)
        note("figures")
    return found


def measured(ranks=1, repeat=5, figures=True):
    """{part: median of seconds on rank 0} over `repeat` processes, after one that fills the caches."""
    from nuflux_mpi.runtime.environment import mpirun_environment

    rows = []
    with tempfile.TemporaryDirectory() as place:
        for number in range(repeat + 1):
            launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
            command = [*launcher, sys.executable, __file__, str(Path(place) / str(number)), str(int(figures))]
            done = subprocess.run(command, env=mpirun_environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise SystemExit(done.stderr)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: statistics.median(row[name] for row in rows[1:]) for name in rows[0]}


def table(found):
    """The parts as lines of text, with their sum."""
    lines = [f"  {name:42s}{1e3 * seconds:8.0f} ms" for name, seconds in found.items()]
    return "\n".join([*lines, f"  {'sum':42s}{1e3 * sum(found.values()):8.0f} ms"])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    answer = parts(sys.argv[1], sys.argv[2] == "1")
    from nuflux_mpi.runtime.environment import launcher_rank

    if launcher_rank() == 0:
        print(json.dumps(answer), flush=True)

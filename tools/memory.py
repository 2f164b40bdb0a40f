#!/usr/bin/env python3
"""Memory per rank of real runs against the forecast of `check`.

    python tools/memory.py                     every level with a small and a large state, on one and on two ranks
    python tools/memory.py --level full --ranks 3 --method 8vr

Each case is a short run in processes of its own: each rank says its largest resident memory (getrusage), which is
compared with `memory_per_rank`, the number that `python -m nuflux_mpi check` prints as "memory per rank". Lines that ranks of
one node share count for each of them that has looked at them, so that on several ranks more is measured than is taken.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nuflux_mpi.runtime import environment  # noqa: E402

# Overrides of the case `missing_energy`: a state so small that the program counts, and one of 8 to 17 MB.
CASES = {
    ("standard", "small"): [],
    ("standard", "large"): ["box.points=262144"],
    ("energy", "small"): [],
    ("energy", "large"): ["box.points=262144"],
    ("momentum", "small"): [],
    ("momentum", "large"): ["box.points=2048"],
    ("full", "small"): ["box.points=256", "full.points=128", "full.p_max=21"],
    ("full", "large"): ["box.points=1024"],
}
ALWAYS = ["time.end=0.02", "output.figures=false", "output.series_every=0.02", "output.fields_every=0.02", "time.rtol=1e-6"]
MANY_STEPS = "time.dt_max=0.0013"  # until adams has touched all of its 13 derivatives


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", choices=("standard", "energy", "momentum", "full"), action="append", help="default: all")
    parser.add_argument("--ranks", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--method", default="auto", help="time.method; default: that of the level")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)  # one case, in the processes that are measured
    arguments = parser.parse_args()
    if arguments.one:
        return run(arguments.one)
    print("level     size  method  ranks  state/rank [MB]  forecast [MB]  measured [MB]  forecast/measured")
    for (level, size), overrides in CASES.items():
        if arguments.level is None or level in arguments.level:
            for ranks in arguments.ranks or (1, 2):
                report(level, size, ranks, [*overrides, *ALWAYS, f"equations.level={level}", f"time.method={arguments.method}"])


def report(level, size, ranks, overrides):
    """Print one row of the table."""
    from nuflux_mpi import config
    from nuflux_mpi.box.plan import plan
    from nuflux_mpi.physics.levels import Setup
    from nuflux_mpi.run import check
    from nuflux_mpi.time.methods import MULTISTEP

    setup = Setup.of(config.resolve("missing_energy", overrides))
    method = setup.method
    overrides = [*overrides, MANY_STEPS] if method == MULTISTEP else overrides
    segments = setup.declared.segments
    state = check.state_bytes(plan(setup.config["box"]["points"], sum(segments), ranks), segments).max()
    forecast = check.memory_per_rank(setup, ranks)
    start = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run(
        [*start, sys.executable, __file__, "--one", *overrides],
        env=environment.mpirun_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    measured = max(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("peak"))
    print(
        f"{level:9s} {size:5s} {method:7s} {ranks:5d} {state / 1e6:16.1f} {forecast / 1e6:14.0f} {measured / 1e6:14.0f} "
        f"{forecast / measured:18.2f}",
        flush=True,
    )


def run(overrides):
    """One case; every rank prints its largest resident memory in bytes."""
    import tempfile

    from mpi4py import MPI

    import nuflux_mpi

    comm = MPI.COMM_WORLD
    with tempfile.TemporaryDirectory() as directory:
        directory = comm.bcast(directory)
        nuflux_mpi.simulate("missing_energy", out=f"{directory}/run", overrides=overrides)
        comm.Barrier()
    # ru_maxrss: kilobytes on Linux
    peaks = comm.gather(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    if comm.rank == 0:
        print("\n".join(f"peak {peak}" for peak in peaks))


if __name__ == "__main__":
    main()

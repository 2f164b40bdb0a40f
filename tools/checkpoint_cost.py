#!/usr/bin/env python3
"""What a checkpoint costs, beside a plain parallel write of the same bytes:

    mpirun -n 2 python tools/checkpoint_cost.py --megabytes 500 --directory runs

The state is that of some number of modes in a box of 65536 points. Both write one shared file and sync it to the disk;
the plain write has neither checksums nor header nor names.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nuflux_mpi.results import checkpoint
from nuflux_mpi.runtime import environment  # noqa: E402

environment.install_excepthook()
POINTS = 65536


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=200.0)
    parser.add_argument("--directory", type=Path, default=Path("."))
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()

    import numpy as np
    from mpi4py import MPI

    from nuflux_mpi.box.box import Box

    comm, directory = MPI.COMM_WORLD, arguments.directory / "checkpoint_cost"
    lines = max(1, round(arguments.megabytes * 1e6 / (8 * POINTS)))
    transform = Box(1.0, POINTS, lines, comm, fftw="estimate").transform(lines)
    layout = checkpoint.Layout(transform)
    state = np.random.default_rng(comm.rank).standard_normal(transform.rows * layout.shape[1])
    if comm.rank == 0:
        directory.mkdir(parents=True, exist_ok=True)
    comm.Barrier()

    costs, plain, loads = [], [], []
    for _ in range(arguments.repeat):
        cost, problem = checkpoint.write(directory, layout, [state], {}, {"config_toml": ""}, comm)
        if problem:
            sys.exit(problem)
        costs.append(cost.seconds)
        plain.append(plain_write(directory / "plain", layout, state, comm))
        begin = time.monotonic()
        checkpoint.load([directory / checkpoint.NEWEST], layout, lambda *_: None, comm)
        loads.append(comm.allreduce(time.monotonic() - begin, op=MPI.MAX))
    if comm.rank == 0:
        shutil.rmtree(directory)
        print(f"{cost.bytes / 1e6:.0f} MB on {comm.size} ranks, best and median of {arguments.repeat}")
        for name, seconds in (("checkpoint", costs), ("plain write", plain), ("read and verify", loads)):
            best, median = min(seconds), sorted(seconds)[len(seconds) // 2]
            speeds = (cost.bytes / 1e6 / time for time in (best, median))
            print(f"{name:<16} {best:7.3f} s {median:7.3f} s   " + " ".join(f"{speed:6.0f} MB/s" for speed in speeds))


def plain_write(path, layout, state, comm):
    """Seconds that the ranks take to write and sync the same rows to one new file."""
    if comm.rank == 0:
        path.unlink(missing_ok=True)
        path.touch()
    comm.Barrier()
    begin, width = time.monotonic(), layout.shape[1]
    file, rows = os.open(path, os.O_WRONLY), state.reshape(-1, width)
    for first, row, number in layout.blocks():
        checkpoint.write_at(file, rows[first : first + number], 8 * width * row)
    os.fsync(file)
    os.close(file)
    comm.Barrier()
    return time.monotonic() - begin


if __name__ == "__main__":
    main()

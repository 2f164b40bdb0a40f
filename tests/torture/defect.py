"""A run with a defect built in, for faults.py: from a given time on one rank fails, or spoils the state.

    mpirun -n 3 python tests/torture/defect.py exception 1 0.5 MARK run case.toml --out DIR

patches the right-hand side of the running program, on rank 1, from t = 0.5 on, and then is `python -m nuflux_mpi` with
the arguments that follow. `exception` raises a RuntimeError there, `nan` puts a not-a-number into the state. The file
MARK is made when it happens.
"""

import sys
from pathlib import Path

from nuflux_mpi.cli import commands
from nuflux_mpi.physics.interaction import InteractionPicture


def spoil(kind, rank, time, mark):
    """Make every right-hand side after `time` fail on `rank`."""
    healthy = InteractionPicture.store

    def store(self, t, u):
        if t > time and self.transform.box.rank == rank:
            mark.touch()
            if kind == "exception":
                raise RuntimeError("a defect put in on purpose")
            self.transform.physical.reshape(-1)[:1] = float("nan")
        healthy(self, t, u)

    InteractionPicture.store = store


if __name__ == "__main__":
    spoil(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
    sys.exit(commands.main(sys.argv[5:]))

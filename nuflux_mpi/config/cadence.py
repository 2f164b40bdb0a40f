"""How often fields are stored where the config does not say: often enough for a smooth map, if the file stays small."""

import math

MOST_BYTES = 100e6  # of fields.h5, unless the fewest snapshots take more
# Each divides 200, the default number of rows of the series: the times of snapshots are then times of rows, too.
SNAPSHOTS = (200, 100, 50, 40, 20)


def snapshots(points, modes, level):
    """Number of intervals between snapshots; points: of each axis, modes: their number."""
    vectors = 3 if level == "standard" else 4 + len(points)  # P; kappa (Phi at level full) and the flux F
    row = 8.0 * math.prod(points) * modes * vectors
    return next((number for number in SNAPSHOTS if row * (number + 1) <= MOST_BYTES), SNAPSHOTS[-1])

"""How often fields are stored by default: a smooth map where the file stays small, and never fewer than before."""

import pytest

from nuflux_mpi import config
from nuflux_mpi.config import cadence
from nuflux_mpi.physics.levels import Setup
from nuflux_mpi.run import check

CASE = {
    "box": {"length": 10.0, "points": 64},
    "modes": {"velocity": [1.0, -1.0]},
    "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 3},
    "time": {"start": 5.0, "end": 15.0},
}


@pytest.mark.parametrize(
    "points, level",
    [
        (64, "standard"),
        (1024, "energy"),
        (40_000, "energy"),
        ([64, 64], "energy"),
        ([100, 120], "standard"),
        ([16, 16, 16], "energy"),
        (100_000, "standard"),
    ],
)
def test_the_default_fills_the_file_but_not_beyond_its_limit(points, level):
    axes = len(points) if isinstance(points, list) else 1
    velocity = [1.0, -1.0] if axes == 1 else [[0.0] * (axes - 1) + [v] for v in (1.0, -1.0)]
    resolved = config.resolve(
        CASE
        | {
            "box": {"length": [10.0] * axes if axes > 1 else 10.0, "points": points},
            "modes": {"velocity": velocity},
            "equations": {"level": level},
        }
    )
    number = round(10.0 / resolved["output"]["fields_every"])
    assert number in cadence.SNAPSHOTS and 200 % number == 0
    size = check.file_sizes(Setup.of(resolved))["fields.h5"]
    assert size <= cadence.MOST_BYTES or number == 20
    following = [more for more in cadence.SNAPSHOTS if more > number]
    if following:  # the next finer one would be too large
        assert size * (min(following) + 1) / (number + 1) > cadence.MOST_BYTES
    assert f"{number + 1} snapshots" in check.report(resolved, 1)


def test_a_cadence_that_is_given_stays():
    resolved = config.resolve(CASE | {"output": {"fields_every": 2.5}})
    assert resolved["output"]["fields_every"] == 2.5
    assert config.resolve(resolved) == resolved

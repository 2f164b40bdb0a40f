"""A checkpoint after every step of random small runs: does each run go on from each of them, bit for bit?

    python tests/torture resume --runs 200 --seed 1          all methods and levels in turn; exit code 1 if one failed
    python tests/torture resume --runs 1 --seed 1 --first 17      one of them again
    mpirun -n 2 python tests/torture resume --runs 40             the same on several ranks

A run writes a checkpoint after each step, and its directory is copied each time. From each copy it is resumed, and must
end with every number that the undisturbed run has stored, in the series and in the fields, but for the wall time.
"""

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

METHODS = {"3bs": 3, "5dp": 5, "5bs": 5, "6vr": 6, "7vr": 7, "8vr": 8, "4bm": 4, "6bm": 5, "adams": 8}
LEVELS = ("standard", "energy", "momentum", "full")
MOST_STEPS = 40  # of a run; what is resumed costs the square of it


def problems():
    """(method, level, axes) of every kind of run there is, again and again."""
    kinds = [
        (method, level, axes)
        for level in LEVELS
        for axes in (1, 2)
        for method in METHODS
        if level in LEVELS[:2] or axes == 1 and not method.endswith("bm")
    ]
    while True:
        yield from kinds


def random_config(rng, method, level, axes):
    """A small problem of this kind, some ten steps long."""
    modes = rng.randint(2, 4)
    velocity = [[round(rng.uniform(-0.7, 0.7), 3) for _ in range(axes)] for _ in range(modes)]
    exponent = -rng.uniform(2.0, min(METHODS[method] + 1.0, 9.0))
    seeds = {
        "kind": "seeds",
        "zeta": [rng.choice((-1, 1)) * rng.uniform(0.4, 1.0) for _ in range(modes)],
        "n_max": 2,
        "variance": 10.0 ** rng.uniform(-5, -3.3),
        "seed": rng.randint(0, 10**6),
    }
    config = {
        "box": {"length": 7.0 if axes == 1 else [7.0, 9.0], "points": rng.choice((12, 15, 16, 20)) if axes == 1 else [6, 8]},
        "modes": {"velocity": velocity if axes > 1 else [v[0] for v in velocity]},
        "initial": seeds,
        "equations": {"level": level},
        "time": {"end": rng.uniform(0.05, 4.0), "method": method, "rtol": 10.0**exponent},
        "output": {"figures": False, "checkpoint_every": 1e-9},
    }
    if rng.random() < 0.3:
        config["time"]["dt_initial"] = 10.0 ** rng.uniform(-4, 0)
    if rng.random() < 0.3:
        config["time"]["dt_max"] = rng.uniform(0.05, 0.5)
    config["output"]["series_every"] = config["time"]["end"] / rng.randint(2, 7)
    config["output"]["fields_every"] = config["time"]["end"] / rng.randint(1, 3)
    if level == "momentum":
        config["momentum"] = {"points": 24, "half_width": 8.0, "sigma": 1.2}
    if level == "full":
        config["modes"]["velocity"], seeds["zeta"] = [1.0, -1.0], seeds["zeta"][:2]
        config["full"] = {"points": 60, "p_max": 15.0, "perp_points": 2, "p0": 7.5, "sigma": 1.2}
    return config


def trial(config, directory, comm=None, most=MOST_STEPS):
    """Run, copy after every step but the last, resume each copy. -> (checkpoints, steps, sentence about what differs or ""). Collective.

    directory: an empty one, the same on all ranks. A run of more steps than `most` has copies of those alone, and ends soon after
    the last of them: what is resumed from each goes on to the end.
    """
    from nuflux_mpi import Simulation
    from nuflux_mpi.results.reader import Run

    root, copies, known = comm is None or comm.Get_rank() == 0, [], []
    newest = directory / "whole" / "checkpoint.h5"

    def keep():
        """Asked after every step on every rank, before the next checkpoint: copies the directory if there is a new one."""
        file = newest.stat().st_ino, newest.stat().st_mtime_ns
        if file not in known and len(copies) < most:
            known.append(file)
            copies.append(directory / f"{len(copies)}")
            if root:
                shutil.copytree(directory / "whole", copies[-1], ignore=shutil.ignore_patterns("RUNNING"))

    config = shortened(config, most + 3, comm)
    with Simulation(config, out=directory / "whole", comm=comm, deterministic=True) as simulation:
        simulation.run(stop=keep)
        steps = simulation.integrator.statistics.steps
    config = {**config, "output": {**config["output"], "checkpoint_every": 0}}
    for copy in copies:
        with looked_at_here(), Simulation(config, out=copy, comm=comm, resume="auto", deterministic=True) as simulation:
            simulation.run()
        if comm:
            comm.Barrier()
        differ = difference(Run(directory / "whole"), Run(copy))
        if differ or not (copy / "checkpoint.h5").exists():
            return len(copies), steps, f"resumed from checkpoint {copy.name}: {differ or 'there was none'}"
    lost = (
        [line for line in (directory / "whole" / "run.log").read_text().splitlines() if "no checkpoint" in line]
        if (directory / "whole" / "run.log").exists()
        else []
    )
    return len(copies), steps, lost[0] if lost else ""


@contextlib.contextmanager
def looked_at_here():
    """Files that a run goes on with are looked into by this process: one of their own is for damaged files, and takes a while."""
    from nuflux_mpi.results import probe
    from nuflux_mpi.runtime import child

    def ask(module, arguments, timeout):
        assert module == "results.probe"
        return [probe.examine(request) for request in json.loads(arguments[0])]

    before, child.ask = child.ask, ask
    try:
        yield
    finally:
        child.ask = before


def shortened(config, most, comm):
    """The config of a run of some `most` steps at most, with as many output times as before. Collective."""
    from nuflux_mpi import Simulation

    with Simulation(config, comm=comm, deterministic=True) as simulation:
        steps = simulation.integrator.statistics
        simulation.run(stop=lambda: steps.steps >= most)
        end = simulation.t
    part, output = end / config["time"]["end"], config["output"]
    cadences = {name: part * output[name] for name in ("series_every", "fields_every")}
    return config | {"time": config["time"] | {"end": end}, "output": output | cadences}


def difference(whole, resumed):
    """Names of what two runs have stored and not alike, "" if there is none."""
    for part in ("series", "fields"):
        one, other = getattr(whole, part), getattr(resumed, part)
        names = {
            name
            for name in set(one) | set(other)
            if name != "wall_time"
            and not (name in one and name in other and _same(np.asarray(one[name]), np.asarray(other[name])))
        }
        if names:
            return f"{part} differ in {', '.join(sorted(names))}"
    return ""


def _same(one, other):
    return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="how many runs (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the random problems (default 1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first run (default 0)")
    options = parser.parse_args(arguments)
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    root, kinds, failed, resumed = comm.Get_rank() == 0, problems(), 0, 0
    for number in range(options.first + options.runs):
        kind = next(kinds)
        if number < options.first:
            continue
        config = random_config(random.Random(f"{options.seed} {number}"), *kind)
        directory = Path(comm.bcast(tempfile.mkdtemp(prefix="resume_everywhere-") if root else None))
        try:
            count, steps, problem = trial(config, directory, comm)
        finally:
            if root:
                shutil.rmtree(directory, ignore_errors=True)
        failed, resumed = failed + bool(problem), resumed + count
        if root:
            print(
                f"{number:4d}  {kind[0]:5s} {kind[1]:9s} {kind[2]}D  {steps:4d} steps  {count:3d} resumed  {problem or 'ok'}",
                flush=True,
            )
    if root:
        print(f"{options.runs} runs, {resumed} times resumed, {failed} runs failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

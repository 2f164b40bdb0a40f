#!/usr/bin/env python3
"""What one right-hand side costs, next to the bare transforms of the same lines, measured in the same run.

    python tools/bench.py                          a table of sizes on one rank
    mpirun -n 2 python tools/bench.py              the same on two ranks
    python tools/bench.py --modes 64 --points 4096 --level energy
    python tools/bench.py --level momentum         two beams with 32, 64 and 128 points in q; --level full likewise

Times are medians over repetitions, of the slowest rank; ratios compare medians taken alternately, so that they hold on a
noisy machine. "transforms" is the backward transform of the polarization lines plus the forward transform of all lines,
exchanges included; "rhs" is the whole right-hand side as the integrator calls it; "step" is a step of PETSc's TS divided
by its number of right-hand sides.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nuflux_mpi  # noqa: E402,F401  (prepares the environment before numpy is loaded)

# Settings of the levels that resolve momentum: the grid in momentum grows, at one spacing in q.
GRIDS = {
    "momentum": [{"points": Q, "half_width": 12.0 * Q / 64, "distribution": "gaussian", "sigma": 0.8} for Q in (32, 64, 128)],
    "full": [{"points": Q, "distribution": "gaussian", "p_max": 16.0, "perp_points": 4, "p0": 8.0, "sigma": 1.2, "species": 1,
              "group_velocity": True, "force": True, "commutator": True} for Q in (64, 96, 128)],
}
SIZES = ((2, 1024), (2, 8192), (16, 2048), (64, 1024), (64, 4096))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", type=int, help="one size only: number of directions")
    parser.add_argument("--points", type=int, default=1024)
    parser.add_argument("--level", choices=("standard", "energy", *GRIDS), action="append",
                        help="default: standard and energy")
    parser.add_argument("--method", default="8vr")
    parser.add_argument("--repeat", type=int, default=15, help="repetitions, of which the median is taken")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file as well")
    arguments = parser.parse_args()

    from mpi4py import MPI

    from nuflux_mpi import kernels

    comm = MPI.COMM_WORLD
    kernels.warm_up(comm)
    levels = arguments.level or ("standard", "energy")
    sizes = [(arguments.modes, arguments.points)] if arguments.modes else SIZES
    cases = [(*size, level, None) for size in sizes for level in levels if level not in GRIDS]
    cases += [(2, 512, level, grid) for level in levels for grid in GRIDS.get(level, ())]
    rows = []
    if comm.rank == 0:
        print(f"{comm.size} rank(s), {'numba' if kernels.COMPILED else 'NumPy'} kernels, {arguments.method}")
        print("  modes points  lines level     cut        rhs [us]  transforms [us]  rhs/transforms  step/transforms")
    for modes, points, level, grid in cases:
        row = measure(comm, modes, points, level, grid, arguments.method, arguments.repeat)
        rows.append(row)
        if comm.rank == 0:
            print("  {modes:5d} {points:6d} {lines:6d} {level:9s} {cut:9s} {rhs:9.1f} {transforms:16.1f} {ratio:15.2f} "
                  "{step_ratio:16.2f}".format(**row), flush=True)
    if arguments.json and comm.rank == 0:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


def measure(comm, modes, points, level, grid, method, repeat):
    """One row of the table; times in microseconds. grid: settings of the level, or None. Collective."""
    import numpy as np

    from nuflux_mpi.box import Box
    from nuflux_mpi.levels import LEVELS
    from nuflux_mpi.integrate import Integrator
    from nuflux_mpi.modes import build

    if grid:
        directions = build({"kind": "beams", "velocity": [1.0, -1.0], "sign": [1, 1], "density": [1.0, 1.0]})
    else:
        directions = build({"kind": "angular", "number": modes, "quadrature": "midpoint", "distribution": "gaussian",
                            "alpha": 0.9, "sigma": 0.6, "sigma_bar": 0.53})
    equations_class = LEVELS[level]
    equations_class.warm_up(comm)
    lines = equations_class.lines(modes, grid)
    box = Box(100.0, points, lines, comm)
    equations = equations_class(box, directions, grid)
    z = box.coordinates()[0]
    P = np.zeros((modes, 3) + box.local_shape)
    P[:, 2] = 0.9 * directions.n[:, None]
    P[:, 0] = 1e-3 * np.cos(2 * np.pi * z / 100.0)
    integrator = Integrator(equations.picture.rhs, equations.picture.size, comm, method=method, rtol=1e-8)
    equations.start(0.0, integrator.u, P, directions.n)
    integrator.begin()
    u, du = integrator.u.copy(), integrator.u.copy()
    transform, t = equations.transform, iter(np.linspace(0.0, 1.0, 100000))

    def rhs():
        equations.picture.rhs(next(t), u, du)  # another time at each call, as inside a step: the phases are not reused

    def transforms():
        transform.backward(1)
        transform.forward()

    transform.physical[...] = 1e-3
    transform.spectral[...] = 0.0
    calls = max(1, int(2e6 / (lines * points)))
    samples = {"rhs": [], "transforms": [], "step": []}
    for function in (rhs, transforms):
        function()
    for _ in range(repeat):
        for name, function in (("rhs", rhs), ("transforms", transforms)):
            samples[name].append(timed(comm, function, calls))
        samples["step"].append(step_time(comm, integrator, calls))
    cost = {name: 1e6 * float(np.median(values)) for name, values in samples.items()}
    integrator.destroy()
    cut = f"{box.plan.N1} x {box.plan.N2}" if box.plan.factored else "slabs"
    return {"modes": modes, "points": points, "lines": lines, "level": level, "ranks": comm.size, "cut": cut, **cost,
            "ratio": cost["rhs"] / cost["transforms"], "step_ratio": cost["step"] / cost["transforms"]}


def timed(comm, function, calls):
    """Seconds per call on the slowest rank."""
    from mpi4py import MPI

    comm.Barrier()
    begun = time.perf_counter()
    for _ in range(calls):
        function()
    return comm.allreduce(time.perf_counter() - begun, op=MPI.MAX) / calls


def step_time(comm, integrator, calls):
    """Seconds of the time loop per right-hand side, over about `calls` right-hand sides."""
    before, dt = integrator.statistics.rhs_evaluations, 1e-3
    steps = max(1, calls // 13)

    def loop():
        for _ in range(steps):
            integrator.advance(integrator.t + dt)

    seconds = timed(comm, loop, 1)
    return seconds / (integrator.statistics.rhs_evaluations - before)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What one right-hand side costs, next to the bare transforms of the same lines, measured in the same run.

    python tools/bench.py                          a table of sizes on one rank
    mpirun -n 2 python tools/bench.py              the same on two ranks
    mpirun -n 2 python tools/bench.py --speedup    all ranks against one of them alone, in turn
    python tools/bench.py --modes 64 --points 4096 --level energy
    python tools/bench.py --modes 16 --points 256x256     a box of two dimensions
    python tools/bench.py --level momentum         two beams with 32, 64 and 128 points in q; --level full likewise
    mpirun -n 64 --oversubscribe python tools/bench.py --count --modes 2 --points 1024
    mpirun -n 64 --oversubscribe python tools/bench.py --count --node 16      as if on four nodes of 16 ranks
    python tools/bench.py --start                  where the start of a run goes, part by part
    python tools/bench.py --terms --cpu            what vacuum mixing, matter and three flavors cost

Times are medians over repetitions, of the slowest rank; ratios are medians of ratios of neighbouring measurements, so
that they hold on a noisy machine. The columns, in microseconds per right-hand side:

    bare      FFTW through mpi4py-fft, each rank's share of the lines in one batch, planned with the same effort: back the
              lines that the source reads, forward all, both ways those whose gradient is taken. Nothing else.
    rhs       the right-hand side as the integrator calls it
    waves     of that, the way from the state to the points and back: phases, transforms
    source    of that, the local terms, with the gradient if there is one
    exchange  of that, time in which a rank waits for others or is inside Alltoallw
    calls     the right-hand side of two modes on four points for each rank: what Python and its calls cost
    loop      the whole time loop of a method, its vectors and error control included, per right-hand side
    vectors   loop - rhs: sums of vectors, norms, and the calls of PETSc and Python around the right-hand side

With --count nothing is timed: the all-to-alls, messages and bytes of one right-hand side are counted as they are handed to
MPI, next to the formula of docs/box.md. That can be done with more ranks than cores; each rank then stands for a node of its
own, or --node of them for one.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nuflux_mpi  # noqa: E402,F401  (prepares the environment before numpy is loaded)

# Settings of the levels that resolve momentum: the grid in momentum grows, at one spacing in q.
GRIDS = {
    "momentum": [{"points": Q, "half_width": 12.0 * Q / 64, "distribution": "gaussian", "sigma": 0.8} for Q in (32, 64, 128)],
    "full": [
        {
            "points": Q,
            "distribution": "gaussian",
            "p_max": 16.0,
            "perp_points": 4,
            "p0": 8.0,
            "sigma": 1.2,
            "group_velocity": True,
            "force": True,
            "commutator": True,
        }
        for Q in (64, 96, 128)
    ],
}
SIZES = ((2, 1024), (2, 8192), (64, 1024), (64, 4096), (128, 1024), (128, 8192))
COLUMNS = ("bare", "rhs", "waves", "source", "exchange", "calls")
METHODS = ("adams", "8vr")
# Right-hand sides of a loop before it is timed, since Adams methods start at order 1, and at least in each sample, which
# then holds two steps of 8vr or a change of order.
FIRST, LEAST = 60, 26
FAR = 1e6  # a time that no loop reaches: steps are as long as the method wants them


class CountingComm(MPI.Intracomm):
    """A communicator that counts what goes through Alltoallw: calls, messages, bytes sent; and seconds there or waiting."""

    calls = messages = sent = 0
    seconds = 0.0

    def Barrier(self):
        begun = time.perf_counter()
        super().Barrier()
        self.seconds += time.perf_counter() - begun

    def Alltoallw(self, sendbuf, recvbuf):
        _, (counts, _), types = sendbuf
        sizes = [count * kind.Get_size() for count, kind in zip(counts, types)]
        self.calls += 1
        self.messages += sum(size > 0 for size in sizes)
        self.sent += sum(sizes)
        begun = time.perf_counter()
        super().Alltoallw(sendbuf, recvbuf)
        self.seconds += time.perf_counter() - begun

    def reset(self):
        self.calls, self.messages, self.sent, self.seconds = 0, 0, 0, 0.0


def start(arguments):
    """The table of --start."""
    import start_parts

    found = {ranks: start_parts.measured(ranks, min(arguments.repeat, 9)) for ranks in (1, 2)}
    for ranks, parts in found.items():
        print(f"start of a trivial run on {ranks} rank{'s' * (ranks > 1)}, medians of wall time")
        print(start_parts.table(parts))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=1) + "\n")


def terms(arguments, comm):
    """The tables of --terms."""
    import term_costs

    modes, clock = arguments.modes or 64, time.process_time if arguments.cpu else time.perf_counter
    for level in arguments.level or ("standard", "energy"):
        found = term_costs.measured(comm, modes, arguments.points, level, arguments.repeat, clock)
        if comm.rank == 0:
            print(term_costs.table(found, modes, shown(arguments.points), level), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modes", type=int, help="one size only: number of directions")
    parser.add_argument("--points", type=grid_points, default=1024, help="along z, or with an x between them along each axis")
    parser.add_argument("--level", choices=("standard", "energy", *GRIDS), action="append", help="default: standard and energy")
    parser.add_argument("--method", action="append", help=f"time.method of a time loop; default: {' and '.join(METHODS)}")
    parser.add_argument("--repeat", type=int, default=31, help="repetitions, of which the median is taken")
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="processor time instead of wall-clock time, where other programs share the cores; one rank only",
    )
    parser.add_argument("--count", action="store_true", help="count messages and bytes instead of timing")
    parser.add_argument(
        "--node",
        type=int,
        help="take so many neighbouring ranks as a node; default: 1 with --count, else those that share memory",
    )
    parser.add_argument("--speedup", action="store_true", help="how much faster all ranks are than rank 0 alone")
    parser.add_argument("--start", action="store_true", help="seconds of the start of a run, on 1 and 2 ranks, part by part")
    parser.add_argument("--terms", action="store_true", help="what vacuum mixing, matter and three flavors cost")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file as well")
    arguments = parser.parse_args()
    if arguments.start:
        return start(arguments)

    from nuflux_mpi import kernels

    comm = CountingComm(MPI.COMM_WORLD)
    if arguments.cpu and comm.size > 1:
        parser.error("--cpu: waiting for other ranks is no processor time; use it on one rank")
    if arguments.count and isinstance(arguments.points, tuple):
        parser.error("--count: boxes of one dimension only")
    if arguments.terms:
        return terms(arguments, comm)
    levels, methods = arguments.level or ("standard", "energy"), arguments.method or METHODS
    exchange = arguments.node or ("messages" if arguments.count else "auto")
    sizes = [(arguments.modes, arguments.points)] if arguments.modes else SIZES
    cases = [(*size, level, None) for size in sizes for level in levels if level not in GRIDS]
    cases += [(2, 512, level, grid) for level in levels for grid in GRIDS.get(level, ())]
    say = print if comm.rank == 0 else lambda *words, **keys: None
    if arguments.speedup:
        if comm.size == 1:
            parser.error("--speedup: start several ranks")
        say(f"{comm.size} ranks, and one of them alone: microseconds, and the median of ratios in turn")
        say(
            "  modes points level           rhs alone      all  ratio"
            + "".join(f"{'loop ' + method + ' alone':>18s}{'all':>9s}  ratio" for method in methods)
        )
        for modes, points, level, grid in cases:
            rows = speedup(comm, modes, points, level, grid, methods, arguments.repeat, exchange)
            columns = "".join(f"{one:18.1f}{all_:9.1f}{ratio:7.2f}" for one, all_, ratio in rows)
            say(f"  {modes:5d} {shown(points):>6s} {level:9s}{columns}", flush=True)
        return
    say(f"{comm.size} rank(s), {'numba' if kernels.COMPILED else 'NumPy'} kernels")
    if arguments.count:
        say("  modes points  lines level     cut        all-to-alls  messages  bytes sent  formula  most bytes of a rank")
    else:
        say(
            "  modes points  lines level    "
            + "".join(f"{name:>10s}" for name in COLUMNS)
            + "  rhs/bare"
            + "".join(f"{'loop ' + method:>12s}{'vectors':>10s}{method + '/bare':>12s}" for method in methods)
        )
    rows = []
    for modes, points, level, grid in cases:
        if arguments.count:
            rows.append(count(comm, modes, points, level, grid, exchange))
            say(
                "  {modes:5d} {points:6d} {lines:6d} {level:9s} {cut:9s} {calls:12d} {messages:9d} {sent:11d} {formula:8.0f} "
                "{most:21d}".format(**rows[-1]),
                flush=True,
            )
        else:
            clock = time.process_time if arguments.cpu else time.perf_counter
            row = measure(
                comm, modes, points, level, grid, methods=methods, repeat=arguments.repeat, clock=clock, exchange=exchange
            )
            rows.append(row)
            times = "".join(f"{row[name]:10.1f}" for name in COLUMNS)
            loops = "".join(
                f"{row['loop'][method]:12.1f}{row['vectors'][method]:10.1f}{row['loop_ratio'][method]:12.2f}"
                for method in methods
            )
            say(
                "  {modes:5d} {grid:>6s} {lines:6d} {level:9s}{times}  {ratio:8.2f}{loops}".format(
                    grid=shown(points), times=times, loops=loops, **row
                ),
                flush=True,
            )
    if arguments.json and comm.rank == 0:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


def grid_points(text):
    """The argument --points: a number, or a tuple of numbers."""
    points = tuple(map(int, text.split("x")))
    return points if len(points) > 1 else points[0]


def shown(points):
    return "x".join(map(str, points)) if isinstance(points, tuple) else str(points)


def problem(comm, modes, points, level, grid, fftw="measure", exchange="auto"):
    """(equations, P, directions) of a level on `points` points, a number or one per axis; grid: settings of the level, or
    None; exchange: see Box.
    """
    import numpy as np

    from nuflux_mpi import kernels
    from nuflux_mpi.box import columns
    from nuflux_mpi.box.box import Box
    from nuflux_mpi.physics.levels import LEVELS
    from nuflux_mpi.physics.levels import build as build_level
    from nuflux_mpi.physics.modes import build

    axes = np.size(points)
    if axes > 1:  # directions around a circle in the plane of the first and the last axis
        angle = 2.0 * np.pi * (np.arange(modes) + 0.5) / modes
        velocity = np.zeros((modes, axes))
        velocity[:, 0], velocity[:, -1] = np.sin(angle), np.cos(angle)
        sign = np.sign(velocity[:, -1]).astype(int)
        directions = build(
            {"kind": "beams", "velocity": velocity.tolist(), "sign": sign.tolist(), "density": [1.0] * modes}, axes
        )
    elif grid or modes == 2:
        directions = build({"kind": "beams", "velocity": [1.0, -1.0], "sign": [1, 1], "density": [1.0, 1.0]})
    else:
        directions = build(
            {
                "kind": "angular",
                "number": modes,
                "quadrature": "midpoint",
                "distribution": "gaussian",
                "alpha": 0.9,
                "sigma": 0.6,
                "sigma_bar": 0.53,
            }
        )
    own = "touch_pencils", *LEVELS[level].own_kernels, *[columns.touch] * (axes > 1)
    kernels.warm_up(comm, *own, axes=axes)
    lines = LEVELS[level].declare(directions, grid, axes=axes).lines
    box = Box([100.0] * axes, points, lines, comm, fftw=fftw, exchange=exchange)
    equations = build_level(LEVELS[level], box, directions, grid)
    P = np.zeros((modes, 3) + box.local_shape)
    P[:, 2] = 0.9 * directions.n.reshape(-1, *[1] * axes)
    P[:, 0] = 1e-3 * np.cos(2 * np.pi * box.coordinates()[-1] / 100.0)
    return equations, P, directions


def line_counts(equations):
    """Lines that one right-hand side transforms: (back, forward)."""
    declared = equations.declared
    return declared.segments[0] + declared.gradient, declared.lines + declared.flux_lines + declared.gradient


def count(comm, modes, points, level, grid, exchange="messages"):
    """One row of the table of messages: sums over all ranks, and the most bytes that one rank sends. Collective."""
    import numpy as np

    equations, P, directions = problem(comm, modes, points, level, grid, fftw="estimate", exchange=exchange)
    u = np.zeros(equations.picture.size)
    equations.start(0.0, u, P, directions.n)
    comm.reset()
    equations.picture.rhs(0.5, u, np.empty_like(u))
    messages, sent = (comm.allreduce(number) for number in (comm.messages, comm.sent))
    cut = equations.box.plan
    f = 2 * cut.pairs_per_line / cut.N1 if cut.factored else 1.0
    formula = 8 * points * f * sum(line_counts(equations)) * (1 - 1 / len(equations.box.node.nodes))
    return {
        "modes": modes,
        "points": points,
        "lines": equations.declared.lines,
        "level": level,
        "ranks": comm.size,
        "cut": f"{cut.N1} x {cut.N2}" if cut.factored else "slabs",
        "calls": comm.calls,
        "messages": messages,
        "sent": sent,
        "formula": formula,
        "most": comm.allreduce(comm.sent, op=MPI.MAX),
    }


def bare_transforms(comm, back, forward, points, effort="measure"):
    """A callable that transforms this rank's share of whole lines, `back` and `forward` many, each in one batch.

    points: a number, or one per axis: then transforms are along all of them.
    """
    import numpy as np
    from mpi4py_fft import fftw

    from nuflux_mpi.box.plan import blocks

    back, forward = (int(blocks(lines, comm.size)[0][comm.rank]) for lines in (back, forward))
    flags = (getattr(fftw, f"FFTW_{effort.upper()}"), fftw.FFTW_DESTROY_INPUT)
    most = max(back, forward)
    grid = tuple(np.atleast_1d(points).tolist())
    axes, half = tuple(range(1, 1 + len(grid))), (*grid[:-1], grid[-1] // 2 + 1)
    lines, waves = fftw.aligned((most, *grid), dtype=float), fftw.aligned((most, *half), dtype=complex)
    to_lines = fftw.irfftn(waves[:back], s=grid, axes=axes, flags=flags, output_array=lines[:back])
    to_waves = fftw.rfftn(lines[:forward], axes=axes, flags=flags, output_array=waves[:forward])
    lines[...], waves[...] = 0.0, 0.0

    def transform():
        to_lines()
        to_waves()

    return transform


def measure(comm, modes, points, level, grid, *, methods, repeat, clock, exchange="auto"):
    """One row of the table of times, in microseconds. Collective."""
    import numpy as np

    equations, P, directions = problem(comm, modes, points, level, grid, exchange=exchange)
    picture, lines = equations.picture, equations.declared.lines
    integrators = {method: begun(equations, P, directions, comm, method) for method in methods}
    u, du, t = np.zeros(picture.size), np.zeros(picture.size), iter(np.linspace(0.0, 1.0, 10**6))
    equations.start(0.0, u, P, directions.n)
    few = 4 * comm.size if np.size(points) == 1 else (*[2] * (np.size(points) - 1), 4 * comm.size)
    small = problem(comm, 2, few, level, grid, exchange=exchange)[0].picture
    nothing, nowhere = np.zeros(small.size), np.zeros(small.size)

    def rhs():
        picture.rhs(next(t), u, du)  # another time at each call, as inside a step: the phases are not reused

    def waves():
        picture.fields(next(t), u, picture.needed)
        picture.store(next(t), du)

    functions = {
        "bare": bare_transforms(comm, *line_counts(equations), points),
        "rhs": rhs,
        "waves": waves,
        "source": lambda: equations.source(0.0),
        "calls": lambda: small.rhs(next(t), nothing, nowhere),
    }
    calls = max(1, int(1e6 / (lines * np.prod(points))))
    samples, loops = {name: [] for name in COLUMNS}, {method: [] for method in methods}
    for function in functions.values():
        function()
    for integrator in integrators.values():
        loop_time(comm, integrator, FIRST, clock)
    for _ in range(repeat):
        for name, function in functions.items():
            equations.transform.physical[...] = 1e-3  # numbers that stay numbers, however often the source is called
            comm.reset()
            samples[name].append(timed(comm, function, calls, clock))
            if name == "rhs":
                samples["exchange"].append(comm.allreduce(comm.seconds, op=MPI.MAX) / calls)
        for method, integrator in integrators.items():
            loops[method].append(loop_time(comm, integrator, max(calls, LEAST), clock))
    for integrator in integrators.values():
        integrator.destroy()

    def median(values):
        return float(np.median(values))

    return {
        "modes": modes,
        "points": points,
        "lines": lines,
        "level": level,
        "ranks": comm.size,
        **{name: 1e6 * median(values) for name, values in samples.items()},
        "ratio": median(np.divide(samples["rhs"], samples["bare"])),
        "loop": {method: 1e6 * median(values) for method, values in loops.items()},
        "vectors": {method: 1e6 * median(np.subtract(values, samples["rhs"])) for method, values in loops.items()},
        "loop_ratio": {method: median(np.divide(values, samples["bare"])) for method, values in loops.items()},
    }


def speedup(comm, modes, points, level, grid, methods, repeat, exchange):
    """Rows (alone, all, ratio) of the right-hand side and of the loop of each method, in microseconds. Collective."""
    import numpy as np

    def tasks(comm):
        equations, P, directions = problem(comm, modes, points, level, grid, exchange=exchange)
        picture = equations.picture
        u, du, t = np.zeros(picture.size), np.zeros(picture.size), iter(np.linspace(0.0, 1.0, 10**6))
        equations.start(0.0, u, P, directions.n)
        calls = max(1, int(1e6 / (equations.declared.lines * np.prod(points))))
        yield lambda: timed(comm, lambda: picture.rhs(next(t), u, du), calls, time.perf_counter)
        for method in methods:
            integrator = begun(equations, P, directions, comm, method)
            loop_time(comm, integrator, FIRST, time.perf_counter)
            yield lambda integrator=integrator: loop_time(comm, integrator, max(calls, LEAST), time.perf_counter)

    together, single = list(tasks(comm)), list(tasks(MPI.COMM_SELF)) if comm.rank == 0 else []
    times = np.zeros((2, repeat, len(together)))
    for turn in range(repeat):
        for i, task in enumerate(together):
            if comm.rank == 0:
                times[0, turn, i] = single[i]()
            arrived = comm.Ibarrier()
            while not arrived.Test():
                time.sleep(1e-3)  # not spinning: the core that works may share its memory and its clock
            times[1, turn, i] = task()
    alone, all_ = 1e6 * np.median(times, axis=1)
    return list(zip(alone, all_, np.median(times[0] / times[1], axis=0)))


def begun(equations, P, directions, comm, method):
    """The integrator of a method, at the start. Collective."""
    from nuflux_mpi.time.integrator import Integrator

    integrator = Integrator.of(equations.picture, MPI.Intracomm(comm), method=method, rtol=1e-8)
    equations.start(0.0, integrator.u, P, directions.n)
    integrator.begin()
    return integrator


def timed(comm, function, calls, clock):
    """Seconds per call on the slowest rank."""
    comm.barrier()
    begun = clock()
    for _ in range(calls):
        function()
    return comm.allreduce(clock() - begun, op=MPI.MAX) / calls


def loop_time(comm, integrator, least, clock):
    """Seconds of the time loop per right-hand side, over whole steps of at least so many right-hand sides."""
    statistics = integrator.statistics
    before = statistics.rhs_evaluations

    def loop():
        integrator.advance(FAR, after_step=lambda: statistics.rhs_evaluations - before >= least)

    seconds = timed(comm, loop, 1, clock)
    return seconds / (statistics.rhs_evaluations - before)


if __name__ == "__main__":
    main()

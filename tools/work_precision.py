#!/usr/bin/env python3
"""Work against error for every time-stepping method: two beams, the multi-angle gas that two groups' codes agree on, and
eight directions in a box of two dimensions.

    python tools/work_precision.py                        tables to the screen, figures into docs/images
    python tools/work_precision.py --problem two_beam --methods adams,8vr --times 3

Each method runs over tolerances until its error, against 8vr at rtol = 1e-14, covers 1e-3 .. 1e-11. Seconds are those of
the time loop alone, the least of `--times` runs; methods take turns at each tolerance, since the clock of a machine may
change while they run.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nuflux_mpi  # noqa: E402  (prepares the environment before numpy is loaded)

QUIET = ["equations.level=standard", "output.series_every=1e6", "output.fields_every=0", "output.spectrum_every=0"]
DIRECTIONS = [[math.sin(math.pi * (j + 0.5) / 4), math.cos(math.pi * (j + 0.5) / 4)] for j in range(8)]
ZETA = [math.copysign(1 / 8, v_z) for _, v_z in DIRECTIONS]
PROBLEMS = {
    "two_beam": ("two beams, N = 1024, t = 15", "two_beam", ["box.points=1024", "time.end=15"]),
    "multi_angle": (
        "64 directions, N = 256, t = 300",
        "multi_angle",
        ["modes.number=64", "box.points=256", "box.origin=-119.53125", "time.end=300"],
    ),
    "plane": (
        "8 directions in a plane, 64 x 64, t = 20",
        "four_beams_2d",
        [f"modes.velocity={DIRECTIONS}", f"initial.zeta={ZETA}", "box.points=[64, 64]", "time.end=20"],
    ),
}
METHODS = ("adams", "8vr", "7vr", "6vr", "5dp", "5bs", "3bs", "6bm", "4bm")
WORST, BEST = 3e-3, 1e-11


class Problem:
    """A problem set up once, to be integrated again and again from the same state."""

    def __init__(self, name):
        self.title, case, overrides = PROBLEMS[name]
        self.simulation = nuflux_mpi.Simulation(case, overrides=overrides + QUIET)
        self.start = self.simulation.integrator.u.copy()
        self.reference = None
        self.reference = self.run("8vr", 1e-14)[0]

    def run(self, method, rtol):
        """The final state, its error relative to the reference, right-hand sides, and seconds of the time loop."""
        import numpy as np

        from nuflux_mpi import kernels
        from nuflux_mpi.time.integrator import KERNELS, Integrator

        picture, times = self.simulation.equations.picture, self.simulation.config["time"]
        kernels.warm_up(self.simulation.comm, *KERNELS.get(method, ()))
        integrator = Integrator.of(picture, self.simulation.comm, method=method, rtol=rtol)
        integrator.u[:] = self.start
        begun = time.perf_counter()
        integrator.begin()
        integrator.advance(times["end"] - times["start"])
        seconds, u = time.perf_counter() - begun, integrator.u.copy()
        count = integrator.statistics.rhs_evaluations
        integrator.destroy()
        error = 0.0 if self.reference is None else np.linalg.norm(u - self.reference) / np.linalg.norm(self.reference)
        return u, float(error), count, seconds


def curves_of(problem, methods, times, most):
    """Points (rtol, error, right-hand sides, seconds) of each method, from loose to tight, up to `most` right-hand sides."""
    curves, going = {method: [] for method in methods}, list(methods)
    for exponent in range(2, 13):
        rounds = [{method: problem.run(method, 10.0**-exponent)[1:] for method in going} for _ in range(times)]
        for method in list(going):
            error, count = rounds[0][method][:2]
            if error < WORST:
                curves[method].append((10.0**-exponent, error, count, min(runs[method][2] for runs in rounds)))
            if error < BEST or count > most:
                going.remove(method)
    return curves


def at(points, error, column):
    """Work (column 2: right-hand sides, 3: seconds) at an error, on the straight line between points; None outside."""
    import numpy as np

    errors = np.log([point[1] for point in points])[::-1]
    if len(points) < 2 or not errors[0] - 1.2 <= np.log(error) <= errors[-1] + 1.2:
        return None
    order = np.argsort(errors)
    return float(np.exp(np.interp(np.log(error), errors[order], np.log([point[column] for point in points])[::-1][order])))


def table(curves, column, form):
    """Rows of a Markdown table: work of each method at errors 1e-3, 1e-5, ..."""
    errors = [10.0**-n for n in (3, 5, 7, 9, 11)]
    lines = ["| method | " + " | ".join(f"{error:.0e}" for error in errors) + " |", "| --- |" + " --- |" * len(errors)]
    for method, points in curves.items():
        work = [at(points, error, column) for error in errors]
        lines.append(f"| `{method}` | " + " | ".join("" if value is None else form.format(value) for value in work) + " |")
    return "\n".join(lines)


def draw(name, title, curves):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.8), sharey=True, constrained_layout=True)
    for panel, column, label in zip(panels, (2, 3), ("right-hand sides (or flows)", "seconds of the time loop")):
        for method, points in curves.items():
            panel.loglog([p[column] for p in points], [p[1] for p in points], "o-", ms=3, lw=1, label=method)
        panel.set_xlabel(label)
        panel.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        panel.xaxis.set_minor_formatter(ticker.NullFormatter())
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("error of the fields, 2-norm, relative")
    panels[0].legend(fontsize=7, ncols=2)
    figure.suptitle(title, fontsize=10)
    path = ROOT / "docs" / "images" / f"work_precision_{name}.png"
    figure.savefig(path, dpi=120)
    print(f"figure {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", choices=tuple(PROBLEMS), action="append", help="default: all of them")
    parser.add_argument("--methods", default=",".join(METHODS), help="comma-separated")
    parser.add_argument("--times", type=int, default=1, help="runs of each point, of which the fastest counts")
    parser.add_argument("--most", type=int, default=12000, help="right-hand sides after which a method gives up")
    parser.add_argument("--json", metavar="FILE", help="write the points to a file as well")
    parser.add_argument("--no-figures", action="store_true")
    arguments = parser.parse_args()
    results = {}
    for name in arguments.problem or PROBLEMS:
        problem = Problem(name)
        methods = arguments.methods.split(",")
        curves = results[name] = curves_of(problem, methods, arguments.times, arguments.most)
        for method in methods:
            for rtol, error, count, seconds in curves[method]:
                print(f"{name} {method:5s} rtol {rtol:.0e} error {error:.2e} rhs {count} {seconds:.3f} s", flush=True)
        print(f"\n{problem.title}: right-hand sides\n\n{table(curves, 2, '{:.0f}')}")
        print(f"\n{problem.title}: seconds\n\n{table(curves, 3, '{:.2f}')}\n")
        if not arguments.no_figures:
            draw(name, problem.title, curves)
        problem.simulation.close()
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

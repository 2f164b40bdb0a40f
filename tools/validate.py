#!/usr/bin/env python3
"""The published problems, run anew: this code's numbers beside those that others published.

    python tools/validate.py                         all, some minutes
    python tools/validate.py --quick                 those that take seconds
    mpirun -n 2 python tools/validate.py multi_angle
    python tools/validate.py code_comparison --run runs/code_comparison --figure code_comparison.png

A number agrees if it differs from the published one by no more than the tolerance. Exit code 0 if all do, 1 if not.
"""

import argparse
import contextlib
import io
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nuflux_mpi  # noqa: E402  (prepares the environment before numpy is loaded)
from nuflux_mpi.runtime import environment  # noqa: E402


def main(words=None):
    """Run the problems named in `words` (default: the command line) and return the exit code. Collective."""
    from mpi4py import MPI

    from nuflux_mpi.validation.published import PROBLEMS

    comm, failed = MPI.COMM_WORLD, 0
    with contextlib.ExitStack() as silence:
        if comm.rank:  # a mistake is told once
            silence.enter_context(contextlib.redirect_stderr(io.StringIO()))
            silence.enter_context(contextlib.redirect_stdout(io.StringIO()))
        arguments = parse(words, PROBLEMS)
    options = {"run": arguments.run} if arguments.run else {}
    names = arguments.name or [name for name, problem in PROBLEMS.items() if problem.quick or not arguments.quick]
    for name in names:
        begun = time.perf_counter()
        rows = list(PROBLEMS[name].rows(comm, **options))
        failed += sum(not row.passed for row in rows)
        if comm.rank == 0:
            table = markdown if arguments.markdown else text
            print("\n".join(table(name, PROBLEMS[name], rows, time.perf_counter() - begun)), flush=True)
    if comm.rank == 0:
        if arguments.figure:
            draw_code_comparison(arguments.run, arguments.figure)
        print(f"\n{failed} number(s) disagree" if failed else "\nall numbers agree")
    return 1 if failed else 0


def parse(words, problems):
    """Arguments of the command line; ends with 2 and a sentence if they do not fit together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Problems: " + ", ".join(problems))
    parser.add_argument("name", nargs="*", help="problems to run (default: all)")
    parser.add_argument("--quick", action="store_true", help="only problems that take seconds")
    parser.add_argument("--markdown", action="store_true", help="tables for docs/validation.md")
    parser.add_argument("--run", metavar="DIR", help="code_comparison: take the results of this run directory")
    parser.add_argument("--figure", metavar="FILE", help="code_comparison: draw growth and flavor of that run")
    arguments = parser.parse_args(words)
    for name in arguments.name:
        if name not in problems:
            parser.error(f"{name} is not one of {', '.join(problems)}")
    if arguments.run and arguments.name != ["code_comparison"]:
        parser.error("--run belongs to the problem code_comparison alone")
    if arguments.figure and not arguments.run:
        parser.error("--figure needs the results of a run, --run DIR")
    if arguments.run:
        try:
            arguments.run = nuflux_mpi.Run(arguments.run)
        except nuflux_mpi.InputError as error:
            parser.error(str(error))
    return arguments


def text(name, problem, rows, seconds):
    """Lines of the table for the terminal."""
    width = max(len(row.quantity) for row in rows)
    yield f"\n{name}: {problem.title} ({problem.source}), {seconds:.0f} s"
    yield f"  {'':{width}s} {'published/exact':>18s} {'ours':>18s} {'difference':>11s} {'tolerance':>10s}"
    for row in rows:
        yield (
            f"  {row.quantity:{width}s} {row.expected:18.12g} {row.ours:18.12g} {row.difference:11.1e} "
            f"{row.tolerance:10.2g} {'' if row.passed else 'DISAGREES'}"
        ).rstrip()


def markdown(name, problem, rows, seconds):
    """Lines of the same table for docs/validation.md, without the time it took."""
    yield f"\n### {name}\n\n| quantity | published or exact | ours | difference | tolerance |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        quantity = row.quantity.replace("|", "\\|")
        yield f"| {quantity} | {row.expected:.12g} | {row.ours:.12g} | {row.difference:.1e} | {row.tolerance:.2g} |"


def draw_code_comparison(run, path):
    """Growth of coherence beside the eigenvalue's, and what is left of nu_e in each direction; a PNG or PDF file."""
    import numpy as np

    from nuflux_mpi.physics.angular import crossings
    from nuflux_mpi.plots import style
    from nuflux_mpi.validation import published

    with style.style():
        figure = style.new_figure(height=3.4)
        growth, survival = figure.subplots(1, 2)
        t, size = run.series["spectrum_time"], published.coherence(run)
        _, gamma, _ = published.LinearPhase.of(run).fastest()
        fit = np.argmax(size > 1e-3)
        growth.semilogy(t, size, color=style.BLUE, label="this run")
        growth.semilogy(
            t[: fit + 1],
            size[fit] * np.exp(gamma * (t[: fit + 1] - t[fit])),
            "--",
            color=style.VERMILLION,
            label=rf"linear theory, $\gamma = {gamma:.5f}$",
        )
        growth.set(xlabel=style.TIME_LABEL, ylabel=r"coherence $\langle|\psi|^2\rangle^{1/2}$", ylim=(size.min() / 3, 3))
        growth.legend(loc="lower right")
        v = run.series["v"]
        survival.plot(v, published.late_survival(run), color=style.BLUE)
        survival.axvline(crossings(run.config["modes"])[0], color=style.GREY, linestyle=":", label="crossing of $G(v)$")
        survival.axhline(0.5, color=style.GREY, linewidth=0.7)
        survival.set(xlabel="direction $v$", ylabel=r"late $P_{ee}(v)$, box average", xlim=(-1, 1), ylim=(0, 1.05))
        survival.legend(loc="lower left")
        style.finished(figure, run, path)


if __name__ == "__main__":
    environment.install_excepthook()
    sys.exit(main())

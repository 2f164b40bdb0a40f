"""Linear theory of all pairs of flavors of a case, for `python -m nuflux_mpi linear`: one report, one set of tables.

Each pair has a `linear_report.Result` of its own, as pairs do not see each other at linear order. Of two flavors there is one.
"""

from __future__ import annotations

import numpy as np

from ..theory import linear
from . import linear_report
from .linear_report import Result


def solve(problems, k=None, span=None, continuous=False, method="auto") -> list[Result]:
    """A Result for each Problem; arguments as of `linear_report.wave_numbers` and `linear_report.solve`."""
    return [
        linear_report.solve(problem, linear_report.wave_numbers(problem, k, span, continuous), method) for problem in problems
    ]


def fastest_first(results) -> list[Result]:
    """Those in which something grows, by falling growth rate."""
    growing = [result for result in results if result.fastest is not None]
    return sorted(growing, key=lambda result: -result.fastest.omega.imag)


def report(results: list[Result]) -> str:
    """The whole as text."""
    first = results[0].problem
    if not first.several:
        return linear_report.report(results[0])
    text = [f"{first.config.name}: {first.config.title}", *linear_report.of_level(first), *of_basis(first)]
    rows = linear_report.TABLE_ROWS // len(results)
    for result in results:
        problem = result.problem
        text += ["", f"  {problem.pair_name}", *linear_report.of_modes(problem), *linear_report.of_waves(result)]
        text += linear_report.of_result(result, rows) if result.fastest else ["  nothing grows"]
    growing = fastest_first(results)
    if growing:
        text += ["", *_summary(growing), *degenerate(results), *linear_report.advice_lines(growing[0])]
    return "\n".join([*text, *linear_report.seed_lines(first)])


def of_basis(problem) -> list[str]:
    """Lines about the flavors that take the place of mu and tau, if any do."""
    if problem.state.basis is None:
        return []
    (a, b), (c, d) = np.abs(problem.state.basis)
    return [
        "  basis        mu and tau are alike in every mode, and mixing joins them: mu stands for the combination with "
        f"{a:.3g} mu and {c:.3g} tau,",
        f"               tau for that with {b:.3g} mu and {d:.3g} tau (sizes of amplitudes), which do not see each other",
    ]


def _summary(growing):
    lines = [f"  {'pair':<8} {'fastest k':>12} {'gamma':>14} {'Re omega':>14}"]
    for result in growing:
        wave = result.fastest
        real = round(wave.omega.real, 10) + 0.0  # no "-0"
        lines.append(f"  {result.problem.pair_name:<8} {wave.k:>12.6f} {wave.omega.imag:>14.10f} {real:>14.10f}")
    return lines


def degenerate(results) -> list[str]:
    """A line for each two pairs that obey the same equation."""
    lines = []
    for i, one in enumerate(results):
        for other in results[i + 1 :]:
            if same(one.problem.background, other.problem.background):
                names = f"{one.problem.pair_name} and {other.problem.pair_name}"
                lines.append(f"  degenerate   {names} obey the same equation: any combination of them grows alike")
    return lines


def same(one: linear.Background, other: linear.Background) -> bool:
    """Whether two pairs have one matrix, to rounding, and polarization at all."""
    if not one.size or one.coupling is not None or other.coupling is not None:
        return False
    scale = max(one.size, np.abs(one.shift).max())
    return all(np.allclose(a, b, rtol=0, atol=1e-12 * scale) for a, b in ((one.q, other.q), (one.shift, other.shift)))


def tables(results: list[Result]) -> dict[str, list]:
    """Rows of linear.csv and eigenvector.csv as in `linear_report.tables`; of three flavors the pair is their first column."""
    found = [linear_report.tables(result) for result in results]
    if not results[0].problem.several:
        return found[0]
    joined = {}
    for name, (heading, *_) in found[0].items():
        rows = [[result.problem.pair_name, *row] for result, one in zip(results, found) for row in one[name][1:]]
        joined[name] = [["pair", *heading], *rows]
    return joined

"""Linear theory of a box of two or three dimensions before it runs, for `python -m nuflux_mpi linear`.

The eigenvalue problem of `linear` for the wave vectors that the box carries: all of them, or those of the largest cube
around k = 0 that is affordable. Rates are those of the directions of the run; whether finer angular grids have these waves too
is not judged. No ranks, no MPI.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..box.axes import AXES
from ..errors import InputError
from ..physics.modes import shown
from ..theory import growth_curve, linear
from . import linear_pairs
from .linear_problem import Problem
from .linear_report import MOST_OPERATIONS, MOST_WAVES, TABLE_ROWS, of_modes, seed_lines

MOST_FOLLOWED = 4e5  # modes times waves whose roots are followed: some ten seconds


@dataclass(frozen=True, eq=False)
class Lattice:
    """n: harmonics solved for (waves, axes); k: their wave vectors; omega: the fastest growing root of each, complex (waves,).

    whole: whether they are all that the grid carries.
    """

    problem: Problem
    n: np.ndarray
    k: np.ndarray
    omega: np.ndarray
    whole: bool

    @property
    def growing(self):
        """Indices of the waves that grow, the fastest first; the first of equals in the order of n."""
        rates = self.omega.imag
        slowest = linear.ROUND_OFF * self.problem.background.size
        return [i for i in np.lexsort((*self.n.T[::-1], -np.round(rates / slowest))) if rates[i] > slowest]


def solve(problem):
    """The Lattice of a problem. InputError for more modes than a matrix can have, where there is no dispersion relation."""
    box, count, background = problem.config.box, len(problem), problem.background
    followed = growth_curve.follows(background)
    highest = [(N - 1) // 2 for N in box.shape]
    most = MOST_FOLLOWED / count if followed else min(MOST_WAVES, MOST_OPERATIONS / count**3)
    reach = max(highest)
    while reach > 1 and np.prod([2 * min(h, reach) + 1 for h in highest], dtype=float) > most:
        reach -= 1
    if count > linear.DENSE_LIMIT and not followed:
        raise InputError(
            f"linear: {count} modes make too large a matrix (at most {linear.DENSE_LIMIT} in a box of "
            f"{len(highest)} dimensions); choose a smaller modes.number or modes.azimuths."
        )
    n = np.array(list(itertools.product(*[range(-min(h, reach), min(h, reach) + 1) for h in highest])))
    k = 2 * np.pi * n / box.lengths
    omega = growth_curve.Followed(background).fastest(k) if followed else linear.spectrum(k, *background)[:, 0]
    return Lattice(problem, n, k, omega, reach >= max(highest))


def report(lattices):
    """The whole as text, of the lattices of all pairs of flavors."""
    first = lattices[0].problem
    text = [f"{first.config.name}: {first.config.title}"]
    if not first.several:
        text += _of_lattice(lattices[0], TABLE_ROWS)
        return "\n".join(text + (seed_lines(first) if lattices[0].growing else []))
    for lattice in lattices:
        text += ["", f"  {lattice.problem.pair_name}", *_of_lattice(lattice, TABLE_ROWS // len(lattices))]
    return "\n".join([*text, "", *linear_pairs.degenerate(lattices), *seed_lines(first)])


def _of_lattice(lattice, rows):
    problem, config = lattice.problem, lattice.problem.config
    count, background = len(problem), problem.background
    length = " x ".join(f"{L:g}" for L in config.box.lengths)
    highest = np.linalg.norm(lattice.k, axis=1).max()
    part = "all that the grid carries" if lattice.whole else f"those with harmonics up to {np.abs(lattice.n).max()}"
    text = [
        *of_modes(problem),
        f"  wave vectors {len(lattice.n)}, {part}, up to |k| = {highest:.6g}, box of length {length}",
        f"  method       {'roots of dispersion relations' if growth_curve.follows(background) else 'eigenvalues'} of {count} "
        f"{'modes, followed from wave to wave' if growth_curve.follows(background) else f'x {count} matrices'}",
    ]
    growing = lattice.growing
    if not growing:
        return [*text, "  nothing grows"]
    text += ["", *_table(lattice, growing, rows), ""]
    first = growing[0]
    omega = lattice.omega[first]
    real = round(omega.real, 10) + 0.0  # no "-0", and no rounding of a zero
    text.append(f"  fastest      k = {shown(lattice.k[first], 8)}, gamma = {omega.imag:.10g}, Re omega = {real:.10g}")
    if count <= 8:
        omega, psi = linear.eigenvector(lattice.k[first], *background)
        text.append(f"  its psi_a    {', '.join(f'{value:.6f}' for value in psi)}")
    reach = np.linalg.norm(lattice.k[growing], axis=1).max()
    text.append(f"  growing      {len(growing)} of them, up to |k| = {reach:.6g}")
    edge = np.abs(lattice.n).max(axis=0)
    if np.any(np.abs(lattice.n[growing]) == edge):
        text.append(
            "  beyond       growth reaches the last of these waves: two directions grow across their difference at any |k|"
        )
    return text


def _table(lattice, growing, most):
    rows = growing[:most]
    width = max(len(shown(lattice.k[i])) for i in rows)
    lines = [f"  {'k':>{width}} {'gamma':>14} {'Re omega':>14}  n"]
    for i in rows:
        gamma, real = lattice.omega[i].imag, round(lattice.omega[i].real, 10) + 0.0  # no "-0"
        lines.append(f"  {shown(lattice.k[i]):>{width}} {gamma:>14.10f} {real:>14.10f}  {lattice.n[i].tolist()}")
    if len(rows) < len(growing):
        lines.append(f"  (the fastest {len(rows)} of {len(growing)} growing waves; --out writes all)")
    return lines


def tables(lattices) -> dict[str, list]:
    """Rows of linear.csv, every growing wave, the fastest of each pair first, with their heading; three flavors: with the pair."""
    names = AXES[lattices[0].n.shape[1]]
    heading = [*(f"n_{name}" for name in names), *(f"k_{name}" for name in names), "gamma", "omega"]
    rows = []
    for lattice in lattices:
        pair = [lattice.problem.pair_name] if lattice.problem.several else []
        for i in lattice.growing:
            omega = lattice.omega[i]
            rows.append([*pair, *lattice.n[i].tolist(), *lattice.k[i].tolist(), float(omega.imag), float(omega.real)])
    return {"linear.csv": [["pair"] * lattices[0].problem.several + heading, *rows]}

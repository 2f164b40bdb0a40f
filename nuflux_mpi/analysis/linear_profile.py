"""Linear theory of a case whose background varies in space, such as matter with a profile, for `python -m nuflux_mpi linear`.

All waves of the box are coupled, and an eigenmode is a function of the whole box: see `theory.profile`. No ranks, no MPI.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..box.axes import AXES
from ..physics import eigenmode
from ..physics.modes import shown
from ..theory import linear, profile
from . import linear_lattice, linear_pairs
from .linear_problem import Problem
from .linear_report import TABLE_ROWS, of_level, of_modes, seed_lines


@dataclass(frozen=True, eq=False)
class InProfile:
    """problem: of one pair of flavors; found: its eigenmodes; of a pair that no profile reaches, single waves."""

    problem: Problem
    found: profile.Found

    @cached_property
    def growing(self) -> np.ndarray:
        """Indices of the roots that grow, the fastest first."""
        return np.flatnonzero(self.found.omega.imag > linear.ROUND_OFF * self.problem.background.size)

    @cached_property
    def k(self) -> list[np.ndarray]:
        """Wave numbers along each axis, in the order of `found.waves`."""
        lengths = self.problem.config.box.lengths
        return [2 * np.pi / L * n for L, n in zip(lengths, profile.harmonics(self.found.points))]

    def of_waves(self, root: int) -> tuple[np.ndarray, float]:
        """(mean wave vector (axes,), root mean square distance from it) of an eigenmode, weighted with the power of its waves."""
        power = np.sum(np.abs(self.found.waves[root]) ** 2, axis=0)
        power = power / power.sum()
        grid = np.stack(np.meshgrid(*self.k, indexing="ij"))
        mean = np.sum(power * grid, axis=tuple(range(1, grid.ndim)))
        apart = np.sum((grid - mean.reshape(-1, *[1] * power.ndim)) ** 2, axis=0)
        least = 1e-9 * 2 * np.pi / max(self.problem.config.box.lengths)  # of a spacing of wave numbers: rounding
        width = float(np.sqrt(np.sum(power * apart)))
        return np.where(np.abs(mean) > least, mean, 0.0), width if width > least else 0.0


def solve(problems) -> list[InProfile]:
    """The eigenmodes of each Problem. InputError for too many unknowns."""
    return [
        InProfile(
            problem, _waves(problem) if problem.state.profile is None else eigenmode.in_box(problem.config, problem.state)
        )
        for problem in problems
    ]


def _waves(problem):
    """The fastest single waves of a pair that no profile reaches, such as mu tau in matter, as eigenmodes in the box."""
    if problem.config.box.dimensions > 1:
        lattice = linear_lattice.solve(problem)
        chosen = [(tuple(lattice.n[i]), *linear.eigenvector(lattice.k[i], *problem.background)) for i in lattice.growing]
    else:
        (result,) = linear_pairs.solve([problem])
        waves = sorted(result.waves, key=lambda wave: -wave.omega.imag)
        chosen = [((int(np.rint(wave.k / problem.step)),), wave.omega, wave.psi) for wave in waves]
    chosen = chosen[: profile.ROOTS]
    reach = np.abs([n for n, _, _ in chosen]).max(axis=0, initial=0) if chosen else np.zeros(problem.config.box.dimensions)
    points = tuple(2 * int(highest) + 1 for highest in reach)
    waves = np.zeros((len(chosen), len(problem), *points), dtype=complex)
    for i, (n, _, psi) in enumerate(chosen):
        waves[(i, slice(None), *n)] = psi  # n < 0 counts from the end, as in a transform
    psi = np.fft.ifftn(waves, axes=range(2, waves.ndim)) * np.prod(points)
    omega = np.array([root for _, root, _ in chosen], dtype=complex)
    slowest = omega[-1].imag if len(omega) else linear.ROUND_OFF * problem.background.size
    return profile.Found(omega, psi, False, float(slowest))


def report(results: list[InProfile]) -> str:
    """The whole as text."""
    first = results[0].problem
    text = [f"{first.config.name}: {first.config.title}", *of_level(first)]
    for result in results:
        if first.several:
            text += ["", f"  {result.problem.pair_name}"]
        text += _of_pair(result, TABLE_ROWS // len(results))
    same = linear_pairs.degenerate(results) if all(_alike(results[0], other) for other in results) else []
    return "\n".join([*text, *same, *seed_lines(first)])


def _alike(one, other):
    profiles = (one.problem.state.profile, other.problem.state.profile)
    return all(each is not None for each in profiles) and np.allclose(*profiles)


def _of_pair(result, rows):
    problem, found = result.problem, result.found
    count, waves = len(problem), int(np.prod(found.points))
    text = [*of_modes(problem), *_of_profile(problem)]
    where = f"{count} modes x {waves} waves"
    if problem.state.profile is None:
        text.append(f"  method       eigenvalues of {count} x {count} matrices, the fastest {len(found.omega)} waves")
    elif found.all_roots:
        text.append(f"  method       eigenvalues of {where}, all at once")
    else:
        text.append(f"  method       Krylov spaces of {where}; what grows slower than {found.slowest:.3g} may be missing")
    if not result.growing.size:
        return [*text, "  nothing grows" + ("" if found.all_roots else f" faster than {found.slowest:.3g}")]
    text += ["", f"  {'root':>6} {'gamma':>14} {'Re omega':>14}  {'spread in k':>12}  mean k"]
    for root in result.growing[:rows]:
        mean, width = result.of_waves(root)
        real = round(found.omega[root].real, 10) + 0.0  # no "-0"
        text.append(f"  {root:>6} {found.omega[root].imag:>14.10f} {real:>14.10f}  {width:>12.4g}  {_in_words(mean)}")
    if len(result.growing) > rows:
        text.append(f"  (the fastest {rows} of {len(result.growing)} growing eigenmodes; --out writes all)")
    omega = found.omega[result.growing[0]]
    real = round(omega.real, 10) + 0.0
    return [*text, "", f"  fastest      gamma = {omega.imag:.10g}, Re omega = {real:.10g}"]


def _of_profile(problem):
    state = problem.state
    if state.profile is None:
        return ["  profile      none reaches this pair: its waves are single ones"]
    values = np.reshape(state.profile, (len(state.profile), -1))
    shift = -(values[0] - problem.background.directions @ values[1:])
    return [
        f"  profile      shifts the frequencies by {shift.min():.6g} to {shift.max():.6g} over the box, {shift.mean():.6g} in the mean"
    ]


def _in_words(k):
    return f"{k[0]:.6g}" if len(k) == 1 else shown(k)


def tables(results: list[InProfile]) -> dict[str, list]:
    """Rows of linear.csv, every growing eigenmode, and eigenvector.csv, the waves of the fastest, with their headings."""
    several = results[0].problem.several
    names = AXES[results[0].problem.config.box.dimensions]
    axes = ["k"] if len(names) == 1 else [f"k_{name}" for name in names]
    rows, vectors = [], []
    for result in results:
        pair = [result.problem.pair_name] * several
        for root in result.growing:
            mean, width = result.of_waves(root)
            omega = result.found.omega[root]
            rows.append([*pair, int(root), float(omega.imag), float(omega.real), *mean.tolist(), width])
        vectors += [[*pair, *row] for row in _vector(result)]
    heading = ["root", "gamma", "omega", *axes, "spread"]
    columns = ["mode", "v", "sign", "zeta", *axes, "psi_real", "psi_imag"]
    if len(names) > 1:
        columns[1:2] = [f"v_{name}" for name in names]
    return {"linear.csv": [["pair"] * several + heading, *rows], "eigenvector.csv": [["pair"] * several + columns, *vectors]}


def _vector(result):
    """Rows of the fastest eigenmode: mode, velocity, sign, q, wave vector, coefficient."""
    if not result.growing.size:
        return []
    background, waves = result.problem.background, result.found.waves[result.growing[0]]
    order = [np.argsort(k, kind="stable") for k in result.k]
    rows = []
    for a, one in enumerate(waves):
        of_mode = [a, *linear.velocities(background.v)[a].tolist(), float(background.s[a]), float(background.q[a])]
        for place in np.ndindex(*one.shape):
            index = tuple(int(along[i]) for along, i in zip(order, place))
            k = [float(along[i]) for along, i in zip(result.k, index)]
            rows.append([*of_mode, *k, float(one[index].real), float(one[index].imag)])
    return rows

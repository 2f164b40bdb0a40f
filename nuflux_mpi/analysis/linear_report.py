"""Linear theory of one pair of flavors before a run, for `python -m nuflux_mpi linear`: table, advice, what a picture needs.

Works on a `linear_problem.Problem`: no ranks, no MPI, no PETSc. Several pairs are put together by `linear_pairs`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..physics.modes import shown
from ..theory import growth_curve, linear
from . import crossings, unseeded
from .linear_problem import Problem

# Sums over waves of modes^3 operations: a second or two.
MOST_OPERATIONS = 3e8
# With more modes the dispersion relation is taken, if the user does not insist: with 1000 it is some ten times quicker.
MOST_DENSE = 300
MOST_WAVES = 2**17  # at about 0.2 ms each
CONTINUOUS_POINTS = 201  # wavenumbers of a --range off the box's lattice
# What a box is to hold: wavelengths of the fastest wave, wavenumbers in the unstable range, and multiples of its edge
# for what the waves make of each other (two_beam with N = 512 has 8 such multiples; its spectral_tail stays below 1e-4).
WAVELENGTHS, WAVES_IN_BAND, CASCADE = 8, 10, 8
TABLE_ROWS = 24


# ---- which wavenumbers ----------------------------------------------------------------------------------------------


def wave_numbers(problem, k=None, span=None, continuous=False):
    """Wavenumbers to solve for, ascending.

    k: chosen ones; span: (k1, k2), all of the box between them; neither: all of the box that matter. continuous: take k
    as they are and an even scan of the span, whatever the box. InputError for a k that the box does not have, that is not
    finite, and for more than MOST_WAVES of them.
    """
    given = [*(k or ()), *(span or ())]
    if not np.isfinite(given).all():
        raise InputError("linear: --k and --range take finite numbers.")
    chosen = _chosen(problem, k, span, continuous)
    if len(chosen) > MOST_WAVES:
        raise InputError(
            f"linear: {len(chosen)} wavenumbers of the box are to be solved for, at most {MOST_WAVES} can be; "
            "choose some with --k or --range, or fewer box.points."
        )
    return chosen


def _chosen(problem, k, span, continuous):
    lattice = problem.step * problem.harmonics
    if continuous:
        if k is None and span is None:
            raise InputError("linear: --continuous needs --k or --range.")
        return np.unique(k or ()) if span is None else np.linspace(min(span), max(span), CONTINUOUS_POINTS)
    if k is not None:
        return np.unique([_on_lattice(problem, value) for value in k])
    if span is not None:
        low, high = sorted(span)
        inside = lattice[(lattice >= low) & (lattice <= high)]
        if not inside.size:
            raise InputError(
                f"linear: the box has no wavenumber in --range {low:g} {high:g}; they are {problem.step:.6g} "
                f"apart and end at {lattice[-1]:.6g} (see --continuous)."
            )
        return inside
    if lattice.size * len(problem) ** 3 <= MOST_OPERATIONS:
        return lattice
    chosen = linear.scanned(lattice, len(problem))
    growing = chosen[growth_curve.rates_of(*problem.background)(chosen) > linear.SLOWEST * problem.background.size]
    if not growing.size:
        return chosen
    margin = max(growing[-1] - growing[0], 8 * problem.step) / 4
    return np.union1d(chosen, lattice[(lattice > growing[0] - margin) & (lattice < growing[-1] + margin)])


def _on_lattice(problem, k):
    """The wavenumber of the box that k stands for, up to a thousandth of their distance."""
    number = k / problem.step
    nearest = int(np.rint(number))
    if abs(number - nearest) > 1e-3 or abs(nearest) > problem.harmonics[-1]:
        ends = problem.harmonics[[0, -1]]
        below, above = (problem.step * int(np.clip(side(number), *ends)) for side in (np.floor, np.ceil))
        raise InputError(
            f"linear: k = {k:g} is not a wavenumber of a box of length {problem.config.box.length:g} with "
            f"{problem.config.box.points} points; the nearest are {below:.8g} and {above:.8g} "
            "(--continuous takes any k)."
        )
    return problem.step * nearest


# ---- solving --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Wave:
    """A growing wave: wavenumber, complex frequency, psi (modes,), bins within its line (inf for beams)."""

    k: float
    omega: complex
    psi: np.ndarray
    line_width: float

    @property
    def kind(self):
        return "collective" if self.line_width >= 1 else "continuum"


@dataclass(frozen=True, eq=False)
class Result:
    """k: all wavenumbers solved, ascending; waves: the growing ones, by k and then by falling growth rate."""

    problem: Problem
    method: str
    k: np.ndarray
    waves: list

    @cached_property
    def collective(self):
        """The fastest collective wave of each k that has one."""
        chosen = {}
        for wave in self.waves:
            if wave.kind == "collective":
                chosen.setdefault(wave.k, wave)
        return list(chosen.values())

    @property
    def fastest(self):
        """The fastest collective wave; without one the fastest of all; None if nothing grows."""
        waves = self.collective or self.waves
        most = max((wave.omega.imag for wave in waves), default=0.0)
        # Of equals that of the longest wave: modes at rest have the same rate at any k.
        return min(
            (wave for wave in waves if wave.omega.imag >= most * (1 - 1e-12)), key=lambda wave: abs(wave.k), default=None
        )


def solve(problem, k, method="auto"):
    """All growing waves at the wavenumbers k; method as in `linear.growing`. InputError for too many modes for a matrix."""
    count, background = len(problem), problem.background
    if method == "dense" and count > linear.DENSE_LIMIT:
        raise InputError(
            f"linear: {count} modes make too large a matrix for --method dense (at most {linear.DENSE_LIMIT}); "
            "--method secular, taken by default, solves the dispersion relation instead."
        )
    if method == "auto":
        method = "dense" if count <= min(MOST_DENSE, linear.DENSE_LIMIT) else "secular"
    waves = []
    for q in k:
        for omega, psi in zip(*linear.growing([q], *background, method=method)):
            width = np.inf
            if problem.spacing is not None:
                width = linear.line_width(omega, [q], problem.spacing, *background)
            waves.append(Wave(float(q), complex(omega), psi, width))
    return Result(problem, method, np.asarray(k), waves)


# ---- what the problem asks for --------------------------------------------------------------------------------------


def advice(result):
    """(length, points) that hold the unstable waves; None if nothing grows collectively, or k = 0 alone.

    length: WAVELENGTHS of the fastest wave and WAVES_IN_BAND wavenumbers in the unstable range; points: a power of two
    that carries CASCADE times the largest growing k in that length.
    """
    waves = result.collective
    if not waves:
        return None
    k = np.array([wave.k for wave in waves])
    longest = 2 * np.pi / abs(result.fastest.k) if result.fastest.k else 0.0
    width = max(np.ptp(k), np.diff(result.k).min(initial=np.inf) if len(result.k) > 1 else 0.0)
    length = max(WAVELENGTHS * longest, WAVES_IN_BAND * 2 * np.pi / width if np.isfinite(width) and width else 0.0)
    if not length:
        return None
    points = 2 * CASCADE * np.abs(k).max() * length / (2 * np.pi)
    return length, max(16, 2 ** int(np.ceil(np.log2(points)))) if points else 16


def recurrence(problem, k):
    """Time after which the directions of an angular grid are in phase again for a wave k, 2 pi / (|k + D_1^z| spacing).

    What streams away into ever finer structure in v comes back then: the grid is exhausted. Its widest bin counts; None
    for beams.
    """
    if problem.spacing is None:
        return None
    _, Q1 = linear.moments(*problem.background[:3])
    rate = abs(k + problem.background.strength * Q1[0]) * problem.spacing.max()
    return 2 * np.pi / rate if rate else np.inf


@dataclass(frozen=True, eq=False)
class Predicted:
    """Change of U_osc of two beams over time t while linear: the transverse part (Eq. 12) and the whole, for the seeds.

    t ends where the growing waves hold 1 % of the polarization's norm."""

    t: np.ndarray
    transverse: np.ndarray
    whole: np.ndarray


def predicted(problem):
    """Predicted for the seeds of two beams; None for others, without instability, or without seeds that grow."""
    zeta = problem.two_beams
    if zeta is None:
        return None
    points, length = problem.psi.shape[-1], problem.config.box.length
    plus, minus = np.fft.fft(problem.psi[np.argsort(-problem.v)], axis=-1) / points
    k = 2 * np.pi * np.fft.fftfreq(points, length / points)
    alpha, gamma = linear.growing_amplitude(k, plus, minus, *zeta), linear.two_beam_growth(k, *zeta)
    omega_0 = -sum(zeta)
    power = np.abs(alpha) ** 2 * (np.abs(k + omega_0 + 1j * gamma) ** 2 + np.abs(k - omega_0 - 1j * gamma) ** 2)
    limit = 1e-2 * np.sum(problem.background.q**2)
    if power.sum() < 1e-30 * limit or power.sum() >= limit:
        return None
    low, high = 0.0, np.log(limit / power.sum()) / (2 * gamma[power > 0].min())
    for _ in range(60):
        middle = (low + high) / 2
        grown = np.sum(power * np.exp(np.minimum(2 * gamma * middle, 700)))
        low, high = (middle, high) if grown < limit else (low, middle)
    t = np.linspace(0, low, 101)
    beams = {"zeta_plus": zeta[0], "zeta_minus": zeta[1], "length": length}
    return Predicted(t, linear.delta_U_transverse(t, k, alpha, **beams), linear.delta_U_whole(t, k, alpha, **beams))


# ---- words and files ------------------------------------------------------------------------------------------------


def report(result):
    """The whole as text, where there is one pair of flavors."""
    problem, config = result.problem, result.problem.config
    text = [f"{config.name}: {config.title}", *of_modes(problem), *of_waves(result), *of_level(problem)]
    if result.fastest is None:
        return "\n".join([*text, "  nothing grows"])
    return "\n".join([*text, "", *of_result(result), *advice_lines(result), *seed_lines(problem), *_prediction_lines(problem)])


def of_modes(problem):
    """Lines about what is linearised about."""
    background, state = problem.background, problem.state
    Q0, Q1 = linear.moments(*background[:3])
    name = {False: ("|P^z|", "D_0^z", "D_1^z" if len(Q1) == 1 else "D_i^z"), True: ("|q|", "Q_0", "Q_1")}[problem.several]
    Q1 = f"{Q1[0]:.6g}" if len(Q1) == 1 else shown(Q1, 6)
    text = [
        f"  modes        {len(problem)}, sum {name[0]} = {np.abs(background.q).sum():.6g}, {name[1]} = {Q0:.6g}, {name[2]} = {Q1}"
    ]
    if background.strength != 1:
        text.append(f"  attenuated   refraction of neutrinos on each other is multiplied by {background.strength:g}")
    shift = np.broadcast_to(background.shift, background.s.shape)
    if shift.any():
        low, high = (f"{value:.6g}" for value in (shift.real.min(), shift.real.max()))
        text.append(f"  shift        of the frequencies by vacuum and matter {low if low == high else f'{low} to {high}'}")
    if np.any(state.mixing):
        sizes = np.abs(np.broadcast_to(state.mixing, background.s.shape))
        text.append(f"  mixing       sin 2theta omega up to {sizes.max():.3g}: it seeds k = 0, and is left out of the matrix")
    return text + crossings.lines(problem.config, problem.modes, 15, problem.index)


def of_waves(result):
    """Lines about what is solved for."""
    length = result.problem.config.box.length
    return [
        f"  wavenumbers  {len(result.k)}, from {result.k[0]:.6g} to {result.k[-1]:.6g}, box of length {length:g}",
        f"  method       {_method(result)}",
    ]


def of_level(problem):
    """A line about what a level has beyond the theory."""
    if problem.config.equations.level != "full":
        return []
    return ['  level        "full": beams of finite width are taken at their sharp directions']


def of_result(result, rows=TABLE_ROWS):
    """Lines: the table of growing waves, the fastest of them, and what is to be known of them; something must grow."""
    problem, fastest = result.problem, result.fastest
    text = [*_table(result, rows), ""]
    real = fastest.omega.real if abs(fastest.omega.real) > 1e-14 * problem.background.size else 0.0
    text.append(
        f"  fastest      k = {fastest.k:.8g}, gamma = {fastest.omega.imag:.10g}, Re omega = {real:.10g}, {fastest.kind}"
    )
    if len(problem) <= 8:
        parts = ", ".join(f"{value:.6f}" for value in fastest.psi)
        text.append(f"  its psi_a    {parts}")
    others = len(result.waves) - sum(wave.kind == "collective" for wave in result.waves)
    if others:
        text.append(
            f"  continuum    {others} of {len(result.waves)} growing waves, with less than one bin of directions in "
            "their line: a finer grid has them otherwise or not at all"
        )
    if problem.two_beams:
        k1, k2 = linear.two_beam_edges(*problem.two_beams)
        worst = max(abs(wave.omega.imag - linear.two_beam_growth(wave.k, *problem.two_beams)) for wave in result.waves)
        text.append(f"  closed form  unstable for {k1:.8g} < k < {k2:.8g}; differs from the eigenvalues by {worst:.0e} at most")
    return text


def _method(result):
    count = len(result.problem)
    if result.method == "dense":
        return f"eigenvalues of {count} x {count} matrices"
    slowest = linear.SLOWEST * result.problem.background.size
    return f"dispersion relation of {count} modes, growth faster than {slowest:.3g}"


def _table(result, rows):
    waves = result.waves
    some = waves[:: -(-len(waves) // rows)]
    lines = [f"  {'k':>12} {'gamma':>14} {'Re omega':>14}  {'wave':<11} bins in its line"]
    for wave in some:
        bins = f"{wave.line_width:.2f}" if np.isfinite(wave.line_width) else "-"
        real = round(wave.omega.real, 10) + 0.0  # no "-0"
        lines.append(f"  {wave.k:>12.6f} {wave.omega.imag:>14.10f} {real:>14.10f}  {wave.kind:<11} {bins}")
    if len(some) < len(waves):
        lines.append(f"  ({len(some)} of {len(waves)} growing waves; --out writes all)")
    return lines


def advice_lines(result):
    problem, box, end = result.problem, result.problem.config.box, result.problem.config.time.end
    lines, asked = [], advice(result)
    if asked:
        lines.append(
            f"  asks for     length >= {asked[0]:.4g} ({WAVELENGTHS} of the fastest waves, {WAVES_IN_BAND} "
            f"wavenumbers that grow), with points >= {asked[1]} ({CASCADE} times the largest k)"
        )
        lines.append(f"  has          length = {box.length:g}, points = {box.points}")
    again = recurrence(problem, result.fastest.k)
    if again is not None:
        note = f", before time.end = {end:g}: what was lost among the directions comes back" if again < end else ""
        lines.append(f"  recurrence   of the directions at t = {again:.4g} for the fastest wave{note}")
    return lines


def seed_lines(problem):
    """A line of warning if waves that grow have no seed in the initial state, in any number of dimensions."""
    config = problem.config
    if config.initial.kind == "file":
        length, points = config.box.lengths, config.box.shape
        if len(points) > 1:
            return []  # their spectrum is a matter of the run
        psi2 = np.sum(np.abs(np.fft.fft(problem.psi, axis=-1) / points[0]) ** 2, axis=0)
        k = 2 * np.pi * np.fft.fftfreq(points[0], length[0] / points[0])
        found = unseeded.of_spectrum(config, np.fft.fftshift(k), np.fft.fftshift(psi2), problem.background.q, problem.index)
    else:
        found = unseeded.of_config(config)
    return [f"  warning      {found}"] if found else []


def _prediction_lines(problem):
    found = predicted(problem)
    if found is None:
        return []
    lines = [
        f"  U_osc        change for the seeds of the case, in units of |U_osc(0)|, linear until t = {found.t[-1]:.4g}:",
        f"  {'t':>12} {'transverse (Eq. 12)':>20} {'whole':>14}",
    ]
    unit = abs(np.prod(problem.background.q)) * problem.config.box.length
    for i in (20, 40, 60, 80, 100):
        lines.append(f"  {found.t[i]:>12.4f} {found.transverse[i] / unit:>20.6e} {found.whole[i] / unit:>14.6e}")
    return lines


def tables(result) -> dict[str, list]:
    """Rows of linear.csv (every wave solved) and eigenvector.csv (the fastest one), with their headings, by name."""
    growing = {wave.k for wave in result.waves}
    rows = [[wave.k, wave.omega.imag, wave.omega.real, wave.kind, wave.line_width] for wave in result.waves]
    rows += [[float(k), 0.0, "", "stable", ""] for k in result.k if k not in growing]
    rows.sort(key=lambda row: (row[0], -row[1]))
    v, s, zeta = result.problem.v, result.problem.background.s, result.problem.background.q
    psi = result.fastest.psi if result.fastest else []
    fastest = [[a, *map(float, (v[a], s[a], zeta[a], value.real, value.imag))] for a, value in enumerate(psi)]
    return {
        "linear.csv": [["k", "gamma", "omega", "kind", "line_width"], *rows],
        "eigenvector.csv": [["mode", "v", "sign", "zeta", "psi_real", "psi_imag"], *fastest],
    }


def write(tables: dict[str, list], directory: Path, text: str) -> list[Path]:
    """The report as linear.txt, and tables by their names, in `directory`; -> paths. InputError where they cannot be written."""
    paths = [directory / name for name in ("linear.txt", *tables)]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        paths[0].write_text(text + "\n", encoding="utf-8")
        for path, rows in zip(paths[1:], tables.values()):
            with open(path, "w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
    except OSError as error:
        raise InputError(f"--out: {directory} cannot be written ({error.strerror or error}).") from None
    return paths

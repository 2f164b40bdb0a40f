"""Figures of runs that are resolved in momentum: where the missing energy goes, and what the gradient expansion keeps.

`missing_energy` sets the levels of description side by side, `distribution` shows how the force splits each beam by
flavor, `energy_gained` where in space the neutrinos win or lose, `entropy_order` how fast the drift of the entropy and
of int Tr f^3 falls with the width in momentum. Like those of `plots` they take runs of `results`, return a matplotlib
Figure and, given a path, save it with the provenance of its runs.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm

from .errors import InputError
from .figures import (
    BLUE, FEWEST_SNAPSHOTS, GREEN, GREY, MAP, TIME_LABEL, VERMILLION, energy_unit, finished, label_zero, logarithmic,
    new_figure, saved, say_in, style, thinned, time_range, title_of,
)
from .layout import space_of

MOST_MODES = 4  # rows of a figure; of more modes as many are shown, evenly spread over the velocities
FINE = 8  # points of a curve over q for each of the grid
MOST_MARKS = 64  # grid points that are marked on a curve; more would merge
FEW = 0.01  # part of a beam below which the mean momentum of a flavor is not shown
PURPLE = "#CC79A7"
# Dashes, so that levels that agree are both seen.
LEVEL_STYLES = {"standard": (GREY, "-"), "energy": (VERMILLION, "-"), "momentum": (BLUE, "--"), "full": (GREEN, "-")}
MARKERS = "", "o", "s", "^", "D", "v"  # of the first run of a level, the second, ...

# name: (label, colour, marker, power of 1/width with which the gradient expansion lets it drift)
DRIFTS = {
    "casimir3": (r"Casimir ${\rm Tr}\,f^3$", BLUE, "o", 2),
    "entropy": ("entropy", VERMILLION, "s", 2),
    "fermi_entropy": ("fermionic entropy", PURPLE, "D", 2),
    "casimir3_star": (r"Casimir ${\rm Tr}\,f\star f\star f$", GREEN, "^", 4),
}
FITTED = 3  # exponents are fitted to the widest widths, where the expansion holds


def draw_all(run, directory=None, title=True):
    """Draws the figures that one run allows into `directory` (default: that of the run). Returns the list of paths.

    distribution.png if the momentum distribution was recorded, energy_gained.png if kappa was, often enough for a map.
    InputError for a run in memory without a directory.
    """
    directory = directory or run.directory
    if directory is None:
        raise InputError("A run in memory has no directory of its own: say where its figures go.")
    paths = []
    if len(run.series.get("f_q", ())):
        paths.append(Path(directory) / "distribution.png")
        distribution(run, paths[-1], title)
    alone = len(space_of(run.series)) == 1  # in more dimensions plots_space has maps of it
    if alone and "kappa" in run.fields and len(run.fields["time"]) >= FEWEST_SNAPSHOTS:
        paths.append(Path(directory) / "energy_gained.png")
        energy_gained(run, paths[-1], title)
    return paths


# ---- the missing energy -------------------------------------------------------------------------------------------


def missing_energy(runs, path=None, title=True):
    """The budget of several runs beside each other, and below, over time, how far each is from closing.

    runs: dict label -> run, say of the levels "standard", "energy", "momentum" and "full". Each panel has U_osc, the
    kinetic energy gained K and their sum, in units of |U_osc(0)|; where the densities have a refractive energy of their
    own (U_trace), the sum holds its change. A run without K has U_osc alone, and its residual is the change of that. A
    residual has the color of its level, and runs of one level differ by markers. Runs that do not share title, L and N go
    without the line above the figure. Returns the Figure; InputError without runs, or for one that has written nothing.
    """
    if not runs:
        raise InputError("There are no runs to compare.")
    for label, run in runs.items():
        if not len(run.series["time"]):
            raise InputError(f"The run {label} has written no results yet.")
    with style():
        figure = new_figure(height=5.0)
        grid = figure.add_gridspec(2, len(runs), height_ratios=[3, 2.4])
        residuals = figure.add_subplot(grid[1, :])
        first, drawn = None, Counter()
        for column, (label, run) in enumerate(runs.items()):
            axes = figure.add_subplot(grid[0, column], sharey=first)
            _draw_level(axes, run)
            label, level = label.replace(", ", ",\n", 1), run.config["equations"]["level"]
            axes.set_title(label)
            if first is None:
                first = axes
                axes.set_ylabel("energy" + energy_unit(run)[1])
            else:
                axes.tick_params(labelleft=False)
            _draw_residual(residuals, label, run, MARKERS[drawn[level] % len(MARKERS)])
            drawn[level] += 1
        label_zero(first, np.concatenate([curve.get_ydata() for axes in figure.axes for curve in axes.lines]))
        beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "handlelength": 1.5}
        fullest = max((axes for axes in figure.axes if axes is not residuals), key=lambda axes: len(axes.lines))
        axes.legend(*fullest.get_legend_handles_labels(), **beside)
        logarithmic(residuals, np.ma.concatenate([curve.get_ydata() for curve in residuals.lines]))
        residuals.set_ylabel("residual" + energy_unit(next(iter(runs.values())))[1])
        residuals.set_xlabel(TIME_LABEL)
        residuals.set_xlim(time_range(max((run.series["time"] for run in runs.values()), key=lambda t: t[-1])))
        residuals.set_title("how far the sum has moved from its start")
        residuals.legend(**beside)
        if title and len(titles := {title_of(run) for run in runs.values()}) == 1:
            figure.suptitle(*titles, fontsize=12)
        return saved(figure, runs, path)


def kinetic_energy(series):
    """Kinetic energy gained since the first record, all modes together (time,); None if the run did not follow it."""
    if "K" not in series:
        return None
    K = np.asarray(series["K"])
    K = K.sum(axis=1) if K.ndim > 1 else K
    return K - K[0]


def budget(series):
    """What should be constant (time,): U_osc, kinetic energy gained and change of U_trace, as far as followed."""
    total = np.array(series["U_osc"], dtype=float)
    K = kinetic_energy(series)
    if K is not None:
        total += K
    if "U_trace" in series:
        total += series["U_trace"] - series["U_trace"][0]
    return total


def _draw_level(axes, run):
    unit, _ = energy_unit(run)
    t, K = run.series["time"], kinetic_energy(run.series)
    axes.axhline(0, color=GREY, lw=0.6)
    axes.plot(t, run.series["U_osc"] / unit, color=BLUE, label=r"$U_{\rm osc}$")
    if K is not None:
        axes.plot(t, K / unit, color=VERMILLION, label=r"$K$ gained")
        axes.plot(t, budget(run.series) / unit, color="black", label="sum")
    axes.set_xlim(time_range(t))
    axes.set_xlabel(r"$t\ [1/\mu]$")


def _draw_residual(axes, label, run, marker):
    unit, _ = energy_unit(run)
    total = budget(run.series)
    # A logarithm has no place for the exact zero at the start.
    residual = np.ma.masked_equal(abs(total - total[0]) / unit, 0)
    color, dashes = LEVEL_STYLES[run.config["equations"]["level"]]
    what = label if kinetic_energy(run.series) is not None else f"{label}:\nchange of $U_{{\\rm osc}}$"
    axes.plot(run.series["time"], residual, lw=1.2, color=color, ls=dashes, label=what,
              marker=marker, ms=4.5, mfc="white", markevery=0.1)


# ---- one run --------------------------------------------------------------------------------------------------------


def distribution(run, path=None, title=True):
    """Momentum distribution of each beam over time, nu_e and nu_x apart, and beside it both at the start and the end.

    Box averages per neutrino of the beam: nu_e has (n + P^z)/2, nu_x (n - P^z)/2. The force is a matrix in flavor space
    and pulls flavors apart, as a Stern-Gerlach magnet does spins. Drawn are the functions of q that the run follows, the
    waves through its grid points (`interpolated`); the points themselves are marked at the start and the end. Returns the
    Figure; InputError if the run did not record the distribution.
    """
    if not len(run.series.get("f_q", ())):
        raise InputError(f'The run of level "{run.config["equations"]["level"]}" has no momentum distribution.')
    modes = _shown(run.series)
    with style():
        figure = new_figure(height=1.3 + 2.2 * len(modes))
        grid = figure.add_gridspec(len(modes), 4, width_ratios=[3, 3, 0.12, 1.8])
        for row, mode in enumerate(modes):
            ends = figure.add_subplot(grid[row, 3])
            maps = [figure.add_subplot(grid[row, column], sharey=ends) for column in (0, 1)]
            image = _draw_beam(maps, ends, run.series, mode)
            bar = figure.colorbar(image, cax=figure.add_subplot(grid[row, 2]))
            bar.ax.set_title(r"$[1/\mu]$", fontsize=9)
            maps[0].set_ylabel(r"momentum $q = |p| - p_0\ [\mu]$")
            for axes in maps:
                axes.tick_params(labelleft=axes is maps[0], labelbottom=row == len(modes) - 1)
        for axes in maps:
            axes.set_xlabel(TIME_LABEL)
        ends.set_xlabel(r"per neutrino $[1/\mu]$")
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        return finished(figure, run, path)


def _draw_beam(maps, ends, series, mode):
    """nu_e and nu_x of one beam over t and q, on one scale of colors, and beside them both at the start and the end."""
    t, points = series["time"], series["q"]
    q = points[0] + (points[1] - points[0]) / FINE * np.arange(FINE * len(points))
    f = series["f_q"][:, mode] / series["density"][mode]
    flavors = [(r"$\nu_e$", (f[:, 0] + f[:, 3]) / 2, BLUE), (r"$\nu_x$", (f[:, 0] - f[:, 3]) / 2, VERMILLION)]
    rows = thinned(len(t))
    fine = [interpolated(content[rows], FINE) for _, content, _ in flavors]
    seen, top = _support(fine), max(content.max() for content in fine)
    for axes, over_time, (flavor, content, color) in zip(maps, fine, flavors):
        # The root of the scale shows the flavor that a beam gains from nothing.
        norm = PowerNorm(0.5, vmin=0, vmax=top)
        image = axes.pcolormesh(t[rows], q[seen], over_time[:, seen].T, norm=norm, cmap="magma", **MAP)
        axes.plot(t, _mean(content, points), color="white", lw=1)
        axes.set_title(rf"{flavor}, $v = {series['v'][mode]:+.3g}$, white: mean")
        axes.set_xlim(time_range(t))
        _draw_ends(ends, points, content[[0, -1]], q, seen, flavor, color)
    ends.set_title(f"$t = {t[-1]:g}$ (dotted: $t = {t[0]:g}$)")
    ends.tick_params(labelleft=False)
    ends.set_xlim(left=0)
    ends.set_ylim(q[seen][0], q[seen][-1])
    ends.legend(loc="upper right", handlelength=1.2)
    return image


def _draw_ends(axes, points, content, q, seen, flavor, color):
    """One flavor at the start and the end, (2, points), where q is `seen`: functions on the fine grid q, and the points."""
    marked = (points >= q[seen][0]) & (points <= q[seen][-1])
    marker = "." if np.count_nonzero(marked) <= MOST_MARKS else ""
    start, end = interpolated(content, FINE)
    axes.plot(start[seen], q[seen], color=color, ls=":", lw=1)
    axes.plot(end[seen], q[seen], color=color, label=flavor)
    for values in content:
        axes.plot(values[marked], points[marked], color=color, ls="", marker=marker, ms=3)


def energy_gained(run, path=None, title=True):
    """Energy gained per neutrino, kappa_a / n_a, over time and space, for each beam.

    Returns the Figure; InputError if the run did not store kappa, or too seldom for a map.
    """
    if len(space_of(run.series)) > 1:
        raise InputError("The energy gained over time and z is for boxes of one dimension; plot --what maps has the others.")
    if "kappa" not in run.fields:
        raise InputError(f'Level "{run.config["equations"]["level"]}" stores no kinetic energy density kappa.')
    t, z = np.asarray(run.fields["time"]), np.asarray(run.fields["z"])
    if len(t) < FEWEST_SNAPSHOTS:
        raise InputError(f"Only {len(t)} field snapshots: set output.fields_every for a map of the energy gained.")
    modes, rows, columns = _shown(run.series), thinned(len(t)), thinned(len(z))
    with style():
        figure = new_figure(height=1.2 + 2.3 * len(modes))
        grid = figure.add_gridspec(len(modes), 2, width_ratios=[1, 0.022])
        for row, mode in enumerate(modes):
            axes = figure.add_subplot(grid[row, 0])
            gained = run.fields["kappa"][rows, mode][:, columns] / run.series["density"][mode]
            most = abs(gained).max()
            if most > 0:
                image = axes.pcolormesh(t[rows], z[columns], gained.T, vmin=-most, vmax=most, cmap="RdBu_r", **MAP)
                bar = figure.colorbar(image, cax=figure.add_subplot(grid[row, 1]))
                bar.set_label(r"$\kappa_a/n_a\ [\mu]$")
                bar.ax.set_ylim(min(gained.min(), -0.02 * most), max(gained.max(), 0.02 * most))  # what occurs, and zero
            else:
                say_in(axes, "zero at all times")
                axes.set_yticks([])
            axes.set_title(rf"energy gained per neutrino, $v = {run.series['v'][mode]:+.3g}$")
            axes.set_ylabel(r"position $z\ [1/\mu]$")
            axes.set_xlim(time_range(t))
            axes.tick_params(labelbottom=row == len(modes) - 1)
        axes.set_xlabel(TIME_LABEL)
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        return finished(figure, run, path)


def _shown(series):
    """Indices of the modes to show: all that hold neutrinos, or MOST_MODES of them, from the most forward backwards."""
    occupied = np.flatnonzero(np.asarray(series["density"]) > 0)
    ordered = occupied[np.argsort(-np.asarray(series["v"])[occupied], kind="stable")]
    if len(ordered) <= MOST_MODES:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, MOST_MODES).round().astype(int)]


def interpolated(content, factor):
    """The periodic function through (..., Q) values on a uniform grid, on one `factor` times as fine: (..., factor Q).

    It is the sum of waves that the grid holds, the one at the highest of an even number of points as a cosine: what a run
    of level "momentum" takes derivatives of.
    """
    points = content.shape[-1]
    wave = np.fft.rfft(content)
    if points % 2 == 0:
        wave[..., -1] /= 2  # on the finer grid there are two of it, with either sign of the wavenumber
    return factor * np.fft.irfft(wave, n=factor * points)


def _mean(content, q):
    """Mean momentum over time of one flavor (time, q) -> (time,); masked where less than FEW of the beam has it."""
    part = content.sum(axis=1) * (q[1] - q[0])
    few = part < FEW
    return np.ma.masked_array(content @ q * (q[1] - q[0]) / np.where(few, 1.0, part), few)


def _support(contents):
    """A slice of the momentum axis outside of which there is less than a thousandth of the peak at all times."""
    size = np.max([abs(content).max(axis=0) for content in contents], axis=0)
    inside = np.flatnonzero(size > 1e-3 * size.max())
    return slice(inside[0], inside[-1] + 1) if inside.size else slice(None)


# ---- order of the gradient expansion --------------------------------------------------------------------------------


def entropy_order(widths, drifts, path=None, runs=None):
    """Drift of what the gradient expansion conserves order by order, against the width of the distribution in momentum.

    widths: (n,) in mu. drifts: dict name -> (n,) relative changes over the same problem (of the entropy: per neutrino),
    signs ignored; names in DRIFTS come with the power that theory gives, a line through the widest point. The power of
    the entropies holds where both occupations are positive at the start: from a pure state, whose smaller one is zero,
    the drift falls more slowly, by width^-2 ln(width). Exponents are fitted to the FITTED widest widths. runs: dict
    label -> run, for the provenance in the file. Returns the Figure.
    """
    widths = np.asarray(widths, dtype=float)
    with style():
        figure = new_figure(height=4.6)
        axes = figure.add_subplot()
        for number, (name, drift) in enumerate(drifts.items()):
            label, color, marker, order = DRIFTS.get(name, (name, f"C{number}", "x", None))
            drift = np.abs(np.asarray(drift, dtype=float))
            exponent = fitted_exponent(widths, drift)
            if order is not None:
                widest = int(np.argmax(widths))
                span = np.array([widths.min(), widths.max()])
                axes.plot(span, drift[widest] * (span / widths[widest]) ** -order, color=color, lw=0.9, ls="--")
            theory = rf", theory (dashed) $w^{{-{order}}}$" if order is not None else ""
            label = rf"{label}: $w^{{{exponent:.2f}}}${theory}"
            axes.plot(widths, drift, color=color, marker=marker, mfc="white", ls="", label=label)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(widths, [f"{w:g}" for w in widths])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(r"width in momentum $w\ [\mu]$")
        axes.set_ylabel("relative drift")
        axes.set_title("what the gradient expansion conserves order by order")
        axes.legend()
        return saved(figure, runs or {}, path)


def fitted_exponent(widths, drift):
    """Slope of ln|drift| over ln(width) at the FITTED widest widths; NaN with fewer than two."""
    widths, drift = np.asarray(widths, dtype=float), np.abs(np.asarray(drift, dtype=float))
    widest = np.argsort(widths)[-FITTED:]
    if len(widest) < 2:
        return float("nan")
    return float(np.polyfit(np.log(widths[widest]), np.log(drift[widest]), 1)[0])

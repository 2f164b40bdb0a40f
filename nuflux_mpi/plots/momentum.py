"""Figures of runs that are resolved in momentum: where the missing energy goes, and what the gradient expansion keeps.

`missing_energy` sets the levels of description side by side, `distribution` shows how the force splits each beam by
flavor, `energy_gained` where in space the neutrinos win or lose, `entropy_order` how fast the drift of the entropy and
of int Tr f^3 falls with the width in momentum. Like those of `plots` they take runs of `results`, return a matplotlib
Figure and, given a path, save it with the provenance of its runs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..flavor.algebra import of_components
from ..results import figure_modes
from ..results.names import space_of
from . import binning
from .drawing import PowerNorm
from .style import (
    BLUE,
    CYCLE,
    FEWEST_SNAPSHOTS,
    GREEN,
    GREY,
    MAP,
    TIME_LABEL,
    VERMILLION,
    aside,
    curve,
    draw_position_map,
    energy_unit,
    finished,
    label_zero,
    lettered,
    logarithmic,
    new_figure,
    saved,
    say_in,
    style,
    time_range,
    title_of,
)

MOST_MODES = 4  # rows of a figure; of more modes as many are shown, evenly spread over the velocities
MOST_MAPS = 8  # maps of a figure where they stand in two columns
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
            label, level = label.replace(", ", ",\n", 1), run.config.equations.level
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
        lettered([panel for panel in figure.axes if panel is not residuals] + [residuals])
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
    """What should be constant (time,): U_osc with the energies of other terms, kinetic energy gained and change of U_trace, as far
    as followed."""
    total = np.array(series["E_flavor" if "E_flavor" in series else "U_osc"], dtype=float)
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
    curve(axes, t, run.series["U_osc"] / unit, color=BLUE, label=r"$U_{\rm osc}$")
    if "E_flavor" in run.series:
        curve(axes, t, run.series["E_flavor"] / unit, color=GREEN, label=r"$U_{\rm osc}$ and other terms")
    if K is not None:
        curve(axes, t, K / unit, color=VERMILLION, label=r"$K$ gained")
        curve(axes, t, budget(run.series) / unit, color="black", label="sum")
    axes.set_xlim(time_range(t))
    axes.set_xlabel(r"$t\ [1/\mu]$")


def _draw_residual(axes, label, run, marker):
    unit, _ = energy_unit(run)
    total = budget(run.series)
    # A logarithm has no place for the exact zero at the start.
    residual = np.ma.masked_equal(abs(total - total[0]) / unit, 0)
    color, dashes = LEVEL_STYLES[run.config.equations.level]
    what = label if kinetic_energy(run.series) is not None else f"{label}:\nchange of $U_{{\\rm osc}}$"
    curve(
        axes,
        run.series["time"],
        residual,
        lw=1.2,
        color=color,
        ls=dashes,
        label=what,
        marker=marker,
        ms=4.5,
        mfc="white",
        markevery=0.1,
    )


# ---- one run --------------------------------------------------------------------------------------------------------


def distribution(run, path=None, title=True, modes=None):
    """Momentum distribution of each beam over time, flavors apart, and beside it all of them at the start and the end.

    Box averages per neutrino of the beam: of two flavors nu_e has (n + P^z)/2, nu_x (n - P^z)/2. The force is a matrix in
    flavor space and pulls flavors apart, as a Stern-Gerlach magnet does spins. Drawn are the functions of q that the run
    follows, the waves through its grid points (`interpolated`); the points themselves are marked at the start and the end.
    modes: indices of those to show, default MOST_MODES of them. All maps are on one scale of colors. Returns the Figure;
    InputError if the run did not record the distribution.
    """
    if not len(run.series.get("f_q", ())):
        raise InputError(f'The run of level "{run.config.equations.level}" has no momentum distribution.')
    shown = figure_modes.chosen(run, MOST_MODES, modes)
    beams = [_beam(run, mode) for mode in shown]
    top = max(content.max() for beam in beams for content in beam.fine)
    names = figure_modes.named(run, with_species=False)
    with style():
        figure = new_figure(height=1.3 + 2.2 * len(shown))
        flavors = len(beams[0].flavors)
        grid = figure.add_gridspec(len(shown), flavors + 1, width_ratios=[6 / flavors] * flavors + [1.8])
        panels = []
        for row, (mode, beam) in enumerate(zip(shown, beams)):
            ends = figure.add_subplot(grid[row, -1])
            maps = [figure.add_subplot(grid[row, column], sharey=ends) for column in range(flavors)]
            image, cells = _draw_beam(maps, ends, run.series["time"], beam, names[mode], top)
            maps[0].set_ylabel(r"$q = |p| - p_0\ [\mu]$")
            for axes in maps:
                axes.tick_params(labelleft=axes is maps[0], labelbottom=row == len(shown) - 1)
                axes.set_xlim(time_range(run.series["time"], cells))
            panels += [*maps, ends]
        for axes in maps:
            axes.set_xlabel(TIME_LABEL)
        ends.set_xlabel(r"per neutrino $[1/\mu]$")
        bar = figure.colorbar(image, ax=panels, orientation="horizontal", location="bottom", aspect=60, shrink=0.6, pad=0.02)
        bar.set_label(r"neutrinos of a flavor per neutrino of the beam $[1/\mu]$; white lines: mean momentum")
        aside(panels[1], figure_modes.count_said(shown, run))
        lettered(panels)
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        return finished(figure, run, path)


@dataclass(frozen=True)
class Beam:
    """Momentum distribution of one mode, flavors apart, per neutrino of the beam.

    points: (q,) of the grid, all: (flavor, time, q) on it; q, fine: the same between the points, fine in bins of the times.
    seen: slice of q outside of which there is next to nothing. flavors: their symbols.
    """

    points: np.ndarray
    all: list
    q: np.ndarray
    fine: list
    seen: slice
    flavors: tuple


def _beam(run, mode):
    series, points = run.series, run.series["q"]
    q = points[0] + (points[1] - points[0]) / FINE * np.arange(FINE * len(points))
    f = series["f_q"][:, mode] / series["density"][mode]
    algebra = of_components(f.shape[1] - 1)
    content = list(np.moveaxis(algebra.content(f[:, 0], f[:, 1:], axis=1), 1, 0))
    fine = [interpolated(binning.averaged(part), FINE) for part in content]
    symbols = tuple(figure_modes.symbol(run, mode, flavor) for flavor in algebra.names)
    return Beam(points, content, q, fine, _support(fine), symbols)


def _draw_beam(maps, ends, t, beam, name, top):
    """The flavors of one beam over t and q, and beside them all at the start and the end. -> (image, edges in time)"""
    q, seen, cells = beam.q, beam.seen, binning.edges(t)
    for axes, content, fine, flavor, color in zip(maps, beam.all, beam.fine, beam.flavors, CYCLE):
        # The root of the scale shows the flavor that a beam gains from nothing.
        norm = PowerNorm(0.5, vmin=0, vmax=top)
        image = axes.pcolormesh(cells, binning.edges(q[seen], len(q)), fine[:, seen].T, norm=norm, cmap="magma", **MAP)
        curve(axes, t, _mean(content, beam.points), color="white", lw=1)
        axes.set_title(f"{flavor}, {name}")
        _draw_ends(ends, beam.points, content[[0, -1]], q, seen, flavor, color)
    ends.set_title(f"$t = {t[-1]:g}$ (dotted: ${t[0]:g}$)")
    ends.tick_params(labelleft=False)
    ends.set_xlim(left=0)
    ends.set_ylim(q[seen][0], q[seen][-1])
    ends.legend(loc="upper right", handlelength=1.2)
    return image, cells


def _draw_ends(axes, points, content, q, seen, flavor, color):
    """One flavor at the start and the end, (2, points), where q is `seen`: functions on the fine grid q, and the points."""
    marked = (points >= q[seen][0]) & (points <= q[seen][-1])
    marker = "." if np.count_nonzero(marked) <= MOST_MARKS else ""
    start, end = interpolated(content, FINE)
    axes.plot(start[seen], q[seen], color=color, ls=":", lw=1)
    axes.plot(end[seen], q[seen], color=color, label=flavor)
    for values in content:
        axes.plot(values[marked], points[marked], color=color, ls="", marker=marker, ms=3)


def energy_gained(run, path=None, title=True, modes=None):
    """Energy gained per neutrino, kappa_a / n_a, over time and space, for each beam, on one scale of colors.

    modes: indices of those to show, default MOST_MAPS of them. Returns the Figure; InputError if the run did not store kappa,
    or too seldom for a map.
    """
    if len(space_of(run.series)) > 1:
        raise InputError("The energy gained over time and z is for boxes of one dimension; plot --what maps has the others.")
    if "kappa" not in run.fields:
        raise InputError(f'Level "{run.config.equations.level}" stores no kinetic energy density kappa.')
    t, z = np.asarray(run.fields["time"]), np.asarray(run.fields["z"])
    if len(t) < FEWEST_SNAPSHOTS:
        raise InputError(f"Only {len(t)} field snapshots: set output.fields_every for a map of the energy gained.")
    n = np.where(run.series["density"], run.series["density"], np.inf)
    most_gained = np.abs(run.series["K"]).max(axis=0) / n if np.ndim(run.series.get("K")) == 2 else None
    shown, length = figure_modes.chosen(run, MOST_MAPS, modes, most_gained), np.ravel(run.config.box.length)[-1]
    gained = [binning.space_time(run.fields["kappa"], (mode, slice(None))) / n[mode] for mode in shown]
    most = np.max(np.abs(gained), initial=0.0)
    columns = 1 if len(shown) <= MOST_MODES else 2
    with style():
        height = 2.3 if columns == 1 else 1.9
        figure = new_figure(height=1.2 + height * -(-len(shown) // columns))
        grid = figure.subplots(-(-len(shown) // columns), columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.ravel()[len(shown) :]:
            axes.set_axis_off()
        panels = list(grid.T.ravel() if columns == 2 and grid.size == len(shown) else grid.ravel())[: len(shown)]
        for axes, mode, values in zip(panels, shown, gained):
            # A mode that gains nothing stays white, as zero is on the others' scale.
            image, cells = draw_position_map(axes, t, z, length, values, vmin=-(most or 1), vmax=most or 1, cmap="RdBu_r")
            axes.set_title(figure_modes.named(run)[mode])
            axes.set_xlim(time_range(t, cells))
            if not values.any():
                say_in(axes, "zero at all times")
            if axes.get_subplotspec().colspan.start:
                axes.set_ylabel("")
        for axes in grid[-1]:
            axes.set_xlabel(TIME_LABEL)
        if most > 0:
            bar = figure.colorbar(image, ax=list(grid.ravel()), aspect=20 * grid.shape[0], pad=0.02)
            low, high = np.min(gained), np.max(gained)
            bar.ax.set_ylim(min(low, -0.02 * most), max(high, 0.02 * most))  # what occurs, and zero
            what = "gained" if high > 0.02 * most else "lost, below zero,"
            bar.set_label(rf"energy {what} per neutrino, $\kappa_a/n_a\ [\mu]$")
        aside(panels[0], figure_modes.count_said(shown, run))
        lettered(panels)
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        return finished(figure, run, path)


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

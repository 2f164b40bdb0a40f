"""The figure of what angular runs are about: which directions change flavor, when, and what that leaves of the crossing.

Of beams it shows the same of each beam. Like the figures of `plots` it is made from results alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..results import figure_modes
from . import binning
from .style import (
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    MAP,
    TIME_LABEL,
    VERMILLION,
    aside,
    content_colors,
    curve,
    finished,
    lettered,
    new_figure,
    style,
    time_range,
    title_of,
)

LATE = 0.25  # last part of a run over which it is averaged
MOST_CURVES = 8


@dataclass(frozen=True)
class Directions:
    """A run by direction, azimuths averaged where there are several.

    v: ascending velocities along z (v,). nu_x: content over time (time, v). lepton: signed density G(v) per dv in n, of the
    flavor content that was there at the start (v,). late: mean of nu_x over the last part of the run; low, high: its extremes.
    """

    v: np.ndarray
    nu_x: np.ndarray
    lepton: np.ndarray
    late: np.ndarray
    low: np.ndarray
    high: np.ndarray
    since: float


def angular(run, path=None, title=True, modes=None):
    """Survival probabilities over time; nu_x content over direction and time; P_ee(v) and lepton number, at first and late.

    Contents are box averages, and averages over azimuths where directions of one v have several. Late is the mean over the
    last LATE of the run, with the range that is met there. Of beams there is P_ee over time, and the nu_x content of each of
    MOST_CURVES of them (or of `modes`). Returns the Figure; InputError if the run has written nothing yet.
    """
    if not len(run.series["time"]):
        raise InputError("The run has written no results yet.")
    with style():
        figure = _beams(run, modes) if figure_modes.has_species(run) else _directions(run)
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        return finished(figure, run, path)


def by_direction(run):
    """The Directions of a run of an angular distribution."""
    series = run.series
    v, which = _distinct(np.reshape(series["v"], (len(series["density"]), -1))[:, -1])
    n = np.asarray(series["density"])
    total = np.bincount(which, n)
    content = np.nan_to_num(np.asarray(series["nu_x"])) * n
    nu_x = np.stack([np.bincount(which, row) for row in content]) / np.where(total > 0, total, np.nan)
    t = series["time"]
    since = t[-1] - LATE * (t[-1] - t[0])
    late = nu_x[t >= since]
    signed = np.bincount(which, n * figure_modes.signs_of(series))
    return Directions(v, nu_x, signed / _widths(run, v), late.mean(axis=0), late.min(axis=0), late.max(axis=0), since)


def _distinct(v):
    """(ascending different values, index of each): round-off apart is the same."""
    order = np.argsort(v, kind="stable")
    new = np.concatenate(([True], np.diff(v[order]) > 1e-12))
    which = np.empty(len(v), dtype=int)
    which[order] = np.cumsum(new) - 1
    return v[order][new], which


def _widths(run, v):
    """Quadrature weights of the directions, or, of a list that no rule of this version made, their distances."""
    from ..physics.angular import quadrature

    config = run.config.modes
    if config.get("number") == len(v) and "quadrature" in config:
        return quadrature(config["quadrature"], len(v))[1]
    if config.get("kind") in ("product", "lebedev", "directions"):
        from ..physics.on_sphere import directions_of

        directions = directions_of(config)
        places, which = _distinct(directions.xyz[:, 2])
        if len(places) == len(v):
            return 2 * np.bincount(which, directions.weight)
    return np.diff(_edges(v))


def _edges(v):
    """Edges of cells about directions, from -1 to 1."""
    edges = binning.edges(v)
    edges[0], edges[-1] = min(-1.0, v[0]), max(1.0, v[-1])
    return edges


def _directions(run):
    series, found = run.series, by_direction(run)
    figure = new_figure(height=7.2)
    grid = figure.add_gridspec(3, 3, height_ratios=[1.3, 2.2, 2.0], width_ratios=[1, 1, 0.045])
    survival, content = figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[1, :2])
    by_v, lepton = figure.add_subplot(grid[2, 0]), figure.add_subplot(grid[2, 1])
    _draw_survival(survival, series)
    cells = binning.edges(series["time"])
    colors, nu_x = content_colors(binning.averaged(found.nu_x))
    image = content.pcolormesh(cells, _edges(found.v), nu_x.T, cmap="cividis", **colors, **MAP)
    figure.colorbar(image, cax=figure.add_subplot(grid[1, 2])).set_label(r"$\nu_x$ content")
    content.set_ylim(-1, 1)
    content.set_ylabel("direction $v$")
    content.set_xlabel(TIME_LABEL)
    around = len(series["density"]) > len(found.v)
    content.set_title(r"$\nu_x$ content by direction" + (", azimuths averaged" if around else ""))
    aside(content, "dotted: crossing of $G(v)$" if _crossings(found).size else "")
    for axes in (survival, content):
        axes.set_xlim(time_range(series["time"], cells))
    survival.tick_params(labelbottom=False)
    _draw_by_direction(by_v, lepton, found, series["time"])
    for axis in _crossings(found):
        content.axhline(axis, color="white", lw=0.9, ls=":")
        for axes in (by_v, lepton):
            axes.axvline(axis, color=GREY, lw=0.9, ls=":")
    lettered([survival, content, by_v, lepton])
    figure.align_ylabels([survival, content, by_v])
    return figure


def _crossings(found):
    """Where the lepton number changes its sign, on the straight line between two directions."""
    G, v = found.lepton, found.v
    i = np.flatnonzero(G[1:] * G[:-1] < 0)
    return v[i] - G[i] * (v[i + 1] - v[i]) / (G[i + 1] - G[i])


def _draw_survival(axes, series):
    for name, label, color, dashes in (("P_ee", r"$P_{ee}$", BLUE, "-"), ("P_ee_bar", r"$\bar P_{ee}$", VERMILLION, "--")):
        if len(series.get(name, ())) and np.isfinite(series[name]).any():
            curve(axes, series["time"], series[name], color=color, ls=dashes, label=label)
    axes.set_ylabel("probability")
    axes.set_title(r"survival of $\nu_e$ and $\bar\nu_e$")
    if axes.lines:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=2)
        axes.ticklabel_format(axis="y", useOffset=False)


def _draw_by_direction(by_v, lepton, found, t):
    late = f"mean of ${found.since:.4g} \\leq t \\leq {t[-1]:.4g}$"
    start = f"$t = {t[0]:.4g}$"
    if np.nanmax(found.high) > 0.4:
        by_v.axhline(0.5, color=GREY, lw=0.6)
    by_v.plot(found.v, 1 - found.nu_x[0], color=GREY, ls="--", label=start)
    by_v.fill_between(found.v, 1 - found.high, 1 - found.low, color=BLUE, alpha=0.2, lw=0)
    by_v.plot(found.v, 1 - found.late, color=BLUE, label=late)
    by_v.set_ylabel(r"$P_{ee}(v)$")
    by_v.set_title("survival by direction (band: range)")
    lepton.axhline(0, color=GREY, lw=0.6)
    lepton.plot(found.v, found.lepton * (1 - 2 * found.nu_x[0]), color=GREY, ls="--", label=start)
    lepton.plot(found.v, found.lepton * (1 - 2 * found.late), color=GREEN, label=late)
    lepton.set_ylabel(r"$G(v)\,\langle P^z\rangle/n_v\ [n]$")
    lepton.set_title("electron minus $x$ lepton number")
    by_v.ticklabel_format(axis="y", useOffset=False)
    for axes in (by_v, lepton):
        axes.set_xlim(-1, 1)
        axes.set_xlabel("direction $v$")
        axes.legend(loc="best", fontsize=8)


def _beams(run, modes):
    shown, names = figure_modes.chosen(run, MOST_CURVES, modes), figure_modes.named(run)
    figure = new_figure(height=5.2)
    survival, content = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.6])
    _draw_survival(survival, run.series)
    for number, mode in enumerate(shown):
        look = {"color": CYCLE[number % len(CYCLE)], "ls": "-" if figure_modes.signs_of(run.series)[mode] > 0 else "--"}
        curve(content, run.series["time"], run.series["nu_x"][:, mode], label=names[mode], **look)
    content.set_ylim(-0.03, 1.03)
    content.set_ylabel(r"$\nu_x$ content")
    content.set_title(r"$\nu_x$ content of each beam, box average")
    aside(content, figure_modes.count_said(shown, run))
    content.set_xlim(time_range(run.series["time"]))
    content.set_xlabel(TIME_LABEL)
    content.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    lettered([survival, content])
    figure.align_ylabels([survival, content])
    return figure

"""Figures of flavors: what there is of each over time, what became of what, and spectra over energy and direction.

For runs that tell contents of their modes (docs/output.md): three flavors, energies, mixing or matter. Like the figures of
`evolution` they are made from results alone.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..physics.flavor_content import told_by
from ..results import figure_modes
from ..results.names import algebra_of
from .drawing import Line2D
from .style import (
    FLAVOR_COLORS,
    GREY,
    TIME_LABEL,
    curve,
    finished,
    lettered,
    logarithmic,
    new_figure,
    style,
    time_range,
    title_of,
)

LATE = 0.25  # last part of a run over which spectra are averaged
DASHES = ("-", "--", ":")  # by the flavor at the start
PAIR_COLORS = ("#CC79A7", "#E69F00", "#56B4E9")
MOST_MARKS = 24  # bins that are marked on a curve; more would merge


def flavors(run, path=None, title=True):
    """Densities of the flavors of neutrinos and of antineutrinos over time; probabilities of conversion; coherence of each pair.

    Probabilities are those of `conversion`, for the flavors with which some modes start; of two flavors survival alone, since
    the rest is conversion. Returns the Figure; InputError for a run that told no contents.
    """
    series = _told(run)
    species, pairs = list(series["species"]), "coherence_pairs" in series
    rows = ["density"] * ("flavor_density" in series) + ["conversion", "coherence"]
    with style():
        figure = new_figure(height=0.9 + sum({"density": 2.1, "conversion": 2.5, "coherence": 1.7}[row] for row in rows))
        grid = figure.add_gridspec(len(rows), len(species), height_ratios=[1.7 if row == "coherence" else 2.3 for row in rows])
        panels = []
        for line, row in enumerate(rows[:-1]):
            first = None
            for column, sign in enumerate(species):
                axes = figure.add_subplot(grid[line, column], sharey=first)
                {"density": _draw_density, "conversion": _draw_conversion}[row](axes, run, column, sign)
                if first is not None:
                    axes.tick_params(labelleft=False)
                    axes.set_ylabel("")
                first = first or axes
                panels.append(axes)
        panels.append(figure.add_subplot(grid[-1, :]))
        _draw_coherence(panels[-1], run, pairs)
        for axes in panels:
            axes.set_xlim(time_range(series["time"]))
        for axes in panels[: -len(species) - 1]:
            axes.tick_params(labelbottom=False)
        for axes in panels[-len(species) - 1 :]:
            axes.set_xlabel(TIME_LABEL)
        lettered(panels)
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        figure.align_ylabels(panels)
        return finished(figure, run, path)


def _told(run):
    series = run.series
    if not len(series["time"]):
        raise InputError("The run has written no results yet.")
    if "content" not in series:
        raise InputError("The run told no contents of flavors: it has two flavors, no energies, no mixing and no matter.")
    return series


def _beside(axes, handles=None):
    """A legend above a panel, at the right end of its title line."""
    handles = handles or axes.get_legend_handles_labels()[0]
    spacing = {"columnspacing": 1.0, "handlelength": 1.4, "handletextpad": 0.5}
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=len(handles), borderpad=0.1, **spacing)


def _draw_density(axes, run, column, sign):
    algebra, t = algebra_of(run.series), run.series["time"]
    for flavor, name in enumerate(algebra.names):
        values = run.series["flavor_density"][:, column, flavor]
        curve(axes, t, values, color=FLAVOR_COLORS[flavor], label=figure_modes.species(sign, name))
    axes.set_ylim(*_from_zero(run.series["flavor_density"]))
    axes.set_ylabel(r"density $[n]$")
    axes.set_title("neutrinos" if sign > 0 else "antineutrinos")
    _beside(axes)


def _from_zero(values):
    """Limits of an axis of densities, the same for all panels."""
    top = float(np.max(values)) or 1.0
    return -0.03 * top, 1.06 * top


def _draw_conversion(axes, run, column, sign):
    algebra, t = algebra_of(run.series), run.series["time"]
    F, drawn = algebra.flavors, []
    for start in range(F):
        for flavor in range(F):
            values = run.series["conversion"][:, column, start, flavor]
            if np.isnan(values).any() or F == 2 and flavor != start:
                continue
            drawn.append(start)
            curve(axes, t, values, color=FLAVOR_COLORS[flavor], ls=DASHES[start], lw=1.8 if flavor == start else 1.1)
    symbol = r"\alpha\to\alpha" if F == 2 else r"\alpha\to\beta"
    axes.set_ylim(-0.04, 1.04)
    axes.set_ylabel(rf"$P({symbol})$")
    axes.set_title(rf"conversion, $P({symbol})$" if F > 2 else "survival")
    if not drawn:
        axes.text(0.5, 0.55, "no mode starts in one flavor", ha="center", transform=axes.transAxes)
        return
    handles = [
        Line2D(
            [], [], color=FLAVOR_COLORS[start] if F == 2 else GREY, ls=DASHES[start], label=_from(sign, algebra.names[start], F)
        )
        for start in sorted(set(drawn))
    ]
    _beside(axes, handles)


def _from(sign, name, F):
    symbol = figure_modes.species(sign, name)
    return symbol if F == 2 else f"from {symbol}"


def _draw_coherence(axes, run, pairs):
    series, algebra = run.series, algebra_of(run.series)
    drawn = []
    if pairs:
        for i, pair in enumerate(algebra.pairs):
            first, second = (figure_modes.letter(algebra.names[flavor]) for flavor in (pair.first, pair.second))
            drawn.append(series["coherence_pairs"][:, i])
            curve(axes, series["time"], drawn[-1], color=PAIR_COLORS[i], label=f"${first}{second}$")
    else:
        drawn.append(series["coherence"])
        curve(axes, series["time"], drawn[-1], color=PAIR_COLORS[0])
    axes.set_title("coherence" + (" of each pair of flavors" if pairs else "") + ", part of the 2-norm of $P$")
    axes.set_ylabel(r"$|\psi|/|P|$")
    logarithmic(axes, np.concatenate(drawn))
    if pairs:
        _beside(axes)


# ---- spectra -----------------------------------------------------------------------------------------------------------


def has_spectra(run):
    """Whether some species has more than two energies, or, where modes have a species, more than two directions."""
    if "content" not in run.series or len(run.series["time"]) < 2:
        return False
    return _several(run, _energies(run)) or _many_directions(run)


def _energies(run):
    return np.asarray(run.series["p"]) if "p" in run.series else np.zeros(len(run.modes))


def _several(run, labels):
    signs = figure_modes.signs_of(run.series)
    return max(len(np.unique(labels[signs == sign])) for sign in set(signs)) > 2


def _along(run):
    """Velocity of each mode along z, or along the last component that is known."""
    if run.modes.xyz is not None:
        return run.modes.xyz[:, 2]
    return np.reshape(run.modes.v, (len(run.modes), -1))[:, -1]


def _many_directions(run):
    return figure_modes.has_species(run) and _several(run, _along(run))


def spectra(run, path=None, title=True):
    """What energies and directions do: densities of the flavors by energy, at the start and late, and survival by both.

    Late is the mean over the last LATE of the run. Above: n_alpha of each bin, summed over directions, dashed at the start; so
    splits and swaps of spectra are seen. Below: P_ee of the modes of an energy, and of a direction, averaged with their n_e.
    Columns are neutrinos and antineutrinos. Returns the Figure; InputError for a run with one energy and few directions.
    """
    series = _told(run)
    if not has_spectra(run):
        raise InputError("The run has one energy, and few directions: there are no spectra to show.")
    signs = list(np.unique(run.modes.sign)[::-1]) if figure_modes.has_species(run) else [1]
    kinds: list = [_draw_by_energy] if _several(run, _energies(run)) else []
    kinds += [_survival_by("energy", _energies(run), r"momentum $p\ [\mu]$")] if kinds else []
    kinds += [_survival_by("direction", _along(run), r"velocity $v_z$")] if _many_directions(run) else []
    late = series["time"] >= series["time"][-1] - LATE * np.ptp(series["time"])
    with style():
        figure = new_figure(height=0.8 + 2.4 * len(kinds))
        grid = figure.subplots(len(kinds), len(signs), squeeze=False, sharey="row")
        for line, draw in zip(grid, kinds):
            for axes, sign in zip(line, signs):
                own = run.modes.sign == sign if figure_modes.has_species(run) else np.ones(len(run.modes), dtype=bool)
                draw(axes, run, sign, own, late)
                if axes is not line[0]:
                    axes.set_ylabel("")
            if draw is _draw_by_energy:  # panels beside each other share the axis
                line[0].set_ylim(*_from_zero([np.max(one.get_ydata()) for axes in line for one in axes.lines]))
        lettered([axes for line in grid for axes in line])
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        figure.align_ylabels(grid[:, 0])
        return finished(figure, run, path)


def _summed(labels, values):
    """(ascending labels, sums of the rows of values over modes of one label)."""
    found, which = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(found), *values.shape[1:]))
    np.add.at(sums, np.ravel(which), values)
    return found, sums


def _marks(count):
    return {"marker": "o", "ms": 3.5} if count <= MOST_MARKS else {}


def _draw_by_energy(axes, run, sign, own, late):
    series, algebra = run.series, algebra_of(run.series)
    p, start = _summed(_energies(run)[own], series["content_start"][own])
    _, end = _summed(_energies(run)[own], series["content"][late].mean(axis=0)[own])
    for flavor, name in enumerate(algebra.names):
        color = FLAVOR_COLORS[flavor]
        axes.plot(p, start[:, flavor], color=color, ls="--", lw=1.0)
        axes.plot(p, end[:, flavor], color=color, label=figure_modes.species(sign, name), **_marks(len(p)))
    axes.set_ylabel(r"density of a bin $[n]$")
    axes.set_xlabel(r"momentum $p\ [\mu]$")
    axes.set_title("neutrinos" if sign > 0 else "antineutrinos")
    handles = axes.get_legend_handles_labels()[0]
    _beside(axes, [*handles, Line2D([], [], color=GREY, ls="--", lw=1.0, label="start")])


def _survival_by(name, labels, label):
    """A function that draws P_ee over energies or directions."""

    def draw(axes, run, sign, own, late):
        series = run.series
        rest, rise, told = (each[:, 0] for each in told_by(series["content_start"], series["density"]))
        weight = np.where(told & own, series["content_start"][:, 0], 0.0)
        axes.set_ylim(-0.04, 1.04)
        axes.set_xlabel(label)
        axes.set_ylabel(r"$P_{ee}$, late")
        axes.set_title(f"survival of {figure_modes.species(sign, 'e')} by {name}")
        axes.set_xlim(*_margins(labels))
        if not weight.any():
            axes.text(0.5, 0.5, "none at the start", ha="center", transform=axes.transAxes)
            return
        safe = np.where(told, rise, 1.0)
        each = (series["content"][late][:, :, 0] - rest) / safe
        x, norm = _summed(labels, weight)
        there = norm > 0
        means = np.array([_summed(labels, weight * row)[1] for row in each])[:, there] / norm[there]
        axes.fill_between(x[there], means.min(axis=0), means.max(axis=0), color=FLAVOR_COLORS[0], alpha=0.2, lw=0)
        axes.plot(x[there], means.mean(axis=0), color=FLAVOR_COLORS[0], **_marks(np.count_nonzero(there)))

    return draw


def _margins(labels):
    low, high = labels.min(), labels.max()
    return low - 0.04 * (high - low), high + 0.04 * (high - low)

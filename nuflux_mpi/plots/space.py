"""Figures of boxes of two and three dimensions: maps of the fields at a few times, and the power spectrum over abs(k).

Like those of `plots` they take any run of `results`, return a matplotlib Figure and, given a path, save it with the
provenance of the run.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..flavor.algebra import of_components
from ..results.names import space_of
from . import binning
from .drawing import LogNorm
from .style import (
    BLUE,
    GREY,
    MAP,
    TIME_LABEL,
    box_ticks,
    curve,
    draw_power,
    finished,
    lettered,
    logarithmic,
    new_figure,
    power_floor,
    say_in,
    spectrum_panels,
    style,
    time_range,
    title_of,
)

TIMES = {2: 4, 3: 3}  # that a figure of maps shows, by the number of space axes
PROFILES = 4  # times at which power by shell is drawn
# Parts of the largest change of U_osc; maps are of the times at which they are reached first, and of the end.
STAGES = {4: (0.1, 0.5, 0.95), 3: (0.1, 0.9)}
NO_CHANGE = 1e-3  # of |U_osc(0)|: below, the run is in its linear phase throughout
DECADES = 3  # of coherence that are shown where it grows
_READ_AT_ONCE = 2**23  # numbers


def maps(run, path=None, title=True):
    """Flavor coherence and energy gained in space at a few times: about those when U_osc changes, and the end.

    Coherence is sqrt(sum_a |psi_a|^2 / sum_a n_a^2); where it grows by more than a decade from map to map its colors are
    logarithmic. The energy is sum_a kappa_a / sum_a n_a, of levels that follow it. In two dimensions a map is over x and z;
    in three there are the planes through the middle of the box and the average along y. Returns the Figure; InputError for a
    box of one dimension, and before anything was written.
    """
    space = space_of(run.series)
    if len(space) == 1:
        raise InputError("Maps over x and z are for boxes of two and three dimensions; see the energy figure.")
    if not len(run.fields["time"]):
        raise InputError("The run has written no results yet.")
    rows = telling_rows(run, TIMES[len(space)])
    kinds: list[tuple] = [("P", _coherence, "coherence", r"$|\psi|/n$", False)]
    if "kappa" in run.fields:
        kinds.append(("kappa", _energy_gained, "energy gained", r"$[\mu]$", True))
    with style():
        figure = (_beside if len(space) == 2 else _planes)(run, rows, kinds)
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        return finished(figure, run, path)


def telling_rows(run, count):
    """Indices of up to `count` snapshots, the last among them, about the times at which U_osc changes; else evenly spread."""
    times, t, U = np.asarray(run.fields["time"]), run.series["time"], np.asarray(run.series["U_osc"])
    last = len(times) - 1
    change = np.abs(U - U[0]) if len(U) else np.zeros(1)
    if last < count or change.max() <= NO_CHANGE * max(abs(U[0]), np.finfo(float).tiny):
        return np.unique(np.linspace(0, last, count).round().astype(int))
    reached = [t[np.argmax(change >= part * change.max())] for part in STAGES[count]]
    rows = {last, *(int(np.argmin(np.abs(times - moment))) for moment in reached)}
    while len(rows) < count:  # between two of them there is more to see than before the first
        ordered = sorted({0, *rows})
        widest = int(np.argmax(np.diff(ordered)))
        rows.add(max(1, (ordered[widest] + ordered[widest + 1]) // 2) if ordered[widest + 1] - ordered[widest] > 1 else 0)
    return np.array(sorted(rows))


def _beside(run, rows, kinds):
    """The figure of two dimensions: times beside each other, quantities below each other."""
    shape = min(3.0, np.divide(*run.config.box.length[::-1]))
    figure = new_figure(height=0.8 + (0.25 + 5.9 / len(rows) * shape) * len(kinds))
    figure.set_layout_engine("compressed")  # axes of fixed aspect, with colour bars of their height
    grid = figure.subplots(len(kinds), len(rows), sharex=True, sharey=True, squeeze=False)
    for line, (name, quantity, label, unit, signed) in zip(grid, kinds):
        values = [quantity(run, run.fields[name][row]) for row in rows]
        _draw_maps(figure, line, run, values, ["xz"] * len(rows), label, unit, signed)
        line[0].set_ylabel(r"$z\ [1/\mu]$")
    for axes, t in zip(grid[0], np.asarray(run.fields["time"])[rows]):
        axes.set_title(f"$t = {t:.4g}$")
    for axes in grid[-1]:
        axes.set_xlabel(r"$x\ [1/\mu]$")
    return figure


VIEWS = ("xz", "yz", "xy", "xz")  # axes of the columns: three planes, and the average along y


def _planes(run, rows, kinds):
    """The figure of three dimensions: planes and the average beside each other, times and quantities below each other."""
    figure = new_figure(height=1.0 + 1.85 * len(kinds) * len(rows))
    figure.set_layout_engine("compressed")
    grid = figure.subplots(len(kinds) * len(rows), len(VIEWS), squeeze=False)
    for number, (name, quantity, label, unit, signed) in enumerate(kinds):
        block = grid[number * len(rows) : (number + 1) * len(rows)]
        values = [view for row in rows for view in _views(run, name, row, quantity)]
        _draw_maps(figure, block.ravel(), run, values, VIEWS * len(rows), label, unit, signed)
    middle = {axis: run.fields[axis][len(run.fields[axis]) // 2] for axis in "xyz"}
    names = [f"${axis} = {middle[axis]:.3g}$" for axis in "yxz"] + ["mean over $y$"]
    times = np.asarray(run.fields["time"])[rows]
    for i, line in enumerate(grid):
        for axes, view, name in zip(line, VIEWS, names):
            t = f"$t = {times[i % len(rows)]:.4g}$\n" if axes is line[0] else "\n"
            axes.set_title(f"{t}{name}", fontsize=9, pad=3)
            axes.set_ylabel(f"${view[1]}$", labelpad=1)
            if i == len(grid) - 1:
                axes.set_xlabel(rf"${view[0]}\ [1/\mu]$", labelpad=1)
            else:
                axes.tick_params(labelbottom=False)
    return figure


def _views(run, name, row, quantity):
    """A quantity made of the field `name` of a snapshot on the three planes and averaged along y: four maps."""
    field = run.fields[name]
    nx, ny, nz = field.shape[-3:]
    before = (slice(None),) * (len(field.shape) - 4)
    planes = [np.s_[:, ny // 2, :], np.s_[nx // 2, :, :], np.s_[:, :, nz // 2]]
    maps = [quantity(run, np.asarray(field[(row, *before, *plane)])) for plane in planes]
    together = max(1, _READ_AT_ONCE // int(np.prod(field.shape[1:]) // nx))
    parts = [
        quantity(run, np.asarray(field[(row, *before, slice(x, x + together))])).mean(axis=1) for x in range(0, nx, together)
    ]
    return [*maps, np.concatenate(parts)]


def _draw_maps(figure, panels, run, values, views, name, unit, signed):
    """Maps of one quantity on one scale of colors: from zero, logarithmic, or with zero in the middle where it is signed."""
    largest = [float(np.abs(value).max()) for value in values]
    most = max(largest)
    grows = not signed and min(largest) < 0.1 * most
    colors: dict = {"cmap": "RdBu_r" if signed else "cividis"}
    if grows:
        colors["norm"] = LogNorm(most * 10.0 ** -min(DECADES, np.ceil(np.log10(most / max(min(largest), 1e-30)))), most)
    else:
        colors |= {"vmin": -most if signed else 0.0, "vmax": most}
    for axes, value, view in zip(panels, values, views):
        if most > 0:
            value = np.maximum(value, colors["norm"].vmin) if grows else value
            image = _map(axes, run, value, view, **colors)
        else:
            _map(axes, run, None, view)  # the same extent, without a color
            say_in(axes, f"{name}:\nzero everywhere")
    if most > 0:
        bar = figure.colorbar(image, ax=list(panels), aspect=15 if len(panels) <= 4 else 40, pad=0.02)
        bar.set_label(f"{name} {unit}")


def _map(axes, run, values, view, **colors):
    """Values (or None) over two axes of the box, both ends of each in view; more points than pixels are averaged."""
    lengths = dict(zip(space_of(run.series), run.config.box.length))
    cells = []
    for number, axis in enumerate(view):
        at, length = np.asarray(run.fields[axis]), lengths[axis]
        if values is not None:
            values = binning.averaged(binning.periodic(values, axis=number), axis=number)
        cells.append(binning.edges(binning.ring(at, length)))
        getattr(axes, f"set_{'xy'[number]}lim")(at[0], at[0] + length)
        box_ticks((axes.xaxis, axes.yaxis)[number], at[0], length, most=3)
    axes.set_aspect("equal")
    return None if values is None else axes.pcolormesh(*cells, values.T, **colors, **MAP)


def _coherence(run, P):
    """sqrt(sum_a |psi_a|^2 / sum_a n_a^2) of P (modes, components, ...), of all pairs of flavors."""
    n, algebra = np.asarray(run.series["density"]), of_components(P.shape[1])
    parts = [index for pair in algebra.pairs for index in (pair.real, pair.imaginary)]
    return np.sqrt(np.sum(P[:, parts] ** 2, axis=(0, 1)) / np.sum(n**2))


def _energy_gained(run, kappa):
    """sum_a kappa_a / sum_a n_a of kappa (modes, ...)."""
    return kappa.sum(axis=0) / np.sum(run.series["density"])


def shell_spectrum(run, path=None, title=True):
    """Power of flavor coherence in shells of abs(k): over time, in all, and at a few times.

    Returns the Figure; InputError without psi2.
    """
    series = run.series
    if not len(series.get("psi2", ())):
        raise InputError("The run recorded no power spectra: set output.spectrum_every.")
    k, t, power = series["k"], series["spectrum_time"], series["psi2"]
    with style():
        figure, (over_time, scale, profile, total, words) = spectrum_panels()
        draw_power(figure, over_time, scale, t, k, power, r"$\Sigma|\psi_{a,k}|^2\ [n^2]$")
        over_time.set_ylabel(r"wavenumber $|k|\ [\mu]$")
        _draw_profiles(profile, t, k, power)
        _draw_total(total, t, power.sum(axis=1), np.sum(np.asarray(series["density"]) ** 2))
        handles = [handle for axes in (profile, total) for handle in axes.get_legend_handles_labels()[0]]
        words.legend(handles=handles, loc="upper left")
        lettered([over_time, profile, total])
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        figure.align_ylabels([over_time, total])
        return finished(figure, run, path)


def _draw_profiles(axes, t, k, power):
    """Power by shell at a few times, on the k axis of the panel beside."""
    if power.any():
        shown = np.unique(np.linspace(0, len(t) - 1, PROFILES).round().astype(int))
        for i, row in enumerate(shown):
            seen = np.ma.masked_less(power[row], power_floor(power))
            axes.plot(seen, k, color=BLUE, alpha=(i + 1) / len(shown), label=f"$t = {t[row]:.4g}$")
        axes.set_xscale("log")
    else:
        axes.set_xticks([])
    axes.set_title("in shells of $|k|$ $[n^2]$")
    axes.tick_params(labelleft=False)


def _draw_total(axes, t, total, most):
    """Power in all shells over time, below the most that there can be."""
    curve(axes, t, total, color=BLUE)
    if total.any():
        axes.axhline(most, color=GREY, lw=0.6, label=r"$\Sigma_a n_a^2$, all coherent")
    logarithmic(axes, [*total, most] if total.any() else total)
    axes.set_title("power in all waves")
    axes.set_ylabel(r"$\Sigma|\psi_{a,k}|^2\ [n^2]$")
    axes.set_xlabel(TIME_LABEL)
    axes.set_xlim(time_range(t, binning.edges(t)))

"""Figures of boxes of two and three dimensions: maps of the fields at a few times, and the power spectrum over abs(k).

Like those of `plots` they take any run of `results`, return a matplotlib Figure and, given a path, save it with the
provenance of the run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import InputError
from .figures import (
    BLUE, GREY, MAP, TIME_LABEL, draw_power, finished, logarithmic, new_figure, power_floor, say_in, spectrum_panels, style,
    thinned, time_range, title_of,
)
from .layout import space_of

COLUMNS = 4  # times that a figure shows


def draw_all(run, directory=None, title=True):
    """Draws maps.png of a run in two or three dimensions into `directory` (default: that of the run). Returns the paths."""
    if len(space_of(run.series)) == 1 or not len(run.fields["time"]):
        return []
    path = Path(directory or run.directory) / "maps.png"
    maps(run, path, title)
    return [path]


def maps(run, path=None, title=True):
    """Flavor coherence and energy gained over x and z at a few times, from the start to the end.

    Coherence is sqrt(sum_a |psi_a|^2 / sum_a n_a^2). The energy is sum_a kappa_a / sum_a n_a, of levels that follow it. In
    three dimensions both are those of the plane of the first y. Returns the Figure; InputError for a box of one dimension,
    and before anything was written.
    """
    space = space_of(run.series)
    if len(space) == 1:
        raise InputError("Maps over x and z are for boxes of two and three dimensions; see the energy figure.")
    times = np.asarray(run.fields["time"])
    if not len(times):
        raise InputError("The run has written no results yet.")
    rows = np.unique(np.linspace(0, len(times) - 1, COLUMNS).round().astype(int))
    kinds = [(_coherence, "coherence", r"$|\psi|/n$", False)]
    if "kappa" in run.fields:
        kinds.append((_energy_gained, "energy gained", r"$[\mu]$", True))
    with style():
        figure = new_figure(height=0.9 + 2.0 * len(kinds))
        figure.set_layout_engine("compressed")  # axes of fixed aspect, with colour bars of their height
        grid = figure.subplots(len(kinds), len(rows), sharex=True, sharey=True, squeeze=False)
        for line, (quantity, name, unit, signed) in zip(grid, kinds):
            _draw_line(figure, line, run, [quantity(run, row) for row in rows], name, unit, signed)
            line[0].set_ylabel(r"$z\ [1/\mu]$")
        for axes, t in zip(grid[0], times[rows]):
            axes.set_title(f"$t = {t:g}$")
        for axes in grid[-1]:
            axes.set_xlabel(r"$x\ [1/\mu]$")
        plane = f"   $y = {run.fields['y'][0]:g}$" if len(space) == 3 else ""
        if title:
            figure.suptitle(title_of(run) + plane, fontsize=12)
        return finished(figure, run, path)


def _draw_line(figure, line, run, values, name, unit, signed):
    """Maps of one quantity on one scale of colors: from zero, or with zero in the middle where it is signed."""
    most = max(float(np.abs(value).max()) for value in values)
    for axes, value in zip(line, values):
        if most > 0:
            image = _map(axes, run, value, cmap="RdBu_r" if signed else "cividis", vmin=-most if signed else 0.0, vmax=most)
        else:
            _map(axes, run, np.ma.masked_all_like(value))  # the same extent, without a color
            say_in(axes, f"{name}:\nzero everywhere")
    if most > 0:
        figure.colorbar(image, ax=list(line), aspect=15, pad=0.02).set_label(f"{name} {unit}")


def _map(axes, run, values, **colors):
    x, z = np.asarray(run.fields["x"]), np.asarray(run.fields["z"])
    columns, rows = thinned(len(x)), thinned(len(z))
    axes.set_aspect("equal")
    return axes.pcolormesh(x[columns], z[rows], values[columns, rows].T, **colors, **MAP)


def _coherence(run, row):
    P = _plane(run, run.fields["P"][row])
    n = np.asarray(run.series["density"])
    return np.sqrt(np.sum(P[:, :2] ** 2, axis=(0, 1)) / np.sum(n**2))


def _energy_gained(run, row):
    kappa = _plane(run, run.fields["kappa"][row])
    return kappa.sum(axis=0) / np.sum(run.series["density"])


def _plane(run, field):
    """A field over x and z: that of the first y in three dimensions."""
    return field[..., 0, :] if len(space_of(run.series)) == 3 else field


def shells(run, path=None, title=True):
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
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        figure.align_ylabels([over_time, total])
        return finished(figure, run, path)


def _draw_profiles(axes, t, k, power):
    """Power by shell at a few times, on the k axis of the panel beside."""
    if power.any():
        shown = np.unique(np.linspace(0, len(t) - 1, COLUMNS).round().astype(int))
        for i, row in enumerate(shown):
            seen = np.ma.masked_less(power[row], power_floor(power))
            axes.plot(seen, k, color=BLUE, alpha=(i + 1) / len(shown), label=f"$t = {t[row]:g}$")
        axes.set_xscale("log")
    else:
        axes.set_xticks([])
    axes.set_title("in shells of $|k|$ $[n^2]$")
    axes.tick_params(labelleft=False)


def _draw_total(axes, t, total, most):
    """Power in all shells over time, below the most that there can be."""
    axes.plot(t, total, color=BLUE)
    if total.any():
        axes.axhline(most, color=GREY, lw=0.6, label=r"$\Sigma_a n_a^2$, all coherent")
    logarithmic(axes, [*total, most] if total.any() else total)
    axes.set_ylabel(r"power in all waves $[n^2]$")
    axes.set_xlabel(TIME_LABEL)
    axes.set_xlim(time_range(t))

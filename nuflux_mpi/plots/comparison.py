"""Several runs in one figure: their series over the same time, each named by what its config has different.

Runs may be of different levels, dimensions, lengths and times; a panel shows those that have what it is about.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..config import flat
from ..errors import InputError
from ..results.figure_modes import has_species
from ..results.names import space_of
from .angular import by_direction
from .drawing import Line2D, matplotlib
from .momentum import budget, kinetic_energy
from .style import (
    CYCLE,
    GREY,
    TIME_LABEL,
    aside,
    curve,
    energy_unit,
    label_zero,
    lettered,
    logarithmic,
    new_figure,
    saved,
    style,
    time_range,
    title_of,
)

MOST_KEYS = 3  # of the config in a name; runs that differ in more are named by their directory
LONGEST = 20  # characters of a value in a name
MOST_NAMES = 16  # in a legend
NOT_PHYSICS = ("title", "name", "output", "petsc", "box.fftw", "box.exchange")
DASHES = ("-", "--", ":", "-.")


def comparison(runs, path=None, title=True):
    """U_osc, kinetic energy gained, residual and survival probability of several runs, as far as they have them."""
    return _stacked(runs, path, title, (_refractive, _kinetic, _residual, _survival))


def energy(runs, path=None, title=True):
    """U_osc, kinetic energy gained and residual of several runs, in units of each run's |U_osc(0)|."""
    return _stacked(runs, path, title, (_refractive, _kinetic, _residual))


def survival(runs, path=None, title=True):
    """P_ee of several runs over time, that of antineutrinos, and P_ee(v) late in the runs of angular distributions."""
    return _stacked(runs, path, title, (_survival, _survival_bar, _by_direction))


def power(runs, path=None, title=True):
    """Power of flavor coherence of several runs in all waves over time, and by wave at the end."""
    return _stacked(runs, path, title, (_total_power, _power_by_wave))


def names(runs):
    """A name for each run: the keys of its config that differ, or its directory where that would say too much or nothing."""
    tables = [{key: value for key, value in flat(run.config) if not _unphysical(key)} for run in runs]
    keys = [
        key
        for key in dict.fromkeys(key for table in tables for key in table)
        if any(table.get(key) != tables[0].get(key) for table in tables)
    ]
    directories = [str(run.directory) if run.directory else f"run {number}" for number, run in enumerate(runs)]
    found = [", ".join(f"{key} = {_short(table[key])}" for key in keys if key in table) for table in tables]
    too_long = any(len(_short(table.get(key))) > LONGEST for table in tables for key in keys)
    if not keys or len(keys) > MOST_KEYS or too_long or not all(found):
        return directories
    return [name if found.count(name) == 1 else f"{name} ({place})" for name, place in zip(found, directories)]


def _unphysical(key):
    return any(key == name or key.startswith(name + ".") for name in NOT_PHYSICS)


def _short(value):
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"[{', '.join(map(_short, value))}]" if isinstance(value, list) else str(value)


def _looks(runs):
    """Color and dashes of each run: along a scale where one number differs, else as different as can be."""
    tables = [{key: value for key, value in flat(run.config) if not _unphysical(key)} for run in runs]
    differing = [key for key in tables[0] if any(table.get(key) != tables[0][key] for table in tables)]
    values: list[Any] = [table.get(differing[0]) for table in tables] if len(differing) == 1 else []
    if len(runs) > 2 and values and all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in values):
        order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        scale = matplotlib.colormaps["viridis"]
        return [{"color": scale(0.9 * place / (len(runs) - 1)), "ls": "-"} for place in order]
    # Dashes, so that runs that agree are all seen.
    return [{"color": CYCLE[i % len(CYCLE)], "ls": DASHES[(i + i // len(CYCLE)) % len(DASHES)]} for i in range(len(runs))]


def _stacked(runs, path, title, panels):
    """The figure of those panels for which a run has data, and a legend of all runs below. InputError if there is none."""
    _check(runs)
    labels, looks = names(runs), _looks(runs)
    with style():
        scratch = [(draw, [i for i, run in enumerate(runs) if draw(None, run, {})]) for draw in panels]
        drawn = [(draw, having) for draw, having in scratch if having]
        if not drawn:
            raise InputError("plot: none of these runs has what the figure is to show.")
        figure = new_figure(height=0.9 + 1.9 * len(drawn) + 0.2 * min(len(runs), MOST_NAMES))
        axes_of = figure.subplots(len(drawn), 1, squeeze=False)[:, 0]
        for axes, (draw, having) in zip(axes_of, drawn):
            for i in having:
                draw(axes, runs[i], looks[i])
            if len(having) < len(runs):
                aside(axes, f"{len(having)} of {len(runs)} runs have it")
        _finish(list(axes_of), runs)
        lines = [Line2D([], [], **look) for look in looks]
        shown = labels[:MOST_NAMES]
        if len(labels) > MOST_NAMES:
            shown[-1] = f"{shown[-1]} ... and {len(labels) - MOST_NAMES} more"
        longest = max(map(len, shown))
        figure.legend(
            lines[:MOST_NAMES],
            [name.replace("$", r"\$") for name in shown],
            loc="outside lower center",
            ncols=1 if longest > 48 else 2 if longest > 24 else 3,
        )
        lettered(list(axes_of))
        if title and len(titles := {title_of(run) for run in runs}) == 1:
            figure.suptitle(*titles, fontsize=12)
        return saved(figure, dict(zip(_unique(labels), runs)), path)


def _check(runs):
    if len(runs) < 2:
        raise InputError("plot: a comparison needs several runs.")
    places = [run.directory.resolve() for run in runs if run.directory]
    if len(set(places)) < len(places):
        raise InputError("plot: a run is named twice")
    for run in runs:
        if not len(run.series["time"]):
            raise InputError(f"The run {run.directory or run.title} has written no results yet.")


def _unique(labels):
    """Labels for the provenance in a file, in which ": " has a meaning."""
    return [f"run {number + 1}, {label.replace(': ', ' ')}" for number, label in enumerate(labels)]


def _finish(panels, runs):
    """Limits and scales; of the panels over time, which stand above the others, the last has the numbers and the label."""
    over_time = [axes for axes in panels if not axes.get_xlabel()]
    ranges = [time_range(run.series["time"]) for run in runs]
    for axes in over_time:
        axes.set_xlim(min(low for low, _ in ranges), max(high for _, high in ranges))
        axes.tick_params(labelbottom=axes is over_time[-1])
    for axes in over_time[-1:]:
        axes.set_xlabel(TIME_LABEL)
    for axes in panels:
        if axes.get_ylabel().startswith("residual") or "psi" in axes.get_ylabel():
            logarithmic(axes, np.ma.concatenate([line.get_ydata() for line in axes.lines]))


# ---- panels: (axes or None, run, look) -> whether the run has what they show; without axes nothing is drawn -------------


def _refractive(axes, run, look):
    if axes:
        unit, per_unit = energy_unit(run)
        axes.axhline(0, color=GREY, lw=0.6)
        curve(axes, run.series["time"], run.series["U_osc"] / unit, **look)
        axes.set(ylabel=r"$U_{\rm osc}$" + per_unit)
        axes.set_title("refractive energy")
    return True


def _kinetic(axes, run, look):
    K = kinetic_energy(run.series)
    if axes:
        unit, per_unit = energy_unit(run)
        axes.axhline(0, color=GREY, lw=0.6)
        curve(axes, run.series["time"], K / unit, **look)
        label_zero(axes, np.concatenate([line.get_ydata() for line in axes.lines]))
        axes.set(ylabel=r"$K$" + per_unit)
        axes.set_title("kinetic energy gained")
    return K is not None


def _residual(axes, run, look):
    if axes:
        unit, per_unit = energy_unit(run)
        total = budget(run.series)
        # A logarithm has no place for the exact zero at the start.
        curve(axes, run.series["time"], np.ma.masked_equal(abs(total - total[0]) / unit, 0), **look)
        axes.set(ylabel="residual" + per_unit)
        told = "$K$ with all energies" if "E_flavor" in run.series else r"$K + U_{\rm osc}$"
        axes.set_title(f"how far {told} has moved from its start")
    return kinetic_energy(run.series) is not None


def _survival(axes, run, look, name="P_ee", symbol=r"$P_{ee}$", species=r"$\nu_e$"):
    known = len(run.series.get(name, ())) > 0 and bool(np.isfinite(run.series[name]).any())
    if axes:
        curve(axes, run.series["time"], run.series[name], **look)
        axes.set(ylabel=symbol)
        axes.set_title(f"survival of {species}")
        axes.ticklabel_format(axis="y", useOffset=False)
    return known


def _survival_bar(axes, run, look):
    return _survival(axes, run, look, "P_ee_bar", r"$\bar P_{ee}$", r"$\bar\nu_e$")


def _by_direction(axes, run, look):
    if axes:
        found = by_direction(run)
        axes.plot(found.v, 1 - found.late, **look)
        axes.set(ylabel=r"$P_{ee}(v)$", xlabel="direction $v$", xlim=(-1, 1))
        axes.set_title("survival by direction, mean of the last quarter of each run")
    return not has_species(run)


def _total_power(axes, run, look):
    known = len(run.series.get("psi2", ())) > 0
    if axes:
        curve(axes, run.series["spectrum_time"], np.ma.masked_less_equal(run.series["psi2"].sum(axis=1), 0), **look)
        axes.set(ylabel=r"$\Sigma|\psi_{a,k}|^2\ [n^2]$")
        axes.set_title("power in all waves")
    return known


def _power_by_wave(axes, run, look):
    known = len(run.series.get("psi2", ())) > 0
    if axes:
        last = run.series["psi2"][-1]
        curve(axes, run.series["k"], np.ma.masked_less(last, last.max() * 1e-12 or 1.0), **look)
        symbol = r"$|k|$" if len(space_of(run.series)) > 1 else "$k$"
        axes.set(ylabel=r"$\Sigma_a|\psi_{a,k}|^2\ [n^2]$", xlabel=rf"wavenumber {symbol} $[\mu]$")
        axes.set_title("power by wave at the end of each run")
    return known

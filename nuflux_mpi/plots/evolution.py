"""Figures of a run, made from its results alone (no ranks, no simulation): the energy budget and the power spectrum.

`energy` is Fig. 1 of the paper (Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024)), completed by the kinetic energy;
`spectrum` sets the growth of each wave beside linear theory. Both take any run of `results`, return a matplotlib Figure
and, given a path, save it; PNG and PDF files carry their provenance. With `title` false, as for publication, all figures
of this package go without the line above them: title of the run, L and N. Only the modules named plots, and `figures`,
need matplotlib.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..analysis import growth, linear_problem
from ..errors import InputError
from ..results import figure_modes
from ..results.names import algebra_of, energy_names, space_of
from ..theory import linear
from . import binning
from .drawing import Line2D, MaxNLocator, Patch
from .space import shell_spectrum
from .style import (
    BLUE,
    FEWEST_SNAPSHOTS,
    GREEN,
    GREY,
    TIME_LABEL,
    VERMILLION,
    aside,
    content_colors,
    curve,
    draw_position_map,
    draw_power,
    energy_unit,
    finished,
    label_zero,
    lettered,
    logarithmic,
    new_figure,
    say_in,
    spectrum_panels,
    style,
    time_range,
    title_of,
)

SMALL_CHANGE = 0.3  # of |U_osc(0)|
WINDOW = {"color": VERMILLION, "alpha": 0.2, "lw": 0}  # the times in which growth rates were measured


def energy(run, path=None, title=True, modes=None):
    """Flavor content over space and time, and below it, over the same time, where the energy goes.

    Top: the nu_x content 1/2 (1 - P^z/n) of one mode from the fields: the first of `modes`, else the most forward (the
    v = +1 beam of the paper), or of an angular distribution the direction that changes most. Below: U_osc(t), then kinetic
    energy gained K(t) with the sum K + U_osc, then the residual of that sum, all in units of |U_osc(0)|; where these change
    little, K and the change of the sum. Where terms beside refraction have energies, such as vacuum mixing, one panel has the
    changes of all of them. Level "standard" does not follow K; the figure then ends with U_osc, or with that panel, and says so.
    Beside the map is lambda(z) where matter has a profile in one dimension.
    Returns the Figure; InputError if the run has written nothing yet.
    """
    if not len(run.series["time"]):
        raise InputError("The run has written no results yet.")
    with style():
        followed, several = "K" in run.series, len(energy_names(run.series)) > 1
        heights = [3.2, *([2.4] if several else [1.5, 1.5]), 1.0] if followed else [3.2, 2.4 if several else 2.0]
        matter = profile_of(run)
        figure = new_figure(height=sum(heights) + 1.2)
        widths = [1, *([0.1] if matter is not None else []), 0.022]
        grid = figure.add_gridspec(len(heights), len(widths), height_ratios=heights, width_ratios=widths)
        content = figure.add_subplot(grid[0, 0])
        below = [figure.add_subplot(grid[row, 0], sharex=content) for row in range(1, len(heights))]

        cells = _draw_content(figure, content, figure.add_subplot(grid[0, -1]), run, figure_modes.telling(run, modes))
        if matter is not None:
            _draw_profile(figure.add_subplot(grid[0, 1], sharey=content), content, *matter)
        unit, per_unit = budget_unit(run) if several else energy_unit(run)
        if several:
            _draw_energies(below[0], run, unit, per_unit)
        else:
            _draw_interaction_energy(below[0], run, unit, per_unit)
        if followed:
            if not several:
                _draw_budget(below[1], run, unit, per_unit)
            _draw_residual(below[-1], run, unit, per_unit)
        elif not several:
            below[0].set_title('refractive energy (level "standard" does not follow the kinetic energy)')
        for axes in (content, *below[:-1]):
            axes.tick_params(labelbottom=False)
        below[-1].set_xlabel(TIME_LABEL)
        below[-1].set_xlim(time_range(run.series["time"], *cells))
        lettered([content, *below])
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        figure.align_ylabels([content, *below])
        return finished(figure, run, path)


def _draw_content(figure, axes, colorbar_axes, run, mode):
    """nu_x content of one mode over time and z. -> [edges of its cells in time], none where there are too few for a map"""
    space, t, z = space_of(run.series), np.asarray(run.fields["time"]), np.asarray(run.fields["z"])
    slice_at = ", ".join(f"{axis} = {run.fields[axis][0]:g}" for axis in space[:-1])
    name = figure_modes.named(run, with_species=False)[mode]
    axes.set_title(f"{figure_modes.symbol(run, mode, 'x')} content, {name}" + (f" along ${slice_at}$" if slice_at else ""))
    aside(axes, figure_modes.count_said([mode], run))
    if len(t) < FEWEST_SNAPSHOTS:
        say_in(axes, f"only {len(t)} field snapshot{'s' * (len(t) != 1)}: set output.fields_every for this map")
        axes.set_yticks([])
        colorbar_axes.set_axis_off()
        return []
    first, n = (0,) * (len(space) - 1), run.series["density"][mode]

    def over_time(component):
        return binning.space_time(run.fields["P"], (mode, component, *first, slice(None)))

    algebra = algebra_of(run.series)
    share = figure_modes.share_of_others(algebra, over_time, n)
    length = np.ravel(run.config.box.length)[-1]
    colors, share = content_colors(share)
    image, cells = draw_position_map(axes, t, z, length, share, cmap="cividis", **colors)
    figure.colorbar(image, cax=colorbar_axes).set_label(figure_modes.label_of_others(algebra))
    return [cells]


def _changes_little(run):
    """Whether the energies all but stay, so that on a scale from zero their changes would not be seen."""
    U = run.series["U_osc"]
    return np.abs(U - U[0]).max() < SMALL_CHANGE * abs(U[0])


def _draw_interaction_energy(axes, run, unit, per_unit):
    if not _changes_little(run):
        axes.axhline(0, color=GREY, lw=0.6)
    curve(axes, run.series["time"], run.series["U_osc"] / unit, color=BLUE)
    label_zero(axes, run.series["U_osc"])
    axes.set_ylabel(r"$U_{\rm osc}$" + per_unit)
    axes.set_title("refractive energy")


def _draw_budget(axes, run, unit, per_unit):
    t, K, energy = run.series["time"], run.series["K"].sum(axis=1), run.series["energy"]
    since = _changes_little(run)  # changes alone then: the sum is far from them
    if since:
        K, energy = K - K[0], energy - energy[0]
    axes.axhline(0, color=GREY, lw=0.6)
    curve(axes, t, K / unit, color=VERMILLION, label=r"$K$, kinetic energy gained")
    curve(axes, t, energy / unit, color="black", label=r"$K + U_{\rm osc}$" + (r"$ -$ start" if since else ""))
    label_zero(axes, [K, energy])
    axes.set_ylabel("energy" + per_unit)
    axes.set_title("energy budget")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=2)  # beside the title, clear of the curves


# Colors of energies that terms have; those of terms of which this package does not know are grey.
TERM_COLORS = {"U_osc": BLUE, "E_vac": "#CC79A7", "E_mat": "#E69F00"}
SYMBOLS = {"U_osc": r"U_{\rm osc}", "E_vac": r"E_{\rm vac}", "E_mat": r"E_{\rm mat}"}


def _symbol(name):
    return SYMBOLS.get(name, rf"{{\rm {name.replace('_', ' ')}}}")


def sum_of_energies(run):
    """The sum that should be constant, in TeX without dollars: K with all energies of the run."""
    names = [_symbol(name) for name in energy_names(run.series)]
    return " + ".join((["K"] if "K" in run.series else []) + names)


def budget_unit(run):
    """The unit of a budget of several energies and its name for a label: |U_osc(0)|, or where that is a small part of what moves
    that in which energies are stored."""
    largest = max(float(np.ptp(run.series[name])) for name in energy_names(run.series))
    return energy_unit(run, least=0.1 * largest)


def _draw_energies(axes, run, unit, per_unit):
    """Changes of K, of the energies of all terms, and of their sum."""
    series, t = run.series, run.series["time"]
    axes.axhline(0, color=GREY, lw=0.6)
    names = energy_names(series)
    for name in names:
        change = (series[name] - series[name][0]) / unit
        curve(axes, t, change, color=TERM_COLORS.get(name, GREY), label=rf"${_symbol(name)}$")
    total = series["E_flavor"] - series["E_flavor"][0]
    if "K" in series:
        K = series["K"].sum(axis=1)
        curve(axes, t, (K - K[0]) / unit, color=VERMILLION, label="$K$")
        total = series["energy"] - series["energy"][0]
    curve(axes, t, total / unit, color="black", label="sum")
    label_zero(axes, [series[name] - series[name][0] for name in names])
    axes.set_ylabel("change" + per_unit)
    said = "" if "K" in series else ' (level "standard" does not follow $K$)'
    axes.set_title(f"energies since the start{said}")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=len(names) + 2, columnspacing=1.0, handlelength=1.4)


def profile_of(run):
    """(z, lambda(z)) of a run in one dimension whose matter varies in space; None else, or where its file is gone."""
    settings = run.config.get("matter")
    if settings is None or settings["kind"] == "uniform" or len(space_of(run.series)) > 1:
        return None
    from ..physics.linearised import Place
    from ..physics.terms import matter

    place = Place.of(run.config)
    try:
        values = np.broadcast_to(matter.profile(settings, place), place.local_shape)
    except InputError:
        return None
    z = np.asarray(place.coordinates()[0])
    return np.append(z, z[0] + place.length[0]), np.append(values, values[0])


def _draw_profile(axes, content, z, values):
    """lambda beside the map, over the same z."""
    axes.plot(values, z, color="#E69F00")
    axes.set_title(r"$\lambda\ [\mu]$", loc="center", fontsize=9)
    axes.tick_params(labelleft=False, labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(2))
    axes.set_ylim(content.get_ylim())


def _draw_residual(axes, run, unit, per_unit):
    # A logarithm has no place for the exact zero at the start.
    residual = np.ma.masked_equal(abs(run.series["energy_residual"]) / unit, 0)
    curve(axes, run.series["time"], residual, color=GREEN, lw=1)
    logarithmic(axes, residual)
    axes.set_ylabel("residual")
    axes.set_title(f"how far ${sum_of_energies(run)}$ has moved from its start" + per_unit)


def spectrum(run, path=None, title=True):
    """Power spectrum over time beside the linear growth rates of its waves, and where in time those were measured.

    Upper left: psi2 = sum_a |psi_{a,k}|^2 over t and k. Upper right, on the same k axis: growth rates gamma(k) of
    linear theory for the initial mean P^z, and on top of them the measured ones (`growth`), each wave in its own window.
    Lower left: total power of the unstable waves, the time of all windows shaded. Dashed lines mark the unstable band.
    How well they agree is said by the log and by `info`, not here. Returns the Figure; InputError without psi2. In two
    and three dimensions it is that of `space.shell_spectrum`.
    """
    if len(space_of(run.series)) > 1:
        return shell_spectrum(run, path, title)
    if not len(run.series.get("psi2", ())):
        raise InputError("The run recorded no power spectra: set output.spectrum_every.")
    found = survey(run)
    with style():
        figure, (power, bar, rates, total, words) = spectrum_panels()
        _draw_band(figure, power, bar, run.series, found)
        _draw_rates(rates, found)
        _draw_total(total, run.series, found)
        words.legend(handles=_spectrum_legend(rates, found), loc="upper left", borderpad=0)
        k = run.series["k"]
        if found.k[0] > k[0] or found.k[-1] < k[-1]:
            words.text(
                0,
                0.02,
                f"shown: ${found.k[0]:.3g} \\leq k \\leq {found.k[-1]:.3g}$\nof ${k[0]:.3g} \\leq k \\leq "
                f"{k[-1]:.3g}$ in the run",
                transform=words.transAxes,
                fontsize=9,
                color=GREY,
            )
        lettered([power, rates, total])
        if title:
            figure.suptitle(title_of(run), fontsize=12)
        figure.align_ylabels([power, total])
        return finished(figure, run, path)


@dataclass(frozen=True)
class Survey:
    """Linear theory beside measurement.

    k, theory: ascending wavenumbers around the unstable band (or all scanned, if there is none), and gamma(k) on them.
    band: (k1, k2), outermost edges of instability, or None. power: (spectrum_time,) power of the recorded waves in the
    band, or of all. waves: the waves whose linear phase is clean enough to be judged, a `growth.Growth`. window: first
    and last time of their fits, or None if there are none.
    """

    k: np.ndarray
    theory: np.ndarray
    band: tuple | None
    power: np.ndarray
    waves: growth.Growth
    window: tuple | None


# Waves slower than this share of the fastest are not in the band: finitely many directions make many k grow a little.
SLOWEST = 0.02


def survey(run):
    """Growth rates by linear theory, for the initial mean P^z, and as measured from the recorded spectra."""
    series, states = run.series, linear_problem.of_run(run)
    k, psi2 = series["k"], series["psi2"]
    k_theory = linear.scanned(k, len(series["v"]))
    rate = linear_problem.rates_of(states)
    if linear_problem.moving(run.config, states) or any(state.profile is not None for state in states):
        rate = np.zeros_like  # there is no rate of single waves
    theory = rate(k_theory)
    slowest = max(SLOWEST * theory.max(), linear.ROUND_OFF * max(state.background.size for state in states))
    band = linear.band(k_theory, theory, slowest, rate)
    power = psi2.sum(axis=1)
    if band:
        k_theory = np.union1d(np.linspace(*_around(band, k), linear.SCANNED // 3), np.linspace(*band, linear.SCANNED))
        k_theory, theory = resolved(k_theory, rate)
        power = psi2[:, (k > band[0]) & (k < band[1])].sum(axis=1)
    waves = growth.measure(run).clean()
    window = (waves.start.min(), waves.end.max()) if len(waves) else None
    return Survey(k_theory, theory, band, power, waves, window)


RISE = 0.01  # share of the largest growth rate by which neighbours on a curve may differ
MOST_HALVINGS = 15


def resolved(k, rate):
    """Ascending k, and rate(k) on them, with points inserted wherever neighbours differ by more than RISE of the largest.

    At the edge of an unstable band the rate rises as a square root, which even k would draw as a kink.
    """
    rates = rate(k)
    for _ in range(MOST_HALVINGS):
        steep = np.flatnonzero(abs(np.diff(rates)) > RISE * rates.max())
        if not steep.size:
            break
        middle = (k[steep] + k[steep + 1]) / 2
        k, rates = np.insert(k, steep + 1, middle), np.insert(rates, steep + 1, rate(middle))
    return k, rates


def _around(band, k):
    """Range of k worth showing: the band and twice its width on either side, but at least some recorded waves."""
    margin = 2 * max(band[1] - band[0], 4 * (k[1] - k[0]))
    return max(band[0] - margin, k[0]), min(band[1] + margin, k[-1])


def _draw_band(figure, axes, colorbar_axes, series, found):
    k = series["k"]
    low, high = found.k[0], found.k[-1]
    seen = np.flatnonzero((k >= low) & (k <= high))
    label = r"$\Sigma_a|\psi_{a,k}|^2\ [n^2]$"
    draw_power(figure, axes, colorbar_axes, series["spectrum_time"], k[seen], series["psi2"][:, seen], label)
    for edge in found.band or ():
        axes.axhline(edge, color="white", lw=0.9, ls="--")
    axes.set_ylim(low, high)
    axes.set_ylabel(r"wavenumber $k\ [\mu]$")


def _draw_rates(axes, found):
    for edge in found.band or ():
        axes.axhline(edge, color=GREY, lw=0.9, ls="--")
    axes.plot(found.theory, found.k, color=BLUE, label="linear theory", zorder=1)
    waves = found.waves
    if len(waves):
        rings = {"s": 14, "facecolors": "none", "edgecolors": VERMILLION, "zorder": 2}
        axes.scatter(waves.measured, waves.k, label="measured", **rings)
    fastest = max(found.theory.max() if found.band else 0.0, waves.measured.max(initial=0.0)) or 1.0
    axes.set_xlim(-0.05 * fastest, 1.1 * fastest)
    if not (found.band or len(waves)):
        axes.set_xticks([0.0])
    axes.set_xlabel(r"growth rate $\gamma\ [\mu]$")
    axes.set_title("growth rates" if found.band else "growth rates: none")
    axes.tick_params(labelleft=False)


def _draw_total(axes, series, found):
    curve(axes, series["spectrum_time"], found.power, color=BLUE)
    if found.window:
        axes.axvspan(*found.window, **WINDOW)
    logarithmic(axes, found.power)
    axes.set_title("power in the unstable waves" if found.band else "power in all waves")
    axes.set_ylabel(r"$\Sigma|\psi_{a,k}|^2\ [n^2]$")
    axes.set_xlabel(TIME_LABEL)
    axes.set_xlim(time_range(series["spectrum_time"], binning.edges(series["spectrum_time"])))


def _spectrum_legend(rates, found):
    """Handles of what the panels of the spectrum figure share."""
    handles = rates.get_legend_handles_labels()[0]
    if found.band:
        handles.append(Line2D([], [], color=GREY, lw=0.9, ls="--", label="edges of instability"))
    if found.window:
        handles.append(Patch(**WINDOW, label="time of the fits"))
    return handles

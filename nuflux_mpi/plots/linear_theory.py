"""The picture of `python -m nuflux_mpi linear`: growth rates and frequencies over k, the fastest wave, and U_osc."""

import numpy as np

from ..analysis import linear_report
from ..results import figure_modes, provenance
from ..results.reader import MemoryRun
from ..theory import linear
from . import evolution, style


def draw(results, path=None, title=True):
    """The figure of what `linear` has found: of one pair of flavors, of several, or of a background that varies in space.

    results: `linear_report.Result` or `linear_profile.InProfile`, one for each pair.
    """
    if not isinstance(results[0], linear_report.Result):
        from . import linear_profile

        return linear_profile.draw(results, path, title)
    return dispersion(results[0], path, title) if len(results) == 1 else pairs(results, path, title)


def dispersion(result, path=None, title=True):
    """Figure of a `linear_report.Result`; saved, with its provenance, if a path is given.

    Left: gamma and Re omega of the growing waves over k, collective and continuum ones told apart, for two beams with
    the closed form. Right: the fastest wave over the directions; below it, for two beams, the predicted change of U_osc.
    """
    problem, found = result.problem, linear_report.predicted(result.problem)
    with style.style():
        figure = style.new_figure(height=5.6)
        grid = figure.add_gridspec(2, 2, width_ratios=[1.5, 1])
        rates = figure.add_subplot(grid[0, 0])
        frequencies = figure.add_subplot(grid[1, 0], sharex=rates)
        _draw_rates(rates, result)
        _draw_frequencies(frequencies, result)
        _draw_wave(figure.add_subplot(grid[0, 1] if found else grid[:, 1]), result)
        if found:
            _draw_energy(figure.add_subplot(grid[1, 1]), problem, found)
        return finished(figure, problem, path, title)


def finished(figure, problem, path, title):
    """The figure with letters, title and provenance, saved if a path is given."""
    style.lettered(figure.axes)
    attrs = dict(zip(("git_commit", "git_dirty"), provenance.commit()))
    run = MemoryRun(problem.config, {}, {}, attrs)
    if title:
        figure.suptitle(style.title_of(run), fontsize=12)
    return style.finished(figure, run, path)


PAIR_COLORS = (style.BLUE, style.VERMILLION, style.GREEN)


def pair_label(problem):
    """A pair of flavors for a legend, such as e mu in Greek."""
    greek: dict = {"mu": r"\mu", "tau": r"\tau"}
    return "$" + r"\,".join(greek.get(name, name) for name in problem.pair_name.split()) + "$"


def pairs(results, path=None, title=True):
    """Figure of the `linear_report.Result` of several pairs of flavors: growth rates and frequencies over k on the left, each pair
    in its color, collective waves as dots and continuum ones as rings; on the right the fastest wave of each over the modes."""
    with style.style():
        figure = style.new_figure(height=6.4)
        grid = figure.add_gridspec(2, 2, width_ratios=[1.5, 1])
        rates = figure.add_subplot(grid[0, 0])
        frequencies = figure.add_subplot(grid[1, 0], sharex=rates)
        for result, color in zip(results, PAIR_COLORS):
            label = pair_label(result.problem)
            for kind, _, waves in _kinds(result):
                look = {"ls": "", "marker": "o", "ms": 4, "color": color, "mfc": color if kind == "collective" else "white"}
                k, omega = [wave.k for wave in waves], np.array([wave.omega for wave in waves])
                rates.plot(k, omega.imag, label=label if kind == "collective" else None, **look)
                frequencies.plot(k, omega.real, **look)
        ranges = [_range(result) for result in results if result.waves]
        low, high = zip(*(ranges or [_range(results[0])]))
        rates.set_xlim(min(low), max(high))
        rates.set_ylim(0, 1.08 * max(wave.omega.imag for result in results for wave in result.waves) if ranges else 1)
        rates.set_ylabel(r"growth rate $\gamma\ [\mu]$")
        rates.set_title("growing waves of each pair of flavors")
        rates.tick_params(labelbottom=False)
        rates.legend()
        frequencies.set_title("their frequencies")
        frequencies.set_ylabel(r"frequency ${\rm Re}\,\omega\ [\mu]$")
        frequencies.set_xlabel(r"wavenumber $k\ [\mu]$")
        inner = grid[:, 1].subgridspec(len(results), 1)
        for i, (result, color) in enumerate(zip(results, PAIR_COLORS)):
            axes = figure.add_subplot(inner[i, 0])
            _draw_wave_of_pair(axes, result, color)
            axes.tick_params(labelbottom=i == len(results) - 1)
        figure.axes[-1].set_xlabel("mode" if len(results[0].problem) <= 2 * FEW else "direction $v$")
        return finished(figure, results[0].problem, path, title)


def _draw_wave_of_pair(axes, result, color):
    """|psi_a| of the fastest wave over its largest: bars for few modes, over v for many; antineutrinos hatched, or as rings."""
    fastest, background = result.fastest, result.problem.background
    label = pair_label(result.problem)
    axes.set_ylim(0, 1.1)
    axes.set_ylabel(r"$|\psi_a|$ / largest")
    if fastest is None:
        axes.set_title(f"{label}: nothing grows")
        return
    axes.set_title(f"{label}, $k = {fastest.k:.4g}\\,\\mu$")
    size = np.abs(fastest.psi) / np.abs(fastest.psi).max()
    for sign, name in ((1, r"$\nu$"), (-1, r"$\bar\nu$")):
        which = np.flatnonzero(background.s == sign)
        fill = color if sign > 0 else "white"
        if len(size) <= 2 * FEW:
            axes.bar(which, size[which], color=fill, edgecolor=color, label=name)
            axes.set_xticks(range(len(size)))
        else:
            axes.plot(result.problem.v[which], size[which], ls="", marker="o", ms=3, color=color, mfc=fill, label=name)
    if len(set(background.s)) > 1:
        axes.legend(fontsize=8, ncols=2, loc="upper right")


def _kinds(result):
    return (
        ("collective", style.BLUE, [wave for wave in result.waves if wave.kind == "collective"]),
        ("continuum", style.VERMILLION, [wave for wave in result.waves if wave.kind == "continuum"]),
    )


def _draw_rates(axes, result):
    stable = np.setdiff1d(result.k, [wave.k for wave in result.waves])
    axes.plot(stable, np.zeros_like(stable), ".", color=style.GREY, ms=3, label="stable")
    for kind, color, waves in _kinds(result):
        if waves:
            axes.plot([wave.k for wave in waves], [wave.omega.imag for wave in waves], ".", color=color, label=kind)
    if result.problem.two_beams:
        k, growth = evolution.resolved(
            np.linspace(*_range(result), 201), lambda k: linear.two_beam_growth(k, *result.problem.two_beams)
        )
        axes.plot(k, growth, color="black", lw=0.8, label="closed form")
    axes.set_xlim(*_range(result))
    axes.set_ylabel(r"growth rate $\gamma\ [\mu]$")
    axes.set_title("growing waves")
    lattice = result.problem.step * result.problem.harmonics[[0, -1]]
    shown = axes.get_xlim()
    if shown[0] > lattice[0] or shown[1] < lattice[-1]:
        style.aside(axes, rf"the box has $|k| \leq {lattice[-1]:.4g}$")
    axes.tick_params(labelbottom=False)
    axes.legend()


def _range(result):
    """The growing waves with half their range on either side, within what was solved."""
    k = np.array([wave.k for wave in result.waves] or result.k)
    margin = max(np.ptp(k) / 2, 4 * result.problem.step)
    low, high = max(k.min() - margin, result.k.min()), min(k.max() + margin, result.k.max())
    return (low, high) if low < high else (low - margin, high + margin)


def _draw_frequencies(axes, result):
    for _, color, waves in _kinds(result):
        axes.plot([wave.k for wave in waves], [wave.omega.real for wave in waves], ".", color=color)
    if result.waves:
        real = np.array([wave.omega.real for wave in result.waves])
        # Equal frequencies would be drawn with their round-off.
        half = max(np.ptp(real), 0.2 * result.fastest.omega.imag) * 0.55
        middle = (real.max() + real.min()) / 2
        axes.set_ylim(middle - half, middle + half)
    axes.set_title("their frequencies")
    axes.set_ylabel(r"frequency ${\rm Re}\,\omega\ [\mu]$")
    axes.set_xlabel(r"wavenumber $k\ [\mu]$")


FEW = 10  # modes that have a row of their own


def _draw_wave(axes, result):
    """|psi_a| and |psi_a / P_a^z| of the fastest wave: a row for each of few modes, curves over v of many."""
    fastest = result.fastest
    axes.set_title("nothing grows" if fastest is None else f"fastest wave, $k = {fastest.k:.4g}\\,\\mu$")
    if fastest is None:
        axes.set_xlabel("direction $v$")
        return
    size = np.abs(fastest.psi)
    zeta = result.problem.background.q
    share = size / np.where(zeta != 0, np.abs(zeta), np.inf)
    parts = [(size / size.max(), r"$|\psi_a|$", style.BLUE), (share / share.max(), r"$|\psi_a / P_a^z|$", style.GREEN)]
    (_draw_rows if len(size) <= FEW else _draw_over_v)(axes, result.problem, parts)
    axes.legend(fontsize=8, **({"loc": "lower right", "ncols": 2} if len(size) <= FEW else {}))


def _run_of(problem):
    """The modes of a problem as those of a run, for their names."""
    return MemoryRun(
        problem.config, {"v": problem.v, "sign": problem.background.s, "density": np.abs(problem.background.q)}, {}
    )


def _draw_rows(axes, problem, parts):
    """Two bars for each mode, from the most forward down: those of one velocity lie in rows of their own."""
    order = figure_modes.forward_first(_run_of(problem).series, np.arange(len(problem)))
    names = figure_modes.named(_run_of(problem))
    row = np.arange(len(order))
    for values, label, color in parts:
        below = 0.2 if color == style.GREEN else -0.2
        axes.barh(row + below, values[order], height=0.36, color=color, label=label)
    axes.set_yticks(row, [names[mode] for mode in order])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(order) - 0.5 + 0.9, -0.5)  # room for the legend
    axes.set_xlim(0, 1.05)
    axes.set_xlabel("over its largest")


def _lines_over_v(problem):
    """Indices of the modes that a line connects, ascending in v: all, or of one species and energy where directions have several."""
    modes, order = problem.modes, np.argsort(problem.v, kind="stable")
    if len(modes.directions) == len(modes):
        return [order]
    kinds = np.stack([problem.background.s, modes.energy], axis=1)
    return [order[(kinds[order] == kind).all(axis=1)] for kind in np.unique(kinds, axis=0)]


def _draw_over_v(axes, problem, parts):
    """Curves over v; directions with s = -1 are marked by rings, those with s = +1 by dots."""
    order = np.argsort(problem.v, kind="stable")
    v, s = problem.v[order], problem.background.s[order]
    for values, label, color in parts:
        for i, which in enumerate(_lines_over_v(problem)):
            axes.plot(problem.v[which], values[which], color=color, lw=0.9, label=None if i else label)
        for sign, fill in ((1, color), (-1, "white")):
            axes.plot(v[s == sign], values[order][s == sign], ls="", marker="o", ms=3.5, color=color, mfc=fill, mew=0.8)
    if (s < 0).any() and (s > 0).any():
        for sign, fill in (("+1", style.GREY), ("-1", "white")):
            axes.plot([], [], ls="", marker="o", ms=3.5, color=style.GREY, mfc=fill, mew=0.8, label=f"$s_a = {sign}$")
    axes.set_ylim(0, 1.1)
    axes.set_xlabel("direction $v$")
    axes.set_ylabel("over its largest")


def _draw_energy(axes, problem, found):
    unit = abs(np.prod(problem.background.q)) * problem.config.box.length
    axes.semilogy(found.t, np.abs(found.whole) / unit, color=style.BLUE, label="whole")
    axes.semilogy(found.t, np.abs(found.transverse) / unit, "--", color=style.VERMILLION, label="transverse (Eq. 12)")
    axes.set_xlabel(style.TIME_LABEL)
    axes.set_title(r"$|\Delta U_{\rm osc}|$ of the seeds over $|U_{\rm osc}(0)|$")
    axes.legend()

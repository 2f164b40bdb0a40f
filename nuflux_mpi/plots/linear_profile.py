"""The picture of `python -m nuflux_mpi linear` where the background varies in space and waves are coupled."""

import numpy as np

from ..errors import InputError
from ..theory import profile
from . import linear_theory, style


def draw(results, path=None, title=True):
    """Figure of the `linear_profile.InProfile` of each pair; saved, with its provenance, if a path is given.

    Upper left: growth rates over Re omega. Lower left: power of the waves of the fastest eigenmode over k. Right: how it lies in
    the box, above the profile. InputError in more dimensions than one.
    """
    if len(results[0].found.points) > 1:
        raise InputError(
            "linear: the figure of a background that varies in space is for boxes of one dimension; --out writes tables."
        )
    with style.style():
        figure = style.new_figure(height=5.6)
        grid = figure.add_gridspec(2, 2)
        roots, waves = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
        place = figure.add_subplot(grid[0, 1])
        shift = figure.add_subplot(grid[1, 1], sharex=place)
        for result, color, line in zip(results, linear_theory.PAIR_COLORS, ("-", "--", ":")):
            label = linear_theory.pair_label(result.problem)
            _draw_roots(roots, result, color, label)
            if result.growing.size:
                _draw_waves(waves, result, color, label)
                _draw_place(place, result, color, line)
            _draw_profile(shift, result, color, line)
        roots.set(title="growing eigenmodes of the box", xlabel=r"frequency ${\rm Re}\,\omega\ [\mu]$")
        roots.set_ylabel(r"growth rate $\gamma\ [\mu]$")
        fastest = max((result.found.omega[result.growing].imag.max(initial=0) for result in results), default=0)
        roots.set_ylim(0, 1.08 * fastest or 1)
        waves.set(title="waves of the fastest", xlabel=r"wavenumber $k\ [\mu]$", ylabel=r"$\sum_a |\psi_{a,k}|^2$ / largest")
        place.set(title="the fastest in the box", ylabel=r"$\sum_a |\psi_a|^2$ / mean")
        place.set_ylim(bottom=0)
        place.tick_params(labelbottom=False)
        shift.set(title="shift of frequencies by the profile", xlabel=r"$z\ [1/\mu]$", ylabel=r"shift, mean of modes $[\mu]$")
        if len(results) > 1:
            roots.legend()
        return linear_theory.finished(figure, results[0].problem, path, title)


def _draw_roots(axes, result, color, label):
    omega = result.found.omega[result.growing]
    axes.plot(omega.real, omega.imag, ls="", marker="o", ms=4, color=color, label=label)


def _draw_waves(axes, result, color, label):
    power = np.sum(np.abs(result.found.waves[result.growing[0]]) ** 2, axis=0)
    order = np.argsort(result.k[0])
    axes.semilogy(result.k[0][order], power[order] / power.max(), ".-", lw=0.6, color=color, label=label)
    axes.set_ylim(1e-12, 3)


def _z(result, points):
    box = result.problem.config.box
    return box.origins[0] + box.lengths[0] * np.arange(points) / points


def _draw_place(axes, result, color, line):
    psi = result.found.psi[result.growing[0]]
    fine = max(256, psi.shape[-1])
    power = np.sum(np.abs(profile.resampled(psi, (fine,))) ** 2, axis=0)
    axes.plot(_z(result, fine), power / power.mean(), line, color=color)


def _draw_profile(axes, result, color, line):
    found = result.problem.state.profile
    if found is not None:
        mean = result.problem.background.directions.mean(axis=0)
        values = -(found[0] - np.tensordot(mean, found[1:], 1))
        axes.plot(_z(result, len(values)), values, line, color=color)

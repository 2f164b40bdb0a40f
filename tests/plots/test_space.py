"""Figures of boxes of two dimensions: what is drawn equals what was stored, and nothing has an invented scale."""

import numpy as np
import pytest

import nuflux_mpi

pytest.importorskip("matplotlib")
from test_evolution import axes_titled, mesh, said_in  # noqa: E402  (needs matplotlib)

from nuflux_mpi.plots import evolution, space  # noqa: E402


def two_beams(variance, end=1.0, velocity=((0.0, 1.0), (0.0, -1.0))):
    """A run in memory of two beams along z in the plane."""
    return nuflux_mpi.simulate(
        {
            "box": {"length": [5.0, 6.0], "points": [8, 9]},
            "modes": {"velocity": [list(axis) for axis in velocity]},
            "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "variance": variance, "n_max": 1, "seed": 1},
            "equations": {"level": "energy"},
            "time": {"end": end, "rtol": 1e-6},
            "output": {"series_every": 0.5, "fields_every": 0.5, "spectrum_every": 0.5, "figures": False},
        }
    )


def panels(figure):
    """The maps of a figure by line; color bars are in no grid."""
    maps = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    columns = maps[0].get_gridspec().ncols
    return [maps[i : i + columns] for i in range(0, len(maps), columns)]


def color_bars(figure):
    return [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel().startswith(("coherence", "energy gained"))]


def test_maps_of_what_is_zero_everywhere_have_no_color_bar():
    figure = space.maps(two_beams(variance=0.0))
    assert color_bars(figure) == []
    for line, name in zip(panels(figure), ("coherence", "energy gained")):
        assert [said_in(axes) for axes in line] == [[f"{name}:\nzero everywhere"]] * 3
        assert not any(list(axes.collections) for axes in line)
        assert {axes.get_xlim() + axes.get_ylim() for axes in line} == {(0, 5, 0, 6)}  # but the extent of the box
    figure.canvas.draw()


def test_energy_that_nobody_gained_yet_is_no_scale():
    """At t = 0 there is coherence, which has its color bar, and no energy gained."""
    run = two_beams(variance=1e-3, velocity=([0.0, 0.0], [0.0, 0.0]))  # at rest: the force moves nobody
    figure = space.maps(run)
    assert color_bars(figure) == ["coherence $|\\psi|/n$"]
    coherence, energy = panels(figure)
    assert not any(map(said_in, coherence)) and all(map(said_in, energy))
    x_limits = {axes.get_xlim() for axes in coherence + energy}
    assert len(x_limits) == 1  # the empty panels have the extent of the others


def test_a_field_that_is_zero_at_the_start_alone_is_drawn_on_the_scale_of_all_times():
    run = two_beams(variance=1e-3)
    figure = space.maps(run)
    assert [label.split(" $")[0] for label in color_bars(figure)] == ["coherence", "energy gained"]
    energy = panels(figure)[1]
    assert not mesh(energy[0]).any() and not any(map(said_in, energy))
    (limits,) = {axes.collections[0].get_clim() for axes in energy}
    last = np.abs(run.fields["kappa"][:].sum(axis=1) / run.series["density"].sum()).max()
    assert limits == pytest.approx((-last, last), rel=1e-12)


def test_shells_without_coherence_have_no_invented_scale():
    figure = evolution.spectrum(two_beams(variance=0.0))
    power, profile = axes_titled(figure, "power spectrum"), axes_titled(figure, "in shells")
    assert said_in(power) == ["no coherence at any time"] and not power.collections
    assert not profile.lines and not len(profile.get_xticks())
    total = axes_titled(figure, "power in")
    assert said_in(total) == ["zero at all times"] and total.get_yscale() == "linear" and not len(total.get_yticks())
    figure.canvas.draw()


def test_shells_show_power_by_time_and_shell_below_the_most_there_can_be():
    run = two_beams(variance=1e-3)
    k, psi2 = run.series["k"], run.series["psi2"]
    figure = evolution.spectrum(run)
    drawn = mesh(axes_titled(figure, "power spectrum"))
    shown = psi2 > 1e-12 * psi2.max()  # less is drawn as that
    np.testing.assert_array_equal(drawn.reshape(psi2.T.shape)[shown.T], psi2.T[shown.T])
    profile = axes_titled(figure, "in shells")
    for curve, power in zip(profile.lines, psi2, strict=True):
        np.testing.assert_array_equal(curve.get_ydata(), k)
        values = curve.get_xdata()
        # A shell without a wave at the start has no point on a logarithmic axis: none is invented.
        np.testing.assert_array_equal(np.ma.getmaskarray(values), power < 1e-12 * psi2.max())
        np.testing.assert_array_equal(values.compressed(), power[power >= 1e-12 * psi2.max()])
    assert any(np.ma.is_masked(curve.get_xdata()) for curve in profile.lines)
    total = axes_titled(figure, "power in")
    assert total.lines[0].get_ydata() == pytest.approx(psi2.sum(axis=1))
    assert total.lines[1].get_ydata()[0] == pytest.approx(0.5)  # n_a = 1/2 twice: coherence is |P_a| <= n_a
    assert total.get_ylim()[0] < psi2.sum(axis=1).min() and total.get_ylim()[1] > 0.5

"""The figure of angular distributions: what is drawn equals the series, directions of one v are averaged."""

import numpy as np
import pytest

from nuflux_mpi.results.reader import MemoryRun

pytest.importorskip("matplotlib")
from test_evolution import axes_titled, line, mesh  # noqa: E402  (needs matplotlib)
from test_reader import synthetic  # noqa: E402

from nuflux_mpi.config import resolve  # noqa: E402
from nuflux_mpi.errors import InputError  # noqa: E402
from nuflux_mpi.physics import modes
from nuflux_mpi.physics.angular import densities
from nuflux_mpi.plots import angular, figure_list, style  # noqa: E402


def angular_run(points=64, azimuths=None, records=11):
    """A made-up angular run: directions beyond v = 1/2 lose their flavor by half, in time."""
    axes = 1 if azimuths is None else 3
    config = resolve(
        {
            "title": "made up",
            "box": {"length": [20.0] * axes if axes > 1 else 20.0, "points": [points] * axes if axes > 1 else points},
            "modes": {
                "kind": "angular",
                "number": 12,
                "quadrature": "gauss-legendre",
                "distribution": "gaussian",
                "alpha": 0.9,
                "sigma": 0.6,
                "sigma_bar": 0.53,
            }
            | ({"azimuths": azimuths} if azimuths else {}),
            "initial": {"kind": "seeds", "variance": 1e-8, "n_max": 3},
            "time": {"end": 10.0},
        }
    )
    built, t = modes.build(config["modes"], axes), np.linspace(0, 10, records)
    along_z = built.velocity[:, -1]
    share = 0.5 * np.clip(t / 5 - 1, 0, 1)[:, None] * (along_z > 0.5)
    if azimuths:  # that their average is the share
        share = share * (1 + 0.4 * np.cos(2 * np.pi * np.arange(len(built)) / azimuths))
    series = {
        "time": t,
        "v": built.v,
        "sign": built.s,
        "density": built.n,
        "nu_x": share,
        "P_ee": 1 - 0.2 * t / 10,
        "P_ee_bar": 1 - 0.1 * t / 10,
        "U_osc": t,
    }
    if axes > 1:
        series["axis"] = np.arange(3)
    return MemoryRun(config, series, {}), built


def test_content_by_direction_over_time():
    run, built = angular_run()
    figure = angular.angular(run)
    axes = axes_titled(figure, r"$\nu_x$ content by direction")
    np.testing.assert_allclose(mesh(axes), run.series["nu_x"].T, atol=1e-15)
    assert axes.get_ylim() == (-1, 1)
    (image,) = axes.collections
    assert image.get_coordinates()[0, 0, 1] == -1 and image.get_coordinates()[-1, 0, 1] == 1  # all directions, in their places
    survival = axes_titled(figure, "survival of")
    np.testing.assert_array_equal(line(survival, 0)[1], run.series["P_ee"])
    np.testing.assert_array_equal(line(survival, 1)[1], run.series["P_ee_bar"])


def test_survival_by_direction_at_first_and_late():
    run, built = angular_run()
    axes = axes_titled(angular.angular(run), "survival by direction")
    v, late = line(axes)
    np.testing.assert_array_equal(v, built.v)
    shown = run.series["time"] >= 7.5  # the last quarter
    np.testing.assert_allclose(late, 1 - run.series["nu_x"][shown].mean(axis=0), atol=1e-15)
    np.testing.assert_array_equal(line(axes, 0)[1], np.ones(12))


def test_lepton_number_is_that_of_the_distribution_and_its_crossing_is_marked():
    run, built = angular_run()
    figure = angular.angular(run)
    axes = axes_titled(figure, "electron minus")
    v, start = line(axes, 0)
    (nu, _), (antinu, _) = densities(run.config["modes"], v)
    np.testing.assert_allclose(start, nu - antinu, rtol=1e-12)
    (crossing,) = [curve.get_xdata()[0] for curve in axes.lines if curve.get_linestyle() == ":"]
    # The straight line between two of twelve directions, about 0.1 apart there, meets zero within some 0.02 of the curve.
    assert crossing == pytest.approx(0.7855, abs=0.02)


def test_directions_around_z_are_averaged():
    one, _ = angular_run()
    run, built = angular_run(points=8, azimuths=4)
    found, alone = angular.by_direction(run), angular.by_direction(one)
    assert len(built) == 48
    np.testing.assert_allclose(found.v, alone.v, atol=1e-15)
    np.testing.assert_allclose(found.nu_x, alone.nu_x, atol=1e-14)
    np.testing.assert_allclose(found.lepton, alone.lepton, rtol=1e-12)
    assert axes_titled(angular.angular(run), r"$\nu_x$ content by direction, azimuths averaged")


def test_a_content_far_below_one_is_shown_by_its_growth():
    run, _ = angular_run()
    run.series["nu_x"] = 1e-6 * 10.0 ** (run.series["time"][:, None] / 5) * np.ones(12)
    (image,) = axes_titled(angular.angular(run), r"$\nu_x$ content by direction").collections
    assert isinstance(image.norm, style.LogNorm)
    assert (image.norm.vmin, image.norm.vmax) == pytest.approx((1e-6, 1e-4))


def test_a_run_of_one_row_is_drawn_and_one_of_none_refused():
    run, _ = angular_run(records=1)
    angular.angular(run).canvas.draw()
    with pytest.raises(InputError, match="no results yet"):
        angular.angular(angular_run(records=0)[0])


def test_only_angular_runs_draw_it_by_themselves():
    run, _ = angular_run()
    allowed = figure_list.OF_ONE["angular"].allowed
    assert allowed(run) and not allowed(MemoryRun(*synthetic())) and not allowed(angular_run(records=0)[0])


def test_beams_are_drawn_as_curves_with_their_names():
    config, series, fields, attrs = synthetic()
    series["P_ee"] = np.linspace(1, 0.5, 21)
    figure = angular.angular(MemoryRun(config, series, fields, attrs))
    content = axes_titled(figure, r"$\nu_x$ content of each beam")
    assert [text.get_text() for text in content.get_legend().get_texts()] == [r"$\nu$, $v = +1$", r"$\nu$, $v = -1$"]
    np.testing.assert_array_equal(line(content, 1)[1], series["nu_x"][:, 1])
    np.testing.assert_array_equal(line(axes_titled(figure, "survival"))[1], series["P_ee"])


def test_lepton_number_of_directions_on_the_sphere_is_per_v():
    """Rings of equal v have different numbers of directions: sums over them, over their part of -1 <= v <= 1."""
    config = resolve(
        {
            "box": {"length": 20.0, "points": 16},
            "modes": {"kind": "lebedev", "degree": 7, "distribution": "polynomial", "powers": [[1.0, 0.5], [0.8, -0.2]]},
            "initial": {"kind": "seeds", "n_max": 3},
            "time": {"end": 10.0},
        }
    )
    built = modes.build(config["modes"])
    series = {"time": np.arange(3.0), "v": built.v, "sign": built.s, "density": built.n, "nu_x": np.zeros((3, len(built)))}
    found = angular.by_direction(MemoryRun(config, series, {}, {}))
    np.testing.assert_allclose(found.lepton, (0.2 + 0.7 * found.v) / 2, rtol=0, atol=1e-14)

"""Figures of runs resolved in momentum: what is drawn equals what was computed."""

import numpy as np
import pytest
from test_reader import PROVENANCE, synthetic

from nuflux_mpi.errors import InputError
from nuflux_mpi.physics.phase_space import gaussian, grid
from nuflux_mpi.results.reader import MemoryRun

pytest.importorskip("matplotlib")
from test_evolution import axes_titled, line, mesh, png_text, points_of  # noqa: E402  (needs matplotlib)

from nuflux_mpi.plots import evolution, figure_list, momentum  # noqa: E402


def momentum_run(level="momentum", **changes):
    """The synthetic run with bunches that split: nu_e of the forward beam at q = t/10, nu_x at q = -t/5."""
    config, series, fields, attrs = synthetic(**changes)
    config["equations"]["level"] = level
    t, q = series["time"], grid(64, 12.0)
    electron = np.array([(1 - 0.04 * x) * gaussian(q - x / 10, 0.7) for x in t]).reshape(-1, 64)
    other = np.array([0.04 * x * gaussian(q + x / 5, 0.7) for x in t]).reshape(-1, 64)
    f_q = np.zeros((len(t), 2, 4, 64))
    f_q[:, 0, 0], f_q[:, 0, 3] = 0.5 * (electron + other), 0.5 * (electron - other)
    f_q[:, 1, 0], f_q[:, 1, 3] = f_q[:, 0, 0], -f_q[:, 0, 3]
    series.update(q=q, f_q=f_q)
    wave = np.sin(2 * np.pi * fields["z"] / 20)
    fields["kappa"] = fields["time"][:, None, None] * np.stack([0.01 * wave, -0.03 * wave**2])
    return MemoryRun(config, series, fields, attrs)


def level_run(level):
    if level == "standard":
        return MemoryRun(*synthetic(level="standard"))
    run = momentum_run(level)
    if level == "full":  # absolute energies, all modes in one, and a refractive energy of the densities
        run.series["K"] = 700 + run.series["K"].sum(axis=1)
        run.series["U_trace"] = 9 + 0.1 * run.series["time"]
    return run


LEVELS = ("standard", "energy", "momentum", "full")


# ---- the missing energy


def test_missing_energy_sets_the_levels_side_by_side():
    runs = {level: level_run(level) for level in LEVELS}
    figure = momentum.missing_energy(runs)
    unit = 5.0  # |U_osc(0)|
    U = runs["energy"].series["U_osc"]
    for level in LEVELS:
        axes = axes_titled(figure, level)
        curves = {curve.get_label(): curve.get_ydata() for curve in axes.lines}
        np.testing.assert_array_equal(curves[r"$U_{\rm osc}$"], runs[level].series["U_osc"] / unit)
        assert (r"$K$ gained" in curves) == ("sum" in curves) == (level != "standard")
        if level != "standard":
            residual = runs["energy"].series["energy_residual"]
            np.testing.assert_allclose(curves[r"$K$ gained"], (-5 - U + residual) / unit, atol=1e-13)  # from zero
            trace = 0.1 * runs[level].series["time"] if level == "full" else 0
            np.testing.assert_allclose(curves["sum"], (-5 + residual + trace) / unit, atol=1e-13)


def test_residuals_of_all_levels_share_one_logarithmic_panel():
    runs = {level: level_run(level) for level in LEVELS}
    axes = axes_titled(momentum.missing_energy(runs), "how far the sum has moved")
    assert axes.get_yscale() == "log"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["standard:\nchange of $U_{\\rm osc}$", *LEVELS[1:]]  # there is no sum without K
    residual = dict(zip(LEVELS, (curve.get_ydata() for curve in axes.lines)))
    series = runs["energy"].series
    np.testing.assert_allclose(residual["standard"][1:], abs(series["U_osc"] + 5)[1:] / 5, rtol=1e-13)
    # The sum of numbers of order 5 is rounded.
    np.testing.assert_allclose(residual["momentum"][1:], abs(series["energy_residual"])[1:] / 5, atol=1e-15)
    np.testing.assert_allclose(residual["full"][1:], 0.1 * series["time"][1:] / 5, rtol=1e-6)
    assert all(np.ma.is_masked(values[0]) for values in residual.values())  # an exact zero has no logarithm
    styles = {(curve.get_color(), curve.get_linestyle()) for curve in axes.lines}
    assert len(styles) == 4


def test_runs_of_one_level_are_told_apart():
    runs = {"energy, one": level_run("energy"), "energy, two": level_run("energy"), "momentum": level_run("momentum")}
    figure = momentum.missing_energy(runs)
    residuals = axes_titled(figure, "how far the sum has moved")
    one, two, third = residuals.lines
    assert one.get_color() == two.get_color() != third.get_color()
    assert one.get_marker() != two.get_marker() and one.get_marker() == third.get_marker()
    labels = [text.get_text() for text in residuals.get_legend().get_texts()]
    assert labels == ["energy,\none", "energy,\ntwo", "momentum"]
    figure.canvas.draw()


def test_a_figure_of_several_runs_names_what_they_share():
    runs = {"energy": level_run("energy"), "momentum": level_run("momentum")}
    assert momentum.missing_energy(runs).get_suptitle() == evolution.energy(runs["energy"]).get_suptitle() != ""
    config = runs["momentum"].config
    runs["momentum"].config = config.replace(box=config.box.replace(points=2 * config.box.points))
    assert momentum.missing_energy(runs).get_suptitle() == ""


def test_a_run_without_any_energy_has_no_invented_scale():
    run = momentum_run()
    for name in ("U_osc", "K"):
        run.series[name] = np.zeros_like(run.series[name])
    figure = momentum.missing_energy({"momentum": run})
    assert axes_titled(figure, "momentum").get_yticks() == [0.0]
    residual = axes_titled(figure, "how far the sum has moved")
    assert [text.get_text() for text in residual.texts] == ["zero at all times"] and residual.get_yscale() == "linear"
    # Beside a run that has energies its own are on their scale.
    both = momentum.missing_energy({"momentum": run, "energy": level_run("energy")})
    assert len(axes_titled(both, "energy").get_yticks()) > 1
    assert axes_titled(both, "how far the sum has moved").get_yscale() == "log"


def test_modes_that_gain_nothing_have_no_color_bar():
    run = momentum_run()
    run.fields = {name: run.fields[name] for name in run.fields}
    run.fields["kappa"] = run.fields["kappa"] * [[1.0], [0.0]]
    figure = momentum.energy_gained(run)
    nothing = axes_titled(figure, r"$\nu$, $v = -1$")
    assert [text.get_text() for text in nothing.texts] == ["zero at all times"] and not mesh(nothing).any()
    assert sum(r"\kappa_a" in axes.get_ylabel() for axes in figure.axes) == 1
    run.fields["kappa"] = np.zeros_like(run.fields["kappa"])
    assert not any(r"\kappa_a" in axes.get_ylabel() for axes in momentum.energy_gained(run).axes)  # no scale at all


def test_runs_of_different_length_share_the_longest_time_axis():
    short = momentum_run()
    short.series["time"] = short.series["time"] / 2
    figure = momentum.missing_energy({"short": short, "long": momentum_run("energy")})
    assert axes_titled(figure, "how far").get_xlim() == (0, 10)
    assert axes_titled(figure, "short").get_xlim() == (0, 5)


def test_missing_energy_needs_results():
    with pytest.raises(InputError, match="no runs"):
        momentum.missing_energy({})
    with pytest.raises(InputError, match="The run momentum has written no results"):
        momentum.missing_energy({"momentum": momentum_run(records=0)})


def test_a_picture_of_several_runs_carries_the_provenance_of_each(tmp_path):
    runs = {"standard": level_run("standard"), "full": level_run("full")}
    momentum.missing_energy(runs, tmp_path / "missing_energy.png")
    _, text = png_text(tmp_path / "missing_energy.png")
    for label, run in runs.items():
        assert text[f"{label}: git_commit"] == PROVENANCE["git_commit"]
        assert text[f"{label}: config_toml"] == run.toml()
    momentum.missing_energy(runs, tmp_path / "missing_energy.pdf")
    content = (tmp_path / "missing_energy.pdf").read_bytes()
    assert content.startswith(b"%PDF") and PROVENANCE["git_commit"].encode() in content
    with pytest.raises(InputError, match="cannot be written"):
        momentum.missing_energy(runs, tmp_path / "nowhere" / "missing_energy.png")


# ---- one run


def test_distribution_shows_each_flavor_of_each_beam():
    run = momentum_run()
    figure = momentum.distribution(run)
    points, t = run.series["q"], run.series["time"]
    q = grid(8 * 64, 12.0)
    electron, other = (
        np.array([gaussian(q - x * d, 0.7) * w(x) for x in t])
        for d, w in ((0.1, lambda x: 1 - 0.04 * x), (-0.2, lambda x: 0.04 * x))
    )
    # The grid carries these Gaussians but for exp(-(pi 0.7/dq)^2 / 2) = 3e-8 of them, and between its points too.
    missing = {"atol": 1e-7}
    for title, content in (
        (r"$\nu_e$, $v = +1$", electron),
        (r"$\nu_x$, $v = +1$", other),
        (r"$\nu_e$, $v = -1$", other),
        (r"$\nu_x$, $v = -1$", electron),
    ):
        axes = axes_titled(figure, title)
        shown = mesh(axes)
        low, high = axes.get_ylim()
        seen = (q > low - 1e-9) & (q < high + 1e-9)
        np.testing.assert_allclose(shown, content[:, seen].T, **missing)
        # Only emptiness is cut off.
        assert content[:, ~seen].max() < 1e-3 * electron.max() and np.count_nonzero(seen) < 8 * 64
    lines = axes_titled(figure, "$t = 10$ (dotted: $0$)", number=0)
    starts, ends, _, marks = ([curve.get_data() for curve in lines.lines[i::4]] for i in range(4))
    np.testing.assert_allclose(starts[0][0], electron[0, seen], **missing)
    np.testing.assert_allclose(ends[1][0], other[-1, seen], **missing)
    # The marks are the points of the grid, and the curve passes through them.
    content, at = marks[1]
    assert set(at) <= set(points) and len(at) == pytest.approx(np.count_nonzero(seen) / 8, abs=1)
    np.testing.assert_allclose(content, np.interp(at, q[seen], ends[1][0]), atol=1e-15)


@pytest.mark.parametrize("points", [16, 15])
def test_distributions_are_interpolated_by_the_waves_of_the_grid(points):
    """Exact for every wave below the highest; that one, of an even number of points, is a cosine."""
    angle, fine = (2 * np.pi * np.arange(n) / n for n in (points, 6 * points))
    for number in range((points + 1) // 2):
        at, between = (0.3 * np.cos(number * x) - 0.7 * np.sin(number * x) for x in (angle, fine))
        np.testing.assert_allclose(momentum.interpolated(np.array([at, 2 * at]), 6), [between, 2 * between], atol=1e-14)
    if points % 2 == 0:
        highest = momentum.interpolated(np.cos(points / 2 * angle), 6)
        np.testing.assert_allclose(highest, np.cos(points / 2 * fine), atol=1e-14)


def test_many_grid_points_are_not_marked():
    run = momentum_run()
    run.series.update(q=grid(8 * 64, 12.0), f_q=momentum.interpolated(run.series["f_q"], 8))
    lines = momentum.distribution(run).axes[0]
    assert {curve.get_marker() for curve in lines.lines} <= {"", "None"}


def test_distribution_shows_the_mean_momentum_of_each_flavor():
    run = momentum_run()
    figure = momentum.distribution(run)
    t, mean = line(axes_titled(figure, r"$\nu_x$, $v = +1$"))
    np.testing.assert_allclose(mean[1:], -t[1:] / 5, rtol=1e-12)  # trapezoid rule of a Gaussian
    assert np.ma.is_masked(mean[0])  # no nu_x yet
    np.testing.assert_allclose(line(axes_titled(figure, r"$\nu_e$, $v = +1$"))[1], t / 10, atol=1e-12)


def test_energy_gained_is_per_neutrino_of_the_mode():
    run = momentum_run()
    run.series["density"] = np.array([0.5, 0.25])
    figure = momentum.energy_gained(run)
    for mode, v in ((0, "+1"), (1, "-1")):
        axes = axes_titled(figure, rf"$\nu$, $v = {v}$")
        (image,) = axes.collections
        expected = run.fields["kappa"][:, mode].T / run.series["density"][mode]
        np.testing.assert_allclose(points_of(axes), expected, atol=1e-15)
        low, high = image.get_clim()
        assert low == -high == -1.2  # the largest of both, 0.3 / 0.25: white is zero, and colors can be compared


def test_all_figures_that_one_run_allows(tmp_path):
    run = momentum_run()
    names = figure_list.draw_all(run, tmp_path)[-2:]
    assert names == [tmp_path / "distribution.png", tmp_path / "energy_gained.png"]
    for path in names:
        (width, height), text = png_text(path)
        assert width == 1200 and height > 500
        assert text["git_commit"] == PROVENANCE["git_commit"] and text["config_toml"] == run.toml()
    standard = level_run("standard")
    standard.fields = {name: standard.fields[name] for name in standard.fields if name != "kappa"}
    assert not {path.name for path in figure_list.draw_all(standard, tmp_path)} & {path.name for path in names}
    with pytest.raises(InputError, match="in memory"):
        figure_list.draw_all(run)


def test_figures_need_their_data():
    standard = level_run("standard")
    with pytest.raises(InputError, match='"standard" has no momentum distribution'):
        momentum.distribution(standard)
    standard.fields = {name: standard.fields[name] for name in standard.fields if name != "kappa"}
    with pytest.raises(InputError, match='"standard" stores no kinetic energy'):
        momentum.energy_gained(standard)
    with pytest.raises(InputError, match="output.fields_every"):
        momentum.energy_gained(momentum_run(snapshots=2))


def test_for_publication_the_title_is_left_out():
    run = momentum_run()
    for function in (momentum.distribution, momentum.energy_gained):
        assert function(run).get_suptitle().startswith("two synthetic beams")
        assert function(run, title=False).get_suptitle() == ""
    assert momentum.missing_energy({"momentum": run}, title=False).get_suptitle() == ""


# ---- order of the gradient expansion

WIDTHS = np.array([0.7, 1.4, 2.8, 5.6])


def test_exponent_is_that_of_the_widest_widths():
    drift = -0.03 * WIDTHS**-2.0
    drift[0] *= 7  # the expansion does not hold there
    assert momentum.fitted_exponent(WIDTHS, drift) == pytest.approx(-2, abs=1e-12)
    assert momentum.fitted_exponent(WIDTHS[::-1], drift[::-1]) == pytest.approx(-2, abs=1e-12)
    assert np.isnan(momentum.fitted_exponent(WIDTHS[:1], drift[:1]))


def test_orders_are_drawn_through_the_widest_point(tmp_path):
    drifts = {"casimir3": -0.03 * WIDTHS**-2.0, "casimir3_star": 0.1 * WIDTHS**-4.0, "something": 1 / WIDTHS}
    path = tmp_path / "entropy_order.png"
    figure = momentum.entropy_order(WIDTHS, drifts, path, runs={"w = 5.6": momentum_run()})
    (axes,) = figure.axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    theory = [curve for curve in axes.lines if curve.get_linestyle() == "--"]
    points = [curve for curve in axes.lines if curve.get_linestyle() != "--"]
    # The drifts given have exactly these orders: each line ends at the first and the last point.
    for curve, drift in zip(theory, (drifts["casimir3"], drifts["casimir3_star"]), strict=True):
        np.testing.assert_allclose(curve.get_ydata(), abs(drift[[0, -1]]), rtol=1e-12)
    for curve, drift in zip(points, drifts.values(), strict=True):
        np.testing.assert_array_equal(curve.get_data(), (WIDTHS, abs(drift)))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "w^{-2.00}" in labels[0] and "w^{-2}" in labels[0] and "w^{-4.00}" in labels[1]
    assert labels[2] == "something: $w^{-1.00}$"
    _, text = png_text(path)
    assert text["w = 5.6: git_commit"] == PROVENANCE["git_commit"]


def test_orders_without_runs_can_be_saved_as_pdf(tmp_path):
    momentum.entropy_order(WIDTHS, {"entropy": WIDTHS**-2.0}, tmp_path / "order.pdf")
    assert (tmp_path / "order.pdf").read_bytes().startswith(b"%PDF")

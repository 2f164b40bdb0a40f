"""Figures: what is drawn equals what was computed, and the files say where they came from."""

import hashlib
import re
import struct
import zlib

import h5py
import numpy as np
import pytest
from test_reader import PROVENANCE, synthetic, write_run

from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics.angular import g, quadrature
from nuflux_mpi.results.reader import MemoryRun, Run
from nuflux_mpi.theory import linear

pytest.importorskip("matplotlib")
from nuflux_mpi.plots import evolution, figure_list, style  # noqa: E402  (needs matplotlib)


def memory_run(**changes):
    return MemoryRun(*synthetic(**changes))


def title_of(axes):
    """The title of a panel without its letter."""
    return re.sub(r"^\([a-z]+\) ", "", axes.get_title(loc="left"))


def axes_titled(figure, start, number=None):
    """The panel whose title starts so: the only one, or one of several by its number."""
    found = [axes for axes in figure.axes if title_of(axes).startswith(start)]
    (axes,) = found if number is None else [found[number]]
    return axes


def line(axes, number=-1):
    """(x, y) of one of the curves of `axes`, without the guide lines that axhline draws."""
    curves = [curve for curve in axes.lines if len(curve.get_xdata()) > 2]
    return curves[number].get_data()


def mesh(axes):
    (image,) = [artist for artist in axes.collections if hasattr(artist, "get_coordinates")]
    return image.get_array()


def points_of(axes):
    """A map over time and position (points, times), which has its first point once more at the other end of the box."""
    drawn = mesh(axes)
    np.testing.assert_array_equal(drawn[0], drawn[-1])
    return drawn[:-1]


def test_energy_figure_shows_the_series():
    run = memory_run()
    figure = evolution.energy(run)
    series, unit = run.series, abs(run.series["U_osc"][0])
    t, U = line(axes_titled(figure, "refractive energy"))
    np.testing.assert_array_equal(t, series["time"])
    np.testing.assert_array_equal(U, series["U_osc"] / unit)
    budget = axes_titled(figure, "energy budget")
    np.testing.assert_allclose(line(budget, 0)[1], series["K"].sum(axis=1) / unit, rtol=1e-14)
    np.testing.assert_array_equal(line(budget, 1)[1], series["energy"] / unit)
    assert [text.get_text() for text in budget.get_legend().get_texts()] == [
        r"$K$, kinetic energy gained",
        r"$K + U_{\rm osc}$",
    ]
    residual_axes = axes_titled(figure, r"how far $K + U_{\rm osc}$ has moved")
    residual = line(residual_axes)[1]
    assert residual_axes.get_yscale() == "log"
    figure.draw_without_rendering()
    assert not any(label.get_text() for label in residual_axes.get_yticklabels(minor=True))
    assert residual_axes.get_ylim()[1] >= 99 * residual_axes.get_ylim()[0]
    np.testing.assert_array_equal(residual[1:], abs(series["energy_residual"][1:]) / unit)
    assert np.ma.is_masked(residual[0])  # an exact zero has no logarithm


def test_content_map_is_the_forward_beam_over_space_and_time():
    run = memory_run()
    figure = evolution.energy(run)
    axes = axes_titled(figure, r"$\nu_x$ content, $v = +1$")
    P = run.fields["P"]
    # Rows of the mesh are z, columns t.
    np.testing.assert_allclose(points_of(axes), (1 - P[:, 0, 2].T / 0.5) / 2, atol=1e-15)
    assert axes.get_ylabel().startswith("position") and axes.get_title(loc="right") == "1 of 2 modes"
    # Both ends of the box are in view and have their numbers; the first and the last snapshot, 2 apart, are shown whole.
    assert axes.get_ylim() == (0, 20) and axes.get_xlim() == (-1, 11)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "5", "10", "15", "20"]
    # All panels share the time axis.
    assert all(other.get_xlim() == (-1, 11) for other in figure.axes if other.get_title(loc="left"))
    assert [other.get_title(loc="left")[:3] for other in figure.axes if other.get_title(loc="left")] == [
        "(a)",
        "(b)",
        "(c)",
        "(d)",
    ]


def test_content_map_takes_the_most_forward_mode():
    config, series, fields, attrs = synthetic()
    for arrays in (series, fields):
        for name in ("v", "density"):
            arrays[name] = arrays[name][::-1] if name == "v" else np.array([0.5, 0.25])
    figure = evolution.energy(MemoryRun(config, series, fields, attrs))
    axes = axes_titled(figure, r"$\nu_x$ content, $v = +1$")
    np.testing.assert_allclose(points_of(axes), (1 - fields["P"][:, 1, 2].T / 0.25) / 2, atol=1e-15)


def test_too_few_snapshots_are_not_spread_over_a_map():
    figure = evolution.energy(memory_run(snapshots=2))
    axes = axes_titled(figure, r"$\nu_x$ content")
    assert not axes.collections and "output.fields_every" in axes.texts[0].get_text()


def test_level_standard_has_no_budget_and_says_so():
    run = memory_run(level="standard")
    figure = evolution.energy(run)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert not any("budget" in title for title in titles)
    axes = axes_titled(figure, 'refractive energy (level "standard" does not follow')
    np.testing.assert_array_equal(line(axes)[1], run.series["U_osc"] / 5)


def test_without_energy_at_the_start_it_is_shown_in_its_own_unit():
    config, series, fields, attrs = synthetic()
    series["U_osc"] = series["U_osc"] - series["U_osc"][0]
    axes = axes_titled(evolution.energy(MemoryRun(config, series, fields, attrs)), "refractive energy")
    np.testing.assert_array_equal(line(axes)[1], series["U_osc"])
    assert axes.get_ylabel() == r"$U_{\rm osc}$$\ [\mu n\,(1/\mu)]$"  # as U_osc is stored
    series["axis"] = np.arange(2)
    assert style.energy_unit(MemoryRun(config, series, fields, attrs)) == (1.0, r"$\ [\mu n\,(1/\mu)^2]$")


def said_in(axes):
    return [text.get_text() for text in axes.texts]


def test_what_is_zero_at_all_times_has_no_invented_scale():
    """As of a single mode along the box, which meets nothing."""
    config, series, fields, attrs = synthetic()
    for name in ("U_osc", "K", "energy", "energy_residual", "psi2"):
        series[name] = np.zeros_like(series[name])
    run = MemoryRun(config, series, fields, attrs)
    figure = evolution.energy(run)
    residual = axes_titled(figure, r"how far $K + U_{\rm osc}$ has moved")
    assert said_in(residual) == ["zero at all times"] and not len(residual.get_yticks())
    for title in ("refractive energy", "energy budget"):
        assert axes_titled(figure, title).get_yticks() == [0.0]
    figure = evolution.spectrum(run)
    power = axes_titled(figure, "power spectrum")
    assert said_in(power) == ["no coherence at any time"] and not power.collections
    total = axes_titled(figure, "power in")
    assert said_in(total) == ["zero at all times"] and total.get_yscale() == "linear"
    figure.canvas.draw()


def test_constant_power_is_shown_within_whole_decades():
    config, series, fields, attrs = synthetic()
    series["psi2"] = np.full_like(series["psi2"], 1e-9)
    figure = evolution.spectrum(MemoryRun(config, series, fields, attrs))
    total = axes_titled(figure, "power in")
    assert 1e-9 < line(total)[1][0] < 1e-8  # of the waves in the unstable band
    np.testing.assert_allclose(total.get_ylim(), [1e-9, 1e-7], rtol=1e-12)
    figure.canvas.draw()  # an axis without extent would warn of a division by zero


def test_spectrum_figure_sets_measurement_beside_theory():
    run = memory_run()
    figure = evolution.spectrum(run)
    rates = axes_titled(figure, "growth rates")
    theory, k = line(rates)
    # The paper's closed form for zeta = +-1/2; at the edges the eigenvalue's root amplifies round-off.
    np.testing.assert_allclose(theory, np.sqrt(np.maximum(-k * (2 + k), 0)), atol=1e-7)
    (measured,) = rates.collections
    gamma, k_measured = measured.get_offsets().T
    recorded = run.series["k"]
    np.testing.assert_allclose(k_measured, recorded[(recorded > -2) & (recorded < 0)])
    # The synthetic spectra are pure exponentials: round-off of the fit.
    np.testing.assert_allclose(gamma, np.sqrt(-k_measured * (2 + k_measured)), rtol=1e-10)
    power = axes_titled(figure, "power spectrum")
    assert axes_titled(figure, "power in the unstable waves").get_ylabel().endswith("[n^2]$")  # as psi2 is stored
    # The color bar has its name and numbers above the panel that it belongs to.
    (bar,) = (axes for axes in figure.axes if axes.get_xlabel() == r"$\Sigma_a|\psi_{a,k}|^2\ [n^2]$")
    figure.canvas.draw()
    assert bar.get_position().y0 > power.get_position().y1 and bar.get_position().x1 <= power.get_position().x1 + 1e-9
    assert power.get_ylim() == rates.get_ylim()
    shown = (recorded >= k[0]) & (recorded <= k[-1])
    np.testing.assert_array_equal(mesh(power), run.series["psi2"][:, shown].T)
    edges = sorted(edge.get_ydata()[0] for edge in power.lines)
    np.testing.assert_allclose(edges, [-2, 0], atol=1e-3)  # where growth exceeds 2 % of the fastest


def test_theory_is_drawn_without_kinks_at_the_edges_of_the_band():
    """Closed form for zeta = +-1/2: sqrt(-k (2 + k)), with a slope of infinity at both edges."""
    theory, k = line(axes_titled(evolution.spectrum(memory_run()), "growth rates"))
    assert np.all(np.diff(k) > 0)
    assert abs(np.diff(theory)).max() <= evolution.RISE * theory.max()
    # A rate of 0.01 is reached 0.01^2/2 inside the edge: the interval that holds it is no wider than four times that.
    assert k[np.flatnonzero(theory > 0)[0] - 1] == pytest.approx(-2, abs=2e-4)


def test_resolved_leaves_gentle_curves_and_ends_on_jumps():
    k = np.linspace(0, 1, 201)
    np.testing.assert_array_equal(evolution.resolved(k, np.sin)[0], k)
    np.testing.assert_array_equal(evolution.resolved(k, np.zeros_like)[1], np.zeros(201))
    k, rates = evolution.resolved(np.array([0.0, 1.0]), lambda k: np.where(k > 0.3, 1.0, 0.0))
    assert len(k) == 2 + evolution.MOST_HALVINGS and np.all(np.diff(k) > 0)
    np.testing.assert_array_equal(rates, k > 0.3)


def spectrum_legend(run):
    (legend,) = (axes.get_legend() for axes in evolution.spectrum(run).axes if axes.get_legend())
    return [text.get_text() for text in legend.get_texts()]


def test_measured_rates_are_set_beside_theory():
    run = memory_run()
    found = evolution.survey(run)
    assert found.window == (found.waves.start.min(), found.waves.end.max())
    assert found.window[1] < 9.5  # the waves reach the size of P at about t = 9
    assert len(found.waves) >= 3 and found.waves.judged.all()
    assert spectrum_legend(run) == ["linear theory", "measured", "edges of instability", "time of the fits"]


def test_saturation_before_the_third_spectrum_leaves_nothing_to_measure():
    config, series, fields, attrs = synthetic()
    series["psi2"] = series["psi2"] * 1e9
    run = MemoryRun(config, series, fields, attrs)
    found = evolution.survey(run)
    assert found.window is None and len(found.waves) == 0
    assert not axes_titled(evolution.spectrum(run), "growth rates").collections
    assert spectrum_legend(run) == ["linear theory", "edges of instability"]


def test_nothing_unstable_is_said():
    config, series, fields, attrs = synthetic()
    series["P_mean"] = abs(series["P_mean"])
    run = MemoryRun(config, series, fields, attrs)
    found = evolution.survey(run)
    assert found.band is None
    np.testing.assert_allclose(found.power, series["psi2"].sum(axis=1))
    assert title_of(axes_titled(evolution.spectrum(run), "growth rates")) == "growth rates: none"
    # These spectra grow all the same, and that is shown too.
    assert found.waves.measured.max() < axes_titled(evolution.spectrum(run), "growth rates").get_xlim()[1]
    assert spectrum_legend(run) == ["linear theory", "measured", "time of the fits"]


def test_angular_runs_are_scanned_on_both_sides_of_zero():
    """Twelve directions with a crossing: the band found holds the fastest wave of a fine scan."""
    v, weight = quadrature("midpoint", 12)
    lepton = weight * (g(v, 0.6) - 0.97 * g(v, 0.53))
    modes = v, np.sign(lepton), abs(lepton)
    k = 2 * np.pi * np.arange(-128, 128) / 300
    series = dict(zip(("v", "sign", "density"), modes), k=k, spectrum_time=np.arange(3.0), psi2=np.full((3, 256), 1e-9))
    series["P_mean"] = np.zeros((1, 12, 3))
    series["P_mean"][0, :, 2] = abs(lepton)
    found = evolution.survey(MemoryRun({"time": {}, "equations": {"level": "standard"}}, series, {}))
    k_fastest, omega = linear.fastest(k, *modes)
    assert found.band[0] < k_fastest < found.band[1]
    assert found.theory.max() == pytest.approx(omega.imag, rel=1e-3)  # a parabola met to 1/150 of its width
    outside = (found.k < found.band[0]) | (found.k > found.band[1])
    assert outside.any() and found.theory[outside].max() <= evolution.SLOWEST * 1.01 * omega.imag


def test_figures_need_their_data():
    config, series, fields, attrs = synthetic()
    del series["psi2"]
    with pytest.raises(InputError, match="output.spectrum_every"):
        evolution.spectrum(MemoryRun(config, series, fields, attrs))
    with pytest.raises(InputError, match="no results yet"):
        evolution.energy(memory_run(records=0))
    with pytest.raises(InputError, match="in memory"):
        figure_list.draw_all(memory_run())


def png_text(path):
    """(size, text chunks) of a PNG file, whose checksums are verified."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, text, size, kinds = 8, {}, None, []
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0]
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        if kind == b"tEXt":
            name, value = body.split(b"\0", 1)
            text[name.decode()] = value.decode("latin-1")
        kinds.append(kind)
        at += 12 + length
    assert kinds[-1] == b"IEND"
    return size, text


def test_all_figures_of_a_written_run_carry_its_provenance(tmp_path):
    write_run(tmp_path)
    with h5py.File(tmp_path / "series.h5", "a") as file:
        file.attrs["warnings"] = np.bytes_("warning at t = 1: one\nwarning at t = 2: another")  # as a run keeps them
    run = Run(tmp_path)
    paths = figure_list.draw_all(run)
    assert paths == [tmp_path / f"{name}.png" for name in ("energy", "spectrum", "energy_gained")]
    for path in paths:
        (width, height), text = png_text(path)
        assert width == 1200 and height > 500
        assert text["config_sha256"] == PROVENANCE["config_sha256"]
        assert text["git_commit"] == PROVENANCE["git_commit"]
        assert text["config_toml"] == run.toml()
        assert text["Title"] == "two synthetic beams"
        assert text["warnings"] == "warning at t = 1: one\nwarning at t = 2: another"


def test_provenance_without_attributes_is_that_of_the_config(tmp_path):
    config, series, fields, _ = synthetic()
    del series["psi2"]
    run = MemoryRun(config, series, fields)
    path, *_ = figure_list.draw_all(run, tmp_path)
    _, text = png_text(path)
    assert text["config_sha256"] == hashlib.sha256(run.toml().encode()).hexdigest()
    assert text["git_commit"] == "unknown"


def test_pdf_carries_the_commit_too(tmp_path):
    evolution.energy(memory_run(), tmp_path / "energy.pdf")
    content = (tmp_path / "energy.pdf").read_bytes()
    assert content.startswith(b"%PDF") and PROVENANCE["git_commit"].encode() in content


def test_an_unwritable_place_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        evolution.energy(memory_run(), tmp_path / "missing" / "energy.png")
    with pytest.raises(InputError, match="suffix must be one of .*pdf.* png"):
        evolution.energy(memory_run(), tmp_path / "energy.toml")


def test_a_title_is_not_taken_for_a_formula():
    config, series, fields, attrs = synthetic()
    config["title"] = "costs 5 $ or x_1"
    figure = evolution.energy(MemoryRun(config, series, fields, attrs))
    assert figure.get_suptitle() == r"costs 5 \$ or x_1   $L = 20/\mu$, $N = 32$"
    figure.canvas.draw()  # a broken formula would raise


def test_for_publication_the_title_is_left_out(tmp_path, monkeypatch):
    run, drawn = memory_run(), []
    for function in (evolution.energy, evolution.spectrum):
        assert function(run).get_suptitle().startswith("two synthetic beams")
        assert function(run, title=False).get_suptitle() == ""
    write_run(tmp_path)
    monkeypatch.setattr(style, "_write", lambda figure, *_: drawn.append(figure.get_suptitle()))
    for options in ([], ["--no-title"], ["--what", "spectrum", "--no-title"]):
        assert commands.main(["plot", str(tmp_path), *options]) == 0
    assert [bool(title) for title in drawn] == 3 * [True] + 3 * [False] + [False]  # energy, spectrum, energy gained


def test_drawing_leaves_the_settings_of_the_caller_alone():
    with style.matplotlib.rc_context({"font.size": 17}):
        evolution.energy(memory_run())
        assert style.matplotlib.rcParams["font.size"] == 17

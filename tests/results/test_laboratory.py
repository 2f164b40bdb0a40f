"""Results in units of the laboratory: factors of all that is stored, arrays, figures, and where there is no scale."""

import numpy as np
import pytest
from test_reader import synthetic

from nuflux_mpi import units
from nuflux_mpi.errors import InputError
from nuflux_mpi.results.laboratory import shown
from nuflux_mpi.results.names import LAYOUT
from nuflux_mpi.results.reader import MemoryRun

SCALE = units.Scale.of_density(1e33)
EV = 1.602176634e-12  # erg


def memory_run(density="1e33 /cm^3", **output):
    config, *rest = synthetic()
    return MemoryRun(config | {"units": {"density": density}, "output": config["output"] | output}, *rest)


@pytest.mark.parametrize(
    "name, system, axes, factor, unit",
    [
        ("time", "cgs", 1, 5.1934000596e-12, "s"),
        ("z", "cgs", 1, 0.15569421692, "cm"),
        ("k", "cgs", 1, 6.4228461387, "1/cm"),
        ("q", "cgs", 1, 1.2674008345e-4 * EV, "erg"),
        ("q", "natural", 1, 126.74008345, "µeV"),
        ("U_osc", "natural", 1, 1.2674008345e-4 * 1e33 * 0.15569421692, "eV cm^-2"),
        ("U_osc", "cgs", 2, 1.2674008345e-4 * EV * 1e33 * 0.15569421692**2, "erg cm^-1"),
        ("kappa", "natural", 3, 1.2674008345e29, "eV cm^-3"),
        ("dU_osc_dt", "natural", 1, 1.2674008345e-4 * 1e33 * 0.15569421692 / 5.1934000596e-12, "eV cm^-2 s^-1"),
        ("f", "natural", 1, 1e33 / 1.2674008345e-4, "eV^-1 cm^-3"),
        ("rho", "natural", 1, 1e33 / 1.2674008345e-4**3, "eV^-3 cm^-3"),
        ("P", "cgs", 1, 1e33, "cm^-3"),
        ("P_drift_max", "cgs", 1, 1.0, "n_a"),
        ("wall_time", "cgs", 1, 1.0, "s"),
    ],
)
def test_factors(name, system, axes, factor, unit):
    found = shown(name, LAYOUT[name][1], SCALE, system, axes=axes)
    assert found.unit == unit and found.factor == pytest.approx(factor, rel=1e-9)  # the digits above


def test_prefixes_fit_what_is_shown():
    for largest, unit, factor in [(1.0, "ps", 5.1934000596), (1e3, "ns", 5.1934000596e-3), (1e9, "ms", 5.1934000596e-9)]:
        found = shown("time", "1/mu", SCALE, "natural", largest)
        assert found.unit == unit and found.factor == pytest.approx(factor, rel=1e-9)


def test_arrays_of_a_run():
    run = memory_run()
    time, unit = run.in_units("time")
    assert unit == "ps" and time[-1] == pytest.approx(51.934000596, rel=1e-9)
    assert run.in_units("time", "code")[0] is run.series["time"]
    assert run.scale == SCALE and memory_run(None).scale is None
    with pytest.raises(InputError, match=r"the config has no \[units\]"):
        memory_run(None).in_units("time")
    with pytest.raises(InputError, match="units must be one of code, cgs, natural, not si"):
        run.in_units("time", "si")


def test_datasets_with_units():
    pytest.importorskip("xarray")
    data, plain = memory_run().to_xarray(units="cgs"), memory_run().to_xarray()
    assert data["U_osc"].attrs["units"] == "erg cm^-2" and plain["U_osc"].attrs["units"] == "mu n (1/mu)"
    assert np.allclose(
        data["U_osc"], plain["U_osc"] * shown("U_osc", "mu n (1/mu)", SCALE, "cgs").factor, rtol=1e-14
    )  # a rounding


def test_the_summary_says_it():
    assert "1/mu = 1.557 mm = 5.193 ps: a box of 3.114 cm for 51.93 ps" in memory_run().summary()
    assert "units" not in memory_run(None).summary()


def ticks(axis, factor):
    """What stands at the ticks of an axis, each with what it must be."""
    labels = axis.get_major_formatter().format_ticks(axis.get_majorticklocs())
    return [(float(text.replace("\N{MINUS SIGN}", "-")), x * factor) for text, x in zip(labels, axis.get_majorticklocs())]


def test_axes_of_figures():
    pytest.importorskip("matplotlib")
    from nuflux_mpi.plots import evolution

    run = memory_run(units="natural")
    figure = evolution.energy(run)
    bottom, top = figure.axes[-1] if figure.axes[-1].get_xlabel() else figure.axes[-2], figure.axes[0]
    assert bottom.get_xlabel() == r"time $t\ [{\rm ps}]$" and top.get_ylabel() == r"position $z\ [{\rm cm}]$"
    for axis, name, unit in [(bottom.xaxis, "time", "ps"), (top.yaxis, "z", "cm")]:
        factor, found = shown(name, "1/mu", SCALE, "natural", 10.0)
        at = ticks(axis, factor)
        assert found == unit and len(at) > 2
        assert all(text == pytest.approx(value, rel=1e-3) for text, value in at)  # four digits are written
    run.shown_in = "code"
    assert r"[1/\mu]" in evolution.energy(run).axes[0].get_ylabel()


def test_runs_of_several_scales_have_no_common_axis():
    pytest.importorskip("matplotlib")
    from nuflux_mpi.plots import comparison

    runs = [memory_run(units="cgs"), memory_run("1e32 /cm^3", units="cgs")]
    with pytest.raises(InputError, match="no common axis"):
        comparison.comparison(runs)


def test_figures_without_a_scale_are_refused_before_the_run():
    from nuflux_mpi.config import resolve

    with pytest.raises(InputError, match='output.units = "cgs" needs to know what mu is in eV: give units.density'):
        resolve("two_beam", ["output.units=cgs"])


def test_panels_that_leave_the_label_to_others_have_the_same_ticks():
    pytest.importorskip("matplotlib")
    from nuflux_mpi.plots import style

    figure = style.new_figure(height=4)
    above, below, other = figure.subplots(3)
    for axes, end in ((above, 10.0), (below, 10.0), (other, 7.0)):
        axes.set_xlim(0, end)
    below.set_xlabel(style.TIME_LABEL)
    other.set_ylim(0, 40)
    other.set_ylabel("$z$")  # whose unit stands elsewhere
    style.saved(figure, {"": memory_run(units="natural")}, None)
    assert list(above.get_xticks()) == list(below.get_xticks()) and below.get_xlabel().endswith(r"[{\rm ps}]$")
    assert list(other.get_xticks()) == list(range(8))  # of something else
    assert other.get_ylabel() == r"$z\ [{\rm cm}]$"
    assert all(text == pytest.approx(value, rel=1e-3) for text, value in ticks(other.yaxis, SCALE.length))  # four digits

"""Level "full" as a user runs it: through a config, with its switches, restarts and refusals."""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.errors import InputError
from nuflux_mpi.results.reader import Run

SHORT = [
    "time.end=4",
    "box.points=32",
    "full.points=72",
    "full.p_max=16",
    "full.perp_points=2",
    "output.series_every=1",
    "output.fields_every=2",
    "output.figures=false",
]


def test_ledger_of_a_run_closes():
    run = nuflux_mpi.simulate("finite_rmu", overrides=SHORT)
    series = run.series
    assert np.ptp(series["U_osc"]) > 1e-3 and np.abs(series["K"]).max() > 1e-3  # something was exchanged
    # kinetic and refractive energy of both kinds: what the finite grid in p leaves at t = 4, measured 1e-10
    assert np.abs(series["energy_residual"]).max() < 1e-8
    ledger = series["K"].sum(axis=1) + series["U_osc"] + series["U_trace"]
    np.testing.assert_allclose(ledger - ledger[0], series["energy_residual"], atol=1e-11)  # roundings of 100
    np.testing.assert_allclose(series["number"], series["number"][0], rtol=1e-13)
    assert not {"P_drift_max", "P_drift_mean", "dU_osc_dt"} & set(series)  # not defined for a distribution of directions


@pytest.mark.parametrize("switch", ["force", "group_velocity"])
def test_each_term_is_needed_for_the_budget(switch):
    run = nuflux_mpi.simulate("finite_rmu", overrides=SHORT + ["time.end=12", f"full.{switch}=false"])
    assert np.abs(run.series["energy_residual"]).max() > 1e-3


def test_resumed_run_equals_the_uninterrupted_one(tmp_path):
    whole = nuflux_mpi.simulate("finite_rmu", out=tmp_path / "whole", overrides=SHORT)
    nuflux_mpi.simulate("finite_rmu", out=tmp_path / "parts", overrides=SHORT + ["time.end=2"])
    parts = nuflux_mpi.simulate("finite_rmu", out=tmp_path / "parts", overrides=SHORT, resume="auto")
    np.testing.assert_array_equal(parts.series["time"], whole.series["time"])
    # rtol 1e-9 per step, other steps after the restart
    np.testing.assert_allclose(parts.series["K"], whole.series["K"], atol=1e-8)
    np.testing.assert_allclose(Run(tmp_path / "parts").phase_space["rho"][-1], whole.phase_space["rho"][-1], atol=1e-8)


def test_thermal_spectra_convert_and_conserve():
    """The case `full_thermal` on its way into conversion, with larger seeds."""
    run = nuflux_mpi.simulate(
        "full_thermal",
        overrides=["box.points=16", "time.end=60", "initial.variance=4e-4", "initial.n_max=4", "output.figures=false"],
    )
    series = run.series
    assert np.ptp(series["U_osc"]) > 0.01 and np.ptp(series["K"].sum(axis=1)) > 0.01
    # as in docs/cases.md, where the spectra next to p = 0 leave 2e-6 and 8e-5 by t = 250
    assert np.abs(series["energy_residual"]).max() < 1e-6
    np.testing.assert_allclose(series["momentum"], series["momentum"][0], rtol=1e-7)
    np.testing.assert_allclose(series["number"], 2 * 112.4, rtol=1e-12)
    # nu_e and anti-nu_e convert in pairs: int D_0 stays
    np.testing.assert_allclose(series["D0"], np.broadcast_to(series["D0"][0], series["D0"].shape), atol=1e-11)


@pytest.mark.mpi
def test_same_answer_on_any_number_of_ranks(comm):
    from mpi4py import MPI

    shared = nuflux_mpi.simulate("finite_rmu", comm=comm, overrides=SHORT)
    alone = nuflux_mpi.simulate("finite_rmu", comm=MPI.COMM_SELF, overrides=SHORT)
    for name in ("K", "U_osc", "U_trace", "f_p", "casimir2"):
        np.testing.assert_allclose(shared.series[name], alone.series[name], rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(
    "override, words",
    [
        ("full.p0=4", "full.p0 = 4: p = 0"),
        ("full.p_max=10", "too narrow"),
        ("full.points=32", "too coarse"),
        ("full.points=71", "even"),
        ("full.force=1", "full.force must be true or false"),
    ],
)
def test_grids_that_do_not_hold_the_bunches_are_refused(override, words):
    with pytest.raises(InputError, match=words):
        nuflux_mpi.simulate("finite_rmu", overrides=SHORT + [override])

"""No scale but that of the problem: the same physics in other units, or begun at another time, takes the same steps.

With velocities fixed, mu -> xi mu means polarizations and momenta times xi, lengths and times over xi. Powers of two change
no bit of any of it.
"""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.config import resolve
from nuflux_mpi.errors import InputError
from nuflux_mpi.integrate import Integrator
from nuflux_mpi.results import Run

METHODS = {"3bs": 1e-3, "5dp": 1e-5, "5bs": 1e-5, "6vr": 1e-6, "7vr": 1e-6, "8vr": 1e-7, "4bm": 1e-4, "6bm": 1e-5, "adams": 1e-6}


def case(method, level="standard", xi=1.0, start=0.0, rtol=None, **changed):
    """Three beams, or two at level full, in units in which mu = xi."""
    zeta, velocity = [0.5 * xi, -0.5 * xi, 0.2 * xi], [1.0, -1.0, 0.3]
    config = {
        "box": {"length": 7.0 / xi, "points": 32}, "modes": {"velocity": velocity},
        "initial": {"kind": "seeds", "zeta": zeta, "n_max": 3, "variance": 1e-4 * xi**2},
        "equations": {"level": level},
        "time": {"start": start, "end": start + 2.0 / xi, "method": method, "rtol": rtol or METHODS[method]},
        "output": {"series_every": 0.25 / xi, "fields_every": 1.0 / xi, "figures": False},
    }
    if level == "momentum":
        config["momentum"] = {"points": 24, "half_width": 8.0 * xi, "sigma": 1.2 * xi}
    if level == "full":
        config["modes"]["velocity"], config["initial"]["zeta"] = velocity[:2], zeta[:2]
        config["full"] = {"points": 60, "p_max": 15.0 * xi, "perp_points": 2, "p0": 7.5 * xi, "sigma": 1.2 * xi}
    config["time"] |= changed
    return config


def run(config):
    """(results, statistics, all steps in order)."""
    steps = []

    def note():
        if not steps or steps[-1][0] != simulation.integrator.statistics.steps:
            steps.append((simulation.integrator.statistics.steps, simulation.integrator.statistics.dt))

    with nuflux_mpi.Simulation(config, deterministic=True) as simulation:
        results = simulation.run(stop=note)
        return results, simulation.integrator.statistics, np.array([dt for _, dt in steps])


def assert_the_same(level, method, xis):
    """In units of these sizes, bit for bit, or to rounding where xi is no power of two."""
    whole, counts, steps = run(case(method, level))
    assert counts.steps > 5
    for xi in xis:
        other, counted, taken = run(case(method, level, xi))
        P = np.asarray(other.fields["P"])
        if np.frexp(xi)[0] == 0.5:
            assert (counted.steps, counted.rejections, counted.rhs_evaluations) == (
                counts.steps, counts.rejections, counts.rhs_evaluations)
            np.testing.assert_array_equal(xi * taken, steps)
            np.testing.assert_array_equal(P, xi * np.asarray(whole.fields["P"]))
            for name, power in (("U_osc", 1), ("spectral_tail", 0), ("coherence", 0), ("k_rms", 1), ("nu_x", 0)):
                np.testing.assert_array_equal(other.series[name], xi**power * np.asarray(whole.series[name]), err_msg=name)
        else:
            # Rounding shifts steps; once in a while it decides whether a step is refused or which order is taken.
            assert abs(counted.steps - counts.steps) <= 2
            np.testing.assert_allclose(P[-1] / xi, whole.fields["P"][-1], rtol=0, atol=20 * METHODS[method])
        assert len(other.warnings) == len(whole.warnings)  # they name times


@pytest.mark.parametrize("method", METHODS)
def test_other_units_take_the_same_steps(method):
    assert_the_same("standard", method, (2.0**33, 2.0**-33, 1e10, 1e-10))


@pytest.mark.parametrize("level, method", [
    ("energy", "adams"), ("energy", "6bm"), ("energy", "8vr"), ("momentum", "adams"), ("full", "8vr")])
def test_other_units_take_the_same_steps_at_every_level(level, method):
    assert_the_same(level, method, (2.0**33, 2.0**-33))


def test_two_dimensions_know_no_unit_either():
    def config(xi):
        changed = case("adams", xi=xi)
        changed["box"] = {"length": [7.0 / xi, 9.0 / xi], "points": [8, 8]}
        changed["initial"]["n_max"] = 1
        changed["modes"] = {"velocity": [[1.0, 0.0], [-0.6, 0.8], [0.0, 0.3]]}
        return changed

    (one, counts, steps), (other, counted, taken) = run(config(1.0)), run(config(2.0**-33))
    assert counts.steps == counted.steps
    np.testing.assert_array_equal(2.0**-33 * taken, steps)
    np.testing.assert_array_equal(other.fields["P"], 2.0**-33 * np.asarray(one.fields["P"]))


@pytest.mark.parametrize("xi", [1e-10, 1e10])
def test_a_state_at_rest_stays_there_in_any_unit(xi):
    """No rate is known at the start: the first step follows from the output."""
    config = case("adams", xi=xi)
    config["initial"]["variance"] = 0.0
    results, counts, _ = run(config)
    assert results.finished and counts.steps < 30
    np.testing.assert_array_equal(results.fields["P"][-1], results.fields["P"][0])


@pytest.mark.parametrize("method", ["3bs", "8vr", "4bm", "adams"])
@pytest.mark.parametrize("slow", [1e-12, 1e-3, 1.0, 1e12])
def test_the_first_step_is_neither_refused_nor_much_too_short(method, slow, comm):
    """A derivative that is small at first, beside the state, and turns at its own rate; any unit of time."""
    for small in (1e-12, 1e-3, 1.0):
        def rhs(t, u, du):
            du[:] = slow * small * np.cos(slow * t) * np.ones(2)

        one = Integrator(rhs, 2, comm, method=method, rtol=1e-8, flow=lambda t, h, u: np.add(
            u, h * slow * small * np.cos(slow * t), out=u))  # the local flow, at a time that stands still
        one.u[:] = 1.0
        one.begin()
        taken = []
        one.advance(3.0 / slow, lambda: taken.append((one.statistics.dt, one.statistics.rejections)))
        u = one.u.copy()
        one.destroy()
        (first, refused), longest = taken[0], max(taken)[0]
        assert refused <= 1
        # adams begins with order 1: sqrt(1e-10), where later steps are some 0.1 / slow
        assert first > (1e-2 * min(longest, 0.1 / slow) if method != "adams" else 0.5e-5 / slow)
        np.testing.assert_allclose(u, 1.0 + small * np.sin(3.0), rtol=0, atol=1e-6)  # 1e-8 for each step, sqrt(2)


# ---- far from 0


@pytest.mark.parametrize("method", ["adams", "8vr", "4bm"])
@pytest.mark.parametrize("start", [-1e9, 1e6, -7.3])
def test_a_start_far_from_zero_is_the_same_run(method, start, tmp_path):
    near, counts, _ = run(case(method, "energy"))
    config = case(method, "energy", start=start)
    far = nuflux_mpi.simulate(config, out=tmp_path / "far", deterministic=True)
    assert far.finished and Run(tmp_path / "far").finished and far.warnings == []
    np.testing.assert_array_equal(far.series["time"], [start + 0.25 * i for i in range(8)] + [start + 2.0])
    for name in ("step", "rhs_evaluations"):
        np.testing.assert_array_equal(far.series[name], near.series[name])
    # The end, start + 2, may be off by the spacing of doubles there.
    np.testing.assert_allclose(far.fields["P"][-1], near.fields["P"][-1], rtol=0, atol=1e-10 + np.spacing(abs(start)))
    np.testing.assert_array_equal(far.fields["P"][1], near.fields["P"][1])
    np.testing.assert_array_equal(far.fields.at(start + 1.0)["P"], near.fields.at(1.0)["P"])
    with pytest.raises(InputError, match="were not written at"):
        far.fields.at(start + 0.5)


def test_a_run_far_from_zero_is_resumed_and_compared(tmp_path):
    from nuflux_mpi.compare import report

    config = case("adams", "energy", start=-1e9)
    whole = nuflux_mpi.simulate(config, out=tmp_path / "whole", deterministic=True)
    first = case("adams", "energy", start=-1e9, end=-1e9 + 1.0)
    nuflux_mpi.simulate(first, out=tmp_path / "parts", deterministic=True)
    parts = nuflux_mpi.simulate(config, out=tmp_path / "parts", deterministic=True, resume="auto")
    for name in ("time", "U_osc", "K", "P_drift_max", "dU_osc_dt_difference"):
        np.testing.assert_array_equal(whole.series[name], parts.series[name], err_msg=name)
    np.testing.assert_array_equal(whole.fields["P"][-1], parts.fields["P"][-1])
    text, worst = report(whole, parts)
    assert worst == 0.0 and "9 of" not in text
    with pytest.raises(InputError, match="time.end = -1e[+]09 is before t = "):
        nuflux_mpi.simulate(case("adams", "energy", start=-1e9, end=-1e9 + 0.5), out=tmp_path / "parts", resume="auto")


@pytest.mark.parametrize("changed, words", [
    ({"start": 1e17, "end": 1e17 + 64}, "time.start must be nearer to 0: doubles at the times of the run are 16 apart"),
    ({"start": -1e9, "end": -1e9 + 1e-6}, "time.start must be nearer to 0"),
    ({"dt_max": 1e-20}, "time.dt_max must be at least 4.4e-16"),
    ({"dt_min": 1e-20}, "time.dt_min must be at least 4.4e-16"),
    ({"dt_initial": 1e-20}, "time.dt_initial must be at least 4.4e-16"),
    ({"dt_max": 1e-14}, "time.dt_max must be at least 2.3e-13, 512 times"),
    ({"dt_min": 0.1, "dt_max": 0.01}, "time.dt_max must not be below time.dt_min = 0.1"),
    ({"dt_min": 0.1, "dt_initial": 0.01}, "time.dt_initial must not be below time.dt_min = 0.1"),
])
def test_times_that_doubles_cannot_tell_apart_are_refused(changed, words):
    config = case("adams", **changed)
    config["output"] = {}
    with pytest.raises(InputError) as refused:
        resolve(config)
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("xi", [1e-10, 1.0, 1e10])
def test_the_shortest_steps_allowed_scale_as_well(xi):
    for name in ("dt_max", "dt_initial", "dt_min"):
        resolve(case("adams", xi=xi, **{name: 1e-11 / xi}))
        with pytest.raises(InputError, match=f"time.{name}"):
            resolve(case("adams", xi=xi, **{name: 1e-20 / xi}))

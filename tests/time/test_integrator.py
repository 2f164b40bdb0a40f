"""Time integration: order of each method, meaning of the tolerance, exact output times, and failures that say when."""

import gc
import re

import numpy as np
import pytest
from loading import through_json

import nuflux_mpi
from nuflux_mpi.errors import InputError, NumericalFailure
from nuflux_mpi.physics import polarization
from nuflux_mpi.time.integrator import Integrator
from nuflux_mpi.time.methods import METHODS, RUNGE_KUTTA

START = np.array([0.5, 1 / 6, 5 / 6])


def logistic(t, u, du):
    """u' = 2 cos(t) u (1 - u): nonlinear and explicitly time-dependent, so that no order condition is spared."""
    du[:] = 2 * np.cos(t) * u * (1 - u)


def flow(u, t0, t):
    """Closed form: the logistic u at time t that starts from u at t0."""
    return 1 / (1 + (1 / u - 1) * np.exp(-2 * (np.sin(t) - np.sin(t0))))


@pytest.fixture
def integrator(comm):
    """Make an Integrator (8vr unless told) whose local state starts as `start`; all are destroyed at the end of the test."""
    made = []

    def make(rhs, start, **keys):
        made.append(Integrator(rhs, len(start), comm, **{"method": "8vr"} | keys))
        made[-1].u[:] = start
        made[-1].begin()
        return made[-1]

    yield make
    for one in made:
        one.destroy()


# ---- order

# Largest step at which each method shows its order on both problems; the smallest error stays above rounding.
ORDER_STEP = {"3bs": 1 / 16, "5dp": 1 / 16, "5bs": 1 / 8, "6vr": 1 / 8, "7vr": 1 / 8, "8vr": 1 / 4}


@pytest.mark.parametrize("method, order", [(method, METHODS[method].order) for method in RUNGE_KUTTA])
def test_observed_order_on_a_closed_form(method, order, integrator):
    def error(h):
        one = integrator(logistic, START, method=method, rtol=1e3, dt_initial=h, dt_max=h)  # every step is accepted
        assert one.advance(2.0) and one.statistics.steps == round(2 / h)
        return np.linalg.norm(one.u - flow(START, 0, 2.0))

    h = ORDER_STEP[method]
    # The next order adds O(h): up to 0.53 at these steps (5dp, whose leading error is small by design).
    assert np.log2(error(h) / error(h / 2)) == pytest.approx(order, abs=0.6)


def two_beams(*overrides):
    """Fields at t = 2 of two beams with a few large waves, as a vector whose 2-norm is that of the fields."""
    case = {
        "box": {"length": 12.0, "points": 64, "fftw": "estimate"},
        "initial": {
            "kind": "fourier",
            "zeta": [0.5, -0.5],
            "waves": [
                {"n": -2, "amplitude": 0.1, "mode": 0},
                {"n": -1, "amplitude": 0.15, "phase": 1.0, "mode": 1},
                {"n": 1, "amplitude": 0.05, "phase": 2.0},
            ],
        },
        "time": {"end": 2.0},
        "output": {"series_every": 2.0, "fields_every": 0, "spectrum_every": 0},
    }
    return nuflux_mpi.simulate(case, overrides=overrides).fields["P"][-1] / 8  # 64 points


@pytest.mark.parametrize("method", ["3bs", "5dp", "5bs", "6vr", "7vr", "8vr"])
def test_observed_order_on_two_beams(method):
    def solution(h):
        return two_beams(f"time.method={method}", "time.rtol=0.99", f"time.dt_initial={h}", f"time.dt_max={h}")

    reference, h = two_beams("time.rtol=1e-14"), ORDER_STEP[method]
    error = [np.linalg.norm(solution(step) - reference) for step in (h, h / 2)]
    assert 1e-14 < error[1] < error[0] < 1e-4
    assert np.log2(error[0] / error[1]) == pytest.approx(METHODS[method].order, abs=0.25)  # 0.22 for 5bs, O(h)


# ---- tolerance


@pytest.mark.parametrize("method", ["5dp", "8vr"])
def test_error_falls_with_the_tolerance_on_two_beams(method):
    def solution(rtol):
        return nuflux_mpi.simulate(
            "two_beam",
            overrides=[
                f"time.rtol={rtol}",
                f"time.method={method}",
                "time.end=8",
                "box.points=512",
                "box.fftw=estimate",
                "equations.level=standard",
                "output.series_every=8",
                "output.fields_every=0",
                "output.spectrum_every=0",
            ],
        ).fields["P"][-1]

    reference, tolerances = solution(1e-13), 10.0 ** -np.arange(4, 11)
    norm = np.linalg.norm(reference)
    errors = np.array([np.linalg.norm(solution(rtol) - reference) / norm for rtol in tolerances])
    assert np.all(np.diff(errors) < 0)
    # In proportion: the instability, exp(8) = 3000 at most, is in the factor but for the error made late.
    assert np.all(errors < 100 * tolerances) and np.all(errors > 0.1 * tolerances)


@pytest.mark.parametrize("rtol, atol", [(1e-6, 0.0), (1e-11, 0.0), (0.0, 1e-7), (1e-7, 1e-7)])
def test_the_error_of_each_step_is_below_the_tolerance(rtol, atol, integrator):
    one = integrator(logistic, START, method="5dp", rtol=rtol, atol=atol)
    tolerance = rtol * np.linalg.norm(START) + atol
    assert one.tolerance == pytest.approx(tolerance, rel=1e-14)
    before, errors = [(0.0, START)], []

    def compare():
        t, u = before.pop()
        errors.append(np.linalg.norm(one.u - flow(u, t, one.t)))
        before.append((one.t, one.u.copy()))

    one.advance(6.0, compare)
    assert len(errors) > 5
    assert max(errors) < tolerance  # the estimate is the error of the fourth-order partner, the step is fifth order
    assert max(errors) > 1e-3 * tolerance


def test_steps_do_not_depend_on_the_number_of_unknowns(integrator):
    """A tolerance in the 2-norm sees through zeros and through copies of smaller size."""
    starts = [START, np.concatenate((START, np.zeros(500)))]
    steps = []
    for start in starts:
        one = integrator(logistic, start, rtol=1e-9)
        one.advance(5.0)
        steps.append((one.statistics.steps, one.statistics.largest_dt))
    assert steps[0][0] == steps[1][0]
    assert steps[0][1] == pytest.approx(steps[1][1], rel=1e-9)  # rounding in the norms


@pytest.mark.mpi
def test_ranks_share_one_tolerance_and_may_be_empty(comm, integrator):
    """The state on the first rank alone, and a copy on every rank."""
    alone = integrator(logistic, START if comm.rank == 0 else np.empty(0), rtol=1e-10)
    assert alone.advance(3.0)
    np.testing.assert_allclose(alone.u, flow(START, 0, 3.0)[: len(alone.u)], rtol=1e-8)  # tolerance times steps
    everywhere = integrator(logistic, START, rtol=1e-10)
    assert everywhere.tolerance == pytest.approx(np.sqrt(comm.size) * alone.tolerance)
    assert everywhere.advance(3.0)
    np.testing.assert_allclose(everywhere.u, flow(START, 0, 3.0), rtol=1e-8)
    # Error and tolerance both grow with sqrt(ranks).
    assert everywhere.statistics.steps == alone.statistics.steps


# ---- steps and output times


def test_targets_are_met_exactly_and_steps_survive_them(integrator):
    targets = np.arange(1, 41) * 0.1
    one, free = (integrator(logistic, START, rtol=1e-4) for _ in range(2))
    for t in targets:
        assert one.advance(t)
        assert one.t == t
        # 1e-4 |START| per step and 40 steps; the steps are much shorter than the tolerance asks for
        np.testing.assert_allclose(one.u, flow(START, 0, t), rtol=0, atol=1e-4)
    free.advance(4.0)
    # One step to each target: the controller's step is kept across them. Without targets it would be longer.
    assert one.statistics.steps <= 42
    assert free.statistics.steps < 20
    assert one.statistics.smallest_dt > 1e-3


def test_a_short_step_to_a_target_does_not_shorten_the_next(integrator):
    one, sizes = integrator(logistic, START, rtol=1e-8), []
    for target in (1.5, 1.500001, 3.0):
        one.advance(target, lambda: sizes.append(one.statistics.dt))
    cut = sizes.index(pytest.approx(1e-6))
    # The controller alone would grow from 1e-6 by a factor 10 at most.
    assert sizes[cut + 1] > 0.5 * sizes[cut - 1]


def test_asked_steps_are_taken(integrator):
    one = integrator(logistic, START, rtol=1e-3, dt_initial=0.01, dt_max=0.07)
    sizes = []
    one.advance(3.0, lambda: sizes.append(one.statistics.dt))
    assert sizes[0] == pytest.approx(0.01)
    assert max(sizes) == one.statistics.largest_dt == pytest.approx(0.07)
    assert sum(sizes) == pytest.approx(3.0)
    assert one.statistics.steps == len(sizes)


def test_statistics_count_what_happened(integrator):
    calls = []

    def rhs(t, u, du):
        calls.append(t)
        # A jump in the right-hand side at t = 1 forces rejections.
        du[:] = np.where(t < 1, 1.0, 100.0) * u

    one = integrator(rhs, START, method="5dp", rtol=1e-9)
    one.advance(1.2)
    assert one.statistics.rhs_evaluations == len(calls)
    assert one.statistics.rejections >= 3
    # Seven stages, the first of which is the last of the step before at best.
    assert 6 * one.statistics.steps <= len(calls) <= 7 * (one.statistics.steps + one.statistics.rejections) + 2
    np.testing.assert_allclose(one.u, START * np.exp(21), rtol=1e-7)


@pytest.mark.parametrize("method", ["5dp", "8vr"])  # with and without a last stage that is the first of the next step
def test_a_step_far_too_long_leaves_nothing_behind(method, integrator):
    """PETSc takes a rejected step back by subtraction, which forgets a state of 1 beside an update of 1e30 and more."""

    def rotation(t, u, du):
        du[:] = 1e8 * np.array([-u[1], u[0]])

    one = integrator(rotation, np.array([1.0, 0.0]), method=method, rtol=1e-10, dt_initial=1.0)
    one.advance(1.0, after_step=lambda: True)
    angle = 1e8 * one.t
    assert one.statistics.rejections > 5 and angle > 1e-3
    np.testing.assert_allclose(one.u, [np.cos(angle), np.sin(angle)], atol=1e-9)  # one step, ten times its tolerance


def test_first_step_suits_the_tolerance(integrator):
    """Neither is the first step rejected, nor are many needed to reach the size that the later ones have."""
    for rtol in (1e-4, 1e-12):
        one, sizes = integrator(logistic, START, rtol=rtol), []
        one.advance(2.0, lambda one=one, sizes=sizes: sizes.append(one.statistics.dt))
        assert one.statistics.rejections == 0
        assert sizes[0] > 0.01 * max(sizes)


def test_a_true_answer_after_a_step_stops_there(integrator):
    one = integrator(logistic, START, rtol=1e-8)
    assert not one.advance(3.0, lambda: one.t > 1.0)
    assert 1.0 < one.t < 3.0
    np.testing.assert_allclose(one.u, flow(START, 0, one.t), rtol=1e-6)  # tolerance times steps
    assert one.advance(3.0)
    np.testing.assert_allclose(one.u, flow(START, 0, 3.0), rtol=1e-6)


def test_output_times_of_a_run_are_exact():
    run = nuflux_mpi.simulate(
        "two_beam",
        overrides=[
            "box.points=256",
            "time.start=-1",
            "time.end=2.05",
            "output.series_every=0.3",
            "output.fields_every=0.7",
            "output.spectrum_every=1.5",
        ],
    )
    assert run.series["time"].tolist() == [-1 + 0.3 * i for i in range(11)] + [2.05]
    # 1.1 is due for both, and which of two roundings of it is taken is left open.
    assert run.fields["time"] == pytest.approx(np.array([-1, -0.3, 0.4, 1.1, 1.8, 2.05]), abs=1e-15)
    assert run.series["spectrum_time"].tolist() == [-1, 0.5, 2.0, 2.05]
    undisturbed = nuflux_mpi.simulate(
        "two_beam",
        overrides=["box.points=256", "time.start=-1", "time.end=2.05", "output.series_every=4", "output.fields_every=0"],
    )
    # Other steps: 1e-10 each, times the growth exp(3).
    np.testing.assert_allclose(run.fields["P"][-1], undisturbed.fields["P"][-1], rtol=0, atol=1e-9)


def test_petsc_options_reach_the_integrator_and_those_of_others_do_not(integrator):
    from petsc4py import PETSc

    table, stranger = PETSc.Options(), {"ts_type": "euler", "ts_adapt_type": "none", "ts_rtol": "1e-1", "ts_dt": "1e-3"}
    arguments = {"method": "5dp", "rtol": 1e-8, "dt_initial": 1e-3}
    usual = integrator(logistic, START, **arguments)
    usual.advance(2.0)
    for name, value in stranger.items():
        table.setValue(name, value)
    try:
        same = integrator(logistic, START, **arguments)
        same.advance(2.0)
    finally:
        for name in stranger:
            table.delValue(name)
    assert same.statistics == usual.statistics and same.u.tobytes() == usual.u.tobytes()
    before = table.getAll()
    fixed = integrator(logistic, START, options="-ts_adapt_type none", **arguments)
    fixed.advance(2.0)
    assert fixed.statistics.steps == pytest.approx(2000, abs=1) and usual.statistics.steps < 200
    assert table.getAll() == before


# ---- failures


@pytest.mark.mpi
def test_not_a_number_ends_all_ranks_and_names_the_time(comm, integrator):
    def rhs(t, u, du):
        logistic(t, u, du)
        if t > 0.5 and comm.rank == comm.size - 1:
            du[0] = np.nan

    one = integrator(rhs, START, rtol=1e-8)
    with pytest.raises(NumericalFailure, match="not-a-number or infinity in the step from t =") as failure:
        one.advance(2.0)
    before, after = map(float, re.findall(r"\d\.\d+", str(failure.value)))
    assert 0 < before <= 0.5 < after < 2
    # The last good state is kept.
    assert one.t == pytest.approx(before, abs=1e-9)  # ten digits are printed
    np.testing.assert_allclose(one.u, flow(START, 0, one.t), rtol=1e-6)  # tolerance times steps


@pytest.mark.mpi
def test_not_a_number_at_the_start_is_told_at_once(comm, integrator):
    def rhs(t, u, du):
        du[:] = np.nan if comm.rank == 0 else 0.0

    with pytest.raises(NumericalFailure, match="not finite at the start, t = 0"):
        integrator(rhs, START)


def test_a_solution_that_ends_in_a_pole_is_a_collapsed_step(integrator):
    def rhs(t, u, du):
        du[:] = u**2  # u = 1 / (1 - t)

    one = integrator(rhs, np.array([1.0]), rtol=1e-8)
    with pytest.raises(NumericalFailure, match=r"the step size collapsed at t = 0\.9999"):
        one.advance(2.0)


def test_the_smallest_step_allowed_is_a_limit(integrator):
    one = integrator(
        lambda t, u, du: np.multiply(u, -50.0, out=du), START, method="3bs", rtol=1e-10, dt_initial=0.5, dt_min=0.1
    )
    with pytest.raises(NumericalFailure, match="collapsed at t = 0: no step of 0.1"):
        one.advance(2.0)


def test_a_failing_run_says_where(monkeypatch):
    """In a whole run the sentence goes on with the place and the mode."""
    sound = polarization.Standard.source

    def damaged(self, t):
        sound(self, t)
        if t > 1.0:
            self.P[1, 0, 25] = np.inf

    monkeypatch.setattr(polarization.Standard, "source", damaged)
    with pytest.raises(NumericalFailure, match=r"from t = [\d.]+ to .* z = 9\.76562 in mode 1 \(v = -1\)"):
        nuflux_mpi.simulate("two_beam", overrides=["box.points=256", "equations.level=standard", "time.end=3"])


def test_petsc_options_end_with_their_run():
    runs = [
        nuflux_mpi.simulate(
            "two_beam", overrides=["box.points=256", "time.end=1", "time.method=8vr", f'petsc.options="{options}"']
        )
        for options in ("", "-ts_adapt_safety 0.3", "")
    ]
    counts = [int(run.series["rhs_evaluations"][-1]) for run in runs]
    assert counts[0] == counts[2] < counts[1]  # shorter steps
    assert [run.attrs["petsc_options"] for run in runs] == ["", "-nuflux_ts_adapt_safety 0.3", ""]


@pytest.mark.parametrize("option", ["-ts_adapt_safety 0.5", "-ts_adapt_type none"])
def test_petsc_options_that_would_do_nothing_are_refused(option, comm):
    with pytest.raises(InputError, match=f"petsc.options: {option.split()[0]} acts on Runge-Kutta pairs alone: .* not adams"):
        Integrator(logistic, len(START), comm, method="adams", options=f"-ts_view {option}")


@pytest.mark.parametrize("method", ["adams", "8vr"])
def test_petsc_options_do_not_choose_the_method(method, comm):
    with pytest.raises(InputError, match="-ts_type: time.method chooses"):
        Integrator(logistic, len(START), comm, method=method, options="-ts_type rk")


@pytest.mark.parametrize("first", [0.9, 2.0])
def test_steps_below_the_smallest_allowed_end_the_run(first):
    with pytest.raises(NumericalFailure, match="time.dt_min"):
        nuflux_mpi.simulate("two_beam", overrides=["box.points=256", "time.dt_min=0.5", f"time.dt_initial={first}"])


# ---- memory


@pytest.mark.mpi
@pytest.mark.parametrize("method", RUNGE_KUTTA)
@pytest.mark.parametrize("stretch", [1.0, 8.0])
def test_memory_is_all_that_the_next_steps_depend_on(method, stretch, comm):
    """Stretched beyond what the tolerance allows, the first step after the recall is rejected."""
    one, other = (Integrator(logistic, len(START), comm, method=method, rtol=1e-8) for _ in range(2))
    one.u[:] = START
    one.begin()
    one.advance(1.0)
    record, vectors = through_json(one.memory()[0]), [vector.copy() for vector in one.memory()[1]]
    assert len(vectors) == (method in ("3bs", "5dp", "5bs", "6vr"))
    rejected, record.dt = one.statistics.rejections, stretch * record.dt
    one._dt *= stretch
    other.t, other.u[:] = one.t, one.u
    other.recall(record, vectors)
    other.begin(norm=one.tolerance / 1e-8)
    for integrator in (one, other):
        integrator.advance(50.0)
    np.testing.assert_array_equal(one.u, other.u)
    assert one.statistics == other.statistics
    assert stretch == 1.0 or one.statistics.rejections > rejected
    for integrator in (one, other):
        integrator.destroy()


@pytest.mark.mpi
def test_integrators_may_be_dropped_at_any_time(comm):
    """Python collects garbage on each rank when it likes: here on one rank, before the next is made on all."""
    comm = comm.Dup()  # PETSc has nothing on it yet
    kept = [Integrator(logistic, len(START), comm)]
    if comm.rank == 0:
        kept.clear()
        gc.collect()
    other = Integrator(logistic, len(START), comm)
    other.u[:] = START
    other.begin()
    assert other.advance(0.5)
    other.destroy()

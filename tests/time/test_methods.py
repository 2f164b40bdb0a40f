"""Time-stepping methods of our own: orders, error control, kept lengths, output between steps, failures, memory."""

import re

import numpy as np
import pytest
from loading import through_json

import nuflux_mpi
from nuflux_mpi import kernels
from nuflux_mpi.config import resolve
from nuflux_mpi.errors import InputError, NumericalFailure
from nuflux_mpi.flavor import algebra
from nuflux_mpi.time import adams, methods, splitting
from nuflux_mpi.time.integrator import Integrator, vectors
from nuflux_mpi.time.memory import AdamsMemory

METHODS = ("4bm", "6bm", "adams")
START = np.array([0.5, 1 / 6, 5 / 6])
QUICK = [
    "box.points=64",
    "box.fftw=estimate",
    "initial.n_max=20",
    "equations.level=standard",
    "output.series_every=8",
    "output.fields_every=0",
    "output.spectrum_every=0",
]


def logistic(t, u, du):
    """u' = 2 cos(t) u (1 - u)."""
    du[:] = 2 * np.cos(t) * u * (1 - u)


def frozen(t, h, u):
    """The flow of `logistic` over h with the time of its coefficient standing still at t."""
    u[:] = 1 / (1 + (1 / u - 1) * np.exp(-2 * np.cos(t) * h))


def exact(t):
    return 1 / (1 + (1 / START - 1) * np.exp(-2 * np.sin(t)))


def correcting(rhs, active):
    """The `correct` that the multistep method may be given, of a right-hand side whose leading numbers are active."""

    def correct(t, p, extrapolated, factor, du):
        p[active:] = np.nan  # nothing may depend on what is there
        rhs(t, p, du)
        difference = du[:active] - extrapolated[:active]
        p[:active] += factor * difference
        rhs(t, p, du)
        return float(difference @ difference)

    return correct


@pytest.fixture
def integrator(comm):
    made = []

    def make(state=START, rhs=logistic, norm=None, memory=None, **keys):
        made.append(Integrator(rhs, len(state), comm, **{"flow": frozen} | keys))
        made[-1].u[:] = state
        if memory:
            made[-1].recall(*memory)
        made[-1].begin(norm=norm)
        return made[-1]

    yield make
    for one in made:
        one.destroy()


# ---- order


@pytest.mark.parametrize("method, order", [("4bm", 4), ("6bm", 6)])
def test_observed_order_of_the_splittings(method, order, integrator):
    def error(h):
        one = integrator(method=method, rtol=1e3, dt_initial=h, dt_max=h)
        assert one.advance(2.0) and one.statistics.steps == round(2 / h)
        return np.linalg.norm(one.u - exact(2.0))

    # Symmetric: only even powers of h, 1/64 of the next one.
    assert np.log2(error(1 / 4) / error(1 / 8)) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("method", methods.SPLITTINGS)
def test_splitting_estimates_have_the_order_they_claim(method):
    """sum_i w_i u_i over the states within a step falls as h^(order + 1)."""
    b, c, w = splitting.coefficients(method)

    def estimate(h):
        u, total = START.copy(), w[0] * START
        for flow, time, weight in zip(b, c, w[1:]):
            frozen(0.3 + time * h, flow * h, u)
            total += weight * u
        return np.linalg.norm(total)

    order = np.log2(estimate(0.1) / estimate(0.05))
    assert order == pytest.approx(methods.METHODS[method].estimate + 1, abs=0.3)  # the next order is O(h)
    assert w.sum() == pytest.approx(0, abs=1e-12)


# The predictor's rows are filled up to four, seven, ten or thirteen, those of other sums are taken in fours.
@pytest.mark.parametrize("count", [1, 3, 4, 5, 7, 8, 10, 11, 13])
@pytest.mark.parametrize("size", [0, 5, 4099])
def test_sums_of_derivatives(count, size):
    generator = np.random.default_rng(count)
    pool, weights = generator.standard_normal((16, size)), generator.standard_normal((4, count))
    rows = generator.permutation(16)[:count]
    expected = weights @ pool[rows]
    for number in (2, 4):
        sums = np.full((number, size), np.nan)
        kernels.weigh(pool, rows, weights[:number], 0, tuple(sums))
        np.testing.assert_allclose(sums, expected[:number], rtol=0, atol=5e-14)  # a dozen products of numbers up to 10
    p, extrapolated = sums[:2]
    state = np.full(size, np.nan)
    kernels.combine(pool, rows, weights[0], state)
    np.testing.assert_allclose(state, p, rtol=0, atol=5e-14)
    for some in (1, 3):
        found = kernels.squares(pool, rows, weights[:some])
        np.testing.assert_allclose(found, np.sum(expected[:some] ** 2, axis=1), rtol=1e-12, atol=0)
    y, f = generator.standard_normal((2, size))
    begun = sums[2:].copy()
    kernels.complete(y, f, 0.3, -2.0, *begun)
    np.testing.assert_allclose(begun, [y + sums[2] + 0.3 * f, sums[3] - 2.0 * f], rtol=0, atol=1e-14)
    # the same and the correction with another derivative, in one go and behind some numbers that stay out of it
    start = min(size, 2)
    new, passive = generator.standard_normal(size - start), np.full(size - start, np.nan)
    square = kernels.integrate(pool, rows, weights[:2], start, 0.7, new, passive)
    difference = new - extrapolated[start:]
    np.testing.assert_allclose(passive, p[start:] + 0.7 * difference, rtol=0, atol=5e-14)
    assert square == pytest.approx(np.sum(difference**2), rel=1e-12)


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("k", range(1, adams.MOST + 1))
def test_adams_step_has_order_k_plus_one(k, passive, comm):
    """One step from exact derivatives at uneven times: its error falls as h^(k + 2), its estimate as h^(k + 1).

    Also with passive numbers, the integrals of 10 x and 10 y along the circle: half of the error, most of the estimate.
    """

    size = 4 if passive else 2

    def rhs(t, u, du):  # a nonlinear form of the unit circle
        du[:2] = np.array([-u[1], u[0]]) * np.sum(u[:2] ** 2)
        du[2:] = 10 * u[: size - 2]

    def circle(t):
        return np.array([np.cos(t), np.sin(t), 10 * np.sin(t), -10 * np.cos(t)])[:size]

    def step(h):
        method = adams.Adams(rhs, comm, size, correcting(rhs, 2), 2)
        times = -h * np.cumsum(np.r_[0.0, 1.0 + 0.3 * np.cos(np.arange(k))])[: k + 1]
        derivatives = [np.empty(size) for _ in times]
        for t, derivative in zip(times, derivatives):
            rhs(t, circle(t), derivative)
        method.recall(AdamsMemory(list(times), order=k, since=0, ramp=False, starting=False), [circle(0.0)] + derivatives)
        method.begin(0.0, np.empty(size), 1.0)
        square = method._attempt(0.0, h)
        method._accept(0.0, h, 0.0)
        u = np.empty(size)
        method.state(h, u)
        return np.linalg.norm(u - circle(h)), np.sqrt(square[0])

    h = 0.02 * k  # errors above rounding, steps below one
    (error, estimate), (error_2, estimate_2) = step(h), step(0.75 * h)
    assert np.log(error / error_2) / np.log(4 / 3) == pytest.approx(k + 2, abs=1.5)  # O(h), larger for many times
    assert np.log(estimate / estimate_2) / np.log(4 / 3) == pytest.approx(k + 1, abs=1.5)


@pytest.mark.parametrize("k", [1, 4, 8])
def test_adams_formula_integrates_polynomials(k):
    nodes, b, x = -np.cumsum(np.r_[0.0, np.linspace(1.3, 0.6, k)])[:k], np.empty(k), np.empty(k)
    g, e = kernels.formula(nodes, b, x)
    for power in range(k):
        assert b @ nodes**power == pytest.approx(1 / (power + 1), rel=1e-7)  # weights of either sign, up to 1e3 at k = 8
        assert x @ nodes**power == pytest.approx(1, rel=1e-7)
    # degree k: the corrector is exact with F = f(1)
    assert b @ nodes**k + g * (1 - x @ nodes**k) == pytest.approx(1 / (k + 1), rel=1e-7)
    assert 0 < e <= g * (1 + 1e-14)  # equal at k = 1


# ---- error control


@pytest.mark.parametrize("method", METHODS)
def test_the_error_falls_with_the_tolerance(method, integrator):
    tolerances, errors = 10.0 ** -np.arange(4, 10), []  # below, 6bm is at rounding
    for rtol in tolerances:
        one = integrator(method=method, rtol=rtol)
        one.advance(4.0)
        errors.append(np.linalg.norm(one.u - exact(4.0)))
    assert np.all(np.diff(errors) < 0)
    assert np.all(errors < 10 * tolerances)  # some thirty steps with a part of the tolerance each


@pytest.mark.parametrize("level, name", [("standard", "P"), ("energy", "kappa")])
@pytest.mark.parametrize("method", METHODS)
def test_two_beams_agree_with_a_runge_kutta_pair(method, level, name):
    def solution(method, rtol):
        run = nuflux_mpi.simulate(
            "two_beam",
            overrides=QUICK + [f"equations.level={level}", f"time.method={method}", f"time.rtol={rtol}", "time.end=6"],
        )
        return run.fields[name][-1], np.linalg.norm(run.fields["P"][-1])

    reference, size = solution("8vr", 1e-13)  # a tolerance counts in the norm of the whole state
    errors = [np.linalg.norm(solution(method, rtol)[0] - reference) / size for rtol in (1e-5, 1e-8)]
    assert errors[1] < errors[0] < 1e-3
    assert errors[1] < 1e-6  # tolerance x steps x growth by exp(6)


@pytest.mark.parametrize("method", methods.SPLITTINGS)
@pytest.mark.parametrize("level", ["standard", "energy"])
def test_splitting_keeps_the_length_of_every_mode(level, method):
    """However large the error: at rtol = 1e-2 it is kept to rounding. int D_0, kept by the others, is not."""
    run = nuflux_mpi.simulate(
        "multi_angle",
        overrides=[
            "modes.number=6",
            "box.points=32",
            "initial.width=20",
            "initial.amplitude=0.3",
            f"time.method={method}",
            "time.rtol=1e-2",
            "time.end=60",
            f"equations.level={level}",
            "output.fields_every=20",
            "output.series_every=20",
            "output.spectrum_every=0",
        ],
    )
    length = np.mean(np.sum(run.fields["P"] ** 2, axis=2), axis=-1)
    np.testing.assert_allclose(length[1:], np.broadcast_to(length[0], length[1:].shape), rtol=1e-13)


@pytest.mark.parametrize("method, order", [("4bm", 4), ("6bm", 6)])
def test_the_energy_budget_closes_with_the_order_of_the_splitting(method, order):
    """kappa is part of either flow: no formula besides that of the method brings it along."""

    def residual(h):
        run = nuflux_mpi.simulate(
            "two_beam",
            overrides=QUICK
            + [
                "equations.level=energy",
                f"time.method={method}",
                "time.rtol=0.9",
                f"time.dt_initial={h}",
                f"time.dt_max={h}",
                "initial.variance=2e-4",
                "time.end=8",
                "output.series_every=1",
            ],
        )
        assert run.series["step"][-1] == round(8 / h)
        assert np.ptp(run.series["U_osc"]) > 0.1 * abs(run.series["U_osc"][0])
        return np.abs(run.series["energy_residual"]).max()

    h = 1 / 8
    assert np.log2(residual(h) / residual(h / 2)) == pytest.approx(order, abs=0.2)  # O(h^2)


def driven(t, u, du):
    """`logistic`, and behind it numbers that oscillate faster and on which nothing depends."""
    logistic(t, u[:3], du[:3])
    du[3:] = np.cos(9 * t) * u[:3]


def test_passive_numbers_are_as_good_as_active_ones(integrator):
    """Taken for active, they give the same to the tolerance, in about as many steps: the error estimate sees them."""
    start, ends = np.append(START, np.zeros(3)), []
    for active in (3, 6):
        keys = {"correct": correcting(driven, active), "active": active}
        one = integrator(start, rhs=driven, method="adams", rtol=1e-9, **keys)
        one.advance(4.0)
        ends.append((one.u.copy(), one.statistics.steps))
    (u, steps), (expected, more) = ends
    alone = integrator(method="adams", rtol=1e-9)
    alone.advance(4.0)
    np.testing.assert_allclose(u, expected, rtol=0, atol=1e-7)  # 1e-9 x some hundred steps
    assert np.abs(u[3:]).min() > 1e-3
    assert steps == pytest.approx(more, rel=0.1) and steps > 1.5 * alone.statistics.steps


def test_passive_numbers_alone_refuse_a_step(integrator):
    """Nothing happens among the active ones: a step that is refused is refused for the others."""

    def rhs(t, u, du):
        du[:] = 0.0, np.cos(t)

    keys = {"correct": correcting(rhs, 1), "active": 1}
    one = integrator(np.array([1.0, 0.0]), rhs=rhs, method="adams", rtol=1e-8, dt_initial=0.5, **keys)
    one.advance(3.0)
    assert one.statistics.rejections > 0
    np.testing.assert_allclose(one.u, [1.0, np.sin(3.0)], rtol=0, atol=1e-6)  # 1e-8 x some dozens of steps


# ---- the local flow


def two_beams_at_points(n):
    rng = np.random.default_rng(3)
    return rng.normal(size=(2, 3, n)) / 2, np.array([[1.0, -1.0]]), np.array([1.0, 1.0])


def turned_about_D0(P, h):
    """Closed form of two beams at a point: D_1 turns about the constant D_0 at the rate 2 |D_0|."""
    D0, D1 = P[0] + P[1], P[0] - P[1]
    size = np.linalg.norm(D0, axis=0)
    axis, angle = D0 / size, 2 * size * h
    turned = (
        np.cos(angle) * D1 + np.sin(angle) * np.cross(axis, D1, axis=0) + (1 - np.cos(angle)) * np.sum(axis * D1, axis=0) * axis
    )
    return np.stack((D0 + turned, D0 - turned)) / 2


def test_local_flow_of_two_beams_is_of_order_six():
    P, v, s = two_beams_at_points(200)
    errors = []
    for h in (0.2, 0.1):
        Q = P.copy()
        kernels.turn(Q, v, s, h)
        errors.append(np.abs(Q - turned_about_D0(P, h)).max())
        np.testing.assert_allclose(np.sum(Q**2, axis=1), np.sum(P**2, axis=1), rtol=1e-14)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(7, abs=0.5)  # of one step; O(h)
    assert errors[1] < 1e-5


def gas(axes, n, modes=5, components=3):
    """P, its gradient, v and s of modes in any directions, neutrinos and antineutrinos, at n points."""
    rng = np.random.default_rng(axes)
    v, s = rng.uniform(-0.6, 0.6, (axes, modes)), np.resize([1.0, 1.0, -1.0], modes)
    size = modes, components, n
    return rng.normal(size=size) / 2, rng.normal(size=(axes, *size)) / 2, v, s


def rates(y, v, s):
    """d/dt of P, of grad P and of kappa, all in one array (modes, C + C axes + 1, n), at points where nothing moves."""
    cross = algebra(2 if (y.shape[1] - 1) // (1 + len(v)) == 3 else 3).cross
    P, *slope = np.split(y[:, :-1], 1 + len(v), axis=1)
    weights = np.concatenate((s[None], s * v))

    def potential(P):
        D = np.tensordot(weights, P, 1)
        return D[0] - np.einsum("ia,icn->acn", v, D[1:])

    W, dW = potential(P), np.stack([potential(one) for one in slope])
    kappa = -0.5 * s[:, None] * np.einsum("ka,kacn,acn->an", v, dW, P)
    turned = [cross(change, P, 1) + cross(W, one, 1) for change, one in zip(dW, slope)]
    return np.concatenate((cross(W, P, 1), *turned, kappa[:, None]), axis=1)


def followed(y, v, s, h, steps=200):
    """y carried over h by small steps of the classical Runge-Kutta method: 1e-3 each, with an error of 1e-13."""
    dt = h / steps
    for _ in range(steps):
        k1 = rates(y, v, s)
        k2 = rates(y + dt / 2 * k1, v, s)
        k3 = rates(y + dt / 2 * k2, v, s)
        y = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + rates(y + dt * k3, v, s))
    return y


def expanded(P, slope, v, s, h):
    """`kernels.series` of P, and its gradient by differences of fourth order along slope."""
    S = np.empty((kernels.series_rows(len(v)),) + P.shape[1:])
    kernels.series(P, v, s, h, S)
    dS, step = np.zeros((len(v),) + S.shape), 1e-3
    for one, change in zip(dS, slope):
        for weight, side in ((8, 1), (-8, -1), (-1, 2), (1, -2)):
            shifted = np.empty_like(S)
            kernels.series(P + side * step * change, v, s, h, shifted)
            one += weight / (12 * step) * shifted
    return S, dS


@pytest.mark.parametrize("axes, components", [(1, 3), (2, 3), (3, 3), (1, 8), (2, 8)])
def test_local_flow_and_its_work_are_of_order_six(axes, components):
    """Against the differential equation of a gas at points, carried along with its gradient."""
    P, slope, v, s = gas(axes, 7, components=components)
    start, errors = np.concatenate((P, *slope, np.zeros((len(s), 1, 7))), axis=1), []
    for h in (0.16, 0.08):
        y = followed(start, v, s, h)
        Q, R, kappa = P.copy(), P.copy(), np.zeros((len(s), 7))
        kernels.turn(Q, v, s, h)
        kernels.turn_and_drive(R, kappa, v, s, *expanded(P, slope, v, s, h))
        np.testing.assert_allclose(R, Q, rtol=0, atol=1e-14)  # numbers of size 1, in another order
        np.testing.assert_allclose(np.sum(Q**2, axis=1), np.sum(P**2, axis=1), rtol=1e-14)
        errors.append([np.abs(Q - y[:, :components]).max(), np.abs(kappa - y[:, -1]).max()])
    errors = np.array(errors)
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), 7, atol=0.6)  # of one step; O(h)
    assert np.all(errors[1] < 1e-7)


# ---- two steps from one reading


def steps_of(one, number):
    """The state after so many more steps of an integrator."""
    for _ in range(number):
        one.advance(np.inf, after_step=lambda: True)
    return one.u.copy()


MANY = np.linspace(0.1, 0.9, 21)  # as many as the widest sums take at once, and more


def continued(one, record, vectors, integrator):
    """Another integrator that goes on where `one` is."""
    return integrator(
        one.u.copy(),
        method="adams",
        rtol=1e-9,
        norm=one.tolerance / 1e-9,
        start=one.t,
        memory=(record, [vector.copy() for vector in vectors]),
    )


@pytest.mark.mpi
def test_sums_begun_for_the_next_step_are_no_part_of_the_memory(integrator):
    """They are made anew: from the memory of any step, amid two of equal length or not, it goes on bit by bit."""
    one, seen = integrator(MANY, method="adams", rtol=1e-9), set()
    steps_of(one, 30)
    for _ in range(12):
        record, kept = one.memory()
        seen.add(record.stepper.ahead is None)
        assert record.stepper.ahead in (None, record.dt)
        other = continued(one, through_json(record), kept, integrator)
        np.testing.assert_array_equal(steps_of(one, 1), steps_of(other, 1))
        for vector, expected in zip(other.memory()[1], one.memory()[1]):
            np.testing.assert_array_equal(vector, expected)
    assert seen == {True, False}


def test_sums_begun_give_what_whole_ones_give(integrator):
    one, compared = integrator(MANY, method="adams", rtol=1e-9), 0
    steps_of(one, 30)
    for _ in range(12):
        record, kept = one.memory()
        compared += record.stepper.ahead is not None
        record.stepper.ahead = None
        other = continued(one, record, kept, integrator)
        # numbers below 1, weights up to some hundred times h
        np.testing.assert_allclose(steps_of(one, 1), steps_of(other, 1), rtol=0, atol=1e-14)
    assert compared > 3


def test_a_refused_step_takes_sums_begun_with_it(integrator):
    """Where the right-hand side turns at once, shorter steps follow, none of them from sums for another length."""

    def rhs(t, u, du):
        du[:] = np.where(t < 1, 1.0, np.cos(20 * (t - 1))) * np.ones(3)

    one = integrator(np.ones(3), rhs=rhs, method="adams", rtol=1e-8, dt_max=0.05)
    one.advance(2.0)
    assert one.statistics.rejections > 0
    np.testing.assert_allclose(one.u, 2 + np.sin(20) / 20, rtol=0, atol=1e-6)  # 1e-8 x some hundred steps


# ---- output between steps


def test_adams_goes_past_output_times(integrator):
    """Its steps are those of a run without output times, and the state between them is as good as theirs."""
    one, free = (integrator(method="adams", rtol=1e-8) for _ in range(2))
    for t in np.arange(1, 401) / 100:
        assert one.advance(t) and one.t == t
        np.testing.assert_allclose(one.u, exact(t), rtol=0, atol=1e-7)  # 1e-8 per step, some ten of them at a time count
    free.advance(4.0)
    assert one.statistics == free.statistics
    np.testing.assert_array_equal(one.u, free.u)


def test_adams_state_is_that_of_the_time_shown_after_each_step(integrator):
    one, seen = integrator(method="adams", rtol=1e-9), []

    def look():
        seen.append((one.t, np.linalg.norm(one.u - exact(one.t))))

    one.advance(2.0, look)
    assert len(seen) == one.statistics.steps and seen[-1][0] == 2.0
    assert max(error for _, error in seen) < 1e-7


# ---- failures


@pytest.mark.mpi
@pytest.mark.parametrize("method", METHODS)
def test_not_a_number_ends_all_ranks(comm, method, integrator):
    def rhs(t, u, du):
        logistic(t, u, du)
        if t > 0.5 and comm.rank == comm.size - 1:
            du[0] = np.nan

    def flow(t, h, u):
        frozen(t, h, u)
        if t > 0.5 and comm.rank == comm.size - 1:
            u[0] = np.nan

    one = integrator(rhs=rhs, flow=flow, method=method, rtol=1e-8)
    with pytest.raises(NumericalFailure, match="not-a-number or infinity in the step from t =") as failure:
        one.advance(2.0)
    before, after = map(float, re.findall(r"\d\.\d+", str(failure.value)))
    assert 0 < before <= 0.5 < after < 2
    assert one.t == pytest.approx(before, abs=1e-9)
    np.testing.assert_allclose(one.u, exact(one.t), rtol=1e-6)  # the last good state


@pytest.mark.parametrize("method", METHODS)
def test_a_pole_is_a_collapsed_step(method, integrator):
    def rhs(t, u, du):
        du[:] = u**2  # u = 1 / (1 - t)

    if method == "adams":
        one = integrator(np.array([1.0]), rhs=rhs, method=method, rtol=1e-4)
        where = r"(0\.99|1\.00)"  # the numerical solution has its pole earlier or later by the error made
    else:  # splitting solves that exactly: what it cannot solve is a coefficient with a pole
        one = integrator(
            np.array([1.0]),
            rhs=rhs,
            method=method,
            rtol=1e-8,
            flow=lambda t, h, u: np.multiply(u, np.exp(h * np.sign(0.7 - t) * np.abs(t - 0.7) ** -0.9), out=u),
        )
        where = r"0\.[67]"
    with pytest.raises(NumericalFailure, match=f"the step size collapsed at t = {where}"):
        one.advance(2.0)


@pytest.mark.parametrize("method", METHODS)
def test_the_smallest_step_allowed_is_a_limit(method, integrator):
    one = integrator(method=method, rtol=1e-13, dt_initial=0.9, dt_min=0.5)
    with pytest.raises(NumericalFailure, match="collapsed at t = 0: no step of 0.5"):
        one.advance(2.0)


def test_adams_may_start_below_the_smallest_step_allowed(integrator):
    """It starts at order 1, with steps of about the root of the tolerance."""
    one = integrator(method="adams", rtol=1e-9, dt_min=0.01)
    one.advance(2.0)
    assert one.statistics.smallest_dt < 0.001 < 0.05 < one.statistics.dt


@pytest.mark.parametrize("level", ["momentum", "full"])
def test_levels_with_momenta_refuse_splitting(level):
    with pytest.raises(InputError, match=f"time.method must be adams, auto or .* equations.level = {level}, not 4bm"):
        resolve("two_beam", [f"equations.level={level}", "time.method=4bm"])


@pytest.mark.parametrize("case, method", [("single_wave", "adams"), ("finite_rmu", "8vr")])
def test_automatic_choice_is_told(case, method):
    with nuflux_mpi.Simulation(case, overrides=["box.points=16", "time.method=auto"]) as simulation:
        assert simulation.integrator.method == method
        assert f"{method} at rtol" in simulation.describe()


# ---- memory


@pytest.mark.mpi
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pause", [0.01, 1.73])
def test_memory_is_all_that_the_next_step_needs(method, pause, integrator):
    """An integrator that recalls goes on bit by bit like the one that went on."""
    one = integrator(method=method, rtol=1e-9)
    one.advance(pause)
    record, kept = one.memory()
    memory = through_json(record), [vector.copy() for vector in kept]
    other = integrator(one.u.copy(), norm=one.tolerance / 1e-9, method=method, rtol=1e-9, start=one.t, memory=memory)
    for t in (1.8, 4.0):
        one.advance(t)
        other.advance(t)
        np.testing.assert_array_equal(one.u, other.u)
    assert one.statistics == other.statistics


@pytest.mark.mpi
@pytest.mark.parametrize("pause", [0.01, 1.73])
def test_memory_holds_passive_numbers(pause, integrator):
    keys = {"rhs": driven, "method": "adams", "rtol": 1e-9, "correct": correcting(driven, 3), "active": 3}
    one = integrator(np.append(START, np.zeros(3)), **keys)
    one.advance(pause)
    record, kept = one.memory()
    memory = through_json(record), [vector.copy() for vector in kept]
    other = integrator(one.u.copy(), norm=one.tolerance / 1e-9, start=one.t, memory=memory, **keys)
    for integrator in (one, other):
        integrator.advance(4.0)
    np.testing.assert_array_equal(one.u, other.u)
    assert one.statistics == other.statistics


@pytest.mark.parametrize("method", METHODS)
def test_vectors_are_counted(method, comm):
    one = Integrator(logistic, 5, comm, method=method, flow=frozen)
    stepper, size = one._stepper, 0
    for item in vars(stepper).values():
        if isinstance(item, np.ndarray) and item.shape[-1:] == (5,):
            size += item.size
    assert size // 5 + 1 == vectors(method)
    one.destroy()

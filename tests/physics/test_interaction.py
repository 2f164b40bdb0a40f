"""The interaction picture: advection is exact, and the state's norm is that of the fields."""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import kernels
from nuflux_mpi.box.box import Box
from nuflux_mpi.box.fft_plans import library
from nuflux_mpi.physics.interaction import InteractionPicture, _runs

LENGTH = 5.0
VELOCITY = np.array([1.0, -1.0, 0.5, 0.0, -0.3])
# points, N1 forced: plain slabs, even and odd, and factored cuts.
cuts = pytest.mark.parametrize("points, factor", [(48, None), (45, None), (48, 4), (45, 9)])


class Advection:
    """Lines of given velocities, in two segments (the last two lines are the second), with a local source."""

    def __init__(self, points, factor, comm, source=None, velocity=VELOCITY, fftw="measure", active_source=None):
        lines = len(velocity)
        self.box = Box(LENGTH, points, lines, comm, factor=factor, fftw=fftw)
        self.transform = self.box.transform(lines - 2, 2, back=(1, 2))
        self.picture = InteractionPicture(self.transform, velocity, source or self.vanish, 1, active_source)
        self.u = np.zeros(self.picture.size)
        self.z = self.box.coordinates()[0]

    def vanish(self, t):
        self.transform.physical[...] = 0.0

    def start(self, lines, t=0.0):
        self.transform.physical[...] = lines
        self.picture.store(t, self.u)
        return self.u

    def at(self, t, segments=None):
        return self.picture.fields(t, self.u, segments).copy()


def bumps(z, velocity, t):
    """Smooth periodic lines moving with their velocities; their harmonics fall like 0.21^n, below 1e-15 from n = 22."""
    centre = (velocity * t + 0.2 * LENGTH * np.arange(len(velocity)))[:, None]
    return 1 / (1.1 - 0.45 * np.cos(2 * np.pi * (z - centre) / LENGTH))


@pytest.mark.mpi
@cuts
def test_a_free_profile_is_back_after_one_crossing(points, factor, comm):
    free = Advection(points, factor, comm)
    start = np.random.default_rng(0).standard_normal((5, points))[:, free.box.indices()[0]]
    free.start(start)
    crossed = free.at(LENGTH)
    # For v = +-1 and 0; rounding alone, even for noise: the phase of each wave is a multiple of 2 pi but for rounding.
    np.testing.assert_allclose(crossed[[0, 1, 3]], start[[0, 1, 3]], rtol=0, atol=2e-13)
    np.testing.assert_allclose(free.at(2 * LENGTH)[2], start[2], rtol=0, atol=4e-13)
    # A real difference in between: v = -0.3 has not come round.
    assert free.box.max(np.abs(crossed[4] - start[4])) > 0.1


@pytest.mark.mpi
@cuts
@pytest.mark.parametrize("t", [0.731, 400.0])
def test_a_smooth_profile_moves_with_its_velocity(points, factor, t, comm):
    free = Advection(points, factor, comm)
    free.start(bumps(free.z, VELOCITY, 0.0))
    # The rounding of the angle k t of the wave numbers present, and harmonics beyond the grid, 0.21^22.
    np.testing.assert_allclose(free.at(t), bumps(free.z, VELOCITY, t), rtol=0, atol=2e-14 * (1 + t))


@pytest.mark.mpi
@cuts
def test_nothing_changes_in_the_state_without_interaction(points, factor, comm):
    free = Advection(points, factor, comm)
    du = np.ones(free.picture.size)
    free.picture.rhs(1.7, free.start(bumps(free.z, VELOCITY, 0.0)), du)
    np.testing.assert_array_equal(du, 0.0)


@pytest.mark.mpi
@cuts
def test_norm_of_the_state_is_the_rms_norm_of_the_fields(points, factor, comm):
    free = Advection(points, factor, comm)
    lines = np.random.default_rng(1).standard_normal((5, points))[:, free.box.indices()[0]]
    norm2 = free.box.total(np.sum(free.start(lines, t=2.3) ** 2))
    assert norm2 == pytest.approx(free.box.mean(lines**2).sum(), rel=1e-14)  # Parseval


@pytest.mark.mpi
@cuts
@pytest.mark.parametrize("t", [0.0, -3.1, 1e4])
def test_fields_to_state_and_back(points, factor, t, comm):
    free = Advection(points, factor, comm)
    lines = np.random.default_rng(2).standard_normal((5, points))[:, free.box.indices()[0]]
    free.start(lines, t)
    np.testing.assert_allclose(free.at(t), lines, rtol=0, atol=1e-14)  # the phases are the same both ways
    np.testing.assert_allclose(free.at(t, 1)[:3], lines[:3], rtol=0, atol=1e-14)


@pytest.mark.mpi
@cuts
def test_rhs_is_the_source_in_the_interaction_picture(points, factor, comm):
    """The source sees the fields of its segments at time t, and what it leaves is the rate of change of all lines."""
    seen = []

    def source(t):
        physical = case.transform.physical
        seen.append(physical[:3].copy())
        physical[...] = np.exp(np.sin(2 * np.pi * case.z / LENGTH + np.arange(5)[:, None] * t))

    case = Advection(points, factor, comm, source)
    du, t = np.empty(case.picture.size), 0.9
    case.picture.rhs(t, case.start(bumps(case.z, VELOCITY, 0.0)), du)
    np.testing.assert_allclose(seen[0], bumps(case.z, VELOCITY, t)[:3], rtol=0, atol=5e-14)
    case.u[...] = du
    expected = np.exp(np.sin(2 * np.pi * case.z / LENGTH + np.arange(5)[:, None] * t))
    np.testing.assert_allclose(case.at(t), expected, rtol=0, atol=1e-14)


@pytest.mark.mpi
@pytest.mark.parametrize("factor", [None, 4])
def test_the_nyquist_wave_stands_still(factor, comm):
    """As its derivative is zero: so the picture is the exact solution of the equation on the grid."""
    free = Advection(48, factor, comm)
    nyquist = np.where(free.box.indices()[0] % 2, -1.0, 1.0)
    free.start(np.tile(nyquist, (5, 1)))
    np.testing.assert_allclose(free.at(0.77), np.tile(nyquist, (5, 1)), rtol=0, atol=1e-14)


@pytest.mark.mpi
@pytest.mark.parametrize("fftw", ["measure", "estimate"])
@cuts
def test_line_by_line_is_the_same_as_in_batches(points, factor, fftw, comm, monkeypatch):
    if not kernels.COMPILED:
        pytest.skip("numba is not installed")

    def rate(compiled):
        monkeypatch.setattr(kernels, "COMPILED", compiled)
        case = Advection(
            points, factor, comm, lambda t: np.sin(case.transform.physical, out=case.transform.physical), fftw=fftw
        )
        state = np.random.default_rng(3).standard_normal((5, points))[:, case.box.indices()[0]]
        u, du = case.start(state, t=0.4), np.empty(case.picture.size)
        case.picture.rhs(17.3, u, du)
        return type(case.picture._waves), u, du

    lines, u, du = rate(True)
    batches, expected, slope = rate(False)
    assert lines is not batches
    # Rounding of transforms of numbers of size 1, and of phases with angles up to 500.
    np.testing.assert_allclose(u, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(du, slope, rtol=0, atol=1e-13)
    if fftw == "estimate":
        np.testing.assert_array_equal(rate(True)[2], du)  # bit for bit


@pytest.mark.mpi
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("passive", [True, False])
@cuts
def test_a_correction_is_two_right_hand_sides(points, factor, passive, compiled, comm, monkeypatch):
    """`correct` against `rhs`, with passive lines and without: a fused loop and whole batches."""
    monkeypatch.setattr(kernels, "COMPILED", compiled and kernels.COMPILED)
    calls = []

    def active_source(t):
        calls.append(t)
        lines = case.transform.physical[:3]
        lines[...] = np.sin(lines) * lines[[1, 2, 0]]

    def source(t):
        lines = case.transform.physical
        lines[3:] = lines[:2] ** 2
        active_source(t)

    def whole(t):
        case.transform.physical[3:] = 1.0
        active_source(t)

    sources = {"source": source, "active_source": active_source} if passive else {"source": whole}
    case = Advection(points, factor, comm, **sources)
    picture, t, random = case.picture, 17.3, np.random.default_rng(4)
    start = case.start(random.standard_normal((5, points))[:, case.box.indices()[0]])
    active, size = picture.active, picture.size
    assert active == (2 * np.count_nonzero(case.transform.line < 3) * picture.shape[1] if passive else size)
    extrapolated, F, expected, du = random.standard_normal(size), *np.empty((3, size))
    picture.rhs(t, start, F)
    difference, p = (F - extrapolated)[:active], start.copy()
    corrected = start.copy()
    corrected[:active] += 0.3 * difference
    picture.rhs(t, corrected, expected)
    calls.clear()
    p[active:] = np.nan  # neither read nor written
    square = picture.correct(t, p, extrapolated.copy(), 0.3, du)
    assert calls == [t, t]
    np.testing.assert_allclose(p[:active], corrected[:active], rtol=0, atol=1e-13)  # rounding of numbers of size 1
    assert np.isnan(p[active:]).all()
    np.testing.assert_allclose(du, expected, rtol=0, atol=1e-13)
    assert square == pytest.approx(difference @ difference, rel=1e-13)


def test_runs_of_waves_end_where_harmonic_or_weight_jump():
    harmonic = np.r_[np.arange(0, 201), -200 + np.arange(50), 0]
    weight = np.r_[1.0, np.full(len(harmonic) - 1, 2.0)]
    starts = _runs(harmonic, weight, 1)
    assert starts == [0, 1, 65, 129, 193, 201, 251, 252]
    for low, high in zip(starts, starts[1:]):
        assert np.all(np.diff(harmonic[low:high]) == 1) and np.ptp(weight[low:high]) == 0


# ---- the same facts of a whole run


@pytest.mark.parametrize("velocity, crossing", [([1.0], 20.0), ([-0.5], 40.0), ([0.8, 0.8], 25.0)])
def test_parallel_beams_do_not_interact_and_return_after_one_crossing(velocity, crossing, comm):
    """A slow mode has 1 - v_a v_a > 0, but equal polarization vectors exert no torque on each other."""
    run = nuflux_mpi.simulate(
        {
            "box": {"length": 20.0, "points": 96},
            "modes": {"velocity": velocity},
            "initial": {"kind": "profile", "zeta": [0.5] * len(velocity), "amplitude": 0.3, "width": 1.0},
            "time": {"end": crossing},
            "output": {"fields_every": crossing / 2},
        },
        comm=comm,
    )
    start, middle, end = run.fields["P"]
    np.testing.assert_allclose(end, start, rtol=0, atol=1e-13)  # rounding
    assert np.abs(middle - start).max() > 0.1
    assert np.ptp(run.series["U_osc"]) <= 1e-13 * abs(run.series["U_osc"][0])


@pytest.mark.mpi
@cuts
def test_lines_that_go_one_by_one_need_no_room_for_all_waves(points, factor, comm):
    free = Advection(points, factor, comm)
    free.picture.rhs(0.4, free.start(bumps(free.z, VELOCITY, 0.0)), np.empty(free.picture.size))
    assert ("spectral" in vars(free.transform)) == (not kernels.COMPILED or library() is None)

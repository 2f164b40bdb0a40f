"""Level "full": right-hand side against 2 x 2 matrices, conservation, limits, and the same result on any ranks."""

import h5py
import numpy as np
import pytest
from momentum_noise import check_rates

from nuflux_mpi.box.box import Box
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import levels
from nuflux_mpi.physics.full import Full
from nuflux_mpi.physics.full_grid import Gaussian, MomentumGrid, Thermal, check_grid
from nuflux_mpi.physics.modes import Modes
from nuflux_mpi.physics.polarization import Energy
from nuflux_mpi.time.integrator import Integrator

PAULI = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
LENGTH = 12.0
NO_GRADIENTS = {"group_velocity": False, "force": False}


def settings(**changes):
    return (
        dict(
            points=64,
            p_max=16.0,
            perp_points=4,
            distribution="gaussian",
            p0=8.0,
            sigma=1.2,
            group_velocity=True,
            force=True,
            commutator=True,
        )
        | changes
    )


def measured(full, t, u):
    full.take(t, u)
    return full.measure()


def modes(v=(1.0, -1.0), s=(1.0, 1.0)):
    return Modes(v=np.array(v), s=np.array(s), n=None, weight=np.ones(len(v)))


def make(N, comm, directions=None, factor=None, **changes):
    """Level "full" on N points of space; `changes` of the settings."""
    directions = directions or modes()
    chosen = settings(**changes)
    box = Box(LENGTH, N, Full.declare(directions, chosen).lines, comm, fftw="estimate", factor=factor)
    return levels.build(Full, box, directions, chosen)


def bunches(z, ripple=0.3):
    """Densities (2, n) and polarization (2, 3, n) of two bunches of opposite flavor, with waves that grow."""
    q = 2 * np.pi / LENGTH
    n = 0.5 * np.stack([1 + ripple * np.cos(q * z), 1 - ripple * np.cos(q * z + 0.7)])
    psi = 0.05 * n * np.stack([np.exp(-2j * q * z) + np.exp(0.4j - 1j * q * z), np.exp(1.1j - 2j * q * z)])
    return n, np.stack([psi.real, psi.imag, np.array([[1], [-1]]) * np.sqrt(n**2 - abs(psi) ** 2)], axis=1)


class Run:
    """Two bunches from t = 0; `rows` are the measurements at `times`."""

    def __init__(self, full, times, ripple=0.3, rtol=1e-9):
        self.full = full
        integrator = Integrator(full.picture.rhs, full.picture.size, full.box.comm, method=full.auto_method, rtol=rtol)
        n, P = bunches(full.box.coordinates()[0], ripple)
        full.start(0.0, integrator.u, P, n)
        integrator.begin()
        self.rows = [measured(full, 0.0, integrator.u)]
        for t in times:
            integrator.advance(t)
            self.rows.append(measured(full, t, integrator.u))
        self.fields = {
            "P": full.take(integrator.t, integrator.u)["P"],
            "f": full.take_state(integrator.t, integrator.u)["rho"].copy(),
        }
        integrator.destroy()

    def drift(self, name):
        """Largest change from the start."""
        return max(np.abs(row[name] - self.rows[0][name]).max() for row in self.rows)


# --- arithmetic ------------------------------------------------------------------------------------------------------


def matrices(f):
    """Coefficients (..., 4, I, N) -> matrices (..., I, N, 2, 2)."""
    return 0.5 * np.einsum("...ciz,cab->...izab", f, PAULI)


def reference(full, f, group_velocity, force, commutator):
    """Right-hand side beyond free streaming for all points of the box, from Eq. 16 with 2 x 2 matrices.

    f: (species, J, 4, I, N). Derivatives of products as in docs/full.md, d_z and d_p by numpy's FFT.
    """
    grid, N = full.grid, f.shape[-1]
    rho, s = matrices(f), full.signs[:, None, None, None, None, None]
    v, dv = (a[:, :, None, None, None] for a in (grid.v, grid.dv_dp))

    def derivative(field, axis, spacing):
        wave = 2j * np.pi * np.fft.fftfreq(field.shape[axis], spacing)
        wave[len(wave) // 2] = 0.0
        wave = wave.reshape([-1 if i == axis else 1 for i in range(field.ndim)])
        return np.fft.ifft(wave * np.fft.fft(field, axis=axis), axis=axis)

    def d_z(field):
        return derivative(field, field.ndim - 3, LENGTH / N)

    def half_anticommutator(A, B):
        return 0.5 * (A @ B + B @ A)

    dressed = rho + np.trace(rho, axis1=-2, axis2=-1)[..., None, None] * np.eye(2)
    weight = grid.weight[:, None, None, None, None]
    G = [np.sum(weight * s * v**m * dressed, axis=(0, 1, 2)) for m in (0, 1)]
    Omega, Omega_p = G[0] - v * G[1], -dv * G[1]
    Phi, F = half_anticommutator(s * Omega_p, rho), half_anticommutator(s * d_z(Omega), rho)
    squeeze = half_anticommutator(s * d_z(Omega_p), rho)
    rate = np.zeros_like(rho)
    if group_velocity:
        rate += -d_z(Phi) + squeeze
    if force:
        rate += derivative(F, 2, grid.spacing) - squeeze
    if commutator:
        rate += 1j * (rho @ Omega - Omega @ rho)
    return np.real(np.einsum("...izab,cba->...ciz", rate, PAULI))


switches = pytest.mark.parametrize(
    "group_velocity, force, commutator",
    [
        (True, True, True),
        (True, False, False),
        (False, True, False),
        (False, False, True),
        (False, True, True),
        (False, False, False),
    ],
)


@pytest.mark.mpi
@pytest.mark.parametrize("s, factor", [((1.0, 1.0), None), ((1.0, -1.0), None), ((1.0, -1.0), 2)])
@switches
def test_right_hand_side_is_that_of_the_matrices(s, factor, group_velocity, force, commutator, comm):
    terms = dict(group_velocity=group_velocity, force=force, commutator=commutator)
    full = make(20, comm, modes(s=s), factor, points=56, p_max=15.9, perp_points=2, **terms)
    check_rates(full, 4, lambda f: reference(full, f, **terms))


@pytest.mark.mpi
def test_both_brackets_are_those_of_equation_16(comm):
    """The divergences equal -s/2 {d_p Omega, d_z f} + s/2 {d_z Omega, d_p f} for a resolved f away from p = 0."""
    full = make(32, comm, modes(s=(1.0, -1.0)), points=96, commutator=False)
    grid, u = full.grid, np.zeros(full.picture.size)
    n, P = bunches(full.box.coordinates()[0])
    full.start(0.0, u, P, n)
    f = full.box.comm.allgather((full.box.indices()[0], full.take_state(0.0, u)["rho"].copy()))
    whole = np.zeros(f[0][1].shape[:-1] + (32,))
    for indices, part in f:
        whole[..., indices] = part
    rho, q = matrices(whole), 2j * np.pi * np.fft.fftfreq(32, LENGTH / 32)[:, None, None]
    d_z = np.fft.ifft(np.fft.fft(rho, axis=3) * q, axis=3)
    eta = 2j * np.pi * np.fft.fftfreq(96, grid.spacing)[:, None, None, None]
    d_p = np.fft.ifft(np.fft.fft(rho, axis=2) * eta, axis=2)
    s = full.signs[:, None, None, None, None, None]
    v, dv = (a[:, :, None, None, None] for a in (grid.v, grid.dv_dp))

    def moment(m, rho):
        dressed = rho + np.trace(rho, axis1=-2, axis2=-1)[..., None, None] * np.eye(2)
        return np.sum(grid.weight[:, None, None, None, None] * s * v**m * dressed, axis=(0, 1, 2))

    Omega_p, Omega_z = -dv * moment(1, rho), moment(0, d_z) - v * moment(1, d_z)
    rate = 0.5 * s * (-(Omega_p @ d_z + d_z @ Omega_p) + Omega_z @ d_p + d_p @ Omega_z)
    expected = np.real(np.einsum("...izab,cba->...ciz", rate, PAULI))[..., full.box.indices()[0]]
    du = np.zeros_like(u)
    full.picture.rhs(0.0, u, du)
    full.picture.fields(0.0, du)
    # Next to p = 0 d_p v changes over one spacing, there f is exp(-(8/1.2)^2/2) = 2e-10 of its peak.
    np.testing.assert_allclose(full.f, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.mpi
def test_without_terms_every_momentum_streams_freely(comm):
    full = make(24, comm, commutator=False, **NO_GRADIENTS)
    n, P = bunches(full.box.coordinates()[0])
    u, du = np.zeros(full.picture.size), np.ones(full.picture.size)
    full.start(0.0, u, P, n)
    full.picture.rhs(0.3, u, du)
    assert np.all(du == 0)
    t = 3.7
    f = full.take_state(t, u)["rho"]
    # n of the bunch with p_z > 0 has the waves 0 and 1 alone: shifted by v t, at any p_perp.
    z, q = full.box.coordinates()[0], 2 * np.pi / LENGTH
    g = full.grid.sample(Gaussian(8.0, 1.2, 1.0))
    expected = 0.5 * g[..., None] * (1 + 0.3 * np.cos(q * (z - full.grid.v[..., None] * t)))
    right = full.grid.p_z > 4.0  # the other beam has exp(-50) of its peak there
    np.testing.assert_allclose(f[0, :, 0][:, right], expected[:, right], rtol=0, atol=1e-14 * g.max())


# --- conservation ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(comm):
    return Run(make(48, comm), np.arange(1.0, 9.0))


def test_the_bunches_react(whole):
    assert whole.drift("U_osc") > 2 and whole.drift("kinetic_energy") > 2  # of U_osc = -2.7 at the start
    assert whole.rows[0]["energy"] == pytest.approx(104.1, abs=0.1)


def test_fields_and_axes_fit_together(whole):
    full, axes, leading = whole.full, whole.full.axes(), whole.full.declared.stored("phase_space")
    assert whole.fields["f"].shape[:-1] == leading["rho"]
    assert tuple(len(axes[name]) for name in ("species", "p_perp", "coefficient", "p_z")) == leading["rho"]
    assert whole.fields["P"].shape[:-1] == full.declared.stored("fields")["P"]
    assert full.declared.segments == (full.declared.lines,) == (full.transform.lines,)


def test_a_state_that_reaches_the_ends_or_zero_is_told(whole):
    row = whole.rows[0]
    assert whole.full.warnings(row) == {}
    assert set(whole.full.warnings(row | {"edge": 0.01})) == {"edge"}
    assert "full.p_max" in whole.full.warnings(row | {"edge": 0.01})["edge"]
    assert set(whole.full.warnings(row | {"centre": 0.01})) == {"centre"}


def test_eigenvalues_that_leave_their_range_are_told_as_the_gradient_expansion(whole):
    first, last = whole.rows[0], whole.rows[-1]
    assert abs(first["occupation_min"]) < 1e-12 * first["occupation_max"]  # |P| = n at the start
    assert last["occupation_min"] < -0.01 * first["occupation_max"]  # sigma = 1.2 is not wide beside 1/wavelength
    told = whole.full.warnings(last)
    assert set(told) == {"occupation"} and "gradient expansion" in told["occupation"]
    grown = first | {"occupation_max": 1.06 * first["occupation_max"]}
    assert set(whole.full.warnings(grown)) == {"occupation"}


def test_a_run_continues_from_its_f(comm):
    full, t = make(32, comm), 1.5
    n, P = bunches(full.box.coordinates()[0])
    u, again = np.zeros(full.picture.size), np.zeros(full.picture.size)
    full.start(0.0, u, P, n)
    full.put(t, again, rho=full.take_state(t, u)["rho"].copy())
    np.testing.assert_allclose(again, u, rtol=0, atol=1e-14 * np.abs(u).max())  # there and back: rounding


def test_whole_equation_conserves(whole):
    first = whole.rows[0]
    # Exact on the grid: rounding of 12, times some hundred right-hand sides.
    assert whole.drift("number") < 1e-12
    assert whole.drift("D0") < 1e-12
    # Limited by f near p = 0 and at the ends of the momentum grid. Measured 2e-9, 5e-8 and 8e-11; five times more is
    # left for other machines and a later f.
    assert whole.drift("energy") < 1e-8 * first["energy"]
    assert whole.drift("momentum") < 3e-7 * first["number"] * 4.0  # each bunch has number p0 / 2
    assert whole.drift("casimir2") < 5e-10 * first["casimir2"]


def test_usual_equation_loses_the_refractive_energy(whole, comm):
    usual = Run(make(48, comm, **NO_GRADIENTS), np.arange(1.0, 9.0), rtol=1e-8)
    assert usual.drift("K") < 1e-12 * usual.rows[0]["kinetic_energy"]  # no force, no work
    assert usual.drift("energy") > 2 and usual.drift("energy") == pytest.approx(
        whole.drift("kinetic_energy"), rel=0.2
    )  # r_mu = 1/8


def test_force_needs_the_group_velocity(comm):
    """One bracket of Eq. 16 alone creates particles, at the order mu p_perp^2 / p^3 per unit of time."""
    half = Run(make(48, comm, group_velocity=False), np.arange(1.0, 9.0), rtol=1e-8)
    assert 1e-3 < half.drift("number") < 0.1
    assert 1e-2 < half.drift("energy") < 1


def test_energy_residual_falls_with_the_momentum_resolution(whole, comm):
    fine = Run(make(48, comm, points=104, p_max=20.0), [4.0, 8.0])
    coarse = max(abs(whole.rows[i]["energy"] - whole.rows[0]["energy"]) for i in (4, 8))
    # From 8 to 12 widths beyond the beams, until rtol is felt: measured 1/200 and 1/26.
    assert fine.drift("energy") < 0.1 * coarse
    assert fine.drift("momentum") < 0.2 * whole.drift("momentum")
    np.testing.assert_allclose(fine.rows[-1]["U_osc"], whole.rows[-1]["U_osc"], rtol=0, atol=1e-6)


def test_antineutrinos_and_slanted_beams_conserve_as_well(comm):
    """Two species, one beam of each at an angle; a short run with all terms."""
    # The second beam, at 37 degrees, needs more points in p_perp.
    full = make(32, comm, modes(v=(1.0, -0.8), s=(1.0, -1.0)), perp_points=16)
    run = Run(full, [1.0, 2.0], rtol=1e-8)
    assert len(full.signs) == 2 and run.drift("K") > 1e-2
    assert run.drift("number") < 1e-12 and run.drift("D0") < 1e-12
    # rtol = 1e-8 of |f|, far from p = 0 and the ends: measured 1e-10 and 1e-9.
    assert run.drift("energy") < 1e-8 and run.drift("momentum") < 1e-7


def test_kinetic_energy_changes_as_in_equation_22(comm):
    full = make(48, comm)
    integrator = Integrator(full.picture.rhs, full.picture.size, comm, method=full.auto_method, rtol=1e-12)
    n, P = bunches(full.box.coordinates()[0])
    full.start(0.0, integrator.u, P, n)
    integrator.begin()
    integrator.advance(3.0)
    K, step = [], 0.01
    for t in 3.0 + step * np.arange(5):
        integrator.advance(t)
        row = measured(full, t, integrator.u)
        K.append(row["kinetic_energy"])
        if len(K) == 3:
            middle = row
            f = full.take_state(t, integrator.u)["rho"].copy()
    slope = (K[0] - 8 * K[1] + 8 * K[3] - K[4]) / (12 * step)
    assert abs(slope) > 0.1
    # The quotient's error is step^4 K^(5)/30 = 1e-9 with rates of order 3, K's rounding 1e-13/step; then f near p = 0.
    assert middle["dK_dt"] == pytest.approx(slope, abs=1e-6)
    # Eqs. 21 and 22 as they stand: int sum Tr(v F), F = 1/2 {Omega, d_z rho}.
    rho, q = matrices(f)[0], 2j * np.pi * np.fft.fftfreq(48, LENGTH / 48)[:, None, None]
    grid, v = full.grid, full.grid.v[:, :, None, None, None]
    w = grid.weight[:, None, None, None, None]
    dressed = rho + np.trace(rho, axis1=-2, axis2=-1)[..., None, None] * np.eye(2)
    Omega = np.sum(w * dressed, axis=(0, 1)) - v * np.sum(w * v * dressed, axis=(0, 1))
    d_z = np.fft.ifft(np.fft.fft(rho, axis=2) * q, axis=2)
    power = np.einsum("jizab,jizba->", w * v * Omega, d_z).real * LENGTH / 48
    assert middle["dK_dt"] == pytest.approx(power, abs=1e-12)  # rounding of sums of 12000 terms
    integrator.destroy()


def test_measured_integrals_are_those_of_a_known_state(comm):
    """Integrals of Gaussian beams in closed form."""
    full = make(16, comm)
    u = np.zeros(full.picture.size)
    P = np.zeros((2, 3, 16))
    P[0, 2], P[1, 0] = 0.4, -0.3
    full.start(0.0, u, P, [0.5, 0.3])
    known = measured(full, 0.0, u)
    # <|p|> = p0 (1 + sigma^2/p0^2) for a shifted Gaussian, up to exp(-p0^2 / 2 sigma^2) = 2e-10; J = 4 points in p_perp
    # leave (sigma/p0)^16.
    assert known["number"] == pytest.approx(0.8 * LENGTH, rel=1e-13)
    assert known["kinetic_energy"] == pytest.approx(0.8 * LENGTH * 8 * (1 + 1.2**2 / 64), rel=1e-8)
    assert known["momentum"] == pytest.approx(0.2 * LENGTH * 8, rel=1e-8)
    np.testing.assert_allclose(known["D0"], np.array([-0.3, 0, 0.4]) * LENGTH, rtol=0, atol=1e-13)
    # int d^3p g^2 = 1 / (8 pi^(3/2) sigma^3); the square is wider than the quadrature's weight, so 4 points give 1 %.
    square = LENGTH * 0.5 * (0.5**2 + 0.4**2 + 2 * 0.3**2) / (8 * np.pi**1.5 * 1.2**3)
    assert known["casimir2"] == pytest.approx(square, rel=0.01)
    np.testing.assert_allclose(known["f_p"][0, 0].sum() * full.grid.spacing, 0.8, rtol=1e-13)
    assert known["dK_dt"] == pytest.approx(0, abs=1e-13)  # homogeneous
    # v = 1 - sigma^2/p0^2 on average, up to (sigma/p0)^4 = 5e-4. In U_osc 1 - v^2 itself is small.
    mean_v = 1 - 1.2**2 / 64
    assert known["U_trace"] == pytest.approx(0.75 * LENGTH * (0.8**2 - (0.2 * mean_v) ** 2), rel=1e-3)
    assert known["U_osc"] == pytest.approx(0.25 * LENGTH * (1 - mean_v**2) * (0.4**2 + 0.3**2), rel=0.1)
    np.testing.assert_allclose(full.take(0.0, u)["P"], P, rtol=0, atol=1e-8)  # tails of one beam in the other's half


# --- fluxes ----------------------------------------------------------------------------------------------------------


def coherent(comm, directions, **changes):
    """Level "full" with two bunches after t = 2, that is, with gradients everywhere, and the fields that it stores."""
    full = make(40, comm, directions, **changes)
    integrator = Integrator(full.picture.rhs, full.picture.size, comm, method=full.auto_method, rtol=1e-9)
    n, P = bunches(full.box.coordinates()[0])
    full.start(0.0, integrator.u, P, n)
    integrator.begin()
    integrator.advance(2.0)
    u = np.array(integrator.u)
    integrator.destroy()
    return full, u, {name: np.array(field) for name, field in full.take(2.0, u).items()}


@pytest.mark.mpi
def test_fluxes_are_those_of_the_matrices(comm):
    """Phi and Tr F summed over all momenta of a species, from Eqs. 20 and 21 with 2 x 2 matrices; p_z by parts in Phi."""
    full, u, fields = coherent(comm, modes(v=(1.0, -1.0), s=(1.0, -1.0)))
    parts = comm.allgather((full.box.indices()[0], full.take_state(2.0, u)["rho"].copy()))
    f = np.zeros(parts[0][1].shape[:-1] + (40,))
    for indices, part in parts:
        f[..., indices] = part
    rho, grid, s = matrices(f), full.grid, full.signs[:, None, None, None, None, None]
    v, dv = (a[:, :, None, None, None] for a in (grid.v, grid.dv_dp))
    weight = grid.weight[:, None, None, None, None]
    dressed = rho + np.trace(rho, axis1=-2, axis2=-1)[..., None, None] * np.eye(2)
    G = [np.sum(weight * s * v**m * dressed, axis=(0, 1, 2)) for m in (0, 1)]
    q = 2j * np.pi * np.fft.fftfreq(40, LENGTH / 40)[:, None, None]
    q[20] = 0.0
    d_z = np.fft.ifft(np.fft.fft(rho, axis=3) * q, axis=3)
    mine = full.box.indices()[0]
    F = np.einsum("sjizab,jizba->sz", weight * s * d_z, G[0] - v * G[1]).real
    np.testing.assert_allclose(fields["F"], F[:, mine], rtol=0, atol=1e-12)  # rounding of sums of 500 terms, times k
    eta = 2j * np.pi * np.fft.fftfreq(64, grid.spacing)[:, None, None, None]
    eta[32] = 0.0
    d_p = np.fft.ifft(np.fft.fft(rho, axis=2) * eta, axis=2)
    Phi = np.einsum("sjizab,jizba->sz", weight * s * d_p, G[0] - v * G[1]).real
    assert np.abs(Phi).max() > 1e-3
    # By parts in p_z: exact but for f next to p = 0, 1e-8 of its peak by t = 2, and at the ends.
    np.testing.assert_allclose(fields["Phi"], Phi[:, mine], rtol=0, atol=1e-6 * np.abs(Phi).max())


@pytest.mark.mpi
def test_number_flows_with_phi(comm):
    """Eq. 19 summed over the momenta of a species: d_t n + d_z int v n = d_z Phi, to rounding on any grid."""
    full, u, fields = coherent(comm, modes(v=(1.0, -1.0), s=(1.0, -1.0)))
    du = np.zeros_like(u)
    full.picture.rhs(2.0, u, du)
    full.picture.fields(2.0, du)
    change = np.einsum("j,sjiz->sz", full.grid.weight, full.f[:, :, 0])
    slope = full.box.gradient(2)(fields["Phi"].reshape(2, -1))
    assert np.abs(slope).max() > 1e-3
    np.testing.assert_allclose(change, slope.reshape(change.shape), rtol=0, atol=1e-13)


@pytest.mark.mpi
def test_forces_add_up_to_nothing_and_do_the_work(comm):
    full, _, fields = coherent(comm, modes())
    force = full.box.integral(fields["F"])
    assert abs(force[0]) > 1e-2
    assert force.sum() == pytest.approx(0, abs=1e-13)  # action and reaction: the derivative is skew-adjoint
    # Eq. 22 with the mean v of narrow beams: 1 - v = sigma^2/p0^2 on average.
    assert full.measure()["dK_dt"] == pytest.approx(force[0] - force[1], rel=3 * 1.2**2 / 64)


# --- limits ----------------------------------------------------------------------------------------------------------


def test_towards_two_sharp_beams(comm):
    """sigma fixed: angles are sigma/p0, so the difference to level "energy" falls with the square of r_mu = 1/p0."""
    t, box = 4.0, Box(LENGTH, 32, 8, comm)
    sharp = levels.build(Energy, box, modes())
    integrator = Integrator(sharp.picture.rhs, sharp.picture.size, comm, rtol=1e-9)
    sharp.put(0.0, integrator.u, P=bunches(box.coordinates()[0], ripple=0.0)[1])
    integrator.begin()
    integrator.advance(t)
    P, kappa = (sharp.take(t, integrator.u)[name].copy() for name in ("P", "kappa"))
    gained = box.integral(kappa)
    integrator.destroy()
    assert np.abs(gained).max() > 0.3
    differences = []
    for p0, points in ((16.0, 96), (32.0, 160)):
        run = Run(make(32, comm, p0=p0, p_max=p0 + 8, points=points, perp_points=2), [t], ripple=0.0)
        dK = run.rows[-1]["K"]
        differences.append((np.abs(run.fields["P"] - P).max(), np.abs(dK - gained).max()))
    differences = np.array(differences)
    assert differences[1, 0] < 0.01 and differences[1, 1] < 0.02
    order = np.log2(differences[0] / differences[1])
    np.testing.assert_allclose(order, 2.0, rtol=0, atol=0.15)  # the next term is r_mu^4 of the angles


def test_new_terms_vanish_linearly_in_r_mu(comm):
    """The same angles (sigma and p_max scale with p0): what the new terms do to flavor falls as r_mu = 1/p0."""
    difference = []
    for p0 in (8.0, 32.0, 128.0):
        same = dict(p0=p0, sigma=0.15 * p0, p_max=2 * p0, perp_points=3)
        with_terms, without = (Run(make(32, comm, **same, **terms), [4.0], rtol=1e-8) for terms in ({}, NO_GRADIENTS))
        difference.append(np.abs(with_terms.fields["P"] - without.fields["P"]).max())
    assert difference[0] > 1e-4
    order = np.log(np.array(difference[:-1]) / difference[1:]) / np.log(4)
    np.testing.assert_allclose(order, [1.0, 1.0], rtol=0, atol=0.1)  # the next order is r_mu, 1/8 at most, of this one


# --- ranks -----------------------------------------------------------------------------------------------------------


@pytest.mark.mpi
@pytest.mark.parametrize("factor", [None, 3])
def test_any_number_of_ranks_gives_the_same(factor, comm):
    from mpi4py import MPI

    two = modes(v=(1.0, -1.0), s=(1.0, -1.0))
    small = dict(points=54, p_max=15.6, perp_points=2)
    one = Run(make(15, MPI.COMM_SELF, two, **small), [1.0, 2.0])
    many = Run(make(15, comm, two, factor, **small), [1.0, 2.0])
    mine = many.full.box.indices()[0]
    assert many.drift("K") > 1e-3
    # Sums in another order, and steps that follow from them.
    np.testing.assert_allclose(many.fields["f"], one.fields["f"][..., mine], rtol=0, atol=1e-12)
    for name, value in one.rows[-1].items():
        np.testing.assert_allclose(many.rows[-1][name], value, rtol=1e-8, atol=1e-11, err_msg=name)


# --- input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v", [1.0, -1.0, 0.5, 0.0])
def test_gaussian_beams_are_normalised(v):
    grid = MomentumGrid(settings(perp_points=24))
    beam = Gaussian(8.0, 1.2, v)
    g = grid.sample(beam)
    assert np.sum(grid.weight[:, None] * g) == pytest.approx(1.0, rel=1e-14)
    assert grid.error(beam) < (1e-9 if abs(v) == 1 else 1e-5)
    mean = np.sum(grid.weight[:, None] * g * grid.p_z)
    assert mean == pytest.approx(8.0 * v, abs=1e-8)


def test_velocity_and_its_derivative():
    grid, h = MomentumGrid(settings()), 1e-5
    assert not np.any(grid.p_z == 0)
    np.testing.assert_allclose(grid.p_z, -grid.p_z[::-1], rtol=0, atol=0)
    up, down = ((grid.p_z + d) / np.hypot(grid.p_z + d, grid.p_perp[:, None]) for d in (h, -h))
    np.testing.assert_allclose(grid.dv_dp, (up - down) / (2 * h), rtol=0, atol=1e-9)  # h^2 and rounding / h


@pytest.mark.parametrize(
    "changes, v, named",
    [
        ({"points": 63}, 1.0, "full.points = 63"),
        ({"points": 40}, 1.0, "at least 54"),
        ({"p_max": 12.0}, 1.0, "at least 15.2"),
        ({"p0": 5.0}, 1.0, "p = 0"),
        ({"perp_points": 4}, 0.3, "full.perp_points = 4"),
    ],
)
def test_a_grid_that_cannot_hold_the_beams_is_refused(changes, v, named):
    check_grid(settings(), [1.0, -1.0], [1, 1])
    with pytest.raises(InputError) as error:
        check_grid(settings(**changes), [v], [1])
    assert named in str(error.value)


THERMAL = dict(
    distribution="thermal", points=80, p_max=30.0, perp_points=12, p_mean=[8.0], pinching=[10.0], angular_width=[0.6, 0.53]
)


@pytest.mark.parametrize("beam", [Thermal(8.0, 10.0, 0.6, 1.0), Thermal(7.0, 9.0, 0.5, 0.3), Thermal(6.0, 12.5, 3.0, -1.0)])
def test_thermal_beams_have_their_integral_and_mean(beam):
    """Number and mean |p| of a pinched spectrum in closed form; the quadrature of 48 x 400 points is exact to rounding."""
    grid = MomentumGrid(settings(**THERMAL | dict(points=400, p_max=60.0, perp_points=48)))
    assert grid.error(beam) < 1e-8
    g = grid.sample(beam)
    assert grid.integral(g) == pytest.approx(1.0, rel=1e-14)
    assert grid.integral(g * grid.p) == pytest.approx(beam.p_mean, rel=1e-7)
    cosines = np.linspace(-1, 1, 20001)
    angles = np.exp(-((cosines - beam.v) ** 2) / (2 * beam.width**2))
    assert grid.integral(g * grid.v) == pytest.approx(np.average(cosines, weights=angles), abs=2e-4)


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"pinching": [2.3]}, "full.pinching = 2.3: p = 0"),
        ({"p_max": 20.0}, "at least 29"),
        ({"points": 48}, "full.points = 48"),
        ({"perp_points": 8, "pinching": [12.0]}, "full.perp_points = 8"),
        ({"p_mean": [8.0, 8.0, 8.0]}, "full.p_mean: one number for all modes or one for each, 2"),
    ],
)
def test_a_grid_that_cannot_hold_the_spectra_is_refused(changes, named):
    check_grid(settings(**THERMAL), [1.0, 1.0], [1, -1])
    with pytest.raises(InputError) as error:
        check_grid(settings(**THERMAL | changes), [1.0, 1.0], [1, -1])
    assert named in str(error.value)


def test_modes_that_cannot_be_told_apart_are_refused():
    with pytest.raises(InputError, match="same velocity and sign"):
        check_grid(settings(), [1.0, 1.0], [1, 1])


@pytest.mark.mpi
def test_a_state_from_a_file_is_that_of_the_file(comm, shared_tmp_path):
    """All of f, cut over the ranks; and a homogeneous one, whose polarizations follow the modes' own."""
    directions, path = modes(v=(1.0, -1.0), s=(1.0, -1.0)), shared_tmp_path / "rho.h5"
    beam = make(20, comm, directions)
    n, P = bunches(beam.box.coordinates()[0], ripple=0.0)
    u = np.zeros(beam.picture.size)
    beam.start(0.0, u, P, n)
    mine = beam.take_state(0.0, u)["rho"].copy()
    upright = np.stack((np.zeros_like(n), np.zeros_like(n), np.array([[0.5], [-0.5]]) * np.ones_like(n)), axis=1)
    beam.start(0.0, u, upright, n)
    homogeneous = beam.take_state(0.0, u)["rho"][..., 0].copy()
    parts = comm.gather((beam.box.indices()[0], mine))
    if comm.rank == 0:
        whole = np.zeros(mine.shape[:-1] + (20,))
        for indices, part in parts:
            whole[..., indices] = part
        for name, array in (("whole", whole), ("homogeneous", homogeneous), ("short", whole[..., 1:])):
            with h5py.File(shared_tmp_path / f"{name}.h5", "w") as file:
                file["rho"] = array
    comm.Barrier()
    for name in ("whole", "homogeneous"):
        path = str(shared_tmp_path / f"{name}.h5")
        full = make(20, comm, directions, distribution="file", quadrature="laguerre", path=path)
        full.start(0.0, u, P, n)
        np.testing.assert_allclose(full.take_state(0.0, u)["rho"], mine, rtol=0, atol=1e-14)  # rounding; f reaches 0.03
    full = make(20, comm, directions, distribution="file", quadrature="laguerre", path=str(shared_tmp_path / "short.h5"))
    with pytest.raises(InputError, match=r"full.path: dataset rho of .* has the shape \(2, 4, 4, 64, 19\)"):
        full.start(0.0, u, P, n)


@pytest.mark.parametrize(
    "spoil, complaint",
    [
        (lambda f: f.__setitem__((0, 0, 3, 50), 1.0), "negative occupation"),
        (lambda f: f.__setitem__((0, 0, 0, 32), 1.0), "full.path: p = 0"),
        (lambda f: f.__setitem__((0, 0, 0, 63), 1.0), "full.path: the grid is too narrow"),
        (lambda f: f.__setitem__((0, 0, 0, 50), np.nan), "not finite"),
    ],
)
def test_a_file_with_an_impossible_distribution_is_refused(spoil, complaint, tmp_path):
    from mpi4py import MPI

    grid, f = MomentumGrid(settings()), np.zeros((1, 4, 4, 64))
    f[0, :, 0] = f[0, :, 3] = grid.sample(Gaussian(8.0, 1.2, 1.0))
    spoil(f)
    with h5py.File(tmp_path / "rho.h5", "w") as file:
        file["rho"] = f
    full = make(
        8, MPI.COMM_SELF, modes((1.0,), (1.0,)), distribution="file", quadrature="laguerre", path=str(tmp_path / "rho.h5")
    )
    with pytest.raises(InputError, match=complaint):
        full.start(0.0, np.zeros(full.picture.size), np.zeros((1, 3, 8)), [1.0])


@pytest.mark.mpi
def test_negative_occupation_is_refused_on_all_ranks(comm):
    full = make(16, comm)
    n, P = bunches(full.box.coordinates()[0])
    if full.box.rank == 0:
        P[1, 2, 0] *= 1.001  # one point of one rank
    with pytest.raises(InputError, match="negative occupation"):
        full.start(0.0, np.zeros(full.picture.size), P, n)

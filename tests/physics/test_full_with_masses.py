"""Level "full" with vacuum mixing, matter and attenuation: the right-hand side against matrices, and its ledger."""

import numpy as np
import pytest
from momentum_noise import check_rates

from nuflux_mpi.box.box import Box
from nuflux_mpi.errors import InputError
from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.physics import full_grid, levels
from nuflux_mpi.physics.full import Full
from nuflux_mpi.physics.initial import occupied
from nuflux_mpi.physics.modes import Modes
from nuflux_mpi.physics.terms.force import WeakForce
from nuflux_mpi.physics.terms.matter import Matter
from nuflux_mpi.physics.terms.self_interaction import SelfInteraction
from nuflux_mpi.physics.terms.vacuum import Vacuum, mixing_matrix
from nuflux_mpi.time.integrator import Integrator

LENGTH = 12.0
MIXING = {2: (0.5, 0.3), 3: ([0.58, 0.15, 0.85], [0.02, 0.3])}  # theta, omega at the energy 9
WAVE = {"kind": "cosine", "lambda": 0.4, "amplitude": 0.3, "n": None, "phase": 0.2, "velocity": 0.25}
FACTORS = {"vacuum": 0.7, "matter": 0.6, "self": 0.8}


def settings(**changes):
    grid = dict(points=64, p_max=18.0, perp_points=3, distribution="gaussian", p0=9.0, sigma=1.2)
    return grid | dict(group_velocity=True, force=True, commutator=True) | changes


def build(N, comm, flavors, s=(1.0, 1.0), factors=FACTORS, matter=WAVE, scale=1.0, factor=None, **changes):
    """Level "full" of two beams with everything; `scale` multiplies the differences of masses squared."""
    modes = Modes(v=np.array([1.0, -1.0]), s=np.array(s), n=None, weight=np.ones(2), flavors=flavors)
    theta, omega = MIXING[flavors]
    vacuum = {
        "theta": theta,
        "omega": scale * np.array(omega),
        "dm2": None,
        "delta": 1.2 if flavors == 3 else 0.0,
        "at_energy": 9.0,
    }
    terms = [SelfInteraction(None, modes, factors["self"]), WeakForce(None, modes)]
    terms += [Vacuum(vacuum, modes, factors["vacuum"])] * bool(scale)
    terms += [Matter(matter, modes, factors["matter"])] * bool(matter)
    chosen = settings(**changes)
    box = Box(LENGTH, N, Full.declare(modes, chosen, terms).lines, comm, fftw="estimate", factor=factor)
    return levels.build(Full, box, modes, chosen, terms)


def mass_matrix(flavors):
    """c_vac M^2/2 in mu^2, written out."""
    theta, omega = MIXING[flavors]
    U = mixing_matrix(theta, 1.2 if flavors == 3 else 0.0)
    mass = 9.0 * (np.array([-omega / 2, omega / 2]) if flavors == 2 else np.array([0.0, *omega]))
    return FACTORS["vacuum"] * U @ np.diag(mass) @ U.conj().T


def reference(full, f, group_velocity, force, commutator):
    """Right-hand side beyond free streaming for all points of the box with F x F matrices, f (species, J, 1 + C, I, N)."""
    grid, N, one = full.grid, f.shape[-1], full.modes.algebra
    F = one.flavors
    rho = np.moveaxis(one.matrix(f[:, :, 0], f[:, :, 1:], axis=2), (2, 3), (-2, -1))  # species, J, I, N, F, F
    s = full.signs[:, None, None, None, None, None]
    v, dv, p = (a[:, :, None, None, None] for a in (grid.v, grid.dv_dp, grid.p))

    def derivative(field, axis, spacing):
        wave = 2j * np.pi * np.fft.fftfreq(field.shape[axis], spacing)
        wave[len(wave) // 2] = 0.0
        wave = wave.reshape([-1 if i == axis else 1 for i in range(field.ndim)])
        return np.fft.ifft(wave * np.fft.fft(field, axis=axis), axis=axis)

    def d_z(field):
        return derivative(field, field.ndim - 3, LENGTH / N)

    def half_anticommutator(A, B):
        return 0.5 * (A @ B + B @ A)

    dressed = rho + np.trace(rho, axis1=-2, axis2=-1)[..., None, None] * np.eye(F)
    weight = grid.weight[:, None, None, None, None]
    G = [FACTORS["self"] * np.sum(weight * s * v**m * dressed, axis=(0, 1, 2)) for m in (0, 1)]
    z = LENGTH / N * np.arange(N) + full.box.origin[0]
    profile = FACTORS["matter"] * (0.4 + 0.3 * np.cos(2 * np.pi * (z - full.box.origin[0]) / LENGTH + 0.2))
    electron = np.zeros((F, F))
    electron[0, 0] = 1.0
    for m, u in enumerate((1.0, WAVE["velocity"])):
        G[m] = G[m] + u * profile[:, None, None] * electron
    M2 = mass_matrix(F)
    levels_of_mass = np.linalg.eigvalsh(M2)
    critical = np.sqrt(2.0 * (levels_of_mass[-1] - levels_of_mass[0]))
    inverse, slope = full_grid.inverse(p, critical), full_grid.slope_of_inverse(p, critical)
    Omega, Omega_p = G[0] - v * G[1], -dv * G[1]
    Phi = half_anticommutator(s * Omega_p + slope * v * M2, rho)
    push, squeeze = half_anticommutator(s * d_z(Omega), rho), half_anticommutator(s * d_z(Omega_p), rho)
    rate = np.zeros_like(rho)
    if group_velocity:
        rate += -d_z(Phi) + squeeze
    if force:
        rate += derivative(push, 2, grid.spacing) - squeeze
    if commutator:
        whole = Omega + s * M2 * inverse
        rate += 1j * (rho @ whole - whole @ rho)
    n = np.trace(rate, axis1=-2, axis2=-1).real
    P = np.einsum("...ab,cba->...c", rate, one.generators).real
    return np.moveaxis(np.concatenate((n[..., None], P), axis=-1), -1, 2)


@pytest.mark.mpi
@pytest.mark.parametrize("flavors", [2, 3])
@pytest.mark.parametrize("terms", [(True, True, True), (True, False, False), (False, True, False), (False, False, True)])
def test_right_hand_side_is_that_of_the_matrices(flavors, terms, comm):
    switches = dict(zip(("group_velocity", "force", "commutator"), terms))
    full = build(20, comm, flavors, s=(1.0, -1.0), points=56, p_max=16.3, perp_points=2, **switches)
    check_rates(full, flavors**2, lambda f: reference(full, f, **switches))


def test_the_inverse_of_momentum_goes_over_smoothly():
    p, h, critical = np.linspace(0.01, 6.0, 600), 1e-6, 2.3
    assert np.array_equal(full_grid.inverse(p[p >= critical], critical), 1.0 / p[p >= critical])
    difference = (full_grid.inverse(p + h, critical) - full_grid.inverse(p - h, critical)) / (2 * h)
    np.testing.assert_allclose(full_grid.slope_of_inverse(p, critical), difference, rtol=0, atol=1e-9)  # h^2, rounding / h
    assert np.abs(full_grid.slope_of_inverse(p, critical)).max() < 1.25 / critical**2  # bounded, unlike 1/p^2
    np.testing.assert_allclose(np.diff(full_grid.slope_of_inverse(p, critical)), 0, atol=0.01)  # no step
    assert full_grid.inverse(0.5, 0.0) == 2.0 and full_grid.slope_of_inverse(0.5, 0.0) == -4.0


def start_of(full, ripple=0.3):
    """Densities (2, n) and P (2, C, n) of two bunches of unlike flavor, every pair of flavors coherent."""
    one, q, z = full.modes.algebra, 2 * np.pi / LENGTH, full.box.coordinates()[0]
    share = {2: [[0.9, 0.1], [0.2, 0.8]], 3: [[0.7, 0.2, 0.1], [0.15, 0.25, 0.6]]}[one.flavors]
    n = 0.5 * np.stack([1 + ripple * np.cos(q * z), 1 - ripple * np.cos(q * z + 0.7)])
    X = 0.1 * np.cos(q * z * np.array([1, 2])[:, None, None] + np.arange(2 * one.components).reshape(2, -1, 1))
    diagonal = one.polarization_of(np.array(share), axis=1)[1]
    return n, n[:, None] * one.rotate(diagonal[:, :, None], X, axis=1)


class Run:
    def __init__(self, full, times, rtol=1e-8):
        integrator = Integrator(full.picture.rhs, full.picture.size, full.box.comm, method=full.auto_method, rtol=rtol)
        n, P = start_of(full)
        full.start(0.0, integrator.u, P, n)
        integrator.begin()
        self.full, self.rows = full, [self._row(full, 0.0, integrator.u)]
        for t in times:
            integrator.advance(t)
            self.rows.append(self._row(full, t, integrator.u))
        self.f = full.take_state(integrator.t, integrator.u)["rho"].copy()
        integrator.destroy()

    @staticmethod
    def _row(full, t, u):
        full.take(t, u)
        return full.measure(t)

    def drift(self, name):
        return max(np.abs(row[name] - self.rows[0][name]).max() for row in self.rows)


@pytest.fixture(scope="module", params=[2, 3])
def whole(request, comm):
    """Neutrinos and antineutrinos, masses, a profile of moving matter, attenuation, up to t = 6."""
    return Run(build(40, comm, request.param, s=(1.0, -1.0)), [2.0, 4.0, 6.0])


def test_the_ledger_closes(whole):
    """K + U + E_vac + E_mat: the vacuum velocity, the refractive one and the force, each with its energy."""
    for name in ("kinetic_energy", "E_vac", "E_mat", "U_osc"):
        assert whole.drift(name) > 0.02  # something happened
    assert whole.drift("number") < 1e-13  # exact on the grid: rounding of 12
    # rtol = 1e-8 of |f| and what reaches p = 0; measured 1e-9 of 108.
    assert whole.drift("energy") < 1e-8
    assert whole.drift("casimir2") < 1e-9 * whole.rows[0]["casimir2"]


def test_energies_are_those_of_the_matrices(whole):
    full, row = whole.full, whole.rows[-1]
    one, grid = full.modes.algebra, full.grid
    rho = np.moveaxis(one.matrix(whole.f[:, :, 0], whole.f[:, :, 1:], axis=2), (2, 3), (-2, -1))
    s, v, weight = full.signs[:, None, None, None], grid.v[:, :, None], grid.weight[:, None, None] * LENGTH / 40
    M2 = mass_matrix(one.flavors)
    inverse = full_grid.inverse(grid.p, full._masses.critical)[:, :, None]
    E_vac = np.sum(weight * inverse * np.einsum("ab,sjizba->sjiz", M2, rho).real)
    z = full.box.coordinates()[0] - full.box.origin[0]
    profile = FACTORS["matter"] * (0.4 + 0.3 * np.cos(2 * np.pi * z / LENGTH + 0.2))
    E_mat = np.sum(weight * s * profile * (1 - v * WAVE["velocity"]) * rho[..., 0, 0].real)
    assert row["E_vac"] == pytest.approx(E_vac, rel=1e-12) and row["E_mat"] == pytest.approx(E_mat, rel=1e-12)  # rounding
    D = [np.sum(weight * s * v**m * whole.f[:, :, 1:].transpose(2, 0, 1, 3, 4), axis=(1, 2, 3)) * 40 / LENGTH for m in (0, 1)]
    U_osc = FACTORS["self"] / 4 * np.sum(D[0] ** 2 - D[1] ** 2) * LENGTH / 40
    assert row["U_osc"] == pytest.approx(U_osc, rel=1e-11)


def test_number_flows_with_the_flux_of_masses_and_matter(whole):
    """d_t n + d_z int v n = d_z Phi for each species, to rounding on any grid."""
    full = whole.full
    u, du = np.zeros(full.picture.size), np.zeros(full.picture.size)
    full.put(6.0, u, rho=whole.f)
    Phi = full.take(6.0, u)["Phi"].copy()
    full.picture.rhs(6.0, u, du)
    full.picture.fields(6.0, du)
    change = np.einsum("j,sjiz->sz", full.grid.weight, full.f[:, :, 0])
    slope = full.box.gradient(2)(Phi.reshape(2, -1)).reshape(change.shape)
    assert np.abs(slope).max() > 1e-4
    np.testing.assert_allclose(change, slope, rtol=0, atol=1e-13)


def test_without_the_vacuum_velocity_the_ledger_is_open(comm):
    """What it lacks falls as dm^2/2p^2, with the same angles and masses."""
    opened = []
    for p0 in (9.0, 12.0):
        full = build(32, comm, 2, perp_points=2, p0=p0, p_max=p0 + 9.0, points=80)
        full._velocity = [None] * len(full._velocity)
        opened.append(Run(full, [4.0]).drift("energy"))
    assert opened[0] > 1e-3
    assert opened[0] / opened[1] == pytest.approx((12 / 9) ** 2, rel=0.15)  # the next order is dm^2/p^2 and sigma^2/p^2


def test_work_of_the_force_is_the_slope_of_K(comm):
    full, step = build(32, comm, 3, perp_points=2), 0.02
    run = Run(full, 2.0 + step * np.arange(5), rtol=1e-11)
    K = [row["kinetic_energy"] for row in run.rows[1:]]
    slope = (K[0] - 8 * K[1] + 8 * K[3] - K[4]) / (12 * step)
    assert abs(slope) > 0.01
    # step^4 K^(5)/30 = 1e-8 with rates of order 1; rounding of K over the step.
    assert run.rows[3]["dK_dt"] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("flavors", [2, 3])
def test_each_momentum_oscillates_by_itself(flavors, sign, comm):
    """No refraction, uniform matter at rest: exp(-i t (s M^2/2p + lambda L)) at each momentum; for two flavors the MSW formula."""
    uniform = {"kind": "uniform", "lambda": 0.1, "velocity": 0.0}
    full = build(2, comm, flavors, s=(sign, sign), factors=FACTORS | {"self": 0.0}, matter=uniform, scale=0.5)
    one, t = full.modes.algebra, 20.0
    P = np.repeat(one.polarization_of(one.projectors[0].diagonal().real)[1][None, :, None], 2, axis=0) * np.ones(2)
    integrator = Integrator(full.picture.rhs, full.picture.size, full.box.comm, method="8vr", rtol=1e-12)
    full.start(0.0, integrator.u, P, np.ones(2))
    integrator.begin()
    before = full.take_state(0.0, integrator.u)["rho"][0, ..., 0].copy()
    integrator.advance(t)
    after = full.take_state(t, integrator.u)["rho"][0, ..., 0]
    integrator.destroy()
    there = before[:, 0] > 1e-3 * before[:, 0].max()
    found = (one.content(after[:, 0], after[:, 1:], axis=1)[:, 0] / before[:, 0])[there]
    Omega = sign * 0.5 * mass_matrix(flavors) / full.grid.p[there][:, None, None]
    Omega[:, 0, 0] += FACTORS["matter"] * 0.1
    energies, states = np.linalg.eigh(Omega)
    amplitude = np.einsum("mj,mj,mj->m", states[:, 0], np.exp(-1j * energies * t), states[:, 0].conj())
    np.testing.assert_allclose(found, np.abs(amplitude) ** 2, rtol=0, atol=1e-9)  # 1e-12 of |f| per step, where f is 1e-3 of it
    assert found.min() < 0.97
    if flavors == 2:
        omega = sign * 0.5 * FACTORS["vacuum"] * 0.3 * 9.0 / full.grid.p[there]
        C = np.cos(1.0) - FACTORS["matter"] * 0.1 / omega
        depth = np.sin(1.0) ** 2 / (np.sin(1.0) ** 2 + C**2)
        rate = np.abs(omega) * np.sqrt(np.sin(1.0) ** 2 + C**2)
        np.testing.assert_allclose(found, 1 - depth * np.sin(rate * t / 2) ** 2, rtol=0, atol=1e-9)


@pytest.mark.mpi
def test_any_number_of_ranks_gives_the_same(comm):
    from mpi4py import MPI

    small = dict(points=56, p_max=16.3, perp_points=2, s=(1.0, -1.0))
    one, many = Run(build(15, MPI.COMM_SELF, 3, **small), [1.0]), Run(build(15, comm, 3, factor=3, **small), [1.0])
    # Sums in another order, and steps that follow from them.
    np.testing.assert_allclose(many.f, one.f[..., many.full.box.indices()[0]], rtol=0, atol=1e-12)
    for name, value in one.rows[-1].items():
        np.testing.assert_allclose(many.rows[-1][name], value, rtol=1e-8, atol=1e-11, err_msg=name)


# --- input -----------------------------------------------------------------------------------------------------------


def test_masses_as_large_as_momenta_are_refused(comm):
    full = build(4, comm, 2, scale=6.0)  # the root of 2 x .7 x 9 x 6 x .3 x 2 is 5.6: 3 widths below the beam
    n, P = start_of(full)
    with pytest.raises(InputError, match=r"masses are as large as momenta below \|p\| = 4.76"):
        full.start(0.0, np.zeros(full.picture.size), P, n)


@pytest.mark.parametrize("flavors", [2, 3])
def test_densities_are_raised_until_no_occupation_is_negative(flavors, comm):
    one, box = algebra(flavors), Box(LENGTH, 6, 1, comm, fftw="estimate")
    P = np.random.default_rng(5).standard_normal((2, one.components, 6))
    n = occupied(np.zeros(2), P, box)
    lowest = one.occupations(n[:, None], P, axis=1)[:, 0].min(axis=1)
    np.testing.assert_allclose(lowest, 0, atol=1e-14)
    assert np.array_equal(occupied(n + 1, P, box), n + 1)


def test_beams_of_one_direction_are_told_apart_by_their_energies(comm):
    modes = Modes(
        v=np.array([1.0, 1.0, -1.0]),
        s=np.ones(3),
        n=None,
        weight=np.ones(3),
        p=np.array([8.0, 20.0, 8.0]),
        energy=np.array([0, 1, 0]),
    )
    chosen = settings(p0=None, p_max=28.0, points=96, perp_points=2)
    full = levels.build(Full, Box(LENGTH, 4, Full.declare(modes, chosen).lines, comm, fftw="estimate"), modes, chosen)
    P = np.zeros((3, 3, 4))
    P[0, 2], P[1, 0], P[2, 2] = 0.3, 0.2, -0.4
    u = np.zeros(full.picture.size)
    full.start(0.0, u, P, np.array([0.5, 0.4, 0.4]))
    # The midpoint is 5 widths away from both.
    np.testing.assert_allclose(full.take(0.0, u)["P"], P, rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="same velocity and sign"):
        full_grid.check_grid(settings(), modes.v, modes.s)
    with pytest.raises(InputError, match="modes.energy = 5"):
        full_grid.check_grid(settings(p0=None), [1.0, -1.0], [1, 1], [5.0, 9.0])
    with pytest.raises(InputError, match="modes.energy.*full.p_mean"):
        full_grid.check_grid(settings(distribution="thermal"), [1.0, -1.0], [1, 1], [5.0, 9.0])


def test_an_f_of_three_flavors_is_tilted_as_one_of_two(comm):
    """A pair alone: by the shortest rotation, as two flavors; several pairs: to first order by all of them."""
    from nuflux_mpi.physics import full_start

    two, three = algebra(2), algebra(3)
    shares, n = [(0, 0, slice(0, 2)), (0, 1, slice(2, 5))], np.array([0.7, 0.2])
    psi = np.array([0.1 + 0.05j, -0.03 + 0.2j])[:, None] * np.exp(0.3j * np.arange(6))
    f = np.random.default_rng(3).standard_normal((1, 9, 5, 1)) * np.ones(6)
    f[:, [1, 2, 4, 5, 6, 7]] = 0.0
    for sign in (1.0, -1.0):
        P2, P3 = np.zeros((2, 3, 6)), np.zeros((2, 8, 6))
        P2[:, 0], P2[:, 1], P2[:, 2] = psi.real, psi.imag, sign * n[:, None]
        P3[:, :3] = P2
        small, large = f[:, :4].copy(), f.copy()
        full_start.tilt_about_z(small, P2, shares)
        full_start.tilt(three, large, P3, shares)
        np.testing.assert_allclose(large[:, :4], small, rtol=0, atol=1e-14)
    assert two.components == 3
    content = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
    P = three.polarization_of(content, axis=1)[1][:, :, None] * np.ones(6)
    for k, pair in enumerate(three.pairs):
        P[:, pair.real], P[:, pair.imaginary] = 1e-6 * (k + 1), 2e-6
    large = f.copy()
    full_start.tilt(three, large, P, shares)
    for pair in three.pairs:
        for q, a, span in shares:
            share = three.coherence(P[a], pair) / three.difference(P[a], pair)
            expected = three.difference(f[q, 1:, span], pair) * share
            np.testing.assert_allclose(three.coherence(large[q, 1:, span], pair), expected, rtol=0, atol=1e-9)  # second order

"""Energies, invariants and spectra against sums written out here, and the budget as an identity of the grid."""

import numpy as np
import pytest
from mpi4py import MPI

from nuflux_mpi.box.box import Box
from nuflux_mpi.physics import diagnostics, levels, polarization
from nuflux_mpi.physics.modes import Modes

LENGTH = 9.0
MODES = Modes(
    v=np.array([1.0, -1.0, 0.3, 0.0, -0.6]),
    s=np.array([1.0, 1.0, -1.0, 1.0, -1.0]),
    n=np.array([0.5, 0.4, 0.3, 0.2, 0.1]),
    weight=np.ones(5),
)
BEAMS = Modes(v=np.array([1.0, -1.0]), s=np.ones(2), n=np.array([0.5, 0.5]), weight=np.ones(2))
# Even and odd; in slabs and factored.
grids = pytest.mark.parametrize("points, factor", [(48, None), (45, None), (48, 4), (45, 5)])


def noise(count, points, seed=0):
    """The same random P on all ranks, (count, 3, points): identities found with it are those of the grid."""
    return np.random.default_rng(seed).standard_normal((count, 3, points))


def slope(field):
    """Spectral derivative of a whole field by numpy; the Nyquist wave has none."""
    points = field.shape[-1]
    k = 2 * np.pi / LENGTH * np.fft.rfftfreq(points, 1 / points)
    if points % 2 == 0:
        k[-1] = 0
    return np.fft.irfft(1j * k * np.fft.rfft(field), points)


def pairs(modes):
    """s_a s_b (1 - v_a v_b): how strongly two modes interact."""
    return np.outer(modes.s, modes.s) * (1 - np.outer(modes.v, modes.v))


def integral(field):
    return field.mean(axis=-1) * LENGTH


def share(P, comm, factor=None, modes=MODES):
    """Box, this rank's part of P."""
    box = Box(LENGTH, P.shape[-1], 4 * len(modes), comm, factor=factor)
    return box, P[..., box.indices()[0]]


def measure(P, comm, factor=None, modes=MODES, start=None, t=0.0, **fields):
    """All series at time t of a run that started from `start` (default P)."""
    box, mine = share(P, comm, factor, modes)
    (here,) = box.indices()
    begun = mine if start is None else start[..., here]
    result = diagnostics.Diagnostics(box, modes, begun, modes.n)
    return result.measure(t, {"P": mine, **{name: field[..., here] for name, field in fields.items()}})


# ---- energy


@pytest.mark.mpi
@grids
def test_refractive_energy_is_the_sum_over_pairs_of_modes(points, factor, comm):
    """U_osc = 1/4 int sum_ab s_a s_b (1 - v_a v_b) P_a . P_b: Eq. 3 without traces."""
    P = noise(5, points)
    series = measure(P, comm, factor)
    by_component = 0.25 * np.einsum("ab,aci,bci->c", pairs(MODES), P, P) * LENGTH / points
    tolerance = {"rel": 0, "abs": 1e-13}  # rounding of a sum of some 1000 terms of size 1/10
    assert series["U_osc"] == pytest.approx(by_component.sum(), **tolerance)
    assert series["U_osc_longitudinal"] == pytest.approx(by_component[2], **tolerance)
    assert series["U_osc_transverse"] == pytest.approx(by_component[0] + by_component[1], **tolerance)


@pytest.mark.mpi
def test_refractive_energy_of_two_beams_is_their_product(comm):
    P = noise(2, 40)
    series = measure(P, comm, modes=BEAMS)
    assert series["U_osc"] == pytest.approx(integral(np.sum(P[0] * P[1], axis=0)), abs=1e-13)
    expected = -2 * integral(np.sum(P[1] * slope(P[0]), axis=0))
    assert series["dU_osc_dt"] == pytest.approx(expected, rel=1e-12)  # rounding, times k up to 14


@pytest.mark.mpi
@grids
def test_eq_7_is_the_rate_that_the_equations_of_motion_give(points, factor, comm):
    """By the chain rule, flavor rotation included: it must drop out."""
    P = noise(5, points)
    D0, D1 = (np.einsum("a,aci->ci", MODES.s * MODES.v**m, P) for m in (0, 1))
    v = MODES.v[:, None, None]
    dP = np.cross(D0 - v * D1, P, axis=1) - v * slope(P)
    rate = 0.5 * integral(np.einsum("ab,aci,bci->i", pairs(MODES), P, dP))
    assert abs(rate) > 1
    # Rounding: terms of size 10 from the rotation cancel among 1000.
    assert measure(P, comm, factor)["dU_osc_dt"] == pytest.approx(rate, abs=1e-11)


@pytest.mark.mpi
@grids
def test_the_weak_force_takes_what_the_refractive_energy_gains(points, factor, comm):
    """The source of sum K is -dU_osc/dt (Eq. 7) on any grid and for any fields: the budget closes by construction."""
    P = noise(5, points)
    box, mine = share(P, comm, factor)
    level = levels.build(polarization.Energy, box, MODES)
    level.P[...] = mine
    level.source(0.0)
    gained = box.integral(level.kappa).sum()
    assert gained == pytest.approx(-measure(P, comm, factor)["dU_osc_dt"], rel=1e-12)  # rounding
    assert abs(gained) > 1


@pytest.mark.mpi
@pytest.mark.parametrize("level", [polarization.Standard, polarization.Energy])
def test_right_hand_side_is_advection_and_rotation(level, comm):
    """The state's rate of change, back in space, against the formula: d_t P + v d_z P = (D_0 - v D_1) x P."""
    P = noise(5, 45)
    box, mine = share(P, comm)
    one = levels.build(level, box, MODES)
    u, du = np.empty(one.picture.size), np.empty(one.picture.size)
    t = 0.4
    one.put(t, u, P=mine)
    one.picture.rhs(t, u, du)
    D0, D1 = (np.einsum("a,aci->ci", MODES.s * MODES.v**m, P) for m in (0, 1))
    v = MODES.v[:, None, None]
    expected = np.cross(D0 - v * D1, P, axis=1)[..., box.indices()[0]]
    found = one.take(t, du)
    np.testing.assert_allclose(found["P"], expected, rtol=0, atol=1e-13)  # rounding of terms up to 20
    if "kappa" in found:
        force = np.einsum("aci,aci->ai", slope(D0) - v * slope(D1), P)
        expected = (-0.5 * (MODES.s * MODES.v)[:, None] * force)[..., box.indices()[0]]
        np.testing.assert_allclose(found["kappa"], expected, rtol=0, atol=2e-12)  # times k up to 15
    # put and take are inverse, and kappa starts from zero.
    back = one.take(t, u)
    np.testing.assert_allclose(back["P"], mine, rtol=0, atol=1e-14)
    assert np.all(np.abs(back.get("kappa", 0.0)) < 1e-14)


@pytest.mark.mpi
def test_budget_of_kinetic_energy_and_momentum(comm):
    P, kappa = noise(5, 45), noise(5, 45, seed=3)[:, 0]
    box, mine = share(P, comm)
    ledger = diagnostics.Diagnostics(box, MODES, mine, MODES.n)
    (here,) = box.indices()
    first = ledger.complete(ledger.measure(0.0, {"P": mine, "kappa": 0 * kappa[:, here], "F": 0 * kappa[:, here]}))
    assert first["energy"] == first["U_osc"] and first["energy_residual"] == 0
    later = ledger.complete(ledger.measure(1.0, {"P": mine, "kappa": kappa[:, here], "F": 0 * kappa[:, here]}))
    K = integral(kappa)
    np.testing.assert_allclose(later["K"], K, rtol=0, atol=1e-14)
    assert later["energy"] == pytest.approx(first["U_osc"] + K.sum(), abs=1e-13)
    assert later["energy_residual"] == pytest.approx(K.sum(), abs=1e-13)
    moving = MODES.v != 0  # a mode that stands still in the box feels no force along it
    assert later["momentum"] == pytest.approx(np.sum(K[moving] / MODES.v[moving]), abs=1e-13)


# ---- flavor content


@pytest.mark.mpi
def test_means_and_flavor_content(comm):
    P = noise(5, 45)
    series = measure(P, comm)
    np.testing.assert_allclose(series["P_mean"], P.mean(-1), rtol=0, atol=1e-14)  # sums of some hundred terms
    np.testing.assert_allclose(series["D0"], integral(np.einsum("a,aci->ci", MODES.s, P)), rtol=0, atol=1e-13)
    np.testing.assert_allclose(series["nu_x"], 0.5 * (1 - P[:, 2].mean(-1) / MODES.n), rtol=1e-13)
    assert "K" not in series


@pytest.mark.mpi
def test_survival_weighs_directions_with_their_neutrinos(comm):
    """P_ee = sum w g_e (1 + <P^z>/n)/2 / sum w g_e, and the same with the antineutrinos' distribution."""
    nu, antinu = np.array([3.0, 1.0, 0.5, 0.2, 0.1]), np.array([1.0, 0.0, 0.8, 0.1, 0.4])
    modes = Modes(v=MODES.v, s=MODES.s, n=MODES.n, weight=np.ones(5), nu_weight=nu, antinu_weight=antinu)
    P = noise(5, 45)
    series = measure(P, comm, modes=modes)
    survival = 0.5 * (1 + P[:, 2].mean(-1) / MODES.n)
    assert series["P_ee"] == pytest.approx(np.average(survival, weights=nu), rel=1e-13)
    assert series["P_ee_bar"] == pytest.approx(np.average(survival, weights=antinu), rel=1e-13)
    alone = Modes(v=MODES.v, s=MODES.s, n=MODES.n, weight=np.ones(5), nu_weight=nu, antinu_weight=0 * nu)
    assert "P_ee_bar" not in measure(P, comm, modes=alone)


@pytest.mark.mpi
def test_survival_of_beams_is_that_of_their_own_start(comm):
    """nu_e of pure and of mixed beams: each survives by (1 + <P^z> / <P^z at the start>) / 2, weighted with its nu_e."""
    modes = Modes(v=MODES.v, s=MODES.s, n=MODES.n, weight=np.ones(5))
    start, later = np.zeros((5, 3, 45)), noise(5, 45) * 0.1
    start[:, 2] = np.array([0.5, -0.4, 0.15, 0.0, -0.1])[:, None]  # nu_e; nu_x; 3/4 anti-nu_e; half of each; anti-nu_x
    box = Box(LENGTH, 45, 15, comm)
    (here,) = box.indices()
    measured = diagnostics.Diagnostics(box, modes, start[..., here], modes.n)
    first, series = (measured.measure(0.0, {"P": np.ascontiguousarray(P[..., here])}) for P in (start, later))
    for name in ("P_ee", "P_ee_bar"):  # the beam of half nu_e tells nothing and is left out
        assert first[name] == pytest.approx(1, abs=1e-14)  # a few roundings
    mean = later[:, 2].mean(-1)
    assert series["P_ee"] == pytest.approx(0.5 * (1 + mean[0] / 0.5), rel=1e-13)
    assert series["P_ee_bar"] == pytest.approx(0.5 * (1 + mean[2] / 0.15), rel=1e-13)
    two = diagnostics.survivors(
        Modes(v=np.ones(2), s=np.ones(2), n=np.ones(2), weight=np.ones(2)), np.ones(2), np.array([0.5, 0.25])
    )
    np.testing.assert_allclose(two["P_ee"][0], [1.0, 0.75])  # n_e of either beam
    assert "P_ee_bar" not in two  # without antineutrinos there is no such number


# ---- drift of |P|


def moved(t, points=64):
    """Modes of smoothly varying length, carried along their rays to time t; P turns in flavor space on the way."""
    z = np.arange(points) * LENGTH / points
    turns = (z - MODES.v[:, None] * t) / LENGTH + 0.15 * np.arange(5)[:, None]
    length = MODES.n[:, None] * (1 + 0.3 * np.sin(2 * np.pi * turns))
    angle = np.stack([np.cos(z[None] + t), np.sin(z[None] + t), np.zeros((1, points))], axis=1)
    return length[:, None] * angle


@pytest.mark.mpi
@pytest.mark.parametrize("t", [0.0, 2.7])
def test_lengths_are_followed_along_the_rays(t, comm):
    series = measure(moved(t), comm, start=moved(0.0), t=t)
    # |P|^2 has two harmonics: its transport is exact. A wrong sign of v would give 0.6.
    assert series["P_drift_max"] < 1e-14
    assert series["P_drift_mean"] <= series["P_drift_max"]


@pytest.mark.mpi
@pytest.mark.parametrize("uniform", [True, False])
def test_a_change_of_length_is_measured_in_units_of_the_density(uniform, comm):
    start, t = moved(0.0), 1.2
    if uniform:
        start *= (MODES.n[:, None] / np.sqrt(np.sum(start**2, axis=1)))[:, None]
    now = start if uniform else moved(t)
    now = now.copy()
    now[3, :, 10] *= 1 + 1e-3
    series = measure(now, comm, start=start, t=t)
    expected = 1e-3 * np.sqrt(np.sum(now[3, :, 10] ** 2)) / 1.001 / MODES.n[3]
    assert series["P_drift_max"] == pytest.approx(expected, rel=1e-10)  # rounding relative to 1e-3
    assert series["P_drift_mean"] == pytest.approx(expected / (5 * 64), rel=1e-9)


# ---- spectra


@pytest.mark.mpi
@pytest.mark.parametrize("batch", [1, 2, 16])
@grids
def test_spectrum_is_that_of_numpy(points, factor, batch, comm):
    P = noise(5, points)
    box, mine = share(P, comm, factor)
    spectrum = diagnostics.Spectrum(box, MODES, batch=batch)
    power = np.sum(np.abs(np.fft.fft(P[:, 0] + 1j * P[:, 1]) / points) ** 2, axis=0)
    harmonic = np.arange(-((points - 1) // 2), points // 2 + 1)
    np.testing.assert_allclose(spectrum.k, 2 * np.pi / LENGTH * harmonic, rtol=1e-15)
    np.testing.assert_allclose(spectrum(mine), power[harmonic % points], rtol=1e-12, atol=1e-15)
    assert spectrum(mine).sum() == pytest.approx(np.sum(P[:, :2] ** 2) / points, rel=1e-13)  # Parseval


@pytest.mark.mpi
def test_a_wave_stands_at_its_signed_wave_number(comm):
    z = np.arange(32) / 32
    psi = 1e-3 * np.exp(-2j * np.pi * 3 * z)
    P = np.stack([psi.real, psi.imag, 0.5 + 0 * z])[None] * np.ones((2, 1, 1))
    box, mine = share(P, comm, modes=BEAMS)
    spectrum = diagnostics.Spectrum(box, BEAMS)
    power = spectrum(mine)
    assert spectrum.k[np.argmax(power)] == pytest.approx(-2 * np.pi * 3 / LENGTH)
    assert power.max() == pytest.approx(2e-6, rel=1e-13) and power.sum() == pytest.approx(power.max(), rel=1e-13)


@pytest.mark.mpi
@pytest.mark.parametrize("harmonic, share_of_norm", [(20, 0.0), (22, 0.6), (-31, 0.6)])
def test_spectral_tail_is_the_part_in_the_highest_third(harmonic, share_of_norm, comm):
    """64 points carry 32 harmonics, two thirds of which are 21."""
    angle = 2 * np.pi * harmonic * np.arange(64) / 64
    P = np.stack([0.3 * np.cos(angle), 0.3 * np.sin(angle), np.full(64, 0.4)])[None] * np.ones((2, 1, 1))
    assert measure(P, comm, modes=BEAMS)["spectral_tail"] == pytest.approx(share_of_norm, abs=1e-13)


# ---- ranks


@pytest.mark.mpi
def test_every_number_is_the_same_on_all_ranks_and_as_on_one(comm):
    P, (kappa, F) = moved(1.0), noise(5, 64, seed=4)[:, :2].swapaxes(0, 1)
    shared = measure(P, comm, start=moved(0.0), t=1.0, kappa=kappa, F=F)
    alone = measure(P, MPI.COMM_SELF, start=moved(0.0), t=1.0, kappa=kappa, F=F)
    assert shared.keys() == alone.keys()
    for name, value in shared.items():
        np.testing.assert_allclose(value, alone[name], rtol=0, atol=1e-13, err_msg=name)  # sums in another order
        np.testing.assert_array_equal(value, comm.bcast(value), err_msg=name)

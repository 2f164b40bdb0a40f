"""Waves that a background coupled in space, such as matter with a profile, makes of each other."""

import numpy as np
import pytest

from nuflux_mpi.theory import linear, profile

L, V, S, Q = 20.0, np.array([0.8, -0.6, 0.1]), np.array([1.0, 1.0, -1.0]), np.array([0.5, -0.4, 0.3])


def problem(lambda_of, points=32, u=0.0):
    """Three modes in matter that moves with velocity u."""
    z = np.arange(points) * L / points
    matter = lambda_of(z) + 0.0 * z
    return linear.Linearised(linear.Background(V[:, None], S, Q), 0.0, np.stack([matter, u * matter]))


def wavy(z):
    return 1.0 + 0.5 * np.cos(2 * np.pi * z / L)


def test_a_uniform_profile_is_a_shift():
    found = profile.solve(problem(lambda z: 0.7, u=0.2), (L,), (32,))
    k = 2 * np.pi / L * np.arange(-15, 16)
    shifted = linear.spectrum(k[:, None], V[:, None], S, Q, -0.7 * (1 - 0.2 * V))
    growing = np.sort(shifted.imag[shifted.imag > 1e-3])
    assert found.all_roots and len(growing) == 9
    np.testing.assert_allclose(np.sort(found.omega.imag[found.omega.imag > 1e-3]), growing, atol=1e-11)
    best = np.unravel_index(np.argmax(shifted.imag), shifted.shape)
    assert found.omega[0] == pytest.approx(shifted[best], abs=1e-11)
    power = np.sum(np.abs(found.waves[0]) ** 2, axis=0)  # its eigenvector is that one wave
    assert power[np.flatnonzero(profile.harmonics(found.points)[0] == best[0] - 15)] == pytest.approx(1.0, abs=1e-11)


def test_the_matrix_couples_waves_by_the_fourier_components_of_the_profile():
    """- lambda_hat(k - k') (1 - v_a u) beside the matrices of each wave, written out; without waves at the edge of the grid."""
    points, u = 15, 0.3
    asked = problem(wavy, points, u)
    operator = profile.Operator(asked, (L,), (points,))
    n = profile.harmonics((points,))[0]
    matter = np.fft.fft(wavy(np.arange(points) * L / points)) / points
    generator = np.random.default_rng(3)
    waves = generator.normal(size=(3, points)) + 1j * generator.normal(size=(3, points))
    expected = np.stack([linear.matrix([2 * np.pi / L * m], *asked.background) @ waves[:, i] for i, m in enumerate(n)], axis=1)
    for i, m in enumerate(n):
        for j, other in enumerate(n):
            expected[:, i] -= matter[(m - other) % points] * (1 - V * u) * waves[:, j]
    psi = np.fft.ifft(waves) * points
    np.testing.assert_allclose(np.fft.fft(operator(psi)) / points, expected, atol=1e-12)


def test_few_points_will_do_and_krylov_finds_what_the_matrix_has(monkeypatch):
    dense = profile.solve(problem(wavy, 64), (L,), (64,))
    few = profile.solve(problem(wavy, 512), (L,), (512,), first=(16,))
    assert few.all_roots and few.points[0] < 512
    np.testing.assert_allclose(few.omega[:4], dense.omega[:4], atol=1e-6)
    monkeypatch.setattr(profile, "DENSE", 10)
    asked = problem(wavy, 64)
    found = profile.solve(asked, (L,), (64,))
    assert not found.all_roots and 2 <= len(found.omega) and found.slowest <= found.omega[-1].imag
    np.testing.assert_allclose(found.omega, dense.omega[: len(found.omega)], atol=1e-8)
    operator = profile.Operator(asked, (L,), found.points)
    for omega, psi in zip(found.omega, found.psi):
        np.testing.assert_allclose(operator(psi), omega * psi, atol=1e-7)
        assert np.mean(np.sum(np.abs(psi) ** 2, axis=0)) == pytest.approx(1.0)


def test_a_profile_slows_growth_and_its_mean_does_not():
    plain = linear.growth_rate(2 * np.pi / L * np.arange(-15, 16)[:, None], V[:, None], S, Q).max()
    uniform = profile.solve(problem(lambda z: 1.0), (L,), (32,)).omega[0].imag
    assert uniform == pytest.approx(plain, abs=1e-11)
    assert profile.solve(problem(wavy), (L,), (32,)).omega[0].imag < 0.9 * plain


def test_two_dimensions_with_a_profile_along_one_of_them():
    """Waves across the profile stay single: the problem of one dimension with k_x v_x as a shift."""
    v = np.array([[0.6, 0.5], [-0.4, -0.7]])
    z = np.arange(16) * L / 16
    matter = np.broadcast_to(wavy(z), (4, 16))
    background = linear.Background(v, np.ones(2), np.array([0.5, -0.4]))
    asked = linear.Linearised(background, 0.0, np.stack([matter, 0 * matter, 0 * matter]))
    found = profile.solve(asked, (10.0, L), (4, 16))
    rates = []
    for n in (-1, 0, 1):
        alone = linear.Background(v[:, 1:], np.ones(2), background.q, 2 * np.pi / 10.0 * n * v[:, 0], None, v)
        one = linear.Linearised(alone, 0.0, np.stack([wavy(z), 0 * z, 0 * z]))
        rates.append(profile.solve(one, (L,), (16,)).omega[0].imag)
    assert found.omega[0].imag == pytest.approx(max(rates), abs=1e-10)


def test_grids_have_no_wave_at_their_edge():
    assert [profile.grid_of(n, 512) for n in (16, 32, 100, 250, 512)] == [21, 35, 105, 315, 511]
    assert profile.grid_of(64, 64) == 63 and profile.grid_of(15, 15) == 15


def test_too_many_unknowns_are_refused(monkeypatch):
    monkeypatch.setattr(profile, "MOST_UNKNOWNS", 90)
    with pytest.raises(profile.TooLarge) as refused:
        profile.solve(problem(wavy), (L,), (32,))
    assert refused.value.unknowns == 93


def test_that_nothing_grows_is_said_with_how_slow(monkeypatch):
    monkeypatch.setattr(profile, "DENSE", 10)
    monkeypatch.setattr(profile, "MOST_WORK", 1e6)
    asked = problem(wavy)
    asked = asked._replace(background=asked.background._replace(s=np.ones(3), q=np.abs(Q)))
    found = profile.solve(asked, (L,), (32,))
    assert len(found.omega) == 0 and 0 < found.slowest < 0.2

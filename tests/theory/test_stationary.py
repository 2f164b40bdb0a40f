"""How far mixing turns a background."""

import numpy as np
import pytest

from nuflux_mpi.theory import linear, stationary


def vacuum(theta, omega=1.0, mu=0.0, matter=0.0):
    """One neutrino mode and one antineutrino mode at rest, each all nu_e, in vacuum and uniform matter."""
    s, q = np.array([1.0, -1.0]), np.full(2, max(mu, 1e-30) if mu else 1.0)
    shift = s * omega * np.cos(2 * theta) - matter
    strength = 1.0 if mu else 0.0
    background = linear.Background(np.zeros((2, 1)), s, q, shift, None, None, strength)
    return linear.Linearised(background, s * omega * np.sin(2 * theta))


@pytest.mark.parametrize("theta", [0.01, 0.05, 0.3])
def test_in_vacuum_the_tilt_is_twice_the_mixing_angle(theta):
    found = stationary.turning(vacuum(theta), growth=0.0)
    assert found.rate == pytest.approx(np.sin(2 * theta))
    assert found.tilt == pytest.approx(np.sin(2 * theta))
    assert found.still == (theta < 0.1)


def test_matter_holds_the_polarization():
    """tan of the tilt: omega sin 2theta over lambda - s omega cos 2theta, here of large mixing."""
    theta, matter = 0.6, 50.0
    found = stationary.turning(vacuum(theta, matter=matter), growth=0.0)
    tangents = np.sin(2 * theta) / (matter - np.array([1, -1]) * np.cos(2 * theta))
    assert found.tilt == pytest.approx(np.linalg.norm(tangents) / np.sqrt(2), rel=1e-3)
    assert found.still


def test_growth_that_is_fast_enough_leaves_it_no_time():
    large = vacuum(0.6, omega=1e-4, mu=1.0)
    assert not stationary.turning(large, growth=1e-3).still
    found = stationary.turning(large, growth=0.5)
    assert found.still and found.tilt <= found.rate * stationary.EFOLDINGS / 0.5 * (1 + 1e-12)


def test_a_profile_that_passes_a_resonance_turns_it():
    asked = vacuum(0.02, matter=0.0)
    z = np.linspace(0, 1, 101)
    profile = np.stack([5.0 * z, 0 * z])
    assert stationary.turning(asked, 0.0).still
    assert not stationary.turning(asked._replace(profile=profile), 0.0).still
    far = np.stack([20.0 + 5.0 * z, 0 * z])
    assert stationary.turning(asked._replace(profile=far), 0.0).still


def test_of_very_many_modes_the_low_rank_serves(monkeypatch):
    generator = np.random.default_rng(2)
    v = generator.uniform(-1, 1, (40, 3)) / np.sqrt(3)
    s, q = np.sign(generator.normal(size=40)), generator.normal(size=40) / 40
    background = linear.Background(v[:, 2:], s, q, s * generator.uniform(0.5, 2, 40), None, v, 0.8)
    asked = linear.Linearised(background, 0.01 * s)
    dense = stationary.turning(asked, 0.0)
    monkeypatch.setattr(linear, "DENSE_LIMIT", 10)
    assert stationary.turning(asked, 0.0) == pytest.approx(dense, rel=1e-10)


def test_without_mixing_nothing_turns():
    assert stationary.turning(vacuum(0.0)._replace(mixing=0.0), 1.0) == (0.0, 0.0)


def test_a_pair_without_polarization_is_judged_by_its_mixing_angle():
    for theta in (0.02, 0.5):
        asked = vacuum(theta)
        asked = asked._replace(background=asked.background._replace(q=np.zeros(2), strength=1.0))
        assert stationary.turning(asked, 0.0).tilt == pytest.approx(np.sin(2 * theta))

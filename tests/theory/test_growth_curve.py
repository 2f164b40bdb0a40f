"""Growth rates of very many modes, followed from those of a few groups of them."""

import numpy as np
import pytest

from nuflux_mpi.analysis import growth
from nuflux_mpi.physics.angular import g, quadrature
from nuflux_mpi.plots import evolution
from nuflux_mpi.results.reader import MemoryRun
from nuflux_mpi.theory import growth_curve, linear


def angular(count, rule="midpoint"):
    """v, s, Pz of the distribution of the case angular."""
    v, weight = quadrature(rule, count)
    lepton = weight * (g(v, 0.6) - 0.9 * g(v, 0.53))
    return v, np.sign(lepton), abs(lepton)


def three_peaks(count):
    """Two crossings, and three bands of growth."""
    v, weight = quadrature("midpoint", count)
    lepton = weight * (
        0.8 * np.exp(-((v - 0.9) ** 2) / 0.125)
        - 0.5 * np.exp(-((v - 0.1) ** 2) / 0.18)
        + 0.3 * np.exp(-((v + 0.6) ** 2) / 0.18)
    )
    return v, np.sign(lepton), abs(lepton)


def followed(modes, k, monkeypatch):
    monkeypatch.setattr(growth_curve, "MOST_DENSE", 0)
    return growth_curve.rates_of(*modes)(k)


@pytest.mark.parametrize("modes, low, high", [(angular(130), -0.06, 0.25), (three_peaks(130), -1.0, 0.6)])
def test_followed_rates_are_those_of_the_matrix(modes, low, high, monkeypatch):
    k = np.linspace(low, high, 24)
    matrix, rates, size = linear.growth_rate(k, *modes), followed(modes, k, monkeypatch), np.sum(modes[2])
    smooth = matrix > 1e-3 * size
    assert np.count_nonzero(smooth) > 8
    # Newton's method stops at 1e-10 of the sum and converges quadratically; the matrix has some 1e-13 of it.
    np.testing.assert_allclose(rates[smooth], matrix[smooth], rtol=0, atol=1e-11 * size)
    # Slower waves of single directions need not be found, but what is found is there.
    assert np.all(rates <= matrix + 1e-11 * size)


def test_modes_in_any_order_and_antineutrinos_in_the_same_direction(monkeypatch):
    v, s, Pz = angular(70)
    # Half of each direction twice over, and a pair that cancels: the same sums, so the same waves.
    v, s, Pz = np.tile(v, 4), np.concatenate([s, s, s, -s]), np.concatenate([Pz, Pz, Pz, Pz]) / 2
    order = np.random.default_rng(3).permutation(len(v))
    k = np.linspace(0.09, 0.2, 7)
    single = linear.growth_rate(k, *angular(70))
    np.testing.assert_allclose(followed((v[order], s[order], Pz[order]), k, monkeypatch), single, atol=1e-9)


def test_without_a_crossing_nothing_grows(monkeypatch):
    v, s, Pz = angular(200)
    np.testing.assert_array_equal(followed((v, np.ones(200), Pz), np.linspace(-0.3, 0.3, 9), monkeypatch), 0)


def thousand(rise=1.0):
    """Series of 1000 directions in which waves 8 to 14 grow at their rates, times `rise`."""
    modes = angular(1000, "gauss-legendre")
    k = 2 * np.pi * np.arange(-32, 32) / 450
    rates = growth_curve.rates_of(*modes)(k) * rise
    t = np.linspace(0, 500, 101)
    density = modes[2]
    psi2 = 1e-12 * np.sum(density**2) * (1 + np.exp(2 * np.outer(t, rates)))
    series = dict(zip(("v", "sign", "density"), modes), k=k, spectrum_time=t, psi2=psi2)
    series["P_mean"] = np.zeros((1, 1000, 3))
    series["P_mean"][0, :, 2] = density
    return MemoryRun({"time": {"rtol": 1e-10}, "equations": {"level": "standard"}}, series, {}, {})


def test_a_run_of_a_thousand_directions_needs_no_matrix_of_theirs(monkeypatch):
    """The matrix of 1000 modes takes seconds per k: neither the picture nor growth.csv may ask for many of them."""
    asked, spectrum = [], linear.spectrum

    def counted(k, v, *modes):
        asked.extend([len(v)] * np.size(k))
        return spectrum(k, v, *modes)

    monkeypatch.setattr(linear, "spectrum", counted)
    run = thousand()
    found = evolution.survey(run)
    assert found.theory.max() == pytest.approx(0.0127115, rel=1e-3)
    assert found.band[0] < 0.1284 < found.band[1]
    waves = growth.measure(run)
    assert len(waves) >= 5 and "agree within" in waves.verdict() and "do not agree" not in waves.verdict()
    assert max(asked) == growth_curve.GROUPS


def test_waves_far_from_what_was_followed_are_looked_at_again(monkeypatch):
    """A root that was not followed must not make a right run wrong, and a wrong run stays so."""
    modes = thousand().series
    modes = modes["v"], modes["sign"], modes["P_mean"][0, :, 2]
    searched, growth_rate = [], linear.growth_rate

    def exact(k, *modes):
        searched.extend(np.ravel(k))
        return growth_rate(np.ravel(k)[0], *angular(64, "gauss-legendre"))

    monkeypatch.setattr(linear, "growth_rate", exact)
    monkeypatch.setattr(growth, "_affordable", lambda count: 3)
    assert len(growth.measure(thousand())) and not searched
    assert "do not agree" in growth.measure(thousand(1.3)).verdict()
    assert len(searched) == 3


def test_wave_vectors_of_several_dimensions_are_followed_too():
    generator = np.random.default_rng(4)
    v = generator.normal(size=(140, 3))
    v /= np.linalg.norm(v, axis=1)[:, None]
    lepton = (v[:, 2] - 0.4 + 0.6 * v[:, 0]) / 140
    background = linear.Background(v, np.sign(lepton), np.abs(lepton), 0.02 * np.sign(lepton))
    assert growth_curve.follows(background)
    k = generator.normal(size=(12, 3)) * 0.1 - np.array([0.2, 0.0, 0.3])
    exact = linear.growth_rate(k, *background)
    assert exact.min() > 0.1
    np.testing.assert_allclose(growth_curve.Followed(background)(k), exact, atol=1e-9)

"""Linear growth of two beams: rates, band edges, and how the refractive energy follows (Eqs. 9-12 of the paper).

Paper: Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024). Its Eq. 12 for the change of U_osc,
L sum_k 2 k (k - k_bar) |alpha_k|^2 exp(2 gamma_k t), is the transverse part; the whole has k in place of k - k_bar.
"""

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.analysis import growth
from nuflux_mpi.physics.modes import build
from nuflux_mpi.theory import linear
from nuflux_mpi.validation.published import SEED, one_wave


def single_mode(k, zeta, times):
    """psi_k of both beams, (times, beams), from a seed of size SEED in that wave alone, phases unequal."""
    return one_wave({"velocity": [1.0, -1.0]}, zeta, k, SEED * np.exp([0, 1j]), times)


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("zeta", [(0.5, -0.5), (0.7, -0.2)])
def test_a_single_wave_grows_at_its_own_rate(zeta, part):
    """Five k inside the band, for zeta = +-1/2 that is -1.8, -1.4, -1, -0.6, -0.2; gamma^2 = (k - k1)(k2 - k)."""
    k1, k2 = linear.two_beam_edges(*zeta)
    k = k1 + part * (k2 - k1)
    gamma = np.sqrt((k - k1) * (k2 - k))
    times = np.arange(11) / gamma
    psi = single_mode(k, zeta, times)
    # From 7 to 10 e-foldings: the decaying wave is below exp(-14) = 1e-6 of the growing one, its change of the slope
    # 3e-7; the growing one is below 5e-4, and depletes itself by the square of that.
    measured = np.log(np.abs(psi[10] / psi[7])) / (times[10] - times[7])
    np.testing.assert_allclose(measured, gamma, rtol=1e-6)
    turned = np.angle(psi[10] * psi[7].conj() * np.exp(-1j * sum(zeta) * (times[10] - times[7])))
    np.testing.assert_allclose(turned, 0, atol=1e-5)  # Re omega = -(zeta_+ + zeta_-), Eq. 10


@pytest.mark.parametrize(
    "zeta, k",
    [((0.5, -0.5), 0.4), ((0.5, -0.5), 1.0), ((0.5, -0.5), -2.3), ((0.7, -0.2), 0.3), ((0.7, -0.2), -1.9), ((0.5, 0.2), -0.3)],
)
def test_waves_outside_the_band_do_not_grow(zeta, k):
    size = np.abs(single_mode(k, zeta, np.arange(0, 41, 0.5)))
    # They beat between the beams: by at most 4 at these distances from the band's edges.
    assert size.max() < 5 * SEED
    assert size[-20:].max() < 1.1 * size[:40].max()


@pytest.fixture(scope="module", params=[1, 2, 3])
def example(request):
    """The paper's example with seeds 1000 times smaller, so that a linear phase is there in which only growth is left.

    Series, and both forms of Delta U_osc at the series' times from the initial state by Eq. 11.
    """
    run = nuflux_mpi.simulate(
        "two_beam",
        overrides=[
            "box.points=512",
            "equations.level=standard",
            "initial.variance=1e-14",
            f"initial.seed={request.param}",
            "time.end=9",
            "time.rtol=1e-13",
            "output.series_every=0.5",
            "output.fields_every=0",
        ],
    )
    P = run.fields["P"][0]
    psi = np.fft.fft(P[:, 0] + 1j * P[:, 1]) / 512
    k = 2 * np.pi / 100 * np.fft.fftfreq(512, 1 / 512)
    alpha = linear.growing_amplitude(k, *psi, 0.5, -0.5)
    t = run.series["time"]
    return (
        run.series,
        linear.delta_U_transverse(t, k, alpha, 0.5, -0.5, 100.0),
        linear.delta_U_whole(t, k, alpha, 0.5, -0.5, 100.0),
    )


def test_transverse_part_of_the_refractive_energy_follows_eq_12(example):
    series, transverse, _ = example
    t, U = series["time"], series["U_osc_transverse"]
    # Waves on both sides of k_bar contribute with opposite signs, and for one of the seeds the sum passes zero at
    # t = 8.5; before t = 6 decaying waves count for more than 1 %.
    window = (t >= 6) & (t <= 8)
    np.testing.assert_allclose(U[window], transverse[window], rtol=0.02)


def test_whole_refractive_energy_follows_the_corrected_form(example):
    series, transverse, whole = example
    t, change = series["time"], series["U_osc"] - series["U_osc"][0]
    window = t >= 4
    np.testing.assert_allclose(change[window], whole[window], rtol=0.02)
    # Eq. 12 is not it: for these seeds it is below a third of the change, for one even negative.
    assert np.all(np.abs(transverse[window]) < 0.4 * change[window])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_the_papers_amplitude_the_corrected_form_holds_until_t_is_5(seed):
    run = nuflux_mpi.simulate(
        "two_beam",
        overrides=[
            "box.points=512",
            "equations.level=standard",
            f"initial.seed={seed}",
            "time.end=5",
            "output.series_every=0.5",
            "output.fields_every=0",
        ],
    )
    P = run.fields["P"][0]
    psi = np.fft.fft(P[:, 0] + 1j * P[:, 1]) / 512
    k = 2 * np.pi / 100 * np.fft.fftfreq(512, 1 / 512)
    t, U = run.series["time"], run.series["U_osc"]
    window = t >= 3  # before, decaying waves count; after t = 5, depletion
    whole = linear.delta_U_whole(t, k, linear.growing_amplitude(k, *psi, 0.5, -0.5), 0.5, -0.5, 100.0)
    np.testing.assert_allclose((U - U[0])[window], whole[window], rtol=0.02)


@pytest.mark.parametrize("zeta, k", [((0.5, -0.5), -1.0), ((0.5, -0.5), -0.3), ((0.7, -0.2), -1.4)])
def test_one_eigenmode_of_two_beams_keeps_its_rate_to_a_millionth(zeta, k):
    run = nuflux_mpi.simulate(
        {
            "box": {"length": 2 * np.pi / abs(k), "points": 8},
            "initial": {"kind": "eigenmode", "zeta": list(zeta), "n": -1, "amplitude": 1e-7},
            "time": {"end": 8.0 / linear.two_beam_growth(k, *zeta), "rtol": 1e-14},
            "output": {"fields_every": 0},
        }
    )
    waves = growth.measure(run)
    # At the end of the window the wave is below 1e-4 and acts on itself by the square; steps are good to 1e-7 of it.
    assert waves.k == pytest.approx([k])
    np.testing.assert_allclose(waves.measured, linear.two_beam_growth(k, *zeta), rtol=1e-6)


@pytest.mark.parametrize("k", [0.11, 0.1284, 0.17])
def test_64_directions_with_a_crossing_grow_at_the_eigenvalue_of_their_bins(k):
    """G = g(v; 0.6) - 0.9 g(v; 0.53) on 64 mid-point bins, one eigenmode in a box of its own wavelength."""
    modes = {"kind": "angular", "number": 64, "quadrature": "midpoint", "alpha": 0.9}
    directions = build(
        nuflux_mpi.config.resolve(
            {"box": {"length": 1.0, "points": 2}, "modes": modes, "initial": {"n_max": 0}, "time": {"end": 1.0}}
        )["modes"]
    )
    gamma = linear.growth_rate(k, directions.v, directions.s, directions.n)
    run = nuflux_mpi.simulate(
        {
            "box": {"length": 2 * np.pi / k, "points": 8},
            "modes": modes,
            "initial": {"kind": "eigenmode", "n": 1, "amplitude": 1e-5, "amplitudes_in": "n_a"},
            "time": {"end": 4.0 / gamma, "rtol": 1e-11},
            "output": {"fields_every": 0},
        }
    )
    waves = growth.measure(run)
    assert len(waves) == 1
    # The wave stays below 1e-3 of n_a and acts on itself by the square; steps are good to 1e-11 / 1e-5.
    np.testing.assert_allclose(waves.measured, gamma, rtol=1e-4)

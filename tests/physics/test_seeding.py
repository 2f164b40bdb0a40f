"""Which harmonics random states seed: n_max, or k_max in boxes of any length and shape."""

import math

import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import initial, modes, seeding

LENGTH = 2 * math.pi * 8  # harmonics are k = n / 8


def source(axes=1, points=64, length=LENGTH, **given):
    velocity = [[0.0] * (axes - 1) + [v] for v in (1.0, -1.0)] if axes > 1 else [1.0, -1.0]
    lengths = [length] * axes if axes > 1 and not isinstance(length, list) else length
    return {
        "box": {"length": lengths, "points": [points] * axes if axes > 1 else points},
        "modes": {"velocity": velocity},
        "initial": {"kind": "seeds", "zeta": [0.5, -0.5]} | given,
        "time": {"end": 1.0},
    }


class Place:
    def __init__(self, section):
        self.length, self.origin = section.lengths, section.origins


def coherence(raw):
    resolved = config.resolve(raw)
    place, points = Place(resolved["box"]), resolved.box.shape
    r = np.ix_(*(np.arange(N) * L / N for N, L in zip(points, place.length)))
    return initial.coherence(resolved, modes.build(resolved["modes"], len(points)), r, place)


@pytest.mark.parametrize(
    "kind", [{"variance": 1e-8}, {"variance": 1e-8, "draw": "golden-ratio"}, {"kind": "power-law", "amplitude": 1e-5}]
)
def test_k_max_seeds_the_same_bits_as_its_n_max(kind):
    np.testing.assert_array_equal(coherence(source(**kind, n_max=11)), coherence(source(**kind, k_max=11 / 8)))


@pytest.mark.parametrize(
    "k_max, n", [(1.0, 8), (0.999, 7), (1.001, 8), (1 - 1e-8, 8), (1.0 + 1e-12, 8), (1.12, 8), (1.125, 9), (0.125, 1), (0.3, 2)]
)
def test_k_max_is_rounded_down_to_a_harmonic_but_for_rounding(k_max, n):
    assert seeding.highest_harmonics({"k_max": k_max}, [LENGTH]) == (n,)


@pytest.mark.parametrize("n", [1, 3, 7, 49, 100, 6400, 10**6, 10**9 + 7])
@pytest.mark.parametrize("length", [100.0, 6400.0, 0.7e-9, 1 / 3e20])
def test_every_harmonic_s_own_k_means_that_harmonic(n, length):
    for k in (2 * math.pi * n / length, 2 * math.pi / length * n, n * (2 * math.pi / length)):
        assert seeding.highest_harmonics({"k_max": k}, [length]) == (n,)


def test_no_harmonic_beyond_k_max_is_seeded_in_a_long_box():
    for k_max in (1.0, 0.123):
        for length in np.geomspace(1e2, 1e8, 40):
            (n,) = seeding.highest_harmonics({"k_max": k_max}, [length])
            step = 2 * math.pi / length
            # 0.01 of a step: a wave number typed with seven digits means the harmonic
            assert n * step <= k_max + 0.011 * step and (n + 1) * step > k_max * (1 - 1e-9)


@pytest.mark.parametrize("axes", [2, 3])
def test_k_max_counts_along_each_axis(axes):
    """A box twice as long along one axis has twice the harmonics there, and the same highest wave number."""
    length = [LENGTH] * (axes - 1) + [2 * LENGTH]
    raw = source(axes, points=16 if axes == 2 else 12, length=length, k_max=2 / 8)
    raw["box"]["points"] = [8] * (axes - 1) + [16]
    power = np.abs(np.fft.fftn(coherence(raw)[0])) ** 2
    seeded = power > 1e-20 * power.max()
    for axis, n in enumerate([2] * (axes - 1) + [4]):
        harmonics = np.abs(np.fft.fftfreq(power.shape[axis]) * power.shape[axis])
        along = seeded.any(axis=tuple(i for i in range(axes) if i != axis))
        np.testing.assert_array_equal(along, harmonics <= n)


def test_a_longer_box_keeps_the_waves_and_run_toml_keeps_k_max():
    short, long = (config.resolve(source(length=factor * LENGTH, points=256, k_max=1.0)) for factor in (1, 4))
    assert short["initial"]["k_max"] == long["initial"]["k_max"] == 1.0 and short["initial"]["n_max"] is None
    assert seeding.highest_harmonics(long["initial"], [4 * LENGTH]) == (32,)
    assert "k_max = 1.0" in config.to_toml(long) and "n_max" not in config.to_toml(long)
    assert config.resolve(long) == long


@pytest.mark.parametrize(
    "given, said",
    [
        ({"n_max": 3, "k_max": 1.0}, "initial.n_max and initial.k_max say the same in two ways"),
        (
            {"k_max": 4.0},
            r"initial.k_max = 4 asks for harmonics up to 32, more than a grid of 64 points carries: box.points must "
            "be at least 65",
        ),
        ({"k_max": 0.1}, "initial.k_max must be at least 2 pi / box.length = 0.125"),
        ({"k_max": 0.0}, "initial.k_max must be a finite number > 0"),
        ({"k_max": -1.0}, "initial.k_max must be a finite number > 0"),
        ({"k_max": 1e29}, "asks for harmonics up to"),
        ({"n_max": 32}, "initial.n_max must be below box.points / 2, not 32: a grid of 64 points carries harmonics up to 31"),
    ],
)
def test_what_does_not_fit_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        config.resolve(source(**given))


def test_k_max_belongs_to_random_states():
    raw = source()
    raw["initial"] = {"kind": "profile", "zeta": [0.5, -0.5], "amplitude": 1e-3, "width": 3.0, "k_max": 1.0}
    with pytest.raises(InputError, match="initial.k_max is unknown: it belongs to kind = "):
        config.resolve(raw)


def test_an_override_takes_the_place_of_the_other_key():
    assert config.resolve("two_beam", ["initial.k_max=2.0"])["initial"]["n_max"] is None
    assert config.resolve(source(k_max=1.0), ["initial.n_max=5"])["initial"]["k_max"] is None
    with pytest.raises(InputError, match="in two ways"):
        config.resolve("two_beam", ["initial.k_max=2.0", "initial.n_max=5"])


def test_a_config_that_names_neither_is_as_before():
    assert config.resolve(source(points=256))["initial"]["n_max"] == 100

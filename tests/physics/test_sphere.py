"""Directions on the sphere: what they integrate exactly."""

import numpy as np
import pytest

from nuflux_mpi.physics import sphere

ROUNDING = 1e-13  # of sums over some hundred directions of products of a few numbers


def harmonics(xyz, degree):
    """Real spherical harmonics of one degree by Legendre functions from their definition by recursion, (2 degree + 1, directions),
    normalised to a mean square of 1 over the sphere."""
    phi, z = np.arctan2(xyz[:, 1], xyz[:, 0]), xyz[:, 2]
    sine, found = np.sqrt(np.maximum(1 - z**2, 0)), []
    for m in range(degree + 1):
        before, P = 0.0, np.full_like(z, np.sqrt(np.prod(1 + 1 / (2 * np.arange(1, m + 1))))) * sine**m  # mean of P^2: 1
        for n in range(m + 1, degree + 1):
            a, b = np.sqrt((4 * n**2 - 1) / (n**2 - m**2)), np.sqrt(((n - 1) ** 2 - m**2) / (4 * (n - 1) ** 2 - 1))
            before, P = P, a * (z * P - b * before)
        found += [P] if m == 0 else [np.sqrt(2) * P * np.cos(m * phi), np.sqrt(2) * P * np.sin(m * phi)]
    return np.array(found)


@pytest.mark.parametrize("degree", sphere.lebedev_degrees())
def test_lebedev_sets_are_exact_to_their_degree_and_no_further(degree):
    directions = sphere.lebedev(degree)
    np.testing.assert_allclose(np.linalg.norm(directions.xyz, axis=1), 1, rtol=0, atol=1e-15)
    assert directions.weight.min() > 0 and len(directions) == sphere.lebedev_count(degree)
    for order in range(1, degree + 1):
        assert np.abs(harmonics(directions.xyz, order) @ directions.weight).max() < ROUNDING
    assert np.abs(harmonics(directions.xyz, degree + 1) @ directions.weight).max() > 1e-3
    assert directions.degree == degree


def test_numbers_of_directions_of_lebedev():
    """V. I. Lebedev: (degree + 1)^2 / 3 conditions, a direction has two unknowns and a weight; published numbers."""
    published = {3: 6, 5: 14, 7: 26, 9: 38, 11: 50, 15: 86, 17: 110, 19: 146, 21: 170, 23: 194, 29: 302}
    assert {degree: sphere.lebedev_count(degree) for degree in sphere.lebedev_degrees()} == published


@pytest.mark.parametrize(("polar", "azimuths"), [(1, 1), (4, 5), (5, 16), (6, 12)])
def test_products_are_exact_to_the_smaller_of_both(polar, azimuths):
    directions, degree = sphere.product(polar, azimuths), min(2 * polar, azimuths) - 1
    assert len(directions) == polar * azimuths and directions.degree == degree
    for order in range(1, degree + 1):
        assert np.abs(harmonics(directions.xyz, order) @ directions.weight).max() < ROUNDING


def test_misses_are_those_of_the_harmonics():
    """By the addition theorem and by the harmonics themselves."""
    draw = np.random.default_rng(7)
    vectors = draw.normal(size=(20, 3))
    directions = sphere.listed(vectors / np.linalg.norm(vectors, axis=1)[:, None], draw.uniform(0.5, 1, 20))
    for degree, missed in enumerate(directions.misses(6)):
        means = harmonics(directions.xyz, degree) @ directions.weight - (degree == 0)
        assert missed == pytest.approx(np.sqrt(np.mean(means**2)), abs=1e-7)  # the root of rounding
    assert directions.degree == 0


def test_directions_of_a_list_must_be_unit_vectors():
    with pytest.raises(ValueError) as refused:
        sphere.listed([[0, 0, 1], [0.6, 0.8, 1e-3]])
    assert refused.value.args[0] == 1

"""Generated formulas against the algebra, on NumPy arrays."""

import numpy as np
import pytest

from nuflux_mpi.flavor import algebra, generate

both = pytest.mark.parametrize("flavors", [2, 3])
# Sums of some tens of products of numbers up to 5.
SUMS = {"rtol": 0, "atol": 5e-14}


def vectors(flavors, number, size=1.0, points=200):
    return size * np.random.default_rng(number).standard_normal((number, flavors**2 - 1, points))


class Counted:
    """An entry that counts the operations which a formula makes of it."""

    made = 0

    def operate(self, *_):
        Counted.made += 1
        return Counted()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __neg__ = operate


@both
def test_products_are_those_of_the_algebra(flavors):
    one, (A, B, onto) = algebra(flavors), vectors(flavors, 3)
    np.testing.assert_allclose(generate.cross(A, B), one.cross(A, B), **SUMS)
    np.testing.assert_allclose(generate.cross(A, B, onto), onto + one.cross(A, B), **SUMS)
    np.testing.assert_allclose(generate.symmetric(A, B, onto), onto + one.symmetric(A, B), **SUMS)
    np.testing.assert_allclose(generate.symmetric(A, B, onto, -1), onto - one.symmetric(A, B), **SUMS)
    np.testing.assert_allclose(generate.dot(A, B), one.dot(A, B), **SUMS)


@both
def test_anticommutator_is_that_of_the_algebra(flavors):
    one, (A, P, onto) = algebra(flavors), vectors(flavors, 3)
    A0, n = np.random.default_rng(1).standard_normal((2, A.shape[1]))
    trace, expected = one.anticommutator(A0, 2.0 * A, n, P)  # the kernels' A.lambda is the algebra's W.lambda/2
    for sign in (1, -1):
        found = generate.anticommutator(A0, A, n, P, onto, sign)
        np.testing.assert_allclose(found[0], trace, **SUMS)
        np.testing.assert_allclose(found[1], onto + sign * expected, **SUMS)
    np.testing.assert_allclose(generate.anticommutator(A0, A, n, P)[1], expected, **SUMS)


def operations(formula, *counts):
    Counted.made = 0
    formula(*([Counted() for _ in range(count)] for count in counts))
    return Counted.made


def test_two_flavors_cost_what_a_cross_product_costs():
    assert operations(generate.cross, 3, 3) == 9
    assert operations(generate.dot, 3, 3) == 5
    # Two products of each f, some factors, and no more: 27 pairs of products in 8 sums.
    assert operations(generate.cross, 8, 8) <= 4 * 27 + 8


@both
def test_rotation_is_that_of_the_algebra(flavors):
    one, (P, W) = algebra(flavors), vectors(flavors, 2)
    # The error of the approximant is of order W^11; eigenvalues of these are up to 0.2.
    np.testing.assert_allclose(np.array(generate.rotated(P, 0.1 * W)), one.rotate(P, 0.1 * W), rtol=0, atol=1e-14)
    if flavors == 2:
        np.testing.assert_allclose(np.array(generate.rotated(P, W)), one.rotate(P, W), rtol=0, atol=1e-14)


def test_rotation_of_three_flavors_is_of_order_ten():
    (P, W), errors = vectors(3, 2), []
    for size in (2.0, 1.0):
        errors.append(np.abs(np.array(generate.rotated(P, size * W)) - algebra(3).rotate(P, size * W)).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(11.0, abs=1.0)


@both
@pytest.mark.parametrize("size", [1e-8, 1.0, 4.0])
def test_rotation_keeps_length_and_eigenvalues_at_any_angle(flavors, size):
    one, (P, W) = algebra(flavors), vectors(flavors, 2)
    turned = np.array(generate.rotated(P, size * W))
    np.testing.assert_allclose(one.dot(turned, turned), one.dot(P, P), rtol=1e-12)
    n = np.zeros(P.shape[1])
    np.testing.assert_allclose(one.occupations(n, turned), one.occupations(n, P), rtol=0, atol=2e-12)


@both
def test_magnus_vector_is_of_order_six(flavors):
    """One step of a turn about A + B t + C t^2 from t = -h/2 to h/2, against many small ones."""
    one, (A, B, C, P) = algebra(flavors), vectors(flavors, 4, 0.5, points=20)

    def followed(h, steps):
        Q = P
        for i in range(steps):
            t, width = h * ((i + 0.5) / steps - 0.5), h / steps
            parts = (A + B * t + C * t**2) * width, (B + 2.0 * C * t) * width**2, C * width**3
            Q = one.rotate(Q, generate.magnus(*parts, one.cross))
        return Q

    errors = [np.abs(followed(h, 1) - followed(h, 16)).max() for h in (0.8, 0.4)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(7.0, abs=0.6)  # of one step
    found = generate.magnus(*(generate.Vector(part) for part in (A, B, C)))
    np.testing.assert_allclose(np.array(found), generate.magnus(A, B, C, one.cross), **SUMS)

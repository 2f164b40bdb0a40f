"""The flavor algebra against matrices, and against the tables of structure constants."""

import numpy as np
import pytest

from nuflux_mpi.errors import InputError
from nuflux_mpi.flavor import algebra, of_components

both = pytest.mark.parametrize("flavors", [2, 3])
# Sums of up to some hundred products of numbers up to 5.
SUMS = {"rtol": 0, "atol": 2e-13}

ROOT = np.sqrt(3.0) / 2.0
F_TABLE = {(1, 2, 3): 1.0, (1, 4, 7): 0.5, (2, 4, 6): 0.5, (2, 5, 7): 0.5, (3, 4, 5): 0.5, (1, 5, 6): -0.5, (3, 6, 7): -0.5}
F_TABLE |= {(4, 5, 8): ROOT, (6, 7, 8): ROOT}
D_TABLE = dict.fromkeys([(1, 1, 8), (2, 2, 8), (3, 3, 8)], 1.0 / np.sqrt(3.0)) | {(8, 8, 8): -1.0 / np.sqrt(3.0)}
D_TABLE |= dict.fromkeys([(4, 4, 8), (5, 5, 8), (6, 6, 8), (7, 7, 8)], -0.5 / np.sqrt(3.0))
D_TABLE |= dict.fromkeys([(1, 4, 6), (1, 5, 7), (2, 5, 6), (3, 4, 4), (3, 5, 5)], 0.5)
D_TABLE |= dict.fromkeys([(2, 4, 7), (3, 6, 6), (3, 7, 7)], -0.5)


def parity(order):
    """Sign of a permutation of 0, 1, 2."""
    return round(np.linalg.det(np.eye(3)[list(order)]))


def from_table(table, antisymmetric):
    """(8, 8, 8) constants from those that a table names."""
    constants = np.zeros((8, 8, 8))
    for places, value in table.items():
        for order in [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)]:
            i, j, k = (places[o] - 1 for o in order)
            constants[i, j, k] = value * (parity(order) if antisymmetric else 1)
    return constants


def random(flavors, *shape, seed=0):
    """(n, P) of random Hermitian matrices, P (C, *shape)."""
    generator, C = np.random.default_rng(seed), flavors**2 - 1
    return generator.standard_normal(shape), generator.standard_normal((C, *shape))


def matrices(flavors, n, P):
    """The same as matrices (..., F, F), made one by one."""
    one = algebra(flavors)
    places = list(np.ndindex(*n.shape))
    N = np.zeros((*n.shape, flavors, flavors), dtype=complex)
    for z in places:
        N[z] = n[z] / flavors * np.eye(flavors) + 0.5 * sum(p * g for p, g in zip(P[(slice(None), *z)], one.generators))
    return N


def components(flavors, N):
    """(trace, components) of matrices (..., F, F)."""
    products = [np.einsum("ab,...ba->...", g, N) for g in algebra(flavors).generators]
    return np.einsum("...aa->...", N), np.array(products)


def test_structure_constants_of_three_flavors_are_those_of_the_tables():
    np.testing.assert_allclose(algebra(3).f, from_table(F_TABLE, True), rtol=0, atol=1e-15)
    np.testing.assert_allclose(algebra(3).d, from_table(D_TABLE, False), rtol=0, atol=1e-15)


def test_two_flavors_have_the_cross_product():
    A, B = random(2, 5)[1], random(2, 5, seed=1)[1]
    np.testing.assert_array_equal(algebra(2).cross(A, B), np.cross(A, B, axis=0))
    assert not algebra(2).d.any() and not algebra(2).symmetric(A, B).any()
    assert set(np.unique(algebra(2).f)) == {-1.0, 0.0, 1.0}  # exact, so that kernels need no factor


@both
def test_generators_are_orthogonal_hermitian_and_traceless(flavors):
    g = algebra(flavors).generators
    np.testing.assert_allclose(np.einsum("iab,jba->ij", g, g), 2.0 * np.eye(len(g)), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(g, g.conj().transpose(0, 2, 1))
    np.testing.assert_allclose(np.einsum("iaa->i", g), 0.0, atol=1e-15)


@both
def test_matrices_and_components_there_and_back(flavors):
    one, (n, P) = algebra(flavors), random(flavors, 4, 2)
    N = one.matrix(n, P)
    np.testing.assert_allclose(np.moveaxis(N, (0, 1), (-2, -1)), matrices(flavors, n, P), **SUMS)
    np.testing.assert_allclose(one.coefficients(N)[0], n, **SUMS)
    np.testing.assert_allclose(one.coefficients(N)[1], P, **SUMS)
    for axis, place in ((1, (1, 2)), (-1, (-2, -1)), (-2, (-3, -2))):
        moved = one.matrix(n, np.moveaxis(P, 0, axis), axis)
        np.testing.assert_allclose(np.moveaxis(moved, place, (0, 1)), N, **SUMS)
        np.testing.assert_allclose(one.coefficients(moved, axis)[1], np.moveaxis(P, 0, axis), **SUMS)


@both
def test_products_of_vectors_are_those_of_matrices(flavors):
    one, (w0, W), (n, P) = algebra(flavors), random(flavors, 6, 2), random(flavors, 6, 2, seed=1)
    Omega, N = matrices(flavors, flavors * w0, W), matrices(flavors, n, P)
    trace, expected = components(flavors, -1j * (Omega @ N - N @ Omega))
    np.testing.assert_allclose(trace, 0.0, **SUMS)
    np.testing.assert_allclose(one.cross(W, P), expected, **SUMS)
    trace, expected = components(flavors, 0.5 * (Omega @ N + N @ Omega))
    found = one.anticommutator(w0, W, n, P)
    np.testing.assert_allclose(found[0], trace, **SUMS)
    np.testing.assert_allclose(found[1], expected, **SUMS)
    np.testing.assert_allclose(one.cross(W, P), np.einsum("ijk,i...,j...->k...", one.f, W, P), **SUMS)
    np.testing.assert_allclose(one.symmetric(W, P), np.einsum("ijk,i...,j...->k...", one.d, W, P), **SUMS)
    np.testing.assert_allclose(one.dot(W, P), np.einsum("i...,i...->...", W, P), **SUMS)


@both
def test_components_may_stand_on_any_axis(flavors):
    one, W, (n, P) = algebra(flavors), random(flavors, 6, 2)[1], random(flavors, 6, 2, seed=1)
    W1, P1 = np.moveaxis(W, 0, 1), np.moveaxis(P, 0, 1)
    for name in ("cross", "symmetric", "rotate"):
        found = getattr(one, name)(W1, P1, 1)
        np.testing.assert_allclose(np.moveaxis(found, 1, 0), getattr(one, name)(W, P), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(np.moveaxis(one.content(n, P1, 1), 1, 0), one.content(n, P))
    np.testing.assert_array_equal(np.moveaxis(one.occupations(n, P1, 1), 1, 0), one.occupations(n, P))
    np.testing.assert_array_equal(one.anticommutator(n, W1, n, P1, 1)[1], np.moveaxis(one.anticommutator(n, W, n, P)[1], 0, 1))


@both
def test_contents_and_occupations_are_diagonals_and_eigenvalues(flavors):
    one, (n, P) = algebra(flavors), random(flavors, 50)
    N = matrices(flavors, n, P)
    np.testing.assert_allclose(one.content(n, P), np.einsum("zaa->az", N).real, **SUMS)
    np.testing.assert_allclose(one.occupations(n, P), np.linalg.eigvalsh(N).T, **SUMS)
    of_flavors = np.random.default_rng(3).uniform(size=(flavors, 7))
    total, diagonal = one.polarization_of(of_flavors)
    np.testing.assert_allclose(one.content(total, diagonal), of_flavors, rtol=0, atol=1e-15)
    for pair in one.pairs:
        np.testing.assert_array_equal(diagonal[[pair.real, pair.imaginary]], 0.0)


@both
def test_a_flavor_has_the_largest_polarization(flavors):
    one = algebra(flavors)
    for flavor, projector in enumerate(one.projectors):
        n, P = one.coefficients(0.3 * projector)
        assert n == pytest.approx(0.3) and np.linalg.norm(P) == pytest.approx(one.largest(0.3), rel=1e-15)
        np.testing.assert_allclose(one.content(n, P), 0.3 * np.eye(flavors)[flavor], rtol=0, atol=1e-16)
        np.testing.assert_allclose(one.occupations(n, P), [0.0] * (flavors - 1) + [0.3], rtol=0, atol=1e-16)


def test_names_and_coherences():
    two, three = algebra(2), algebra(3)
    assert two.names == ("e", "x") and two.component_names == ("x", "y", "z")
    assert three.names == ("e", "mu", "tau") and three.component_names == tuple("12345678")
    assert [(p.name, p.real, p.imaginary) for p in two.pairs] == [("ex", 0, 1)]
    assert [(p.name, p.real, p.imaginary) for p in three.pairs] == [("emu", 0, 1), ("etau", 3, 4), ("mutau", 5, 6)]
    for one in (two, three):
        n, P = random(one.flavors, 3)
        N = one.matrix(n, P)
        for pair in one.pairs:
            psi = P[pair.real] + 1j * P[pair.imaginary]
            np.testing.assert_allclose(psi, 2.0 * N[pair.second, pair.first], rtol=0, atol=1e-15)


def exponential(W, flavors):
    """exp(-i W.lambda/2) by the eigenvectors of each matrix, (..., F, F)."""
    x, vectors = np.linalg.eigh(matrices(flavors, np.zeros(W.shape[1:]), W))
    return np.einsum("...ab,...b,...cb->...ac", vectors, np.exp(-1j * x), vectors.conj())


@both
@pytest.mark.parametrize("size", [1e-9, 0.3, 20.0])
def test_unitary_is_the_exponential(flavors, size):
    one, W = algebra(flavors), size * random(flavors, 400)[1]
    V = np.moveaxis(one.unitary(W), (0, 1), (-2, -1))
    # Eigenvalues are found to rounding of the largest, and turn that many times faster.
    np.testing.assert_allclose(V, exponential(W, flavors), rtol=0, atol=1e-14 * max(1.0, size))
    np.testing.assert_allclose(V @ V.conj().transpose(0, 2, 1), np.broadcast_to(np.eye(flavors), V.shape), rtol=0, atol=2e-14)


def test_unitary_of_three_flavors_where_eigenvalues_meet():
    """One flavor beside two equal ones, turned into any direction, and nearly so; and nothing at all."""
    one = algebra(3)
    base = np.zeros((8, 3))
    base[7] = 3.0, -2.0, 0.0
    turned = one.rotate(base, random(3, 3)[1])
    for W in (base, turned, turned + 1e-9 * random(3, 3, seed=2)[1]):
        V = np.moveaxis(one.unitary(W), (0, 1), (-2, -1))
        # The arc cosine gives close eigenvalues to the root of rounding, their divided difference cures it.
        np.testing.assert_allclose(V, exponential(W, 3), rtol=0, atol=1e-14)


@both
def test_rotation_is_conjugation_by_the_unitary(flavors):
    # Angles at which the approximant of two flavors is exact to rounding: its error is of order |W/2|^11.
    one, W, (n, P) = algebra(flavors), 0.1 * random(flavors, 100)[1], random(flavors, 100, seed=1)
    V, N = exponential(W, flavors), matrices(flavors, n, P)
    trace, expected = components(flavors, V @ N @ V.conj().transpose(0, 2, 1))
    np.testing.assert_allclose(one.rotate(P, W), expected.real, rtol=0, atol=1e-14)
    large = one.rotate(P, 300.0 * W)
    np.testing.assert_allclose(one.dot(large, large), one.dot(P, P), rtol=1e-13)
    np.testing.assert_allclose(one.occupations(n, large), one.occupations(n, P), rtol=0, atol=2e-13)


def test_one_algebra_of_each_kind():
    assert algebra(3) is algebra(3) and of_components(8) is algebra(3) and of_components(3) is algebra(2)
    with pytest.raises(InputError, match="number of flavors is 2 or 3, not 4"):
        algebra(4)
    with pytest.raises(InputError, match=r"3 components \(two flavors\) or 8 \(three flavors\), not 4"):
        of_components(4)

"""Density matrices of two and three flavors as real vectors: the algebra SU(F).

A Hermitian matrix of F flavors is written with C = F^2 - 1 generators lambda_i, Tr(lambda_i lambda_j) = 2 delta_ij, which are
the matrices of Pauli for F = 2 and of Gell-Mann for F = 3:

    density matrix   N = n/F 1 + P.lambda/2,        n = Tr N,  P_i = Tr(lambda_i N)
    Hamiltonian      Omega = w0 1 + W.lambda/2,     w0 = Tr Omega / F,  W_i = Tr(lambda_i Omega)

    -i [Omega, N]    has the components  (W x P)_k = f_ijk W_i P_j,  the cross product for F = 2
    1/2 {Omega, N}   has the trace  w0 n + W.P/2  and the components  w0 P_k + n W_k/F + d_ijk W_i P_j / 2

The structure constants f and d are derived from the generators. Every function is vectorised: `axis` tells where the C
components stand in an array, all other axes broadcast. These plain forms are the oracle for the compiled kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError

_NAMES = {2: ("e", "x"), 3: ("e", "mu", "tau")}

# exp(z) = N(z)/N(-z) + O(z^11) with N(z) = sum_k (10 - k)!/(k! (5 - k)!) z^k, the diagonal Pade approximant, is unitary for
# imaginary z. With z = 2 i x and over 32, the numbers are 945, 945, 420, 105, 15, 1: tan x = x (945 - 105 x^2 + x^4) /
# (945 - 420 x^2 + 15 x^4) + O(x^11).
PADE = tuple(2.0**k / 32.0 * factorial(10 - k) / factorial(k) / factorial(5 - k) for k in range(6))


class Pair(NamedTuple):
    """The coherence of two flavors: psi = P[real] + i P[imaginary] = 2 N[second, first]."""

    name: str
    first: int
    second: int
    real: int
    imaginary: int


class Term(NamedTuple):
    """A part of a bilinear form: factor (A_i B_j -+ A_j B_i)."""

    i: int
    j: int
    factor: float


@dataclass(frozen=True)
class Algebra:
    """The algebra of so many flavors. Get it from :func:`algebra`, which makes each one once."""

    flavors: int

    @property
    def components(self) -> int:
        """C, the number of real components of a polarization vector."""
        return self.flavors**2 - 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the flavors."""
        return _NAMES[self.flavors]

    @property
    def component_names(self) -> tuple[str, ...]:
        """Names of the components, for files and plots: x y z for two flavors, else the numbers of the generators."""
        return ("x", "y", "z") if self.flavors == 2 else tuple(str(i + 1) for i in range(self.components))

    @property
    def formula(self) -> str:
        """How a density matrix is made of its coefficients (n, P), in words for files."""
        return "(n + P.sigma)/2" if self.flavors == 2 else f"n/{self.flavors} + P.lambda/2"

    @property
    def trace_weight(self) -> float:
        """(F + 1)/F: the trace part of the refraction is w0 = (F + 1)/F (n_0 - v.n_1)."""
        return (self.flavors + 1) / self.flavors

    @cached_property
    def _generators(self) -> tuple[np.ndarray, tuple[Pair, ...]]:
        F, found, pairs = self.flavors, [], []
        for j in range(1, F):
            for i in range(j):
                name = self.names[i] + self.names[j]
                pairs.append(Pair(name, i, j, len(found), len(found) + 1))
                for value in (1.0, -1.0j):
                    one = np.zeros((F, F), dtype=complex)
                    one[i, j], one[j, i] = value, np.conj(value)
                    found.append(one)
            diagonal = np.zeros(F)
            diagonal[:j], diagonal[j] = 1.0, -j
            found.append(np.diag(diagonal * np.sqrt(2.0 / (j * (j + 1.0)))).astype(complex))
        return np.array(found), tuple(pairs)

    @property
    def generators(self) -> np.ndarray:
        """lambda_i, (C, F, F) complex."""
        return self._generators[0]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The coherences, one for each pair of flavors: e x, or e mu, e tau, mu tau."""
        return tuple(sorted(self._generators[1], key=lambda pair: (pair.first, pair.second)))

    def _structure(self, sign: float) -> np.ndarray:
        products = np.einsum("iab,jbc,kca->ijk", *3 * (self.generators,))
        constants = (products + sign * products.transpose(1, 0, 2)) / (4.0j if sign < 0 else 4.0)
        return np.where(np.abs(constants) < 1e-14, 0.0, constants.real)  # the zeros are sums of a few roundings

    @cached_property
    def f(self) -> np.ndarray:
        """f_ijk, (C, C, C), totally antisymmetric: [lambda_i, lambda_j] = 2 i f_ijk lambda_k."""
        return self._structure(-1.0)

    @cached_property
    def d(self) -> np.ndarray:
        """d_ijk, (C, C, C), totally symmetric: {lambda_i, lambda_j} = 4/F delta_ij + 2 d_ijk lambda_k. Zero for F = 2."""
        return self._structure(1.0)

    @cached_property
    def cross_terms(self) -> tuple[tuple[Term, ...], ...]:
        """For each k the terms of f_ijk A_i B_j = sum of factor (A_i B_j - A_j B_i), with positive factors."""
        terms: list[list[Term]] = [[] for _ in range(self.components)]
        for i, j, k in zip(*np.nonzero(self.f > 0.0)):
            terms[k].append(Term(int(i), int(j), float(self.f[i, j, k])))
        return tuple(tuple(some) for some in terms)

    @cached_property
    def symmetric_terms(self) -> tuple[tuple[Term, ...], ...]:
        """For each k the terms of d_ijk A_i B_j = sum of factor (A_i B_j + A_j B_i), or factor A_i B_i where i = j."""
        terms: list[list[Term]] = [[] for _ in range(self.components)]
        for i, j, k in zip(*np.nonzero(self.d)):
            if i <= j:
                terms[k].append(Term(int(i), int(j), float(self.d[i, j, k])))
        return tuple(tuple(some) for some in terms)

    # Products of vectors

    def cross(self, A: np.ndarray, B: np.ndarray, axis: int = 0) -> np.ndarray:
        """(A x B)_k = f_ijk A_i B_j."""
        A, B = _in_front(axis, A, B)
        parts = [[c * (A[i] * B[j] - A[j] * B[i]) for i, j, c in terms] for terms in self.cross_terms]
        return _back(axis, [sum(some[1:], some[0]) for some in parts])

    def symmetric(self, A: np.ndarray, B: np.ndarray, axis: int = 0) -> np.ndarray:
        """d_ijk A_i B_j, zero for two flavors."""
        A, B = _in_front(axis, A, B)
        nothing = np.zeros(np.broadcast_shapes(A.shape, B.shape)[1:])
        parts = [
            [c * (A[i] * B[j] + A[j] * B[i]) if i < j else c * A[i] * B[i] for i, j, c in terms]
            for terms in self.symmetric_terms
        ]
        return _back(axis, [sum(some, nothing) for some in parts])

    def dot(self, A: np.ndarray, B: np.ndarray, axis: int = 0) -> Any:
        """A.B, without the axis of the components."""
        A, B = _in_front(axis, A, B)
        return np.asarray(sum(a * b for a, b in zip(A, B)))

    def anticommutator(self, w0, W, n, P, axis: int = 0):
        """(trace, components) of 1/2 {w0 1 + W.lambda/2, n/F 1 + P.lambda/2}; w0, n without the axis of the components."""
        w0, n = np.asarray(w0), np.asarray(n)
        trace = w0 * n + 0.5 * self.dot(W, P, axis)
        W, P = _in_front(axis, W, P)
        return trace, _back(axis, w0 * P + n / self.flavors * W + 0.5 * self.symmetric(W, P))

    # Matrices and their contents

    def matrix(self, n, P, axis: int = 0) -> np.ndarray:
        """n/F 1 + P.lambda/2, complex; its two indices stand at `axis` and the next one."""
        (P,), F = _in_front(axis, P), self.flavors
        N = 0.5 * np.tensordot(self.generators, P, (0, 0))
        for flavor in range(F):
            N[flavor, flavor] += np.asarray(n) / F
        return np.moveaxis(N, (0, 1), (axis, axis + 1)) if axis >= 0 else np.moveaxis(N, (0, 1), (axis - 1, axis))

    def coefficients(self, N, axis: int = 0):
        """(n, P) of the Hermitian matrices N, whose indices stand at `axis` and the next one."""
        N = np.moveaxis(N, (axis, axis + 1) if axis >= 0 else (axis - 1, axis), (0, 1))
        return np.einsum("aa...->...", N).real, _back(axis, np.einsum("iab,ba...->i...", self.generators, N).real)

    @cached_property
    def content_weights(self) -> np.ndarray:
        """(F, C): N_alpha,alpha = n/F + content_weights @ P."""
        return 0.5 * np.einsum("iaa->ai", self.generators).real

    @cached_property
    def projectors(self) -> np.ndarray:
        """(F, F, F): projectors[alpha] is the density matrix of one neutrino of flavor alpha."""
        return np.einsum("ab,ac->abc", np.eye(self.flavors), np.eye(self.flavors))

    def content(self, n, P, axis: int = 0) -> np.ndarray:
        """N_alpha,alpha of each flavor, in the place of the components."""
        (P,) = _in_front(axis, P)
        if self.flavors == 2:
            return _back(axis, [0.5 * (n + P[2]), 0.5 * (n - P[2])])
        return _back(axis, np.asarray(n) / self.flavors + np.tensordot(self.content_weights, P, 1))

    def excess(self, P, flavor: int = 0, axis: int = 0) -> Any:
        """N_flavor,flavor - n/F, what a flavor has more than its share, without the axis of the components: P^z/2 of nu_e for
        two flavors."""
        (P,), weights = _in_front(axis, P), self.content_weights[flavor]
        return np.asarray(sum(weight * part for weight, part in zip(weights, P) if weight))

    def difference(self, P, pair: Pair, axis: int = 0) -> Any:
        """N_first,first - N_second,second of a pair, without the axis of the components: P^z for two flavors."""
        (P,), weights = _in_front(axis, P), self.content_weights[pair.first] - self.content_weights[pair.second]
        return np.asarray(sum(weight * part for weight, part in zip(weights, P) if weight))

    def coherence(self, P, pair: Pair, axis: int = 0) -> np.ndarray:
        """psi = 2 N_second,first of a pair, complex, without the axis of the components: P^x + i P^y for two flavors."""
        (P,) = _in_front(axis, P)
        return P[pair.real] + 1j * P[pair.imaginary]

    def polarization_of(self, content, axis: int = 0):
        """(n, P) of a diagonal matrix with the densities `content` of the flavors: the inverse of `content`."""
        (content,) = _in_front(axis, content)
        return content.sum(axis=0), _back(axis, 2.0 * np.tensordot(self.content_weights.T, content, 1))

    def largest(self, n):
        """The largest |P| of a matrix of trace n without negative eigenvalues, that of a pure state: sqrt(2 - 2/F) n."""
        return np.sqrt(2.0 - 2.0 / self.flavors) * n

    def occupations(self, n, P, axis: int = 0) -> np.ndarray:
        """The F eigenvalues of n/F 1 + P.lambda/2, ascending, in the place of the components."""
        (P,) = _in_front(axis, P)
        if self.flavors == 2:
            length = np.sqrt(np.einsum("c...,c...->...", P, P))
            return _back(axis, [0.5 * (n - length), 0.5 * (n + length)])
        eigenvalues = np.linalg.eigvalsh(np.moveaxis(self.matrix(n, P), (0, 1), (-2, -1)))
        return np.moveaxis(eigenvalues, -1, axis)

    # Exact rotation by a constant Hamiltonian

    def unitary(self, W, axis: int = 0) -> np.ndarray:
        """V = exp(-i W.lambda/2), (F, F) in front of the other axes of W.

        From the eigenvalues x_j of Y = W.lambda/2 by divided differences, which do not fail where eigenvalues are close.
        """
        (W,) = _in_front(axis, W)
        half = 0.5 * np.sqrt(self.dot(W, W))
        Y, one = self.matrix(0.0, W), np.eye(self.flavors).reshape(2 * (self.flavors,) + (1,) * (W.ndim - 1))
        if self.flavors == 2:
            return np.cos(half) * one - 1j * np.sinc(half / np.pi) * Y
        determinant = _determinant(Y)
        size = 2.0 / np.sqrt(3.0) * half
        with np.errstate(divide="ignore", invalid="ignore"):
            cosine = np.where(size > 0.0, 4.0 * determinant / size**3, 0.0)
        angle = np.arccos(np.clip(cosine, -1.0, 1.0))
        x1, x2, x3 = np.sort([size * np.cos((angle + 2.0 * np.pi * j) / 3.0) for j in range(3)], axis=0)
        first, last = _difference(x1, x2), _difference(x2, x3)
        with np.errstate(divide="ignore", invalid="ignore"):
            second = np.where(x3 - x1 > 0.0, (last - first) / (x3 - x1), 0.0)
        lower = Y - x1 * one
        return np.exp(-1j * x1) * one + first * lower + second * _product(lower, Y - x2 * one)

    def rotate(self, P, W, axis: int = 0) -> np.ndarray:
        """exp(W x) P, which carries P over the unit of time by d_t P = W x P.

        For two flavors as a normalised quaternion whose tangent of half the angle is the approximant `PADE`: the error is
        of order |W|^11, and |P| is kept to rounding for any W. For three flavors by `unitary`, exact.
        """
        if self.flavors == 2:
            W, P = _in_front(axis, W, P)
            a0, a1, a2, a3, a4, a5 = PADE
            y = 0.25 * self.dot(W, W)
            c, q = a0 + y * (a4 * y - a2), 0.5 * (a1 + y * (a5 * y - a3)) * W
            t = self.cross(q, P)
            return _back(axis, P + 2.0 / (c**2 + self.dot(q, q)) * (c * t + self.cross(q, t)))
        return self.turned(P, W, axis)

    def turned(self, P, W, axis: int = 0) -> np.ndarray:
        """exp(W x) P by `unitary`, V N V^+, exact for any W and any number of flavors."""
        W, P = _in_front(axis, W, P)
        V = self.unitary(W)
        return _back(axis, self.coefficients(_product(_product(V, self.matrix(0.0, P)), _dagger(V)))[1])


@cache
def algebra(flavors: int = 2) -> Algebra:
    """The algebra of 2 or 3 flavors, made once. InputError for another number."""
    if flavors not in _NAMES:
        raise InputError(f"the number of flavors is 2 or 3, not {flavors}")
    return Algebra(flavors)


def of_components(components: int) -> Algebra:
    """The algebra whose vectors have so many components: 3 or 8. InputError for another number."""
    for flavors in _NAMES:
        if flavors**2 - 1 == components:
            return algebra(flavors)
    raise InputError(f"a polarization has 3 components (two flavors) or 8 (three flavors), not {components}")


def _in_front(axis, *arrays):
    """The arrays with the axis of the components in front."""
    return [np.moveaxis(np.asarray(array), axis, 0) for array in arrays]


def _back(axis, components):
    """An array of the components, their axis at its place again."""
    return np.moveaxis(np.asarray(components), 0, axis)


def _product(A, B):
    return np.einsum("ab...,bc...->ac...", A, B)


def _dagger(A):
    return np.conj(np.swapaxes(A, 0, 1))


def _determinant(Y):
    """Of Hermitian (3, 3, ...) matrices."""
    diagonal = Y[0, 0] * Y[1, 1] * Y[2, 2] + 2.0 * Y[0, 1] * Y[1, 2] * Y[2, 0]
    return (diagonal - sum(Y[i, i] * np.abs(Y[j, k]) ** 2 for i, j, k in ((0, 1, 2), (1, 0, 2), (2, 0, 1)))).real


def _difference(x, y):
    """(exp(-i x) - exp(-i y)) / (x - y), also where x = y."""
    return -1j * np.exp(-0.5j * (x + y)) * np.sinc((x - y) / (2.0 * np.pi))

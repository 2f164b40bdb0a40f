"""The arithmetic of the flavor algebra as formulas: straight lines of sums and products, written from f and d.

Vectors are sequences of C entries, and an entry is whatever has the arithmetic of a number: a float, a NumPy array, or a
vector register, of which :func:`nuflux_mpi.kernels.simd.at_once` makes machine code. The number of flavors follows from the
number of entries. A factor 1 is not multiplied, so that two flavors have the cross product as one would write it by hand.

Matrices are given as in kernels: N = n/F 1 + P.lambda/2, and A0 1 + A.lambda without the factor 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from .algebra import PADE, Algebra, of_components


class Vector(list):
    """A list of entries with sums, differences, and products with numbers."""

    def __add__(self, other):
        return Vector(a + b for a, b in zip(self, other))

    def __sub__(self, other):
        return Vector(a - b for a, b in zip(self, other))

    def __mul__(self, factor):
        return Vector(factor * a for a in self)

    __rmul__ = __mul__

    def __truediv__(self, divisor):
        return Vector(a / divisor for a in self)


def dot(A: Sequence, B: Sequence) -> Any:
    """A.B, summed in the order of the components."""
    return reduce(add, [a * b for a, b in zip(A, B)])


def cross(A: Sequence, B: Sequence, onto: Sequence | None = None) -> Vector:
    """onto + A x B with (A x B)_k = f_ijk A_i B_j; products with equal factors are summed before they are multiplied."""
    out = Vector()
    for k, terms in enumerate(of_components(len(A)).cross_terms):
        products = [(c, [(1, A[i], B[j]), (-1, A[j], B[i])]) for i, j, c in terms]
        out.append(_summed(products, None if onto is None else onto[k]))
    return out


def symmetric(A: Sequence, B: Sequence, onto: Sequence | None = None, sign: int = 1) -> Vector:
    """onto + sign d_ijk A_i B_j; `onto` itself for two flavors, where d is zero."""
    terms_of = of_components(len(A)).symmetric_terms
    if not any(terms_of):
        return Vector([0.0] * len(A) if onto is None else onto)
    out = Vector()
    for k, terms in enumerate(terms_of):
        products = [(c, [(sign, A[i], B[j]), (sign, A[j], B[i])] if i < j else [(sign, A[i], B[i])]) for i, j, c in terms]
        out.append(_summed(products, None if onto is None else onto[k]))
    return out


def _summed(products, total=None):
    """total + the sum of factor (sum of sign a b); products: pairs (factor, [(sign, a, b), ...])."""
    by_factor: dict[float, list] = {}
    for factor, parts in products:
        by_factor.setdefault(round(factor, 14), []).append((factor, parts))
    for some in by_factor.values():
        factor, parts = some[0][0], [part for _, group in some for part in group]
        if abs(factor) == 1.0:
            for sign, a, b in parts:
                total = _add(total, sign * factor, a * b)
            continue
        part = None
        for sign, a, b in parts:
            part = _add(part, sign, a * b)
        total = _add(total, 1, factor * part)
    return total


def _add(total, sign, term):
    if total is None:
        return term if sign > 0 else -term
    return total + term if sign > 0 else total - term


def anticommutator(A0, A: Sequence, n, P: Sequence, onto: Sequence | None = None, sign: int = 1):
    """(trace, components) of 1/2 {A0 + A.lambda, n/F + P.lambda/2}; the components times `sign` and added to `onto`.

    trace = A0 n + A.P, components = A0 P + 2/F n A + d_ijk A_i P_j.
    """
    flavors, out = of_components(len(A)).flavors, Vector()
    for k in range(len(A)):
        total = _add(None if onto is None else onto[k], sign, A0 * P[k])
        second = n * A[k]
        out.append(_add(total, sign, second if flavors == 2 else 2.0 / flavors * second))
    return dot([A0, *A], [n, *P]), symmetric(A, P, out, sign)


def magnus(A, B, C, cross_product=cross):
    """The vector that turns by exp(W x) as d_t P = (A + B x + C x^2) x P does from x = -1/2 to 1/2, to order 6.

    Vectors with sums, and products and quotients with numbers. Blanes, Casas, Oteo, Ros, Phys. Rep. 470, 151 (2009), section
    5.4: W = A + C/12 + [-20 A - C + F, B + G]/240 with F = [A, B], G = -[A, 2 C + F]/60, and the cross product as bracket.
    """
    F = cross_product(A, B)
    G = B - cross_product(A, 2.0 * C + F) / 60.0
    return A + C / 12.0 + cross_product(F - 20.0 * A - C, G) / 240.0


def rotated(P: Sequence, W: Sequence) -> Vector:
    """exp(W x) P to order 10 in W, with |P| kept to rounding: the Cayley form with the approximant `algebra.PADE`.

    Two flavors: the quaternion (c, q), whose norm is divided out. Three: V N V^+ with the unitary of :func:`_cayley`.
    """
    return _rotated_by_quaternion(P, W) if len(W) == 3 else _rotated_by_unitary(P, W)


def _rotated_by_quaternion(P, W):
    a0, a1, a2, a3, a4, _ = PADE
    y = 0.25 * dot(W, W)
    c, f = a0 + y * (a4 * y - a2), 0.5 * (a1 + y * (y - a3))  # a5 = 1
    q = Vector(f * w for w in W)
    t = cross(q, P)
    k = 2.0 / (c * c + 4.0 * f * f * y)
    change = cross(q, t, [c * entry for entry in t])
    return Vector(p + k * x for p, x in zip(P, change))


def turned_by_unitary(P: Sequence, unit, vector: Sequence) -> Vector:
    """P of V N V^+ for the unitary V = unit 1 + vector.lambda/2, both complex: pairs of entries.

    Two flavors: the quaternion (unit, vector) of V = unit 1 - i vector.sigma, real.
    """
    if len(P) == 3:
        t = cross(vector, P)
        return Vector(p + 2.0 * x for p, x in zip(P, cross(vector, t, [unit * entry for entry in t])))
    return _turned(P, _Complex(*unit), [_Complex(*entry) for entry in vector])


def _rotated_by_unitary(P, W):
    return _turned(P, *_cayley(W))


def _turned(P, unit, vector):
    one = of_components(len(P))
    V, N = _entries(one, unit, vector), _entries(one, _ZERO, [_Complex(p) for p in P])
    VN = [[reduce(add, [x * column[c] for c, x in enumerate(row)]) for column in zip(*N)] for row in V]
    turned = {(a, b): _row_product(VN[a], V[b]) for a in range(len(V)) for b in range(a, len(V))}
    out = Vector([None] * one.components)
    for pair in one.pairs:
        entry = turned[pair.first, pair.second]
        out[pair.real], out[pair.imaginary] = 2.0 * entry.real, -2.0 * entry.imaginary
    for c, weights in enumerate(one.content_weights.T):
        if weights.any():
            out[c] = dot([2.0 * float(weight) for weight in weights], [turned[a, a].real for a in range(len(V))])
    return out


def _row_product(A, B):
    """sum_c A_c conj(B_c)."""
    return reduce(add, [a * b.conjugate() for a, b in zip(A, B)])


def _entries(one: Algebra, unit, vector):
    """Rows of the matrix unit 1 + vector.lambda/2; all numbers _Complex."""
    rows = [[_ZERO] * one.flavors for _ in range(one.flavors)]
    for a, weights in enumerate(one.content_weights):
        rows[a][a] = reduce(add, [x.times(float(weight)) for x, weight in zip(vector, weights) if weight], unit)
    for pair in one.pairs:
        real, turned = vector[pair.real].times(0.5), vector[pair.imaginary].times(0.5).times_i()
        rows[pair.first][pair.second], rows[pair.second][pair.first] = real - turned, real + turned
    return rows


def _cayley(W):
    """(unit, vector) of V = unit 1 + vector.lambda/2 = N(-i Y)/N(i Y) for Y = W.lambda/2 and N of `algebra.PADE`.

    V = (E - i O)^2 / (E^2 + O^2) with the even and odd parts E, O of N, polynomials in Z = Y/2. They are reduced to the second
    degree by Z^3 = J2 Z + J3, the equation of Cayley and Hamilton, and E^2 + O^2 is inverted as a polynomial of this kind.
    """
    w = Vector(0.5 * x for x in W)
    star: Any = symmetric(w, w)
    J2, J3 = 0.25 * dot(w, w), dot(star, w) * (1.0 / 12.0)
    a0, a1, a2, a3, a4, a5 = PADE
    E = a0, a4 * J3, a4 * J2 - a2
    O = J3 * (a5 * J2 - a3), a1 + J2 * (a5 * J2 - a3), a5 * J3
    EE, OO, EO = (_reduced_product(x, y, J2, J3) for x, y in ((E, E), (O, O), (E, O)))
    inverse = _inverse([x + y for x, y in zip(EE, OO)], J2, J3)
    real = _reduced_product([x - y for x, y in zip(EE, OO)], inverse, J2, J3)
    imaginary = _reduced_product([-2.0 * x for x in EO], inverse, J2, J3)
    parts = []
    for c0, c1, c2 in (real, imaginary):  # Z^2 = 2/3 J2 + star.lambda/4
        parts.append((c0 + (2.0 / 3.0) * J2 * c2, Vector(c1 * x + 0.5 * c2 * y for x, y in zip(w, star))))
    (unit_r, vector_r), (unit_i, vector_i) = parts
    return _Complex(unit_r, unit_i), [_Complex(x, y) for x, y in zip(vector_r, vector_i)]


def _reduced_product(p, q, J2, J3):
    """p q for polynomials (c0, c1, c2) in Z, reduced by Z^3 = J2 Z + J3."""
    c0, c1, c2 = p[0] * q[0], p[0] * q[1] + p[1] * q[0], p[0] * q[2] + p[1] * q[1] + p[2] * q[0]
    c3, c4 = p[1] * q[2] + p[2] * q[1], p[2] * q[2]
    return c0 + J3 * c3, c1 + J2 * c3 + J3 * c4, c2 + J2 * c4


def _inverse(s, J2, J3):
    """1/s for a polynomial s of this kind: the first row of cofactors of the matrix by which s multiplies (1, Z, Z^2)."""
    s0, s1, s2 = s
    diagonal, upper = s0 + J2 * s2, J3 * s2 + J2 * s1
    t = diagonal * diagonal - upper * s1, upper * s2 - s1 * diagonal, s1 * s1 - diagonal * s2
    one_over = 1.0 / (s0 * t[0] + J3 * s2 * t[1] + J3 * s1 * t[2])
    return [one_over * x for x in t]


class _Complex:
    """A complex number of two entries; None stands for 0."""

    def __init__(self, real=None, imaginary=None):
        self.real, self.imaginary = real, imaginary

    def __add__(self, other):
        return _Complex(_plus(self.real, other.real), _plus(self.imaginary, other.imaginary))

    def __sub__(self, other):
        return self + other.times(-1.0)

    def __mul__(self, other):
        minus = _by(-1.0, _by(self.imaginary, other.imaginary))
        real = _plus(_by(self.real, other.real), minus)
        return _Complex(real, _plus(_by(self.real, other.imaginary), _by(self.imaginary, other.real)))

    def times(self, factor):
        return _Complex(_by(factor, self.real), _by(factor, self.imaginary))

    def times_i(self):
        return _Complex(_by(-1.0, self.imaginary), self.real)

    def conjugate(self):
        return _Complex(self.real, _by(-1.0, self.imaginary))


_ZERO = _Complex()


def _plus(a, b):
    return b if a is None else a if b is None else a + b


def _by(a, b):
    if a is None or b is None:
        return None
    return -b if isinstance(a, float) and a == -1.0 else a * b

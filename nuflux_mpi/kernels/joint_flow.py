"""Compiled: the local flow of the self-interaction with constant vectors, for splitting methods. See `reference` for arguments.

What all modes turn about alike is taken out exactly: `turn_together`, with one unitary for each point. What is left has the
Taylor series of `expansion`, in which D_0 moves, too, and the vacuum is one more component of the velocities.
"""

from functools import cache

import numpy as np

from ..flavor.algebra import of_components
from ..flavor.generate import Vector, magnus, rotated, turned_by_unitary
from .expansion import PARABOLA, TERMS, TIMES, WEIGHTS, block, moment_table, moment_weights
from .jit import jit_exact
from .local_flow import _add, _add_cross, _moments, _structure, _work
from .simd import at_once, entries, rows

_BLOCK = 128  # points whose unitaries are found together
C_OF_THREE = 8


@cache
def _symmetric_structure(components):
    """d_ijk for loops: places (terms, 3) k, i, j and factors (terms,) of factor A_i A_j."""
    terms = [
        (k, i, j, c if i == j else 2 * c)
        for k, some in enumerate(of_components(components).symmetric_terms)
        for i, j, c in some
    ]
    return np.array([term[:3] for term in terms], dtype=np.int64).reshape(-1, 3), np.array([term[3] for term in terms])


@cache
def unitary_rows(components):
    """Numbers of a unitary of `exponentials`: of the unit matrix and the generators, real and imaginary for three flavors."""
    return 4 if components == 3 else 2 * (1 + components)


# ---- exact rotations


@jit_exact
def _difference(x, y):
    """(exp(-i x) - exp(-i y)) / (x - y), also where x = y."""
    half = 0.5 * (x - y)
    sinc = np.sin(half) / half if half != 0.0 else 1.0
    middle = 0.5 * (x + y)
    return complex(-np.sin(middle) * sinc, -np.cos(middle) * sinc)


@jit_exact
def _unitary_of_three(W, d, U, z):
    """U[:, z] <- exp(-i W.lambda/2): its eigenvalues in closed form, and divided differences, which do not fail for close ones."""
    (places, factors), square, C = d, U[1 + C_OF_THREE :, z], C_OF_THREE
    length = 0.0
    for c in range(C):
        length += W[c] * W[c]
        square[1 + c] = 0.0
    for p in range(len(places)):
        square[1 + places[p, 0]] += 0.5 * factors[p] * W[places[p, 1]] * W[places[p, 2]]  # Y^2 = |W|^2/6 + square.lambda/2
    determinant = 0.0
    for c in range(C):
        determinant += W[c] * square[1 + c] / 6.0
    size = np.sqrt(length / 3.0)
    cosine = 4.0 * determinant / size**3 if size > 0.0 else 0.0
    angle = np.arccos(min(max(cosine, -1.0), 1.0)) / 3.0  # between 0 and pi/3: so the order of the eigenvalues is known
    third = 2.0 * np.pi / 3.0
    x3, x1, x2 = size * np.cos(angle), size * np.cos(angle + third), size * np.cos(angle - third)
    first, last = _difference(x1, x2), _difference(x2, x3)
    second = (last - first) / (x3 - x1) if x3 > x1 else 0j
    unit = complex(np.cos(x1), -np.sin(x1)) - first * x1 + second * (x1 * x2 + length / 6.0)
    linear = first - second * (x1 + x2)
    U[0, z], U[1 + C, z] = unit.real, unit.imag
    for c in range(C):
        part = linear * W[c] + second * square[1 + c]
        U[1 + c, z], U[2 + C + c, z] = part.real, part.imag


@jit_exact
def _unitary_of_two(W, U, z):
    """U[:, z] <- the quaternion (cos |W|/2, sin(|W|/2) W/|W|)."""
    half = 0.5 * np.sqrt(W[0] * W[0] + W[1] * W[1] + W[2] * W[2])
    U[0, z] = np.cos(half)
    sinc = 0.5 * np.sin(half) / half if half > 0.0 else 0.5
    for c in range(3):
        U[1 + c, z] = sinc * W[c]


@jit_exact
def _exponentials(W, factor, d, start, width, U):
    """U (rows, points) from 0 on <- the unitaries of factor W at the points start..start + width."""
    C = W.shape[0]
    one = np.empty(C)
    for z in range(width):
        for c in range(C):
            one[c] = factor * W[c, start + z]
        if C == 3:
            _unitary_of_two(one, U, z)
        else:
            _unitary_of_three(one, d, U, z)


def _turned_alike(P, read, numbers):
    ((U,), C) = read, len(P)
    if C == 3:
        return turned_by_unitary(P, U[0], [U[1 + c] for c in range(C)])
    return turned_by_unitary(P, (U[0], U[1 + C]), [(U[1 + c], U[2 + C + c]) for c in range(C)])


_turn_alike_4, _turn_alike_1 = at_once(_turned_alike, 4), at_once(_turned_alike, 1)


@jit_exact
def _turn_together(P, W, factor, d, U, like):
    n = P.shape[2]
    for start in range(0, n, U.shape[1]):
        width = min(U.shape[1], n - start)
        _exponentials(W, factor, d, start, width, U)
        for a in range(P.shape[0]):
            written = rows(P[a], like, start)
            for z in range(0, width - 3, 4):
                _turn_alike_4(written, (U,), (), z)
            for z in range(width - width % 4, width):
                _turn_alike_1(written, (U,), (), z)


def turn_together(P, W, factor=1.0):
    C = P.shape[1]
    U = np.empty((unitary_rows(C), _BLOCK))
    _turn_together(P, W, factor, _symmetric_structure(C), U, (0,) * C)


# ---- the series


@jit_exact
def _given(A, B, h, structure, start, width, G):
    """G[j, 1:] (TERMS, components, C, points) <- what the series of h G_i has beside moments: h A_i, and h B turning about -A_0."""
    m, several, C = A.shape[0] - 1, G.shape[1] - 1, G.shape[2]
    G[:, :, :, :width] = 0.0
    for i in range(1, m + 1):
        for c in range(C):
            for z in range(width):
                G[0, i, c, z] = h * A[i, c, start + z]
    if several > m:
        for c in range(C):
            G[0, several, c, :width] = h * B[c]
        for j in range(TERMS - 1):
            _add_cross(A[0, :, start : start + width], G[j, several], -h / (j + 1), structure, G[j + 1, several], width)


@jit_exact
def _expand_jointly(M, m, table, structure, T, G, width):
    """G (TERMS, 1 + components, C, points) += the coefficients of h D_0 and h D_i, i up to m, from the moments M of h P."""
    up_to, above, _ = table
    several = above.shape[1]
    for n in range(len(M)):
        T[0, n, :, :width] = M[n, :, :width]
    for i in range(m + 1):
        _add(M[i], 1.0, G[0, i], width)
    for j in range(TERMS - 1):
        for n in range(up_to[TERMS - j - 1]):
            out = T[j + 1, n]
            out[:, :width] = 0.0
            for i in range(j + 1):
                _add_cross(G[i, 0], T[j - i, n], 1.0 / (j + 1), structure, out, width)
                for k in range(several):
                    _add_cross(G[i, 1 + k], T[j - i, above[n, k]], -1.0 / (j + 1), structure, out, width)
        for i in range(m + 1):
            _add(T[j + 1, i], 1.0, G[j + 1, i], width)


@jit_exact
def _parabolas(G, x, E, width):
    """E (1 + components, 3, C, points) <- the parabolas of x h G_0 and x h G_i from the start to the time x h."""
    E[:, :, :, :width] = 0.0
    for k in range(len(E)):
        power = x
        for j in range(TERMS):
            for i in range(3):
                _add(G[j, k], power * PARABOLA[i, j], E[k, i], width)
            power *= x


def _turned_jointly(P, read, numbers):
    """P of one mode turned by the Magnus vector of W = G_0 - sum_i v_i G_i."""
    (E,), (speeds,), C = read, numbers, range(len(P))
    parts = []
    for q in range(3):
        W = [E[0, q, c] for c in C]
        for i, v in enumerate(speeds):
            W = [w - v * E[i + 1, q, c] for c, w in zip(C, W)]
        parts.append(Vector(W))
    return rotated(P, magnus(*parts))


_turn_jointly_4, _turn_jointly_1 = at_once(_turned_jointly, 4), at_once(_turned_jointly, 1)


@jit_exact
def _turn_one(written, E, speeds, width):
    for z in range(0, width - 3, 4):
        _turn_jointly_4(written, (E,), (speeds,), z)
    for z in range(width - width % 4, width):
        _turn_jointly_1(written, (E,), (speeds,), z)


@jit_exact
def _series_of_block(P, weights, outside, h, tables, start, work):
    """G, the last of `work`, <- the series of the points from `start` on, as many as the block of `work` has; -> their number."""
    (A, B), (table, structure), (M, T, G) = outside, tables, work
    width = min(M.shape[2], P.shape[2] - start)
    _moments(P, weights, start, width, M)
    _given(A, B, h, structure, start, width, G)
    _expand_jointly(M, len(A) - 1, table, structure, T, G, width)
    return width


@jit_exact
def _turn_points_jointly(P, v, weights, outside, h, tables, block, likes):
    (like, several), C = likes, P.shape[1]
    M, T = np.empty((len(weights), C, block)), np.empty((TERMS, len(weights), C, block))
    G, E = np.empty((TERMS, 1 + len(v), C, block)), np.empty((1 + len(v), 3, C, block))
    speeds = rows(v, several, 0)
    for start in range(0, P.shape[2], block):
        width = _series_of_block(P, weights, outside, h, tables, start, (M, T, G))
        _parabolas(G, 1.0, E, width)
        for a in range(P.shape[0]):
            _turn_one(rows(P[a], like, start), E, entries(speeds, a), width)


@jit_exact
def _series_of_points(P, weights, outside, h, tables, block, S):
    C = P.shape[1]
    M, T = np.empty((len(weights), C, block)), np.empty((TERMS, len(weights), C, block))
    G = np.empty((TERMS, S.shape[1], C, block))
    for start in range(0, P.shape[2], block):
        width = _series_of_block(P, weights, outside, h, tables, start, (M, T, G))
        S[:, :, :, start : start + width] = G[:, :, :, :width]


@jit_exact
def _drive_points_jointly(P, kappa, velocities, s, series, block, likes):
    """velocities: v with the component of the vacuum, and those along the axes. series: (S, dV), see `reference.joint_drive`."""
    (v, along), (S, dV), (like, several) = velocities, series, likes
    m, axes, C, times = dV.shape[2] - 1, len(along), P.shape[1], len(TIMES) + 1
    G, E = np.empty((TERMS, 1 + len(v), C, block)), np.empty((times, 1 + len(v), 3, C, block))
    slope = np.empty((times, axes, 1 + m, C, block))
    then, force, speeds = np.empty((C, block)), np.empty((C, block)), rows(v, several, 0)
    for start in range(0, P.shape[2], block):
        stop = min(start + block, P.shape[2])
        width = stop - start
        G[:, :, :, :width] = S[:, :, :, start:stop]
        for i in range(times):  # those of Gauss's formula, and the end
            _parabolas(G, TIMES[i] if i < len(TIMES) else 1.0, E[i], width)
            if i < len(TIMES):
                slope[i, :, :, :, :width] = dV[:, i, :, :, start:stop]
        for a in range(P.shape[0]):
            for i in range(times):
                then[:, :width] = P[a, :, start:stop]
                read = rows(then, like, 0)
                _turn_one(read, E[i], entries(speeds, a), width)
                if i < len(TIMES):
                    factor = -0.5 * WEIGHTS[i] * s[a]
                    _work(read, v[:m, a], along[:, a], slope[i], factor, force, kappa[a, start:stop], like)
            P[a, :, start:stop] = then[:, :width]


def _arranged(P, v, s, h):
    C, several = P.shape[1], len(v)
    return moment_weights(v, s, h), (moment_table(several), _structure(C)), block(several, C)


def joint_turn(P, v, s, h, A, B):
    weights, tables, size = _arranged(P, v, s, h)
    _turn_points_jointly(P, v, weights, (A, B), h, tables, size, ((0,) * P.shape[1], (0,) * len(v)))


def joint_series(P, v, s, h, A, B, S):
    weights, tables, size = _arranged(P, v, s, h)
    _series_of_points(P, weights, (A, B), h, tables, size, S)


def joint_drive(P, kappa, v, along, s, S, dV):
    C, several = P.shape[1], len(v)
    _drive_points_jointly(P, kappa, (v, along), s, (S, dV), block(several, C), ((0,) * C, (0,) * several))


def touch_turn_together(axes=1, components=3, several=None):
    """Compile `turn_together` (or load it from the cache)."""
    turn_together(np.zeros((1, components, 1)), np.zeros((components, 1)))


def touch_joint_flow(axes=1, components=3, several=None):
    """The same for the joint flow with matter, and with the vacuum."""
    m = several or axes
    P, kappa, s, along = np.zeros((1, components, 1)), np.zeros((1, 1)), np.ones(1), np.ones((axes, 1))
    for v in (np.ones((m, 1)), np.ones((m + 1, 1))):
        A, B, S = np.zeros((1 + m, components, 1)), np.zeros(components), np.zeros((TERMS, 1 + len(v), components, 1))
        joint_turn(P, v, s, 0.0, A, B)
        joint_series(P, v, s, 0.0, A, B, S)
        joint_drive(P, kappa, v, along, s, S, np.zeros((axes, len(TIMES), 1 + m, components, 1)))

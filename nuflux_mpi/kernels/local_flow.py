"""Compiled: the local flow of the self-interaction, for splitting methods. For arguments and method see `reference`.

Written once for any number of flavors: crosses of moments go through the table of f_ijk, and the turn of a mode is a formula
of :mod:`nuflux_mpi.flavor.generate`.
"""

from functools import cache

import numpy as np

from ..flavor.algebra import of_components
from ..flavor.generate import Vector, dot, magnus, rotated
from .expansion import PARABOLA, TERMS, TIMES, WEIGHTS, block, moment_table, moment_weights, series_rows
from .jit import jit_exact
from .simd import at_once, entries, rows


@cache
def _structure(components):
    """f_ijk for loops: places (terms, 3) k, i, j and factors (terms,) of factor (A_i B_j - A_j B_i)."""
    terms = [(k, *term) for k, some in enumerate(of_components(components).cross_terms) for term in some]
    return np.array([term[:3] for term in terms], dtype=np.int64), np.array([term[3] for term in terms])


@jit_exact
def _add_cross(A, B, factor, structure, out, width):
    """out += factor A x B, all (C, points)."""
    places, factors = structure
    for p in range(len(places)):
        k, i, j = places[p, 0], places[p, 1], places[p, 2]
        row, Ai, Aj, Bi, Bj, f = out[k], A[i], A[j], B[i], B[j], factor * factors[p]
        for z in range(width):
            row[z] += f * (Ai[z] * Bj[z] - Aj[z] * Bi[z])


@jit_exact
def _add(A, factor, out, width):
    """out += factor A, both (C, points)."""
    for c in range(out.shape[0]):
        row, term = out[c], A[c]
        for z in range(width):
            row[z] += factor * term[z]


@jit_exact
def _moments(P, weights, start, width, M):
    M[:, :, :width] = 0.0
    for a in range(P.shape[0]):
        for c in range(P.shape[1]):
            p = P[a, c, start : start + width]
            for n in range(len(weights)):
                row, w = M[n, c], weights[n, a]
                for z in range(width):
                    row[z] += w * p[z]


@jit_exact
def _expand(M, table, structure, T, S, width):
    """S[..., :width] <- h D_0 and the coefficients of h D_i from the moments M of h P; T: (TERMS, moments, C, points)."""
    up_to, above, _ = table
    axes = above.shape[1]
    S[0, :, :width] = M[0, :, :width]
    for n in range(1, len(M)):
        T[0, n, :, :width] = M[n, :, :width]
    for j in range(TERMS - 1):
        for n in range(1, up_to[TERMS - j - 1]):
            out = T[j + 1, n]
            out[:, :width] = 0.0
            _add_cross(M[0], T[j, n], 1.0 / (j + 1), structure, out, width)
            for axis in range(axes):
                for i in range(j + 1):
                    _add_cross(T[i, 1 + axis], T[j - i, above[n, axis]], -1.0 / (j + 1), structure, out, width)
    for j in range(TERMS):
        for axis in range(axes):
            S[1 + j * axes + axis, :, :width] = T[j, 1 + axis, :, :width]


@jit_exact
def _flatten(S, x, D, E, width):
    """D, E[i] <- x h D_0 and the parabola of x h D_i from the start to the time x h, three coefficients (3, C, points)."""
    axes = len(E)
    D[:, :width] = 0.0
    _add(S[0], x, D, width)
    E[:, :, :, :width] = 0.0
    for axis in range(axes):
        power = x
        for j in range(TERMS):
            for i in range(3):
                _add(S[1 + j * axes + axis], power * PARABOLA[i, j], E[axis, i], width)
            power *= x


@jit_exact
def _value(S, x, value, width):
    """value <- h D_0 and h D_i at the time x h, (1 + axes, C, points), from S or one of its derivatives."""
    several = len(value) - 1
    value[0, :, :width] = S[0, :, :width]
    value[1:, :, :width] = 0.0
    power = 1.0
    for j in range(TERMS):
        for i in range(several):
            _add(S[1 + j * several + i], power, value[1 + i], width)
        power *= x


def _turned_mode(P, read, numbers):
    """P of one mode turned by the Magnus vector of W = D - v E."""
    (D, E), (v,), C = read, numbers, range(len(P))
    A = Vector(D[c] - v * E[0, c] for c in C)
    return rotated(P, magnus(A, *(Vector(-v * E[i, c] for c in C) for i in (1, 2))))


def _turned_about(P, read, numbers):
    (W,), own = read, numbers
    return rotated(P, [W[c] + own[c] if own else W[c] for c in range(len(P))])


def _worked(written, read, numbers):
    half, (factor,) = len(read) // 2, numbers
    return (written[0] + factor * dot(read[:half], read[half:]),)


_turn_mode_4, _turn_mode_1 = at_once(_turned_mode, 4), at_once(_turned_mode, 1)
_turn_about_4, _turn_about_1 = at_once(_turned_about, 4), at_once(_turned_about, 1)
_work_4, _work_1 = at_once(_worked, 4), at_once(_worked, 1)


@jit_exact
def _turn_mode(written, v, D, E, width):
    """Turn the points of one mode; written: the rows of its components there."""
    for z in range(0, width - 3, 4):
        _turn_mode_4(written, (D, E), (v,), z)
    for z in range(width - width % 4, width):
        _turn_mode_1(written, (D, E), (v,), z)


@jit_exact
def _along(v, E, along, width):
    """The speed and the parabola, 3 x (C, points), with which a mode of velocity v turns: those of E on one axis."""
    if len(v) == 1:
        return v[0], E[0]
    along[:, :, :width] = 0.0
    for axis in range(len(v)):
        for i in range(3):
            _add(E[axis, i], v[axis], along[i], width)
    return 1.0, along


@jit_exact
def _work(read, v, along, dD, factor, force, kappa, like):
    """Add to kappa what the weak force does to a mode, by its rows `read` of P at one time; dD: (d, 1 + m, C, points)."""
    width = len(kappa)
    force[:, :width] = 0.0
    for k in range(len(along)):
        _add(dD[k, 0], along[k], force, width)
        for i in range(len(v)):
            _add(dD[k, 1 + i], -along[k] * v[i], force, width)
    both = rows(force, like, 0) + read
    for z in range(0, width - 3, 4):
        _work_4((kappa,), both, (factor,), z)
    for z in range(width - width % 4, width):
        _work_1((kappa,), both, (factor,), z)


@jit_exact
def _turn_points(P, v, weights, table, structure, block, like):
    axes, C = len(v), P.shape[1]
    M, T = np.empty((len(weights), C, block)), np.empty((TERMS, len(weights), C, block))
    S, D = np.empty((1 + TERMS * axes, C, block)), np.empty((C, block))
    E, along = np.empty((axes, 3, C, block)), np.empty((3, C, block))
    for start in range(0, P.shape[2], block):
        width = min(start + block, P.shape[2]) - start
        _moments(P, weights, start, width, M)
        _expand(M, table, structure, T, S, width)
        _flatten(S, 1.0, D, E, width)
        for a in range(P.shape[0]):
            speed, turned = _along(v[:, a], E, along, width)
            _turn_mode(rows(P[a], like, start), speed, D, turned, width)


@jit_exact
def _expand_points(P, weights, table, structure, block, S):
    C = P.shape[1]
    M, T = np.empty((len(weights), C, block)), np.empty((TERMS, len(weights), C, block))
    for start in range(0, P.shape[2], block):
        stop = min(start + block, P.shape[2])
        _moments(P, weights, start, stop - start, M)
        _expand(M, table, structure, T, S[:, :, start:stop], stop - start)


@jit_exact
def _drive_points(P, kappa, velocities, s, series, block, like):
    (v, along), (S, dS) = velocities, series
    m, axes, times, C = len(v), len(along), len(TIMES) + 1, P.shape[1]
    D, E, near = np.empty((times, C, block)), np.empty((times, m, 3, C, block)), np.empty((3, C, block))
    dD = np.empty((times, axes, 1 + m, C, block))
    then, force = np.empty((C, block)), np.empty((C, block))
    for start in range(0, P.shape[2], block):
        stop = min(start + block, P.shape[2])
        width, here = stop - start, S[:, :, start:stop]
        for i in range(times):  # those of Gauss's formula, and the end
            x = TIMES[i] if i < len(TIMES) else 1.0
            _flatten(here, x, D[i], E[i], width)
            for k in range(axes):
                _value(dS[k, :, :, start:stop], x, dD[i, k], width)
        for a in range(P.shape[0]):
            for i in range(times):
                then[:, :width] = P[a, :, start:stop]
                speed, turned = _along(v[:, a], E[i], near, width)
                read = rows(then, like, 0)
                _turn_mode(read, speed, D[i], turned, width)
                if i < len(TIMES):
                    factor = -0.5 * WEIGHTS[i] * s[a]
                    _work(read, v[:, a], along[:, a], dD[i], factor, force, kappa[a, start:stop], like)
            P[a, :, start:stop] = then[:, :width]


@jit_exact
def _turn_points_about(P, W, own, like):
    n = P.shape[2]
    for a in range(P.shape[0]):
        written, numbers = rows(P[a], like, 0), entries(own, a)
        for z in range(0, n - 3, 4):
            _turn_about_4(written, (W,), numbers, z)
        for z in range(n - n % 4, n):
            _turn_about_1(written, (W,), numbers, z)


def turn(P, v, s, h):
    C, d = P.shape[1], len(v)
    _turn_points(P, v, moment_weights(v, s, h), moment_table(d), _structure(C), block(d, C), (0,) * C)


def series(P, v, s, h, S):
    C, d = P.shape[1], len(v)
    _expand_points(P, moment_weights(v, s, h), moment_table(d), _structure(C), block(d, C), S)


def turn_and_drive(P, kappa, v, s, S, dS, along=None):
    C, m = P.shape[1], len(v)
    _drive_points(P, kappa, (v, v if along is None else along), s, (S, dS), block(m, C), (0,) * C)


def turn_about(P, W, w=None):
    own = () if w is None else tuple(np.ascontiguousarray(w.T))
    _turn_points_about(P, W, own, (0,) * P.shape[1])


def touch_local_flow(axes=1, components=3, several=None):
    """Compile what splittings use of this module (or load it from the cache)."""
    several = several or axes
    P, kappa, v, s = np.zeros((1, components, 1)), np.zeros((1, 1)), np.ones((several, 1)), np.ones(1)
    S = np.zeros((series_rows(several), components, 1))
    turn(P, v, s, 0.0)
    series(P, v, s, 0.0, S)
    turn_and_drive(P, kappa, v, s, S, np.zeros((axes, *S.shape)), np.ones((axes, 1)))

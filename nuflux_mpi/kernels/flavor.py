"""Compiled: moments of the polarizations, and the rotation of each P_a about its potential W_a = D_0 - sum_i v_ai D_i.

Written once for any number of flavor components C, of components m of velocities and of axes d. They are lengths of tuples,
which numba knows when it compiles; formulas come from :mod:`nuflux_mpi.flavor.generate`. For the meaning of the arguments see
`reference`.
"""

from functools import cache

import numpy as np

from ..flavor.generate import Vector, cross, dot
from .jit import jit
from .simd import at_once, entries, rows

# Points handled together: the moments and one mode of a block of two flavors stay in the second-level cache.
BLOCK = 2048
_SUM_UP, _ROTATE, _BOTH = 1, 2, 3
_NOTHING = np.zeros((0, 0, 0))


# Formulas of one point and one mode


def _potential(D, speeds, own, components):
    """D_0 - sum_i v_i D_i + w, from the rows D(m, c); `own`: the components of w, or nothing."""
    W = [D(0, c) for c in range(components)]
    for i, speed in enumerate(speeds):
        W = [w - speed * D(i + 1, c) for c, w in enumerate(W)]
    return Vector(w + x for w, x in zip(W, own)) if own else Vector(W)


def _rotated(P, read, numbers):
    (D,), (speeds, own) = read, numbers
    return cross(_potential(lambda m, c: D[m, c], speeds, own, len(P)), P)


def _rotated_and_driven(written, read, numbers):
    P, (D, dD), (speeds, own, half, along) = written[:-1], read, numbers  # half: -s / 2
    along = along or speeds  # along the axes of the box
    slopes = [_potential(lambda m, c: dD[i, m, c], speeds, (), len(P)) for i in range(len(along))]  # noqa: B023
    terms = [[half * speed * W for W in slope] for speed, slope in zip(along, slopes)]
    force = [sum(parts[1:], parts[0]) for parts in zip(*terms)]
    return *_rotated(P, (D,), (speeds, own)), dot(force, P)


_rotate_4, _rotate_1 = at_once(_rotated, 4), at_once(_rotated, 1)
_rotate_and_drive_4, _rotate_and_drive_1 = at_once(_rotated_and_driven, 4), at_once(_rotated_and_driven, 1)

# Moments, in loops over views that start at 0: with an index that might be negative LLVM does not vectorise.


@jit
def _add_two(p, q, s0, s1, t0, t1, D0, D1):
    for z in range(len(p)):
        D0[z] += s0 * p[z] + t0 * q[z]
        D1[z] += s1 * p[z] + t1 * q[z]


@jit
def _add_one(p, s0, s1, D0, D1):
    for z in range(len(p)):
        D0[z] += s0 * p[z]
        D1[z] += s1 * p[z]


@jit
def _add_to_row(p, q, s, t, D):
    for z in range(len(p)):
        D[z] += s * p[z] + t * q[z]


@jit
def _add_moments(P, v, s, D, start, stop):
    """D from 0 on <- the moments of the points start..stop; two modes at a time, so that D is read half as often."""
    width = stop - start
    D[:, :, :width] = 0.0
    components, modes = v.shape
    for a in range(0, modes - 1, 2):
        for c in range(P.shape[1]):
            p, q = P[a, c, start:stop], P[a + 1, c, start:stop]
            _add_two(p, q, s[a], s[a] * v[0, a], s[a + 1], s[a + 1] * v[0, a + 1], D[0, c, :width], D[1, c, :width])
            for i in range(1, components):
                _add_to_row(p, q, s[a] * v[i, a], s[a + 1] * v[i, a + 1], D[i + 1, c, :width])
    if modes % 2:
        a = modes - 1
        for c in range(P.shape[1]):
            p = P[a, c, start:stop]
            _add_one(p, s[a], s[a] * v[0, a], D[0, c, :width], D[1, c, :width])
            for i in range(1, components):
                _add_to_row(p, p, s[a] * v[i, a], 0.0, D[i + 1, c, :width])


# There are 6 to 48 rows of moments and gradients of two flavors, which all modes read. A block of them is copied to a small
# array: where they lie, lines of a power of two points compete for the same places of the cache, of which there are eight.


@jit
def _copy_block(source, start, stop, near):
    """near[..., : stop - start] = source[..., start:stop]; both (any, C, points)."""
    for i in range(source.shape[0]):
        for c in range(source.shape[1]):
            near[i, c, : stop - start] = source[i, c, start:stop]


@jit
def _copy_block_back(near, start, stop, target):
    for i in range(target.shape[0]):
        for c in range(target.shape[1]):
            target[i, c, start:stop] = near[i, c, : stop - start]


@jit
def _add_block(source, start, stop, near):
    """near += source at the points start..stop; of a source that is the same everywhere, (any, C, 1), at all of them."""
    for i in range(source.shape[0]):
        for c in range(source.shape[1]):
            if source.shape[2] == 1:
                near[i, c, : stop - start] += source[i, c, 0]
            else:
                near[i, c, : stop - start] += source[i, c, start:stop]


@jit
def _block_size(C, m, d):
    return max(64, 3 * BLOCK // (C * m * d) // 8 * 8)


@jit
def _rotate_block(P, speeds, own, like, near, start, stop):
    """The points start..stop; speeds, own: tuples of rows [mode]; near: D from `start` on."""
    width = stop - start
    for a in range(P.shape[0]):
        written, numbers = rows(P[a], like, start), (entries(speeds, a), entries(own, a))
        for z in range(0, width - 3, 4):
            _rotate_4(written, (near,), numbers, z)
        for z in range(width - width % 4, width):
            _rotate_1(written, (near,), numbers, z)


@jit
def _block_by_block(P, v, s, D, own, added, likes, todo):
    """D <- the moments of P + added, P <- its rotation by D, or one of them, a block of points at a time.

    own: rows (modes,) of the components of w, or (). likes: tuples as long as C and m. todo: `_SUM_UP`, `_ROTATE` or `_BOTH`.
    """
    m, C, n = v.shape[0], P.shape[1], P.shape[2]
    (like, several), block = likes, _block_size(C, m, m)
    near = np.empty((1 + m, C, block + 8))
    for start in range(0, n, block):
        stop = min(start + block, n)
        if todo != _ROTATE:
            _add_moments(P, v, s, near, start, stop)
            _add_block(added, start, stop, near)
            _copy_block_back(near, start, stop, D)
        else:
            _copy_block(D, start, stop, near)
        if todo != _SUM_UP:
            _rotate_block(P, rows(v, several, 0), own, like, near, start, stop)


@jit
def _rotate_and_drive_block(P, kappa, velocities, s, own, read, like, span):
    """The points span[0]..span[1]; velocities: rows (modes,) of v, and of `along` or (); read: (D, dD) from span[0] on."""
    (start, stop), (speeds, along) = span, velocities
    width = stop - start
    for a in range(P.shape[0]):
        written = rows(P[a], like, start) + (kappa[a, start:stop],)
        numbers = (entries(speeds, a), entries(own, a), -0.5 * s[a], entries(along, a))
        for z in range(0, width - 3, 4):
            _rotate_and_drive_4(written, read, numbers, z)
        for z in range(width - width % 4, width):
            _rotate_and_drive_1(written, read, numbers, z)


@jit
def _drive_block_by_block(P, kappa, velocities, s, D, dD, own, like):
    d, m, C, n = len(dD), len(D) - 1, P.shape[1], P.shape[2]
    block = _block_size(C, m, d)
    if m == 1:  # few rows, that can stay where they are
        for start in range(0, n, block):
            stop = min(start + block, n)
            read = D[:, :, start:stop], dD[:, :, :, start:stop]
            _rotate_and_drive_block(P, kappa, velocities, s, own, read, like, (start, stop))
        return
    near, slopes = np.empty((1 + m, C, block + 8)), np.empty((d, 1 + m, C, block + 8))
    for start in range(0, n, block):
        stop = min(start + block, n)
        _copy_block(D, start, stop, near)
        for i in range(d):
            _copy_block(dD[i], start, stop, slopes[i])
        read = near[:, :, : stop - start], slopes[:, :, :, : stop - start]
        _rotate_and_drive_block(P, kappa, velocities, s, own, read, like, (start, stop))


# Loops that Python calls. Each triple of numbers C, m and d has its own, with the tuples as constants: a tuple as an argument
# would cost 0.2 microseconds at each call.


@cache
def _loops(components, several):
    likes = (0,) * components, (0,) * several

    @jit
    def plain(P, v, s, D, todo):
        _block_by_block(P, v, s, D, (), _NOTHING, likes, todo)

    @jit
    def with_more(P, v, s, D, h, w, todo):
        _block_by_block(P, v, s, D, rows(w, likes[0], 0), h, likes, todo)

    return plain, with_more


@cache
def _drives(components, several, axes):
    like, likes = (0,) * components, (0,) * several
    if axes == several:  # the velocity is that along the axes

        @jit
        def drive(P, kappa, v, s, D, dD):
            _drive_block_by_block(P, kappa, (rows(v, likes, 0), ()), s, D, dD, (), like)

        @jit
        def drive_with_more(P, kappa, v, s, D, dD, w):
            _drive_block_by_block(P, kappa, (rows(v, likes, 0), ()), s, D, dD, rows(w, like, 0), like)

    else:
        places = (0,) * axes

        @jit
        def drive(P, kappa, v, s, D, dD, along):
            _drive_block_by_block(P, kappa, (rows(v, likes, 0), rows(along, places, 0)), s, D, dD, (), like)

        @jit
        def drive_with_more(P, kappa, v, s, D, dD, w, along):
            velocities = rows(v, likes, 0), rows(along, places, 0)
            _drive_block_by_block(P, kappa, velocities, s, D, dD, rows(w, like, 0), like)

    return drive, drive_with_more


def _by_component(w, P):
    """w (modes, C), or zeros if it is None, as rows (C, modes)."""
    return np.zeros((P.shape[1], len(P))) if w is None else np.ascontiguousarray(w.T, dtype=float)


def moments(P, v, s, D):
    _loops(P.shape[1], len(v))[0](P, v, s, D, _SUM_UP)


def rotate(P, v, D, w=None):
    plain, with_more = _loops(P.shape[1], len(v))
    if w is None:
        plain(P, v, v[0], D, _ROTATE)
    else:
        with_more(P, v, v[0], D, _NOTHING, _by_component(w, P), _ROTATE)


def precess(P, v, s, D, h=None, w=None):
    plain, with_more = _loops(P.shape[1], len(v))
    if h is None and w is None:
        plain(P, v, s, D, _BOTH)
    else:
        with_more(P, v, s, D, _NOTHING if h is None else h, _by_component(w, P), _BOTH)


def rotate_and_drive(P, kappa, v, s, D, dD, w=None, along=None):
    drive, drive_with_more = _drives(P.shape[1], len(v), len(dD))
    more = () if len(v) == len(dD) else (along,)
    if w is None:
        drive(P, kappa, v, s, D, dD, *more)
    else:
        drive_with_more(P, kappa, v, s, D, dD, _by_component(w, P), *more)


def _nothing(components, several):
    P, D = np.zeros((1, components, 1)), np.zeros((1 + several, components, 1))
    return P, np.ones((several, 1)), np.ones(1), D, np.zeros((1, components))


def touch_precess(axes=1, components=3, several=None):
    """Compile `moments`, `rotate` and `precess`, which are one loop (or load it from the cache)."""
    P, v, s, D, _ = _nothing(components, several or axes)
    precess(P, v, s, D)


def touch_drive(axes=1, components=3, several=None):
    """The same for `rotate_and_drive`."""
    P, v, s, D, _ = _nothing(components, several or axes)
    rotate_and_drive(P, np.zeros((1, 1)), v, s, D, np.zeros((axes, *D.shape)), None, np.ones((axes, 1)))


def touch_precess_with_more(axes=1, components=3, several=None):
    """The same for `rotate` and `precess` with h or w, of which a term may make use."""
    P, v, s, D, w = _nothing(components, several or axes)
    precess(P, v, s, D, D, w)


def touch_drive_with_more(axes=1, components=3, several=None):
    """The same for `rotate_and_drive` with w."""
    P, v, s, D, w = _nothing(components, several or axes)
    rotate_and_drive(P, np.zeros((1, 1)), v, s, D, np.zeros((axes, *D.shape)), w, np.ones((axes, 1)))

"""Growing waves of very many directions, from the dispersion relation in place of the matrix.

The matrix of `linear` is its diagonal d_a, the frequencies of single directions, and a coupling of low rank, because
1 - v_a.v_b = sum_m eta_m u_am u_bm with u = (1, v), eta = (1, -1, ...) has 1 + m factors for velocities of m components. With
S_m = sum_b s_b u_bm psi_b an eigenvector is psi_a = q_a (S_0 - v_a.S_1) / (omega - d_a), and omega is a root of a determinant,

    F(omega) = det(1 - I eta) = 0,    I_mn(omega) = sum_a g_a u_am u_an / (omega - d_a),

for the price of one sum over the directions. In one dimension F = (1 - I_0)(1 + I_2) + I_1^2. All poles of F are real, so that
the roots above the real axis are counted by the turns of F around rectangles there (argument principle), which are halved until
each holds one; Newton's method finishes it. No root is missed for want of a starting point.

d, g are real arrays (n,): frequencies d_a, and g_a = s_a q_a with q as in `linear`, times the strength of the self-interaction.
v: velocities, (n, m), or (n,) where they have one component, see `flat`. Plain numpy.
"""

from __future__ import annotations

import numpy as np

_BLOCK = 2**20  # complex numbers per temporary array: 16 MB


class _RootOnEdge(Exception):
    """A rectangle's edge runs through a root, where F has no phase."""


def flat(v):
    """Velocities (n, m) as (n,) where m is 1."""
    v = np.asarray(v, dtype=float)
    return v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v


def sums(omega, d, v, g):
    """I_0, I_1, I_2 of one component and their derivatives at omega of shape (m,): two complex arrays (3, m)."""
    return _sums(omega, d, np.stack([np.ones_like(v), v, v**2], axis=1), g)


def _sums(omega, d, factors, g):
    """sum_a g_a factors_ac / (omega - d_a) for each column c, and the derivatives: two complex arrays (columns, omega.size)."""
    shape = factors.shape[1], omega.size
    I, slope = np.empty(shape, dtype=complex), np.empty(shape, dtype=complex)
    block = max(1, _BLOCK // d.size)
    for first in range(0, omega.size, block):
        part = slice(first, first + block)
        inverse = 1 / (omega[part, None] - d)
        terms = g * inverse
        I[:, part] = (terms @ factors).T
        slope[:, part] = -((terms * inverse) @ factors).T
    return I, slope


def response(omega, d, v, g):
    """1 - I eta and its derivative at omega (m,), for velocities (n, components): two complex arrays (m, r, r), r = 1 + components.

    Its null vector is S of an eigenvector.
    """
    u = np.column_stack([np.ones(len(v)), v])
    rank = u.shape[1]
    rows, columns = np.triu_indices(rank)
    which = np.zeros((rank, rank), dtype=int)
    which[rows, columns] = which[columns, rows] = np.arange(len(rows))
    eta = np.array([1.0] + [-1.0] * (rank - 1))
    I, slope = (np.moveaxis(found[which], -1, 0) * eta for found in _sums(omega, d, u[:, rows] * u[:, columns], g))
    return np.eye(rank) - I, -slope


def determinant(omega, d, v, g):
    """F and dF/domega at omega: complex arrays of the shape of omega, (m,)."""
    if v.ndim == 1:
        (I0, I1, I2), (dI0, dI1, dI2) = sums(omega, d, v, g)
        return (1 - I0) * (1 + I2) + I1**2, (1 - I0) * dI2 - dI0 * (1 + I2) + 2 * I1 * dI1
    whole, change = response(omega, d, v, g)
    slope = np.zeros(len(omega), dtype=complex)
    for column in range(whole.shape[-1]):  # a determinant is linear in each of its columns
        one = whole.copy()
        one[..., column] = change[..., column]
        slope += np.linalg.det(one)
    return np.linalg.det(whole), slope


def growing_roots(d, v, g, slowest):
    """All roots with Im omega > slowest > 0: complex array, the fastest first, with their multiplicity.

    The matrix is diag(d) plus a coupling that, its rows and columns scaled, has a 2-norm of at most sum |g|, since
    |v_a| <= 1: every root lies within that distance of one of the d_a (Bauer and Fike).
    """
    reach = np.sum(np.abs(g))
    if slowest >= reach:
        return np.array([], dtype=complex)
    whole = (d.min() - reach, slowest, d.max() + reach, reach)
    roots = np.array(_roots_inside(whole, reach, lambda omega: determinant(omega, d, v, g)), dtype=complex)
    return roots[np.lexsort((roots.real, -roots.imag))]


def eigenvectors(roots, d, v, s, q):
    """psi_a = q_a (S_0 - v_a.S_1) / (omega - d_a) of each root, complex (roots, n), not normalized.

    Roots that are given several times have as many different vectors, if they lie next to each other.
    """
    found = []
    for i, omega in enumerate(roots):
        if v.ndim == 1:
            I0, I1, I2 = sums(np.array([omega]), d, v, s * q)[0][:, 0]
            # Both rows of the singular 2 x 2 problem give (S_0, S_1); the longer one has lost fewer digits.
            S = np.array(max((-I1, 1 - I0), (1 + I2, I1), key=lambda S: abs(S[0]) ** 2 + abs(S[1]) ** 2))
            found.append(q * (S[0] - v * S[1]) / (omega - d))
            continue
        before = next((number for number in range(i) if roots[i - 1 - number] != omega), i)
        S = np.linalg.svd(response(np.array([omega]), d, v, s * q)[0][0])[2][-1 - before].conj()
        found.append(q * (S[0] - v @ S[1:]) / (omega - d))
    return np.array(found).reshape(len(roots), len(d))


def _roots_inside(rectangle, reach, F):
    """Roots of F in a rectangle (left, bottom, right, top) with bottom > 0, each as often as it is one."""
    count = _turns(rectangle, reach, F)
    if count == 0:
        return []
    left, bottom, right, top = rectangle
    if count == 1:
        root = _newton(complex(left + right, bottom + top) / 2, reach, F)
        if left <= root.real <= right and bottom <= root.imag <= top:
            return [root]
    if max(right - left, top - bottom) < 1e-9 * reach:
        return [complex(left + right, bottom + top) / 2] * count
    # Not in the middle, where symmetric problems have their roots.
    for share in (0.4871, 0.5413, 0.4337):
        if right - left > top - bottom:
            cut = left + share * (right - left)
            halves = (left, bottom, cut, top), (cut, bottom, right, top)
        else:
            cut = bottom + share * (top - bottom)
            halves = (left, bottom, right, cut), (left, cut, right, top)
        try:
            return [root for half in halves for root in _roots_inside(half, reach, F)]
        except _RootOnEdge:
            continue
    raise ArithmeticError(f"roots of the dispersion relation lie too close together near omega = {complex(left, bottom)}")


def _turns(rectangle, reach, F):
    """Number of times that F turns around 0 along the edge of a rectangle: the roots inside."""
    left, bottom, right, top = rectangle
    corners = [complex(left, bottom), complex(right, bottom), complex(right, top), complex(left, top)]
    path = np.array([*corners, corners[0]])
    value, slope = F(path)
    while True:
        step = np.abs(np.diff(path))
        # A pole below a step turns F by at most 90 degrees then; the roots' distance is told by F / F'.
        height = np.minimum(path.imag[1:], path.imag[:-1])
        change = np.abs(slope / value)
        coarse = (step > 2 * height) | (step * np.maximum(change[1:], change[:-1]) > 1)
        if not coarse.any():
            return int(np.rint(np.angle(value[1:] / value[:-1]).sum() / (2 * np.pi)))
        if step[coarse].min() < 1e-13 * reach:
            raise _RootOnEdge
        at = np.flatnonzero(coarse) + 1
        middle = (path[at] + path[at - 1]) / 2
        new_value, new_slope = F(middle)
        path, value, slope = (np.insert(old, at, new) for old, new in ((path, middle), (value, new_value), (slope, new_slope)))


def _newton(omega, reach, F):
    """The root that Newton's method finds from omega; a number outside the upper half plane where it runs away."""
    for _ in range(50):
        value, slope = F(np.array([omega]))
        if slope[0] == 0:
            return -1j
        step = complex(value[0] / slope[0])
        omega -= step
        if abs(step) < 1e-15 * reach or not 0 < omega.imag < 2 * reach:
            break
    return omega

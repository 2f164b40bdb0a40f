"""The momenta of level "full" row by row: a *part* is what one species has at one transverse momentum.

Everything is the same on every rank; nothing communicates. Momenta in mu.
"""

from __future__ import annotations

import numpy as np

from .full_grid import MomentumGrid, inverse, slope_of_inverse


class Parts:
    """The momenta of all species, (parts, points): species slowest, in the order of `signs` (species,), then p_perp.

    sign: (parts, 1). weight, p, v, dv: quadrature weight of int d^3p, |p|, p_z/|p| and its derivative by p_z. shares: which
    momenta count as whose, (part, mode, slice of p_z) of all stretches: those of the direction that is nearest in v, and of modes
    that differ in energy alone, `p_mode` (modes,), those of the nearest |p|.
    """

    def __init__(self, grid: MomentumGrid, modes, p_mode=None):
        self.signs = np.array(sorted(set(modes.s), reverse=True), dtype=float)
        species, rings = len(self.signs), len(grid.p_perp)
        self.count, self.rings = species * rings, rings
        self.sign = np.repeat(self.signs, rings)[:, None]
        self.weight = np.tile(grid.weight, species)[:, None] * np.ones(len(grid.p_z))
        self.p = np.tile(grid.p, (species, 1))
        self.v = np.tile(grid.v, (species, 1))
        self.dv = np.tile(grid.dv_dp, (species, 1))
        self.shares = self._share(np.asarray(modes.v), np.asarray(modes.s), p_mode)

    def _share(self, v, s, p_mode):
        shares = []
        for q in range(self.count):
            mine = np.flatnonzero(s == self.sign[q])
            away = np.abs(self.v[q][:, None] - v[mine])
            if p_mode is not None:
                same = v[mine] == v[mine][away.argmin(axis=1)][:, None]
                away = np.where(same, np.abs(self.p[q][:, None] - np.asarray(p_mode)[mine]), np.inf)
            nearest = mine[away.argmin(axis=1)]
            starts = np.flatnonzero(np.diff(nearest, prepend=-1))
            shares += [(q, nearest[i], slice(i, j)) for i, j in zip(starts, [*starts[1:], self.v.shape[1]])]
        return shares

    def of_species(self, f, sign):
        """The parts of one species of an array (parts, ...), a view."""
        species = int(np.flatnonzero(self.signs == sign)[0])
        return f.reshape(len(self.signs), self.rings, *f.shape[1:])[species]

    def by_mode(self, values, modes: int):
        """Sums of values (parts, points) over the momenta of each mode, (modes,)."""
        sums = np.zeros(modes)
        for q, a, span in self.shares:
            sums[a] += values[q, span].sum()
        return sums

    def largest(self, n, where):
        """The largest |n| (parts, points) where a mask says, over the largest of all."""
        return float(np.abs(n[where]).max() / np.abs(n).max())


class Masses:
    """Vacuum mixing at each momentum: h_vac = M^2/2 g(|p|), one matrix for each of the grid, the same at all points of space.

    g(p) = 1/p from `critical` on. Below, g is the polynomial of `full_grid.inverse`: M^2/2|p| is the first term of an expansion
    in M^2/p^2, which says nothing at momenta as small as the masses, and is without bound there. Commutator, velocity and
    energy have the same g, so that the budget closes whatever it is. critical: sqrt of the largest difference of the m_i^2.

    term: the one with `Term.mass`. Coefficients are those of w0 1 + W.lambda, as in kernels.
    """

    def __init__(self, term, parts: Parts):
        w0, W = term.mass()
        self.coefficients = np.array([w0, *(0.5 * np.asarray(W))])
        levels = term.algebra.occupations(0.0, np.asarray(W))  # eigenvalues of M^2/2, without their mean
        self.critical = float(np.sqrt(2.0 * (levels[-1] - levels[0])))
        self._g = inverse(parts.p, self.critical)
        self.slope = slope = slope_of_inverse(parts.p, self.critical) * parts.v  # d_pz g, (parts, points)
        matrix = self.coefficients[:, None]
        # Each (parts, 1 + C, points): s h_vac, which is a part of Omega, and d_pz h_vac.
        self.rotation = np.ascontiguousarray(parts.sign[:, :, None] * self._g[:, None] * matrix)
        self.velocity = np.ascontiguousarray(slope[:, None] * matrix)

    def energy(self, weighted):
        """int Tr(h_vac f) of f (parts, 1 + C, points) integrated over the box, times the weight of each momentum."""
        # Tr (w0 1 + W.lambda) (n/F + P.lambda/2) = w0 n + W.P
        return float(self.coefficients @ np.einsum("qi,qci->c", self._g, weighted))

    def trace(self, sums):
        """The traces of matrices times M^2/2: sums (..., 1 + C, n) -> (..., n)."""
        return np.einsum("c,...cz->...z", self.coefficients, sums)

"""Distributions that a run at level "full" begins with, and whether its grid of momenta holds them."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..storage import start_file
from .full_grid import CENTRE_AT_START, ENDS, MomentumGrid, beams
from .full_parts import Masses, Parts

# Part of the largest difference of densities below which a pair of flavors has none: rounding of what a config gives.
EVEN = 1e-12


class Start:
    """What fills f (parts, 1 + C, points, n), local, from the settings.

    settings, grid, parts: as in :class:`~nuflux_mpi.physics.full.Full`; masses: or None. stored: shape of f in files, without
    space.
    """

    def __init__(self, settings, modes, box, grid: MomentumGrid, parts: Parts, masses: Masses | None, stored):
        self.settings, self.modes, self.box, self.grid, self.parts, self.masses = settings, modes, box, grid, parts, masses
        self._stored = stored

    def fill(self, f, P, n):
        """f <- sum_a g_a(p) (n_a/F + P_a.lambda/2) of the configured beams. P: (modes, C, n), n: (modes, n) or (modes, 1)."""
        f[...] = 0.0
        n = np.broadcast_to(n, P[:, 0].shape)
        for a, beam in enumerate(beams(self.settings, self.modes.v, self.modes.p)):
            N = np.concatenate((n[a : a + 1], P[a]))
            for part, g in zip(self.parts.of_species(f, self.modes.s[a]), self.grid.sample(beam)):
                part += g[None, :, None] * N[:, None, :]

    def fill_from_file(self, f, P):
        """f <- that of the file; where it is homogeneous, turned as P (modes, C, n) tells. Collective. InputError."""
        path, shape, box = self.settings["path"], self._stored, self.box
        found = start_file.find(path, ("rho",), "full.path", box.comm, [shape, (*shape, *box.points)])
        if found.shape("rho") == shape:
            rho = start_file.whole(found, "rho", box.comm)
            f[...] = rho.reshape(f.shape[:3])[..., None]
            if self.modes.algebra.flavors == 2:
                tilt_about_z(f, P, self.parts.shares)
            else:
                tilt(self.modes.algebra, f, P, self.parts.shares)
        else:
            f.reshape(*shape, *box.local_shape)[...] = start_file.field(found, "rho", box)

    def check(self, F):
        """InputError if an f integrated over the box, (parts, 1 + C, points), has too much where masses are as large as momenta,
        or, from a file, at p = 0 and at the ends of the grid."""
        n = np.abs(F[:, 0])
        check_masses(n, self.parts, self.masses)
        if self.settings["distribution"] != "file":
            return
        path = self.settings["path"]
        centre, edge = (
            self.parts.largest(n, self.parts.p < self.parts.p.min() * (1.0 + 1e-12)),
            float(n[:, [0, -1]].max() / n.max()),
        )
        if centre > CENTRE_AT_START:
            raise InputError(
                f"full.path: p = 0, where the velocity is not defined, lies inside the distribution of "
                f"{path}: next to it there is {centre:.1g} of the largest density, and "
                f"{CENTRE_AT_START:g} is allowed"
            )
        if edge > ENDS:
            raise InputError(
                f"full.path: the grid is too narrow for the distribution of {path}, {edge:.1g} of the "
                f"largest density is at the ends of p_z, and {ENDS:.0e} is allowed"
            )


def check_masses(n, parts: Parts, masses: Masses | None):
    """InputError if too much of a density n (parts, points) is where masses are as large as momenta."""
    if masses is None or not (inside := parts.p < masses.critical).any():
        return
    found = parts.largest(n, inside)
    if found > CENTRE_AT_START:
        raise InputError(
            f"vacuum: masses are as large as momenta below |p| = {masses.critical:.4g} mu, the root of the largest difference of "
            f"masses squared, and {found:.1g} of the largest density is there, where {CENTRE_AT_START:g} is allowed; take larger "
            "momenta in [full], or smaller differences"
        )


def check_beams(settings, modes, terms):
    """The same for the beams that settings describe, before anything is built; not for distribution "file"."""
    term = next((term for term in terms if term.has("mass")), None)
    if term is None or settings["distribution"] == "file":
        return
    grid = MomentumGrid(settings)
    parts = Parts(grid, modes)
    n = np.zeros(parts.p.shape)
    for a, beam in enumerate(beams(settings, modes.v, modes.p)):
        density = 1.0 if modes.n is None else modes.n[a]
        parts.of_species(n, modes.s[a])[...] += density * grid.sample(beam)
    check_masses(n, parts, Masses(term, parts))


def tilt_about_z(f, P, shares):
    """Turn the polarizations of a homogeneous f of two flavors by the shortest rotation that takes the z axis onto that of P_a(z).

    The axis of P_a is its direction, or the opposite one where P_a^z is negative. P: (modes, 3, n).
    """
    length = np.sqrt(np.sum(P**2, axis=1, keepdims=True))
    axis = np.where(P[:, 2:] < 0, -P, P) / np.where(length > 0, length, 1.0)
    axis[:, 2] = np.where(length[:, 0] > 0, axis[:, 2], 1.0)
    for q, a, span in shares:
        x, y, c = axis[a]
        X, Y, Z = f[q, 1:, span].copy()
        along = (x * X + y * Y) / (1.0 + c)
        f[q, 1, span] = X + x * Z - x * along
        f[q, 2, span] = Y + y * Z - y * along
        f[q, 3, span] = c * Z - x * X - y * Y


def tilt(algebra, f, P, shares):
    """Turn the matrices of a homogeneous f by what makes the coherences of P_a from its densities.

    The turn of a pair alone is by the angle arctan(|psi|/|n_alpha - n_beta|), as by `tilt_about_z`; those of several pairs
    are one rotation, exp(-i W.lambda/2) with the sum of their vectors W. A pair of equal densities is not turned. P: (modes,
    C, n).
    """
    W = np.zeros_like(P)
    for pair in algebra.pairs:
        q = algebra.difference(P, pair, axis=1)
        even = np.abs(q) <= EVEN * np.abs(P).max()
        psi = np.where(even, 0.0, algebra.coherence(P, pair, axis=1) * np.sign(q))
        size = np.abs(psi)
        angle = np.arctan2(size, np.abs(q))
        with np.errstate(invalid="ignore"):
            psi = np.where(size > 0, psi * angle / size, 0.0)
        # d_t P = W x P takes q into psi = P_real + i P_imaginary for W = (-psi_imaginary, psi_real) in the plane of the pair.
        W[:, pair.real], W[:, pair.imaginary] = -psi.imag, psi.real
    for q, a, span in shares:
        f[q, 1:, span] = algebra.rotate(f[q, 1:, span], W[a][:, None])

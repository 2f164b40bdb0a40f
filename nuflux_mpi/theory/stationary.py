"""How far mixing turns a background that linear theory takes to stand still.

A Hamiltonian that is not diagonal in flavor, such as that of vacuum mixing, adds a constant to the equation of the coherence,
i d_t psi_a = sum_b M_ab psi_b + m_a q_a at k = 0, with the `mixing` m_a of `linear.Linear`. At first order in the mixing it leaves
the matrix M as it is. It drives psi_a / q_a at the rate |m_a| (two flavors: |omega_a| sin 2theta) away from zero, to the place
where M psi + m q = 0, about which it then turns: the tilt of the polarization, some 2 theta in vacuum, and smaller where matter
or neutrinos hold it. The theory of the untilted background holds if the tilt stays small, or if waves grow so fast that it is
not reached. Where a pair has no polarization, mixing couples the coherences of the two with the third flavor: then the tilt is
that which a little of it would have.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import linear
from .linear import Linearised

EFOLDINGS = 10.0  # of growth during which the background is to stand still


class Turning(NamedTuple):
    """rate: of the drive, the mean square root of |m_a|^2 with the weights q_a^2 [mu]; tilt: sine of the angle by which the background turns."""

    rate: float
    tilt: float

    @property
    def still(self) -> bool:
        """Whether the background counts as stationary: growth rates change by about the square of the tilt."""
        return self.tilt <= linear.LARGEST_SEED


def turning(problem: Linearised, growth: float) -> Turning:
    """How fast, and within EFOLDINGS of growth at the rate `growth` how far, the drive turns the background.

    Where the background varies in space the largest tilt counts that its uniform part would have with the values of the
    profile at a sample of points.
    """
    background = problem.background
    mixing = np.broadcast_to(np.asarray(problem.mixing, dtype=complex), background.q.shape)
    if not mixing.any():
        return Turning(0.0, 0.0)
    if not background.q.any():
        background = background._replace(q=np.ones(len(mixing)), strength=0.0)
    drive, norm = mixing * background.q, np.linalg.norm(background.q)
    rate = float(np.linalg.norm(drive) / norm)
    tilt = 0.0
    for shift in _shifts(problem):
        psi = _at_rest(background._replace(shift=background.shift + shift), drive)
        ratio = np.linalg.norm(psi) / norm
        tilt = max(tilt, float(ratio / np.hypot(1.0, ratio)) if np.isfinite(ratio) else 1.0)
    reached = rate * EFOLDINGS / growth if growth > 0 else np.inf
    return Turning(rate, min(tilt, reached))


def _shifts(problem):
    if problem.profile is None:
        return [0.0]
    values = np.reshape(problem.profile, (len(problem.profile), -1))
    order = np.argsort(values[0])
    sample = order[np.unique(np.linspace(0, len(order) - 1, 17).astype(int))]
    return [-(values[0, i] - problem.background.directions @ values[1:, i]) for i in sample]


def _at_rest(background, drive):
    """psi (modes,) with M psi + c = 0 at k = 0; infinite where M has no inverse."""
    v = linear.velocities(background.v)
    k = np.zeros(v.shape[1])
    background = background._replace(v=v)
    if len(background.s) <= linear.DENSE_LIMIT:
        try:
            return -np.linalg.solve(linear.matrix(k, *background), drive)
        except np.linalg.LinAlgError:
            return np.full(len(drive), np.inf)
    # The matrix is its diagonal and a coupling of low rank.
    d = linear.continuum(k, *background)
    if not np.all(d):
        return np.full(len(drive), np.inf)
    u = np.column_stack([np.ones(len(v)), background.directions])
    eta = np.array([1.0] + [-1.0] * (u.shape[1] - 1))
    respond = background.strength * (background.q / d)[:, None] * u * eta
    S = np.linalg.solve(np.eye(len(eta)) + (background.s[:, None] * u).T @ respond, -(background.s * drive / d) @ u)
    return -drive / d - respond @ S

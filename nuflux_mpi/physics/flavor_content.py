"""How much of each flavor there is, and what became of what: contents of modes and species, probabilities of conversion.

Everything follows from box averages of the density matrices, the same arrays on every rank; nothing here communicates.
"""

from __future__ import annotations

import numpy as np

# Of the start of a mode, for probabilities: a flavor with less than this share is a seed; parts of flavors are equal if they
# differ by less than this share of what the flavor in question has beyond them; and there must be something beyond rounding.
SEED, EQUAL, ROUNDING = 1e-3, 1e-2, 5e-10


def detailed(modes, terms) -> bool:
    """Whether a run tells more than two flavors of merged or equal neutrinos ask for: contents, conversion, conserved numbers.

    So it is with three flavors, with energies or contents of modes, and with any term beside refraction and its force.
    """
    return modes.flavors > 2 or modes.p is not None or modes.content is not None or any(term.section for term in terms)


def told_by(start, n):
    """(y, n_alpha - y, whether it tells a probability) for each flavor with which a mode may start, (modes, F) each; see
    :class:`FlavorContent`. start: (modes, F) contents; n: (modes,)."""
    F, total = start.shape[1], np.where(n > 0, n, 1.0)[:, None]
    rest = (start.sum(axis=1, keepdims=True) - start) / (F - 1)
    rise = start - rest
    unequal = np.stack([np.ptp(np.delete(start, flavor, axis=1), axis=1) for flavor in range(F)], axis=1)
    told = (np.abs(rise) > ROUNDING * total) & (start >= SEED * total) & (unequal <= EQUAL * np.abs(rise))
    return rest, rise, told


class FlavorContent:
    """Contents of the flavors, and the probabilities P(alpha -> beta) = |<beta| V |alpha>|^2 as far as the start defines them.

    modes: :class:`~nuflux_mpi.physics.modes.Modes`; n: (modes,) densities; P_mean: (modes, C), box averages of P at the start.

    A mode tells the probability of one flavor alpha if it starts with the same density y of all other flavors (none, as a
    rule): then N = y 1 + (n_alpha - y) |alpha><alpha| at the start, and N_beta,beta = y + (n_alpha - y) P(alpha -> beta) later.
    Of two flavors each mode does so for both; coherence of the seeds counts as an error of its size.

    start: (modes, F) contents at the start. species: of the modes, +1 before -1.
    """

    def __init__(self, modes, n, P_mean):
        self.modes, self.n = modes, n
        self.start = self._content(P_mean)
        self.species = np.array(sorted(set(modes.species.tolist()), reverse=True))
        start = self.start
        if modes.merged:  # of both species what there is of either started as nu_e
            start = np.outer(n, np.eye(modes.flavors)[0])
            shares, self.species = np.array([modes.nu_weight, modes.antinu_weight]), np.array([1, -1])
        self._rest, self._rise, told = told_by(start, n)
        if modes.merged:
            weights = shares[:, :, None] * told
        else:
            weights = np.where(told, start, 0.0) * (modes.species == self.species[:, None])[..., None]
        self.weights = weights  # (species, modes, F): of what starts as each flavor

    def _content(self, P_mean):
        return self.modes.algebra.content(self.n, P_mean, axis=1)

    def measure(self, P_mean) -> dict[str, np.ndarray]:
        """`content` (modes, F); `conversion` (species, F, F), NaN where nothing starts so; of modes that are not merged
        `flavor_density` (species, F)."""
        content = self._content(P_mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = (content[:, None] - self._rest[..., None]) / self._rise[..., None]  # mode, from, to
            each = np.where(np.isfinite(each), each, 0.0)
            conversion = np.einsum("saf,afg->sfg", self.weights, each) / self.weights.sum(axis=1)[..., None]
        found = {"content": content, "conversion": conversion}
        if not self.modes.merged:
            found["flavor_density"] = np.array([content[self.modes.species == sign].sum(axis=0) for sign in self.species])
        return found

    @property
    def defined(self) -> np.ndarray:
        """Which entries of `conversion` are numbers: (species, F, F) booleans."""
        there = self.weights.sum(axis=1) > 0
        return np.repeat(there[..., None], there.shape[1], axis=2)

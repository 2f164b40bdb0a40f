"""Crossings: whether a lepton number changes sign over the directions, pair by pair of flavors.

Of a pair (a b) the lepton number of a direction is G = sum s (n^a - n^b) over its species and energies: neutrinos minus
antineutrinos of a, minus the same of b. Of (e x) without nu_x it is the electron lepton number (ELN), of (e mu) ELN - mu LN, and so
on. A fast instability of the pair needs directions of either sign, and in an unbounded medium these are enough: T. Morinaga,
Phys. Rev. D 105 (2022) L101301.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .modes import PLACES, Modes

ROUNDING = 1e-12  # of all lepton number, below which a direction has none


@dataclass(frozen=True, eq=False)
class Crossing:
    """The lepton number of a pair of flavors over the directions.

    pair: its names, such as ("e", "mu"). plus, minus: sums of G over directions where it is positive, and of |G| where it is
    negative [n]. part: of the solid angle in which the smaller of the two lives. center: (3,) mean of v over it, weighted with
    |G|, of components that the modes know. zeros: velocities along z at which G changes sign, of directions in one dimension,
    None where velocities have more components.
    """

    pair: tuple[str, str]
    plus: float
    minus: float
    part: float
    center: np.ndarray
    zeros: list[float] | None

    @property
    def there(self) -> bool:
        """Whether there is a crossing."""
        return min(self.plus, self.minus) > ROUNDING * (self.plus + self.minus)

    @property
    def depth(self) -> float:
        """The smaller part of the lepton number over all of it, min(plus, minus) / (plus + minus): 0 without, 1/2 at most."""
        whole = self.plus + self.minus
        return min(self.plus, self.minus) / whole if whole else 0.0

    @property
    def rate(self) -> float:
        """sqrt(plus minus) [mu], the size that growth rates have: T. Morinaga et al., Phys. Rev. Research 2 (2020) 012046."""
        return float(np.sqrt(self.plus * self.minus))


def of(modes: Modes, content) -> list[Crossing]:
    """The Crossing of each pair of flavors of modes with densities content (modes, flavors)."""
    names, first = modes.algebra.names, modes.directions
    weight = np.asarray(modes.weight)[first]
    return [
        _crossing((names[pair.first], names[pair.second]), _lepton(modes, content, pair), weight, modes)
        for pair in modes.algebra.pairs
    ]


def _lepton(modes, content, pair):
    """G of each direction."""
    numbers = modes.s * (content[:, pair.first] - content[:, pair.second])
    G = np.bincount(modes.direction, weights=numbers, minlength=len(modes.directions))
    size = np.bincount(modes.direction, weights=np.sum(content, axis=1), minlength=len(modes.directions))
    return np.where(abs(G) > ROUNDING * size, G, 0.0)


def _crossing(pair, G, weight, modes):
    plus, minus = float(G[G > 0].sum()), float(-G[G < 0].sum())
    smaller = G < 0 if minus <= plus else G > 0
    center = np.zeros(3)
    if np.any(smaller):
        velocity = np.zeros((len(G), 3))
        if modes.xyz is None:
            velocity[:, PLACES[modes.velocity.shape[1]]] = modes.velocity[modes.directions]
        else:
            velocity = modes.xyz[modes.directions]
        center = np.average(velocity[smaller], axis=0, weights=abs(G[smaller]))
    zeros = _zeros(modes.velocity[modes.directions, 0], G / weight) if modes.vectors.shape[1] == 1 else None
    return Crossing(pair, plus, minus, float(weight[smaller].sum() / weight.sum()), center, zeros)


def _zeros(v, G):
    """Where G changes sign, between neighbours in v on a straight line, ascending."""
    order = np.argsort(v)
    v, G = v[order][G[order] != 0], G[order][G[order] != 0]
    ends = np.flatnonzero(np.sign(G[1:]) != np.sign(G[:-1]))
    return [float((v[i] * G[i + 1] - v[i + 1] * G[i]) / (G[i + 1] - G[i])) for i in ends]

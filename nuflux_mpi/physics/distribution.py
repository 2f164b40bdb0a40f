"""Neutrino gases as kinds of [modes] describe them: so many neutrinos of each species, energy and flavor in each direction.

A kind is a module with a function ``distribution(config, axes, flavors)`` that gives a :class:`Distribution`; its name stands in
`KINDS`. `modes.of_distribution` makes modes of it, with neutrinos and antineutrinos merged or apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module

import numpy as np

from ..errors import InputError

# The module of each kind of [modes] that describes a gas. Beams are modes as they are listed.
KINDS = {"angular": "angular"} | dict.fromkeys(("product", "lebedev", "directions"), "on_sphere")
# The keys of the shares of the energy bins: of nu_e, of anti-nu_e, of the other neutrinos and of the other antineutrinos.
SHARES = ("energy_weight", "energy_weight_bar", "energy_weight_x", "energy_weight_x_bar")


@dataclass(frozen=True, eq=False)
class Distribution:
    """Densities of neutrinos by direction, species, energy and flavor, with the weights of the quadrature in them.

    velocity: (directions, axes), components along the axes of the box. weight: (directions,), of the quadrature.
    density: (directions, 2, energies, flavors) [n]; of the two species neutrinos are the first. energy: (energies,), momenta
    p of the bins [mu], or None. xyz: (directions, 3), whole velocities, or None where they are not known. parts: over how many
    directions each density and weight here is spread evenly; they are divided by it as the last.
    """

    velocity: np.ndarray
    weight: np.ndarray
    density: np.ndarray
    energy: np.ndarray | None = None
    xyz: np.ndarray | None = None
    parts: int = 1

    @property
    def flavors(self) -> int:
        """Number of flavors."""
        return self.density.shape[-1]

    @cached_property
    def lepton(self) -> np.ndarray:
        """Neutrinos minus antineutrinos of each flavor, over all energies, (directions, flavors), not yet divided by `parts`."""
        neutrinos, antineutrinos = self.density.sum(axis=2).swapaxes(0, 1)
        return neutrinos - antineutrinos

    @property
    def excess(self) -> np.ndarray:
        """G = lepton number of nu_e minus that of nu_x, or of nu_mu, (directions,), not yet divided by `parts`."""
        return self.lepton[:, 0] - self.lepton[:, 1]

    @property
    def has_others(self) -> bool:
        """Whether there are flavors other than nu_e and anti-nu_e."""
        return bool(np.any(self.density[..., 1:]))

    @property
    def foldable(self) -> bool:
        """Whether one number for each direction, G, says all of its lepton number that flavor conversion knows: with two
        flavors, or as many nu_mu as nu_tau of each species."""
        return self.flavors == 2 or bool(np.all(self.lepton[:, 1] == self.lepton[:, 2]))


def of(config, axes: int, flavors: int) -> Distribution:
    """The gas that a resolved section [modes] describes, in a box of so many axes. InputError if that cannot be."""
    kind = config["kind"]
    return import_module(f".{KINDS[kind]}", __package__).distribution(config, axes, flavors)


def in_bins(density, config, flavors: int):
    """Densities with their energies: (directions, 2, flavors) become (directions, 2, energies, flavors).

    Bin j has the share w_j / sum w of the neutrinos of a species and flavor, with w from the keys `SHARES` of the config.
    """
    return density[:, :, None, :] * shares(config, flavors)


def shares(config, flavors: int) -> np.ndarray:
    """The share of each energy bin in the neutrinos of each species and flavor, (2, energies, flavors); of one bin 1."""
    energy = config.get("energy")
    if energy is None:
        return np.ones((2, 1, flavors))
    e, e_bar, x, x_bar = (config.get(name) for name in SHARES)
    e = [1.0] * len(energy) if e is None else e
    e_bar = e if e_bar is None else e_bar
    x = e if x is None else x
    x_bar = (e_bar if config.get("energy_weight_x") is None else x) if x_bar is None else x_bar
    weights = np.array([[one, *[other] * (flavors - 1)] for one, other in ((e, x), (e_bar, x_bar))], dtype=float)
    total = weights.sum(axis=-1, keepdims=True)
    if not np.all(total > 0):
        raise ValueError("a species and flavor has no energy bin with neutrinos in it")
    return (weights / total).swapaxes(1, 2)


def check_lepton_number(distribution: Distribution, config) -> None:
    """InputError if a direction has neutrinos and antineutrinos that cancel: merged they would forget their flavor."""
    G = distribution.excess
    empty = np.abs(G) <= 1e-14 * np.abs(G).max()  # a few rounding errors of the difference
    if np.any(empty):
        v = distribution.velocity[empty][0, -1]
        number = f"modes.number = {config['number']}: " if config.get("number") else "modes: "
        raise InputError(
            f"{number}the distribution has no lepton number at v = {v:.6g}; choose another number or a quadrature that avoids "
            'this direction, or species = "apart".'
        )

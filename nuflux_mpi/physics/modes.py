"""The modes: what streams through the box, each with a direction, an energy and a species.

A mode's weight is absorbed in its polarization vector P_a, so that the moments are plain sums, D_m = sum_b s_b v_b^m P_b.
The same arrays stand on every rank; nothing here communicates. Modes are built once, from the section [modes] of a config,
and handed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputError
from ..flavor.algebra import Algebra, algebra
from . import distribution
from .distribution import Distribution

PLACES = {1: (2,), 2: (0, 2), 3: (0, 1, 2)}  # of the axes of a box among x, y, z, by their number


@dataclass(frozen=True, eq=False)
class Modes:
    """A list of modes; arrays have shape (modes,) unless it is said.

    v: velocity along the box, |v| <= 1, in a box of several dimensions a vector for each mode, (modes, axes). s: +1 or -1,
    the species; where neutrinos and antineutrinos are `merged` the sign of G(v). n: density n_a in units of n, None where
    the initial state decides. weight: quadrature weight, 1 for beams. nu_weight, antinu_weight: densities of neutrinos
    and of antineutrinos that share a merged mode, for survival probabilities (else None). p: momentum p_a in mu, None where
    the problem has none. flavors: their number, 2 or 3; `algebra` knows what follows from it. content: (modes, flavors),
    densities n_a^alpha of the flavors at the start, None where the initial state decides. xyz: (modes, 3), whole velocities
    with all components, None where only those along the axes of the box are known. is_grid: whether directions are the points
    of a quadrature.

    Labels are integers: direction, by default the same for equal velocities, counted as they first appear; energy, by
    default the same for equal momenta, counted from the lowest. Modes of one direction have one velocity, so that they share phases and refractive vector. Whoever makes a
    list in which directions, species and energies differ has the directions slowest and the energies fastest.

    ValueError if the arrays do not fit each other, or modes of one direction have different velocities.
    """

    v: np.ndarray
    s: np.ndarray
    n: Any  # (modes,), or None
    weight: np.ndarray
    nu_weight: np.ndarray | None = None
    antinu_weight: np.ndarray | None = None
    p: np.ndarray | None = None
    flavors: int = 2
    xyz: np.ndarray | None = None
    direction: np.ndarray = None  # type: ignore[assignment]  # never None after __post_init__
    energy: np.ndarray = None  # type: ignore[assignment]
    content: np.ndarray | None = None
    is_grid: bool = False

    def __post_init__(self):
        if self.direction is None:
            object.__setattr__(self, "direction", _numbered(self.velocity if self.xyz is None else self.xyz))
        if self.energy is None:
            energy = np.zeros(len(self), dtype=int) if self.p is None else np.unique(self.p, return_inverse=True)[1]
            object.__setattr__(self, "energy", energy)
        for name in ("s", "n", "weight", "nu_weight", "antinu_weight", "p", "direction", "energy"):
            values = getattr(self, name)
            if values is not None and np.shape(values) != (len(self),):
                raise ValueError(f"{name} needs one value per mode, {len(self)}; its shape is {np.shape(values)}")
        for name, width in (("content", self.flavors), ("xyz", 3)):
            values = getattr(self, name)
            if values is not None and np.shape(values) != (len(self), width):
                raise ValueError(f"{name} needs {width} values per mode; its shape is {np.shape(values)}")
        counted = np.array_equal(np.unique(self.direction), np.arange(len(self.directions)))
        if not counted or not np.array_equal(self.vectors[self.directions][self.direction], self.vectors):
            raise ValueError("modes of one direction need one velocity, and directions are counted from 0")

    def __len__(self) -> int:
        return len(self.v)

    @property
    def algebra(self) -> Algebra:
        """The flavor algebra of the density matrices, which alone knows how many components they have."""
        return algebra(self.flavors)

    @cached_property
    def velocity(self) -> np.ndarray:
        """v with its components along the axes of the box, (modes, axes) also where there is only one."""
        return np.reshape(np.asarray(self.v, dtype=float), (len(self.v), -1))

    @cached_property
    def speeds(self) -> np.ndarray:
        """The same axis by axis, (axes, modes) and contiguous, as kernels want it."""
        return np.ascontiguousarray(self.velocity.T)

    @cached_property
    def vectors(self) -> np.ndarray:
        """Velocities that enter 1 - v_a.v_b, (modes, m): `velocity`, or all three components if any points out of the box's
        axes."""
        if self.xyz is None:
            return self.velocity
        across = [i for i in range(3) if i not in PLACES[self.velocity.shape[1]]]
        return np.asarray(self.xyz, dtype=float) if np.any(self.xyz[:, across]) else self.velocity

    @cached_property
    def velocity_xyz(self) -> np.ndarray:
        """The velocity with three components, (modes, 3); those that are not known are 0.

        So they are on average over the azimuths for which such a mode stands, and 1 - v_a.v_b is that of the average.
        """
        if self.xyz is not None:
            return self.xyz
        velocity = np.zeros((len(self), 3))
        velocity[:, PLACES[self.velocity.shape[1]]] = self.velocity
        return velocity

    @cached_property
    def directions(self) -> np.ndarray:
        """Index of the first mode of each direction, (directions,): ``x[modes.directions]`` has a row for each direction,
        and ``x[modes.directions][modes.direction]`` brings it back to the modes."""
        return np.unique(self.direction, return_index=True)[1]

    @property
    def species(self) -> np.ndarray:
        """+1 neutrinos, -1 antineutrinos, as integers; of merged modes what there is more of."""
        return np.sign(self.s).astype(int)

    @property
    def merged(self) -> bool:
        """Whether each mode holds the neutrinos and the antineutrinos of its direction, folded into sign(G).

        They obey one equation as long as nothing tells them apart, neither an energy nor a species. A term that does, such as
        vacuum mixing or collisions, needs modes that are not merged.
        """
        return self.nu_weight is not None

    @property
    def bins(self) -> np.ndarray | None:
        """Width in v of the bin of each mode's direction, (modes,), of an angular grid in one dimension; else None."""
        return self.weight if self.is_grid and self.xyz is None and self.velocity.shape[1] == 1 else None

    @property
    def names(self) -> list[str]:
        """One short name per mode: its velocity, and its sign and its energy where these differ between modes."""
        whole = self.vectors is not self.velocity
        names = [f"v = {shown(v)}" for v in (self.vectors if whole else self.v)]
        if len(set(self.s)) > 1:
            names = [f"{name}, s = {s:+.0f}" for name, s in zip(names, self.s)]
        if self.p is not None and len(set(self.p)) > 1:
            names = [f"{name}, p = {p:.4g}" for name, p in zip(names, self.p)]
        return names

    def __repr__(self):
        return f"Modes({self})"

    def __str__(self):
        if len(self) <= 4:
            return "; ".join(self.names)
        axes, negative = self.velocity.shape[1], np.count_nonzero(np.asarray(self.s) < 0)
        where = f"in {axes} dimensions" if axes > 1 else f"{np.min(self.v):+.4g} <= v <= {np.max(self.v):+.4g}"
        several = f"{len(self)} modes of " if self.is_grid and not self.merged else ""
        text = f"{several}{len(self.directions) if several else len(self)} directions{' ' if axes > 1 else ', '}{where}, "
        text += f"{negative} with s = -1"
        if self.p is not None and len(set(self.p)) > 1:
            text += f", {len(set(self.p))} energies"
        return text + (", neutrinos and antineutrinos merged" if self.merged else "")


def _numbered(velocity):
    """A number for each different row of velocity (modes, axes), in the order in which they first appear."""
    _, first, which = np.unique(velocity, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=int)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[np.ravel(which)]


def shown(v, digits=4) -> str:
    """A velocity in words: its number, or its components in brackets."""
    components = [f"{component:+.{digits}g}" for component in np.atleast_1d(v)]
    return components[0] if np.ndim(v) == 0 else f"({', '.join(components)})"


def build(config, axes=1, flavors=2, separate=False) -> Modes:
    """Modes described by a resolved section [modes] for a box of so many axes.

    Beams are as they are listed. Of a gas neutrinos and antineutrinos of a direction are apart if a term must `separate` them,
    if there are others than nu_e, whose densities a merged mode would not know, or if the config says so; else they are merged.
    InputError if a merged direction carries no lepton number.
    """
    if config["kind"] == "beams":
        return _beams(config, axes, flavors)
    gas, species = distribution.of(config, axes, flavors), config.get("species", "auto")
    if not np.any(gas.density):
        raise InputError("modes: the distribution has no neutrinos in any of its directions.")
    if species == "merged" and not gas.foldable:
        raise InputError(
            'modes.species = "merged" needs as many nu_mu as nu_tau in each direction, or two flavors: choose "apart".'
        )
    if species == "apart" or species == "auto" and (separate or gas.has_others):
        return apart(gas)
    distribution.check_lepton_number(gas, config)
    return merged(gas)


def _beams(config, axes, flavors):
    """Modes as they are listed."""

    def of(name):
        return None if config.get(name) is None else np.array(config[name], dtype=float)

    v, xyz = np.array(config["velocity"], dtype=float), None
    if v.ndim == 2 and v.shape[1] != axes:
        xyz, v = v, v[:, PLACES[axes]]
        v = v[:, 0] if axes == 1 else v
    listed: dict[str, Any] = {"n": of("density"), "p": of("energy"), "content": of("content")}
    return Modes(v=v, s=np.array(config["sign"], dtype=float), weight=np.ones(len(v)), flavors=flavors, xyz=xyz, **listed)


def merged(gas: Distribution) -> Modes:
    """One mode for each direction of a gas: with G = n_e - n_x of neutrinos minus that of antineutrinos, summed over energies,
    nu_e of density |G| and of the sign of G.

    The equations of flavor, and of the energy of all modes together, know no more of it as long as no term tells species or
    energies of one direction apart. No direction may have G = 0.
    """
    G, parts = gas.excess, gas.parts
    nu_weight, antinu_weight = (gas.density[:, species, :, 0].sum(axis=1) / parts for species in (0, 1))
    arrays = _along(gas), np.sign(G), np.abs(G / parts), gas.weight / parts
    return Modes(*arrays, nu_weight, antinu_weight, flavors=gas.flavors, xyz=gas.xyz, is_grid=True)


def apart(gas: Distribution) -> Modes:
    """Modes of a gas by direction, species and energy, in this order; none where there are no neutrinos."""
    directions, _, energies, flavors = gas.density.shape
    content = gas.density.reshape(-1, flavors) / gas.parts
    there = np.flatnonzero(content.sum(axis=1) > 1e-14 * content.sum(axis=1).max())  # more than rounding errors
    direction, species, energy = np.unravel_index(there, (directions, 2, energies))
    labels = {"direction": np.unique(direction, return_inverse=True)[1], "energy": energy}
    return Modes(
        v=_along(gas)[direction],
        s=np.array([1.0, -1.0])[species],
        n=content[there].sum(axis=1),
        weight=(gas.weight / gas.parts)[direction],
        p=None if gas.energy is None else np.asarray(gas.energy, dtype=float)[energy],
        xyz=None if gas.xyz is None else gas.xyz[direction],
        content=content[there],
        flavors=flavors,
        is_grid=True,
        **labels,
    )


def _along(gas):
    """Velocities as `Modes.v` has them."""
    return gas.velocity[:, 0] if gas.velocity.shape[1] == 1 else gas.velocity

"""The modes: what streams through the box, each with a direction, an energy and a species.

A mode's weight is absorbed in its polarization vector P_a, so that the moments are plain sums, D_m = sum_b s_b v_b^m P_b.
The same arrays stand on every rank; nothing here communicates. Modes are built once, from the section [modes] of a config,
and handed on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..errors import InputError
from ..flavor.algebra import Algebra, algebra

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
    with all components, None where only those along the axes of the box are known.

    Labels are integers: direction, by default the same for equal velocities, counted as they first appear; energy, by
    default 0. Modes of one direction have one velocity, so that they share phases and refractive vector. Whoever makes a
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

    def __post_init__(self):
        if self.direction is None:
            object.__setattr__(self, "direction", _numbered(self.velocity if self.xyz is None else self.xyz))
        if self.energy is None:
            object.__setattr__(self, "energy", np.zeros(len(self), dtype=int))
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
        """Width in v of the bins of an angular grid in one dimension, (modes,); None for beams and in several dimensions."""
        return self.weight if self.merged and self.velocity.shape[1] == 1 else None

    @property
    def names(self) -> list[str]:
        """One short name per mode: its velocity, and which sign it has if the signs differ."""
        mixed = len(set(self.s)) > 1
        return [f"v = {shown(v)}" + (f", s = {s:+.0f}" if mixed else "") for v, s in zip(self.v, self.s)]

    def __repr__(self):
        return f"Modes({self})"

    def __str__(self):
        if len(self) <= 4:
            return "; ".join(self.names)
        axes, negative = self.velocity.shape[1], np.count_nonzero(np.asarray(self.s) < 0)
        where = f"in {axes} dimensions" if axes > 1 else f"{np.min(self.v):+.4g} <= v <= {np.max(self.v):+.4g}"
        return f"{len(self)} directions{' ' if axes > 1 else ', '}{where}, {negative} with s = -1"


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

    Beams are as they are listed. An angular distribution has one merged mode for each direction, or neutrinos and
    antineutrinos apart if a term must `separate` them. InputError if a merged direction carries no lepton number.
    """
    if config["kind"] == "beams":
        return _beams(config, axes, flavors)

    v, weight = quadrature(config["quadrature"], config["number"])
    neutrinos, antineutrinos = distributions(config)
    nu_weight, antinu_weight = weight * neutrinos(v), weight * antineutrinos(v)
    if separate:
        return _apart(config, axes, flavors, v, weight, nu_weight, antinu_weight)
    lepton = nu_weight - antinu_weight
    # P_a = 0 would forget the flavor of a direction whose neutrinos and antineutrinos cancel exactly.
    empty = np.abs(lepton) <= 1e-14 * np.abs(lepton).max()  # a few rounding errors of the difference
    if np.any(empty):
        raise InputError(
            f"modes.number = {config['number']}: the distribution has no lepton number at "
            f"v = {v[empty][0]:.6g}; choose another number or a quadrature that avoids this direction."
        )
    copies = 1
    if axes > 1:
        v, copies = around_z(v, config["azimuths"], axes), config["azimuths"]
        weight, nu_weight, antinu_weight, lepton = (
            np.repeat(each, copies) / copies for each in (weight, nu_weight, antinu_weight, lepton)
        )
    species = {"nu_weight": nu_weight, "antinu_weight": antinu_weight}
    return Modes(v=v, s=np.sign(lepton), n=np.abs(lepton), weight=weight, flavors=flavors, **species)


def _beams(config, axes, flavors):
    """Modes as they are listed."""

    def of(name):
        return None if config.get(name) is None else np.array(config[name], dtype=float)

    v, xyz = np.array(config["velocity"], dtype=float), None
    if v.ndim == 2 and v.shape[1] != axes:
        xyz, v = v, v[:, PLACES[axes]]
        v = v[:, 0] if axes == 1 else v
    listed = {"n": of("density"), "p": of("energy"), "content": of("content")}
    return Modes(v=v, s=of("sign"), weight=np.ones(len(v)), flavors=flavors, xyz=xyz, **listed)


def _apart(config, axes, flavors, v, weight, nu_weight, antinu_weight):
    """Neutrinos and antineutrinos of each direction as modes of their own, in this order; none where there are none."""
    if axes > 1:
        v, copies = around_z(v, config["azimuths"], axes), config["azimuths"]
        weight, nu_weight, antinu_weight = (np.repeat(each, copies) / copies for each in (weight, nu_weight, antinu_weight))
    n = np.stack([nu_weight, antinu_weight], axis=1).ravel()
    there = n > 1e-14 * n.max()  # a few rounding errors of a distribution that is zero
    direction, species = np.repeat(np.arange(len(v)), 2)[there], np.tile([1.0, -1.0], len(v))[there]
    _, label = np.unique(direction, return_inverse=True)
    return Modes(v=v[direction], s=species, n=n[there], weight=weight[direction], flavors=flavors, direction=label)


def around_z(v, azimuths, axes) -> np.ndarray:
    """Directions of velocity v_z = v at equally spaced azimuths, (v.size * azimuths, axes): those of one v in a row.

    v = (sin theta cos phi, [sin theta sin phi,] cos theta) with phi in the middles of equal parts of the circle; in two
    dimensions of half the circle, since phi and -phi have the same velocity there.
    """
    circle = np.pi if axes == 2 else 2 * np.pi
    phi = circle * (np.arange(azimuths) + 0.5) / azimuths
    across = [np.cos(phi), np.sin(phi)][: axes - 1]
    sine = np.sqrt(1 - v**2)
    return np.stack([*(np.outer(sine, each).ravel() for each in across), np.repeat(v, azimuths)], axis=1)


@lru_cache(maxsize=8)
def quadrature(name: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Ascending points and weights, each of shape (number,) and not to be changed, for integrals over -1 <= v <= 1.

    "midpoint": centres of equal bins; "gauss-legendre": exact for polynomials up to degree 2 number - 1.
    """
    if name == "midpoint":
        return (2 * np.arange(number) + 1) / number - 1, np.full(number, 2 / number)
    if name == "gauss-legendre":
        return np.polynomial.legendre.leggauss(number)
    raise ValueError(f"unknown quadrature {name!r}")


def g(v, sigma) -> np.ndarray:
    """Forward-peaked Gaussian distribution of directions, normalised to 1 over -1 <= v <= 1.

    g(v; sigma) = exp(-(v-1)^2 / 2 sigma^2) / [sigma sqrt(pi/2) erf(2 / (sigma sqrt 2))], as in the code comparison of
    Phys. Rev. D 106, 043011.
    """
    norm = sigma * math.sqrt(math.pi / 2) * math.erf(2 / (sigma * math.sqrt(2)))
    return np.exp(-((np.asarray(v) - 1) ** 2) / (2 * sigma**2)) / norm


def distributions(config) -> tuple[Callable, Callable]:
    """Two functions of v, both >= 0: densities per dv of neutrinos and of antineutrinos of an angular section [modes].

    G(v) is their difference. A polynomial or a table fixes only G: its positive part is taken for neutrinos and its
    negative part for antineutrinos.
    """
    if config["distribution"] == "gaussian":
        alpha, sigma, sigma_bar = config["alpha"], config["sigma"], config["sigma_bar"]
        return lambda v: g(v, sigma), lambda v: alpha * g(v, sigma_bar)
    if config["distribution"] == "polynomial":

        def G(v):
            return np.polynomial.polynomial.polyval(v, config["coefficients"])
    else:

        def G(v):
            return np.interp(v, config["v"], config["G"])

    return lambda v: np.maximum(G(v), 0), lambda v: np.maximum(-G(v), 0)


def crossings(config) -> list[float]:
    """Velocities -1 < v < 1, ascending, at which G(v) of an angular section [modes] changes sign.

    Without a crossing nothing grows at any k. Crossings closer together than 5e-4 may be missed.
    """
    neutrinos, antineutrinos = distributions(config)

    def G(v):
        return neutrinos(v) - antineutrinos(v)

    v = np.linspace(-1, 1, 4001)
    values = G(v)
    v, signs = v[values != 0], np.sign(values[values != 0])
    found = []
    for i in np.flatnonzero(signs[1:] != signs[:-1]):
        low, high = v[i], v[i + 1]
        for _ in range(50):  # halving 1e-3 fifty times ends at the spacing of doubles
            middle = (low + high) / 2
            low, high = (middle, high) if np.sign(G(middle)) == signs[i] else (low, middle)
        found.append(float((low + high) / 2))
    return found

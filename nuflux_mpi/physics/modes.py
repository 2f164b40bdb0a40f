"""The directions: velocities v_a, signs s_a, densities n_a, and the lepton-number distributions they sample.

A mode is one direction with its weight already absorbed in the polarization vector P_a, so that the moments are plain
sums, D_m = sum_b s_b v_b^m P_b. In a box of two or three dimensions the velocity is a vector with as many
components. The same arrays stand on every rank; nothing here communicates.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class Modes:
    """A list of directions; every array has shape (modes,).

    v: velocity along the box, |v| <= 1, with more axes than one a vector for each mode, (modes, axes). s: +1 or -1; for an
    angular distribution the sign of G(v). n: density n_a in units of n, None where the initial state decides. weight:
    quadrature weight, 1 for beams. nu_weight, antinu_weight: densities of neutrinos and of antineutrinos that share the
    direction, for survival probabilities (None for beams).
    """

    v: np.ndarray
    s: np.ndarray
    n: np.ndarray | None
    weight: np.ndarray
    nu_weight: np.ndarray | None = None
    antinu_weight: np.ndarray | None = None

    def __len__(self):
        return len(self.v)

    @property
    def velocity(self):
        """v with its components along the axes of the box, (modes, axes) also where there is only one."""
        return self.v.reshape(len(self), -1)

    @property
    def labels(self):
        """One short name per mode, for figures: its velocity, and which sign it has if the signs differ."""
        mixed = len(set(self.s)) > 1
        return [f"v = {shown(v)}" + (", s = %+d" % s if mixed else "") for v, s in zip(self.v, self.s)]

    def __repr__(self):
        return f"Modes({self})"

    def __str__(self):
        if len(self) > 4 and self.v.ndim > 1:
            return f"{len(self)} directions in {self.v.shape[1]} dimensions, {np.count_nonzero(self.s < 0)} with s = -1"
        if len(self) > 4:
            return (
                f"{len(self)} directions, {self.v.min():+.4g} <= v <= {self.v.max():+.4g}, "
                f"{np.count_nonzero(self.s < 0)} with s = -1"
            )
        return "; ".join(self.labels)


def shown(v, digits=4):
    """A velocity in words: its number, or its components in brackets."""
    components = [f"{component:+.{digits}g}" for component in np.atleast_1d(v)]
    return components[0] if np.ndim(v) == 0 else f"({', '.join(components)})"


def build(config, axes=1):
    """Modes described by a resolved section [modes] for a box of so many axes.

    InputError if a direction carries no lepton number.
    """
    if config["kind"] == "beams":
        v = np.array(config["velocity"], dtype=float)
        density = None if config["density"] is None else np.array(config["density"], dtype=float)
        return Modes(v=v, s=np.array(config["sign"], dtype=float), n=density, weight=np.ones(len(v)))

    v, weight = quadrature(config["quadrature"], config["number"])
    neutrinos, antineutrinos = distributions(config)
    nu_weight, antinu_weight = weight * neutrinos(v), weight * antineutrinos(v)
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
    return Modes(v=v, s=np.sign(lepton), n=np.abs(lepton), weight=weight, nu_weight=nu_weight, antinu_weight=antinu_weight)


def around_z(v, azimuths, axes):
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
def quadrature(name, number):
    """Ascending points and weights, each of shape (number,) and not to be changed, for integrals over -1 <= v <= 1.

    "midpoint": centres of equal bins; "gauss-legendre": exact for polynomials up to degree 2 number - 1.
    """
    if name == "midpoint":
        return (2 * np.arange(number) + 1) / number - 1, np.full(number, 2 / number)
    if name == "gauss-legendre":
        return np.polynomial.legendre.leggauss(number)
    raise ValueError(f"unknown quadrature {name!r}")


def g(v, sigma):
    """Forward-peaked Gaussian distribution of directions, normalised to 1 over -1 <= v <= 1.

    g(v; sigma) = exp(-(v-1)^2 / 2 sigma^2) / [sigma sqrt(pi/2) erf(2 / (sigma sqrt 2))], as in the code comparison of
    Phys. Rev. D 106, 043011.
    """
    norm = sigma * math.sqrt(math.pi / 2) * math.erf(2 / (sigma * math.sqrt(2)))
    return np.exp(-((np.asarray(v) - 1) ** 2) / (2 * sigma**2)) / norm


def distributions(config):
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


def crossings(config):
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

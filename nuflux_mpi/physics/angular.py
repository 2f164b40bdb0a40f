"""Kind angular of [modes]: a quadrature over -1 <= v <= 1, and distributions of directions that are the same all around z."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from .distribution import Distribution, in_bins

BY_SPECIES = ("isotropic", "moments")  # distributions with lists by species, those of `on_sphere`


def distribution(config, axes: int, flavors: int) -> Distribution:
    """The gas of a resolved section; in two and three dimensions with directions around z."""
    v, weight = quadrature(config["quadrature"], config["number"])
    if config["distribution"] in BY_SPECIES:
        from . import on_sphere

        density, energy = on_sphere.binned(config, on_sphere.along_z(v, weight), flavors)
    else:
        density, energy = (
            in_bins(np.moveaxis(weight * densities(config, v, flavors), -1, 0), config, flavors),
            config.get("energy"),
        )
    copies = 1
    velocity = v[:, None]
    if axes > 1:
        velocity, copies = around_z(v, config["azimuths"], axes), config["azimuths"]
        weight, density = (np.repeat(each, copies, axis=0) for each in (weight, density))
    return Distribution(velocity, weight, density, energy, parts=copies)


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


def densities(config, v, flavors: int = 2) -> np.ndarray:
    """Densities per dv of neutrinos and antineutrinos of each flavor at v, (2, flavors, *v.shape), of an angular section [modes].

    Gaussian: every flavor has its own width. Polynomials and tables have nu_e and anti-nu_e alone. Where they say nothing of
    antineutrinos, only G is known: its positive part is taken for neutrinos and its negative part for antineutrinos.
    """
    v = np.asarray(v, dtype=float)
    if config["distribution"] in BY_SPECIES:
        from . import on_sphere

        numbers = on_sphere.densities({**config, "exact": False}, on_sphere.along_z(v.ravel(), np.ones(v.size)))
        return on_sphere.by_flavor(numbers / 2, flavors).reshape(2, flavors, *v.shape)
    found = np.zeros((2, flavors, *v.shape))
    if config["distribution"] == "gaussian":
        found[:, 0] = g(v, config["sigma"]), config["alpha"] * g(v, config["sigma_bar"])
        for flavor in range(1, flavors):
            for species, (number, width) in enumerate(_heavy(config, flavor)):
                if number:
                    found[species, flavor] = number * g(v, width)
        return found
    if config["distribution"] == "polynomial":
        first, second = (
            None if config.get(name) is None else np.polynomial.polynomial.polyval(v, config[name])
            for name in ("coefficients", "coefficients_bar")
        )
    else:
        first, second = (
            None if config.get(name) is None else np.interp(v, config["v"], config[name]) for name in ("G", "G_bar")
        )
    found[:, 0] = (np.maximum(first, 0), np.maximum(-first, 0)) if second is None else (first, second)
    return found


def _heavy(config, flavor):
    """(density per nu_e, width) of a flavor other than nu_e, for neutrinos and for antineutrinos."""

    def of(name, other):
        value = config.get(name)
        value = other if value is None else value
        return value[flavor - 1] if isinstance(value, list) else value

    number, width = of("alpha_x", 0.0), of("sigma_x", config["sigma"])
    return (number, width), (of("alpha_x_bar", number), of("sigma_x_bar", width))


def crossings(config) -> list[float]:
    """Velocities -1 < v < 1, ascending, at which G(v) of an angular section [modes] changes sign.

    G is the lepton number of nu_e minus that of nu_x, which is zero where only nu_e are there. Without a crossing nothing grows
    at any k. Crossings closer together than 5e-4 may be missed.
    """

    def G(v):
        (e, x), (e_bar, x_bar) = densities(config, v)
        return (e - e_bar) - (x - x_bar)

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

"""Kinds product, lebedev and directions of [modes]: gases on directions of the sphere, with whole velocities in any box; and
distributions by species, which kind angular takes as well.

Species stand in one order, nu_e, anti-nu_e, and then nu_x, anti-nu_x, or nu_mu, anti-nu_mu, nu_tau, anti-nu_tau. A list of two has
no others; one of three has the same nu_x for each heavy flavor and for its antineutrinos.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from . import closure, spectra, sphere
from .distribution import Distribution, in_bins
from .modes import PLACES
from .sphere import Directions

SPECIES = {
    2: ("nu_e", "anti-nu_e"),
    3: ("nu_e", "anti-nu_e", "nu_x"),
    4: ("nu_e", "anti-nu_e", "nu_x", "anti-nu_x"),
    6: ("nu_e", "anti-nu_e", "nu_mu", "anti-nu_mu", "nu_tau", "anti-nu_tau"),
}
_FINE = 400  # points in v of integrals that are taken as exact
_MOST = 2048  # directions that are tried for a remedy


def distribution(config, axes: int, flavors: int) -> Distribution:
    """The gas of a resolved section; InputError where the directions miss its moments by more than `tolerance`."""
    directions = directions_of(config)
    density, energy = binned(config, directions, flavors)
    return Distribution(directions.xyz[:, PLACES[axes]], directions.weight, density, energy, directions.xyz)


def binned(config, directions: Directions, flavors: int):
    """Densities (directions, 2, energies, flavors) with the weights in them, and the energies, or None. InputError as above."""
    check(config, directions)
    each = densities(config, directions) * directions.weight
    density = np.moveaxis(by_flavor(each, flavors), -1, 0)
    if config.get("spectrum") is None:
        return in_bins(density, config, flavors), config.get("energy")
    energy, shares = bins(config, len(each))
    return density[:, :, None, :] * by_flavor(shares, flavors).swapaxes(1, 2), energy


def along_z(v, weight) -> Directions:
    """Means over the azimuths of directions with components v along z; weight: of a quadrature over -1 <= v <= 1."""
    return Directions(np.stack([0 * v, 0 * v, v], axis=1), weight / 2)


def by_flavor(values, flavors: int) -> np.ndarray:
    """Values of species (species, ...) as (2, flavors, ...): neutrinos, antineutrinos; 0 for flavors that are not listed."""
    values = np.asarray(values, dtype=float)
    found = np.zeros((2, flavors, *values.shape[1:]))
    found[:, 0] = values[:2]
    for flavor in range(1, flavors):
        if len(values) > 2:
            found[:, flavor] = values[2 * flavor : 2 * flavor + 2] if len(values) == 6 else values[[2, -1]]
    return found


def directions_of(config) -> Directions:
    """The directions of a resolved section."""
    if config["kind"] == "product":
        return sphere.product(config["polar"], config["azimuthal"])
    if config["kind"] == "lebedev":
        return sphere.lebedev(config["degree"])
    return sphere.listed(config["direction"], config["weight"])


# ---- distributions: densities at directions, per mean over the sphere


def densities(config, directions: Directions) -> np.ndarray:
    """(species, directions): their mean over the sphere is the density of each species [n]."""
    shapes = _on_grid if config["distribution"] == "moments" and config["exact"] else shapes_at
    return np.array(_numbers(config))[:, None] * shapes(config, directions)


def _on_grid(config, directions):
    """Shapes of kind moments whose sums over the directions are exact."""
    found, names = [], SPECIES[len(config["densities"])]
    for name, flux in zip(names, _fluxes(config)):
        shape = closure.on_directions(directions.xyz, directions.weight, flux)
        if shape is None:
            raise InputError(
                f"modes.fluxes: no distribution on these {len(directions)} directions has the flux of {name}, "
                f"{np.linalg.norm(flux):.6g} of its density: take more directions."
            )
        found.append(shape)
    return np.array(found)


def shapes_at(config, directions: Directions) -> np.ndarray:
    """(species, directions): f(v) over its density, whose mean over the sphere is 1."""
    xyz, kind = directions.xyz, config["distribution"]
    if kind == "moments":
        return np.array([closure.minerbo(xyz, flux) for flux in _fluxes(config)])
    if kind == "isotropic":
        return np.ones((len(config["densities"]), len(xyz)))
    return _axial(config, np.clip(xyz @ _axis(config), -1, 1))


def _axial(config, v):
    """The same for what depends on v alone, the component along `axis`."""
    if config["distribution"] == "gaussian":
        from .angular import g

        return np.array([2 * g(v, width) for width in config["widths"]])
    values = np.array([np.polynomial.polynomial.polyval(v, powers) for powers in config["powers"]])
    return values / (np.array(_numbers(config))[:, None] + (np.array(_numbers(config))[:, None] == 0))


def _axis(config):
    axis = np.array(config["axis"], dtype=float)
    return axis / np.linalg.norm(axis)


def _numbers(config) -> list[float]:
    """Density of each species."""
    if config["distribution"] != "polynomial":
        return config["densities"]
    return [sum(g / (n + 1) for n, g in enumerate(powers) if n % 2 == 0) for powers in config["powers"]]


def _fluxes(config) -> np.ndarray:
    """Flux over density of each species, (species, 3); 0 where there are none."""
    n = np.array(config["densities"])[:, None]
    return np.array(config["fluxes"], dtype=float) / np.where(n > 0, n, 1)


def flux_factors(config) -> np.ndarray:
    """Flux over density of each species as the distribution has it, (species, 3)."""
    if config["distribution"] == "moments":
        return _fluxes(config)
    if config["distribution"] == "isotropic":
        return np.zeros((len(config["densities"]), 3))
    v, weight = np.polynomial.legendre.leggauss(_FINE)
    return np.outer(_axial(config, v) @ (weight * v) / 2, _axis(config))


# ---- whether the directions will do


def check(config, directions: Directions) -> None:
    """InputError if the directions miss a density or a flux by more than `tolerance`, or if a density is negative."""
    shapes = shapes_at(config, directions)
    names, numbers = SPECIES[len(shapes)], _numbers(config)
    negative = np.argwhere(shapes * np.sign(numbers)[:, None] < -1e-12 * np.abs(shapes).max(axis=1, keepdims=True))
    if min(numbers) < 0 or negative.size:
        which = int(np.argmin(numbers)) if min(numbers) < 0 else int(negative[0, 0])
        raise InputError(f"modes.powers gives {names[which]} a negative density in some directions: all must be 0 or more.")
    missed = misses(config, directions, shapes)
    worst = np.unravel_index(np.argmax(missed), missed.shape)
    if missed[worst] <= config["tolerance"]:
        return
    raise InputError(
        f"modes: the {len(directions)} directions miss the {('density', 'flux')[worst[1]]} of {names[worst[0]]} by "
        f"{100 * missed[worst]:.3g} % of its density, and modes.tolerance = {config['tolerance']:g} allows "
        f"{100 * config['tolerance']:.3g} %: {_remedy(config)}."
    )


def misses(config, directions: Directions, shapes=None) -> np.ndarray:
    """(species, 2): by how much the sums over the directions miss density and flux, in parts of the density."""
    shapes = shapes_at(config, directions) if shapes is None else shapes
    off = (shapes * directions.weight) @ directions.xyz - flux_factors(config)
    found = np.stack([np.abs(shapes @ directions.weight - 1), np.linalg.norm(off, axis=1)], axis=1)
    return np.where(np.array(_numbers(config))[:, None] > 0, found, 0.0)


def _remedy(config) -> str:
    """What to write in place of the directions."""

    def fits(directions):
        return misses(config, directions).max() <= config["tolerance"]

    if config["kind"] == "angular":
        for number in range(config["number"] + 1, 129):
            if fits(along_z(*np.polynomial.legendre.leggauss(number))):
                return f'quadrature = "gauss-legendre" with number = {number} will do'
    if config["kind"] == "lebedev":
        for degree in sphere.lebedev_degrees():
            if degree > config["degree"] and fits(sphere.lebedev(degree)):
                return f"degree = {degree} has {sphere.lebedev_count(degree)} that will do"
    if config["kind"] == "directions" and misses(config | {"distribution": "isotropic", "densities": [1.0, 1.0]},
                                                 directions_of(config)).max() > config["tolerance"]:  # fmt: skip
        return "their weighted sum is not 0, as it is for directions that stand for the whole sphere"
    for polar in range(2, 46 if config["kind"] != "angular" else 0):
        if 2 * polar**2 <= _MOST and fits(sphere.product(polar, 2 * polar)):
            return f'kind = "product" with polar = {polar} and azimuthal = {2 * polar} will do'
    return "the distribution is narrower than directions can tell; give its neutrinos as beams"


# ---- energies


def bins(config, species: int) -> tuple[np.ndarray, np.ndarray]:
    """Energies (bins,) and the shares of each species in them (species, bins), whose sums are 1.

    InputError where the bins miss the area or the mean of a spectrum by more than `tolerance`.
    """
    means, kind = config["mean_energies"], config["spectrum"]
    pinching = config["pinching"] if config["pinching"] is not None else [2.0] * species
    if config["edges"] is not None:
        energy, parts = spectra.between(kind, config["edges"], means, pinching)
        remedy = "let modes.edges reach further, or take more of them"
    else:
        energy, parts = spectra.by_quadrature(kind, config["bins"], means, pinching)
        remedy = "take more modes.bins"
    area = parts.sum(axis=1)
    mean = parts @ energy / np.maximum(area, 1e-300) / np.array(means)
    off = np.maximum(abs(area - 1), abs(mean - 1))
    worst = int(np.argmax(off))
    if off[worst] > config["tolerance"]:
        what = "number" if abs(area[worst] - 1) >= abs(mean[worst] - 1) else "mean energy"
        raise InputError(
            f"modes: the {len(energy)} energy bins miss the {what} of {SPECIES[species][worst]} by {100 * off[worst]:.3g} %, and "
            f"modes.tolerance = {config['tolerance']:g} allows {100 * config['tolerance']:.3g} %: {remedy}."
        )
    return energy, parts / area[:, None]

"""What is said of crossings before a run: for `check` and `linear`."""

import numpy as np

from ..physics import angular, crossings, initial, on_sphere, sphere, terms
from ..physics import modes as gas_modes
from ..physics.crossings import Crossing
from ..physics.distribution import Distribution

FINE, FINE_SPHERE = 4000, (40, 80)  # directions by which a distribution is known
LEAST_DEPTH = 1e-6  # of a crossing that is told although the modes have none


def lines(config, modes, width: int = 16, pair: int | None = None) -> list[str]:
    """Lines about the lepton numbers of a resolved config: of each pair of flavors, or of one, an index.

    modes: those of the config; width: of the column of names. None where the modes are not all of the start: one of a file, or one
    of level "full" that has no sharp directions.
    """
    if config.initial.kind == "file" or config.equations.level == "full" and config.full.distribution != "gaussian":
        return []
    found, name = crossings.of(modes, content(config, modes)), f"  {'crossing':<{width - 2}}"
    fine = _of_distribution(config, modes.flavors) or found
    chosen, text = range(len(found)) if pair is None else [pair], []
    for one, whole in zip([found[i] for i in chosen], [fine[i] for i in chosen]):
        text.append(f"{name}{sentence(whole if one.there and whole.there else one, modes.is_grid)}")
        if whole.depth > LEAST_DEPTH and not one.there:
            text.append(f"{name}{_named(one)}: the distribution has one of depth {whole.depth:.3g}: take more directions")
    if not all(one.there for one in found) and any(term.separates for term in terms.chosen(config)):
        text.append(f"{name}slow instabilities, of masses, need none")
    return text


def _of_distribution(config, flavors):
    """The crossings of the distribution itself, with very many directions; None where there is none but the modes."""
    section = config.modes
    if section.kind == "angular" and config.initial.zeta is None:
        v, weight = angular.quadrature("midpoint", FINE)
        density = np.moveaxis(weight * angular.densities(section, v, flavors), -1, 0)[:, :, None, :]
        return _crossings_of(Distribution(v[:, None], weight, density))
    if section.kind in ("product", "lebedev", "directions") and config.initial.zeta is None:
        directions = sphere.product(*FINE_SPHERE)
        numbers = on_sphere.densities({**section, "exact": False}, directions) * directions.weight
        density = np.moveaxis(on_sphere.by_flavor(numbers, flavors), -1, 0)[:, :, None, :]
        return _crossings_of(Distribution(directions.xyz[:, [2]], directions.weight, density, xyz=directions.xyz))
    return None


def _crossings_of(gas):
    directions = gas_modes.apart(gas)
    return crossings.of(directions, directions.content)


def content(config, modes) -> np.ndarray:
    """Densities of the flavors of each mode at the start, (modes, flavors), of a resolved config whose start is no file."""
    zeta, listed = initial.background(config, modes), modes.content
    if listed is not None and config.initial.zeta is None:
        return listed
    found = np.zeros((len(modes), modes.flavors)) if listed is None else listed.copy()
    n = (np.abs(zeta) if modes.n is None else modes.n) if listed is None else listed[:, 0] + listed[:, 1]
    found[:, 0], found[:, 1] = (n + zeta) / 2, (n - zeta) / 2
    return found


def _named(crossing):
    """A pair as it is written: "ex", "e mu"."""
    return "".join(crossing.pair) if len("".join(crossing.pair)) == 2 else " ".join(crossing.pair)


def sentence(crossing: Crossing, of_grid: bool = True) -> str:
    """A crossing in words."""
    pair = _named(crossing)
    if not crossing.plus + crossing.minus:
        return f"{pair}: no lepton number, nothing fast grows"
    if not crossing.there:
        return f"{pair}: none, all lepton number is {'positive' if crossing.plus else 'negative'}: nothing fast grows"
    if crossing.zeros is not None:
        zeros = ", ".join(f"{v:.4g}" for v in crossing.zeros)
        where = f"at v = {zeros}" if of_grid else f"between beams, at v about {zeros}"
    else:
        center = ", ".join(f"{v:+.2f}" for v in crossing.center)
        of = "the sphere" if of_grid else "the directions"
        where = f"{'G < 0' if crossing.minus <= crossing.plus else 'G > 0'} on {100 * crossing.part:.3g} % of {of} around ({center})"
    return (
        f"{pair}: {where}, depth {crossing.depth:.3g} (smaller part of all lepton number): fast instability expected, "
        f"of the order of {crossing.rate:.3g} mu"
    )

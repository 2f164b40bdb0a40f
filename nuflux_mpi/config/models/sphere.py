"""[modes] on the sphere: kinds product, lebedev and directions, and the distributions on them.

Each kind of directions goes with each distribution: the classes at the end have the keys of both.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from ...physics.lebedev import GENERATORS
from ...storage.section import Key, Rows
from ..sentences import length_problem
from ..toml import toml_value
from .modes import DISTRIBUTION, KIND, MOST_DIRECTIONS, Angular, Gas

_ORDER = "nu_e, anti-nu_e[, nu_x[, anti-nu_x]], or all six with nu_mu and nu_tau"
UNIT = 1e-8  # by which the length of a direction may differ from 1


class OnSphere(Gas):
    """What kinds on the sphere have in common."""

    tolerance: Annotated[
        float,
        Key("part of its density by which directions may miss number and flux of a species, bins its spectrum", gt=0, lt=1),
    ] = 0.01
    spectrum: Annotated[
        Literal["fermi-dirac", "pinched"] | None, Key("spectra of the species, in place of energy", unset="energy, or none")
    ] = None
    mean_energies: Annotated[
        list[float] | None, Key("mean energy of each species", quantity="energy", gt=0, unset="needed with spectrum")
    ] = None
    pinching: Annotated[
        list[float] | None, Key("a of the spectrum E^a exp(-(a + 1) E/<E>) of each species", gt=0, unset="2, Maxwell-Boltzmann")
    ] = None
    bins: Annotated[int | None, Key("energies of a Gauss-Laguerre quadrature", ge=1, le=64, unset="needed without edges")] = (
        None
    )
    edges: Annotated[
        list[float] | None, Key("ascending edges of energy bins", quantity="energy", ge=0, unset="a quadrature with bins")
    ] = None

    @property
    def species_count(self) -> int:
        """How many species the lists have."""
        return len(self.powers if self.distribution == "polynomial" else self.densities)

    def count_in(self, config: Any) -> int:
        """Number of modes; that of directions where the section makes no sense."""
        return self.count if next(self.wrong(config), None) else super().count_in(config)

    def problems(self, config: Any) -> Iterator[str]:
        found = list(self.wrong(config))
        yield from found or super().problems(config)

    def wrong(self, config: Any) -> Iterator[str]:
        flavors, name = config.flavor.number, "powers" if self.distribution == "polynomial" else "densities"
        if self.species_count not in (allowed := (2, 3, 4, 6)[: 2 + flavors - 1 + (flavors == 3)]):
            yield (
                f"modes.{name} must have {', '.join(map(str, allowed[:-1]))} or {allowed[-1]} items, {_ORDER} "
                f"(flavor.number = {flavors}), not {self.species_count}."
            )
            return
        for other in ("fluxes", "widths", "mean_energies", "pinching"):
            yield from length_problem(f"modes.{other}", self.get(other), self.species_count, f"as many as modes.{name}")
        if name == "densities" and not any(self.densities):
            yield "modes.densities must not all be 0."
        yield from self._spectral()

    def _spectral(self) -> Iterator[str]:
        given = [name for name in ("mean_energies", "pinching", "bins", "edges") if self[name] is not None]
        if self.spectrum is None:
            if given:
                yield f"modes.{given[0]} belongs to a spectrum: give modes.spectrum as well."
            return
        if self.energy is not None:
            yield "modes.spectrum and modes.energy exclude each other: the bins are either computed or listed."
        if self.mean_energies is None:
            yield f"modes.mean_energies is missing: modes.spectrum needs the mean energy of each species, {_ORDER}."
        if (self.bins is None) == (self.edges is None):
            yield "modes.spectrum needs either modes.bins, how many energies, or modes.edges, the edges of the bins."
        if self.edges is not None and (len(self.edges) < 2 or any(b <= a for a, b in zip(self.edges, self.edges[1:]))):
            yield "modes.edges must be at least two energies in ascending order."
        if self.pinching is not None and self.spectrum == "fermi-dirac":
            yield 'modes.pinching is for modes.spectrum = "pinched".'


class Product(OnSphere):
    kind: Annotated[Literal["product"], KIND] = "product"
    polar: Annotated[int, Key("Gauss-Legendre points in v_z", ge=1, le=MOST_DIRECTIONS)]
    azimuthal: Annotated[int, Key("equally spaced azimuths around z for each of these", ge=1, le=MOST_DIRECTIONS)]

    @property
    def count(self) -> int:
        """Number of directions."""
        return self.polar * self.azimuthal

    def wrong(self, config: Any) -> Iterator[str]:
        if self.count > MOST_DIRECTIONS:
            yield f"modes.polar times modes.azimuthal must be at most {MOST_DIRECTIONS} directions, not {self.count}."
            return
        yield from super().wrong(config)


class Lebedev(OnSphere):
    kind: Annotated[Literal["lebedev"], KIND] = "lebedev"
    degree: Annotated[int, Key("degree to which means over the sphere are exact", choices=tuple(GENERATORS))] = 11

    @property
    def count(self) -> int:
        """Number of directions."""
        from ...physics.sphere import lebedev_count

        return lebedev_count(self.degree)


class Listed(OnSphere):
    kind: Annotated[Literal["directions"], KIND] = "directions"
    direction: Annotated[Rows, Key("unit vectors, [v_x, v_y, v_z] each", ge=-1, le=1)]
    weight: Annotated[list[float] | None, Key("solid angle of each, over their sum", gt=0, unset="all the same")] = None

    @property
    def count(self) -> int:
        """Number of directions."""
        return len(self.direction)

    def wrong(self, config: Any) -> Iterator[str]:
        for i, v in enumerate(self.direction):
            if len(v) != 3 or abs(math.hypot(*v) - 1) > UNIT:
                length = f" with length {math.hypot(*v):.10g}" if len(v) == 3 else ""
                yield f"modes.direction[{i}] must be a unit vector, three numbers, not {toml_value(v)}{length}."
                return
        if len({tuple(v) for v in self.direction}) < self.count:
            yield "modes.direction must have no direction twice."
        yield from length_problem("modes.weight", self.weight, self.count, "one per direction")
        yield from super().wrong(config)


class Isotropic(OnSphere):
    distribution: Annotated[Literal["isotropic"], DISTRIBUTION] = "isotropic"
    densities: Annotated[list[float], Key(f"density of each species, {_ORDER}", quantity="density", ge=0)]


class Gaussian(OnSphere):
    distribution: Annotated[Literal["gaussian"], DISTRIBUTION] = "gaussian"
    densities: Annotated[list[float], Key(f"density of each species, {_ORDER}", quantity="density", ge=0)]
    widths: Annotated[list[float], Key("sigma of g(v; sigma) ~ exp(-(v-1)^2 / 2 sigma^2) of each species", gt=0)]
    axis: Annotated[list[float], Key("direction along which v is counted: a vector of any length")] = [0.0, 0.0, 1.0]

    def wrong(self, config: Any) -> Iterator[str]:
        yield from _axis_problem(self.axis)
        yield from super().wrong(config)


class Polynomial(OnSphere):
    distribution: Annotated[Literal["polynomial"], DISTRIBUTION] = "polynomial"
    powers: Annotated[
        Rows,
        Key(
            f"of each species, {_ORDER}: g_0, g_1, ... of f(v) = sum_n g_n v^n, whose mean over the sphere is the density",
            quantity="density",
        ),
    ]
    axis: Annotated[list[float], Key("direction along which v is counted: a vector of any length")] = [0.0, 0.0, 1.0]

    def wrong(self, config: Any) -> Iterator[str]:
        yield from _axis_problem(self.axis)
        if not any(map(any, self.powers)):
            yield "modes.powers must not all be 0."
        yield from super().wrong(config)


class Moments(OnSphere):
    distribution: Annotated[Literal["moments"], DISTRIBUTION] = "moments"
    densities: Annotated[list[float], Key(f"density of each species, {_ORDER}", quantity="density", ge=0)]
    fluxes: Annotated[
        Rows, Key("flux vector of each species, [f_x, f_y, f_z], |f| < density; f(v) ~ exp(Z.v)", quantity="density")
    ]
    exact: Annotated[
        bool, Key("whether Z and norm are solved on the directions, so that sums are density and flux to rounding")
    ] = True

    def wrong(self, config: Any) -> Iterator[str]:
        found = list(super().wrong(config))
        yield from found or self._fluxes()

    def _fluxes(self) -> Iterator[str]:
        from ...physics.on_sphere import SPECIES

        for i, (name, density, flux) in enumerate(zip(SPECIES[self.species_count], self.densities, self.fluxes)):
            if len(flux) != 3:
                yield f"modes.fluxes[{i}] must be a vector of three components, the flux of {name}, not {toml_value(flux)}."
                continue
            size = math.hypot(*flux)
            if size >= density and size > 0:
                beam = ": neutrinos of one direction are a beam" if density and size == density else ""
                yield (
                    f"modes.fluxes[{i}]: the flux of {name} must be smaller than its density, |f| = {size:.6g} and n = "
                    f"{density:.6g}{beam}."
                )


def _axis_problem(axis) -> Iterator[str]:
    if len(axis) != 3 or not any(axis):
        yield f"modes.axis must be a vector of three components that is not 0, not {toml_value(axis)}."


class AngularIsotropic(Angular, Isotropic):
    kind: Annotated[Literal["angular"], KIND] = "angular"


class AngularMoments(Angular, Moments):
    kind: Annotated[Literal["angular"], KIND] = "angular"

    def _fluxes(self) -> Iterator[str]:
        across = [i for i, flux in enumerate(self.fluxes) if len(flux) == 3 and any(flux[:2])]
        if across:
            yield (
                f"modes.fluxes[{across[0]}] must be along z, [0, 0, f], where directions are the same all around z; kind product "
                "or lebedev takes any flux."
            )
        yield from super()._fluxes()


class ProductIsotropic(Product, Isotropic): ...


class ProductGaussian(Product, Gaussian): ...


class ProductPolynomial(Product, Polynomial): ...


class ProductMoments(Product, Moments): ...


class LebedevIsotropic(Lebedev, Isotropic): ...


class LebedevGaussian(Lebedev, Gaussian): ...


class LebedevPolynomial(Lebedev, Polynomial): ...


class LebedevMoments(Lebedev, Moments): ...


class ListedIsotropic(Listed, Isotropic): ...


class ListedGaussian(Listed, Gaussian): ...


class ListedPolynomial(Listed, Polynomial): ...


class ListedMoments(Listed, Moments): ...


ModesOnSphere = (
    AngularIsotropic
    | AngularMoments
    | ProductIsotropic
    | ProductGaussian
    | ProductPolynomial
    | ProductMoments
    | LebedevIsotropic
    | LebedevGaussian
    | LebedevPolynomial
    | LebedevMoments
    | ListedIsotropic
    | ListedGaussian
    | ListedPolynomial
    | ListedMoments
)

"""[modes]: the directions in which neutrinos move, as a list or as a quadrature over a distribution."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from ...storage.section import Contents, Key, PerMode, Section, Vectors, per_axis
from ..sentences import length_problem
from ..toml import toml_value

MOST_DIRECTIONS = 2048
AZIMUTHS = 8  # around the z axis, where the config does not say
ROUNDING = 1e-12  # by which a unit vector may be too long
ROUNDED = 1e-8  # of a density, by which the sum over flavors may differ from it: numbers written with a few digits

_KIND = Key("beams: a list of directions; angular: a quadrature over directions")
_DISTRIBUTION = Key("lepton number G(v): neutrinos minus antineutrinos")


class Beams(Section):
    kind: Annotated[Literal["beams"], _KIND] = "beams"
    velocity: Annotated[
        Vectors,
        Key(
            "v_a: velocity of each mode along z; or vectors: [v_x, v_z] in two dimensions, [v_x, v_y, v_z] in any box",
            ge=-1,
            le=1,
        ),
    ] = [1.0, -1.0]
    sign: Annotated[PerMode[int], Key("s_a: 1 for neutrinos, -1 for antineutrinos", choices=(1, -1))] = 1
    energy: Annotated[
        PerMode[float] | None, Key("p_a: momentum of each mode", quantity="energy", gt=0, unset="none: nothing depends on it")
    ] = None
    density: Annotated[
        PerMode[float] | None,
        Key("n_a = Tr N_a: density of each mode", quantity="density", gt=0, unset="sum of content, or mean |P_a| of the start"),
    ] = None
    content: Annotated[
        Contents | None,
        Key(
            "n_a^alpha: densities of nu_e, nu_x (or nu_mu, nu_tau) of each mode",
            quantity="density",
            ge=0,
            unset="as initial says, or nu_e",
        ),
    ] = None

    @property
    def count(self) -> int:
        """Number of modes."""
        return len(self.velocity)

    def completed(self, config: Any) -> Self:
        lists = {
            name: [self[name]] * self.count for name in ("sign", "energy", "density") if isinstance(self[name], (int, float))
        }
        content = self.content
        if content is not None:
            if not isinstance(content[0], list):
                lists["content"] = content = [content] * self.count
            if self.density is None and len(content) == self.count:
                lists["density"] = [math.fsum(each) for each in content]
        return self.replace(**lists)

    def problems(self, config: Any) -> Iterator[str]:
        axes = config.box.dimensions
        for a, v in enumerate(self.velocity):
            if len(per_axis(v)) not in (axes, 3):
                box = f"a box of {axes} dimension{'s' * (axes > 1)} (box.points)"
                usual = "one number" if axes == 1 else f"a list of {axes} numbers"
                whole = (
                    ", or of 3, the whole vector," if axes == 2 else ", or a list of 3, the whole vector," if axes == 1 else ""
                )
                yield f"modes.velocity[{a}] must be {usual}{whole} in {box}, not {toml_value(v)}."
                return  # what is wrong with one of them is mostly wrong with all
            if isinstance(v, list) and math.hypot(*v) > 1 + ROUNDING:
                yield (
                    f"modes.velocity[{a}] must not be longer than 1, the speed of light, not {toml_value(v)} with "
                    f"length {math.hypot(*v):.8g}."
                )
        if len({len(per_axis(v)) for v in self.velocity}) > 1:
            yield f"modes.velocity must be vectors of one length, all with {axes} components or all with 3."
        for name in ("sign", "energy", "density", "content"):
            yield from length_problem(f"modes.{name}", self[name], self.count)
        yield from self._contents(config.flavor.number)

    def _contents(self, flavors: int) -> Iterator[str]:
        """What is wrong with the densities of the flavors."""
        for a, each in enumerate(self.content or []):
            name = f"modes.content[{a}]"
            if len(each) != flavors:
                which = "nu_e and nu_x" if flavors == 2 else "nu_e, nu_mu and nu_tau"
                yield (
                    f"{name} must have {flavors} numbers, the densities of {which} (flavor.number = {flavors}), not "
                    f"{toml_value(each)}."
                )
                return
            total, density = math.fsum(each), self.density
            if total == 0:
                yield f"{name} must not be empty: leave out a mode without neutrinos."
            elif density and a < len(density) and abs(total - density[a]) > ROUNDED * density[a]:
                yield (
                    f"{name} = {toml_value(each)} adds up to {total:.8g}, and modes.density[{a}] is {density[a]:.8g}: "
                    "leave modes.density out, or make them equal."
                )


class Angular(Section):
    """A quadrature over directions; its subclasses are the distributions."""

    number: Annotated[int, Key("number of directions", ge=2, le=MOST_DIRECTIONS)]
    azimuths: Annotated[
        int | None,
        Key(
            "directions around z for each of these, in two or three dimensions only",
            ge=1,
            le=MOST_DIRECTIONS,
            unset=f"{AZIMUTHS} there",
        ),
    ] = None
    quadrature: Annotated[Literal["gauss-legendre", "midpoint"], Key("points and weights on -1 <= v <= 1")] = "gauss-legendre"

    @property
    def count(self) -> int:
        """Number of modes."""
        return self.number * (self.azimuths or 1)

    def completed(self, config: Any) -> Self:
        return self.replace(azimuths=AZIMUTHS) if config.box.dimensions > 1 and self.azimuths is None else self

    def problems(self, config: Any) -> Iterator[str]:
        if config.box.dimensions == 1 and self.azimuths is not None:
            yield "modes.azimuths is for boxes of two and three dimensions, and box.points has one: leave it out."


class AngularGaussian(Angular):
    kind: Annotated[Literal["angular"], _KIND] = "angular"
    distribution: Annotated[Literal["gaussian"], _DISTRIBUTION] = "gaussian"
    alpha: Annotated[float, Key("antineutrinos per neutrino in G = g(v; sigma) - alpha g(v; sigma_bar)", ge=0)]
    sigma: Annotated[float, Key("width of g(v; sigma) ~ exp(-(v-1)^2 / 2 sigma^2), neutrinos", gt=0)] = 0.6
    sigma_bar: Annotated[float, Key("the same for antineutrinos", gt=0)] = 0.53


class AngularPolynomial(Angular):
    kind: Annotated[Literal["angular"], _KIND] = "angular"
    distribution: Annotated[Literal["polynomial"], _DISTRIBUTION] = "polynomial"
    coefficients: Annotated[list[float], Key("g_0, g_1, ... of G(v) = sum_n g_n v^n", quantity="density")]

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        if not any(self.coefficients):
            yield "modes.coefficients must not all be 0."


class AngularTable(Angular):
    kind: Annotated[Literal["angular"], _KIND] = "angular"
    distribution: Annotated[Literal["table"], _DISTRIBUTION] = "table"
    v: Annotated[
        list[float], Key("ascending velocities of the table, G is linear between them and constant beyond", ge=-1, le=1)
    ]
    G: Annotated[list[float], Key("G(v) at the velocities of the table", quantity="density")]
    path: Annotated[
        str | None,
        Key(
            "file that has v and G in their place: text of two columns, or HDF5; relative to the config",
            unset="v and G are in the config",
        ),
    ] = None

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        yield from length_problem("modes.G", self.G, len(self.v), "as many as modes.v")
        if len(self.v) < 2 or any(b <= a for a, b in zip(self.v, self.v[1:])):
            yield "modes.v must be at least two velocities in ascending order."


Modes = Beams | AngularGaussian | AngularPolynomial | AngularTable

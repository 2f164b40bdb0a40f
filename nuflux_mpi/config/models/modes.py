"""[modes]: the directions in which neutrinos move, as a list or as a quadrature over a distribution."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from ...storage.section import Key, Section, Vectors
from ..sentences import length_problem
from ..toml import toml_value

MOST_DIRECTIONS = 2048
AZIMUTHS = 8  # around the z axis, where the config does not say
ROUNDING = 1e-12  # by which a unit vector may be too long

_KIND = Key("beams: a list of directions; angular: a quadrature over directions")
_DISTRIBUTION = Key("lepton number G(v): neutrinos minus antineutrinos")


class Beams(Section):
    kind: Annotated[Literal["beams"], _KIND] = "beams"
    velocity: Annotated[
        Vectors,
        Key(
            "v_a: velocity of each mode along the box; in more dimensions vectors [v_x, v_z] or [v_x, v_y, v_z] with abs(v) <= 1",
            ge=-1,
            le=1,
        ),
    ] = [1.0, -1.0]
    sign: Annotated[
        list[Literal[1, -1]] | None, Key("s_a: 1 for neutrinos, -1 for antineutrinos", unset="1 for every mode")
    ] = None
    density: Annotated[
        list[float] | None, Key("n_a = Tr N_a of each mode", quantity="density", gt=0, unset="mean |P_a| of the initial state")
    ] = None

    @property
    def count(self) -> int:
        """Number of modes."""
        return len(self.velocity)

    def completed(self, config: Any) -> Self:
        return self.replace(sign=[1] * self.count) if self.sign is None else self

    def problems(self, config: Any) -> Iterator[str]:
        if config.box.dimensions > 1:
            for a, v in enumerate(self.velocity):
                if isinstance(v, list) and math.hypot(*v) > 1 + ROUNDING:
                    yield (
                        f"modes.velocity[{a}] must not be longer than 1, the speed of light, not {toml_value(v)} with "
                        f"length {math.hypot(*v):.8g}."
                    )
        yield from length_problem("modes.sign", self.sign, self.count)
        yield from length_problem("modes.density", self.density, self.count)


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

"""[modes]: the directions in which neutrinos move, as a list or as a quadrature over a distribution."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from ...errors import InputError
from ...storage.section import Contents, Key, PerAxis, PerMode, Section, Vectors, per_axis
from ..sentences import length_problem
from ..toml import toml_value

MOST_DIRECTIONS = 2048
AZIMUTHS = 8  # around the z axis, where the config does not say
ROUNDING = 1e-12  # by which a unit vector may be too long
NEGATIVE = 1e-12  # of the largest density, by which rounding may make one negative
ROUNDED = 1e-8  # of a density, by which the sum over flavors may differ from it: numbers written with a few digits

KIND = Key(
    "beams: a list of modes; table: from a file; angular: a quadrature over v; product, lebedev, directions: on the sphere"
)
_ONLY_LEPTON_NUMBER = (
    "modes.{} has the lepton number alone, and {{separating}} needs neutrinos and antineutrinos apart: give modes.{} as well, or "
    'species = "apart" to take its positive part for neutrinos and its negative part for antineutrinos.'
)
PATH = Key(
    "file, text or HDF5, relative to the config: of kind table rows of modes with named columns, of angular v and G in their place",
    unset="v and G are in the config",
)
DISTRIBUTION = Key(
    "gaussian, polynomial, on the sphere isotropic, moments; of angular polynomial and table give lepton number G(v)"
)
Energy = Annotated[
    PerMode[float] | None,
    Key(
        "p_a: momentum of each mode; of a distribution that of each energy bin",
        quantity="energy",
        gt=0,
        unset="none, nothing depends on it",
    ),
]


class Beams(Section):
    kind: Annotated[Literal["beams"], KIND] = "beams"
    velocity: Annotated[
        Vectors,
        Key(
            "v_a: velocity of each mode along z; or vectors: [v_x, v_z] in two dimensions, [v_x, v_y, v_z] in any box",
            ge=-1,
            le=1,
        ),
    ] = [1.0, -1.0]
    sign: Annotated[PerMode[int], Key("s_a: 1 for neutrinos, -1 for antineutrinos", choices=(1, -1))] = 1
    energy: Energy = None
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

    def count_in(self, config: Any) -> int:
        """Number of modes of a config with this section."""
        return self.count

    def completed(self, config: Any) -> Self:
        lists = {
            name: [self[name]] * self.count for name in ("sign", "energy", "density") if isinstance(self[name], (int, float))
        }
        content: Any = self.content
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
        content: Any = self.content or []
        density: Any = self.density
        for a, each in enumerate(content):
            name = f"modes.content[{a}]"
            if len(each) != flavors:
                which = "nu_e and nu_x" if flavors == 2 else "nu_e, nu_mu and nu_tau"
                yield (
                    f"{name} must have {flavors} numbers, the densities of {which} (flavor.number = {flavors}), not "
                    f"{toml_value(each)}."
                )
                return
            total = math.fsum(each)
            if total == 0:
                yield f"{name} must not be empty: leave out a mode without neutrinos."
            elif density and a < len(density) and abs(total - density[a]) > ROUNDED * density[a]:
                yield (
                    f"{name} = {toml_value(each)} adds up to {total:.8g}, and modes.density[{a}] is {density[a]:.8g}: "
                    "leave modes.density out, or make them equal."
                )


class Gas(Section):
    """What all kinds have in common that describe a gas by its directions; `physics/distribution.py` makes the modes."""

    species: Annotated[
        Literal["auto", "merged", "apart"],
        Key("neutrinos and antineutrinos of a direction: merged: one mode for both; apart; auto: merged where nothing is lost"),
    ] = "auto"
    energy: Energy = None
    energy_weight: Annotated[
        list[float] | None, Key("shares of the neutrinos in the energy bins, over their sum", ge=0, unset="equal shares")
    ] = None
    energy_weight_bar: Annotated[list[float] | None, Key("the same of antineutrinos", ge=0, unset="as energy_weight")] = None
    energy_weight_x: Annotated[
        list[float] | None, Key("the same of neutrinos other than nu_e", ge=0, unset="as energy_weight")
    ] = None
    energy_weight_x_bar: Annotated[
        list[float] | None,
        Key("the same of antineutrinos other than anti-nu_e", ge=0, unset="as energy_weight_x or energy_weight_bar"),
    ] = None

    def completed(self, config: Any) -> Self:
        return self.replace(energy=[self.energy]) if isinstance(self.energy, (int, float)) else self

    def problems(self, config: Any) -> Iterator[str]:
        from ...physics import levels

        found = list(self._bins())
        yield from found
        separating = levels.separating(config)
        if separating and self.species == "merged":
            yield (
                f'modes.species must be "apart" or "auto" with {separating}, which tells neutrinos from antineutrinos or energies '
                'of one direction apart: "merged" has them in one mode.'
            )
        elif separating and self.species == "auto" and self.only_lepton_number:
            yield self.only_lepton_number.format(separating=separating)
        elif not found:
            try:
                levels.modes_of(config)
            except InputError as error:
                yield f"{str(error).rstrip('.')}."

    @property
    def count(self) -> int:
        """Number of directions."""
        raise NotImplementedError

    def count_in(self, config: Any) -> int:
        """Number of modes of a config with this section; that of directions while `problems` has something to say of it."""
        from ...physics import levels

        try:
            return len(levels.modes_of(config))
        except (InputError, ValueError, TypeError, LookupError):  # lists of numbers that do not fit each other, too
            return self.count

    @property
    def only_lepton_number(self) -> str:
        """A sentence with {separating} in it, where the section does not say how many antineutrinos there are; else ""."""
        return ""

    def wrong(self, config: Any) -> Iterator[str]:
        """What is wrong with the distribution itself."""
        return iter(())

    def _bins(self) -> Iterator[str]:
        energy: Any = self.energy
        if energy is not None and len(set(energy)) < len(energy):
            yield "modes.energy must have no energy twice."
        for name in (name for name in self.key_names if name.startswith("energy_weight")):
            weights = self[name]
            if weights is None:
                continue
            if energy is None:
                yield f"modes.{name} are shares of the bins of modes.energy, which is missing."
                continue
            yield from length_problem(f"modes.{name}", weights, len(energy), "as many as modes.energy")
            if not any(weights):
                yield f"modes.{name} must not all be 0."


class Angular(Gas):
    """A quadrature over v; its subclasses are the distributions."""

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
        """Number of directions."""
        return self.number * (self.azimuths or 1)

    def completed(self, config: Any) -> Self:
        whole = super().completed(config)
        return whole.replace(azimuths=AZIMUTHS) if config.box.dimensions > 1 and self.azimuths is None else whole

    def problems(self, config: Any) -> Iterator[str]:
        if config.box.dimensions == 1 and self.azimuths is not None:
            yield "modes.azimuths is for boxes of two and three dimensions, and box.points has one: leave it out."
        else:
            wrong = list(self.wrong(config))
            yield from wrong or super().problems(config)


class AngularGaussian(Angular):
    kind: Annotated[Literal["angular"], KIND] = "angular"
    distribution: Annotated[Literal["gaussian"], DISTRIBUTION] = "gaussian"
    alpha: Annotated[float, Key("antineutrinos per neutrino in G = g(v; sigma) - alpha g(v; sigma_bar)", ge=0)]
    sigma: Annotated[float, Key("width of g(v; sigma) ~ exp(-(v-1)^2 / 2 sigma^2), neutrinos", gt=0)] = 0.6
    sigma_bar: Annotated[float, Key("the same for antineutrinos", gt=0)] = 0.53
    alpha_x: Annotated[
        PerAxis[float] | None, Key("nu_x per nu_e; of three flavors nu_mu and nu_tau each", ge=0, unset="none", per="flavor")
    ] = None
    alpha_x_bar: Annotated[PerAxis[float] | None, Key("the same for anti-nu_x", ge=0, unset="as alpha_x", per="flavor")] = None
    sigma_x: Annotated[PerAxis[float] | None, Key("width for nu_x", gt=0, unset="as sigma", per="flavor")] = None
    sigma_x_bar: Annotated[PerAxis[float] | None, Key("the same for anti-nu_x", gt=0, unset="as sigma_x", per="flavor")] = None

    def wrong(self, config: Any) -> Iterator[str]:
        others = config.flavor.number - 1
        for name in ("alpha_x", "alpha_x_bar", "sigma_x", "sigma_x_bar"):
            value = self[name]
            if isinstance(value, list) and len(value) != others:
                allowed = "one number for nu_x" if others == 1 else "one number, or one for nu_mu and one for nu_tau"
                yield f"modes.{name} must be {allowed} (flavor.number = {others + 1}), not {toml_value(value)}."


class AngularPolynomial(Angular):
    kind: Annotated[Literal["angular"], KIND] = "angular"
    distribution: Annotated[Literal["polynomial"], DISTRIBUTION] = "polynomial"
    coefficients: Annotated[list[float], Key("g_0, g_1, ... of G(v) = sum_n g_n v^n", quantity="density")]
    coefficients_bar: Annotated[
        list[float] | None,
        Key(
            "the same for antineutrinos alone; coefficients then for neutrinos",
            quantity="density",
            unset="coefficients are neutrinos minus these",
        ),
    ] = None

    def wrong(self, config: Any) -> Iterator[str]:
        if not any(self.coefficients) and not any(self.coefficients_bar or ()):
            yield "modes.coefficients must not all be 0."
        elif self.coefficients_bar is not None:
            import numpy as np

            v = np.linspace(-1, 1, 2001)
            for name in ("coefficients", "coefficients_bar"):
                density = np.polynomial.polynomial.polyval(v, self[name])
                if np.min(density) < -NEGATIVE * np.max(np.abs(density)):
                    yield (
                        f"modes.{name} must give no negative density, and at v = {v[np.argmin(density)]:.4g} it is "
                        f"{np.min(density):.4g}; without coefficients_bar they would be those of neutrinos minus antineutrinos."
                    )

    @property
    def only_lepton_number(self) -> str:
        return "" if self.coefficients_bar is not None else _ONLY_LEPTON_NUMBER.format("coefficients", "coefficients_bar")


class AngularTable(Angular):
    kind: Annotated[Literal["angular"], KIND] = "angular"
    distribution: Annotated[Literal["table"], DISTRIBUTION] = "table"
    v: Annotated[
        list[float], Key("ascending velocities of the table, G is linear between them and constant beyond", ge=-1, le=1)
    ]
    G: Annotated[list[float], Key("G(v) at the velocities of the table", quantity="density")]
    G_bar: Annotated[
        list[float] | None,
        Key(
            "the same for antineutrinos alone; G then for neutrinos",
            quantity="density",
            unset="G is neutrinos minus antineutrinos",
        ),
    ] = None
    path: Annotated[str | None, PATH] = None

    def wrong(self, config: Any) -> Iterator[str]:
        for name in ("G", "G_bar"):
            yield from length_problem(f"modes.{name}", self[name], len(self.v), "as many as modes.v")
            if self.G_bar is not None and min(self[name]) < 0:
                yield (
                    f"modes.{name} must have no number below 0, not {min(self[name]):g}: with modes.G_bar these are densities of "
                    "neutrinos and of antineutrinos."
                )
        if len(self.v) < 2 or any(b <= a for a, b in zip(self.v, self.v[1:])):
            yield "modes.v must be at least two velocities in ascending order."

    @property
    def only_lepton_number(self) -> str:
        return "" if self.G_bar is not None else _ONLY_LEPTON_NUMBER.format("G", "G_bar")


class Table(Section):
    """Modes from a file; `physics/mode_table.py` makes beams of them before anything is checked."""

    kind: Annotated[Literal["table"], KIND] = "table"
    path: Annotated[str, PATH]

    @property
    def count(self) -> int:
        """Number of modes: it is no section of a resolved config."""
        raise NotImplementedError


Modes = Beams | Table | AngularGaussian | AngularPolynomial | AngularTable

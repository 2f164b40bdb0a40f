"""The program's units in the laboratory's, and quantities with units in the program's.

    from nuflux_mpi import units
    scale = units.Scale.of_density(1e33)                       neutrinos per cm^3
    scale.mu, scale.length, scale.time                         mu in eV, 1/mu in cm and in s
    scale.omega(7.5e-5, 10.0), scale.matter(1e10)              dm^2/2E and lambda, both in mu
    units.quantity("10 MeV", "energy", scale, "modes.energy")  one quantity in code units

The program computes in units of mu = sqrt(2) G_F n, with hbar = c = 1. What one unit is in eV, cm and s depends on the density n
alone. Arguments may be arrays. `python -m nuflux_mpi.units` prints the table of docs/conventions.md. Only `quantity` needs a package,
pint, which is imported when it is first called.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .errors import EnvironmentProblem, InputError

# CODATA 2022. Exact since 2019 but for the last two. Fermi's constant is that of CODATA 2010 to 2022; the Particle Data Group
# has 1.1663788e-5 since 2022, within the error of either, 6e-12.
PLANCK = 6.62607015e-34  # J s
LIGHT = 2.99792458e10  # cm/s
CHARGE = 1.602176634e-19  # C, and J in an eV
AVOGADRO = 6.02214076e23  # baryons, to which matter of 1 g is counted
PROTON = 1.67262192595e-24  # mass [g], by which others divide in place of multiplying by Avogadro's number
FERMI = 1.1663787e-5  # G_F / (hbar c)^3 [GeV^-2]
HBAR_C = PLANCK / (2 * math.pi) * LIGHT / CHARGE  # eV cm, 1.973269804...e-5
FERMI_EV = math.sqrt(2) * FERMI * 1e-18 * HBAR_C**3  # sqrt(2) G_F [eV cm^3]: mu of one neutrino per cm^3


@dataclass(frozen=True)
class Scale:
    """What one unit of the program is: mu [eV], and the density n [1/cm^3]. Arguments of all methods are numbers or arrays."""

    mu: float
    density: float

    @classmethod
    def of_density(cls, n: float) -> Scale:
        """That of a density n [1/cm^3]: mu = sqrt(2) G_F n."""
        return cls(FERMI_EV * n, n)

    @classmethod
    def of_mu(cls, mu: float) -> Scale:
        """That of mu [eV]."""
        return cls(mu, mu / FERMI_EV)

    @property
    def length(self) -> float:
        """1/mu [cm]."""
        return HBAR_C / self.mu

    @property
    def time(self) -> float:
        """1/mu [s]."""
        return HBAR_C / LIGHT / self.mu

    def in_mu(self, energy: Any) -> Any:
        """An energy [MeV] in mu."""
        return energy * 1e6 / self.mu

    def in_n(self, n: Any) -> Any:
        """A density of neutrinos [1/cm^3] in n."""
        return n / self.density

    def in_length(self, x: Any) -> Any:
        """A length [cm] in 1/mu."""
        return x / self.length

    def in_time(self, t: Any) -> Any:
        """A time [s] in 1/mu."""
        return t / self.time

    def omega(self, dm2: Any, energy: Any) -> Any:
        """dm^2/2E [mu] of a difference of squared masses [eV^2] and an energy [MeV]."""
        return dm2 / (2e6 * energy) / self.mu

    def matter(self, rho_Ye: Any) -> Any:
        """lambda = sqrt(2) G_F n_e [mu] of rho Y_e [g/cm^3], with n_e = rho Y_e N_A."""
        return self.electrons(AVOGADRO * rho_Ye)

    def electrons(self, n_e: Any) -> Any:
        """lambda = sqrt(2) G_F n_e [mu] of electrons minus positrons [1/cm^3]."""
        return n_e / self.density


def potential(n: Any) -> Any:
    """mu = sqrt(2) G_F n in eV for a density n in cm^-3."""
    return FERMI_EV * n


def length(n: Any) -> Any:
    """1/mu in cm for a density n in cm^-3."""
    return HBAR_C / potential(n)


def time(n: Any) -> Any:
    """1/mu in ns for a density n in cm^-3."""
    return length(n) / LIGHT * 1e9


SYSTEMS = ("code", "cgs", "natural")  # of units in which results are shown; natural: eV, cm, s with prefixes that fit

# ---- quantities with a unit


class Quantity(NamedTuple):
    """What a number can be: its unit in the program, what it is called, how it may be given."""

    unit: str  # of numbers without a unit
    noun: str
    example: str
    forms: dict[str, str]  # unit that pint knows: factor to code units, a name of `_factors`


_ENERGY = {"eV": "energy", "eV/c": "energy"}
_FREQUENCY = {"eV": "energy", "1/cm": "wave number", "1/s": "frequency"}
QUANTITIES = {
    "length": Quantity("1/mu", "a length", "100 km", {"cm": "length"}),
    "time": Quantity("1/mu", "a time", "3 ns", {"s": "time"}),
    "energy": Quantity("mu", "an energy", "10 MeV", _ENERGY),
    "wave number": Quantity("mu", "a wave number", "2 /cm", {"1/cm": "wave number", **_ENERGY}),
    "frequency": Quantity("mu", "a frequency or an energy", "3 /km", _FREQUENCY),
    "potential": Quantity(
        "mu", "an energy, rho Y_e or a density of electrons", "1e10 g/cm^3", {**_FREQUENCY, "g/cm^3": "matter", "1/cm^3": "density"}
    ),
    "density": Quantity("n", "a density of neutrinos", "1e33 /cm^3", {"1/cm^3": "density"}),
    "mass squared": Quantity("mu^2", "a difference of squared masses", "7.5e-5 eV^2", {"eV^2": "mass squared", "eV^2/c^4": "mass squared"}),
    "velocity": Quantity("c", "a velocity", "1000 km/s", {"c": "one"}),
    "angle": Quantity("rad", "an angle", "33.8 deg", {"rad": "one"}),
    "wall time": Quantity("s", "a time", "10 min", {"s": "one"}),
}  # fmt: skip
_ANGLES = ("radian", "degree", "arcminute", "arcsecond", "turn")
LONGEST = 100  # characters of a quantity
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NAME = r"[^\W\d_]\w*|°"
_FACTOR = rf"(?:{_NAME})(?:\s*(?:\^|\*\*)\s*-?[1-9](?!\d))?"
_UNIT = re.compile(rf"(?:1?\s*/\s*)?{_FACTOR}(?:\s*[*/·]\s*{_FACTOR}|\s+{_FACTOR})*")  # no powers of powers


def quantity(text: str, kind: str, scale: Scale | None, key: str) -> float:
    """A quantity such as "10 MeV" in code units.

    kind: a key of `QUANTITIES`; scale: None where nothing is known about it. InputError names `key` and says what is expected,
    EnvironmentProblem without pint.
    """
    known = QUANTITIES[kind]
    number, unit, factor = _read(text, known, key)
    if factor == "one":
        return number * unit
    if scale is None:
        raise InputError(
            f'{key} = "{text}" needs to know what mu is in eV: give the density of the unit n in [units], such as '
            f'density = "1e33 /cm^3", or mu = "1e-4 eV".'
        )
    return number * unit * _factor(factor, scale)


def scale_of(config: Mapping) -> Scale | None:
    """What the section [units] of a config says, None where it says nothing. InputError if that cannot be."""
    section = config.get("units") or {}
    density, mu = section.get("density"), section.get("mu")
    if density is not None and mu is not None:
        raise InputError("units.density and units.mu say the same thing, mu = sqrt(2) G_F n: give one of them.")
    if density is not None:
        return Scale.of_density(_positive(density, "density", "units.density"))
    return None if mu is None else Scale.of_mu(_positive(mu, "energy", "units.mu"))


def _positive(text: Any, kind: str, key: str) -> float:
    """One of the two numbers that give the scale, in 1/cm^3 or in eV."""
    known = QUANTITIES[kind]
    example = "1e33 /cm^3" if kind == "density" else "1e-4 eV"
    if not isinstance(text, str):
        raise InputError(f'{key} must have a unit, such as "{example}", not {text}.')
    number, unit, _ = _read(text, known._replace(example=example, unit=""), key)
    value = number * unit
    if not 1e-30 <= value <= 1e60:
        raise InputError(f'{key} must be > 0 and of a size that can be, such as "{example}", not "{text}".')
    return value


def _factor(name: str, scale: Scale) -> float:
    return {
        "length": 1 / scale.length,
        "time": 1 / scale.time,
        "energy": 1 / scale.mu,
        "wave number": scale.length,
        "frequency": scale.time,
        "density": 1 / scale.density,
        "matter": scale.matter(1.0),
        "mass squared": 1 / scale.mu**2,
    }[name]


def _read(text: str, known: Quantity, key: str) -> tuple[float, float, str]:
    """(number, its unit in that of one of the forms, name of the factor of this form). InputError."""
    bare_number = f", or a number in units of {known.unit}" if known.unit else ""
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    refused = f'{key} must be {known.noun}, such as "{known.example}"{bare_number}, not "{shown}"'
    bare = text.strip().replace("²", "^2").replace("³", "^3")
    number = _NUMBER.match(bare) if len(text) <= LONGEST else None
    unit = bare[number.end() :].strip() if number else ""
    if number is None or not _UNIT.fullmatch(unit) or math.isinf(float(number[0])):
        raise InputError(f"{refused}.")
    unit = unit.removeprefix("1").strip()
    unit = re.sub(r"(?<=[\w°])\s+(?=[^\W\d]|°)", " * ", unit.replace("·", "*").replace("^", "**"))
    unit = "1 " + unit if unit.startswith("/") else unit
    registry = _registry()
    try:
        given = registry.parse_units(unit)
    except (registry.pint.errors.UndefinedUnitError, AttributeError) as error:
        unknown = re.findall("'([^']+)'", str(error))  # what versions of pint have in common
        raise InputError(f"{refused}: there is no unit {', '.join(unknown)}.") from None
    except Exception:  # of whatever kind: the text is all that can be wrong
        raise InputError(f"{refused}.") from None
    for form, factor in known.forms.items():
        if registry.get_dimensionality(given) != registry.get_dimensionality(form):
            continue
        if form == "rad" and not all(name.endswith(_ANGLES) for name in registry.names(given)):
            continue
        return float(number[0]), float(registry.convert(1.0, given, form)), factor
    raise InputError(f"{refused}.")


class _Registry:
    """What is asked of pint: its registry of units."""

    def __init__(self) -> None:
        try:
            import pint
        except ModuleNotFoundError:
            from .runtime.remedies import install_hint

            raise EnvironmentProblem(f"units are read by pint, which is not installed: {install_hint('pint')}") from None
        self.pint, self._units = pint, pint.UnitRegistry()
        self.parse_units = self._units.parse_units
        self.get_dimensionality = self._units.get_dimensionality

    def convert(self, number: float, unit: Any, form: str) -> float:
        return self._units.Quantity(number, unit).to(form).magnitude

    @staticmethod
    def names(unit: Any) -> list[str]:
        return list(dict(unit._units))


@functools.cache
def _registry() -> _Registry:
    return _Registry()


# ---- the table of docs/conventions.md

# Densities [cm^-3] of the table, and where neutrinos of one flavor are about so dense.
PLACES = (
    (1e30, "supernova, 600 km from the center, some 0.1 s after the bounce"),
    (1e31, "supernova, 200 km"),
    (1e32, "supernova, 60 km; above the disk of a merger remnant"),
    (1e33, "supernova, where neutrinos decouple, 30 km; in the disk of a merger remnant"),
    (1e34, "inside a proto-neutron star"),
)


def table() -> str:
    """Rows of docs/conventions.md as text."""
    rows = ["| n [cm^-3] | mu [eV] | 1/mu [cm] | 1/mu [ns] | L = 100/mu [cm] | about so dense |", "| --- " * 6 + "|"]
    for n, where in PLACES:
        numbers = (float(f"{value:.3g}") for value in (potential(n), length(n), time(n), 100 * length(n)))
        rows.append(f"| {n:.0e} | {' | '.join(f'{number:g}' for number in numbers)} | {where} |")
    return "\n".join(rows).replace("e+", "e")


if __name__ == "__main__":
    print(table())

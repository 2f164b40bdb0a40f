"""The columns of a table of moments, as `init --from-moments` reads them: names in many spellings, units, one row."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from .. import units
from ..errors import InputError
from ..storage import columns
from .sentences import closest

KEY = "--from-moments"
# Spellings without blanks, underscores, dashes and capitals.
SPECIES = {
    "nu_e": ("nue",),
    "anti-nu_e": ("nuebar", "nubare", "anue", "antinue", "nua"),
    "nu_x": ("nux",),
    "anti-nu_x": ("nuxbar", "nubarx", "anux", "antinux"),
    "nu_mu": ("numu",),
    "anti-nu_mu": ("numubar", "nubarmu", "anumu", "antinumu"),
    "nu_tau": ("nutau",),
    "anti-nu_tau": ("nutaubar", "nubartau", "anutau", "antinutau"),
    "4 nu_x": ("nux4", "4nux", "nuxtotal", "nuxtot", "heavy"),
}
_DENSITY, _FLUX, _ENERGY = ("n", "density", "numberdensity"), ("f", "flux", "numberflux"), ("e", "energy", "meanenergy", "eave")
MATTER = {"rhoye": "rho_Ye", "rho": "rho", "ye": "Ye"}
# What one of a unit is in 1/cm^3: of densities, and of fluxes as well (in units of c).
_MEV_CM = units.HBAR_C * 1e-6
DENSITIES = {
    "1/cm^3": 1.0, "1/m^3": 1e-6, "1/fm^3": 1e39, "1e33/cm^3": 1e33, "MeV^3": _MEV_CM**-3, "eV^3": (1e6 * _MEV_CM) ** -3,
}  # fmt: skip
FLUXES = DENSITIES | {"1/cm^2/s": 1 / units.LIGHT, "1/(cm^2s)": 1 / units.LIGHT}
FACTOR = ("1", "factor", "fluxfactor")  # of a flux that is given as a part of its density
SYSTEMS = {"cgs": "1/cm^3", "natural": "MeV^3", "code": "n"}


@dataclass(frozen=True)
class Moments:
    """One row. species: names, in the order of `physics.on_sphere.SPECIES`. n: (species,), f: (species, 3), both in 1/cm^3, or in n
    where `laboratory` is False. energies: mean energies [MeV], None without. rho_Ye: [g/cm^3], None without. unused: columns
    that mean nothing here."""

    path: str
    row: int
    rows: int
    species: tuple[str, ...]
    n: np.ndarray
    f: np.ndarray
    energies: np.ndarray | None
    rho_Ye: float | None
    unused: tuple[str, ...]
    laboratory: bool


def read(path, row: int, system: str = "cgs") -> Moments:
    """The moments in a row of a file, counted from 0; system: a key of `SYSTEMS`, for columns that say no unit.

    InputError, one sentence, for a column that is missing, a unit that is none, a row that is not there.
    """
    table = columns.read(path, KEY)
    if not 0 <= row < len(table):
        raise InputError(f"--row must be from 0 to {len(table) - 1}, the rows of {table.path}, not {row}.")
    found, unused = _recognised(table)
    species = _species(found, table)
    values = _Row(table, row, found, system)
    n = np.array([values.density(name) for name in species])
    f = np.array([values.flux(name, density) for name, density in zip(species, n)])
    energies = [values.energy(name) for name in species]
    given = [energy is not None for energy in energies]
    if any(given) and not all(given):
        raise InputError(
            f"{KEY}: {table.path} has no mean energy of {species[given.index(False)]}, and it has those of others."
        )
    rho_Ye = values.matter()
    names = tuple("nu_x" if name == "4 nu_x" else name for name in species)
    return Moments(
        table.path, row, len(table), names, n, f, np.array(energies) if all(given) else None, rho_Ye, unused, system != "code"
    )


def _squashed(name):
    return re.sub(r"[\s_\-^{}\\$]", "", name).lower()


def spellings() -> dict[str, tuple]:
    """{squashed name of a column: ("n", species), ("f", species, axis) or ("e", species)}; axis None: along z."""
    known: dict[str, tuple] = {}
    for species, names in SPECIES.items():
        for one in names:
            for words, letter in ((_DENSITY, "n"), (_ENERGY, "e")):
                for word in words:
                    known[word + one] = known[one + word] = (letter, species)
            for word in _FLUX:
                known[word + one] = known[one + word] = ("f", species, None)
                for axis in "xyz":
                    for text in (word + axis + one, word + one + axis, one + word + axis):
                        known[text] = ("f", species, axis)
    return known


def _recognised(table):
    """{what: name of the column}, and the names of all others."""
    known, found, unused = spellings(), {}, []
    for name in table.columns:
        what = known.get(_squashed(name)) or (MATTER.get(_squashed(name)),)
        if what == (None,):
            unused.append(name)
        elif what in found:
            raise InputError(f"{KEY}: {table.path} has the columns {found[what]} and {name}, which mean the same.")
        else:
            found[what] = name
    return found, tuple(unused)


def _species(found, table):
    """The species of the table, in their order."""
    there = [species for species in SPECIES if ("n", species) in found]
    for forms in (
        ("nu_e", "anti-nu_e", "nu_mu", "anti-nu_mu", "nu_tau", "anti-nu_tau"),
        ("nu_e", "anti-nu_e", "nu_x", "anti-nu_x"),
        ("nu_e", "anti-nu_e", "nu_x"),
        ("nu_e", "anti-nu_e", "4 nu_x"),
        ("nu_e", "anti-nu_e"),
    ):
        if set(there) == set(forms):
            return forms
    names = ", ".join(table.columns)
    missing = [name for name in ("nu_e", "anti-nu_e") if name not in there]
    if missing:
        spelled = {"nu_e": "n_nue", "anti-nu_e": "n_nuebar"}[missing[0]]
        close = closest(spelled, table.columns)
        hint = f", did you mean {close}?" if close else ""
        raise InputError(f"{KEY}: {table.path} has no column for the density of {missing[0]}, {spelled}{hint} It has {names}.")
    raise InputError(
        f"{KEY}: {table.path} has densities of {', '.join(there)}: beside nu_e and anti-nu_e there must be none, nu_x (each of the "
        "four), nu_x and anti-nu_x, nux4 (all four together), or mu and tau with their antineutrinos."
    )


class _Row:
    """The numbers of one row, with their units."""

    def __init__(self, table, row, found, system):
        self.table, self.row, self.found, self.system = table, row, found, system

    def _value(self, what):
        name = self.found[what]
        return float(self.table.numbers(name, KEY)[self.row])

    def _unit(self, what):
        return re.sub(r"\s", "", self.table.units.get(self.found[what], ""))

    def _factor(self, what, known, usual=""):
        """What one of a column is in 1/cm^3, or in n; usual: the unit of a column that says none."""
        unit = _plain(self._unit(what)) or usual or SYSTEMS[self.system]
        if unit == "n":
            return 1.0
        if unit not in known:
            raise InputError(
                f"{KEY}: column {self.found[what]} of {self.table.path} is in {self._unit(what)}, and what is known is "
                f"{', '.join(known)}."
            )
        if self.system == "code":
            raise InputError(f"{KEY}: column {self.found[what]} is in {unit}, and --units code takes numbers in n alone.")
        return known[unit]

    def density(self, species):
        what = ("n", species)
        n = self._value(what) * self._factor(what, DENSITIES)
        if n < 0:
            raise InputError(f"{KEY}: row {self.row} of {self.table.path} has a negative density of {species}, {n:g}.")
        return n / 4 if species == "4 nu_x" else n

    def flux(self, species, density):
        vector, of_density = np.zeros(3), _plain(self._unit(("n", species)))
        for i, axis in enumerate(("x", "y", "z")):
            for what in (("f", species, axis), ("f", species, None)) if axis == "z" else (("f", species, axis),):
                if what not in self.found:
                    continue
                if _plain(self._unit(what)) in FACTOR:
                    vector[i] = self._value(what) * density
                else:
                    vector[i] = self._value(what) * self._factor(what, FLUXES, of_density) / (4 if species == "4 nu_x" else 1)
        if not any(("f", species, axis) in self.found for axis in (None, "x", "y", "z")):
            name = "f_" + {"4 nu_x": "nux4"}.get(species, _short(species))
            raise InputError(
                f"{KEY}: {self.table.path} has no column for the flux of {species}, {name}_x, {name}_y, {name}_z, or {name} along z."
            )
        if np.linalg.norm(vector) >= density and np.any(vector):
            raise InputError(
                f"{KEY}: row {self.row} of {self.table.path}: the flux of {species} must be smaller than its density, |f| = "
                f"{np.linalg.norm(vector):.6g} and n = {density:.6g} (a flux may be in units of c, per cm^3, or [1/cm^2/s])."
            )
        return vector

    def energy(self, species):
        what = ("e", species)
        if what not in self.found:
            return None
        unit, value = self._unit(what) or "MeV", self._value(what)
        if unit not in ("MeV", "keV", "GeV", "erg"):
            raise InputError(
                f"{KEY}: column {self.found[what]} is in {unit}, and mean energies must be in MeV, keV, GeV or erg."
            )
        energy = value * {"MeV": 1.0, "keV": 1e-3, "GeV": 1e3, "erg": 1e-13 / units.CHARGE}[unit]
        if energy <= 0:
            raise InputError(
                f"{KEY}: row {self.row} of {self.table.path} has a mean energy of {species} that is not > 0, {energy:g}."
            )
        return energy

    def matter(self):
        if ("rho_Ye",) in self.found:
            return self._value(("rho_Ye",))
        if ("rho",) in self.found and ("Ye",) in self.found:
            return self._value(("rho",)) * self._value(("Ye",))
        return None


def _short(species):
    return species.replace("anti-", "").replace("_", "") + ("bar" if species.startswith("anti-") else "")


def _plain(unit):
    """A unit in the spelling of `DENSITIES`."""
    unit = re.sub(r"(\*\*)", "^", unit).replace("ccm", "cm^3").replace("cm3", "cm^3")
    unit = re.sub(r"cm\^?-3", "1/cm^3", unit)
    unit = re.sub(r"cm\^?-2/?s\^?-?1?", "1/cm^2/s", unit)
    unit = "1" + unit if unit.startswith("/") else unit
    return {"MeV3": "MeV^3", "eV3": "eV^3"}.get(unit, unit)

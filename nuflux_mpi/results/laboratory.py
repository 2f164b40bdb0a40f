"""What is stored, in the units of the laboratory: one function that gives factor and unit of any name of `names.LAYOUT`.

    shown("time", "1/mu", scale, "natural", largest=20.0)      Shown(0.00519..., "ns"): multiply by the factor

Files hold code units always; [units] of the config says what these are (`BaseRun.scale`).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..units import CHARGE, LIGHT, SYSTEMS, Scale
from .names import LAYOUT

ERG = CHARGE * 1e7  # of one eV
# Names of what is a time though stored in 1/mu, and of what is no energy though stored in mu.
_TIMES = ("time", "spectrum_time", "dt", "t")
_WAVE_NUMBERS = ("k", "k_rms", "wavenumber")
_RATES = ("growth", "growth_rate", "gamma", "frequency", "omega", "lambda")
# Units that fit, from small to large, of each base unit.
_FITTING = {
    "s": {"fs": 1e-15, "ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0},
    "cm": {"µm": 1e-4, "mm": 0.1, "cm": 1.0, "m": 1e2, "km": 1e5},
    "eV": {"neV": 1e-9, "µeV": 1e-6, "meV": 1e-3, "eV": 1.0, "keV": 1e3, "MeV": 1e6, "GeV": 1e9},
    "1/cm": {"1/km": 1e-5, "1/m": 1e-2, "1/cm": 1.0},
    "1/s": {"1/s": 1.0, "1/ms": 1e3, "1/µs": 1e6, "1/ns": 1e9, "1/ps": 1e12},
}
_PART = re.compile(r"\(?(1/)?(mu|n)(?:\^(\d))?\)?(?:\^(\d))?|/(mu|n)(?:\^(\d))?")


class Shown(NamedTuple):
    """How to show a number: multiply it by `factor`, and write `unit` behind it."""

    factor: float
    unit: str


def shown(
    name: str, unit: str, scale: Scale | None, system: str = "natural", largest: float | None = None, axes: int = 1
) -> Shown:
    """Factor and unit in which a stored number is shown.

    name: of `names.LAYOUT`, or a symbol as "t", "k", "gamma"; unit: as in LAYOUT; system: one of `SYSTEMS`; largest: the largest
    absolute value that is shown [code units], by which natural chooses a prefix; axes: of the box, over which "(1/mu)" integrates.
    InputError for an unknown system, and where there is no scale. What has no unit of mu or n stays as it is, and so do the
    Casimirs, whose powers of f are nobody's unit.
    """
    if system not in SYSTEMS:
        raise InputError(f"units must be one of {', '.join(SYSTEMS)}, not {system}.")
    if system == "code" or name.startswith("casimir") or not re.search(r"\bmu\b|\bn\b", unit):
        return Shown(1.0, unit)
    if scale is None:
        raise InputError(
            "units of the laboratory need to know what mu is: the config has no [units]; give it "
            'density = "1e33 /cm^3", or mu = "1e-4 eV".'
        )
    base = _single(name, unit, scale)
    if base is None:
        return _product(unit, scale, system, axes)
    factor, symbol = base
    if system == "cgs":
        return Shown(factor * ERG, "erg") if symbol == "eV" else Shown(factor, symbol)
    return _fitting(factor, symbol, largest)


def converted(run: Any, name: str, system: str, part: str = "series") -> tuple[np.ndarray, str]:
    """(array, unit) of a stored name of a run; part: "series", "fields" or "phase_space"."""
    values = np.asarray(getattr(run, part)[name])
    largest = float(np.max(np.abs(values))) if values.size else None
    factor, unit = shown(name, LAYOUT[name][1], run.scale, system, largest, run.config.box.dimensions)
    return (values if factor == 1 else values * factor), unit


def _single(name: str, unit: str, scale: Scale) -> tuple[float, str] | None:
    """Of one of the plain units: its value in s, cm, eV, 1/cm, 1/s; None for a product."""
    if unit == "1/mu":
        return (scale.time, "s") if name in _TIMES else (scale.length, "cm")
    if unit != "mu":
        return None
    if name in _WAVE_NUMBERS:
        return 1 / scale.length, "1/cm"
    return (1 / scale.time, "1/s") if name in _RATES else (scale.mu, "eV")


def _fitting(factor: float, symbol: str, largest: float | None) -> Shown:
    """The unit in which the largest value is a number above 1."""
    value = abs((1.0 if largest is None else largest) * factor)
    fitting = [unit for unit, size in _FITTING[symbol].items() if size <= value * (1 + 1e-12)]
    unit = fitting[-1] if fitting else next(iter(_FITTING[symbol]))
    return Shown(factor / _FITTING[symbol][unit], unit)


def _product(unit: str, scale: Scale, system: str, axes: int) -> Shown:
    """Of energies, densities and their products: in eV or erg, cm and s. mu^2 is an energy over a time."""
    energy = n = length = rate = 0
    for inverse, what, power, outer, below, below_power in _PART.findall(unit):
        if below:
            energy, n = (energy - int(below_power or 1), n) if below == "mu" else (energy, n - int(below_power or 1))
        elif inverse:
            length += axes * int(outer or 1)
        elif what == "n":
            n += int(power or 1)
        else:
            energy, rate = energy + 1, rate + int(power or 1) - 1
    name, size = ("erg", ERG * scale.mu) if system == "cgs" else ("eV", scale.mu)
    factor = size**energy * scale.density**n * scale.length**length * (LIGHT / scale.length) ** rate
    powers = [(name, energy), ("cm", length - 3 * n), ("s", -rate)]
    return Shown(factor, " ".join(base if power == 1 else f"{base}^{power}" for base, power in powers if power))

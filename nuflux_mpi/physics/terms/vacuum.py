"""Vacuum mixing: neutrinos have masses, and the states of definite mass are not those of flavor.

    Omega_a  has the part  c_vac s_a M^2/(2 p_a),        M^2 = U diag(m_1^2, ...) U^+

with *the same* M^2 and U for neutrinos and antineutrinos, only the sign s_a differs (docs/mixing.md: in the order of indices
that is used here, the matrix of an antineutrino is the complex conjugate of that of most texts).

    two flavors      W_a = s_a omega_a B,   B = (sin 2 theta, 0, -cos 2 theta),   omega_a = (m_2^2 - m_1^2)/(2 p_a)
    three flavors    U = R_23 R_13(delta) R_12,   omega_21, omega_31

Only differences of the m_i^2 enter. Of two flavors M^2 is taken traceless, of three m_1 = 0: the energy

    E_vac = c_vac sum_a int Tr( M^2/(2 p_a) N_a )        (no s_a)

has the trace that follows from that, a constant as long as densities are uniform.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Self

import numpy as np

from ...errors import InputError
from ...storage.section import Key, PerAxis, Section, per_axis
from .term import Term

RIGHT_ANGLE, TURN = math.pi / 2, 2 * math.pi
FAR = 1e3  # times the energies that modes have: no omega is meant to hold there
ROUNDING = 1e-12  # by which an angle that was converted may be too large


class Settings(Section):
    omega: Annotated[
        PerAxis[float] | None,
        Key(
            "(m_2^2 - m_1^2)/2E at at_energy, < 0: inverted ordering; three flavors: [omega_21, omega_31]",
            quantity="frequency",
            unset="from dm2",
            per="difference of masses squared",
        ),
    ] = None
    dm2: Annotated[
        PerAxis[float] | None,
        Key(
            "in place of omega: m_2^2 - m_1^2; for three flavors [of 2 and 1, of 3 and 1]",
            quantity="mass squared",
            unset="omega is given",
            per="difference of masses squared",
        ),
    ] = None
    theta: Annotated[
        PerAxis[float],
        Key(
            "mixing angle, between -pi/2 and pi/2; for three flavors [theta_12, theta_13, theta_23]",
            quantity="angle",
            per="mixing angle",
        ),
    ]
    delta: Annotated[float, Key("phase of CP violation in U, of three flavors only", quantity="angle")] = 0.0
    at_energy: Annotated[
        float | None,
        Key(
            "E at which omega holds: omega_a = omega E / p_a; without modes.energy omega_a = omega",
            quantity="energy",
            gt=0,
            unset="1 in units of mu",
        ),
    ] = None

    def completed(self, config: Any) -> Self:
        """With 1 mu for at_energy, unless that would be no answer."""
        return self.replace(at_energy=1.0) if self.at_energy is None and not self._energy_problem(config) else self

    def _energy_problem(self, config: Any) -> str:
        """What is wrong where nobody says at which energy omega holds; "" if 1 mu will do."""
        energy = config.modes.get("energy")
        if self.dm2 is not None and energy is None:
            return "vacuum.dm2 needs energies: give modes.energy, or one for all modes as vacuum.at_energy."
        if self.omega is not None and energy and not min(energy) / FAR <= 1.0 <= max(energy) * FAR:
            return (
                "vacuum.at_energy is missing: vacuum.omega would hold at an energy of 1 mu, and those of modes.energy are from "
                f"{min(energy):.4g} to {max(energy):.4g} mu."
            )
        return ""

    def problems(self, config: Any) -> Iterator[str]:
        flavors = config.flavor.number
        if self.at_energy is None and (wrong := self._energy_problem(config)):
            yield wrong
        if (self.omega is None) == (self.dm2 is None):
            yield "vacuum needs one of omega and dm2, and not both."
        yield from _count_problem("omega", self.omega, flavors, ["omega_21", "omega_31"])
        yield from _count_problem("dm2", self.dm2, flavors, ["m_2^2 - m_1^2", "m_3^2 - m_1^2"])
        yield from _count_problem("theta", self.theta, flavors, ["theta_12", "theta_13", "theta_23"])
        several = len(per_axis(self.theta)) > 1
        for i, angle in enumerate(per_axis(self.theta)):
            if abs(angle) > RIGHT_ANGLE + ROUNDING:
                yield (
                    f"vacuum.theta{f'[{i}]' * several} must be an angle in rad between -pi/2 and pi/2, not {angle:.8g}"
                    f"{_of_degrees(angle, 90)}."
                )
        if flavors == 2 and self.delta:
            yield f"vacuum.delta is for three flavors, and flavor.number is 2: leave it out, not {self.delta:.8g}."
        elif abs(self.delta) > TURN + ROUNDING:
            yield f"vacuum.delta must be an angle in rad between -2 pi and 2 pi, not {self.delta:.8g}{_of_degrees(self.delta, 360)}."


def _count_problem(name: str, value: Any, flavors: int, wanted: list[str]) -> Iterator[str]:
    """The sentence about a key that has not as many numbers as the flavors ask for."""
    if value is None:
        return
    given = len(per_axis(value))
    if flavors == 2 and given > 1:
        yield f"vacuum.{name} must be one number for two flavors (flavor.number = 2), not {given}."
    elif flavors == 3 and given != len(wanted):
        yield f"vacuum.{name} must be a list [{', '.join(wanted)}] for three flavors (flavor.number = 3), not {given} number{'s' * (given > 1)}."


def _of_degrees(angle: float, most: float) -> str:
    """A question that goes with an angle which looks like one in degrees."""
    return f" ({angle:g} degrees would be {math.radians(angle):.8g})" if abs(angle) <= most else ""


def mixing_matrix(theta, delta: float = 0.0) -> np.ndarray:
    """U (F, F), complex: flavor states in terms of mass states, nu_alpha = sum_i U_alpha,i nu_i (for neutrinos up to conjugation).

    theta: one angle for two flavors, (theta_12, theta_13, theta_23) for three; delta: the CP phase.
    """
    angles = np.atleast_1d(np.asarray(theta, dtype=float))
    c, s = np.cos(angles), np.sin(angles)
    if len(angles) == 1:
        return np.array([[c[0], s[0]], [-s[0], c[0]]], dtype=complex)
    phase = np.exp(-1j * delta)
    R12 = np.array([[c[0], s[0], 0], [-s[0], c[0], 0], [0, 0, 1]])
    R13 = np.array([[c[1], 0, s[1] * phase], [0, 1, 0], [-s[1] * np.conj(phase), 0, c[1]]])
    R23 = np.array([[1, 0, 0], [0, c[2], s[2]], [0, -s[2], c[2]]])
    return R23 @ R13 @ R12


def mass_matrix(omega, theta, delta: float = 0.0) -> np.ndarray:
    """M^2/2E (F, F), complex Hermitian, in units of omega: traceless for two flavors, with m_1 = 0 for three."""
    omega = np.atleast_1d(np.asarray(omega, dtype=float))
    levels = np.array([-0.5, 0.5]) * omega[0] if len(omega) == 1 else np.array([0.0, *omega])
    U = mixing_matrix(theta, delta)
    return (U * levels) @ U.conj().T


class Vacuum(Term):
    """One vector for each mode, s_a/p_a times that of M^2/2."""

    name = section = attenuation = "vacuum"
    Settings = Settings
    separates = steady = True
    series = {"E_vac": (("time",), "mu n (1/mu)", "vacuum energy, sum over modes of int Tr M^2/(2 p_a) N_a")}
    budget = ("E_vac",)

    def __init__(self, settings, modes, factor=1.0):
        super().__init__(settings, modes, factor)
        if modes.merged:
            raise InputError(
                "[vacuum] tells neutrinos from antineutrinos, and these modes are what is left of them in each direction (the "
                "lepton number G): give both apart in [modes], each with a density of its own."
            )
        self.at_energy = at_energy = settings["at_energy"] or 1.0
        omega = settings["omega"] if settings["omega"] is not None else np.divide(settings["dm2"], 2.0 * at_energy)
        self.matrix = mass_matrix(omega, settings["theta"], settings["delta"])  # at the energy at_energy
        trace, self._vector = self.algebra.coefficients(self.matrix)
        self._w0 = float(trace) / self.algebra.flavors
        energy = np.full(len(modes), at_energy) if modes.p is None else np.asarray(modes.p)
        self.ratio = at_energy / energy  # omega_a / omega
        self._density = modes.n

    def mass(self):
        """(w0, W (C,)) of c_vac M^2/2 = w0 1 + W.lambda/2 [mu^2]."""
        scale = self.factor * self.at_energy
        return scale * self._w0, scale * self._vector

    @property
    def vectors(self) -> np.ndarray:
        """w_a = c_vac s_a x that of M^2/(2 p_a), (modes, C)."""
        return self.factor * np.outer(self.modes.s * self.ratio, self._vector)

    def mode_potential(self, t):
        return self.vectors

    def turns_about(self):
        return self._vector[None]  # what is diagonal in the mass basis stays

    def start(self, P, density):
        self._density = density
        return {}

    def energies(self, t, fields, D, box):
        turning = 0.5 * float(self._vector @ box.integral(np.tensordot(self.ratio, fields["P"], axes=1)))
        at_rest = self._w0 * float(self.ratio @ self._density) * box.volume if self._w0 else 0.0
        return {"E_vac": self.factor * (turning + at_rest)}

    def linear(self, background, pair):
        from ...theory.linear import Linear

        one = self.algebra.pairs[pair]
        difference = self.matrix[one.first, one.first] - self.matrix[one.second, one.second]
        strength = self.factor * self.modes.s * self.ratio
        mixing = 2.0 * strength * self.matrix[one.second, one.first]
        return Linear(-strength * difference.real, mixing=mixing)

"""The modes of a run as its files tell them: to look up, and to choose by species, direction, energy and flavor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from .names import algebra_of

SPECIES: dict[Any, int] = {"nu": 1, "anti-nu": -1, "nubar": -1}


class ModeTable:
    """Labels of the modes, arrays (modes,) unless it is said.

    v: velocity along the axes of the box, (modes,) or (modes, axes). sign: +1 neutrinos, -1 antineutrinos (of merged modes what
    there is more of). density [n]. direction, energy_bin: labels; runs of before had none, and those with the same v have the
    same direction then. p [mu], xyz (modes, 3), content_start (modes, flavors) [n]: or None. flavors: their names.
    """

    def __init__(self, arrays):
        self.flavors = algebra_of(arrays).names
        self.v = np.asarray(arrays["v"])
        self.sign = np.asarray(arrays["sign"]) if "sign" in arrays else np.ones(len(self.v), dtype=int)
        self.density = np.asarray(arrays["density"]) if "density" in arrays else np.full(len(self.v), np.nan)
        self.direction = np.asarray(arrays["direction"]) if "direction" in arrays else _numbered(self.v)
        self.energy_bin = np.asarray(arrays["energy_bin"]) if "energy_bin" in arrays else np.zeros(len(self), dtype=int)
        found: dict[str, Any] = {
            name: np.asarray(arrays[stored]) if stored in arrays else None
            for name, stored in (("p", "p"), ("xyz", "velocity_xyz"), ("content_start", "content_start"))
        }
        self.p, self.xyz, self.content_start = found["p"], found["xyz"], found["content_start"]

    def __len__(self):
        return len(self.sign)

    def __repr__(self):
        shown = [f"{len(self)} modes of {' '.join(self.flavors)}", f"{len(np.unique(self.direction))} directions"]
        shown += [f"{len(np.unique(self.p))} energies"] if self.p is not None else []
        return f"<{', '.join(shown)}>"

    def select(self, species=None, direction=None, energy=None, velocity=None, flavor=None) -> np.ndarray:
        """Indices of the modes, ascending, that are all of what is asked for.

        species: "nu", "anti-nu", +1 or -1. direction: a label. energy: a momentum p [mu]; the modes with the nearest one. velocity:
        along the last axis of the box, or a vector; the modes with the nearest one. flavor: a name such as "e", of modes that start
        with more than half of it. InputError for what the run does not know.
        """
        chosen = np.ones(len(self), dtype=bool)
        if species is not None:
            if species not in SPECIES and species not in (1, -1):
                raise InputError(f"species is {', '.join(SPECIES)}, +1 or -1, not {species}.")
            chosen &= self.sign == SPECIES.get(species, species)
        if direction is not None:
            chosen &= self.direction == direction
        if velocity is not None:
            v = np.reshape(self.v, (len(self), -1))
            distance = np.linalg.norm(v[:, -1:] - velocity if np.ndim(velocity) == 0 else v - velocity, axis=1)
            chosen &= np.isclose(distance, distance.min(), rtol=0, atol=1e-12)
        if energy is not None:
            if self.p is None:
                raise InputError("the modes of this run have no energies.")
            distance = np.abs(self.p - energy)
            chosen &= np.isclose(distance, distance.min(), rtol=0, atol=1e-9 * np.abs(self.p).max())
        if flavor is not None:
            if self.content_start is None or flavor not in self.flavors:
                raise InputError(f"flavor is one of {' '.join(self.flavors)}, of runs that stored content_start, not {flavor}.")
            share = self.content_start[:, self.flavors.index(flavor)]
            chosen &= share > 0.5 * self.content_start.sum(axis=1)
        return np.flatnonzero(chosen)

    def content(self, series) -> np.ndarray:
        """Densities of the flavors in each mode over time, (time, modes, flavors) [n]."""
        if "content" in series:
            return series["content"]
        return algebra_of(series).content(self.density, np.asarray(series["P_mean"]), axis=2)


def _numbered(v):
    """A number for each different row, in the order in which they first appear."""
    _, first, which = np.unique(np.reshape(v, (len(v), -1)), axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=int)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[np.ravel(which)]

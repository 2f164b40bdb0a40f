"""Directions on the sphere: unit vectors with weights, and how well they integrate.

Weights add up to 1, so that a sum over directions is a mean over the sphere. A set is exact to degree L if it gives the means of
all spherical harmonics up to L, and so of all polynomials of the velocity up to this degree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import lebedev as tables

UNIT = 1e-8  # by which the length of a direction may differ from 1: numbers written with a few digits
EXACT = 1e-10  # of a mean that a set of directions takes to be exact
MOST_DEGREE = 64  # that is looked for


@dataclass(frozen=True, eq=False)
class Directions:
    """xyz: unit vectors, (directions, 3). weight: (directions,), their sum is 1."""

    xyz: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.weight)

    def misses(self, most: int) -> np.ndarray:
        """(most + 1,): for each degree l the root mean square of what the set gives for the means of the 2l + 1 spherical
        harmonics, normalised to a mean square of 1, which is 0 but for l = 0."""
        cosines = np.clip(self.xyz @ self.xyz.T, -1, 1)
        found, before, P = np.empty(most + 1), np.zeros_like(cosines), np.ones_like(cosines)
        for degree in range(most + 1):  # the addition theorem: sum_m |<Y_lm>|^2 / (2l + 1) = <P_l(v.v')>
            found[degree] = np.sqrt(abs(self.weight @ P @ self.weight - (degree == 0)))
            before, P = P, ((2 * degree + 1) * cosines * P - degree * before) / (degree + 1)
        return found

    @property
    def degree(self) -> int:
        """The degree to which the set is exact, at most MOST_DEGREE; -1 where not even the weights add up."""
        wrong = np.flatnonzero(self.misses(MOST_DEGREE) ** 2 > EXACT**2 + 1e-14)  # squares: rounding of a sum that cancels
        return int(wrong[0]) - 1 if wrong.size else MOST_DEGREE


def product(polar: int, azimuths: int) -> Directions:
    """Gauss-Legendre points in v_z = cos(theta), each with equally spaced azimuths; exact to min(2 polar, azimuths) - 1.

    Directions of one v_z in a row, v_z ascending; azimuths in the middles of equal parts of the circle.
    """
    v, weight = np.polynomial.legendre.leggauss(polar)
    phi = 2 * np.pi * (np.arange(azimuths) + 0.5) / azimuths
    sine = np.sqrt(1 - v**2)
    xyz = np.stack([np.outer(sine, np.cos(phi)), np.outer(sine, np.sin(phi)), np.outer(v, np.ones(azimuths))], axis=-1)
    return Directions(xyz.reshape(-1, 3), np.repeat(weight / (2 * azimuths), azimuths))


@lru_cache(maxsize=4)
def lebedev(degree: int) -> Directions:
    """The set of Lebedev that is exact to this degree, one of `lebedev_degrees`: invariant under the symmetries of the cube.

    V. I. Lebedev, Zh. vychisl. Mat. mat. Fiz. 16 (1976) 293. Points are ordered by v_z, v_y, v_x.
    """
    points, weights = [], []
    for weight, *generator in tables.GENERATORS[degree]:
        orbit = _orbit(np.array(generator))
        points.append(orbit)
        weights.append(np.full(len(orbit), weight))
    xyz, weight = np.concatenate(points), np.concatenate(weights)
    order = np.lexsort(np.round(xyz, 12).T)
    xyz, weight = xyz[order], weight[order]
    xyz /= np.linalg.norm(xyz, axis=1, keepdims=True)
    return Directions(xyz, weight / weight.sum())


def lebedev_degrees() -> tuple[int, ...]:
    """Degrees of exactness for which there is a set."""
    return tuple(tables.GENERATORS)


def lebedev_count(degree: int) -> int:
    """Number of directions of a set."""
    return sum(len(_orbit(np.array(generator))) for _, *generator in tables.GENERATORS[degree])


def _orbit(point):
    """All images of a point under permutations and signs of its components, each once, (images, 3)."""
    places = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    signs = np.array(np.meshgrid(*[[1, -1]] * 3)).reshape(3, 8).T
    images = np.concatenate([point[list(place)] * signs for place in places]) + 0.0  # no -0
    _, first = np.unique(np.round(images, 12), axis=0, return_index=True)
    return images[np.sort(first)]


def listed(vectors, weights=None) -> Directions:
    """Directions of a list: unit vectors (directions, 3), and weights in any unit, default all the same.

    ValueError, with the index of the first that is wrong, if one is no unit vector.
    """
    xyz = np.array(vectors, dtype=float)
    length = np.linalg.norm(xyz, axis=1)
    wrong = np.flatnonzero(abs(length - 1) > UNIT)
    if wrong.size:
        raise ValueError(int(wrong[0]), float(length[wrong[0]]))
    weight = np.ones(len(xyz)) if weights is None else np.array(weights, dtype=float)
    return Directions(xyz / length[:, None], weight / weight.sum())

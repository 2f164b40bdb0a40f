"""What stays as it is: which lepton numbers the terms of a run keep, and how far the numbers have moved.

d_t int D_0 = sum_a s_a int W_a x P_a: refraction alone keeps all components of the integral of D_0, whatever happens in space,
for it turns the modes by what they are themselves. A term that turns all modes about fixed vectors h keeps the components X of
it with X x h = 0: the matrices that commute with its own, such as those that are diagonal in the mass basis for vacuum mixing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

INVARIANTS = ("energy", "momentum", "length")
BATCH = 16  # modes at a time, where there are products of all their components
ROUNDING = 1e-9  # of commutators, relative to the largest


def broken(terms) -> set[str]:
    """Names among `INVARIANTS` that some of the terms break."""
    return {name for term in terms for name in term.breaks()}


def kept(terms, algebra) -> np.ndarray:
    """Orthonormal vectors X (kept, C): the components X . int D_0 that all terms keep. All of them without any."""
    about: list = []
    for term in terms:
        vectors = term.turns_about()
        if vectors is None:
            return np.zeros((0, algebra.components))
        about += [vector / length for vector in np.reshape(vectors, (-1, algebra.components)) if (length := _length(vector))]
    if not about:
        return np.eye(algebra.components)
    matrix = np.concatenate([np.einsum("ijk,j->ki", algebra.f, vector) for vector in about])  # X -> X x h
    _, sizes, rows = np.linalg.svd(matrix)
    return rows[np.count_nonzero(sizes > ROUNDING * sizes.max()) :]


def _length(vector) -> float:
    return float(np.linalg.norm(vector))


def lepton_numbers(terms, algebra) -> str:
    """In words, which lepton numbers the terms keep."""
    space, C, F = kept(terms, algebra), algebra.components, algebra.flavors
    flavors, others = " and ".join(algebra.names), " and ".join(algebra.names[1:])
    diagonal = 2.0 * algebra.content_weights  # (F, C): what each flavor has
    inside = np.allclose(diagonal @ space.T @ space, diagonal, atol=1e-6)
    if len(space) == C:
        return "the lepton number of each flavor, and the sum of their coherence (all of int D_0)"
    if not len(space):
        return "lepton number, not that of a flavor"
    if inside and len(space) == F - 1:
        return f"the lepton number of each flavor ({flavors})"
    if inside:
        return f"the lepton number of each flavor, and of all mixtures of {others}"
    if len(space) == F - 1:
        return "the lepton number of each state of definite mass"
    return f"{len(space)} of {C} components of int D_0"


def sentence(terms, algebra, level: str) -> str:
    """What a run conserves, in words, separated by semicolons, for the level of that name."""
    gone, found = broken(terms), []
    if "energy" not in gone:
        names = " + ".join(energy_names(terms))
        found.append(f"K + {names}" if level != "standard" else f"{names} where nothing varies in space")
    found.append(lepton_numbers(terms, algebra))
    if "momentum" not in gone:
        found.append("momentum")
    if "length" not in gone and level in ("standard", "energy"):
        found.append("|P_a| along the rays" + (" and d_ijk P_i P_j P_k" if algebra.flavors > 2 else ""))
    return "; ".join(found)


def energy_names(terms: Iterable) -> list[str]:
    """The series that are summed into the energy beside K, in the order in which they are told."""
    return [name for term in terms for name in term.budget]


def cubic(P, algebra) -> np.ndarray:
    """d_ijk P_i P_j P_k of P (modes, C, *points): (modes, *points). Nothing for two flavors."""
    found = np.empty((len(P), *P.shape[2:]))
    for first in range(0, len(P), BATCH):  # the products are as large as P
        some = np.moveaxis(P[first : first + BATCH], 1, 0)
        found[first : first + BATCH] = algebra.dot(some, algebra.symmetric(some, some))
    return found

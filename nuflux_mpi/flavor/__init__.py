"""Flavor algebra: everything that depends on the number of flavors.

May import errors, nothing else. Names: `algebra`, `of_components`, `Algebra` (generators, structure constants, names, matrix
functions, in plain NumPy), `generate` (the same arithmetic as formulas that kernels are compiled from).
"""

from .algebra import Algebra, Pair, algebra, of_components

__all__ = ["Algebra", "Pair", "algebra", "of_components"]

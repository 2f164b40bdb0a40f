"""Flavor algebra: everything that depends on the number of flavors.

`algebra` has the generators, structure constants, names and matrix functions, in plain NumPy. `generate` writes the same
arithmetic as formulas that kernels are compiled from. This room imports nothing of the package but `errors`.
"""

from .algebra import Algebra, Pair, algebra, of_components

__all__ = ["Algebra", "Pair", "algebra", "of_components"]

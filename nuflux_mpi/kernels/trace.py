"""Compiled: forces that push all flavors of a mode alike. For the meaning of the arguments see `reference`."""

import numpy as np

from .jit import jit


@jit
def _add(row, factor, slope):
    for z in range(len(row)):
        row[z] += factor * slope[z]


@jit
def add_forces(kappa, factors, slopes):
    for a in range(len(kappa)):
        for k in range(len(slopes)):
            _add(kappa[a], factors[k, a], slopes[k])


def touch_add_forces(axes=1, components=3):
    """Compile `add_forces`, or load it from the cache."""
    add_forces(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))

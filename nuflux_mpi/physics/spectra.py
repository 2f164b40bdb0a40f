"""Energy spectra of neutrinos in bins: the part of a species' density in each bin.

A spectrum is a density per energy of area 1. Two shapes: Fermi-Dirac without chemical potential, E^2 / (exp(E/T) + 1), and
pinched, E^a exp(-(a + 1) E / <E>), M. Keil, G. Raffelt, H.-T. Janka, Astrophys. J. 590 (2003) 971. All species share the bins.
"""

from __future__ import annotations

import math

import numpy as np

MEAN_OF_FERMI_DIRAC = 7 * math.pi**4 / (180 * 1.2020569031595942)  # <E>/T = 3.15137...; zeta(3) below the line
_AREA_OF_FERMI_DIRAC = 1.5 * 1.2020569031595942  # of x^2 / (exp(x) + 1)
_POINTS = 24  # of Gauss-Legendre in each bin between edges


def spectrum(kind: str, energy, mean: float, pinching: float = 2.0):
    """Density per energy, of area 1 over 0 <= E, at energies (any shape) in the unit of the mean energy."""
    energy = np.asarray(energy, dtype=float)
    if kind == "fermi-dirac":
        T = mean / MEAN_OF_FERMI_DIRAC
        x = energy / T
        decay = np.exp(-x)
        return x**2 * decay / (1 + decay) / (_AREA_OF_FERMI_DIRAC * T)
    if kind == "pinched":
        x = (pinching + 1) * energy / mean
        log = pinching * np.log(np.maximum(x, 1e-300)) - x - math.lgamma(pinching + 1)
        return np.exp(log) * (pinching + 1) / mean
    raise ValueError(f"unknown spectrum {kind!r}")


def nodes(bins: int, means) -> tuple[np.ndarray, np.ndarray]:
    """Energies (bins,) and weights (bins,) of a quadrature over 0 <= E that serves spectra of these mean energies: Gauss-Laguerre
    with the slope that they have on average, <E>/3."""
    scale = float(np.mean(means)) / 3
    x, weight = np.polynomial.laguerre.laggauss(bins)
    return scale * x, scale * weight * np.exp(x)


def by_quadrature(kind, bins, means, pinching) -> tuple[np.ndarray, np.ndarray]:
    """Energies (bins,) of the bins and parts (species, bins) of each species in them, from `nodes`; not normalised."""
    energy, weight = nodes(bins, means)
    return energy, np.array([weight * spectrum(kind, energy, mean, pinch) for mean, pinch in zip(means, pinching)])


def between(kind, edges, means, pinching) -> tuple[np.ndarray, np.ndarray]:
    """The same for bins between ascending edges (bins + 1,): the integrals of the spectra over them. The energy of a bin is the mean
    of all that the species have in it, where they have the same density."""
    edges = np.asarray(edges, dtype=float)
    x, weight = np.polynomial.legendre.leggauss(_POINTS)
    width, middle = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    energy = middle[:, None] + width[:, None] / 2 * x
    each = np.array([spectrum(kind, energy, mean, pinch) for mean, pinch in zip(means, pinching)])
    parts, numbers, energies = each @ weight * width / 2, (each @ weight).sum(axis=0), ((each * energy) @ weight).sum(axis=0)
    return np.where(numbers > 0, energies / np.where(numbers > 0, numbers, 1), middle), parts

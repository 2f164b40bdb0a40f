"""Grid of momenta of level "full", the distributions at the start, and whether the one holds the other.

Momenta in mu. Everything here is a pure function of the settings, the same on every rank; nothing communicates.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError

# Gaussian widths between a beam and p = 0 or the ends of the grid: exp(-6^2/2) = 2e-8 of the peak is left there.
WIDTHS = 6.0
ENDS = math.exp(-0.5 * WIDTHS**2)
# Grid spacings per width: the wave of shortest length on the grid then has exp(-(2 pi)^2/2) = 3e-9 of a Gaussian.
SPACINGS = 2.0
# What a distribution that vanishes as a power may leave next to p = 0, and in waves that the grid in p_z cannot carry;
# both are far above what a Gaussian leaves, and show as a drift of energy and momentum (docs/full.md).
CENTRE_AT_START = 1e-4
WAVES = 1e-4
QUADRATURE = 1e-4  # relative error of the integral of a beam
_QUADRATURES = {"gaussian": "laguerre", "thermal": "legendre"}


class MomentumGrid:
    """Cylindrical momenta: p_z uniform and periodic, p_perp a quadrature. The same on every rank.

    settings: dict with distribution, points (of p_z, even), p_max, perp_points, and sigma for the first of the rules

        laguerre   Gauss-Laguerre in p_perp^2 / 2 sigma^2, exact for exp(-p_perp^2 / 2 sigma^2) times polynomials in
                   p_perp^2 up to degree 2 perp_points - 1: distribution "gaussian"
        legendre   Gauss-Legendre in 0 <= p_perp <= p_max: distribution "thermal"

    between which `quadrature` chooses for distribution "file".
    p_z: (points,), half a spacing off -p_max, so that p = 0 is between two points. p_perp: (perp_points,), ascending.
    p, v, dv_dp: |p|, p_z / |p| and its derivative by p_z, shape (perp_points, points).
    weight: (perp_points,) such that ``sum_ji weight[j] g[j, i]`` is int d^3p g = int 2 pi p_perp dp_perp dp_z g.
    """

    def __init__(self, settings):
        points, p_max, rings = settings["points"], settings["p_max"], settings["perp_points"]
        self.spacing = 2.0 * p_max / points
        self.p_z = (np.arange(points) - 0.5 * (points - 1)) * self.spacing
        kind = settings["distribution"]
        if (settings["quadrature"] if kind == "file" else _QUADRATURES[kind]) == "laguerre":
            sigma = settings["sigma"]
            x, w = np.polynomial.laguerre.laggauss(rings)
            self.p_perp, area = sigma * np.sqrt(2.0 * x), 2.0 * np.pi * sigma**2 * w * np.exp(x)
        else:
            x, w = np.polynomial.legendre.leggauss(rings)
            self.p_perp = 0.5 * p_max * (x + 1.0)
            area = np.pi * p_max * w * self.p_perp
        self.weight = area * self.spacing
        self.p = np.hypot(self.p_z, self.p_perp[:, None])
        self.v = self.p_z / self.p
        self.dv_dp = self.p_perp[:, None] ** 2 / self.p**3
        self.shape = self.p.shape

    def integral(self, g):
        """int d^3p g of g (perp_points, points)."""
        return np.sum(self.weight[:, None] * g)

    def sample(self, beam):
        """A :class:`Gaussian` or :class:`Thermal` beam on the grid with integral 1 there, (perp_points, points)."""
        g = beam(self.p_z, self.p_perp[:, None])
        return g / self.integral(g)

    def error(self, beam):
        """Relative error of the quadrature for the integral of a beam."""
        return abs(self.integral(beam(self.p_z, self.p_perp[:, None])) / beam.integral - 1.0)


def inverse(p, critical):
    """1/p from `critical` on; below it (15 - 10 x^2 + 3 x^4)/(8 critical) with x = p/critical.

    That has the same value, slope and curvature at `critical`, and is smooth at p = 0.
    """
    if critical <= 0:
        return 1.0 / p
    x2 = np.minimum(p / critical, 1.0) ** 2
    return np.where(p < critical, (15.0 - 10.0 * x2 + 3.0 * x2**2) / (8.0 * critical), 1.0 / p)


def slope_of_inverse(p, critical):
    """The derivative of `inverse` by p."""
    if critical <= 0:
        return -1.0 / p**2
    x = np.minimum(p / critical, 1.0)
    return np.where(p < critical, (3.0 * x**3 - 5.0 * x) / (2.0 * critical**2), -1.0 / p**2)


@dataclass(frozen=True)
class Gaussian:
    """exp(-(p - p_a)^2 / 2 sigma^2) with |p_a| = p0 and direction v, a ring about the axis unless v = +-1."""

    p0: float
    sigma: float
    v: float

    @property
    def _across(self):
        return self.p0 * math.sqrt(1.0 - self.v * self.v)

    def __call__(self, p_z, p_perp):
        away = (p_z - self.p0 * self.v) ** 2 + (p_perp - self._across) ** 2
        return np.exp(-away / (2.0 * self.sigma**2))

    @property
    def integral(self):
        """int d^3p."""
        b = self._across / self.sigma
        ring = math.exp(-0.5 * b * b) + b * math.sqrt(0.5 * math.pi) * (1.0 + math.erf(b / math.sqrt(2.0)))
        return (2.0 * math.pi) ** 1.5 * self.sigma**3 * ring


@dataclass(frozen=True)
class Thermal:
    """A pinched thermal spectrum, dn/d|p| ~ p^pinching exp(-(pinching + 1) p / p_mean), beamed about the direction v.

    The spectrum is that of Keil, Raffelt, Janka, Astrophys. J. 590, 971 (2003); pinching 2 is Maxwell and Boltzmann's, 2.3
    near Fermi and Dirac's. In d^3p it vanishes at p = 0 as p^(pinching - 2). Directions: exp(-(v' - v)^2 / 2 width^2)
    with v' = p_z / |p|, as `modes.g` for v = 1. The largest value is 1 where v' = v.
    """

    p_mean: float
    pinching: float
    width: float
    v: float

    @property
    def peak(self):
        """|p| at the largest value."""
        return self.p_mean * (self.pinching - 2.0) / (self.pinching + 1.0)

    def spectrum(self, p):
        """Dependence on |p|, 1 at the peak."""
        x = np.asarray(p) / self.peak
        with np.errstate(divide="ignore"):  # p = 0 is a value of 0
            return np.exp((self.pinching - 2.0) * (np.log(x) + 1.0 - x))

    def __call__(self, p_z, p_perp):
        p = np.hypot(p_z, p_perp)
        return self.spectrum(p) * np.exp(-((p_z / p - self.v) ** 2) / (2.0 * self.width**2))

    @property
    def integral(self):
        """int d^3p."""
        k, step = self.pinching - 2.0, math.sqrt(2.0) * self.width
        radial = self.peak**3 * math.exp(k + math.lgamma(k + 3.0) - (k + 3.0) * math.log(k))
        angles = math.erf((1.0 - self.v) / step) + math.erf((1.0 + self.v) / step)
        return 2.0 * math.pi * radial * self.width * math.sqrt(0.5 * math.pi) * angles


def momenta(settings, count, p=None) -> np.ndarray | None:
    """|p| about which each of `count` modes is found, (modes,): that of the settings, or p of the modes; None for "file"."""
    if settings["distribution"] == "gaussian":
        return np.full(count, p if settings["p0"] is None else settings["p0"], dtype=float)
    return np.array(_of_each(settings["p_mean"], count)) if settings["distribution"] == "thermal" else None


def beams(settings, v, p=None) -> list:
    """The beam of each mode, directions v (modes,), that the settings describe; not for distribution "file".

    p: momenta of the modes (modes,), for Gaussian beams without a p0 of the settings.
    """
    if settings["distribution"] == "gaussian":
        centres = momenta(settings, len(v), p)
        assert centres is not None
        return [Gaussian(float(one), settings["sigma"], a) for one, a in zip(centres, v)]
    columns = (_of_each(settings[name], len(v)) for name in ("p_mean", "pinching", "angular_width"))
    return [Thermal(*row) for row in zip(*columns, v)]


def _of_each(values, count):
    """One value per mode from a list of one for all, or of as many."""
    return values * count if len(values) == 1 else values


def check_grid(settings, v, s, p=None):
    """Whether the momentum grid holds the beams of directions v, signs s and momenta p, if the modes have any; pure function.

    InputError names the key (as in the config section [full]) and the value that would do.
    """
    if settings["points"] % 2:
        raise InputError(f"full.points = {settings['points']}: must be even, so that p = 0 lies between two points")
    if p is not None and settings["distribution"] != "gaussian":
        key = "full.p_mean" if settings["distribution"] == "thermal" else "full.path"
        raise InputError(f"modes.energy: at level full momenta are those of the spectra, which {key} gives: leave it out")
    centres = momenta(settings, len(v), p)
    labels = zip(v, s, [0.0] * len(v) if centres is None or len(centres) != len(v) else centres)
    if len(set(labels)) < len(v):
        raise InputError(
            "modes of the same velocity and sign share their momenta at level full and cannot be told apart: make them one "
            'mode, give each a momentum of its own (modes.energy, or full.p_mean), or set full.distribution = "file"'
        )
    if settings["distribution"] == "gaussian":
        _check_gaussian(settings, v, centres)
    elif settings["distribution"] == "thermal":
        _check_thermal(settings, v)


def _check_gaussian(settings, v, centres):
    points, p_max, sigma = (settings[key] for key in ("points", "p_max", "sigma"))
    lowest = min(centres)
    if lowest < WIDTHS * sigma:
        key, name = ("full.p0", "p0") if settings["p0"] is not None else ("modes.energy", "all energies")
        raise InputError(
            f"{key} = {lowest:g}: p = 0, where the velocity is not defined, lies inside the distribution; take {name} >= "
            f"{WIDTHS * sigma:g}, {WIDTHS:g} times full.sigma"
        )
    needed = max(p0 * abs(a) for p0, a in zip(centres, v)) + WIDTHS * sigma
    if p_max < needed:
        raise InputError(
            f"full.p_max = {p_max:g}: the grid is too narrow for the distribution; take at least "
            f"{needed:g}, {WIDTHS:g} times full.sigma beyond the beams"
        )
    if 2.0 * p_max / points > sigma / SPACINGS:
        raise InputError(
            f"full.points = {points}: the grid is too coarse for the distribution; take at least "
            f"{2 * math.ceil(SPACINGS * p_max / sigma)}, a spacing of full.sigma / {SPACINGS:g}"
        )
    _check_quadrature(settings, beams(settings, v, centres))


def _check_thermal(settings, v):
    for key in ("p_mean", "pinching", "angular_width"):
        if len(settings[key]) not in (1, len(v)):
            raise InputError(f"full.{key}: one number for all modes or one for each, {len(v)}, not {len(settings[key])}")
    grid, points, p_max = MomentumGrid(settings), settings["points"], settings["p_max"]
    for beam in beams(settings, v):
        assert isinstance(beam, Thermal)
        left = float(beam.spectrum(grid.p.min()))
        if left > CENTRE_AT_START:
            tried = np.arange(math.ceil(beam.pinching), 200)
            enough = [k for k in tried if Thermal(beam.p_mean, float(k), 1.0, 1.0).spectrum(grid.p.min()) <= CENTRE_AT_START]
            advice = f"take at least {enough[0]}" if enough and grid.p.min() < beam.p_mean else "take a finer grid"
            raise InputError(
                f"full.pinching = {beam.pinching:g}: p = 0, where the velocity is not defined, lies inside the "
                f"distribution, which next to it still has {left:.1g} of its maximum; {advice}"
            )
        if beam.spectrum(p_max) > ENDS or p_max < beam.peak:
            needed = max(p_max, beam.peak)
            while beam.spectrum(needed) > ENDS:
                needed *= 1.02
            raise InputError(
                f"full.p_max = {p_max:g}: the grid is too narrow for the distribution; take at least {math.ceil(needed)}"
            )
        left = _waves_left(grid, beam)
        if left > WAVES:
            raise InputError(
                f"full.points = {points}: the grid is too coarse for the distribution, {left:.2g} of it is in "
                "waves that the grid cannot carry; take more points or a smaller full.p_max"
            )
    _check_quadrature(settings, beams(settings, v))


def _waves_left(grid, beam):
    """Largest wave in p_z that the grid cannot carry, over the largest mean, as seen on a grid four times finer."""
    points = len(grid.p_z)
    fine = (np.arange(4 * points) - 0.5 * (4 * points - 1)) * grid.spacing / 4
    wave = np.abs(np.fft.rfft(beam(fine, grid.p_perp[:, None]), axis=1))
    return wave[:, points // 2 :].max() / wave[:, 0].max()


def _check_quadrature(settings, beams):
    grid = MomentumGrid(settings)
    for beam in beams:
        error = grid.error(beam)
        if error > QUADRATURE:
            raise InputError(
                f"full.perp_points = {settings['perp_points']}: the quadrature in p_perp integrates the beam with "
                f"v = {beam.v:g} with a relative error of {error:.1g}; take more points"
            )

"""`init --from-moments`: a commented config from a row of a table of a supernova or a merger."""

from __future__ import annotations

import numpy as np

from .. import units
from ..errors import InputError
from ..physics import levels, on_sphere, sphere
from ..physics.linearised import linearised
from ..theory import growth_curve
from . import moment_columns
from .moment_columns import Moments
from .resolving import resolve
from .templates import commented

TOLERANCE = 1e-3  # to which the directions hold density and flux of the closure
WAVELENGTHS, EFOLDINGS, FINER = 8, 30, 32  # of the fastest wave in the box, until the end, and its k in the highest of the grid
LEAST_DEGREE = 11  # of the directions
SPAN, _SCAN = 3, 121  # wave numbers that linear theory is asked about: up to so many times all lepton number, so many
SLOWEST = 1e-3  # growth that counts as fast, of all lepton number


def config_text(path, row: int, system: str = "cgs", align: bool = False, name: str | None = None) -> str:
    """A config as TOML, ready for `run`, of the moments in a row of a file.

    align: turn the frame so that the net electron lepton flux is along z, the axis of the box. InputError, one sentence, for a table
    that cannot be read so.
    """
    moments = moment_columns.read(path, row, system)
    if not moments.n[:2].any():
        raise InputError(f"{moment_columns.KEY}: row {row} of {moments.path} has no nu_e and no anti-nu_e.")
    total = float(np.sum(moments.n * _multiplicities(moments.species)))
    raw = _config(moments, total, _turned(moments) if align else moments.f, name or "moments")
    remarks = [*_told(moments, total, align), *_sized(raw)]
    return commented(raw, remarks)


def _multiplicities(species):
    """For how many kinds of neutrinos each stands."""
    if species[-1] == "nu_x":
        return np.array([1, 1, 4])
    return np.array([2 if name.endswith("nu_x") else 1 for name in species])


def _turned(moments):
    """Fluxes in a frame whose z axis is the flux of nu_e minus that of anti-nu_e."""
    net = moments.f[0] - moments.f[1]
    size = np.linalg.norm(net)
    if not size:
        return moments.f
    z, along = net / size, np.array([0.0, 0.0, 1.0])
    cosine, axis = z @ along, np.cross(z, along)
    if not np.any(axis):
        return moments.f * np.array([1.0, np.sign(cosine), np.sign(cosine)])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return moments.f @ (np.eye(3) + cross + cross @ cross / (1 + cosine)).T


def _config(moments, total, f, name):
    """The config as a table, with a box and an end of time that stand for nothing yet."""
    if moments.laboratory:
        densities = [f"{value:.10g} /cm^3" for value in moments.n]
        fluxes = [[f"{value:.10g} /cm^3" for value in vector] for vector in f]
    else:
        densities, fluxes = moments.n.tolist(), f.tolist()
    raw = {
        "title": f"Moments of row {moments.row} of {moments.path}",
        "name": name,
        "flavor": {"number": 3 if len(moments.species) == 6 else 2},
        "box": {"length": 100.0, "points": 128},
        "modes": _directions(moments.n, f) | {"distribution": "moments", "densities": densities, "fluxes": fluxes},
        "initial": {"kind": "seeds", "variance": 1e-12, "n_max": 3 * WAVELENGTHS, "amplitudes_in": "n_a"},
        "equations": {"level": "energy"},
        "time": {"end": 100.0},
    }
    return ({"units": {"density": f"{total:.10g} /cm^3"}} if moments.laboratory else {}) | raw


def _directions(n, f):
    """The first set of directions that holds the moments to TOLERANCE: one of Lebedev, else a product."""
    asked = {"distribution": "moments", "densities": n.tolist(), "fluxes": f.tolist()}

    def holds(directions):
        return on_sphere.misses(asked, directions).max() <= TOLERANCE

    for degree in sphere.lebedev_degrees():
        if degree >= LEAST_DEGREE and holds(sphere.lebedev(degree)):
            return {"kind": "lebedev", "degree": degree}
    polar = next((polar for polar in range(10, 32) if holds(sphere.product(polar, 2 * polar))), 31)
    return {"kind": "product", "polar": polar, "azimuthal": 2 * polar}


def _sized(raw):
    """Put a box and an end of time into the config; -> what linear theory says of waves along its axis, in words."""
    config = resolve(raw)
    modes = levels.modes_of(config)
    states = [linearised(config, modes, _difference(modes, pair), i) for i, pair in enumerate(modes.algebra.pairs)]
    size = states[0].background.size
    k = np.linspace(-SPAN * size, SPAN * size, _SCAN)
    rates = np.max([growth_curve.rates_of(*state.background)(k) for state in states], axis=0)
    at, growth = abs(k[np.argmax(rates)]), float(rates.max())
    if growth < SLOWEST * size:
        return [
            "Linear theory of these directions: no wave along z grows fast. The box stands for nothing: give it a size of yours."
        ]
    at = at or k[1] - k[0]
    length, end = float(f"{WAVELENGTHS * 2 * np.pi / at:.3g}"), float(f"{EFOLDINGS / growth:.3g}")
    raw["box"] = {"length": length, "points": 2 * WAVELENGTHS * FINER}
    raw["time"] = {"end": end}
    scale = units.scale_of(raw)
    beside = f", that is {growth / scale.time:.3g} /s and {at / scale.length:.3g} /cm" if scale else ""
    return [
        f"Linear theory of these directions: of waves along z the fastest grows at the rate {growth:.4g} mu at |k| = {at:.3g} mu{beside}.",
        f"The box has {WAVELENGTHS} of its wavelengths, and the run lasts {EFOLDINGS} of its e-foldings.",
    ]


def _difference(modes, pair):
    """Difference of the densities of a pair of flavors, (modes,)."""
    if modes.content is not None:
        return modes.content[:, pair.first] - modes.content[:, pair.second]
    return modes.n if pair.first == 0 else np.zeros(len(modes))  # merged modes are as if of nu_e alone


def _told(moments: Moments, total, align):
    species = ", ".join(moments.species)
    text = [
        f"Number densities and fluxes of row {moments.row} (of {moments.rows}, counted from 0) of {moments.path}, for {species},",
        "as distributions of greatest entropy, f(v) ~ exp(Z.v) (Minerbo), on a grid of directions.",
    ]
    if moments.laboratory:
        text.append(f"The unit n of densities is that of all neutrinos together, {total:.8g} /cm^3; mu = sqrt(2) G_F n.")
    if align:
        text.append("The frame is turned so that the flux of nu_e minus anti-nu_e is along z.")
    if len(moments.species) in (3, 4):
        text.append(
            'Without masses species = "merged" in [modes] gives the same with half as many modes; densities of nu_x are not shown then.'
        )
    if moments.energies is not None:
        means = ", ".join(f'"{value:.8g} MeV"' for value in moments.energies)
        text.append(f'For masses: spectrum = "fermi-dirac", bins = 12, mean_energies = [{means}] in [modes].')
    if moments.rho_Ye is not None:
        text.append(
            f'For matter: [matter] with kind = "uniform", lambda = "{moments.rho_Ye:.8g} g/cm^3"; it changes no fast growth.'
        )
    if moments.unused:
        text.append(f"Columns that are not used: {', '.join(moments.unused)}.")
    return text

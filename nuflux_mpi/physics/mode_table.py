"""Kind table of [modes]: velocity, species, energy and densities of each mode from a file, text or HDF5, with named columns.

The modes become beams: the numbers stand in the resolved config, and the file is not needed again.
"""

import os

import numpy as np

from ..errors import InputError
from ..storage import columns
from ..storage.config_text import system_path

KEY = "modes.path"
UNIT = 1e-8  # by which the length of a direction may differ from 1: numbers written with a few digits
VELOCITY = {"v": ("v",), "v_x": ("vx", "ux"), "v_y": ("vy", "uy"), "v_z": ("vz", "uz")}
DENSITY = {"n_e": ("ne", "nnue", "densitye"), "n_x": ("nx", "nnux", "densityx"), "n_mu": ("nmu", "nnumu", "densitymu"),
           "n_tau": ("ntau", "nnutau", "densitytau")}  # fmt: skip
OTHERS = {"species": ("species", "sign", "s"), "energy": ("energy", "e", "p", "momentum"), "weight": ("weight", "w")}
WORDS = {"nu": 1, "neutrino": 1, "nubar": -1, "antinu": -1, "anti-nu": -1, "antineutrino": -1}


def take_in(modes, base_dir) -> None:
    """Make beams of a raw section [modes] of kind table, which is changed: the numbers of `path` in the place of the path.

    base_dir: where relative paths start. The numbers are checked with the rest of the config. InputError for a column that is
    missing, and for a row that is no mode.
    """
    path = modes.get("path")
    if modes.get("kind") != "table" or not isinstance(path, str):
        return
    table = columns.read(os.path.join(base_dir, os.path.expanduser(system_path(path))), KEY)
    named = _recognised(table)
    velocity, sign, content = _velocity(table, named), _sign(table, named), _content(table, named)
    there = np.flatnonzero(content.sum(axis=1) > 0)
    if not there.size:
        raise InputError(f"{KEY}: {table.path} has no neutrinos: all densities are 0.")
    beams = {"kind": "beams", "velocity": velocity[there].tolist(), "sign": sign[there].tolist()}
    if "energy" in named:
        energy = table.numbers(named["energy"], KEY)
        if np.any(energy <= 0):
            row = int(np.flatnonzero(energy <= 0)[0])
            raise InputError(f"{KEY}: row {row} of {table.path} has the energy {energy[row]:g}, and energies must be > 0.")
        beams["energy"] = _with_unit(energy[there], table.units.get(named["energy"]))
    units = {table.units.get(named[name]) or "" for name in DENSITY if name in named}
    if len(units) > 1:
        raise InputError(f"{KEY}: the densities of {table.path} must have one unit, not {' and '.join(sorted(units))}.")
    beams["content"] = [_with_unit(row, unit) for unit in units for row in content[there]]
    del modes["path"]
    modes.update(beams)


def _with_unit(values, unit):
    return [f"{value!r} {unit}" for value in values.tolist()] if unit else values.tolist()


def _recognised(table):
    """{what: name of the column}; InputError for what is missing, not known or twice."""
    known = {word: what for group in (VELOCITY, OTHERS, DENSITY) for what, words in group.items() for word in words}
    found = {}
    for name in table.columns:
        what = known.get(_squashed(name))
        if what is None:
            raise InputError(
                f"{KEY}: column {name} of {table.path} is unknown: allowed are v, or v_x, v_y, v_z; species; energy; weight; n_e, "
                "n_x, or n_e, n_mu, n_tau."
            )
        if what in found:
            raise InputError(f"{KEY}: {table.path} has the columns {found[what]} and {name}, which mean the same.")
        found[what] = name
    whole = [name for name in ("v_x", "v_y", "v_z") if name in found]
    if ("v" in found) == bool(whole) or len(whole) not in (0, 3):
        raise InputError(f"{KEY}: {table.path} must have the column v, or the three v_x, v_y, v_z, for the velocities.")
    for name in ("species", "n_e"):
        if name not in found:
            raise InputError(f"{KEY}: {table.path} has no column {name}; it has {', '.join(table.columns)}.")
    if ("n_mu" in found) != ("n_tau" in found) or ("n_x" in found and "n_mu" in found):
        raise InputError(f"{KEY}: {table.path} must have n_e, n_x (two flavors) or n_e, n_mu, n_tau (three).")
    return found


def _velocity(table, named):
    if "v" in named:
        return table.numbers(named["v"], KEY)
    v = np.stack([table.numbers(named[name], KEY) for name in ("v_x", "v_y", "v_z")], axis=1)
    length = np.linalg.norm(v, axis=1)
    wrong = np.flatnonzero(abs(length - 1) > UNIT)
    if wrong.size:
        raise InputError(f"{KEY}: row {wrong[0]} of {table.path} is no unit vector: its length is {length[wrong[0]]:.10g}.")
    return v / length[:, None]


def _sign(table, named):
    values = table.columns[named["species"]]
    words = [str(value) for value in np.asarray(values).tolist()]
    signs = [str(WORDS.get(word.lower().replace("_", ""), word)) for word in words]
    found = np.zeros(len(signs), dtype=int)
    for row, value in enumerate(signs):
        try:
            found[row] = int(float(value)) if float(value) in (1.0, -1.0) else 0
        except ValueError:
            pass
        if not found[row]:
            raise InputError(
                f'{KEY}: row {row} of {table.path} has the species "{value}": it must be 1 or nu, or -1 or antinu.'
            )
    return found


def _content(table, named):
    names = ("n_e", "n_mu", "n_tau") if "n_mu" in named else ("n_e", "n_x")
    zero = np.zeros(len(table))
    content = np.stack([table.numbers(named[name], KEY) if name in named else zero for name in names], axis=1)
    if "weight" in named:
        content = content * table.numbers(named["weight"], KEY)[:, None]
    wrong = np.argwhere(content < 0)
    if wrong.size:
        row, flavor = wrong[0]
        raise InputError(
            f"{KEY}: row {row} of {table.path} has a negative density, {names[flavor]} = {content[row, flavor]:g}."
        )
    return content


def _squashed(name):
    return name.replace("_", "").replace(" ", "").lower()

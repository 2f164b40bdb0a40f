"""How two runs differ: in their configs key by key, in where they came from, and in their results where they overlap.

Runs of other levels, resolutions and lengths are compared in what they share: quantities by name, at the times, modes,
points and waves that both have. A difference is the largest over everything but time; relative means divided by the
largest value, in either run, of all quantities with the same unit, so that a residual is held against the energy it is
left of. Quantities without unit are compared as they are.
"""

import tomllib

import numpy as np

from ..config import flat, toml_value
from ..errors import InputError
from ..results.names import LAYOUT, dimensions, space_of
from ..time.times import SAME, near
from . import expected

# Shown, and not held against the tolerance: what the solution cost, and what depends on the times of the rows.
NOT_JUDGED = ("step", "dt", "rejections", "rhs_evaluations", "wall_time", "dU_osc_dt_difference", "dK_dt_difference")
PARTS = ("series", "fields", "phase_space")
NOT_PROVENANCE = ("config_toml", "config_sha256", "title", "warnings", "Conventions", "coordinates", "units", "references")


def report(a, b, tolerance=0.0):
    """(text, largest relative difference) of two runs (:class:`~nuflux_mpi.results.reader.BaseRun`).

    The difference is infinite where one run has a number and the other has not-a-number. InputError if they have no
    output time in common, or nothing that could be judged.
    """
    lines = [f"A  {_name(a)}", f"B  {_name(b)}"]
    lines += _section("configuration", configuration(a, b))
    lines += _section("provenance", provenance(a, b))
    rows, alone = results(a, b)
    if not any(name not in NOT_JUDGED for name, *_ in rows):
        raise InputError(f"diff: the two runs have no result in common ({'; '.join(alone) or 'nothing is stored'}).")
    text, worst = _table(rows)
    hints = expected.lines(a, b)
    if hints:
        lines += _section("to be expected", hints)
    lines += _section("result: largest difference, the same relative to the largest value of that unit, and its time", text)
    if alone:
        lines += _section("not compared", alone)
    verdict = "agree" if worst <= tolerance else "differ"
    missing = [part for part in alone if part.startswith(PARTS)]
    verdict += f" in what both have ({'; '.join(missing)})" if missing else ""
    lines += ["", f"The results {verdict}: largest relative difference {worst:.2g} (tolerance {tolerance:g})."]
    return "\n".join(lines), worst


def configuration(a, b):
    """Lines "key  A -> B" of the keys whose values differ, one-sided keys with a dash."""
    first, second = (dict(flat(tomllib.loads(run.toml()))) for run in (a, b))
    return _changes(first, second)


def provenance(a, b):
    """The same of the attributes: version, commit, command, machine, ranks, libraries."""
    first, second = ({key: value for key, value in run.attrs.items() if key not in NOT_PROVENANCE} for run in (a, b))
    return _changes(first, second)


def _changes(first, second):
    keys = [key for key in {**first, **second} if key not in first or key not in second or first[key] != second[key]]
    width = max(map(len, keys), default=0)
    return [f"{key:<{width}}  {_shown(first, key)} -> {_shown(second, key)}" for key in keys]


def _shown(table, key):
    return toml_value(table[key]) if key in table else "-"


def results(a, b):
    """Differences of all that both runs stored, and sentences about what could not be compared.

    Returns (rows, sentences); a row is (name, largest difference, relative to its scale, time of it), and for fields
    also the largest relative 2-norm of a snapshot's difference and its time.
    """
    rows, alone = [], []
    for part in PARTS:
        first, second = _stored(a, part), _stored(b, part)
        if not first or not second:
            if first or second:
                alone.append(f"{part}: only in {'A' if first else 'B'}")
            continue
        if part == "series" and not len(_common(first, second, "time")[0]):
            raise InputError("diff: the series of the two runs have no output time in common.")
        if space_of(first) != space_of(second):
            raise InputError("diff: the boxes of the two runs have different numbers of dimensions.")
        scales = _scales(first, second) if part == "series" else {}
        for name in LAYOUT:
            if name in first and name in second and dimensions(name)[0] in ("time", "spectrum_time"):
                if len(dimensions(name)) == 1 and name in ("time", "spectrum_time"):
                    continue
                found = _difference(name, first, second, part != "series", scales)
                if found:
                    rows.append((name, *found))
                else:
                    alone.append(f"{name}: no common {' and '.join(dimensions(name))}")
            elif (name in first) != (name in second) and name not in ("time", "mode"):
                alone.append(f"{name}: only in {'A' if name in first else 'B'}")
    return rows, alone


def _stored(run, part):
    """A part of the run's results, {} if it has none; InputError for a damaged one."""
    from ..results.reader import NoFile

    try:
        arrays = getattr(run, part)
    except NoFile:
        return {}
    return arrays if len(arrays.get("time", ())) else {}


def _scales(first, second):
    """Largest magnitude of the quantities of each unit, in either run; 1 where there is no unit."""
    scales = {"": 1.0, "n_a": 1.0, "n_a^3": 1.0}
    for series in (first, second):
        for name in series:
            dims, unit, _ = LAYOUT[name]
            if dims[0] in ("time", "spectrum_time") and unit not in ("", "n_a", "n_a^3"):
                values = np.abs(np.asarray(series[name], dtype=float))
                scales[unit] = max(scales.get(unit, 0.0), values[np.isfinite(values)].max(initial=0.0))
        # A moment that vanishes by symmetry is rounding of the densities in it.
        if "D0" in series and "P_mean" in series:
            box = np.abs(series["P_mean"]).sum(axis=(1, 2)).max(initial=0.0)
            scales["n (1/mu)"] = max(scales.get("n (1/mu)", 0.0), box)
    return scales


def _difference(name, first, second, by_snapshot, scales):
    """(largest difference, relative, its time[, relative 2-norm, its time]) of one quantity; None without overlap."""
    where = [_common(first, second, axis) for axis in dimensions(name, space_of(first))]
    if any(not len(mine) for mine, _ in where):
        return None
    times = np.asarray(first[dimensions(name)[0]])[where[0][0]]
    largest, norms, size = np.zeros(len(times)), np.zeros(len(times)), 0.0
    for i, (row, other) in enumerate(zip(*where[0])):
        x = _part(first[name][row], [mine for mine, _ in where[1:]])
        y = _part(second[name][other], [its for _, its in where[1:]])
        change = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
        largest[i] = np.inf if np.isnan(change).any() else change.max(initial=0.0)
        size = max(size, *(np.abs(each[np.isfinite(each)]).max(initial=0.0) for each in (x, y)))
        norm = np.linalg.norm(x)
        norms[i] = np.linalg.norm(change) / norm if norm > 0 else np.linalg.norm(change)
    worst = int(np.argmax(largest))
    scale = scales.get(LAYOUT[name][1], size)
    relative = largest[worst] / scale if scale > 0 and largest[worst] > 0 else largest[worst]
    found = (float(largest[worst]), float(relative), float(times[worst]))
    return (*found, float(norms.max()), float(times[np.argmax(norms)])) if by_snapshot else found


def _part(array, indices):
    array = np.asarray(array, dtype=float)
    for axis, chosen in enumerate(indices):
        array = np.take(array, chosen, axis=axis)
    return array


def _common(first, second, axis):
    """Indices into either run's axis of the coordinates that both have, in the order of the first."""
    if axis == "mode":
        return _common_modes(first, second)
    if axis in ("flavor", "start_flavor") and len(first[axis]) != len(second[axis]):  # of two and of three: nu_e is in both
        return np.zeros(1, dtype=int), np.zeros(1, dtype=int)
    mine, its = (np.asarray(arrays[axis], dtype=float) for arrays in (first, second))
    if not len(mine) or not len(its):
        return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    order = np.argsort(its)
    right = np.clip(np.searchsorted(its[order], mine), 0, len(its) - 1)
    left = np.maximum(right - 1, 0)
    nearer = np.abs(its[order][left] - mine) < np.abs(its[order][right] - mine)
    nearest = order[np.where(nearer, left, right)]
    chosen = np.flatnonzero(near(mine, its[nearest]))
    return chosen, nearest[chosen]


def _common_modes(first, second):
    """The same for modes, which are the same if velocity, species and energy are; each is taken once.

    An energy that one of the runs does not know matches any.
    """
    (mine, p), (its, other) = _labels(first), _labels(second)
    if mine.shape[1] != its.shape[1]:  # whole velocities in one run alone
        return np.zeros((2, 0), dtype=int)
    pairs, free = [], np.ones(len(its), dtype=bool)
    for i, label in enumerate(mine):
        same = free & (np.abs(its - label) <= SAME).all(axis=1)
        if p is not None and other is not None:
            same &= np.abs(other - p[i]) <= SAME * np.abs(p[i])
        if same.any():
            pairs.append((i, int(np.argmax(same))))
            free[pairs[-1][1]] = False
    return np.array(pairs, dtype=int).reshape(-1, 2).T


def _labels(arrays):
    """(velocity and sign of each mode in a row, momenta or None)."""
    velocity = np.asarray(arrays["velocity_xyz"] if "velocity_xyz" in arrays else arrays["v"], dtype=float)
    sign, p = np.asarray(arrays["sign"], dtype=float), arrays["p"] if "p" in arrays else None
    return np.column_stack((velocity.reshape(len(sign), -1), sign)), None if p is None else np.asarray(p)


def _table(rows):
    """Lines for the differences, and the largest relative one that counts."""
    worst, lines, equal = 0.0, [], []
    for name, largest, relative, t, *norm in rows:
        if name not in NOT_JUDGED:
            worst = max(worst, relative)
        if largest == 0:
            equal.append(name)
            continue
        text = f"{name:<22} {largest:9.2e}  {relative:9.2e}  t = {t:g}"
        lines.append(text + (f", 2-norm {norm[0]:.2e} of its own at t = {norm[1]:g}" if norm else ""))
    if equal:
        lines.append(f"the same to the last bit: {', '.join(equal)}")
    return lines, worst


def _section(title, lines):
    return ["", title] + [f"  {line}" for line in lines or ["the same"]]


def _name(run):
    where = str(run.directory) if run.directory else "in memory"
    return f"{where}: {run.title}, {run.progress()}"

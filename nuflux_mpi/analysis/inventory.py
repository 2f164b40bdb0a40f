"""What is known of runs as data, for programs: `info --json` and `info --csv`.

Names are those of the files (docs/output.md). K is summed over the modes here. Where a number is not finite, or not there, JSON
has null and the table an empty cell.
"""

import csv
import io
import json
import math
import tomllib
from collections.abc import Mapping

import numpy as np

from ..config import flat
from ..results import checkpoint, ledger, summary
from ..results.names import LAYOUT, dimensions

# Series whose largest value over all times says how far a run may be trusted.
ACCURACY = ("energy_residual", "spectral_tail", "P_drift_max", "PPP_drift_max", "lepton_drift")
COUNTS = ("step", "rejections", "rhs_evaluations", "wall_time")


def described(run):
    """All that `info` knows of a run (:class:`~nuflux_mpi.results.reader.BaseRun`), as a dict that JSON can carry."""
    costs = checkpoint.costs(run.log())
    return plain(
        {
            "directory": str(run.directory) if run.directory else None,
            "title": run.title,
            "config": run.config,
            "modes": modes(run),
            "attributes": {name: value for name, value in run.attrs.items() if name not in ("config_toml", "warnings")},
            "progress": progress(run),
            "first": row(run, 0),
            "last": row(run, -1),
            "largest": largest(run),
            "growth": summary.verdict(run) or None,
            "warnings": run.warnings,
            "notes": run.notes(),
            "checkpoints": {
                "number": len(costs),
                "bytes": sum(cost.bytes for cost in costs),
                "seconds": sum(cost.seconds for cost in costs),
            },
            "seconds": ledger.spent(run.log()),
        }
    )


def progress(run):
    """How far a run came: its time, its ends, the share that is over, whether it is finished."""
    times = run.config.time
    start, end, t = times.get("start", 0.0), times.end, run.series["time"]
    reached = float(t[-1]) if len(t) else None
    share = (reached - start) / (end - start) if reached is not None and end > start else None
    return {"t": reached, "start": start, "end": end, "share": share, "finished": run.finished}


def modes(run):
    """How many modes a run has, and of what kinds; None where its files do not say."""
    if not len(run.series.get("v", ())):
        return None
    table = run.modes
    return {
        "number": len(table),
        "directions": len(np.unique(table.direction)),
        "flavors": list(table.flavors),
        "energies": None if table.p is None else np.unique(table.p),
    }


def row(run, number):
    """{name: number} of the series at one of their times, those with one number per time, K, and with names such as
    flavor_density_nu_e and conversion_antinu_e_mu contents and probabilities by species; {} before the first."""
    found = {name: run.series[name][number] for name in _scalars(run)}
    if found and "K" in run.series:
        found["K"] = np.sum(run.series["K"][number])
    return found | (_by_species(run, number) if found and "content" in run.series else {})


def _by_species(run, number):
    found, flavors = {}, run.modes.flavors
    for i, sign in enumerate(run.series["species"]):
        kind = "nu" if sign > 0 else "antinu"
        for j, flavor in enumerate(flavors):
            if "flavor_density" in run.series:
                found[f"flavor_density_{kind}_{flavor}"] = run.series["flavor_density"][number, i, j]
            of_start = run.series["conversion"][number, i, j]
            if np.isfinite(of_start).all():
                found |= {f"conversion_{kind}_{flavor}_{end}": value for end, value in zip(flavors, of_start)}
    return found


def largest(run):
    """{name: largest magnitude over all times} of ACCURACY, as far as the level has them."""
    return {name: np.max(np.abs(run.series[name])) for name in ACCURACY if len(run.series.get(name, ()))}


def _scalars(run):
    if not len(run.series["time"]):
        return []
    return [name for name in LAYOUT if name in run.series and dimensions(name) == ("time",)]


def table(runs):
    """CSV text with a line per run: how far it came, the keys of the configs that differ, the last numbers, the worst ones."""
    configs = [dict(flat(tomllib.loads(run.toml()))) for run in runs]
    keys = list(dict.fromkeys(key for config in configs for key in config))
    differing = [key for key in keys if len({repr(config.get(key)) for config in configs}) > 1]
    rows = [_line(run, {key: config.get(key) for key in differing}) for run, config in zip(runs, configs)]
    columns = list(dict.fromkeys(name for line in rows for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in plain(line).items()} for line in rows)
    return text.getvalue()


def _line(run, differing):
    last, first = row(run, -1), row(run, 0)
    counts = {name: last.pop(name) for name in COUNTS if name in last}
    for name in ("time", "dt"):
        last.pop(name, None)
    return {
        "run": str(run.directory or "in memory"),
        "t": progress(run)["t"],
        "finished": run.finished,
        **differing,
        **({"U_osc_start": first["U_osc"]} if "U_osc" in first else {}),
        **last,
        **{f"largest_{name}": value for name, value in largest(run).items()},
        **counts,
        "warnings": len(run.warnings),
    }


def as_json(data):
    """JSON text of what `described` gives, or of a list of it; in ASCII, which any locale prints, and any bytes of a path fit."""
    return json.dumps(plain(data), indent=1, allow_nan=False)


def plain(value):
    """The same in types of JSON: lists for arrays, None for numbers that are not finite, text for bytes."""
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (int, str, bool)) or value is None else str(value)

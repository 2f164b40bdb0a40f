"""What is to be said about a run in a few lines: what was computed, when, by which code, how far it came, how well.

Each function takes any run of `results` and gives a text, "" where nothing is known.
"""

import numpy as np

from . import checkpoint, growth_table, ledger
from .laboratory import shown


def facts(run):
    """List of (label, text); a label is "" where the text is a warning or a note."""
    rows = [
        ("run", str(run.directory) if run.directory else "in memory"),
        ("title", run.title),
        ("case", case(run)),
        ("units", units(run)),
        ("made", made(run)),
        ("command", run.attrs.get("command_line", "")),
        ("progress", run.progress()),
        ("energy", energy(run)),
        ("accuracy", accuracy(run)),
        ("growth", verdict(run)),
        ("steps", steps(run)),
        ("saved", saved(run)),
        ("time", time_spent(run)),
    ]
    return [(label, text) for label, text in rows if text] + [("", text) for text in run.warnings + run.notes()]


def case(run):
    kinds = "directions" if run.config.modes.kind == "angular" else "beams"
    length, points = (" x ".join(map(str, np.ravel(run.config.box[key]))) for key in ("length", "points"))
    return (
        f'{len(run.series["v"])} {kinds} in a box of length {length} with {points} points, level "{run.config.equations.level}"'
    )


def units(run):
    """What the units are in the laboratory's, and how large and long the run then is."""
    if run.scale is None:
        return ""

    def told(name, unit, values):
        largest = max(abs(value) for value in values)
        factor, symbol = shown(name, unit, run.scale, "natural", largest)
        return " x ".join(f"{value * factor:.4g}" for value in values) + f" {symbol}"

    mu, length, time = (told(*one, [1.0]) for one in (("p_z", "mu"), ("z", "1/mu"), ("time", "1/mu")))
    box, duration = told("z", "1/mu", run.config.box.lengths), told("time", "1/mu", [run.config.time.duration])
    return f"n = {run.scale.density:.4g} /cm^3, mu = {mu}, 1/mu = {length} = {time}: a box of {box} for {duration}"


def made(run):
    when = run.attrs.get("created", "unknown time")
    version = run.attrs.get("nuflux_version", "of unknown version")
    commit = str(run.attrs.get("git_commit") or "unknown")[:12]
    dirty = " with uncommitted changes" if run.attrs.get("git_dirty") == 1 else ""
    ranks = run.attrs.get("n_ranks", "?")
    return f"{when}, nuflux_mpi {version}, commit {commit}{dirty}, {ranks} rank{'' if ranks == 1 else 's'}"


def energy(run):
    U = run.series["U_osc"]
    if not len(U):
        return ""
    change = f"U_osc went from {U[0]:.6g} to {U[-1]:.6g}"
    if "energy_residual" not in run.series:
        return change + ' (level "standard" does not follow the kinetic energy)'
    worst = abs(run.series["energy_residual"]).max()
    if U[0] == 0:
        return f"{change}; K + U_osc stayed constant to {worst:.1e}"
    return f"{change}; K + U_osc stayed constant to {worst / abs(U[0]):.1e} |U_osc(0)|"


def accuracy(run):
    """What the budget does not tell: whether waves are resolved, and how well the other invariants are kept."""
    series, said = run.series, []
    if len(series.get("spectral_tail", ())):
        said.append(f"spectral_tail up to {np.max(series['spectral_tail']):.1e}")
    if len(series.get("P_drift_max", ())):
        said.append(f"|P_a| along the rays constant to {np.max(series['P_drift_max']):.1e} n_a")
    if len(series.get("D0", ())):
        size = np.sum(series["density"]) * np.prod(run.config.box.length)
        said.append(f"int D_0 to {np.max(np.abs(series['D0'] - series['D0'][0])) / size:.1e} n L")
    return ", ".join(said) or ""


def verdict(run):
    path = run.directory / growth_table.FILE if run.directory else None
    return growth_table.read(path)[1] if path and path.is_file() else ""


def steps(run):
    counts = [("step", "{:d} steps"), ("rejections", "{:d} rejected"), ("rhs_evaluations", "{:d} right-hand sides")]
    said = [text.format(int(run.series[name][-1])) for name, text in counts if len(run.series.get(name, ()))]
    if len(run.series.get("wall_time", ())):
        said.append(f"{run.series['wall_time'][-1]:.1f} s wall time")
    return ", ".join(said) or ""


def saved(run):
    costs = checkpoint.costs(run.log())
    if not costs:
        return ""
    total = checkpoint.Cost(sum(cost.bytes for cost in costs), sum(cost.seconds for cost in costs))
    return f"{len(costs)} checkpoint{'s' * (len(costs) > 1)}, {total}"


def time_spent(run):
    parts = ledger.spent(run.log())
    return ledger.told(parts) if parts else ""

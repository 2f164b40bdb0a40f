"""What is to be said about a run in a few lines: what was computed, when, by which code, how far it came, how well.

Each function takes any run of `results` and gives a text, "" where nothing is known.
"""

import numpy as np

from ..errors import InputError
from . import checkpoint, growth_table, ledger
from .laboratory import shown
from .names import energy_names


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
        ("flavor", flavor(run)),
        ("conserved", run.attrs.get("conserved", "")),
        ("accuracy", accuracy(run)),
        ("growth", verdict(run)),
        ("steps", steps(run)),
        ("saved", saved(run)),
        ("time", time_spent(run)),
    ]
    return [(label, text) for label, text in rows if text] + [("", text) for text in run.warnings + run.notes()]


def case(run):
    kinds = "beams" if run.config.modes.kind == "beams" else "directions"
    length, points = (" x ".join(map(str, np.ravel(run.config.box[key]))) for key in ("length", "points"))
    modes = run.modes
    text = f'{len(modes)} {kinds} in a box of length {length} with {points} points, level "{run.config.equations.level}"'
    more = [f"{len(modes.flavors)} flavors"] if len(modes.flavors) > 2 else []
    bins = len(np.unique(modes.energy_bin if modes.p is None else modes.p))
    more += [f"{bins} energies"] if bins > 1 else []
    if len(modes) > (count := len(np.unique(modes.direction))):
        more.append(f"{count} direction{'s' * (count > 1)}")
    more += ["neutrinos and antineutrinos merged"] if kinds == "directions" and _are_merged(run) else []
    more += [f"[{name}]" for name in ("vacuum", "matter", "attenuation") if run.config.get(name) is not None]
    return ", ".join([text, *more])


def _are_merged(run):
    from ..physics.levels import modes_of

    try:
        return modes_of(run.config).merged
    except (InputError, AttributeError, KeyError, TypeError, ValueError):  # of another version, or changed by hand
        return False


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
    named = energy_names(run.series)
    change = "; ".join(f"{name} went from {run.series[name][0]:.6g} to {run.series[name][-1]:.6g}" for name in named)
    unit, of_unit = _energy_unit(run, named)
    if "energy_residual" in run.series:
        return f"{change}; K + {' + '.join(named)} stayed constant to {abs(run.series['energy_residual']).max() / unit:.1e}{of_unit}"
    if len(named) > 1:
        worst = np.ptp(run.series["E_flavor"]) / unit
        return f'{change}; their sum changed by {worst:.1e}{of_unit} (level "standard" does not follow the kinetic energy)'
    return change + ' (level "standard" does not follow the kinetic energy)'


def _energy_unit(run, named):
    """(what errors of energy are compared with, in words): |U_osc(0)|, or the largest of several energies at any time."""
    if len(named) > 1:
        largest = max(float(np.abs(run.series[name]).max()) for name in named)
        return (largest, " of the largest") if largest else (1.0, "")
    start = abs(run.series["U_osc"][0])
    return (start, " |U_osc(0)|") if start else (1.0, "")


def flavor(run):
    """What became of the flavors: survival, and what there is of each in the end, of runs that tell contents."""
    series, said = run.series, []
    for name in ("P_ee", "P_ee_bar"):
        if len(series.get(name, ())):
            said.append(f"{name} {series[name][0]:.4g} -> {series[name][-1]:.4g}")
    if len(series.get("flavor_density", ())):
        for sign, first, last in zip(series["species"], series["flavor_density"][0], series["flavor_density"][-1]):
            kind = "nu" if sign > 0 else "anti-nu"
            parts = ", ".join(f"{each} {_told(a)} -> {_told(b)}" for each, a, b in zip(run.modes.flavors, first, last))
            said.append(f"{kind} [n]: {parts}")
    return "; ".join(said) if "content" in series else ""


def _told(density):
    return f"{density if abs(density) > 1e-12 else 0.0:.4g}"


def accuracy(run):
    """What the budget does not tell: whether waves are resolved, and how well the other invariants are kept."""
    series, said = run.series, []
    if len(series.get("spectral_tail", ())):
        said.append(f"spectral_tail up to {np.max(series['spectral_tail']):.1e}")
    if len(series.get("P_drift_max", ())):
        said.append(f"|P_a| along the rays constant to {np.max(series['P_drift_max']):.1e} n_a")
    if len(series.get("PPP_drift_max", ())):
        said.append(f"d_ijk P_i P_j P_k to {np.max(series['PPP_drift_max']):.1e} n_a^3")
    if len(series.get("lepton_drift", ())):
        said.append(f"lepton numbers that stay to {np.max(series['lepton_drift']):.1e}")
    elif len(series.get("D0", ())) and "content" not in series:
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

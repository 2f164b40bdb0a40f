"""Which modes a figure shows, and what it calls them: species and velocity, each name once. Nothing here draws."""

import numpy as np

from ..errors import InputError


def named(run, digits=3, with_species=True):
    """Names of all modes of a run for a figure, in TeX: species and velocity, with the index where two are the same.

    A mode of an angular distribution is a direction that neutrinos and antineutrinos share: it has no species.
    """
    series, own = run.series, has_species(run)
    bare = [f"$v = {velocity(v, digits)}$" for v in np.asarray(series["v"])]
    if len(np.unique(series.get("p", ()))) > 1:
        bare = [f"{name}, $p = {p:.{digits}g}$" for name, p in zip(bare, series["p"])]
    full = [f"{species(sign)}, {name}" if own else name for sign, name in zip(signs_of(series), bare)]
    return [
        (text if with_species else name) if full.count(text) == 1 else f"{text if with_species else name} (mode {index})"
        for index, (text, name) in enumerate(zip(full, bare))
    ]


def has_species(run):
    """Whether the modes of a run are of neutrinos or of antineutrinos, as beams are, and not directions that hold both."""
    if run.config.get("modes", {}).get("kind", "beams") == "beams":
        return True
    directions = run.series.get("direction", ())  # modes of one direction differ in species or energy
    return len(np.unique(directions)) < len(directions)


def signs_of(series):
    return np.asarray(series["sign"]) if "sign" in series else np.ones(len(series["v"]))


def symbol(run, mode, flavor):
    """The symbol of a flavor in a mode, such as nu_x or anti-nu_x."""
    return species(signs_of(run.series)[mode] if has_species(run) else 1, flavor)


def species(sign, flavor=""):
    """The symbol of neutrinos (sign > 0) or antineutrinos, of a flavor such as "x"."""
    nu = r"\nu" if sign > 0 else r"\bar\nu"
    if not flavor:
        return f"${nu}$"
    return f"${nu}_{flavor}$" if len(flavor) < 2 else f"${nu}_{{{letter(flavor).strip()}}}$"


def letter(flavor):
    """The letter of a flavor in TeX: mu and tau are Greek."""
    return flavor if len(flavor) < 2 else rf"\{flavor} "


def share_of_others(algebra, component, density):
    """The nu_x content of a mode, the share of its neutrinos that are not nu_e: of two flavors (1 - P^z/n)/2.

    component: function of an index that returns that component of P, and is asked only for those that say something.
    """
    weights = algebra.content_weights[0]
    electrons = sum(weights[index] * component(int(index)) for index in np.flatnonzero(weights))
    return (algebra.flavors - 1) / algebra.flavors - electrons / density


def label_of_others(algebra):
    """The formula of `share_of_others` in TeX."""
    return r"$(1 - P^z/n)/2$" if algebra.flavors == 2 else r"$1 - n_e/n$"


def velocity(v, digits=3):
    """A velocity in TeX, without the dollars: a number with its sign, or (0, 0, +1)."""
    parts = [f"{component:+.{digits}g}" if component else "0" for component in np.atleast_1d(v)]
    if np.ndim(v) == 0:
        return parts[0]
    return "(" + r",\,".join(f"{{{part}}}" for part in parts) + ")"  # braces: a sign, not an operation


IDLE = 0.05  # of the largest worth: modes below are passed over where not all can be shown


def chosen(run, most, wanted=None, worth=None):
    """Indices of the modes to show: `wanted`, or all that hold neutrinos, or `most` of these, from the most forward back.

    Of more than `most` as many of each species as its share allows, at least one, evenly spread over the velocities; of
    those that do something only, if `worth` (modes,) says how much each does. InputError for an index that no mode has.
    """
    series = run.series
    density = np.asarray(series["density"])
    if wanted:
        beyond = [index for index in wanted if not 0 <= index < len(density)]
        if beyond:
            raise InputError(f"--modes: there is no mode {beyond[0]}; the run has modes 0 to {len(density) - 1}.")
        return np.array(list(dict.fromkeys(wanted)))
    ordered = forward_first(series, np.flatnonzero(density > 0))
    if len(ordered) <= most:
        return ordered
    if worth is not None:
        busy = ordered[worth[ordered] >= IDLE * worth[ordered].max()]
        ordered = busy if len(busy) >= most else ordered
    signs = signs_of(series)[ordered]
    groups = [ordered[signs > 0], ordered[signs <= 0]]
    second = int(np.clip(round(most * len(groups[1]) / len(ordered)), min(1, len(groups[1])), most - min(1, len(groups[0]))))
    spread = [
        group[np.linspace(0, len(group) - 1, number).round().astype(int)] if number else group[:0]
        for group, number in zip(groups, (most - second, second))
    ]
    return forward_first(series, np.concatenate(spread))


def forward_first(series, indices):
    """The modes `indices` by falling velocity along z, neutrinos before antineutrinos where it is the same."""
    along_z = np.reshape(series["v"], (len(series["density"]), -1))[indices, -1]
    return indices[np.lexsort((-signs_of(series)[indices], -along_z))]


def count_said(shown, run):
    """Words on how many of the modes are shown; empty if all are."""
    total = int(np.count_nonzero(np.asarray(run.series["density"]) > 0))
    return f"{len(shown)} of {total} modes" if len(shown) < total else ""


def telling(run, wanted=None):
    """The one mode of a figure that shows one: `wanted`, else the most forward, the v = +1 beam of the paper.

    Of several energies of that direction it is the one with most neutrinos; of an angular distribution the direction whose nu_x
    content changes most.
    """
    series = run.series
    occupied = np.flatnonzero(np.asarray(series["density"]) > 0)
    if wanted:
        return int(chosen(run, 1, wanted)[0])
    ordered = forward_first(series, occupied)
    if not has_species(run) and len(series.get("nu_x", ())) > 1:
        change = np.abs(series["nu_x"] - series["nu_x"][0]).max(axis=0)[ordered]
        return int(ordered[np.argmax(change > 0.99 * change.max())])
    if len(np.unique(series.get("p", ()))) > 1:
        same = [mode for mode in ordered if np.array_equal(series["v"][mode], series["v"][ordered[0]])]
        return int(max(same, key=lambda mode: series["density"][mode]))
    return int(ordered[0])

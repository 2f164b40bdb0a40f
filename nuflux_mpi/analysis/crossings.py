"""What is said of crossings before a run: for `check` and `linear`."""

import numpy as np

from ..physics import crossings, initial, terms
from ..physics.crossings import Crossing


def lines(config, modes, width: int = 16, pair: int | None = None) -> list[str]:
    """Lines about the lepton numbers of a resolved config: of each pair of flavors, or of one, an index.

    modes: those of the config; width: of the column of names. None where the modes are not all of the start: one of a file, or one
    of level "full" that has no sharp directions.
    """
    if config.initial.kind == "file" or config.equations.level == "full" and config.full.distribution != "gaussian":
        return []
    found, name = crossings.of(modes, content(config, modes)), f"  {'crossing':<{width - 2}}"
    found = found if pair is None else found[pair : pair + 1]
    text = [f"{name}{sentence(one, modes.is_grid)}" for one in found]
    if not all(one.there for one in found) and any(term.separates for term in terms.chosen(config)):
        text.append(f"{name}slow instabilities, of masses, need none")
    return text


def content(config, modes) -> np.ndarray:
    """Densities of the flavors of each mode at the start, (modes, flavors), of a resolved config whose start is no file."""
    zeta, listed = initial.background(config, modes), modes.content
    if listed is not None and config.initial.zeta is None:
        return listed
    found = np.zeros((len(modes), modes.flavors)) if listed is None else listed.copy()
    n = (np.abs(zeta) if modes.n is None else modes.n) if listed is None else listed[:, 0] + listed[:, 1]
    found[:, 0], found[:, 1] = (n + zeta) / 2, (n - zeta) / 2
    return found


def sentence(crossing: Crossing, of_grid: bool = True) -> str:
    """A crossing in words."""
    pair = "".join(crossing.pair) if len("".join(crossing.pair)) == 2 else " ".join(crossing.pair)
    if not crossing.plus + crossing.minus:
        return f"{pair}: no lepton number, nothing fast grows"
    if not crossing.there:
        return f"{pair}: none, all lepton number is {'positive' if crossing.plus else 'negative'}: nothing fast grows"
    if crossing.zeros is not None:
        zeros = ", ".join(f"{v:.4g}" for v in crossing.zeros)
        where = f"at v = {zeros}" if of_grid else f"between beams, at v about {zeros}"
    else:
        center = ", ".join(f"{v:+.2f}" for v in crossing.center)
        of = "the sphere" if of_grid else "the directions"
        where = f"{'G < 0' if crossing.minus <= crossing.plus else 'G > 0'} on {100 * crossing.part:.3g} % of {of} around ({center})"
    return (
        f"{pair}: {where}, depth {crossing.depth:.3g} (smaller part of all lepton number): fast instability expected, "
        f"of the order of {crossing.rate:.3g} mu"
    )

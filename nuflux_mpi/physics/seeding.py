"""Which harmonics the random initial states seed: those up to a number, or up to a wave number, along each axis."""

import math

# Pairs of flavors whose coherence may be seeded, by the number of flavors, as the algebra orders them.
PAIRS = {2: ("e x",), 3: ("e mu", "e tau", "mu tau")}

# A wave number so close below a harmonic, in shares of it and in steps, means that harmonic: 6.283185 is 2 pi.
NEAREST, NEAREST_STEP = 1e-6, 0.01


def highest_harmonics(initial, length):
    """The highest seeded harmonic n_i along each axis of a box, a tuple of integers.

    initial: resolved section of kind "seeds" or "power-law"; length: of each axis [1/mu]. It is n_max for each, or the
    highest with 2 pi n_i / L_i <= k_max.
    """
    if initial.get("k_max") is None:
        return (initial["n_max"],) * len(length)
    return tuple(_up_to(initial["k_max"] * L / (2 * math.pi)) for L in length)


def _up_to(number):
    nearest = round(number)
    return nearest if abs(number - nearest) <= min(NEAREST * nearest, NEAREST_STEP) else math.floor(number)


def problem(initial, length, points):
    """What is wrong with n_max or k_max in this box, one sentence, or None. length, points: of each axis."""
    if None not in (initial.get("k_max"), initial["n_max"]):
        return "initial.n_max and initial.k_max say the same in two ways: leave one of them out."
    if initial.get("k_max") is None:
        smallest = min(points)
        if initial["n_max"] > (smallest - 1) // 2:
            return (
                f"initial.n_max must be below box.points / 2, not {initial['n_max']}: a grid of {smallest} points carries "
                f"harmonics up to {(smallest - 1) // 2}."
            )
        return None
    highest = highest_harmonics(initial, length)
    if not any(highest):
        least = 2 * math.pi / max(length)
        return f"initial.k_max must be at least 2 pi / box.length = {least:.6g}, the first harmonic, not {initial['k_max']:g}."
    for n, N in zip(highest, points):
        if n > (N - 1) // 2:
            return (
                f"initial.k_max = {initial['k_max']:g} asks for harmonics up to {n}, more than a grid of {N} points "
                f"carries: box.points must be at least {2 * n + 1} there, or k_max smaller."
            )
    return None


def make_way(raw, overrides):
    """Take n_max out of an unresolved config for which k_max is given by an override "initial.k_max=...", and the reverse."""
    given, initial = {override.partition("=")[0].strip() for override in overrides}, raw.get("initial")
    for one, other in (("n_max", "k_max"), ("k_max", "n_max")):
        if f"initial.{one}" in given and isinstance(initial, dict):
            initial.pop(other, None)

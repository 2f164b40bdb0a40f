"""What stands along the axes of stored arrays: modes with their labels, components, pairs, places."""

import numpy as np


def coordinates(box, modes, density, more, contents=None):
    """Arrays along the axes that are not time, by name; `more` are those of the level. contents: of a run that tells details, see
    `flavor_content.detailed`."""
    axes = {
        "mode": np.arange(len(modes)),
        "v": np.asarray(modes.v),
        "sign": np.asarray(modes.s, dtype=int),
        "density": np.asarray(density),
        "component": np.arange(modes.algebra.components),
        **more,
    }
    if contents is not None:
        axes = _details(modes, contents) | axes  # level full has `species`, too
    if modes.algebra.flavors > 2:
        axes["pair"] = np.arange(len(modes.algebra.pairs))
    if box.dimensions > 1:
        axes["axis"] = np.arange(box.dimensions)
    axes.update(zip(box.axis_names, box.axes()))
    return axes


def _details(modes, contents):
    """Labels of the modes, and the axes of contents and conversions."""
    F = modes.algebra.flavors
    known = {"p": modes.p, "velocity_xyz": modes.xyz}
    found = {"direction": modes.direction, "energy_bin": modes.energy, "content_start": contents.start}
    found |= {name: np.asarray(values, dtype=float) for name, values in known.items() if values is not None}
    if modes.xyz is not None:
        found["vector"] = np.arange(3)
    return found | {"flavor": np.arange(F), "start_flavor": np.arange(F), "species": contents.species}

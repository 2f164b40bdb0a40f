"""How far apart two runs of one problem may be for the time steps, or rounding, alone: what `diff` says beside what it finds.

A step is accepted with an error up to rtol |u(start)|; N steps add up to N of it, an instability multiplies it as it does the
seeds, and where the coherence saturates nothing more can be said. The same holds for rounding, a unit in the last place per
step. These are sizes above which one should look for another reason, no estimates: most runs stay far below.
"""

import tomllib
from typing import Any

import numpy as np

from ..config import flat

# Keys that say how time steps are made, and others without a say in the result but by rounding or by when steps are cut.
STEPS = (
    "time.rtol",
    "time.atol",
    "time.method",
    "time.dt_initial",
    "time.dt_min",
    "time.dt_max",
    "petsc.options",
    "output.series_every",
    "output.fields_every",
    "output.spectrum_every",
    "output.phase_space_every",
    "time.end",
)
NO_MATTER = ("title", "name", "box.fftw", "box.exchange", "output.")
ROUNDING = np.finfo(float).eps


def lines(a, b):
    """Sentences about two runs (:class:`~nuflux_mpi.results.reader.BaseRun`) for `diff`; none where nothing is known."""
    first, second = (dict(flat(tomllib.loads(run.toml()))) for run in (a, b))
    differing = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    physics = [key for key in differing if key not in STEPS and not key.startswith(NO_MATTER)]
    if physics:
        return [f"the runs differ in what they compute ({', '.join(physics)}): what size to expect cannot be told from here"]
    rise, when = zip(*(_rise(run) for run in (a, b)))
    steps: list[Any] = [_last(run, "step") for run in (a, b)]
    if None in rise or None in steps:
        return []
    stepping = [key for key in differing if key in STEPS]
    errors = [_tolerance(config, run) for config, run in zip((first, second), (a, b))] if stepping else [ROUNDING] * 2
    size = max(error * (1 + count) for error, count in zip(errors, steps)) * max(rise)
    cause = f"time steps ({', '.join(stepping)})" if stepping else "rounding (ranks, plans of the FFT, machine)"
    said = f"{max(1, max(steps)):.0f} steps of {'tolerance' if stepping else 'rounding'} {max(errors):.2g}"
    if max(rise) > 1.5:
        said += f", multiplied as the coherence was, {max(rise):.2g}-fold"
    return [
        f"{cause}: up to {size:.1g} of the state until t = {max(when):.3g} needs no other reason ({said});",
        "later each new rise of the coherence may multiply it again, and where flavor turns over fast it may become of order 1",
    ]


def _tolerance(config, run):
    """Error allowed per step, relative to the norm of the state at the start."""
    atol = config.get("time.atol", 0.0)
    density = np.linalg.norm(np.asarray(run.series["density"], dtype=float)) * np.sqrt(np.prod(run.config.box.points))
    return config.get("time.rtol", 0.0) + (atol / density if density else 0.0)


def _rise(run):
    """(factor by which the coherence rose, from its start to half of its largest value; time of that), or (None, None)."""
    coherence = np.asarray(run.series.get("coherence", ()))
    if not len(coherence) or not np.isfinite(coherence).all():
        return None, None
    top = int(np.argmax(coherence >= coherence.max() / 2))
    factor = coherence.max() / coherence[0] if coherence[0] > 0 else 1.0
    return max(1.0, float(factor)), float(run.series["time"][top])


def _last(run, name):
    values = run.series.get(name, ())
    return float(values[-1]) if len(values) else None

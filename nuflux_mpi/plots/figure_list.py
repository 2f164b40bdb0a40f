"""Which figures there are, for `plot` and for the end of a run: by name, for one run or for several.

Everything that draws is imported when it is asked for.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

# name: module that draws it, of one run
OF_ONE = {
    "energy": "evolution",
    "spectrum": "evolution",
    "angular": "angular",
    "maps": "space",
    "distribution": "momentum",
    "energy_gained": "momentum",
}
# name: function of comparison that draws it of several runs
OF_SEVERAL = {"all": "comparison", "energy": "energy", "angular": "survival", "spectrum": "power"}
NAMES = ("all", *OF_ONE, "missing_energy")
WITH_MODES = ("energy", "angular", "distribution", "energy_gained")


def _module(name):
    from importlib import import_module

    return import_module(f".{name}", __package__)


def draw_all(run, directory=None, title=True, modes=None):
    """Draws every figure that the results of a run allow. Returns the paths.

    directory: default that of the run. modes: indices of the modes that figures of some modes show. InputError if the run
    has written nothing yet.
    """
    paths = _module("evolution").draw_all(run, directory, title, modes)
    paths += _module("angular").draw_all(run, directory, title)
    paths += _module("space").draw_all(run, directory, title)
    return paths + _module("momentum").draw_all(run, directory, title, modes)


def draw(what, runs, output=None, title=True, modes=None):
    """Draws what `plot` was asked for. Returns the paths.

    what: one of NAMES. runs: list of runs. output: file for one figure; default in the run's directory, of several runs in
    the working directory. InputError for what cannot be drawn.
    """
    if modes and (len(runs) > 1 or what not in ("all", *WITH_MODES)):
        raise InputError(f"plot: --modes chooses the modes of one run, in the figures {', '.join(WITH_MODES)}.")
    if what == "missing_energy":
        if not output:
            raise InputError("plot: --what missing_energy compares runs; name its file with -o")
        _module("momentum").missing_energy(by_level(runs), output, title)
        return [output]
    if len(runs) > 1:
        if what not in OF_SEVERAL:
            raise InputError(
                f"plot: several runs make one figure with --what {', '.join((*OF_SEVERAL, 'missing_energy'))}, not {what}."
            )
        path = output or Path("comparison.png" if what == "all" else f"comparison_{what}.png")
        getattr(_module("comparison"), OF_SEVERAL[what])(runs, path, title)
        return [path]
    if what == "all":
        if output:
            raise InputError("plot: -o names one figure; choose it with --what")
        return draw_all(runs[0], title=title, modes=modes)
    path = output or runs[0].directory / f"{what}.png"
    more = {"modes": modes} if what in WITH_MODES else {}
    getattr(_module(OF_ONE[what]), what)(runs[0], path, title, **more)
    return [path]


def by_level(runs):
    """{label: run}: the level, and where several runs have the same, the directory too. InputError for one run twice."""
    levels = [run.config.equations.level for run in runs]
    found = {level if levels.count(level) == 1 else f"{level}, {run.directory}": run for level, run in zip(levels, runs)}
    if len(found) < len(runs):
        raise InputError("plot: a run is named twice")
    return found

"""Which figures there are, for `plot` and for the end of a run: by name, for one run or for several.

Everything that draws is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError


class OfOne(NamedTuple):
    """A figure of one run. module: that draws it, in a function of the figure's name; allowed: whether a run has what it shows;
    modes: whether it shows some modes, which may be chosen."""

    module: str
    allowed: Callable
    modes: bool = False


def _has(name):
    return lambda run: len(run.series.get(name, ())) > 0


def _has_directions(run):
    """Whether there is anything over directions: not where a direction has modes of its own for both species."""
    from ..results.figure_modes import has_species

    return not has_species(run) and len(run.series["time"]) > 0


def _has_maps(run):
    from ..results.names import space_of

    return len(space_of(run.series)) > 1


def _has_energy_map(run):
    """Whether kappa was stored often enough; in several dimensions it is in the maps."""
    fewest = _module("style").FEWEST_SNAPSHOTS
    return not _has_maps(run) and "kappa" in run.fields and len(run.fields["time"]) >= fewest


def _has_spectra(run):
    return "content" in run.series and _module("flavors").has_spectra(run)


OF_ONE = {
    "energy": OfOne("evolution", lambda run: True, modes=True),
    "flavors": OfOne("flavors", _has("content")),
    "spectra": OfOne("flavors", _has_spectra),
    "spectrum": OfOne("evolution", _has("psi2")),
    "angular": OfOne("angular", _has_directions, modes=True),
    "maps": OfOne("space", lambda run: _has_maps(run) and len(run.fields["time"]) > 0),
    "distribution": OfOne("momentum", _has("f_q"), modes=True),
    "energy_gained": OfOne("momentum", _has_energy_map, modes=True),
}
# name: function of comparison that draws it of several runs
OF_SEVERAL = {"all": "comparison", "energy": "energy", "angular": "survival", "spectrum": "power"}
NAMES = ("all", *OF_ONE, "missing_energy")
WITH_MODES = tuple(name for name, figure in OF_ONE.items() if figure.modes)


def _module(name):
    from importlib import import_module

    return import_module(f".{name}", __package__)


def _draw(name, run, path, title, modes):
    figure = OF_ONE[name]
    getattr(_module(figure.module), name)(run, path, title, **({"modes": modes} if figure.modes else {}))


def draw_all(run, directory=None, title=True, modes=None):
    """Draws every figure that the results of a run allow. Returns the paths.

    directory: default that of the run. modes: indices of the modes that figures of some modes show. InputError if the run
    has written nothing yet, and for a run in memory without a directory.
    """
    directory = directory or run.directory
    if directory is None:
        raise InputError("A run in memory has no directory of its own: say where its figures go.")
    paths = []
    for name, figure in OF_ONE.items():
        if figure.allowed(run):
            paths.append(Path(directory) / f"{name}.png")
            _draw(name, run, paths[-1], title, modes)
    return paths


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
    _draw(what, runs[0], path, title, modes)
    return [path]


def by_level(runs):
    """{label: run}: the level, and where several runs have the same, the directory too. InputError for one run twice."""
    levels = [run.config.equations.level for run in runs]
    found = {level if levels.count(level) == 1 else f"{level}, {run.directory}": run for level, run in zip(levels, runs)}
    if len(found) < len(runs):
        raise InputError("plot: a run is named twice")
    return found

"""What the figures of this package have in common: look, sizes, labels, words where there is nothing to show, and saving.

pyplot is never used, so that drawing neither needs a display nor disturbs the settings of a notebook. PNG and PDF files
carry the provenance of their runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from .errors import InputError
from .layout import space_of

# Colours of Okabe and Ito, told apart by all common kinds of colour vision and in print.
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6b6b6b"
STYLE = {
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.4,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "mathtext.fontset": "cm",
    "savefig.dpi": 150,  # 8 inches wide: 1200 pixels
}
WIDTH = 8.0  # inches
MAP = {"shading": "nearest", "rasterized": True}  # values as they are, not interpolated; pixels even inside a PDF
TIME_LABEL = r"time $t\ [1/\mu]$"
MOST_PIXELS = 1200  # per direction of a colour map; more would not be seen
FEWEST_SNAPSHOTS = 4  # a map of fewer would show colours where nothing is known
DECADES = 12  # of power that are shown below the largest


@contextlib.contextmanager
def style():
    """matplotlib's own defaults with STYLE on top, whatever the caller has set; the caller's settings come back."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


class RunFigure(Figure):
    """A matplotlib Figure that shows itself in a notebook, in which the provenance of its runs is kept.

    provenance: savefig's metadata for a PNG; `saved` sets it.
    """

    provenance = None

    def _repr_png_(self):
        """The PNG, and the size to show it at: 100 pixels an inch, whatever the screen makes of the rest."""
        from io import BytesIO

        content = BytesIO()
        with style():
            self.savefig(content, format="png", metadata=self.provenance)
        width, height = self.get_size_inches()
        return content.getvalue(), {"width": round(100 * width), "height": round(100 * height)}


def new_figure(height):
    """An empty figure of the usual width, `height` inches high."""
    figure = RunFigure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finished(figure, run, path):
    """Saves the figure, if a path is given, with the provenance of its run in the file; returns the figure."""
    return saved(figure, {"": run}, path)


def saved(figure, runs, path):
    """Saves the figure, if a path is given, with the provenance of {label: run} in the file; returns the figure.

    InputError for a suffix that is no format, and where nothing can be written.
    """
    figure.provenance = metadata_of(runs, ".png")
    if path is None:
        return figure
    path, formats = Path(path), figure.canvas.get_supported_filetypes()
    if path.suffix and path.suffix[1:].lower() not in formats:
        raise InputError(f"The figure {path} cannot be written: its suffix must be one of {', '.join(sorted(formats))}.")
    try:
        figure.savefig(path, metadata=metadata_of(runs, path.suffix.lower()))
    except OSError as error:
        raise InputError(f"The figure {path} cannot be written: {error}.") from None
    return figure


def metadata_of(runs, suffix):
    """savefig's metadata for a figure of the runs {label: run}, "" labelling a single one.

    PNG has each attribute as a text chunk of its own; PDF, whose fields are fixed, all of them as JSON in its subject.
    """
    if not runs:
        return {}
    found = {label: _origin(run) for label, run in runs.items()}
    title = ", ".join(dict.fromkeys(run.title for run in runs.values()))
    if suffix == ".pdf":
        return {"Title": title, "Subject": json.dumps(found)}
    if suffix == ".png":
        entries = {f"{label}: {name}" if label else name: value for label, origin in found.items()
                   for name, value in origin.items()}
        return {"Title": title, **entries}
    return {}


def _origin(run):
    """Attributes of a run as text: config, version, commit, command, machine, libraries; older runs may lack some."""
    attrs, config = run.attrs, run.toml()
    commit = str(attrs.get("git_commit") or "unknown") + ("-dirty" if attrs.get("git_dirty") else "")
    return {
        **{name: str(value) for name, value in attrs.items() if name not in ("git_dirty", "title", "coordinates", "warnings")},
        "warnings": "\n".join(run.warnings),
        "config_sha256": str(attrs.get("config_sha256") or hashlib.sha256(config.encode()).hexdigest()),
        "git_commit": commit,
        "nuflux_version": str(attrs.get("nuflux_version", "unknown")),
        "created": str(attrs.get("created", "unknown")),
        "config_toml": config,
    }


def title_of(run):
    """The line above a figure: title of the run, L and N."""
    length, points = (
        r" \times ".join(f"{value:g}" for value in np.ravel(run.config["box"][key])) for key in ("length", "points")
    )
    title = run.title.replace("$", r"\$")  # a lone dollar would begin a formula
    return rf"{title}   $L = {length}/\mu$, $N = {points}$"


def energy_unit(run):
    """(unit, its name for a label): |U_osc(0)|, or the unit in which energies are stored where that is zero."""
    start = abs(run.series["U_osc"][0])
    if start > 0:
        return start, r"$\,/\,|U_{\rm osc}(0)|$"
    axes = len(space_of(run.series))
    return 1.0, rf"$\ [\mu n\,(1/\mu){f'^{axes}' if axes > 1 else ''}]$"


def label_zero(axes, values):
    """Where all values are zero the axis has no other tick: the scale would be invented."""
    if not np.any(values):
        axes.set_yticks([0.0])


def logarithmic(axes, values):
    """A logarithmic axis for curves of such values, in whole decades; if none is positive, that is said instead."""
    known = np.ma.masked_less_equal(np.ma.masked_invalid(values), 0).compressed()
    if not known.size:
        say_in(axes, "zero at all times")
        axes.set_yticks([])
        return
    axes.set_yscale("log")
    low = np.floor(np.log10(known.min()))
    # At least two: within one, ticks between the decades would get labels that overlap.
    axes.set_ylim(10.0**low, 10.0 ** max(np.ceil(np.log10(known.max())), low + 2))


def say_in(axes, words):
    """Words in a panel that has nothing else to show."""
    axes.text(0.5, 0.55, words, ha="center", transform=axes.transAxes)  # clear of a line at zero


def thinned(count):
    """A slice that leaves at most MOST_PIXELS of `count` rows."""
    return slice(None, None, max(1, -(-count // MOST_PIXELS)))


def time_range(t):
    """Limits of the time axis; a run that has only started gets a little room."""
    return (t[0], t[-1]) if len(t) > 1 else (t[0], t[0] + 1)


# ---- power spectra -----------------------------------------------------------------------------------------------------


def spectrum_panels():
    """(figure, axes) of a power spectrum: over time and k, its color bar, by k beside it, in all below it, words."""
    figure = new_figure(height=5.8)
    grid = figure.add_gridspec(2, 3, height_ratios=[3.2, 1.6], width_ratios=[3, 0.08, 1.5])
    power = figure.add_subplot(grid[0, 0])
    beside = figure.add_subplot(grid[0, 2], sharey=power)
    total = figure.add_subplot(grid[1, 0], sharex=power)
    words, bar = figure.add_subplot(grid[1, 2]), figure.add_subplot(grid[0, 1])
    words.set_axis_off()
    return figure, (power, bar, beside, total, words)


def draw_power(figure, axes, colorbar_axes, t, k, power, label):
    """Power (times, waves) in colors over t and k, with its color bar; words where there is none."""
    rows, seen = thinned(len(t)), thinned(len(k))
    values = power[rows][:, seen].T
    if values.any():
        floor, top = power_floor(values), values.max()
        norm = LogNorm(vmin=min(floor, top / 10), vmax=top)
        image = axes.pcolormesh(t[rows], k[seen], np.maximum(values, floor), norm=norm, cmap="magma", **MAP)
        figure.colorbar(image, cax=colorbar_axes).set_label(label)
    else:
        say_in(axes, "no coherence at any time")
        axes.set_ylim(k[0], k[-1])
        colorbar_axes.set_axis_off()
    axes.set_title("power spectrum of flavor coherence")
    axes.tick_params(labelbottom=False)


def power_floor(power):
    """The smallest power that is shown, for power that is not zero everywhere: below DECADES is round-off."""
    return max(power[power > 0].min(), power.max() * 10.0**-DECADES)

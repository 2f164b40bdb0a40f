"""What the figures of this package have in common: look, sizes, labels, words where there is nothing to show, and saving.

pyplot is never used, so that drawing neither needs a display nor disturbs the settings of a notebook. PNG and PDF files
carry the provenance of their runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..results.names import space_of
from ..runtime.text import one_line
from . import binning, laboratory
from .drawing import Figure, FigureCanvasAgg, LogLocator, LogNorm, MaxNLocator, NullFormatter, matplotlib

# Colours of Okabe and Ito, told apart by all common kinds of colour vision and in print.
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6b6b6b"
CYCLE = (BLUE, VERMILLION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "black", "#8c6d31")  # of curves that are told apart
FLAVOR_COLORS = (BLUE, VERMILLION, GREEN)  # of e, x or mu, tau
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
MAP = {"shading": "flat", "rasterized": True}  # cells with the values as they are; pixels even inside a PDF
TIME_LABEL = r"time $t\ [1/\mu]$"
POSITION_LABEL = r"position $z\ [1/\mu]$"
FEWEST_SNAPSHOTS = 4  # a map of fewer would show colours where nothing is known
SMALL_CONTENT, DECADES_OF_CONTENT = 0.1, 6  # a nu_x content below is shown on a logarithmic scale of so many decades
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
    laboratory.relabel(figure, runs)
    if path is None:
        return figure
    path, formats = Path(path), figure.canvas.get_supported_filetypes()
    if path.suffix and path.suffix[1:].lower() not in formats:
        raise InputError(f"The figure {path} cannot be written: its suffix must be one of {', '.join(sorted(formats))}.")
    try:
        _write(figure, path, metadata_of(runs, path.suffix.lower()))
    except OSError as error:
        raise InputError(f"The figure {path} cannot be written: {error}.") from None
    return figure


def _write(figure, path, metadata):
    """savefig, which draws a figure twice, the first time for nothing but its layout; a PNG is drawn once here."""
    if path.suffix.lower() != ".png":
        figure.savefig(path, metadata=metadata)
        return
    dpi, figure.dpi = figure.dpi, matplotlib.rcParams["savefig.dpi"]
    try:
        figure.canvas.print_png(path, metadata=metadata)
    finally:
        figure.dpi = dpi


def metadata_of(runs, suffix):
    """savefig's metadata for a figure of the runs {label: run}, "" labelling a single one.

    PNG has each attribute as a text chunk of its own; PDF, whose fields are fixed, all of them as JSON in its subject.
    """
    if not runs:
        return {}
    found = {label: _attributes(run) for label, run in runs.items()}
    title = ", ".join(dict.fromkeys(run.title for run in runs.values()))
    if suffix == ".pdf":
        return {"Title": title, "Subject": json.dumps(found)}
    if suffix == ".png":
        entries = {
            f"{label}: {name}" if label else name: value for label, attrs in found.items() for name, value in attrs.items()
        }
        return {"Title": title, **entries}
    return {}


def _attributes(run):
    """Attributes of a run as text: config, version, commit, command, machine, libraries; older runs may lack some."""
    attrs, config = run.attrs, run.toml()
    commit = str(attrs.get("git_commit") or "unknown") + ("-dirty" if attrs.get("git_dirty") == 1 else "")
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
    length, points = (r" \times ".join(f"{value:g}" for value in np.ravel(run.config.box[key])) for key in ("length", "points"))
    title = one_line(run.title).replace("$", r"\$")  # a lone dollar would begin a formula
    return rf"{title}   $L = {length}/\mu$, $N = {points}$"


def energy_unit(run, least=0.0):
    """(unit, its name for a label): |U_osc(0)|, or the unit in which energies are stored where that is not above `least`."""
    start = abs(run.series["U_osc"][0])
    if start > least:
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
    high = max(np.ceil(np.log10(known.max())), low + 2)
    axes.set_ylim(10.0**low, 10.0**high)
    apart = max(1, int(np.ceil((high - low) / 6)))  # decades between labels
    axes.yaxis.set_major_locator(LogLocator(10.0**apart, numticks=99))
    # Between labels single decades, or where all of these have one the numbers from 2 to 9.
    axes.yaxis.set_minor_locator(LogLocator(10.0, subs=(1.0,) if apart > 1 else range(2, 10), numticks=99))
    axes.yaxis.set_minor_formatter(NullFormatter())


def say_in(axes, words):
    """Words in a panel that has nothing else to show."""
    axes.text(0.5, 0.55, words, ha="center", transform=axes.transAxes)  # clear of a line at zero


def time_range(t, *cells):
    """Limits of a time axis that holds a series and whole cells of maps; a run that has only started gets a little room.

    t: times of the series. cells: edges in time of each map.
    """
    first, last = (t[0], t[-1]) if len(t) > 1 else (t[0], t[0] + 1)
    return min([first, *(edges[0] for edges in cells)]), max([last, *(edges[-1] for edges in cells)])


def curve(axes, x, y, **look):
    """A line through the points, or, where they are far more than pixels, the same picture of them with fewer."""
    return axes.plot(*binning.envelope(x, y), **look)


def box_ticks(axis, start, length, most=5, factor=1.0):
    """Ticks of a position axis: both ends of the box, and about `most` round numbers between that are clear of them.

    factor: from the positions to the numbers that are shown.
    """
    between = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(start * factor, (start + length) * factor) / factor
    clear = [x for x in between if 0.45 * length / most < x - start < length - 0.45 * length / most]
    at = [start, *clear, start + length]
    axis.set_ticks(at, [f"{x * factor:.4g}".replace("-", "\N{MINUS SIGN}") for x in at])


def draw_position_map(axes, t, z, length, values, **colors):
    """Values (times, points) of a periodic box over time and z, both ends of the box in view. -> (image, edges in time)

    t, z: the times and points; values: over bins of them, as from `binning.space_time`, or all.
    """
    in_time, in_space = binning.edges(t), binning.edges(z)
    if values.shape[1] == len(z):  # a cell about each point: of the first one half lies at the other end of the box
        values, in_space = binning.periodic(values), binning.edges(binning.ring(z, length))
    else:
        in_space[-1] = z[0] + length
    image = axes.pcolormesh(in_time, in_space, values.T, **colors, **MAP)
    axes.set_ylim(z[0], z[0] + length)
    box_ticks(axes.yaxis, z[0], length)
    axes.set_ylabel(POSITION_LABEL)
    return image, in_time


def content_colors(share):
    """Colors from 0 to 1, or, of a content that stays far below, those of its growth. -> (settings of the map, content)"""
    top = share.max()
    if not 0 < top < SMALL_CONTENT:
        return {"vmin": 0, "vmax": 1}, share
    floor = max(share[share > 0].min(), top * 10.0**-DECADES_OF_CONTENT)
    if floor > top / 10:  # it does not grow
        return {"vmin": 0, "vmax": top}, share
    return {"norm": LogNorm(floor, top)}, np.maximum(share, floor)


def lettered(panels):
    """Puts (a), (b), (c), ... in front of the titles of the panels, if there are several."""
    for number, axes in enumerate(panels if len(panels) > 1 else ()):
        letter = "abcdefghijklmnopqrstuvwxyz"[number % 26] * (1 + number // 26)
        axes.set_title(f"({letter}) {axes.get_title(loc='left')}")


def aside(axes, words):
    """A remark in small print at the right end of a panel's title line; nothing without words."""
    if words:
        axes.set_title(words, loc="right", fontsize=9, color=GREY)


# ---- power spectra -----------------------------------------------------------------------------------------------------


def spectrum_panels():
    """(figure, axes) of a power spectrum: over time and k, its color bar above, by k beside it, in all below it, words."""
    figure = new_figure(height=6.2)
    grid = figure.add_gridspec(3, 2, height_ratios=[0.12, 3.2, 1.6], width_ratios=[3, 1.5])
    power = figure.add_subplot(grid[1, 0])
    beside = figure.add_subplot(grid[1, 1], sharey=power)
    total = figure.add_subplot(grid[2, 0], sharex=power)
    words, bar = figure.add_subplot(grid[2, 1]), figure.add_subplot(grid[0, 0])
    words.set_axis_off()
    return figure, (power, bar, beside, total, words)


def draw_power(figure, axes, colorbar_axes, t, k, power, label):
    """Power (times, waves) in colors over t and k, with its color bar; words where there is none."""
    values = binning.averaged(binning.averaged(power), axis=1).T
    if values.any():
        floor, top = power_floor(values), values.max()
        norm = LogNorm(vmin=min(floor, top / 10), vmax=top)
        image = axes.pcolormesh(binning.edges(t), binning.edges(k), np.maximum(values, floor), norm=norm, cmap="magma", **MAP)
        bar = figure.colorbar(image, cax=colorbar_axes, orientation="horizontal", location="top")
        bar.set_label(label)
    else:
        say_in(axes, "no coherence at any time")
        axes.set_ylim(k[0], k[-1])
        colorbar_axes.set_axis_off()
    axes.set_title("power spectrum of flavor coherence")
    axes.tick_params(labelbottom=False)


def power_floor(power):
    """The smallest power that is shown, for power that is not zero everywhere: below DECADES is round-off."""
    return max(power[power > 0].min(), power.max() * 10.0**-DECADES)

"""Axes of finished figures in the units of the laboratory: other ticks and another unit in the label, the same drawing."""

from __future__ import annotations

import re

import numpy as np

from ..errors import InputError
from ..results.laboratory import shown
from ..units import Scale
from .drawing import FixedLocator, FuncFormatter, LogLocator, MaxNLocator

# Units in labels that are converted, as in names.LAYOUT. Densities stay in n: they are shown as parts of it.
_UNITS = {r"1/\mu": "1/mu", r"\mu": "mu"}
_BRACKET = re.compile(r"\[(1/\\mu|\\mu)\]")
# What a label is about, by how it begins: a name of which `shown` knows the unit.
_NAMES = {"time": "time", "$t": "time", "wavenumber": "k", "growth rate": "growth_rate", "frequency": "frequency"}
_BARE = ("$x$", "$y$", "$z$")  # positions whose unit stands at another axis of the panel
_UNIT_OF_DISTRIBUTION = ("per neutrino", "neutrinos")  # labels of numbers per energy, in 1/mu


def relabel(figure, runs):
    """Ticks and labels of all axes of a figure of the runs {label: run} in the units in which these are shown.

    InputError where the runs have no scale, or several. Titles, and densities in n, stay in code units.
    """
    systems = {run.shown_in or run.config.output.get("units", "code") for run in runs.values()} - {"code"}
    if not systems:
        return
    scales = {run.scale for run in runs.values()}
    if len(scales) > 1:
        raise InputError("plot: runs of different [units] have no common axis in the units of the laboratory.")
    scale, system = scales.pop(), systems.pop()
    labelled: dict[tuple, float] = {}  # (x or y, its ends): factor
    done: set[int] = set()  # shared axes have one set of ticks
    both = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    for axis in both:
        if factor := _relabel(axis, scale, system):
            labelled[_range(axis)] = factor
            done.add(id(axis.major))
            _rescale(axis, factor)
    for axis in both:  # panels above or beside that leave the label to these
        if not axis.get_label_text() and _range(axis) in labelled and id(axis.major) not in done:
            _rescale(axis, labelled[_range(axis)])


def _range(axis) -> tuple:
    return axis.axis_name, *axis.get_view_interval()


def _relabel(axis, scale: Scale | None, system: str) -> float | None:
    """Another unit in the label of an axis, if it has one that is converted. -> factor"""
    label = axis.get_label_text()
    if label in _BARE:
        label = rf"{label[:-1]}\ [1/\mu]$"
    found = _BRACKET.search(label)
    if not found or label.startswith(_UNIT_OF_DISTRIBUTION):
        return None
    name = next((name for begin, name in _NAMES.items() if label.startswith(begin)), "")
    largest = float(np.max(np.abs(axis.get_view_interval())))
    factor, unit = shown(name, _UNITS[found[1]], scale, system, largest)
    axis.set_label_text(label.replace(found[0], rf"[{_in_formula(unit)}]"))
    return factor


def _in_formula(unit: str) -> str:
    """A unit as it stands between the dollars of a label."""
    return r"{\rm " + unit.replace("µ", r"\mu ").replace("^-2", "^{-2}") + "}"


def _rescale(axis, factor: float) -> None:
    """Ticks at round numbers of the value times `factor`."""
    locator = axis.get_major_locator()
    if isinstance(locator, FixedLocator):  # of a box
        from .style import box_ticks  # which imports this module

        box_ticks(axis, min(locator.locs), np.ptp(locator.locs), factor=factor)
        return
    if axis.get_scale() == "log":
        axis.set_major_locator(_Scaled(LogLocator(10.0, numticks=9), factor))
        axis.set_major_formatter(FuncFormatter(lambda x, _: rf"$10^{{{np.log10(x * factor):.0f}}}$"))
        axis.set_minor_locator(_Scaled(LogLocator(10.0, subs=range(2, 10), numticks=99), factor))
        return
    axis.set_major_locator(_Scaled(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10]), factor))
    axis.set_major_formatter(FuncFormatter(lambda x, _: _told(x * factor)))


def _told(value: float) -> str:
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


class _Scaled(MaxNLocator):
    """The ticks of another locator for values times a factor."""

    def __init__(self, locator, factor):
        super().__init__()
        self._inner, self._factor = locator, factor

    def set_axis(self, axis):
        super().set_axis(axis)
        self._inner.set_axis(axis)

    def tick_values(self, vmin, vmax):
        return np.asarray(self._inner.tick_values(vmin * self._factor, vmax * self._factor)) / self._factor

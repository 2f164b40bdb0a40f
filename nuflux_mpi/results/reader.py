"""Results of a run: `Run` reads a run directory, `MemoryRun` holds one made from Python; both look the same.

    run = Run("runs/two_beam")
    run.series["time"], run.series["U_osc"]          arrays, read when first asked for
    run.fields["P"][-1, 0, 2]                        only the part asked for is read from the file
    run.fields.at(5.0)["P"]                          all fields at one output time
    print(run.summary())

Reading needs h5py alone, serial or not; it takes no file locks, so a run may be watched while it is being written. What
is shown is the run as it was when `Run` was called: `time` is the commit mark of both files, and rows beyond its length
are ignored. Nothing here is distributed, and no function communicates.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np

from ..config import Config, stored, to_toml
from ..errors import InputError
from ..storage.atomic import read_plain
from ..time.times import near
from ..units import Scale, scale_of
from . import lock
from .datasets import usable
from .file_names import LOG
from .names import LAYOUT, RECORD_AXES, dimensions

POSTMORTEM = "postmortem.h5"  # the last good state of a run that failed


class Fields(Mapping):
    """Fields by name over their output times: `P` (time, mode, component, z), `kappa` (time, mode, z), and the axes.

    In place of z there are x, z or x, y, z in a box of two or three dimensions.
    """

    def __init__(self, arrays):
        self._arrays = arrays

    def __getitem__(self, name):
        if isinstance(self._arrays, dict) and name not in self._arrays:
            raise _Missing(f"The fields have no {name}; they have {', '.join(self._arrays) or 'nothing'}.")
        return self._arrays[name]

    def __iter__(self):
        return iter(self._arrays)

    def __len__(self):
        return len(self._arrays)

    def __repr__(self):
        return repr(self._arrays) if isinstance(self._arrays, _Elsewhere) else _display().arrays_line("Fields", self._arrays)

    def _repr_html_(self):
        return _display().arrays_table("Fields", self._arrays)

    def at(self, t):
        """Fields at output time t as a dict of arrays: P (mode, component, z), ..., and the axes unchanged.

        InputError, naming the neighbours, if the fields were not written at t (to 1e-9 of the time that they cover).
        """
        times = np.asarray(self["time"])
        row = int(np.argmin(abs(times - t))) if len(times) else 0
        if not near(times, t)[row : row + 1].any():
            nearest = ", ".join(f"{x:g}" for x in sorted(times[np.argsort(abs(times - t))[:2]]))
            raise InputError(f"The fields were not written at t = {t:g}; the nearest times: {nearest or 'none'}.")
        return {name: np.asarray(self[name][row] if dimensions(name)[0] == "time" else self[name]) for name in self}


class Series(dict):
    """Series in memory by name, as arrays. InputError, which is a KeyError too, for a name that is not there."""

    def __missing__(self, name):
        raise _Missing(f"The series have no {name}; they have {', '.join(self)}.")

    def __repr__(self):
        return _display().arrays_line("Series", self)

    def _repr_html_(self):
        return _display().arrays_table("Series", self)


class _Elsewhere(Mapping):
    """In the place of fields that rank 0 has, on the other ranks: empty, and who asks for one is told where it is."""

    def __getitem__(self, name):
        raise _Missing(
            f"{name}: results in memory have their fields on rank 0 alone, and this is another rank. Ask for them "
            "on rank 0; or let the run write to a directory (out=...) and read it with nuflux_mpi.Run(directory) "
            "on any rank."
        )

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0

    def __repr__(self):
        return "<Fields: on rank 0 alone>"


class BaseRun:
    """What every run offers: `config` (:class:`~nuflux_mpi.config.Config`), `attrs` (provenance), `series`, `fields`, and reports."""

    config: Config
    attrs: dict
    series: Mapping
    fields: Fields
    directory: Path | None = None
    shown_in: str | None = None  # units of its figures, as output.units, in their place

    @property
    def title(self):
        """Title of the config or, if it has none, name of its case."""
        return self.config.get("title") or self.config.get("name") or "untitled"

    @property
    def finished(self):
        """Whether the series reach the end time of the config."""
        time, end = self.series["time"], self.config.time.end
        return bool(len(time)) and time[-1] >= end - 16 * np.spacing(abs(end))  # it is met exactly

    @cached_property
    def modes(self):
        """What is known of each mode: a :class:`~nuflux_mpi.results.mode_labels.ModeTable`."""
        from .mode_labels import ModeTable

        return ModeTable(self.series)

    @property
    def content(self):
        """Densities of the flavors in each mode over time, (time, mode, flavor) in n: box averages, also of runs that stored none."""
        return self.modes.content(self.series)

    @property
    def scale(self) -> Scale | None:
        """What mu, 1/mu and n are in eV, cm, s and 1/cm^3, or None: a config without [units] has no scale."""
        return scale_of(self.config)

    def in_units(self, name, system="natural", part="series"):
        """(array, unit) of a stored name in the laboratory's units, "cgs" or "natural" ones; InputError without [units]."""
        from .laboratory import converted

        return converted(self, name, system, part)

    def notes(self):
        """What else is to be known about the place where the run is, one sentence each."""
        return []

    @property
    def warnings(self):
        """What the run was worried about, one line each, as in run.log."""
        text = self.attrs.get("warnings", "")
        return (text.decode(errors="ignore") if isinstance(text, bytes) else text).splitlines()

    def toml(self):
        """The resolved config as TOML, which runs the same case again."""
        return to_toml(self.config)

    def to_xarray(self, part="series", units="code"):
        """The series (or, with part="fields", the fields) as an xarray.Dataset with named dimensions and coordinates.

        units: "code", or "cgs" and "natural" as in `in_units`. EnvironmentProblem if xarray is not installed.
        """
        from .labelled import dataset

        return dataset(self, part, units)

    def __repr__(self):
        where = self.directory or "in memory"
        try:
            return f"<{type(self).__name__} {where}: {self.title}, {self.progress()}>"
        except InputError as error:
            return f"<{type(self).__name__} {where}: {error}>"

    def _repr_html_(self):
        try:
            return _display().table(self.title, self.facts())
        except InputError as error:
            return _display().table(str(self.directory), [("damaged", error)])

    def summary(self, without=None):
        """What was computed, when, by which code, how far it came and how well energy is conserved, as text.

        A line for each of these of which something is known; without: the label of one to be left out.
        """
        return "\n".join(f"{label:<9} {text}" for label, text in self.facts() if label != without)

    def facts(self):
        """The same as a list of (label, text); a label is "" where the text is a warning or a note."""
        from . import summary

        return summary.facts(self)

    def progress(self):
        """How far the run came, in words."""
        time, start, end = self.series["time"], self.config.time.get("start", 0.0), self.config.time.end
        if not len(time):
            return f"nothing written yet (t = {start:g} .. {end:g})"
        if self.finished:
            return f"finished at t = {time[-1]:g}"
        return f"not finished: t = {time[-1]:g} of {end:g} ({(time[-1] - start) / (end - start):.1%})"

    def log(self):
        """The text of run.log, "" where there is none."""
        try:
            return read_plain(self.directory / LOG, "replace") if self.directory else ""
        except OSError:
            return ""


class MemoryRun(BaseRun):
    """A run that never touched a file: the same interface over arrays.

    config: resolved, or a dict of it. series, fields: dicts of arrays, with names and shapes of the files. attrs: provenance. Under
    mpirun all ranks have the series; fields and phase_space are None on all ranks but 0.
    """

    def __init__(self, config, series, fields, attrs=None, phase_space=()):
        self.config = stored(config)
        self.series = Series(series)
        self.fields = Fields(_Elsewhere() if fields is None else dict(fields))
        self.phase_space = Fields(_Elsewhere() if phase_space is None else dict(phase_space))
        self.attrs = dict(attrs or {})


class Run(BaseRun):
    """A run directory: run.toml, series.h5 and fields.h5. Finished or not; nothing is read before it is asked for.

    InputError if the directory holds no run, or a file is missing or damaged.
    """

    def __init__(self, path):
        self.directory = _existing(path)
        self.series = _Stored(self.directory / "series.h5", at_once=True)
        self.attrs = self.series.attrs

    def notes(self):
        found = []
        if (self.directory / lock.NAME).exists():
            found.append(f"{lock.NAME} is there: the run goes on, or was killed")
        if (self.directory / POSTMORTEM).exists():
            try:
                failure = file_attributes(self.directory / POSTMORTEM).get("failure", "the run failed")
            except InputError as error:
                failure = str(error)
            found.append(f"{POSTMORTEM} has the last good state: {failure}")
        return found

    @cached_property
    def fields(self):
        return Fields(_Stored(self.directory / "fields.h5", at_once=False))

    @cached_property
    def phase_space(self):
        """Snapshots of f, like `fields`; the levels that resolve momentum write them."""
        return Fields(_Stored(self.directory / "phase_space.h5", at_once=False))

    @cached_property
    def config(self):
        return stored(tomllib.loads(self.toml()))

    def toml(self):
        """The resolved config as it was written: `stored_config`."""
        return stored_config(self.directory)


def stored_config(directory):
    """The config of a run directory as TOML text, from run.toml or, should that be gone, the copy inside series.h5."""
    directory = _existing(directory)
    try:
        text = read_plain(directory / "run.toml")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{directory / 'run.toml'} cannot be read: {reason}.") from None
    if not text.strip():  # gone, or empty, as an end of the system may have left it
        attrs = file_attributes(directory / "series.h5")
        if "config_toml" not in attrs:
            raise InputError(f"{directory} has no run.toml, and its series.h5 no copy of it.")
        text = attrs["config_toml"]
    _check_config(text, f"The stored config of {directory} is damaged")
    return text


def _existing(directory):
    """The path of a directory that is there, or InputError."""
    directory = Path(directory)
    try:
        if directory.is_dir():
            return directory
    except (OSError, ValueError) as error:
        raise InputError(f"{error}.") from None
    if os.path.lexists(directory):
        raise InputError(f"{directory} is neither a run directory nor a file of one.")
    raise InputError(f"There is no run directory {directory}.")


def _check_config(text, complaint):
    """InputError, beginning with the complaint, if a stored text is no config."""
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{complaint}: {error}.") from None
    lacking = [name for name in ("box", "modes", "equations", "time", "output") if not isinstance(config.get(name), dict)]
    if lacking:
        raise InputError(f"{complaint}: it has no section {', '.join(lacking)}.")


def file_attributes(path):
    """Attributes of an HDF5 file of a run as Python objects, config_toml among them. InputError if it cannot be read."""
    with _opened(Path(path)) as file:
        return {name: _plain(value) for name, value in file.attrs.items()}


class _Missing(InputError, KeyError):
    """A dataset that a file of a run lacks: a KeyError for those who know mappings, one sentence for the others."""

    __str__ = InputError.__str__


class NoFile(InputError):
    """A file of a run is not there."""


class _Stored(Mapping):
    """The datasets of `layout.LAYOUT` in one HDF5 file, cut to the rows that `time` (or `spectrum_time`) had at first.

    at_once: arrays are read whole and kept; otherwise those with three and more axes come as `_StoredArray`.
    """

    def __init__(self, path, at_once):
        self.path, self._at_once, self._kept = path, at_once, {}
        with _opened(path) as file:
            if "time" not in file:
                raise InputError(f"{path} holds no time axis: it is damaged, or the run has written nothing yet.")
            found = [name for name in LAYOUT if file.get(name, getlink=True)]
            for name in found:
                if not usable(file, name):
                    raise InputError(f"{path} is damaged: its {name} is not as runs write it.")
            rows = {name: file[name].shape[0] for name in RECORD_AXES if name in found}
            self.attrs = {name: _plain(value) for name, value in file.attrs.items()}
            self._shapes = {}
            for name in found:
                axis = dimensions(name)[0]
                shape = file[name].shape
                self._shapes[name] = (min(rows[axis], shape[0]), *shape[1:]) if axis in rows else shape

    def __getitem__(self, name):
        if name in self._kept:
            return self._kept[name]
        if name not in self._shapes:
            raise _Missing(f"{self.path} has no dataset {name}; it has {', '.join(self._shapes)}.")
        array = _StoredArray(self.path, name, self._shapes[name])
        if self._at_once or len(array.shape) < 3:
            array = self._kept[name] = np.asarray(array)
        return array

    def __iter__(self):
        return iter(self._shapes)

    def __len__(self):
        return len(self._shapes)

    @property
    def shapes(self):
        """Shapes by name, without reading an array."""
        return self._shapes

    def __repr__(self):
        return _display().arrays_line(self.path.stem.capitalize(), self, self.path)

    def _repr_html_(self):
        return _display().arrays_table(str(self.path), self)


class _StoredArray:
    """A dataset that is read part by part, by indexing as a numpy array or, as a whole, by numpy.asarray."""

    def __init__(self, path, name, shape):
        self.path, self.name, self.shape = path, name, shape
        self.ndim = len(shape)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        # Negative and open indices count from the committed rows; the file may hold more by now.
        if isinstance(first, slice):
            first = slice(*first.indices(len(self)))
        elif isinstance(first, (int, np.integer)):
            first = range(len(self))[first]
        with _opened(self.path) as file:
            return file[self.name][(first, *rest)]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype=dtype)

    def __repr__(self):
        return f"<{self.name} {self.shape} in {self.path}>"

    def _repr_html_(self):
        return _display().arrays_table(f"in {self.path}, read part by part", {self.name: self})


@contextmanager
def _opened(path):
    import h5py  # imported late: which of its builds is taken is decided by the environment, before the first import

    if not path.is_file():
        kind = InputError if os.path.lexists(path) else NoFile
        raise kind(f"{path.parent} holds no {path.name}: it is not a run directory, or the run has not started.")
    try:
        try:
            # Read-only, so a lock protects nothing: it would only fail on shared disks or stop the writer.
            file = h5py.File(path, "r", locking=False)
        except OSError:
            # HDF5 wants the same locking flag of all that have the file open in one process, such as xarray.
            file = h5py.File(path, "r")
        with file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read, it is damaged or just being written: {error}.") from None


def _plain(value):
    """HDF5 attribute as a Python object; a list, which no run writes, as text."""
    return str(value.tolist()) if isinstance(value, np.ndarray) else value.item() if isinstance(value, np.generic) else value


def _display():
    """How results show themselves, which only a terminal and a notebook ask."""
    from . import display

    return display

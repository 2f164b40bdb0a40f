"""Where results go: a run directory, or memory. Both take the same calls.

    <run>/run.toml     resolved config: `run <run>/run.toml` repeats the run
          series.h5    numbers over time, written by rank 0, flushed row by row
          fields.h5    snapshots of the fields, written by all ranks together
          phase_space.h5   the same of f, levels "momentum" and "full" only, seldom
          growth.csv   growth rates of its waves, measured and by linear theory
          run.log      what the run said

docs/output.md describes the files. Rows are appended with `time` resized last: its length is the commit mark.
"""

import os
import tomllib
from pathlib import Path

import numpy as np

from . import hdf5
from .config import flat, to_toml
from .errors import InputError
from .layout import LAYOUT, RECORD_AXES, SPACE, dimensions
from .results import MemoryRun, Run

RUN_FILES = ("run.toml", "series.h5", "fields.h5", "phase_space.h5", "growth.csv", "run.log")
FIGURES = ("energy.png", "spectrum.png", "distribution.png", "energy_gained.png")
COORDINATES = {"coordinates": "v sign density"}  # by which xarray knows that they label the modes


def holds_run(directory):
    """Names of the files in `directory` that make it a run; empty if there is none."""
    return [name for name in RUN_FILES if (Path(directory) / name).exists()]


def free_directory(parent, name):
    """The first of parent/name, parent/name-2, ... that holds no run."""
    candidate, number = Path(parent) / name, 1
    while holds_run(candidate):
        number += 1
        candidate = Path(parent) / f"{name}-{number}"
    return candidate


def coordinates(box, modes, density, more):
    """Arrays along the axes that are not time, by name; `more` are those of the level."""
    axes = {"mode": np.arange(len(modes)), "v": np.asarray(modes.v), "sign": np.asarray(modes.s, dtype=int),
            "density": np.asarray(density), "component": np.arange(3), **more}
    axes.update(zip(SPACE, box.axes()))
    return axes


def _create(file, name, shape, dtype=float):
    """Dataset with unit and meaning as attributes; growing, and `shape` that of a row, if it has a record axis."""
    dims, unit, meaning = LAYOUT[name]
    if dims[0] not in RECORD_AXES:
        dataset = file.create_dataset(name, shape, dtype=dtype, track_times=False)
    else:
        width = int(np.prod(shape, dtype=int))
        many = None if "{space}" in dims else (max(1, min(1024, 2**17 // max(width, 1))), *shape)
        dataset = hdf5.create_growing(file, name, shape, dtype, many)
    dataset.attrs["units"], dataset.attrs["long_name"] = unit, meaning
    return dataset


def _mark_continued(file, attrs):
    """The attributes of the run that goes on; `created` stays, `continued` is new. All ranks for a shared file."""
    file.attrs.update({name: value for name, value in attrs.items() if name != "created"})
    file.attrs["continued"] = attrs["created"]


def _attach(file):
    """Make every one-dimensional axis a dimension scale and name the dimensions of all datasets by them."""
    for name in file:
        if dimensions(name) == (name,):
            file[name].make_scale(name)
    for name in file:
        for i, axis in enumerate(dimensions(name)):
            if axis != name:
                file[name].dims[i].attach_scale(file[axis])


class SeriesFile:
    """series.h5, on rank 0 only. Datasets appear with the first row, which fixes names and shapes."""

    def __init__(self, path, attrs, axes, k):
        import h5py

        self._file = h5py.File(path, "w")
        self._file.attrs.update(attrs | COORDINATES)
        for name, values in axes.items():
            if name not in SPACE:
                _create(self._file, name, values.shape, values.dtype)[...] = values
        self._file["component"].attrs["labels"] = "x y z"
        if k is not None:
            _create(self._file, "k", k.shape)[...] = k
            _create(self._file, "spectrum_time", ())
            _create(self._file, "psi2", k.shape)
        self._names = None
        self._rows = self._spectra = 0

    @classmethod
    def continued(cls, path, attrs, t):
        """The file of an earlier run, cut back to the rows up to time t."""
        import h5py

        self = cls.__new__(cls)
        self._file = file = h5py.File(path, "r+")
        _mark_continued(file, attrs)
        kept = {axis: int(np.count_nonzero(file[axis][:] <= t)) for axis in RECORD_AXES if axis in file}
        for name in file:
            axis = dimensions(name)[0]
            if axis in kept:
                file[name].resize(kept[axis], axis=0)
        self._names = [name for name in file if dimensions(name)[0] == "time" and name != "time"] + ["time"]
        self._rows, self._spectra = kept["time"], kept.get("spectrum_time", 0)
        return self

    def rows(self, number):
        """The first and the last `number` rows as dicts, each with its count of `rows` so far."""
        chosen = sorted({0, *range(max(0, self._rows - number), self._rows)})
        return [{"rows": i + 1, **{name: self._file[name][i] for name in self._names}} for i in chosen]

    def append(self, row):
        """One row of numbers and small arrays by name, `time` among them."""
        if self._names is None:
            self._names = [name for name in row if name != "time"] + ["time"]
            for name in self._names:
                value = np.asarray(row[name])
                _create(self._file, name, value.shape, value.dtype)
            _attach(self._file)
        for name in self._names:
            dataset = self._file[name]
            dataset.resize(self._rows + 1, axis=0)
            dataset[self._rows] = row[name]
        self._rows += 1
        self._file.flush()

    def amend(self, name, row, value):
        """Replace one number of an earlier row."""
        self._file[name][row] = value

    def warn(self, text):
        """Keep one line of warning with the file."""
        before = self._file.attrs.get("warnings", "")
        self._file.attrs["warnings"] = f"{before}\n{text}".strip()

    def append_spectrum(self, t, psi2):
        for name, value in (("psi2", psi2), ("spectrum_time", t)):
            self._file[name].resize(self._spectra + 1, axis=0)
            self._file[name][self._spectra] = value
        self._spectra += 1

    def close(self):
        self._file.close()


class FieldsFile:
    """fields.h5, written by all ranks together; every method is collective."""

    def __init__(self, path, attrs, axes, box, leading):
        """leading: shape in front of space of each field by name, e.g. {"P": (modes, 3)}."""
        self._box, self._rows, self._names = box, 0, list(leading)
        self._file = file = hdf5.open_parallel(path, "w", box.comm)
        file.attrs.update(attrs | COORDINATES)
        _create(file, "time", ())
        for name, values in axes.items():
            dataset = _create(file, name, values.shape, values.dtype)
            if box.rank == 0:
                dataset[...] = values
        file["component"].attrs["labels"] = "x y z"
        for axis, length in zip(SPACE, box.length):
            file[axis].attrs["axis"], file[axis].attrs["period"] = axis.upper(), length
        for name, shape in leading.items():
            _create(file, name, (*shape, *box.points))
        _attach(file)
        file.flush()

    @classmethod
    def continued(cls, path, attrs, box, names, t=np.inf):
        """The file of an earlier run, to go on after its last snapshot, or the last one up to time t."""
        self = cls.__new__(cls)
        self._file = hdf5.open_parallel(path, "r+", box.comm)
        _mark_continued(self._file, attrs)
        self._box, self._names = box, list(names)
        self._rows = int(np.count_nonzero(self._file["time"][:] <= t))
        for name in ("time", *names):
            self._file[name].resize(self._rows, axis=0)
        return self

    def last(self):
        """(t, fields by name) of the last snapshot, local arrays."""
        fields = {name: hdf5.read_row(self._file[name], self._rows - 1, self._box) for name in self._names}
        return float(self._file["time"][self._rows - 1]), fields

    def append(self, t, fields):
        """Snapshot at time t; fields: local arrays by name."""
        for name in self._names:
            dataset = self._file[name]
            dataset.resize(self._rows + 1, axis=0)
            hdf5.write_field(dataset, self._rows, fields[name], self._box)
        time = self._file["time"]
        time.resize(self._rows + 1, axis=0)
        if self._box.rank == 0:
            time[self._rows] = t
        self._rows += 1
        self._file.flush()

    def close(self):
        self._file.close()


class RunDirectory:
    """Results as files in a directory. All methods are collective, rows and times the same on all ranks.

    With `resume` the files that are there are continued after the last snapshot that holds the whole state, which
    :attr:`start` gives: (t, fields by name, [first row, ..., last row of the series]).
    """

    start = None

    def __init__(self, directory, resume, config, attrs, box, axes, leading, state_leading, k):
        self.directory, self._series, self._state = Path(directory), None, None
        root, path = box.rank == 0, self.directory
        if resume:
            if state_leading:
                self._state = FieldsFile.continued(path / "phase_space.h5", attrs, box, state_leading)
                t, fields = self._state.last()
                self._fields = FieldsFile.continued(path / "fields.h5", attrs, box, leading, t)
            else:
                self._fields = FieldsFile.continued(path / "fields.h5", attrs, box, leading)
                t, fields = self._fields.last()
            if root:
                self._series = SeriesFile.continued(path / "series.h5", attrs, t)
            self.start = (t, fields, box.comm.bcast(self._series.rows(2) if root else None))
        else:
            if root:
                for name in RUN_FILES + FIGURES:
                    (path / name).unlink(missing_ok=True)
                self._series = SeriesFile(path / "series.h5", attrs, axes, k)
            box.comm.Barrier()  # the old fields.h5 is gone before the ranks make the new one
            self._fields = FieldsFile(path / "fields.h5", attrs, axes, box, leading)
            if state_leading:
                self._state = FieldsFile(path / "phase_space.h5", attrs, axes, box, state_leading)
        if root:
            (path / "run.toml").write_text(to_toml(config), encoding="utf-8")

    def append(self, row):
        if self._series:
            self._series.append(row)

    def amend(self, name, row, value):
        if self._series:
            self._series.amend(name, row, value)

    def warn(self, text):
        if self._series:
            self._series.warn(text)

    def append_spectrum(self, t, psi2):
        if self._series:
            self._series.append_spectrum(t, psi2)

    def append_fields(self, t, fields):
        self._fields.append(t, fields)

    def append_state(self, t, fields):
        self._state.append(t, fields)

    def close(self):
        for file in (self._series, self._fields, self._state):
            if file:
                file.close()

    def result(self):
        return Run(self.directory)


class Memory:
    """Results as arrays. The series are on all ranks; fields are gathered to rank 0 and empty elsewhere."""

    directory = start = None

    def __init__(self, config, attrs, box, axes, leading, state_leading, k):
        self._config, self._attrs, self._box, self._axes = config, attrs, box, axes
        self._k, self._rows, self._spectra = k, [], []
        self._snapshots = {name: [] for name in ("time", *leading)}
        self._states = {name: [] for name in ("time", *state_leading)}

    def append(self, row):
        self._rows.append({name: np.array(value) for name, value in row.items()})

    def amend(self, name, row, value):
        self._rows[row][name] = np.array(value)

    def warn(self, text):
        self._attrs["warnings"] = f"{self._attrs.get('warnings', '')}\n{text}".strip()

    def append_spectrum(self, t, psi2):
        self._spectra.append((t, psi2))

    def append_fields(self, t, fields):
        self._gather(self._snapshots, t, fields)

    def append_state(self, t, fields):
        self._gather(self._states, t, fields)

    def _gather(self, rows, t, fields):
        box = self._box
        rows["time"].append(t)
        indices = box.comm.gather(box.indices())
        for name, field in fields.items():
            parts = box.comm.gather(field)
            if box.rank == 0:
                leading = field.shape[: field.ndim - box.dimensions]
                whole = np.empty((*leading, *box.points))
                for index, part in zip(indices, parts):
                    whole[(..., *index)] = part
                rows[name].append(whole)

    def close(self):
        pass

    def result(self):
        series = {name: values for name, values in self._axes.items() if name not in SPACE}
        series.update({name: np.array([row[name] for row in self._rows]) for name in self._rows[0]})
        if self._k is not None:
            series["k"] = self._k
            series["spectrum_time"] = np.array([t for t, _ in self._spectra])
            series["psi2"] = np.array([power for _, power in self._spectra])
        fields, states = ({}, {}) if self._box.rank else (
            self._axes | {name: np.array(values) for name, values in rows.items()}
            for rows in (self._snapshots, self._states)
        )
        return MemoryRun(self._config, series, fields, self._attrs, states)


def choose_directory(config, out, overwrite, resume):
    """The directory of a run that is about to start; -> absolute Path. Call on one rank.

    out: a path, or "" for a new directory below runs/. InputError if it holds a run and neither `overwrite` nor `resume`
    is asked for, if there is nothing to resume, or if it cannot be written. Nothing is removed here.
    """
    if not out and not resume:
        out = free_directory("runs", config["name"])
    path = Path(out or Path("runs") / config["name"])
    present = holds_run(path) if path.is_dir() else []
    if resume and not {"run.toml", "series.h5", "fields.h5"} <= set(present):
        raise InputError(f"--resume: {path} holds no run to continue")
    if present and not (overwrite or resume):
        raise InputError(
            f"--out: {path} already holds a run ({', '.join(present)}); choose another directory, --resume to continue it "
            "or --overwrite to lose it"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"--out: the directory {path} cannot be written ({error.strerror or error})") from None
    return path.resolve()


# What may change when a run is continued: everything else would make it another run.
_FREE_ON_RESUME = {"title", "name", "output", "petsc", "box.fftw", "time.end", "time.dt_initial", "time.dt_min", "time.dt_max"}


def check_same_physics(directory, config):
    """InputError, naming the keys, if the run in `directory` solves another problem than `config`. Call on one rank."""
    before, now = dict(flat(Run(directory).config)), dict(flat(tomllib.loads(to_toml(config))))
    differ = [
        f"{key} was {before.get(key)}, now {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in _FREE_ON_RESUME and key.split(".")[0] not in _FREE_ON_RESUME
    ]
    if differ:
        raise InputError(f"--resume: {directory} holds another problem: {'; '.join(differ)}")

"""Where results go: a run directory, or memory. Both take the same calls.

    <run>/run.toml     resolved config: `run <run>/run.toml` repeats the run
          series.h5    numbers over time, written by rank 0, flushed row by row
          fields.h5    snapshots of the fields, written by all ranks together
          phase_space.h5   the same of f, levels "momentum" and "full" only, seldom
          growth.csv   growth rates of its waves, measured and by linear theory
          checkpoint.h5, checkpoint.previous.h5   from which it can be continued, see checkpoint.py
          run.log      what the run said

docs/output.md describes the files. Rows are appended with `time` resized last: its length is the commit mark.
"""

import math
import tomllib
from pathlib import Path

import numpy as np

from . import checkpoint, figure_list, growth, hdf5
from .config import flat, to_toml
from .errors import InputError
from .files import check_plain, local, sync, try_to_write, write_whole
from .layout import LAYOUT, RECORD_AXES, SPACE, dimensions, space_of
from .levels import method_of
from .progress import LOG
from .stopping import STOP
from .results import POSTMORTEM, MemoryRun, Run

RUN_FILES = (checkpoint.NEWEST, checkpoint.PREVIOUS, "run.toml", "series.h5", "fields.h5", "phase_space.h5",
             growth.FILE, POSTMORTEM, LOG)
_ROOM_FOR_WARNINGS = 8192  # bytes
_ROOM_TO_BEGIN = 2**20  # bytes without which no file is touched: on a full disk it could not be mended again
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
    if box.dimensions > 1:
        axes["axis"] = np.arange(box.dimensions)
    axes.update(zip(box.axis_names, box.axes()))
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


def _attach(file, names=None):
    """Make every one-dimensional axis a dimension scale and name the dimensions of datasets (default: all) by them."""
    space = space_of(file)
    for name in file:
        if dimensions(name, space) == (name,) and "CLASS" not in file[name].attrs:  # what makes a scale of a dataset
            file[name].make_scale(name)
    for name in names or file:
        for i, axis in enumerate(dimensions(name, space)):
            if axis != name:
                file[name].dims[i].attach_scale(file[axis])


def _label(file, axes):
    """Say with the indices what they stand for; axes: as from `coordinates`."""
    file["component"].attrs["labels"] = "x y z"
    if "axis" in axes:
        file["axis"].attrs["labels"] = " ".join(space_of(axes))


def _leading(field, box):
    """Shape of a local field in front of space."""
    return field.shape[: field.ndim - box.dimensions]


class SeriesFile:
    """series.h5, on rank 0 only. Datasets appear with the first row, which fixes names and shapes."""

    def __init__(self, path, attrs, axes, k):
        self._file = hdf5.open_alone(path, "w")
        self._file.attrs.update(attrs | COORDINATES)
        for name, values in axes.items():
            if name not in SPACE:
                _create(self._file, name, values.shape, values.dtype)[...] = values
        _label(self._file, axes)
        self.warn([])
        self._names = None
        self.rows = {"time": 0, "spectrum_time": 0}
        if k is not None:
            self._make_spectra(k)
        self._file.flush()

    @classmethod
    def continued(cls, path, attrs, rows, k):
        """The file of an earlier run, cut back to `rows` by record axis."""
        self = cls.__new__(cls)
        self._file = file = hdf5.open_alone(path, "r+")
        _mark_continued(file, attrs)
        self.warn([])  # those of the rows that stay are given anew
        self.rows = dict(rows)
        self._names = [name for name in file if dimensions(name)[0] == "time" and name != "time"] + ["time"]
        for name in file:
            axis = dimensions(name)[0]
            if axis in rows:
                file[name].resize(rows[axis], axis=0)
        if k is not None and "k" not in file:
            self._make_spectra(k)
            _attach(file, ("psi2",))
        file.flush()
        return self

    def _make_spectra(self, k):
        _create(self._file, "k", k.shape)[...] = k
        _create(self._file, "spectrum_time", ())
        _create(self._file, "psi2", k.shape)

    def append(self, row):
        """One row of numbers and small arrays by name, `time` among them."""
        if self._names is None:
            self._names = [name for name in row if name != "time"] + ["time"]
            for name in self._names:
                value = np.asarray(row[name])
                _create(self._file, name, value.shape, value.dtype)
            _attach(self._file)
        self._extend("time", {name: row[name] for name in self._names})

    def amend(self, name, value):
        """Replace one number of the last row, if there is one."""
        if self.rows["time"]:
            self._file[name][self.rows["time"] - 1] = value

    def warn(self, lines):
        """Keep the warnings so far with the file, as far as there is room for them.

        They are written over each other: an attribute that grows would move, and an end while it does so, by a kill or by
        a full disk, would take the whole file with it.
        """
        text = np.array("\n".join(lines).encode()[:_ROOM_FOR_WARNINGS], dtype=f"S{_ROOM_FOR_WARNINGS}")
        self._file.attrs.modify("warnings", text)
        self._file.flush()

    def append_spectrum(self, t, psi2):
        self._extend("spectrum_time", {"psi2": psi2, "spectrum_time": t})

    def _extend(self, axis, values):
        last = self.rows[axis]
        for name, value in values.items():
            self._file[name].resize(last + 1, axis=0)
            self._file[name][last] = value
        self.rows[axis] += 1
        self._file.flush()

    def close(self):
        self._file.close()


class FieldsFile:
    """fields.h5, written by all ranks together; every method is collective."""

    def __init__(self, path, attrs, axes, box, leading):
        """leading: shape in front of space of each field by name, e.g. {"P": (modes, 3)}."""
        self._box, self.rows, self._names = box, 0, list(leading)
        self._file = file = hdf5.open_parallel(path, "w", box.comm)
        file.attrs.update(attrs | COORDINATES)
        _create(file, "time", ())
        for name, values in axes.items():
            dataset = _create(file, name, values.shape, values.dtype)
            if box.rank == 0:
                dataset[...] = values
        _label(file, axes)
        for axis, length in zip(box.axis_names, box.length):
            file[axis].attrs["axis"], file[axis].attrs["period"] = axis.upper(), length
        for name, shape in leading.items():
            _create(file, name, (*shape, *box.points))
        _attach(file)
        file.flush()

    @classmethod
    def continued(cls, path, attrs, box, names, rows):
        """The file of an earlier run, cut back to `rows` snapshots."""
        self = cls.__new__(cls)
        self._file = hdf5.open_parallel(path, "r+", box.comm)
        _mark_continued(self._file, attrs)
        self._box, self._names, self.rows = box, list(names), rows
        for name in ("time", *names):
            self._file[name].resize(rows, axis=0)
        self._file.flush()
        return self

    def append(self, t, fields):
        """Snapshot at time t; fields: local arrays by name."""
        for name in self._names:
            dataset = self._file[name]
            dataset.resize(self.rows + 1, axis=0)
            hdf5.write_field(dataset, self.rows, fields[name], self._box)
        time = self._file["time"]
        time.resize(self.rows + 1, axis=0)
        if self._box.rank == 0:
            time[self.rows] = t
        self.rows += 1
        self._file.flush()

    def close(self):
        self._file.close()


class RunDirectory:
    """Results as files in a directory. All methods are collective, rows and times the same on all ranks.

    rows: None for new files, in place of what was there, or the numbers of records by file (see `rows`) after which the
    files that are there are continued. A file that a kill has left beyond repair is moved aside and begun anew; `said` then
    has a sentence about it. WriteFailure, on the ranks that meet it, where a file cannot be written.
    """

    def __init__(self, directory, rows, config, attrs, box, axes, leading, state_leading, k):
        self.directory, self._box, self.said = Path(directory), box, []
        self._series = self._fields = self._state = None
        root, path = box.rank == 0, self.directory
        if root:
            # A run that goes on has left its failure behind.
            for name in RUN_FILES + figure_list.FILES if rows is None else (POSTMORTEM,):
                (path / name).unlink(missing_ok=True)
        rows = self._kept(rows or {})
        if root:
            with hdf5.writing(path / "run.toml"):
                write_whole(path / "run.toml", to_toml(config))
            with hdf5.writing(path / "series.h5"):
                self._series = (SeriesFile.continued(path / "series.h5", attrs, rows["series.h5"], k) if "series.h5" in rows
                                else SeriesFile(path / "series.h5", attrs, axes, k))
        self._fields = self._snapshots("fields.h5", rows, attrs, axes, leading)
        if state_leading:
            self._state = self._snapshots("phase_space.h5", rows, attrs, axes, state_leading)

    @classmethod
    def closed(cls, directory):
        """A finished run, whose files stay as they are."""
        self = cls.__new__(cls)
        self.directory, self.said = Path(directory), []
        self._series = self._fields = self._state = None
        return self

    def _kept(self, rows):
        """Of `rows`, those of the files that can be continued; the others are out of the way. Collective."""
        if self._box.rank == 0:
            for name, numbers in list(rows.items()):
                if not hdf5.usable(self.directory / name, numbers):
                    del rows[name]
                    self.said.append(_move_aside(self.directory / name))
        return self._box.comm.bcast(rows)

    def _snapshots(self, name, rows, attrs, axes, leading):
        path = self.directory / name
        with hdf5.writing(path):
            if name in rows:
                return FieldsFile.continued(path, attrs, self._box, leading, rows[name]["time"])
            return FieldsFile(path, attrs, axes, self._box, leading)

    @property
    def rows(self):
        """Numbers of records by file and record axis, complete on rank 0 only: what a checkpoint remembers."""
        rows = {"fields.h5": {"time": self._fields.rows}}
        if self._state:
            rows["phase_space.h5"] = {"time": self._state.rows}
        if self._series:
            rows["series.h5"] = dict(self._series.rows)
        return rows

    def append(self, row):
        if self._series:
            with hdf5.writing(self.directory / "series.h5", sum(np.asarray(value).nbytes for value in row.values())):
                self._series.append(row)

    def amend(self, name, value):
        if self._series:
            with hdf5.writing(self.directory / "series.h5"):
                self._series.amend(name, value)

    def warn(self, lines):
        if self._series:
            with hdf5.writing(self.directory / "series.h5"):
                self._series.warn(lines)

    def append_spectrum(self, t, psi2):
        if self._series:
            with hdf5.writing(self.directory / "series.h5", psi2.nbytes):
                self._series.append_spectrum(t, psi2)

    def append_fields(self, t, fields):
        with hdf5.writing(self.directory / "fields.h5", self._size(fields)):
            self._fields.append(t, fields)

    def append_state(self, t, fields):
        with hdf5.writing(self.directory / "phase_space.h5", self._size(fields)):
            self._state.append(t, fields)

    def _size(self, fields):
        """Bytes of a snapshot on rank 0, which looks for them; 0 elsewhere."""
        if self._box.rank:
            return 0
        return 8 * self._box.global_points * sum(math.prod(_leading(field, self._box)) for field in fields.values())

    def sync(self):
        """Have on the disk what a checkpoint counts on."""
        if self._box.rank == 0:
            for name in self.rows:
                with hdf5.writing(self.directory / name):
                    sync(self.directory / name)

    def postmortem(self, t, fields, attrs, axes):
        """The last good state as postmortem.h5, in the form of fields.h5. -> its path."""
        path = self.directory / POSTMORTEM
        leading = {name: _leading(field, self._box) for name, field in fields.items()}
        with hdf5.writing(path):
            file = FieldsFile(path, attrs, axes, self._box, leading)
            file.append(t, fields)
            file.close()
        return path

    def close(self):
        for name, file in (("series.h5", self._series), ("fields.h5", self._fields), ("phase_space.h5", self._state)):
            if file:
                with hdf5.writing(self.directory / name):
                    file.close()
        self._series = self._fields = self._state = None

    def result(self):
        return Run(self.directory)


def _move_aside(path):
    """Give a file that cannot be continued another name; -> a sentence about it."""
    if not path.exists():
        return f"{path.name} is gone: a new one begins here"
    number, aside = 1, path.with_suffix(".damaged.h5")
    while aside.exists():
        number += 1
        aside = path.with_suffix(f".damaged-{number}.h5")
    path.replace(aside)
    return f"{path.name} is damaged beyond repair: it is now {aside.name}, and a new one begins here"


class Memory:
    """Results as arrays. The series are on all ranks; fields are gathered to rank 0 and empty elsewhere."""

    directory = None

    def __init__(self, config, attrs, box, axes, leading, state_leading, k):
        self._config, self._attrs, self._box, self._axes = config, attrs, box, axes
        self._k, self._rows, self._spectra = k, [], []
        self._snapshots = {name: [] for name in ("time", *leading)}
        self._states = {name: [] for name in ("time", *state_leading)}

    def append(self, row):
        self._rows.append({name: np.array(value) for name, value in row.items()})

    def amend(self, name, value):
        self._rows[-1][name] = np.array(value)

    def warn(self, lines):
        self._attrs["warnings"] = "\n".join(lines)

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
                whole = np.empty((*_leading(field, box), *box.points))
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
        fields, states = (None, None) if self._box.rank else (
            self._axes | {name: np.array(values) for name, values in rows.items()}
            for rows in (self._snapshots, self._states)
        )
        return MemoryRun(self._config, series, fields, self._attrs, states)


def choose_directory(config, out, overwrite, resume):
    """Where a run that is about to start writes and what it goes on from. Call on one rank.

    out: a path, or "" for a new directory below runs/. resume: "never", "auto" (go on with the run that the directory holds,
    if there is one) or the path of a checkpoint. -> (absolute Path, list of checkpoints to try, whether they belong to that
    directory). InputError if it holds a run and may not be replaced or continued, or cannot be written. Nothing is removed
    here.
    """
    single = Path(resume).resolve() if resume not in ("auto", "never") else None
    if single and not _asked(single.is_file, "--resume"):
        raise InputError(f'--resume: there is no checkpoint {single} (otherwise it takes "auto" or "never")')
    if not out and resume != "auto":
        out = _asked(lambda: free_directory("runs", local(config["name"])), "--out")
    path = Path(local(out or Path("runs") / config["name"]))
    _asked(lambda: path.is_dir() and check_plain(path, (*RUN_FILES, STOP) + FIGURES * config["output"]["figures"]), "--out")
    present = _asked(lambda: holds_run(path) if path.is_dir() else [], "--out")
    found, own = [single] if single else [], False
    if single and single.parent == path.resolve():
        own = True
    elif present and resume == "auto":
        found, own = _to_continue(path), True
    elif present and not overwrite:
        raise InputError(
            f"--out: {path} already holds a run ({', '.join(present)}); choose another directory, --resume to continue it "
            "or --overwrite to lose it"
        )
    _make_writable(path)
    return path.resolve(), found, own


def _make_writable(path):
    """The directory, made where it is not there; InputError where it has no room for a file of _ROOM_TO_BEGIN."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        try_to_write(path, _ROOM_TO_BEGIN)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--out: the directory {path} cannot be written ({reason})") from None


def _asked(question, option):
    """The answer of the file system; InputError where it has none: a name too long, a directory that may not be searched."""
    try:
        return question()
    except (OSError, ValueError) as error:
        raise InputError(f"{option}: {error}") from None


def _to_continue(path):
    """The checkpoints of the run in `path`; none if it was killed before it had any, and has computed nothing."""
    found = checkpoint.candidates(path)
    if not found:
        try:
            rows = len(Run(path).series["time"])
        except InputError:
            rows = 0
        if rows > 1:
            raise InputError(f"--resume: {path} holds a run without a checkpoint to go on from; --overwrite starts it again")
    return found


# What may change when a run is continued: everything else would make it another run. Files may have been moved; whether
# they still hold the same start is found by its norm.
_FREE_ON_RESUME = {"title", "name", "output", "petsc", "box.fftw", "box.exchange", "time.end", "time.dt_initial",
                   "time.dt_min", "time.dt_max", "initial.path", "momentum.path", "full.path"}


def check_same_physics(path, before, config):
    """InputError, naming the keys, if a checkpoint at `path` of the config `before` solves another problem than `config`."""
    methods = {"time.method": method_of(before)}, {"time.method": method_of(config)}
    before, now = dict(flat(before)) | methods[0], dict(flat(tomllib.loads(to_toml(config)))) | methods[1]
    differ = [
        f"{key} was {before.get(key)}, now {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in _FREE_ON_RESUME and key.split(".")[0] not in _FREE_ON_RESUME
    ]
    if differ:
        raise InputError(f"--resume: {path} belongs to another problem: {'; '.join(differ)}")

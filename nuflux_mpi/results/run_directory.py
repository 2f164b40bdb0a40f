"""Where results go: a run directory, or memory. Both take the same calls.

    <run>/run.toml     resolved config: `run <run>/run.toml` repeats the run
          series.h5    numbers over time, written by rank 0, flushed row by row
          fields.h5    snapshots of the fields, written by all ranks together
          phase_space.h5   the same of f, levels "momentum" and "full" only, seldom
          growth.csv   growth rates of its waves, measured and by linear theory
          checkpoint.h5, checkpoint.previous.h5   from which it can be continued, see checkpoint.py
          run.log      what the run said

docs/output.md describes the files, `series_file` and `fields_file` write them. Rows are appended with `time` resized last:
its length is the commit mark. What a run that goes on finds in its directory is judged by `resuming`.
"""

import math
import time as clock
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..config import flat, stored, to_toml
from ..config.catalog import is_free_on_resume
from ..errors import FileProblem, InputError
from ..physics.levels import method_of
from ..runtime.collective import on_root
from ..storage import hdf5
from ..storage.atomic import check_plain, local, read_plain, sync, try_to_write, write_whole
from ..time.memory import FileMemory
from . import checkpoint, content, growth_table
from .fields_file import FieldsFile
from .file_names import FIGURE_FILES, LOG, STOP, XDMF_FILES
from .names import SPACE
from .reader import POSTMORTEM, MemoryRun, Run
from .resume import check_finished, continued, keep_config
from .series_file import SeriesFile

RUN_FILES = (
    checkpoint.NEWEST,
    checkpoint.PREVIOUS,
    "run.toml",
    "series.h5",
    "fields.h5",
    "phase_space.h5",
    growth_table.FILE,
    POSTMORTEM,
    LOG,
)
_ROOM_TO_BEGIN = 2**20  # bytes without which no file is touched: on a full disk it could not be mended again


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


def _leading(field, box):
    """Shape of a local field in front of space."""
    return field.shape[: field.ndim - box.dimensions]


class Stored(NamedTuple):
    """What the results of a run are made with.

    config: resolved; attrs: attributes of the files; box: :class:`~nuflux_mpi.box.box.Box`; axes: as from `coordinates.coordinates`;
    leading, state_leading: {name: axes in front of space} of the fields in fields.h5 and in phase_space.h5; k: wave numbers
    of spectra, or None.
    """

    config: Any
    attrs: dict
    box: Any
    axes: dict
    leading: dict
    state_leading: dict
    k: Any


class RunDirectory:
    """Results as files in a directory. All methods are collective, rows and times the same on all ranks.

    stored: :class:`Stored`. before: None for new files, in place of what was there, or the memory of the checkpoint after which the files that are
    there are continued (see `known`). A damaged one is moved aside and begun anew; `said` then has a sentence about it.
    InputError for a file of another run, FileProblem for one that may not be opened. WriteFailure, on the ranks that meet
    it, where a file cannot be written.
    """

    def __init__(self, directory, before, stored):
        config, attrs, box, axes, leading, state_leading, k = stored
        self.directory, self._box, self._attrs, self._created = Path(directory), box, attrs, attrs["created"]
        self._series = self._fields = self._state = None
        path, text = self.directory, to_toml(config)
        if before is None:
            kept, self.said = {}, []
            on_root(box.comm, _clear, path)
        else:
            kept, self.said = on_root(box.comm, _continued, path, before, text)
            self._created = before.created or attrs["created"]
        if box.rank == 0:
            with hdf5.writing(path / "run.toml"):
                write_whole(path / "run.toml", text)
            with hdf5.writing(path / "series.h5"):
                self._series = (
                    SeriesFile.continued(path / "series.h5", attrs, kept["series.h5"], before.recent[-1], k)
                    if "series.h5" in kept
                    else SeriesFile(path / "series.h5", attrs, axes, k)
                )
        self._fields = self._snapshots("fields.h5", kept, axes, leading)
        if state_leading:
            self._state = self._snapshots("phase_space.h5", kept, axes, state_leading)

    @classmethod
    def closed(cls, directory, before, config, comm):
        """A finished run, whose files stay as they are. FileProblem if they are not what it wrote; collective."""
        self = cls.__new__(cls)
        self.directory = Path(directory)
        self._series = self._fields = self._state = None
        self.said = on_root(comm, check_finished, self.directory, before, to_toml(config))
        return self

    def _snapshots(self, name, kept, axes, leading):
        path = self.directory / name
        with hdf5.writing(path):
            if name in kept:
                return FieldsFile.continued(path, self._attrs, self._box, leading, kept[name])
            return FieldsFile(path, self._attrs, axes, self._box, leading)

    def known(self):
        """What a checkpoint remembers of the files, on rank 0: `rows`, numbers of records by file and record axis, and
        `files`, by which they are known again (see `content`). Collective; rows must have been flushed.
        """
        files: dict = {"fields.h5": self._fields} | ({"phase_space.h5": self._state} if self._state else {})
        sums = dict(zip(files, _over_ranks(self._box.comm, [file.sums for file in files.values()])))
        if self._box.rank:
            return {}
        rows = {name: {"time": file.rows} for name, file in files.items()} | {"series.h5": dict(self._series.rows)}
        files["series.h5"], sums["series.h5"] = self._series, dict(self._series.sums)
        names = sorted(self._attrs.keys() - {"created"})
        known = {
            name: FileMemory(sums[name], file.forms(), names, content.attributes_sum(file.attrs, names))
            for name, file in files.items()
        }
        return {"rows": rows, "files": known, "run_id": self._attrs["run_id"], "created": self._created}

    def append(self, row):
        if self._series:
            with self._writing_series():
                self._series.append(row)
        self.keep_up()

    def amend(self, name, value):
        if self._series:
            with self._writing_series():
                self._series.amend(name, value)

    def append_spectrum(self, t, spectra):
        if self._series:
            self._series.append_spectrum(t, spectra)
        self.keep_up()

    def warn(self, lines):
        if self._series:
            self.flush()
            with self._writing_series():
                self._series.warn(lines)

    def keep_up(self):
        """Write the rows that have waited long enough, if there are any; -> seconds that it took. Not collective."""
        if not self._series or not self._series.due:
            return 0.0
        begin = clock.monotonic()
        self.flush()
        return clock.monotonic() - begin

    def flush(self):
        """Write all rows that wait. Not collective."""
        if self._series and self._series.waiting:
            with self._writing_series(self._series.waiting):
                self._series.flush()

    def _writing_series(self, size=0):
        return hdf5.writing(self.directory / "series.h5", size)

    def append_fields(self, t, fields):
        self.flush()
        with hdf5.writing(self.directory / "fields.h5", self._size(fields)):
            self._fields.append(t, fields)

    def append_state(self, t, fields):
        self.flush()
        with hdf5.writing(self.directory / "phase_space.h5", self._size(fields)):
            self._state.append(t, fields)

    def _size(self, fields):
        """Bytes of a snapshot on rank 0, which looks for them; 0 elsewhere."""
        if self._box.rank:
            return 0
        return 8 * self._box.global_points * sum(math.prod(_leading(field, self._box)) for field in fields.values())

    def sync(self):
        """Have on the disk what a checkpoint counts on."""
        self.flush()
        if self._box.rank == 0:
            for name in ("series.h5", "fields.h5", *(["phase_space.h5"] if self._state else [])):
                with hdf5.writing(self.directory / name):
                    sync(self.directory / name)

    def postmortem(self, t, fields, attrs, axes):
        """The last good state as postmortem.h5, in the form of fields.h5. -> its path."""
        self.flush()
        path = self.directory / POSTMORTEM
        leading = {name: _leading(field, self._box) for name, field in fields.items()}
        with hdf5.writing(path):
            file = FieldsFile(path, attrs, axes, self._box, leading)
            file.append(t, fields)
            file.close()
        return path

    def close(self):
        if self._series:
            self.flush()
        for name, file in (("series.h5", self._series), ("fields.h5", self._fields), ("phase_space.h5", self._state)):
            if file:
                with hdf5.writing(self.directory / name):
                    file.close()
        self._series = self._fields = self._state = None

    def result(self):
        return Run(self.directory)


def _clear(path):
    """Remove the run that a directory holds."""
    for name in RUN_FILES + FIGURE_FILES + XDMF_FILES:
        try:
            (path / name).unlink(missing_ok=True)
        except OSError as error:
            raise FileProblem(f"{path / name} cannot be removed ({error.strerror})") from None


def _continued(path, before, text):
    """({name: Known} of the files that go on, sentences). The failure of the run that goes on is left behind."""
    kept, said = continued(path, before, text)
    (path / POSTMORTEM).unlink(missing_ok=True)
    return kept, said + keep_config(path, text)


def _over_ranks(comm, parts):
    """Dicts of content sums, each added up over all ranks. Collective."""
    if comm.Get_size() == 1:
        return [dict(sums) for sums in parts]
    from mpi4py import MPI

    # Static data are in the sums of rank 0 alone.
    names = comm.bcast([list(sums) for sums in parts])
    numbers = np.array([sums.get(name, 0) for sums, all_names in zip(parts, names) for name in all_names], dtype=np.uint64)
    comm.Allreduce(MPI.IN_PLACE, numbers, op=MPI.SUM)  # unsigned: modulo 2^64
    left = iter(numbers.tolist())
    return [{name: next(left) for name in all_names} for all_names in names]


class Memory:
    """Results as arrays. The series are on all ranks; fields are gathered to rank 0 and empty elsewhere."""

    directory = None

    def __init__(self, stored):
        config, attrs, box, axes, leading, state_leading, k = stored
        self._config, self._attrs, self._box, self._axes = config, attrs, box, axes
        self._k, self._rows, self._spectra = k, [], []
        self._snapshots = {name: [] for name in ("time", *leading)}
        self._states = {name: [] for name in ("time", *state_leading)}

    def keep_up(self):
        return 0.0

    def flush(self):
        pass

    def append(self, row):
        self._rows.append({name: np.array(value) for name, value in row.items()})

    def amend(self, name, value):
        self._rows[-1][name] = np.array(value)

    def warn(self, lines):
        self._attrs["warnings"] = "\n".join(lines)

    def append_spectrum(self, t, spectra):
        self._spectra.append({"spectrum_time": t, **spectra})

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
            for name in self._spectra[0] if self._spectra else ("spectrum_time", "psi2"):
                series[name] = np.array([spectra[name] for spectra in self._spectra])
        fields, states = (
            (None, None)
            if self._box.rank
            else (
                self._axes | {name: np.array(values) for name, values in rows.items()}
                for rows in (self._snapshots, self._states)
            )
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
    if single and not checkpoint.looks_like_one(single):
        beside = [path for path in checkpoint.candidates(single.parent) if path != single]
        raise InputError(f"--resume: {single} is no checkpoint" + (f"; did you mean {beside[0]}?" if beside else ""))
    if not out and resume != "auto":
        out = _asked(lambda: free_directory("runs", local(config.name)), "--out")
    path = Path(local(out or Path("runs") / config.name))
    names = (*RUN_FILES, STOP, *XDMF_FILES) + FIGURE_FILES * config.output.figures
    _asked(lambda: path.is_dir() and check_plain(path, names), "--out")
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
            computed = len(Run(path).series["time"]) > 1
        except InputError:  # no series, or damaged ones: the log tells of checkpoints, the first of which is at the start
            computed = len(checkpoint.costs(_log_of(path))) > 1
        if computed:
            raise InputError(f"--resume: {path} holds a run without a checkpoint to go on from; --overwrite starts it again")
    return found


def _log_of(path):
    try:
        return read_plain(path / LOG, "replace")
    except OSError:
        return ""


def differences(before, config):
    """In words, the keys by which two configs describe different problems, a list.

    Files may have been moved; whether they still hold the same start is found by its norm.
    """
    before, now = ({**dict(flat(one.plain())), "time.method": method_of(one)} for one in (stored(before), stored(config)))
    return [
        f"{key} was {before.get(key)}, now {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not is_free_on_resume(key)
    ]


def check_same_physics(path, before, config):
    """InputError, naming the keys, if a checkpoint at `path` of the config `before` solves another problem than `config`."""
    differ = differences(before, config)
    if differ:
        raise InputError(f"--resume: {path} belongs to another problem: {'; '.join(differ)}")

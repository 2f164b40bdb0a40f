"""series.h5: numbers over time, written by rank 0. Rows are collected and written in blocks, `time` last."""

import time as clock
from typing import Any

import numpy as np

from ..storage import hdf5
from . import content, datasets
from .names import DIFFERENCES, RECORD_AXES, SPACE, SPECTRA, dimensions

_ROOM_FOR_WARNINGS = 8192  # bytes
# Rows wait no longer than a second, and take no more memory than this: a row by itself costs some milliseconds in HDF5.
_PAUSE = 1.0
_MOST = 4 * 2**20


class SeriesFile(datasets.RunFile):
    """series.h5, on rank 0 only. Datasets appear with the first row, which fixes names and shapes.

    Rows are in the file after `flush`, which is to be called as soon as `due` says so, before every checkpoint and at the
    end. `rows`: their numbers by record axis, with those that wait. What has been summed is in `sums`.
    """

    def __init__(self, path, attrs, axes, k):
        self._file = hdf5.open_alone(path, "w")
        self._file.attrs.update(attrs | datasets.coordinates_attribute(axes))
        self._begin({axis: 0 for axis in RECORD_AXES}, {}, {})
        for name, values in axes.items():
            if name not in SPACE:
                self._make(name, values.shape, values.dtype, values)
        datasets.label(self._file, axes)
        self.warn([])
        self._names, self._spectra = None, ()
        if k is not None:
            self._make_spectra(k)
        self._file.flush()

    @classmethod
    def continued(cls, path, attrs, known, last, k):
        """The file of an earlier run, cut back to `known.rows`. last: the last of the rows that stay, by name."""
        self = cls.__new__(cls)
        self._file = file = hdf5.open_alone(path, "r+")
        datasets.mark_continued(file, attrs, known.created)
        # The last difference quotient may have been improved by a row that is cut off now.
        self._begin({axis: 0 for axis in RECORD_AXES} | known.rows, dict(known.sums), {})
        self.warn([])  # those of the rows that stay are given anew
        self._names = [name for name in file if dimensions(name)[0] == "time" and name != "time"] + ["time"]
        for name in file:
            axis = dimensions(name)[0]
            if axis in RECORD_AXES:
                file[name].resize(self.rows[axis], axis=0)
        final = self.rows["time"] - 1
        for name in DIFFERENCES if final >= 0 else ():
            if name in file:
                file[name][final] = self._last[name] = last.get(name, file[name][final])
        self._unfit = True
        if k is not None and "k" not in file:
            self._make_spectra(k)
            datasets.attach(file, self._spectra)
        self._spectra = tuple(name for name in SPECTRA if name in file)
        file.flush()
        return self

    def _begin(self, rows, sums, last):
        self.rows, self.sums = rows, sums
        self._last = last  # of the difference quotients, which count in `sums` when there is a next row
        self._open, self._unfit = {}, False
        self._waiting, self._bytes, self._written = {axis: [] for axis in RECORD_AXES}, 0, clock.monotonic()

    def _make(self, name, shape, dtype: Any = float, values=None):
        dataset = datasets.create(self._file, name, shape, dtype)
        self._forms, self.sums[name] = None, 0
        if values is not None:
            dataset[...] = values
            self.sums[name] = content.sum_of_rows(np.asarray(values), 0)

    def _make_spectra(self, k):
        self._make("k", k.shape, values=k)
        self._make("spectrum_time", ())
        self._make("psi2", k.shape)
        if "pair" in self._file:
            self._make("psi2_pairs", (*self._file["pair"].shape, *k.shape))
        self._spectra = tuple(name for name in SPECTRA if name in self._file)

    def append(self, row):
        """One row of numbers and small arrays by name, `time` among them."""
        if self._names is None:
            self._names = [name for name in row if name != "time"] + ["time"]
            for name in self._names:
                value = np.asarray(row[name])
                self._make(name, value.shape, value.dtype)
            datasets.attach(self._file)
        elif self._unfit:
            self._drop_what_has_no_number(row)
        self._wait("time", {name: row[name] for name in self._names})

    def _drop_what_has_no_number(self, row):
        """Take out of a file that an older version began what this run does not write: it was not-a-number throughout."""
        self._unfit = False
        for name in [name for name in self._names if name not in row]:
            if not np.isnan(self._file[name][...]).all():
                raise OSError(f"it has {name}, which this version of nuflux_mpi does not write; begin the run anew")
            del self._file[name], self.sums[name]
            self._names.remove(name)

    def amend(self, name, value):
        """Replace one number of the last row, if there is one."""
        if self._waiting["time"]:
            self._waiting["time"][-1][name] = value
        elif self.rows["time"] and name in self._names:
            self._data(name)[self.rows["time"] - 1] = value
            self._last[name] = value

    def append_spectrum(self, t, spectra):
        """Spectra by name at the time t."""
        self._wait("spectrum_time", {**spectra, "spectrum_time": t})

    def _wait(self, axis, values):
        self._waiting[axis].append(values)
        self._bytes += sum(np.asarray(value).nbytes for value in values.values())
        self.rows[axis] += 1

    @property
    def due(self):
        """Bytes that are to be written now, or 0."""
        return self.waiting if self._bytes >= _MOST or clock.monotonic() - self._written >= _PAUSE else 0

    @property
    def waiting(self):
        """Bytes that are not written yet."""
        return self._bytes

    def flush(self):
        """Write what waits. A reader sees whole rows only: `time` grows last, when all else is on the disk."""
        waiting = {axis: rows for axis, rows in self._waiting.items() if rows}
        for axis, rows in waiting.items():
            for name in self._names if axis == "time" else self._spectra:
                if name != axis:
                    self._extend(name, self.rows[axis] - len(rows), np.array([row[name] for row in rows]))
        if waiting:
            self._file.flush()  # where the disk takes no more the rows are not counted
        before = {axis: self.rows[axis] - len(rows) for axis, rows in waiting.items()}
        try:
            for axis, rows in waiting.items():
                self._extend(axis, before[axis], np.array([row[axis] for row in rows]))
                rows.clear()
            self._bytes, self._written = 0, clock.monotonic()
            self._file.flush()
        except (OSError, RuntimeError):
            self._take_back(before)
            raise

    def _extend(self, name, first, values):
        dataset = self._data(name)
        dataset.resize(first + len(values), axis=0)
        dataset[first:] = values = values.astype(dataset.dtype, copy=False)
        if name in DIFFERENCES:
            before = [self._last[name]] if name in self._last else []
            self._last[name] = values[-1]
            values, first = np.concatenate((before, values[:-1])), first - len(before)
        self.sums[name] = (self.sums[name] + content.sum_of_rows(values, first)) % content.WORD

    def _data(self, name):
        if name not in self._open:
            self._open[name] = self._file[name]
        return self._open[name]

    def warn(self, lines):
        """Keep the warnings so far with the file, as far as there is room for them.

        They are written over each other: an attribute that grows would move, and an end while it does so, by a kill or by
        a full disk, would take the whole file with it.
        """
        text = np.array("\n".join(lines).encode()[:_ROOM_FOR_WARNINGS], dtype=f"S{_ROOM_FOR_WARNINGS}")
        self._file.attrs.modify("warnings", text)
        self._file.flush()

    def close(self):
        self.flush()
        self._open.clear()
        self._file.close()

"""fields.h5, phase_space.h5 and postmortem.h5: snapshots of fields, written by all ranks together."""

import numpy as np

from ..storage import hdf5
from . import content, datasets


class FieldsFile(datasets.RunFile):
    """A file of snapshots; every method is collective but `forms`.

    rows: number of snapshots. sums: {name: content sum} of what this rank has written; those of all ranks add up.
    """

    def __init__(self, path, attrs, axes, box, leading):
        """leading: shape in front of space of each field by name, e.g. {"P": (modes, 3)}."""
        self._begin(box, leading, {})
        self._file = file = hdf5.open_parallel(path, "w", box.comm)
        file.attrs.update(attrs | datasets.coordinates_attribute(axes))
        datasets.create(file, "time", ())
        for name, values in axes.items():
            dataset = datasets.create(file, name, values.shape, values.dtype)
            if box.rank == 0:
                dataset[...] = values
                self.sums[name] = content.sum_of_rows(values, 0)
        datasets.label(file, axes)
        for axis, length in zip(box.axis_names, box.length):
            file[axis].attrs["axis"], file[axis].attrs["period"] = axis.upper(), length
        for name, shape in leading.items():
            datasets.create(file, name, (*shape, *box.points))
        datasets.attach(file)
        file.flush()

    @classmethod
    def continued(cls, path, attrs, box, leading, known):
        """The file of an earlier run, cut back to the snapshots in `known`."""
        self = cls.__new__(cls)
        self._begin(box, leading, known.sums if box.rank == 0 else {})
        self._file = hdf5.open_parallel(path, "r+", box.comm)
        datasets.mark_continued(self._file, attrs, known.created)
        self.rows = known.rows["time"]
        for name in ("time", *leading):
            self._file[name].resize(self.rows, axis=0)
        self._file.flush()
        return self

    def _begin(self, box, leading, sums):
        self._box, self._names, self.rows = box, list(leading), 0
        self.sums = {name: 0 for name in ("time", *leading)} | sums
        self._along = {name: content.local_weights(shape, box) for name, shape in leading.items()}

    def append(self, t, fields):
        """Snapshot at time t; fields: local arrays by name."""
        for name in self._names:
            dataset, values = self._file[name], np.ascontiguousarray(fields[name], dtype=float)
            dataset.resize(self.rows + 1, axis=0)
            hdf5.write_field(dataset, self.rows, values, self._box)
            self._count(name, values[np.newaxis], self._along[name])
        time = self._file["time"]
        time.resize(self.rows + 1, axis=0)
        if self._box.rank == 0:
            time[self.rows] = t
            self._count("time", np.array([float(t)]), [])
        self.rows += 1
        try:
            self._file.flush()
        except (OSError, RuntimeError):
            if self._box.comm.Get_size() == 1:  # a length is changed by all ranks together, and others may not have failed
                self._take_back({"time": self.rows - 1})
            raise

    def _count(self, name, values, along):
        record = content.weights(0, [self.rows])
        self.sums[name] = (self.sums[name] + content.sum_of(values, [record, *along])) % content.WORD

    def close(self):
        self._file.close()

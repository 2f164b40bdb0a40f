"""Datasets of a run's files as `layout` has them: made, labelled, attached to their axes, copied."""

from contextlib import suppress
from typing import Any

import numpy as np

from ..storage import hdf5
from . import content
from .names import LAYOUT, OF_MODES, RECORD_AXES, algebra_of, dimensions, meaning, space_of


def coordinates_attribute(axes):
    """The attribute by which xarray knows what labels the modes."""
    return {"coordinates": " ".join(name for name in OF_MODES if name in axes)}


_MORE = ("labels", "axis", "period")  # attributes that `label` and `fields_file` add


class RunFile:
    """An HDF5 file that a run writes, `_file`, as far as checkpoints ask it who it is."""

    _file: Any = None
    _forms = None  # until they are asked for, and again when a dataset was added

    def forms(self):
        """`content.forms` of the file; call on one rank."""
        if self._forms is None:
            self._forms = content.forms(self._file)
        return self._forms

    @property
    def attrs(self):
        return self._file.attrs

    def _take_back(self, rows):
        """After a write that failed count no more records than `rows`, {record axis: number}.

        HDF5 writes what it can at a flush: the new length of `time` may be on a disk that took no more of its values.
        """
        for axis, number in rows.items():
            with suppress(OSError, RuntimeError):
                self._file[axis].resize(number, axis=0)
        with suppress(OSError, RuntimeError):
            self._file.flush()


def create(file, name, shape, dtype=float):
    """Dataset with unit and meaning as attributes; growing, and `shape` that of a row, if it has a record axis."""
    dims, unit, _ = LAYOUT[name]
    if dims[0] not in RECORD_AXES:
        dataset = file.create_dataset(name, shape, dtype=dtype, track_times=False)
    else:
        width = int(np.prod(shape, dtype=int))
        many = None if "{space}" in dims else (max(1, min(1024, 2**17 // max(width, 1))), *shape)
        # The first format of netCDF, as which xarray may save a file, has one unlimited axis.
        dataset = hdf5.create_growing(file, name, shape, dtype, many, None if dims[0] == "time" else 2**31 - 1)
    dataset.attrs["units"], dataset.attrs["long_name"] = unit, meaning(name, shape)
    return dataset


def attach(file, names=None):
    """Make every one-dimensional axis a dimension scale and name the dimensions of datasets (default: all) by them."""
    space = space_of(file)
    for name in file:
        if dimensions(name, space) == (name,) and "CLASS" not in file[name].attrs:  # what makes a scale of a dataset
            file[name].make_scale(name)
    for name in names or file:
        for i, axis in enumerate(dimensions(name, space)):
            if axis != name:
                file[name].dims[i].attach_scale(file[axis])


def label(file, axes):
    """Say with the indices what they stand for; axes: as from `coordinates.coordinates`."""
    file["component"].attrs["labels"] = " ".join(algebra_of(axes).component_names)
    for name in ("flavor", "start_flavor"):
        if name in axes:
            file[name].attrs["labels"] = " ".join(algebra_of(axes).names)
    if "pair" in axes:
        file["pair"].attrs["labels"] = " ".join(pair.name for pair in algebra_of(axes).pairs)
    if "axis" in axes:
        file["axis"].attrs["labels"] = " ".join(space_of(axes))


def mark_continued(file, attrs, created):
    """The attributes of the run that goes on, which began at `created`. All ranks for a shared file."""
    created = created or file.attrs.get("created", attrs["created"])
    file.attrs.update(attrs | {"created": created, "continued": attrs["created"]})


def copy(source, target, rows):
    """Copy the complete records of an open file of a run, by `rows`, and all else into an empty one.

    -> {name: content sum} of what was copied, which is thereby read once. The attributes stay as they were.
    """
    target.attrs.update(dict(source.attrs))
    sums = {}
    for name in filter(source.__contains__, LAYOUT):
        data = source[name]
        growing = dimensions(name)[0] in RECORD_AXES
        made = create(target, name, data.shape[1:] if growing else data.shape, data.dtype)
        for key in ("units", "long_name", *_MORE):
            if key in data.attrs:
                made.attrs[key] = data.attrs[key]
        if growing:
            made.resize(rows[dimensions(name)[0]], axis=0)
        sums[name] = 0
        for part, values in content.read(data, made.shape[0]):
            sums[name] += _final_sum(name, values, part, content.complete(name, data.shape, rows))
            made[part] = values
        sums[name] %= content.WORD
    attach(target)
    return sums


def usable(file, name):
    """Whether a dataset of `LAYOUT` in an open file is one of numbers with as many axes as runs write, all in this file."""
    import h5py

    data = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(data, h5py.Dataset) or data.shape is None or data.dtype.kind not in "iufb":
        return False
    try:
        axes = dimensions(name, space_of(file))
    except (KeyError, TypeError, IndexError):  # of `axis`
        return False
    return len(data.shape) == len(axes) and not (data.is_virtual or data.external)


def sums(source, rows):
    """The same {name: content sum} of an open file without copying it."""
    found = {}
    for name in filter(source.__contains__, LAYOUT):
        data = source[name]
        found[name] = (
            sum(content.part_sum(values, part) for part, values in content.read(data, content.complete(name, data.shape, rows)))
            % content.WORD
        )
    return found


def _final_sum(name, values, part, final):
    """Content sum of a piece, without the records from `final` on."""
    first, *others = part
    kept = max(0, min(first.stop, final) - first.start)
    return content.part_sum(values[:kept], (slice(first.start, first.start + kept), *others)) if kept else 0

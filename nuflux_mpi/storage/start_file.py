"""The one reader of the files that a run starts from: P, rho, q and g, lambda of matter, and tables of directions.

    found = start_file.find(path, ("P",), key, comm, shapes=[(2, 3, 1024)])     every rank, or comm=None on one
    P = start_file.field(found, "P", box)

`find` has a process of its own look at the whole file first (`start_probe`), since a damaged one may end the process that
opens it; then every rank opens it by itself and reads its own points. So nothing is read collectively, and no rank waits for
one that has failed. Whatever is wrong is one InputError, the same on all ranks, that begins with the key of the config.
"""

import json
import os
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..runtime.text import one_line
from . import file_kind, start_probe
from .config_text import system_path

_PATIENCE, _PACE = 120.0, 2e7  # seconds, and bytes per second, after which a look at a file has hung
# What this process has read last from each path: {absolute path: (sha256, bytes)}, on the rank that looked.
_READ = {}


@dataclass(frozen=True)
class Found:
    """A file that was looked at. datasets: {name: dict with where, shape, scale, offset}; state: size and time of change."""

    path: str
    key: str
    sha256: str
    state: tuple
    datasets: dict

    def shape(self, name):
        return tuple(self.datasets[name]["shape"])


def find(path, names, key, comm=None, shapes=None, values: "bool | float" = True):
    """Look at a file. -> Found, the same on all ranks; collective with a communicator.

    names: the datasets it must hold; shapes: of the first of them, those that will do (None: any). values: look at the numbers
    as well, all of which must be finite and at most 1e30 in size, or of the size that it gives; without, at what the file says of itself only. InputError,
    beginning with the config key that named the file.
    """
    from ..runtime.collective import on_root

    if comm is None:
        return _look(path, names, key, shapes, values)
    return on_root(comm, _look, path, names, key, shapes, values)


def names(path, key):
    """{name: its attribute units} of the datasets at the root of an HDF5 file. Call on one rank; InputError as `find`."""
    path = os.path.abspath(system_path(os.fspath(path)))
    check_there(path, key)
    answer = _answer(path, {"wanted": None, "values": False}, key, 0)
    if answer.get("problem"):
        raise InputError(f"{key}: {one_line(path)} {answer['problem']}.")
    return answer["names"]


def check_there(path, key):
    """InputError unless `path` is a plain file that may be read. Call on one rank."""
    path = system_path(os.fspath(path))
    problem = file_kind.describe(path)
    if problem.endswith("no such file"):
        raise InputError(f"{key}: no such file {one_line(path)}.")
    if problem:
        raise InputError(f"{key}: {one_line(path)} {problem}.")


def _look(path, names, key, shapes, values):
    path = os.path.abspath(system_path(os.fspath(path)))
    check_there(path, key)
    state = _state(path, key)
    wanted = [[name, shapes if i == 0 else None] for i, name in enumerate(names)]
    answer = _answer(path, {"wanted": wanted, "values": values}, key, state[0])
    problem = answer.get("problem")
    if problem:
        about = f"dataset {answer['dataset']} of {one_line(path)}" if answer["dataset"] else one_line(path)
        raise InputError(f"{key}: {about} {problem}.")
    _check_unchanged(path, key, state)
    if values and not answer["sha256"].startswith(digits_in(os.path.basename(path))):
        raise InputError(f"{key}: {one_line(path)} is damaged: its checksum is not that in its name.")
    if values:
        _READ[path] = answer["sha256"], state[0]
    return Found(path, key, answer["sha256"], state, answer["datasets"])


def _answer(path, request, key, size) -> dict[str, Any]:
    """What the probe says, from a process of its own where one can be started."""
    from ..runtime import child

    try:
        return child.ask("storage.start_probe", [path, json.dumps(request)], _PATIENCE + size / _PACE)
    except child.Unavailable:
        return start_probe.answer_for(path, request)
    except child.Crashed as crash:
        raise InputError(
            f"{key}: {one_line(path)} is damaged: HDF5 breaks off while reading it ({one_line(str(crash))})."
        ) from None


def _state(path, key):
    try:
        status = os.stat(path)
    except OSError as error:
        raise InputError(f"{key}: {one_line(path)} cannot be read ({error.strerror}).") from None
    return status.st_size, status.st_mtime_ns


def _check_unchanged(path, key, state):
    if _state(path, key) != state:
        raise InputError(f"{key}: {one_line(path)} is being written: it has changed while it was read.")


def field(found, name, box):
    """This rank's points of a dataset of shape (*leading, *box.points), as float64 (*leading, *local_shape); collective."""
    from . import hdf5

    def read(dataset, array):
        memory, source = hdf5.selection(dataset, array.shape, box)
        dataset.id.read(memory, source, array)

    leading = found.shape(name)[: -box.dimensions]
    return _read(found, name, np.empty((*leading, *box.local_shape)), read, box.comm)


def whole(found, name, comm=None):
    """A small dataset, whole on every rank, float64; collective with a communicator."""
    return _read(found, name, np.empty(found.shape(name)), _read_all, comm)


def _read_all(dataset, array):
    import h5py

    dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, array)


def _read(found, name, array, read, comm):
    """Fill `array` on this rank, and agree on whether all have; -> array."""
    from ..runtime.collective import first_problem
    from . import hdf5

    problem, about = "", found.datasets[name]
    try:
        with hdf5.open_alone(found.path, "r") as file:
            if array.size:
                read(file[about["where"].encode("utf-8", "surrogateescape")], array)
        start_probe.unpack(array, about["scale"], about["offset"])
        if comm is None or comm.Get_rank() == 0:  # other hosts may hear of a change later
            _check_unchanged(found.path, found.key, found.state)
    except InputError as error:
        problem = str(error)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        problem = f"{found.key}: dataset {name} of {one_line(found.path)} cannot be read ({reason})."
    problem = first_problem(comm, problem) if comm is not None else problem
    if problem:
        raise InputError(problem)
    return array


# ---- which files a config names ---------------------------------------------------------------------------------------


def named(config):
    """{key: path} of the files that a resolved config starts from; those of another level are not read."""
    level = config["equations"]["level"]
    sections = ("modes", "initial", *(name for name in ("full", "momentum") if name == level), "matter")
    there = {name: config[name] for name in sections if config.get(name) is not None}
    return {f"{name}.path": section["path"] for name, section in there.items() if section.get("path")}


def digest_of(path):
    """SHA-256 of the file that this process has read last from a path of the system."""
    return _READ[os.path.abspath(path)][0]


def digits_in(name):
    """First digits of the SHA-256 that the name of a copy has (`start_copy`); "" for any other name."""
    match = re.fullmatch(r"[a-z]+\.([0-9a-f]{16})\.start\.h5", name)
    return match[1] if match else ""


def provenance(config):
    """What the files were that this process has read for a config: one line each, "key: sha256 ..., n bytes, path", or "".

    Complete on the rank that looked at them, rank 0.
    """
    lines = []
    for key, path in named(config).items():
        path = system_path(path)
        if path in _READ:
            sha256, size = _READ[path]
            lines.append(f"{key}: sha256 {sha256}, {size} bytes, {one_line(path)}")
    return "\n".join(lines)

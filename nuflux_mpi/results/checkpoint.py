"""Checkpoints: everything a run needs to go on as if it had never stopped.

    <run>/checkpoint.h5            the newest
          checkpoint.previous.h5   the one before

The state is stored as the integrator has it, waves in the interaction picture and not fields, so that writing changes
nothing and reading on the same number of ranks gives the same bits. A file is written beside the others, synced and then
renamed: at any moment there is a whole one. HDF5 makes the file on rank 0 and tells where its datasets lie; the ranks
write and read their own rows there with plain system calls. These say what is wrong on the rank where it is wrong, where
a failed collective write would leave the others waiting.

Each row has a checksum. All else has one in the seal, a line in front of the HDF5 part (in its user block), written
last: HDF5 is let near a file only when that fits, since a single wrong bit in what it believes can end the process.

docs/output.md describes the format.
"""

import json
import os
import re
import time as clock
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FileProblem, InputError
from ..runtime.collective import first_problem, on_root
from ..storage.atomic import aside, create, open_plain, sync
from ..time.memory import Foreign, RunMemory, plain, read_run

NEWEST, PREVIOUS = "checkpoint.h5", "checkpoint.previous.h5"
VERSION = 1
_PIECE = 2**30  # bytes per system call, which takes less than 2 GiB
_HEADER = 2**16  # bytes of a file that are no rows
_SEAL = 512  # bytes in front of the HDF5 part, the least that HDF5 keeps free
_NAME = "nuflux_mpi checkpoint"


class Damaged(Exception):
    """A checkpoint that cannot be used, and why."""


class Layout:
    """Where state vectors lie in a checkpoint: rows of waves, ordered by line and inner wave as in `box.Transform`.

    transform: the one of the state, a :class:`~nuflux_mpi.box.transform.Transform`; local vectors are its rows, one after another,
    times sqrt(weight). `shape` is (rows of all ranks, real numbers per row) of one vector.
    """

    def __init__(self, transform):
        plan = transform.box.plan
        self.points, self.N1, self.lines = plan.total, plan.N1, transform.lines
        self._across, self._transform, self._pairs = plan.across, transform, plan.pairs_per_line
        self._waves = transform.shape[1]
        self.shape = (self.lines * self._pairs, 2 * self._waves)
        self.rows = transform.line * self._pairs + transform.residue

    def rows_of(self, N1):
        """Rows of all ranks of a vector in a file of the same box cut with N1; with several axes there is one cut."""
        if self._across:
            return self.shape[0]
        return self.lines * (1 if N1 == 1 else N1 // 2 + 1)

    def blocks(self):
        """This rank's rows as (first local row, first row in the file, number), each contiguous in both."""
        firsts = np.flatnonzero(np.diff(self.rows, prepend=-2) != 1)
        for first, end in zip(firsts, [*firsts[1:], len(self.rows)]):
            yield int(first), int(self.rows[first]), int(end - first)

    def read(self, file):
        """The local vectors of an open `_Rows`, a list; Damaged if its rows are not what was written."""
        same_cut = file.N1 == self.N1
        return [self._own_rows(file, i) if same_cut else self._from_lines(file, i) for i in range(file.count)]

    def _own_rows(self, file, vector):
        values = np.empty((len(self.rows), self.shape[1]))
        for first, row, number in self.blocks():
            values[first : first + number] = file.rows(vector, row, number)
        return values.reshape(-1)

    def _from_lines(self, file, vector):
        """The same from a file of another cut: whole lines are read, one by one, and their waves put in order."""
        transform = self._transform
        values = np.empty((len(self.rows), self._waves), dtype=complex)
        harmonic = np.broadcast_to(transform.harmonic, values.shape)
        weight = np.broadcast_to(transform.weight, values.shape)
        pairs = 1 if file.N1 == 1 else file.N1 // 2 + 1
        for line in np.unique(transform.line):
            waves = file.rows(vector, int(line) * pairs, pairs).view(complex)
            mine = transform.line == line
            values[mine] = waves_of(waves, self.points, file.N1, harmonic[mine]) * np.sqrt(weight[mine])
        return values.view(float).reshape(-1)


def waves_of(rows, points, N1, harmonic):
    """Waves of one real line, with weight 1, at signed `harmonic` (any shape) from its rows in a box cut with N1.

    rows: (residues, columns) complex, times sqrt(weight) of that cut (see :class:`~nuflux_mpi.box.transform.Transform`).
    """
    h = np.abs(harmonic)
    if N1 == 1:
        residue, column, mirrored = np.zeros_like(h), h, np.zeros(h.shape, dtype=bool)
        single = (h == 0) | (2 * h == points)
    else:
        mirrored = h % N1 > N1 // 2  # kept as the conjugate of the wave at points - h
        column, residue = np.divmod(np.where(mirrored, points - h, h), N1)
        single = (residue == 0) | (2 * residue == N1)
    waves = rows[residue, column] / np.where(single, 1.0, np.sqrt(2.0))
    return np.where(mirrored ^ (harmonic < 0), waves.conj(), waves)


@dataclass
class Saved:
    """A checkpoint as it was read. memory: of the simulation; vectors: local arrays, the state first."""

    path: Path
    memory: RunMemory
    vectors: list


@dataclass
class Cost:
    """What checkpoints took: bytes of all ranks, seconds of wall time."""

    bytes: float
    seconds: float

    def __str__(self):
        rate = self.bytes / 1e6 / max(self.seconds, 1e-9)
        return f"{_number(self.bytes / 1e6, 3)} MB in {_number(self.seconds, 2)} s, {rate:.0f} MB/s"


def _number(value, digits):
    """A number with so many digits, or all before the point."""
    return f"{value:.{digits}g}" if value < 10**digits - 0.5 else f"{value:.0f}"


def sentence(t, cost):
    """The line of run.log about a checkpoint at time t, which `costs` reads again."""
    return f"checkpoint at t = {t:.6g}: {cost}"


def costs(log):
    """The Cost of each checkpoint that the text of a run.log tells of, to the digits given there; damaged lines tell nothing."""
    number = r"(\d+(?:\.\d+)?(?:e[+-]\d+)?)"
    told = re.findall(rf"^checkpoint at t = \S+: {number} MB in {number} s,", log, re.MULTILINE)
    return [Cost(1e6 * float(size), float(seconds)) for size, seconds in told]


def write(directory, layout, vectors, memory, attrs, comm):
    """Make `vectors` the newest checkpoint in `directory`; -> (Cost, problem). Collective.

    vectors: local parts, the state first. memory: a record of :mod:`~nuflux_mpi.time.memory`, from rank 0. attrs: provenance.
    problem: "" or, the same on all ranks, why there is no new checkpoint; those that were there are then as before.
    """
    begin, root = clock.monotonic(), comm.Get_rank() == 0
    path = comm.bcast(aside(Path(directory) / NEWEST) if root else None)
    places = problem = None
    if root:
        places, problem = _attempt(path, _create, path, len(vectors), layout, memory, attrs)
    places, problem = comm.bcast((places, problem))
    if not problem:
        problem = first_problem(comm, _attempt(path, _write_rows, path, layout, vectors, places)[1])
    if root:
        if not problem:
            problem = _attempt(path, _complete, path, places)[1]
        if problem:
            _attempt(path, path.unlink, True)
    problem = comm.bcast(problem)
    numbers = layout.shape[0] * layout.shape[1] * len(vectors)
    return Cost(8 * numbers, clock.monotonic() - begin), problem


def _attempt(path, function, *arguments):
    """(result, "") or, where the system refuses, (None, the reason)."""
    try:
        return function(*arguments), ""
    except Foreign as error:  # a fault of this program; results are worth more than a checkpoint
        return None, f"what the run remembers cannot be written ({error})"
    except (OSError, RuntimeError) as error:  # h5py raises both
        return None, f"{path} cannot be written ({getattr(error, 'strerror', None) or error})"


def _create(path, count, layout, memory, attrs):
    """The file without its rows and its seal; -> (offset, bytes) of the datasets `vectors` and `checksum`."""
    import h5py

    remembered = json.dumps(plain(memory))
    size = 8 * count * layout.shape[0] * layout.shape[1] + _HEADER
    space = os.statvfs(path.parent)
    if space.f_bavail * space.f_frsize < size:
        raise OSError(f"it takes {size / 1e6:.3g} MB, and {space.f_bavail * space.f_frsize / 1e6:.3g} MB are free")
    create(path, b"\0" * _HEADER)  # a refusal comes from here in plain words, and not out of HDF5
    with h5py.File(path, "w", locking=False, userblock_size=_SEAL) as file:
        file.attrs.update(attrs)
        file.attrs.update({"memory": remembered, "points": layout.points, "N1": layout.N1})
        return tuple(
            _reserve(file, name, shape, kind)
            for name, shape, kind in (("vectors", (count, *layout.shape), "<f8"), ("checksum", (count, layout.shape[0]), "<u4"))
        )


def _reserve(file, name, shape, kind):
    """Make a contiguous dataset without writing to it; -> (its offset in the file, its size in bytes)."""
    import h5py

    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    properties.set_obj_track_times(False)
    space, stored = h5py.h5s.create_simple(shape), h5py.h5t.py_create(np.dtype(kind), logical=True)
    dataset = h5py.h5d.create(file.id, name.encode(), stored, space, dcpl=properties)
    return dataset.get_offset(), int(np.prod(shape)) * np.dtype(kind).itemsize


def _write_rows(path, layout, vectors, places):
    """Write and sync this rank's rows and their checksums."""
    (values_at, _), (sums_at, _) = places
    (total, width), file = layout.shape, os.open(path, os.O_WRONLY)
    try:
        for i, vector in enumerate(vectors):
            values = np.asarray(vector, dtype="<f8").reshape(-1, width)
            sums = np.array([zlib.crc32(row.data) for row in values], dtype="<u4")
            for first, row, number in layout.blocks():
                mine = slice(first, first + number)
                write_at(file, values[mine], values_at + 8 * width * (i * total + row))
                write_at(file, sums[mine], sums_at + 4 * (i * total + row))
        os.fsync(file)
    finally:
        os.close(file)


def write_at(file, array, offset):
    """Write a contiguous array at an offset of an open file."""
    left = memoryview(array).cast("B")
    while left:
        done = os.pwrite(file, left[:_PIECE], offset)
        left, offset = left[done:], offset + done


def _complete(path, places):
    """Seal the file, which makes it a whole one, and let it be the newest."""
    with open(path, "r+b") as file:
        sealed = seal({"format": VERSION, "rows": places, "crc": _crc_of_the_rest(file, places)})
        file.seek(0)
        file.write(sealed)
    sync(path)
    newest, previous = path.with_name(NEWEST), path.with_name(PREVIOUS)
    if newest.exists():
        newest.replace(previous)
    path.replace(newest)
    sync(path.parent)


def seal(contents):
    """The first bytes of a checkpoint: a dict with `format`, `rows` (where they lie) and `crc` (of all else)."""
    text = f"{_NAME} {json.dumps(contents)}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode().ljust(_SEAL, b"\0")


def _unseal(path):
    """What the seal of a checkpoint tells; Damaged if it does not fit, InputError if the file is of another format."""
    with open_plain(path) as file:
        line = file.read(_SEAL).rstrip(b"\0").decode("ascii", errors="replace")
        text, _, crc = line.rstrip("\n").rpartition(" ")
        if not text.startswith(_NAME) or crc != f"{zlib.crc32(text.encode()):08x}":
            raise Damaged("it was not written to its end, or is no checkpoint")
        contents = json.loads(text.removeprefix(_NAME))
        if contents["format"] != VERSION:
            raise InputError(
                f"--resume: {path} has checkpoint format {contents['format']}, and this version of nuflux_mpi reads {VERSION}"
            )
        if _crc_of_the_rest(file, contents["rows"]) != contents["crc"]:
            raise Damaged("its checksum does not fit")
    return contents


def _crc_of_the_rest(file, places):
    """Checksum of a file but for its seal and the rows at `places`."""
    crc, begin = 0, _SEAL
    for offset, size in [*sorted(places), (os.fstat(file.fileno()).st_size, 0)]:
        file.seek(begin)
        crc = zlib.crc32(file.read(max(0, offset - begin)), crc)
        begin = offset + size
    return crc


def candidates(directory):
    """The checkpoints in a directory, the newest first."""
    return [path for path in (Path(directory) / NEWEST, Path(directory) / PREVIOUS) if path.exists()]


def looks_like_one(path):
    """Whether a file has the name, or the first bytes, of a checkpoint."""
    if path.name in (NEWEST, PREVIOUS):
        return True
    try:
        with open_plain(path) as file:
            return file.read(len(_NAME)) == _NAME.encode()
    except OSError:
        return True  # why it cannot be read is told later


def load(paths, layout, accept, comm):
    """The first of `paths` that is whole, and a sentence if it is not the first. -> (Saved, sentence). Collective.

    accept: callable (path, config of the checkpoint, its memory, number of vectors besides the state), called on rank 0,
    which may raise InputError or Foreign. InputError, on all ranks, if no path can be used, or is of another format.
    """
    problems = []
    for path in paths:
        header, problem = on_root(comm, _examine, path, layout, accept)
        vectors: list = []
        if not problem:
            read, mine = _read_rows(path, header, layout)
            vectors = read or []
            problem = first_problem(comm, mine)
        if not problem:
            said = f"{'; '.join(problems)}: going on from {path.name}" if problems else ""
            return Saved(path, header["memory"], vectors), said
        problems.append(f"{path.name} {problem}")
    raise InputError(f"--resume: no checkpoint in {paths[0].parent} can be used: {'; '.join(problems)}")


def _examine(path, layout, accept):
    """(what the file says besides its rows, "") or (None, why it cannot be used). Call on one rank."""
    try:
        header = _header(path)
    except PermissionError as error:  # no damage: going on from an older one would lose what is there
        raise FileProblem(f"{path} cannot be opened ({error.strerror}): nothing has been changed") from None
    except (OSError, RuntimeError, KeyError, ValueError) as error:  # what h5py raises for damage, here or there
        return None, f"is damaged ({str(error).splitlines()[0]})"
    except Damaged as error:
        return None, f"is damaged ({error})"
    config, shape = tomllib.loads(header.pop("config_toml")), header["shape"]
    try:
        header["memory"] = read_run(header["memory"], config)
        accept(path, config, header["memory"], shape[0] - 1)
    except Foreign as error:
        return None, f"remembers what this version of nuflux_mpi does not understand ({error})"
    if header["points"] != layout.points or header["shape"][1] != layout.rows_of(header["N1"]):
        return None, f"is damaged (it holds {header['shape']} numbers)"
    return header, ""


def _header(path):
    import h5py

    places = _unseal(path)["rows"]
    with h5py.File(path, "r", locking=False) as file:
        return {
            "memory": json.loads(file.attrs["memory"]),
            "config_toml": file.attrs["config_toml"],
            "points": int(file.attrs["points"]),
            "N1": int(file.attrs["N1"]),
            "shape": file["vectors"].shape,
            "places": places,
        }


def _read_rows(path, header, layout):
    """(local vectors, "") or (None, why not); nothing is raised, so that the ranks can agree."""
    try:
        with _Rows(path, header) as file:
            return layout.read(file), ""
    except OSError as error:
        return None, f"cannot be read ({error.strerror})"
    except Damaged as error:
        return None, f"is damaged ({error})"


class _Rows:
    """A checkpoint opened for its rows, each compared with its checksum."""

    def __init__(self, path, header):
        self.count, self._total, self._width = header["shape"]
        self.N1, self._places = header["N1"], [offset for offset, _ in header["places"]]
        self._file = os.open(path, os.O_RDONLY)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self._file)

    def rows(self, vector, row, number):
        """Rows row .. row + number of a vector, (number, width)."""
        values, sums = np.empty((number, self._width), "<f8"), np.empty(number, "<u4")
        self._get(values, self._places[0] + 8 * self._width * (vector * self._total + row))
        self._get(sums, self._places[1] + 4 * (vector * self._total + row))
        for i in range(number):
            if zlib.crc32(values[i]) != sums[i]:
                raise Damaged(f"the checksum of row {row + i} does not fit")
        return values

    def _get(self, array, offset):
        left = memoryview(array).cast("B")
        while left:
            done = os.preadv(self._file, [left[:_PIECE]], offset)
            if not done:
                raise Damaged("it is shorter than it should be")
            left, offset = left[done:], offset + done

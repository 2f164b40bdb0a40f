"""What a run remembers from one step to the next beside its vectors: records of plain numbers, with types.

A checkpoint carries them as JSON. `plain` and `read` are the one place where records become JSON and come from it. Both
follow the types below and guess nothing: a value of another kind, a field that is missing or that nobody knows is
`Foreign`. NumPy's scalars, which JSON does not know, become Python's here and nowhere else.
"""

import math
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np


class Foreign(Exception):
    """A memory that is not of the kind that was expected, and where."""


@dataclass
class Statistics:
    """Counts since the start of the run; `dt` is the last accepted step."""

    steps: int = 0
    rejections: int = 0
    rhs_evaluations: int = 0
    dt: float = 0.0
    smallest_dt: float = float("inf")
    largest_dt: float = 0.0

    def check(self):
        if min(self.steps, self.rejections, self.rhs_evaluations) < 0:
            raise Foreign("a count is negative")


@dataclass
class AdamsMemory:
    """Of :class:`~nuflux_mpi.time.adams.Adams`: its vectors are the state at times[0] and the derivatives at `times`.

    times: from the newest back; ahead: length of the next step if sums for it have been begun.
    """

    times: list[float]
    order: int
    since: int
    ramp: bool
    starting: bool
    ahead: float | None = None

    def check(self):
        times = np.array(self.times)
        if not len(times) or not np.isfinite(times).all() or (np.diff(times) >= 0).any():
            raise Foreign("times do not go back from the newest")
        if not 1 <= self.order <= len(times):
            raise Foreign(f"order {self.order} of {len(times)} derivatives")
        if self.ahead is not None and not (0 < self.ahead < math.inf and self.order < len(times)):
            raise Foreign(f"ahead = {self.ahead}")


@dataclass
class IntegratorMemory:
    """Of :class:`~nuflux_mpi.time.integrator.Integrator`. dt: the step that comes next; stepper: what its method remembers."""

    dt: float | None
    statistics: Statistics
    stepper: AdamsMemory | None = None

    def check(self):
        if self.dt is not None and not 0 < self.dt < math.inf:
            raise Foreign(f"dt = {self.dt}")


@dataclass
class FileMemory:
    """Of a file of results, by which it is known again: sums and forms of its datasets, and the sum of its attributes `named`.

    They are those of :mod:`~nuflux_mpi.results.content`.
    """

    sums: dict[str, int]
    forms: dict[str, int]
    named: list[str]
    attributes: int

    def check(self):
        pass


@dataclass
class RunMemory:
    """Of :class:`~nuflux_mpi.run.simulation.Simulation`. since_start: time that is reached, counted from time.start [1/mu].

    unit: that of kappa in the state, see `polarization.Energy`; coherent_since, largest_tail: what the watch has seen. recent:
    the last rows of the series, with such times, for rates of change; warned: warnings by subject; rows: lengths of each
    result file by record axis; files: what they hold; wall_time: [s]. run_id: name of the run, created: when it began; ""
    in checkpoints of version 0.1.
    """

    since_start: float
    integrator: IntegratorMemory
    norm_at_start: float
    wall_time: float
    unit: float = 1.0  # as in version 0.1
    energy_at_start: float | None = None
    coherent_since: float | None = None
    largest_tail: float = 0.0
    recent: list[dict[str, int | float | list[float]]] = field(default_factory=list)
    warned: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    files: dict[str, FileMemory] = field(default_factory=dict)
    run_id: str = ""
    created: str = ""

    def check(self):
        if not all(map(math.isfinite, (self.since_start, self.norm_at_start, self.wall_time))):
            raise Foreign("a number is not finite")
        if not 0 < self.unit < math.inf:
            raise Foreign(f"unit = {self.unit}")


def read_run(data, config):
    """The RunMemory in what `plain` has made of one, now or in version 0.1. config: the run's, a dict; Foreign as `read`."""
    integrator = data.get("integrator") if isinstance(data, dict) else None
    if isinstance(integrator, dict) and "stepper" not in integrator:  # version 0.1 had all in one
        own = {name: value for name, value in integrator.items() if name not in ("dt", "statistics")}
        integrator = {name: value for name, value in integrator.items() if name not in own} | {"stepper": own or None}
        data = data | {"integrator": integrator}
    if isinstance(data, dict) and "t" in data:  # version 0.1 counted from 0
        if config["time"]["start"] != 0:
            raise Foreign("it is of version 0.1, with a time.start other than 0; begin anew with --overwrite")
        data = {("since_start" if name == "t" else name): value for name, value in data.items()}
    return read(RunMemory, data)


def plain(record):
    """The record as dicts, lists, Python numbers, strings and None, all that JSON can carry; Foreign for anything else."""
    return _walk(type(record), record, "", _fields_of)


def read(kind, data):
    """The record of a class `kind` that `plain` has made `data` of, each field checked; Foreign if it does not fit."""
    return _walk(kind, data, "", _record_of)


def _walk(kind, value, where, enter):
    """`value`, which must be of `kind`, in plain types; enter: what to do with records."""
    if is_dataclass(kind):
        return enter(kind, value, where)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return _walk(_chosen(inner, value, where), value, where, enter)
    if origin is list and isinstance(value, (list, tuple, np.ndarray)):
        return [_walk(inner[0], item, f"{where}[{i}]", enter) for i, item in enumerate(value)]
    if origin is dict and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _walk(inner[1], item, f"{where}.{key}", enter) for key, item in value.items()}
    if origin is None and _is(kind, value):
        return None if value is None else kind(value)
    raise _foreign(where, getattr(kind, "__name__", kind), value)


def _is(kind, value):
    """Whether a value is of a plain kind; a whole number is also a float, a truth value is no number."""
    if isinstance(value, (bool, np.bool_)):
        return kind is bool
    if isinstance(value, (int, np.integer)):
        return kind in (int, float)
    return isinstance(value, {float: (float, np.floating), str: str, NoneType: NoneType}.get(kind, ()))


def _chosen(kinds, value, where):
    """The first of several kinds that fits a value from outside."""
    for kind in kinds:
        outside: Any = (kind, dict) if is_dataclass(kind) else (list, tuple, np.ndarray) if get_origin(kind) is list else None
        if isinstance(value, outside) if outside else _is(kind, value):
            return kind
    raise _foreign(where, " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds), value)


def _fields_of(kind, record, where):
    if not isinstance(record, kind):
        raise _foreign(where, kind.__name__, record)
    types = get_type_hints(kind)
    return {
        one.name: _walk(types[one.name], getattr(record, one.name), f"{where}.{one.name}", _fields_of) for one in fields(kind)
    }


def _record_of(kind, data, where):
    if not isinstance(data, dict):
        raise _foreign(where, kind.__name__, data)
    types, known = get_type_hints(kind), fields(kind)
    unknown = sorted(set(data) - {one.name for one in known}, key=str)
    missing = [one.name for one in known if one.name not in data and one.default is MISSING and one.default_factory is MISSING]
    if unknown or missing:
        what = f"an unknown field {unknown[0]}" if unknown else f"no field {missing[0]}"
        raise Foreign(f"{where.lstrip('.') or 'its memory'} has {what}")
    record = kind(**{name: _walk(types[name], value, f"{where}.{name}", _record_of) for name, value in data.items()})
    try:
        record.check()
    except Foreign as error:
        raise Foreign(f"{where.lstrip('.') or 'its memory'}: {error}") from None
    return record


def _foreign(where, kind, value):
    return Foreign(f"{where.lstrip('.') or 'its memory'} is a {type(value).__name__} and no {kind}")

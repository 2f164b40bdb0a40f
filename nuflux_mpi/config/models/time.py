"""[time] and [petsc]: the interval, the method, its tolerance and its steps."""

from collections.abc import Iterator
from typing import Annotated, Any

from ...errors import InputError
from ...storage.section import Key, Section
from ...time import times
from ...time.methods import METHODS, SPLITTINGS


class Time(Section):
    start: Annotated[float, Key("time of the initial state", quantity="time")] = 0.0
    end: Annotated[float, Key("last time", quantity="time", free=True)]
    rtol: Annotated[
        float, Key("error allowed per step in the 2-norm of the fields, relative to that norm at the start", ge=1e-15, lt=1)
    ] = 1e-10
    atol: Annotated[float, Key("error allowed per step in the 2-norm of the fields, added to the relative one", ge=0)] = 0.0
    method: Annotated[str, Key("order, then pair or splitting (bm); auto: adams, 8vr for full", choices=(*METHODS, "auto"))] = (
        "auto"
    )
    dt_initial: Annotated[
        float | None, Key("first step", quantity="time", gt=0, unset="chosen from the right-hand side", free=True)
    ] = None
    dt_min: Annotated[
        float | None,
        Key(
            "smallest step []; a smaller one ends the run",
            quantity="time",
            gt=0,
            unset=f"{times.SPACINGS} spacings of doubles, {times.PART_OF_LONGEST:g} of the longest step",
            free=True,
        ),
    ] = None
    dt_max: Annotated[float | None, Key("largest step", quantity="time", gt=0, unset="no limit", free=True)] = None

    @property
    def duration(self) -> float:
        return self.end - self.start

    def problems(self, config: Any) -> Iterator[str]:
        if config.terms or self.method in SPLITTINGS:
            from ...physics import levels  # late: with them come all kernels

            yield from levels.problems(config)
        yield from times.problems(self, config.output)


class Petsc(Section):
    options: Annotated[str, Key('PETSc options, for example "-ts_view -log_view"', free=True)] = ""

    def problems(self, config: Any) -> Iterator[str]:
        if self.options:
            from ...physics.levels import method_of
            from ...time.integrator import check_options

            try:
                check_options(self.options, method_of(config))
            except InputError as error:
                yield str(error)

"""The time-stepping methods that there are, each with what others must know of it: one table, which imports no method."""

from typing import NamedTuple

MULTISTEP = "adams"


class Method(NamedTuple):
    """One method. kind: "runge-kutta" (PETSc TSRK), "splitting" or "multistep".

    order: of the solution. estimate: of the error estimate where it is not one less, splittings. stages: of a Runge-Kutta pair.
    reuses_last_stage: PETSc takes its last stage over as the first of the next step.
    """

    name: str
    kind: str
    order: int
    estimate: int = 0
    stages: int = 0
    reuses_last_stage: bool = False


METHODS = {
    method.name: method
    for method in (
        Method("3bs", "runge-kutta", 3, stages=4, reuses_last_stage=True),
        Method("5dp", "runge-kutta", 5, stages=7, reuses_last_stage=True),
        Method("5bs", "runge-kutta", 5, stages=8, reuses_last_stage=True),
        Method("6vr", "runge-kutta", 6, stages=9, reuses_last_stage=True),
        Method("7vr", "runge-kutta", 7, stages=10),
        Method("8vr", "runge-kutta", 8, stages=13),
        Method("4bm", "splitting", 4, estimate=3),
        Method("6bm", "splitting", 6, estimate=4),
        Method(MULTISTEP, "multistep", 12),
    )
}


def names(kind: str) -> tuple[str, ...]:
    """The methods of one kind."""
    return tuple(method.name for method in METHODS.values() if method.kind == kind)


RUNGE_KUTTA, SPLITTINGS = names("runge-kutta"), names("splitting")

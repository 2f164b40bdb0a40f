"""The arithmetic of the time loop: no function allocates a state, none knows ranks or the number of flavors.

May import runtime, flavor. Names: those of `HOMES` as ``kernels.precess``, `COMPILED` and `WHY_NOT`, `warm_up`; `records`, the
arguments of pencils; `compiling.njit`, `loop_cache`, `simd`.

Here is chosen which form of a kernel runs: compiled with numba, by module in `HOMES`, or in plain NumPy, which is `reference`.
Both give the same numbers to rounding; what each does is told in `reference`, and for pencils, which need numba, in `pencils`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .adams_formulas import difference, formula, step_weights  # noqa: F401
    from .columns import columns_to_waves, differentiate_columns, waves_to_columns  # noqa: F401
    from .expansion import series_rows  # noqa: F401
    from .pencils import correct_pencils, differentiate_pencils, from_interaction_picture, phase_factors, to_interaction_picture  # noqa: F401
    from .reference import (  # noqa: F401
        add,
        add_forces,
        anticommute,
        combine,
        commute,
        complete,
        correct,
        differentiate_waves,
        from_interaction_picture_batch,
        integrate,
        joint_drive,
        joint_series,
        joint_turn,
        moments,
        phase_space_moments,
        phase_table,
        precess,
        push,
        rotate,
        rotate_and_drive,
        series,
        squares,
        subtract_derivative,
        to_interaction_picture_batch,
        turn,
        turn_about,
        turn_and_drive,
        turn_together,
        weigh,
    )

    COMPILED: bool
    WHY_NOT: str

# Where the compiled form of each kernel is. The last line of a module, touch_..., calls each of its kernels once.
HOMES = {
    "flavor": "moments rotate precess rotate_and_drive touch_precess touch_drive touch_precess_with_more touch_drive_with_more",
    "trace": "add_forces touch_add_forces",
    "momentum": "push touch_push",
    "full": "phase_space_moments anticommute commute add differentiate_waves subtract_derivative touch_full"
    " touch_full_with_more",
    "local_flow": "turn series turn_and_drive turn_about touch_local_flow",
    "joint_flow": "turn_together joint_turn joint_series joint_drive touch_turn_together touch_joint_flow",
    "pencils": "phase_factors from_interaction_picture to_interaction_picture correct_pencils differentiate_pencils touch_pencils"
    " touch_correct_pencils"
    " phase_table from_interaction_picture_batch to_interaction_picture_batch touch_batches",
    "vectors": "correct",
    "columns": "columns_to_waves waves_to_columns differentiate_columns",
    "adams": "weigh complete integrate combine squares touch_adams",
}
# These have one form: what numba compiles is what Python runs without it.
SHARED = {"adams_formulas": "formula step_weights difference touch_step_weights", "expansion": "series_rows"}

# Modules whose loops are compiled for a number of components of velocities, too.
MORE = ("flavor", "local_flow", "joint_flow")

_MODULES = {name: home for homes in (HOMES, SHARED) for home, names in homes.items() for name in names.split()}


@lru_cache(maxsize=1)
def _choice():
    """(whether kernels are compiled, why not). Made once: no run mixes both forms."""
    from .compiling import find

    numba, why_not = find()
    return numba is not None, why_not


def __getattr__(name: str):
    """`COMPILED`, whether numba is in use; `WHY_NOT`, why it is not; and the kernels in the form that follows from it."""
    if name in ("COMPILED", "WHY_NOT"):
        found = _choice()[name == "WHY_NOT"]
    elif name in _MODULES:
        home = _MODULES[name]
        home = "reference" if home in HOMES and not _choice()[0] else home
        found = getattr(import_module(f"{__name__}.{home}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def warm_up(comm, *touches, axes: int = 1, components: int = 3, velocities: int | None = None) -> None:
    """Compile the kernels that will be called, or load them where they are kept; see :func:`nuflux_mpi.kernels.compiling.in_turn`.

    touches: names of functions touch_... of this package, called with the numbers of axes of the box and of flavor components,
    which loops are compiled for, and those of `MORE` with the number of components of velocities, default the axes; or
    functions without arguments. Collective. Without numba it does nothing.
    """
    from . import compiling

    if not _choice()[0]:
        return
    named = [name for name in dict.fromkeys(touches) if isinstance(name, str)]
    others = [touch for touch in touches if not isinstance(touch, str)]

    def touch():
        for name in named:
            more = (velocities or axes,) if _MODULES[name] in MORE else ()
            getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)(axes, components, *more)

    compiling.in_turn(comm, (touch, *others))

"""What comes before a run: its config, what is said about its surroundings, and what would make it fail later. Collective."""

from __future__ import annotations

import numpy as np

from .. import config as configuration
from .. import kernels
from ..box import columns, fft_plans
from ..box.box import Box
from ..physics.terms.total import is_joint
from ..results import outside
from ..runtime.collective import on_root
from ..runtime.environment import check_index_size, check_parallel
from ..runtime.limits import check_memory
from ..time import petsc_options
from ..time.integrator import KERNELS, Integrator, initialize
from ..time.methods import SPLITTINGS
from . import start_copy


def configured(comm, config, overrides, out, resume, deterministic):
    """(resolved config, sentences about what is around the run); starts PETSc. InputError, EnvironmentProblem.

    The arguments are those of :class:`~nuflux_mpi.run.simulation.Simulation`.
    """
    said = on_root(comm, outside.check)
    config = on_root(comm, configuration.resolve, config, overrides)
    config, copied = on_root(comm, start_copy.take_up, config, out, resume)
    petsc = initialize(comm, config.petsc.options)
    check_parallel(comm)
    said += [*copied, *petsc_options.ignored(petsc.Options()), *filter(None, [outside.differing(comm)])]
    if deterministic:
        config = config.replace(box=config.box.replace(fftw="estimate"))
    return config, said


def check_room(setup, comm):
    """Refuse what does not fit into memory, or into PETSc's indices. InputError, EnvironmentProblem."""
    from petsc4py import PETSc

    from .check import memory_per_rank

    check_memory(on_root(comm, memory_per_rank, setup, comm.Get_size()), comm)
    waves = np.prod(setup.config.box.points, dtype=int) // 2 + 1
    check_index_size(2 * setup.declared.lines * waves, 8 * PETSc.IntType().itemsize)


def load_loops(setup, comm):
    """Load or compile the loops that a run of this level, method and number of axes calls."""
    touches: list = ["touch_pencils" if fft_plans.usable() else "touch_batches"]
    touches += [touch for part in (setup.level, *setup.terms) for touch in part.own_kernels]
    if any(term.has("mode_potential") or (term.steady and term.has("potential")) for term in setup.terms):
        touches += [f"{touch}_with_more" for touch in touches if touch in ("touch_precess", "touch_drive", "touch_full")]
    touches += flow_kernels(setup) if setup.method in SPLITTINGS else KERNELS.get(setup.method, ())
    if np.size(setup.config.box.points) > 1:
        touches.append(columns.touch)
    axes, modes = setup.config.box.dimensions, setup.modes
    kernels.warm_up(comm, *touches, axes=axes, components=modes.algebra.components, velocities=modes.vectors.shape[1])


def flow_kernels(setup):
    """Names of what compiles the local flow of a splitting method."""
    return ("touch_turn_together", "touch_joint_flow") if is_joint(setup.terms) else KERNELS[setup.method]


def box_of(setup, comm):
    """The box of a config, cut for the lines of its level."""
    place = setup.config.box
    options = {name: place[name] for name in ("origin", "fftw", "exchange")}
    return Box(place.length, place.points, setup.declared.lines, comm, **options)


def integrator_of(setup, problem, comm):
    """What carries the state forward; problem: its right-hand side, such as an interaction picture."""
    times = setup.config.time
    options = {name: times[name] for name in ("rtol", "atol", "dt_initial", "dt_min", "dt_max")}
    petsc = setup.config.petsc.options
    return Integrator.of(problem, comm, method=setup.method, origin=times.start, options=petsc, **options)

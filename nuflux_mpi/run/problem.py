"""What a run computes: the parts that its loop moves and its results are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..config import Config
from ..runtime.collective import any_rank


class Problem(NamedTuple):
    """The parts of a run, see :class:`~nuflux_mpi.run.simulation.Simulation`. density: n_a at this rank's points."""

    comm: Any
    setup: Any
    box: Any
    density: np.ndarray
    equations: Any
    diagnostics: Any
    integrator: Any

    @property
    def config(self) -> Config:
        """The resolved config."""
        return self.setup.config

    @property
    def duration(self) -> float:
        """From time.start to time.end."""
        return self.config.time.duration

    @property
    def finished(self) -> bool:
        """Whether the end time is reached, which is met exactly."""
        return self.integrator.t >= self.duration

    @property
    def t(self) -> float:
        """The time that is reached. The integrator's own counts from time.start, see :mod:`~nuflux_mpi.time.times`."""
        return self.config.time.end if self.finished else self.config.time.start + self.integrator.t

    def place_of_damage(self) -> str:
        """Where the last good state changes fastest, or not in numbers at all, in words. Collective."""
        level, t, comm = self.equations, self.integrator.t, self.comm
        for moment in (t, t + self.integrator.attempted):
            level.picture.fields(moment, self.integrator.u, level.picture.needed)
            level.picture.source(moment)
            rates = level.rates()
            if any_rank(comm, not np.isfinite(rates).all()):
                break
        worst = np.where(np.isfinite(rates), rates, np.inf)
        row, point = np.unravel_index(np.argmax(worst), worst.shape)
        where = [float(x.ravel()[point]) for x in np.broadcast_arrays(*self.box.coordinates())]
        value, row, *where = max(comm.allgather((float(worst[row, point]), int(row), *where)))
        what = "is not finite" if np.isinf(value) else f"is largest ({value:.3g})"
        place = ", ".join(f"{axis} = {x:.6g}" for axis, x in zip(self.box.axis_names, where))
        return f"the rate of change {what} at {place} {level.place(row)}"

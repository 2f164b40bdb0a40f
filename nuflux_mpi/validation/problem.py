"""What a published problem is: rows of numbers beside ours; and the run of one wave, which several problems share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..flavor.algebra import algebra
from ..run.simulation import simulate
from ..runtime.collective import on_root

TWO = algebra()  # flavors, in all that is published here


@dataclass(frozen=True)
class Row:
    """A number, published or exact, beside ours; they agree if they differ by no more than `tolerance`."""

    quantity: str
    expected: float
    ours: float
    tolerance: float

    @property
    def difference(self):
        return self.ours - self.expected

    @property
    def passed(self):
        return bool(abs(self.difference) <= self.tolerance)  # not so for NaN


@dataclass(frozen=True)
class Problem:
    """A published problem. rows: function of a communicator; quick: whether it takes no more than a few seconds."""

    title: str
    source: str
    rows: Callable
    quick: bool = True


SPARSE = ("output.fields_every=0", "output.spectrum_every=0")


def one_wave(modes, zeta, k, psi, times, comm=None):
    """psi_a at wavenumber k over time, complex (times, modes), in units of n, the same on all ranks. Collective.

    modes: section [modes] of a config; zeta: P_a^z, None for n_a; psi: complex (modes,), the seed; times: evenly spaced
    from 0. The box holds one wavelength, so that no other growing wave of small |k| fits into it.
    """
    n = 1 if k > 0 else -1
    run = simulate(
        {
            "box": {"length": abs(2 * np.pi / k), "points": 16},
            "modes": modes,
            "initial": {"kind": "fourier", "zeta": None if zeta is None else list(zeta), "waves": seeded_waves(psi, n)},
            # The tolerance is one for |P|: errors per step are 1e-5 of a seed of 1e-8.
            "time": {"end": times[-1], "rtol": 1e-13},
            "output": {"series_every": times[-1], "fields_every": times[1] - times[0], "spectrum_every": 0},
        },
        comm=comm,
    )

    def wave():
        P = np.asarray(run.fields["P"])
        return np.fft.fft(TWO.coherence(P, TWO.pairs[0], axis=2), axis=-1)[..., n] / P.shape[-1]

    return value_of_root(comm, wave)


def seeded_waves(psi, n):
    """Tables [[initial.waves]] of one harmonic with amplitude psi_a in mode a."""
    return [{"n": n, "amplitude": abs(wave), "phase": float(np.angle(wave)), "mode": a} for a, wave in enumerate(psi)]


def value_of_root(comm, function):
    """Value of a function that needs fields, which rank 0 alone has, on all ranks. Collective."""
    from mpi4py import MPI

    return on_root(MPI.COMM_WORLD if comm is None else comm, function)

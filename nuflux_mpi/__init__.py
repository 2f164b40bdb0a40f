"""nuflux_mpi: neutrino flavor kinetics whose energy budget closes, on one core or on many ranks.

A domain-decomposed pseudo-spectral simulator of the kinetic equation of mixed neutrinos and of its extension by
Fiorillo, Raffelt and Sigl, PRL 133, 021002 (2024). From a shell::

    mpirun -n 4 python -m nuflux_mpi run case.toml

and from Python::

    import nuflux_mpi
    run = nuflux_mpi.simulate("two_beam", overrides=["time.end=20"])
    run.series["U_osc"], run.fields["P"]

Importing the package starts no MPI and loads neither numpy nor PETSc; the names below load what they need.
"""

import os as _os
import sys as _sys

# `python -m nuflux_mpi` makes Python look into the working directory first, where a file numpy.py or h5py.py of the user is not
# what is meant. A checkout in which one stands is found there, and stays.
_asked = getattr(_sys, "orig_argv", [])
if _sys.argv[:1] == ["-m"] and ("-mnuflux_mpi" in _asked or ("-m", "nuflux_mpi") in zip(_asked, _asked[1:])):
    _checkout = _os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))
    if not _sys.flags.safe_path and _os.path.abspath(_sys.path[0]) != _checkout:
        del _sys.path[0]

from .lazily import offer as _offer  # noqa: E402
from .runtime import environment as _environment  # noqa: E402

__version__ = "0.1.0"
__all__ = [
    "simulate",
    "Simulation",
    "Run",
    "Box",
    "Modes",
    "InputError",
    "EnvironmentProblem",
    "NumericalFailure",
    "RunWarning",
    "__version__",
]

_environment.prepare()

__getattr__, __dir__ = _offer(
    __name__,
    {
        "simulate": "run.simulation",
        "Simulation": "run.simulation",
        "Run": "results.reader",
        "Box": "box.box",
        "Modes": "physics.modes",
        "InputError": "errors",
        "EnvironmentProblem": "errors",
        "NumericalFailure": "errors",
        "RunWarning": "errors",
        # Modules that docs/python.md names, by the short names that they have there.
        "environment": "runtime.environment",
        "full_grid": "physics.full_grid",
        "growth": "analysis.growth",
        "linear": "theory.linear",
    },
)

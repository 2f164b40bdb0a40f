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

from . import environment as _environment

__version__ = "0.1.0"
__all__ = ["simulate", "Simulation", "Run", "Box", "Modes", "InputError", "EnvironmentProblem", "NumericalFailure",
           "RunWarning", "__version__"]

_environment.prepare()

_HOMES = {
    "simulate": "simulation",
    "Simulation": "simulation",
    "Run": "results",
    "Box": "box",
    "Modes": "modes",
    "InputError": "errors",
    "EnvironmentProblem": "errors",
    "NumericalFailure": "errors",
    "RunWarning": "errors",
}


def __getattr__(name):
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """The public names, and the modules that were imported so far."""
    return sorted({name for name in globals() if not name.startswith("_") or name.endswith("__")} | set(_HOMES))

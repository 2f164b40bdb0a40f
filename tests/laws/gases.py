"""Problems of real gases as TOML texts, and how tests run them."""

import tomllib

import h5py
import numpy as np

import nuflux_mpi
from nuflux_mpi.flavor.algebra import algebra


def problem(text, **sections):
    """A TOML text as a dict, with other sections or parts of them."""
    found = tomllib.loads(text)
    for name, section in sections.items():
        found[name] = found.get(name, {}) | section
    return found


def write_start(path, comm, P):
    """The file of a start: P (modes, C, *points), written on rank 0. Collective."""
    if comm is None or comm.Get_rank() == 0:
        with h5py.File(path, "w") as file:
            file["P"] = P
    if comm is not None:
        comm.Barrier()


def simulated(config, comm, P=None, path=None, **options):
    """A run from the polarizations P, or from what the config says. Collective; comm None in a serial session."""
    if P is not None:
        write_start(path, comm, P)
        config = config | {"initial": {"kind": "file", "path": str(path)}}
    return nuflux_mpi.simulate(config, comm=comm, **options)


def diagonal(content, points):
    """P of modes that are the same everywhere and diagonal in flavor: content (modes, F), points a tuple."""
    content = np.array(content, dtype=float)
    P = algebra(content.shape[1]).polarization_of(content, axis=1)[1]
    return np.broadcast_to(P.reshape(*P.shape, *[1] * len(points)), (*P.shape, *points))


def contents(run, row=-1):
    """Box averages of the flavors of each mode, (modes, F), over its density."""
    P, n = run.series["P_mean"][row], run.series["density"]
    return algebra_of(P).content(n, P, axis=1) / n[:, None]


def algebra_of(P):
    return algebra(int(np.sqrt(P.shape[1] + 1)))

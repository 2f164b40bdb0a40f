#!/usr/bin/env python3
"""Level "full" at finite r_mu = mu/p_0: what each term does to the budget, how it converges, and the limit r_mu -> 0.

    python tools/finite_rmu.py                     three tables, some minutes
    mpirun -n 2 python tools/finite_rmu.py terms   one of them: terms, resolution or limit

All start from the case finite_rmu. Figures are the largest changes from the start over the run; the usual equation is the one
with the force and the group-velocity term switched off.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nuflux_mpi  # noqa: E402  (prepares the environment before numpy is loaded)

TERMS = {
    "all terms": [],
    "without group velocity": ["full.group_velocity=false"],
    "without force": ["full.force=false"],
    "usual equation": ["full.group_velocity=false", "full.force=false"],
}
RESOLUTIONS = {
    "as in the case": [],
    "128 points in z": ["box.points=128"],
    "p_z: 64 points to 16": ["full.points=64", "full.p_max=16"],
    "p_z: 128 points to 20": ["full.points=128"],
    "p_z: 128 points to 24": ["full.points=128", "full.p_max=24"],
    "8 points in p_perp": ["full.perp_points=8"],
    "rtol = 1e-7": ["time.rtol=1e-7"],
    "rtol = 1e-11": ["time.rtol=1e-11"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="*", help="terms, resolution, limit (default: all)")
    arguments = parser.parse_args()
    tables = {"terms": lambda: conservation(TERMS), "resolution": lambda: conservation(RESOLUTIONS), "limit": limit}
    for name in arguments.table or tables:
        if name not in tables:
            parser.error(f"{name} is not one of {', '.join(tables)}")
        tables[name]()


def run(overrides, end=16.0):
    output = ["output.series_every=1", "output.fields_every=0", "output.spectrum_every=0", f"time.end={end}"]
    return nuflux_mpi.simulate("finite_rmu", overrides=output + overrides)


def say(text):
    from mpi4py import MPI

    if MPI.COMM_WORLD.rank == 0:
        print(text, flush=True)


def conservation(variants):
    """Drift of what Eq. 16 conserves, for each variant of the case."""
    say(f"\n{'':24s} {'number':>9s} {'energy':>9s} {'/total':>9s} {'momentum':>9s} {'int D_0':>9s} {'Tr f^2':>9s}")
    for label, overrides in variants.items():
        series = run(overrides).series
        change = {name: abs(series[name] - series[name][0]).max() for name in ("number", "energy", "momentum", "D0")}
        relative = change["energy"] / series["energy"][0]
        casimir = abs(series["casimir2"] / series["casimir2"][0] - 1).max()
        say(
            f"{label:24s} {change['number']:9.1e} {change['energy']:9.1e} {relative:9.1e} {change['momentum']:9.1e} "
            f"{change['D0']:9.1e} {casimir:9.1e}"
        )


def limit(momenta=(8.0, 32.0, 128.0)):
    """What the new terms change in P, at equal angles (sigma and the grid scale with p_0); the last column is the order."""
    import numpy as np
    from mpi4py import MPI

    comm, before = MPI.COMM_WORLD, None
    say(f"\n{'r_mu':>10s} {'change of P':>12s} {'K':>10s} {'order':>6s}")
    for p0 in momenta:
        grid = [f"full.p0={p0}", f"full.sigma={0.15 * p0}", f"full.p_max={2.5 * p0}"]
        whole, usual = run(grid, end=5.0), run(grid + TERMS["usual equation"], end=5.0)
        change = comm.bcast(np.abs(whole.fields["P"][-1] - usual.fields["P"][-1]).max() if comm.rank == 0 else None)
        order = "" if before is None else f"{np.log(before[1] / change) / np.log(p0 / before[0]):6.2f}"
        say(f"{1 / p0:10.6f} {change:12.3e} {whole.series['K'][-1].sum():10.4f} {order}")
        before = p0, change


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""How far the entropy drifts at level "momentum", against the width of the bunches in momentum: the order of the gradient
expansion, measured.

    python tools/gradient_expansion.py                     the paper's example at five widths, a table and a picture
    mpirun -n 2 python tools/gradient_expansion.py         the same on two ranks
    python tools/gradient_expansion.py --widths 1 2 4 --end 15 -o drift.png

Entropy and int Tr f^3 are conserved order by order in gradients; the expansion parameter is 1/(wavelength x width in q), and
their drift falls as width^-2. Taken with the star product of phase space, as the density matrix behind f has it, int Tr f*f*f
holds one order more and drifts as width^-4. docs/missing_energy.md derives the powers. By default the beams are mixed,
n_a = 1 with |P_a| = 1/2; in the paper's pure state (--density 0.5) the smaller eigenvalue starts at 0 and lambda ln lambda
adds a logarithm to the entropy's power.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nuflux_mpi  # noqa: E402  (prepares the environment before numpy is loaded)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=float, nargs="+", default=[0.7, 1.4, 2.8, 5.6, 11.2])
    parser.add_argument(
        "--density", type=float, default=1.0, help="n_a of both beams; 0.5 = |P_a| is the paper's pure state (default 1)"
    )
    parser.add_argument("--end", type=float, default=20.0, help="time of the comparison")
    parser.add_argument("-o", "--output", default="gradient_expansion.png")
    arguments = parser.parse_args()

    from mpi4py import MPI

    from nuflux_mpi.physics import phase_space
    from nuflux_mpi.plots import momentum

    comm = MPI.COMM_WORLD
    if comm.rank == 0:
        print("  width       entropy      casimir3   casimir3 *  lowest occupation  |K + U - start| / |U|", flush=True)
    drifts, runs = {"entropy": [], "casimir3": [], "casimir3_star": []}, {}
    for width in arguments.widths:
        run = runs[f"width {width:g}"] = nuflux_mpi.simulate(
            "missing_energy",
            comm=comm,
            overrides=[
                f"time.end={arguments.end}",
                f"momentum.sigma={width}",
                f"momentum.half_width={max(12.0, 7.0 * width + 8.0)}",
                f"modes.density=[{arguments.density}, {arguments.density}]",
                f"output.series_every={arguments.end}",
                "output.spectrum_every=0",
                "output.fields_every=0",
            ],
        )
        if comm.rank:
            continue
        series, state = run.series, run.phase_space
        star = [
            sum(
                phase_space.star_casimir3(state["f"][row, mode], state["q"], 100.0, state["v"][mode], state["sign"][mode])
                for mode in range(2)
            )
            for row in (0, -1)
        ]
        # an entropy has no natural zero: its change is counted per neutrino
        drifts["entropy"].append((series["entropy"][-1] - series["entropy"][0]) / series["number"][0])
        drifts["casimir3"].append(series["casimir3"][-1] / series["casimir3"][0] - 1)
        drifts["casimir3_star"].append(star[1] / star[0] - 1)
        lowest = series["occupation_min"][-1] / series["occupation_max"][0]
        residual = abs(series["energy_residual"][-1] / series["U_osc"][0])
        print(
            f"{width:7g} "
            + " ".join(f"{values[-1]:12.3e}" for values in drifts.values())
            + f" {lowest:18.2e} {residual:21.1e}",
            flush=True,
        )
    if comm.rank == 0:
        for name, values in drifts.items():
            exponent = momentum.fitted_exponent(arguments.widths, values)
            print(f"{name} drift falls as width^{exponent:.2f} over the widest")
        momentum.entropy_order(arguments.widths, drifts, arguments.output, runs)
        print(arguments.output)


if __name__ == "__main__":
    main()

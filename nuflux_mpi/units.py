"""What the program's units are in the laboratory's: mu = sqrt(2) G_F n for a neutrino density n.

    from nuflux_mpi import units
    units.potential(1e32), units.length(1e32), units.time(1e32)     mu in eV, 1/mu in cm and in ns

Nothing in the program needs this: it computes in units of mu. Arguments may be arrays. `python -m nuflux_mpi.units` prints the
table of docs/conventions.md.
"""

import math

# Fermi's constant G_F / (hbar c)^3 [GeV^-2] and hbar c [eV cm] of the Particle Data Group, the speed of light [cm/s].
FERMI = 1.1663788e-5
HBAR_C = 1.973269804e-5
LIGHT = 2.99792458e10

# Densities [cm^-3] of the table, and where neutrinos of one flavor are about so dense.
PLACES = (
    (1e30, "supernova, 600 km from the center, some 0.1 s after the bounce"),
    (1e31, "supernova, 200 km"),
    (1e32, "supernova, 60 km; above the disk of a merger remnant"),
    (1e33, "supernova, where neutrinos decouple, 30 km; in the disk of a merger remnant"),
    (1e34, "inside a proto-neutron star"),
)


def potential(n):
    """mu = sqrt(2) G_F n in eV for a density n in cm^-3."""
    return math.sqrt(2) * FERMI * 1e-18 * HBAR_C**3 * n


def length(n):
    """1/mu in cm for a density n in cm^-3."""
    return HBAR_C / potential(n)


def time(n):
    """1/mu in ns for a density n in cm^-3."""
    return length(n) / LIGHT * 1e9


def table():
    """Rows of docs/conventions.md as text."""
    rows = ["| n [cm^-3] | mu [eV] | 1/mu [cm] | 1/mu [ns] | L = 100/mu [cm] | about so dense |", "| --- " * 6 + "|"]
    for n, where in PLACES:
        numbers = (float(f"{value:.3g}") for value in (potential(n), length(n), time(n), 100 * length(n)))
        rows.append(f"| {n:.0e} | {' | '.join(f'{number:g}' for number in numbers)} | {where} |")
    return "\n".join(rows).replace("e+", "e")


if __name__ == "__main__":
    print(table())

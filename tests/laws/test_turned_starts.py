"""A problem that two other solvers have run, as a config alone: three flavors with everything, from a start that is turned."""

import numpy as np
from gases import problem

import nuflux_mpi

EVERYTHING = """
[box]
length = 20.0
points = 64
[flavor]
number = 3
[modes]
velocity = [1.0, -0.5, 0.5, -1.0]
sign = [1, 1, -1, -1]
energy = [1.0, 2.0, 1.0, 2.0]
content = [[0.5, 0.1, 0.1], [0.2, 0.15, 0.1], [0.2, 0.1, 0.15], [0.45, 0.1, 0.15]]
[vacuum]
omega = [0.02, 0.4]
theta = [0.58, 0.15, 0.85]
delta = 1.2
at_energy = 1.0
[matter]
kind = "cosine"
lambda = 0.4
amplitude = 0.2

[initial]
kind = "rotation"
turns = []

[equations]
level = "energy"

[time]
end = 4.0
rtol = 1e-11

[output]
series_every = 2.0
fields_every = 2.0
"""
# t, U_osc, E_vac, E_mat, K, K of the first mode; digits on which the solvers agree
PRINTED = [
    (0, -2.6754557201, 3.1160256301, 0.3998798274, 0, 0),
    (2, -2.6060989339, 3.0954154434, 0.3553541922, -0.0042209643, -0.0021554125),
    (4, -2.6068990736, 3.3989058762, 0.1598497305, -0.1114067957, -0.0578107400),
]


def turns(modes, generators):
    """X_a = 0.01 sum_c lambda_c cos(2 pi h z/L + c + a), h = 1 + (c + a) mod 3, with c counted from 0."""
    return [
        {"component": str(c + 1), "n": 1 + (c + a) % 3, "phase": float(c + a), "amplitude": 0.02, "mode": a}
        for a in range(modes)
        for c in generators
    ]


def test_everything_from_a_config_alone():
    run = nuflux_mpi.simulate(problem(EVERYTHING, initial={"turns": turns(4, (0, 1, 3, 4, 5, 6))}))
    series = run.series
    found = [series["time"], series["U_osc"], series["E_vac"], series["E_mat"], series["K"].sum(axis=1), series["K"][:, 0]]
    np.testing.assert_allclose(np.transpose(found), PRINTED, rtol=0, atol=1e-8)  # what is asked for at rtol 1e-11

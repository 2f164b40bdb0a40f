"""Splitting methods with vacuum mixing and matter: the solution of a plain solver, its order, the budget, any number of ranks."""

import numpy as np
import pytest
from plain_gas import Gas

import nuflux_mpi
from nuflux_mpi.flavor import algebra
from nuflux_mpi.physics.terms.vacuum import mass_matrix

LENGTH, POINTS, END = 6.0, 15, 2.0
XYZ = np.array([[0.6, 0.48, 0.64], [-0.7, 0.3, 0.5], [0.2, -0.5, -0.8], [0.1, 0.9, -0.3]])
SIGN, DENSITY, ENERGY = [1, -1, 1, -1], [0.5, 0.4, 0.3, 0.4], [1.0, 1.0, 2.0, 3.0]
FACTORS = {"vacuum": 0.8, "matter": 0.6, "self": 0.9}
ANGLES = {2: {"omega": 1.3, "theta": 0.4}, 3: {"omega": [0.3, 1.3], "theta": [0.5, 0.2, 0.7], "delta": 1.0}}
MATTER = {"kind": "cosine", "lambda": 2.0, "amplitude": 0.7, "velocity": [0.1, 0.2, 0.3]}


def case(flavors=2, terms=("vacuum", "matter"), **changes):
    """Four directions all around, neutrinos and antineutrinos of several energies, waves that the grid hardly resolves."""
    given = {"vacuum": ANGLES[flavors], "matter": MATTER}
    zeta = {"zeta": [0.5, -0.4, 0.3, 0.4]} if flavors == 2 else {}
    whole = {
        "box": {"length": LENGTH, "points": POINTS},
        "flavor": {"number": flavors},
        "modes": {"velocity": XYZ.tolist(), "sign": SIGN, "density": DENSITY, "energy": ENERGY},
        "initial": {"kind": "seeds", "variance": 1e-4, "n_max": 3, "seed": 2, **zeta},
        "attenuation": FACTORS,
        "equations": {"level": "energy"},
        "time": {"end": END, "rtol": 1e-9, "method": "6bm"},
        "output": {"series_every": END / 4, "fields_every": END, "figures": False},
        **{name: given[name] for name in terms},
    }
    return {name: whole.get(name, {}) | changes.get(name, {}) for name in {**whole, **changes}}


def solved(start, flavors, terms):
    """(P, kappa) at the end by the plain solver from P (modes, C, points)."""
    angles = ANGLES[flavors]
    vacuum = mass_matrix(angles["omega"], angles["theta"], angles.get("delta", 0.0)) / np.array(ENERGY)[:, None, None]
    z = LENGTH / POINTS * np.arange(POINTS)
    matter = MATTER["lambda"] + MATTER["amplitude"] * np.cos(2 * np.pi * z / LENGTH)
    gas = Gas(
        XYZ, np.array(SIGN, dtype=float), flavors, LENGTH, POINTS,
        vacuum=vacuum if "vacuum" in terms else 0.0, matter=matter if "matter" in terms else 0.0, u=MATTER["velocity"],
        c=(FACTORS["vacuum"], FACTORS["matter"], FACTORS["self"]), n=DENSITY,
    )  # fmt: skip
    return gas.run(start, END, rtol=1e-11)


@pytest.mark.mpi
@pytest.mark.parametrize(
    "flavors, method, terms",
    [(2, "6bm", ("vacuum", "matter")), (2, "4bm", ("vacuum",)), (3, "4bm", ("matter",)), (3, "6bm", ("vacuum", "matter"))],
)
def test_a_gas_with_vacuum_and_matter_does_what_a_plain_solver_finds(flavors, method, terms, comm):
    run = nuflux_mpi.simulate(case(flavors, terms, time={"method": method}), comm=comm)
    fields = comm.bcast({name: run.fields[name] for name in ("P", "kappa")} if comm.rank == 0 else None)
    P, kappa = solved(fields["P"][0], flavors, terms)
    assert np.abs(P - fields["P"][0]).max() > (0.2 if "vacuum" in terms else 0.1)  # far from the start
    assert np.abs(kappa).max() > 0.01
    # Some hundred steps of rtol, whose errors are of one sign at worst.
    np.testing.assert_allclose(fields["P"][-1], P, rtol=0, atol=1e-7)
    np.testing.assert_allclose(fields["kappa"][-1], kappa, rtol=0, atol=1e-7)
    # The local flow keeps the budget better than its steps do P: Gauss's formula and the series are of order six.
    assert np.abs(run.series["energy_residual"]).max() < 1e-10 * LENGTH
    of_terms = [name for name in ("E_vac", "E_mat") if name in run.series]
    assert len(of_terms) == len(terms) and all(np.ptp(run.series[name]) > 1e-6 for name in of_terms)


@pytest.mark.parametrize("method, order", [("4bm", 4), ("6bm", 6)])
def test_the_order_is_kept(method, order):
    """By halving steps of one length, at level energy; the reference is adams with rtol 1e-11."""
    exact = nuflux_mpi.simulate(case(time={"method": "adams", "rtol": 1e-11}))
    errors = []
    for h in (0.5, 0.25):
        run = nuflux_mpi.simulate(case(time={"method": method, "rtol": 1e-1, "dt_initial": h, "dt_max": h}))
        errors.append([np.abs(run.fields[name][-1] - exact.fields[name][-1]).max() for name in ("P", "kappa")])
    found = np.log2(np.array(errors[0]) / errors[1])
    assert np.all(np.array(errors[0]) < 0.05) and np.all(np.array(errors[1]) > 1e-9)  # neither lost nor rounding
    # Halved once from steps that are not small: the next order shows.
    np.testing.assert_allclose(found, order, atol=1.0)


@pytest.mark.parametrize("method, level", [("6bm", "standard"), ("adams", "energy")])
def test_steps_do_not_follow_uniform_matter_at_rest(method, level):
    """All turn about lambda L alike, which is taken out: the run is the one without matter, turned by lambda t, in as many steps."""
    asked = {"equations": {"level": level}, "time": {"method": method}}
    plain = nuflux_mpi.simulate(case(3, (), **asked))
    strong = {"kind": "uniform", "lambda": 500.0}
    matter = nuflux_mpi.simulate(case(3, (), matter=strong, **asked))
    angle = FACTORS["matter"] * 500.0 * END
    pairs, turns = algebra(3).pairs, {"emu": 1.0, "etau": 1.0, "mutau": 0.0}
    for pair in pairs:
        psi, turned = (algebra(3).coherence(run.fields["P"][-1], pair, axis=1) for run in (plain, matter))
        assert np.abs(psi).max() > 1e-3 or pair.name != "emu"
        # Rounding of an angle of 600, and the motion that makes more of it.
        np.testing.assert_allclose(turned, psi * np.exp(1j * turns[pair.name] * angle), rtol=0, atol=1e-11)
    for name in ("U_osc", "step"):
        np.testing.assert_allclose(matter.series[name], plain.series[name], rtol=0, atol=1e-11)
    if level == "energy":
        np.testing.assert_allclose(matter.fields["kappa"], plain.fields["kappa"], rtol=0, atol=1e-11)
        assert np.abs(matter.series["energy_residual"]).max() < 1e-8  # steps of 1e-9 of adams


def test_the_step_follows_the_vacuum():
    """Ten times the frequency: the steps are shorter as much, for a single mode that does nothing but oscillate."""
    counts = []
    for omega in (5.0, 50.0):
        one = {
            "box": {"length": 1.0, "points": 8},
            "modes": {"velocity": [0.5], "density": [1.0]},
            "initial": {"kind": "fourier", "zeta": [1.0], "waves": [{"n": 1, "amplitude": 1e-12}]},
            "vacuum": {"omega": omega, "theta": 0.6},
            "time": {"end": 1.0, "rtol": 1e-8, "method": "4bm"},
            "output": {"series_every": 0.25, "fields_every": 1.0, "figures": False},
        }
        run = nuflux_mpi.simulate(one)
        survival = 1.0 - np.sin(1.2) ** 2 * np.sin(omega * run.series["time"] / 2) ** 2
        np.testing.assert_allclose(run.series["P_ee"], survival, rtol=0, atol=1e-7)
        counts.append(run.series["step"][-1])
    assert 5 * counts[0] < counts[1] < 15 * counts[0]

"""Velocities that point out of the axes of the box: 1 - v_a.v_b has all three components, waves run along the axes alone."""

import numpy as np
import pytest
from plain_gas import Gas

from nuflux_mpi.box.box import Box
from nuflux_mpi.physics import levels
from nuflux_mpi.physics.diagnostics import Diagnostics
from nuflux_mpi.physics.modes import PLACES, Modes
from nuflux_mpi.time.integrator import Integrator

LENGTH, POINTS, RTOL = 6.0, 16, 1e-11
# No axial symmetry, no two opposite, neutrinos and antineutrinos.
XYZ = np.array([[0.6, 0.48, 0.64], [-0.7, 0.3, 0.5], [0.2, -0.5, -0.8], [0.1, 0.9, -0.3], [-0.5, -0.5, 0.7], [0.3, 0.2, 0.93]])
S = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 1.0])


def directions(axes, flavors):
    velocity = XYZ[:, PLACES[axes]]
    v = velocity[:, 0] if axes == 1 else velocity
    return Modes(v=v, s=S, n=np.full(len(S), 0.4), weight=np.ones(len(S)), flavors=flavors, xyz=XYZ)


def start(flavors, z):
    """P (modes, C, points along z): mean states that differ, and waves of every component."""
    random, C = np.random.default_rng(4), flavors**2 - 1
    mean, size, phase = (
        random.normal(size=(len(S), C)),
        random.normal(size=(2, len(S), C)),
        random.uniform(0, 6, (2, len(S), C)),
    )
    waves = (size[..., None] * np.cos(2 * np.pi / LENGTH * np.array([1, 2])[:, None, None, None] * z + phase[..., None])).sum(
        axis=0
    )
    return 0.15 * mean[..., None] + 0.02 * waves


def run(axes, flavors, comm, method="8vr", level="energy", end=3.0):
    """(level, rows of the series at the start and the end, P and kappa at the end of this rank)."""
    several = directions(axes, flavors)
    kind = levels.LEVELS[level]
    lines = kind.declare(several, None, (), axes).lines
    one = levels.build(kind, Box([LENGTH] * axes, [*[3, 4][: axes - 1], POINTS], lines, comm), several)
    box = one.box
    P = start(flavors, np.ravel(box.coordinates()[-1]))
    P = np.broadcast_to(P.reshape(*P.shape[:2], *[1] * (axes - 1), -1), (*P.shape[:2], *box.local_shape))
    integrator = Integrator.of(one.picture, comm, method=method, rtol=RTOL)
    one.start(0.0, integrator.u, P, several.n)
    fields = one.take(0.0, integrator.u)
    diagnostics = Diagnostics(box, several, fields["P"].copy(), several.n, terms=one.terms, parts=(*one.diagnostics,))
    rows = [diagnostics.measure(0.0, fields)]
    integrator.begin()
    integrator.advance(end)
    fields = one.take(end, integrator.u)
    rows.append(diagnostics.measure(end, fields))
    integrator.destroy()
    return one, rows, {name: fields[name].copy() for name in ("P", "kappa")}


@pytest.mark.mpi
@pytest.mark.parametrize("flavors, method", [(2, "adams"), (2, "6bm"), (3, "8vr"), (3, "4bm")])
def test_six_directions_on_a_line_do_what_a_plain_solver_finds(flavors, method, comm):
    one, rows, found = run(1, flavors, comm, method)
    z = LENGTH / POINTS * np.arange(POINTS)
    gas = Gas(XYZ, S, flavors, LENGTH, POINTS)
    P, kappa = gas.run(start(flavors, z), 3.0)
    mine = one.box.indices()[-1]
    assert np.abs(P - start(flavors, z)).max() > 0.1  # far from the start
    # Some hundred steps of RTOL, whose errors the motion makes some ten times larger.
    np.testing.assert_allclose(found["P"], P[..., mine], rtol=0, atol=1e3 * RTOL)
    np.testing.assert_allclose(found["kappa"], kappa[..., mine], rtol=0, atol=1e4 * RTOL)
    energies = [row["U_osc"] for row in rows]
    assert energies[1] == pytest.approx(gas.U(P), abs=1e3 * RTOL)
    assert abs(energies[1] - energies[0]) > 1e-3
    assert abs(rows[1]["energy"] - rows[0]["energy"]) < 1e-10 * LENGTH
    for row in rows:  # Eq. 7, and Eq. 22
        assert row["dK_dt"] == pytest.approx(-row["dU_osc_dt"], abs=1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_the_same_in_a_box_that_is_homogeneous_across(axes, comm):
    """The rates are the same but for rounding, and so are the steps."""
    line, _, expected = run(1, 2, comm)
    box, rows, found = run(axes, 2, comm)
    mine = box.box.indices()[-1]
    whole = comm.allgather((line.box.indices()[-1], expected))
    for name, field in found.items():
        plain = np.zeros((*expected[name].shape[:-1], POINTS))
        for part, fields in whole:
            plain[..., part] = fields[name]
        plane = plain.reshape(*plain.shape[:-1], *[1] * (axes - 1), POINTS)[..., np.ravel(mine)]
        np.testing.assert_allclose(field, np.broadcast_to(plane, field.shape), rtol=0, atol=1e-12)


def test_three_components_are_there_only_where_a_velocity_points_out_of_the_axes():
    inside = Modes(v=[1.0, -1.0], s=[1.0, 1.0], n=None, weight=np.ones(2), xyz=np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]))
    assert inside.vectors.shape == (2, 1)
    assert directions(1, 2).vectors.shape == directions(2, 2).vectors.shape == directions(3, 2).vectors.shape == (6, 3)
    level = levels.LEVELS["energy"]
    gradients = [level.declare(modes, None, (), 1).gradient for modes in (inside, directions(1, 2))]
    assert gradients == [3 * 2, 3 * 4]  # what `check` counts memory and exchange from

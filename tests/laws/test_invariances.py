"""What must not change a run: where the box begins, the unit of energy, the flavor basis, the direction of time."""

import h5py
import numpy as np
import pytest

import nuflux_mpi

# Two beams with a few large waves at different phases: nonlinear within a few 1/mu, and resolved by 128 points.
LENGTH, POINTS = 20.0, 128
WAVES = [(-4, 0.03, 0.3, 0), (-3, 0.05, 1.1, 1), (-2, 0.04, 2.0, "all"), (1, 0.02, 4.0, 0), (2, 0.01, 5.0, "all")]


def two_beams(shift=0.0, scale=1.0, **sections):
    """Config of the two beams, seeds shifted along the box, polarization scaled (and with it 1/length and 1/time)."""
    waves = [
        {"n": n, "amplitude": scale * size, "phase": phase - 2 * np.pi * n * shift / LENGTH, "mode": mode}
        for n, size, phase, mode in WAVES
    ]
    case = {
        "box": {"length": LENGTH / scale, "points": POINTS},
        "modes": {"velocity": [1.0, -1.0]},
        "initial": {"kind": "fourier", "zeta": [0.5 * scale, -0.5 * scale], "waves": waves},
        "equations": {"level": "energy"},
        "time": {"end": 10.0 / scale, "rtol": 1e-12},
        "output": {"series_every": 1.0 / scale, "fields_every": 5.0 / scale},
    }
    return case | sections


def run_from(P, path, **sections):
    """The same run from fields P."""
    with h5py.File(path, "w") as file:
        file["P"] = P
    return nuflux_mpi.simulate(two_beams(initial={"kind": "file", "path": str(path)}, **sections))


@pytest.fixture(scope="module")
def plain():
    run = nuflux_mpi.simulate(two_beams())
    assert np.ptp(run.series["U_osc"]) > 3  # the flavor fields are far from where they were
    return run


# 120 steps of 1e-12, and growth of the early errors by some 10.
TOLERANCE = 1e-9


@pytest.mark.parametrize("shift", [LENGTH / POINTS, 0.0377, 7.123])
def test_integrals_do_not_feel_where_the_grid_lies(plain, shift):
    moved = nuflux_mpi.simulate(two_beams(shift))
    for name in ("U_osc", "U_osc_transverse", "dU_osc_dt", "K", "momentum", "D0", "P_mean", "nu_x", "psi2"):
        np.testing.assert_allclose(moved.series[name], plain.series[name], rtol=0, atol=TOLERANCE, err_msg=name)
    assert np.abs(moved.fields["P"][0] - plain.fields["P"][0]).max() > 1e-4  # not the same start


def test_the_origin_is_a_name(plain):
    box = {"length": LENGTH, "points": POINTS, "origin": -3.3}
    moved = nuflux_mpi.simulate(two_beams(box=box))
    np.testing.assert_allclose(moved.fields["z"], plain.fields["z"] - 3.3, rtol=0, atol=1e-14)
    # z - origin is rounded differently: rounding alone, grown.
    np.testing.assert_allclose(moved.fields["P"], plain.fields["P"], rtol=0, atol=TOLERANCE)


def test_stronger_interaction_is_a_smaller_and_faster_box(plain):
    """P -> 3 P with L -> L/3 and t -> t/3 gives the same fields, times 3."""
    fast = nuflux_mpi.simulate(two_beams(scale=3.0))
    np.testing.assert_allclose(fast.fields["time"], plain.fields["time"] / 3, rtol=1e-15)
    np.testing.assert_allclose(fast.fields["P"], 3 * plain.fields["P"], rtol=0, atol=3 * TOLERANCE)
    np.testing.assert_allclose(fast.fields["kappa"], 9 * plain.fields["kappa"], rtol=0, atol=9 * TOLERANCE)
    np.testing.assert_allclose(fast.series["U_osc"], 3 * plain.series["U_osc"], rtol=0, atol=3 * TOLERANCE)


def test_energy_does_not_depend_on_the_flavor_basis(plain, tmp_path):
    """A fixed rotation of all P turns the solution and keeps every energy."""
    rotation, _ = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))
    rotation *= np.linalg.det(rotation)
    turned = run_from(np.einsum("ij,ajz->aiz", rotation, plain.fields["P"][0]), tmp_path / "turned.h5")
    for name in ("U_osc", "dU_osc_dt", "K", "energy"):
        np.testing.assert_allclose(turned.series[name], plain.series[name], rtol=0, atol=TOLERANCE, err_msg=name)
    expected = np.einsum("ij,tajz->taiz", rotation, plain.fields["P"])
    np.testing.assert_allclose(turned.fields["P"], expected, rtol=0, atol=TOLERANCE)
    assert np.abs(turned.series["U_osc_transverse"] - plain.series["U_osc_transverse"]).max() > 1  # not its parts


def test_time_reversed_the_run_returns_to_its_start(plain, tmp_path):
    """v -> -v and P^y -> -P^y: back to the start, and every mode gives back the energy it had gained."""
    mirror = np.array([1.0, -1.0, 1.0])[:, None]
    back = run_from(plain.fields["P"][-1] * mirror, tmp_path / "end.h5", modes={"velocity": [-1.0, 1.0]})
    np.testing.assert_allclose(back.fields["P"][-1] * mirror, plain.fields["P"][0], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(back.series["U_osc"][::-1], plain.series["U_osc"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(back.series["K"][-1], -plain.series["K"][-1], rtol=0, atol=TOLERANCE)


def test_mirror_image_of_the_box(plain, tmp_path):
    """z -> -z and v -> -v: the same energies, the mirrored fields."""
    image = run_from(
        np.roll(plain.fields["P"][0, ..., ::-1], 1, axis=-1), tmp_path / "image.h5", modes={"velocity": [-1.0, 1.0]}
    )
    expected = np.roll(plain.fields["P"][..., ::-1], 1, axis=-1)
    np.testing.assert_allclose(image.fields["P"], expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(image.series["K"], plain.series["K"], rtol=0, atol=TOLERANCE)


def test_missing_neutrinos_are_antineutrinos(plain, tmp_path):
    """Only s_a P_a enters: the beam s = +1 with P is the same as s = -1 with -P."""
    sign = np.array([1.0, -1.0])
    other = run_from(
        sign[:, None, None] * plain.fields["P"][0], tmp_path / "anti.h5", modes={"velocity": [1.0, -1.0], "sign": [1, -1]}
    )
    expected = sign[:, None, None] * plain.fields["P"]
    np.testing.assert_allclose(other.fields["P"], expected, rtol=0, atol=TOLERANCE)
    for name in ("U_osc", "K", "D0"):
        np.testing.assert_allclose(other.series[name], plain.series[name], rtol=0, atol=TOLERANCE, err_msg=name)


def test_the_order_of_modes_is_a_name(plain, tmp_path):
    other = run_from(plain.fields["P"][0, ::-1], tmp_path / "swapped.h5", modes={"velocity": [-1.0, 1.0]})
    np.testing.assert_allclose(other.fields["P"], plain.fields["P"][:, ::-1], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(other.series["K"], plain.series["K"][:, ::-1], rtol=0, atol=TOLERANCE)


def test_two_half_beams_are_one(plain, tmp_path):
    """Modes of equal velocity and flavor act as their sum."""
    halves = run_from(
        np.repeat(0.5 * plain.fields["P"][0], 2, axis=0), tmp_path / "halves.h5", modes={"velocity": [1.0, 1.0, -1.0, -1.0]}
    )
    np.testing.assert_allclose(
        halves.fields["P"].reshape(3, 2, 2, 3, POINTS).sum(axis=2), plain.fields["P"], rtol=0, atol=TOLERANCE
    )
    np.testing.assert_allclose(halves.series["U_osc"], plain.series["U_osc"], rtol=0, atol=TOLERANCE)


def test_a_homogeneous_gas_keeps_its_refractive_energy(tmp_path):
    """Whatever the vectors: without gradients nothing can be given to kinetic energy, though flavor is exchanged."""
    v, s = [1.0, 0.4, -0.2, -1.0], [1, -1, 1, -1]
    P = np.random.default_rng(6).standard_normal((4, 3, 1)) * np.ones(16)
    path = tmp_path / "homogeneous.h5"
    with h5py.File(path, "w") as file:
        file["P"] = P
    run = nuflux_mpi.simulate(
        {
            "box": {"length": 5.0, "points": 16},
            "modes": {"velocity": v, "sign": s},
            "initial": {"kind": "file", "path": str(path)},
            "equations": {"level": "energy"},
            "time": {"end": 20.0, "rtol": 1e-13},
        }
    )
    U = run.series["U_osc"]
    np.testing.assert_allclose(U, U[0], rtol=0, atol=1e-9)  # 1e-13 per step, over a thousand steps, L
    np.testing.assert_allclose(run.series["K"], 0, atol=1e-11)  # rounding in the gradient, times the duration
    assert np.ptp(run.series["P_mean"][:, 0], axis=0).max() > 0.5

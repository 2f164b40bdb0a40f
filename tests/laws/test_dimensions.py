"""Runs in two and three dimensions: embeddings of one-dimensional runs, the energy budget, growth, ranks, files."""

import re

import h5py
import numpy as np
import pytest
from bench import CountingComm

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.analysis import compare, linear_lattice, linear_problem, linear_report
from nuflux_mpi.box.box import Box
from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import diagnostics, initial, levels, modes, polarization
from nuflux_mpi.run import check, run_warnings
from nuflux_mpi.theory import growth_curve, linear

LENGTH = 12.0
# Harmonics with which two beams are nonlinear after a few 1/mu.
WAVES = [(-2, 0.05, 0.3, 0), (-1, 0.04, 1.1, 1), (1, 0.03, 2.0, "all")]
# No direction along an axis, no two opposite; neutrinos and antineutrinos.
OBLIQUE = {
    2: {"velocity": [[0.6, 0.8], [-0.8, 0.5], [0.3, -0.9]], "sign": [1, -1, 1]},
    3: {"velocity": [[0.6, 0.48, 0.64], [-0.7, 0.3, 0.5], [0.2, -0.5, -0.8]], "sign": [1, -1, 1]},
}
GRIDS = {2: [9, 13], 3: [5, 6, 9]}


def beams(axes, direction, points, stretch=1.0, **sections):
    """Two beams along +- a direction, a vector or 1 for z, with waves that vary along it; level energy."""
    direction = np.asarray(direction, dtype=float)
    waves = [
        {"n": (n * np.sign(direction).astype(int)).tolist(), "amplitude": size, "phase": phase, "mode": mode}
        for n, size, phase, mode in WAVES
    ]
    return {
        "box": {"length": [stretch * LENGTH] * axes, "points": points},
        "modes": {"velocity": [direction.tolist(), (-direction).tolist()]},
        "initial": {"kind": "fourier", "zeta": [0.5, -0.5], "waves": waves},
        "equations": {"level": "energy"},
        "time": {"end": 4.0, "rtol": 1e-11, "method": "8vr"},
        "output": {"series_every": 1.0, "fields_every": 2.0, "figures": False},
    } | sections


def oblique(axes, **changes):
    """Three directions, seeds of many waves, a grid that does not resolve what becomes of them."""
    seeds = {"kind": "seeds", "zeta": [0.5, 0.4, -0.6], "variance": {2: 2e-4, 3: 3e-5}[axes], "n_max": 2, "seed": 3}
    case = {
        "box": {"length": [5.0, 6.0, 7.0][-axes:], "points": GRIDS[axes]},
        "modes": OBLIQUE[axes],
        "initial": seeds,
        "equations": {"level": "energy"},
        "time": {"end": 3.0, "rtol": 1e-12, "method": "8vr"},
        "output": {"series_every": 0.5, "fields_every": 1.5, "figures": False},
    }
    return {name: table | changes.get(name, {}) for name, table in case.items()}


def shared(comm, run):
    """The fields P and kappa of a run in memory, on all ranks."""
    return comm.bcast({name: run.fields[name] for name in ("P", "kappa")} if comm.rank == 0 else None)


# ---- embeddings: rounding alone, for the steps are the same; it grows with the waves, by some 10


@pytest.mark.mpi
@pytest.mark.parametrize("axes, points", [(2, 24), (2, 15), (3, 10)])
def test_two_beams_along_a_diagonal_are_those_of_one_dimension(axes, points, comm):
    """Points i, j, k lie at (i + j + k) L'/(N sqrt d) along the diagonal, with L' = sqrt(d) L: on the 1D grid."""
    single = nuflux_mpi.simulate(beams(1, 1.0, [points]), comm=comm)
    root = np.sqrt(axes)
    run = nuflux_mpi.simulate(beams(axes, [1 / root] * axes, [points] * axes, stretch=root), comm=comm)
    along = sum(np.ogrid[(slice(points),) * axes]) % points
    expected, found = shared(comm, single), shared(comm, run)
    assert np.ptp(single.series["U_osc"]) > 1  # it is far from where it began
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name][..., along], rtol=0, atol=1e-12, err_msg=name)
    volume = (root * LENGTH) ** axes / LENGTH
    for name in ("U_osc", "dU_osc_dt", "K", "dK_dt", "D0"):
        np.testing.assert_allclose(run.series[name] / volume, single.series[name], rtol=0, atol=1e-11, err_msg=name)
    for name in ("P_mean", "nu_x", "coherence", "k_rms"):
        np.testing.assert_allclose(run.series[name], single.series[name], rtol=0, atol=1e-11, err_msg=name)


@pytest.mark.mpi
@pytest.mark.parametrize("axes, across", [(2, [4]), (3, [3, 2])])
def test_a_state_that_does_not_vary_across_is_that_of_one_dimension(axes, across, comm):
    single = nuflux_mpi.simulate(beams(1, 1.0, [30]), comm=comm)
    run = nuflux_mpi.simulate(beams(axes, [0.0] * (axes - 1) + [1.0], [*across, 30]), comm=comm)
    expected, found = shared(comm, single), shared(comm, run)
    for name in expected:
        plane = expected[name].reshape(*expected[name].shape[:-1], *[1] * (axes - 1), 30)
        np.testing.assert_allclose(found[name], np.broadcast_to(plane, found[name].shape), rtol=0, atol=1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_an_axially_symmetric_gas_is_that_of_one_dimension(axes, comm):
    """All azimuths of one v_z start alike and stay so: sums over them leave no moment across z."""

    def gas(axes, points):
        case = beams(axes, [0.0] * (axes - 1) + [1.0] if axes > 1 else 1.0, points)
        case["modes"] = {"kind": "angular", "number": 4, "distribution": "polynomial", "coefficients": [0.1, 1.0]}
        case["modes"] |= {"azimuths": 3} if axes > 1 else {}
        waves = [wave | {"mode": "all"} for wave in case["initial"]["waves"]]
        case["initial"] = {"kind": "fourier", "waves": waves, "amplitudes_in": "n_a"}
        return case

    single = nuflux_mpi.simulate(gas(1, [20]), comm=comm)
    run = nuflux_mpi.simulate(gas(axes, [2] * (axes - 1) + [20]), comm=comm)
    expected, found = shared(comm, single)["P"], shared(comm, run)["P"]
    assert np.abs(expected[-1] - expected[0]).max() > 0.1
    for copy in range(3):
        mine = 3 * found[:, copy::3]
        plane = expected.reshape(*expected.shape[:-1], *[1] * (axes - 1), 20)
        np.testing.assert_allclose(mine, np.broadcast_to(plane, mine.shape), rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.series["P_ee"], single.series["P_ee"], rtol=0, atol=1e-12)  # as the fields: rounding, grown


# ---- the energy budget


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_the_energy_budget_closes_on_a_grid_that_resolves_nothing(axes, comm):
    run = nuflux_mpi.simulate(oblique(axes), comm=comm)
    U = run.series["U_osc"]
    size = np.abs(run.series["K"]).max() + np.abs(U).max()
    assert np.ptp(U) > 0.1 * size  # alone it is far from constant
    assert np.abs(run.series["energy_residual"]).max() < 1e-10 * size  # some 40 steps of 1e-12
    assert run.series["spectral_tail"][-1] > 1e-2


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_the_weak_force_takes_what_the_refractive_energy_gains(axes, comm):
    """For noise, which has every wave of the grid: rates by the source of kappa, by the flux F and from the moments."""
    case = oblique(axes)
    directions = modes.build(config.resolve(case)["modes"], axes)
    for points in (GRIDS[axes], [4, 6, 8][-axes:]):
        box = Box(case["box"]["length"], points, 12, comm)
        P = np.random.default_rng(5).standard_normal((3, 3, *points))
        level = levels.build(polarization.Energy, box, directions)
        u = np.empty(level.picture.size)
        level.put(0.0, u, P=P[(..., *box.indices())])
        fields = level.take(0.0, u)
        measured = diagnostics.Diagnostics(box, directions, fields["P"].copy(), np.ones(3)).measure(0.0, fields)
        level.source(0.0)
        gained = box.integral(level.kappa).sum()
        assert abs(gained) > 1
        assert gained == pytest.approx(-measured["dU_osc_dt"], rel=1e-12)  # rounding
        assert measured["dK_dt"] == pytest.approx(-measured["dU_osc_dt"], rel=1e-12)
        # 1/4 sum_ab s_a s_b (1 - v_a.v_b) int P_a.P_b
        v, s = directions.v, directions.s
        pairs = np.outer(s, s) * (1 - v @ v.T)
        U = 0.25 * np.einsum("ab,aci,bci->", pairs, *[P.reshape(3, 3, -1)] * 2) * box.cell
        assert measured["U_osc"] == pytest.approx(U, rel=1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_lengths_stay_along_the_rays(axes, comm):
    """|P_a| is that of the start, moved by v_a t, where the grid resolves it: what P_drift_max looks at."""
    waves = [{"n": n[-axes:], "amplitude": 0.1, "mode": 0} for n in ([0, 1, 0], [1, 0, -1])]
    start = {"initial": {"kind": "fourier", "zeta": [0.5, 0.4, -0.6], "waves": waves, "normalize": False}}
    for name in ("variance", "n_max", "seed"):
        start["initial"][name] = None
    points = [24, 24] if axes == 2 else [12, 14, 16]
    run = nuflux_mpi.simulate(oblique(axes, **start, box={"points": points}, time={"end": 1.0}), comm=comm)
    assert run.series["P_drift_max"][0] < 1e-14
    # Harmonics fall fast for a mode that begins with two waves; in 3D the grid is coarser.
    assert run.series["P_drift_max"][-1] < (1e-8 if axes == 2 else 1e-4)
    moved = shared(comm, run)["P"]
    length = np.sqrt(np.sum(moved**2, axis=2))[:, 0]
    assert np.abs(length[-1] - length[0]).max() > 5e-3  # at one place it has changed


# ---- linear theory


@pytest.mark.mpi
@pytest.mark.parametrize("axes, n", [(2, [2, -1]), (3, [1, 1, -1])])
def test_an_oblique_wave_grows_as_its_eigenvalue(axes, n, comm):
    velocity = {2: [[0.6, 0.8], [-1.0, 0.0], [0.0, -1.0]], 3: [[0.6, 0.0, 0.8], [-0.6, -0.64, -0.48], [0.0, 0.8, -0.6]]}
    case = oblique(
        axes,
        modes={"velocity": velocity[axes], "sign": [1, 1, 1]},
        time={"end": 4.0},
        box={"length": [9.0] * axes, "points": [8] * axes},
        output={"series_every": 4.0, "fields_every": 4.0},
    )
    case["initial"] = {"kind": "eigenmode", "zeta": [0.5, -0.5, -0.3], "n": n, "amplitude": 1e-7}
    run = nuflux_mpi.simulate(case, comm=comm)
    directions = modes.build(config.resolve(case)["modes"], axes)
    k = 2 * np.pi * np.array(n) / 9.0
    omega = linear.spectrum(k, directions.v, directions.s, np.array([0.5, -0.5, -0.3]))[0]
    assert omega.imag > 0.1
    P = shared(comm, run)["P"]
    psi = (P[:, :, 0] + 1j * P[:, :, 1]).reshape(len(P), -1)
    # Next order: psi^2 = 1e-14 exp(2 gamma t); tolerance of the steps, relative to |P|, 1e-12 / 1e-7.
    overlap = np.vdot(psi[0], psi[-1]) / np.vdot(psi[0], psi[0])
    assert overlap == pytest.approx(np.exp(-1j * omega * 4.0), rel=1e-4)


def test_the_matrix_of_linear_theory_knows_only_scalar_products():
    rng = np.random.default_rng(0)
    v, s, Pz = rng.standard_normal((5, 3)) / 3, np.array([1, -1, 1, 1, -1]), rng.standard_normal(5)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    k = rng.standard_normal((4, 3))
    np.testing.assert_allclose(linear.matrix(k @ turn, v @ turn, s, Pz), linear.matrix(k, v, s, Pz), rtol=0, atol=1e-14)
    along_z = np.stack((np.zeros(5), v[:, 2]), axis=1)
    vectors = np.stack((rng.standard_normal(4), k[:, 2]), axis=1)  # what is across the directions does not count
    np.testing.assert_allclose(
        linear.growth_rate(vectors, along_z, s, Pz), linear.growth_rate(k[:, 2], v[:, 2], s, Pz), rtol=0, atol=1e-13
    )


# ---- ranks, files, continuation


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_the_answer_does_not_depend_on_the_ranks(axes, comm):
    from mpi4py import MPI

    alone = nuflux_mpi.simulate(oblique(axes), comm=MPI.COMM_SELF)
    together = nuflux_mpi.simulate(oblique(axes), comm=comm)
    fields = shared(comm, together)
    for name in ("P", "kappa"):
        # Rounding, grown by some 100.
        np.testing.assert_allclose(fields[name], alone.fields[name], rtol=0, atol=1e-11, err_msg=name)
    for name in set(alone.series) - {"dt", "wall_time", "step", "rejections", "rhs_evaluations"}:
        np.testing.assert_allclose(together.series[name], alone.series[name], rtol=1e-9, atol=1e-8, err_msg=name)


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_a_run_goes_on_from_a_checkpoint_of_one_rank(axes, comm, shared_tmp_path):
    from mpi4py import MPI

    case = oblique(axes)
    whole = nuflux_mpi.simulate(case, out=shared_tmp_path / "whole", comm=comm, deterministic=True)
    if comm.rank == 0:
        half = nuflux_mpi.Simulation(case, out=shared_tmp_path / "parts", comm=MPI.COMM_SELF, deterministic=True)
        with half:
            half.run(stop=lambda: "half way" if half.integrator.t >= 1.5 else "")
            assert half.stopped
    comm.Barrier()
    parts = nuflux_mpi.simulate(case, out=shared_tmp_path / "parts", comm=comm, resume="auto", deterministic=True)
    for part in ("series", "fields"):
        one, other = getattr(whole, part), getattr(parts, part)
        assert set(one) == set(other)
        for name in set(one) - {"wall_time", "dt"}:
            a, b = np.asarray(one[name]), np.asarray(other[name])
            if comm.size == 1:
                np.testing.assert_array_equal(a, b, err_msg=name)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-8, err_msg=name)  # rounding, grown


@pytest.mark.mpi
def test_files_have_the_axes_of_the_box(comm, shared_tmp_path):
    pytest.importorskip("xarray")
    for axes, space in ((2, ("x", "z")), (3, ("x", "y", "z"))):
        run = nuflux_mpi.simulate(oblique(axes, time={"end": 0.5}), out=shared_tmp_path / str(axes), comm=comm)
        with h5py.File(run.directory / "fields.h5", "r") as file:
            for name, leading in (
                ("P", ("time", "mode", "component")),
                ("kappa", ("time", "mode")),
                ("F", ("time", "mode", "axis")),
            ):
                scales = [dimension[0].name.strip("/") for dimension in file[name].dims]
                assert tuple(scales) == leading + space
                assert file[name].shape[len(leading) :] == tuple(GRIDS[axes])
            assert file["v"].shape == (3, axes) and file["axis"].attrs["labels"] == " ".join(space)
            assert [file[name].attrs["period"] for name in space] == oblique(axes)["box"]["length"]
        dataset = run.to_xarray("fields")
        assert dataset.P.dims == ("time", "mode", "component", *space)
        assert run.to_xarray().v.dims == ("mode", "axis")
        np.testing.assert_array_equal(run.series["v"], OBLIQUE[axes]["velocity"])
        assert f"{' x '.join(map(str, GRIDS[axes]))} points" in run.summary()


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_a_run_starts_from_a_file(axes, comm, shared_tmp_path):
    path = shared_tmp_path / "start.h5"
    P = np.random.default_rng(7).standard_normal((3, 3, *GRIDS[axes]))
    if comm.rank == 0:
        with h5py.File(path, "w") as file:
            file["P"] = P
    comm.Barrier()
    case = oblique(axes, equations={"level": "standard"}, time={"end": 0.01}) | {"initial": {"kind": "file", "path": str(path)}}
    run = nuflux_mpi.simulate(case, comm=comm)
    if comm.rank == 0:
        np.testing.assert_allclose(run.fields["P"][0], P, rtol=0, atol=1e-14)  # there and back
    assert "kappa" not in run.fields and "momentum" not in run.series


@pytest.mark.mpi
@pytest.mark.parametrize("axes, points", [(2, [10, 24]), (3, [4, 6, 24])])
@pytest.mark.parametrize("level", [polarization.Standard, polarization.Energy])
def test_messages_of_one_right_hand_side_are_those_of_the_formula(level, axes, points, comm):
    """8 N (f l + g)(1 - 1/R) of docs/box.md, with blocks that are even on 1 to 4 ranks; and the forecast of `check`."""
    counting = CountingComm(comm)
    directions = modes.build(config.resolve(oblique(axes))["modes"], axes)
    box = Box([5.0] * axes, points, 12, counting, exchange="messages")
    one = levels.build(level, box, directions)
    u = np.zeros(one.picture.size)
    one.put(0.0, u)
    counting.reset()
    one.picture.rhs(0.0, u, np.empty_like(u))
    energy, N, half = level is polarization.Energy, np.prod(points), points[-2]
    lines, gradients = (7 * 3, 6 * (1 + axes)) if energy else (6 * 3, 0)
    expected = 8 * N * ((1 + 2 / half) * lines + gradients) * (1 - 1 / comm.size)
    # Each segment's rows, 18 to 144, are dealt evenly but for one.
    assert comm.allreduce(counting.sent) == pytest.approx(expected, rel=1e-12)
    assert counting.calls == (0 if comm.size == 1 else 4 if energy else 2)
    foretold = check.exchange_bytes(box.plan, one.declared.segments, one.declared.gradient)
    assert foretold * comm.size == pytest.approx(expected, rel=1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize("axes, points", [(1, [96]), (2, [10, 24]), (3, [6, 6, 24])])
@pytest.mark.parametrize("level", ["standard", "energy"])
def test_messages_of_one_flow_of_a_splitting_are_those_of_the_forecast(level, axes, points, comm):
    counting = CountingComm(comm)
    if axes > 1:
        case = oblique(axes, equations={"level": level}, time={"method": "4bm"}, box={"points": points})
    else:
        case = beams(1, 1.0, points[0], equations={"level": level}) | {"time": {"end": 1.0, "method": "4bm"}}
    resolved = config.resolve(case)
    directions = modes.build(resolved["modes"], axes)
    box = Box([5.0] * axes, points, 12, counting, exchange="messages")
    one = levels.build(levels.LEVELS[level], box, directions)
    u = np.zeros(one.picture.size)
    one.put(0.0, u)
    one.picture.flow(0.0, 0.1, u)  # plans what it needs
    counting.reset()
    one.picture.flow(0.0, 0.1, u)
    segments = one.declared.segments
    foretold = check.exchange_bytes(box.plan, segments, check.gradient_lines(levels.Setup.of(resolved)), back=sum(segments))
    assert comm.allreduce(counting.sent) == pytest.approx(foretold * comm.size, rel=0.02)  # blocks uneven by a row
    assert counting.calls == (0 if comm.size == 1 else 4 if level == "energy" else 2)


# ---- splittings


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("method, rtol", [("4bm", 1e-5), ("6bm", 1e-7)])
def test_splittings_keep_lengths_and_the_energy_budget(method, rtol, axes, comm):
    exact = shared(comm, nuflux_mpi.simulate(oblique(axes), comm=comm))
    run = nuflux_mpi.simulate(oblique(axes, time={"method": method, "rtol": rtol}), comm=comm)
    found, size = shared(comm, run), np.abs(run.series["K"]).max() + np.abs(run.series["U_osc"]).max()
    for name, field in exact.items():  # some thirty steps with a part of the tolerance each
        np.testing.assert_allclose(found[name][-1], field[-1], rtol=0, atol=rtol, err_msg=name)
    length = np.mean(np.sum(found["P"] ** 2, axis=2), axis=tuple(range(-axes, 0)))
    np.testing.assert_allclose(length, np.broadcast_to(length[0], length.shape), rtol=1e-12)  # rounding of 200 to 500 flows
    assert np.abs(run.series["energy_residual"]).max() < rtol * size


# ---- initial states


def direct_sum(coefficients, waves, r, box):
    """sum_n c_n exp(2 pi i n.r / L), wave by wave."""
    total = 0.0
    for c, n in zip(np.moveaxis(coefficients, -1, 0), waves):
        angle = 2 * np.pi * sum(number * x / L for number, x, L in zip(n, r, box.length))
        total = total + c[..., *[None] * len(r)] * np.exp(1j * angle)
    return total


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [2, 3])
def test_seeds_are_real_functions_of_eq_13(axes, comm):
    source = config.resolve(oblique(axes, initial={"normalize": False}))
    directions, n_max = modes.build(source["modes"], axes), 2
    box = Box(source["box"]["length"], source["box"]["points"], 9, comm)
    P = initial.polarization(source, directions, box)
    waves = initial.half_space((n_max,) * axes)
    assert len(waves) == ((2 * n_max + 1) ** axes + 1) // 2 and not waves[0].any()
    both = {tuple(n) for n in waves} | {tuple(-n) for n in waves}
    assert len(both) == (2 * n_max + 1) ** axes  # one of each pair n, -n
    c, phi = initial.draw_seeds(3, 3, len(waves) - 1, source["initial"]["variance"])
    r = [x - start for x, start in zip(box.coordinates(), box.origin)]
    every = np.concatenate((waves, -waves[1:]))
    signed = np.concatenate((c * np.exp(1j * phi), (c * np.exp(-1j * phi))[..., 1:]), axis=-1)
    expected = direct_sum(signed, every, r, box)
    assert np.abs(expected.imag).max() < 1e-14
    np.testing.assert_allclose(P[:, :2], expected.real, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(P[:, 2], np.array([0.5, 0.4, -0.6]).reshape(3, *[1] * axes) * np.ones(box.local_shape))


@pytest.mark.mpi
@pytest.mark.parametrize(
    "kind, keys",
    [
        ("power-law", {"amplitude": 0.01, "n_max": 2}),
        ("profile", {"amplitude": 0.1, "width": 1.3, "center": [0.5, 6.0], "n": [1, 2]}),
        ("seeds", {"n_max": 3, "draw": "golden-ratio", "variance": 1e-4}),
    ],
)
def test_states_do_not_depend_on_grid_or_ranks(kind, keys, comm):
    """The same functions on a grid with three times the points, every third of which is one of the coarse grid."""
    fields = []
    for times in (1, 3):
        case = oblique(2) | {"initial": {"kind": kind, "zeta": [0.5, 0.4, -0.6], **keys}}
        source = config.resolve(case | {"box": case["box"] | {"points": [8 * times, 9 * times], "origin": [0.2, -1.0]}})
        box = Box(*(source["box"][name] for name in ("length", "points")), 9, comm, origin=source["box"]["origin"])
        directions = modes.build(source["modes"], 2)
        whole = np.zeros((3, 3, *box.points))
        whole[(..., *box.indices())] = initial.polarization(source, directions, box)
        fields.append(box.total(whole)[..., ::times, ::times])
    np.testing.assert_allclose(*fields, rtol=0, atol=1e-14)  # rounding of phases
    assert np.ptp(fields[0][0, 0]) > 1e-3


@pytest.mark.mpi
def test_a_bump_is_round_and_periodic(comm):
    case = oblique(2) | {
        "initial": {"kind": "profile", "zeta": [0.5, 0.4, -0.6], "amplitude": 0.1, "width": 0.8, "center": [0.0, 6.0]}
    }
    source = config.resolve(case | {"box": {"length": [6.0, 7.0], "points": [12, 14]}})
    box = Box([6.0, 7.0], [12, 14], 9, comm)
    psi = initial.coherence(source, modes.build(source["modes"], 2), box.coordinates(), box)
    x, z = box.coordinates()
    distance2 = np.minimum(x, 6.0 - x) ** 2 + (np.abs((z - 6.0 + 3.5) % 7.0 - 3.5)) ** 2
    np.testing.assert_allclose(psi, np.broadcast_to(0.1 * np.exp(-distance2 / (2 * 0.8**2)), psi.shape), rtol=0, atol=1e-15)


# ---- diagnostics


@pytest.mark.mpi
@pytest.mark.parametrize("axes, n", [(2, (2, -3)), (3, (1, -2, 3))])
def test_spectra_have_the_power_of_a_wave_in_its_shell(axes, n, comm):
    case = oblique(axes)
    directions = modes.build(config.resolve(case)["modes"], axes)
    box = Box(case["box"]["length"], [8, 9, 10][-axes:], 9, comm)
    k = 2 * np.pi * np.array(n) / box.length
    psi = 0.3 * np.exp(1j * sum(each * x for each, x in zip(k, box.coordinates())))
    P = np.zeros((3, 3, *box.local_shape))
    P[1, 0], P[1, 1], P[:, 2] = psi.real, psi.imag, 1.0
    shells = diagnostics.Shells(box, directions)
    series = shells.series(P, norm2=3.09)
    spacing = 2 * np.pi / max(box.length)
    np.testing.assert_allclose(np.diff(shells.k), spacing, rtol=1e-12)
    expected = np.zeros(len(shells.k))
    expected[round(np.linalg.norm(k) / spacing)] = 0.09
    np.testing.assert_allclose(series["psi2"], expected, rtol=0, atol=1e-15)  # round-off of a transform
    assert series["k_rms"] == pytest.approx(np.linalg.norm(k), rel=1e-13)
    assert series["coherence"] == pytest.approx(np.sqrt(0.09 / 3.09), rel=1e-13)
    high = any(3 * abs(number) > N for number, N in zip(n, box.points))
    assert series["spectral_tail"] == pytest.approx(series["coherence"] if high else 0.0, abs=1e-14)


# ---- what is refused


REFUSED = [
    ({"box": {"length": [5.0]}}, "box.length must be a list of 2 numbers, one per axis like box.points, not 5.0."),
    ({"box": {"length": [5.0, -6.0]}}, "box.length[1] must be a finite number > 0, not -6.0."),
    ({"box": {"points": [9, 1]}}, "box.points[1] must be an integer >= 2 and <= 1e+12, not 1."),
    ({"box": {"points": [4, 4, 4, 4]}}, "box.points must be an integer >= 2 and <= 1e+12, or a list of them, one per axis"),
    ({"box": {"points": [10**7, 10**6]}}, "box.points must not be more than 1e+12 in all, not 10000000 x 1000000."),
    (
        {"box": {"points": 9, "length": 5.0}},
        "modes.velocity[0] must be one number, or a list of 3, the whole vector, in a box of 1 dimension (box.points), not [0.6, 0.8].",
    ),
    (
        {"modes": {"velocity": [1.0, -1.0, 0.5]}},
        "modes.velocity[0] must be a list of 2 numbers, or of 3, the whole vector, in a box of 2 dimensions (box.points), not 1.0.",
    ),
    (
        {"modes": {"velocity": [[0.6, 0.8], 0.5, [0.0, 1.0]]}},
        "modes.velocity[1] must be a vector, a list of two or three numbers like the others, not 0.5.",
    ),
    (
        {"modes": {"velocity": [[0.6, 0.9], [0.0, 1.0], [1.0, 0.0]]}},
        "modes.velocity[0] must not be longer than 1, the speed of light, not [0.6, 0.9] with length 1.0816654.",
    ),
    (
        {"modes": {"velocity": [[0.6, 0.8], [0.0, 1.1], [1.0, 0.0]]}},
        "modes.velocity[1][1] must be a finite number >= -1 and <= 1, not 1.1.",
    ),
    ({"initial": {"n_max": 5}}, "initial.n_max must be below box.points / 2, not 5: a grid of 9 points carries"),
    (
        {"equations": {"level": "momentum"}},
        "equations.level must be standard or energy in a box of 2 dimensions (box.points), not momentum",
    ),
]


@pytest.mark.parametrize("changes, sentence", REFUSED, ids=[sentence.split(" must")[0] for _, sentence in REFUSED])
def test_refusals_name_the_key_and_what_is_allowed(changes, sentence):
    with pytest.raises(InputError) as refused:
        config.resolve(oblique(2, **changes))
    assert sentence in str(refused.value)


def test_harmonics_are_vectors():
    for n in (1, [1, 2, 3]):
        case = oblique(2) | {"initial": {"kind": "fourier", "zeta": [0.5, 0.4, -0.6], "waves": [{"n": n, "amplitude": 0.1}]}}
        with pytest.raises(InputError, match=r"initial.waves\[0\].n must be a list of 2 numbers in a box of 2 dimensions"):
            config.resolve(case)
    case["initial"]["waves"][0]["n"] = [4, 7]  # of points 9 x 13
    with pytest.raises(InputError, match=r"initial.waves\[0\].n must be below box.points / 2 in size"):
        config.resolve(case)


def test_defaults_have_as_many_components_as_the_box():
    bump = {"initial": {"kind": "profile", "zeta": [0.5, 0.4, -0.6], "amplitude": 0.1, "width": 1.0}}
    resolved = config.resolve(oblique(2) | bump | {"box": oblique(2)["box"] | {"origin": 1.0}})
    assert resolved["box"]["origin"] == [1.0, 1.0]
    assert resolved["initial"]["center"] == [4.0, 4.5] and resolved["initial"]["n"] == [0, 0]
    assert config.resolve(resolved) == resolved
    gas = {"modes": {"kind": "angular", "number": 4, "alpha": 0.9}, "initial": {"n_max": 3}}
    resolved = config.resolve(oblique(2) | gas)
    assert resolved["modes"]["azimuths"] == 8 and resolved.modes.count == 32
    with pytest.raises(InputError, match="modes.azimuths is for boxes of two and three dimensions"):
        config.resolve(
            gas | {"modes": gas["modes"] | {"azimuths": 8}, "box": {"length": 5.0, "points": 9}, "time": {"end": 1.0}}
        )


def test_directions_around_z_have_the_moments_of_the_distribution():
    section = config.resolve(
        {
            "box": {"length": 1.0, "points": 16},
            "time": {"end": 1.0},
            "initial": {"n_max": 1},
            "modes": {"kind": "angular", "number": 5, "alpha": 0.8},
        }
    )["modes"]
    single = modes.build(section)
    for axes in (2, 3):
        gas = modes.build(section | {"azimuths": 6}, axes)
        lepton = gas.s * gas.n
        speed2 = np.sum(gas.v**2, axis=1)
        assert np.all(speed2 <= 1 + 1e-14) and (axes == 2 or np.allclose(speed2, 1, rtol=1e-14, atol=0))
        np.testing.assert_allclose(lepton @ gas.v[:, :-1], 0, atol=1e-15)
        for m in range(3):
            assert lepton @ gas.v[:, -1] ** m == pytest.approx((single.s * single.n) @ single.v**m, rel=1e-14)
        # Half of what is not along z lies along x.
        assert lepton @ gas.v[:, 0] ** 2 == pytest.approx(0.5 * (single.s * single.n) @ (1 - single.v**2), rel=1e-13)


# ---- what is told before and after a run


def gas(points):
    """Three oblique directions with P^z of both signs, of which many waves grow."""
    return oblique(2, box={"points": points}, modes={"sign": [1, 1, 1]}, initial={"variance": 1e-10, "zeta": [0.5, -0.4, -0.6]})


def test_linear_theory_of_a_case_has_the_fastest_wave_of_the_lattice(tmp_path):
    problem = linear_problem.problem(config.resolve(gas([9, 12])))
    lattice = linear_lattice.solve(problem)
    assert lattice.whole and len(lattice.n) == 9 * 11  # the Nyquist waves of 12 points are none
    np.testing.assert_allclose(lattice.k, 2 * np.pi * lattice.n / [6.0, 7.0], rtol=1e-15)
    rates = [np.linalg.eigvals(linear.matrix(k, *problem.background)).imag.max() for k in lattice.k]
    np.testing.assert_allclose(lattice.omega.imag, rates, rtol=0, atol=1e-12)
    fastest = lattice.growing[0]
    assert rates[fastest] == pytest.approx(max(rates), abs=1e-7) and max(rates) > 0.1
    text = linear_lattice.report([lattice])
    assert f"gamma = {max(rates):.10g}" in text and "box of length 6 x 7" in text
    written = linear_report.write(linear_lattice.tables([lattice]), tmp_path, text)
    rows = written[1].read_text().splitlines()
    assert rows[0] == "n_x,n_z,k_x,k_z,gamma,omega" and len(rows) == 1 + len(lattice.growing)
    assert rows[1].startswith(",".join(map(str, lattice.n[fastest])))


def test_linear_theory_takes_what_is_affordable(monkeypatch):
    monkeypatch.setattr(linear_lattice, "MOST_WAVES", 30)
    lattice = linear_lattice.solve(linear_problem.problem(config.resolve(gas([9, 12]))))
    assert not lattice.whole and np.abs(lattice.n).max() == 2 and len(lattice.n) == 25
    assert "those with harmonics up to 2" in linear_lattice.report([lattice])


def test_linear_theory_follows_the_roots_of_very_many_modes(monkeypatch):
    """More modes than matrices can be afforded of: the same fastest wave."""
    case = gas([9, 12])
    lattice = linear_lattice.solve(linear_problem.problem(config.resolve(case)))
    monkeypatch.setattr(growth_curve, "MOST_DENSE", 2)
    followed = linear_lattice.solve(linear_problem.problem(config.resolve(case)))
    assert followed.growing[0] == lattice.growing[0] and followed.whole
    assert followed.omega[followed.growing[0]] == pytest.approx(lattice.omega[lattice.growing[0]], abs=1e-10)
    assert "roots of dispersion relations of" in linear_lattice.report([followed])


def test_the_command_linear_refuses_what_is_for_one_dimension(tmp_path, capsys):
    case = tmp_path / "plane.toml"
    case.write_text(config.to_toml(config.resolve(gas([9, 12]))))
    assert commands.main(["linear", str(case), "--range", "0", "1"]) == 2
    assert "--range is for boxes of one dimension" in capsys.readouterr().err
    assert commands.main(["linear", str(case), "--out", str(tmp_path)]) == 0
    assert "fastest" in capsys.readouterr().out and (tmp_path / "linear.csv").is_file()


def test_check_foretells_cut_and_files(tmp_path):
    resolved = config.resolve(oblique(2))
    text = check.report(resolved, 4)
    assert "12 lines of 9 x 13 points" in text and "4 ranks, slabs of z" in text and "at most 13" in text
    run = nuflux_mpi.simulate(resolved, out=tmp_path / "run")
    sizes = check.file_sizes(levels.Setup.of(resolved))
    # Whole snapshots, and headers of some 40 kB.
    assert sizes["fields.h5"] <= (tmp_path / "run" / "fields.h5").stat().st_size < sizes["fields.h5"] + 60e3
    assert len(run.series["k"]) == len(diagnostics.shell_wavenumbers((6.0, 7.0), (9, 13)))
    with pytest.raises(InputError, match="at most 13 ranks"):
        check.report(resolved, 14)


@pytest.mark.parametrize("axes", [2, 3])
def test_figures_show_what_was_stored(axes, tmp_path):
    pytest.importorskip("matplotlib")
    from nuflux_mpi.analysis import growth
    from nuflux_mpi.plots import evolution, figure_list, momentum, space

    case = oblique(axes, output={"fields_every": 0.5})
    run = nuflux_mpi.simulate(case, out=tmp_path / "run")
    drawn = figure_list.draw_all(run)
    assert [path.name for path in drawn] == ["energy.png", "spectrum.png", "maps.png"]
    assert all(path.stat().st_size > 1e4 for path in drawn)
    (title,) = (axes.get_title(loc="left") for axes in evolution.energy(run).axes if "content" in axes.get_title(loc="left"))
    assert len(re.findall(r"\{[+-][0-9.]+\}", title)) == axes  # the components of the velocity
    maps = space.maps(run)
    drawn = [np.asarray(axes.collections[0].get_array()) for axes in maps.axes if axes.collections]
    last = drawn[3] if axes == 2 else drawn[8]  # the plane in the middle of y, of the last of three times
    P, n = np.asarray(run.fields["P"][-1]), run.series["density"]
    P = P if axes == 2 else P[:, :, :, P.shape[3] // 2]
    coherence = np.sqrt((P[:, 0] ** 2 + P[:, 1] ** 2).sum(axis=0) / np.sum(n**2))
    closed = np.pad(coherence.T, (0, 1), mode="wrap")  # the box is shown up to the end, which is its beginning
    np.testing.assert_allclose(last, closed, rtol=1e-12)
    assert maps.get_suptitle() and not space.maps(run, title=False).get_suptitle()
    power = evolution.spectrum(run).axes[0].collections[0].get_array()
    assert np.max(power) == pytest.approx(run.series["psi2"].max(), rel=1e-12)
    for refused in (growth.measure, momentum.energy_gained):
        with pytest.raises(InputError, match="one dimension"):
            refused(run)
    assert not (tmp_path / "run" / "growth.csv").exists()


def test_runs_are_compared_along_all_axes(tmp_path):
    short = {"time": {"end": 0.5}}
    one = nuflux_mpi.simulate(oblique(2, **short))
    other = nuflux_mpi.simulate(oblique(2, box={"points": [18, 26]}, **short))
    text, worst = compare.report(one, other)
    # The waves of the seeds are the same, what becomes of them is not yet much.
    assert 0 < worst < 0.1 and "points" in text
    rows = {name: largest for name, largest, *_ in compare.results(one, other)[0]}
    P, fine = one.fields["P"][-1], other.fields["P"][-1][..., ::2, ::2]
    assert rows["P"] == pytest.approx(np.abs(P - fine).max(), rel=1e-12)
    with pytest.raises(InputError, match="different numbers of dimensions"):
        compare.report(one, nuflux_mpi.simulate(oblique(3, **short)))


def test_directions_around_z_recur_too():
    """Four azimuths in the plane are pi/4 apart, more than the directions along z: those meet again first."""
    case = config.resolve(
        oblique(2) | {"initial": {"n_max": 2}, "modes": {"kind": "angular", "number": 32, "alpha": 0.9, "azimuths": 4}}
    )
    told = run_warnings.Watch(case, modes.build(case["modes"], 2), 1e-10)
    row = {"spectral_tail": 0.0, "P_drift_max": 0.0, "P_length_max": 1.0, "step": 1, "coherence": 0.5, "k_rms": 2.0}
    due = 2 * np.pi / (2.0 * np.pi / 4)
    assert "recurrence" not in told(row | {"time": 1.0}) and "recurrence" not in told(row | {"time": 0.99 * (1.0 + due)})
    sentence = told(row | {"time": 1.01 * (1.0 + due)})["recurrence"]
    assert "128 directions recur" in sentence and "modes.number and modes.azimuths: double them" in sentence

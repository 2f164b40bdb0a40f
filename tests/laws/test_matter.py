"""Matter, mixing and antineutrinos in space: published runs A to D, an independent solver, budgets, invariants, symmetries.

The runs of the table start from N_a = V_a diag(n_a) V_a^+ with small smooth V_a (`matrix_solver.start_matrices`).
"""

import numpy as np
import pytest
from gases import algebra_of, problem, simulated
from matrix_solver import Gas, start_matrices

from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.physics.terms.vacuum import mass_matrix

PROBLEMS = {
    "A": """
title = "A: two beams through a wave of matter"
[box]
length = 20.0
points = 256
[modes]
velocity = [1.0, -1.0]
content = [[0.5, 0.0], [0.0, 0.5]]
[matter]
kind = "cosine"
lambda = 1.0
amplitude = 0.5
[equations]
level = "energy"
[time]
end = 8.0
rtol = 1e-11
[output]
series_every = 2.0
fields_every = 2.0
""",
    "B": """
title = "B: two flavors, two species, two energies, mixing and a wave of matter"
[box]
length = 16.0
points = 256
[modes]
velocity = [0.8, 0.8, -0.8, -0.8]
sign = [1, 1, -1, -1]
energy = [1.0, 2.0, 1.0, 2.0]
content = [[0.5, 0.1], [0.3, 0.1], [0.4, 0.1], [0.2, 0.1]]
[vacuum]
omega = -0.4
theta = 0.1
[matter]
kind = "cosine"
lambda = 0.5
amplitude = 0.3
[equations]
level = "energy"
[time]
end = 8.0
rtol = 1e-11
[output]
series_every = 2.0
fields_every = 2.0
""",
    "C": """
title = "C: three flavors, fast"
[flavor]
number = 3
[box]
length = 20.0
points = 256
[modes]
velocity = [1.0, -0.5, 0.5, -1.0]
sign = [1, 1, -1, -1]
content = [[0.5, 0.1, 0.1], [0.2, 0.15, 0.1], [0.2, 0.1, 0.15], [0.45, 0.1, 0.15]]
[equations]
level = "energy"
[time]
end = 12.0
rtol = 1e-11
[output]
series_every = 3.0
fields_every = 3.0
""",
    "D": """
title = "D: three flavors, two species, two energies, mixing with CP violation and a wave of matter"
[flavor]
number = 3
[box]
length = 20.0
points = 256
[modes]
velocity = [1.0, -0.5, 0.5, -1.0]
sign = [1, 1, -1, -1]
energy = [1.0, 2.0, 1.0, 2.0]
content = [[0.5, 0.1, 0.1], [0.2, 0.15, 0.1], [0.2, 0.1, 0.15], [0.45, 0.1, 0.15]]
[vacuum]
omega = [0.02, 0.4]
theta = [0.58, 0.15, 0.85]
delta = 1.2
[matter]
kind = "cosine"
lambda = 0.4
amplitude = 0.2
[equations]
level = "energy"
[time]
end = 8.0
rtol = 1e-11
[output]
series_every = 2.0
fields_every = 2.0
""",
}
# For each output time: U_osc, E_vac, E_mat, K, K_1, the flavors of mode 1; then P_1 at z = 0 at the end.
PUBLISHED = {
    "A": (
        [
            [-4.9980003083, 0, 10.0000000000, 0, 0, 0.9999000042, 0.0000999958],
            [-4.9726184679, 0, 10.0012614981, -0.0266433385, -0.0133757891, 0.9981783460, 0.0018216540],
            [-3.7094616742, 0, 10.0579352930, -1.3464739271, -0.6776908198, 0.9308607827, 0.0691392173],
            [-0.0731223052, 0, 10.4272201123, -5.3520981154, -2.7580677101, 0.7172134645, 0.2827865355],
            [-0.4981605841, 0, 9.8905245164, -4.3903642406, -2.4407901993, 0.6887682872, 0.3112317128],
        ],
        [-0.13299963, 0.45533394, 0.15805726],
    ),
    "B": (
        [
            [-2.3986595932, 2.6652479163, 1.5998400067, 0, 0, 0.8332666694, 0.1667333306],
            [-2.2359929212, 2.5371334064, 1.5704108100, -0.0051229655, -0.0016519895, 0.8213787586, 0.1786212414],
            [-0.7737674971, 1.4979927944, 1.4355455851, -0.2933425526, -0.0922818613, 0.6778220706, 0.3221779294],
            [1.2788740772, -0.0034500351, 1.5290001604, -0.9379958728, -0.1906411670, 0.5436581247, 0.4563418753],
            [0.0193126585, 0.9303299642, 1.1921575615, -0.2753718544, 0.0370048097, 0.6728705063, 0.3271294937],
        ],
        [0.27225044, 0.16681444, 0.24094116],
    ),
    "C": (
        [
            [-2.6754557201, 0, 0, 0, 0, 0.7141714391, 0.1429142805, 0.1429142804],
            [-2.6563545234, 0, 0, -0.0191011967, -0.0101007583, 0.7124658486, 0.1439891041, 0.1435450473],
            [-1.8950896612, 0, 0, -0.7803660589, -0.4184436992, 0.6556096274, 0.1848383597, 0.1595520129],
            [0.7589871799, 0, 0, -3.4344429000, -2.0213807231, 0.4942141123, 0.3345845381, 0.1712013496],
            [0.4039410854, 0, 0, -3.0793968056, -1.9488414631, 0.4440834699, 0.3114670693, 0.2444494608],
        ],
        [-0.17894647, 0.19991526, 0.15342557, 0.00712430, -0.28992236, -0.12807502, 0.10909462, 0.07345339],
    ),
    "D": (
        [
            [-2.6754557201, 3.1160256301, 0.3998798274, 0, 0, 0.7141714391, 0.1429142805, 0.1429142804],
            [-2.6060989339, 3.0954154434, 0.3553541922, -0.0042209643, -0.0021554125, 0.6967091790, 0.1547036967, 0.1485871243],
            [-2.6068990736, 3.3989058762, 0.1598497305, -0.1114067957, -0.0578107400, 0.6258254674, 0.2144545849, 0.1597199477],
            [
                -1.8699332831,
                3.7188382968,
                -0.0211140433,
                -0.9873412329,
                -0.5112055903,
                0.5345816105,
                0.2944819034,
                0.1709364861,
            ],
            [0.3333128550, 4.0918948337, 0.0151859367, -3.5999438880, -1.8488337435, 0.4186891772, 0.2901733022, 0.2911375206],
        ],
        [0.19732695, -0.10053630, -0.06237638, -0.11777018, -0.20765977, -0.01408378, -0.31494492, -0.06337192],
    ),
}


def start(config, eps=0.02):
    """(P (modes, C, points), the same as unitary matrices V, solver) of the start that the benchmarks use, in one dimension."""
    content = np.array(config["modes"]["content"], dtype=float)
    points, length = config["box"]["points"], config["box"]["length"]
    one, z = algebra(content.shape[1]), np.arange(points) * length / points
    gas = solver(config)
    V = gas.at_start(start_matrices(one.generators, len(content), eps, z, length))
    return one.coefficients(gas.N(V), axis=1)[1], V, gas


def turns(config, eps=0.02):
    """The same start as a config says it: [initial] kind = "rotation"."""
    count, flavors = len(config["modes"]["velocity"]), config.get("flavor", {}).get("number", 2)
    one = algebra(flavors)
    places = sorted(place for pair in one.pairs for place in (pair.real, pair.imaginary))
    waves = [
        {"component": one.component_names[c], "n": 1 + (c + a) % 3, "amplitude": eps, "phase": float(c + a), "mode": a}
        for a in range(count)
        for c in places
    ]
    return {"kind": "rotation", "turns": waves}


def solver(config):
    """The independent solver of a config."""
    modes, box = config["modes"], config["box"]
    content = np.array(modes["content"], dtype=float)
    count, F = content.shape
    p, M = np.array(modes.get("energy", np.ones(count))), np.zeros((count, F, F), dtype=complex)
    if "vacuum" in config:
        vacuum, factors = config["vacuum"], config.get("attenuation", {})
        one = mass_matrix(vacuum["omega"], vacuum["theta"], vacuum.get("delta", 0.0))
        M = factors.get("vacuum", 1.0) * vacuum.get("at_energy", 1.0) * one / p[:, None, None]
    lam = 0.0
    if "matter" in config:
        z = np.arange(box["points"]) * box["length"] / box["points"]
        lam = config["matter"]["lambda"] + config["matter"].get("amplitude", 0.0) * np.cos(2 * np.pi * z / box["length"])
        lam = lam * config.get("attenuation", {}).get("matter", 1.0)
    return Gas(
        (box["length"],),
        (box["points"],),
        np.array(modes["velocity"])[:, None],
        np.array(modes.get("sign", np.ones(count)), dtype=float),
        content,
        M,
        lam,
        np.array([config.get("matter", {}).get("velocity", 0.0)]),
        config.get("attenuation", {}).get("self", 1.0),
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_published_runs(name):
    config = problem(PROBLEMS[name], output={"figures": False, "spectrum_every": 0.0})
    run = simulated(config | {"initial": turns(config)}, None)
    np.testing.assert_allclose(run.fields["P"][0], start(config)[0], rtol=0, atol=1e-14)
    rows, P = PUBLISHED[name]
    series = run.series
    nothing = np.zeros(len(series["time"]))
    n = series["density"][0]
    flavors = algebra_of(series["P_mean"][0]).content(n, series["P_mean"][:, 0], axis=1) / n
    totals = [
        series["U_osc"],
        series.get("E_vac", nothing),
        series.get("E_mat", nothing),
        series["K"].sum(axis=1),
        series["K"][:, 0],
    ]
    np.testing.assert_allclose(np.column_stack([*totals, flavors]), rows, rtol=0, atol=1e-8)
    size = max(np.abs(values).max() for values in totals)
    assert np.abs(series["energy_residual"]).max() < 1e-9 * size
    np.testing.assert_allclose(series["energy"], sum(totals[:4]), rtol=1e-13)
    np.testing.assert_allclose(run.fields["P"][-1][0, :, 0], P, rtol=0, atol=1.5e-8)


SMALL = problem(
    PROBLEMS["D"],
    box={"points": 64, "fftw": "estimate"},
    matter={"velocity": 0.3},
    time={"end": 3.0},
    output={"figures": False, "spectrum_every": 0.0, "series_every": 1.0, "fields_every": 3.0},
)


@pytest.mark.mpi
@pytest.mark.parametrize("flavors", [2, 3])
def test_an_independent_solver_agrees(flavors, comm, shared_tmp_path):
    """P and kappa at each point, with the trace part of lambda: all terms, moving matter, attenuated."""
    config = SMALL | {"attenuation": {"vacuum": 0.8, "matter": 1.3, "self": 0.9}}
    if flavors == 2:
        config = config | {"flavor": {"number": 2}, "vacuum": {"omega": -0.4, "theta": 0.3, "at_energy": 2.0}}
        config["modes"] = config["modes"] | {"content": [each[:2] for each in config["modes"]["content"]]}
    P, V, gas = start(config, eps=0.3)
    run = simulated(config, comm, P, shared_tmp_path / "P.h5")
    if comm.rank:
        return
    later = gas.evolved(V, 3.0)
    expected = algebra(flavors).coefficients(gas.N(later), axis=1)[1]
    np.testing.assert_allclose(run.fields["P"][-1], expected, rtol=0, atol=1e-9)
    kappa = gas.kappa(V, later, 3.0)
    np.testing.assert_allclose(run.fields["kappa"][-1], kappa, rtol=0, atol=2e-9)
    by_trace = gas.s[:, None] * np.multiply.outer(gas.n.sum(axis=1) * gas.moving / flavors, gas.matter)
    assert np.ptp(by_trace) > 0.05  # what is moved by the trace is seen


# ---- budgets


UNRESOLVED = problem(
    PROBLEMS["D"],
    box={"length": 20.0, "points": 32, "fftw": "estimate"},
    matter={"kind": "tanh", "lambda": 0.2, "amplitude": 1.5, "width": 0.3, "thickness": 7.0, "velocity": [0.1, 0.2, 0.3]},
    time={"end": 4.0},
    output={"figures": False, "spectrum_every": 0.0, "series_every": 1.0, "fields_every": 0.0},
)
WHOLE = [[0.3, 0.1, 0.9], [-0.4, 0.2, -0.6], [0.0, 0.5, 0.5], [0.1, -0.3, -0.8]]


def rough(config, points):
    """P of matrices V that vary from point to point, unresolved, the same on all ranks."""
    content = np.array(config["modes"]["content"], dtype=float)
    count, F = content.shape
    one, rng = algebra(F), np.random.default_rng(5)
    X = np.tensordot(rng.normal(size=(count, one.components, *points)), one.generators, (1, 0))
    x, W = np.linalg.eigh(X)
    V = (W * np.exp(0.3j * x)[..., None, :]) @ np.conj(np.swapaxes(W, -1, -2))
    N = np.einsum("a...ij,aj,a...kj->a...ik", V, content, V.conj())
    return one.coefficients(np.moveaxis(N, (-2, -1), (1, 2)), axis=1)[1]


@pytest.mark.mpi
@pytest.mark.filterwarnings("ignore::nuflux_mpi.errors.RunWarning")  # which say that nothing is resolved
@pytest.mark.parametrize("space", ["line", "whole velocities", "plane"])
@pytest.mark.parametrize("attenuated", [False, True])
def test_the_budget_closes_on_a_grid_that_resolves_nothing(space, attenuated, comm, shared_tmp_path):
    """Three flavors, CP violation, two energies, both species, moving matter with walls: to 1e-9 of the largest term."""
    config = UNRESOLVED | ({"attenuation": {"vacuum": 0.3, "matter": 0.6, "self": 0.45}} if attenuated else {})
    points = (32,)
    if space != "line":
        config["modes"] = config["modes"] | {"velocity": WHOLE}
    if space == "plane":
        config["box"], points = config["box"] | {"length": [12.0, 20.0], "points": [8, 32]}, (8, 32)
        config["matter"] = {"kind": "gaussian", "lambda": 0.2, "amplitude": 1.5, "width": 0.9, "velocity": [0.1, 0.2, 0.3]}
    run = simulated(config, comm, rough(config, points), shared_tmp_path / "P.h5")
    series = run.series
    parts = [series["U_osc"], series["E_vac"], series["E_mat"], *series["K"].T]
    assert all(np.ptp(part) > 1e-3 for part in parts)
    size = max(np.abs(part).max() for part in parts)
    assert np.abs(series["energy_residual"]).max() < 1e-9 * size


def test_rates_are_those_of_the_series(tmp_path):
    """dU_osc/dt with what matter and mixing exchange with it, and dK/dt with the force of matter, against differences."""
    config = problem(
        PROBLEMS["D"],
        box={"points": 64, "fftw": "estimate"},
        matter={"velocity": 0.3},
        time={"start": 0.0, "end": 0.4},
        output={"figures": False, "spectrum_every": 0.0, "series_every": 0.01, "fields_every": 0.0},
    ) | {"attenuation": {"vacuum": 2.0, "matter": 1.5, "self": 0.5}}
    series = simulated(config, None, start(config, eps=0.5)[0], tmp_path / "P.h5").series
    for name in ("dU_osc_dt", "dK_dt"):
        rate, slope = series[name][1:-1], series[f"{name}_difference"][1:-1]
        assert np.abs(rate).max() > 0.01
        np.testing.assert_allclose(rate, slope, rtol=0, atol=2e-4 * np.abs(rate).max())  # parabolas: of order 0.01^2


# ---- what stays


@pytest.mark.parametrize("case", ["nothing", "mixing", "profile", "mixing, uniform", "both"])
def test_invariants(case, tmp_path):
    """The table of docs/matter.md, on a grid that resolves the fields: what stays does so, what need not does not."""
    config = SMALL | {"matter": {"kind": "cosine", "lambda": 0.4, "amplitude": 0.2}}
    if case in ("nothing", "profile"):
        del config["vacuum"]
    if case in ("nothing", "mixing"):
        del config["matter"]
    if case == "mixing, uniform":
        config["matter"] = {"lambda": 0.4, "velocity": 0.3}
    P, *_ = start(config, eps=0.2)
    run = simulated(config, None, P, tmp_path / "P.h5")
    series, one = run.series, algebra(3)
    change = one.matrix(0.0, series["D0"][-1] - series["D0"][0])
    vacuum = SMALL["vacuum"]
    mass_basis = np.linalg.eigh(mass_matrix(vacuum["omega"], vacuum["theta"], vacuum["delta"]))[1]
    diagonals = {
        "all": np.abs(change).max(),
        "flavor": np.abs(np.diag(change)).max(),
        "mass": np.abs(np.diag(mass_basis.conj().T @ change @ mass_basis)).max(),
    }
    stays = {"nothing": {"all", "flavor", "mass"}, "mixing": {"mass"}, "profile": {"flavor"}}.get(case, set())
    for name, value in diagonals.items():
        assert (value < 1e-9) == (name in stays) and (value < 1e-9 or value > 1e-4), (name, value)
    moved = np.abs(series["momentum"]).max()
    assert moved < 1e-9 if "uniform" in case or case in ("nothing", "mixing") else moved > 1e-4
    assert np.abs(series["energy_residual"]).max() < 1e-9 * np.abs(series["energy"]).max()
    assert series["P_drift_max"].max() < 1e-8
    before, after = run.fields["P"][0], run.fields["P"][-1]
    for cubic in (False, True):
        value = [np.einsum("acz,acz->az", one.symmetric(f, f, axis=1) if cubic else f, f) for f in (before, after)]
        # Carried along the rays: as uniform at the end as at the start, where it is the same everywhere.
        np.testing.assert_allclose(value[1], value[0].mean(axis=1, keepdims=True) + 0 * value[1], rtol=0, atol=1e-9)


# ---- symmetries


EMBEDDED = problem(
    PROBLEMS["B"],
    box={"points": 64, "fftw": "estimate"},
    time={"end": 4.0},
    output={"figures": False, "spectrum_every": 0.0, "series_every": 1.0, "fields_every": 4.0},
)


@pytest.mark.parametrize("pair", ["e mu", "e tau"])
def test_two_flavors_in_three(pair, tmp_path):
    """The third flavor of any density stays away, and the two do what two flavors do."""
    P, *_ = start(EMBEDDED, eps=0.2)
    two = simulated(EMBEDDED, None, P, tmp_path / "two.h5")
    content = np.array(EMBEDDED["modes"]["content"])
    N = algebra(2).matrix(content.sum(axis=1)[:, None], P, axis=1)
    places = [0, 1] if pair == "e mu" else [0, 2]
    third = np.array([0.05, 0.2, 0.1, 0.15])
    whole = np.zeros((4, 3, 3, P.shape[-1]), dtype=complex)
    whole[np.ix_(range(4), places, places)] = N
    whole[:, 3 - places[1], 3 - places[1]] = third[:, None]
    more = np.insert(content, 3 - places[1], third, axis=1)
    mixing = (
        {"omega": [-0.4, 0.0], "theta": [0.1, 0.0, 0.0]} if pair == "e mu" else {"omega": [0.2, -0.4], "theta": [0.0, 0.1, 0.0]}
    )
    config = EMBEDDED | {"flavor": {"number": 3}, "vacuum": mixing}
    config["modes"] = EMBEDDED["modes"] | {"content": more.tolist()}
    three = simulated(config, None, algebra(3).coefficients(whole, axis=1)[1], tmp_path / "three.h5")
    for name in ("K", "E_mat"):
        np.testing.assert_allclose(three.series[name], two.series[name], rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.ptp(two.series["U_osc"]), np.ptp(three.series["U_osc"]), rtol=0, atol=1e-9)
    found = algebra(3).matrix(more.sum(axis=1)[:, None], three.fields["P"][-1], axis=1)
    found = found[np.ix_(range(4), places, places)]
    other = algebra(2).coefficients(found, axis=1)[1]
    np.testing.assert_allclose(other, two.fields["P"][-1], rtol=0, atol=1e-10)


def test_rotation_of_flavor_space(tmp_path):
    """Without mixing and matter all flavors are alike: a fixed element of SU(3) changes no energy. With uniform matter at rest
    all of them turn, which changes none either."""
    config = {name: section for name, section in SMALL.items() if name not in ("vacuum", "matter")}
    P, *_ = start(config, eps=0.3)
    angles = np.random.default_rng(3).normal(size=8)
    turned = algebra(3).rotate(P, angles[None, :, None], axis=1)
    one, other = (simulated(config, None, field, tmp_path / "P.h5").series for field in (P, turned))
    for name in ("U_osc", "K"):
        np.testing.assert_allclose(other[name], one[name], rtol=0, atol=1e-12)
    uniform = simulated(config | {"matter": {"lambda": 5.0}}, None, P, tmp_path / "P.h5").series
    for name in ("U_osc", "K"):
        np.testing.assert_allclose(uniform[name], one[name], rtol=0, atol=1e-9)  # its steps are others
    assert np.ptp(one["U_osc"]) > 1e-3


def test_reversal(tmp_path):
    """v -> -v, N -> N*, delta -> -delta, u -> -u, and forward again: back to the start."""
    config = SMALL
    P, *_ = start(config, eps=0.3)
    there = simulated(config, None, P, tmp_path / "there.h5")
    imaginary = np.array([not np.allclose(one.imag, 0) for one in algebra(3).generators])
    sign = np.where(imaginary, -1.0, 1.0)[:, None]
    after = there.fields["P"][-1]
    back = SMALL | {"vacuum": SMALL["vacuum"] | {"delta": -1.2}, "matter": SMALL["matter"] | {"velocity": -0.3}}
    back["modes"] = SMALL["modes"] | {"velocity": [-v for v in SMALL["modes"]["velocity"]]}
    again = simulated(back, None, sign * after, tmp_path / "back.h5")
    np.testing.assert_allclose(sign * again.fields["P"][-1], P, rtol=0, atol=1e-9)
    assert np.abs(after - P).max() > 0.05


def test_neutrinos_and_antineutrinos_may_be_merged_without_mixing(tmp_path):
    """Parallel P of one direction stay parallel whatever lambda(r) does: 2 nu and 1 anti-nu are 1 nu."""
    config = problem(PROBLEMS["A"], box={"points": 64, "fftw": "estimate"}, time={"end": 4.0}, output={"figures": False})
    P, *_ = start(config, eps=0.2)
    one = simulated(config, None, P, tmp_path / "one.h5")
    modes = {
        "velocity": [1.0, 1.0, -1.0, -1.0],
        "sign": [1, -1, 1, -1],
        "content": [[1.0, 0.0], [0.5, 0.0], [0.0, 1.0], [0.0, 0.5]],
    }
    apart = simulated(config | {"modes": modes}, None, np.stack([2 * P[0], P[0], 2 * P[1], P[1]]), tmp_path / "two.h5")
    for name in ("U_osc", "E_mat"):
        np.testing.assert_allclose(apart.series[name], one.series[name], rtol=0, atol=1e-9)
    merged = apart.series["K"][:, ::2] + apart.series["K"][:, 1::2]
    np.testing.assert_allclose(merged, one.series["K"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(apart.fields["P"][-1][::2] / 2, one.fields["P"][-1], rtol=0, atol=1e-10)


# ---- ranks, files, going on


@pytest.mark.mpi
def test_a_run_goes_on_bit_for_bit(comm, shared_tmp_path):
    """With matter from a file that is gone by then: the run has a copy."""
    import h5py

    z = np.arange(64) * 20.0 / 64
    path = shared_tmp_path / "matter.h5"
    if comm.rank == 0:
        with h5py.File(path, "w") as file:
            file["lambda"] = 0.4 + 0.2 * np.cos(2 * np.pi * z / 20.0)
    comm.Barrier()
    formula = problem(
        PROBLEMS["D"],
        box={"points": 64, "fftw": "estimate"},
        time={"end": 2.0, "rtol": 1e-9},
        output={"figures": False, "spectrum_every": 0.0, "series_every": 0.5, "fields_every": 1.0},
    )
    config = formula | {"matter": {"kind": "file", "path": str(path)}}
    P, *_ = start(formula, eps=0.2)
    half = config | {"time": config["time"] | {"end": 1.0}}
    options = {"P": P, "path": shared_tmp_path / "P.h5"}
    simulated(half, comm, **options, out=shared_tmp_path / "parts")
    whole = simulated(config, comm, **options, out=shared_tmp_path / "whole")
    by_formula = simulated(formula, comm, **options)
    if comm.rank == 0:
        path.unlink()
    comm.Barrier()
    parts = simulated(config, comm, **options, out=shared_tmp_path / "parts", resume="auto")
    if comm.rank == 0:
        for name in ("P", "kappa"):
            assert np.array_equal(whole.fields[name], parts.fields[name])
            np.testing.assert_allclose(by_formula.fields[name], whole.fields[name], rtol=0, atol=1e-9)
        for name in ("E_vac", "E_mat", "U_osc", "K", "energy_residual"):
            assert np.array_equal(whole.series[name], parts.series[name]), name

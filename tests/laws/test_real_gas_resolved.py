"""Levels momentum and full with three flavors, masses, moving matter, both species and attenuation: from a config to the ledger."""

import h5py
import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.errors import InputError
from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.physics import full_grid
from nuflux_mpi.physics.phase_space import occupations

# Four beams of unlike content, every pair seeded, an unresolved wave of matter that is no multiple of the others.
EVERYTHING = """
[flavor]
number = 3
[box]
length = 12.0
points = 32
[modes]
velocity = [1.0, -1.0, 0.5, -0.6]
sign = [1, 1, -1, -1]
energy = [9.0, 12.0, 9.0, 12.0]
content = [[0.5, 0.1, 0.1], [0.1, 0.4, 0.1], [0.1, 0.1, 0.5], [0.3, 0.1, 0.1]]
[initial]
kind = "seeds"
n_max = 2
variance = 1e-4
seed = 3
normalize = false
[equations]
level = "momentum"
[momentum]
points = 64
half_width = 8.0
sigma = 0.7
[vacuum]
omega = [0.02, 0.3]
theta = [0.58, 0.15, 0.85]
delta = 1.2
at_energy = 9.0
[matter]
kind = "cosine"
lambda = 0.4
amplitude = 0.3
velocity = 0.25
[attenuation]
vacuum = 0.7
matter = 0.8
self = 0.9
[time]
end = 4.0
rtol = 1e-11
[output]
series_every = 1.0
fields_every = 4.0
figures = false
"""


def run(tmp_path_factory, *overrides, text=EVERYTHING, **options):
    path = tmp_path_factory.mktemp("gas") / "gas.toml"  # each rank writes its own, and the first one's is read
    path.write_text(text)
    return nuflux_mpi.simulate(path, overrides=overrides, **options)


@pytest.fixture(scope="module")
def levels(tmp_path_factory):
    names = ("standard", "energy", "momentum")
    return {name: run(tmp_path_factory, f'equations.level="{name}"') for name in names}


def test_momentum_has_the_flavors_of_standard_and_the_energies_of_energy(levels):
    standard, energy, momentum = (levels[name] for name in ("standard", "energy", "momentum"))
    assert np.abs(energy.series["K"]).max() > 0.1 and np.ptp(energy.series["E_mat"]) > 0.1  # something happened
    # rtol = 1e-11 per step on different sequences of steps: 2e-11 and less is seen.
    np.testing.assert_allclose(momentum.fields["P"], standard.fields["P"], rtol=0, atol=1e-9)
    for name in ("kappa", "F"):
        np.testing.assert_allclose(momentum.fields[name], energy.fields[name], rtol=0, atol=1e-9, err_msg=name)
    for name in ("K", "U_osc", "E_vac", "E_mat", "dK_dt", "energy"):
        np.testing.assert_allclose(momentum.series[name], energy.series[name], rtol=0, atol=1e-9, err_msg=name)


def test_the_ledger_of_level_momentum_closes(levels):
    series = levels["momentum"].series
    for name in ("U_osc", "E_vac", "E_mat"):
        assert np.ptp(series[name]) > 0.1
    largest = max(np.abs(series[name]).max() for name in ("U_osc", "E_vac", "E_mat", "K"))
    np.testing.assert_allclose(series["energy_residual"], 0, atol=1e-9 * largest)
    for name in ("number", "casimir2"):  # linear and quadratic invariants of an anti-Hermitian evolution
        np.testing.assert_allclose(series[name], series[name][0], rtol=1e-11)
    assert abs(series["casimir3"][-1] / series["casimir3"][0] - 1) > 1e-3  # not conserved beyond first order


def test_moments_in_q_are_those_of_the_density_matrices(levels):
    """f over q sums up to N and q f to the gain, whose trace is K; what figures draw, flavor by flavor."""
    momentum = levels["momentum"]
    f, q = momentum.series["f_q"][-1], momentum.series["q"]
    dq = q[1] - q[0]
    P_mean = momentum.fields["P"][-1].mean(axis=-1)
    np.testing.assert_allclose(f[:, 1:].sum(axis=2) * dq, P_mean, rtol=0, atol=1e-12)  # rounding
    gained = (f[:, 0] @ q - momentum.series["f_q"][0][:, 0] @ q) * dq * 12.0
    np.testing.assert_allclose(gained, momentum.series["K"][-1], rtol=0, atol=1e-11)
    content = algebra(3).content(f[:, 0], f[:, 1:], axis=1)
    np.testing.assert_allclose(content.sum(axis=1), f[:, 0], rtol=0, atol=1e-14)
    means = content @ q / content.sum(axis=2)
    assert np.ptp(means, axis=1).max() > 0.01  # the force splits the flavors
    assert occupations(f)[0].min() > -1e-3


def test_whole_velocities_at_level_momentum(tmp_path_factory):
    """Beams that point across the box, too: 1 - v.v' has all components, and the force runs along z."""
    velocity = "modes.velocity=[[0.6, 0.0, 0.8], [0.0, 0.6, -0.8], [-0.8, 0.0, 0.6], [0.0, 0.0, -0.6]]"
    energy, momentum = (run(tmp_path_factory, velocity, f'equations.level="{level}"') for level in ("energy", "momentum"))
    assert np.abs(energy.series["K"]).max() > 0.05
    for name in ("K", "dK_dt", "E_mat"):
        np.testing.assert_allclose(momentum.series[name], energy.series[name], rtol=0, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(momentum.series["energy_residual"], 0, atol=1e-9)


def test_two_flavors_among_three_with_masses_and_matter(tmp_path_factory):
    """nu_e and nu_tau alone, beside some nu_mu that nothing turns: the answer of two flavors at level momentum."""
    folder = tmp_path_factory.mktemp("start")
    two, three, z = algebra(2), algebra(3), 12.0 / 32 * np.arange(32)
    waves = np.cos(2 * np.pi * z / 12.0 * np.array([1, 2, 1])[:, None] + np.arange(12).reshape(4, 3, 1))
    P = two.polarization_of(np.array([[0.5, 0.1], [0.1, 0.5], [0.1, 0.4], [0.3, 0.1]]), axis=1)[1][..., None] + 0.02 * waves
    n = np.array([0.6, 0.6, 0.5, 0.4])
    N = np.zeros((4, 3, 3, 32), dtype=complex)
    N[:, ::2, ::2] = two.matrix(n[:, None], P, axis=1)
    N[:, 1, 1] = 0.05
    for flavors, start in ((2, P), (3, three.coefficients(N, axis=1)[1])):
        with h5py.File(folder / f"{flavors}.h5", "w") as file:
            file["P"] = start
    text = EVERYTHING[: EVERYTHING.index("content")] + "{content}" + EVERYTHING[EVERYTHING.index("[initial]") :]
    text = text.replace(
        'kind = "seeds"\nn_max = 2\nvariance = 1e-4\nseed = 3\nnormalize = false', 'kind = "file"\npath = "{path}"'
    )
    text = text.replace("omega = [0.02, 0.3]\ntheta = [0.58, 0.15, 0.85]\ndelta = 1.2", "{mixing}")
    found = []
    for flavors, mixing in ((2, "omega = 0.3\ntheta = 0.4"), (3, "omega = [0.1, 0.3]\ntheta = [0.0, 0.4, 0.0]")):
        density = (n + 0.05 * (flavors - 2)).tolist()
        filled = text.replace("number = 3", f"number = {flavors}").replace("{mixing}", mixing)
        filled = filled.replace("{content}", f"density = {density}\n").replace("{path}", str(folder / f"{flavors}.h5"))
        found.append(run(tmp_path_factory, text=filled))
    one, other = found
    assert np.abs(one.series["K"]).max() > 0.05 and np.ptp(one.series["E_vac"]) > 0.01
    pair = three.pairs[1]
    coherence = other.fields["P"][:, :, pair.real], other.fields["P"][:, :, pair.imaginary]
    np.testing.assert_allclose(np.stack(coherence, axis=2), one.fields["P"][:, :, :2], rtol=0, atol=1e-10)
    np.testing.assert_allclose(three.difference(other.fields["P"], pair, axis=2), one.fields["P"][:, :, 2], rtol=0, atol=1e-10)
    for name in ("K", "dK_dt"):
        np.testing.assert_allclose(other.series[name], one.series[name], rtol=0, atol=1e-10, err_msg=name)
    for name in ("U_osc", "E_vac", "E_mat"):  # up to a constant, that of the nu_mu and of the trace
        change = [each.series[name] - each.series[name][0] for each in found]
        np.testing.assert_allclose(change[1], change[0], rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.mpi
def test_momentum_on_any_number_of_ranks(tmp_path_factory, comm):
    from mpi4py import MPI

    short = ["box.points=15", "momentum.points=32", "momentum.half_width=5.0", "time.end=1.0"]
    one, many = (run(tmp_path_factory, *short, comm=each) for each in (MPI.COMM_SELF, comm))
    for name in ("K", "energy", "E_mat", "E_vac", "dK_dt", "f_q"):
        # Sums in another order, and steps of rtol = 1e-11 that follow from them.
        np.testing.assert_allclose(many.series[name], one.series[name], rtol=0, atol=1e-11, err_msg=name)


FULL = [
    'equations.level="full"', "modes.energy=[9.0, 12.0, 9.0, 9.0]", "modes.velocity=[1.0, -1.0, 1.0, -1.0]",
    "full.points=80", "full.p_max=20.0", "full.perp_points=3", "time.rtol=1e-9", "time.end=3.0", "output.fields_every=3.0",
]  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return run(tmp_path_factory, *FULL)


def test_the_ledger_of_level_full_closes(full):
    series = full.series
    for name in ("kinetic_energy", "U_osc", "E_vac", "E_mat"):
        assert np.ptp(series[name]) > 0.01
    total = series["kinetic_energy"] + series["U_trace"] + series["U_osc"] + series["E_vac"] + series["E_mat"]
    np.testing.assert_allclose(series["energy"], total, rtol=1e-14)
    # rtol = 1e-9 of |f| and what reaches p = 0, of 290 in all; 1e-10 is seen.
    np.testing.assert_allclose(series["energy_residual"], 0, atol=1e-8)
    np.testing.assert_allclose(series["number"], series["number"][0], rtol=1e-13)  # exact on the grid


def test_at_large_momenta_level_full_is_level_energy(tmp_path_factory):
    """The same angles of 1.2/p_0 and omega, p_0 larger: P and the gain of energy go to those of sharp beams, as 1/p_0^2."""
    changes = ["modes.velocity=[1.0, -1.0, 1.0, -1.0]", "time.end=2.0", "output.fields_every=2.0", "time.rtol=1e-8"]
    sharp = run(tmp_path_factory, *changes, 'equations.level="energy"', "modes.energy=9.0")
    away = []
    for p0, points in ((16.0, 112), (32.0, 176)):
        grid = [
            f"modes.energy={p0}",
            f"vacuum.at_energy={p0}",
            f"full.p_max={p0 + 8}",
            f"full.points={points}",
            "full.perp_points=2",
        ]
        one = run(tmp_path_factory, *FULL, *changes, *grid, "box.points=24")
        away.append(
            [
                np.abs(one.series["P_mean"][-1] - sharp.series["P_mean"][-1]).max(),
                np.abs(one.series["K"][-1] - sharp.series["K"][-1]).max(),
            ]
        )
    order = np.log2(np.array(away[0]) / away[1])
    np.testing.assert_allclose(order, 2.0, atol=0.3)


def test_an_eigenmode_of_another_pair_grows_at_level_full(tmp_path):
    """e tau, from Gaussian beams and from a file with the same f, which is turned: the rate of sharp beams but for their angles."""
    one, p0, sigma = algebra(3), 16.0, 1.2
    case = {
        "flavor": {"number": 3},
        "box": {"length": 2 * np.pi, "points": 16},
        "modes": {"velocity": [1.0, -1.0], "content": [[0.5, 0.05, 0.1], [0.1, 0.05, 0.6]]},
        "initial": {"kind": "eigenmode", "n": -1, "pair": "e tau", "amplitude": 1e-5},
        "matter": {"kind": "uniform", "lambda": 0.3},
        "time": {"end": 2.0, "rtol": 1e-9},
        "output": {"series_every": 1.0, "fields_every": 1.0},
    }
    grid = {"sigma": sigma, "p_max": 24.0, "points": 112, "perp_points": 2}
    momenta = full_grid.MomentumGrid(grid | {"distribution": "gaussian"})
    rho = np.zeros((1, 2, 9, 112))
    for v, content in zip((1.0, -1.0), case["modes"]["content"]):
        n, P = one.polarization_of(np.array(content))
        rho[0] += momenta.sample(full_grid.Gaussian(p0, sigma, v))[:, None] * np.array([n, *P])[None, :, None]
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["rho"] = rho
    from_file = {"distribution": "file", "path": str(tmp_path / "f.h5"), "quadrature": "laguerre"}
    sections = [{"equations": {"level": "energy"}}]
    sections += [{"equations": {"level": "full"}, "full": grid | kind} for kind in ({"p0": p0}, from_file)]
    rates, waves = [], []
    for section in sections:
        P = nuflux_mpi.simulate(case | section).fields["P"]
        waves.append(one.coherence(P, one.pairs[1], axis=2))
        size = np.abs(waves[-1]).max(axis=(1, 2))
        rates.append(np.log(size[2] / size[1]))
    assert rates[0] > 0.8
    assert rates[1] == pytest.approx(rates[0], rel=2 * (sigma / p0) ** 2)  # 1 - v is sigma^2/p_0^2 on average
    # Turned by an angle, or given a coherence: the same to second order in the amplitude 1e-5, e^1.8 times larger by the end.
    np.testing.assert_allclose(waves[2], waves[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "changes, told",
    [
        (["full.p0=9.0"], "full.p0 and modes.energy both"),
        (["modes.energy=[5.0, 12.0, 9.0, 9.0]"], "modes.energy = 5"),
        (["modes.velocity=[[0.0, 0.6, 0.8], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]"], "axial symmetry"),
        (["vacuum.omega=[0.3, 4.0]"], "masses are as large as momenta"),
        (['time.method="4bm"'], "splitting is for the levels standard and energy"),
        (['full.distribution="thermal"', "full.p_mean=[9.0]", "full.pinching=[12.0]"], "modes.energy: .*full.p_mean"),
    ],
)
def test_what_level_full_has_not_is_refused_in_words(changes, told, tmp_path_factory):
    with pytest.raises(InputError, match=told):
        run(tmp_path_factory, *FULL, *changes)

"""The compiled and the NumPy form of every kernel, for two and three flavors, against formulas written out here."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from nuflux_mpi import kernels
from nuflux_mpi.flavor import algebra
from nuflux_mpi.kernels import expansion, reference
from nuflux_mpi.physics.levels import LEVELS
from nuflux_mpi.runtime import environment
from nuflux_mpi.time import integrator

compiled_alone = pytest.mark.skipif(not kernels.COMPILED, reason="numba is not in use")
# Modes and points: one, several, and around the blocks that the compiled loops take at a time.
sizes = pytest.mark.parametrize("modes, points", [(1, 1), (2, 255), (3, 256), (2, 257), (5, 2300), (2, 0)])
axes = pytest.mark.parametrize("axes", [1, 2, 3])
flavors = pytest.mark.parametrize("flavors", [2, 3])


@pytest.fixture(params=["numba", "numpy"])
def form(request):
    """The kernels in one of their two forms."""
    if request.param == "numba":
        if not kernels.COMPILED:
            pytest.skip("numba is not in use")
        assert kernels.precess is not reference.precess
        return kernels
    return reference


def fields(modes, points, axes, flavors=2, seed=0):
    """Random P, kappa, v, s, D and dD."""
    generator, C = np.random.default_rng(seed), flavors**2 - 1
    P, kappa = generator.standard_normal((modes, C, points)), generator.standard_normal((modes, points))
    v, s = generator.uniform(-1, 1, (axes, modes)), generator.choice([-1.0, 1.0], modes)
    D, *dD = generator.standard_normal((1 + axes, 1 + axes, C, points))
    return P, kappa, v, s, D, np.array(dD)


def numbers(shape, seed=0):
    """Random complex numbers."""
    return np.random.default_rng(seed).standard_normal((*shape, 2)).view(complex)[..., 0]


def rotation(P, v, D, w=0.0):
    """(D_0 - sum_i v_ai D_i + w_a) x P_a, written with the structure constants."""
    W = D[0] - np.einsum("ia,icz->acz", v, D[1:]) + w
    f = algebra(2 if P.shape[1] == 3 else 3).f
    return np.einsum("ijk,aiz,ajz->akz", f, W, P)


def matrices(one, n, P):
    """n/F 1 + P.lambda/2 with the matrix indices last: n (...), P (C, ...)."""
    return np.moveaxis(one.matrix(n, P), (0, 1), (-2, -1))


@flavors
@axes
@sizes
def test_moments(form, modes, points, axes, flavors):
    P, _, v, s, D, _ = fields(modes, points, axes, flavors)
    form.moments(P, v, s, D)
    expected = [np.einsum("a,acz->cz", weight, P) for weight in (s, *(s * v))]
    np.testing.assert_allclose(D, expected, rtol=0, atol=1e-14)  # sums of a few numbers of size 1


@sizes
@pytest.mark.parametrize("rows", [0, 1, 4])
def test_forces_that_push_all_flavors_alike(form, modes, points, rows):
    generator = np.random.default_rng(3)
    kappa, factors, slopes = (generator.standard_normal(shape) for shape in ((modes, points), (rows, modes), (rows, points)))
    expected = kappa + np.einsum("ka,kz->az", factors, slopes)
    form.add_forces(kappa, factors, slopes)
    np.testing.assert_allclose(kappa, expected, rtol=0, atol=1e-14)  # sums of a few numbers of size 1


@flavors
@axes
@sizes
def test_rotation(form, modes, points, axes, flavors):
    P, _, v, _, D, _ = fields(modes, points, axes, flavors)
    dP = P.copy()
    form.rotate(dP, v, D)
    # Products of numbers up to 10, six of them for three flavors.
    np.testing.assert_allclose(dP, rotation(P, v, D), rtol=0, atol=2e-14 * (flavors - 1))
    # The length of P is kept: what is left of P . dP are the roundings of the sum's terms.
    left = np.abs(np.sum(P * dP, axis=1))
    assert np.all(left <= 1e-15 * np.sum(np.abs(P), axis=1) * np.abs(D).sum(axis=(0, 1)) * np.abs(P).sum(axis=1))


@flavors
@axes
def test_rotation_with_a_vector_of_each_mode(form, axes, flavors):
    P, kappa, v, s, D, dD = fields(5, 700, axes, flavors)
    w = np.random.default_rng(7).standard_normal(P.shape[:2])
    dP, driven, work, plain = P.copy(), P.copy(), kappa.copy(), kappa.copy()
    form.rotate(dP, v, D, w)
    np.testing.assert_allclose(dP, rotation(P, v, D, w[..., None]), rtol=0, atol=4e-14)
    form.rotate_and_drive(driven, work, v, s, D, dD, w)
    np.testing.assert_array_equal(driven, dP)
    form.rotate_and_drive(P.copy(), plain, v, s, D, dD)
    np.testing.assert_array_equal(work, plain)  # constants exert no force


@flavors
@axes
@sizes
def test_moments_and_rotation_in_one_pass(form, modes, points, axes, flavors):
    P, _, v, s, D, _ = fields(modes, points, axes, flavors)
    dP, found = P.copy(), np.empty_like(D)
    form.precess(dP, v, s, found)
    form.moments(P, v, s, D)
    np.testing.assert_array_equal(found, D)
    np.testing.assert_allclose(dP, rotation(P, v, D), rtol=0, atol=5e-14)  # sums of products of numbers up to 10


@flavors
@pytest.mark.parametrize("uniform", [False, True])
def test_a_potential_added_between_moments_and_rotation(form, uniform, flavors):
    P, _, v, s, D, dD = fields(3, 300, 2, flavors)
    h = np.ascontiguousarray(dD[0][..., :1]) if uniform else dD[0]
    w = np.random.default_rng(7).standard_normal(P.shape[:2])
    dP, found = P.copy(), np.empty_like(D)
    form.precess(dP, v, s, found, h, w)
    form.moments(P, v, s, D)
    np.testing.assert_allclose(found, D + h, rtol=0, atol=1e-15)
    np.testing.assert_allclose(dP, rotation(P, v, D + h, w[..., None]), rtol=0, atol=1e-13)


@flavors
@pytest.mark.parametrize("Q, vectors, own", [(1, 1, False), (2, 1, True), (7, 1, False), (8, 3, True)])
@sizes
def test_push_is_rotation_and_matrix_valued_force(form, modes, points, Q, vectors, own, flavors):
    """vectors: components of the velocities that enter 1 - v.v'; own: whether each mode has a vector of its own."""
    generator, one = np.random.default_rng(2), algebra(flavors)
    f = generator.standard_normal((modes, 1 + one.components, Q, points))
    M, dM = generator.standard_normal((2, 1 + vectors, 1 + one.components, points))
    v, s, y = (
        generator.uniform(-1, 1, (vectors, modes)),
        generator.choice([-1.0, 1.0], modes),
        generator.uniform(0, 5, Q // 2 + 1),
    )
    w = generator.standard_normal((modes, one.components)) if own else None
    pushed = f.copy()
    form.push(pushed, v, s * v[-1], y, M, dM, w)

    # Omega = sum s (1 - v v') (N + Tr N), as matrices; its trace is F times that of the unit matrix in it.
    def potential(m, a, w=None):
        W = m[0] - np.tensordot(v[:, a], m[1:], 1)
        return matrices(one, (1.0 + flavors) * W[0], W[1:] if w is None else W[1:] + w[a][:, None])

    pairs = (Q - 1) // 2
    waves = [(f[:, :, 0], 0.0)] + [(f[:, :, 2 * j - 1] + 1j * f[:, :, 2 * j], y[j]) for j in range(1, pairs + 1)]
    waves += [(f[:, :, -1], 0.0)] if Q % 2 == 0 else []  # the highest wave feels no force
    found = [pushed[:, :, 0]] + [pushed[:, :, 2 * j - 1] + 1j * pushed[:, :, 2 * j] for j in range(1, pairs + 1)]
    found += [pushed[:, :, -1]] if Q % 2 == 0 else []
    for (wave, yj), change in zip(waves, found):
        for a in range(modes):
            Omega, A = potential(M, a, w), s[a] * v[-1, a] * potential(dM, a)
            rho = matrices(one, wave[a, 0], wave[a, 1:])
            expected = 0.5j * yj * (A @ rho + rho @ A) - 1j * (Omega @ rho - rho @ Omega)
            trace = np.einsum("...ii->...", expected)
            coefficients = np.einsum("...ij,cji->c...", expected, one.generators)
            np.testing.assert_allclose(change[a, 0], trace, rtol=0, atol=2e-13 * (flavors - 1))  # products up to 50
            np.testing.assert_allclose(change[a, 1:], coefficients, rtol=0, atol=2e-13 * (flavors - 1))


@flavors
@axes
@sizes
def test_rotation_with_work_by_the_weak_force(form, modes, points, axes, flavors):
    P, kappa, v, s, D, dD = fields(modes, points, axes, flavors)
    dP = P.copy()
    form.rotate_and_drive(dP, kappa, v, s, D, dD)
    np.testing.assert_allclose(dP, rotation(P, v, D), rtol=0, atol=2e-14 * (flavors - 1))
    slope = np.einsum("ia,icz->acz", v, dD[:, 0]) - np.einsum("ia,ja,ijcz->acz", v, v, dD[:, 1:])
    force = np.einsum("acz,acz->az", slope, P)
    np.testing.assert_allclose(kappa, -0.5 * s[:, None] * force, rtol=0, atol=2e-14 * (flavors - 1))


@flavors
@pytest.mark.parametrize("with_own", [False, True])
@pytest.mark.parametrize("points", [1, 255, 257, 600])
def test_products_over_phase_space(form, points, with_own, flavors):
    one, random = algebra(flavors), np.random.default_rng(1).standard_normal
    f, G, a, b = random((3, 1 + one.components, 5, points)), random((2, 1 + one.components, points)), *random((2, 3, 5))
    M, start = np.zeros_like(G), points // 3
    form.phase_space_moments(f, a, b, M)
    np.testing.assert_allclose(M, np.einsum("mqi,qciz->mcz", np.stack((a, b)), f), rtol=0, atol=1e-13)

    def matrix(g):  # w0 1 + W.lambda
        return matrices(one, flavors * g[0], 2.0 * g[1:])

    rho = matrices(one, f[0, 0], f[0, 1:])
    own = random((1 + one.components, 5)) if with_own else None  # matrices that are the same at all points
    more = np.zeros((1 + one.components, 5)) if own is None else own
    A = np.stack([matrix(x * G[0] + y * G[1] + m[:, None]) for x, y, m in zip(a[0], b[0], more.T)])
    W = np.stack([matrix(G[0] - y * G[1] + m[:, None]) for y, m in zip(b[0], more.T)])
    out, shifted, turned = np.full(f[0].shape, 9.0), np.full(f[0].shape, 9.0), f[0].copy()
    form.anticommute(f[0], a[0], b[0], G, start, points, out, 0, own=own)
    form.anticommute(f[0], a[0], b[0], G, start, points, shifted, start, own=own)
    form.commute(turned, b[0], G, start, points, own=own)
    for found, expected in ((out, 0.5 * (A @ rho + rho @ A)), (turned, 1j * (rho @ W - W @ rho))):
        trace = np.einsum("...ii->...", expected).real
        coefficients = np.einsum("...ij,cji->c...", expected, one.generators).real
        # Sums of some tens of products of numbers up to 20.
        np.testing.assert_allclose(found[0, :, start:], trace[:, start:], rtol=0, atol=1e-13)
        np.testing.assert_allclose(found[1:, :, start:], coefficients[..., start:], rtol=0, atol=1e-13)
    np.testing.assert_array_equal(shifted[..., : points - start], out[..., start:])
    assert np.all(out[..., :start] == 9.0) and np.all(shifted[..., points - start :] == 9.0)
    np.testing.assert_array_equal(turned[..., :start], f[0][..., :start])


def test_the_rest_of_level_full(form):
    random = np.random.default_rng(1).standard_normal
    f, change, k = random((4, 5, 99)), random((4, 5, 80)), random((1, 98))
    added = f.copy()
    form.add(added, change, 11, 60)
    np.testing.assert_array_equal(added[..., 11:60], f[..., 11:60] + change[..., :49])
    added[..., 11:60] = f[..., 11:60]
    np.testing.assert_array_equal(added, f)
    waves = f[..., :-1] + 1j * f[..., 1:]
    turned, flux, spectral = waves.copy(), waves[1], waves[0].copy()
    form.differentiate_waves(turned, k[0, :5])
    np.testing.assert_allclose(turned, 1j * k[0, :5, None] * waves, rtol=0, atol=1e-14)
    form.subtract_derivative(spectral, flux, k)
    np.testing.assert_allclose(spectral, waves[0] - 1j * k * flux, rtol=0, atol=1e-14)  # products of numbers up to 5


@compiled_alone
@flavors
@axes
def test_both_forms_of_the_local_flow_agree(axes, flavors):
    """With points that do not fill the last block."""
    C, generator = flavors**2 - 1, np.random.default_rng(axes)
    P, v = generator.normal(size=(5, C, 300)) / 2, generator.uniform(-0.6, 0.6, (axes, 5))
    s, dS = np.array([1.0, 1.0, -1.0, 1.0, 1.0]), generator.normal(size=(axes, expansion.series_rows(axes), C, 300))
    S = np.empty(dS.shape[1:])
    reference.series(P, v, s, 0.15, S)
    results = []
    for form in (kernels, reference):
        Q, R, kappa, T, turned = P.copy(), P.copy(), np.ones((5, 300)), np.empty_like(S), P.copy()
        form.turn(Q, v, s, 0.15)
        form.series(P, v, s, 0.15, T)
        form.turn_and_drive(R, kappa, v, s, S, dS)
        form.turn_about(turned, 0.1 * dS[0, 0], 0.1 * v[0][:, None] * np.ones(C))
        results.append((Q, R, kappa, T, turned))
    for compiled, expected in zip(*results):
        np.testing.assert_allclose(compiled, expected, rtol=0, atol=1e-13)  # numbers of some units
        assert np.all(np.isfinite(compiled))


@flavors
def test_a_given_rotation_keeps_lengths_and_is_the_exponential(form, flavors):
    one, generator = algebra(flavors), np.random.default_rng(3)
    P, W = generator.normal(size=(4, one.components, 37)), 0.1 * generator.normal(size=(one.components, 37))
    w, turned = 0.05 * generator.normal(size=(4, one.components)), P.copy()
    form.turn_about(turned, W, w)
    for a in range(4):
        V = one.unitary(W + w[a][:, None])
        N = np.einsum("ab...,bc...,dc...->ad...", V, one.matrix(0.0, P[a]), V.conj())
        # The approximant's error is of order |W|^11, |W| up to 0.4.
        np.testing.assert_allclose(turned[a], one.coefficients(N)[1], rtol=0, atol=1e-14)
    np.testing.assert_allclose(np.sum(turned**2, axis=1), np.sum(P**2, axis=1), rtol=1e-13)


@pytest.mark.parametrize("groups", [0, 1, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_phases_of_many_waves_from_two_short_tables(form, groups, shared):
    rate = np.linspace(-0.7, 0.4, groups)
    h = np.arange(-200, 201) if shared else np.arange(-200, 201) + np.arange(groups)[:, None]
    phase = np.empty((groups, 401), dtype=complex)
    form.phase_table(rate, np.atleast_2d(h).astype(np.int64), phase)
    # Angles up to 140, each rounded once, and some ten products.
    np.testing.assert_allclose(phase, np.exp(1j * rate[:, None] * np.atleast_2d(h)), rtol=0, atol=5e-14)


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_phases_on_and_off(form, rows):
    amplitude, group = numbers((rows, 33)), np.arange(rows) % 2
    phase = np.exp(1j * numbers((2, 33)).real)
    by_row, by_column = np.linspace(0.5, 2, rows), np.linspace(1, 3, 33)
    u, back = np.empty_like(amplitude), np.empty_like(amplitude)
    form.to_interaction_picture_batch(amplitude, phase, group, by_row, by_column, u)
    expected = amplitude * phase[group] * by_row[:, None] * by_column
    np.testing.assert_allclose(u, expected, rtol=0, atol=1e-14)  # three products of numbers up to 10
    form.from_interaction_picture_batch(u, phase, group, 1 / by_row, 1 / by_column, back)
    np.testing.assert_allclose(back, amplitude, rtol=0, atol=1e-14)


@compiled_alone
@pytest.mark.parametrize("conjugate", [False, True])
@pytest.mark.parametrize("size", [0, 1, 2, 7, 64])
def test_products_of_complex_rows(conjugate, size):
    x, y = numbers((2, size))
    out = np.empty_like(x)
    from nuflux_mpi.kernels import vectors

    (vectors.multiply_conjugate if conjugate else vectors.multiply)(x, y, out)
    # Numbers up to 10, products up to 100
    np.testing.assert_allclose(out, (x.conj() if conjugate else x) * y, rtol=0, atol=2e-14)


@compiled_alone
@pytest.mark.parametrize("step", [1, 6])
def test_phases_from_a_factor_for_each_run_and_a_short_table(step):
    angle, first = np.array([0.3, -1.7]), np.array([[0, 1, 5000, -77]])
    fine, coarse = np.empty((2, 64), dtype=complex), np.empty((2, 4), dtype=complex)
    kernels.phase_factors(angle, float(step), first, fine, coarse)
    # Angles up to 8500, each rounded once.
    np.testing.assert_allclose(coarse, np.exp(1j * angle[:, None] * first), rtol=0, atol=2e-12)
    np.testing.assert_allclose(fine, np.exp(1j * step * angle[:, None] * np.arange(64)), rtol=0, atol=3e-13)
    # Products of few numbers of modulus 1, whatever the angle.
    np.testing.assert_allclose(np.abs(np.concatenate((coarse, fine), axis=1)), 1.0, rtol=0, atol=4e-15)


@pytest.mark.mpi
def test_kernels_are_compiled_by_one_rank_before_the_others(comm):
    if not kernels.COMPILED:
        pytest.skip("numba is not in use")
    from nuflux_mpi.kernels import loop_cache

    calls, times = [], []

    def touch():
        calls.append(None)
        if len(calls) == 1:
            raise loop_cache.NotKept  # what all ranks looked for at once is missing
        times.append(time.monotonic())

    kernels.warm_up(comm, touch, touch)
    assert len(times) == 2
    spans = comm.allgather(times)
    for later in spans[1:]:
        assert later[0] >= spans[0][1]  # one node, one clock


LOADED = """
import sys
import nuflux_mpi
from nuflux_mpi.kernels import loop_cache

case, *overrides = sys.argv[1:]
with nuflux_mpi.Simulation(case, overrides=overrides + ["output.fields_every=1"]) as simulation:
    before = dict(loop_cache.counts)
    simulation.run()
assert sum(before.values()) > 0
assert dict(loop_cache.counts) == before, (before, loop_cache.counts)
"""
TWIST = """
from typing import Annotated
import numpy as np
from nuflux_mpi.physics import terms
from nuflux_mpi.physics.terms.term import Term
from nuflux_mpi.storage.section import Key, Section

class Settings(Section):
    rate: Annotated[float, Key("of a rotation that differs from mode to mode")]

class Twist(Term):
    name = section = "twist"
    Settings = Settings

    def mode_potential(self, t):
        return self.settings["rate"] * np.outer(self.modes.s, [0.0, 0.0, 1.0])

terms.TERMS = [*terms.TERMS, Twist]
"""
FULL = ["full.points=64", "full.p_max=8.0", "full.perp_points=2", "full.p0=4.0", "full.sigma=0.6"]


@compiled_alone
@pytest.mark.parametrize(
    "case, level, method, more",
    [
        ("two_beam", "standard", "8vr", []),
        ("two_beam", "energy", "adams", []),
        ("two_beam", "energy", "4bm", []),
        ("two_beam", "momentum", "adams", []),
        ("two_beam", "full", "adams", FULL),
        ("two_beam", "energy", "adams", ["twist.rate=0.1"]),
        ("two_beam", "energy", "6bm", ["vacuum.omega=0.5", "vacuum.theta=0.1", "matter.lambda=1.0"]),
        ("two_beam", "energy", "adams", ["modes.velocity=[[0.6, 0, 0.8], [0, 0.6, -0.8]]", "matter.lambda=1.0"]),
        ("four_beams_2d", "energy", "adams", ["box.points=[32, 32]"]),
        ("four_beams_2d", "standard", "6bm", ["box.points=[32, 32]"]),
    ],
)
def test_a_run_calls_no_loop_that_was_not_warmed_up(case, level, method, more):
    """Else all ranks would compile it, each for itself, when it is called first."""
    if case == "two_beam":
        more = [*more, "box.points=64", "initial.n_max=20"]
    overrides = [f"equations.level={level}", f"time.method={method}", "time.end=1.5", *more]
    variables = environment.mpirun_environment()
    code = TWIST * any("twist" in one for one in overrides) + LOADED
    done = subprocess.run([sys.executable, "-c", code, case, *overrides], env=variables, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_what_levels_and_methods_ask_to_be_compiled_is_there():
    asked = [name for level in LEVELS.values() for name in level.own_kernels]
    asked += [name for names in integrator.KERNELS.values() for name in names]
    for name in asked:
        assert name.startswith("touch_") and name in kernels._MODULES
    assert "touch_full" in LEVELS["full"].own_kernels


def test_each_kernel_has_a_reference(form):
    """Those of pencils and columns need FFTW's functions, which compiled loops alone can call."""
    for home, names in kernels.HOMES.items():
        for name in names.split():
            alone = home == "columns" or "pencils" in name or name in (
                "phase_factors", "from_interaction_picture", "to_interaction_picture"
            )  # fmt: skip
            assert name.startswith("touch_") or alone or callable(getattr(form, name))


RUN = """
import sys
import numpy as np
import nuflux_mpi
from nuflux_mpi import kernels

assert not kernels.COMPILED
case = nuflux_mpi.simulate("two_beam", overrides=["box.points=256", "time.end=6", "output.spectrum_every=0"])
np.save(sys.argv[1], case.fields["P"][-1])
"""


@compiled_alone
def test_a_run_without_numba_gives_the_same_fields(tmp_path):
    import nuflux_mpi

    variables = environment.mpirun_environment() | {"NUFLUX_NUMBA": "0"}
    command = [sys.executable, "-c", RUN, tmp_path / "P.npy"]
    done = subprocess.run(command, env=variables, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    run = nuflux_mpi.simulate("two_beam", overrides=["box.points=256", "time.end=6", "output.spectrum_every=0"])
    # Rounding, of which the instability makes exp(6) = 400 times more.
    np.testing.assert_allclose(run.fields["P"][-1], np.load(tmp_path / "P.npy"), rtol=0, atol=1e-12)


PHASES = """
import zlib
import numpy as np
import nuflux_mpi.kernels as kernels
phase = np.zeros((5, 200), dtype=complex)
kernels.phase_table(np.linspace(-1.0, 1.0, 5) ** 3, np.arange(200)[None, :], phase)
print(zlib.crc32(phase))
"""


@compiled_alone
def test_kernels_from_the_cache_give_the_bits_of_those_just_compiled(tmp_path):
    """A function that others call may be compiled twice, with roundings of its own: which copy runs must not change."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, again = (
        subprocess.run([sys.executable, "-c", PHASES], env=environment, check=True, capture_output=True).stdout
        for _ in range(2)
    )
    assert first == again and any(tmp_path.rglob("*.nbc"))

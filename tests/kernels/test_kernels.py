"""The compiled and the NumPy form of every kernel against formulas written out here."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from loading import load

from nuflux_mpi.kernels import full, kernels
from nuflux_mpi.physics.full import Full
from nuflux_mpi.physics.polarization import Standard
from nuflux_mpi.runtime import environment
from nuflux_mpi.time import integrator

EPSILON = np.array([[[(a - b) * (b - c) * (c - a) / 2 for c in range(3)] for b in range(3)] for a in range(3)])
# Modes and points: one, several, and around the 256 points that the compiled loops take at a time.
sizes = pytest.mark.parametrize("modes, points", [(1, 1), (2, 255), (3, 256), (2, 257), (5, 700), (2, 0)])
axes = pytest.mark.parametrize("axes", [1, 2, 3])


@pytest.fixture(params=["numba", "numpy"])
def form(request, monkeypatch):
    """The kernels module in one of its two forms."""
    if request.param == "numba":
        if not kernels.COMPILED:
            pytest.skip("numba is not installed")
        return kernels
    monkeypatch.setenv("NUFLUX_NUMBA", "0")
    module = load(kernels.__file__, "nuflux_mpi.kernels.kernels_without_numba")
    assert not module.COMPILED
    return module


def fields(modes, points, axes, seed=0):
    """Random P, kappa, v, s, D and dD."""
    generator = np.random.default_rng(seed)
    P, kappa = generator.standard_normal((modes, 3, points)), generator.standard_normal((modes, points))
    v, s = generator.uniform(-1, 1, (axes, modes)), generator.choice([-1.0, 1.0], modes)
    D, *dD = generator.standard_normal((1 + axes, 1 + axes, 3, points))
    return P, kappa, v, s, D, np.array(dD)


def numbers(shape, seed=0):
    """Random complex numbers."""
    return np.random.default_rng(seed).standard_normal((*shape, 2)).view(complex)[..., 0]


def rotation(P, v, D):
    """(D_0 - sum_i v_ai D_i) x P_a, written with the antisymmetric tensor."""
    W = D[0] - np.einsum("ia,icz->acz", v, D[1:])
    return np.einsum("ijk,ajz,akz->aiz", EPSILON, W, P)


@axes
@sizes
def test_moments(form, modes, points, axes):
    P, _, v, s, D, _ = fields(modes, points, axes)
    form.moments(P, v, s, D)
    expected = [np.einsum("a,acz->cz", weight, P) for weight in (s, *(s * v))]
    np.testing.assert_allclose(D, expected, rtol=0, atol=1e-14)  # sums of a few numbers of size 1


@axes
@sizes
def test_rotation(form, modes, points, axes):
    P, _, v, _, D, _ = fields(modes, points, axes)
    dP = P.copy()
    form.rotate(dP, v, D)
    np.testing.assert_allclose(dP, rotation(P, v, D), rtol=0, atol=2e-14)  # products of numbers up to 10
    # The length of P is kept: what is left of P . dP are the roundings of the sum's terms.
    left = np.abs(np.sum(P * dP, axis=1))
    assert np.all(left <= 1e-15 * np.sum(np.abs(P), axis=1) * np.abs(D).sum(axis=(0, 1)) * np.abs(P).sum(axis=1))


@axes
@sizes
def test_moments_and_rotation_in_one_pass(form, modes, points, axes):
    P, _, v, s, D, _ = fields(modes, points, axes)
    dP, found = P.copy(), np.empty_like(D)
    form.precess(dP, v, s, found)
    form.moments(P, v, s, D)
    np.testing.assert_array_equal(found, D)
    np.testing.assert_allclose(dP, rotation(P, v, D), rtol=0, atol=5e-14)  # sums of products of numbers up to 10


@pytest.mark.parametrize("Q", [1, 2, 7, 8])
@sizes
def test_push_is_rotation_and_matrix_valued_force(form, modes, points, Q):
    generator = np.random.default_rng(2)
    f = generator.standard_normal((modes, 4, Q, points))
    M, dM = generator.standard_normal((2, 2, 4, points))
    v, s, y = generator.uniform(-1, 1, modes), generator.choice([-1.0, 1.0], modes), generator.uniform(0, 5, Q // 2 + 1)
    pushed = f.copy()
    form.push(pushed, v, s, y, M, dM)

    a, pauli = v[:, None, None], np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    Omega, dOmega = ((m[0] - a * m[1]) * np.array([1.5, 0.5, 0.5, 0.5])[:, None] for m in (M, dM))
    Omega, A = (np.einsum("acz,cij->azij", w, pauli) for w in (Omega, (s[:, None] * v[:, None])[..., None] * dOmega))
    pairs = (Q - 1) // 2
    waves = [(f[:, :, 0], 0.0)] + [(f[:, :, 2 * j - 1] + 1j * f[:, :, 2 * j], y[j]) for j in range(1, pairs + 1)]
    waves += [(f[:, :, -1], 0.0)] if Q % 2 == 0 else []  # the highest wave feels no force
    found = [pushed[:, :, 0]] + [pushed[:, :, 2 * j - 1] + 1j * pushed[:, :, 2 * j] for j in range(1, pairs + 1)]
    found += [pushed[:, :, -1]] if Q % 2 == 0 else []
    for (wave, yj), change in zip(waves, found):
        rho = np.einsum("acz,cij->azij", wave, pauli) / 2
        expected = 0.5j * yj * (A @ rho + rho @ A) + 1j * (rho @ Omega - Omega @ rho)
        coefficients = np.einsum("azij,cji->acz", expected, pauli)
        np.testing.assert_allclose(change, coefficients, rtol=0, atol=2e-13)  # products of numbers up to 50


@axes
@sizes
def test_rotation_with_work_by_the_weak_force(form, modes, points, axes):
    P, kappa, v, s, D, dD = fields(modes, points, axes)
    dP = P.copy()
    form.rotate_and_drive(dP, kappa, v, s, D, dD)
    np.testing.assert_allclose(dP, rotation(P, v, D), rtol=0, atol=2e-14)
    slope = np.einsum("ia,icz->acz", v, dD[:, 0]) - np.einsum("ia,ja,ijcz->acz", v, v, dD[:, 1:])
    force = np.einsum("acz,acz->az", slope, P)
    np.testing.assert_allclose(kappa, -0.5 * s[:, None] * force, rtol=0, atol=2e-14)


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
def test_winding_and_unwinding(form, rows):
    amplitude, group = numbers((rows, 33)), np.arange(rows) % 2
    phase = np.exp(1j * numbers((2, 33)).real)
    by_row, by_column = np.linspace(0.5, 2, rows), np.linspace(1, 3, 33)
    u, back = np.empty_like(amplitude), np.empty_like(amplitude)
    form.wind(amplitude, phase, group, by_row, by_column, u)
    expected = amplitude * phase[group] * by_row[:, None] * by_column
    np.testing.assert_allclose(u, expected, rtol=0, atol=1e-14)  # three products of numbers up to 10
    form.unwind(u, phase, group, 1 / by_row, 1 / by_column, back)
    np.testing.assert_allclose(back, amplitude, rtol=0, atol=1e-14)


@pytest.mark.skipif(not kernels.COMPILED, reason="numba is not installed")
@pytest.mark.parametrize("conjugate", [False, True])
@pytest.mark.parametrize("size", [0, 1, 2, 7, 64])
def test_products_of_complex_rows(conjugate, size):
    x, y = numbers((2, size))
    out = np.empty_like(x)
    (kernels._multiply_conjugate if conjugate else kernels._multiply)(x, y, out)
    # Numbers up to 10, products up to 100
    np.testing.assert_allclose(out, (x.conj() if conjugate else x) * y, rtol=0, atol=2e-14)


@pytest.mark.skipif(not kernels.COMPILED, reason="numba is not installed")
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
def test_kernels_are_compiled_by_one_rank_before_the_others(comm, monkeypatch):
    if not kernels.COMPILED:
        pytest.skip("numba is not installed")
    times = []
    monkeypatch.setattr(kernels, "_touch", lambda: times.append(time.monotonic()))
    kernels.warm_up(comm, lambda: times.append(time.monotonic()))
    assert len(times) == 2
    spans = comm.allgather(times)
    for later in spans[1:]:
        assert later[0] >= spans[0][1]  # one node, one clock


def test_a_run_warms_all_its_kernels_in_one_go(monkeypatch):
    if not kernels.COMPILED:
        pytest.skip("numba is not installed")
    import nuflux_mpi

    seen = []
    monkeypatch.setattr(kernels, "_touch", lambda: seen.append("all levels"))
    monkeypatch.setattr(Standard, "own_kernels", (lambda: seen.append("level"),))
    monkeypatch.setitem(integrator.KERNELS, "adams", (lambda: seen.append("method"),))
    with nuflux_mpi.Simulation("two_beam", overrides=["equations.level=standard", "time.method=adams"]):
        assert seen == ["all levels", "level", "method"]
    assert Full.own_kernels == (full.touch,)


RUN = """
import sys
import numpy as np
import nuflux_mpi
from nuflux_mpi.kernels import kernels

assert not kernels.COMPILED
case = nuflux_mpi.simulate("two_beam", overrides=["box.points=256", "time.end=6", "output.spectrum_every=0"])
np.save(sys.argv[1], case.fields["P"][-1])
"""


def test_a_run_without_numba_gives_the_same_fields(tmp_path):
    if not kernels.COMPILED:
        pytest.skip("numba is not installed")
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


@pytest.mark.skipif(not kernels.COMPILED, reason="nothing is compiled without numba")
def test_kernels_from_the_cache_give_the_bits_of_those_just_compiled(tmp_path):
    """A function that others call may be compiled twice, with roundings of its own: which copy runs must not change."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, again = (
        subprocess.run([sys.executable, "-c", PHASES], env=environment, check=True, capture_output=True).stdout
        for _ in range(2)
    )
    assert first == again and any(tmp_path.rglob("*.nbc"))

"""The exact rotation that is common to all modes, and the local flow with constant vectors: both forms, order, other arithmetic."""

import numpy as np
import pytest
import scipy.linalg

from nuflux_mpi import kernels
from nuflux_mpi.flavor import algebra
from nuflux_mpi.kernels import expansion, reference

flavors = pytest.mark.parametrize("flavors", [2, 3])


@pytest.fixture(params=["numba", "numpy"])
def form(request):
    if request.param == "numba" and not kernels.COMPILED:
        pytest.skip("numba is not in use")
    return kernels if request.param == "numba" else reference


def hamiltonians(one, count):
    """W (C, count) of lengths from 1e-6 to 10; each third of them has eigenvalues that are equal, or nearly; one is zero."""
    random, F = np.random.default_rng(1), one.flavors
    W = random.normal(size=(one.components, count)) * 10.0 ** random.uniform(-6, 0.5, count)
    close = [np.array([1.0, 1.0, -2.0]), np.array([1.0, -2.0, 1.0 + 1e-9]), np.array([-1.0, -1.0 + 1e-5, 2.0])]
    for i, z in enumerate(range(0, count, 3)):
        U = np.linalg.qr(random.normal(size=(F, F)) + 1j * random.normal(size=(F, F)))[0]
        W[:, z] = one.coefficients((U * close[i % 3][:F]) @ U.conj().T)[1]
    W[:, 1] = 0.0
    return W


@flavors
def test_a_common_rotation_is_the_exponential_of_matrices(form, flavors):
    one = algebra(flavors)
    W = hamiltonians(one, 301)  # more than two blocks, and no multiple of four
    P = np.random.default_rng(2).normal(size=(3, one.components, 301))
    turned = P.copy()
    form.turn_together(turned, W, 0.7)
    for z in range(W.shape[1]):
        V = scipy.linalg.expm(-0.7j * one.matrix(0.0, W[:, z]))
        expected = one.coefficients(np.einsum("ab,kbc,dc->kad", V, one.matrix(0.0, P[..., z], axis=1), V.conj()), axis=1)[1]
        # Rounding of the angle, which is up to 30, and of a few products.
        np.testing.assert_allclose(turned[..., z], expected, rtol=0, atol=2e-15 * (5 + np.linalg.norm(W[:, z])))
    # Unitary to rounding, whatever the angle.
    np.testing.assert_allclose(np.sum(turned**2, axis=1), np.sum(P**2, axis=1), rtol=1e-14)


@pytest.mark.skipif(not kernels.COMPILED, reason="numba is not in use")
@flavors
def test_the_matrices_themselves_are_unitary(flavors):
    from nuflux_mpi.kernels import joint_flow

    one, count = algebra(flavors), 128
    W, U = hamiltonians(one, count), np.empty((joint_flow.unitary_rows(one.components), count))
    joint_flow._exponentials(W, 1.0, joint_flow._symmetric_structure(one.components), 0, count, U)
    if flavors == 2:
        V = U[0] * np.eye(2)[..., None] - 1j * np.einsum("cz,cab->abz", U[1:], one.generators)
    else:
        unit, vector = U[0] + 1j * U[9], U[1:9] + 1j * U[10:]
        V = unit * np.eye(3)[..., None] + 0.5 * np.einsum("cz,cab->abz", vector, one.generators)
    np.testing.assert_allclose(np.einsum("abz,cbz->acz", V, V.conj()), np.eye(flavors)[..., None] + 0 * V, atol=3e-15)


def gas(components, m, vacuum, points=21):
    """P, v with the component of the vacuum, s, A, B."""
    random, modes = np.random.default_rng(m), 5
    P, v = random.normal(size=(modes, components, points)) / 2, random.uniform(-0.6, 0.6, (m + vacuum, modes))
    A, B = 0.5 * random.normal(size=(1 + m, components, points)), random.normal(size=components)
    A[1:] = np.array([0.3, -0.2, 0.4])[:m, None, None] * A[0]
    return P, v, random.choice([-1.0, 1.0], modes), A, B


@flavors
@pytest.mark.parametrize("m, vacuum", [(1, 0), (1, 1), (2, 1), (3, 0)])
def test_the_joint_flow_is_of_order_six(form, flavors, m, vacuum):
    """Against small steps of the classical Runge-Kutta method, in the frame of the laboratory."""
    P, v, s, A, B = gas(flavors**2 - 1, m, vacuum)

    def rate(P):
        D = A + np.tensordot(np.concatenate((s[None], s * v[:m])), P, 1)
        W = D[0] - np.einsum("ia,icz->acz", v[:m], D[1:])
        return algebra(flavors).cross(W - v[m][:, None, None] * B[:, None] if vacuum else W, P, axis=1)

    errors = []
    for h in (0.16, 0.08):
        y, dt = P.copy(), h / 60  # an error of (3e-3)^4 times rates of some units
        for _ in range(60):
            k1 = rate(y)
            k2 = rate(y + dt / 2 * k1)
            k3 = rate(y + dt / 2 * k2)
            y = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + rate(y + dt * k3))
        turned = P.copy()
        form.joint_turn(turned, v, s, h, A, B)
        form.turn_together(turned, A[0], h)
        errors.append(np.abs(turned - y).max())
        back = turned.copy()  # the way back is of the same order: it ends where it began
        form.joint_turn(back, v, s, -h, A, B)
        form.turn_together(back, A[0], -h)
        assert np.abs(back - P).max() < 3 * errors[-1]
    assert errors[1] < 1e-5 and errors[0] / errors[1] > 2**6  # one step: 2^7, less what the next order adds


@pytest.mark.skipif(not kernels.COMPILED, reason="numba is not in use")
@flavors
@pytest.mark.parametrize("m, vacuum, axes", [(1, 1, 1), (3, 0, 1)])
def test_both_forms_agree(flavors, m, vacuum, axes):
    C, points = flavors**2 - 1, 150 if m == 1 else 37  # do not fill the last block
    P, v, s, A, B = gas(C, m, vacuum, points)
    dV, along = np.random.default_rng(5).normal(size=(axes, len(expansion.TIMES), 1 + m, C, points)), v[:axes].copy()
    results = []
    for form in (kernels, reference):
        Q, R, kappa, S = P.copy(), P.copy(), np.ones((len(s), points)), np.empty((expansion.TERMS, 1 + len(v), C, points))
        form.joint_turn(Q, v, s, 0.15, A, B)
        form.joint_series(P, v, s, 0.15, A, B, S)
        form.joint_drive(R, kappa, v, along, s, S, dV)
        np.testing.assert_allclose(R, Q, rtol=0, atol=1e-14)
        results.append((Q, R, kappa, S))
    for compiled, expected in zip(*results):
        np.testing.assert_allclose(compiled, expected, rtol=0, atol=1e-13)  # numbers of some units

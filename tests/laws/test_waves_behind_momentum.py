"""Level momentum against waves in flavor space: N = V Lambda V^+ with the unitary V(z, t) as the unknown, integrated here by itself.

With i (d_t + v d_z) V = Omega V and B = V^+ d_z V less its advected start,

    first moment   int q f dq        = -i s v/2 V {B, Lambda} V^+
    second moment  int q^2 Tr f dq   = its start - v^2 Tr(Lambda B^2)

as follows from (d_t + v d_z) B = -i V^+ (d_z Omega) V and the first two moments of the equation of f.
"""

import h5py
import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.flavor.algebra import algebra

LENGTH, N, END = 16.0, 64, 2.0
V_Z, SIGN, ENERGY = np.array([1.0, -0.5, 0.7]), np.array([1.0, 1.0, -1.0]), np.array([1.0, 2.0, 1.0])
CONTENT = np.array([[0.5, 0.1, 0.15], [0.1, 0.5, 0.2], [0.3, 0.1, 0.2]])
THETA, OMEGA, DELTA = (0.58, 0.15, 0.85), (0.05, 0.4), 1.2
Z = LENGTH / N * np.arange(N)
PROFILE, U = 0.5 + 0.4 * np.cos(2 * np.pi * Z / LENGTH), 0.3
C_VAC, C_MAT, C_NU = 0.8, 0.9, 1.1


def derivative(field):
    """d_z along the last axis of complex fields."""
    k = 2 * np.pi * np.fft.fftfreq(N, LENGTH / N)
    return np.fft.ifft(1j * k * np.fft.fft(field))


def mass_matrix():
    (c12, c13, c23), (s12, s13, s23) = np.cos(THETA), np.sin(THETA)
    phase = np.exp(-1j * DELTA)
    R12 = np.array([[c12, s12, 0], [-s12, c12, 0], [0, 0, 1]])
    R13 = np.array([[c13, 0, s13 * phase], [0, 1, 0], [-s13 / phase, 0, c13]])
    R23 = np.array([[1, 0, 0], [0, c23, s23], [0, -s23, c23]])
    U_mix = R23 @ R13 @ R12
    return C_VAC * U_mix @ np.diag([0.0, *OMEGA]) @ U_mix.conj().T


def matrices(V):
    return np.einsum("mabz,mb,mcbz->macz", V, CONTENT, V.conj())


def hamiltonians(V):
    """Omega of each mode, with its traces, (modes, 3, 3, N)."""
    dressed = matrices(V)
    dressed = dressed + np.einsum("maaz->mz", dressed)[:, None, None] * np.eye(3)[:, :, None]
    D0, D1 = (C_NU * np.einsum("m,mabz->abz", SIGN * weight, dressed) for weight in (1.0, V_Z))
    Omega = D0 - V_Z[:, None, None, None] * D1
    Omega += (SIGN / ENERGY)[:, None, None, None] * mass_matrix()[:, :, None]
    Omega[:, 0, 0] += C_MAT * PROFILE * (1 - V_Z[:, None] * U)
    return Omega


def rate(V):
    return -1j * np.einsum("mabz,mbcz->macz", hamiltonians(V), V) - V_Z[:, None, None, None] * derivative(V)


def start():
    """Unitary matrices with two waves in each generator."""
    one, k = algebra(3), 2 * np.pi / LENGTH
    angles = np.arange(24).reshape(3, 8, 1)
    X = 0.12 * (np.cos(k * Z + angles) + 0.5 * np.cos(2 * k * Z + 1.7 * angles))
    return np.moveaxis(one.unitary(X, axis=1), 2, 0)


@pytest.fixture(scope="module")
def waves():
    """V at the start and at the end, by the classical method of fourth order in steps of 0.01."""
    first = V = start()
    steps = 200
    h = END / steps
    for _ in range(steps):
        k1 = rate(V)
        k2 = rate(V + h / 2 * k1)
        k3 = rate(V + h / 2 * k2)
        V = V + h / 6 * (k1 + 2 * k2 + 2 * k3 + rate(V + h * k3))
    return first, V


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waves")
    with h5py.File(folder / "start.h5", "w") as file:
        file["P"] = algebra(3).coefficients(matrices(start()), axis=1)[1]
    with h5py.File(folder / "matter.h5", "w") as file:
        file["lambda"] = PROFILE
    case = {
        "flavor": {"number": 3},
        "box": {"length": LENGTH, "points": N},
        "modes": {
            "velocity": V_Z.tolist(),
            "sign": [1, 1, -1],
            "energy": ENERGY.tolist(),
            "density": CONTENT.sum(axis=1).tolist(),
        },
        "initial": {"kind": "file", "path": str(folder / "start.h5")},
        "equations": {"level": "momentum"},
        "momentum": {"points": 72, "half_width": 9.0, "sigma": 0.8},
        "vacuum": {"omega": list(OMEGA), "theta": list(THETA), "delta": DELTA},
        "matter": {"kind": "file", "path": str(folder / "matter.h5"), "velocity": U},
        "attenuation": {"vacuum": C_VAC, "matter": C_MAT, "self": C_NU},
        "time": {"end": END, "rtol": 1e-11},
        "output": {"series_every": END, "fields_every": END, "phase_space_every": END},
    }
    return nuflux_mpi.simulate(case)


def test_moments_of_f_are_those_of_the_waves(waves, found):
    (first, V), one = waves, algebra(3)
    q = found.series["q"]
    dq, f = q[1] - q[0], found.phase_space["f"][-1]
    N0, N1, N2 = (np.tensordot(q**m * dq, f, axes=(0, 2)) for m in range(3))

    A0, A = (np.einsum("mbaz,mbcz->macz", W.conj(), derivative(W)) for W in (first, V))
    k = 2 * np.pi * np.fft.fftfreq(N, LENGTH / N)
    carried = np.fft.ifft(np.fft.fft(A0) * np.exp(-1j * k * END * V_Z[:, None, None, None]))
    B, Lambda = A - carried, CONTENT[:, :, None, None] * np.eye(3)[:, :, None]
    product = np.einsum("mabz,mbcz->macz", B, Lambda + 0 * B)
    inner = -0.5j * (SIGN * V_Z)[:, None, None, None] * (product - np.conj(np.swapaxes(product, 1, 2)))  # B is anti-Hermitian
    Q = np.einsum("mabz,mbcz,mdcz->madz", V, inner, V.conj())
    second = -((V_Z**2)[:, None]) * np.einsum("mabz,mbaz->mz", product, B).real

    assert np.abs(Q).max() > 0.05 and second.max() > 0.02
    # The errors of the fourth-order method, h^4 times rates of order 3^5, and of f at the highest y, exp(-(8 pi x .8)^2/2).
    n, P = one.coefficients(matrices(V), axis=1)
    np.testing.assert_allclose(N0[:, 0], n, rtol=0, atol=1e-8)
    np.testing.assert_allclose(N0[:, 1:], P, rtol=0, atol=1e-8)
    n, P = one.coefficients(Q, axis=1)
    np.testing.assert_allclose(N1[:, 0], n, rtol=0, atol=1e-8)
    np.testing.assert_allclose(N1[:, 1:], P, rtol=0, atol=1e-8)
    before = np.tensordot(q**2 * dq, found.phase_space["f"][0], axes=(0, 2))[:, 0]
    np.testing.assert_allclose(N2[:, 0] - before, second, rtol=0, atol=1e-8)


def test_kinetic_energy_is_the_phase_of_the_waves(waves, found):
    """kappa = s v sum_j Lambda_j Im (V_j^+ d_z V_j), less its advected start."""
    first, V = waves
    gained = []
    for W in (first, V):
        phase = np.einsum("mabz,mabz->mbz", W.conj(), derivative(W)).imag
        gained.append((SIGN * V_Z)[:, None] * np.einsum("mb,mbz->mz", CONTENT, phase))
    K = (gained[1] - gained[0]).sum(axis=1) * LENGTH / N
    assert np.abs(K).max() > 0.1
    np.testing.assert_allclose(found.series["K"][-1], K, rtol=0, atol=1e-8)

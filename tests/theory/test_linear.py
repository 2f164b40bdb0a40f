"""Linear theory against printed numbers: the paper's two beams and published growth rates of angular distributions.

The angular tables are those of fowdr/COSEnu (Morinaga's distribution, PRD 99, 063005), recomputed by several codes.
"""

import time

import numpy as np
import pytest

from nuflux_mpi.physics.angular import g, quadrature
from nuflux_mpi.theory import dispersion, growth_curve, linear

BEAMS = np.array([1.0, -1.0]), np.array([1.0, 1.0])  # v, s


def angular(number, G, rule="gauss-legendre"):
    """(v, s, Pz) of a lepton-number distribution G(v)."""
    v, weight = quadrature(rule, number)
    lepton = weight * G(v)
    return v, np.sign(lepton), abs(lepton)


def peaked(alpha):
    return lambda v: g(v, 0.6) - alpha * g(v, 0.53)


# ---- two beams ------------------------------------------------------------------------------------------------------


def test_printed_band_and_maximum_of_the_two_beams():
    assert linear.two_beam_edges(0.5, -0.5) == (-2, 0)
    assert linear.two_beam_growth(-1.0, 0.5, -0.5) == 1
    # Six and seven digits are printed.
    np.testing.assert_allclose(linear.two_beam_edges(0.7, -0.2), (-1.648331, -0.151669), atol=5e-7)
    assert linear.two_beam_growth(-0.9, 0.7, -0.2) == pytest.approx(0.7483315, abs=5e-8)
    k, omega = linear.fastest(np.linspace(-3, 1, 33), *BEAMS, np.array([0.7, -0.2]))
    assert k == pytest.approx(-0.9, abs=1e-6)  # a maximum is only found to the square root of round-off
    assert omega == pytest.approx(-0.5 + 0.7483315j, abs=5e-8)


@pytest.mark.parametrize("zeta", [(0.5, -0.5), (0.7, -0.2), (-0.3, 0.6), (0.5, 0.2)])
def test_eigenvalues_are_the_closed_form_at_every_k(zeta):
    k = np.linspace(-4, 4, 161) + 0.003  # off the band edges, where the root amplifies round-off
    omega = linear.spectrum(k, *BEAMS, np.array(zeta))
    assert omega.shape == (161, 2)
    np.testing.assert_allclose(omega[:, 0].imag, linear.two_beam_growth(k, *zeta), atol=1e-13)
    growing = omega[:, 0].imag > 0
    assert growing.any() == (zeta[0] * zeta[1] < 0)
    np.testing.assert_allclose(omega[growing].real, -sum(zeta), atol=1e-13)


def test_the_sign_of_k_matters():
    assert linear.growth_rate(-1.0, *BEAMS, np.array([0.5, -0.5])) == pytest.approx(1, abs=1e-14)
    assert linear.growth_rate(1.0, *BEAMS, np.array([0.5, -0.5])) == 0


@pytest.mark.parametrize("k", [-1.4, -0.9, -0.3])
def test_eigenvector_is_the_one_of_eq_10(k):
    zeta = 0.7, -0.2
    omega, psi = linear.eigenvector(k, *BEAMS, np.array(zeta))
    gamma, omega_0 = linear.two_beam_growth(k, *zeta), -sum(zeta)
    assert omega == pytest.approx(omega_0 + 1j * gamma, abs=1e-13)
    # Parallel: round-off only.
    assert psi[0] * (k - omega_0 - 1j * gamma) == pytest.approx(psi[1] * (k + omega_0 + 1j * gamma), abs=1e-13)
    assert np.linalg.norm(psi) == pytest.approx(1, abs=1e-14)


def eq_9_solution(k, psi, zeta, t):
    """Both beams at time t from the matrix exponential of Eq. 9, whose right-hand side is typed from the paper."""
    zp, zm = zeta
    M = np.array([[2j * zm - 1j * k, -2j * zp], [-2j * zm, 2j * zp + 1j * k]])
    rates, waves = np.linalg.eig(M)
    return waves @ (np.exp(rates * t) * np.linalg.solve(waves, psi))


@pytest.mark.parametrize("k", [-1.4, -0.3])
def test_growing_amplitude_of_eq_11_is_what_eq_9_evolves_into(k):
    zeta, psi, t = (0.7, -0.2), np.array([0.3 - 0.1j, 0.2j]), 40.0
    gamma, omega_0 = linear.two_beam_growth(k, *zeta), -sum(zeta)
    wave = np.array([k + omega_0 + 1j * gamma, k - omega_0 - 1j * gamma]) * np.exp((gamma - 1j * omega_0) * t)
    alpha = linear.growing_amplitude(k, *psi, *zeta)
    # The decaying wave is exp(-2 gamma t) < 1e-12 of the growing one for both k.
    np.testing.assert_allclose(alpha * wave, eq_9_solution(k, psi, zeta, t), rtol=1e-11)


def test_stable_waves_have_no_growing_amplitude():
    k = np.array([-3.0, -2.0, 0.0, 1.0])
    np.testing.assert_array_equal(linear.growing_amplitude(k, np.ones(4), 1j * np.ones(4), 0.5, -0.5), 0)


def test_transverse_change_of_U_is_the_product_of_the_two_beams():
    """Eq. 12 against int (psi_+ psi_-^* + c.c.)/2 of the growing waves of Eq. 10 themselves."""
    zeta, length, t = (0.7, -0.2), 50.0, np.array([0.0, 1.0, 3.0])
    k = np.array([-1.2, -0.5, 0.4])  # the last is stable and must not count
    alpha = np.array([0.2 + 0.1j, -0.2j, 5.0])
    gamma, omega_0 = linear.two_beam_growth(k, *zeta), -sum(zeta)
    plus, minus = k + omega_0 + 1j * gamma, k - omega_0 - 1j * gamma
    product = (abs(alpha) ** 2 * (plus * minus.conj()).real)[:2] @ np.exp(2 * np.outer(gamma[:2], t))
    np.testing.assert_allclose(linear.delta_U_transverse(t, k, alpha, *zeta, length), length * product, rtol=1e-13)
    assert linear.delta_U_transverse(2.0, [-0.9], [1.0], *zeta, length) == pytest.approx(0, abs=1e-12)  # k = k_bar


def test_rate_of_the_whole_change_of_U_is_eq_7():
    """d/dt of the corrected form against -2 int P_- . d_z P_+ of the waves of Eq. 10; the longitudinal part there is of
    higher order."""
    zeta, length, k, alpha, t = (0.7, -0.2), 50.0, np.array([-1.2, -0.9]), np.array([0.2 + 0.1j, -0.3j]), 1.3
    gamma, omega_0 = linear.two_beam_growth(k, *zeta), -sum(zeta)
    plus, minus = k + omega_0 + 1j * gamma, k - omega_0 - 1j * gamma
    by_eq_7 = -2 * length * np.sum(abs(alpha) ** 2 * np.exp(2 * gamma * t) * (minus.conj() * 1j * k * plus).real)
    h = 1e-4  # central difference: error h^2 (2 gamma)^2 / 6 < 4e-9 relative
    before, after = linear.delta_U_whole(np.array([t - h, t + h]), k, alpha, *zeta, length)
    assert (after - before) / (2 * h) == pytest.approx(by_eq_7, rel=1e-8)
    assert linear.delta_U_whole(t, k[1:], alpha[1:], *zeta, length) > 0  # k = k_bar, where Eq. 12 vanishes


# ---- angular distributions; their published dispersion relations: test_published.py ---------------------------------


@pytest.mark.parametrize("G", [peaked(0.88), lambda v: 1.2 - v, lambda v: v - 1.1])
def test_nothing_grows_without_a_crossing(G):
    rates = linear.growth_rate(np.linspace(-2, 2, 41), *angular(48, G))
    assert rates.max() < 1e-7  # round-off of nearly equal eigenvalues, its square root at worst; growth would be 1e-2


def test_antineutrinos_may_be_written_either_way():
    """Lepton number -n as s = -1, P^z = +n or as s = +1, P^z = -n: psi_a only changes its sign."""
    v, s, Pz = angular(12, peaked(0.93))
    k = np.linspace(-0.3, 0.3, 7)
    np.testing.assert_allclose(linear.growth_rate(k, v, s, Pz), linear.growth_rate(k, v, s**2, s * Pz), atol=1e-10)


def test_eigenvector_solves_the_eigenvalue_problem():
    modes = angular(24, peaked(0.97))
    omega, psi = linear.eigenvector(0.11, *modes)
    assert omega.imag == pytest.approx(linear.growth_rate(0.11, *modes), abs=1e-12)
    np.testing.assert_allclose(linear.matrix(0.11, *modes) @ psi, omega * psi, atol=1e-13)  # round-off of 24 terms
    largest = psi[np.argmax(abs(psi))]
    assert largest.imag == pytest.approx(0, abs=1e-14) and largest.real > 0


def test_batches_have_the_shape_of_k():
    modes = angular(5, peaked(0.9))
    k = np.linspace(-1, 1, 6).reshape(2, 3)
    M, omega = linear.matrix(k, *modes), linear.spectrum(k, *modes)
    assert M.shape == (2, 3, 5, 5) and omega.shape == (2, 3, 5)
    np.testing.assert_array_equal(M[1, 2], linear.matrix(k[1, 2], *modes))
    # The trace is the sum of the eigenvalues, whatever their order.
    np.testing.assert_allclose(omega.sum(-1), np.trace(M, axis1=-2, axis2=-1), atol=1e-13)
    assert (np.diff(omega.imag, axis=-1) <= 0).all()


def test_mode_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one value per mode"):
        linear.matrix(0.0, [1.0, -1.0], [1.0, 1.0], [0.5])


def test_a_scan_of_200_wavenumbers_and_64_directions_is_quick():
    modes = angular(64, peaked(0.9))
    start = time.process_time()  # of this process alone: other load on the machine does not count
    linear.growth_rate(np.linspace(-1, 1, 200), *modes)
    assert time.process_time() - start < 2  # 0.3 s on one core of 2020


# ---- growing waves, all of them -------------------------------------------------------------------------------------


def test_eigenmodes_are_sorted_and_normalized():
    modes = angular(16, peaked(0.97))
    omega, psi = linear.eigenmodes(0.11, *modes)
    np.testing.assert_allclose(omega, linear.spectrum(0.11, *modes), atol=1e-13)  # two of LAPACK's ways
    np.testing.assert_allclose(psi @ linear.matrix(0.11, *modes).T, omega[:, None] * psi, atol=1e-13)  # round-off of 16 terms
    np.testing.assert_allclose(np.linalg.norm(psi, axis=1), 1, rtol=1e-14)
    growing, waves = linear.growing(0.11, *modes)
    assert growing.size == 1 and growing[0] == omega[0]
    np.testing.assert_array_equal(waves[0], psi[0])


def test_phase_of_equal_entries_is_that_of_the_first():
    """Two beams at k_bar: both entries are equal in size, and round-off must not choose between them."""
    _, psi = linear.eigenvector(-1.0, *BEAMS, np.array([0.5, -0.5]))
    assert psi[0] == pytest.approx(np.sqrt(0.5), abs=1e-14)


def test_dispersion_relation_finds_every_growing_eigenvalue():
    """Random directions with lepton numbers of alternating sign, so that several roots grow, against the matrix."""
    generator = np.random.default_rng(2)
    found = 0
    for number in (2, 3, 4, 6, 8, 12, 30):
        v, Pz = np.sort(generator.uniform(-1, 1, number)), generator.uniform(0.2, 1, number) / number
        s, k = (-1.0) ** np.arange(number), generator.uniform(-0.5, 0.5)
        dense = linear.spectrum(k, v, s, Pz)
        dense = dense[dense.imag > linear.SLOWEST * np.abs(Pz).sum()]
        omega, psi = linear.growing(k, v, s, Pz, method="secular")
        assert omega.shape == dense.shape
        np.testing.assert_allclose(omega, dense, rtol=0, atol=1e-10)
        # Eigenvectors of unit norm: round-off over the distance of the roots.
        np.testing.assert_allclose(psi @ linear.matrix(k, v, s, Pz).T, omega[:, None] * psi, atol=1e-10)
        found += omega.size
    assert found >= 7


@pytest.mark.parametrize("k", [-0.02, 0.1284, 0.18])
def test_dispersion_relation_of_64_directions(k):
    modes = angular(64, peaked(0.90))
    dense, secular = linear.growing(k, *modes, method="dense")[0], linear.growing(k, *modes, method="secular")[0]
    np.testing.assert_allclose(secular, dense, rtol=0, atol=1e-10)
    assert dense.size == 1


def test_no_root_is_found_where_nothing_grows():
    assert linear.growing(0.3, *angular(12, lambda v: 1.2 - v), method="secular")[0].size == 0
    assert dispersion.growing_roots(np.zeros(2), np.ones(2), np.zeros(2), 1e-3).size == 0  # no polarization at all


def test_the_determinant_has_its_derivative():
    generator = np.random.default_rng(1)
    d, v, g_a = generator.uniform(-1, 1, (3, 7))
    omega, h = np.array([0.3 + 0.5j, -1.1 + 0.4j]), 1e-4
    before, after = (dispersion.determinant(omega + step, d, v, g_a)[0] for step in (-h, h))
    # Central difference: h^2 / 6 times a third derivative of 6 |g| / 0.4^4, some 1e-6.
    np.testing.assert_allclose((after - before) / (2 * h), dispersion.determinant(omega, d, v, g_a)[1], atol=2e-6)


def test_very_many_modes_take_the_dispersion_relation(monkeypatch):
    modes = angular(40, peaked(0.97))
    dense = linear.growth_rate(0.11, *modes)
    monkeypatch.setattr(linear, "DENSE_LIMIT", 20)
    monkeypatch.setattr(np.linalg, "eig", None)
    monkeypatch.setattr(np.linalg, "eigvals", None)
    np.testing.assert_allclose(linear.growth_rate([0.11, 3.0], *modes), [dense, 0], atol=1e-10)
    np.testing.assert_allclose(linear.growing(0.11, *modes)[0].imag, [dense], atol=1e-10)


# ---- waves of the grid ----------------------------------------------------------------------------------------------


def compared_with_the_continuum(number, alpha, k):
    """(line width, distance of the nearest root of 200 directions over gamma) of each growing wave of a coarse grid."""
    coarse, fine, spacing = angular(number, peaked(alpha)), angular(200, peaked(alpha)), quadrature("gauss-legendre", number)[1]
    found = []
    for q in k:
        true = linear.growing(q, *fine)[0]
        for omega in linear.growing(q, *coarse)[0]:
            distance = np.abs(true - omega).min(initial=np.inf) / omega.imag
            found.append((linear.line_width(omega, q, spacing, *coarse), distance))
    return np.array(found).T


@pytest.mark.parametrize("number, alpha", [(8, 0.97), (12, 0.97), (16, 0.9)])
def test_waves_of_a_coarse_grid_are_told_from_physical_ones(number, alpha):
    width, distance = compared_with_the_continuum(number, alpha, np.arange(-0.04, 0.36, 0.02))
    collective = width >= 1
    # The sum over bins is off by 2 exp(-pi) = 9 % of itself at width 1; a few times that in the root.
    assert collective.sum() >= 5 and distance[collective].max() < 0.3
    # Those named continuum include such as do not exist with 200 directions, or at another rate altogether.
    assert (~collective).sum() >= 2 and distance[~collective].max() > 0.5


def test_a_wave_of_the_grid_goes_away_and_a_physical_one_stays():
    rates = {}
    for number in (12, 200):
        spacing = quadrature("midpoint", number)[1]
        modes = angular(number, peaked(0.97), "midpoint")
        for k in (0.34, 0.11):
            omega = linear.growing(k, *modes)[0]
            widths = [linear.line_width(root, k, spacing, *modes) for root in omega]
            rates[number, k] = omega.imag.max(initial=0.0), all(width >= 1 for width in widths)
    (spurious, collective), (gone, _) = rates[12, 0.34], rates[200, 0.34]
    assert spurious > 1e-3 and not collective and gone == 0
    (coarse, collective), (fine, fine_collective) = rates[12, 0.11], rates[200, 0.11]
    assert collective and fine_collective and coarse == pytest.approx(fine, rel=0.01)


def test_frequency_beyond_all_directions_counts_as_distance():
    v, s, Pz, spacing = np.array([-0.5, 0.5]), np.ones(2), np.array([0.5, -0.5]), np.ones(2)
    k = 1.5  # D_0 = 0, D_1 = -1/2: frequencies v (k - 1/2) = -+1/2, one bin is as wide as 1
    assert linear.line_width(0.1 + 0.3j, k, spacing, v, s, Pz) == pytest.approx(0.6)
    assert linear.line_width(0.9 + 0.3j, k, spacing, v, s, Pz) == pytest.approx(1.0)  # 2 hypot(0.3, 0.4)
    assert linear.line_width(0.9 + 0.3j, 0.5, spacing, v, s, Pz) == np.inf  # all directions have one frequency


# ---- vectors, and what terms add ------------------------------------------------------------------------------------


def test_numbers_stand_for_vectors_of_one_component():
    v, s, Pz = angular(9, peaked(0.93))
    k = np.linspace(-0.3, 0.3, 6).reshape(2, 3)
    for function in (linear.advection, linear.spectrum, linear.growth_rate, linear.matrix, linear.continuum):
        modes = () if function is linear.advection else (s, Pz)
        np.testing.assert_array_equal(function(k, v, *modes), function(k[..., None], v[:, None], *modes))


def test_a_common_shift_moves_all_frequencies():
    """Uniform matter: Re omega is lower by lambda, growth is what it was."""
    modes = angular(24, peaked(0.93))
    there, shifted = linear.spectrum(0.11, *modes), linear.spectrum(0.11, *modes, -0.7)
    # Of the growing and the damped wave; others lie so close together that their order is that of round-off.
    np.testing.assert_allclose(shifted[[0, -1]], there[[0, -1]] - 0.7, atol=1e-12)
    assert there[0].imag > 1e-3


@pytest.mark.parametrize("number", [24, 200])
def test_frequencies_of_each_mode_serve_the_matrix_the_dispersion_relation_and_the_curve(number):
    v, s, Pz = angular(number, peaked(0.9))
    background = linear.Background(v, s, Pz, 0.005 * v**3)
    k = np.linspace(0.1, 0.16, 4)
    dense = [linear.growing(q, *background, method="dense")[0] for q in k]
    secular = [linear.growing(q, *background, method="secular")[0] for q in k]
    for one, other in zip(dense, secular):
        np.testing.assert_allclose(one[one.imag > linear.SLOWEST * background.size], other, atol=1e-10)
    plain = linear.growth_rate(k, *background[:3])
    assert np.abs(plain - [omega[0].imag for omega in dense]).max() > 1e-4  # it does make a difference
    np.testing.assert_allclose(growth_curve.rates_of(*background)(k), [omega[0].imag for omega in dense], atol=1e-10)


def test_a_coupling_is_added_to_the_matrix_and_needs_it(monkeypatch):
    modes, generator = angular(12, peaked(0.93)), np.random.default_rng(6)
    coupling = generator.normal(size=(12, 12)) * 1e-2
    added = linear.matrix(0.1, *modes, 0.0, coupling) - linear.matrix(0.1, *modes)
    np.testing.assert_allclose(added, coupling, atol=1e-16)  # of a difference of numbers below 1
    monkeypatch.setattr(linear, "DENSE_LIMIT", 4)
    omega, psi = linear.growing(0.1, *modes, 0.0, coupling)
    np.testing.assert_allclose(psi @ linear.matrix(0.1, *modes, 0.0, coupling).T, omega[:, None] * psi, atol=1e-12)
    assert not linear.has_dispersion_relation(0.0, coupling)


def test_damping_of_all_modes_slows_growth_by_its_rate():
    """A complex shift -i Gamma, as of a relaxation of the coherence: every wave decays by Gamma more."""
    modes = angular(24, peaked(0.93))
    there = linear.growth_rate(0.11, *modes)
    assert linear.growth_rate(0.11, *modes, -0.004j) == pytest.approx(there - 0.004, abs=1e-12)
    assert linear.growth_rate(0.11, *modes, -2j * there) == pytest.approx(-there, abs=1e-12)  # nothing is cut off at 0
    assert not linear.has_dispersion_relation(-0.004j)


# ---- whole velocities, attenuation, and the numbers of three flavors ------------------------------------------------


def sphere(number, seed=4):
    """Directions on the sphere with a crossing in them: v (modes, 3), s, q."""
    generator = np.random.default_rng(seed)
    v = generator.normal(size=(number, 3))
    v /= np.linalg.norm(v, axis=1)[:, None]
    lepton = (v[:, 2] - 0.4 + 0.6 * v[:, 0]) / number
    return v, np.sign(lepton), np.abs(lepton)


def test_whole_velocities_enter_the_coupling_and_those_of_the_box_the_advection():
    v, s, q = sphere(12)
    in_space = linear.matrix([0.0, 0.0, 0.3], v, s, q)
    np.testing.assert_allclose(linear.matrix([0.3], v[:, 2:], s, q, 0.0, None, v), in_space, atol=1e-15)
    assert np.abs(linear.matrix([0.3], v[:, 2:], s, q) - in_space).max() > 1e-2


def test_attenuation_multiplies_the_whole_self_interaction():
    v, s, q = sphere(12)
    k = np.array([0.1, -0.2, 0.3])
    half = linear.spectrum(k, v, s, q, 0.0, None, None, 0.5)
    np.testing.assert_allclose(half[0], linear.spectrum(2 * k, v, s, q)[0] / 2, atol=1e-13)
    assert linear.Background(v, s, q, strength=0.5).size == pytest.approx(np.sum(q) / 2)


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_dispersion_relation_of_whole_velocities(strength):
    """A determinant of 4 x 4 in place of the matrix: the same roots and vectors, in a box of one or three dimensions."""
    v, s, q = sphere(40)
    shift = 0.02 * s
    for k, along in (([-0.2, -0.02, -0.3], v), ([-0.3], v[:, 2:])):
        background = linear.Background(along, s, q, shift, None, v, strength)
        dense = linear.growing(k, *background, method="dense")[0]
        omega, psi = linear.growing(k, *background, method="secular")
        fast = dense.imag > linear.SLOWEST * background.size
        assert fast.sum() >= 2
        np.testing.assert_allclose(omega, dense[fast], atol=1e-10)
        np.testing.assert_allclose(psi @ linear.matrix(k, *background).T, omega[:, None] * psi, atol=1e-9)


def test_a_double_root_has_two_waves():
    """Directions in a ring around z, k along it: waves turning left and right around z grow alike."""
    phi = 2 * np.pi * np.arange(8) / 8
    ring = [
        np.stack([sine * np.cos(phi), sine * np.sin(phi), np.full(8, cosine)], axis=1)
        for sine, cosine in ((0.6, 0.8), (0.8, -0.6))
    ]
    v, s, q = np.concatenate(ring), np.ones(16), np.repeat([0.1, -0.08], 8)
    background = linear.Background(v, s, q)
    dense = linear.growing([0.0, 0.0, -0.75], *background, method="dense")[0]
    omega, psi = linear.growing([0.0, 0.0, -0.75], *background, method="secular")
    np.testing.assert_allclose(omega, dense, atol=1e-8)
    doubled = np.flatnonzero(np.abs(np.diff(omega)) < 1e-8)
    assert doubled.size
    pair = psi[doubled[0] : doubled[0] + 2]
    assert abs(np.vdot(*pair)) < 0.99
    np.testing.assert_allclose(pair @ linear.matrix([0.0, 0.0, -0.75], *background).T, omega[doubled[0]] * pair, atol=1e-7)


def test_followed_rates_of_whole_velocities_and_energies():
    v, s, q = sphere(150)
    shift = 0.05 * s / np.tile([1.0, 2.0, 4.0], 50)
    background = linear.Background(v[:, 2], s, q, shift, None, v)
    k = np.linspace(-0.6, -0.1, 9)
    exact = linear.growth_rate(k[:, None], *background._replace(v=v[:, 2:]))
    followed = growth_curve.rates_of(*background)(k)
    assert exact.max() > 0.01
    np.testing.assert_allclose(followed, exact, atol=1e-3 * exact.max())


# Eight modes: v, s, 1/p, (n_e, n_mu, n_tau); diagonal of M^2/2p at 1/p = 1; matter .7 moving with .2.
EIGHT = (
    (1.0, 1, 1.0, (0.34, 0.05, 0.07)), (1.0, 1, 0.5, (0.18, 0.04, 0.05)), (1.0, -1, 1.0, (0.15, 0.06, 0.04)),
    (1.0, -1, 0.5, (0.10, 0.04, 0.06)), (-0.7, 1, 1.0, (0.14, 0.05, 0.04)), (-0.7, 1, 0.5, (0.09, 0.05, 0.06)),
    (-0.7, -1, 1.0, (0.27, 0.05, 0.06)), (-0.7, -1, 0.5, (0.17, 0.06, 0.03)),
)  # fmt: skip
MASSES = (-0.00374572, -0.16336579, -0.12288849)
FASTEST = {  # omega of e mu, e tau, mu tau at k = n 2 pi/12; 0 where nothing grows
    -1: (-0.81107483 + 0.47018254j, -0.78044041 + 0.44800859j, 0.39312588 + 0.00698165j),
    0: (-0.75278452 + 0.28225568j, -0.71532302 + 0.20397351j, 0.01920558 + 0.02278003j),
    1: (0, 0, -0.34196818 + 0.01043460j),
}


@pytest.mark.parametrize("n", FASTEST)
def test_three_pairs_of_flavors_with_energies_species_and_moving_matter(n):
    v, s, x, content = (np.array(column) for column in zip(*EIGHT))
    for (first, second), expected in zip(((0, 1), (0, 2), (1, 2)), FASTEST[n]):
        q = content[:, first] - content[:, second]
        shift = -0.7 * (1 - 0.2 * v) * (first == 0) - s * x * (MASSES[first] - MASSES[second])
        omega, _ = linear.growing([n * 2 * np.pi / 12], *linear.Background(v[:, None], s, q, shift))
        if expected:
            assert omega[0] == pytest.approx(expected, abs=2e-8)  # as many digits as are printed
        else:
            assert not len(omega)

"""Vacuum mixing and matter as terms: their matrices and profiles, and what is wrong with them in a config."""

import h5py
import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.box.box import Box
from nuflux_mpi.errors import InputError
from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.physics import levels
from nuflux_mpi.physics.modes import Modes
from nuflux_mpi.physics.terms import matter, vacuum
from nuflux_mpi.run import check

BEAMS = {
    "box": {"length": 8.0, "points": 32, "fftw": "estimate"},
    "modes": {"velocity": [0.8, -0.6], "sign": [1, -1], "density": [1.0, 0.7]},
    "initial": {"zeta": [1.0, 0.7], "n_max": 2},
    "equations": {"level": "energy"},
    "time": {"end": 1.0},
}
PLANE = {
    "box": {"length": [6.0, 8.0], "points": [12, 16], "fftw": "estimate"},
    "modes": BEAMS["modes"] | {"velocity": [[0.0, 0.8], [0.6, -0.6]]},
}


def case(**sections):
    return BEAMS | sections


def refused(**sections):
    with pytest.raises(InputError) as caught:
        config.resolve(case(**sections))
    return str(caught.value)


# ---- vacuum


def test_two_flavors_turn_about_B():
    omega, theta = -0.7, 0.3
    trace, W = algebra(2).coefficients(vacuum.mass_matrix(omega, theta))
    np.testing.assert_allclose(W, omega * np.array([np.sin(2 * theta), 0.0, -np.cos(2 * theta)]), atol=1e-15)
    assert trace == pytest.approx(0.0, abs=1e-15)


def test_three_flavors_mix_as_the_particle_data_group_writes_it():
    t12, t13, t23, delta = 0.58, 0.15, 0.85, 1.2
    U = vacuum.mixing_matrix([t12, t13, t23], delta)
    c12, c13, c23, s12, s13, s23 = (f(t) for f in (np.cos, np.sin) for t in (t12, t13, t23))
    phase = np.exp(1j * delta)
    expected = [
        [c12 * c13, s12 * c13, s13 / phase],
        [-s12 * c23 - c12 * s23 * s13 * phase, c12 * c23 - s12 * s23 * s13 * phase, s23 * c13],
        [s12 * s23 - c12 * c23 * s13 * phase, -c12 * s23 - s12 * c23 * s13 * phase, c23 * c13],
    ]
    np.testing.assert_allclose(U, expected, atol=1e-15)
    M = vacuum.mass_matrix([0.02, -0.4], [t12, t13, t23], delta)
    np.testing.assert_allclose(np.linalg.eigvalsh(M), [-0.4, 0.0, 0.02], atol=1e-15)
    np.testing.assert_allclose(M, M.conj().T, atol=1e-16)


def test_each_mode_has_its_own_frequency():
    modes = Modes(v=np.zeros(3), s=np.array([1.0, -1.0, -1.0]), n=None, weight=np.ones(3), p=np.array([1.0, 2.0, 4.0]))
    term = vacuum.Vacuum(vacuum.Settings(omega=0.6, theta=0.0, at_energy=2.0), modes, 0.5)
    np.testing.assert_allclose(term.mode_potential(0.0)[:, 2], -0.5 * np.array([1.2, -0.6, -0.3]), rtol=1e-15)
    same = vacuum.Vacuum(vacuum.Settings(dm2=2.4, theta=0.0, at_energy=2.0), modes, 0.5)
    np.testing.assert_array_equal(same.vectors, term.vectors)
    w0, W = term.mass()  # M^2/2 = p_a x M^2/(2 p_a)
    np.testing.assert_allclose(W / modes.p[:, None] * modes.s[:, None], term.vectors, rtol=1e-15)
    assert w0 == 0.0


@pytest.mark.parametrize(
    "section, sentence",
    [
        (
            {"omega": 1.0, "theta": 33.82},
            "vacuum.theta must be an angle in rad between -pi/2 and pi/2, not 33.82 (33.82 degrees",
        ),
        ({"omega": 1.0, "dm2": 1.0, "theta": 0.1}, "vacuum needs one of omega and dm2, and not both"),
        ({"theta": 0.1}, "vacuum needs one of omega and dm2"),
        ({"omega": [1.0, 2.0], "theta": 0.1}, "vacuum.omega must be one number for two flavors (flavor.number = 2), not 2"),
        (
            {"omega": 1.0, "theta": [0.1, 0.2, 0.3]},
            "vacuum.theta must be one number for two flavors (flavor.number = 2), not 3",
        ),
        ({"omega": 1.0, "theta": 0.1, "delta": 0.2}, "vacuum.delta is for three flavors, and flavor.number is 2"),
        ({"omega": 1.0, "theta": 0.1, "at_energy": 0.0}, "vacuum.at_energy must be a finite number > 0, not 0"),
        ({"omega": 1.0, "theta": float("nan")}, "vacuum.theta must be"),
        ({"dm2": 1.0, "theta": 0.1}, "vacuum.dm2 needs energies: give modes.energy, or one for all modes as vacuum.at_energy"),
    ],
)
def test_what_is_wrong_with_mixing(section, sentence):
    assert sentence in refused(vacuum=section)


def test_an_energy_at_which_omega_holds_is_asked_for():
    """1 mu unless it is given, which is no answer for neutrinos of MeV."""
    far = BEAMS["modes"] | {"energy": [1e11, 2e11]}
    sentence = refused(vacuum={"omega": 1.0, "theta": 0.1}, modes=far)
    assert (
        "vacuum.at_energy is missing: vacuum.omega would hold at an energy of 1 mu" in sentence
        and "from 1e+11 to 2e+11" in sentence
    )
    near = BEAMS["modes"] | {"energy": [0.5, 2.0]}
    assert config.resolve(case(vacuum={"omega": 1.0, "theta": 0.1}, modes=near)).vacuum.at_energy == 1.0
    assert config.resolve(case(vacuum={"dm2": 1e7, "theta": 0.1}, modes=far)).vacuum.at_energy == 1.0  # which drops out


@pytest.mark.parametrize(
    "section, sentence",
    [
        ({"omega": 1.0, "theta": [0.1, 0.2, 0.3]}, "vacuum.omega must be a list [omega_21, omega_31] for three flavors"),
        ({"omega": [1.0, 2.0], "theta": 0.1}, "vacuum.theta must be a list [theta_12, theta_13, theta_23] for three flavors"),
        (
            {"omega": [1.0, 2.0], "theta": [0.1, 2.0, 0.3]},
            "vacuum.theta[1] must be an angle in rad between -pi/2 and pi/2, not 2",
        ),
        ({"omega": [1.0, 2.0], "theta": [0.1, 0.2, 0.3], "delta": 250.0}, "vacuum.delta must be an angle in rad between -2 pi"),
    ],
)
def test_what_is_wrong_with_mixing_of_three(section, sentence):
    assert sentence in refused(flavor={"number": 3}, vacuum=section)


def test_merged_modes_do_not_mix():
    s = np.ones(2)
    merged = Modes(v=np.array([0.5, -0.5]), s=s, n=s, weight=s, nu_weight=s, antinu_weight=0 * s)
    with pytest.raises(InputError, match=r"\[vacuum\] tells neutrinos from antineutrinos"):
        vacuum.Vacuum(vacuum.Settings(omega=1.0, theta=0.1), merged)


# ---- matter


def term_in_a_box(section, **sections):
    from mpi4py import MPI

    resolved = config.resolve(case(matter=section, **sections))
    one = matter.Matter(resolved.matter, levels.Setup.of(resolved).modes)
    place = resolved.box
    box = Box(place.length, place.points, 8, MPI.COMM_SELF, origin=place.origin, fftw="estimate")
    one.enter(box)
    return one, box


@pytest.mark.mpi
def test_profiles_are_what_they_say():
    z = np.arange(32) * 0.25
    wave, _ = term_in_a_box({"kind": "cosine", "lambda": 0.5, "amplitude": 0.2, "n": 2, "phase": 0.3})
    np.testing.assert_allclose(wave.profile, 0.5 + 0.2 * np.cos(2 * np.pi * 2 * z / 8.0 + 0.3), rtol=1e-14)
    bump, _ = term_in_a_box({"kind": "gaussian", "lambda": 0.5, "amplitude": 0.2, "width": 0.4, "center": 1.0})
    distance = np.minimum(abs(z - 1.0), 8.0 - abs(z - 1.0))
    np.testing.assert_allclose(bump.profile, 0.5 + 0.2 * np.exp(-((distance / 0.4) ** 2) / 2), rtol=1e-14)
    layer, _ = term_in_a_box({"kind": "tanh", "lambda": 0.5, "amplitude": 0.2, "width": 0.1, "thickness": 2.0, "center": 3.0})
    inside = (np.tanh((z - 2.0) / 0.1) - np.tanh((z - 4.0) / 0.1)) / 2
    np.testing.assert_allclose(layer.profile, 0.5 + 0.2 * inside, rtol=1e-14)
    ramp, _ = term_in_a_box({"kind": "table", "z": [0.0, 6.0, 8.0], "profile": [1.0, 4.0, 1.0]})
    np.testing.assert_allclose(ramp.profile, np.where(z < 6.0, 1.0 + z / 2, 4.0 - 1.5 * (z - 6.0)), rtol=1e-14)


@pytest.mark.mpi
@pytest.mark.parametrize("kind", ["gaussian", "tanh"])
def test_wide_profiles_are_periodic(kind):
    """As wide as they may be: where one period ends the next begins, to all derivatives that a grid knows."""
    more = {"thickness": 3.0} if kind == "tanh" else {}
    one, box = term_in_a_box(
        {"kind": kind, "lambda": 0.5, "amplitude": 0.2, "width": 2.0, **more}, box=BEAMS["box"] | {"origin": -3.0}
    )
    power = np.abs(np.fft.rfft(one.profile))
    assert power[12:].max() < 1e-12 * power[0] < power[3]
    assert abs(box.coordinates()[0][np.argmax(one.profile)] - 1.0) < 0.2  # the middle of the box


@pytest.mark.mpi
def test_profiles_in_a_plane():
    one, box = term_in_a_box({"kind": "gaussian", "lambda": 0.0, "amplitude": 1.0, "width": 0.5, "center": [2.0, 3.0]}, **PLANE)
    x, z = box.coordinates()
    across, along = np.minimum(abs(x - 2.0), 6.0 - abs(x - 2.0)), np.minimum(abs(z - 3.0), 8.0 - abs(z - 3.0))
    np.testing.assert_allclose(one.profile, np.exp(-(across**2 + along**2) / 0.5), atol=1e-7)  # the next image: exp(-16)
    wave, box = term_in_a_box({"kind": "cosine", "lambda": 0.0, "amplitude": 1.0, "velocity": [0.1, 0.2, 0.3]}, **PLANE)
    np.testing.assert_allclose(wave.profile, np.broadcast_to(np.cos(2 * np.pi * z / 8.0), (12, 16)), atol=1e-14)
    np.testing.assert_allclose(wave.u, [0.1, 0.3])  # of u_y the directions of a plane know nothing
    D, T = np.zeros((3, 3, 12 * 16)), np.zeros((3, 12 * 16))
    wave.potential(0.0, None, D)
    wave.trace(0.0, T)
    np.testing.assert_array_equal(D[:, 2], 2 * T)
    np.testing.assert_allclose(D[2, 2], 0.3 * wave.profile.ravel(), rtol=1e-15)
    assert not D[:, :2].any()


@pytest.mark.parametrize(
    "section, sentence",
    [
        ({"lambda": 1.0, "velocity": 1.0}, "matter.velocity must be shorter than 1, the speed of light, not 1"),
        ({"lambda": 1.0, "velocity": [0.1, 0.2]}, "matter.velocity must be one number or three in a box of 1 dimension"),
        (
            {"kind": "cosine", "lambda": 1.0, "amplitude": 0.1, "n": [1, 2]},
            "matter.n must be one number in a box of 1 dimension",
        ),
        (
            {"kind": "gaussian", "lambda": 1.0, "amplitude": 0.1, "width": 3.0},
            "matter.width must be at most a quarter of the box, 2",
        ),
        (
            {"kind": "tanh", "lambda": 0.0, "amplitude": 1.0, "width": 0.1, "thickness": 9.0},
            "matter.thickness must be less than",
        ),
        (
            {"kind": "table", "z": [0.0, 7.0], "profile": [1.0, 1.0]},
            "matter.z must cover the box, from 0 to 8, and goes from 0 to 7",
        ),
        ({"kind": "table", "z": [0.0, 8.0], "profile": [1.0, 2.0]}, "matter.profile must be the same at both ends of the box"),
        ({"kind": "table", "z": [0.0, 8.0], "profile": [1.0]}, "matter.profile must have 2 items, as many as matter.z, not 1"),
        ({"kind": "uniform"}, "matter.lambda is missing"),
        ({"lambda": "a lot"}, "matter.lambda must be"),
        ({"kind": "shock", "lambda": 1.0}, 'matter.kind must be one of "uniform", "cosine"'),
    ],
)
def test_what_is_wrong_with_matter(section, sentence):
    assert sentence in refused(matter=section)


def written(path, values):
    with h5py.File(path, "w") as file:
        file["lambda"] = values
    return {"kind": "file", "path": str(path)}


def test_files_that_fit_not_are_refused(tmp_path):
    z = np.arange(32) / 32
    for values, sentence in (
        (np.exp(-3 * z), "matter.path: lambda of .* is not periodic along axis 0"),
        (np.ones(16), r"matter.path: dataset lambda of .* shape"),
        (np.full(32, np.nan), "matter.path: dataset lambda of .* NaN|not finite|nan"),
    ):
        resolved = config.resolve(case(matter=written(tmp_path / "matter.h5", values)))
        with pytest.raises(InputError, match=sentence):
            check.report(resolved, 1)
    slope = np.add.outer(np.zeros(12), np.arange(16.0))
    resolved = config.resolve(case(matter=written(tmp_path / "matter.h5", slope), **PLANE))
    with pytest.raises(InputError, match="is not periodic along axis 1"):
        check.report(resolved, 1)
    steps = np.repeat([0.0, 1.0, 0.0, 2.0], 8)  # walls, one of them between the last point and the first
    check.report(config.resolve(case(matter=written(tmp_path / "matter.h5", steps))), 1)


def test_attenuation():
    assert config.resolve(case()).attenuation is None
    section = config.resolve(case(attenuation={"self": 0.0})).attenuation
    assert (section.vacuum, section.matter, section["self"]) == (1.0, 1.0, 0.0)
    assert "attenuation.matter must be a finite number >= 0, not -1" in refused(attenuation={"matter": -1.0})
    resolved = config.resolve(case(attenuation={"self": 0.25, "matter": 0.5}, matter={"lambda": 1.0}))
    factors = {term.name: term.factor for term in levels.Setup.of(resolved).terms}
    assert factors == {"self_interaction": 0.25, "force": 1.0, "matter": 0.5}


def test_lambda_is_a_key_and_an_attribute():
    section = config.resolve(case(matter={"lambda": 0.5})).matter
    assert section["lambda"] == section.lambda_ == 0.5 and "lambda" in section and "lambda_" not in section
    assert section.replace(**{"lambda": 0.7}).lambda_ == 0.7
    assert "lambda = 0.5" in config.to_toml(config.resolve(case(matter={"lambda": 0.5})))
    with pytest.raises(AttributeError):
        _ = section.for_

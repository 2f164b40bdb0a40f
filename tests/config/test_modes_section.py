"""[flavor] and [modes]: numbers that stand for all modes, and what is refused with one sentence."""

import pytest

from nuflux_mpi import config
from nuflux_mpi.errors import InputError

SOURCE = {"box": {"length": 10, "points": 64}, "initial": {"n_max": 3}, "time": {"end": 1}}
THREE = {"flavor": {"number": 3}}


def beams(**keys):
    return {"modes": {"velocity": [1.0, -1.0]} | keys}


def test_a_number_stands_for_all_modes():
    resolved = config.resolve(SOURCE | beams(sign=-1, energy=2.0, content=[0.5, 0.25]))
    assert resolved.modes.plain() | {"velocity": 0} == {
        "kind": "beams", "velocity": 0, "sign": [-1, -1], "energy": [2.0, 2.0], "density": [0.75, 0.75],
        "content": [[0.5, 0.25], [0.5, 0.25]],
    }  # fmt: skip
    assert config.resolve(resolved.plain()) == resolved


@pytest.mark.parametrize(
    "sections, words",
    [
        ({"flavor": {"number": 4}}, "flavor.number must be one of 2, 3, not 4."),
        (beams(density=1.0, energy=[1.0, 0.0]), "modes.energy[1] must be a finite number > 0, not 0.0."),
        (beams(density=1.0, energy=[1.0]), "modes.energy must have 2 items, one per mode, not 1."),
        (beams(density=1.0, energy="warm"), "modes.energy must be"),
        (beams(content=[[0.5, 0.1]]), "modes.content must have 2 items, one per mode, not 1."),
        (
            beams(content=[0.5, 0.1, 0.1]),
            "modes.content[0] must have 2 numbers, the densities of nu_e and nu_x (flavor.number = 2), not [0.5, 0.1, 0.1].",
        ),
        (
            THREE | beams(content=[0.5, 0.1]),
            "modes.content[0] must have 3 numbers, the densities of nu_e, nu_mu and nu_tau (flavor.number = 3), not [0.5, 0.1].",
        ),
        (beams(content=[[0.5, 0.1], [0.5, -0.1]]), "modes.content[1][1] must be a finite number >= 0, not -0.1."),
        (beams(content=[[0.5, 0.1], 0.5]), "modes.content[1] must be a list of two or three numbers like the others, not 0.5."),
        (beams(content=[[0.5, 0.1], [0, 0]]), "modes.content[1] must not be empty: leave out a mode without neutrinos."),
        (
            beams(content=[[0.5, 0.1], [0.5, 0.0]], density=[0.6, 0.6]),
            "modes.content[1] = [0.5, 0.0] adds up to 0.5, and modes.density[1] is 0.6: leave modes.density out, or make them equal.",
        ),
        (
            beams(velocity=[[1.0, 0.0]], density=1.0),
            "modes.velocity[0] must be one number, or a list of 3, the whole vector, in a box of 1 dimension (box.points), "
            "not [1.0, 0.0].",
        ),
        (beams(velocity=[[0.8, 0.0, 0.7]], density=1.0), "modes.velocity[0] must not be longer than 1, the speed of light"),
        (
            {"box": {"length": [10, 10], "points": [16, 16]}} | beams(velocity=[[1.0, 0.0], [0.0, 0.0, 1.0]], density=1.0),
            "modes.velocity must be vectors of one length, all with 2 components or all with 3.",
        ),
        (
            THREE | beams() | {"initial": {"zeta": [0.5, -0.5], "n_max": 3}},
            "initial.zeta is for two flavors, and flavor.number = 3: say with modes.content how many neutrinos of each flavor a "
            "mode has, [n_e, n_mu, n_tau].",
        ),
        (
            beams(content=[0.5, 0.1]) | {"initial": {"zeta": [0.4, 0.4], "n_max": 3}},
            "initial.zeta and modes.content both say of which flavors a mode is made: leave one of them out.",
        ),
        (THREE | beams(), "modes.content is missing unless modes.density is given."),
    ],
)
def test_what_makes_no_sense_is_refused_with_one_sentence(sections, words):
    with pytest.raises(InputError) as caught:
        config.resolve(SOURCE | sections)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_config_of_before_is_one_of_two_flavors():
    old = config.resolve(SOURCE | {"initial": {"zeta": [0.5, -0.5], "n_max": 3}}).plain()
    del old["flavor"], old["modes"]["energy"], old["modes"]["content"]
    from nuflux_mpi.config.resolving import stored

    assert stored(old).flavor.number == 2


# ---- a gas by its directions

GAS = {"kind": "angular", "number": 4, "alpha": 0.9}
TABLE = {"kind": "angular", "distribution": "table", "number": 4, "v": [-1.0, 1.0], "G": [1.0, -0.5]}
MIXING = {"vacuum": {"omega": 0.1, "theta": 0.2}}


@pytest.mark.parametrize(
    "sections, words",
    [
        ({"modes": GAS | {"energy": [1.0, 1.0]}}, "modes.energy must have no energy twice."),
        (
            {"modes": GAS | {"energy_weight": [1.0]}},
            "modes.energy_weight are shares of the bins of modes.energy, which is missing.",
        ),
        (
            {"modes": GAS | {"energy": [1.0, 2.0], "energy_weight_bar": [1.0]}},
            "modes.energy_weight_bar must have 2 items, as many as modes.energy, not 1.",
        ),
        ({"modes": GAS | {"energy": 1.0, "energy_weight_x": [0.0]}}, "modes.energy_weight_x must not all be 0."),
        (
            {"modes": GAS | {"alpha_x": [0.1, 0.2]}},
            "modes.alpha_x must be one number for nu_x (flavor.number = 2), not [0.1, 0.2].",
        ),
        (
            THREE | {"modes": GAS | {"sigma_x_bar": [0.1, 0.2, 0.3]}},
            "modes.sigma_x_bar must be one number, or one for nu_mu and one for nu_tau (flavor.number = 3), not [0.1, 0.2, 0.3].",
        ),
        (
            MIXING | {"modes": GAS | {"species": "merged"}},
            'modes.species must be "apart" or "auto" with [vacuum], which tells neutrinos from antineutrinos or energies of one '
            'direction apart: "merged" has them in one mode.',
        ),
        (
            MIXING | {"modes": TABLE},
            "modes.G has the lepton number alone, and [vacuum] needs neutrinos and antineutrinos apart: give modes.G_bar as well, "
            'or species = "apart" to take its positive part for neutrinos and its negative part for antineutrinos.',
        ),
        ({"modes": TABLE | {"G": [0.0, 0.0]}}, "modes: the distribution has no neutrinos in any of its directions."),
        (
            {"modes": TABLE | {"G_bar": [1.0, 1.0]}},
            "modes.G must have no number below 0, not -0.5: with modes.G_bar these are densities of neutrinos and of antineutrinos.",
        ),
        (
            {"modes": {"kind": "angular", "distribution": "polynomial", "number": 4, "coefficients": [1.0, 2.0], "coefficients_bar": [1.0]}},
            "modes.coefficients must give no negative density, and at v = -1 it is -1; without coefficients_bar they would be those "
            "of neutrinos minus antineutrinos.",
        ),
        (
            {"modes": GAS | {"number": 5, "distribution": "polynomial", "coefficients": [0.0, 1.0], "alpha": None}},
            "modes.number = 5: the distribution has no lepton number at v = 0; choose another number or a quadrature that avoids "
            'this direction, or species = "apart".',
        ),
    ],
)  # fmt: skip
def test_a_gas_that_cannot_be_is_refused_with_one_sentence(sections, words):
    with pytest.raises(InputError) as caught:
        config.resolve(SOURCE | sections)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_vacuum_mixing_separates_by_itself():
    from nuflux_mpi.physics.levels import modes_of

    merged, apart = (modes_of(config.resolve(SOURCE | {"modes": GAS} | term)) for term in ({}, MIXING))
    assert merged.merged and len(merged) == 4 and not apart.merged and len(apart) == 8
    taken = modes_of(config.resolve(SOURCE | MIXING | {"modes": TABLE | {"species": "apart"}}))
    assert len(taken) == 4  # either neutrinos or antineutrinos in each direction

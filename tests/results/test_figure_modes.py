"""Which modes figures show and what they call them."""

import numpy as np
import pytest

from nuflux_mpi.errors import InputError
from nuflux_mpi.results import figure_modes
from nuflux_mpi.results.reader import MemoryRun


def run_of(v, sign=None, density=None, kind="beams", **series):
    count = len(v)
    arrays = {
        "v": np.array(v),
        "sign": np.ones(count) if sign is None else np.array(sign),
        "density": np.ones(count) if density is None else np.array(density),
        **series,
    }
    return MemoryRun({"modes": {"kind": kind}}, arrays, {})


def test_beams_are_named_with_their_species_and_told_apart():
    run = run_of([1.0, 1.0, -0.25, -0.25], sign=[1, -1, 1, 1])
    assert figure_modes.named(run) == [
        r"$\nu$, $v = +1$",
        r"$\bar\nu$, $v = +1$",
        r"$\nu$, $v = -0.25$ (mode 2)",
        r"$\nu$, $v = -0.25$ (mode 3)",
    ]
    assert len(set(figure_modes.named(run, with_species=False))) == 3  # beside a symbol that has the species
    assert figure_modes.symbol(run, 1, "x") == r"$\bar\nu_x$"


def test_directions_of_a_distribution_have_no_species():
    run = run_of([0.5, -0.5], sign=[1, -1], kind="angular")
    assert figure_modes.named(run) == ["$v = +0.5$", "$v = -0.5$"]
    assert figure_modes.symbol(run, 1, "x") == r"$\nu_x$"


def test_components_that_are_zero_have_no_sign():
    assert figure_modes.velocity([0.0, 0.0, 1.0]) == r"({0},\,{0},\,{+1})"
    assert figure_modes.velocity([-0.0, -0.6]) == r"({0},\,{-0.6})"
    assert figure_modes.velocity(np.float64(-0.5)) == "-0.5"


def test_of_many_modes_the_ends_and_some_between_are_shown():
    v = np.linspace(-1, 1, 13)
    run = run_of(v, density=np.where(np.arange(13) == 12, 0.0, 1.0))
    np.testing.assert_array_equal(figure_modes.chosen(run, 4), [11, 7, 4, 0])
    assert figure_modes.count_said([11, 7, 4, 0], run) == "4 of 12 modes"
    np.testing.assert_array_equal(figure_modes.chosen(run_of([-1.0, 1.0]), 4), [1, 0])
    assert figure_modes.count_said([1, 0], run_of([-1.0, 1.0])) == ""


def test_both_species_are_among_the_chosen():
    """Four neutrinos and four antineutrinos of the same velocities, of which two rows each are shown."""
    v = [1.0, 0.3, -0.2, -1.0]
    run = run_of(v + v, sign=[1] * 4 + [-1] * 4)
    np.testing.assert_array_equal(figure_modes.chosen(run, 4), [0, 4, 3, 7])
    one = run_of(v + [0.0], sign=[1] * 4 + [-1])
    assert 4 in figure_modes.chosen(one, 2)
    np.testing.assert_array_equal(figure_modes.chosen(run, 8), [0, 4, 1, 5, 2, 6, 3, 7])


def test_modes_that_do_nothing_are_passed_over():
    run = run_of(np.linspace(-1, 1, 9))
    worth = np.array([0, 0, 0, 0, 0.01, 1.0, 0.5, 0.2, 0.06])
    np.testing.assert_array_equal(figure_modes.chosen(run, 4, worth=worth), [8, 7, 6, 5])
    np.testing.assert_array_equal(figure_modes.chosen(run, 5, worth=worth), [8, 6, 4, 2, 0])  # too few do something


def test_asked_for_modes_are_shown_once_each_in_their_order():
    run = run_of([1.0, 0.0, -1.0])
    np.testing.assert_array_equal(figure_modes.chosen(run, 1, wanted=[2, 0, 2]), [2, 0])
    with pytest.raises(InputError, match="--modes: there is no mode 3; the run has modes 0 to 2"):
        figure_modes.chosen(run, 4, wanted=[0, 3])


def test_the_telling_direction_is_the_one_that_changes():
    nu_x = np.array([[0.0, 0.0, 0.0], [0.1, 0.6, 0.2]])
    assert figure_modes.telling(run_of([-0.5, 0.5, 0.9], kind="angular", nu_x=nu_x)) == 1
    assert figure_modes.telling(run_of([-0.5, 0.5, 0.9], nu_x=nu_x)) == 2  # of beams the most forward
    assert figure_modes.telling(run_of([-0.5, 0.5, 0.9]), [0]) == 0

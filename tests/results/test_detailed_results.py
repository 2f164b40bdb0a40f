"""What runs with flavors, energies and species store beside: contents, conversion, conserved numbers, labels of modes."""

import h5py
import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.errors import InputError
from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.physics import invariants
from nuflux_mpi.physics.modes import Modes
from nuflux_mpi.physics.terms.matter import Matter
from nuflux_mpi.physics.terms.self_interaction import SelfInteraction
from nuflux_mpi.physics.terms.term import Term
from nuflux_mpi.physics.terms.vacuum import Vacuum, mass_matrix
from nuflux_mpi.results.mode_labels import ModeTable
from nuflux_mpi.results.reader import Run

OMEGA, THETA, DELTA = [0.3, 1.1], [0.59, 0.15, 0.78], 1.2
VACUUM = {"omega": OMEGA, "theta": THETA, "delta": DELTA, "at_energy": 1.0}
RTOL = 1e-10
# One mode of each flavor and species; waves would only hide what is looked at.
OSCILLATING = {
    "box": {"length": 4.0, "points": 8},
    "flavor": {"number": 3},
    "modes": {
        "velocity": [1.0] * 6,
        "sign": [1, 1, 1, -1, -1, -1],
        "energy": [1.0, 1.0, 1.0, 2.0, 2.0, 2.0],
        "content": [[0.5, 0, 0], [0, 0.2, 0], [0, 0, 0.3]] * 2,
    },
    "initial": {"kind": "fourier", "waves": [{"n": 1, "amplitude": 0.0, "mode": 0}]},
    "vacuum": VACUUM,
    "attenuation": {"self": 0.0},
    "time": {"end": 9.0, "rtol": RTOL},
    "output": {"series_every": 1.5, "figures": False},
}  # fmt: skip
GAS = {
    "box": {"length": 6.0, "points": 32},
    "flavor": {"number": 3},
    "modes": {
        "velocity": [1.0, 1.0, -0.5, -0.5], "sign": [1, -1, 1, -1], "energy": [1.0, 2.0, 1.0, 2.0],
        "content": [[0.6, 0.1, 0.1], [0.1, 0.0, 0.3], [0.0, 0.4, 0.1], [0.5, 0.2, 0.2]],
    },
    "initial": {"kind": "seeds", "n_max": 2, "variance": 1e-5, "seed": 3},
    "equations": {"level": "energy"},
    "time": {"end": 4.0, "rtol": RTOL},
    "output": {"series_every": 1.0, "fields_every": 4.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def oscillating(tmp_path_factory):
    path = tmp_path_factory.mktemp("oscillating") / "run"
    nuflux_mpi.simulate(OSCILLATING, out=path)
    return Run(path)


def test_conversion_in_vacuum_is_that_of_textbooks(oscillating):
    """|sum_i U_bi exp(-i m_i^2 t/2p) U_ai^*|^2 of neutrinos, with U^* of antineutrinos: all 9 + 9."""
    series = oscillating.series
    matrix = mass_matrix(OMEGA, THETA, DELTA)
    for number, (sign, p) in enumerate(((1, 1.0), (-1, 2.0))):
        mass, U = np.linalg.eigh(matrix if sign > 0 else matrix.conj())
        for t, found in zip(series["time"], series["conversion"][:, number]):
            amplitude = (U * np.exp(-1j * mass * t / p)) @ U.conj().T  # to, from
            np.testing.assert_allclose(found, np.abs(amplitude.T) ** 2, atol=1e3 * RTOL)  # steps times their tolerance
    assert series["species"].tolist() == [1, -1]
    np.testing.assert_allclose(series["P_ee"], series["conversion"][:, 0, 0, 0], atol=1e-14)
    np.testing.assert_allclose(series["P_ee_bar"], series["conversion"][:, 1, 0, 0], atol=1e-14)
    # CP violation is there: else a sign could hide.
    assert np.abs(series["conversion"][:, 0, 0, 1] - series["conversion"][:, 0, 1, 0]).max() > 0.05


def test_contents_add_up(oscillating):
    series = oscillating.series
    np.testing.assert_allclose(series["content"].sum(axis=2), np.broadcast_to(series["density"], (7, 6)), rtol=1e-12)
    by_species = np.stack([series["content"][:, :3].sum(axis=1), series["content"][:, 3:].sum(axis=1)], axis=1)
    np.testing.assert_allclose(series["flavor_density"], by_species, rtol=1e-12)
    np.testing.assert_allclose(series["content"][0], series["content_start"], atol=1e-14)
    np.testing.assert_allclose(series["nu_x"], 1 - series["content"][..., 0] / series["density"], atol=1e-13)
    again = algebra(3).content(series["density"], series["P_mean"], axis=2)
    np.testing.assert_allclose(oscillating.content, again, atol=1e-14)
    assert oscillating.content is series["content"]


def test_labels_of_modes_are_in_both_files(oscillating):
    with h5py.File(oscillating.directory / "fields.h5") as file:
        assert file["p"][:].tolist() == [1, 1, 1, 2, 2, 2] and file["flavor"].attrs["labels"] == "e mu tau"
        assert set(file.attrs["coordinates"].split()) == {
            "v",
            "sign",
            "density",
            "direction",
            "energy_bin",
            "p",
            "content_start",
        }
    modes = oscillating.modes
    assert modes.select("anti-nu", flavor="mu").tolist() == [4] and modes.select(energy=1.2, flavor="e").tolist() == [0]
    assert modes.select(species=1, velocity=0.9, direction=0).tolist() == [0, 1, 2]
    for wrong in ({"species": "x"}, {"flavor": "x"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            modes.select(**wrong)
    old = ModeTable({"v": np.array([1.0, -1.0, 1.0]), "sign": np.array([1, 1, -1]), "density": np.ones(3)})
    assert old.direction.tolist() == [0, 1, 0] and old.flavors == ("e", "x")
    with pytest.raises(InputError, match="energies"):
        old.select(energy=1.0)


def test_xarray_labels_the_modes(oscillating):
    pytest.importorskip("xarray")
    for part in ("series", "fields"):
        found = oscillating.to_xarray(part)
        assert {"p", "content_start", "direction", "sign"} <= set(found.coords)
        assert found["content_start"].dims == ("mode", "flavor")
    assert oscillating.to_xarray()["conversion"].dims == ("time", "species", "start_flavor", "flavor")


def test_info_tells_flavors_and_what_is_conserved(oscillating):
    text = oscillating.summary()
    assert "3 flavors, 2 energies, 1 direction, [vacuum], [attenuation]" in text
    assert "the lepton number of each state of definite mass" in text and "lepton numbers that stay to" in text
    assert "U_osc + E_vac where nothing varies in space" in text and "P_ee 1 -> " in text


def test_a_run_without_any_of_it_has_the_files_of_before(tmp_path):
    config = {
        "box": {"length": 6.0, "points": 16}, "modes": {"velocity": [1.0, -1.0]},
        "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 2, "variance": 1e-6, "seed": 1},
        "time": {"end": 0.5}, "output": {"figures": False},
    }  # fmt: skip
    run = nuflux_mpi.simulate(config, out=tmp_path / "run")
    assert not {"content", "conversion", "flavor", "direction", "species", "E_flavor", "lepton_drift"} & set(run.series)
    assert run.attrs["coordinates"] == "v sign density" and "conserved" not in run.attrs
    np.testing.assert_allclose(run.content[..., 1], run.series["nu_x"] * 0.5, atol=1e-14)


# ---- what stays ------------------------------------------------------------------------------------------------------


def terms_of(flavors, *names):
    modes = Modes(np.array([1.0]), np.ones(1), np.ones(1), np.ones(1), flavors=flavors)
    made = {
        "vacuum": lambda: Vacuum(VACUUM if flavors == 3 else {"omega": 1.0, "dm2": None, "theta": 0.4, "delta": 0.0, "at_energy": 1.0}, modes),
        "matter": lambda: Matter({"kind": "uniform", "lambda": 2.0, "velocity": 0.0}, modes),
    }  # fmt: skip
    return [SelfInteraction(None, modes), *(made[name]() for name in names)]


@pytest.mark.parametrize(
    "flavors, names, number, words",
    [
        (2, (), 3, "all of int D_0"),
        (3, (), 8, "all of int D_0"),
        (2, ("vacuum",), 1, "definite mass"),
        (3, ("vacuum",), 2, "definite mass"),
        (2, ("matter",), 1, "each flavor (e and x)"),
        (3, ("matter",), 4, "all mixtures of mu and tau"),
        (2, ("vacuum", "matter"), 0, "not that of a flavor"),
        (3, ("vacuum", "matter"), 0, "not that of a flavor"),
    ],
)
def test_which_lepton_numbers_stay(flavors, names, number, words, monkeypatch):
    monkeypatch.setitem(VACUUM, "dm2", None)
    some, terms = algebra(flavors), terms_of(flavors, *names)
    kept = invariants.kept(terms, some)
    assert len(kept) == number and words in invariants.lepton_numbers(terms, some)
    if names == ("vacuum",):  # what commutes with M^2
        matrices = some.matrix(0.0, kept, axis=1)
        np.testing.assert_allclose(matrices @ terms[1].matrix, terms[1].matrix @ matrices, atol=1e-14)


@pytest.mark.parametrize(
    "sections, moves",
    [
        ({"vacuum": VACUUM}, False),
        ({"matter": {"kind": "cosine", "lambda": 1.0, "amplitude": 0.5}}, True),
        ({"vacuum": VACUUM, "matter": {"kind": "uniform", "lambda": 1.0}}, False),
    ],
    ids=["vacuum", "profile", "both"],
)
def test_what_should_stay_stays_in_a_run(sections, moves):
    run = nuflux_mpi.simulate(GAS | sections)
    series, size = run.series, np.abs(run.series["K"]).max()
    both = len(sections) > 1
    assert ("lepton_drift" in series) != both
    if not both:  # rounding of as many steps; what does not stay moves by far more
        assert series["lepton_drift"].max() < 1e-12 < 1e-4 < np.ptp(series["D0"], axis=0).max()
    # Three times the tolerance that the budget is held to, whose unit is |P|.
    assert series["PPP_drift_max"].max() < 1e4 * RTOL and np.abs(series["energy_residual"]).max() < 1e4 * RTOL
    if moves:
        assert "momentum" not in run.attrs["conserved"].split("; ")
        assert np.abs(series["momentum"]).max() > 1e-3 * size
    else:
        assert "momentum" in run.attrs["conserved"].split("; ")
        np.testing.assert_allclose(series["momentum"], 0, atol=1e-12)  # rounding
    summed = sum(series[name] for name in ("U_osc", "E_vac", "E_mat") if name in series)
    np.testing.assert_allclose(series["E_flavor"], summed, rtol=1e-14)
    np.testing.assert_allclose(series["energy"], series["K"].sum(axis=1) + series["E_flavor"], rtol=1e-12, atol=1e-12)
    power = np.sum(series["coherence_pairs"] ** 2, axis=1)
    np.testing.assert_allclose(power, series["coherence"] ** 2, rtol=1e-10)  # Parseval


class Leak(Term):
    """A term of which nothing is said: d_t P_a = - P_a."""

    name = section = "leak"

    def source(self, t, here, rates):
        rates["P"] -= here.fields["P"]


def test_a_term_that_says_nothing_is_taken_to_break_all():
    terms = [*terms_of(3), Leak(None, terms_of(3)[0].modes)]
    assert invariants.broken(terms) == {"energy", "momentum", "length"}
    assert len(invariants.kept(terms, algebra(3))) == 0


# ---- what reads it ---------------------------------------------------------------------------------------------------


def test_json_and_csv_have_contents_and_conversions(oscillating):
    from nuflux_mpi.analysis import inventory

    found, series = inventory.described(oscillating), oscillating.series
    assert found["modes"] == {"number": 6, "directions": 1, "flavors": ["e", "mu", "tau"], "energies": [1.0, 2.0]}
    assert found["last"]["conversion_antinu_mu_tau"] == series["conversion"][-1, 1, 1, 2]
    assert found["last"]["flavor_density_nu_tau"] == series["flavor_density"][-1, 0, 2]
    assert found["largest"]["lepton_drift"] == series["lepton_drift"].max()
    header, line = (text.split(",") for text in inventory.table([oscillating]).splitlines())
    assert dict(zip(header, line))["conversion_nu_e_e"] == repr(float(series["conversion"][-1, 0, 0, 0]))


def test_modes_are_compared_by_direction_species_and_energy():
    from nuflux_mpi.analysis.compare import _common_modes

    first = {"v": np.array([1.0, 1.0, 1.0]), "sign": np.array([1, -1, 1]), "p": np.array([1.0, 1.0, 2.0])}
    other = {name: values[[2, 1, 0]] for name, values in first.items()}
    assert _common_modes(first, other).tolist() == [[0, 1, 2], [2, 1, 0]]
    other["p"] = np.array([2.5, 1.0, 1.0])
    assert _common_modes(first, other).tolist() == [[0, 1], [2, 1]]
    del other["p"]  # of a run that knows no energies: in the order in which they stand
    assert _common_modes(first, other).tolist() == [[0, 1, 2], [0, 1, 2]]
    whole = first | {"velocity_xyz": np.array([[0.0, 0.6, 0.8]] * 3)}
    assert _common_modes(whole, first).shape == (2, 0)
    turned = first | {"velocity_xyz": np.array([[0.6, 0.0, 0.8]] * 3)}  # the same along z
    assert _common_modes(whole, turned).shape == (2, 0) and _common_modes(whole, whole).tolist() == [[0, 1, 2]] * 2


def test_runs_of_two_and_of_three_flavors_share_the_first(oscillating, tmp_path):
    from nuflux_mpi.analysis import compare

    modes = OSCILLATING["modes"] | {"content": [[0.5, 0], [0, 0.2], [0.3, 0]] * 2}
    changed = {"flavor": {"number": 2}, "modes": modes, "vacuum": {"omega": 0.3, "theta": 0.59}}
    two = nuflux_mpi.simulate(OSCILLATING | changed)
    same, _ = compare.results(two, two)
    rows, _ = compare.results(oscillating, two)
    assert all(row[1] == 0 for row in same) and {"content", "conversion"} <= {row[0] for row in rows}
    expected = np.abs(oscillating.series["content"][..., 0] - two.series["content"][..., 0]).max()
    assert {row[0]: row[1] for row in rows}["content"] == pytest.approx(expected)


def test_check_foretells_the_size_of_series(oscillating):
    from nuflux_mpi.config import resolve
    from nuflux_mpi.physics.levels import Setup
    from nuflux_mpi.run.check import file_sizes

    size = (oscillating.directory / "series.h5").stat().st_size
    # Some scalars more or less, and what HDF5 needs itself.
    assert file_sizes(Setup.of(resolve(OSCILLATING)))["series.h5"] == pytest.approx(size, rel=0.2)

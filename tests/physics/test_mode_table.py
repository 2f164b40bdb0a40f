"""Kind table of [modes]: rows of a file as beams."""

import h5py
import numpy as np
import pytest

from nuflux_mpi import config
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import levels

V = np.array([[0, 0, 1.0], [0.6, 0, -0.8], [0, 0.6, 0.8]])
HEAD = "v_x v_y v_z species energy n_e n_x weight"
ROWS = ["0 0 1 nu 2 0.5 0.1 2", "0.6 0 -0.8 antinu 3 0.4 0 1", "0 1 0 1 3 0 0 1", "0 0.6 0.8 1 4.5 0.2 0.2 0.5"]


def resolved(path, flavors=2, **sections):
    table = {
        "box": {"length": 10.0, "points": 16}, "flavor": {"number": flavors}, "modes": {"kind": "table", "path": str(path)},
        "initial": {"kind": "seeds", "n_max": 2}, "time": {"end": 1.0},
    }  # fmt: skip
    return config.resolve(table | sections)


def text(path, rows=ROWS, head=HEAD):
    path.write_text("\n".join([head, *rows]))
    return path


@pytest.mark.parametrize("form", ["text", "commas", "hdf5"])
def test_rows_become_beams(form, tmp_path):
    """Weights multiply densities, rows without neutrinos are left out, and the config does not need the file again."""
    path = tmp_path / "modes.txt"
    if form == "hdf5":
        with h5py.File(path, "w") as file:
            file["v"], file["species"], file["energy"] = V, [1, -1, 1], [2.0, 3.0, 4.5]
            file["n_e"], file["n_x"] = [1.0, 0.4, 0.1], [0.2, 0, 0.1]
    elif form == "commas":
        text(path, [row.replace(" ", ", ") for row in ROWS], HEAD.replace(" ", ", "))
    else:
        text(path)
    found = resolved(path)
    path.unlink()
    assert config.resolve(found) == found and found.modes.kind == "beams"
    modes = levels.modes_of(found)
    np.testing.assert_array_equal(modes.xyz, V)
    np.testing.assert_array_equal(modes.s, [1, -1, 1])
    np.testing.assert_array_equal(modes.p, [2, 3, 4.5])
    np.testing.assert_array_equal(modes.content, [[1, 0.2], [0.4, 0], [0.1, 0.1]])


def test_units_and_velocities_along_z(tmp_path):
    path = text(tmp_path / "modes.csv", ["0.9, 1, 10, 1e33", "-0.6, -1, 15, 8e32"], "v, species, energy [MeV], n_e [1/cm^3]")
    found = resolved(path, units={"density": "1e33 /cm^3"})
    assert found.modes.velocity == [0.9, -0.6] and found.modes.content == [[pytest.approx(1), 0], [pytest.approx(0.8), 0]]
    assert found.modes.energy[1] / found.modes.energy[0] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("row", "head", "sentence"),
    [
        ("0 0.6 0.9 1 4.5 0.2 0.2 1", HEAD, "row 4 of"),
        ("0 0.6 0.8 2 4.5 0.2 0.2 1", HEAD, 'has the species "2": it must be 1 or nu, or -1 or antinu'),
        ("0 0.6 0.8 1 0 0.2 0.2 1", HEAD, "has the energy 0, and energies must be > 0"),
        ("0 0.6 0.8 1 4.5 0.2 -0.2 1", HEAD, "has a negative density, n_x = -0.2"),
        ("0 0.6 0.8 1 4.5 0.2 x 1", HEAD, 'has "x" as n_x, where a finite number must be'),
        ("0 0.6 0.8 1 4.5 0.2", HEAD, "has 6 columns, and there are 8 names"),
        ("0 0 1 nu 2 1 1 1", HEAD.replace("species", "kind"), "column kind of"),
        ("0 0 1 nu 2 1 1 1", HEAD.replace("n_x", "n_mu"), "must have n_e, n_x (two flavors) or n_e, n_mu, n_tau (three)"),
        ("0 0 1 nu 2 1 1 1", HEAD.replace("v_x", "v"), "must have the column v, or the three v_x, v_y, v_z"),
    ],
)
def test_rows_that_are_no_modes_are_refused(row, head, sentence, tmp_path):
    with pytest.raises(InputError, match="modes.path: ") as refused:
        resolved(text(tmp_path / "modes.txt", [*ROWS, row], head))
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_flavors_of_the_table_are_those_of_the_run(tmp_path):
    with pytest.raises(InputError, match="must have 3 numbers, the densities of nu_e, nu_mu and nu_tau"):
        resolved(text(tmp_path / "modes.txt"), flavors=3)

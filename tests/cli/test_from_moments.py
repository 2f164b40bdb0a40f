"""A row of a table of moments becomes a config that holds them, and modes come from a table."""

import tomllib

import h5py
import numpy as np
import pytest

from nuflux_mpi import config, units
from nuflux_mpi.cli import commands
from nuflux_mpi.config import moment_columns
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import levels

# A point of a neutron-star merger: Emu's Scripts/initial_conditions/st5_minerbo.py.
N = np.array([1.421954234999705e33, 1.9146237131657563e33, 1.9645407875568215e33 / 4])
FACTORS = np.array(
    [[0.0974572, 0.04217632, -0.13433261], [0.07237959, 0.03132354, -0.3446878], [-0.02165833, 0.07431613, -0.53545951]]
)
SPECIES = ("nue", "nuebar", "nux")


def csv(path, columns):
    """A table of two rows: nothing, then the numbers."""
    names, values = zip(*columns.items())
    path.write_text(f"# made for a test\n{', '.join(names)}\n{', '.join(['0'] * len(names))}\n{', '.join(map(repr, values))}\n")
    return path


def columns_of(scale=1.0, unit="", factors=False):
    """Names and numbers, with densities in units of 1/scale per cm^3."""
    found = {f"n_{name}{unit}": float(n * scale) for name, n in zip(SPECIES, N)}
    for name, n, vector in zip(SPECIES, N, FACTORS):
        for axis, value in zip("xyz", vector):
            found[f"F{axis}_{name}" + (" [1]" if factors else unit)] = float(value * (1 if factors else n * scale))
    return found


def made(capsys, *arguments):
    assert commands.main(["init", "--from-moments", *map(str, arguments)]) == 0
    text = capsys.readouterr().out
    return text, config.resolve(tomllib.loads(text))


def held(resolved):
    """Densities [1/cm^3] and flux factors, of nu_e, anti-nu_e and nu_x, as sums over the modes of a config."""
    resolved = config.resolve({**resolved.plain(), "modes": {**resolved.modes.plain(), "species": "apart"}})
    modes, scale = levels.modes_of(resolved), units.scale_of(resolved)
    found = []
    for sign, flavor in ((1, 0), (-1, 0), (1, 1)):
        content = modes.content[:, flavor] * (modes.s == sign)
        found.append((content.sum() * scale.density, modes.xyz.T @ content / content.sum()))
    return np.array([n for n, _ in found]), np.array([f for _, f in found])


@pytest.mark.parametrize("form", ["cgs", "units", "factors", "natural", "hdf5", "flux"])
def test_the_config_holds_the_moments(form, tmp_path, capsys):
    """Whatever the file says them in: densities and fluxes of the run's modes to the digits that are written."""
    natural = 1e-18 * units.HBAR_C**3  # 1/cm^3 in MeV^3
    if form == "hdf5":
        path = tmp_path / "table.h5"
        with h5py.File(path, "w") as file:
            for name, n, vector in zip(SPECIES, N, FACTORS):
                file[f"n_{name}"], file[f"f_{name}"] = np.array([0, n]), np.array([np.zeros(3), n * units.LIGHT * vector])
                file[f"f_{name}"].attrs["units"] = "1/cm^2/s"
    else:
        columns = {
            "cgs": columns_of(), "units": columns_of(1e6, " [1/m^3]"), "factors": columns_of(factors=True),
            "natural": columns_of(natural), "flux": columns_of(),
        }[form]  # fmt: skip
        if form == "flux":
            columns = {
                name + (" [1/cm^2/s]" if name[0] == "F" else ""): value * (units.LIGHT if name[0] == "F" else 1)
                for name, value in columns.items()
            }
        path = csv(tmp_path / "table.csv", columns)
    text, resolved = made(capsys, path, "--row", 1, *(["--units", "natural"] if form == "natural" else []))
    n, factors = held(resolved)
    np.testing.assert_allclose(n, N, rtol=2e-9)  # ten digits
    np.testing.assert_allclose(factors, FACTORS, rtol=0, atol=2e-9)
    total = units.scale_of(resolved).density
    assert total == pytest.approx(N[0] + N[1] + 4 * N[2], rel=1e-9) and f"{total:.8g} /cm^3" in text


def test_alignment_growth_and_what_is_not_used(tmp_path, capsys):
    """The flux of nu_e minus anti-nu_e is along z then, and lengths and angles stay; the growth is that of the merger's point."""
    columns = columns_of(factors=True) | {
        "radius": 30.0,
        "E_nue": 10.0,
        "E_nuebar": 15.0,
        "E_nux": 20.0,
        "rho": 1e10,
        "Ye": 0.2,
    }
    text, resolved = made(capsys, csv(tmp_path / "table.csv", columns), "--row", 1, "--align")
    n, factors = held(resolved)
    np.testing.assert_allclose(factors @ factors.T, FACTORS @ FACTORS.T, rtol=0, atol=1e-8)
    net = n[0] * factors[0] - n[1] * factors[1]
    np.testing.assert_allclose(net / np.linalg.norm(net), [0, 0, 1], rtol=0, atol=1e-8)
    assert np.linalg.det(factors) == pytest.approx(np.linalg.det(FACTORS), rel=1e-6)  # turned, not mirrored
    assert "Columns that are not used: radius." in text and '"2e+09 g/cm^3"' in text and '"15 MeV"' in text
    assert "6.25e+10 /s" in text  # tests/laws/test_merger_point.py; at the nearest of the wave numbers that are tried


def test_all_heavy_neutrinos_together_and_three_flavors(tmp_path, capsys):
    columns = columns_of()
    heavy = {name.replace("nux", "nux4"): value * 4 if "nux" in name else value for name, value in columns.items()}
    np.testing.assert_allclose(held(made(capsys, csv(tmp_path / "a.csv", heavy), "--row", 1)[1])[0], N, rtol=2e-9)
    apart = {name: value for name, value in columns.items() if "nux" not in name}
    for name, value in columns.items():
        if "nux" in name:
            apart |= {name.replace("nux", other): value for other in ("numu", "numubar", "nutau", "nutaubar")}
    resolved = made(capsys, csv(tmp_path / "b.csv", apart), "--row", 1)[1]
    assert resolved.flavor.number == 3 and len(resolved.modes.densities) == 6


@pytest.mark.parametrize(
    "heading",
    [
        "# some words\n#  r  n_nue  n_nuebar  f_nue  f_nuebar\n# cm MeV^3 MeV^3 MeV^3 MeV^3\n",
        "r n_nue [MeV^3] n_nuebar [MeV^3] f_nue f_nuebar  # as its density\n",
        "r; N_NUE [MeV3]; density_nua [MeV^3]; flux nue [MeV^3]; nua_f [MeV^3]\n",
    ],
)
def test_headings(heading, tmp_path):
    """Names in a comment with units below them, in brackets, or of the density; blanks or semicolons; the D of Fortran."""
    separator = ";" if ";" in heading else "  "
    (tmp_path / "t.dat").write_text(
        heading.replace("\n", "\r\n") + separator.join(["1.0D6", "2.0D-3", "1.5D-3", "1.0d-4", "3E-4"])
    )
    found = moment_columns.read(tmp_path / "t.dat", 0)
    per_volume = (1e6 / units.HBAR_C) ** 3
    np.testing.assert_allclose(found.n, [2e-3 * per_volume, 1.5e-3 * per_volume], rtol=1e-14)
    np.testing.assert_allclose(found.f[:, 2], [1e-4 * per_volume, 3e-4 * per_volume], rtol=1e-14)
    assert found.unused == ("r",) and not found.f[:, :2].any()


def test_spellings_do_not_collide():
    assert moment_columns.spellings()["fxnue"] == moment_columns.spellings()["fnuex"] == ("f", "nu_e", "x")
    counted = [len(names) for names in moment_columns.SPECIES.values()]
    flux, others = 3 * (2 + 3 * 3), 2 * (3 + 4)  # each word without an axis in both orders, and with each axis in three places
    assert len(moment_columns.spellings()) == sum(counted) * (flux + others)


GOOD = columns_of()
BAD = [
    ({"n_nue": None}, "no column for the density of nu_e"),
    ({"Fx_nux": None, "Fy_nux": None, "Fz_nux": None}, "no column for the flux of nu_x"),
    ({"n_nuebar": 1e32}, "the flux of anti-nu_e must be smaller than its density"),
    ({"n_nuebar": -1e32}, "negative density of anti-nu_e"),
    ({"density_nue": 1.0}, "which mean the same"),
    ({"E_nue": 10.0}, "no mean energy of anti-nu_e"),
    ({"n_nux": None, "n_numu": 1e32}, "beside nu_e and anti-nu_e there must be"),
    ({"n_nue": None, "n_nue [1/furlong^3]": 1.0}, "is in 1/furlong^3, and what is known is"),
    ({"n_nue": float("nan")}, "where a finite number must be"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_tables_that_are_refused(change, sentence, tmp_path):
    path = csv(tmp_path / "table.csv", {name: value for name, value in (GOOD | change).items() if value is not None})
    with pytest.raises(InputError) as refused:
        moment_columns.read(path, 1)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_rows_and_files_that_are_not_there(tmp_path, capsys):
    path = csv(tmp_path / "table.csv", GOOD)
    assert commands.main(["init", "--from-moments", str(path), "--row", "2"]) == 2
    assert "--row must be from 0 to 1" in capsys.readouterr().err
    assert commands.main(["init", "--from-moments", str(tmp_path / "none.csv")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert commands.main(["init", "--from-moments", str(path)]) == 2  # the first row is empty
    assert "no nu_e and no anti-nu_e" in capsys.readouterr().err
    (tmp_path / "bare.csv").write_text("1, 2, 3\n")
    assert commands.main(["init", "--from-moments", str(tmp_path / "bare.csv")]) == 2
    assert "no line with the names of its 3 columns" in capsys.readouterr().err

"""Files and figures tell which run they came from, and give back the config that repeats it."""

import h5py
import pytest

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.cli import commands
from nuflux_mpi.errors import InputError
from nuflux_mpi.plots import evolution, momentum
from nuflux_mpi.results import stored_provenance

TITLE = "Umlaute äöü, (brackets) \\ and 漢字"  # what PNG and PDF strings escape or cannot say in Latin-1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run in a directory, made by this process."""
    text = {
        "title": TITLE,
        "box": {"length": 10.0, "points": 16},
        "initial": {"zeta": [0.5, -0.5], "n_max": 3},
        "equations": {"level": "energy"},
        "time": {"end": 0.4, "rtol": 1e-6},
        "output": {"series_every": 0.1},
    }
    return nuflux_mpi.simulate(text, out=tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.parametrize("name", ["series.h5", "fields.h5", "a.png", "a.pdf"])
def test_every_file_and_figure_gives_the_config_back(run, tmp_path, name):
    path = run.directory / name
    if name.startswith("a."):
        path = tmp_path / name
        evolution.energy(run, path)
    assert stored_provenance.config_toml(path) == run.toml()
    case = tmp_path / "again.toml"
    case.write_text(stored_provenance.config_toml(path), encoding="utf-8")
    assert config.resolve(case) == config.resolve(run.directory / "run.toml")
    (found,) = stored_provenance.read(path).values()
    for key in (
        "nuflux_version",
        "git_commit",
        "command_line",
        "host",
        "n_ranks",
        "fftw_effort",
        "mpi_library",
        "petsc_version",
        "h5py_version",
        "hdf5_version",
        "numpy_version",
        "mpi4py_fft_version",
        "python_version",
    ):
        assert str(found[key]).removesuffix("-dirty") == str(run.attrs[key])


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_a_figure_of_several_runs_names_them(run, tmp_path, suffix):
    path = tmp_path / f"levels.{suffix}"
    momentum.missing_energy({"energy": run, "again": run}, path)
    found = stored_provenance.read(path)
    assert set(found) == {"energy", "again"}
    assert found["again"]["config_toml"] == run.toml()
    with pytest.raises(InputError, match="shows 2 runs"):
        stored_provenance.config_toml(path)


def test_what_has_no_origin_is_refused_in_one_sentence(tmp_path, run):
    from matplotlib.figure import Figure

    empty, foreign, cut = tmp_path / "empty", tmp_path / "foreign.h5", tmp_path / "cut.png"
    empty.write_bytes(b"")
    h5py.File(foreign, "w").close()
    evolution.energy(run, cut)
    cut.write_bytes(cut.read_bytes()[:40])
    for suffix in ("png", "pdf"):
        Figure().savefig(tmp_path / f"other.{suffix}")
    for path in (empty, foreign, cut, tmp_path / "other.png", tmp_path / "other.pdf"):
        with pytest.raises(InputError) as caught:
            stored_provenance.read(path)
        assert str(path) in str(caught.value) and str(caught.value).count("\n") == 0


def test_info_of_a_figure_and_of_a_file(run, tmp_path, capsys):
    evolution.energy(run, tmp_path / "a.png")
    assert commands.main(["info", str(tmp_path / "a.png")]) == 0
    assert run.attrs["created"] in capsys.readouterr().out
    assert commands.main(["info", str(run.directory / "fields.h5"), "--toml"]) == 0
    assert capsys.readouterr().out == run.toml()


def test_info_of_a_directory_in_trouble(run, tmp_path, capsys):
    """A lock, a post-mortem file, a damaged one, a damaged series: said, not stumbled over."""
    for name in ("run.toml", "series.h5", "fields.h5"):
        (tmp_path / name).write_bytes((run.directory / name).read_bytes())
    (tmp_path / "RUNNING").write_text("{}")
    with h5py.File(tmp_path / "postmortem.h5", "w") as file:
        file.attrs["failure"] = "not-a-number in the step from t = 1"
    assert commands.main(["info", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "RUNNING" in said and "not-a-number in the step from t = 1" in said
    (tmp_path / "postmortem.h5").write_bytes(b"broken")
    assert commands.main(["info", str(tmp_path)]) == 0
    assert "damaged" in capsys.readouterr().out
    (tmp_path / "series.h5").write_bytes((run.directory / "series.h5").read_bytes()[:1000])
    assert commands.main(["info", str(tmp_path)]) == 2
    assert "series.h5" in capsys.readouterr().err
    assert commands.main(["info", str(tmp_path), "--toml"]) == 0
    assert capsys.readouterr().out == run.toml()

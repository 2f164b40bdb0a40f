"""The forecast of `check` against what a run really allocates."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import check, config
from nuflux_mpi.box import Box, plan
from nuflux_mpi.errors import InputError


def test_report_of_the_default_case_on_64_ranks():
    text = check.report(config.resolve("two_beam"), 64)
    assert "64 ranks, 16 x 64 points" in text
    assert "points per rank 16, imbalance 0 %" in text
    assert "19.7 MB, 241 snapshots" in text  # P, kappa, F: 10 lines x 1024 points x 8 bytes x (60 / 0.25 + 1)
    assert "241 rows, 241 power spectra" in text


def test_too_many_ranks_are_refused_with_the_possible_number():
    with pytest.raises(InputError, match="65 ranks .* at most 64 ranks"):
        check.report(config.resolve("two_beam"), 65)
    with pytest.raises(InputError, match="--ranks must be at least 1"):
        check.report(config.resolve("two_beam"), 0)


@pytest.mark.mpi
@pytest.mark.parametrize("count, points", [(2, 96), (5, 35)])
def test_state_of_each_rank_is_what_the_transform_holds(comm, count, points):
    box = Box(10.0, points, 4 * count, comm)
    transform = box.transform(3 * count, count)
    cut = plan(points, 4 * count, comm.size)
    assert check.rows_per_rank(cut, (3 * count, count))[comm.rank] == transform.rows
    assert check.state_bytes(cut, (3 * count, count))[comm.rank] == transform.spectral.nbytes


@pytest.mark.parametrize("every, number", [(0.1, 601), (60, 2), (100, 2), (7, 10)])
def test_output_times_count_start_and_end_once(every, number):
    resolved = config.resolve("two_beam", [f"output.fields_every={every}"])
    assert check.output_times(resolved)[0] == number
    resolved = config.resolve("two_beam", ["output.fields_every=0", "output.spectrum_every=0"])
    assert check.output_times(resolved) == (2, 241, 0)


def test_level_and_method_change_the_memory():
    def memory(*overrides):
        return check.memory_per_rank(config.resolve("angular", overrides), 1)

    line = 8 * 1024
    # 3bs keeps 12 + 4 vectors of the state, 8vr 30 + 4, adams, the default, 19 + 4; a wave number more than half the points,
    # two numbers each
    assert memory("time.method=8vr") - memory("time.method=3bs") == pytest.approx(18 * 256 * line, rel=3e-3)
    assert memory() - memory("time.method=3bs") == pytest.approx(7 * 256 * line, rel=3e-3)
    # standard has three lines per mode instead of four, and no gradients: 6 of moments, 3 x 8 of polarizations
    assert memory() - memory("equations.level=standard") == pytest.approx(23 * 64 * line + 4 * 30 * line, rel=3e-3)


@pytest.mark.parametrize("method, vectors", [("8vr", 1), ("5dp", 2), ("adams", 15), ("4bm", 1)])
def test_checkpoint_is_as_large_as_was_said(tmp_path, method, vectors):
    """The state, 6 lines of 128 / 2 + 1 complex numbers; for adams its own state and 13 derivatives besides."""
    source = {"box": {"length": 10.0, "points": 128}, "equations": {"level": "standard"},
              "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 5, "variance": 1e-4},
              "time": {"end": 1.0, "rtol": 1e-10, "method": method}, "output": {"figures": False, "spectrum_every": 0}}
    run = nuflux_mpi.simulate(source, out=tmp_path / "run")
    assert run.series["step"][-1] > 13  # enough to fill the history of a multistep method
    path, forecast = tmp_path / "run" / "checkpoint.h5", vectors * 6 * 65 * 16
    with h5py.File(path) as file:
        assert file["vectors"].nbytes == forecast
    assert 0 < path.stat().st_size - forecast < 2**16  # what is no state: config, provenance, a checksum per row
    text = check.report(config.resolve(source), 1)
    count = f"{vectors} vector{'s' * (vectors > 1)}"
    assert f"{forecast / 1000:.3g} kB, {count} of the state's size with {method};" in text


def test_balanced_ranks_share_alike():
    ranks = check.balanced_ranks(96, (9, 3))
    assert 2 in ranks  # nine lines and three are dealt from opposite ends, so that each rank gets six
    assert 5 not in ranks
    for number in ranks:
        cut = plan(96, 12, number)
        assert np.ptp(cut.points_per_rank) == 0 and np.ptp(check.rows_per_rank(cut, (9, 3))) == 0


def test_initial_file_is_looked_at(tmp_path):
    source = {"box": {"length": 1, "points": 8}, "initial": {"kind": "file", "path": "start.h5"}, "time": {"end": 1}}
    with h5py.File(tmp_path / "start.h5", "w") as file:
        file["P"] = np.zeros((2, 3, 9))
    resolved = config.resolve(source, base_dir=tmp_path)
    with pytest.raises(InputError, match=r"P of .* has the shape \(2, 3, 9\), and the config asks for \(2, 3, 8\)"):
        check.report(resolved, 1)
    (tmp_path / "start.h5").write_text("no HDF5")
    with pytest.raises(InputError, match="initial.path: .* is no HDF5 file"):
        check.report(resolved, 1)


def test_file_of_level_full_is_looked_at(tmp_path):
    source = {"box": {"length": 1, "points": 8}, "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 1},
              "time": {"end": 1}, "equations": {"level": "full"}, "full": {"distribution": "file", "path": "rho.h5"}}
    resolved = config.resolve(source, base_dir=tmp_path)
    assert resolved["full"]["path"] == str(tmp_path / "rho.h5")
    with pytest.raises(InputError, match="full.path: no such file"):
        check.report(resolved, 1)
    for shape in ((1, 4, 4, 64), (1, 4, 4, 64, 8), (2, 4, 4, 64)):
        with h5py.File(tmp_path / "rho.h5", "w") as file:
            file["rho"] = np.zeros(shape)
        if shape[0] == 1:
            assert "1024 lines" in check.report(resolved, 1)
    with pytest.raises(InputError, match=r"rho of .* has the shape \(2, 4, 4, 64\), and the config asks for \(1, 4, 4, 64\) or \(1, 4, 4, 64, 8\)"):
        check.report(resolved, 1)


@pytest.mark.parametrize("job", sorted(path.name for path in (Path(__file__).parent.parent / "jobs").glob("*.toml")))
def test_jobs_fit_their_64_ranks(job):
    text = check.report(config.resolve(Path(__file__).parent.parent / "jobs" / job), 64)
    assert "cut             64 ranks" in text
    points = next(line for line in text.splitlines() if "points per rank" in line)
    assert points.endswith("imbalance 0 %")

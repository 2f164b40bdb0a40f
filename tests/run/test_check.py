"""The forecast of `check` against what a run really allocates."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.box.box import Box
from nuflux_mpi.box.plan import plan
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics.levels import Setup
from nuflux_mpi.run import check, forecast


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
        return check.memory_per_rank(Setup.of(config.resolve("angular", overrides)), 1)

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
    source = {
        "box": {"length": 10.0, "points": 128},
        "equations": {"level": "standard"},
        "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 5, "variance": 1e-4},
        "time": {"end": 1.0, "rtol": 1e-10, "method": method},
        "output": {"figures": False, "spectrum_every": 0},
    }
    run = nuflux_mpi.simulate(source, out=tmp_path / "run")
    assert run.series["step"][-1] > 13  # enough to fill the history of a multistep method
    path, forecast = tmp_path / "run" / "checkpoint.h5", vectors * 6 * 65 * 16
    with h5py.File(path) as file:
        assert file["vectors"].nbytes == forecast
    assert 0 < path.stat().st_size - forecast < 2**16  # what is no state: config, provenance, a checksum per row
    text = check.report(config.resolve(source), 1)
    count = f"{vectors} vector{'s' * (vectors > 1)}"
    assert f"{forecast / 1000:.3g} kB, {count} of the state's size with {method};" in text


@pytest.mark.parametrize("level, section", [
    ("energy", {}), ("momentum", {"momentum": {"points": 32, "half_width": 6.4, "sigma": 0.7}}), ("full", {"full": {"points": 64}}),
])  # fmt: skip
def test_files_are_as_large_as_was_said(level, section, tmp_path):
    """What is no number of a field or a series takes some 100 kB in each file: attributes, names, trees of chunks."""
    source = {
        "box": {"length": 6.0, "points": 64},
        "equations": {"level": level},
        "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 3, "variance": 1e-4},
        "time": {"end": 1.0, "rtol": 1e-8},
        "output": {"figures": False, "series_every": 0.01, "fields_every": 0.01},
    }
    resolved = config.resolve(source | section)
    nuflux_mpi.simulate(resolved, out=tmp_path / "run")
    sizes = check.file_sizes(Setup.of(resolved))
    assert ("phase_space.h5" in sizes) == (level != "energy")
    for name, size in sizes.items():
        found = (tmp_path / "run" / name).stat().st_size
        assert size <= found <= 1.2 * size + 150e3  # scalars of the series are counted as twenty


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
    source = {
        "box": {"length": 1, "points": 8},
        "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 1},
        "time": {"end": 1},
        "equations": {"level": "full"},
        "full": {"distribution": "file", "path": "rho.h5"},
    }
    resolved = config.resolve(source, base_dir=tmp_path)
    assert resolved["full"]["path"] == str(tmp_path / "rho.h5")
    with pytest.raises(InputError, match="full.path: no such file"):
        check.report(resolved, 1)
    for shape in ((1, 4, 4, 64), (1, 4, 4, 64, 8), (2, 4, 4, 64)):
        with h5py.File(tmp_path / "rho.h5", "w") as file:
            file["rho"] = np.zeros(shape)
        if shape[0] == 1:
            assert "1024 lines" in check.report(resolved, 1)
    with pytest.raises(
        InputError,
        match=r"rho of .* has the shape \(2, 4, 4, 64\), and the config asks for \(1, 4, 4, 64\) or \(1, 4, 4, 64, 8\)",
    ):
        check.report(resolved, 1)


@pytest.mark.parametrize("job", sorted(path.name for path in (Path(__file__).parents[2] / "jobs").glob("*.toml")))
def test_jobs_fit_their_64_ranks(job):
    text = check.report(config.resolve(Path(__file__).parents[2] / "jobs" / job), 64)
    assert "cut             64 ranks" in text
    points = next(line for line in text.splitlines() if "points per rank" in line)
    assert points.endswith("imbalance 0 %")


def test_balanced_ranks_hold_all_that_check_calls_balanced():
    """64 directions: the list ended at 256 where 512 ranks have an imbalance of 0 %, or of what rounds to it."""
    for case, points in (("angular", 8192), ("two_beam", 65536), ("missing_energy", 32768)):
        resolved = config.resolve(case, [f"box.points={points}"])
        segments = Setup.of(resolved).declared.segments
        ranks = check.balanced_ranks(points, segments)
        for number in (2**n for n in range(12)):
            if number > check.most_ranks(points, sum(segments)):
                break
            cut = plan(points, sum(segments), number)
            shown = {check._imbalance(cut.points_per_rank), check._imbalance(check.rows_per_rank(cut, segments))}
            assert (number in ranks) == (shown == {"0 %"}), (case, number)
    assert 512 in check.balanced_ranks(8192, Setup.of(config.resolve("angular", ["box.points=8192"])).declared.segments)


def lines_of(text, name):
    return [line for line in text.splitlines() if line.startswith(f"  {name} ")]


def test_nodes_share_the_memory():
    resolved = config.resolve("angular")
    assert not lines_of(check.report(resolved, 64), "memory per node")
    (line,) = lines_of(check.report(resolved, 64, 4), "memory per node")
    assert line.endswith(" for 16 ranks")
    for ranks, nodes in ((4, 5), (4, 0)):
        with pytest.raises(InputError, match="--nodes must be from 1 to the number of ranks, 4"):
            check.report(resolved, ranks, nodes)
    # Between nodes there are messages, which take time.
    each = [forecast.seconds_per_evaluation(1e6, 1024, 64, nodes, 1e6)[0] for nodes in (1, 64)]
    assert each[1] - each[0] > 1e-3  # 1 MB at 0.4 GB/s


def test_huge_files_are_told_with_what_to_set(tmp_path):
    big = [
        "box.length=[40.0, 40.0, 40.0]",
        "box.points=[1024, 1024, 1024]",
        "modes.velocity=[[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]",
    ]
    text = check.report(config.resolve("four_beams_2d", big), 64, out=tmp_path / "no" / "such")
    warnings = "\n".join(lines_of(text, "warning"))
    assert "fields.h5 will take 2.89 TB in 12 snapshots: set output.fields_every = 0" in warnings
    assert "3 checkpoints will take 6.2 TB, with time.method = 8vr 413 GB" in warnings
    assert "that does not fit on the disk" in warnings  # some 9 TB
    assert f"are free at {tmp_path}" in lines_of(text, "disk")[0]
    resolved = config.resolve("two_beam", ["box.points=1048576"])
    (sentence,) = check.large_files(Setup.of(resolved), 1)
    every = float(sentence.rpartition("fields_every = ")[2].split()[0])
    assert check.file_sizes(Setup.of(config.resolve(resolved, [f"output.fields_every={every}"])))["fields.h5"] <= forecast.HUGE
    for case in config.cases():
        assert not check.large_files(Setup.of(config.resolve(case)), 1)


@pytest.mark.mpi
def test_a_run_says_that_its_files_will_be_huge(comm, shared_tmp_path, monkeypatch):
    source = {
        "box": {"length": 10.0, "points": 64},
        "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 5},
        "time": {"end": 0.5},
        "output": {"figures": False},
    }
    monkeypatch.setattr(forecast, "HUGE", 2e4)
    run = nuflux_mpi.simulate(source, out=shared_tmp_path / "run", comm=comm)
    if comm.rank == 0:
        assert "warning at t = 0: fields.h5 will take " in run.summary()
    run = nuflux_mpi.simulate(source, comm=comm)
    assert comm.rank or "fields.h5" not in run.attrs.get("warnings", "")  # in memory there are no files


@pytest.mark.mpi
@pytest.mark.parametrize(
    "case, overrides",
    [
        ("two_beam", ["time.end=10"]),
        ("golden_ratio", []),
        ("angular_thermal", ["equations.level=standard"]),
        ("two_beam", ["time.end=10", "time.rtol=1e-6"]),
        ("two_beam", ["time.end=10", "time.method=8vr"]),
    ],
)
def test_the_number_of_right_hand_sides_is_foreseen(case, overrides):
    resolved = config.resolve(case, [*overrides, "output.fields_every=0"])
    low, high = forecast.right_hand_sides(Setup.of(resolved))
    assert low <= nuflux_mpi.simulate(resolved).series["rhs_evaluations"][-1] <= high
    assert high <= 12 * low


def test_time_is_a_range_in_every_case():
    for case in config.cases():
        (line,) = lines_of(check.report(config.resolve(case), 1), "run time")
        assert " to " in line and "right-hand sides" in line
    (line,) = lines_of(check.report(config.resolve("two_beam", ["time.method=4bm"]), 1), "run time")
    assert "not known; right-hand sides take " in line
    assert [forecast._duration(s) for s in (3.21e-6, 0.0456, 7.0, 100, 3000, 1e5, 1e8)] == [
        "3.2 us",
        "46 ms",
        "7 s",
        "100 s",
        "50 min",
        "28 h",
        "1200 days",
    ]


def test_a_machine_that_is_too_small_is_told(monkeypatch):
    few = check.limits.Limit(1e9, "limit 2 GB of the batch system or container, /x", ("group", 1))
    monkeypatch.setattr(check.limits, "memory_limits", lambda: [few])
    resolved = config.resolve("two_beam", [])
    assert "cannot run" not in check.report(resolved, 1)
    assert "this machine cannot run 8 of the ranks: 2." in check.report(resolved, 8) and few.words in check.report(resolved, 8)

"""Checkpoints: a resumed run is the uninterrupted one, on any number of ranks, after any end of the first part."""

import errno
import itertools
import json
import os
import re
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.analysis import growth
from nuflux_mpi.box.box import Box
from nuflux_mpi.cli import running
from nuflux_mpi.errors import InputError, NumericalFailure
from nuflux_mpi.results import checkpoint
from nuflux_mpi.results.reader import Run
from nuflux_mpi.run import recorder, simulation
from nuflux_mpi.run.progress import Progress
from nuflux_mpi.time.memory import IntegratorMemory, RunMemory, Statistics

BEAMS = {
    "title": "two beams",
    "box": {"length": 10.0, "points": 32},
    "modes": {"velocity": [1.0, -1.0]},
    "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 5, "variance": 1e-4},
    "time": {"end": 3.0, "rtol": 1e-8},
    "output": {"series_every": 0.3, "fields_every": 1.5, "figures": False},
}
LEVELS = {
    "standard": {},
    "energy": {},
    "momentum": {"momentum": {"points": 24, "half_width": 8.0, "sigma": 1.2}},
    "full": {"full": {"points": 60, "p_max": 15.0, "perp_points": 2, "p0": 7.5, "sigma": 1.2}},
}


def case(level="energy", method="8vr", **changed):
    config = {**BEAMS, "equations": {"level": level}, **LEVELS[level]}
    config["time"] = {**BEAMS["time"], "method": method, **changed}
    return config


def simulate(config, out, comm=None, **options):
    return nuflux_mpi.simulate(config, out=out, comm=comm, deterministic=True, **options)


def stopped(config, out, steps, comm=None, **options):
    """A run that is stopped after so many steps."""
    count = itertools.count(-steps)
    with nuflux_mpi.Simulation(config, out=out, comm=comm, deterministic=True, **options) as simulation:
        simulation.run(stop=lambda: "the test" if next(count) >= 0 else "")
        assert simulation.stopped == "the test"
        return simulation


def assert_same_run(a, b):
    """Every number that both runs have stored, bit for bit, but for the wall time."""
    for part in ("series", "fields"):
        one, other = getattr(a, part), getattr(b, part)
        assert set(one) == set(other)
        for name in set(one) - {"wall_time"}:
            np.testing.assert_array_equal(np.asarray(one[name]), np.asarray(other[name]), err_msg=f"{part} {name}")


def test_steps_past_many_output_times_do_not_multiply_checkpoints(tmp_path, monkeypatch):
    """A method that runs freely meets many output times within one step: a checkpoint is due at one of them."""
    written = []
    write = checkpoint.write
    monkeypatch.setattr(checkpoint, "write", lambda *arguments: written.append(1) or write(*arguments))
    now = itertools.count()  # a second for each look at the clock
    for module in (simulation, recorder):
        monkeypatch.setattr(module, "clock", SimpleNamespace(monotonic=lambda: float(next(now))))
    config = {**case(method="adams"), "output": {"series_every": 0.003, "checkpoint_every": 200.0, "figures": False}}
    run = simulate(config, tmp_path)
    assert len(run.series["time"]) > 10 * run.series["step"][-1]
    elapsed = next(now)
    # One at the start, one at the end, and one for each time the clock allows, of which there are many.
    assert 10 < len(written) <= 2 + elapsed / 200


def test_a_run_that_goes_on_leaves_its_failure_behind(tmp_path):
    with pytest.raises(NumericalFailure):
        simulate(case(dt_min=0.3), tmp_path)
    assert (tmp_path / "postmortem.h5").exists()
    simulate(case(), tmp_path, resume="auto")
    assert not (tmp_path / "postmortem.h5").exists()
    assert Run(tmp_path).finished and Run(tmp_path).notes() == []


def test_an_end_before_the_checkpoint_is_refused(tmp_path):
    """Else an unfinished run would be called finished."""
    stopped(case(), tmp_path, 5)
    with pytest.raises(InputError, match="time.end = 0.1 is before t = .* has reached") as refused:
        simulate(case(end=0.1), tmp_path, resume="auto")
    assert float(re.search("before t = ([^,]*)", str(refused.value))[1]) > 0.1  # the time of the checkpoint


def test_a_run_may_be_moved_with_the_file_it_started_from(tmp_path):
    first = simulate(case(), tmp_path / "first")
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    with h5py.File(here / "P.h5", "w") as file:
        file["P"] = first.fields["P"][0]

    def config(where, method):
        start = {"kind": "file", "path": str(where / "P.h5")}
        return {**case(method=method), "initial": start, "modes": BEAMS["modes"] | {"density": [0.6, 0.6]}}

    stopped(config(here, "auto"), here / "run", 3)
    here.rename(there)
    run = simulate(config(there, "adams"), there / "run", resume="auto")  # which auto stands for
    assert run.finished
    with h5py.File(there / "P.h5", "a") as file:
        file["P"][0, 2] *= 1.01
    farther = config(there, "adams") | {"time": BEAMS["time"] | {"end": 4.0, "method": "adams"}}
    (copy,) = (there / "run").glob("initial.*.start.h5")
    hidden = copy.rename(there / "kept")
    with pytest.raises(InputError, match="the initial state is not the one"):
        simulate(farther, there / "run", resume="auto")
    hidden.rename(copy)
    with pytest.warns(nuflux_mpi.RunWarning, match="not what it was: the start is read from the copy"):
        assert simulate(farther, there / "run", resume="auto").finished


def test_stop_is_asked_between_outputs_of_one_step(tmp_path):
    asked = itertools.count()
    config = {**case(method="adams"), "output": {"series_every": 0.003, "figures": False}}
    with nuflux_mpi.Simulation(config, out=tmp_path) as one:
        one.run(stop=lambda: "the test" if one.integrator.t > 1.0 and next(asked) >= 0 else "")
        assert 1.0 < one.integrator.t <= 1.0 + 0.0061  # at the next row but one at the latest
        assert one.integrator._stepper.time > one.integrator.t  # in the middle of a step


@pytest.mark.mpi
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("method", ["8vr", "5dp"])
def test_resumed_run_is_the_uninterrupted_one_bit_for_bit(comm, shared_tmp_path, level, method):
    config = case(level, method)
    whole = simulate(config, shared_tmp_path / "whole", comm)
    parts = stopped(config, shared_tmp_path / "parts", 5, comm)
    assert 0 < parts.integrator.statistics.steps < whole.series["step"][-1]
    stopped(config, shared_tmp_path / "parts", 3, comm, resume="auto")
    resumed = simulate(config, shared_tmp_path / "parts", comm, resume="auto")
    comm.Barrier()
    assert_same_run(whole, resumed)


@pytest.mark.mpi
def test_a_step_that_was_cut_for_an_output_time_is_remembered(comm, shared_tmp_path):
    """Outputs so dense that every step is cut: the step that the controller wanted must survive."""
    config = case("standard", rtol=1e-4, end=0.6)
    config["output"] = config["output"] | {"series_every": 0.02, "fields_every": 0.6, "spectrum_every": 0.6}
    whole = simulate(config, shared_tmp_path / "whole", comm)
    parts = stopped(config, shared_tmp_path / "parts", 12, comm)
    with h5py.File(shared_tmp_path / "parts" / checkpoint.NEWEST) as file:
        wanted = json.loads(file.attrs["memory"])["integrator"]["dt"]
    assert parts.integrator.statistics.dt == pytest.approx(0.02) and wanted > 0.04
    resumed = simulate(config, shared_tmp_path / "parts", comm, resume="auto")
    comm.Barrier()
    assert_same_run(whole, resumed)


@pytest.mark.mpi
def test_a_later_end_is_the_same_run(comm, shared_tmp_path):
    whole = simulate(case(), shared_tmp_path / "whole", comm)
    simulate(case(end=1.5), shared_tmp_path / "parts", comm)
    longer = simulate(case(), shared_tmp_path / "parts", comm, resume="auto")
    comm.Barrier()
    assert_same_run(whole, longer)


@pytest.mark.mpi
@pytest.mark.parametrize("level", ["energy", "full"])
def test_fewer_ranks_go_on_with_the_run_of_more(comm, shared_tmp_path, level):
    from mpi4py import MPI

    config, path = case(level), shared_tmp_path / "parts"
    whole = simulate(config, shared_tmp_path / "whole", comm)
    stopped(config, path, 5, comm)
    comm.Barrier()
    if comm.rank == 0:
        alone = simulate(config, path, MPI.COMM_SELF, resume="auto")
        np.testing.assert_array_equal(alone.series["time"], whole.series["time"])
        # roundings of another cut, amplified by less than exp(3) until t = 3
        np.testing.assert_allclose(alone.fields["P"][-1], whole.fields["P"][-1], atol=1e-12)
    comm.Barrier()


def memory(steps):
    """What a run might remember."""
    return RunMemory(
        since_start=1.5, integrator=IntegratorMemory(0.1, Statistics(steps=steps)), norm_at_start=1.0, wall_time=0.0
    )


@pytest.mark.mpi
@pytest.mark.parametrize("points, cuts", [(24, (1, 2, 3, 4)), (15, (1, 3))])
def test_any_cut_reads_what_any_other_wrote(comm, shared_tmp_path, points, cuts):
    """The state of one field in boxes cut with different N1, by direct transforms on one side and a file on the other."""
    states, layouts = {}, {}
    for N1 in cuts:
        if points // N1 < comm.size:
            continue
        box = Box(7.0, points, 5, comm, fftw="estimate", factor=N1)
        transform = box.transform(3, 2)
        field = np.random.default_rng(4).standard_normal((5, points))
        transform.physical[...] = field[:, box.indices()[0]]
        states[N1] = (transform.forward() * np.sqrt(transform.weight)).view(float).reshape(-1)
        layouts[N1] = checkpoint.Layout(transform)
    for N1, state in states.items():
        _, problem = checkpoint.write(shared_tmp_path, layouts[N1], [state, 2 * state], memory(N1), {"config_toml": ""}, comm)
        assert problem == ""
        for other in states:
            found, said = checkpoint.load(checkpoint.candidates(shared_tmp_path), layouts[other], lambda *_: None, comm)
            assert (found.memory, said) == (memory(N1), "")
            for factor, vector in enumerate(found.vectors, 1):
                # amplitudes of size sqrt(points), by two ways to transform; the same cut gives the same bits
                np.testing.assert_allclose(vector, factor * states[other], atol=0 if other == N1 else 1e-13)


# --- damage, and what a checkpoint is refused for ---------------------------------------------------------------------


@pytest.fixture
def halves(tmp_path):
    """A run that has stopped, with two checkpoints; and its config."""
    config = case("standard")
    stopped(config, tmp_path / "run", 3)
    stopped(config, tmp_path / "run", 4, resume="auto")
    return tmp_path / "run", config


def spoil(path, how):
    if how == "truncated":
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size // 2)
    elif how == "row":
        with h5py.File(path, "r+") as file:
            file["vectors"][0, 1, 2] = np.nextafter(file["vectors"][0, 1, 2], 1.0)
    elif how == "unfinished":
        with open(path, "r+b") as file:
            file.write(bytes(len(checkpoint.seal({}))))
    elif how == "memory":
        with h5py.File(path, "r+") as file:
            file.attrs["memory"] = file.attrs["memory"].replace('"wall_time"', '"wall_tame"')
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("not HDF5")


@pytest.mark.parametrize("how", ["truncated", "row", "unfinished", "memory", "empty", "text"])
def test_damaged_checkpoint_gives_way_to_the_one_before(halves, how):
    path, config = halves
    spoil(path / checkpoint.NEWEST, how)
    with nuflux_mpi.Simulation(config, out=path, resume="auto", deterministic=True) as simulation:
        assert simulation.said[0].startswith("checkpoint.h5 is damaged (")
        assert simulation.said[0].endswith("): going on from checkpoint.previous.h5")
        simulation.run()
    assert_same_run(simulate(config, path.parent / "whole"), Run(path))


def test_no_wrong_bit_goes_unnoticed(halves):
    """HDF5 itself would crash on some of them."""
    path, config = halves
    newest, rng = path / checkpoint.NEWEST, np.random.default_rng(5)
    good = newest.read_bytes()
    with nuflux_mpi.Simulation(config, out=path.parent / "other", deterministic=True) as simulation:
        for place in rng.choice(len(good), 300):
            bad = bytearray(good)
            bad[place] ^= 1 << rng.integers(8)
            newest.write_bytes(bad)
            _, said = checkpoint.load(
                checkpoint.candidates(path), simulation._recorder.layout, lambda *_: None, simulation.comm
            )
            assert said.startswith("checkpoint.h5 is damaged")


def test_without_any_good_checkpoint_the_run_is_refused(halves):
    path, config = halves
    for name in (checkpoint.NEWEST, checkpoint.PREVIOUS):
        spoil(path / name, "row")
    with pytest.raises(InputError, match="no checkpoint in .* can be used: .*h5 is damaged .*previous.h5 is damaged"):
        simulate(config, path, resume="auto")
    assert len(Run(path).series["time"]) > 1  # nothing was touched


def test_killed_between_two_names(halves):
    """The moment when the newest has become the previous and the new one has not its name yet."""
    path, config = halves
    (path / checkpoint.NEWEST).replace(path / checkpoint.PREVIOUS)
    assert_same_run(simulate(config, path.parent / "whole"), simulate(config, path, resume="auto"))


def test_format_of_another_version_is_refused(halves):
    path, config = halves
    with open(path / checkpoint.NEWEST, "r+b") as file:
        file.write(checkpoint.seal({"format": 99}))
    with pytest.raises(InputError, match="has checkpoint format 99, and this version of nuflux_mpi reads 1"):
        simulate(config, path, resume="auto")


def test_other_problem_is_refused_with_the_difference(halves):
    path, config = halves
    other = config | {"modes": {"velocity": [1.0, -0.5]}}
    with pytest.raises(InputError, match=r"belongs to another problem: modes.velocity was \[1.0, -1.0\], now \[1.0, -0.5\]"):
        simulate(other, path, resume="auto")
    simulate(config, path, resume="auto")  # the refusal has left no lock


def test_run_without_a_checkpoint_is_not_lost(halves):
    path, config = halves
    for name in (checkpoint.NEWEST, checkpoint.PREVIOUS):
        (path / name).unlink()
    with pytest.raises(InputError, match="holds a run without a checkpoint"):
        simulate(config, path, resume="auto")
    with pytest.raises(InputError, match="already holds a run"):
        simulate(config, path)


def test_killed_before_the_first_checkpoint_starts_again(halves):
    path, config = halves
    for name in (checkpoint.NEWEST, checkpoint.PREVIOUS):
        (path / name).unlink()
    (path / "series.h5").write_bytes(b"")
    (path / "run.log").write_text("")  # which tells of no checkpoint yet
    assert_same_run(simulate(config, path.parent / "whole"), simulate(config, path, resume="auto"))


@pytest.mark.parametrize("name", ["series.h5", "fields.h5"])
def test_file_beyond_repair_is_moved_aside(halves, name):
    path, config = halves
    whole = simulate(config, path.parent / "whole")
    (path / name).write_bytes(b"rubbish")
    with nuflux_mpi.Simulation(config, out=path, resume="auto", deterministic=True) as simulation:
        aside = name.replace(".h5", ".damaged.h5")
        [said] = simulation.said
        assert said.startswith(f"{name} is damaged (it cannot be read: ")
        assert said.endswith(f"): it is now {aside}, and a new one begins here")
        begin = simulation.integrator.t
        run = simulation.run()
    assert (path / aside).read_bytes() == b"rubbish"
    rows = {"series.h5": run.series, "fields.h5": run.fields}[name]
    kept = np.asarray(whole.series["time"] if name == "series.h5" else whole.fields["time"])
    np.testing.assert_array_equal(rows["time"], kept[kept > begin])


def test_file_that_ends_too_early_is_mended(halves):
    """As a kill leaves it while a snapshot is being added: the header already counts what is not there yet."""
    path, config = halves
    size = (path / "fields.h5").stat().st_size
    with h5py.File(path / "fields.h5", "r+") as file:
        for name in ("P", "time"):
            file[name].resize(len(file[name]) + 1, axis=0)
    with open(path / "fields.h5", "r+b") as file:
        assert (path / "fields.h5").stat().st_size > size
        file.truncate(size)
    with nuflux_mpi.Simulation(config, out=path, resume="auto", deterministic=True) as simulation:
        assert simulation.said == []
        run = simulation.run()
    assert_same_run(simulate(config, path.parent / "whole"), run)


def test_branch_from_a_checkpoint_file(halves):
    path, config = halves
    whole = simulate(config, path.parent / "whole")
    branch = simulate(config, path.parent / "branch", resume=str(path / checkpoint.PREVIOUS))
    begin = branch.series["time"][0]
    assert 0 < begin < 3.0
    later = whole.series["time"] > begin
    np.testing.assert_array_equal(branch.series["time"][1:], whole.series["time"][later])
    np.testing.assert_array_equal(branch.series["P_mean"][1:], whole.series["P_mean"][later])
    np.testing.assert_array_equal(branch.fields["P"][-1], whole.fields["P"][-1])
    with pytest.raises(InputError, match="there is no checkpoint"):
        simulate(config, path.parent / "other", resume=str(path / "no.h5"))
    with pytest.raises(InputError, match="is no checkpoint"):
        simulate(config, path.parent / "other", resume=str(path / "series.h5"))


def test_denser_output_from_here_on(halves):
    path, config = halves
    config["output"] = config["output"] | {"series_every": 0.1, "fields_every": 0.5}
    run = simulate(config, path, resume="auto")
    assert np.all(np.diff(run.series["time"]) > 0)
    np.testing.assert_allclose(np.diff(run.series["time"])[-5:], 0.1, rtol=1e-9)
    np.testing.assert_allclose(run.fields["time"][-3:], [2.0, 2.5, 3.0], rtol=1e-12)


def test_spectra_can_be_asked_for_later(tmp_path):
    config = case("standard")
    config["output"] = config["output"] | {"spectrum_every": 0}
    stopped(config, tmp_path / "run", 4)
    config["output"] = config["output"] | {"spectrum_every": 0.3}
    run = simulate(config, tmp_path / "run", resume="auto")
    assert len(run.series["spectrum_time"]) == len(run.series["psi2"]) > 0
    assert run.series["spectrum_time"][-1] == 3.0


def test_start_that_has_changed_is_refused(tmp_path):
    P = np.full((2, 3, 32), 0.5)
    config = case("standard") | {"initial": {"kind": "file", "path": str(tmp_path / "start.h5")}}
    for value in (0.5, 0.6):
        P[0, 0] = value
        with h5py.File(tmp_path / "start.h5", "w") as file:
            file["P"] = P
        if value == 0.5:
            stopped(config, tmp_path / "run", 2)
    for copy in (tmp_path / "run").glob("initial.*.start.h5"):  # else the run would go on from it
        copy.unlink()
    with pytest.raises(InputError, match="the initial state is not the one"):
        simulate(config, tmp_path / "run", resume="auto")


def listener(said):
    """What `Simulation.run` reports to; sentences go to the list `said`."""
    return SimpleNamespace(say=said.append, note=lambda text: None, update=lambda *arguments: None)


def test_damaged_lines_of_the_log_tell_no_costs():
    good = checkpoint.sentence(1.0, checkpoint.Cost(3.26e-3 * 1e6, 1.2e-5))
    assert [cost.seconds for cost in checkpoint.costs(good)] == pytest.approx([1.2e-5])
    for damaged in ("3,26", "x", "3.2.6", "1e", "--1"):
        assert checkpoint.costs(f"checkpoint at t = 1: {damaged} MB in 0.1 s, 3 MB/s\n") == []


def test_costs_are_read_again_from_the_log(tmp_path):
    with nuflux_mpi.Simulation(case("standard"), out=tmp_path / "run") as simulation:
        log = Progress(0.0, 3.0, 60.0, log=tmp_path / "run" / "run.log", silent=True)
        run = simulation.run(log)
        log.close()
    costs = checkpoint.costs((tmp_path / "run" / "run.log").read_text())
    # At the start and at the end the state alone: 6 lines of 32 / 2 + 1 complex numbers; three digits are in the log.
    assert [cost.bytes for cost in costs] == pytest.approx(2 * [6 * 17 * 16], rel=5e-3)
    assert all(0 < cost.seconds < simulation.pace.checkpoint * 1.1 for cost in costs)  # two digits
    assert "saved     2 checkpoints, 0.00326 MB in " in run.summary()
    assert str(checkpoint.Cost(1234.4e6, 99.7)) == "1234 MB in 100 s, 12 MB/s"


def full(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_without_room_for_a_checkpoint_the_run_goes_on(tmp_path, monkeypatch):
    said = []

    with nuflux_mpi.Simulation(case("standard"), out=tmp_path / "run") as simulation:
        create = checkpoint._create
        monkeypatch.setattr(
            checkpoint, "_create", lambda *arguments: (full if simulation.integrator.t == 3.0 else create)(*arguments)
        )
        simulation.run(listener(said))
    told = [line for line in said if "checkpoint" in line]
    assert len(told) == 1 and "no checkpoint at t = 3" in told[0] and "(No space left on device)" in told[0]
    assert sorted(path.name for path in (tmp_path / "run").glob("checkpoint*")) == [checkpoint.NEWEST]
    with h5py.File(tmp_path / "run" / checkpoint.NEWEST) as file:
        assert '"since_start": 0.0' in file.attrs["memory"]


def test_without_room_for_growth_rates_and_figures_the_run_is_finished(tmp_path, monkeypatch):
    figure_list, said = pytest.importorskip("nuflux_mpi.plots.figure_list"), []
    monkeypatch.setattr(growth, "write", full)
    with nuflux_mpi.Simulation(case("standard"), out=tmp_path / "run") as simulation:
        run = simulation.run(listener(said))
    assert said[-1] == f"warning: {tmp_path / 'run' / 'growth.csv'} cannot be written (No space left on device)"
    assert run.finished and "growth" in run.summary()
    monkeypatch.setattr(figure_list, "draw_all", full)
    running.draw(run, said.append)
    assert said[-1].startswith("warning: the figures cannot be drawn (No space left on device); draw them later")

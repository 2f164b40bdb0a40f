"""What a run remembers: types that hold on the way into a checkpoint and back, and sentences for all else."""

import json
from dataclasses import asdict, replace

import h5py
import numpy as np
import pytest
from loading import through_json

import nuflux_mpi
from nuflux_mpi.errors import InputError
from nuflux_mpi.results import checkpoint
from nuflux_mpi.time.memory import AdamsMemory, Foreign, IntegratorMemory, RunMemory, Statistics, plain, read, read_run

ADAMS = AdamsMemory(times=[0.3, 0.1, 0.0], order=2, since=1, ramp=False, starting=True, ahead=0.2)
RUN = RunMemory(
    since_start=0.3,
    integrator=IntegratorMemory(0.2, Statistics(steps=3, dt=0.2), ADAMS),
    norm_at_start=1.0,
    wall_time=2.5,
    energy_at_start=-3.0,
    recent=[{"time": 0.3, "step": 3, "K": [0.1, -0.1], "slope": float("nan")}],
    warned={"tail": "a sentence"},
    rows={"series.h5": {"time": 4}},
)


def types(value):
    """The types in nested plain values."""
    if isinstance(value, dict):
        return {dict}.union(*map(types, value.values()))
    if isinstance(value, list):
        return {list}.union(*map(types, value))
    return {type(value)}


def test_a_record_comes_back_as_it_was():
    back = through_json(RUN)
    assert isinstance(back.integrator.stepper, AdamsMemory)
    assert back.recent[0].pop("slope") != 0  # not a number
    assert back == replace(RUN, recent=[{"time": 0.3, "step": 3, "K": [0.1, -0.1]}])


def test_numbers_of_numpy_become_those_of_python():
    """Each of them in a place where arithmetic has left it once, or might."""
    adams = AdamsMemory(
        times=list(np.array([0.3, 0.1])),
        order=np.int64(1),
        since=np.int32(0),
        ramp=np.bool_(True),
        starting=np.float64(2.0) > 1.0,
        ahead=np.float32(0.5),
    )
    run = replace(
        RUN,
        integrator=IntegratorMemory(np.float64(0.2), Statistics(steps=np.int64(3)), adams),
        recent=[{"time": np.float64(0.3), "K": np.array([0.1, -0.1]), "step": np.int64(4)}],
    )
    data = plain(run)
    assert types(data) <= {dict, list, float, int, bool, str, type(None)}
    assert data["integrator"]["stepper"]["starting"] is True and data["recent"][0] == {"time": 0.3, "K": [0.1, -0.1], "step": 4}
    assert read(RunMemory, json.loads(json.dumps(data))).integrator.stepper.ahead == 0.5


@pytest.mark.parametrize(
    "record, words",
    [
        (replace(RUN, since_start="0.3"), "since_start is a str and no float"),
        (replace(RUN, since_start=True), "since_start is a bool and no float"),
        (replace(RUN, since_start=0.3 + 0j), "since_start is a complex and no float"),
        (replace(RUN, rows={"series.h5": {"time": 4.0}}), "rows.series.h5.time is a float and no int"),
        (replace(RUN, rows={3: {}}), "rows is a dict and no"),
        (replace(RUN, warned={"tail": None}), "warned.tail is a NoneType and no str"),
        (replace(RUN, recent=[{"K": np.zeros((2, 2))}]), r"recent\[0\].K\[0\] is a ndarray and no float"),
        (
            replace(RUN, integrator=IntegratorMemory(0.1, Statistics(), replace(ADAMS, ramp=1))),
            "stepper.ramp is a int and no bool",
        ),
        (replace(RUN, integrator=asdict(RUN.integrator)), "integrator is a dict and no IntegratorMemory"),
    ],
)
def test_what_has_no_type_here_is_not_written(record, words):
    with pytest.raises(Foreign, match=words):
        plain(record)


def changed(path, value):
    """The plain form of RUN with another value at a path, None for a field left out."""
    data = plain(RUN)
    *places, last = path.split(".")
    here = data
    for place in places:
        here = here[place]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return data


@pytest.mark.parametrize(
    "data, words",
    [
        (changed("since_start", None), "no field since_start"),
        (changed("since_start", "soon"), "since_start is a str"),
        (changed("since_start", float("inf")), "not finite"),
        (changed("color", "blue"), "an unknown field color"),
        (changed("integrator.stepper.order", 4), "order 4 of 3 derivatives"),
        (changed("integrator.stepper.order", 0), "order 0"),
        (changed("integrator.stepper.times", [0.1, 0.3]), "do not go back"),
        (changed("integrator.stepper.times", []), "do not go back"),
        (changed("integrator.stepper.times", [0.1, float("nan")]), "do not go back"),
        (changed("integrator.stepper.ahead", -1.0), "ahead = -1"),
        (changed("integrator.stepper.extra", 1), "integrator.stepper has an unknown field extra"),
        (changed("integrator.stepper", [1]), "integrator.stepper is a list and no AdamsMemory or NoneType"),
        (changed("integrator.dt", 0.0), "integrator: dt = 0"),
        (changed("integrator.statistics.steps", -1), "a count is negative"),
        (changed("integrator.statistics", None), "no field statistics"),
        (["t"], "its memory is a list"),
        (None, "its memory is a NoneType"),
    ],
)
def test_what_does_not_fit_is_not_read(data, words):
    with pytest.raises(Foreign, match=words):
        read_run(data, {})


def test_version_0_1_had_the_numbers_of_the_method_beside_the_others():
    data = plain(RUN)
    integrator = data["integrator"]
    data["integrator"] = {"dt": integrator["dt"], "statistics": integrator["statistics"], **integrator["stepper"]}
    assert read_run(data, {}).integrator == RUN.integrator
    data["integrator"] = {"dt": 0.2, "statistics": integrator["statistics"]}
    assert read_run(data, {}).integrator == replace(RUN.integrator, stepper=None)
    data["t"] = data.pop("since_start")
    assert read_run(data, {"time": {"start": 0.0}}).since_start == RUN.since_start
    with pytest.raises(Foreign, match="version 0.1, with a time.start other than 0"):
        read_run(data, {"time": {"start": 1.0}})


# ---- in a run

BEAMS = {
    "box": {"length": 10.0, "points": 16},
    "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 3},
    "equations": {"level": "standard"},
    "output": {"figures": False, "series_every": 0.5},
}


def config(method, end):
    return BEAMS | {"time": {"end": end, "rtol": 1e-6, "method": method}}


def forge(path, change):
    """Put another memory into a checkpoint and seal it again, as another program might."""
    with h5py.File(path, "r+") as file:
        memory = json.loads(file.attrs["memory"])
        change(memory)
        file.attrs["memory"] = json.dumps(memory)
        places = [(file[name].id.get_offset(), file[name].id.get_storage_size()) for name in ("vectors", "checksum")]
    with open(path, "r+b") as file:
        sealed = checkpoint.seal(
            {"format": checkpoint.VERSION, "rows": places, "crc": checkpoint._crc_of_the_rest(file, places)}
        )
        file.seek(0)
        file.write(sealed)


@pytest.mark.parametrize(
    "method, change, words",
    [
        ("adams", lambda memory: memory["integrator"].update(stepper=None), "it is of another method"),
        ("adams", lambda memory: memory["integrator"]["stepper"]["times"].pop(), "it is of another method"),
        ("adams", lambda memory: memory["integrator"]["stepper"].update(order="2"), "stepper.order is a str and no int"),
        ("8vr", lambda memory: memory["integrator"].update(stepper=plain(ADAMS)), "it is of another method"),
        ("4bm", lambda memory: memory["integrator"].update(stepper=plain(ADAMS)), "it is of another method"),
        ("8vr", lambda memory: memory.update(planet="Mars"), "its memory has an unknown field planet"),
    ],
)
def test_a_foreign_memory_is_a_sentence(method, change, words, tmp_path):
    nuflux_mpi.simulate(config(method, 1.0), out=tmp_path)
    forge(tmp_path / checkpoint.NEWEST, lambda memory: None)  # nothing is wrong with forging as such
    nuflux_mpi.simulate(config(method, 1.5), out=tmp_path, resume="auto")
    for name in (checkpoint.NEWEST, checkpoint.PREVIOUS):
        forge(tmp_path / name, change)
    with pytest.raises(InputError) as refused:
        nuflux_mpi.simulate(config(method, 2.0), out=tmp_path, resume="auto")
    assert str(refused.value).count("remembers what this version of nuflux_mpi does not understand") == 2
    assert str(refused.value).count(words) == 2 and "\n" not in str(refused.value)


def test_a_memory_that_cannot_be_written_costs_the_checkpoint_and_not_the_run(tmp_path, monkeypatch):
    """A fault of the program: the numbers are worth more."""
    with nuflux_mpi.Simulation(config("adams", 1.0), out=tmp_path) as simulation:
        monkeypatch.setattr(simulation._recorder.watch, "onset", object())
        run = simulation.run()
    assert run.finished and not (tmp_path / checkpoint.NEWEST).exists()

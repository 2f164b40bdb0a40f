"""Runs inside a program: Ctrl-C, threads, simulations side by side, and some that nobody closes."""

import gc
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.errors import InputError
from nuflux_mpi.run.interrupt import Interrupt

SMALL = {
    "box": {"length": 6.3, "points": 16},
    "initial": {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": -1, "amplitude": 1e-3}]},
    "equations": {"level": "energy"},
    "time": {"end": 4.0, "rtol": 1e-8},
    "output": {"series_every": 0.5, "fields_every": 1.0},
}


def press(simulation, t):
    """A stop callable that never stops a run, but sends this process a SIGINT once after time t."""
    pressed = []

    def stop():
        if simulation.integrator.t > t and not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return ""

    return stop


def test_ctrl_c_ends_a_run_in_order_and_it_can_be_resumed(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r'resume="auto"\) goes on'):
        with nuflux_mpi.Simulation(SMALL, out=tmp_path / "run", deterministic=True) as simulation:
            simulation.run(stop=press(simulation, 1.0))
    assert signal.getsignal(signal.SIGINT) is before
    assert simulation.stopped and 1.0 < simulation.integrator.t < 4.0
    assert not (tmp_path / "run" / "RUNNING").exists()
    assert f"checkpoint at t = {simulation.integrator.t:.6g}" in (tmp_path / "run" / "run.log").read_text()
    resumed = nuflux_mpi.simulate(SMALL, out=tmp_path / "run", resume="auto", deterministic=True)
    whole = nuflux_mpi.simulate(SMALL, deterministic=True)
    assert resumed.finished
    for name in ("time", "U_osc", "K"):
        assert np.array_equal(resumed.series[name], whole.series[name])


@pytest.mark.mpi
def test_ctrl_c_on_one_rank_ends_all_in_order(comm, shared_tmp_path):
    simulation = nuflux_mpi.Simulation(SMALL, out=shared_tmp_path / "run", comm=comm)
    silent = press(simulation, 1.0) if comm.rank == comm.size - 1 else None
    with pytest.raises(KeyboardInterrupt), simulation:
        simulation.run(stop=silent)
    assert len(set(comm.allgather(simulation.integrator.t))) == 1 and simulation.integrator.t < 4.0
    assert nuflux_mpi.simulate(SMALL, out=shared_tmp_path / "run", resume="auto", comm=comm).finished


def test_an_interrupted_run_in_memory_is_closed(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="lost"):
        with nuflux_mpi.Simulation(SMALL) as simulation:
            simulation.run(stop=press(simulation, 1.0))
    with pytest.raises(InputError, match="has ended: make a new one"):
        simulation.run()


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with nuflux_mpi.Simulation(SMALL, out=tmp_path / "run") as simulation:

            def stop():
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
                pytest.fail("the run goes on after the second one")

            simulation.run(stop=stop)
    assert not (tmp_path / "run" / "RUNNING").exists()
    assert nuflux_mpi.simulate(SMALL, out=tmp_path / "run", resume="auto").finished


def test_handlers_of_the_program_are_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with nuflux_mpi.Simulation(SMALL) as simulation:
            assert simulation.run(stop=press(simulation, 1.0)).finished
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_the_reason_of_the_programs_own_stop_comes_first():
    with Interrupt(lambda: "enough") as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked() == "enough"
    with Interrupt() as asked:
        assert asked() == ""
        signal.raise_signal(signal.SIGINT)
        assert "Ctrl-C" in asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_run_in_a_thread():
    found = []
    worker = threading.Thread(target=lambda: found.append(nuflux_mpi.simulate(SMALL, deterministic=True)))
    worker.start()
    worker.join()
    here = nuflux_mpi.simulate(SMALL, deterministic=True)
    assert found[0].finished and np.array_equal(found[0].series["U_osc"], here.series["U_osc"])


def test_a_run_inside_an_event_loop():
    import asyncio

    async def cell():
        return nuflux_mpi.simulate(SMALL)

    assert asyncio.run(cell()).finished


@pytest.mark.mpi
def test_two_simulations_side_by_side(comm, shared_tmp_path):
    """Carried out in turns, each step of one between steps of the other, they are what they are alone."""
    with (
        nuflux_mpi.Simulation(SMALL, comm=comm) as a,
        nuflux_mpi.Simulation(SMALL, comm=comm, overrides=["time.rtol=1e-6", "box.points=32"]) as b,
    ):
        inner = []

        def stop():
            if not inner and a.integrator.t > 2.0:
                inner.append(b.run())
            return ""

        outer = a.run(stop=stop)
    alone = nuflux_mpi.simulate(SMALL, comm=comm)
    # The plans of FFTW are measured, and may differ from one simulation to the next in the last bits.
    assert np.allclose(outer.series["U_osc"], alone.series["U_osc"], rtol=1e-12, atol=0)
    assert inner[0].finished and outer.finished


@pytest.mark.mpi
def test_a_directory_belongs_to_one_simulation_at_a_time(comm, shared_tmp_path):
    out = shared_tmp_path / "run"
    with nuflux_mpi.Simulation(SMALL, out=out, comm=comm):
        with pytest.raises(InputError, match="is being written by another run"):
            nuflux_mpi.simulate(SMALL, out=out, comm=comm, resume="auto")
    assert nuflux_mpi.simulate(SMALL, out=out, comm=comm, resume="auto").finished
    with pytest.raises(InputError, match="already holds a run"):
        nuflux_mpi.simulate(SMALL, out=out, comm=comm)
    assert nuflux_mpi.simulate(SMALL, out=out, comm=comm, overwrite=True).finished


def test_a_dropped_simulation_gives_its_directory_back(tmp_path):
    simulation = nuflux_mpi.Simulation(SMALL, out=tmp_path / "run")
    assert (tmp_path / "run" / "RUNNING").exists()
    del simulation
    gc.collect()
    assert not (tmp_path / "run" / "RUNNING").exists()
    assert nuflux_mpi.simulate(SMALL, out=tmp_path / "run", resume="auto").finished


def test_a_process_ends_with_a_simulation_that_nobody_closed(tmp_path):
    program = (
        f"import nuflux_mpi\nsmall = {SMALL!r}\nkept = [nuflux_mpi.Simulation(small, out='a'), "
        "nuflux_mpi.Simulation(small)]\nkept[1].run()\nprint('end')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(nuflux_mpi.__file__))},
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "end\n", "")
    assert not (tmp_path / "a" / "RUNNING").exists()


def test_a_finished_simulation_gives_its_results_again():
    with nuflux_mpi.Simulation(SMALL) as simulation:
        first = simulation.run()
        assert np.array_equal(simulation.run().series["U_osc"], first.series["U_osc"])

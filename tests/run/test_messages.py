"""What a run says to the program that uses it: Python warnings at the user's line, a logger, a sentence on other ranks."""

import logging
import pickle
import warnings

import pytest

import nuflux_mpi
from nuflux_mpi.errors import InputError
from nuflux_mpi.run import messages

# One wave that grows; at a tolerance of 1e-3 the budget does not close, which a run warns of.
SMALL = {
    "box": {"length": 6.283185307179586, "points": 16},
    "initial": {"kind": "fourier", "zeta": [0.5, -0.5], "waves": [{"n": -1, "amplitude": 1e-3}]},
    "equations": {"level": "energy"},
    "time": {"end": 25.0, "rtol": 1e-3},
    "output": {"series_every": 0.25, "fields_every": 5.0},
}


@pytest.mark.mpi
def test_warnings_of_a_run_are_python_warnings_at_the_users_line(comm):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        run = nuflux_mpi.simulate(SMALL, comm=comm)
    caught = [entry for entry in caught if entry.category is nuflux_mpi.RunWarning]
    assert len(caught) == (len(run.warnings) if comm.rank == 0 else 0)
    assert run.warnings  # of the attributes, on all ranks
    for entry, text in zip(caught, run.warnings):
        assert entry.filename == __file__ and text == f"warning {entry.message}"
    subjects = [entry.message.subject for entry in caught]
    assert len(set(subjects)) == len(subjects) and all(subjects)


@pytest.mark.mpi
def test_each_run_says_its_warnings(comm):
    """Python's own memory of what was said where would silence the second run of a loop."""
    counts = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            nuflux_mpi.simulate(SMALL, comm=comm)
            counts.append(sum(entry.category is nuflux_mpi.RunWarning for entry in caught))
    assert counts[1] == 2 * counts[0]


@pytest.mark.mpi
@pytest.mark.parametrize("in_files", [False, True])
def test_a_warning_that_is_an_error_ends_all_ranks_alike(comm, shared_tmp_path, in_files):
    out = shared_tmp_path / "run" if in_files else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", nuflux_mpi.RunWarning)
        with pytest.raises(nuflux_mpi.RunWarning, match=r"^at t = "):
            nuflux_mpi.simulate(SMALL, comm=comm, out=out)
        if in_files:  # no lock is left, and the run goes on when it is no error any more
            assert comm.rank or not (out / "RUNNING").exists()
            warnings.simplefilter("ignore", nuflux_mpi.RunWarning)
            assert nuflux_mpi.simulate(SMALL, comm=comm, out=out, resume="auto").finished


@pytest.mark.mpi
def test_all_warnings_as_errors_leave_a_good_run_alone(comm):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nuflux_mpi.simulate(SMALL, comm=comm, overrides=["time.end=1", "time.rtol=1e-10"]).finished


def test_a_warning_survives_pickling():
    warning = pickle.loads(pickle.dumps(nuflux_mpi.RunWarning("at t = 1: too far", "tail")))
    assert (str(warning), warning.subject) == ("at t = 1: too far", "tail")


@pytest.mark.mpi
def test_the_logger_tells_begin_checkpoints_warnings_and_end(comm, shared_tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="nuflux_mpi"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = nuflux_mpi.simulate(SMALL, comm=comm, out=shared_tmp_path / "run")
    said = [record for record in caplog.records if record.name == "nuflux_mpi"]
    if comm.rank:
        assert not said
        return
    texts = [record.getMessage() for record in said]
    assert "2 modes, box of length" in texts[0] and texts[1].startswith("checkpoint at t = 0:")
    assert [record.getMessage() for record in said if record.levelno == logging.WARNING] == run.warnings
    assert texts[-2].startswith("run ") and texts[-1].startswith("wall time ")
    # run.log has the same, as on the command line
    log = (shared_tmp_path / "run" / "run.log").read_text()
    assert all(text in log for text in texts)
    assert "checkpoint" in run.summary() and "right-hand sides" in run.summary()


@pytest.mark.mpi
def test_nothing_is_printed_unasked(comm, shared_tmp_path, capfd):
    nuflux_mpi.simulate(SMALL, comm=comm, overrides=["time.end=1", "time.rtol=1e-10"], out=shared_tmp_path / "run")
    assert capfd.readouterr() == ("", "")


def test_the_library_adds_no_handler_that_prints():
    assert [type(handler) for handler in messages.LOGGER.handlers] == [logging.NullHandler]


def test_the_command_line_shows_text_and_no_python_warning(run_cli, tmp_path):
    (tmp_path / "case.toml").write_text(
        '[box]\nlength = 6.283185307179586\npoints = 16\n[initial]\nkind = "fourier"\n'
        "zeta = [0.5, -0.5]\nwaves = [{n = -1, amplitude = 1e-3}]\n[equations]\n"
        'level = "energy"\n[time]\nend = 25.0\nrtol = 1e-3\n[output]\nfigures = false\n'
    )
    ended = run_cli(["run", "case.toml", "--out", "run"], cwd=tmp_path, env={"PYTHONWARNINGS": "error::UserWarning"})
    assert ended.returncode == 0 and "\nwarning at t = " in ended.stderr and "RunWarning" not in ended.stderr


@pytest.mark.mpi
def test_fields_of_a_run_in_memory_are_on_rank_0_and_the_others_are_told(comm):
    run = nuflux_mpi.simulate(SMALL, comm=comm, overrides=["time.end=1", "time.rtol=1e-10"])
    if comm.rank == 0:
        assert run.fields["P"].shape == (2, 2, 3, 16) and run.fields
        return
    assert not run.fields and "rank 0" in repr(run.fields) and run.fields._repr_html_()
    for ask in (
        lambda: run.fields["P"],
        lambda: run.fields.at(0.0),
        lambda: run.to_xarray("fields"),
        lambda: run.phase_space["f"],
    ):
        with pytest.raises(InputError, match=r"rank 0 alone.*out=.*nuflux_mpi\.Run"):
            ask()
    with pytest.raises(KeyError):
        run.fields["P"]


@pytest.mark.mpi
def test_a_name_that_is_not_there_is_a_sentence_and_a_key_error(comm, shared_tmp_path):
    quick = ["time.end=1", "time.rtol=1e-10"]
    inside = nuflux_mpi.simulate(SMALL, comm=comm, overrides=quick)
    written = nuflux_mpi.simulate(SMALL, comm=comm, overrides=quick, out=shared_tmp_path / "run")
    for arrays in (inside.series, written.series, written.fields, *([inside.fields] if comm.rank == 0 else [])):
        for kind in (InputError, KeyError):
            with pytest.raises(kind, match="no .*U_oscillation.* ha(s|ve) .*time"):
                arrays["U_oscillation"]
        assert "U_oscillation" not in arrays and arrays.get("U_oscillation", 3) == 3

"""PETSc's options: what a config may hold, and that nothing else gets to a run, whatever sets it."""

import processes
import pytest

from nuflux_mpi.errors import InputError
from nuflux_mpi.time import petsc_options
from nuflux_mpi.time.integrator import Integrator, check_options
from nuflux_mpi.time.methods import RUNGE_KUTTA

TINY = [
    "--set",
    "box.points=16",
    "--set",
    "box.length=6.283185307179586",
    "--set",
    "initial.n_max=4",
    "--set",
    "time.end=1",
    "--set",
    "time.method=5dp",
    "--set",
    "output.figures=false",
]


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-ts_view",
        "-ts_view ascii",
        "-ts_view ::ascii_info_detail",
        "-ts_monitor",
        "-log_view",
        "-log_view ::ascii_csv",
        "-log_view :stdout",
        "-ts_adapt_type none",
        "-ts_adapt_type dsp -ts_adapt_dsp_filter PI42",
        "-ts_adapt_clip .1,5",
        "-ts_adapt_safety 0.5 -ts_adapt_monitor",
        "-ts_adapt_dt_max 1e-3",
        "-ts_adapt_wnormtype infinity",
    ],
)
def test_options_of_the_controller_and_views_are_allowed(options):
    check_options(options, "5dp")


@pytest.mark.parametrize(
    "options, words",
    [
        ("-ts_type euler", "must not hold -ts_type: time.method"),
        ("-ts_rk_type 3bs", "-ts_rk_type: time.method"),
        ("-ts_rtol 1e-2", "time.rtol"),
        ("-ts_atol 1", "time.atol"),
        ("-ts_dt 1", "time.dt_initial"),
        ("-ts_adapt_typ none", "did you mean -ts_adapt_type"),
        ("--ts_view", "--ts_view is not allowed|-ts_view"),
        ("-nonsense", "-nonsense is not allowed"),
        ("-dll_prepend /tmp/x.so", "-dll_prepend is not allowed"),
        ("-options_file f", "not allowed"),
        ("-options_file_yaml f", "not allowed"),
        ("-malloc_debug", "not allowed"),
        ("-on_error_attach_debugger gdb", "not allowed"),
        ("-start_in_debugger", "not allowed"),
        ("-info f", "not allowed"),
        ("-ts_python_type os.system", "must not hold"),
        ("-ts_monitor_draw", "not allowed"),
        ("-log_trace f", "not allowed"),
        ("-ts_monitor_lg_solution", "not allowed"),
        ("-ts_monitor_solution_vtk a%d.vts", "not allowed"),
        ("-ts_max_steps 3", "not allowed"),
        ("-ts_exact_final_time matchstep", "not allowed"),
        ("-prefix_push x_", "not allowed"),
        ("-log_view ascii:/tmp/x", "-log_view takes nothing"),
        ("-log_view :/tmp/x", "files are not written"),
        ("-log_view :x:ascii_xml", "takes nothing"),
        ("-ts_view ascii:x", "takes nothing"),
        ("-ts_view hdf5:x.h5", "takes"),
        ("-ts_view draw", "takes"),
        ("-ts_view python:m", "takes"),
        ("-ts_monitor socket", "takes"),
        ("-ts_view binary", "takes"),
        ("-ts_adapt_monitor ascii:x", "takes true, false"),
        ("-ts_adapt_type glee", "none, basic or"),
        ("-ts_adapt_type", "-ts_adapt_type takes none, basic or dsp."),
        ("-ts_adapt_safety many", "a positive number, not many"),
        ("-ts_adapt_safety -1", "a positive number, not -1"),
        ("-ts_adapt_safety nan", "positive number"),
        ("-ts_adapt_clip 1 2", "'2' belongs to no option"),
        ("euler", "'euler' belongs to no option"),
        ("-ts_view ascii none", "'none' belongs"),
        ("-ts_adapt_dsp_filter PI42", "acts with -ts_adapt_type dsp alone"),
        ("-log_view_memory", "acts with -log_view alone"),
        ("-nuflux_ts_type euler", "not allowed"),
    ],
)
def test_all_others_are_refused_in_a_sentence(options, words):
    with pytest.raises(InputError, match=words) as refusal:
        check_options(options, "5dp")
    assert "\n" not in str(refusal.value) and "petsc.options" in str(refusal.value)


def test_every_option_of_the_controller_wants_a_method_that_has_it():
    for name in petsc_options._OF_ADAPT:
        value = {"ts_adapt_type": "none", "ts_adapt_clip": "0.1,2", "ts_adapt_wnormtype": "2"}.get(name, "1")
        with pytest.raises(InputError, match=f"-{name} acts on Runge-Kutta pairs alone"):
            check_options(f"-{name} {value}", "adams")


@pytest.mark.mpi
@pytest.mark.parametrize(
    "options",
    [
        "-ts_adapt_safety 5",
        "-ts_adapt_clip 2,1",
        "-ts_adapt_clip 0,0.5",
        "-ts_adapt_scale_solve_failed 5",
        "-ts_adapt_dt_min 1 -ts_adapt_dt_max 1e-3",
        "-ts_adapt_type dsp -ts_adapt_dsp_filter foo",
        "-ts_adapt_type dsp -ts_adapt_dsp_pid ,",
    ],
)
def test_values_that_petsc_does_not_take_are_a_sentence_before_a_run_begins(options, comm):
    with pytest.raises(InputError, match=f"petsc.options: PETSc does not take {options}: .*[.]$") as refusal:
        Integrator(lambda t, u, du: None, 2, comm, method="5dp", options=options)
    assert "\n" not in str(refusal.value)
    Integrator(lambda t, u, du: None, 2, comm, method="5dp", options="-ts_adapt_safety 0.8").destroy()  # others go on


def test_values_and_names_are_told_apart():
    assert petsc_options.parsed("-a -b -1 -c 2 -d -e f") == {"a": "", "b": "-1", "c": "2", "d": "", "e": "f"}
    assert set(RUNGE_KUTTA) == {"3bs", "5dp", "5bs", "6vr", "7vr", "8vr"}  # those that the sentences name


def counts(directory):
    from nuflux_mpi import Run

    run = Run(directory)
    return [run.series[name][-1] for name in ("step", "rejections", "rhs_evaluations", "U_osc")], run.attrs


@pytest.mark.parametrize("ranks", [None, 2])
def test_environment_and_rc_files_do_not_reach_a_run(ranks, run_cli, tmp_path):
    """Each of them, one that changes the method and a harmless one; one line tells."""
    plain, told = tmp_path / "plain", tmp_path / "told"
    quiet = {"PETSC_OPTIONS": None, "PETSC_OPTIONS_YAML": None, "HOME": tmp_path}
    done = run_cli(["run", "two_beam", *TINY, "--out", plain], ranks=ranks, cwd=tmp_path, env=quiet)
    assert done.returncode == 0 and "ignored" not in done.stderr, done.stderr
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".petscrc").write_text("-ts_adapt_type none\n")
    (tmp_path / ".petscrc").write_text("-nuflux_ts_adapt_type none\n")
    (tmp_path / "petscrc").write_text("-ts_rtol 1\n")
    loud = {
        "PETSC_OPTIONS": "-ts_type euler -nuflux_ts_type euler -malloc_debug 0",
        "PETSC_OPTIONS_YAML": "ts_rtol: 1",
        "HOME": tmp_path / "home",
    }
    done = run_cli(["run", "two_beam", *TINY, "--out", told], ranks=ranks, cwd=tmp_path, env=loud)
    assert done.returncode == 0, done.stderr
    for words in (
        "PETSC_OPTIONS is ignored (-ts_type euler -nuflux_ts_type euler -malloc_debug 0)",
        "PETSC_OPTIONS_YAML is ignored (ts_rtol: 1)",
        "home/.petscrc is ignored",
        "\npetscrc is ignored",
        "\n.petscrc is ignored",
    ):
        assert done.stderr.count(words) == 1, done.stderr
    (numbers, attrs), (same, others) = counts(plain), counts(told)
    assert numbers == same
    assert attrs["petsc_options"] == others["petsc_options"] == ""


OF_ANOTHER = """
import petsc4py
petsc4py.init(["program", "-ts_type", "euler", "-ts_adapt_type", "none", "-ksp_rtol", "1e-3"{more}])
from petsc4py import PETSc
import nuflux_mpi
one = nuflux_mpi.Simulation("two_beam", overrides={overrides})
print(one.said)
run = one.run()
print(int(run.series["step"][-1]), run.attrs["petsc_options"], PETSc.Options().getAll())
"""


def python(code, **variables):
    return processes.carry_out(processes.python(["-c", code]), env=variables)


def test_a_program_that_uses_petsc_itself_keeps_its_options_and_a_run_does_not_take_them(tmp_path):
    import nuflux_mpi

    overrides = [word for word in TINY if word != "--set"]
    steps = int(nuflux_mpi.simulate("two_beam", overrides=overrides).series["step"][-1])
    code = "import nuflux_mpi\n" + OF_ANOTHER  # the package makes petsc4py importable
    done = python(code.format(more="", overrides=overrides))
    assert done.returncode == 0, done.stderr
    said, counted = done.stdout.splitlines()
    assert "of this program's own PETSc does not act on the run" in said
    assert counted.startswith(f"{steps} -ksp_rtol 1e-3 -ts_adapt_type none -ts_type euler {{")
    assert "'ts_type': 'euler'" in counted, "its own options are still there"
    done = python(code.format(more=', "-nuflux_ts_adapt_type", "none"', overrides=overrides))
    assert done.returncode == 1 and "InputError: PETSc's options hold -nuflux_ts_adapt_type" in done.stderr

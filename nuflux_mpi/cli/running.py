"""The command `run`: a simulation with its progress, its closing words and its figures."""

import gc
import sys
import time

from ..config.source import DEFAULT_CASE
from ..errors import EXIT_DONE, EXIT_STOPPED, NufluxError, WriteFailure
from ..run import stopping
from ..runtime import environment, extras
from ..runtime.text import shell_word, visible


def run(arguments):
    """Carry out the run of a command line; -> exit code. All ranks call it."""
    environment.use_one_thread()
    from ..results import provenance

    # Git is asked while MPI is not running, by one process.
    checkout = provenance.commit() if environment.launcher_rank() == 0 else ("", False)
    overrides = list(arguments.overrides)
    if arguments.petsc:
        overrides.append("petsc.options=" + repr(" ".join(arguments.petsc)))

    if environment.launcher_rank() == 0 and environment.temporary_problem():
        print(f"nuflux_mpi: {visible(environment.temporary_problem())}", file=sys.stderr, flush=True)  # MPI may end us here
    with environment.spare_search_for_networks():
        from mpi4py import MPI

    from ..run.simulation import Simulation

    comm = MPI.COMM_WORLD
    # Signals are heard from here on: one that comes while the run is being set up stops it before its first step.
    with (
        stopping.StopRequest(arguments.walltime, arguments.last) as stop,
        Simulation(
            arguments.case,
            out=arguments.out or "",
            overrides=overrides,
            comm=comm,
            overwrite=arguments.overwrite,
            resume=arguments.resume,
            deterministic=arguments.deterministic,
            checkout=checkout,
        ) as simulation,
    ):
        if arguments.last:
            simulation.ledger.begin = time.monotonic() - stopping.process_age()
        return _carry_out(simulation, stop, arguments.bare)


def _carry_out(simulation, stop, bare=False):
    """Run with progress on rank 0, close in words, draw the figures; -> exit code. bare: no command was given."""
    from ..results.file_names import LOG
    from ..run.messages import as_text_only
    from ..run.progress import Progress
    from ..runtime.collective import on_root

    config, comm, directory = simulation.config, simulation.comm, simulation.output.directory
    root, already = comm.Get_rank() == 0, simulation.finished
    times = config.time
    progress = Progress(
        times["start"], times["end"], config.output.log_every, silent=not root, log=directory / LOG if root else None
    )
    try:
        if root:
            stop.attend(simulation.pace, directory)
        if already:
            progress.say(f"the run in {directory} is finished: t = {simulation.t:g} is reached")
            return EXIT_DONE
        if bare:
            progress.say(
                f"no command is given: this is the paper's example, {DEFAULT_CASE}, in {directory} (--help lists the commands)"
            )
        progress.say(simulation.describe())
        before = simulation.integrator.statistics.steps
        with as_text_only():
            run = simulation.run(progress, stop)
        if simulation.stopped == stopping.WALLTIME:
            on_root(comm, stop.check_overrun, simulation.integrator.statistics.steps - before)
        if not root:
            return EXIT_STOPPED if simulation.stopped else EXIT_DONE
        with extras.attempted("the summary cannot be made", progress.say):
            progress.say(run.summary(without="time"))
        if simulation.stopped:
            progress.say(simulation.ledger.sentence())
            progress.say(
                f"stopped by {simulation.stopped} at t = {simulation.t:.6g}; continue with:\n"
                f"    {_continuation(directory, comm.Get_size())}"
            )
            return EXIT_STOPPED
        progress.say(f"results in {directory}")
        if config.output.figures:
            begin = time.monotonic()
            draw(run, progress.say)
            simulation.ledger.figures = time.monotonic() - begin
        progress.say(simulation.ledger.sentence())
        return EXIT_DONE
    except (NufluxError, WriteFailure) as error:
        progress.note(f"ended: {error}")
        raise
    finally:
        progress.close()


def _continuation(directory, ranks):
    """The command, to be typed into a shell, that goes on with a run."""
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    words = [
        *launcher,
        "python",
        "-m",
        "nuflux_mpi",
        "run",
        str(directory / "run.toml"),
        "--out",
        str(directory),
        "--resume",
        "auto",
    ]
    return " ".join(map(shell_word, words))


def draw(run, say):
    """The figures of a finished run, which is whole without them: what they raise is a warning."""
    from ..plots import figure_list
    from ..runtime import remedies

    collects = gc.isenabled()
    gc.disable()  # matplotlib makes very many objects, and no garbage to speak of
    later = f"draw them later with: python -m nuflux_mpi plot {shell_word(str(run.directory))}"
    with extras.attempted("the figures cannot be drawn", say, later):
        try:
            for path in figure_list.draw_all(run):
                say(f"figure {path}")
        except ModuleNotFoundError as error:
            if error.name != "matplotlib":
                raise
            say(f"no figures: matplotlib is not installed ({remedies.install_hint('matplotlib')})")
        finally:
            if collects:
                gc.enable()

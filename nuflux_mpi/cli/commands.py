"""The command line. Each subcommand loads only what it needs; only `run` starts MPI."""

import argparse
import json
import sys
import time
from pathlib import Path

from .. import __version__
from ..config.source import DEFAULT_CASE
from ..errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILURE,
    EXIT_STOPPED,
    EnvironmentProblem,
    InputError,
    NufluxError,
    WriteFailure,
)
from ..plots import figure_list
from ..run import stopping
from ..runtime import environment, extras, limits, remedies, shield
from ..runtime.streams import Streams
from ..runtime.text import shell_word, visible
from .completion import SHELLS

DESCRIPTION = "Neutrino flavor kinetics whose energy budget closes."
EPILOG = """examples:
  mpirun -n 4 python -m nuflux_mpi                        the paper's example
  mpirun -n 4 python -m nuflux_mpi run case.toml --out runs/a --set time.end=50
  python -m nuflux_mpi init two_beam > case.toml          a commented config to start from

exit codes: 0 done, 1 failure, 2 bad input, 3 stopped early but resumable, 4 numerical failure
"""
COMMANDS = ("run", "plot", "info", "diff", "init", "schema", "check", "linear", "xdmf", "doctor", "completion")
READERS = ("plot", "info", "diff", "xdmf")  # of files that may be damaged


class Parser(argparse.ArgumentParser):
    """Speaks once however many ranks there are: usage and mistakes come from the launcher's rank 0."""

    def error(self, message):
        if environment.launcher_rank() == 0:
            self.print_usage(sys.stderr)
            print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT)

    def print_help(self, file=None):
        if environment.launcher_rank() == 0:
            super().print_help(file)


def parser():
    top = Parser("nuflux_mpi", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"nuflux_mpi {__version__}")
    commands = top.add_subparsers(dest="command", metavar="{" + ",".join(COMMANDS) + "}")

    run = commands.add_parser("run", help="carry out a run (under mpirun or alone)")
    run.add_argument("case", nargs="?", default=DEFAULT_CASE, help="TOML file or shipped case (default: the paper's example)")
    run.add_argument("--out", metavar="DIR", help="run directory (default: a new one below runs/)")
    _add_set(run)
    existing = run.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace the run that the directory holds")
    existing.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        default="never",
        type=_resume,
        metavar="auto|never|FILE",
        help="continue the run that the directory holds, if there is one (auto); refuse the directory then "
        "(never, the default); start a new run from a checkpoint file (FILE)",
    )
    run.add_argument(
        "--walltime",
        type=_walltime,
        metavar="HH:MM:SS",
        help="end in order, with a checkpoint, before this much wall time is over (also plain seconds)",
    )
    run.add_argument("--deterministic", action="store_true", help="FFT plans by estimate: bit for bit the same on equal ranks")
    run.usage = (
        "%(prog)s [case] [--out DIR] [--set KEY=VALUE] [--overwrite | --resume [auto|never|FILE]]\n"
        "           [--walltime HH:MM:SS] [--deterministic] [-- PETSC_OPTIONS]"
    )
    run.epilog = "What follows -- goes to PETSc, for example: run case.toml -- -ts_view -log_view"

    plot = commands.add_parser("plot", help="draw the figures of a run, or several runs in one figure")
    plot.add_argument("directory", nargs="+", help="run directory; of several the series are drawn in one figure")
    plot.add_argument(
        "--what",
        choices=figure_list.NAMES,
        default="all",
        help="which figure (default: all that the run allows; of several runs, the comparison)",
    )
    plot.add_argument(
        "--modes",
        type=_indices,
        metavar="I,J,...",
        help="modes that figures of single modes show (indices from 0, as in the files; default: a choice)",
    )
    plot.add_argument(
        "-o", "--output", type=_figure, metavar="FILE", help="file for one figure (its suffix chooses the format)"
    )
    plot.add_argument("--no-title", action="store_false", dest="title", help="leave out the line above the figure")

    info = commands.add_parser("info", help="what a run is and how far it came; where a file or figure came from")
    info.add_argument(
        "runs", metavar="run", nargs="+", help="run directory, or several; one of its .h5 files, or a figure (.png, .pdf)"
    )
    form = info.add_mutually_exclusive_group()
    form.add_argument("--toml", action="store_true", help="print the config that repeats the run")
    form.add_argument("--json", action="store_true", help="print all that is known as JSON; a list for several runs")
    form.add_argument(
        "--csv",
        action="store_true",
        help="print a table with a line per run: the keys that differ, the last numbers, the worst ones",
    )

    diff = commands.add_parser("diff", help="how two runs differ in configuration, origin and result")
    diff.add_argument("a", metavar="A", help="run directory")
    diff.add_argument("b", metavar="B", help="the run directory that it is compared with")
    diff.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        metavar="X",
        help="relative difference of results that still counts as the same (default: none)",
    )
    diff.epilog = "exit codes are those of diff: 0 the results agree, 1 they differ, 2 they cannot be compared"

    init = commands.add_parser("init", help="print a commented config to start from")
    init.add_argument("name", nargs="?", default=DEFAULT_CASE, help="shipped case (default: the paper's example)")
    init.add_argument("--list", action="store_true", help="list the shipped cases")

    schema = commands.add_parser("schema", help="print the JSON Schema of configs, from which editors complete and check them")
    schema.add_argument("--out", metavar="FILE", help="write it into this file instead")

    check = commands.add_parser("check", help="cut, memory, time and file sizes of a run before it starts")
    check.add_argument("case", nargs="?", default=DEFAULT_CASE, help="TOML file or shipped case (default: the paper's example)")
    check.add_argument(
        "--ranks", type=_positive, default=1, metavar="N", help="number of ranks that the run will have (default: 1)"
    )
    check.add_argument("--nodes", type=_positive, default=1, metavar="N", help="nodes that they are spread over (default: 1)")
    check.add_argument("--out", metavar="DIR", help="run directory, for what is free there (default: below runs/)")
    _add_set(check)

    linear = commands.add_parser("linear", help="linear theory of a case: which waves grow, how fast, in which box")
    linear.add_argument(
        "case", nargs="?", default=DEFAULT_CASE, help="TOML file or shipped case (default: the paper's example)"
    )
    chosen = linear.add_mutually_exclusive_group()
    chosen.add_argument("--k", type=float, nargs="+", help="these wavenumbers only (default: all of the box that matter)")
    chosen.add_argument("--range", type=float, nargs=2, metavar=("K1", "K2"), help="all wavenumbers of the box from K1 to K2")
    linear.add_argument("--continuous", action="store_true", help="wavenumbers need not be those of the box")
    linear.add_argument(
        "--method",
        choices=("auto", "dense", "secular"),
        default="auto",
        help="dense: eigenvalues of matrices; secular: dispersion relation, for very many modes",
    )
    linear.add_argument("--out", metavar="DIR", help="directory for linear.txt, linear.csv, eigenvector.csv and linear.png")
    linear.add_argument(
        "-o", "--output", type=_figure, metavar="FILE", help="file for the figure (its suffix chooses the format)"
    )
    _add_set(linear)

    xdmf = commands.add_parser("xdmf", help="write what ParaView and VisIt read: fields.xmf, in two and three dimensions")
    xdmf.add_argument("directory", help="run directory")
    xdmf.add_argument("--modes", type=_indices, metavar="I,J,...", help="modes to list (indices from 0, as in the files)")
    xdmf.add_argument(
        "--uniform",
        action="store_true",
        help="a grid by origin and spacing, for fast volume rendering; the viewer's X is then z, and its Z is x",
    )

    commands.add_parser("doctor", help="do the installed packages work together?", add_help=False)

    completion = commands.add_parser("completion", help="print a script that completes command lines in a shell")
    completion.add_argument("shell", choices=SHELLS, help="the shell it is for")
    completion.epilog = 'For example, in ~/.bashrc: eval "$(nuflux_mpi completion bash)"'
    return top


def _add_set(command):
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="replace a value of the config, e.g. --set time.end=50 (repeatable)",
    )


def _resume(text):
    if text not in ("auto", "never") and not text.endswith(".h5"):
        raise argparse.ArgumentTypeError(f"it takes auto, never or a checkpoint file (.h5), not {text}")
    return text


def _figure(text):
    """A figure's file with the suffix that it will have."""
    return text if Path(text).suffix else f"{text}.png"


def _walltime(text):
    try:
        return stopping.seconds(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _indices(text):
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"it takes indices of modes with commas between, such as 0,3,5, not {text}")
    return [int(part) for part in parts]


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(text)


def main(argv=None):
    """Run one command; -> exit code. All ranks call it with the same arguments.

    argv: default those of the process, which then is to end with the command.
    """
    if argv is not None:
        return _main(list(argv), last=False)
    streams = Streams() if sys.stdout is sys.__stdout__ else None  # what somebody has put there is left alone
    try:
        code = _main(["--help"] if _only_looked_at() else sys.argv[1:], last=True)
    except SystemExit as end:  # of the parser
        code = end.code or EXIT_DONE
    return streams.verdict(code) if streams else code


def _only_looked_at():
    """Whether somebody has typed the console script's bare name, to see what it does: `python -m nuflux_mpi` runs then."""
    script = Path(sys.argv[0]).name != "__main__.py"
    return script and len(sys.argv) == 1 and sys.stdout.isatty() and environment.launcher_size() == 1


def _main(argv, last):
    environment.install_excepthook()
    if argv[:1] == ["doctor"]:
        from . import doctor

        return doctor.main(argv[1:])
    cut = argv.index("--") if "--" in argv else len(argv)
    arguments = parser().parse_args(_normalized(argv[:cut]))
    arguments.petsc, arguments.last, arguments.bare = argv[cut + 1 :], last, not argv
    if arguments.petsc and arguments.command != "run":
        parser().error("only run takes options for PETSc after --")
    if arguments.command != "run" and environment.launcher_rank() > 0:
        return EXIT_DONE  # one process does it
    if arguments.command not in ("init", "schema", "completion"):
        limits.claim_algebra()
    if last and arguments.command in READERS:
        shield.enter()
    try:
        return {
            "run": _run,
            "plot": _plot,
            "info": _info,
            "diff": _diff,
            "init": _init,
            "schema": _schema,
            "check": _check,
            "linear": _linear,
            "xdmf": _xdmf,
            "completion": _completion,
        }[arguments.command](arguments)
    except NufluxError as error:
        if environment.speaks():
            print(f"nuflux_mpi: {visible(str(error))}", file=sys.stderr, flush=True)
        return error.exit_code
    except BrokenPipeError:
        return EXIT_DONE


def _normalized(argv):
    """No arguments run the paper's example, and a config alone stands for `run` with it."""
    if not argv or argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version"):
        return ["run", *argv]
    if argv[0] not in COMMANDS and (argv[0].endswith(".toml") or "/" in argv[0]):
        return ["run", *argv]
    return argv


def _run(arguments):
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
    times = config["time"]
    progress = Progress(
        times["start"], times["end"], config["output"]["log_every"], silent=not root, log=directory / LOG if root else None
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
        if config["output"]["figures"]:
            begin = time.monotonic()
            _draw(run, progress.say)
            simulation.ledger.figures = time.monotonic() - begin
        progress.say(simulation.ledger.sentence())
        progress.say(f"results in {directory}")
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


def _draw(run, say):
    """The figures of a finished run, which is whole without them: what they raise is a warning."""
    later = f"draw them later with: python -m nuflux_mpi plot {shell_word(str(run.directory))}"
    with extras.attempted("the figures cannot be drawn", say, later):
        try:
            for path in figure_list.draw_all(run):
                say(f"figure {path}")
        except ModuleNotFoundError as error:
            if error.name != "matplotlib":
                raise
            say(f"no figures: matplotlib is not installed ({remedies.install_hint('matplotlib')})")


def _plot(arguments):
    from ..results.reader import Run

    runs = [Run(directory) for directory in arguments.directory]
    try:
        paths = figure_list.draw(arguments.what, runs, arguments.output, arguments.title, arguments.modes)
    except ImportError:
        raise EnvironmentProblem(f"plot needs matplotlib: {remedies.install_hint('matplotlib')}") from None
    for path in paths:
        print(path)
    return EXIT_DONE


def _info(arguments):
    from ..results.reader import Run, stored_config

    files = [name for name in arguments.runs if Path(name).is_file()]
    if files and (arguments.csv or len(arguments.runs) > 1):
        raise InputError(f"info: a file is described alone, and has no table: give run directories, not {files[0]}")
    if files:
        print(visible(_info_of_file(files[0], arguments)))
    elif arguments.toml:
        if len(arguments.runs) > 1:
            raise InputError("info: --toml prints the config of one run")
        print(stored_config(arguments.runs[0]), end="")
    else:
        print(visible(_info_of_runs([Run(name) for name in arguments.runs], arguments)))
    return EXIT_DONE


def _info_of_file(path, arguments):
    from ..analysis import inventory
    from ..results import stored_provenance

    if arguments.toml:
        return stored_provenance.config_toml(path).rstrip("\n")
    return inventory.as_json(stored_provenance.read(path)) if arguments.json else stored_provenance.described(path)


def _info_of_runs(runs, arguments):
    from ..analysis import inventory

    if arguments.csv:
        return inventory.table(runs).rstrip("\n")
    if arguments.json:
        known = [inventory.described(run) for run in runs]
        return inventory.as_json(known if len(known) > 1 else known[0])
    return "\n\n".join(run.summary() for run in runs)


def _completion(arguments):
    from .completion import script

    print(script(parser(), arguments.shell))
    return EXIT_DONE


def _diff(arguments):
    from ..analysis.compare import report
    from ..results.reader import Run

    if not arguments.tolerance >= 0:
        parser().error(f"argument --tolerance: must be 0 or more, not {arguments.tolerance:g}")
    text, worst = report(Run(arguments.a), Run(arguments.b), arguments.tolerance)
    print(visible(text))
    return EXIT_DONE if worst <= arguments.tolerance else EXIT_FAILURE


def _init(arguments):
    from .. import config

    if arguments.list:
        for name, text in config.cases().items():
            print(f"{name:<16} {text}")
    else:
        print(config.template(arguments.name), end="")
    return EXIT_DONE


def _schema(arguments):
    from .. import config
    from ..storage.atomic import write_whole

    text = json.dumps(config.json_schema(), indent=1) + "\n"
    if arguments.out is None:
        print(text, end="")
    else:
        write_whole(Path(arguments.out), text)
    return EXIT_DONE


def _check(arguments):
    from .. import config
    from ..run import check

    print(check.report(config.resolve(arguments.case, arguments.overrides), arguments.ranks, arguments.nodes, arguments.out))
    return EXIT_DONE


def _xdmf(arguments):
    from ..results import xdmf
    from ..results.reader import Run

    run = Run(arguments.directory)
    for path in xdmf.write(run, arguments.modes, arguments.uniform):
        print(path)
    print(xdmf.described(run, arguments.modes))
    return EXIT_DONE


def _linear(arguments):
    from .. import config
    from ..analysis import linear_problem, linear_report

    problem = linear_problem.problem(config.resolve(arguments.case, arguments.overrides))
    if config.dimensions(problem.config) > 1:
        return _linear_in_space(arguments, problem)
    k = linear_report.wave_numbers(problem, arguments.k, arguments.range, arguments.continuous)
    result = linear_report.solve(problem, k, arguments.method)
    text = linear_report.report(result)
    print(text)
    figures = [arguments.output] if arguments.output else []
    if arguments.out:
        for path in linear_report.write(linear_report.tables(result), Path(arguments.out), text):
            print(path)
        figures.append(Path(arguments.out) / "linear.png")
    if figures:
        _draw_linear(result, figures)
    return EXIT_DONE


def _linear_in_space(arguments, problem):
    from ..analysis import linear_lattice, linear_report

    for option in ("k", "range", "continuous", "output"):
        if getattr(arguments, option):
            raise InputError(
                f"linear: --{option} is for boxes of one dimension; in more all wave vectors of the box are "
                "solved for, and --out DIR writes them."
            )
    if arguments.method == "secular":
        raise InputError("linear: --method secular is for boxes of one dimension; in more it is dense.")
    lattice = linear_lattice.solve(problem)
    text = linear_lattice.report(lattice)
    print(text)
    tables = linear_lattice.tables(lattice)
    for path in linear_report.write(tables, Path(arguments.out), text) if arguments.out else ():
        print(path)
    return EXIT_DONE


def _draw_linear(result, paths):
    try:
        from ..plots import linear_theory
    except ImportError:
        raise EnvironmentProblem(f"the figure needs matplotlib: {remedies.install_hint('matplotlib')}") from None
    for path in paths:
        linear_theory.dispersion(result, path)
        print(path)

"""What may be typed: commands, their arguments, and what these may be."""

import argparse
import sys
from pathlib import Path

from .. import __version__
from ..config.source import DEFAULT_CASE
from ..errors import EXIT_BAD_INPUT, InputError
from ..plots import figure_list
from ..run import stopping
from ..runtime import environment
from ..units import SYSTEMS
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
    """The parser of all commands, in the order of `COMMANDS`."""
    top = Parser("nuflux_mpi", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"nuflux_mpi {__version__}")
    commands = top.add_subparsers(dest="command", metavar="{" + ",".join(COMMANDS) + "}")
    for add in (
        _add_run,
        _add_plot,
        _add_info,
        _add_diff,
        _add_init,
        _add_schema,
        _add_check,
        _add_linear,
        _add_xdmf,
        _add_doctor,
        _add_completion,
    ):
        add(commands)
    return top


def _add_run(commands):
    run = commands.add_parser("run", help="carry out a run (under mpirun or alone)")
    run.add_argument("case", nargs="?", default=DEFAULT_CASE, help="TOML file or shipped case (default: the paper's example)")
    run.add_argument("--out", metavar="DIR", help="run directory (default: a new one below runs/)")
    _add_overrides(run)
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


def _add_plot(commands):
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
    plot.add_argument(
        "--units",
        choices=SYSTEMS,
        help="units of axes: code, or of the laboratory (default: output.units; needs [units] in the config)",
    )
    plot.add_argument("--no-title", action="store_false", dest="title", help="leave out the line above the figure")


def _add_info(commands):
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


def _add_diff(commands):
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


def _add_init(commands):
    init = commands.add_parser("init", help="print a commented config to start from")
    init.add_argument("name", nargs="?", default=DEFAULT_CASE, help="shipped case (default: the paper's example)")
    init.add_argument("--list", action="store_true", help="list the shipped cases")
    init.add_argument(
        "--from-moments", metavar="FILE", help="densities and fluxes in a row of a table, CSV or HDF5, in place of a case"
    )
    init.add_argument("--row", type=int, default=0, metavar="N", help="which row of it, counted from 0 (default: 0)")
    init.add_argument(
        "--units", default="cgs", choices=("cgs", "natural", "code"),
        help="of columns that say none: 1/cm^3 (cgs, the default), MeV^3 (natural), or n (code)",
    )  # fmt: skip
    init.add_argument("--align", action="store_true", help="turn the frame so that the flux of nu_e minus anti-nu_e is along z")


def _add_schema(commands):
    schema = commands.add_parser("schema", help="print the JSON Schema of configs, from which editors complete and check them")
    schema.add_argument("--out", metavar="FILE", help="write it into this file instead")


def _add_check(commands):
    check = commands.add_parser("check", help="cut, memory, time and file sizes of a run before it starts")
    check.add_argument("case", nargs="?", default=DEFAULT_CASE, help="TOML file or shipped case (default: the paper's example)")
    check.add_argument(
        "--ranks", type=_positive, default=1, metavar="N", help="number of ranks that the run will have (default: 1)"
    )
    check.add_argument("--nodes", type=_positive, default=1, metavar="N", help="nodes that they are spread over (default: 1)")
    check.add_argument("--out", metavar="DIR", help="run directory, for what is free there (default: below runs/)")
    _add_overrides(check)


def _add_linear(commands):
    linear = commands.add_parser("linear", help="linear theory of a case: which waves grow, how fast, in which box")
    linear.add_argument(
        "case", nargs="?", default=DEFAULT_CASE, help="TOML file or shipped case (default: the paper's example)"
    )
    chosen = linear.add_mutually_exclusive_group()
    chosen.add_argument("--k", type=float, nargs="+", help="these wavenumbers only (default: all of the box that matter)")
    chosen.add_argument("--range", type=float, nargs=2, metavar=("K1", "K2"), help="all wavenumbers of the box from K1 to K2")
    linear.add_argument("--pair", metavar='"e tau"', help="this pair of flavors only (default: all)")
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
    _add_overrides(linear)


def _add_xdmf(commands):
    xdmf = commands.add_parser("xdmf", help="write what ParaView and VisIt read: fields.xmf, in two and three dimensions")
    xdmf.add_argument("directory", help="run directory")
    xdmf.add_argument("--modes", type=_indices, metavar="I,J,...", help="modes to list (indices from 0, as in the files)")
    xdmf.add_argument(
        "--uniform",
        action="store_true",
        help="a grid by origin and spacing, for fast volume rendering; the viewer's X is then z, and its Z is x",
    )


def _add_doctor(commands):
    commands.add_parser("doctor", help="do the installed packages work together?", add_help=False)


def _add_completion(commands):
    completion = commands.add_parser("completion", help="print a script that completes command lines in a shell")
    completion.add_argument("shell", choices=SHELLS, help="the shell it is for")
    completion.epilog = 'For example, in ~/.bashrc: eval "$(nuflux_mpi completion bash)"'


def _add_overrides(command):
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


def normalized(argv):
    """No arguments run the paper's example, and a config alone stands for `run` with it."""
    if not argv or argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version"):
        return ["run", *argv]
    if argv[0] not in COMMANDS and (argv[0].endswith(".toml") or "/" in argv[0]):
        return ["run", *argv]
    return argv

"""The command line. Each subcommand loads only what it needs; only `run` starts MPI."""

import json
import sys
from pathlib import Path

from ..errors import EXIT_DONE, EXIT_FAILURE, EnvironmentProblem, InputError, NufluxError
from ..plots import figure_list
from ..runtime import environment, limits, remedies, shield
from ..runtime.streams import Streams
from ..runtime.text import visible
from . import running
from .parser import READERS, normalized, parser


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
    arguments = parser().parse_args(normalized(argv[:cut]))
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
            "run": running.run,
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


def _plot(arguments):
    from ..results.reader import Run

    runs = [Run(directory) for directory in arguments.directory]
    for run in runs:
        run.shown_in = arguments.units
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
    elif arguments.from_moments is not None:
        from ..config.from_moments import config_text

        print(config_text(arguments.from_moments, arguments.row, arguments.units, arguments.align), end="")
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
    from ..analysis import linear_pairs, linear_problem, linear_profile

    problems = linear_problem.problems(config.resolve(arguments.case, arguments.overrides), arguments.pair)
    if any(problem.state.profile is not None for problem in problems):
        _only_all_waves(arguments, "with a profile in space", "all waves of the box are coupled")
        results = linear_profile.solve(problems)
        return _show_linear(arguments, linear_profile.report(results), linear_profile.tables(results), results)
    if problems[0].config.box.dimensions > 1:
        return _linear_in_space(arguments, problems)
    results = linear_pairs.solve(problems, arguments.k, arguments.range, arguments.continuous, arguments.method)
    return _show_linear(arguments, linear_pairs.report(results), linear_pairs.tables(results), results)


def _show_linear(arguments, text, tables, results):
    """Print the text, write text and tables, and draw the results where that is asked for."""
    from ..analysis import linear_report

    print(text)
    figures = [arguments.output] if arguments.output else []
    if arguments.out:
        for path in linear_report.write(tables, Path(arguments.out), text):
            print(path)
        figures.append(Path(arguments.out) / "linear.png")
    if figures and results:
        _draw_linear(results, figures)
    return EXIT_DONE


def _linear_in_space(arguments, problems):
    from ..analysis import linear_lattice

    if arguments.output:
        raise InputError("linear: --output is for boxes of one dimension; in more --out DIR writes tables of all wave vectors.")
    _only_all_waves(arguments, "in more dimensions than one", "all wave vectors of the box are solved for")
    lattices = [linear_lattice.solve(problem) for problem in problems]
    return _show_linear(arguments, linear_lattice.report(lattices), linear_lattice.tables(lattices), [])


def _only_all_waves(arguments, where, what):
    """InputError for a choice of waves or of the method where there is none."""
    for option in ("k", "range", "continuous"):
        if getattr(arguments, option):
            raise InputError(
                f"linear: --{option} is for boxes of one dimension with a uniform background; {where} {what}, and --out DIR "
                "writes them."
            )
    if arguments.method == "secular":
        raise InputError(
            f"linear: --method secular is for boxes of one dimension with a uniform background; {where} it is dense."
        )


def _draw_linear(results, paths):
    try:
        from ..plots import linear_theory
    except ImportError:
        raise EnvironmentProblem(f"the figure needs matplotlib: {remedies.install_hint('matplotlib')}") from None
    for path in paths:
        linear_theory.draw(results, path)
        print(path)

"""The script with which a shell completes command lines of `nuflux_mpi`; shtab writes it from the parser."""

from ..errors import EnvironmentProblem

SHELLS = ("bash", "zsh", "tcsh")
# What stands in a place, by the names of the arguments: files, directories.
FILES, DIRECTORIES = ("case", "output", "runs"), ("out", "directory", "a", "b")


def script(parser, shell):
    """The text of the script for one of SHELLS, for the console script `nuflux_mpi`. EnvironmentProblem without shtab."""
    try:
        import shtab
    except ImportError:
        from ..runtime.remedies import install_hint

        raise EnvironmentProblem(f"completion needs shtab, a small package: {install_hint('shtab')}") from None
    from .. import config

    for command in commands(parser).values():
        for action in command._actions:
            if action.dest in FILES:
                action.complete = shtab.FILE
            elif action.dest in DIRECTORIES:
                action.complete = shtab.DIRECTORY
            elif action.dest == "name":
                action.choices = list(config.cases())
    return shtab.complete(parser, shell=shell)


def commands(parser):
    """{name: parser} of the commands."""
    (found,) = (action.choices for action in parser._actions if hasattr(action.choices, "items"))
    return found

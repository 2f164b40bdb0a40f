"""The command line.

May import everything. Names: `main`.
"""


def main(arguments=None):
    """The command line with `arguments` (default: those of the process): see :func:`nuflux_mpi.cli.commands.main`."""
    from .commands import main

    return main(arguments)

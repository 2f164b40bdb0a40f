"""``python -m nuflux_mpi``: see `nuflux_mpi.cli.commands`."""

import sys

from .runtime import environment

if __name__ == "__main__":
    environment.install_excepthook()  # Ctrl-C may come while the command line is being loaded

    from .cli.commands import main

    sys.exit(main())

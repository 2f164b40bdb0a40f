"""``python -m nuflux_mpi``: see `nuflux_mpi.cli`."""

import sys

from . import environment

if __name__ == "__main__":
    environment.install_excepthook()  # Ctrl-C may come while the command line is being loaded

    from .cli import main

    sys.exit(main())

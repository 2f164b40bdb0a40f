"""``python -m nuflux_mpi``: see `nuflux_mpi.cli`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())

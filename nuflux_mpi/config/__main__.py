"""``python -m nuflux_mpi.config``: prints docs/config.md."""

from . import documentation

if __name__ == "__main__":
    print(documentation(), end="")

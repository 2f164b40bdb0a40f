"""What this package takes from matplotlib, whose import must not depend on what a user chose for other figures.

MPLBACKEND may name a backend that does not exist here, as one inherited from Jupyter, and a file matplotlibrc may be
unreadable; matplotlib's import then ends with an error. Figures of this package need neither. Whoever draws others as well
finds a backend that is known chosen all the same.
"""

import contextlib
import os
import sys
from typing import Any

from ..errors import EnvironmentProblem


@contextlib.contextmanager
def _variables(**changes):
    """Environment variables set, or with None removed, and put back afterwards."""
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield before
    finally:
        _set(before)


def _set(variables):
    for name, value in variables.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _imported() -> Any:
    with _variables(MPLBACKEND=None) as before:
        try:
            import matplotlib
        except ImportError:
            raise
        except Exception:  # of a settings file that is no text
            for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
                del sys.modules[name]  # halfway there
            try:
                with _variables(MATPLOTLIBRC=os.devnull):
                    import matplotlib
            except Exception as error:  # one of that name in the working directory comes first
                raise EnvironmentProblem(f"matplotlib cannot be imported, is a file matplotlibrc damaged? ({error})") from None
    if before["MPLBACKEND"]:
        with contextlib.suppress(ValueError, ImportError):
            matplotlib.rcParams["backend"] = before["MPLBACKEND"]
    return matplotlib


@contextlib.contextmanager
def _without_docstrings():
    """Within, matplotlib's classes get no docstrings of their setters, which take a third of its import.

    For the command line alone: who draws in a program or a notebook may want to read them.
    """
    from matplotlib.artist import Artist

    name = "_update_set_signature_and_docstring"
    made = Artist.__dict__.get(name)
    if made is None or os.path.basename(sys.argv[0] if sys.argv else "") not in ("__main__.py", "nuflux_mpi"):
        yield
        return
    setattr(Artist, name, classmethod(lambda cls: None))
    try:
        yield
    finally:
        setattr(Artist, name, made)


matplotlib = _imported()
with _without_docstrings():
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: F401  (after matplotlib itself)
    from matplotlib.colors import LogNorm, PowerNorm  # noqa: F401
    from matplotlib.figure import Figure  # noqa: F401
    from matplotlib.lines import Line2D  # noqa: F401
    from matplotlib.patches import Patch  # noqa: F401
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter  # noqa: F401

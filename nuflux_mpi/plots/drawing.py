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


matplotlib = _imported()
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402, F401  (after matplotlib itself)
from matplotlib.colors import LogNorm, PowerNorm  # noqa: E402, F401
from matplotlib.figure import Figure  # noqa: E402, F401
from matplotlib.lines import Line2D  # noqa: E402, F401
from matplotlib.patches import Patch  # noqa: E402, F401
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter  # noqa: E402, F401

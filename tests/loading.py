"""Modules from their files: the tools, which are no package, and modules of the package once more in another form.

And records of a run as they are after a checkpoint.
"""

import importlib.util
import json
import sys
from pathlib import Path

from nuflux_mpi.time.memory import plain, read

TOOLS = Path(__file__).resolve().parent.parent / "tools"


def load(path, name):
    """The module in the file `path`, run anew, as `name`."""
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def load_tool(name):
    """The module tools/<name>.py."""
    return load(TOOLS / f"{name}.py", name)


def through_json(record):
    """The record as it comes back from a checkpoint."""
    return read(type(record), json.loads(json.dumps(plain(record))))

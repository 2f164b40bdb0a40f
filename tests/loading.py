"""Modules of the package once more in another form, and records of a run as they are after a checkpoint."""

import importlib.util
import json
import sys

from nuflux_mpi.time.memory import plain, read


def load(path, name):
    """The module in the file `path`, run anew, as `name`."""
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def through_json(record):
    """The record as it comes back from a checkpoint."""
    return read(type(record), json.loads(json.dumps(plain(record))))

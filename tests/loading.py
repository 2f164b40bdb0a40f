"""Modules from their files: the tools, which are no package, and modules of the package once more in another form."""

import importlib.util
import sys
from pathlib import Path

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

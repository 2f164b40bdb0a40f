"""Names that a package offers and loads when they are asked for (PEP 562)."""

import sys
from importlib import import_module


def offer(package, homes):
    """(__getattr__, __dir__) of `package` for `homes`, {name: module below the package that has it, or is it}.

    A home that ends with the name, such as "theory.linear" for "linear", is the module itself.
    """

    def find(name):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{homes[name]}")
        return module if homes[name].rpartition(".")[2] == name else getattr(module, name)

    def names():
        loaded = vars(sys.modules[package])
        return sorted({name for name in loaded if not name.startswith("_") or name.endswith("__")} | set(homes))

    return find, names

"""Names that a package offers and loads when they are asked for (PEP 562)."""

from importlib import import_module


def offer(package, homes):
    """(__getattr__, __dir__) of `package` for `homes`, {name: module below the package that has it; "" for a module itself}."""

    def find(name):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        return getattr(import_module(f"{package}.{home}"), name) if home else import_module(f"{package}.{name}")

    def names():
        import sys

        return sorted({name for name in vars(sys.modules[package]) if not name.startswith("_")} | set(homes))

    return find, names

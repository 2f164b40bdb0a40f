"""The whole config: its sections, and conditions between them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from ...storage.config_text import LONGEST_NAME
from ...storage.section import Key, Section, per_axis
from ..toml import toml_value
from .attenuation import Attenuation
from .box import Box
from .equations import Equations, Full, Momentum
from .flavor import Flavor
from .initial import Initial
from .modes import Modes
from .output import Output, Run
from .sphere import ModesOnSphere
from .time import Petsc, Time
from .units import Units


class Config(Section):
    """A resolved config. Sections that are None, of other levels or of terms that the run has not, are not among its keys."""

    title: Annotated[str, Key("one line for figures and logs", free=True)] = ""
    name: Annotated[str | None, Key("short name of the run", unset="the file's name without .toml", free=True)] = None
    units: Units | None = None
    box: Box
    flavor: Flavor
    modes: Modes | ModesOnSphere
    initial: Initial
    equations: Equations
    full: Full | None = None
    momentum: Momentum | None = None
    attenuation: Attenuation | None = None
    time: Time
    output: Output
    petsc: Petsc
    run: Run

    def __init__(self, **values: Any):
        terms = {name: values.pop(name) for name in list(values) if name not in self.key_names}
        super().__init__(**values)
        self.__dict__.update(terms)
        self._drop_absent()

    @classmethod
    def unchecked(cls, values: Mapping) -> Self:
        config = super().unchecked(values)
        config._drop_absent()
        return config

    def _drop_absent(self) -> None:
        """Sections that are None are no keys; as attributes they are None, since the class has them so."""
        for name in [name for name, value in self.__dict__.items() if value is None and name not in ("title", "name")]:
            del self.__dict__[name]

    @property
    def terms(self) -> dict[str, Section]:
        """The sections of terms that the run has."""
        return {name: section for name, section in self.sections.items() if name not in self.key_names}

    @property
    def sections(self) -> dict[str, Section]:
        """All sections that are there."""
        return {name: section for name, section in self.items() if isinstance(section, Section)}

    def completed(self, config: Any = None) -> Self:
        """The same with all defaults that depend on other keys."""
        whole = self
        for name in self.sections:
            whole = whole.replace(**{name: whole[name].completed(whole)})
        return whole

    def problems(self, config: Any = None) -> Iterator[str]:
        name = self.name or ""
        if (
            not name.strip()
            or "/" in name
            or name in (".", "..")
            or not name.isprintable()
            or len(name.encode()) > LONGEST_NAME
        ):
            yield (
                f"name must be a word without '/' that can name a directory (at most {LONGEST_NAME} bytes), not "
                f"{toml_value(name)}."
            )
        found = list(self.box.problems(self))
        if not found:  # else nobody knows how many dimensions are meant
            found += self._vectors()
            for name, section in self.sections.items():
                if name not in ("box", "full"):
                    found += section.problems(self)
        yield from found
        if self.full and not found:  # it builds the modes and the grid of momenta, for which all else must be right
            yield from self.full.problems(self)

    def _vectors(self) -> Iterator[str]:
        """A vector that has not as many components as the box has dimensions."""
        axes, initial = self.box.dimensions, self.initial
        vectors = {f"initial.{name}": initial[name] for name in ("n", "center") if initial.get(name) is not None}
        for name in ("waves", "turns"):
            vectors |= {f"initial.{name}[{i}].n": wave.n for i, wave in enumerate(initial.get(name, ()))}
        for name, value in vectors.items():
            if len(per_axis(value)) != axes:
                allowed = "one number" if axes == 1 else f"a list of {axes} numbers"
                yield (
                    f"{name} must be {allowed} in a box of {axes} dimension{'s' * (axes > 1)} (box.points), "
                    f"not {toml_value(value)}."
                )
                return  # what is wrong with one of them is mostly wrong with all

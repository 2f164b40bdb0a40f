"""What a section of the config is: a frozen object whose attributes are its keys, each with its type and its meaning.

    class Drive(Section):
        strength: Annotated[float, Key("strength of the drive", quantity="frequency", ge=0)]
        period: Annotated[float | None, Key("its period", quantity="time", gt=0, unset="constant in time")] = None

A key that is a keyword of Python, such as lambda, is annotated with an underscore behind it and has no default: `section.lambda_`
and `section["lambda"]` are the same.

A section is written beside what it configures, in any room from `storage` on; `nuflux_mpi.config` checks what users write
against it. The class itself is light: ranks that get a config by broadcast, and readers of results, import no validator.
"""

import copy
import keyword
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar, Union, dataclass_transform

from ..units import QUANTITIES

SMALLEST, LARGEST = 1e-30, 1e30  # sizes of numbers other than 0: their squares and cubes are still doubles

Number = TypeVar("Number")
PerAxis = Union[Number, list[Number]]  # noqa: UP007  one number in a box of one dimension, else a list of two or three
PerMode = Union[Number, Sequence[Number]]  # noqa: UP007  a list with one for each mode, or one number for all
Contents = Sequence[float] | Sequence[Sequence[float]]  # one number for each flavor, for all modes or in a list for each mode
Rows = list[list[float]]  # lists of any length
Vectors = list[float] | list[list[float]]  # numbers in a box of one dimension, else vectors of two or three components


class Key:
    """What stands beside the type of a key: its meaning with the unit, and what is allowed.

    quantity: of a number that has a unit, a key of `units.QUANTITIES`. Then it may be given as text with a unit, and its unit in
    the program stands in the meaning in place of "[]", or behind it. gt, ge, lt, le: bounds of a number in that unit, for a list
    of each item. choices: where the type is no Literal. unset: what a default of None stands for. free: whether a run that goes
    on may have another value than it had when it began. per: of what there is one number each where a key takes one or several.
    """

    __slots__ = ("bounds", "choices", "free", "meaning", "per", "quantity", "unset")

    def __init__(
        self,
        meaning: str,
        *,
        quantity: str = "",
        choices: tuple = (),
        unset: str = "",
        free: bool = False,
        per: str = "axis",
        **bounds: float,
    ):
        if quantity:
            unit = f"[{QUANTITIES[quantity].unit}]"
            meaning = meaning.replace("[]", unit) if "[]" in meaning else f"{meaning} {unit}"
        self.meaning, self.quantity, self.choices, self.unset, self.free = meaning, quantity, choices, unset, free
        self.per, self.bounds = per, bounds


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=False)
class Section(Mapping):
    """A table of the config. `section.key` and `section["key"]` are the same; keys that are open are None.

    It is equal to a dict of the same content and cannot be changed: `replace` makes a changed copy, `plain` a dict. Keys that
    kinds share may stand in classes that they inherit; they come after those of the kind.
    """

    key_names: ClassVar[tuple[str, ...]] = ()
    own_names: ClassVar[tuple[str, ...]] = ()  # those that the class itself adds

    def __init_subclass__(cls) -> None:
        annotations = cls.__annotations__.items()
        cls.own_names = tuple(key_of(name) for name, kind in annotations if not str(kind).startswith("typing.ClassVar"))
        cls.key_names = tuple(dict.fromkeys(name for base in cls.__mro__ for name in getattr(base, "own_names", ())))

    def __init__(self, /, **values: Any):
        for name in self.key_names:
            if name in values:
                self.__dict__[name] = values.pop(name)
            elif hasattr(type(self), name):
                self.__dict__[name] = copy.copy(getattr(type(self), name))
            else:
                raise TypeError(f"{type(self).__name__} needs {name}")
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

    @classmethod
    def unchecked(cls, values: Mapping) -> Self:
        """A section of values that another version may have written: keys may be missing, and others be there."""
        section, known = cls.__new__(cls), [name for name in cls.key_names if name in values or hasattr(cls, name)]
        section.__dict__.update({name: values[name] if name in values else copy.copy(getattr(cls, name)) for name in known})
        section.__dict__.update(values)
        return section

    def __getattr__(self, name: str) -> Any:  # asked for what is found nowhere else
        key = key_of(name)
        if key != name and key in self.__dict__:
            return self.__dict__[key]
        raise AttributeError(f"{type(self).__name__} has no {name}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a config cannot be changed: make another one with {name} by replace(), or give overrides")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def __or__(self, other: Mapping) -> dict:
        return self.plain() | plain(other)

    def __ror__(self, other: Mapping) -> dict:
        return plain(other) | self.plain()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def plain(self) -> dict:
        """A copy in dicts and lists alone."""
        return plain(self)

    def replace(self, /, **values: Any) -> Self:
        """A copy with other values."""
        return type(self)(**{**self.__dict__, **values})

    def completed(self, config: Any) -> Self:
        """A copy with the defaults that depend on other keys of `config`, whose sections before this one are complete."""
        return self

    def problems(self, config: Any) -> Iterator[str]:
        """What is wrong between keys that are right each by itself, one sentence each. All of `config` is complete."""
        return iter(())


def key_of(attribute: str) -> str:
    """The key of a section that an attribute stands for: lambda for lambda_, else its own name."""
    return attribute[:-1] if attribute.endswith("_") and keyword.iskeyword(attribute[:-1]) else attribute


def per_axis(value: Any) -> list:
    """A value that may be one number in a box of one dimension, as a list."""
    return value if isinstance(value, list) else [value]


def plain(value: Any) -> Any:
    """A deep copy in plain Python: sections, numpy arrays and scalars, tuples, paths and quantities as a TOML file has them."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "magnitude") and hasattr(value, "units"):  # a quantity of pint
        return _with_unit(plain(value.magnitude), format(value.units, "D"))
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value) if hasattr(value, "__fspath__") else copy.copy(value)


def _with_unit(value: Any, unit: str) -> Any:
    return [_with_unit(item, unit) for item in value] if isinstance(value, list) else f"{value!r} {unit}"

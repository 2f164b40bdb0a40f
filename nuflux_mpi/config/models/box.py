"""[box]: the periodic box, its grid, and how work on it is done."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from ...storage.section import Key, PerAxis, Section, per_axis
from ..sentences import refusal

MOST_POINTS = 10**12


class Box(Section):
    length: Annotated[
        PerAxis[float], Key("length of the periodic box []: of z, or [x, z], or [x, y, z]", quantity="length", gt=0)
    ]
    points: Annotated[
        PerAxis[int],
        Key("grid points along z, or [x, z], or [x, y, z]; the last axis is cut over the ranks", ge=2, le=MOST_POINTS),
    ]
    origin: Annotated[
        PerAxis[float], Key("z of the first grid point []; in more dimensions one number serves all axes", quantity="length")
    ] = 0.0
    fftw: Annotated[
        Literal["measure", "estimate"], Key("FFTW planning effort: measure is faster, estimate repeats bit by bit", free=True)
    ] = "measure"
    exchange: Annotated[
        Literal["auto", "messages"],
        Key("between ranks of one node: auto is through memory that they share, where they can", free=True),
    ] = "auto"

    @property
    def shape(self) -> list[int]:
        """Grid points of each axis."""
        return per_axis(self.points)

    @property
    def lengths(self) -> list[float]:
        """Length of each axis [1/mu]."""
        return per_axis(self.length)

    @property
    def origins(self) -> list[float]:
        """First coordinate of each axis [1/mu]."""
        return per_axis(self.origin)

    @property
    def dimensions(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def completed(self, config: Any) -> Self:
        if self.dimensions > 1 and not isinstance(self.origin, list):
            return self.replace(origin=[self.origin] * self.dimensions)
        return self

    def uneven(self) -> list[str]:
        """Names of the keys that have not as many numbers as `points`."""
        return [name for name in ("length", "origin") if len(per_axis(self[name])) != self.dimensions]

    def problems(self, config: Any) -> Iterator[str]:
        several = f"a list of {self.dimensions} numbers, one per axis like box.points"
        one = {"length": "a finite number > 0", "origin": "a finite number"}
        for name in self.uneven():
            yield refusal(f"box.{name}", one[name] if self.dimensions == 1 else several, self[name])
        if math.prod(self.shape) > MOST_POINTS:
            yield f"box.points must not be more than {MOST_POINTS:g} in all, not {' x '.join(map(str, self.shape))}."

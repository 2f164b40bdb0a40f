"""Matter: the refraction of neutrinos on electrons, lambda = sqrt(2) G_F (n_e- - n_e+), uniform or a static profile lambda(r).

    Omega_a  has the part  c_mat lambda(r) (1 - v_a.u) L,        L = diag(1, 0[, 0])

for neutrinos and antineutrinos with the same sign (docs/matter.md), in matter that moves with velocity u; lambda is that of the
laboratory. It is the same for all modes but for v_a, and so adds lambda L to D_0 and lambda u_i L to D_i, and with its trace
lambda/F (1 - v_a.u) to (T_0, T_i). Where lambda varies it exerts a force, which the levels take from the gradient of D and T: of
the discrete derivative of the box, with which every budget closes to rounding, however well the profile is resolved.

    E_mat = c_mat sum_a s_a int lambda (1 - v_a.u) Tr( L N_a )
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np

from ...errors import InputError
from ...storage.section import Key, PerAxis, Section, per_axis
from ..modes import PLACES
from .term import Term

# Periodic images that are summed on each side, and the widest walls and bumps of which those left out are below rounding.
IMAGES, WIDEST = 8, 0.25
STEEPEST = 3.0  # times the largest step inside a profile, that between its ends may be
_KIND = Key(
    "uniform; cosine: a wave; gaussian: a bump; tanh: a layer with smooth walls; table: lines along z; file: dataset lambda"
)
Amplitude = Annotated[float, Key("added to lambda at the crest, in the middle of the bump or layer", quantity="potential")]
Width = Annotated[
    float,
    Key(
        "gaussian: exp(-x^2/2), x = |r - center|/width; tanh: walls (1 + tanh(z/width))/2; at most a quarter of the box",
        quantity="length",
        gt=0,
    ),
]
Center = Annotated[
    PerAxis[float] | None,
    Key("middle of the bump, or its z of the layer; periodic images count", quantity="length", unset="middle of the box"),
]


class Moving(Section):
    """What all kinds of matter have in common."""

    velocity: Annotated[
        PerAxis[float],
        Key(
            "u of the matter: along z, or a vector along the axes of the box, or [u_x, u_y, u_z] in any box; abs(u) < 1",
            quantity="velocity",
        ),
    ] = 0.0

    def problems(self, config: Any) -> Iterator[str]:
        u, axes = per_axis(self.velocity), config.box.dimensions
        if isinstance(self.velocity, list) and len(u) not in (axes, 3):
            allowed = "one number or three" if axes == 1 else "one number, or a vector of two or three components"
            allowed = "one number, or a vector of three components" if axes == 3 else allowed
            yield f"matter.velocity must be {allowed} in a box of {axes} dimension{'s' * (axes > 1)}, not {self.velocity}."
        elif np.linalg.norm(u) >= 1:
            yield f"matter.velocity must be shorter than 1, the speed of light, not {np.linalg.norm(u):.8g}."


class Formed(Moving):
    """Those that are a formula."""

    lambda_: Annotated[
        float,
        Key("sqrt(2) G_F (n_e- - n_e+) in the laboratory; of a profile where its amplitude adds nothing", quantity="potential"),
    ]


class Uniform(Formed):
    kind: Annotated[Literal["uniform"], _KIND] = "uniform"


class Cosine(Formed):
    kind: Annotated[Literal["cosine"], _KIND] = "cosine"
    amplitude: Amplitude
    n: Annotated[
        PerAxis[int] | None,
        Key("harmonic: lambda + amplitude cos(2 pi n.r/length + phase), r from the origin of the box", unset="1 along z"),
    ] = None
    phase: Annotated[float, Key("phase at the origin of the box", quantity="angle")] = 0.0

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        if self.n is not None:
            yield from _vector_problem("n", self.n, config.box.dimensions)


class Gaussian(Formed):
    kind: Annotated[Literal["gaussian"], _KIND] = "gaussian"
    amplitude: Amplitude
    width: Width
    center: Center = None

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        yield from _width_problem(self.width, min(config.box.lengths))
        if self.center is not None:
            yield from _vector_problem("center", self.center, config.box.dimensions)


class Tanh(Formed):
    kind: Annotated[Literal["tanh"], _KIND] = "tanh"
    amplitude: Amplitude
    width: Width
    thickness: Annotated[float, Key("of the layer, from the middle of one wall to that of the other", quantity="length", gt=0)]
    center: Center = None

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        length = config.box.lengths[-1]
        yield from _width_problem(self.width, length)
        if self.thickness >= length:
            yield f"matter.thickness must be less than the length of the box along z, {length:g}, not {self.thickness:g}."
        if isinstance(self.center, list):
            yield f"matter.center must be one number, the z of the layer, not {self.center}."


class Table(Moving):
    kind: Annotated[Literal["table"], _KIND] = "table"
    z: Annotated[list[float], Key("ascending, from one end of the box to the other", quantity="length")]
    profile: Annotated[list[float], Key("lambda there, the same at both ends", quantity="potential")]

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        start, length = config.box.origins[-1], config.box.lengths[-1]
        rounding = 1e-9 * length
        if len(self.profile) != len(self.z):
            yield f"matter.profile must have {len(self.z)} items, as many as matter.z, not {len(self.profile)}."
        elif len(self.z) < 2 or any(b <= a for a, b in zip(self.z, self.z[1:])):
            yield "matter.z must be at least two positions in ascending order."
        elif abs(self.z[0] - start) > rounding or abs(self.z[-1] - start - length) > rounding:
            yield (
                f"matter.z must cover the box, from {start:.8g} to {start + length:.8g}, and goes from {self.z[0]:.8g} to "
                f"{self.z[-1]:.8g}."
            )
        elif self.profile[0] != self.profile[-1]:
            yield (
                f"matter.profile must be the same at both ends of the box, which is periodic, not {self.profile[0]:.8g} and "
                f"{self.profile[-1]:.8g}."
            )


class FromFile(Moving):
    kind: Annotated[Literal["file"], _KIND] = "file"
    path: Annotated[
        str, Key("HDF5 file with dataset lambda [mu] of shape (points of each axis); relative to the config", free=True)
    ]


def _vector_problem(name: str, value: Any, axes: int) -> Iterator[str]:
    if len(per_axis(value)) != axes:
        allowed = "one number" if axes == 1 else f"a list of {axes} numbers"
        yield f"matter.{name} must be {allowed} in a box of {axes} dimension{'s' * (axes > 1)} (box.points), not {value}."


def _width_problem(width: float, length: float) -> Iterator[str]:
    if width > WIDEST * length:
        yield (
            f"matter.width must be at most a quarter of the box, {WIDEST * length:g}, not {width:g}: what is wider is not "
            "periodic in it."
        )


# ---- profiles --------------------------------------------------------------------------------------------------------


def profile(settings, box):
    """lambda(r) of a section [matter] at the points of a box: a number where it is uniform, else (*local_shape), local.

    box: whatever has the `dimensions`, `length`, `origin`, `coordinates()` and `local_shape` of one, for a file `read`, too.
    Collective for a file, which may raise InputError.
    """
    if settings["kind"] == "uniform":
        return float(settings["lambda"])
    if settings["kind"] == "file":
        return _from_file(settings["path"], box)
    from_origin = [x - start for x, start in zip(box.coordinates(), box.origin)]
    values = _SHAPES[settings["kind"]](settings, from_origin, box)
    return np.array(np.broadcast_to(values, box.local_shape))


def _cosine(settings, r, box):
    n = per_axis(settings["n"]) if settings["n"] is not None else [0] * (len(r) - 1) + [1]
    angle = sum(2 * np.pi * number * x / length for number, x, length in zip(n, r, box.length))
    return settings["lambda"] + settings["amplitude"] * np.cos(angle + settings["phase"])


def _gaussian(settings, r, box):
    bump, center = 1.0, _center(settings, box)
    for x, middle, length in zip(r, center, box.length):
        bump = bump * sum(np.exp(-(((x - middle + image) / settings["width"]) ** 2) / 2) for image in _images(length))
    return settings["lambda"] + settings["amplitude"] * bump


def _tanh(settings, r, box):
    z, half = r[-1] - _center(settings, box)[-1], settings["thickness"] / 2
    walls = (
        np.tanh((z + image + half) / settings["width"]) - np.tanh((z + image - half) / settings["width"])
        for image in _images(box.length[-1])
    )
    return settings["lambda"] + settings["amplitude"] * sum(walls) / 2


def _table(settings, r, box):
    return np.interp(r[-1] + box.origin[-1], settings["z"], settings["profile"])


_SHAPES = {"cosine": _cosine, "gaussian": _gaussian, "tanh": _tanh, "table": _table}


def _center(settings, box):
    """Counted from the origin of the box, for each axis; of a layer the last one counts."""
    if settings["center"] is None:
        return [length / 2 for length in box.length]
    center = per_axis(settings["center"])
    return [0.0] * (len(box.length) - len(center)) + [x - start for x, start in zip(center, box.origin[-len(center) :])]


def _images(length):
    return length * np.arange(-IMAGES, IMAGES + 1)


def _from_file(path, box):
    values = box.read(path, "lambda", leading=(), key="matter.path")
    comm = getattr(box, "comm", None)
    if comm is None:
        _check_periodic(path)
    else:
        from ...runtime.collective import on_root

        on_root(comm, _check_periodic, path)
    return values


def _check_periodic(path, points: tuple | None = None) -> None:
    """InputError where the dataset has not the shape `points`, if that is asked, or where the first and the last points along an axis differ by much more than neighbours do. On one rank."""
    from ...runtime.text import one_line
    from ...storage import start_file

    shapes = None if points is None else [points]
    found = start_file.find(path, ("lambda",), "matter.path", shapes=shapes, values=points is not None)
    for axis, (inside, around) in enumerate(_largest_steps(found)):
        if around > STEEPEST * inside:
            raise InputError(
                f"matter.path: lambda of {one_line(path)} is not periodic along axis {axis}, as the box is: its last point "
                f"differs from the first by up to {around:.4g}, and neighbours inside by {inside:.4g} at most."
            )


def _largest_steps(found):
    """For each axis the largest differences between neighbours inside a profile, and between its last and first points."""
    from ...storage import hdf5

    about = found.datasets["lambda"]
    with hdf5.open_alone(found.path, "r") as file:
        dataset = file[about["where"].encode("utf-8", "surrogateescape")]
        inside, around = np.zeros(dataset.ndim), np.zeros(dataset.ndim)
        rows = max(1, 2**20 // max(1, dataset[0].size))
        for start in range(0, len(dataset), rows):
            block = dataset[max(0, start - 1) : start + rows].astype(float)
            for axis in range(dataset.ndim):
                inside[axis] = max(inside[axis], np.abs(np.diff(block, axis=axis)).max(initial=0.0))
                if axis:
                    ends = block.take(-1, axis) - block.take(0, axis)
                    around[axis] = max(around[axis], np.abs(ends).max())
        around[0] = np.abs(dataset[-1].astype(float) - dataset[0]).max()
    return zip(inside, around)


# ---- the term --------------------------------------------------------------------------------------------------------


class Matter(Term):
    """The same vector for all modes but for v_a."""

    name = section = attenuation = "matter"
    Settings = Uniform | Cosine | Gaussian | Tanh | Table | FromFile
    steady = True
    own_kernels = ("touch_add_forces", "touch_turn_together")
    series = {"E_mat": (("time",), "mu n (1/mu)", "energy in matter, sum over modes of int s_a lambda (1 - v_a.u) N_ee,a")}
    budget = ("E_mat",)

    def __init__(self, settings, modes, factor=1.0):
        super().__init__(settings, modes, factor)
        first = np.zeros(self.algebra.flavors)
        first[0] = 1.0
        self._vector = self.algebra.polarization_of(first)[1]
        self.u = along_moments(settings["velocity"], modes)
        self._density = modes.n
        self.profile = float(settings["lambda"]) if settings["kind"] == "uniform" else None

    def look(self, points):
        if self.settings["kind"] == "file":
            _check_periodic(self.settings["path"], tuple(points))

    def enter(self, box):
        self.profile = profile(self.settings, box)

    @property
    def _strengths(self):
        """c_mat (1, u_1, ...), (1 + m,): what multiplies lambda in D_0 and D_i."""
        return self.factor * np.array([1.0, *self.u])

    def potential(self, t, P, D):
        values = np.ravel(self.profile)
        for m in np.flatnonzero(self._strengths):
            for c in np.flatnonzero(self._vector):
                D[m, c] += self._strengths[m] * self._vector[c] * values

    def turns_about(self):
        return self._vector[None]

    def breaks(self):
        return () if self.settings["kind"] == "uniform" else ("momentum",)

    def trace(self, t, T):
        for m in np.flatnonzero(self._strengths):
            T[m] += self._strengths[m] / self.algebra.flavors * np.ravel(self.profile)

    def start(self, P, density):
        self._density = density
        return {}

    def energies(self, t, fields, D, box):
        """With the `moments` at each point if they are among the fields (level full), else with the densities of the start."""
        if "moments" in fields:
            electrons = self.algebra.content(fields["moments"][:, 0], fields["moments"][:, 1:], axis=1)[:, 0]
            return {"E_mat": float(box.integral(self.profile * np.tensordot(self._strengths * [1, -1], electrons, 1)))}
        signs = np.array([1.0, *-self.u])  # of D_0 - u.D_1
        flavor = 0.5 * np.tensordot(self._vector, np.tensordot(signs, D, axes=1), axes=1)
        s, v = self.modes.s, self.modes.vectors
        moving = s * (1.0 - v @ self.u) / self.algebra.flavors
        if "n" in fields:
            flavor = flavor + np.tensordot(moving, fields["n"], axes=1)
        E = float(box.integral(self.profile * flavor))
        if "n" not in fields:
            E += float(moving @ self._density) * float(box.integral(np.broadcast_to(self.profile, box.local_shape)))
        return {"E_mat": self.factor * E}

    def linear(self, background, pair):
        from ...theory.linear import Linear

        one = self.algebra.pairs[pair]
        share = float(one.first == 0) - float(one.second == 0)
        if self.profile is None:
            raise InputError("[matter] varies in space, and linear theory was not told of a grid.")
        if np.ndim(self.profile) == 0:
            return Linear(-share * self.factor * self.profile * (1.0 - self.modes.vectors @ self.u))
        return Linear(profile=share * self._strengths.reshape(-1, *[1] * np.ndim(self.profile)) * self.profile)


def along_moments(velocity, modes) -> np.ndarray:
    """The velocity u of matter with the components (m,) that 1 - v_a.u has beside `modes.vectors` (modes, m).

    velocity: a number along z, a vector along the axes of the box, or three components. Directions that stand for a circle of
    azimuths have no component across the box, and that of u drops out of their mean.
    """
    axes, m = modes.velocity.shape[1], modes.vectors.shape[1]
    whole, given = np.zeros(3), per_axis(velocity)
    whole[{1: [2], 3: [0, 1, 2]}[len(given)] if len(given) != axes else list(PLACES[axes])] = given
    return whole if m == 3 else whole[list(PLACES[axes])]

"""[initial]: the state at the start, by kind."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from ...physics import seeding
from ...storage.section import Key, PerAxis, Section, per_axis
from ..sentences import length_problem
from ..toml import toml_value

HIGHEST_HARMONIC = 100  # seeded where neither n_max nor k_max is given

_KIND = Key(
    "seeds: random (Eq. 13); power-law: random phases; fourier: waves; profile: bump; eigenmode; rotation; file: dataset P"
)
Amplitude = Annotated[
    float, Key("profile, eigenmode: largest |psi_a|; power-law: that of n = 1 and -1; unit by amplitudes_in", ge=0)
]
Phase = Annotated[float, Key("phase of psi = P^x + i P^y (eigenmode: its largest psi_a) at the origin", quantity="angle")]
PairName = Literal["e x", "e mu", "e tau", "mu tau"]
Pairs = Annotated[
    list[PairName] | None, Key('which pairs of flavors are seeded: of "e x", or "e mu", "e tau", "mu tau"', unset="all")
]
Pair = Annotated[PairName | None, Key("the pair of flavors", unset='"e x" of two flavors, "e mu" of three')]
ModeNumbers = Annotated[int | list[int] | Literal["all"], Key("modes that carry the wave", ge=0)]
Zeta = Annotated[list[float] | None, Key("P_a^z of each mode without its transverse part", quantity="density", unset="+n_a")]
Harmonic = Annotated[PerAxis[int], Key("harmonic: exp(2 pi i n z / length) of the eigenmode, or under the bump")]


class Made(Section):
    """What all states have in common that are made of small coherences."""

    zeta: Zeta = None
    amplitudes_in: Annotated[
        Literal["n", "n_a"],
        Key("unit of amplitudes: the common n, or each mode's own n_a (|zeta_a| where no density is known)"),
    ] = "n"
    normalize: Annotated[
        bool, Key("true: N_a is turned, P^z shortened, so that its eigenvalues stay; false: P^z = zeta as in the paper")
    ] = True

    def problems(self, config: Any) -> Iterator[str]:
        yield from zeta_problems(self.zeta, config)
        for i, name in enumerate(self.get("pairs") or ()):
            yield from pair_problems(f"initial.pairs[{i}]", name, config.flavor.number)
        if len(set(pairs := self.get("pairs") or ())) < len(pairs):
            yield "initial.pairs must have no pair twice."
        yield from pair_problems("initial.pair", self.get("pair"), config.flavor.number)


class Random(Made):
    """What random states have in common: their harmonics, and where the numbers come from."""

    n_max: Annotated[
        int | None,
        Key(
            "highest harmonic N_max, of each axis; must stay below points / 2", ge=0, unset=f"{HIGHEST_HARMONIC}, without k_max"
        ),
    ] = None
    k_max: Annotated[
        float | None,
        Key(
            "in place of n_max: highest wave number along each axis [], whatever the length",
            quantity="wave number",
            gt=0,
            unset="n_max counts",
        ),
    ] = None
    seed: Annotated[int, Key("seed of the random numbers", ge=0)] = 1
    same_for_all: Annotated[bool, Key("true: every mode gets the same functions")] = False
    pairs: Pairs = None

    def completed(self, config: Any) -> Self:
        return self.replace(n_max=HIGHEST_HARMONIC) if self.n_max is None and self.k_max is None else self

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        if wrong := seeding.problem(self, config.box.lengths, config.box.shape):
            yield wrong


class Seeds(Random):
    kind: Annotated[Literal["seeds"], _KIND] = "seeds"
    variance: Annotated[float, Key("variance of the amplitudes c_n, unit by amplitudes_in", ge=0)] = 1e-8
    draw: Annotated[
        Literal["random", "golden-ratio"],
        Key(
            "random: c_n normal, phases uniform; golden-ratio: |c_n| = sqrt(variance), c_0 = 0, phases that every code can repeat"
        ),
    ] = "random"


class PowerLaw(Random):
    kind: Annotated[Literal["power-law"], _KIND] = "power-law"
    exponent: Annotated[
        float, Key("p of psi = sum_n amplitude |n|^-p exp(i (2 pi n z / length + phi_n)), 0 < |n| <= n_max", ge=0)
    ] = 1.0
    amplitude: Amplitude


class Wave(Section):
    n: Annotated[PerAxis[int], Key("signed harmonic: wavenumber k = 2 pi n / length")]
    amplitude: Annotated[float, Key("amplitude of psi = P^x + i P^y, unit by amplitudes_in", ge=0)]
    pair: Pair = None
    phase: Annotated[float, Key("phase at the origin of the box", quantity="angle")] = 0.0
    mode: ModeNumbers = "all"

    @property
    def modes(self) -> list[int]:
        """The modes that are named, none for "all"."""
        return [] if self.mode == "all" else per_axis(self.mode)


class Fourier(Made):
    kind: Annotated[Literal["fourier"], _KIND] = "fourier"
    waves: Annotated[list[Wave], Key("the harmonics, one table [[initial.waves]] each")]

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        yield from wave_problems("initial.waves", self.waves, config)
        for i, wave in enumerate(self.waves):
            yield from pair_problems(f"initial.waves[{i}].pair", wave.pair, config.flavor.number)


class Profile(Made):
    kind: Annotated[Literal["profile"], _KIND] = "profile"
    shape: Annotated[
        Literal["gaussian", "sech", "cosine"],
        Key("gaussian: exp(-x^2/2); sech: 1/cosh(x); cosine: (1 + cos(pi x))/2 inside |x| < 1; x = (z - center)/width"),
    ] = "gaussian"
    amplitude: Amplitude
    width: Annotated[float, Key("width of the bump [], at least one grid spacing", quantity="length", gt=0)]
    center: Annotated[
        PerAxis[float] | None,
        Key("z of the bump [], its periodic images included", quantity="length", unset="middle of the box"),
    ] = None
    phase: Phase = 0.0
    n: Harmonic = 0
    pairs: Pairs = None

    def completed(self, config: Any) -> Self:
        box, center = config.box, self.center
        if center is None and not box.uneven():
            middle = [start + length / 2 for start, length in zip(box.origins, box.lengths)]
            center = middle if box.dimensions > 1 else middle[0]
        return self.replace(center=center, n=resting(self.n, box))

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        yield from harmonic_problems("initial.n", self.n, config.box)
        spacing = max(length / points for length, points in zip(config.box.lengths, config.box.shape))
        if self.width < spacing:
            yield f"initial.width must be at least the grid spacing {spacing:g}, not {self.width:g}."


class Eigenmode(Made):
    kind: Annotated[Literal["eigenmode"], _KIND] = "eigenmode"
    amplitude: Amplitude
    phase: Phase = 0.0
    n: Harmonic = 0
    pair: Pair = None
    root: Annotated[int, Key("which eigenmode: 0 the fastest, then by falling growth, then by rising frequency", ge=0)] = 0
    growing: Annotated[bool, Key("true: refuse an eigenmode that does not grow")] = True

    def completed(self, config: Any) -> Self:
        return self.replace(n=resting(self.n, config.box))

    def problems(self, config: Any) -> Iterator[str]:
        yield from super().problems(config)
        yield from harmonic_problems("initial.n", self.n, config.box)
        matter = config.get("matter")
        of_one_wave = matter is None or matter.kind == "uniform"  # else roots are those of all waves together
        if of_one_wave and self.root >= (count := config.modes.count_in(config)):
            yield f"initial.root must be below the number of modes, {count}, not {self.root}."


class Turn(Section):
    component: Annotated[
        Literal["x", "y", "z", "1", "2", "3", "4", "5", "6", "7", "8"],
        Key("c: generator of the rotation: x, y, z of two flavors, 1 to 8 of three"),
    ]
    n: Annotated[PerAxis[int], Key("harmonic: wavenumber 2 pi n / length; 0: the same everywhere")] = 0
    amplitude: Annotated[float, Key("A: largest angle of rotation", quantity="angle")]
    phase: Annotated[float, Key("phase at the origin of the box", quantity="angle")] = 0.0
    mode: ModeNumbers = "all"

    @property
    def modes(self) -> list[int]:
        """The modes that are named, none for "all"."""
        return [] if self.mode == "all" else per_axis(self.mode)


class Rotation(Section):
    kind: Annotated[Literal["rotation"], _KIND] = "rotation"
    turns: Annotated[
        list[Turn],
        Key("waves of the generators, one table [[initial.turns]] each: X_a = sum A/2 lambda_c cos(2 pi n z / length + phase)"),
    ]
    zeta: Zeta = None

    def completed(self, config: Any) -> Self:
        return self.replace(turns=[turn.replace(n=resting(turn.n, config.box)) for turn in self.turns])

    def problems(self, config: Any) -> Iterator[str]:
        yield from zeta_problems(self.zeta, config)
        yield from wave_problems("initial.turns", self.turns, config)
        flavors = config.flavor.number
        known = ("x", "y", "z") if flavors == 2 else tuple("12345678")
        for i, turn in enumerate(self.turns):
            if turn.component not in known:
                yield (
                    f"initial.turns[{i}].component must be one of {', '.join(map(toml_value, known))} (flavor.number = {flavors}), "
                    f"not {toml_value(turn.component)}."
                )


class FromFile(Section):
    kind: Annotated[Literal["file"], _KIND] = "file"
    path: Annotated[
        str,
        Key(
            "HDF5 file with dataset P of shape (modes, 3 or 8, points of each axis), weights absorbed [n]; relative to the config",
            free=True,
        ),
    ]


Initial = Seeds | PowerLaw | Fourier | Profile | Eigenmode | Rotation | FromFile


def zeta_problems(zeta: list[float] | None, config: Any) -> Iterator[str]:
    """What is wrong with the densities of flavors at the start."""
    modes, density, flavors = config.modes, config.modes.get("density"), config.flavor.number
    if zeta is not None:
        yield from length_problem("initial.zeta", zeta, modes.count_in(config))
    if zeta is not None and flavors > 2:
        yield (
            f"initial.zeta is for two flavors, and flavor.number = {flavors}: say with modes.content how many neutrinos of each "
            "flavor a mode has, [n_e, n_mu, n_tau]."
        )
    elif zeta is not None and modes.get("content") is not None:
        yield "initial.zeta and modes.content both say of which flavors a mode is made: leave one of them out."
    elif zeta is None and modes.kind == "beams" and density is None and modes.content is None:
        missing = "initial.zeta is missing: a list of P_a^z, one per mode," if flavors == 2 else "modes.content is missing"
        yield f"{missing} unless modes.density is given."
    elif zeta and density and len(zeta) == len(density):
        for a, (z, n) in enumerate(zip(zeta, density)):
            if abs(z) > n:
                yield f"initial.zeta[{a}] must not exceed modes.density[{a}] = {n:g} in size, not {z:g}."


def pair_problems(name: str, pair: str | None, flavors: int) -> Iterator[str]:
    """A pair of flavors that the run has not."""
    known = seeding.PAIRS[flavors]
    if pair is not None and pair not in known:
        yield f"{name} must be {' or '.join(map(toml_value, known))} (flavor.number = {flavors}), not {toml_value(pair)}."


def wave_problems(name: str, waves: list, config: Any) -> Iterator[str]:
    """Harmonics that the grid does not carry, and modes that are not there."""
    count = config.modes.count_in(config)
    for i, wave in enumerate(waves):
        yield from harmonic_problems(f"{name}[{i}].n", wave.n, config.box)
        for index in wave.modes:
            if index >= count:
                yield f"{name}[{i}].mode must be below the number of modes, {count}, not {index}."


def resting(n: int | list[int], box: Any) -> int | list[int]:
    """A harmonic, its default 0 as a vector of the box's dimension."""
    return [0] * box.dimensions if n == 0 and box.dimensions > 1 else n


def harmonic_problems(name: str, n: int | list[int], box: Any) -> Iterator[str]:
    """What is wrong with a harmonic that the grid must carry."""
    smallest = min(box.shape)
    if any(abs(number) > (N - 1) // 2 for number, N in zip(per_axis(n), box.shape)):
        limit = f"a grid of {smallest} points carries harmonics up to {(smallest - 1) // 2}"
        yield f"{name} must be below box.points / 2 in size, not {n}: {limit}."

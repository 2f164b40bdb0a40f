"""[equations], and the sections [full] and [momentum] of the levels of these names."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from ...errors import InputError
from ...storage.section import Key, Section

_RELATIVE = "relative to the config"


class Equations(Section):
    level: Annotated[
        Literal["standard", "energy", "momentum", "full"],
        Key(
            "standard: flavor only; energy: and kappa_a, the energy each mode gains; momentum: and f_a(q); full: all of Eq. 16"
        ),
    ] = "standard"

    def problems(self, config: Any) -> Iterator[str]:
        axes = config.box.dimensions
        if axes > 1 and self.level not in ("standard", "energy"):
            yield (
                f"equations.level must be standard or energy in a box of {axes} dimensions (box.points), not {self.level}: "
                "momenta are resolved in one dimension only."
            )


# ---- level "full"

_MOMENTA = Key(
    "momenta of each mode: gaussian: beams with a width; thermal: pinched spectra with an angular width; file: dataset rho"
)
FullWidth = Annotated[
    float, Key("width of the beams in p_z and p_perp []; with a file, that of the rule laguerre", quantity="energy", gt=0)
]


class FullSection(Section):
    """What the distributions of level full have in common: the grid, which must hold them, and the terms of Eq. 16."""

    points: Annotated[int, Key("grid points in p_z, an even number (level full)", ge=4, le=2**16)] = 64
    p_max: Annotated[float, Key("the grid covers -p_max < p_z < p_max", quantity="energy", gt=0)] = 16.0
    perp_points: Annotated[int, Key("points of the quadrature in p_perp", ge=1, le=128)] = 4
    group_velocity: Annotated[
        bool, Key("the term 1/2 {grad_p Omega, d_z f} of Eq. 16, and the velocity that masses take away")
    ] = True
    force: Annotated[bool, Key("the term -1/2 {d_z Omega, grad_p f} of Eq. 16")] = True
    commutator: Annotated[bool, Key("the flavor rotation i [f, Omega]")] = True

    def problems(self, config: Any) -> Iterator[str]:
        if config.equations.level == "full":
            from ...physics import full_grid, full_start, levels

            try:
                directions = levels.modes_of(config)
                if directions.vectors.shape[1] > 1:
                    yield (
                        "modes.velocity must be numbers along z at equations.level = full, which has axial symmetry about it: "
                        "of whole vectors those across z must be 0."
                    )
                    return
                full_grid.check_grid(self, directions.v, directions.s, directions.p)
                full_start.check_beams(self, directions, levels.terms_of(config, directions))
            except InputError as error:
                yield f"{str(error).rstrip('.')}."


class FullGaussian(FullSection):
    distribution: Annotated[Literal["gaussian"], _MOMENTA] = "gaussian"
    p0: Annotated[
        float | None,
        Key("|p| of the beams []; r_mu = 1/p0", quantity="energy", gt=0, unset="modes.energy if the modes have one, else 8"),
    ] = None
    sigma: FullWidth = 1.2

    def completed(self, config: Any) -> Self:
        return self if self.p0 is not None or config.modes.get("energy") is not None else self.replace(p0=8.0)

    def problems(self, config: Any) -> Iterator[str]:
        if config.equations.level == "full" and self.p0 is not None and config.modes.get("energy") is not None:
            yield "full.p0 and modes.energy both tell the momenta of the beams: leave one of them out."
        else:
            yield from super().problems(config)


class FullThermal(FullSection):
    distribution: Annotated[Literal["thermal"], _MOMENTA] = "thermal"
    p_mean: Annotated[
        list[float], Key("mean |p| of the spectra []: one for all modes, or one for each", quantity="energy", gt=0)
    ]
    pinching: Annotated[list[float], Key("spectra p^pinching exp(-(pinching + 1) p / p_mean) in |p|; as p_mean", gt=2)] = [10.0]
    angular_width: Annotated[
        list[float], Key("directions exp(-(v - v_a)^2 / 2 width^2) about that of the mode; as p_mean", gt=0)
    ] = [0.6]


class FullFromFile(FullSection):
    distribution: Annotated[Literal["file"], _MOMENTA] = "file"
    sigma: FullWidth = 1.2
    path: Annotated[
        str,
        Key(
            "HDF5 file with dataset rho [n/mu^3] of shape (species, perp_points, F^2, points) or the same with box.points; "
            + _RELATIVE,
            free=True,
        ),
    ]
    quadrature: Annotated[
        Literal["legendre", "laguerre"], Key("rule in p_perp: legendre: up to p_max; laguerre: in p_perp^2 / 2 sigma^2")
    ] = "legendre"


Full = FullGaussian | FullThermal | FullFromFile


# ---- level "momentum"

_DISTRIBUTION = Key("distribution of every mode in q at the start")


class MomentumSection(Section):
    """What the distributions of level momentum have in common: their grid in q."""

    points: Annotated[int, Key("grid points in q = |p| - p_0, an even number (level momentum)", ge=4, le=2**16)] = 64
    half_width: Annotated[float, Key("the grid covers -half_width <= q < half_width", quantity="energy", gt=0)] = 12.0

    def problems(self, config: Any) -> Iterator[str]:
        if self.points % 2:
            yield f"momentum.points must be even, not {self.points}."


class MomentumGaussian(MomentumSection):
    distribution: Annotated[Literal["gaussian"], _DISTRIBUTION] = "gaussian"
    sigma: Annotated[float, Key("width: exp(-q^2 / 2 sigma^2)", quantity="energy", gt=0)] = 0.7


class MomentumFermiDirac(MomentumSection):
    distribution: Annotated[Literal["fermi-dirac"], _DISTRIBUTION] = "fermi-dirac"
    temperature: Annotated[
        float, Key("p^2 / (exp(p / temperature - eta) + 1), q counted from the mean of p", quantity="energy", gt=0)
    ]
    eta: Annotated[float, Key("degeneracy parameter")] = 0.0


class MomentumFromFile(MomentumSection):
    distribution: Annotated[Literal["file"], _DISTRIBUTION] = "file"
    path: Annotated[str, Key("HDF5 file with datasets q and g, interpolated; " + _RELATIVE, free=True)]


Momentum = MomentumGaussian | MomentumFermiDirac | MomentumFromFile

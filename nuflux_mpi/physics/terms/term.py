"""What a term may say. Every part is optional: a term overrides what it has, and costs a run nothing where it is not in use.

Shapes, all local, with the n points of this rank in one row: P (modes, C, n) for C components of a flavor vector; the vectors
D (1 + m, C, n) of which each mode takes W_a = D_0 - sum_i v_ai D_i, and turns by d_t P_a = W_a x P_a; m = 3 where a velocity
points out of the axes of the box, else their number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..fields import Field

if TYPE_CHECKING:
    from ...theory.linear import Background, Linear


@dataclass
class Here:
    """What a source finds on this rank.

    fields: those of the state by name, each (*shape, n).
    v: (m, modes), the velocities of 1 - v_a.v_b, with 3 components where one points out of the box's axes; speed: (axes, modes),
    along these axes; the same array where m = axes. s: (modes,) signs. work: (modes,) signs over the unit of kappa, see `polarization.Energy`.
    weight: (modes,) signs times the strength of refraction, with which moments are summed.
    D: (1 + m, C, n), the vectors of all potentials.
    dD: (axes, 1 + m, C, n), their gradients, the axis of the derivative first; only where a term needs them.
    w: (modes, C), the sum of all `Term.mode_potential`; None without any.
    h: (1 + m, C, n or 1), what steady terms add to D; None without any.
    density: (modes,), n_a, as soon as a run has started.
    """

    fields: dict[str, np.ndarray]
    v: np.ndarray
    speed: np.ndarray
    s: np.ndarray
    D: np.ndarray
    work: np.ndarray
    weight: np.ndarray
    dD: np.ndarray = field(default_factory=lambda: np.zeros(0))
    w: np.ndarray | None = None
    h: np.ndarray | None = None
    density: np.ndarray = field(default_factory=lambda: np.zeros(0))


class Term:
    """One piece of physics in the equations.

    name: as in messages.
    section: the config section that brings the term into a run, with `Settings`, its class; None: the term belongs to levels.
    series: {name: (dimensions, unit, meaning)} of what the term stores, as in results/names.py.
    budget: names of those series that are summed into `energy`.
    needs_gradient: whether `source` reads dD. passive: whether it gives rates of passive fields alone.
    commutes: whether `flow` commutes with the local flow of all other terms.
    separates: whether it tells neutrinos from antineutrinos, or energies of one direction, so that modes must not be merged.
    steady: whether its `potential`, `mode_potential` and `trace` depend neither on time nor on the state.
    attenuation: the key of [attenuation] whose value is its `factor`.
    own_kernels: names of what compiles its kernels, see `kernels.warm_up`.

    settings: the section of the resolved config, or None. modes: :class:`~nuflux_mpi.physics.modes.Modes`. factor: by which all
    that the term adds to the equations, and its energies, are multiplied. Times are counted from the start of the run.
    """

    name: ClassVar[str] = ""
    section: ClassVar[str | None] = None
    Settings: ClassVar[Any] = None
    series: ClassVar[dict[str, tuple]] = {}
    budget: ClassVar[tuple[str, ...]] = ()
    needs_gradient: ClassVar[bool] = False
    passive: ClassVar[bool] = False
    commutes: ClassVar[bool] = False
    separates: ClassVar[bool] = False
    steady: ClassVar[bool] = False
    attenuation: ClassVar[str | None] = None
    own_kernels: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings, modes, factor=1.0):
        self.settings, self.modes, self.algebra, self.factor = settings, modes, modes.algebra, factor

    @classmethod
    def has(cls, part: str) -> bool:
        """Whether the term overrides a part of this class, such as "flow"."""
        return getattr(cls, part) is not getattr(Term, part)

    def fields(self, axes: int) -> tuple[Field, ...]:
        """Fields of the term's own, in a box of so many axes; they join those of the level."""
        return ()

    def look(self, points: list[int]) -> None:
        """InputError if a file that the term reads is not as it should be for a box of so many points along each axis. On one rank."""

    def enter(self, box) -> None:
        """Prepare for a box, before anything else is asked. Collective."""

    def potential(self, t: float, P: np.ndarray, D: np.ndarray) -> None:
        """D += the vectors about which all modes turn. Where D varies in space, it exerts the weak force, too.

        P is that of each mode, integrated over momenta; None at level full, and where the term is `steady`.
        """

    def mode_potential(self, t: float) -> np.ndarray:
        """One vector for each mode, (modes, C), constant in space, that is added to W_a."""
        raise NotImplementedError

    def mass(self) -> tuple[float, np.ndarray]:
        """(w0, W (C,)) of a matrix M^2/2 = w0 1 + W.lambda/2 [mu^2]: Omega has s M^2/2p, at level full with the momenta p of
        the grid, in place of `mode_potential`. Its energy, the first of `budget`, is int Tr (M^2/2p) f."""
        raise NotImplementedError

    def trace(self, t: float, T: np.ndarray) -> None:
        """T (1 + axes, n) += the trace parts w0_a = T_0 - sum_i v_ai T_i of what it adds to Omega_a = w0_a 1 + W_a.lambda/2.

        They turn nothing. Where they vary in space, they push all flavors alike.
        """

    def turns_about(self) -> np.ndarray | None:
        """Vectors (k, C) about which the term turns the modes, any k of them, for `invariants.kept`: components X of int D_0 with
        X x h = 0 for each stay. None: not known, and no component counts as conserved; so it is where a term that has
        anything which turns does not say."""
        turning = any(self.has(part) for part in ("potential", "mode_potential", "mass", "source", "flow"))
        return None if turning and not self.passive else np.zeros((0, self.algebra.components))

    def breaks(self) -> tuple[str, ...]:
        """Which of the `invariants.INVARIANTS` the term breaks: "energy", that the sum of all energies stays, "momentum", that of
        all modes, "length", that |P_a| stays along the rays. Here what follows from its parts: sources of active fields break
        all, and potentials without an energy in the budget that."""
        if self.has("source") and not self.passive:
            return ("energy", "momentum", "length")
        turning = any(self.has(part) for part in ("potential", "mode_potential"))
        return ("energy",) if turning and not self.budget else ()

    def source(self, t: float, here: Here, rates: dict[str, np.ndarray]) -> None:
        """rates[name] += any other local rate of change of a field. Passive fields are not always asked for: see `rates`."""

    def energies(self, t: float, fields: dict[str, np.ndarray], D: np.ndarray, box) -> dict[str, float]:
        """The series of the term, by name. Collective.

        fields: those that are stored, by name; D: the moments of P; all (..., *local_shape). At level full, where directions
        are not sharp, `moments` is among the fields: (2, 1 + C, *local_shape), the sums of s v^m (n, P) over all momenta.
        """
        return {}

    def start(self, P: np.ndarray, density: np.ndarray) -> dict[str, np.ndarray]:
        """The term's own fields at the start, by name; those not given begin with zero.

        P: (modes, C, *local_shape), local; density: n_a, (modes,).
        """
        return {}

    def linear(self, background: Background, pair: int) -> Linear:
        """What is added to omega psi_a = [...] psi_a + sum_b [...]_ab psi_b, for one pair of flavors: an index of `pairs`.

        shift (modes,) or a number; coupling (modes, modes) or None; both may be complex. InputError if the background is no
        stationary state of the term.
        """
        from ...theory.linear import Linear

        return Linear(0.0, None)

    def flow(self, t: float, h: float, here: Here) -> None:
        """Carry the fields over a time h by this term alone, as it is at the time t, exactly."""

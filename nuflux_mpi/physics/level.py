"""What all levels share: fields as they are declared, the terms that act on them, the way into the state and out of it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .diagnostics import FLAVOR, SHARP
from .fields import Declaration
from .modes import shown
from .terms.force import WeakForce
from .terms.self_interaction import SelfInteraction
from .terms.term import Term


class Level:
    """A level of description: the fields of its state, the terms of its equations, and what it stores and measures.

    level: its name.
    own_terms: the terms it always has.
    takes: the parts of other terms, see :class:`~nuflux_mpi.physics.terms.term.Term`, for which it has a place.
    splits: whether its terms have local flows.
    diagnostics: the parts of :class:`~nuflux_mpi.physics.diagnostics.Diagnostics` in a row of its series.
    own_kernels: names of what compiles its kernels, see `kernels.warm_up`.
    auto_method: what time.method = "auto" stands for, from the measurements in docs/performance.md.

    box: :class:`~nuflux_mpi.box.box.Box`. modes: :class:`~nuflux_mpi.physics.modes.Modes`. settings: the config section that
    has the name of the level, if there is one. terms: all terms of the run, those of the level first. picture: the transport
    of the declared lines, such as :class:`~nuflux_mpi.physics.interaction.InteractionPicture`.

    `picture` is the right-hand side for the integrator, `fields` the fields of the state by name: views of the lines
    that picture and source work on, (*shape, *local_shape).
    """

    level: ClassVar[str]
    own_terms: ClassVar[tuple[type[Term], ...]] = (SelfInteraction, WeakForce)
    takes: ClassVar[tuple[str, ...]] = ("potential",)
    splits: ClassVar[bool] = False
    diagnostics: ClassVar[tuple[str, ...]] = FLAVOR + SHARP
    own_kernels: ClassVar[tuple] = ()
    auto_method: ClassVar[str] = "adams"
    unit = 1.0  # of what the state holds beside densities, see `polarization.Energy`

    @classmethod
    def declare(cls, modes, settings=None, terms=(), axes=1) -> Declaration:
        """The fields of the level for these modes and terms in a box of so many axes, before anything is built."""
        raise NotImplementedError

    def __init__(self, box, modes, settings, picture, terms):
        self.box, self.modes, self.settings, self.picture, self.terms = box, modes, settings, picture, terms
        self.declared = self.declare(modes, settings, terms, box.dimensions)
        self.v, self.s = np.asarray(modes.v, dtype=float), np.asarray(modes.s, dtype=float)
        self.transform = picture.transform
        self.fields = self.declared.views(self.transform.physical)
        for term in terms:
            term.enter(box)
        # c_nu of [attenuation]: what refraction is multiplied by, in the moments of a level and in U_osc.
        self.strength = next((term.factor for term in terms if isinstance(term, SelfInteraction)), 1.0)
        # Those whose potentials add to the one that the level itself takes from its state.
        self._others = [term for term in terms if type(term) not in self.own_terms]
        self._potentials = [term for term in self._others if term.has("potential")]
        self._lay_out()

    def _lay_out(self):
        """Allocate what the source needs, and tell the picture of it."""
        raise NotImplementedError

    def start(self, t, u, P, density):
        """u <- the state at time t of the initial polarization P (modes, C, *local_shape); nothing gained yet."""
        fields = {name: field for term in self.terms for name, field in term.start(P, density).items()}
        self.put(t, u, P=P, **fields)

    def put(self, t, u, **fields):
        """u <- the state at time t of the local `fields` by name; those not given are zero. Collective."""
        self.transform.physical[...] = 0.0
        for name, field in fields.items():
            self.fields[name][...] = field
        self.picture.store(t, u)

    def take(self, t, u) -> dict:
        """Fields to store, by name, at time t: local views that the next right-hand side overwrites. Collective."""
        raise NotImplementedError

    def take_state(self, t, u) -> dict:
        """The same for the field from which a run can be continued, where those to store are not enough. Collective."""
        return {}

    def count_in(self, unit):
        """Go on with a state whose `unit` was this one: here there is only one."""

    def axes(self) -> dict:
        """Coordinates along axes that only this level's results have, by name."""
        return {}

    def measure(self, t=0.0) -> dict:
        """Series that only this level has, by name, of the state that `take` left. Collective."""
        return {}

    def rates(self):
        """Largest component of dP_a/dt that `source` left at each point, (modes, points of this rank)."""
        return np.abs(self.fields["P"]).max(axis=1).reshape(len(self.modes), -1)

    def place(self, row):
        """In words, what a row of `rates` belongs to."""
        return f"in mode {row} (v = {shown(self.v[row], 6)})"

    def warnings(self, row) -> dict[str, str]:
        """What the user should know about a row of the series: {subject: one sentence}. Each subject is told once."""
        return {}

"""The sum of the terms of a run, at each point: rates of change, and the local flow of the splitting methods.

Terms that occur together are one compiled loop: `FUSED` and `FLOWS` say which. What is chosen equals the plain sum of the
terms, `plain`, to rounding.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from ... import kernels
from .flows import JointFlow
from .term import Here, Term


def _moments(here: Here, t: float) -> None:
    kernels.moments(here.fields["P"], here.v, here.weight, here.D)


def _moments_and_steady(here: Here, t: float) -> None:
    _moments(here, t)
    here.D += here.h


def _rotate(here: Here, t: float) -> None:
    kernels.rotate(here.fields["P"], here.v, here.D, here.w)


def _precess(here: Here, t: float) -> None:
    kernels.precess(here.fields["P"], here.v, here.weight, here.D, here.h, here.w)


def _rotate_and_drive(here: Here, t: float) -> None:
    P, kappa = here.fields["P"], here.fields["kappa"]
    kernels.rotate_and_drive(P, kappa, here.v, here.work, here.D, here.dD, here.w, here.speed)


# What follows each other in a right-hand side, and the compiled loop that does it at once. "rotation" is d_t P_a = W_a x P_a
# in place, with the W_a of all terms, and so the last to read P. "steady" is all that steady terms add to the potentials.
FUSED = {
    ("self_interaction", "steady", "rotation"): _precess,
    ("self_interaction", "steady"): _moments_and_steady,
    ("self_interaction", "rotation"): _precess,
    ("force", "rotation"): _rotate_and_drive,
    ("self_interaction",): _moments,
    ("rotation",): _rotate,
}
COMPILED_TERMS = {name for names in FUSED for name in names}


def without_flow(terms) -> list[str]:
    """Names of those of the terms (objects or classes) for which a splitting method has no exact local flow.

    A term needs one of its own that commutes with the others, or to be part of a joint one.
    """
    return [term.name for term in _beyond_flows(terms) if not (term.has("flow") and term.commutes)]


def has_sources(terms) -> bool:
    """Whether a term has a source of its own, beyond what kernels do: then `Total` keeps a copy of all fields for rates."""
    return any(term.has("source") and term.name not in COMPILED_TERMS for term in terms)


def kept_lines(terms, modes) -> int:
    """Real functions of space that are kept of steady terms at most: a profile, and what they add to D."""
    found = any(term.has("potential") and term.steady for term in terms)
    return found * (1 + modes.algebra.components * (1 + modes.vectors.shape[1]))


def pushing_lines(terms, modes, axes: int) -> int:
    """The same of the slopes of their traces, which push all flavors alike."""
    return any(term.has("trace") for term in terms) * axes * (1 + modes.vectors.shape[1])


def is_joint(terms) -> bool:
    """Whether the local flow of the terms is that of `flows`, with constant vectors."""
    return len(set(_joint(terms)) - {"self_interaction", "force"}) > 0


def _joint(terms) -> tuple[str, ...]:
    """The longest key of `FLOWS` whose terms are all there."""
    names = {term.name for term in terms}
    return max((key for key in FLOWS if names.issuperset(key)), key=len, default=())


def _beyond_flows(terms) -> list[Term]:
    return [term for term in terms if term.name not in _joint(terms)]


class Total:
    """d_t of all fields of a level at each point of this rank, in place, and their local flow.

    terms: those of the run; here: the arrays they work on; active: names of the fields that others depend on.
    """

    def __init__(self, terms, here, box, active):
        self._terms, self._here, self._box, self._active = terms, here, box, active
        if any(term.needs_gradient for term in terms):
            self._gradient = box.gradient(here.D.shape[0] * here.D.shape[1])
            self._lines, self._slope = here.D.reshape(-1, *box.local_shape), None
        here.h, here.w = _steady_potential(terms, here), _steady_of_modes(terms, here)
        self._common = _common_turn(terms, here, box)
        self._of_modes = [term for term in terms if term.has("mode_potential") and not term.steady]
        if self._of_modes:
            self._w_steady, here.w = here.w, np.zeros(here.fields["P"].shape[:2])
        self._push = _push(terms, here, box) if "kappa" in here.fields else None
        self._sources = [term for term in terms if term.has("source") and term.name not in COMPILED_TERMS]
        self._rates = {name: np.zeros_like(field) for name, field in here.fields.items()} if self._sources else {}
        self._all_steps = self._compiled(terms, self._rates)
        active_rates = {name: rate for name, rate in self._rates.items() if name in active}
        self._active_steps = self._compiled([term for term in terms if not term.passive], active_rates)

    def __call__(self, t: float) -> None:
        """The rates of all fields, in their place. Collective where a term needs the gradient."""
        for step in self._all_steps:
            step(t)

    def active(self, t: float) -> None:
        """The rates of the active fields; the passive ones keep what they have."""
        for step in self._active_steps:
            step(t)

    @property
    def in_frame(self) -> bool:
        """Whether fields are carried in another frame than that of the laboratory."""
        return self._common is not None

    def turn_from_frame(self, t: float, P: np.ndarray) -> None:
        """P (modes, C, n) of the frame in which fields are carried at the time t -> that of the laboratory, in place; for -t back.

        The frame turns with the mean of what matter adds to D_0, about which all modes turn alike: rates and steps do not see it.
        """
        if self._common is not None:
            kernels.turn_together(P, self._common, t)

    def flow(self, t: float, h: float) -> None:
        """Carry the fields over a time h by all terms as they are at the time t. Collective as a call is."""
        FLOWS[_joint(self._terms)](self, h)
        for term in _beyond_flows(self._terms):
            term.flow(t, h, self._here)
        if self._push:
            self._push(t, h)

    # A right-hand side: potentials, then what reads P, then the rotation, which takes its place.

    def _compiled(self, terms, rates):
        """The steps of a right-hand side, callables of t; neighbours that are one compiled loop are one step."""
        here, potentials = self._here, {t.name: t for t in terms if t.has("potential") and not t.steady}
        names = [*potentials]
        if names[:1] != ["self_interaction"]:
            names.insert(0, "clear")
        names[1:1] = ["steady"] * (here.h is not None)
        names = ["modes"] * bool(self._of_modes) + names
        names += ["gradient"] * any(term.needs_gradient for term in terms) + ["sources"] * bool(rates)
        driven = [term.name for term in terms if term.has("source") and term.name in COMPILED_TERMS]
        names += [*driven, "rotation"] + ["push"] * bool(driven and self._push) + ["sum"] * bool(rates)

        own = {
            "clear": lambda t: here.D.fill(0.0), "modes": self._add_of_modes, "gradient": self._take_gradient,
            "steady": self._add_steady, "push": self._push,
            "sources": lambda t: self._ask_sources(t, rates), "sum": lambda t: self._add_sources(rates),
        }  # fmt: skip
        steps = []
        while names:
            count = next((n for n in (3, 2) if tuple(names[:n]) in FUSED), 1)
            found, name = FUSED.get(tuple(names[:count])), names[0]
            if found:
                steps.append(functools.partial(found, here))
            elif name in own:
                steps.append(own[name])
            else:
                steps.append(lambda t, term=potentials[name]: term.potential(t, here.fields["P"], here.D))
            del names[:count]
        return steps

    def _add_of_modes(self, t):
        self._here.w[...] = 0.0 if self._w_steady is None else self._w_steady
        for term in self._of_modes:
            self._here.w += term.mode_potential(t)

    def _add_steady(self, t):
        self._here.D += self._here.h

    def _take_gradient(self, t):
        slope = self._gradient(self._lines)
        if slope is not self._slope:  # it is always the same array
            self._slope, self._here.dD = slope, slope.reshape(self._box.dimensions, *self._here.D.shape)

    def _ask_sources(self, t, rates):
        for rate in rates.values():
            rate.fill(0.0)
        for term in self._sources:
            term.source(t, self._here, rates)

    def _add_sources(self, rates):
        fields = self._here.fields
        for name, rate in rates.items():
            if name in ("P", "kappa"):  # where kernels have left the rates of their terms
                fields[name] += rate
            else:
                fields[name][...] = rate

    # Local flows

    def _turn(self, h):
        here = self._here
        kernels.turn(here.fields["P"], here.v, here.weight, h)

    def _turn_and_drive(self, h):
        here, box, (S, gradient) = self._here, self._box, self._expansion
        P, kappa = here.fields["P"], here.fields["kappa"]
        flat = S.reshape(*S.shape[:2], -1)
        kernels.series(P, here.v, here.weight, h, flat)
        dS = gradient(S).reshape(box.dimensions, *flat.shape)
        kernels.turn_and_drive(P, kappa, here.v, here.work, flat, dS, here.speed)

    @functools.cached_property
    def _joint_flow(self):
        return JointFlow(self._here, self._box)

    def _turn_jointly(self, h):
        self._joint_flow(h)

    def _turn_and_drive_jointly(self, h):
        self._joint_flow.turn_and_drive(h)

    @functools.cached_property
    def _expansion(self):
        """Room for the series of the moments at each point, and their gradient."""
        shape = (kernels.series_rows(len(self._here.v)), self._here.D.shape[1])
        return np.zeros(shape + self._box.local_shape), self._box.gradient(shape[0] * shape[1])


# Terms whose local flow is one: it must be exact, or better than the splitting that calls it.
FLOWS = {("self_interaction",): Total._turn, ("self_interaction", "force"): Total._turn_and_drive}
for _more in (("vacuum",), ("matter",), ("vacuum", "matter")):
    FLOWS["self_interaction", *_more] = Total._turn_jointly
    FLOWS["self_interaction", "force", *_more] = Total._turn_and_drive_jointly


def _steady_potential(terms, here: Here) -> np.ndarray | None:
    """What steady terms add to D, (1 + m, C, n), or (1 + m, C, 1) if it is the same everywhere; None without any."""
    found = [term for term in terms if term.has("potential") and term.steady]
    if not found:
        return None
    h = np.zeros_like(here.D)
    for term in found:
        term.potential(0.0, here.fields["P"], h)
    return h[..., :1].copy() if np.array_equal(h, np.broadcast_to(h[..., :1], h.shape)) else h


# Terms that keep their form in a frame that turns about the vector of matter.
FRAMED = {"self_interaction", "force", "matter"}


def _common_turn(terms, here: Here, box) -> np.ndarray | None:
    """Takes the mean of the potential of D_0 out of `here.h`, and gives it as (C, n); None where that would change other terms, such
    as vacuum mixing, whose vector would turn the other way. Collective.
    """
    if here.h is None or not FRAMED.issuperset(term.name for term in terms):
        return None
    mean = np.array([_mean(row, box) for row in np.broadcast_to(here.h[0], here.D.shape[1:])])
    here.h[0] -= mean[:, None]
    if box.max(np.abs(here.h)) == 0.0:
        here.h = None
    return np.repeat(mean[:, None], here.D.shape[-1], axis=1)


def _mean(row, box) -> float:
    """Of what is the same everywhere to the last bit. Collective."""
    highest = box.max(row)
    return highest if highest == -box.max(-row) else float(box.mean(row.reshape(box.local_shape)))


def _steady_of_modes(terms, here: Here) -> np.ndarray | None:
    """The sum of the vectors (modes, C) that steady terms give each mode; None without any."""
    found = [term.mode_potential(0.0) for term in terms if term.has("mode_potential") and term.steady]
    return np.sum(found, axis=0) if found else None


def _push(terms, here: Here, box):
    """What adds -s_a n_a v_a . grad w0_a to the rates of kappa, for the traces w0_a of all terms, or h times that to kappa: a
    callable of (t, h = 1); None where they are the same everywhere. Collective.
    """
    tracing = [term for term in terms if term.has("trace")]
    if not tracing:
        return None
    T = np.zeros((len(here.D), here.D.shape[2]))
    gradient = box.gradient(len(T))

    def slopes(t):
        T.fill(0.0)
        for term in tracing:
            term.trace(t, T)
        return gradient(T.reshape(-1, *box.local_shape)).reshape(-1, T.shape[1])

    steady = all(term.steady for term in tracing)
    slope = slopes(0.0).copy()
    if steady and all(box.max(row) == -box.max(-row) for row in T):
        return None
    factors, kappa = _trace_factors(here), here.fields["kappa"]
    if steady:
        kept = [k for k, row in enumerate(slope) if row.any()]
        factors, slope = factors[kept], slope[kept]

    def push(t, h=1.0):
        kernels.add_forces(kappa, factors * (h * here.work * here.density), slope if steady else slopes(t))

    return push


def _trace_factors(here: Here) -> np.ndarray:
    """(axes (1 + m), modes): -v_a . grad (T_0 - sum_j v_aj T_j) is the sum over its rows of the row times the slope of that place."""
    parts = np.concatenate((-np.ones((1, here.v.shape[1])), here.v))
    return np.einsum("ia,ma->ima", here.speed, parts).reshape(-1, here.v.shape[1])


def plain(terms, t, here: Here, gradient) -> dict[str, np.ndarray]:
    """The rates of all fields as the plain sum of what the terms say, new arrays: what `Total` must equal. Collective.

    gradient: callable, D (1 + m, C, n) -> (axes, 1 + m, C, n).
    """
    P, D = here.fields["P"], np.zeros_like(here.D)
    for term in terms:
        term.potential(t, P, D)
    here = replace(here, D=D, dD=gradient(D))
    W = D[0] - np.einsum("ia,icz->acz", here.v, D[1:])
    for term in terms:
        if term.has("mode_potential"):
            W += term.mode_potential(t)[:, :, None]
    rates = {name: np.zeros_like(field) for name, field in here.fields.items()}
    rates["P"] += terms[0].algebra.cross(W, P, axis=1)
    for term in terms:
        term.source(t, here, rates)
    if "kappa" in rates and any(term.has("trace") for term in terms):
        T = np.zeros_like(D)
        for term in terms:
            term.trace(t, T[:, 0])
        slope = gradient(T)[:, :, 0].reshape(-1, P.shape[-1])
        rates["kappa"] += (here.work * here.density)[:, None] * (_trace_factors(here).T @ slope)
    return rates

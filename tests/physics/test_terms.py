"""Fields and terms: counts follow from declarations, and compiled sums of terms equal the plain sum."""

import math
from typing import Annotated

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import config, kernels
from nuflux_mpi.box.box import Box
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import levels, terms
from nuflux_mpi.physics.fields import Declaration, Field
from nuflux_mpi.physics.levels import LEVELS
from nuflux_mpi.physics.linearised import linearised
from nuflux_mpi.physics.modes import Modes
from nuflux_mpi.physics.terms import matter
from nuflux_mpi.physics.terms.matter import Matter
from nuflux_mpi.physics.terms.term import Term
from nuflux_mpi.physics.terms.total import plain, without_flow
from nuflux_mpi.physics.terms.vacuum import Vacuum
from nuflux_mpi.storage.section import Key, Section
from nuflux_mpi.theory import linear

GRIDS = {1: (50,), 2: (6, 10), 3: (4, 5, 6)}


def directions(axes, count=5):
    rng = np.random.default_rng(axes)
    velocity = rng.normal(size=(count, axes))
    velocity /= 1.1 * np.linalg.norm(velocity, axis=1, keepdims=True)
    s = np.where(np.arange(count) % 3 == 1, -1.0, 1.0)
    return Modes(v=velocity[:, 0] if axes == 1 else velocity, s=s, n=None, weight=np.ones(count))


class Field_(Term):
    """A potential that varies in space, with a source of energy: everything that a term may add to levels standard and energy."""

    name = "test_field"

    def enter(self, box):
        self.profile = np.broadcast_to(np.cos(2 * np.pi * box.coordinates()[-1] / box.length[-1]), box.local_shape).ravel()

    def potential(self, t, P, D):
        D[0, 2] += (1.0 + t) * self.profile
        D[1, 0] += 0.3

    def source(self, t, here, rates):
        rates["P"] -= 0.1 * here.fields["P"]
        if "kappa" in rates:
            rates["kappa"] += 0.2 * here.fields["P"][:, 2] + here.D[0, 2]


class PerMode(Term):
    """A vector for each mode, as of vacuum mixing."""

    name = "test_per_mode"

    def mode_potential(self, t):
        return (1.0 - t) * np.outer(np.arange(1.0, 1.0 + len(self.modes)), (0.3, -0.2, 0.5))


class Passive(Term):
    """A passive field of its own, which gathers the length of D_0."""

    name = "test_passive"

    def fields(self, axes):
        return (Field("gathered", (2,), active=False, stored=""),)

    def source(self, t, here, rates):
        if "gathered" in rates:
            rates["gathered"][1] += np.sum(here.D[0] ** 2, axis=0) + here.fields["gathered"][0]


class Mixing(Vacuum):
    def __init__(self, settings, modes, factor=1.0):
        super().__init__(Vacuum.Settings(omega=0.7, theta=0.3), modes, 0.8)


class Uniform(Matter):
    def __init__(self, settings, modes, factor=1.0):
        super().__init__(matter.Uniform(**{"lambda": 0.7}), modes, 0.8)


class Wave(Matter):
    """Moving matter with a profile, and so with traces."""

    def __init__(self, settings, modes, factor=1.0):
        super().__init__(matter.Cosine(**{"lambda": 0.7}, amplitude=0.4, velocity=0.2), modes, 0.8)


EXTRA = {"alone": (), "field": (Field_,), "per mode": (PerMode,), "passive": (Passive,), "all": (PerMode, Field_, Passive)}
EXTRA |= {"vacuum": (Mixing,), "uniform matter": (Uniform,), "profile": (Wave,), "everything": (Mixing, Wave, PerMode, Field_)}


def built(level, axes, comm, extra=(), unit=1.0):
    """A level with random fields in its state at the points, the same on any number of ranks."""
    several = directions(axes)
    terms = [term(None, several) for term in (*LEVELS[level].own_terms, *extra)]
    declared = LEVELS[level].declare(several, None, terms, axes)
    box = Box([3.0] * axes, GRIDS[axes], declared.lines, comm)
    one = levels.build(LEVELS[level], box, several, None, terms)
    one.count_in(unit)
    one._here.density = np.linspace(0.5, 1.0, len(several))
    whole = np.random.default_rng(7).standard_normal((declared.lines, *box.points))
    one.transform.physical[...] = whole[(..., *box.indices())]
    return one


def plainly(one, t):
    gradient = one.box.gradient(one._here.D[..., 0].size)

    def slope(D):
        lines = D.reshape(-1, *one.box.local_shape)
        return gradient(lines).reshape(one.box.dimensions, *D.shape).copy()

    rates = plain(one.terms, t, one._here, slope)
    if one.total._common is not None:  # what is taken out of the rates, since all modes turn so alike
        rates["P"] -= one.modes.algebra.cross(one.total._common[None], one._here.fields["P"], axis=1)
    return rates


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("level", ["standard", "energy"])
@pytest.mark.parametrize("extra", EXTRA)
def test_compiled_sum_is_the_plain_sum_of_terms(level, axes, extra, comm):
    one = built(level, axes, comm, EXTRA[extra], unit=2.5)
    expected = plainly(one, 0.4)
    before = {name: field.copy() for name, field in one.fields.items()}
    one.source(0.4)
    for name, rate in expected.items():
        # Rounding of sums of some 50 products of numbers up to 10.
        np.testing.assert_allclose(one._here.fields[name], rate, rtol=0, atol=1e-12 * (1 + np.abs(rate).max()))
        assert rate.size == 0 or np.abs(rate).max() > 0.1
    # The active fields alone: the same rates; what is passive is not touched.
    for name, field in before.items():
        one.fields[name][...] = field
    one.active_source(0.4)
    np.testing.assert_allclose(one._here.fields["P"], expected["P"], rtol=0, atol=1e-12 * (1 + np.abs(expected["P"]).max()))
    if "kappa" in before:
        assert np.array_equal(one.fields["kappa"], before["kappa"])


@pytest.mark.mpi
@pytest.mark.parametrize("level, steps", [("standard", 1), ("energy", 3)])
def test_nobody_pays_for_terms_that_are_not_there(level, steps, monkeypatch, comm):
    """The kernels of a right-hand side with the terms of a level alone, in their order."""
    from nuflux_mpi.physics.terms import total

    if not total.kernels.COMPILED:
        pytest.skip("numba is not installed")

    called = []
    for name in ("precess", "moments", "rotate", "rotate_and_drive"):
        kernel = getattr(total.kernels, name)
        monkeypatch.setattr(total.kernels, name, lambda *given, name=name, kernel=kernel: (called.append(name), kernel(*given)))
    one = built(level, 1, comm)
    one.source(0.0)
    assert called == (["precess"] if level == "standard" else ["moments", "rotate_and_drive"])
    assert len(one.total._all_steps) == steps and not one.total._rates
    called.clear()
    one.active_source(0.0)
    assert called == ["precess"] and len(one.total._active_steps) == 1


def test_a_joint_flow_is_asked_for_in_words():
    own = LEVELS["energy"].own_terms
    assert without_flow(own) == without_flow(LEVELS["standard"].own_terms) == []
    assert without_flow((*own, Field_, PerMode)) == ["test_field", "test_per_mode"]

    class Turning(Field_):
        def flow(self, t, h, here):
            pass

    assert without_flow((*own, Turning)) == ["test_field"]  # it has a flow, which does not commute
    Turning.commutes = True
    assert without_flow((*own, Turning)) == []


# ---- what follows from a declaration


def counted(level, count, m, axes, settings, C, has_matter):
    """What was counted by hand before there were declarations: lines of the state, velocities apart. C: components of flavor
    vectors; m: of velocities."""
    momenta = settings["points"] if settings else 0
    parts = {"standard": (C * count,), "energy": (C * count, count), "momentum": ((1 + C) * momenta * count,)}
    gradient = {"standard": 0, "energy": C * (1 + m), "momentum": (1 + m) * (1 + C)}
    some = min(8, count)
    beside = {"standard": 0, "energy": C * (1 + m) + C * some, "momentum": (1 + C) * (1 + m + some)}
    of_matter = {"standard": 1 + C * (1 + m), "energy": 1 + C * (1 + m) + axes * (1 + m), "momentum": (1 + m) * (1 + C)}
    return parts[level], 0, gradient[level], beside[level], of_matter[level] * has_matter


@pytest.mark.parametrize("case", config.cases())
@pytest.mark.parametrize("level", LEVELS)
def test_counts_of_shipped_cases_are_those_counted_by_hand(case, level):
    try:
        resolved = config.resolve(case, [f"equations.level={level}"])
    except InputError:
        pytest.skip("the case is not for this level")
    axes = resolved.box.dimensions
    setup, settings = levels.Setup.of(resolved), resolved.get(level)
    holds, some = setup.declared, setup.modes
    C = some.algebra.components
    if level == "full":
        species = len(set(some.s))
        lines = (1 + C) * species * settings["perp_points"] * settings["points"]
        expected = (
            (lines,),
            lines * settings["group_velocity"],
            2 * (1 + C),
            2 * (1 + C),
            (5 if "vacuum" in resolved else 4) * (1 + C) * len(some) + 2 * (1 + C) * ("matter" in resolved),
        )
    else:
        expected = counted(level, len(some), some.vectors.shape[1], axes, settings, C, "matter" in resolved)
    assert (holds.segments, holds.flux_lines, holds.gradient, holds.beside, holds.arrays) == expected
    assert holds.lines == sum(holds.segments) and holds.velocity.shape == (holds.lines, axes)
    joint = "vacuum" in resolved or "matter" in resolved  # then of D_0 and D_i at three times
    of_flow = C * (3 * (1 + some.vectors.shape[1]) if joint else kernels.series_rows(some.vectors.shape[1]))
    assert holds.flow_gradient == (of_flow if level == "energy" else 0)
    vector = (axes,) if axes > 1 else ()
    stored = {"P": (len(some), C)}
    stored |= {"Phi": (len(some),)} if level == "full" else {"kappa": (len(some),)} if level != "standard" else {}
    stored |= {"F": (len(some), *vector)} if level != "standard" else {}
    assert holds.stored("fields") == stored
    assert [math.prod(shape) for shape in holds.stored("phase_space").values()] == (
        [holds.lines] if level in ("momentum", "full") else []
    )


def test_active_fields_come_first_and_lines_move_as_declared():
    fields = (
        Field("a", (2,), np.array([[0.5], [-0.5]]), active=False),
        Field("b", (2, 3), np.array([1.0])),
        Field("made", (7,), evolved=False),
        Field("rest", (1,), stored=""),
    )
    holds = Declaration(1, fields)
    assert holds.segments == (7, 2) and [field.name for field in holds.evolved] == ["b", "rest", "a"]
    assert holds.velocity.ravel().tolist() == [1.0] * 6 + [0.0, 0.5, -0.5]
    lines = np.arange(9 * 4.0).reshape(9, 4)
    views = holds.views(lines)
    assert views["b"].shape == (2, 3, 4) and np.shares_memory(views["a"], lines) and views["a"][1, 0] == lines[8, 0]
    assert set(holds.stored("fields")) == {"a", "b", "made"}


# ---- a term with a field of its own, as collisions will have them


class Decay(Term):
    """d_t P_a = - rate P_a, and the same for the density n_a, which becomes a field."""

    name = section = "test_decay"
    series = {
        "n": (("time", "mode", "{space}"), "n", "density of the mode"),
        "number_left": (("time",), "n (1/mu)", "int sum_a n_a"),
    }

    class Settings(Section):
        rate: Annotated[float, Key("rate [mu]", gt=0)]

    def fields(self, axes):
        return (Field("n", (len(self.modes),), self.modes.velocity),)

    def start(self, P, density):
        return {"n": density.reshape(-1, *[1] * (P.ndim - 2))}

    def source(self, t, here, rates):
        for name in ("P", "n"):
            rates[name] -= self.settings.rate * here.fields[name]

    def energies(self, t, fields, D, box):
        return {"number_left": float(box.integral(fields["n"]).sum())}

    def linear(self, background, pair):
        return linear.Linear(-1j * self.settings.rate, None)


def decaying(axes, level, **changes):
    velocity = {1: [1.0, -0.6], 2: [[0.6, 0.8], [0.0, -1.0]]}[axes]
    return {
        "box": {"length": [5.0] * axes if axes > 1 else 5.0, "points": GRIDS[axes] if axes > 1 else 48},
        "modes": {"velocity": velocity, "density": [1.0, 0.7]},
        "initial": {"kind": "seeds", "zeta": [1.0, -0.7], "n_max": 2, "variance": 1e-3},
        "equations": {"level": level},
        "time": {"end": 1.0, "rtol": 1e-11},
        "output": {"figures": False, "fields_every": 0.0, "spectrum_every": 0.0},
        "test_decay": {"rate": 0.4},
    } | changes  # fmt: skip


@pytest.mark.mpi
@pytest.mark.filterwarnings("ignore::nuflux_mpi.errors.RunWarning")  # lengths are promised to be constant
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("level", ["standard", "energy"])
def test_a_term_with_a_field_of_its_own(axes, level, comm, monkeypatch):
    monkeypatch.setattr(terms, "TERMS", [*terms.TERMS, Decay])
    run = nuflux_mpi.simulate(decaying(axes, level), comm=comm)
    # Errors of steps of 1e-11 each.
    left = 1.7 * 5.0**axes * np.exp(-0.4 * run.series["time"])
    np.testing.assert_allclose(run.series["number_left"], left, rtol=1e-9)
    if comm.rank == 0:
        length = np.linalg.norm(run.fields["P"][-1], axis=1)
        for a, n in enumerate((1.0, 0.7)):
            np.testing.assert_allclose(run.fields["n"][-1][a], n * np.exp(-0.4), rtol=1e-9)
            if axes == 1:  # a grid of 6 x 10 points resolves no turning of P along the rays
                np.testing.assert_allclose(length[a], n * np.exp(-0.4), rtol=1e-6)


def test_what_a_term_needs_is_said(monkeypatch):
    monkeypatch.setattr(terms, "TERMS", [*terms.TERMS, Decay])
    with pytest.raises(InputError, match=r"equations.level must be standard or energy with \[test_decay\], not momentum"):
        config.resolve(decaying(1, "momentum"))
    with pytest.raises(InputError, match="splitting needs the exact local flow of every term, and there is none of test_decay"):
        config.resolve(decaying(1, "energy", time={"end": 1.0, "method": "6bm"}))
    resolved = config.resolve(decaying(1, "energy"))
    setup = levels.Setup.of(resolved)
    assert setup.declared.segments == (8, 2) and setup.declared.arrays == 10
    q, k = np.array([1.0, -0.7]), [-2.0]
    damped = linear.growth_rate(k, *linearised(resolved, setup.modes, q).background)
    free = linear.growth_rate(k, setup.modes.velocity, setup.modes.s, q)
    assert free > 0.5 and damped == pytest.approx(free - 0.4, abs=1e-13)

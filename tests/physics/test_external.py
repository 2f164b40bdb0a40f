"""Terms with parts that change with time at the levels that resolve momenta: what level energy makes of them."""

from typing import Annotated

import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.errors import InputError
from nuflux_mpi.physics import terms
from nuflux_mpi.physics.terms.term import Term
from nuflux_mpi.storage.section import Key, Section

LENGTH, N = 6.0, 24


class Shaken(Term):
    """Vectors of modes, a wave of a potential and one of a trace, all of them beating."""

    name = section = "test_shaken"

    class Settings(Section):
        strength: Annotated[float, Key("strength [mu]")]

    def enter(self, box):
        self.wave = self.settings.strength * np.cos(2 * np.pi / LENGTH * box.coordinates()[0])

    def potential(self, t, P, D):
        D[0, 0] += np.cos(t) * self.wave
        D[1, 2] += np.sin(t) * self.wave

    def trace(self, t, T):
        T[0] += np.sin(2 * t) * self.wave
        T[1] -= np.cos(3 * t) * self.wave

    def mode_potential(self, t):
        return np.cos(2 * t) * np.outer(np.arange(1.0, 1.0 + len(self.modes)), [0.2, -0.1, 0.3])


@pytest.fixture(autouse=True)
def entered(monkeypatch):
    monkeypatch.setattr(terms, "TERMS", [*terms.TERMS, Shaken])


def case(level):
    return {
        "box": {"length": LENGTH, "points": N},
        "modes": {"velocity": [1.0, -0.6], "sign": [1, -1], "density": [1.0, 0.7]},
        "initial": {"kind": "seeds", "zeta": [0.8, -0.6], "n_max": 2, "variance": 1e-3},
        "equations": {"level": level},
        "momentum": {"points": 64, "half_width": 10.0, "sigma": 0.8},
        "time": {"end": 2.0, "rtol": 1e-11},
        "output": {"series_every": 1.0, "fields_every": 2.0, "figures": False},
        "test_shaken": {"strength": 0.5},
    }


def test_momentum_takes_what_changes_with_time():
    energy, momentum = (nuflux_mpi.simulate(case(level)) for level in ("energy", "momentum"))
    kappa = energy.fields["kappa"][-1]
    assert np.abs(kappa).max() > 0.1 and np.abs(energy.series["K"]).max() > 1e-2
    # rtol = 1e-11 per step on different sequences of steps, and f at the highest y, exp(-(3.2 pi x 2 x .8)^2/2).
    np.testing.assert_allclose(momentum.fields["P"][-1], energy.fields["P"][-1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(momentum.fields["kappa"][-1], kappa, rtol=0, atol=1e-9)
    np.testing.assert_allclose(momentum.series["dK_dt"], energy.series["dK_dt"], rtol=0, atol=1e-9)


def test_vectors_of_sharp_modes_have_no_place_where_momenta_are_resolved():
    """Level full asks for the matrix that makes them, `Term.mass`."""
    with pytest.raises(InputError, match=r"standard or energy or momentum with \[test_shaken\], not full"):
        config.resolve(case("full"))

"""How to add a term, as docs/architecture.md tells it: `uniform_field.py` beside this file is one in full, and all of it works.

A uniform field h turns all polarizations alike, which nothing else in the equations notices. So a run with it is the run
without it, turned by h t: exact for any fields, at every level.
"""

from pathlib import Path

import numpy as np
import pytest
from uniform_field import UniformField

import nuflux_mpi
from nuflux_mpi import config
from nuflux_mpi.analysis import linear_problem
from nuflux_mpi.errors import InputError
from nuflux_mpi.flavor.algebra import algebra
from nuflux_mpi.physics import modes, terms
from nuflux_mpi.physics.linearised import linearised
from nuflux_mpi.run import check
from nuflux_mpi.theory import linear

H = [0.3, -0.2, 0.5]


@pytest.fixture(autouse=True)
def entered(monkeypatch):
    """The one line outside the term's file: its name in the list of terms."""
    monkeypatch.setattr(terms, "TERMS", [*terms.TERMS, UniformField])


def case(axes=1, level="energy", h=H, method="adams", rtol=1e-11, end=2.0, **sections):
    """Three beams, one of antineutrinos, with random seeds."""
    velocity = [[0.0, 0.2, 0.95], [0.0, 0.6, -0.8], [0.0, -0.7, 0.1]]
    return {
        "box": {"length": [5.0] * axes if axes > 1 else 5.0, "points": {1: 48, 2: [10, 12]}[axes], "fftw": "estimate"},
        "modes": {"velocity": [v[-axes:] if axes > 1 else v[2] for v in velocity], "sign": [1, 1, -1], "density": [1.0, 1.0, 0.7]},
        "initial": {"kind": "seeds", "zeta": [0.9, -0.7, 0.5], "n_max": 3, "variance": 1e-3 / 10 ** (axes - 1)},
        "equations": {"level": level},
        "time": {"end": end, "method": method, "rtol": rtol},
        "output": {"figures": False, "fields_every": 0.0, "spectrum_every": 0.0},
    } | ({"uniform_field": {"h": h}} if h else {}) | sections  # fmt: skip


def simulated(comm, *changes, **more):
    """(series, last fields) of a run, on all ranks. Collective."""
    run = nuflux_mpi.simulate(case(*changes, **more), comm=comm)
    names = [name for name in ("P", "kappa") if name in run.fields] if comm.rank == 0 else ()
    return run.series, comm.bcast({name: run.fields[name][-1] for name in names})


def turned(P, t, h=H):
    """exp(t h x) P for P (..., components, *space) with the components on axis 1."""
    W = (0.05 * t * np.array(h)).reshape(1, 3, *[1] * (P.ndim - 2))
    for _ in range(20):
        P = algebra().rotate(P, W, axis=1)
    return P


def test_the_file_of_a_term_is_short():
    assert len(Path(__file__).with_name("uniform_field.py").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("level", ["standard", "energy"])
def test_a_run_is_the_one_without_the_field_turned(axes, level, comm):
    series, fields = simulated(comm, axes, level)
    without_series, without = simulated(comm, axes, level, h=None)
    # Errors of steps, 1e-11 each, grow for two units of time.
    assert np.abs(fields["P"] - turned(without["P"], 2.0)).max() < 2e-9
    assert np.abs(fields["P"] - without["P"]).max() > 0.1
    np.testing.assert_allclose(series["U_osc"], without_series["U_osc"], rtol=0, atol=1e-8)
    if level == "energy":
        assert np.abs(fields["kappa"] - without["kappa"]).max() < 1e-8


LEVELS_WITH_MOMENTA = [
    ("momentum", {"points": 32, "half_width": 6.0, "sigma": 0.7}),
    ("full", {"points": 64, "p_max": 16.0, "p0": 8.0, "sigma": 1.2, "perp_points": 4}),
]
BEAMS = {
    "modes": {"velocity": [1.0, -1.0], "sign": [1, 1]},
    "initial": {"kind": "seeds", "zeta": [0.5, -0.5], "n_max": 2, "variance": 1e-3},
    "box": {"length": 6.0, "points": 16, "fftw": "estimate"},
}


@pytest.mark.mpi
@pytest.mark.parametrize("level, section", LEVELS_WITH_MOMENTA)
def test_it_works_at_levels_with_momenta(level, section, comm):
    beams = BEAMS | {level: section}
    series, fields = simulated(comm, 1, level, rtol=1e-9, end=1.0, **beams)
    without_series, without = simulated(comm, 1, level, h=None, rtol=1e-9, end=1.0, **beams)
    assert np.abs(fields["P"] - turned(without["P"], 1.0)).max() < 1e-7
    np.testing.assert_allclose(series["K"], without_series["K"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(series["E_field"], 0.5 * series["D0"] @ H, rtol=0, atol=1e-12)
    energy = without_series["energy"] + series["E_field"]
    np.testing.assert_allclose(series["energy"], energy, rtol=0, atol=1e-6)


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [1, 2])
def test_its_energy_is_a_line_of_the_ledger(axes, comm):
    run = nuflux_mpi.simulate(case(axes), comm=comm)
    series, s = run.series, np.array([1.0, 1.0, -1.0])
    E = 0.5 * np.einsum("c,tc->t", H, series["D0"])
    np.testing.assert_allclose(series["E_field"], E, rtol=1e-13)
    mean = np.einsum("a,tac->tc", s, series["P_mean"]) * 5.0**axes
    np.testing.assert_allclose(series["D0"], mean, rtol=0, atol=1e-11)
    total = series["U_osc"] + series["K"].sum(axis=1) + series["E_field"]
    np.testing.assert_allclose(series["energy"], total, rtol=1e-13)
    assert np.abs(series["energy_residual"]).max() < 1e-8 < 1e-2 < np.ptp(series["U_osc"])


@pytest.mark.mpi
def test_the_energy_is_conserved_where_the_field_varies(comm, monkeypatch):
    """Then it is a force, too, which nobody had to write down: the potential in D is all that it takes."""

    def vary(self, box):
        self.profile = np.broadcast_to(np.cos(2 * np.pi * box.coordinates()[-1] / box.length[-1]), box.local_shape)

    def potential(self, t, P, D):
        D[0] += self.h[:, None] * self.profile.ravel()

    def energies(self, t, fields, D, box):
        return {"E_field": 0.5 * float(self.h @ box.integral(D[0] * self.profile))}

    for name, part in (("enter", vary), ("potential", potential), ("energies", energies)):
        monkeypatch.setattr(UniformField, name, part)
    cases = {name: case(axes) for axes, name in ((1, "1D"), (2, "2D"))}
    cases |= {level: case(1, level, rtol=1e-9, end=1.0, **BEAMS, **{level: section}) for level, section in LEVELS_WITH_MOMENTA}
    for name, one in cases.items():
        series = nuflux_mpi.simulate(one, comm=comm).series
        assert np.ptp(series["E_field"]) > 2e-3, name
        # What the grid of momenta leaves out at levels that have one, see docs/full.md.
        assert np.abs(series["energy_residual"]).max() < (1e-8 if "D" in name else 1e-5), name
        slope = series["dK_dt"][1:-1] - series["dK_dt_difference"][1:-1]  # by F of all terms, and by differences
        assert np.abs(slope).max() < 1e-2 * np.abs(series["dK_dt"]).max(), name


@pytest.mark.mpi
@pytest.mark.parametrize("axes", [1, 2])
def test_splittings_keep_their_order_with_its_flow(axes, comm):
    exact = simulated(comm, axes, end=1.0)[1]
    error = []
    for step in (0.1, 0.05):
        times = {"end": 1.0, "method": "4bm", "rtol": 1e-2, "dt_initial": step, "dt_max": step}
        start_and_end = {"series_every": 1.0, "fields_every": 0.0, "spectrum_every": 0.0, "figures": False}
        series, fields = simulated(comm, axes, time=times, output=start_and_end)
        assert series["step"][-1] == round(1.0 / step)
        error.append([np.abs(fields[name] - exact[name]).max() for name in ("P", "kappa")])
    assert np.max(error) < 1e-3
    assert np.all(np.log2(np.divide(*error)) > 3.5)  # of order 4


@pytest.mark.mpi
@pytest.mark.parametrize("method", ["adams", "4bm"])
def test_a_run_goes_on_bit_for_bit(method, comm, shared_tmp_path):
    def part(end, h=H):
        output = {"series_every": 0.5, "fields_every": 0.5, "spectrum_every": 0.0, "figures": False}
        return case(h=h, time={"end": end, "method": method, "rtol": 1e-7}, output=output)

    whole = nuflux_mpi.simulate(part(2.0), out=shared_tmp_path / "whole", comm=comm)
    nuflux_mpi.simulate(part(1.0), out=shared_tmp_path / "parts", comm=comm)
    parts = nuflux_mpi.simulate(part(2.0), out=shared_tmp_path / "parts", comm=comm, resume="auto")
    with pytest.raises(InputError, match="uniform_field"):
        nuflux_mpi.simulate(part(3.0, [0.3, -0.2, 0.6]), out=shared_tmp_path / "parts", comm=comm, resume="auto")
    if comm.rank == 0:
        assert np.array_equal(whole.fields["P"], parts.fields["P"]) and len(whole.fields["P"]) == 5
        assert np.array_equal(whole.series["E_field"], parts.series["E_field"])


def grown(h, n, amplitude, comm):
    """(omega of linear theory, omega of a run) of the fastest wave of harmonic n."""
    several = modes.build(config.resolve(case(h=h))["modes"])
    background = linearised(config.resolve(case(h=h)), several, np.array([0.9, -0.7, 0.5])).background
    omega, psi = linear.eigenmodes([2 * np.pi * n / 5.0], *background)
    waves = [{"n": n, "amplitude": amplitude * abs(x), "phase": float(np.angle(x)), "mode": a} for a, x in enumerate(psi[0])]
    start = {"kind": "fourier", "zeta": [0.9, -0.7, 0.5], "waves": waves, "normalize": False}
    run = nuflux_mpi.simulate(case(h=h, initial=start, level="standard", end=3.0, rtol=1e-13), comm=comm)
    if comm.rank:
        return omega[0], None
    coherence = run.fields["P"][:, 0, 0] + 1j * run.fields["P"][:, 0, 1]
    wave = np.fft.fft(coherence, axis=-1)[:, n]
    return omega[0], 1j * np.log(wave[-1] / wave[0] * np.exp(1j * omega[0] * 3.0)) / 3.0 + omega[0]


@pytest.mark.mpi
def test_linear_theory_knows_its_growth_and_frequency(comm):
    for n in (1, -1):
        (theory, seen), (without, _) = (grown(h, n, 1e-5, comm) for h in ([0.0, 0.0, 0.5], None))
        assert theory == pytest.approx(without - 0.5, abs=1e-12)
        assert comm.rank or seen == pytest.approx(theory, abs=1e-6)  # squares of amplitudes that grow from 1e-5
        assert (theory.imag > 1.0) == (n == -1)


def test_linear_theory_wants_the_field_along_z():
    resolved = config.resolve(case())
    several = modes.build(resolved["modes"])
    with pytest.raises(InputError, match="uniform_field.h must be along z"):
        linearised(resolved, several, np.ones(3))
    assert not linear_problem.applies(resolved) and linear_problem.applies(config.resolve(case(h=[0.0, 0.0, 1.0])))


def test_its_section_is_one_of_the_config():
    resolved = config.resolve(case())
    assert resolved["uniform_field"].h == H and config.resolve(case(h=None)).get("uniform_field") is None
    with pytest.raises(InputError, match="uniform_field.h must have three components, not 2"):
        config.resolve(case(h=[1.0, 2.0]))
    with pytest.raises(InputError, match="uniform_field.k is unknown"):
        config.resolve(case(uniform_field={"h": H, "k": 1}))
    assert "uniform_field" in config.documentation() and "vector about which all polarizations turn" in config.documentation()
    assert "uniform_field" in config.json_schema()["properties"]
    text = check.report(resolved, 1)
    assert "12 lines of 48 points" in text and text == check.report(resolved, 1)

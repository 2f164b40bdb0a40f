"""Runs of three flavors: two of them alone do what two flavors do, and the energy budget closes whatever the three do."""

import h5py
import numpy as np
import pytest

import nuflux_mpi
from nuflux_mpi.flavor.algebra import algebra

RTOL = 1e-10
CASE = {
    "box": {"length": 10.0, "points": 32},
    "modes": {"velocity": [1.0, -0.6, 0.3], "sign": [1, 1, -1], "content": [[0.5, 0.0], [0.0, 0.4], [0.3, 0.0]]},
    "initial": {
        "kind": "seeds", "n_max": 3, "variance": 1e-6, "seed": 2, "normalize": True,
    },
    "time": {"end": 8.0, "rtol": RTOL},
    "output": {"series_every": 1.0, "fields_every": 4.0, "spectrum_every": 4.0},
}  # fmt: skip
PLANE = {
    "box": {"length": [10.0, 8.0], "points": [16, 24]},
    "modes": CASE["modes"] | {"velocity": [[0.0, 1.0], [0.8, -0.6], [0.6, 0.3]]},
    "initial": CASE["initial"] | {"n_max": 2},
}


BEAMS = {"velocity": [1.0, -1.0], "content": [[0.5, 0.0], [0.0, 0.4]]}


def run(flavors, **sections):
    """The case with so many flavors; contents of two flavors have none of the third."""
    source = CASE | {"flavor": {"number": flavors}} | sections
    content = [[*each, 0.0][:flavors] for each in source["modes"]["content"]]
    pairs = {"pairs": ["e mu"]} if flavors == 3 and source["initial"]["kind"] == "seeds" else {}
    return nuflux_mpi.simulate(source | {"modes": source["modes"] | {"content": content}, "initial": source["initial"] | pairs})


@pytest.mark.parametrize("level, method", [("standard", "adams"), ("energy", "8vr"), ("energy", "4bm")])
@pytest.mark.parametrize("space", [{}, PLANE], ids=["line", "plane"])
def test_two_flavors_among_three_do_what_two_flavors_do(level, method, space):
    sections = space | {"equations": {"level": level}, "time": CASE["time"] | {"method": method}}
    two, three = (run(flavors, **sections) for flavors in (2, 3))
    one, other = two.fields["P"], three.fields["P"]
    assert other.shape[2] == 8 and one.shape[2] == 3
    # Steps of RTOL each, some forty of them, whose errors grow with the waves; the third flavor stays away to rounding.
    np.testing.assert_allclose(other[:, :, :3], one, rtol=0, atol=1e3 * RTOL)
    empty = algebra(3).content(three.series["density"].reshape(-1, *[1] * (one.ndim - 3)), other, axis=2)[:, :, 2]
    np.testing.assert_allclose(empty, 0, atol=1e-12)
    for name in ("nu_x", "psi2", "dU_osc_dt", *(["K"] if level == "energy" else [])):
        np.testing.assert_allclose(three.series[name], two.series[name], rtol=0, atol=1e3 * RTOL)
    assert np.ptp(two.series["U_osc"]) > 1e-3  # something happened
    change = [run.series["U_osc"] - run.series["U_osc"][0] for run in (two, three)]
    # U_osc has a constant more, the part of the component that the first two flavors share.
    np.testing.assert_allclose(change[1], change[0], rtol=0, atol=1e4 * RTOL)


def test_the_budget_closes_with_coherence_of_all_pairs(tmp_path):
    """Level energy from a state in which each pair is coherent: K + U_osc, all components of D_0, and all eigenvalues stay."""
    three, generator = algebra(3), np.random.default_rng(8)
    content = np.array([[0.5, 0.1, 0.05], [0.05, 0.4, 0.1], [0.1, 0.05, 0.3]])  # mode, flavor
    phases = 2 * np.pi / 10.0 * np.arange(1, 3)[:, None, None, None] * np.arange(32) * 10.0 / 32
    waves = np.cos(phases + generator.uniform(0, 10, (2, 3, 8, 1))).sum(axis=0)  # mode, component, z
    with h5py.File(tmp_path / "start.h5", "w") as file:
        file["P"] = three.polarization_of(content, axis=1)[1][..., None] + 0.02 * waves
    sections = {
        "modes": CASE["modes"] | {"content": content.tolist()},
        "initial": {"kind": "file", "path": str(tmp_path / "start.h5")},
        "equations": {"level": "energy"},
    }
    found = run(3, **sections)
    series, unit = found.series, abs(found.series["U_osc"][0])
    assert np.ptp(series["U_osc"]) > 1e-3 * unit  # something happened
    np.testing.assert_allclose(series["energy_residual"], 0, atol=1e3 * RTOL * unit)
    np.testing.assert_allclose(series["D0"], np.broadcast_to(series["D0"][0], series["D0"].shape), atol=1e-12)  # rounding
    coherences = [np.abs(three.coherence(found.fields["P"][-1], pair, axis=1)).max() for pair in three.pairs]
    assert min(coherences) > 0.01


RESOLVED = {
    "momentum": {"momentum": {"points": 32, "half_width": 4.0, "sigma": 0.5}},
    "full": {"full": {"points": 64, "p_max": 15.0, "perp_points": 2, "distribution": "gaussian", "p0": 8.0, "sigma": 1.0}},
}


@pytest.mark.parametrize("level", RESOLVED)
def test_two_flavors_among_three_resolved_in_momentum(level):
    """The anticommutator, too: the force, energies, entropies and Casimirs are those of two flavors."""
    sections = {"modes": BEAMS, "equations": {"level": level}, **RESOLVED[level]}
    two, three = (run(flavors, **sections) for flavors in (2, 3))
    np.testing.assert_allclose(three.fields["P"][:, :, :3], two.fields["P"], rtol=0, atol=1e3 * RTOL)
    for name in ("K", "dK_dt", "nu_x", "number", "casimir2", "casimir3", "entropy"):
        size = np.abs(two.series[name]).max()
        np.testing.assert_allclose(three.series[name], two.series[name], rtol=0, atol=1e3 * RTOL * size)
    assert np.abs(two.series["K"]).max() > 1e-3


def test_figures_of_three_flavors():
    """Contents and spectra of all pairs, with the names of three flavors; growth is that of linear theory."""
    pytest.importorskip("matplotlib")
    from nuflux_mpi.analysis import growth
    from nuflux_mpi.plots import evolution, momentum

    often = CASE["output"] | {"series_every": 0.25, "fields_every": 0.5, "spectrum_every": 0.25}
    initial = CASE["initial"] | {"variance": 1e-9}
    sections = {"modes": BEAMS, "initial": initial, "equations": {"level": "momentum"}, **RESOLVED["momentum"]}
    found = run(3, **sections, output=often)
    titles = [axes.get_title(loc="left") for axes in momentum.distribution(found).axes]
    shown = [title.split(",")[0].split(" ")[-1] for title in titles if "nu" in title]
    assert shown[:3] == [r"$\nu_e$", r"$\nu_{\mu}$", r"$\nu_{\tau}$"]
    figure = evolution.energy(found)
    assert figure.axes[0].get_title(loc="left").startswith("(a)") and "n_e" in figure.axes[-1].get_ylabel()
    assert evolution.survey(found).band == pytest.approx((-1.7944, -0.0056), abs=2e-3)  # k_bar -+ 2 sqrt(0.5 x 0.4)
    waves = growth.measure(found).clean()
    assert len(waves) and "do not agree" not in waves.verdict()

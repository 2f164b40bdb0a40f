"""The figures of flavors and spectra, and the energy figure of runs with mixing and matter: from arrays, with known curves."""

import numpy as np
import pytest

from nuflux_mpi.errors import InputError
from nuflux_mpi.plots import evolution, figure_list
from nuflux_mpi.plots import flavors as figures
from nuflux_mpi.plots.style import FLAVOR_COLORS, GREY
from nuflux_mpi.results.reader import MemoryRun

T = np.linspace(0.0, 8.0, 41)
P = np.array([1.0, 2.0, 4.0])  # energies
CONFIG = {
    "box": {"length": 8.0, "points": 16}, "flavor": {"number": 3},
    "modes": {"velocity": [1.0], "content": [[1.0, 0.0, 0.0]]},
    "equations": {"level": "energy"}, "time": {"end": 8.0},
}  # fmt: skip


def a_run(flavors=3, level="energy", matter=None, **changed):
    """Two directions and species of three energies, all nu_e at the start; half of it is gone at the end, most at low energy."""
    v, sign, p = (each.ravel() for each in np.meshgrid([1.0, -0.5], [1, -1], P, indexing="ij"))
    n = 0.1 * p
    lost = 0.5 * np.sin(np.pi * T / 16)[:, None] ** 2 / p
    shares = [1 - lost, 0.7 * lost, 0.3 * lost] if flavors == 3 else [1 - lost, lost]
    content = n[:, None] * np.stack(shares, axis=2)
    conversion = np.full((len(T), 2, flavors, flavors), np.nan)
    conversion[:, :, 0] = (content / n[:, None])[:, :2]
    energies = {"U_osc": -1.0 + 0.5 * T, "E_vac": 3.0 * T, "E_mat": -2.0 * T}
    total = sum(energies.values())
    series = {
        "time": T, "v": v, "sign": sign.astype(int), "density": n, "p": p, "component": np.arange(flavors**2 - 1),
        "direction": np.repeat([0, 1], 6), "energy_bin": np.tile([0, 1, 2], 4), "content_start": content[0],
        "content": content, "conversion": conversion, "species": np.array([1, -1]),
        "flavor_density": np.stack([content[:, sign > 0].sum(axis=1), content[:, sign < 0].sum(axis=1)], axis=1),
        "coherence": 0.01 + 0.01 * T, "nu_x": 1 - shares[0], **energies, "E_flavor": total,
    }  # fmt: skip
    if flavors == 3:
        series["coherence_pairs"] = 1e-3 * np.exp(np.outer(0.1 * T, [1.0, 2.0, 3.0]))
    if level == "energy":
        K = np.outer(-total + total[0], np.ones(12) / 12)
        series |= {"K": K, "energy": K.sum(axis=1) + total, "energy_residual": 1e-9 * T}
    fields = {"time": T[:2], "z": np.arange(16) / 2, "P": np.zeros((2, 12, flavors**2 - 1, 16))}
    config = CONFIG | {"equations": {"level": level}, "flavor": {"number": flavors}}
    config["modes"] = {"velocity": [1.0], "content": [[1.0, 0.0, 0.0][:flavors]]}
    if matter:
        config["matter"] = matter
    return MemoryRun(config, series | changed, fields)


def titled(figure, words):
    (axes,) = [axes for axes in figure.axes if words in axes.get_title(loc="left")]
    return axes


def curves(axes, color, **look):
    return [
        line
        for line in axes.lines
        if line.get_color() == color and all(getattr(line, f"get_{k}")() == v for k, v in look.items())
    ]


def test_flavors_of_three():
    run = a_run()
    figure = figures.flavors(run)
    for words, column in ((" neutrinos", 0), ("antineutrinos", 1)):
        axes = titled(figure, words)
        for flavor, color in enumerate(FLAVOR_COLORS):
            (line,) = curves(axes, color)
            np.testing.assert_array_equal(line.get_ydata(), run.series["flavor_density"][:, column, flavor])
        assert len(axes.get_legend().get_texts()) == 3
        assert axes.get_ylim()[1] > run.series["flavor_density"].max()  # nothing is cut off, whatever stands beside it
    first = titled(figure, "(c) conversion")
    assert len(first.lines) == 3  # of what starts as nu_e, the only flavor there is
    assert [text.get_text() for text in first.get_legend().get_texts()] == [r"from $\nu_e$"]
    coherence = titled(figure, "coherence of each pair")
    assert [text.get_text() for text in coherence.get_legend().get_texts()] == [r"$e\mu $", r"$e\tau $", r"$\mu \tau $"]


def test_flavors_of_two_have_survival_alone():
    run = a_run(flavors=2)
    figure = figures.flavors(run)
    (line,) = titled(figure, "(c) survival").lines
    np.testing.assert_array_equal(line.get_ydata(), run.series["conversion"][:, 0, 0, 0])
    assert len(titled(figure, "coherence, part").lines) == 1
    with pytest.raises(InputError, match="no contents"):
        series = {name: values for name, values in run.series.items() if name != "content"}
        figures.flavors(MemoryRun(run.config, series, {}))


def test_spectra_are_sums_over_directions_and_survival_means_with_electrons():
    run = a_run()
    figure = figures.spectra(run)
    axes = titled(figure, "(a) neutrinos")
    (start,) = curves(axes, FLAVOR_COLORS[0], linestyle="--")
    np.testing.assert_allclose(start.get_ydata(), 2 * 0.1 * P)
    late = run.series["time"] >= 6.0
    (end,) = curves(axes, FLAVOR_COLORS[1], linestyle="-")
    lost = 0.5 * np.mean(np.sin(np.pi * T[late] / 16) ** 2) / P
    np.testing.assert_allclose(end.get_ydata(), 0.7 * lost * 2 * 0.1 * P)
    (survival,) = titled(figure, r"survival of $\nu_e$ by energy").lines
    np.testing.assert_allclose(survival.get_ydata(), 1 - lost)
    assert not [axes for axes in figure.axes if "direction" in axes.get_title(loc="left")]  # there are but two
    assert [name for name in ("flavors", "spectra") if figure_list.OF_ONE[name].allowed(run)] == ["flavors", "spectra"]
    one = a_run(p=np.ones(12))
    assert not figure_list.OF_ONE["spectra"].allowed(one)
    with pytest.raises(InputError, match="one energy"):
        figures.spectra(one)


@pytest.mark.parametrize("level", ["energy", "standard"])
def test_the_budget_has_all_terms(level):
    matter = {"kind": "cosine", "lambda": 2.0, "amplitude": 1.0}
    run = a_run(level=level, matter=matter)
    figure = evolution.energy(run)
    axes = titled(figure, "energies since the start")
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == [r"$U_{\rm osc}$", r"$E_{\rm vac}$", r"$E_{\rm mat}$", *(["$K$"] if level == "energy" else []), "sum"]
    by_word = dict(zip(words, [line for line in axes.lines if line.get_color() != GREY]))
    # |U_osc(0)| = 1 is a small part of what moves: energies are in the unit in which they are stored.
    assert axes.get_ylabel().startswith(r"change$\ [\mu n")
    np.testing.assert_allclose(by_word[r"$E_{\rm vac}$"].get_ydata(), 3.0 * T, atol=1e-12)
    np.testing.assert_allclose(by_word["sum"].get_ydata(), 0.0 if level == "energy" else 1.5 * T, atol=1e-12)
    (profile,) = [axes for axes in figure.axes if r"\lambda" in axes.get_title(loc="center")]
    values, z = profile.lines[0].get_data()
    assert z[-1] == 8.0 and values[0] == values[-1] and values.max() == pytest.approx(3.0)
    if level == "energy":
        assert titled(figure, r"how far $K + U_{\rm osc} + E_{\rm vac} + E_{\rm mat}$ has moved")

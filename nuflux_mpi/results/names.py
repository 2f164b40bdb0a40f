"""Names, dimensions, units and meanings of everything a run stores: the one table behind files, readers and docs."""

from collections import ChainMap
from typing import Any

from ..box.axes import AXES
from ..flavor.algebra import Algebra, algebra, of_components
from ..physics.terms import TERMS, Stored


def _components(flavors: Algebra) -> str:
    """Meaning of the axis of the components of P."""
    return "flavor component: " + ", ".join(f"{index} {name}" for index, name in enumerate(flavors.component_names))


def _coefficients(flavors: Algebra) -> str:
    """Meaning of the axis of the coefficients (n, P)."""
    names = ", ".join(f"P^{name}" for name in flavors.component_names)
    return f"coefficient of a density matrix {flavors.formula}: 0 n, 1 to {flavors.components} {names}"


# name: (dimensions, unit, meaning), for two flavors, see `meaning`; {space} stands for the space axes of the box, {vector} for
# an axis along which there is one entry for each of them, if they are several.
LAYOUT = {
    "time": (("time",), "1/mu", "time"),
    "mode": (("mode",), "", "index of the mode"),
    "axis": (("axis",), "", "index of an axis of the box: x, z or x, y, z"),
    "v": (("mode", "{vector}"), "c", "velocity of the mode along the axes of the box"),
    "sign": (("mode",), "", "+1 neutrinos, -1 antineutrinos"),
    "density": (("mode",), "n", "density n_a of the mode"),
    "direction": (("mode",), "", "label of the direction of the mode, which modes of one velocity share"),
    "energy_bin": (("mode",), "", "label of the energy of the mode"),
    "p": (("mode",), "mu", "momentum p_a of the mode"),
    "vector": (("vector",), "", "component of a vector: 0 x, 1 y, 2 z"),
    "velocity_xyz": (("mode", "vector"), "c", "whole velocity of the mode"),
    "flavor": (("flavor",), "", "index of a flavor"),
    "start_flavor": (("start_flavor",), "", "index of the flavor at the start"),
    "content_start": (("mode", "flavor"), "n", "density of each flavor in the mode at the start, box average"),
    "component": (("component",), "", _components(algebra())),
    "pair": (("pair",), "", "index of a pair of flavors, of three flavors"),
    "x": (("x",), "1/mu", "position"),
    "y": (("y",), "1/mu", "position"),
    "z": (("z",), "1/mu", "position"),
    "U_osc": (("time",), "mu n (1/mu)", "flavor-dependent refractive energy, Eq. 5"),
    "U_osc_transverse": (("time",), "mu n (1/mu)", "part of U_osc from the x and y components"),
    "U_osc_longitudinal": (("time",), "mu n (1/mu)", "part of U_osc from the z component"),
    "dU_osc_dt": (("time",), "mu^2 n (1/mu)", "rate of change of U_osc by Eq. 7 and by vacuum and matter"),
    "dU_osc_dt_difference": (("time",), "mu^2 n (1/mu)", "rate of change of U_osc by differences of this series"),
    "K": (("time", "mode"), "mu n (1/mu)", "kinetic energy gained by the mode"),
    "energy": (
        ("time",),
        "mu n (1/mu)",
        "sum of K over modes, plus U_osc, E_vac and E_mat; level full: kinetic_energy + U_trace + U_osc",
    ),
    "energy_residual": (("time",), "mu n (1/mu)", "energy minus its first value"),
    "momentum": (
        ("time",),
        "mu n (1/mu)",
        "momentum gained along the box, sum of K_a / v_a over v_a != 0; level full: int p_z Tr f",
    ),
    "E_flavor": (("time",), "mu n (1/mu)", "U_osc, E_vac and E_mat in one: constant where nothing varies in space"),
    "D0": (("time", "component"), "n (1/mu)", "integral of the moment D_0"),
    "P_mean": (("time", "mode", "component"), "n", "box average of the polarization vector"),
    "P_drift_max": (("time",), "n_a", "largest change of |P_a| along the rays"),
    "P_drift_mean": (("time",), "n_a", "mean change of |P_a| along the rays"),
    "PPP_drift_max": (("time",), "n_a^3", "largest change of d_ijk P_i P_j P_k of a mode along the rays, of three flavors"),
    "lepton_drift": (
        ("time",),
        "",
        "largest change of the components of int D_0 that all terms keep, over the integral of all densities",
    ),
    "P_length_max": (("time",), "n_a", "largest |P_a|: above 1 an occupation is negative"),
    "nu_x": (("time", "mode"), "", "box-averaged nu_x part of the mode"),
    "P_ee": (("time",), "", "survival probability of nu_e"),
    "P_ee_bar": (("time",), "", "survival probability of anti-nu_e"),
    "content": (("time", "mode", "flavor"), "n", "density of each flavor in the mode, box average"),
    "flavor_density": (("time", "species", "flavor"), "n", "density of each flavor, all modes of a species, box average"),
    "conversion": (
        ("time", "species", "start_flavor", "flavor"),
        "",
        "probability that what started as start_flavor is found as flavor; NaN where nothing started so",
    ),
    "coherence_pairs": (("time", "pair"), "", "part of the 2-norm of P in the coherence of each pair of three flavors"),
    "coherence": (("time",), "", "part of the 2-norm of P that P^x and P^y have"),
    "k_rms": (("time",), "mu", "root mean square wave number of psi"),
    "spectral_tail": (("time",), "", "part of the 2-norm of P that P^x and P^y have in the highest third of the waves"),
    "step": (("time",), "", "accepted time steps"),
    "dt": (("time",), "1/mu", "last accepted time step"),
    "rejections": (("time",), "", "rejected time steps"),
    "rhs_evaluations": (("time",), "", "evaluations of the right-hand side"),
    "wall_time": (("time",), "s", "wall-clock time since the start"),
    "spectrum_time": (("spectrum_time",), "1/mu", "time of the spectrum"),
    "k": (("k",), "mu", "wave number"),
    "psi2": (("spectrum_time", "k"), "n^2", "sum over modes of |psi_k|^2, psi = P^x + i P^y"),
    "psi2_pairs": (("spectrum_time", "pair", "k"), "n^2", "part of psi2 in the coherence of each pair of three flavors"),
    "q": (("q",), "mu", "momentum gained along the direction, |p| - p_0"),
    "coefficient": (("coefficient",), "", _coefficients(algebra())),
    "f_q": (("time", "mode", "coefficient", "q"), "n/mu", "box average of f"),
    "number": (("time",), "n (1/mu)", "particle number, int Tr f"),
    "casimir2": (("time",), "n^2 (1/mu)^2", "int Tr f^2"),
    "casimir3": (("time",), "n^3 (1/mu)^3", "int Tr f^3"),
    "entropy": (("time",), "n (1/mu)", "von Neumann entropy, -int Tr f ln f"),
    "fermi_entropy": (("time",), "n (1/mu)", "fermionic entropy, -int Tr [f ln f + (1 - f) ln(1 - f)]"),
    "occupation_min": (("time",), "n/mu", "smallest eigenvalue of f over phase space"),
    "occupation_max": (("time",), "n/mu", "largest eigenvalue of f over phase space"),
    "edge_weight": (("time",), "", "part of f near the ends of the grid in q"),
    "p_z": (("p_z",), "mu", "momentum along the box"),
    "p_perp": (("p_perp",), "mu", "momentum across the box"),
    "species": (("species",), "", "+1 neutrinos, -1 antineutrinos"),
    "kinetic_energy": (("time",), "mu n (1/mu)", "int |p| Tr f"),
    "U_trace": (("time",), "mu n (1/mu)", "part of the refractive energy from densities, Eq. 3"),
    "dK_dt": (("time",), "mu^2 n (1/mu)", "rate of change of the kinetic energy by Eq. 22"),
    "dK_dt_difference": (("time",), "mu^2 n (1/mu)", "rate of change of the sum of K by differences of this series"),
    "f_p": (("time", "species", "coefficient", "p_z"), "n/mu", "box average of f, integrated over p_perp"),
    "edge": (("time",), "", "f_p at the ends of the grid over its maximum"),
    "centre": (("time",), "", "f next to p = 0, or with masses where they are not small, over its maximum; box average"),
    "rho": (("time", "species", "p_perp", "coefficient", "p_z", "{space}"), "n/mu^3", "f of level full, per d^3p"),
    "f": (("time", "mode", "coefficient", "q", "{space}"), "n/mu", "density matrix per unit of q"),
    "P": (("time", "mode", "component", "{space}"), "n", "polarization vector, weight absorbed"),
    "kappa": (("time", "mode", "{space}"), "mu n", "kinetic energy density gained by the mode"),
    "F": (
        ("time", "mode", "{vector}", "{space}"),
        "mu^2 n",
        "flux in momentum space, Tr F of Eq. 21 summed over the momenta of the mode",
    ),
    "Phi": (("time", "mode", "{space}"), "n", "number flux beyond v n, with a minus sign: Tr Phi of Eq. 20, summed likewise"),
}

LAYOUT: Any = ChainMap(LAYOUT, Stored())  # pyright: ignore  # and what terms store, which may be entered in their list at any time
# Series of difference quotients, each with the series that it differentiates. The last one changes with the next row.
DIFFERENCES = {"dU_osc_dt_difference": "U_osc", "dK_dt_difference": "K"}
RECORD_AXES = ("time", "spectrum_time")  # unlimited; the length of `time` is the commit mark of a file
SPECTRA = ("psi2", "psi2_pairs")  # recorded at `spectrum_time`
SPACE = AXES[3]
OF_MODES = ("v", "sign", "density", "direction", "energy_bin", "p", "velocity_xyz", "content_start")  # label the modes


def algebra_of(arrays) -> Algebra:
    """The flavor algebra of a run from its arrays by name, such as those of a file."""
    known = len(arrays["component"]) if "component" in arrays else 0
    return of_components(known) if known else algebra()


def meaning(name: str, shape) -> str:
    """What a stored array of that shape means, in words: the axes along flavor tell by their length how many flavors there are."""
    if name == "component":
        return _components(of_components(shape[0]))
    if name == "coefficient":
        return _coefficients(of_components(shape[0] - 1))
    return LAYOUT[name][2]


def space_of(arrays):
    """The space axes of a box from its arrays by name, such as those of a file."""
    return AXES[len(arrays["axis"])] if "axis" in arrays else AXES[1]


def dimensions(name, space=AXES[1]):
    """Names of the dimensions of a stored array of a box with the `space` axes."""
    vector = ("axis",) if len(space) > 1 else ()
    groups = {"{space}": space, "{vector}": vector}
    return tuple(axis for entry in LAYOUT[name][0] for axis in groups.get(entry, (entry,)))


def energy_names(series) -> list[str]:
    """The energies that are summed into `energy` beside K, those that a run has: U_osc first."""
    return [name for term in TERMS for name in term.budget if name in series]


def learn(entries):
    """Know names that terms of another process store, {name: (dimensions, unit, meaning)}, as in `LAYOUT`."""
    unknown = {name: (tuple(entry[0]), *entry[1:]) for name, entry in entries.items() if name not in LAYOUT}
    if unknown:
        LAYOUT.maps.append(unknown)

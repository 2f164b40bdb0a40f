"""Nonlinear runs in boxes with matter profiles, masses and three flavors: energies that two other solvers have printed.

Their starts are N_a = V_a diag(n_a) V_a^+ with V_a = exp(i X_a),

    X_a = (eps/2) sum_c lambda_c cos(2 pi h z/L + c + a),    h = 1 + (c + a) mod 3,    eps = .02,

over the generators lambda_c that are not diagonal, c counted from 0 as the modes a are.
"""

import numpy as np

from ..config import resolve
from ..flavor.algebra import algebra
from .known_states import run_from_fields
from .problem import SPARSE, Row, value_of_root

# t: U_osc, E_vac, E_mat, K, K of mode 0, flavors of mode 0
TWO_BEAMS = {
    0: (-4.9980003083, 0, 10.0000000000, 0, 0, 0.9999000042, 0.0000999958),
    2: (-4.9726184679, 0, 10.0012614981, -0.0266433385, -0.0133757891, 0.9981783460, 0.0018216540),
    4: (-3.7094616742, 0, 10.0579352930, -1.3464739271, -0.6776908198, 0.9308607827, 0.0691392173),
    6: (-0.0731223052, 0, 10.4272201123, -5.3520981154, -2.7580677101, 0.7172134645, 0.2827865355),
    8: (-0.4981605841, 0, 9.8905245164, -4.3903642406, -2.4407901993, 0.6887682872, 0.3112317128),
}
REAL_GAS = {
    0: (-2.6754557201, 3.1160256301, 0.3998798274, 0, 0, 0.7141714391, 0.1429142805, 0.1429142804),
    2: (-2.6060989339, 3.0954154434, 0.3553541922, -0.0042209643, -0.0021554125, 0.6967091790, 0.1547036967, 0.1485871243),
    4: (-2.6068990736, 3.3989058762, 0.1598497305, -0.1114067957, -0.0578107400, 0.6258254674, 0.2144545849, 0.1597199477),
    6: (-1.8699332831, 3.7188382968, -0.0211140433, -0.9873412329, -0.5112055903, 0.5345816105, 0.2944819034, 0.1709364861),
    8: (0.3333128550, 4.0918948337, 0.0151859367, -3.5999438880, -1.8488337435, 0.4186891772, 0.2901733022, 0.2911375206),
}  # fmt: skip
P_AT_0 = {  # P of mode 0 at z = 0, t = 8
    "matter_profile": (-0.13299963, 0.45533394, 0.15805726),
    "real_gas": (0.19732695, -0.10053630, -0.06237638, -0.11777018, -0.20765977, -0.01408378, -0.31494492, -0.06337192),
}


def matter_profile(comm=None):
    """The case matter_profile from the published start: energies, momentum given to matter, and the budget."""
    yield from published_run("matter_profile", TWO_BEAMS, comm)


def real_gas(comm=None):
    """The case real_gas from the published start."""
    yield from published_run("real_gas", REAL_GAS, comm)


def published_run(case, table, comm):
    config = resolve(case, [*SPARSE, "time.rtol=1e-12", "output.series_every=2"])
    run = run_from_fields(published_start(config), config.plain(), comm)
    series, one = run.series, algebra(config.flavor.number)
    density = series["density"][0]
    flavors = one.content(density, series["P_mean"][:, 0], axis=1) / density
    nothing = np.zeros(len(series["time"]))
    energies = {
        "U_osc": series["U_osc"],
        "E_vac": series.get("E_vac", nothing),
        "E_mat": series["E_mat"],
        "K": series["K"].sum(axis=1),
        "K of mode 0": series["K"][:, 0],
    }
    ours = np.column_stack([*energies.values(), flavors])
    names = [*energies, *(f"{name} of mode 0" for name in one.names)]
    for row, (t, expected) in enumerate(table.items()):
        if t in (4, 8):  # the others in one number
            for name, there, here in zip(names, expected, ours[row]):
                if there:
                    yield Row(f"t = {t}: {name}", there, here, 1e-8)  # ten digits printed, tolerances of 1e-12 and growth
    yield Row("largest error of all numbers, t = 0, 2, .. 8", 0, np.abs(ours - np.array([*table.values()])).max(), 1e-8)
    P = value_of_root(comm, lambda: np.asarray(run.fields["P"][-1])[0, :, 0])
    yield Row("largest error of P of mode 0 at z = 0, t = 8", 0, np.abs(P - np.array(P_AT_0[case])).max(), 1.5e-8)  # 8 digits
    size = max(np.abs(values).max() for values in energies.values())
    yield Row(
        "largest change of the whole energy over its largest part", 0, np.abs(series["energy_residual"]).max() / size, 1e-9
    )


def published_start(config):
    """P (modes, C, points) of the start above, eps = .02."""
    content, one = np.array(config.modes.content), algebra(config.flavor.number)
    angle = 2 * np.pi * np.arange(config.box.points) / config.box.points
    mixing = [c for c, generator in enumerate(one.generators) if not np.diag(generator).any()]
    X = np.zeros((len(content), config.box.points, one.flavors, one.flavors), dtype=complex)
    for a in range(len(content)):
        for c in mixing:
            X[a] += np.multiply.outer(0.01 * np.cos((1 + (c + a) % 3) * angle + c + a), one.generators[c])
    x, W = np.linalg.eigh(X)
    V = (W * np.exp(1j * x)[..., None, :]) @ np.swapaxes(W.conj(), -1, -2)
    N = (V * content[:, None, None, :]) @ np.swapaxes(V.conj(), -1, -2)
    return np.einsum("cij,azji->acz", one.generators, N).real

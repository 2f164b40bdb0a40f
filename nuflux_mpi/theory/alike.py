"""Two flavors that are alike in every mode, such as mu and tau: the combinations of them that mixing does not couple.

The coherences x = (psi_e,mu, psi_e,tau) of a mode obey i d_t x = B_a x + ..., where mixing of mu and tau couples them at first order,
B_a = [[shift_e,mu, m*/2], [m/2, shift_e,tau]] with the `mixing` m of mu tau. If both flavors have the same densities in all modes,
refraction treats them alike, and any unitary combination of them is as good. Vacuum gives B_a = b_a + r_a/2 H with one matrix H for
all modes: its eigenvectors are two flavors mu' and tau' that do not see each other, whatever the mixing angle of mu and tau is.
"""

from __future__ import annotations

import numpy as np

from .linear import Linearised

SAME = 1e-10  # difference that is rounding, over the largest


def unmixed(states: list[Linearised]) -> list[Linearised]:
    """The states of e mu, e tau and mu tau for the flavors mu' and tau', each with their `basis`; as they were where mu and tau are
    not alike, do not mix, or have no such combinations."""
    if len(states) != 3 or not np.any(states[2].mixing):
        return states
    one, other, between = states
    backgrounds = one.background, other.background
    scale = max(np.abs(one.background.q).max(), 1e-300)
    if np.abs(between.background.q).max() > SAME * scale or any(each.coupling is not None for each in backgrounds):
        return states
    count = len(one.background.s)
    first, second, mixing = (np.broadcast_to(x, (count,)) for x in (*(each.shift for each in backgrounds), between.mixing))
    vectors = np.stack([(first - second).real, mixing.real, mixing.imag], axis=1)
    largest = vectors[np.argmax(np.linalg.norm(vectors, axis=1))]
    axis = largest / np.linalg.norm(largest) * (1 if largest[0] >= 0 else -1)
    r = vectors @ axis
    if np.abs(vectors - np.outer(r, axis)).max() > SAME * np.abs(vectors).max():
        return states
    H = np.array([[axis[0], axis[1] - 1j * axis[2]], [axis[1] + 1j * axis[2], -axis[0]]])
    basis = np.linalg.eigh(H)[1][:, ::-1]  # of the eigenvalues +1 and -1: the first has more of mu
    middle = (first + second) / 2
    mixed = basis.conj().T @ np.array([np.broadcast_to(state.mixing, (count,)) for state in (one, other)])
    found = [
        state._replace(background=state.background._replace(shift=middle + sign * r / 2), mixing=each, basis=basis)
        for state, sign, each in zip((one, other), (1, -1), mixed)
    ]
    return [*found, between._replace(background=between.background._replace(shift=-r), mixing=0.0, basis=basis)]

"""The weak force, -s_a grad Omega_a: it does the work that the refractive energies lose (Eqs. 16 and 22)."""

import numpy as np

from .term import Term


class WeakForce(Term):
    """(d_t + v_a . grad) kappa_a = - s_a / 2 (v_a . grad W_a) . P_a, with the W_a of all terms: so no term needs its own."""

    name = "force"
    needs_gradient = passive = True

    def source(self, t, here, rates):
        slope = here.dD[:, 0, None] - np.einsum("ja,ijcz->iacz", here.v, here.dD[:, 1:])
        force = np.einsum("ia,iacz->acz", here.speed, slope)
        rates["kappa"] -= 0.5 * here.work[:, None] * np.einsum("acz,acz->az", force, here.fields["P"])


class ForceDensity:
    """Tr F_a of Eq. 21 for sharp directions, F_a = s_a Tr(Omega_a grad N_a): the momentum that mode a gains, per volume.

    Eq. 22: dK_a/dt = int v_a . F_a. Calling it with a time and the coefficients N of N_a, P alone or (n, P), (modes,
    coefficients, *local_shape), gives (modes, *local_shape), in more dimensions than one (modes, axes, *local_shape), local.
    Collective.

    potential: for each coefficient its factor in Omega_a = G_0 - v_a . G_1, see `self_interaction.coefficients`. terms: those
    whose potentials are parts of Omega_a, too. factor: that of refraction. Modes are taken in batches to bound the memory.
    A vector that is constant in space, such as that of vacuum mixing, is left out: its part of F is a gradient.
    """

    BATCH = 8

    @classmethod
    def lines(cls, modes: int, coefficients: int) -> int:
        """Real functions of space that it holds for so many modes, in one dimension."""
        return coefficients * min(cls.BATCH, modes)

    def __init__(self, box, modes, potential, terms=(), factor=1.0):
        self.box, self.vectors, self.s, self._weight = box, modes.vectors, modes.s, factor * modes.s
        self._terms = terms
        self._potential = np.array(potential)
        self._batch = min(self.BATCH, len(modes))
        self._gradient = box.gradient(self._batch * len(potential))
        self._lines = np.zeros((self._batch, len(potential)) + box.local_shape)

    def __call__(self, t, N):
        box, (count, coefficients) = self.box, N.shape[:2]
        weights = np.concatenate((self._weight[None], self._weight * self.vectors.T))
        G = np.einsum("c,ma,acz->mcz", self._potential, weights, N.reshape(count, coefficients, -1), optimize=True)
        self._add_potentials(t, N, G)
        F = np.empty((count, box.dimensions, G.shape[-1]))
        for first in range(0, count, self._batch):
            part = slice(first, min(first + self._batch, count))
            some = part.stop - first
            self._lines[:some] = N[part]
            slope = self._gradient(self._lines.reshape(-1, *box.local_shape))
            slope = slope.reshape(box.dimensions, self._batch, coefficients, -1)[:, :some]
            potential = G[0] - np.einsum("ai,icz->acz", self.vectors[part], G[1:])
            F[part] = self.s[part, None, None] * np.einsum("acz,iacz->aiz", potential, slope)
        return F.reshape(count, *box.vector_shape, *box.local_shape)

    def _add_potentials(self, t, N, G):
        """What other terms than the self-interaction add to G (1 + m, coefficients, points): W/2, and w0 if traces are among
        the coefficients."""
        for term in self._terms:
            C = term.algebra.components
            D = np.zeros_like(G[:, -C:])
            term.potential(t, N.reshape(*N.shape[:2], -1)[:, -C:], D)
            G[:, -C:] += self._potential[-C:, None] * D
            if G.shape[1] > C:
                term.trace(t, G[:, 0])

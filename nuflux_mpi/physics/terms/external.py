"""What terms add to Omega beside the self-interaction, for levels that resolve momenta."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .term import Term


class External:
    """The potentials of `terms` together, written as moments of neutrinos, and the vectors of single modes.

    Moments M (1 + m, 1 + C, points) are (n_0, P_0) and (n_i, P_i) of Omega_a = M_0 - sum_i v_ai M_i, in which the trace part has
    the factor (F + 1)/F and the rest 1/2. What is steady is added up once: make it when all terms have entered the box.
    """

    def __init__(self, terms: Sequence[Term], modes, shape):
        self._weight, self._T = modes.algebra.trace_weight, np.zeros((shape[0], shape[2]))
        acting = [term for term in terms if term.has("potential") or term.has("trace")]
        of_modes = [term for term in terms if term.has("mode_potential")]
        self._acting, self._of_modes = ([one for one in some if not one.steady] for some in (acting, of_modes))
        self._steady = self._vectors = self._w = None
        if len(self._acting) < len(acting):
            self._steady = np.zeros(shape)
            for term in acting:
                if term.steady:
                    self.add_one(term, 0.0, None, self._steady)
        if of_modes:
            self._vectors = np.zeros((len(modes), modes.algebra.components))
            self._vectors += sum(term.mode_potential(0.0) for term in of_modes if term.steady)
            self._w = self._vectors.copy()

    def add_one(self, term: Term, t: float, P, M: np.ndarray) -> None:
        """M += the potentials of one term. P: (modes, C, points), or None where single modes are not known."""
        if term.has("potential"):
            term.potential(t, P, M[:, 1:])
        if term.has("trace"):
            self._T.fill(0.0)
            term.trace(t, self._T)
            self._T /= self._weight
            M[:, 0] += self._T

    def add(self, t: float, P, M: np.ndarray) -> None:
        """M += those of all terms at the time t. No communication."""
        if self._steady is not None:
            M += self._steady
        for term in self._acting:
            self.add_one(term, t, P, M)

    def vectors(self, t: float) -> np.ndarray | None:
        """The sum of the vectors (modes, C) that terms give each mode at the time t; None without any."""
        if self._w is not None and self._of_modes:
            self._w[...] = self._vectors
            for term in self._of_modes:
                self._w += term.mode_potential(t)
        return self._w

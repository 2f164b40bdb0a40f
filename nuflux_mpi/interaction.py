"""The interaction picture: advection solved exactly, so that time steps follow the flavor dynamics and not the grid.

A line P moving with velocity v obeys ``(d_t + v d_z) P = R``. With amplitudes c_k of the line, the state

    u_k = sqrt(weight) exp(i k v t) c_k        obeys       d_t u_k = sqrt(weight) exp(i k v t) R_k :

the advection is gone from the equation and from its stability limit (an integrating factor, as in Lawson's methods). The
factor sqrt(weight) makes the Euclidean norm of the state the norm of the fields, ``|u|^2 = mean over space of sum of
line^2``, so that an error tolerance for the state is one for the fields.
"""

import numpy as np

from . import kernels


class InteractionPicture:
    """Right-hand side of the state vector u for fields that advect linearly and interact locally in space.

    transform: the :class:`~nuflux_mpi.box.Transform` of the lines; its `physical` array is where the source works.
    velocity: (lines,) velocity of each line along the axis.
    source: callable ``source(t)``; finds the leading `needed` segments of lines in ``transform.physical`` and leaves the
        right-hand side R of *all* lines there.
    needed: how many leading segments the source reads.

    The state is this rank's part, a real vector of length `size`, two numbers per complex amplitude; any rank may hold
    none. `rhs`, `store` and `fields` communicate: all ranks must call them together. Cost of one `rhs`: one transform
    back of the needed lines, one forward of all lines, one pass over the state before and one after, nothing allocated.
    """

    def __init__(self, transform, velocity, source, needed):
        self.transform, self.source, self.needed = transform, source, needed
        rows, waves = transform.spectral.shape
        self.shape, self.size = (rows, waves), 2 * rows * waves
        # Lines of one velocity and residue share their phases: one table row for all of them.
        speeds = np.asarray(velocity, dtype=float)[transform.line]
        key = np.stack((speeds, transform.residue.astype(float)), axis=1).reshape(rows, 2)
        groups, first, self.group = np.unique(key, axis=0, return_index=True, return_inverse=True)
        self.group = np.ascontiguousarray(self.group.reshape(-1), dtype=np.int64)
        # The Nyquist wave is not advected (its derivative is zero), see Transform.k.
        harmonic = np.where(transform.k == 0.0, 0, transform.harmonic)
        self._harmonic = np.ascontiguousarray(harmonic if len(harmonic) == 1 else harmonic[first], dtype=np.int64)
        self._rate = 2 * np.pi / transform.box.length[0] * groups[:, 0]
        self._phase = np.ones((len(groups), waves), dtype=complex)
        self._phase_time = None
        root = np.sqrt(np.broadcast_to(transform.weight, (rows, waves)))
        # weight varies along rows or along columns, never both
        by_rows = transform.weight.shape[1] == 1
        ones_r, ones_c = np.ones(rows), np.ones(waves)
        rows_root = np.ascontiguousarray(root[:, 0]) if by_rows and rows else ones_r
        columns_root = ones_c if by_rows else np.sqrt(transform.weight[0])
        self._to_state = (rows_root / transform.points, columns_root)
        self._from_state = (1.0 / rows_root, 1.0 / columns_root)

    def _phases(self, t):
        if t != self._phase_time:
            kernels.phase_table(self._rate * t, self._harmonic, self._phase)
            self._phase_time = t
        return self._phase

    def fields(self, t, u, segments=None):
        """The lines at time t in ``transform.physical`` (leading `segments`, or all) from the state u."""
        phase, state = self._phases(t), u.view(complex).reshape(self.shape)
        kernels.unwind(state, phase, self.group, *self._from_state, self.transform.spectral)
        return self.transform.backward(segments)

    def store(self, t, u):
        """u <- the state of the lines in ``transform.physical`` at time t; the lines are used up."""
        spectral = self.transform.forward()
        state = u.view(complex).reshape(self.shape)
        kernels.wind(spectral, self._phases(t), self.group, *self._to_state, state)

    def rhs(self, t, u, du):
        """du <- d_t u."""
        self.fields(t, u, self.needed)
        self.source(t)
        self.store(t, du)

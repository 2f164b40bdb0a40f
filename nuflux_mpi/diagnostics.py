"""What a run reports: energies, invariants, spectra. Functions of the fields; every number is the same on all ranks.

P: (modes, 3, *local_shape), kappa and F: (modes, *local_shape), local, in units of n, mu n and mu^2 n. Equation numbers are those of
Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024).
"""

import numpy as np


def moments(P, modes, orders=(0, 1, 2)):
    """D_m = sum_b s_b v_b^m P_b, shape (len(orders), 3, *local_shape), local."""
    weights = np.stack([modes.s * modes.v**m for m in orders])
    return np.tensordot(weights, P, axes=1)


def refractive_energy(D, box):
    """(transverse, longitudinal) parts of U_osc = 1/4 int (D_0.D_0 - D_1.D_1) (Eq. 5), from D_0, D_1. Collective."""
    by_component = 0.25 * box.integral(D[0] ** 2 - D[1] ** 2)
    return by_component[0] + by_component[1], by_component[2]


def refractive_power(D, gradient, box):
    """dU_osc/dt = -1/2 int (D_0 . d_z D_1 - D_1 . d_z D_2) of the standard equations (Eq. 7). Collective."""
    slope = gradient(D[1:3].reshape(6, -1)).reshape(2, 3, -1)
    D = D.reshape(3, 3, -1)
    return -0.5 * box.cell * box.total(np.sum(D[0] * slope[0] - D[1] * slope[1]))


class Drift:
    """How far |P_a| has moved from its start, which the exact solution carries along the rays unchanged.

    P: the initial polarization; n: (modes,) densities by which changes are divided. Calling it with the
    lengths |P|, (modes, *local_shape), a time `elapsed` later gives (largest, mean) over all points and modes of
    ||P_a(z)| - |P_a(z - v_a elapsed)| at the start| / n_a. Collective.
    """

    # A length that varies by no more than rounding needs no transport.
    _UNIFORM = 1e-14

    def __init__(self, P, modes, n, box):
        self.box, self.n = box, n.reshape(-1, *[1] * box.dimensions)
        self.v = np.asarray(modes.v)
        length2 = np.sum(P**2, axis=1)
        self.start = np.sqrt(box.mean(length2)).reshape(self.n.shape)
        self._waves = None
        if box.max(np.abs(np.sqrt(length2) - self.start) / self.n) > self._UNIFORM:
            self._transform = box.transform(len(modes))
            self._waves = self._transform.amplitudes(length2)

    def __call__(self, elapsed, length):
        expected = self.start
        if self._waves is not None:
            transform = self._transform
            shift = np.exp(-1j * transform.k * self.v[transform.line][:, None] * elapsed)
            np.multiply(self._waves, shift, out=transform.spectral)
            expected = np.sqrt(np.maximum(transform.backward().reshape(len(self.v), *self.box.local_shape), 0.0))
        change = np.abs(length - expected) / self.n
        return self.box.max(change), float(np.mean(self.box.mean(change)))


class Spectrum:
    """Power of flavor coherence per wave: sum over modes of |psi_{a,k}|^2 with psi = P^x + i P^y = sum_k psi_k exp(i k z).

    `k`: ascending signed wave numbers of the grid (points,), 1/mu. Calling it with P returns the power (points,), the
    same on all ranks. Modes are taken in batches of at most `batch` to bound the memory. Collective.
    """

    def __init__(self, box, modes, batch=16):
        (N,), (length,) = box.points, box.length
        self.box, self._lowest = box, -((N - 1) // 2)
        self.k = 2 * np.pi / length * np.arange(self._lowest, N // 2 + 1)
        self._count, self._batch = len(modes), min(batch, len(modes))
        transform = self._transform = box.transform(self._batch, self._batch, aligned=True)
        half = transform.rows // 2
        harmonic = np.broadcast_to(transform.harmonic, transform.shape)[:half]
        self._plus = (harmonic - self._lowest).ravel()
        # An entry with weight 2 stands for its conjugate at -k as well.
        twice = np.broadcast_to(transform.weight, transform.shape)[:half] == 2.0
        self._twice, self._minus = twice, (-harmonic[twice] - self._lowest).ravel()

    def __call__(self, P):
        transform, N, batch = self._transform, self.box.global_points, self._batch
        half, power = transform.rows // 2, np.zeros(N)
        for first in range(0, self._count, batch):
            some = P[first : first + batch]
            transform.physical[...] = 0.0
            transform.physical[: len(some)] = some[:, 0]
            transform.physical[batch : batch + len(some)] = some[:, 1]
            spectral = transform.forward()
            x, y = spectral[:half], spectral[half:]
            power += np.bincount(self._plus, (np.abs(x + 1j * y) ** 2).ravel(), minlength=N)
            power += np.bincount(self._minus, (np.abs(x - 1j * y) ** 2)[self._twice], minlength=N)
        return self.box.total(power) / N**2

    def tail(self, power, norm2):
        """Part of the fields' 2-norm in the highest third of the waves: sqrt(sum_{|k| > 2/3 k_max} psi2 / norm2)."""
        high = 3 * np.abs(np.arange(len(power)) + self._lowest) > len(power)
        return float(np.sqrt(power[high].sum() / norm2)) if norm2 > 0 else 0.0

    def k_rms(self, power):
        """Root mean square of the wave numbers, weighted with their power; 0 where there is none."""
        total = power.sum()
        return float(np.sqrt(power @ self.k**2 / total)) if total > 0 else 0.0


class Diagnostics:
    """All of a run's series at one time: ``measure(t, fields)`` -> dict of numbers and small arrays. Collective.

    box, modes: as in the run; P: initial polarization (local) at time `start`; n: (modes,) densities n_a.
    `energy_at_start` is what the residual refers to: the first energy measured, unless it is set before.
    """

    def __init__(self, box, modes, P, n, start=0.0):
        self.start = start
        self.box, self.modes, self.n = box, modes, np.asarray(n, dtype=float)
        self.drift = Drift(P, modes, np.where(self.n > 0, self.n, 1.0), box)
        self.spectrum = Spectrum(box, modes)
        self.gradient = box.gradient(6)
        self.norm2 = float(box.mean(np.sum(P**2, axis=1)).sum())
        self.energy_at_start = None

    def measure(self, t, fields):
        """Series by name at time t; names as in docs/output.md. `psi2` is the power spectrum."""
        box, modes, P = self.box, self.modes, fields["P"]
        D = moments(P, modes)
        transverse, longitudinal = refractive_energy(D, box)
        mean = box.mean(P)
        length = np.sqrt(np.sum(P**2, axis=1))
        largest, typical = self.drift(t - self.start, length)
        longest = box.max(length / self.drift.n)
        power = self.spectrum(P)
        series = {
            "U_osc": transverse + longitudinal,
            "U_osc_transverse": transverse,
            "U_osc_longitudinal": longitudinal,
            "dU_osc_dt": refractive_power(D, self.gradient, box),
            "D0": box.integral(D[0]),
            "P_mean": mean,
            "P_drift_max": largest,
            "P_drift_mean": typical,
            "P_length_max": longest,
            "coherence": float(np.sqrt(power.sum() / self.norm2)) if self.norm2 > 0 else 0.0,
            "k_rms": self.spectrum.k_rms(power),
            "spectral_tail": self.spectrum.tail(power, self.norm2),
            "nu_x": self._content(mean[:, 2]),
            "psi2": power,
        }
        if modes.nu_weight is not None:
            series["P_ee"] = self._survival(mean[:, 2], modes.nu_weight)
            series["P_ee_bar"] = self._survival(mean[:, 2], modes.antinu_weight)
        if "kappa" in fields:
            series.update(self._budget(fields["kappa"], fields["F"], series["U_osc"]))
        return series

    def complete(self, series):
        """`series` with the residual of its energy, if it has one, against the first energy that was asked for."""
        if "energy" in series:
            if self.energy_at_start is None:
                self.energy_at_start = series["energy"]
            series["energy_residual"] = series["energy"] - self.energy_at_start
        return series

    def _content(self, Pz):
        """nu_x part of each mode, (n_a - P_a^z) / (2 n_a) of box averages; NaN for an empty mode."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 0.5 * (1.0 - Pz / self.n)

    def _survival(self, Pz, weight):
        """P_ee of neutrinos (or antineutrinos) that share the directions: mean of (1 + P_z/n)/2 with their weight."""
        total = weight.sum()
        return float(np.sum(weight * 0.5 * (1.0 + Pz / self.n)) / total) if total > 0 else float("nan")

    def _budget(self, kappa, F, U):
        """Kinetic energy gained, its rate by Eq. 22, its sum with U_osc, and the momentum gained: K_a / v_a."""
        K = np.atleast_1d(self.box.integral(kappa))
        moving = self.modes.v != 0
        return {
            "K": K,
            "dK_dt": float(self.modes.v @ np.atleast_1d(self.box.integral(F))),
            "energy": U + K.sum(),
            "momentum": float(np.sum(K[moving] / self.modes.v[moving])),
        }

"""What a run reports: energies, invariants, spectra. Functions of the fields; every number is the same on all ranks.

P: (modes, components, *local_shape), kappa: (modes, *local_shape), F: (modes, *vector_shape, *local_shape), local, in units of
n, mu n and mu^2 n. Equation numbers are those of Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024); v D_1 of one dimension stands
for sum_i v_i D_i, and D_2 for the D_ij, in more.
"""

import math
from collections.abc import Iterator

import numpy as np

from ..box.box import Box
from ..flavor.algebra import Pair
from . import invariants
from .flavor_content import FlavorContent, detailed
from .modes import PLACES
from .terms.self_interaction import SelfInteraction, moments

# Parts of a row of the series: of any fields P, and of sharp directions alone.
FLAVOR = ("flavor", "spectrum")
SHARP = ("energies", "power", "drift")
# Modes that a power spectrum, and other sums with a large array for each, take at a time.
BATCH = 16
ROOM = 2**16  # numbers in each array of a sum over modes that goes mode by mode, or those of one mode


def second_moments(P, modes):
    """D_ij = sum_b s_b v_bi v_bj P_b, i along the axes of the box: (axes, m, components, *local_shape), local."""
    return np.tensordot(np.einsum("b,bi,bj->ijb", modes.s, modes.velocity, modes.vectors), P, axes=1)


def refractive_power(D, D2, gradient, box):
    """dU_osc/dt = -1/2 int (D_0 . d_i D_i - D_i . d_j D_ij) of the standard equations, sums implied. Collective.

    For one axis it is Eq. 7. The derivatives are taken by parts, of D_0 and D_i, which is the same on the grid.
    """
    slope = gradient(D.reshape(-1, *box.local_shape)).reshape(box.dimensions, *D.shape)
    along = D[1:] if len(D) == 1 + box.dimensions else D[[1 + place for place in PLACES[box.dimensions]]]
    flow = np.concatenate((along[:, None], -D2), axis=1)  # what d_i meets in (D_0, D_j): D_i and -D_ij
    return 0.5 * box.cell * box.total(np.vdot(slope, flow))


def exchanged_power(terms, t, P, D, modes, box):
    """What U_osc gains per time, for c_nu = 1, since other terms turn the P_a, too: 1/2 sum_a s_a int (D_0 - v_a.D_1) . (w_a x P_a)
    with their part w_a of W_a. 0 without any. Collective.

    P: (modes, C, *local_shape); D: its moments. They gain in energy what U_osc loses so.
    """
    others = [term for term in terms if type(term) is not SelfInteraction]
    turning = [term for term in others if term.has("potential")]
    of_modes = sum((term.mode_potential(t) for term in others if term.has("mode_potential")), 0.0)
    if not turning and np.ndim(of_modes) == 0:
        return 0.0
    P, D = P.reshape(*P.shape[:2], -1), D.reshape(*D.shape[:2], -1)
    h, vectors, gained = np.zeros_like(D), modes.vectors, 0.0
    for term in turning:
        term.potential(t, P, h)
    w, batch = np.broadcast_to(of_modes, P.shape[:2]), max(1, ROOM // max(1, P[0].size))
    for first in range(0, len(P), batch):
        some = slice(first, first + batch)
        own = h[0] - np.tensordot(vectors[some], h[1:], axes=1) + w[some, :, None]
        refractive = D[0] - np.tensordot(vectors[some], D[1:], axes=1)
        gained += np.einsum("a,acz,acz->", modes.s[some], refractive, modes.algebra.cross(own, P[some], axis=1))
    return 0.5 * box.cell * box.total(gained)


class Drift:
    """How far |P_a| has moved from its start, which the exact solution carries along the rays unchanged.

    P: the initial polarization; n: (modes,) densities by which changes are divided. Calling it with the
    lengths |P|, (modes, *local_shape), a time `elapsed` later gives (largest, mean) over all points and modes of
    ||P_a(r)| - |P_a(r - v_a elapsed)| at the start| / n_a. Collective.
    """

    # A length that varies by no more than rounding needs no transport.
    _UNIFORM = 1e-14

    def __init__(self, P, modes, n, box):
        self.box, self.n = box, n.reshape(-1, *[1] * box.dimensions)
        self.velocity = np.asarray(modes.velocity)
        length2 = np.sum(P**2, axis=1)
        self.start = np.sqrt(box.mean(length2)).reshape(self.n.shape)
        self._waves = None
        if box.max(np.abs(np.sqrt(length2) - self.start) / self.n) > self._UNIFORM:
            self._transform = box.transform(len(modes))
            self._waves = self._transform.amplitudes(length2)

    def _carried(self, elapsed):
        """The amplitudes carried along the rays, at the points: (modes, *local_shape)."""
        transform = self._transform
        speeds = self.velocity[transform.line].T[..., None]
        shift = np.exp(-1j * elapsed * sum(k * speed for k, speed in zip(transform.wave_vector, speeds)))
        np.multiply(self._waves, shift, out=transform.spectral)
        return transform.backward().reshape(len(self.n), *self.box.local_shape)

    def __call__(self, elapsed, length):
        expected = self.start if self._waves is None else np.sqrt(np.maximum(self._carried(elapsed), 0.0))
        change = np.abs(length - expected) / self.n
        return self.box.max(change), float(np.mean(self.box.mean(change)))


class CubicDrift(Drift):
    """The same of d_ijk P_i P_j P_k over n_a^3, of three flavors; it is called with that, see `invariants.cubic`."""

    def __init__(self, P, modes, n, box):
        self.box, self.n = box, n.reshape(-1, *[1] * box.dimensions)
        self.velocity, self._waves = np.asarray(modes.velocity), None
        cubic = invariants.cubic(P, modes.algebra)
        self.start = box.mean(cubic).reshape(self.n.shape)
        if box.max(np.abs(cubic - self.start) / self.n**3) > self._UNIFORM:
            self._transform = box.transform(len(modes))
            self._waves = self._transform.amplitudes(cubic)

    def __call__(self, elapsed, cubic):
        expected = self.start if self._waves is None else self._carried(elapsed)
        change = np.abs(cubic - expected) / self.n**3
        return self.box.max(change), float(np.mean(self.box.mean(change)))


class Spectrum:
    """Power of flavor coherence per wave: |psi_{a,k}|^2, summed over modes and pairs of flavors, psi = sum_k psi_k exp(i k z).

    Of two flavors psi is P^x + i P^y. For a box of one dimension; of more: `Shells`. `k`: ascending signed wave numbers of the
    grid (points,), 1/mu. Calling it with P returns the power (points,), `of_pairs` that of each pair (pairs, points), the same on
    all ranks. Modes are taken in batches of at most `batch` to bound the memory. Collective.
    """

    def __init__(self, box, modes, batch=BATCH):
        (N,), (length,) = box.points, box.length
        self.box, self._lowest = box, -((N - 1) // 2)
        self.k = 2 * np.pi / length * np.arange(self._lowest, N // 2 + 1)
        self._batch, self._pairs = min(batch, len(modes)), modes.algebra.pairs
        transform = self._transform = box.transform(self._batch, self._batch, aligned=True)
        half = transform.rows // 2
        harmonic = np.broadcast_to(transform.harmonic, transform.shape)[:half]
        self._plus = (harmonic - self._lowest).ravel()
        # An entry with weight 2 stands for its conjugate at -k as well.
        twice = np.broadcast_to(transform.weight, transform.shape)[:half] == 2.0
        self._twice, self._minus = twice, (-harmonic[twice] - self._lowest).ravel()

    def __call__(self, P):
        return _together(self.of_pairs(P))

    def of_pairs(self, P):
        transform, N, batch = self._transform, self.box.global_points, self._batch
        half, power = transform.rows // 2, np.zeros((len(self._pairs), N))
        for some, pair, of_pair in _batches(P, batch, self._pairs, power):
            transform.physical[...] = 0.0
            transform.physical[: len(some)] = some[:, pair.real]
            transform.physical[batch : batch + len(some)] = some[:, pair.imaginary]
            spectral = transform.forward()
            x, y = spectral[:half], spectral[half:]
            of_pair += np.bincount(self._plus, (np.abs(x + 1j * y) ** 2).ravel(), minlength=N)
            of_pair += np.bincount(self._minus, (np.abs(x - 1j * y) ** 2)[self._twice], minlength=N)
        return self.box.total(power) / N**2

    def series(self, P, norm2):
        """`psi2` and what is made of it, as a dict; norm2: square of the fields' 2-norm. Collective."""
        pairs = self.of_pairs(P)
        power = _together(pairs)
        return {
            "coherence": _share(power.sum(), norm2),
            "k_rms": self.k_rms(power),
            "spectral_tail": self.tail(power, norm2),
            "psi2": power,
            **({"psi2_pairs": pairs} if len(pairs) > 1 else {}),
        }

    def tail(self, power, norm2):
        """Part of the fields' 2-norm in the highest third of the waves: sqrt(sum_{|k| > 2/3 k_max} psi2 / norm2)."""
        high = 3 * np.abs(np.arange(len(power)) + self._lowest) > len(power)
        return _share(power[high].sum(), norm2)

    def k_rms(self, power):
        """Root mean square of the wave numbers, weighted with their power; 0 where there is none."""
        total = power.sum()
        return float(np.sqrt(power @ self.k**2 / total)) if total > 0 else 0.0


class Shells:
    """The same in a box of two or three dimensions: power of the waves in shells of |k|, their signs and directions summed.

    `k`: wave numbers of the shells, see `shell_wavenumbers`; a wave counts where |k| is nearest. Other sums are over the waves
    themselves.
    """

    def __init__(self, box, modes, batch=BATCH):
        self.box, self._batch, self._pairs = box, min(batch, len(modes)), modes.algebra.pairs
        transform = self._transform = box.transform(2 * self._batch)
        self.k = shell_wavenumbers(box.length, box.points)
        self._square = sum((2 * np.pi / L * harmonic) ** 2 for harmonic, L in zip(transform.harmonics, box.length))
        self._shell = np.rint(np.sqrt(self._square) / self.k[1]).astype(int)
        thirds = [3 * np.abs(harmonic) > N for harmonic, N in zip(transform.harmonics, box.points)]
        self._high = np.broadcast_to(np.logical_or.reduce(np.broadcast_arrays(*thirds)), transform.shape)

    def series(self, P, norm2):
        """`psi2` by shells and other sums over waves, as a dict; norm2: square of the fields' 2-norm. Collective."""
        transform, batch = self._transform, self._batch
        power = np.zeros((len(self._pairs), *transform.shape))
        lines = transform.physical.reshape(batch, 2, *self.box.local_shape)
        for some, pair, of_pair in _batches(P, batch, self._pairs, power):
            lines[...] = 0.0
            lines[: len(some), 0], lines[: len(some), 1] = some[:, pair.real], some[:, pair.imaginary]
            spectral = transform.forward()
            of_pair += spectral.real**2 + spectral.imag**2
        power *= transform.weight / self.box.global_points**2
        by_pair = [np.bincount(self._shell.ravel(), each.ravel(), minlength=len(self.k)) for each in power]
        power = _together(power)
        squares, high = np.vdot(power, self._square), power[self._high].sum()
        *shells, total, squares, high = self.box.total(np.concatenate((*by_pair, [power.sum(), squares, high])))
        shells = np.reshape(shells, (len(by_pair), -1))
        return {
            "coherence": _share(total, norm2),
            "k_rms": _share(squares, total),
            "spectral_tail": _share(high, norm2),
            "psi2": _together(shells),
            **({"psi2_pairs": shells} if len(shells) > 1 else {}),
        }


def _together(pairs):
    """The sum over pairs of flavors, the first axis; of one pair it is that one."""
    return pairs.sum(axis=0) if len(pairs) > 1 else pairs[0]


def _batches(P, size: int, pairs: tuple[Pair, ...], power) -> Iterator[tuple[np.ndarray, Pair, np.ndarray]]:
    """(P of at most `size` modes, pair of flavors, its row of `power`), for all modes and pairs."""
    for first in range(0, len(P), size):
        for pair, of_pair in zip(pairs, power):
            yield P[first : first + size], pair, of_pair


def shell_wavenumbers(length, points):
    """Wave numbers up to the largest of a grid: multiples of the least spacing along its axes, from 0 on (shells,).

    Of a larger one where resolutions are so unequal that there would be more shells than points along all axes together.
    """
    highest = math.hypot(*(2 * np.pi / L * (N // 2) for L, N in zip(length, points)))
    spacing = max(2 * np.pi / max(length), highest / sum(points))
    return spacing * np.arange(int(np.rint(highest / spacing)) + 1)


def _share(part, whole):
    """sqrt(part / whole), or 0 where there is no whole."""
    return float(np.sqrt(part / whole)) if whole > 0 else 0.0


class Diagnostics:
    """All of a run's series at one time: ``measure(t, fields)`` -> dict of numbers and small arrays. Collective.

    box, modes: as in the run; P: initial polarization (local) at time `start`; n: (modes,) densities n_a. parts: what a row
    has, see `Level.diagnostics`; terms: those of the run, whose energies are measured and add up to the budget.
    `energy_at_start` is what the residual refers to: the first energy measured, unless it is set before.
    """

    def __init__(self, box, modes, P, n, start=0.0, parts=(*SHARP, *FLAVOR, "budget"), terms=None):
        self.start, self.parts = start, parts
        self.terms = [SelfInteraction(None, modes)] if terms is None else terms
        self.strength = next((term.factor for term in self.terms if isinstance(term, SelfInteraction)), 1.0)
        self.box, self.modes, self.n = box, modes, np.asarray(n, dtype=float)
        self.scale = np.where(self.n > 0, self.n, 1.0)
        self.broken = invariants.broken(self.terms)
        followed = "drift" in parts and "length" not in self.broken
        self.drift = Drift(P, modes, self.scale, box) if followed else None
        self.cubic_drift = CubicDrift(P, modes, self.scale, box) if followed and modes.flavors > 2 else None
        self.spectrum = Spectrum(box, modes) if box.dimensions == 1 else Shells(box, modes)
        self.gradient = box.gradient(modes.algebra.components * (1 + modes.vectors.shape[1]))
        self.norm2 = float(box.mean(np.sum(P**2, axis=1)).sum())
        mean = box.mean(P)
        self.detailed, self.contents = detailed(modes, self.terms), FlavorContent(modes, self.n, mean)
        self.survivors = survivors(modes, self.n, modes.algebra.excess(mean, axis=1), self.contents)
        self._kept = None  # components of int D_0 that stay, and what they are at the start
        if self.detailed and "energies" in parts:
            kept = invariants.kept(self.terms, modes.algebra)
            self._kept = (kept, kept @ box.integral(moments(P, modes)[0])) if len(kept) else None
        self.energy_at_start = None

    @staticmethod
    def lines(modes) -> int:
        """Real functions of space that its transforms hold for such modes: those of the spectrum, and of the gradient."""
        axes, m = modes.velocity.shape[1], modes.vectors.shape[1]
        of_lengths = (
            2 * len(modes) if modes.flavors > 2 else 0
        )  # |P_a|^2 and d_ijk P_i P_j P_k at the start, which vary in space
        return 2 * min(BATCH, len(modes)) + of_lengths + Box.gradient_lines(modes.algebra.components * (1 + m), axes)

    def measure(self, t, fields):
        """Series by name at time t; names as in docs/output.md. `psi2` is the power spectrum."""
        series, D = {}, moments(fields["P"], self.modes)
        for part in self.parts:
            series.update(getattr(self, f"_{part}")(t, fields, D, series))
        return series

    def _energies(self, t, fields, D, series):
        """The energies of the terms, and int D_0."""
        found = {}
        for term in self.terms:
            found.update(term.energies(t, fields, D, self.box))
        return {**found, "D0": self.box.integral(D[0])}

    def _lepton_drift(self, D0):
        assert self._kept is not None
        kept, start = self._kept
        return float(np.abs(kept @ D0 - start).max() / (self.n.sum() * self.box.volume or 1.0))

    def _power(self, t, fields, D, series):
        """By advection, which is Eq. 7, and by what turns the polarizations beside refraction itself."""
        P, modes, box = fields["P"], self.modes, self.box
        moved = refractive_power(D, second_moments(P, modes), self.gradient, box)
        return {"dU_osc_dt": self.strength * (moved + exchanged_power(self.terms, t - self.start, P, D, modes, box))}

    def _drift(self, t, fields, D, series):
        """Nothing where a term changes |P_a|."""
        if self.drift is None:
            return {}
        largest, typical = self.drift(t - self.start, np.sqrt(np.sum(fields["P"] ** 2, axis=1)))
        found = {"P_drift_max": largest, "P_drift_mean": typical}
        if self.cubic_drift is not None:
            cubic = invariants.cubic(fields["P"], self.modes.algebra)
            found["PPP_drift_max"] = self.cubic_drift(t - self.start, cubic)[0]
        return found

    def _flavor(self, t, fields, D, series):
        """Box averages of P, flavor content, survival, the largest length of P."""
        P, box, algebra = fields["P"], self.box, self.modes.algebra
        mean, pure = box.mean(P), algebra.largest(self.scale).reshape(-1, *[1] * box.dimensions)
        longest = box.max(np.sqrt(np.sum(P**2, axis=1)) / pure)
        excess = algebra.excess(mean, axis=1)
        survival = {name: _survival(algebra, excess, *one) for name, one in self.survivors.items()}
        with np.errstate(divide="ignore", invalid="ignore"):  # NaN for an empty mode
            others = 1.0 - 1.0 / algebra.flavors - excess / self.n
        found = {"P_mean": mean, "P_length_max": longest, "nu_x": others, **survival}
        return found | self._details(P, mean) if self.detailed else found

    def _details(self, P, mean):
        """Contents by mode and species, conversion, and of three flavors the coherence of each pair."""
        found, pairs = self.contents.measure(mean), self.modes.algebra.pairs
        if len(pairs) > 1:
            power = [sum(self.box.mean(P[:, place] ** 2).sum() for place in (pair.real, pair.imaginary)) for pair in pairs]
            found["coherence_pairs"] = np.array([_share(each, self.norm2) for each in power])
        return found

    def _spectrum(self, t, fields, D, series):
        return self.spectrum.series(fields["P"], self.norm2)

    def _budget(self, t, fields, D, series):
        """Kinetic energy gained, its rate by Eq. 22, its sum with the energies of all terms; in one dimension the momentum
        gained, K_a / v_a. Nothing where kappa is not known."""
        if "kappa" not in fields:
            return {}
        modes, K = self.modes, np.atleast_1d(self.box.integral(fields["kappa"]))
        force = self.box.integral(fields["F"]).reshape(modes.velocity.shape)
        of_terms = sum(series[name] for term in self.terms for name in term.budget)
        budget = {"K": K, "dK_dt": float(np.vdot(modes.velocity, force)), "energy": of_terms + K.sum()}
        moving = np.asarray(modes.v) != 0
        # A mode at rest gains momentum of which its energy does not know.
        if self.box.dimensions == 1 and (moving.all() or not self.detailed):
            budget["momentum"] = float(np.sum(K[moving] / modes.v[moving]))
        return budget

    def complete(self, series):
        """`series` with the residual of its energy, if it has one, against the first energy that was asked for; with the energy of
        flavor, where terms beside refraction have one, and the drift of the lepton numbers that stay."""
        energies = invariants.energy_names(self.terms)
        if len(energies) > 1:
            series["E_flavor"] = float(sum(series[name] for name in energies))
        if self._kept is not None and "D0" in series:
            series["lepton_drift"] = self._lepton_drift(series["D0"])
        if "energy" in series:
            if self.energy_at_start is None:
                self.energy_at_start = series["energy"]
            series["energy_residual"] = series["energy"] - self.energy_at_start
        return series


def survivors(modes, n, excess, contents=None):
    """{name of a survival probability: (weights, excess of the same neutrinos with their flavor unchanged)}, (modes,) each.

    n: densities, excess: that of nu_e, n_ee - n/F, in box averages at the start; P^z/2 for two flavors. Directions of an
    angular distribution start as nu_e and anti-nu_e. Beams say by their excess how many nu_e they start with; one that begins
    without tells nothing about survival and is left out, and so is a species without any nu_e. Of three flavors only modes
    count whose start defines it, see :class:`~nuflux_mpi.physics.flavor_content.FlavorContent`: `contents`.
    """
    flavors = modes.algebra.flavors
    if modes.nu_weight is not None:
        pure = (1.0 - 1.0 / flavors) * n
        found = {"P_ee": (modes.nu_weight, pure), "P_ee_bar": (modes.antinu_weight, pure)}
        return {name: (weight, start) for name, (weight, start) in found.items() if weight.sum() > 0}
    electrons = np.where(np.abs(excess) > 5e-10 * n, n / flavors + excess, 0.0)
    electrons[electrons < 1e-3 * n] = 0.0  # of a beam of nu_x: those are its seeds
    if flavors > 2 and contents is not None:
        electrons = np.where(contents.weights[..., 0].sum(axis=0) > 0, electrons, 0.0)
    found = {name: np.where(modes.s == sign, electrons, 0.0) for name, sign in (("P_ee", 1), ("P_ee_bar", -1))}
    return {name: (weight, excess) for name, weight in found.items() if weight.sum() > 0}


def _survival(algebra, excess, weight, start):
    """Mean of (1 + (F - 1) excess / start) / F with the weight; of two flavors excess / start is P^z over that of the start."""
    there = weight > 0
    each = (1.0 + (algebra.flavors - 1) * (excess[there] / start[there])) / algebra.flavors
    return float(np.sum(weight[there] * each) / weight[there].sum())

"""Linear theory where the background varies in space, such as matter with a profile lambda(r): waves are coupled.

    omega psi_a(r) = [ -i v_a.grad - c (Q_0 - v_a.Q_1) + shift_a - (A_0(r) - v_a.A_1(r)) ] psi_a + q_a c sum_b s_b (1 - v_a.v_b) psi_b
                     + sum_b coupling_ab psi_b

with the `profile` A (1 + m, *points) of `linear.Linearised`. Its Fourier components A(k - k') couple the waves k and k', so that
the eigenvalue problem has the size modes x waves, and an eigenvector is a function psi_a(r) in the whole periodic box. Few
unknowns are a matrix. Of more the fastest growing eigenvectors are found by Arnoldi's method: a Krylov space of steps in time,
in which what grows stands out, and in it the eigenvalues of the problem itself (Rayleigh and Ritz), restarted from the best.
Steps in time are polynomials of the operator: they choose the eigenvectors and do not change them.

Fewer points than the box has will do where the eigenvectors are smooth: grids are doubled until the fastest root stays. All have
an odd number of points, so that no wave is at the edge of a grid, where the sign of k is open. psi is complex (modes, *points) throughout. Plain numpy, nothing distributed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import linear
from .linear import Linearised

# Up to so many unknowns the matrix is solved: a few seconds.
DENSE = 800
# Unknowns times applications of the operator: some 10 seconds; and unknowns, for the memory of the Krylov space.
MOST_WORK, MOST_UNKNOWNS = 1e8, 2**18
KRYLOV, ROOTS = 40, 8  # vectors of the space, eigenvectors that are asked for
STEP = 2.5  # of a step of fourth order times the largest frequency: stable up to 2.8
RESIDUAL = 1e-9  # of an eigenvector, over the size of the background
SAME = 1e-7  # change of the fastest root from grid to grid, over the size of the background
TAIL = 1e-7  # amplitude of an eigenvector in the outer quarter of the waves, over all


class TooLarge(Exception):
    """More unknowns than can be solved for; `unknowns` says how many."""

    def __init__(self, unknowns: int):
        super().__init__(f"{unknowns} unknowns")
        self.unknowns = unknowns


@dataclass(frozen=True, eq=False)
class Found:
    """Eigenvectors of a background that varies in space, the fastest growing first.

    omega: complex (roots,); psi: complex (roots, modes, *points) with mean over the box of sum |psi_a|^2 = 1; points: those of
    the grid that was needed. all_roots: whether these are all there are; else what grows slower than `slowest` may be missing.
    """

    omega: np.ndarray
    psi: np.ndarray
    all_roots: bool
    slowest: float

    @property
    def points(self) -> tuple[int, ...]:
        return self.psi.shape[2:]

    @property
    def waves(self) -> np.ndarray:
        """Fourier coefficients of psi, (roots, modes, *points), in the order of `harmonics`."""
        return np.fft.fftn(self.psi, axes=range(2, self.psi.ndim)) / np.prod(self.points)


def harmonics(points) -> list[np.ndarray]:
    """Harmonics of each axis in the order of a transform."""
    return [np.rint(np.fft.fftfreq(N) * N).astype(int) for N in points]


def grid_of(needed: int, points: int) -> int:
    """An odd number of points with no prime factor above 7, at least `needed`, and at most what `points` carry."""
    most = points - (points + 1) % 2
    for number in range(needed | 1, most, 2):
        rest = number
        for prime in (3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return number
    return most


def resampled(field: np.ndarray, points: tuple[int, ...]) -> np.ndarray:
    """A periodic function (..., *old points) on another grid of the same box, by its Fourier series."""
    old, axes = field.shape[-len(points) :], tuple(range(-len(points), 0))
    if old == tuple(points):
        return field
    spectrum = np.fft.fftn(field, axes=axes)
    out = np.zeros((*field.shape[: -len(points)], *points), dtype=complex)
    kept = [
        np.arange(-((min(N, M) - 1) // 2), (min(N, M) - 1) // 2 + 1) for N, M in zip(old, points)
    ]  # without the wave at the edge of a grid, whose sign is open
    out[(..., *np.ix_(*kept))] = spectrum[(..., *np.ix_(*kept))]
    result = np.fft.ifftn(out, axes=axes) * (np.prod(points) / np.prod(old))
    return result if np.iscomplexobj(field) else result.real


class Operator:
    """The right-hand side for omega psi on a grid; calls take psi (..., modes, *points) and return as much.

    problem: a `Linearised` with a profile; length: (axes,) of the box; points: of the grid, odd numbers.
    """

    def __init__(self, problem: Linearised, length, points: tuple[int, ...]):
        assert problem.profile is not None
        background, v = problem.background, problem.background.directions
        column = (-1, *[1] * len(points))
        profile = resampled(problem.profile, points)
        local = linear.continuum(np.zeros(len(length)), *background._replace(v=linear.velocities(background.v)))
        self.diagonal = np.reshape(local, column) - (profile[0] - np.tensordot(v, profile[1:], 1))
        k = [2 * np.pi / L * n for L, n in zip(length, harmonics(points))]
        grid = np.stack(np.meshgrid(*k, indexing="ij"))
        self.advection = np.tensordot(linear.velocities(background.v), grid, 1)
        self.coupling = linear.self_interaction(v, background.s, background.q, background.strength).coupling
        if background.coupling is not None:
            self.coupling = self.coupling + background.coupling
        self.points, self.modes = tuple(points), len(v)
        self.largest = float(np.abs(self.diagonal).max() + np.abs(self.advection).max() + background.size)

    def __call__(self, psi):
        axes = tuple(range(-len(self.points), 0))
        change = np.fft.ifftn(self.advection * np.fft.fftn(psi, axes=axes), axes=axes)
        change += self.diagonal * psi
        flat = psi.reshape(*psi.shape[: -len(self.points)], -1)
        return change + (self.coupling @ flat).reshape(psi.shape)


def solve(
    problem: Linearised, length, points: tuple[int, ...], first: tuple[int, ...] | None = None, roots: int = ROOTS
) -> Found:
    """The growing eigenvectors (of few unknowns all eigenvectors) in a box of these lengths with so many points.

    first: points of the first grid, which must carry the waves that grow; grids are doubled from there until the fastest root
    stays as it is, at most to `points`. TooLarge where that takes too long.
    """
    grid = tuple(grid_of(n, N) for n, N in zip(points if first is None else first, points))
    before = None
    while True:
        modes = len(problem.background.s)
        if modes * np.prod(grid) > MOST_UNKNOWNS:
            raise TooLarge(int(modes * np.prod(grid)))
        found = _on_grid(Operator(problem, length, grid), problem.background.size, roots, before)
        finer = tuple(grid_of(2 * n, N) for n, N in zip(grid, points))
        if grid == finer or before is not None and _stays(found, before, problem.background.size):
            return found
        before, grid = found, finer


def _stays(found, before, size):
    """Whether a finer grid has told nothing new: the same fastest root, and no more in the highest waves."""
    if not len(before.omega) or not len(found.omega):
        return len(before.omega) == len(found.omega)
    if max(found.omega[0].imag, before.omega[0].imag) <= linear.ROUND_OFF * size:
        return True
    power = np.sum(np.abs(found.waves[0]) ** 2, axis=0)
    outer = np.zeros(found.points, dtype=bool)
    for axis, n in enumerate(harmonics(found.points)):
        outer |= np.reshape(np.abs(n) > 3 / 8 * len(n), [-1 if i == axis else 1 for i in range(outer.ndim)])
    return abs(found.omega[0] - before.omega[0]) <= SAME * size and power[outer].sum() <= TAIL**2 * power.sum()


def _on_grid(operator, size, roots, start):
    shape = operator.modes, *operator.points
    unknowns = int(np.prod(shape))
    if unknowns <= DENSE:
        columns = operator(np.eye(unknowns, dtype=complex).reshape(unknowns, *shape)).reshape(unknowns, unknowns).T
        omega, psi = linear.sorted_modes(*np.linalg.eig(columns))
        psi = psi * np.sqrt(np.prod(operator.points))
        return Found(omega, psi.reshape(-1, *shape), True, linear.ROUND_OFF * size)
    return _arnoldi(operator, size, roots, None if start is None or not len(start.omega) else start)


def _arnoldi(operator, size, roots, start):
    """The fastest eigenvectors by restarted Krylov spaces of steps in time."""
    shape = operator.modes, *operator.points
    vector = _first_vector(shape) if start is None else sum(resampled(psi, operator.points) for psi in start.psi[:roots])
    rate = max(start.omega[0].imag, 0.02 * size) if start is not None else 0.2 * size
    h, work, passed = STEP / operator.largest, 0, 0.0
    while True:
        steps = max(1, int(np.ceil(0.7 / (rate * h))))
        basis = _krylov(operator, vector, h, steps)
        images = np.array([operator(one) for one in basis])
        flat, flat_images = basis.reshape(len(basis), -1), images.reshape(len(basis), -1)
        omega, inner = np.linalg.eig(flat.conj() @ flat_images.T)
        order = np.lexsort((omega.real, -omega.imag))[:roots]
        omega, vectors = omega[order], inner.T[order] @ flat
        residual = np.linalg.norm(inner.T[order] @ flat_images - omega[:, None] * vectors, axis=1)
        good = (residual < RESIDUAL * size) & (omega.imag > linear.ROUND_OFF * size)
        work += (KRYLOV * (4 * steps + 1)) * flat.shape[1]
        passed += KRYLOV * steps * h
        # All that is faster than the first that is no eigenvector yet is one; slower ones are a matter of patience.
        ready = len(good) if good.all() else int(np.argmin(good))
        if ready >= min(roots, 2) or work > MOST_WORK:
            kept = vectors[:ready]
            psi = np.array([linear.normalized(one) for one in kept]).reshape(ready, *shape) * np.sqrt(np.prod(operator.points))
            slowest = omega[ready].imag if ready < len(omega) else omega[-1].imag
            return Found(omega[:ready], psi, False, float(max(slowest, 10.0 / passed if not ready else 0.0)))
        rate = min(max(omega[0].imag, 0.02 * size), size)
        vector = np.sum(vectors, axis=0).reshape(shape)


def _first_vector(shape):
    """A function with all waves, the long ones strongest; the same on all ranks."""
    generator = np.random.default_rng(1)
    waves = generator.normal(size=shape) + 1j * generator.normal(size=shape)
    for axis, n in enumerate(harmonics(shape[1:]), start=1):
        waves /= np.reshape(1.0 + np.abs(n), [-1 if i == axis else 1 for i in range(len(shape))])
    return np.fft.ifftn(waves, axes=range(1, len(shape)))


def _krylov(operator, vector, h, steps):
    """Orthonormal vectors (KRYLOV, modes, *points): the first, and what steps in time make of it again and again."""
    basis = np.empty((KRYLOV, *vector.shape), dtype=complex)
    flat = basis.reshape(KRYLOV, -1)
    basis[0] = vector / np.linalg.norm(vector)
    for i in range(1, KRYLOV):
        new = basis[i - 1]
        for _ in range(steps):
            new = _step(operator, new, h)
            new = new / np.linalg.norm(new)
        basis[i] = new
        for _ in range(2):  # twice is enough to be orthogonal to rounding
            flat[i] -= (flat[:i].conj() @ flat[i]) @ flat[:i]
        size = np.linalg.norm(flat[i])
        if size < 1e-12:  # the space is an invariant one
            return basis[:i]
        flat[i] /= size
    return basis


def _step(operator, psi, h):
    """exp(-i h H) psi to the fourth order."""
    result, term = psi.copy(), psi
    for order in range(1, 5):
        term = (-1j * h / order) * operator(term)
        result += term
    return result

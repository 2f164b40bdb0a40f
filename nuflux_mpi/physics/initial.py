"""Initial states: polarization vectors P_a at the start, and the closed forms that some of them follow.

A mode starts with homogeneous densities n_a^alpha of its flavors and a small coherence psi_a = 2 N_beta,alpha of each pair of
them; for two flavors n_a^e - n_a^x = P_a^z, also called zeta_a, and psi_a = P_a^x + i P_a^y. Every kind builds psi_a as a function
of position, so that each rank evaluates its own points and the state does not depend on the number of ranks or, as long as the
grid resolves it, on the number of points. A position r is a list of arrays, one for each axis, that broadcast to each other; it
is counted from the box's origin. In a box of one dimension it is [z], and harmonics and wave vectors have one component.
"""

import numpy as np

from ..errors import InputError
from ..flavor.algebra import Algebra, algebra, of_components
from . import turned
from .modes import Modes
from .seeding import PAIRS, highest_harmonics


def polarization(config, modes: Modes, box) -> np.ndarray:
    """P at the start: real, local, shape (modes, components, *box.local_shape), in units of n.

    config: the whole resolved config. All ranks call it. InputError, on all ranks alike, if the transverse part is
    longer than the vector it belongs to, or if a file does not fit or holds numbers that are not finite.
    """
    initial, pairs = config.initial, modes.algebra.pairs
    if initial.kind == "file":
        return _from_file(initial.path, modes, box)

    r = [x - start for x, start in zip(box.coordinates(), box.origin)]
    if initial.kind == "rotation":
        return turned.by_waves(initial, modes.algebra, content(config, modes), r, box)
    if len(pairs) > 1:
        psi = [coherence(config, modes, r, box, pair) for pair in range(len(pairs))]
        return turned.by_coherences(modes.algebra, content(config, modes), psi, initial.normalize, box)
    zeta, psi = background(config, modes), coherence(config, modes, r, box)
    assert psi is not None  # the one pair is always seeded
    difference = _shortened(psi, zeta, box) if initial.normalize else _column(zeta, len(r))
    return of_first_pair(modes.algebra, difference, psi, _column(np.abs(zeta) if modes.n is None else modes.n, len(r)))


def of_first_pair(algebra: Algebra, difference, psi, n) -> np.ndarray:
    """P (modes, components, *points) of neutrinos of the first two flavors alone.

    difference, n: difference and sum of their densities; psi: their coherence, complex; all broadcast to (modes, *points).
    Of two flavors the sum is no part of P.
    """
    others = [0.0] * (algebra.flavors - 2)
    _, of_difference = algebra.polarization_of([0.5, -0.5, *others])
    _, of_sum = algebra.polarization_of([0.5, 0.5, *others])
    modes, *points = np.broadcast_shapes(np.shape(difference), np.shape(psi))
    P, pair = np.zeros((modes, algebra.components, *points)), algebra.pairs[0]
    for component in np.flatnonzero(of_difference):
        P[:, component] = of_difference[component] * difference
    for component in np.flatnonzero(of_sum):
        P[:, component] += of_sum[component] * n
    P[:, pair.real], P[:, pair.imaginary] = psi.real, psi.imag
    return P


def content(config, modes: Modes) -> np.ndarray:
    """n_a^alpha, the homogeneous densities of the flavors of each mode, (modes, flavors); not for kind "file".

    What `initial.zeta` says, else the modes themselves, else nu_e alone.
    """
    if config.initial.zeta is None and modes.content is not None:
        return modes.content
    zeta = background(config, modes)
    n, found = np.abs(zeta) if modes.n is None else modes.n, np.zeros((len(modes), modes.flavors))
    found[:, 0], found[:, 1] = (n + zeta) / 2, (n - zeta) / 2
    return found


def background(config, modes: Modes, pair: int = 0) -> np.ndarray:
    """The homogeneous difference of the densities of a pair of flavors (an index), (modes,); not for kind "file".

    Of the first pair it is also called zeta_a.
    """
    zeta = config.initial.zeta
    if pair == 0 and zeta is not None:
        return np.array(zeta, dtype=float)
    if pair == 0 and modes.content is None:
        assert modes.n is not None  # the config asks for zeta where the modes have no densities
        return modes.n
    both, of = modes.algebra.pairs[pair], content(config, modes)
    return of[:, both.first] - of[:, both.second]


def coherence(config, modes: Modes, r, box, pair: int = 0) -> np.ndarray | None:
    """psi_a of a pair of flavors (an index) at positions r counted from the box's origin: complex, broadcastable to
    (modes, *points), or None where the pair is not seeded.

    In units of n. box: whatever has the `length` and `origin` of the box; nothing is communicated. Not for kind "file". Of
    three flavors two that a mode has in equal numbers stay without coherence: no small rotation could give them one.
    """
    initial, q = config.initial, background(config, modes, pair)
    if initial.kind == "rotation":
        P = turned.by_waves(initial, modes.algebra, content(config, modes), r, box)
        return modes.algebra.coherence(P, modes.algebra.pairs[pair], axis=1)
    if pair not in (seeded := seeded_pairs(initial, modes.flavors)):
        return None
    unit = np.ones(len(modes)) if initial.amplitudes_in == "n" else np.abs(q) if modes.n is None else modes.n
    if initial.kind == "eigenmode":
        from . import eigenmode  # with linear theory, which few runs need

        return eigenmode.coherence(config, modes, q, unit, r, pair)
    if initial.kind == "fourier":
        names = PAIRS[modes.flavors]
        waves = [wave for wave in initial.waves if (wave.get("pair") or names[0]) == names[pair]]
        psi = _fourier(waves, len(modes), r, box)
    else:
        psi = _TRANSVERSE[initial.kind](initial, len(modes), r, box, seeded.index(pair))
    if modes.flavors > 2:
        unit = np.where(turned.differ(q, modes.n), unit, 0.0)
    return psi * _column(unit, len(r))


def seeded_pairs(initial, flavors: int) -> list[int]:
    """Indices of the pairs of flavors that a section [initial] gives a coherence, in the order of their random numbers."""
    names = PAIRS[flavors]
    if initial.kind == "eigenmode":
        return [names.index(initial.get("pair") or names[0])]
    if initial.kind == "fourier":
        return sorted({names.index(wave.get("pair") or names[0]) for wave in initial.waves})
    return [names.index(name) for name in initial.get("pairs") or names]


def density(P, modes: Modes, box) -> np.ndarray:
    """n_a of every mode, shape (modes,), the same on all ranks: the configured one, or the box average of the least with which no
    flavor eigenvalue is negative: |P_a| for two flavors, that of a pure state.

    P: local, (modes, components, *box.local_shape). All ranks call it. InputError if a mode is empty.
    """
    if modes.n is not None:
        return modes.n
    n = box.mean(_least_density(P))
    if np.any(n == 0):
        raise InputError(f"mode {np.argmin(n)} is empty, P = 0 everywhere: give its modes.density, or leave it out.")
    return n


def occupied(density, P, box) -> np.ndarray:
    """n_a, raised where an eigenvalue of N_a would be negative somewhere in the box: (modes,).

    density: (modes,); P: local, (modes, components, *box.local_shape). All ranks call it.
    """
    return np.maximum(density, [box.max(least) for least in _least_density(P)])


def _least_density(P):
    """The smallest n with which n/F 1 + P.lambda/2 has no negative eigenvalue, (modes, *points): |P| for two flavors."""
    of = of_components(P.shape[1])
    if of.flavors == 2:
        return np.sqrt(np.sum(P**2, axis=1))
    return -of.flavors * of.occupations(0.0, P, axis=1)[:, 0]


# ------------------------------------------------------------------------------------------ kinds of initial state
# Each returns psi, complex, of shape (modes, *points) or broadcastable to it, at the positions r.


def _seeds(initial, count, r, box, block=0):
    """Random harmonics, Eq. 13: P^{x,y} = sum_{|n| <= N_max} c_n exp(i phi_n + 2 pi i n z / L), real functions.

    Reality, c_-n = c_n and phi_-n = -phi_n, leaves c_0 + 2 sum_{n > 0} c_n cos(2 pi n z / L + phi_n), with phi_0 = 0. In more
    dimensions n is a vector with |n_i| <= N_max for each axis, and n > 0 stands for one of n and -n: see `half_space`.
    Pairs of flavors have their numbers in turn, block after block.
    """
    functions = 1 if initial.same_for_all else count
    waves = half_space(highest_harmonics(initial, box.length))
    if initial.draw == "golden-ratio":
        drawn = golden_ratio_seeds(functions * (block + 1), len(waves) - 1, initial.variance)
    else:
        drawn = draw_seeds(initial.seed, functions * (block + 1), len(waves) - 1, initial.variance)
    amplitude, phase = (each[functions * block :] for each in drawn)
    harmonics = amplitude * np.exp(1j * phase)
    harmonics[..., 1:] *= 2
    x_and_y = _plane_waves(harmonics, waves, r, box).real
    return x_and_y[:, 0] + 1j * x_and_y[:, 1]


def half_space(highest):
    """Harmonics n with |n_i| <= highest_i for each axis, one of each pair n and -n: integers (waves, axes), n = 0 first.

    They are those whose first component that is not 0 is positive, in the order of the numbers with the last as the fastest.
    For one axis: 0, 1, ..., highest.
    """
    sides = [np.arange(-n, n + 1) for n in highest]
    every = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(sides))
    return every[len(every) // 2 :]


def draw_seeds(seed, functions, n_max, variance):
    """Amplitudes c_n and phases phi_n of Eq. 13, each of shape (functions, 2, n_max + 1): function, x or y, harmonic n.

    Order of drawing from PCG64(seed): for each function, first for x and then for y, the n_max + 1 normal amplitudes,
    then the n_max phases of n = 1 .. n_max, uniform in [0, 2 pi). phi_0 = -phi_0 is 0. Neither the grid nor the ranks
    enter. In more dimensions n numbers the waves of `half_space` in their order.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    amplitude = np.empty((functions, 2, n_max + 1))
    phase = np.zeros_like(amplitude)
    for a in range(functions):
        for component in range(2):
            amplitude[a, component] = np.sqrt(variance) * generator.standard_normal(n_max + 1)
            phase[a, component, 1:] = 2 * np.pi * generator.random(n_max)
    return amplitude, phase


def golden_ratio_seeds(functions, n_max, variance):
    """The same without random numbers, for runs that other codes can repeat digit by digit: c_n, phi_n as `draw_seeds`.

    c_0 = 0 and else c_n = sqrt(variance); phi_n = 2 pi frac(c (n^2 + (s + 1) n)) with c = (sqrt 5 - 1)/2 and
    s = 0, 1, 2, 3, ... for x and y of the first function, x and y of the second, and so on.
    """
    n = np.arange(n_max + 1)
    s = np.arange(2 * functions).reshape(functions, 2, 1)
    phase = 2 * np.pi * ((np.sqrt(5) - 1) / 2 * (n**2 + (s + 1) * n) % 1)
    amplitude = np.full(phase.shape, np.sqrt(variance))
    amplitude[..., 0] = 0.0
    return amplitude, phase


def _power_law(initial, count, r, box, block=0):
    """Harmonics of random phase, psi = sum_{0 < |n| <= N_max} A |n|^-p exp(i (2 pi n z / L + phi_n)).

    Phases are uniform in [0, 2 pi), drawn from PCG64(seed): for each function first those of n = 1 .. N_max, then
    those of n = -1 .. -N_max. In more dimensions the waves of `half_space` are n > 0, and |n|^2 = sum_i n_i^2. Pairs of flavors
    have their numbers in turn, block after block.
    """
    functions = 1 if initial.same_for_all else count
    waves = half_space(highest_harmonics(initial, box.length))
    generator = np.random.Generator(np.random.PCG64(initial.seed))
    phase = 2 * np.pi * generator.random((functions * (block + 1), 2, len(waves) - 1))[functions * block :]
    coefficients = np.zeros((functions, 2, len(waves)), dtype=complex)
    size = np.sqrt(np.sum(waves[1:] ** 2.0, axis=1))
    coefficients[..., 1:] = initial.amplitude * size**-initial.exponent
    coefficients[:, 0, 1:] *= np.exp(1j * phase[:, 0])
    coefficients[:, 1, 1:] *= np.exp(-1j * phase[:, 1])
    forward, backward = np.moveaxis(_plane_waves(coefficients, waves, r, box), 1, 0)
    return forward + backward.conj()


def _plane_waves(coefficients, waves, r, box):
    """sum_n c_n exp(2 pi i n.r / L) over the waves of `half_space`: (functions, 2, waves) give (functions, 2, *points)."""
    angles = [2 * np.pi * x / length for x, length in zip(r, box.length)]
    if len(angles) == 1:
        return harmonic_sum(coefficients, angles[0])
    highest, leading = waves.max(axis=0), coefficients.shape[:-1]
    table = np.zeros((*leading, *(2 * highest + 1)), dtype=complex)
    table[(..., *(waves + highest).T)] = coefficients
    # One axis after the other, the last first: (..., n_x, n_y, n_z) -> (..., n_x, n_y, z) -> ...
    for i, angle in reversed(list(enumerate(angles))):
        exponentials = np.exp(1j * np.outer(np.arange(-highest[i], highest[i] + 1), angle.ravel()))
        axis = len(leading) + i
        table = np.moveaxis(np.tensordot(table, exponentials, axes=(axis, 0)), -1, axis)
    return table


def harmonic_sum(coefficients, theta):
    """sum_n c_n exp(i n theta) at every angle: (..., n) coefficients and any theta give complex (..., *theta.shape).

    With n = n_1 + B n_2 the sum is a matrix product over n_1 and a short sum over n_2, so that about 2 sqrt(n_max)
    exponentials per angle do, shared by all functions; blocks of angles bound the memory.
    """
    functions, count = coefficients.shape[:-1], coefficients.shape[-1]
    base = int(np.ceil(np.sqrt(count)))
    tables = np.zeros((int(np.prod(functions)), base * base), dtype=complex)
    tables[:, :count] = coefficients.reshape(-1, count)
    tables = tables.reshape(-1, base, base)  # function, n_2, n_1
    angles, result = theta.ravel(), np.empty((len(tables), theta.size), dtype=complex)
    for start in range(0, angles.size, 4096):
        block = slice(start, start + 4096)
        inner = np.exp(1j * np.outer(np.arange(base), angles[block]))
        outer = np.exp(1j * np.outer(base * np.arange(base), angles[block]))
        for table, values in zip(tables, result):
            values[block] = np.sum(outer * (table @ inner), axis=0)
    return result.reshape(*functions, *theta.shape)


def _fourier(waves, count, r, box):
    """Chosen harmonics: psi_a = sum of A exp(i (2 pi n z / L + phase)) over the waves that name mode a."""
    psi = np.zeros((count, *np.broadcast_shapes(*(x.shape for x in r))), dtype=complex)
    for wave in waves:
        carriers = turned.carriers(wave)
        psi[carriers] += wave["amplitude"] * np.exp(1j * (turned.angle(wave["n"], r, box) + wave["phase"]))
    return psi


def _profile(initial, count, r, box, block=0):
    """One smooth bump on a carrier wave, the same for every mode; its nearest periodic image counts."""
    offsets = [
        (x + origin - center + length / 2) % length - length / 2
        for x, origin, center, length in zip(r, box.origin, np.atleast_1d(initial.center), box.length)
    ]
    distance = offsets[0] if len(r) == 1 else np.sqrt(sum(offset**2 for offset in offsets))
    carrier = np.exp(1j * (turned.angle(initial.n, r, box) + initial.phase))
    bump = initial.amplitude * _SHAPES[initial.shape](distance / initial.width) * carrier
    return np.broadcast_to(bump, (count, *bump.shape))


_SHAPES = {
    "gaussian": lambda x: np.exp(-(x**2) / 2),
    "sech": lambda x: 2 * np.exp(-np.abs(x)) / (1 + np.exp(-2 * np.abs(x))),  # no overflow far away
    "cosine": lambda x: np.where(np.abs(x) < 1, (1 + np.cos(np.pi * x)) / 2, 0.0),
}
_TRANSVERSE = {"seeds": _seeds, "power-law": _power_law, "profile": _profile}


def _column(values, axes):
    """Values per mode, shaped to multiply arrays (modes, *points) with so many axes of points."""
    return np.reshape(values, (-1,) + (1,) * axes)


def _shortened(psi, zeta, box):
    """zeta_a shortened at each point so that the vector that it makes with psi_a has the length |zeta_a|; its sign stays."""
    longitudinal = _column(zeta**2, box.dimensions) - psi.real**2 - psi.imag**2
    if box.max(-longitudinal) > 0:
        excess = np.array([box.max(-field) for field in longitudinal])
        a = int(np.argmax(excess > 0))
        largest = np.sqrt(excess[a] + zeta[a] ** 2)
        raise InputError(
            f"mode {a}: the transverse part reaches |psi| = {largest:.4g}, longer than |zeta| = "
            f'{abs(zeta[a]):.4g}; choose smaller amplitudes, or amplitudes_in = "n_a".'
        )
    return _column(np.sign(zeta), box.dimensions) * np.sqrt(longitudinal)


def _from_file(path, modes, box):
    """Dataset P of an HDF5 file, this rank's block of it."""
    return box.read(path, "P", leading=(len(modes), modes.algebra.components), key="initial.path")


# ------------------------------------------------------------------------------------------------- known solutions


def single_wave(z, t, t0, phase=0.0):
    """The exact nonlinear single wave of two beams, v = +1 and -1, zeta = +1/2 and -1/2; P of shape (2, 3, *z.shape).

    For k = -1, the fastest growing wave, and with T = tanh(t - t0),

        P_+^z = -P_-^z = T^2 / 2,   psi_+- = (1/2) sqrt(1 - T^4) exp(i (-z + phase +- arctan T)),

    so that U_osc / U_osc(-infinity) = 2 T^2 - 1. The wave grows like exp(t), is all there is at t0, and goes away
    again. That such solutions exist: arXiv:2601.15372; this form follows from the equations of motion with
    P_+^z + P_-^z = 0.
    """
    z = np.asarray(z, dtype=float)
    T = np.tanh(t - t0)
    # 1 - T^4 = (1 + T^2) / cosh^2 without the cancellation at early times.
    size = 0.5 * np.sqrt(1 + T**2) / np.cosh(t - t0)
    psi = np.array([size * np.exp(1j * (-z + phase + sign * np.arctan(T))) for sign in (+1, -1)])
    return of_first_pair(algebra(), np.array([T**2 / 2, -(T**2) / 2]).reshape(-1, *[1] * z.ndim), psi, n=0.5)

"""Momentum distributions, and what is measured of a density matrix over phase space.

f is stored by its coefficients, n and P of f = n/F + P.lambda/2, for two flavors (n + P.sigma)/2: an array
(modes, coefficients, Q, *local_shape), real and local, with coefficient 0 the trace n and the others the polarization P, per
unit of q and in units of n/mu. Its eigenvalues are occupations up to a factor, for two flavors (n +- |P|)/2. The grid of q is
uniform and periodic, -half_width <= q < half_width, with an even number of points.

Integrals over phase space of functions of f alone (Casimirs, entropy) are constant to first order in gradients, and
int Tr f^2 to all orders. Everything but `measures`, which is collective, is a pure function, the same on every rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..errors import InputError
from ..flavor.algebra import of_components

# What may be left of a distribution at the ends of the grid, relative to its peak: there it jumps, since q is periodic.
ENDS = 1e-8
# What may be left at the highest y (dual to q) of an analytic distribution, relative to y = 0. Each y evolves by
# itself, so that a coarse grid costs nothing but a ripple of this size over q.
CONTENT = 1e-6
# The same for distributions with kinks, such as p^2 at p = 0, whose content falls with a power of y only.
CONTENT_WITH_KINKS = 1e-4
# And for tables, whose interpolation is no smoother than this on a grid as fine as the table.
CONTENT_OF_TABLES = 1e-2
MOST_IN_TABLE = 10**6
MOST_POINTS = 2**16  # finer grids are not searched for, nor affordable
EDGE = 1 / 16  # part of the grid at each end that counts as its edge
EDGE_ALLOWED = 1e-6  # part of a mode that may come so near to the ends without a warning

# Eigenvalues of f that are worth a warning, over its largest at the start: below -NEGATIVE, and GROWN above 1. A grid
# with two points per width of a Gaussian may miss up to 3 % of its peak, exp(-(1/4)^2/2), at one time and not at another.
NEGATIVE, GROWN = 1e-3, 0.05

_POINTS_AT_ONCE = 2**16  # of phase space in `measures`: temporaries of half a megabyte, which stay in the cache


# ---- grids and distributions ----------------------------------------------------------------------------------------


def grid(points, half_width):
    """q = -half_width + i dq with dq = 2 half_width / points, shape (points,), in mu; q = 0 is on the grid.

    InputError unless points is even and positive and half_width is positive.
    """
    if points < 2 or points % 2:
        raise InputError(f"momentum.points must be an even number, 2 or more, not {points}")
    if not 0 < half_width < np.inf:
        raise InputError(f"momentum.half_width must be positive, not {half_width:g}")
    return 2.0 * half_width / points * (np.arange(points) - points // 2)


def gaussian(q, sigma):
    """exp(-q^2 / 2 sigma^2), normalised to sum g dq = 1 on the uniform grid q."""
    return _normalised(_bell(q, sigma), q)


def fermi_dirac(q, temperature, eta=0.0):
    """Thermal distribution p^2 / (exp(p/T - eta) + 1) of p = q + <p> > 0, normalised to sum g dq = 1 on the grid q."""
    return _normalised(_thermal(q, temperature, eta), q)


def from_file(path, q):
    """The table g(q) of an HDF5 file (datasets `q`, ascending, and `g`) on the uniform grid q, with sum g dq = 1.

    Between the points of the table g is interpolated by monotone cubics, which add no extrema; outside it is 0. Any
    rank may call it alone. InputError if the file is not such a table.
    """
    return _normalised(_interpolated(q, *_table(path)), q)


def distribution(settings, q, comm=None):
    """The distribution at the start that a resolved config section [momentum] describes, (points,), with sum g dq = 1.

    With a communicator all ranks call it, and one looks at the file of a table. InputError, before anything is computed, if the
    grid q does not hold it (`check_grid`).
    """
    kind = settings["distribution"]
    if kind == "gaussian":
        profile, content = partial(_bell, sigma=settings["sigma"]), CONTENT
    elif kind == "fermi-dirac":
        profile = partial(_thermal, temperature=settings["temperature"], eta=settings["eta"])
        content = CONTENT_WITH_KINKS
    else:
        table = _table(settings["path"], comm)
        profile, content = partial(_interpolated, table_q=table[0], table_g=table[1]), CONTENT_OF_TABLES
    check_grid(profile, q, content)
    return _normalised(profile(q), q)


def check_grid(profile, q, content=CONTENT):
    """InputError if the grid q is too narrow or too coarse for a distribution, saying what would do, or if g < 0.

    profile: function of q, normalised in any way. Too narrow: more than ENDS of the peak is left at the ends. Too
    coarse: the largest Fourier component that the grid cannot carry is more than `content` of that at y = 0.
    """
    g, half_width, points = profile(q), -q[0], len(q)
    if np.any(g < 0):
        worst = int(np.argmin(g))
        raise InputError(
            f"the momentum distribution is negative, g = {g[worst]:.3g} at q = {q[worst]:.6g}: occupations cannot be"
        )
    ends, waves = _left_at_ends(profile, points, half_width), _left_in_waves(profile, points, half_width)
    narrow = ends > ENDS
    if not narrow and waves <= content:
        return
    if narrow:
        enough = _first(lambda width: _left_at_ends(profile, points, width) <= ENDS, half_width, 1e6 * half_width)
        if enough is None:
            raise InputError(f"momentum.half_width = {half_width:g}: no width holds this momentum distribution")
        half_width_needed = float(f"{1.05 * enough:.2g}")  # two digits, and still enough after rounding
    else:
        half_width_needed = half_width
    fine = _first(lambda n: _left_in_waves(profile, _even(n), half_width_needed) <= content, points, MOST_POINTS)
    advice = f"at least {_even(fine)} points" if fine else f"more than {MOST_POINTS} points"
    if narrow:
        raise InputError(
            f"momentum.half_width = {half_width:g} is too narrow for the momentum distribution: {ends:.1e} of its peak "
            f"is left at the ends; it needs {half_width_needed:g}, and with that {advice}"
        )
    raise InputError(
        f"momentum.points = {points} is too coarse for the momentum distribution: {waves:.1e} of it is in waves that "
        f"the grid cannot carry; it needs {advice}"
    )


def _bell(q, sigma):
    return np.exp(-0.5 * (np.asarray(q) / sigma) ** 2)


def _thermal(q, temperature, eta):
    p = np.asarray(q) / temperature + _mean_momentum(eta)
    with np.errstate(over="ignore"):  # exp = inf is a g of 0
        return np.where(p > 0, p**2 / (np.exp(p - eta) + 1), 0.0)


def _mean_momentum(eta):
    """<p>/T = F_3(eta) / F_2(eta) with the Fermi integrals F_n = int p^n / (exp(p - eta) + 1) dp."""
    # 200 points resolve the step at p = eta to rounding for eta up to 100; beyond p = eta + 60 less than 1e-20 is left.
    x, w = np.polynomial.legendre.leggauss(200)
    top = max(eta, 0.0) + 60.0
    p = 0.5 * top * (x + 1)
    occupied = w * p**2 / (np.exp(p - eta) + 1)
    return np.sum(p * occupied) / np.sum(occupied)


def _table(path, comm=None):
    """(q, g) of an HDF5 table; collective with a communicator."""
    from ..storage import start_file

    key = "momentum.path"
    found = start_file.find(path, ("q", "g"), key, comm)
    shapes = found.shape("q"), found.shape("g")
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or not 3 <= shapes[0][0] <= MOST_IN_TABLE:
        raise InputError(
            f"{key}: {path}: q and g must be lists of the same length, 3 to {MOST_IN_TABLE}, not {shapes[0]} and {shapes[1]}"
        )
    q, g = (start_file.whole(found, name, comm) for name in ("q", "g"))
    if not (np.diff(q) > 0).all():
        raise InputError(f"{key}: {path}: q must ascend")
    if not g.any():
        raise InputError(f"{key}: {path}: g is zero everywhere")
    return q, g


def _interpolated(q, table_q, table_g):
    """Monotone cubics (Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5, 300 (1984)); 0 outside the table."""
    h, rise = np.diff(table_q), np.diff(table_g)
    secant = rise / h
    slope = np.zeros_like(table_g)
    slope[0], slope[-1] = secant[0], secant[-1]
    same = secant[:-1] * secant[1:] > 0
    left, right = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = (left + right) / (left / secant[:-1] + right / secant[1:])
    slope[1:-1] = np.where(same, harmonic, 0.0)
    i = np.clip(np.searchsorted(table_q, q, side="right") - 1, 0, len(h) - 1)
    x = (q - table_q[i]) / h[i]
    g = table_g[i] + x**2 * (3 - 2 * x) * rise[i] + h[i] * x * (1 - x) * ((1 - x) * slope[i] - x * slope[i + 1])
    return np.where((q >= table_q[0]) & (q <= table_q[-1]), g, 0.0)


def _normalised(g, q):
    return g / (g.sum() * (q[1] - q[0]))


def _left_at_ends(profile, points, half_width):
    """Larger of the values at the two ends of a grid, over the peak."""
    peak = profile(grid(points, half_width)).max()
    return profile(np.array([-half_width, half_width])).max() / peak if peak > 0 else np.inf


def _left_in_waves(profile, points, half_width):
    """Largest Fourier component that a grid cannot carry, over that of y = 0, as seen on a grid four times finer."""
    wave = np.abs(np.fft.rfft(profile(grid(4 * points, half_width))))
    return wave[points // 2 :].max() / wave[0] if wave[0] > 0 else np.inf


def _first(fits, value, most):
    """The first of value, 1.05 value, 1.05^2 value, ... <= most that fits, or None."""
    while value <= most:
        if fits(value):
            return value
        value *= 1.05
    return None


def _even(n):
    return 2 * int(np.ceil(n / 2))


# ---- measures over phase space --------------------------------------------------------------------------------------


def occupations(f) -> np.ndarray:
    """Eigenvalues of f, ascending, one for each flavor: (flavors, modes, Q, *space).

    f: (modes, coefficients, Q, *space). No communication.
    """
    return np.moveaxis(_algebra_of(f).occupations(f[:, 0], f[:, 1:], axis=1), 1, 0)


def _algebra_of(f):
    """The algebra of f with its coefficients on axis 1."""
    return of_components(f.shape[1] - 1)


def measures(f, weight, box, occupation=1.0, largest=1.0):
    """Invariants, entropies and extreme occupations of f over phase space, as a dict of floats. Collective.

    f: (modes, coefficients, Q, *local_shape), local. weight: quadrature weight in momentum: dq, or an array (Q,) or (modes, Q).
    occupation: occupation number that f = 1 stands for, that is f per phase-space cell. largest: what the extreme
    eigenvalues are divided by, for example `occupation_max` at the start.

        number         int Tr f
        casimir2       int Tr f^2, constant under Eq. 16 to all orders
        casimir3       int Tr f^3, constant to first order in gradients
        entropy        -int Tr f ln f, constant to first order
        fermi_entropy  -int Tr [ nu ln nu + (1 - nu) ln(1 - nu) ] / occupation,  nu = occupation x f
        occupation_min, occupation_max   extreme eigenvalues of f over all of phase space, over `largest`

    A density matrix in phase space is not positive beyond first order: its smaller eigenvalue falls below 0 where
    gradients are steep. Such eigenvalues enter the entropies as -lambda ln|lambda|, so that, as for positive ones,
    another unit of f adds a constant times the number. NaN anywhere in f gives NaN.
    """
    modes, coefficients, Q = f.shape[:3]
    f = f.reshape(modes, coefficients, Q, -1)
    weight = np.broadcast_to(weight, (modes, Q))
    several = max(1, _POINTS_AT_ONCE // f.shape[3])
    sums = np.zeros(5)
    lowest, highest = [], []
    for a in range(modes):
        for first in range(0, Q, several):
            part = slice(first, first + several)
            eigenvalues = occupations(f[a : a + 1, :, part])[::-1, 0]
            lowest.append(eigenvalues[-1].min())
            highest.append(eigenvalues[0].max())
            for i, density in enumerate(_densities(eigenvalues, occupation)):
                sums[i] += weight[a, part] @ density.sum(axis=1)
    names = ("number", "casimir2", "casimir3", "entropy", "fermi_entropy")
    # The largest of a list of arrays is asked of the box, which knows about NaN and ranks.
    extremes = {"occupation_min": -box.max(-np.array(lowest)) / largest, "occupation_max": box.max(np.array(highest)) / largest}
    return dict(zip(names, (box.cell * box.total(sums)).tolist())) | extremes


def occupation_advice(row, largest_at_start, remedy):
    """One sentence if the eigenvalues of f in a row of `measures` have left [0, largest_at_start]; None if not.

    Flavor rotation, streaming and a force that is not a matrix keep each eigenvalue where it is carried; the scale on
    which the upper end is 1 does not enter the equations, so the largest at the start stands for it.
    """
    lowest, highest = row["occupation_min"] / largest_at_start, row["occupation_max"] / largest_at_start
    if lowest >= -NEGATIVE and highest <= 1.0 + GROWN:
        return None
    return (
        f"the eigenvalues of f lie between {lowest:.2g} and {highest:.3g} of the largest at the start, not 0 and 1: that "
        f"measures the gradient expansion, in 1 / (wavelength x width in momentum), and not the integrator; {remedy} "
        "brings them closer"
    )


def _densities(eigenvalues, occupation) -> Iterator[Any]:
    """Integrands of `measures` in the order of its names, from the eigenvalues; one at a time, to keep memory small."""
    yield sum(eigenvalues)
    yield sum(eigenvalue**2 for eigenvalue in eigenvalues)
    yield sum(eigenvalue**3 for eigenvalue in eigenvalues)
    yield -sum(map(_x_ln_x, eigenvalues))
    fermi = 0.0
    for eigenvalue in eigenvalues:
        nu = occupation * eigenvalue
        fermi = fermi - _x_ln_x(nu) - _x_ln_x(1.0 - nu)
    yield fermi / occupation


def _x_ln_x(x):
    """x ln|x|, and 0 at x = 0."""
    size = np.abs(x)
    return x * np.log(np.where(size > 0, size, 1.0))


def star_casimir3(f, q, length, v, sign=1.0):
    """int Tr f * f * f to second order in gradients, for one mode, with * the product of Moyal and Groenewold.

    f: (coefficients, Q, N), all of space (so not distributed), periodic with `length`; q: (Q,) uniform; v, sign: of the mode. f
    is the Wigner function of an operator whose third power has this trace, which unitary evolution keeps. It differs from int
    Tr f^3 by terms with as many powers of 1/width as derivatives by momentum: under the integral

        Tr f * f * f = Tr f^3 + i/2 Tr f [d_z f, d_p f] - 1/8 Tr f ({d_z^2 f, d_p^2 f} - 2 (d_z d_p f)^2) + ...

    where d_p = v d_q is along the box, and i has the other sign for antineutrinos. Under Eq. 16 int Tr f^3 drifts by
    the order width^-2, and this by width^-4. No communication. Memory: eight times that of f.
    """
    dq, Q, N = q[1] - q[0], f.shape[1], f.shape[2]
    in_z = 2j * np.pi / length * np.arange(N // 2 + 1)
    in_p = 2j * np.pi * v * np.fft.rfftfreq(Q, dq)[:, None]
    in_p[-1] = 0.0  # the shortest wave of an even grid has no derivative
    if N % 2 == 0:
        in_z[-1] = 0.0

    def d_z(field):
        return np.fft.irfft(in_z * np.fft.rfft(field, axis=2), n=N, axis=2)

    def d_p(field):
        return np.fft.irfft(in_p * np.fft.rfft(field, axis=1), n=Q, axis=1)

    f_z, f_p = d_z(f), d_p(f)
    plain = _trace_of_three(f, f, f)
    first = -0.25 * sign * np.sum(f[1:] * of_components(len(f) - 1).cross(f_z[1:], f_p[1:]))
    mixed = d_z(f_p)
    second = -(_trace_of_three(f, d_z(f_z), d_p(f_p)) - _trace_of_three(f, mixed, mixed)) / 4
    return float((plain + first + second) * dq * length / N)


def _trace_of_three(f, a, b):
    """Sum over points of Tr f {a, b}/2, from the coefficients."""
    algebra = of_components(len(f) - 1)
    n, P = algebra.anticommutator(a[0] / algebra.flavors, a[1:], b[0], b[1:])
    return np.sum(f[0] * n) / algebra.flavors + np.sum(f[1:] * P) / 2


def edge_weight(f_q, q):
    """Largest part of a mode, int |f| over q, that lies within a sixteenth of the grid from its ends (EDGE).

    f_q: (modes, coefficients, Q), box average of f; |f| is the sum of its eigenvalues' magnitudes, for two flavors
    max(n, |P|). No communication.
    """
    size = _size(f_q)
    rim = max(1, round(EDGE * len(q)))
    total = size.sum(axis=1)
    outer = size[:, :rim].sum(axis=1) + size[:, -rim:].sum(axis=1)
    return float(np.max(np.divide(outer, total, out=np.zeros_like(total), where=total != 0)))


def edge_advice(f_q, q, allowed=EDGE_ALLOWED):
    """One sentence on how wide the grid should be if `edge_weight` exceeds `allowed`; None if it does not.

    The width is that of Gaussians with the mean and variance of each mode, and half as much again as now if that is
    more: what has already gone around the ends cannot tell how far it wants to go.
    """
    found = edge_weight(f_q, q)
    if not found > allowed:
        return None
    size = _size(f_q)
    total = np.maximum(size.sum(axis=1), np.finfo(float).tiny)
    mean = size @ q / total
    spread = np.sqrt(np.sum(size * (q - mean[:, None]) ** 2, axis=1) / total)
    needed = np.max(np.abs(mean) + spread * np.sqrt(2 * np.log(1 / allowed))) / (1 - 2 * EDGE)
    half_width = -q[0]
    return (
        f"{found:.1e} of a mode is near the ends of the momentum grid: momentum.half_width = {half_width:g} is too "
        f"narrow, about {max(needed, 1.5 * half_width):.2g} would hold it"
    )


def _size(f_q):
    """|f|, the sum of the magnitudes of its eigenvalues, of box averages (modes, coefficients, Q): (modes, Q)."""
    return np.abs(occupations(f_q)).sum(axis=0)

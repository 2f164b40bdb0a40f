"""The arithmetic of the time loop, compiled with numba where it is installed and in plain NumPy where it is not.

Both forms give the same numbers to rounding; `COMPILED` tells which is in use, `WHY_NOT` why it is NumPy
(``NUFLUX_NUMBA=0`` asks for it).
No function here allocates an array of the state's size when compiled, and none knows about ranks: arrays are local.

Shapes: P (modes, 3, n), kappa (modes, n), v (d, modes) along the d axes of the box, s (modes,), the moments D (1 + d, 3, n)
with D[0] = D_0 and then D_1, one flavor vector for each axis, and their gradients dD (d, 1 + d, 3, n), the axis of the
derivative first; n is the number of this rank's points. Spectral arrays are (rows, K) complex; `phase` is (groups, K)
complex with ``group[row]``.
"""

import functools
import math
import operator

import numpy as np

from . import compiling

numba, WHY_NOT = compiling.find()
COMPILED = numba is not None
if COMPILED:
    from .simd import at_once, copy, entries, execute, two_products

# Points handled together: the moments and one mode of a block stay in the second-level cache.
BLOCK = 2048


def phase_table(angle, harmonic, phase):
    """phase[g, d] = exp(i h angle_g) for the integers h = harmonic[g or 0, d], by products of two short tables of powers.

    angle: (groups,), harmonic: (1 or groups, K) integers, phase: (groups, K), overwritten.
    """
    size = np.abs(harmonic)
    coarse = np.exp(1j * angle[:, None] * (64.0 * np.arange((size.max(initial=0) >> 6) + 1)))
    fine = np.exp(1j * angle[:, None] * np.arange(64.0))
    if harmonic.shape[0] == 1:
        np.multiply(coarse[:, size[0] >> 6], fine[:, size[0] & 63], out=phase)
    else:
        np.multiply(np.take_along_axis(coarse, size >> 6, axis=1), np.take_along_axis(fine, size & 63, axis=1), out=phase)
    np.conjugate(phase, out=phase, where=np.broadcast_to(harmonic < 0, phase.shape))


def unwind(u, phase, group, row_scale, column_scale, out):
    """out = u conj(phase[group]) row_scale column_scale: from the interaction picture to amplitudes."""
    np.multiply(u, phase[group].conj(), out=out)
    np.multiply(out, row_scale[:, None] * column_scale[None, :], out=out)


def wind(amplitude, phase, group, row_scale, column_scale, out):
    """out = amplitude phase[group] row_scale column_scale: from amplitudes to the interaction picture."""
    np.multiply(amplitude, phase[group], out=out)
    np.multiply(out, row_scale[:, None] * column_scale[None, :], out=out)


def correct(p, extrapolated, rate, factor):
    """p <- p + factor (rate - extrapolated); returns the sum of squares of rate - extrapolated, which is used up."""
    difference = np.subtract(rate, extrapolated, out=extrapolated)
    square = float(np.dot(difference, difference))
    difference *= factor
    p += difference
    return square


def moments(P, v, s, D):
    """D_0 = sum_b s_b P_b, and D_i = sum_b s_b v_bi P_b for each axis i."""
    np.matmul(np.concatenate((s[None], s * v)), P.reshape(len(P), -1), out=D.reshape(len(D), -1))


def rotate(P, v, D):
    """P_a <- (D_0 - sum_i v_ai D_i) x P_a, in place."""
    for a in range(len(P)):
        P[a] = np.cross(_potential(v[:, a], D), P[a], axis=0)


def _potential(v, D):
    """D_0 - sum_i v_i D_i."""
    return D[0] - np.tensordot(v, D[1:], 1)


def precess(P, v, s, D):
    """P_a <- (D_0 - sum_i v_ai D_i) x P_a, in place, with D <- the moments of P: `moments` and `rotate` in one pass."""
    moments(P, v, s, D)
    rotate(P, v, D)


def rotate_and_drive(P, kappa, v, s, D, dD):
    """kappa_a <- -s_a/2 v_a.grad(D_0 - sum_i v_ai D_i) . P_a, then P_a <- (D_0 - sum_i v_ai D_i) x P_a; both in place."""
    for a in range(len(P)):
        slope = sum(speed * _potential(v[:, a], slopes) for speed, slopes in zip(v[:, a], dD))
        kappa[a] = -0.5 * s[a] * np.einsum("cz,cz->z", slope, P[a])
    rotate(P, v, D)


def push(f, v, s, y, M, dM):
    """Local terms of level "momentum", in place on f (modes, 4, Q, n): the rotation and the matrix-valued force.

    f holds, along Q, the Fourier amplitudes in q: the real one of y = 0, real and imaginary parts in turn for
    y[1], y[2], ..., and for even Q the real one of the highest y, whose derivative is zero. M, dM: (2, 4, n), the moments
    (n_m, D_m) for m = 0, 1 and their derivatives d_z. With W = D_0 - v_a D_1 and a = s_a v_a d_z Omega_a,
    (a0, A) = s_a v_a/2 (3 (n_0' - v_a n_1'), D_0' - v_a D_1'):

        n <- i y (a0 n + A.P),    P <- W x P + i y (a0 P + n A)
    """
    Q = f.shape[2]
    pairs = (Q - 1) // 2
    for a in range(len(f)):
        W = M[0, 1:] - v[a] * M[1, 1:]
        A = 0.5 * s[a] * v[a] * (dM[0] - v[a] * dM[1])
        A[0] *= 3.0
        real, imaginary = f[a, :, 1 : 2 * pairs : 2], f[a, :, 2 : 2 * pairs + 1 : 2]
        wave = real + 1j * imaginary
        n, P, iy = wave[0], wave[1:], 1j * y[1 : pairs + 1, None]
        change = np.empty_like(wave)
        change[0] = iy * (A[0] * n + np.einsum("cz,cjz->jz", A[1:], P))
        change[1:] = np.cross(W[:, None], P, axis=0) + iy * (A[0] * P + n * A[1:, None])
        for j in {0, Q - 1} if Q % 2 == 0 else {0}:
            f[a, 1:, j] = np.cross(W, f[a, 1:, j], axis=0)
            f[a, 0, j] = 0.0
        real[...], imaginary[...] = change.real, change.imag


if COMPILED:
    jit = compiling.njit(fastmath={"contract", "nsz", "arcp"}, boundscheck=False)

    # For sums over a row: they may be taken in any order, but the same one at each call.
    _jit_sum = compiling.njit(fastmath={"contract", "nsz", "arcp", "reassoc"}, boundscheck=False)

    @jit
    def _multiply(x, y, out):
        """out = x y for contiguous complex rows of one length."""
        n = len(y)
        for d in range(0, n - 1, 2):
            two_products(x, d, y, out, d, 0)
        if n % 2:
            out[n - 1] = x[n - 1] * y[n - 1]

    @jit
    def _multiply_conjugate(x, y, out):
        """out = conj(x) y for contiguous complex rows of one length."""
        n = len(y)
        for d in range(0, n - 1, 2):
            two_products(x, d, y, out, d, 1)
        if n % 2:
            out[n - 1] = x[n - 1].conjugate() * y[n - 1]

    # Part of its callers: as a function of its own it would be compiled once for itself and once for each of them, and
    # which copy runs, with which rounding, would depend on whether they come from numba's cache.
    @numba.njit(inline="always")
    def _powers(angle, table):
        """table[j] = exp(i j angle): exact for j = 1, 8, 64, ..., each other entry the product of a few of these."""
        table[0] = 1.0
        m, n = 1, len(table)
        while m < n:
            table[m] = complex(math.cos(m * angle), math.sin(m * angle))
            for q in range(2, min(8, (n - 1) // m + 1)):
                table[q * m] = table[(q // 2) * m] * table[(q - q // 2) * m]
            for q in range(1, 8):
                for j in range(q * m + 1, min((q + 1) * m, n)):
                    table[j] = table[q * m] * table[j - q * m]
            m *= 8

    @jit
    def phase_table(angle, harmonic, phase):  # noqa: F811
        groups, K = phase.shape
        shared = harmonic.shape[0] == 1
        top = 0
        for g in range(harmonic.shape[0]):
            for d in range(K):
                top = max(top, abs(harmonic[g, d]))
        coarse, fine = np.empty((top >> 6) + 1, dtype=np.complex128), np.empty(64, dtype=np.complex128)
        for g in range(groups):
            _powers(64.0 * angle[g], coarse)
            _powers(angle[g], fine)
            row, out = harmonic[0] if shared else harmonic[g], phase[g]
            d = 0
            while d < K:
                h = row[d]
                if (h & 63) == 0 and h >= 0 and d + 64 <= K and row[d + 63] == h + 63:
                    # 64 waves in order, the usual case: one factor times the short table
                    c = coarse[h >> 6]
                    for j in range(64):
                        f = fine[j]
                        out[d + j] = complex(c.real * f.real - c.imag * f.imag, c.real * f.imag + c.imag * f.real)
                    d += 64
                    continue
                j = abs(h)
                c, f = coarse[j >> 6], fine[j & 63]
                im = c.real * f.imag + c.imag * f.real
                out[d] = complex(c.real * f.real - c.imag * f.imag, im if h >= 0 else -im)
                d += 1

    @jit
    def unwind(u, phase, group, row_scale, column_scale, out):  # noqa: F811
        for r in range(u.shape[0]):
            p, scale = phase[group[r]], row_scale[r]
            for d in range(u.shape[1]):
                a, b, c = u[r, d], p[d], scale * column_scale[d]
                out[r, d] = complex(c * (a.real * b.real + a.imag * b.imag), c * (a.imag * b.real - a.real * b.imag))

    @jit
    def wind(amplitude, phase, group, row_scale, column_scale, out):  # noqa: F811
        for r in range(amplitude.shape[0]):
            p, scale = phase[group[r]], row_scale[r]
            for d in range(amplitude.shape[1]):
                a, b, c = amplitude[r, d], p[d], scale * column_scale[d]
                out[r, d] = complex(c * (a.real * b.real - a.imag * b.imag), c * (a.imag * b.real + a.real * b.imag))

    @jit
    def phase_factors(angle, step, first, fine, coarse):
        """fine[g, j] = exp(i step j angle_g) and coarse[g, r] = exp(i first[g or 0, r] angle_g); see `unwind_lines`."""
        top = 0
        for g in range(first.shape[0]):
            for r in range(first.shape[1]):
                top = max(top, abs(first[g, r]))
        high, low = np.empty((top >> 6) + 1, dtype=np.complex128), np.empty(64, dtype=np.complex128)
        for g in range(len(angle)):
            _powers(step * angle[g], fine[g])
            _powers(64.0 * angle[g], high)
            if step == 1.0:
                low = fine[g]
            else:
                _powers(angle[g], low)
            h = first[g if len(first) > 1 else 0]
            for r in range(len(h)):
                p = high[abs(h[r]) >> 6] * low[abs(h[r]) & 63]
                coarse[g, r] = p if h[r] >= 0 else p.conjugate()

    @jit
    def _phase_row(fine, coarse, scale, start, factor, phase):
        """phase[start[r] + j] = scale[r] coarse[r] fine[j] for the runs r of up to len(fine) waves."""
        for r in range(len(coarse)):
            factor[0] = factor[1] = scale[r] * coarse[r]
            p = phase[start[r] : start[r + 1]]
            n = len(p)
            for j in range(0, n - 1, 2):
                two_products(factor, 0, fine, p, j, 0)
            if n % 2:
                p[n - 1] = factor[0] * fine[n - 1]

    # Rows go where `lines`, `pieces` and `numbers` say, see exchange.Rows.

    @jit
    def _line(lines, pieces, r):
        """Address of the line of row r: its own where it stays whole, else the one through which all rows go in turn."""
        return lines[r if len(pieces) == 0 else 0].ctypes.data

    @jit
    def _put_down(line, pieces, numbers, r):
        """Copy row r from the address `line` to its pieces."""
        for i in range(len(pieces)):
            copy(pieces[i, 0] + numbers[pieces[i, 3], r] * pieces[i, 1], line + pieces[i, 2], pieces[i, 1])

    @jit
    def _pick_up(line, pieces, numbers, r):
        """Copy row r from its pieces to the address `line`."""
        for i in range(len(pieces)):
            copy(line + pieces[i, 2], pieces[i, 0] + numbers[pieces[i, 3], r] * pieces[i, 1], pieces[i, 1])

    @jit
    def unwind_lines(u, group, fine, coarse, scale, start, plan, waves, lines, pieces, numbers):
        """Row r = transform of ``u[r] conj(phase) scale`` for the rows of `numbers`, one at a time.

        The phase of wave start[r] + j in group g is ``coarse[g, r] fine[g, j]``, its scale ``scale[g, r]``. plan: the
        addresses of a :class:`~nuflux_mpi.box.fft_plans.LinePlan`; waves: buffer of a row of waves.
        """
        phase, factor, last = np.empty(len(waves), dtype=np.complex128), np.empty(2, dtype=np.complex128), -1
        for r in range(numbers.shape[1]):
            g = group[r]
            if g != last:
                _phase_row(fine[g], coarse[g], scale[g], start[g], factor, phase)
                last = g
            _multiply_conjugate(phase, u[r], waves)
            line = _line(lines, pieces, r)
            execute(plan[0], plan[1], waves.ctypes.data, line)
            _put_down(line, pieces, numbers, r)

    @jit
    def wind_lines(lines, pieces, numbers, group, fine, coarse, scale, start, plan, waves, u):
        """u[r] = ``phase scale`` times the transform of row r, one at a time; see `unwind_lines`."""
        phase, factor, last = np.empty(len(waves), dtype=np.complex128), np.empty(2, dtype=np.complex128), -1
        for r in range(numbers.shape[1]):
            g = group[r]
            if g != last:
                _phase_row(fine[g], coarse[g], scale[g], start[g], factor, phase)
                last = g
            line = _line(lines, pieces, r)
            _pick_up(line, pieces, numbers, r)
            execute(plan[0], plan[1], line, waves.ctypes.data)
            _multiply(phase, waves, u[r])

    @_jit_sum
    def correct(p, extrapolated, rate, factor):  # noqa: F811
        total = 0.0
        for i in range(len(p)):
            d = rate[i] - extrapolated[i]
            total += d * d
            p[i] += factor * d
        return total

    @jit
    def correct_lines(
        lines,
        pieces,
        numbers,
        group,
        fine,
        coarse,
        to_state,
        from_state,
        start,
        forward,
        backward,
        waves,
        p,
        extrapolated,
        factor,
    ):
        """The end of one right-hand side and the beginning of the next at the same time t, for the rows of `numbers`:

        `wind_lines` into F, p <- p + factor (F - extrapolated), `unwind_lines` of p; returns the sum of squares of F -
        extrapolated. A row of F is in the cache while it is needed, and is kept nowhere.
        """
        K = len(waves)
        wound, unwound = np.empty(K, dtype=np.complex128), np.empty(K, dtype=np.complex128)
        F, two, last, total = np.empty(K, dtype=np.complex128), np.empty(2, dtype=np.complex128), -1, 0.0
        for r in range(numbers.shape[1]):
            g = group[r]
            if g != last:
                _phase_row(fine[g], coarse[g], to_state[g], start[g], two, wound)
                _phase_row(fine[g], coarse[g], from_state[g], start[g], two, unwound)
                last = g
            line = _line(lines, pieces, r)
            _pick_up(line, pieces, numbers, r)
            execute(forward[0], forward[1], line, waves.ctypes.data)
            _multiply(wound, waves, F)
            total += correct(p[r].view(np.float64), extrapolated[r].view(np.float64), F.view(np.float64), factor)
            _multiply_conjugate(unwound, p[r], waves)
            execute(backward[0], backward[1], waves.ctypes.data, line)
            _put_down(line, pieces, numbers, r)
        return total

    @jit
    def differentiate_lines(lines, pieces, numbers, k, forward, backward, waves):
        """Row r <- transform back of ``i k`` times the transform of row r, one at a time; k (1 or rows, K).

        forward, backward: addresses of two plans; waves: buffer of a row of waves.
        """
        for r in range(numbers.shape[1]):
            row, line = k[r if len(k) > 1 else 0], _line(lines, pieces, r)
            _pick_up(line, pieces, numbers, r)
            execute(forward[0], forward[1], line, waves.ctypes.data)
            for d in range(len(waves)):
                a = waves[d]
                waves[d] = complex(-row[d] * a.imag, row[d] * a.real)
            execute(backward[0], backward[1], waves.ctypes.data, line)
            _put_down(line, pieces, numbers, r)

    # Loops over views that start at 0: with an index that might be negative LLVM does not vectorise.

    @jit
    def _add_two(p, q, s0, s1, t0, t1, D0, D1):
        for z in range(len(p)):
            D0[z] += s0 * p[z] + t0 * q[z]
            D1[z] += s1 * p[z] + t1 * q[z]

    @jit
    def _add_one(p, s0, s1, D0, D1):
        for z in range(len(p)):
            D0[z] += s0 * p[z]
            D1[z] += s1 * p[z]

    @jit
    def _add_to_row(p, q, s, t, D):
        for z in range(len(p)):
            D[z] += s * p[z] + t * q[z]

    @jit
    def _add_moments(P, v, s, D, start, stop):
        """D from 0 on <- the moments of the points start..stop; two modes at a time, so that D is read half as often."""
        width = stop - start
        D[:, :, :width] = 0.0
        axes, modes = v.shape
        for a in range(0, modes - 1, 2):
            for c in range(3):
                p, q = P[a, c, start:stop], P[a + 1, c, start:stop]
                _add_two(p, q, s[a], s[a] * v[0, a], s[a + 1], s[a + 1] * v[0, a + 1], D[0, c, :width], D[1, c, :width])
                for i in range(1, axes):
                    _add_to_row(p, q, s[a] * v[i, a], s[a + 1] * v[i, a + 1], D[i + 1, c, :width])
        if modes % 2:
            a = modes - 1
            for c in range(3):
                p = P[a, c, start:stop]
                _add_one(p, s[a], s[a] * v[0, a], D[0, c, :width], D[1, c, :width])
                for i in range(1, axes):
                    _add_to_row(p, p, s[a] * v[i, a], 0.0, D[i + 1, c, :width])

    # Formulas for any number of axes d: the moments of each axis are three more rows, the numbers one more per axis.

    def _potentials(D, v):
        """The three components of D_0 - sum_i v_i D_i from the rows of D."""
        W = D[:3]
        for i, speed in enumerate(v):
            W = [W[c] - speed * D[3 * (i + 1) + c] for c in range(3)]
        return W

    def _rotated(P, D, v):
        (x, y, z), (wx, wy, wz) = P, _potentials(D, v)
        return wy * z - wz * y, wz * x - wx * z, wx * y - wy * x

    def _rotated_and_driven(written, D, numbers):
        P, v, half, rows = written[:3], numbers[:-1], numbers[-1], 3 * len(numbers)  # half: -s / 2
        slopes = [_potentials(D[rows * (i + 1) : rows * (i + 2)], v) for i in range(len(v))]  # d_i D come after D
        terms = [[half * speed * W for W in slope] for speed, slope in zip(v, slopes)]
        force = [functools.reduce(operator.add, parts) for parts in zip(*terms)]
        x, y, z = (force[c] * P[c] for c in range(3))
        return *_rotated(P, D[:rows], v), x + y + z

    _rotate_4, _rotate_1 = at_once(_rotated, 4), at_once(_rotated, 1)
    _rotate_and_drive_4, _rotate_and_drive_1 = at_once(_rotated_and_driven, 4), at_once(_rotated_and_driven, 1)

    @jit
    def _components(D):
        return D[0], D[1], D[2]

    # As many rows as there are axes: tuples have their lengths when they are compiled, and so one is made for each d.

    @jit
    def _moments_1(D):
        return _components(D[0]) + _components(D[1])

    @jit
    def _moments_2(D):
        return _components(D[0]) + _components(D[1]) + _components(D[2])

    @jit
    def _moments_3(D):
        return _components(D[0]) + _components(D[1]) + _components(D[2]) + _components(D[3])

    @jit
    def _rotate_rows(P, v, rows, start, stop):
        """Rotate the points start..stop; v, rows: tuples of contiguous rows, v[i][mode] and, from `start` on, those of D."""
        width = stop - start
        for a in range(P.shape[0]):
            written, speeds = (P[a, 0, start:stop], P[a, 1, start:stop], P[a, 2, start:stop]), entries(v, a)
            for z in range(0, width - 3, 4):
                _rotate_4(written, rows, speeds, z)
            for z in range(width - width % 4, width):
                _rotate_1(written, rows, speeds, z)

    @jit
    def _rotate_block(P, v, D, start, stop):
        """The points start..stop; D from `start` on."""
        if len(v) == 1:
            _rotate_rows(P, (v[0],), _moments_1(D), start, stop)
        elif len(v) == 2:
            _rotate_rows(P, (v[0], v[1]), _moments_2(D), start, stop)
        else:
            _rotate_rows(P, (v[0], v[1], v[2]), _moments_3(D), start, stop)

    # There are 6 to 48 rows of moments and gradients, which all modes read. A block of them is brought together: where they
    # lie, lines of a power of two points compete for the same places of the cache, of which there are eight.

    @jit
    def _bring(rows, start, stop, near):
        """near[..., : stop - start] = rows[..., start:stop]; rows, near: (any, 3, points)."""
        for i in range(rows.shape[0]):
            for c in range(3):
                near[i, c, : stop - start] = rows[i, c, start:stop]

    @jit
    def _bring_back(near, start, stop, rows):
        for i in range(rows.shape[0]):
            for c in range(3):
                rows[i, c, start:stop] = near[i, c, : stop - start]

    @jit
    def _block_by_block(P, v, s, D, sum_up, turn):
        """D <- the moments of P (sum_up), P <- its rotation by D (turn), or both, a block of points at a time."""
        d, n = len(v), P.shape[2]
        block = BLOCK // d**2
        near = np.empty((1 + d, 3, block + 8))
        for start in range(0, n, block):
            stop = min(start + block, n)
            if sum_up:
                _add_moments(P, v, s, near, start, stop)
                _bring_back(near, start, stop, D)
            else:
                _bring(D, start, stop, near)
            if turn:
                _rotate_block(P, v, near, start, stop)

    def moments(P, v, s, D):  # noqa: F811
        _block_by_block(P, v, s, D, True, False)

    def rotate(P, v, D):  # noqa: F811
        _block_by_block(P, v, v[0], D, False, True)

    def precess(P, v, s, D):  # noqa: F811
        _block_by_block(P, v, s, D, True, True)

    @jit
    def _rotate_and_drive_rows(P, kappa, v, s, rows, start, stop):
        """The points start..stop; v, rows: tuples of contiguous rows, v[i][mode] and, from `start` on, those of D and dD."""
        width = stop - start
        for a in range(P.shape[0]):
            written = P[a, 0, start:stop], P[a, 1, start:stop], P[a, 2, start:stop], kappa[a, start:stop]
            numbers = entries(v, a) + (-0.5 * s[a],)
            for z in range(0, width - 3, 4):
                _rotate_and_drive_4(written, rows, numbers, z)
            for z in range(width - width % 4, width):
                _rotate_and_drive_1(written, rows, numbers, z)

    @jit
    def rotate_and_drive(P, kappa, v, s, D, dD):  # noqa: F811
        d, n = len(v), P.shape[2]
        if d == 1:
            for start in range(0, n, BLOCK):
                stop = min(start + BLOCK, n)
                rows = _moments_1(D[:, :, start:stop]) + _moments_1(dD[0, :, :, start:stop])
                _rotate_and_drive_rows(P, kappa, (v[0],), s, rows, start, stop)
            return
        block = BLOCK // d**2
        near, slopes = np.empty((1 + d, 3, block + 8)), np.empty((d, 1 + d, 3, block + 8))
        for start in range(0, n, block):
            stop = min(start + block, n)
            _bring(D, start, stop, near)
            for i in range(d):
                _bring(dD[i], start, stop, slopes[i])
            if d == 2:
                rows = _moments_2(near) + _moments_2(slopes[0]) + _moments_2(slopes[1])
                _rotate_and_drive_rows(P, kappa, (v[0], v[1]), s, rows, start, stop)
            else:
                rows = _moments_3(near) + _moments_3(slopes[0]) + _moments_3(slopes[1]) + _moments_3(slopes[2])
                _rotate_and_drive_rows(P, kappa, (v[0], v[1], v[2]), s, rows, start, stop)

    @jit
    def push(f, v, s, y, M, dM):  # noqa: F811
        Q, n = f.shape[2], f.shape[3]
        pairs = (Q - 1) // 2
        W, A = np.empty((3, BLOCK)), np.empty((4, BLOCK))
        for start in range(0, n, BLOCK):
            width = min(start + BLOCK, n) - start
            for a in range(f.shape[0]):
                va, half = v[a], 0.5 * s[a] * v[a]
                for z in range(width):
                    A[0, z] = 3.0 * half * (dM[0, 0, start + z] - va * dM[1, 0, start + z])
                    for c in range(3):
                        W[c, z] = M[0, c + 1, start + z] - va * M[1, c + 1, start + z]
                        A[c + 1, z] = half * (dM[0, c + 1, start + z] - va * dM[1, c + 1, start + z])
                _turn(f, a, 0, start, width, W)
                if Q % 2 == 0:
                    _turn(f, a, Q - 1, start, width, W)
                for j in range(1, pairs + 1):
                    N, I = f[a, 0, 2 * j - 1], f[a, 0, 2 * j]
                    X, K = f[a, 1, 2 * j - 1], f[a, 1, 2 * j]
                    Y, L = f[a, 2, 2 * j - 1], f[a, 2, 2 * j]
                    Z, H = f[a, 3, 2 * j - 1], f[a, 3, 2 * j]
                    yj = y[j]
                    for z in range(width):
                        i = start + z
                        a0, ax, ay, az = yj * A[0, z], yj * A[1, z], yj * A[2, z], yj * A[3, z]
                        wx, wy, wz = W[0, z], W[1, z], W[2, z]
                        n0, x0, y0, z0 = N[i], X[i], Y[i], Z[i]
                        n1, x1, y1, z1 = I[i], K[i], L[i], H[i]
                        N[i] = -(a0 * n1 + ax * x1 + ay * y1 + az * z1)
                        I[i] = a0 * n0 + ax * x0 + ay * y0 + az * z0
                        X[i] = wy * z0 - wz * y0 - a0 * x1 - ax * n1
                        K[i] = wy * z1 - wz * y1 + a0 * x0 + ax * n0
                        Y[i] = wz * x0 - wx * z0 - a0 * y1 - ay * n1
                        L[i] = wz * x1 - wx * z1 + a0 * y0 + ay * n0
                        Z[i] = wx * y0 - wy * x0 - a0 * z1 - az * n1
                        H[i] = wx * y1 - wy * x1 + a0 * z0 + az * n0

    @jit
    def _turn(f, a, j, start, width, W):
        """n <- 0, P <- W x P for one amplitude that feels no force."""
        N, X, Y, Z = f[a, 0, j], f[a, 1, j], f[a, 2, j], f[a, 3, j]
        for z in range(width):
            i = start + z
            x, y, u = X[i], Y[i], Z[i]
            N[i] = 0.0
            X[i], Y[i], Z[i] = W[1, z] * u - W[2, z] * y, W[2, z] * x - W[0, z] * u, W[0, z] * y - W[1, z] * x


def warm_up(comm, *others):
    """Compile every kernel, or load it where it is kept; see :func:`nuflux_mpi.kernels.compiling.in_turn`.

    others: functions that call the kernels of other modules once. Collective. Without numba it does nothing.
    """
    if COMPILED:
        compiling.in_turn(comm, (_touch, *others))


def _touch():
    P, D, one, v = np.zeros((1, 3, 1)), np.zeros((2, 3, 1)), np.ones(1), np.ones((1, 1))
    moments(P, v, one, D)
    rotate(P, v, D)
    precess(P, v, one, D)
    rotate_and_drive(P, np.zeros((1, 1)), v, one, D, D[None])
    push(np.zeros((1, 4, 4, 1)), one, one, np.zeros(3), np.zeros((2, 4, 1)), np.zeros((2, 4, 1)))
    table, group = np.ones((1, 64), dtype=complex), np.zeros(1, dtype=np.int64)
    u = np.zeros((1, 1), dtype=complex)
    phase_table(one, np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=complex))
    unwind(u, u, group, one, one, u.copy())
    frozen = u.copy()
    frozen.flags.writeable = False  # as PETSc hands out the state inside a step
    unwind(frozen, u, group, one, one, u.copy())
    wind(u, u, group, one, one, u.copy())
    zero = np.zeros((1, 1), dtype=np.int64)
    phase_factors(one, 1.0, zero, table.copy(), u.copy())
    nowhere, starts = np.zeros(2, dtype=np.intp), np.array([[0, 1]], dtype=np.int64)
    for lines in (np.zeros((0, 1)), np.zeros((0, 1), dtype=complex)):
        rows = lines, np.zeros((0, 4), dtype=np.intp), np.zeros((2, 0), dtype=np.intp)
        for state in (u, frozen):
            unwind_lines(state, group, table, u, u.real.copy(), starts, nowhere, u[0].copy(), *rows)
        wind_lines(*rows, group, table, u, u.real.copy(), starts, nowhere, u[0].copy(), u.copy())
        scales = u.real.copy(), u.real.copy(), starts, nowhere, nowhere
        correct_lines(*rows, group, table, u, *scales, u[0].copy(), u.copy(), u.copy(), 0.0)
        differentiate_lines(*rows, np.ones((1, 1)), nowhere, nowhere, u[0].copy())

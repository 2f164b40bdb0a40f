"""The joint local flow of the self-interaction with matter and the vacuum, and the work of the weak force in it.

At a point d_t P_a = (D_0 - v_a.D_i + lambda (1 - v_a.u) L + x_a B) x P_a. Matter turns all modes about lambda L alike: in the frame
that turns with it, exactly, refraction and the moving part lambda u_i L are what they were, and B turns the other way. There the
series of the moments is taken (`kernels.joint_series`), with moments D_(n, m) = sum_b s_b v_b^n x_b^m P_b where there is a B. The
work needs the gradients of D_0 and D_i at three times of a step, in the frame of the laboratory, where they are those of the box.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from ... import kernels
from ...kernels.expansion import TERMS, TIMES
from .term import Here

# What the constant vectors may turn modes by while one series holds: its last term is then 1e-6 of the moments. Matter alone, at
# rest, is no matter of the series.
LARGEST_TURN = 0.5


class Constants(NamedTuple):
    """What is constant in a local flow: v (m, or m + 1 with the vacuum, modes), A (1 + m, C, n), B (C,), and `rate`, the fastest
    turn that the series must follow."""

    v: np.ndarray
    A: np.ndarray
    B: np.ndarray
    rate: float
    matter: bool


def work_lines(components: int, m: int) -> int:
    """Real functions of space whose gradient one flow takes at level energy: D_0 and D_i at the times of Gauss's formula."""
    return len(TIMES) * (1 + m) * components


def series_lines(components: int, m: int) -> int:
    """Those that it holds beside, at most: what is constant, and the series of D_0, D_i and B."""
    return (1 + m + TERMS * (2 + m)) * components


def constants(here: Here, box) -> Constants:
    """From the sums of what steady terms add, `Here.h` and `Here.w`. Collective.

    ValueError if the vectors w_a of the modes are not x_a B with one B.
    """
    C, n = here.D.shape[1:]
    A, B, v, rate = np.zeros((len(here.D), C, n)), np.zeros(C), here.v, 0.0
    if here.h is not None:
        A[...] = here.h
        still, moving = (box.max(np.sqrt(np.sum(A[i] ** 2, axis=-2))) for i in (slice(0, 1), slice(1, None)))
        rate = moving
    if here.w is not None and here.w.any():
        B = here.w[np.argmax(np.sum(here.w**2, axis=1))].copy()
        x = here.w @ B / (B @ B)  # 1 for the fastest
        if not np.allclose(here.w, np.outer(x, B), rtol=0, atol=1e-12 * np.abs(B).max()):
            raise ValueError("the joint local flow needs the vectors of all modes to be parallel")
        v = np.concatenate((here.v, -x[None]))
        rate += math.sqrt(float(B @ B)) + (still if here.h is not None else 0.0)
    return Constants(np.ascontiguousarray(v), A, B, rate, here.h is not None)


class JointFlow:
    """Carries P, and kappa where there is one, over a time h, in place. Collective.

    here: the arrays at this rank's points, with h and w of all terms; box: where they are.
    """

    def __init__(self, here: Here, box):
        self._here, self._box = here, box

    @functools.cached_property
    def _constants(self):
        return constants(self._here, self._box)

    def __call__(self, h: float) -> None:
        parts = max(1, math.ceil(abs(h) * self._constants.rate / LARGEST_TURN))
        for _ in range(parts):
            self._turn(h / parts)

    def turn_and_drive(self, h: float) -> None:
        """The same for P and kappa."""
        parts = max(1, math.ceil(abs(h) * self._constants.rate / LARGEST_TURN))
        for _ in range(parts):
            self._turn_and_drive(h / parts)

    def _turn(self, h):
        P, given = self._here.fields["P"], self._constants
        kernels.joint_turn(P, given.v, self._here.weight, h, given.A, given.B)
        if given.matter:
            kernels.turn_together(P, given.A[0], h)

    @functools.cached_property
    def _room(self):
        """S, and V with what makes the gradient of it: V lies where that reads its lines."""
        times, (rows, C, n) = len(TIMES), self._here.D.shape
        S = np.zeros((TERMS, 1 + len(self._constants.v), C, n))
        gradient = self._box.gradient(times * rows * C)
        return S, gradient.lines.reshape(times, rows, C, n), gradient

    def _turn_and_drive(self, h):
        here, given, (S, V, gradient) = self._here, self._constants, self._room
        P, kappa = here.fields["P"], here.fields["kappa"]
        kernels.joint_series(P, given.v, here.weight, h, given.A, given.B, S)
        m, A = len(V[0]), given.A[0]
        for x, then in zip(TIMES, V):
            np.einsum("j,jicz->icz", x ** np.arange(TERMS), S[:, :m], out=then)
            if given.matter:
                kernels.turn_together(then, A, x * h)
                then[0] += h * A
        slope = gradient().reshape(self._box.dimensions, *V.shape)
        if given.matter:
            for along in slope:
                for x, then in zip(TIMES, along):
                    kernels.turn_together(then, A, -x * h)
        kernels.joint_drive(P, kappa, given.v, here.speed, here.work, S, slope)
        if given.matter:
            kernels.turn_together(P, A, h)

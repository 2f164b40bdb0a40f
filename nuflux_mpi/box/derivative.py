"""Spectral derivatives of lines, exactly skew-adjoint on the grid: :class:`Slope` in one dimension, else :class:`Gradient`."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from .. import kernels
from ..runtime.shapes import Lines
from .columns import SlopeAcross
from .fft_plans import usable, zeros
from .transform import planned, signed, wave_numbers


class Slope:
    """Spectral derivative d/dz of a batch of lines of a box of one dimension, exactly skew-adjoint on the grid.

    Calling it with lines ``(lines, *local_shape)`` returns their derivative, an array of the same shape that the next
    call overwrites. Two exchanges. `Slope.lines` is where a caller may write the lines to save the copy.
    """

    def __init__(self, box, lines):
        transform = self._transform = box.transform(lines)
        plans = transform.line_plans()
        if plans is None:
            self._differentiate = self._batch
            self._factor = 1j * transform.k / box.global_points
        else:
            self._differentiate = self._line_by_line
            *self._plans, self._waves = plans  # the plans are kept, since kernels have their addresses alone
            self._addresses = plans[0] and np.stack([plan.address for plan in self._plans])
            self._rate = transform.k / box.global_points
        self.lines = transform.physical

    def __call__(self, field: Lines | None = None) -> Lines:
        if field is not None:
            self.lines[...] = field.reshape(self.lines.shape)
        self._differentiate()
        return self.lines

    def _batch(self):
        spectral = self._transform.forward()
        np.multiply(spectral, self._factor, out=spectral)
        self._transform.backward()

    def _line_by_line(self):
        rows = self._transform.collect()
        if self._addresses is not None:
            kernels.differentiate_pencils(rows, self._rate, self._addresses, self._waves)
        self._transform.spread()


class Gradient:
    """Spectral gradient of a batch of lines of a box of two or three dimensions, exactly skew-adjoint on the grid.

    Calling it with lines ``(lines, *local_shape)`` returns their derivatives ``(axes, lines, *local_shape)``, an array that
    the next call overwrites. A derivative along z has each point of the other axes as a line of its own, in slabs: two
    exchanges of real numbers. The others are local, since their axes are whole on every rank.
    """

    def __init__(self, box, lines):
        others = box.plan.across
        rows = lines * math.prod(others)
        along_z = type(box)(box.length[-1], box.points[-1], rows, box.comm, fftw=box.fftw, factor=1, exchange=box.exchange)
        self._along_z = Slope(along_z, rows)
        self.lines = self._along_z.lines.reshape(lines, *box.local_shape)
        self._result = zeros((box.dimensions, *self.lines.shape))
        self._across = [_slope_across(box, self.lines, axis, self._result[axis]) for axis in range(len(others))]

    def __call__(self, field=None):
        if field is not None:
            self.lines[...] = field.reshape(self.lines.shape)
        for differentiate in self._across:
            differentiate()
        self._result[-1] = self._along_z().reshape(self.lines.shape)
        return self._result


def _slope_across(box, lines, axis, slope):
    """A callable for ``slope <- d lines / d(axis)`` along an axis that is whole on every rank; `lines` are kept."""
    from mpi4py_fft import fftw

    points, position = box.points[axis], axis - box.dimensions
    if usable():
        rate = wave_numbers(signed(np.arange(points), points), points, box.length[axis]) / points
        shape = (-1, points, math.prod(lines.shape[position + 1 :]))
        return partial(SlopeAcross(rate, shape[-1], box.fftw), lines.reshape(shape), slope.reshape(shape))
    shape = list(lines.shape)
    shape[position] = points // 2 + 1
    waves = zeros(tuple(shape), complex)
    k = wave_numbers(np.arange(points // 2 + 1), points, box.length[axis])
    factor = (1j / points * k).reshape(-1, *[1] * (-position - 1))
    forward = planned(fftw.rfftn, lambda: (lines, waves), box.fftw, axes=(position,), keep=True)
    backward = planned(fftw.irfftn, lambda: (waves, slope), box.fftw, shape=(points,), axes=(position,))

    def differentiate():
        forward()
        np.multiply(waves, factor, out=waves)
        backward()

    return differentiate

"""FFTW plans for one line or a few columns at a time, which compiled loops can execute: what comes before and after a
transform is then done while they are in the cache.

mpi4py-fft plans whole batches and keeps the plans to itself. The same FFTW library is asked here, found through
mpi4py-fft's own extension module, so that both share what the planner has learned.
"""

import ctypes
from functools import lru_cache

import numpy as np

from ..kernels import kernels

# name of the planner, its sign if it takes one, name of the function that executes the plan
_KINDS = {
    "r2c": ("fftw_plan_dft_r2c_1d", None, "fftw_execute_dft_r2c"),
    "c2r": ("fftw_plan_dft_c2r_1d", None, "fftw_execute_dft_c2r"),
    "forward": ("fftw_plan_dft_1d", -1, "fftw_execute_dft"),
    "backward": ("fftw_plan_dft_1d", +1, "fftw_execute_dft"),
}
_FLAGS = {"measure": 0, "estimate": 1 << 6}
_DESTROY_INPUT, _UNALIGNED = 1 << 0, 1 << 1


@lru_cache(maxsize=None)
def library():
    """FFTW in double precision as mpi4py-fft uses it, or None where its functions cannot be reached."""
    from mpi4py_fft.fftw import fftw_xfftn

    try:
        fftw = ctypes.CDLL(fftw_xfftn.__file__)
        for planner, _, execute in _KINDS.values():
            getattr(fftw, planner).restype = ctypes.c_void_p
            getattr(fftw, execute).restype = None
        fftw.fftw_plan_many_dft.restype = ctypes.c_void_p
        fftw.fftw_destroy_plan.restype = None
        fftw.fftw_alignment_of.restype = ctypes.c_int
        fftw.fftw_init_threads()  # else mpi4py-fft's first plan does so, and FFTW then forgets all plans made before
    except (OSError, AttributeError):
        return None
    return fftw


def usable():
    """Whether there are plans, and compiled loops that can execute them."""
    return kernels.COMPILED and library() is not None


def zeros(shape, dtype=float):
    """A zeroed array aligned for FFTW's vector instructions; sizes may be zero."""
    from mpi4py_fft import fftw

    array = fftw.aligned(shape, dtype=np.dtype(dtype)) if 0 not in shape else np.empty(shape, dtype=dtype)
    array[...] = 0
    return array


class _Plan:
    """A plan of FFTW. ``address = (function, plan)`` are the two addresses for `intrinsics.execute`."""

    def __init__(self, plan, execute):
        self._fftw, self._plan = library(), ctypes.c_void_p(plan)
        function = ctypes.cast(getattr(self._fftw, execute), ctypes.c_void_p).value
        self.address = np.array([function, plan], dtype=np.intp)

    def __del__(self):
        if getattr(self, "_plan", None):
            self._fftw.fftw_destroy_plan(self._plan)


class LinePlan(_Plan):
    """An unnormalised transform of one line of `length` points, out of place; its input is used up.

    kind: "r2c", "c2r", or "forward" and "backward" between complex lines. source, target: (rows, points or waves) arrays
    with contiguous rows, on the first of which the planner scribbles; the plan serves any of their rows. effort:
    "measure" or "estimate".
    """

    def __init__(self, kind, length, source, target, effort):
        planner, sign, execute = _KINDS[kind]
        flags = _FLAGS[effort] | _DESTROY_INPUT
        if not (_alike(source) and _alike(target)):
            flags |= _UNALIGNED
        ends = [ctypes.c_int(length), ctypes.c_void_p(source.ctypes.data), ctypes.c_void_p(target.ctypes.data)]
        signs = [] if sign is None else [ctypes.c_int(sign)]
        super().__init__(getattr(library(), planner)(*ends, *signs, ctypes.c_uint(flags)), execute)


class ColumnPlan(_Plan):
    """An unnormalised complex transform in place along the rows of a matrix, for its first `width` columns.

    kind: "forward" or "backward". points: the rows stand for the points of a grid with so many along each axis, the last
    fastest, and all its axes are transformed. matrix: (rows, width or more) complex, on which the planner scribbles.
    """

    def __init__(self, kind, points, width, matrix, effort):
        _, sign, execute = _KINDS[kind]
        place = [ctypes.c_void_p(matrix.ctypes.data), None, matrix.shape[1], 1]
        plan = library().fftw_plan_many_dft(
            len(points), (ctypes.c_int * len(points))(*points), width, *place, *place, sign, ctypes.c_uint(_FLAGS[effort])
        )
        super().__init__(plan, execute)


def _alike(array):
    """Whether all rows have the alignment of the first, as a plan for aligned lines demands."""
    alignment = library().fftw_alignment_of
    first = alignment(ctypes.c_void_p(array.ctypes.data))
    return first == alignment(ctypes.c_void_p(array.ctypes.data + array.strides[0])) == 0

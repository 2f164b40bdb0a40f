"""FFTW plans for one line or a few columns at a time, which compiled loops can execute: what comes before and after a
transform is then done while they are in the cache.

mpi4py-fft plans whole batches and keeps the plans to itself, so FFTW's own functions are called here. They are in the shared
library that mpi4py-fft's extension module was linked with. `ctypes` opens that module by its file name and finds them through
it: so both use one FFTW, and share what its planner has learned. Where they cannot be reached (`library` is None) transforms
are done in batches by mpi4py-fft, which takes longer; the run, its files and `doctor` say so.

To plan with "measure" takes FFTW a tenth of a second for each kind of transform, since it tries several ways. What it has
learned ("wisdom") is kept for later runs beside the compiled loops (:mod:`~nuflux_mpi.runtime.kept`), one file for each FFTW
and processor. Plans with "estimate" must be the same at each start, so wisdom is read only when something is measured.
"""

import ctypes
import hashlib
import platform
from functools import cache
from typing import Any

import numpy as np

from .. import kernels
from ..runtime import kept

# name of the planner, its sign if it takes one, name of the function that executes the plan
_KINDS = {
    "r2c": ("fftw_plan_dft_r2c_1d", None, "fftw_execute_dft_r2c"),
    "c2r": ("fftw_plan_dft_c2r_1d", None, "fftw_execute_dft_c2r"),
    "forward": ("fftw_plan_dft_1d", -1, "fftw_execute_dft"),
    "backward": ("fftw_plan_dft_1d", +1, "fftw_execute_dft"),
}
_FLAGS = {"measure": 0, "estimate": 1 << 6}
_DESTROY_INPUT, _UNALIGNED = 1 << 0, 1 << 1


@cache
def library() -> Any:
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


@cache
def recall():
    """Take up what FFTW has learned in earlier runs; -> its text, b"" if there is none. To be called before "measure"."""
    fftw = library()
    if not hasattr(fftw, "fftw_import_wisdom_from_string"):
        return b""
    for _, text in kept.contents(_wisdom_name()):
        if fftw.fftw_import_wisdom_from_string(ctypes.c_char_p(text)):
            return text
    return b""


def remember():
    """Keep what FFTW has learned since `recall`, for later runs. Call it on one rank; nothing happens if it measured nothing."""
    fftw = library()
    if not recall.cache_info().currsize or not hasattr(fftw, "fftw_export_wisdom_to_string"):
        return
    fftw.fftw_export_wisdom_to_string.restype = ctypes.c_void_p
    address = ctypes.c_void_p(fftw.fftw_export_wisdom_to_string())
    if address:
        text = ctypes.string_at(address)
        ctypes.CDLL(None).free(address)
        if set(text.splitlines()) != set(recall().splitlines()):  # their order is any
            kept.write(_wisdom_name(), text)


@cache
def _wisdom_name():
    """A file name for this FFTW and this processor: the fastest way on one may be slow on another."""
    version = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(library(), "fftw_version")))
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            model = next((line for line in file if line.startswith("model name")), "")
    except OSError:
        model = ""
    key = repr((version, platform.machine(), model)).encode()
    return f"fftw-{hashlib.sha256(key).hexdigest()[:16]}.wisdom"


def usable():
    """Whether there are plans, and compiled loops that can execute them."""
    return kernels.COMPILED and library() is not None


def why_in_batches() -> str:
    """Why compiled loops cannot transform line by line, which takes longer; "" where they can, or where there are none."""
    return "FFTW's functions cannot be reached" if kernels.COMPILED and library() is None else ""


def zeros(shape, dtype: Any = float) -> np.ndarray:
    """A zeroed array aligned for FFTW's vector instructions; sizes may be zero."""
    from mpi4py_fft import fftw

    array = fftw.aligned(shape, dtype=np.dtype(dtype)) if 0 not in shape else np.empty(shape, dtype=dtype)
    array[...] = 0
    return array


class _Plan:
    """A plan of FFTW. ``address = (function, plan)`` are the two addresses for `kernels.simd.execute`."""

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
        if effort == "measure":
            recall()
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
        if effort == "measure":
            recall()
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

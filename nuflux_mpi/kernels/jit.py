"""Decorators of compiled loops: how far a compiler may reorder their arithmetic. Only where numba is in use."""

from .compiling import njit

# Products and sums may be fused, and signs of zeros lost; the order of sums stays.
jit = njit(fastmath={"contract", "nsz", "arcp"}, boundscheck=False)

# For sums over many points: they may be taken in any order, but the same one at each call.
jit_sum = njit(fastmath={"contract", "nsz", "arcp", "reassoc"}, boundscheck=False)

# As `jit`, but a division stays one.
jit_exact = njit(fastmath={"contract"}, error_model="numpy")

"""The arithmetic of the time loop, compiled with numba where it is installed: no function allocates a state, none knows ranks.

May import runtime. Names: `kernels` (lines, moments, precession), `local_flow`, `full`, `compiling.njit`, `loop_cache`, `simd`.
"""

"""The physics: modes, initial states, the levels of the kinetic equations with their terms, and what is measured.

May import runtime, storage, flavor, kernels, theory, box, time. Names: `modes.Modes`, `levels.LEVELS`, `initial`, `diagnostics`.
"""

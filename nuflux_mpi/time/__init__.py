"""Time integration: PETSc TS, the multistep and the splitting methods. Nothing here knows what is integrated.

May import runtime, storage, kernels. Names: `integrator.Integrator`, `adams.Adams`, `splitting`, `times.schedule`.
"""

"""The periodic box: the part of the grid that each rank holds, and transforms between points and waves.

May import runtime, storage, kernels. Names: `Box`, `box.Transform`.
"""

from ..lazily import offer

__getattr__, __dir__ = offer(__name__, {"Box": "box", "Transform": "box"})

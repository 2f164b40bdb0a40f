"""The periodic box: the part of the grid that each rank holds, and transforms between points and waves.

May import runtime, storage, kernels. Names: `Box`, `Plan` (how it is cut), `Transform`.
"""

from ..lazily import offer

__getattr__, __dir__ = offer(__name__, {"Box": "box", "Plan": "plan", "Transform": "transform"})

"""Figures, drawn with matplotlib when they are asked for.

May import analysis and all rooms before it. Names: `energy`, `spectrum`, `figure_list.draw`, `style`.
"""

from ..lazily import offer

__getattr__, __dir__ = offer(
    __name__, {"energy": "evolution", "spectrum": "evolution", "draw_all": "figure_list", "draw": "figure_list"}
)

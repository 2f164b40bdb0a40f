"""Run directories: their files, names and layout, checkpoints, locks, and the reader that opens them again.

May import config and all rooms before it. Names: `Run`, `run_directory.RunDirectory`, `checkpoint`, `names.LAYOUT`.
"""

from ..lazily import offer

__getattr__, __dir__ = offer(__name__, {"Run": "reader"})

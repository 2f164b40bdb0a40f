"""Names of array shapes, for signatures. To a type checker each is an array; the comment says its shape.

``n`` stands for ``*box.local_shape``, the points of this rank along each axis of the box.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Field = np.ndarray  # (..., n) real: a function of space, any axes in front
Lines = np.ndarray  # (lines, n) real: all lines of a state, or of a gradient
Waves = np.ndarray  # (rows, waves) complex: the rows of a transform that this rank holds
PerRank = np.ndarray  # (ranks,) integers
PerMode = np.ndarray  # (modes,) real
Velocities = np.ndarray  # (modes, axes) real
State = np.ndarray  # (size,) real: this rank's part of the state, two numbers for each complex amplitude

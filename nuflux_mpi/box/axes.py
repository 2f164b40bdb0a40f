"""The names of the axes of a box."""

AXES = {1: ("z",), 2: ("x", "z"), 3: ("x", "y", "z")}  # by their number, in the order of the arrays

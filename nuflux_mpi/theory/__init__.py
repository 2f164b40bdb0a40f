"""Linear stability of the mean state, in plain NumPy.

May import `errors` alone. Names: `linear.spectrum`, `linear.growing`, `dispersion`, `growth_curve`.
"""

"""A run from config to closing line: building, stepping, recording, stopping, warning; and its forecast, `check`.

May import plots and all rooms before it. Names: `simulation.Simulation`, `simulation.simulate`, `check.report`.
"""

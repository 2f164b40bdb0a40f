"""What the program stands on: the environment, the ranks of a communicator, child processes, text, limits of the machine.

May import `errors` alone. Names: `environment.prepare`, `collective.on_root`, `limits`, `text`.
"""

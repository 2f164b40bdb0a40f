"""What is concluded from results and from configs: growth rates, comparison of runs, linear-theory reports.

May import results and all rooms before it. Names: `growth.measure`, `compare`, `linear_problem`, `linear_report`, `unseeded`.
"""

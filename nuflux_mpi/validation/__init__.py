"""Published numbers that the program reaches, one row for each claim.

May import all rooms but cli. Names: `published`.
"""

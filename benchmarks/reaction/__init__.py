"""How long users get a bad version on a real cluster, and how many of their requests fail.

Needs `make cluster`.
"""

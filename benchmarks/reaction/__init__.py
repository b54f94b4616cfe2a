"""How long users are exposed to a bad version on a real cluster, and how many bad answers they get.

Needs `make cluster`.
"""

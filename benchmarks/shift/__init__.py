"""How often, and how soon, tests say that inputs moved, beside KS, PSI and chi-square."""

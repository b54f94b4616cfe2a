"""Where messages go: a module for each kind of target, and its row in `catalogue`."""

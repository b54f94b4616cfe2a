"""Resources of other tools as ModelDeployments: a module for each kind, and its row."""

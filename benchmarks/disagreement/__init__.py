"""How often answers that differ roll a version back, and how soon."""

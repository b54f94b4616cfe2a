"""Rollouts with made-up traffic: what the decision engine does before real users depend on it."""

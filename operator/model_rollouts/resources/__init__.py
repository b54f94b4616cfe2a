"""Builders of the Kubernetes objects of a rollout: no I/O, no clock.

What a revision is and what it runs as is decided here once, when it is rendered; from then on
the stored rendering is the truth.
"""

"""Messages where people work: what the statuses of ModelDeployments say is told to targets.

A process of its own with its own image. It reads ModelDeployments and nothing else, and no
decision waits for it.
"""

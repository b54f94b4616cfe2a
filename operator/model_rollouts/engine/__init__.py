"""The shell around the core: what is seen is kept, planned for when due, and carried out.

The way of an event: source -> store -> queue -> pass (gather, plan, carry out) -> API server.
"""

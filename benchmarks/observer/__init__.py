"""What the observer takes for a record, and what its memory does while its storage is away."""

"""What would have been decided: recorded samples through the real intake and the real judge."""

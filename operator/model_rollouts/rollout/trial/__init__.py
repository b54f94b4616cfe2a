"""What was counted, and what follows from it for the version on trial and for stable beside it."""

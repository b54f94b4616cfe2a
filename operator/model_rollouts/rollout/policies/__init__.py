"""What may happen next: every policy, and the chains that ask them in order (`chain`)."""

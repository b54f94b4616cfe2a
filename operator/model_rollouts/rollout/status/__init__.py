"""What is told of a rollout: its status, conditions, sentence, events and history."""

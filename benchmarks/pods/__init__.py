"""What the operator keeps of pods: memory and requests with two pods for each model."""

"""What the decision engine achieves in simulated rollouts: `python -m benchmarks.decision`."""

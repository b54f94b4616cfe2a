"""What the intake of many rollouts costs: `python -m benchmarks.intake`."""

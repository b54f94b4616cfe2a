"""The adapter to Prometheus: asks what `model_rollouts.metrics` plans, and nothing else."""

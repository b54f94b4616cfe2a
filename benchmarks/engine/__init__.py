"""What the operator costs with many ModelDeployments: `python -m benchmarks.engine`."""

"""What many canaries cost that are judged at the same time: `python -m benchmarks.active`."""

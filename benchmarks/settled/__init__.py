"""What a version costs after its watch: `python -m benchmarks.settled`."""

"""Short benchmarks again, held against committed ranges: `python -m benchmarks.check`."""

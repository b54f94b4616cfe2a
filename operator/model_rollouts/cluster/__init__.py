"""The adapter to Kubernetes: reads, watches and writes objects, and decides nothing."""

"""The command line: tools that work without a cluster."""

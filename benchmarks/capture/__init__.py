"""What capture costs the proxy: CPU and time of a request, beside the same pod without it."""

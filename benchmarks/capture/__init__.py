"""What capture and a fallback cost the proxy: CPU and time of a request, beside a pod without."""

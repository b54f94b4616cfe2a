"""What is told: counters for Prometheus, the worst cases, and whether all is well."""

"""A real Kubernetes cluster in one command, with or without Docker, for tests and demos."""

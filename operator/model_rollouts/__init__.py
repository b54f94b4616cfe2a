"""Progressive rollouts of machine-learning models on Kubernetes, decided by tests with error guarantees."""

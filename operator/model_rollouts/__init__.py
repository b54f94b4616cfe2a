"""Progressive rollouts of machine-learning models on Kubernetes, decided with error guarantees."""

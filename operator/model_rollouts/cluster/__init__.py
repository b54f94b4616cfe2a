"""The adapter to Kubernetes: reads, watches and writes objects, and decides nothing."""

from model_rollouts.cluster import lean_kubernetes

lean_kubernetes.prepare()

"""The story: what is done on the cluster, scene by scene, and how it is told."""

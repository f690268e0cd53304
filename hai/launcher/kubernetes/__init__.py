"""Workers as pods of a Kubernetes cluster, and nodes that come from it."""

"""A platform on a Kubernetes cluster, by whatever kubeconfig the user has."""

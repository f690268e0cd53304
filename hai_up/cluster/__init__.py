"""A platform on Kubernetes: options, the plan and what is rendered of it. Pure."""

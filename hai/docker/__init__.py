"""The one room that knows the Docker engine's API. See docs/decisions/0024-docker-over-http.md."""

"""The way of browsers into the services of tasks: each service at an origin of its own, behind the
platform's login, its bytes through the channels of the agents (docs/decisions/0034-one-door.md)."""

"""The processes of hai-server on a cluster: Deployments, by role."""

from typing import Any

from hai_up.cluster.options import ClusterOptions

Json = dict[str, Any]

API, CONTROL, ALL = "hai-api", "hai-control", "hai-server"
CONTROL_REPLICAS = 2  # one leads, the other one takes over
SERVERS = (ALL, API, CONTROL)  # names that such Deployments have

# A new process is ready before an old one goes: users notice nothing.
_ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def roles_of(options: ClusterOptions) -> list[Json]:
    """API_REPLICAS=0: one process does all, for a manager with little memory."""
    if options.api_replicas == 0:
        # Two that do all would be right as well (one leads); one is what was asked for.
        return [_role(ALL, "all", 1, "api", {"type": "Recreate"})]
    return [
        _role(CONTROL, "control", CONTROL_REPLICAS, "control", _ROLLING),
        _role(API, "api", options.api_replicas, "api", _ROLLING),
    ]


def answers_users(name: str) -> bool:
    """Does the Deployment of this name answer the API?"""
    return name in (ALL, API)


def _role(name: str, role: str, replicas: int, port: str, strategy: Json) -> Json:
    """`port`: the Service sends users to the pods that have a port of the name "api". Only who
    leads speaks to the cluster: a process that only answers users has no account there."""
    server = ["hai-server", "run", "--role", role, "--config", "/hai/config/override.toml"]
    return {
        "name": name,
        "replicas": replicas,
        "port": port,
        "front": "users" if port == "api" else "none",
        "account": "default" if role == "api" else "hai-server",
        "command": ["/usr/bin/tini", "--", *server],
        "strategy": strategy,
    }

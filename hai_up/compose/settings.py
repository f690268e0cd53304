"""override.toml of the servers in containers: without a secret, those are files beside it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from hai.errors import InvalidInput
from hai_up.compose.options import EVERYWHERE, OWN, SOCKET, ComposeOptions, TaskCluster
from hai_up.plan import Sections, added_to, is_loopback
from hai_up.variables import shared_groups

SECRETS = "/run/secrets"  # where compose mounts them
OF_SERVERS = ("pgpass", "redis-password", "signing-key", "kubeconfig")


def server_secrets(known: Mapping[str, str]) -> list[str]:
    """Names of those that a server reads."""
    return [name for name in OF_SERVERS if name in known]


def override(options: ComposeOptions, bridge: str, gpus: int) -> Sections:
    """Paths are those of the containers; folders of tasks have the same path everywhere. `bridge`
    and `gpus`: of ComposeFacts."""
    sections: Sections = {
        "server": {
            "host": "0.0.0.0",  # noqa: S104 - of the container
            "port": 7420,
            "data_dir": f"{options.platform_path}/server",
            "url": _server_url(options),
            "secret_file": f"{SECRETS}/signing-key",
        },
        "store": {"url": _store_url(options)},
        "bus": _bus(options),
        "scheduler": {"default_group": options.training_group},
        "jupyter": shared_groups(options.training_group, options.jupyter_group),
        "logs": {"dir": f"{options.platform_path}/workspace/log"},
    }
    door = _door(options)
    if door:
        sections["door"] = door
    if options.cluster is not None:
        sections["kubernetes"] = _kubernetes(options, options.cluster)
    else:
        sections["docker"] = _docker(options, bridge, gpus)
    return sections


def with_added(ours: Sections, old: Mapping[str, Any], ours_before: Mapping[str, Any]) -> Sections:
    """`ours`, and what an admin added to the old file: that which hai-up had not written there."""
    result = {name: dict(values) for name, values in ours.items()}
    for name, added in added_to(old, ours_before).items():
        result[name] = {**added, **result.get(name, {})}
    return result


def _door(options: ComposeOptions) -> dict[str, Any]:
    """{} where neither a name nor ports are given."""
    if options.ingress_host:
        port = options.door_port
        return {"host": options.ingress_host, "port": 7421, "public_port": port}
    if options.door_ports is None:
        return {}
    host = "127.0.0.1" if options.host == EVERYWHERE else options.host
    first, last = options.door_ports
    return {"ports": f"{first}-{last}", "public_host": host}


def door_ports(options: ComposeOptions) -> list[str]:
    """What compose publishes for the door: of this machine, and of the container."""
    if options.ingress_host:
        return [f"{options.host}:{options.door_port}:7421"]
    if options.door_ports is None:
        return []
    first, last = options.door_ports
    return [f"{options.host}:{first}-{last}:{first}-{last}"]


def _server_url(options: ComposeOptions) -> str:
    """Where agents go: pods to this machine's port, containers to the server beside them."""
    if options.cluster is not None:
        return f"http://{options.cluster.server_address}:{options.port}"
    return f"http://{'api' if options.api_replicas else 'server'}:7420"


def _store_url(options: ComposeOptions) -> str:
    passfile = f"passfile={SECRETS}/pgpass"
    if options.database is None:
        return f"postgresql://{options.postgres_user}@postgres:5432/hai?{passfile}"
    if not options.database.password:
        return options.database.url
    parts = urlsplit(options.database.url)
    query = f"{parts.query}&{passfile}" if parts.query else passfile
    return urlunsplit(parts._replace(query=query))


def _bus(options: ComposeOptions) -> dict[str, Any]:
    password_file = f"{SECRETS}/redis-password"
    if options.bus is None:
        return {"url": "redis://redis:6379/0", "password_file": password_file}
    parts = urlsplit(options.bus.url)
    place = parts.netloc.rpartition("@")[2]
    section = {"url": urlunsplit(parts._replace(netloc=place))}
    if options.bus.password:
        section["password_file"] = password_file
        if parts.username:
            section["username"] = parts.username
    return section


def addresses(options: ComposeOptions, bridge: str) -> list[str]:
    """Where the API listens: with HAI_HOST=127.0.0.1 containers of tasks need another way to it.
    InvalidInput where there is none."""
    needs_bridge = is_loopback(options.host) and options.task_network == OWN
    if options.cluster is not None or not needs_bridge:
        return [options.host]
    if not bridge:
        raise InvalidInput(
            f"HAI_HOST={options.host}: containers of tasks on networks of their own cannot reach "
            "the server, and the engine has no bridge with an address",
            hint="HAI_HOST=0.0.0.0 or an address of this machine; or TASK_NETWORK=host",
        )
    return [options.host, bridge]


def _task_url(options: ComposeOptions, bridge: str) -> str:
    """{gateway}: this machine, as a container sees it from its own network."""
    host = addresses(options, bridge)[-1]
    if host == EVERYWHERE:
        host = "{gateway}" if options.task_network == OWN else "127.0.0.1"
    return f"http://{host}:{options.port}"


def _docker(options: ComposeOptions, bridge: str, gpus: int) -> dict[str, Any]:
    per_node = gpus // options.nodes if options.node_gpus is None else options.node_gpus
    return {
        "socket": SOCKET,
        "nodes": options.nodes,
        "node_gpus": per_node,
        "group": options.training_group,
        "shared_nodes": options.jupyter_nodes,
        "shared_group": options.jupyter_group,
        "network": options.task_network,
        "server_url": _task_url(options, bridge),
        "image": options.train_image,
        "variables": dict(options.environments),
    }


def _kubernetes(options: ComposeOptions, cluster: TaskCluster) -> dict[str, Any]:
    return {
        "kubeconfig": f"{SECRETS}/kubeconfig",
        "context": cluster.context,
        "namespace": cluster.namespace,
        "agent_image": options.base_image,
        "image": options.train_image,
        "label_prefix": cluster.prefix,
        "rdma_resource": "rdma/hca" if cluster.has_rdma else "",
        "variables": dict(options.environments),
    }

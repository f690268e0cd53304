"""What `hai-up run` will do on one machine: a pure function of options and facts.

Nothing here looks at the machine or changes it; the provider carries the plan out, and
`hai-up dryrun` prints it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hai.core.quota import EVERYONE, Quota
from hai.core.types import GroupName, Priority, UserName
from hai_up.config import Options, masked
from hai_up.layout import Layout

HOLLOW_GROUP = "hollow"
# What everybody may use; the levels above are for those whom an admin allows them.
OPEN_LEVELS = (
    Priority.LOW,
    Priority.BELOW_NORMAL,
    Priority.UNDER_NORMAL,
    Priority.NORMAL,
    Priority.ABOVE_NORMAL,
    Priority.HIGH,
)
ALL_LEVELS = (*OPEN_LEVELS, Priority.VERY_HIGH, Priority.EXTREME_HIGH)
NODES_PER_LEAF = 16
DOOR_PORTS = "7430-7493"

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan needs to know of the machine and of earlier runs."""

    cpus: int
    memory_bytes: int
    user_uid: int | None = None  # as whom the first user's programs run; None: as the server
    has_token: bool = False
    has_quotas: bool = False  # of these very nodes, group and user: what an admin set stays


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """`settings` goes into override.toml, `bootstrap` to `hai-server bootstrap` as JSON."""

    options: Options
    url: str
    steps: tuple[str, ...]
    settings: Sections
    bootstrap: dict[str, Any]


def plan_local(options: Options, facts: Facts, database_url: str) -> LocalPlan:
    """`database_url` is the one that the server will use (the embedded one's, or a placeholder)."""
    layout = Layout(options.data_dir)
    url = url_of(options.host, options.port)
    return LocalPlan(
        options=options,
        url=url,
        steps=_steps(options, layout, url),
        settings=_settings(options, layout, url, database_url),
        bootstrap=_bootstrap(options, facts),
    )


def url_of(host: str, port: int) -> str:
    """Where programs on this machine reach a server that listens on `host`."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def added_to(old: Mapping[str, Any], ours: Mapping[str, Any]) -> Sections:
    """The keys of `old` that hai-up, which wrote `ours`, did not write."""
    found: Sections = {}
    for name, values in old.items():
        if isinstance(values, Mapping):
            added = {key: one for key, one in values.items() if key not in ours.get(name, {})}
            if added:
                found[name] = added
    return found


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Sections:
    """Section by section; `over` wins."""
    names = [name for name in (*under, *over) if isinstance(over.get(name, {}), Mapping)]
    return {name: {**under.get(name, {}), **over.get(name, {})} for name in dict.fromkeys(names)}


def with_kept_keys(settings: Mapping[str, Mapping[str, Any]], old: Mapping[str, Any]) -> Sections:
    """`settings` plus what an admin added to the old override.toml; ours win."""
    kept = {name: dict(values) for name, values in old.items() if isinstance(values, Mapping)}
    for name, values in settings.items():
        if name == "door" and name in kept:  # ours is only where to begin
            continue
        kept[name] = {**kept.get(name, {}), **values}
    return kept


def differences(options: Options, running: Mapping[str, Any]) -> list[str]:
    """What a running platform would have to change to be as asked, in words."""
    changed = changed_nodes(options, running)
    lines = [f"{flag_of(name)} is {was}, not {wanted}" for name, was, wanted in changed]
    return lines + fixed_differences(options, running)


def changed_nodes(options: Options, running: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """What can be changed while it runs: each option, what it is and what it should be."""
    return [
        (name, running[name], getattr(options, name))
        for name in ("nodes", "gpus_per_node", "hollow_nodes")
        if getattr(options, name) != running[name]
    ]


def flag_of(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def fixed_differences(options: Options, running: Mapping[str, Any]) -> list[str]:
    """What takes a new start."""
    names: tuple[str, ...] = ("host", "port", "user", "group", "jupyter_group", "jupyter_nodes")
    lines = []
    for name in names:
        is_any_port = name.endswith("port") and getattr(options, name) == 0
        wanted = getattr(options, name)
        if wanted != running.get(name, wanted) and not is_any_port:
            lines.append(f"{flag_of(name)} is {running[name]}, not {wanted}")
    if options.database_url != running["database_url"]:
        lines.append("it uses another database")
    return lines


def _steps(options: Options, layout: Layout, url: str) -> tuple[str, ...]:
    database = (
        f"use the PostgreSQL at {masked(options.database_url)}"
        if options.database_url
        else f"start PostgreSQL in {layout.postgres}"
    )
    hollow = f" and {options.hollow_nodes} hollow nodes" if options.hollow_nodes else ""
    names = ", ".join(user.name for user in options.users)
    users = (f"import the users of USER_INFO: {names}",) if names else ()
    studio = (
        (f"start Studio, the dashboard in the browser, on port {options.studio_port or 'any'}",)
        if options.studio
        else ()
    )
    return (
        "check disk, memory, port and folder",
        f"make {layout.root} and its secret",
        database,
        f"write {layout.config}",
        f"bring the database up to date: user {options.user} (admin), "
        f"{options.nodes} nodes of {options.gpus_per_node} GPUs in group {options.group}{hollow}",
        *users,
        f"start hai-server at {url}, log in {layout.log}",
        "write ~/.hai/conf.yaml, so that hai-cli works at once",
        *studio,
    )


def _settings(options: Options, layout: Layout, url: str, database_url: str) -> Sections:
    shared = {"shared_node_group_prefix": options.jupyter_group}
    jupyter: Sections = {"jupyter": shared} if options.jupyter_nodes else {}
    return {
        "server": {
            "host": options.host,
            "port": options.port,
            "data_dir": str(layout.root),
            "url": url,
            "secret_file": str(layout.secret),
        },
        "store": {"url": database_url},
        "scheduler": {"default_group": options.group},
        **jupyter,
        # beside the API's own address; a port is listened to when a service of a task needs it
        "door": {"ports": DOOR_PORTS},
    }


def _bootstrap(options: Options, facts: Facts) -> dict[str, Any]:
    count = options.nodes - options.jupyter_nodes
    groups = [{"name": options.group, "description": f"{count} shares of this machine"}]
    sizes = {options.group: count}
    if options.jupyter_nodes:
        told = f"{options.jupyter_nodes} shares of this machine, for dev containers"
        groups.append({"name": options.jupyter_group, "description": told})
    if options.hollow_nodes:
        groups.append({"name": HOLLOW_GROUP, "description": "simulated nodes: tasks do not run"})
        sizes[HOLLOW_GROUP] = options.hollow_nodes
    return {
        "user": {"name": options.user, "role": "admin", "uid": facts.user_uid},
        "groups": groups,
        "nodes": [*_local_nodes(options, facts), *_hollow_nodes(options)],
        "replace_nodes": True,
        "quotas": []
        if facts.has_quotas
        else [
            *_quotas(EVERYONE, sizes, OPEN_LEVELS),
            *_quotas(UserName(options.user), sizes, ALL_LEVELS),
        ],
        "new_token": not facts.has_token,
    }


def _local_nodes(options: Options, facts: Facts) -> list[dict[str, Any]]:
    share = {
        "launcher": "local",
        "gpus": options.gpus_per_node,
        "cpus": round(facts.cpus / options.nodes, 2),
        "memory_bytes": facts.memory_bytes // options.nodes,
    }
    training = options.nodes - options.jupyter_nodes
    return [
        {
            "name": f"node-{index + 1:02d}",
            "group": options.group if index < training else options.jupyter_group,
            **share,
            "leaf": f"leaf-{index // NODES_PER_LEAF + 1}",
        }
        for index in range(options.nodes)
    ]


def _hollow_nodes(options: Options) -> list[dict[str, Any]]:
    return [
        {
            "name": f"hollow-{index + 1:04d}",
            "group": HOLLOW_GROUP,
            "launcher": "hollow",
            "gpus": options.gpus_per_node,
            "cpus": 0.0,
            "memory_bytes": 0,
            "leaf": f"hollow-leaf-{index // NODES_PER_LEAF + 1}",
        }
        for index in range(options.hollow_nodes)
    ]


def _quotas(
    user: UserName, sizes: Mapping[str, int], levels: tuple[Priority, ...]
) -> list[dict[str, Any]]:
    rows = (
        Quota(user, GroupName(group), level, nodes)
        for group, nodes in sizes.items()
        for level in levels
    )
    return [{"user": q.user, "resource": q.resource, "nodes": q.nodes} for q in rows]

"""What `hai-up run` makes with Docker: a pure function of options, facts and secrets.

The result is texts: a compose file, what its containers read, and what is to be made of folders.
The provider puts them in place and calls docker compose; `hai-up dryrun` shows them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hai_up.cluster.secrets import PlatformSecrets
from hai_up.compose.options import SOCKET, ComposeOptions
from hai_up.compose.settings import addresses, door_ports, override, server_secrets, with_added
from hai_up.first_rows import UID, Seed, init_sql
from hai_up.render import read_template, render

Json = dict[str, Any]

LABEL = "org.hai.platform"  # of everything that hai-up makes here; its value is the folder
SHARED_SCRIPTS = ("postgres.sh", "redis.sh", "passwd")
POSTGRES, REDIS, STUDIO = "postgres", "redis", "studio"
_SIZES = {
    "database": {"memory": "4g", "cpus": 4.0},
    "redis": {"memory": "1g", "cpus": 1.0},
    "server": {"memory": "4g", "cpus": 4.0},
    "studio": {"memory": "4g", "cpus": 2.0},
}


@dataclass(frozen=True, slots=True)
class ComposeFacts:
    """What the plan needs to know of the machine. `socket_gid`: whose group the engine's socket
    is; `cpus`: how many the engine has, more than which no container may be given; `bridge`: the
    address of the engine's first bridge, "" without one; `gpus`: of the machine; `kubeconfig`: the
    text of HAI_TASKS=k8s; `old_settings`: of the override.toml that is there, and
    `settings_before`: what of it hai-up wrote; `sizes_before`: of the groups at the last run."""

    socket_gid: int = 0
    cpus: int = 4
    bridge: str = ""
    gpus: int = 0
    kubeconfig: str = ""
    old_settings: Mapping[str, Any] = field(default_factory=dict)
    settings_before: Mapping[str, Any] = field(default_factory=dict)
    sizes_before: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class ComposePlan:
    """`files` by name, below `compose_folder`: readable for everybody. `secret_files` by name, in
    `secrets_folder`: for the containers' account alone. `folders`: path, owner and mode of what
    has to be there; `worker_label`: of what the launcher makes; `settings`: those of hai-up in
    override.toml."""

    options: ComposeOptions
    services: tuple[str, ...]
    files: Mapping[str, str]
    secret_files: Mapping[str, str]
    folders: tuple[Json, ...]
    worker_label: str
    settings: Mapping[str, Any]
    init_sql: str
    seed_fingerprint: str


def plan_compose(
    options: ComposeOptions, facts: ComposeFacts, secrets: PlatformSecrets
) -> ComposePlan:
    """`options` with the tokens of all users."""
    texts = {f"scripts/{name}": read_template(f"k8s/{name}") for name in SHARED_SCRIPTS}
    texts["scripts/healthy.py"] = read_template("compose/healthy.py")
    settings = override(options, facts.bridge, facts.gpus)
    sections = with_added(settings, facts.old_settings, facts.settings_before)
    texts["override.toml"] = render("override.toml.j2", sections=sections)
    secret_files = _secret_files(options, facts, secrets)
    seed = _seed(options)
    renews = facts.sizes_before not in (None, options.sizes)
    values = _values(options, facts, secrets, texts, secret_files)
    texts["docker-compose.yaml"] = render("compose/docker-compose.yaml.j2", **values)
    return ComposePlan(
        options=options,
        services=services_of(options),
        files=texts,
        secret_files=secret_files,
        folders=_folders(options),
        worker_label=worker_label(secrets),
        settings=settings,
        init_sql=init_sql(replace(seed, renews_quotas=renews), secrets.admin_token),
        seed_fingerprint=secrets.fingerprint(init_sql(seed, secrets.admin_token)),
    )


def compose_folder(platform_path: str) -> Path:
    """Where hai-up keeps its own: the compose file, what it remembers, its lock."""
    return Path(platform_path) / "compose"


def secrets_folder(options: ComposeOptions) -> str:
    return f"{options.platform_path}/secrets"


def secrets_before(options: ComposeOptions) -> str:
    """A copy for as long as an upgrade takes, to be put back."""
    return f"{secrets_folder(options)}.before"


def servers_of(options: ComposeOptions) -> tuple[str, ...]:
    """The processes of hai-server; the first one answers users."""
    return ("api", "control") if options.api_replicas else ("server",)


def stores_of(options: ComposeOptions) -> tuple[str, ...]:
    """What has to be there before a server is."""
    own = ((POSTGRES, options.database), (REDIS, options.bus))
    return tuple(name for name, given in own if given is None)


def services_of(options: ComposeOptions) -> tuple[str, ...]:
    return (*stores_of(options), *servers_of(options), STUDIO)


def labels_of(options: ComposeOptions) -> dict[str, str]:
    return {LABEL: options.platform_path}


def platform_id(secrets: PlatformSecrets) -> str:
    """By which the launcher knows the containers of this platform from others'."""
    return secrets.fingerprint("docker")[:8]


def worker_label(secrets: PlatformSecrets) -> str:
    """Of the containers and networks of tasks."""
    return f"hai.platform={platform_id(secrets)}"


def launcher_folder(options: ComposeOptions) -> str:
    return f"{options.platform_path}/server/docker"


def _folders(options: ComposeOptions) -> tuple[Json, ...]:
    """Theirs are only those that do not exist yet, but for the secrets."""
    workspace = f"{options.platform_path}/workspace"
    rows: list[Json] = [
        {"path": secrets_folder(options), "uid": UID, "mode": 0o711},
        {"path": f"{options.platform_path}/server", "uid": UID, "mode": 0o711},
        {"path": launcher_folder(options), "uid": UID, "mode": 0o700},
        {"path": workspace, "uid": 0, "mode": 0o755},
        {"path": f"{workspace}/log", "uid": UID, "mode": 0o755},
    ]
    if options.database is None:
        rows.append({"path": f"{options.db_path}/hai", "uid": UID, "mode": 0o700})
    rows += [
        {"path": f"{workspace}/{user.name}", "uid": user.uid, "mode": 0o755}
        for user in options.users
    ]
    return tuple(rows)


def _secret_files(
    options: ComposeOptions, facts: ComposeFacts, secrets: PlatformSecrets
) -> dict[str, str]:
    database, bus = options.database, options.bus
    postgres = secrets.postgres_password if database is None else database.password
    redis = secrets.redis_password if bus is None else bus.password
    files = {"signing-key": secrets.signing_key}
    if database is None:
        files["postgres-password"] = postgres
    if postgres:
        escaped = postgres.replace("\\", "\\\\").replace(":", "\\:")
        files["pgpass"] = f"*:*:*:*:{escaped}\n"
    if redis:
        files["redis-password"] = redis
    if options.cluster is not None:
        files["kubeconfig"] = facts.kubeconfig
    return files


def _values(
    options: ComposeOptions,
    facts: ComposeFacts,
    secrets: PlatformSecrets,
    texts: Mapping[str, str],
    secret_files: Mapping[str, str],
) -> Json:
    for_servers = server_secrets(secret_files)
    folder = compose_folder(options.platform_path)
    roles = _roles(options, facts)
    return {
        "project": options.project,
        "image": options.base_image,
        "uid": UID,
        "labels": labels_of(options),
        "fingerprints": _fingerprints(options, secrets, texts, secret_files),
        "sizes": _fitting_sizes(facts.cpus),
        "own_database": options.database is None,
        "own_bus": options.bus is None,
        "exposes_databases": options.exposes_databases,
        "db_path": options.db_path,
        "postgres_user": options.postgres_user,
        "host": options.host,
        "port": options.port,
        "studio_port": options.studio_port,
        "folder": str(folder),
        "scripts": str(folder / "scripts"),
        "secrets_folder": secrets_folder(options),
        "roles": roles,
        "socket": SOCKET,
        "answering": servers_of(options)[0],
        "server_secrets": for_servers,
        "secret_names": sorted(secret_files),
    }


def _fitting_sizes(cpus: int) -> Json:
    """An engine refuses a limit above what the machine has."""
    return {
        name: {**size, "cpus": min(float(str(size["cpus"])), float(cpus))}
        for name, size in _SIZES.items()
    }


def _roles(options: ComposeOptions, facts: ComposeFacts) -> list[Json]:
    rows = []
    for name in servers_of(options):
        role = "all" if name == "server" else name
        launches = role != "api"
        command = ["hai-server", "run", "--role", role, "--config", "/hai/config/override.toml"]
        rows.append(
            {
                "name": name,
                "command": command,
                "addresses": addresses(options, facts.bridge) if role != "control" else [],
                "door_ports": door_ports(options) if role != "control" else [],
                "folders": [
                    f"{options.platform_path}/workspace",
                    f"{options.platform_path}/server",
                ],
                "socket": options.socket if launches and options.cluster is None else "",
                "socket_gid": facts.socket_gid,
            }
        )
    return rows


def _fingerprints(
    options: ComposeOptions,
    secrets: PlatformSecrets,
    texts: Mapping[str, str],
    secret_files: Mapping[str, str],
) -> dict[str, str]:
    """Of what each service reads, so that a change of it recreates that service alone."""
    settings = {"override.toml": texts["override.toml"]}
    healthy = {"healthy.py": texts["scripts/healthy.py"]}
    servers = {name: secret_files[name] for name in server_secrets(secret_files)}
    read: dict[str, Mapping[str, str]] = {
        POSTGRES: {
            "script": texts["scripts/postgres.sh"],
            "password": secret_files.get("postgres-password", ""),
        },
        REDIS: {
            "script": texts["scripts/redis.sh"],
            "password": secret_files.get("redis-password", ""),
        },
        **{name: {**settings, **healthy, **servers} for name in servers_of(options)},
        STUDIO: healthy,
    }
    return {
        name: secrets.fingerprint(json.dumps(texts_read, sort_keys=True))
        for name, texts_read in read.items()
    }


def _seed(options: ComposeOptions) -> Seed:
    return Seed(
        users=options.users,
        root_user=options.root_user,
        platform_path=options.platform_path,
        sizes=options.sizes,
        jupyter_group=options.jupyter_group,
        train_image=options.train_image,
        mounts=options.mounts,
    )

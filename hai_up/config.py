"""Options of `hai-up`: flag, then environment, then -c FILE, then the last run, then default.

The file is the original's config.sh: shell-style KEY=VALUE lines. It is read, never executed.
"""

import os
import re
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from hai.errors import InvalidInput
from hai_up.state import State
from hai_up.userinfo import SeedUser, users_of

DEFAULT_PORT = 7420
STUDIO_PORT = 8080
JUPYTER_GROUP = "jupyter_cpu"
MAX_NODES = 1000
MAX_HOLLOW_NODES = 20_000
MAX_GPUS = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")

# Variables of the original that describe a cluster of many machines.
CLUSTER_VARIABLES = frozenset({
    "TASK_NAMESPACE", "PLATFORM_NAMESPACE", "KUBECONFIG", "HAI_SERVER_ADDR",
    "HAS_RDMA_HCA_RESOURCE", "MARS_PREFIX", "TRAINING_NODES", "MANAGER_NODES",
    "BASE_IMAGE", "TRAIN_IMAGE", "INGRESS_HOST", "INGRESS_CLASS",
    "POSTGRES_USER", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "BFF_ADMIN_UID", "BFF_ADMIN_TOKEN",
    "DB_PATH", "EXTRA_MOUNTS", "EXTRA_ENVIRONMENTS", "KUBE_CONTEXT", "HAI_PLATFORM_PATH",
    "DB_STORAGE_CLASS", "INGRESS_TLS_SECRET", "SERVICE_TYPE", "EXPOSE_DATABASES",
    "API_REPLICAS", "IMAGE_PULL_SECRETS",
})  # fmt: skip
# Those of one machine with Docker alone.
COMPOSE_VARIABLES = frozenset({
    "HAI_TASKS", "TASK_NETWORK", "HAI_BUS_URL", "HAI_DATABASE_URL", "HAI_DOOR_PORT",
    "HAI_DOOR_PORTS",
})  # fmt: skip
LOCAL_VARIABLES = frozenset({
    "SHARED_FS_ROOT", "NODE_GPUS", "TRAINING_GROUP", "ROOT_USER", "HAI_HOST", "HAI_PORT",
    "NODES", "HOLLOW_NODES", "HAI_STUDIO_PORT", "HAI_PROVIDER", "USER_INFO",
    "JUPYTER_GROUP", "JUPYTER_NODES",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """What the command line said; None: nothing."""

    data_dir: Path | None = None
    host: str | None = None
    port: int | None = None
    nodes: int | None = None
    gpus_per_node: int | None = None
    hollow_nodes: int | None = None
    user: str | None = None
    group: str | None = None
    database_url: str | None = field(default=None, repr=False)
    studio: bool | None = None
    studio_port: int | None = None
    users: tuple[SeedUser, ...] | None = None
    jupyter_group: str | None = None
    jupyter_nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that `run` needs to know, checked. `port` 0: any free one; `users`: those of
    USER_INFO, beside `user` or with it."""

    data_dir: Path
    host: str
    port: int
    nodes: int
    gpus_per_node: int
    hollow_nodes: int
    user: str
    group: str
    database_url: str = field(default="", repr=False)
    studio: bool = True
    studio_port: int = STUDIO_PORT
    users: tuple[SeedUser, ...] = ()
    jupyter_group: str = JUPYTER_GROUP
    jupyter_nodes: int = 0  # the last of `nodes`, which dev containers share


def parse_config(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables of a config.sh; `$NAME` and `${NAME}` refer to earlier ones or the environment.

    Raises InvalidInput naming the line for anything that only a shell could understand.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            name, value = _assignment(stripped, number)
            values[name] = _expand(value, {**environ, **values}, number)
    return values


def _assignment(line: str, number: int) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    hint = "one NAME=value per line; the file is read, not run as a script"
    if match is None:
        raise InvalidInput(f"line {number} is no NAME=value: {line[:60]}", hint=hint)
    name, value = match.groups()
    if "$(" in value or "`" in value:
        raise InvalidInput(
            f"line {number}: {name} runs a command, which is not done",
            hint=f"write what it prints instead: {name}={_printed(value) or 'VALUE'}",
        )
    try:
        words = shlex.split(value, comments=True)
    except ValueError as error:
        raise InvalidInput(f"line {number}: {name}: {error}", hint=hint) from error
    if len(words) > 1:
        raise InvalidInput(f"line {number}: the value of {name} has blanks: quote it", hint=hint)
    return name, words[0] if words else ""


def _printed(value: str) -> str:
    """What the usual commands would print here; "" for any other."""
    command = value.strip("\"'").removeprefix("$(").removesuffix(")").strip("` ")
    known = {"whoami": os_user, "id -un": os_user, "hostname": socket.gethostname}
    known |= {"pwd": os.getcwd, "id -u": lambda: str(os.getuid())}
    return known[command]() if command in known else ""


def os_user() -> str:
    """The account that runs this; "" for a uid without an entry, as in some containers."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _expand(value: str, known: Mapping[str, str], number: int) -> str:
    def look_up(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in known:
            raise InvalidInput(
                f"line {number}: ${name} is not set",
                hint="set it above that line or in the environment",
            )
        return known[name]

    expanded = _REFERENCE.sub(look_up, value)
    if expanded == "~" or expanded.startswith("~/"):
        return known.get("HOME", "~") + expanded[1:]
    return expanded


def warnings_of(values: Mapping[str, str]) -> list[str]:
    """One line for each variable that has no effect on one machine."""
    lines = []
    for name in values:
        if name in CLUSTER_VARIABLES | COMPOSE_VARIABLES:
            lines.append(f"{name} has no effect on one machine")
        elif name not in LOCAL_VARIABLES:
            lines.append(f"{name} is not a variable of hai-up: ignored")
    return lines


def given_in_file(values: Mapping[str, str]) -> GivenOptions:
    """The options that a config.sh sets."""
    shared = values.get("SHARED_FS_ROOT", "")
    users = users_of(values.get("USER_INFO", ""))
    return GivenOptions(
        data_dir=Path(shared) / "hai-platform" if shared else None,
        host=values.get("HAI_HOST") or None,
        port=_number(values, "HAI_PORT"),
        nodes=_number(values, "NODES"),
        gpus_per_node=_number(values, "NODE_GPUS"),
        hollow_nodes=_number(values, "HOLLOW_NODES"),
        user=values.get("ROOT_USER") or (users[0].name if users else None),
        group=values.get("TRAINING_GROUP") or None,
        studio_port=_number(values, "HAI_STUDIO_PORT"),
        users=users or None,
        jupyter_group=values.get("JUPYTER_GROUP") or None,
        jupyter_nodes=_number(values, "JUPYTER_NODES"),
    )


def _number(values: Mapping[str, str], name: str) -> int | None:
    text = values.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidInput(f"{name}={text} is not a number", hint=f"for example {name}=4")
    return int(text)


def remembered(state: State) -> GivenOptions:
    """The options of the last run in the same folder."""
    return GivenOptions(
        host=state.host,
        port=state.port,
        nodes=state.nodes,
        gpus_per_node=state.gpus_per_node,
        hollow_nodes=state.hollow_nodes,
        user=state.user,
        group=state.group,
        database_url=state.database_url,
        studio=state.studio,
        studio_port=state.studio_port,
        jupyter_group=state.jupyter_group,
        jupyter_nodes=state.jupyter_nodes,
    )


def defaults(data_dir: Path, os_user: str) -> GivenOptions:
    return GivenOptions(
        data_dir=data_dir,
        host="127.0.0.1",
        port=DEFAULT_PORT,
        nodes=4,
        gpus_per_node=8,
        hollow_nodes=0,
        user=user_name_of(os_user),
        group="training",
        database_url="",
        studio=True,
        studio_port=STUDIO_PORT,
        users=(),
        jupyter_group=JUPYTER_GROUP,
        jupyter_nodes=0,
    )


def merged(*layers: GivenOptions) -> GivenOptions:
    """The first layer that says something about an option wins."""
    result = layers[0]
    for layer in layers[1:]:
        gaps = {
            name: getattr(layer, name)
            for name in GivenOptions.__dataclass_fields__
            if getattr(result, name) is None
        }
        result = replace(result, **gaps)
    return result


def resolve(*layers: GivenOptions) -> Options:
    """Checked options. InvalidInput names the first wrong one."""
    given = merged(*layers)
    values = {name: getattr(given, name) for name in GivenOptions.__dataclass_fields__}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise InvalidInput(f"no value for {', '.join(missing)}")
    options = Options(**values)
    _check_range("--port", options.port, 0, 65535)
    _check_range("--studio-port", options.studio_port, 0, 65535)
    _check_range("--nodes", options.nodes, 1, MAX_NODES)
    _check_range("--gpus-per-node", options.gpus_per_node, 0, MAX_GPUS)
    _check_range("--hollow-nodes", options.hollow_nodes, 0, MAX_HOLLOW_NODES)
    _check_name("--user", options.user)
    if not _GROUP.fullmatch(options.group) or options.group == "hollow":
        raise InvalidInput(
            f"the group cannot be {options.group!r}",
            hint="a letter, then up to 31 letters, digits or _; hollow is taken",
        )
    _check_jupyter(options)
    _check_url(options.database_url)
    return options


def _check_jupyter(options: Options) -> None:
    """The nodes that dev containers share are some of the others, in a group of their own."""
    if not 0 <= options.jupyter_nodes < options.nodes:
        raise InvalidInput(
            f"JUPYTER_NODES={options.jupyter_nodes} of {options.nodes} in all: at least one is for "
            "training",
            hint=f"--nodes {max(options.jupyter_nodes, 0) + 1}, or JUPYTER_NODES=0",
        )
    group = options.jupyter_group
    is_taken = group == "hollow" or options.group.startswith(group)
    if not _GROUP.fullmatch(group) or (options.jupyter_nodes and is_taken):
        raise InvalidInput(
            f"JUPYTER_GROUP cannot be {group!r}",
            hint="a letter, then up to 31 letters, digits or _, and no other group begins so",
        )


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidInput(f"{name} {value} is out of range", hint=f"from {low} to {high}")


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{what} cannot be {name!r}",
            hint="a letter, then up to 31 letters, digits, dots, - or _",
        )


def _check_url(url: str) -> None:
    if url and urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise InvalidInput(
            "the database URL is not one of PostgreSQL",
            hint="postgresql://user@host:5432/name",
        )


def refuse_password_in_argv(url: str | None) -> None:
    """Everybody on the machine can read a command line."""
    if url and (urlsplit(url).password or "password=" in urlsplit(url).query):
        raise InvalidInput(
            "a database URL with a password cannot be given on the command line, "
            "where everybody can read it",
            hint="put it in the environment as HAI_DATABASE_URL, or in a file: "
            "--database-url-file FILE",
        )


def masked(url: str) -> str:
    """The URL without its password and options, for people."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}" if url else ""


def user_name_of(os_user: str) -> str:
    """The HAI name of an operating system user; "hai" where the name would not do."""
    return os_user if _NAME.fullmatch(os_user) else "hai"

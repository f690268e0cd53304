"""How each kind of thing looks in a table. Pure: ages are counted from the `now` that is given."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hai.cli.grammar import human_bytes, parse_time
from hai.console.output import Column, ListLayout
from hai.core.duration import short_age
from hai.core.types import WaitCode
from hai.schema import views
from hai.schema.rows import AllowanceView, ImageView, MountView
from hai.wording.amounts import amounts

NOT_PLANNED = WaitCode.NOT_PLANNED.value
STATE_COLOURS = {
    "running": "green",
    "starting": "cyan",
    "queued": "yellow",
    "suspended": "yellow",
    "suspending": "yellow",
    "failed": "red",
    "lost": "red",
    "down": "red",
    "suspect": "yellow",
    "cordoned": "yellow",
    "drained": "yellow",
    "free": "green",
}
Item = Mapping[str, Any]


def _colour_of(key: str) -> Any:
    return lambda item: STATE_COLOURS.get(str(item.get(key)), "")


def _age(key: str, now: float) -> Any:
    def show(item: Item) -> str:
        at = parse_time(item.get(key))
        return "-" if at is None else short_age(now - at)

    return show


def _dash(key: str) -> Any:
    return lambda item: "-" if item.get(key) is None else str(item[key])


def _holders(node: Mapping[str, Any]) -> str:
    """The task that is named beside, and how many more share the node."""
    more = len(node.get("tasks") or ()) - 1
    named: str = _dash("task_id")(node)
    return f"{named} +{more}" if more > 0 else named


def _joined(key: str) -> Any:
    return lambda item: ", ".join(map(str, item.get(key) or ()))


def _fields(view: type) -> tuple[str, ...]:
    return tuple(view.__annotations__)


def why_line(task: Item) -> str:
    """The one line that says why a task waits, or how it ended; "" when there is nothing to say."""
    reason = task.get("reason")
    if not reason:
        return str(task.get("why") or "")
    # True of every task for the blink before its first tick: no news to anybody.
    return "" if reason["code"] == NOT_PLANNED else str(reason["text"])


def tasks_layout(now: float) -> ListLayout:
    """Rows of `list`."""
    columns = (
        Column("id", "ID", right=True),
        Column("name", "NAME", cut=True),
        Column("user", "USER"),
        Column("group", "GROUP"),
        Column("nodes", "NODES", right=True),
        Column("priority", "PRIORITY"),
        Column("state", "STATE", paint=_colour_of("state")),
        Column("chain_status", "CHAIN_STATUS", wide=True),
        Column("suspend_count", "SUSPENDS", right=True, wide=True),
        Column("attempts", "ATTEMPTS", right=True, wide=True),
        Column("array_id", "ARRAY", _dash("array_id"), right=True, wide=True),
        Column("exit_code", "EXIT", _dash("exit_code"), right=True, wide=True),
        Column("submitted_at", "AGE", _age("submitted_at", now), right=True, narrow=True),
        Column("submitted_at", "SUBMITTED_AT", wide=True),
        Column("started_at", "STARTED_AT", _dash("started_at"), wide=True),
        Column("ended_at", "ENDED_AT", _dash("ended_at"), wide=True),
        Column("assigned_nodes", "ASSIGNED_NODES", wide=True, cut=True),
        Column("why", "WHY", why_line, cut=True),
    )
    return ListLayout(columns, "id", _fields(views.TaskView))


def without_why(layout: ListLayout) -> ListLayout:
    """For `status`, which tells the reason below the row."""
    return replace(layout, columns=tuple(c for c in layout.columns if c.key != "why"))


def workers_layout(now: float) -> ListLayout:
    """The second table of `status`: one row per rank."""
    columns = (
        Column("rank", "RANK", right=True),
        Column("state", "STATUS", paint=_colour_of("state")),
        Column("node", "NODE"),
        Column("exit_code", "EXIT", _dash("exit_code"), right=True),
        Column("started_at", "AGE", _age("started_at", now), right=True, narrow=True),
        Column("started_at", "STARTED_AT", _dash("started_at"), wide=True),
        Column("ended_at", "ENDED_AT", _dash("ended_at"), wide=True),
        Column("usage", "USAGE", _usage),
        Column("detail", "DETAIL", cut=True),
    )
    return ListLayout(columns, "rank", _fields(views.WorkerView))


def services_layout() -> ListLayout:
    columns = (
        Column("name", "SERVICE"),
        Column("type", "TYPE"),
        Column("port", "PORT", _dash("port"), right=True),
        Column("rank", "RANK", right=True),
        Column("state", "STATUS", paint=_colour_of("state")),
        Column("exit_code", "EXIT", _dash("exit_code"), right=True),
        Column("starts", "STARTS", right=True),
    )
    return ListLayout(columns, "name", _fields(views.ServiceView))


def nodes_layout() -> ListLayout:
    columns = (
        Column("name", "NODE"),
        Column("status", "STATUS", paint=_colour_of("status")),
        Column("group", "GROUP"),
        Column("gpus", "GPUS", right=True),
        Column("cpus", "CPUS", lambda item: f"{item.get('cpus') or 0:g}", right=True, wide=True),
        Column("memory_bytes", "MEMORY", _memory, right=True, wide=True),
        Column("free", "FREE", _free, wide=True),
        Column("leaf", "LEAF", wide=True),
        Column("zone", "ZONE", wide=True),
        Column("launcher", "LAUNCHER", wide=True),
        Column("health", "HEALTH", wide=True),
        Column("task_id", "TASK", _holders, right=True),
        Column("task_name", "TASK_NAME", cut=True),
        Column("user", "USER"),
        Column("health_why", "WHY", cut=True),
    )
    return ListLayout(columns, "name", _fields(views.NodeView))


def events_layout() -> ListLayout:
    columns = (
        Column("id", "ID", right=True, wide=True),
        Column("at", "AT", lambda item: str(item["at"])[:19] + "Z", narrow=True),
        Column("at", "AT", wide=True),
        Column("task_id", "TASK", _dash("task_id"), right=True),
        Column("kind", "KIND"),
        Column("actor", "ACTOR"),
        Column("user", "USER", wide=True),
        Column("why", "WHY", cut=True),
        Column("data", "DATA", wide=True),
    )
    return ListLayout(columns, "id", _fields(views.EventView))


def users_layout(now: float) -> ListLayout:
    columns = (
        Column("name", "NAME"),
        Column("role", "ROLE"),
        Column("uid", "UID", _dash("uid"), right=True),
        Column("active", "ACTIVE"),
        Column("team", "TEAM", wide=True),
        Column("groups", "GROUPS", _joined("groups"), wide=True),
        Column("gid", "GID", _dash("gid"), right=True, wide=True),
        Column("created_at", "AGE", _age("created_at", now), right=True, narrow=True),
        Column("created_at", "CREATED_AT", wide=True),
    )
    return ListLayout(columns, "name", _fields(views.UserView))


def tokens_layout() -> ListLayout:
    columns = (
        Column("id", "ID"),
        Column("user", "USER"),
        Column("label", "LABEL"),
        Column("expires_at", "EXPIRES_AT", _dash("expires_at")),
        Column("token", "TOKEN"),
    )
    return ListLayout(columns, "token", _fields(views.TokenView))


def token_rows_layout() -> ListLayout:
    columns = (
        Column("id", "ID"),
        Column("user", "USER"),
        Column("label", "LABEL"),
        Column("created_at", "CREATED_AT"),
        Column("expires_at", "EXPIRES_AT", _dash("expires_at")),
        Column("parent", "MADE_WITH", _dash("parent")),
    )
    return ListLayout(columns, "id", _fields(views.TokenRow))


def images_layout() -> ListLayout:
    columns = (
        Column("name", "NAME"),
        Column("ref", "IMAGE"),
        Column("default", "DEFAULT", lambda item: "default" if item.get("default") else ""),
        Column("owners", "FOR", _joined("owners")),
        Column("python", "PYTHON", wide=True),
        Column("variables", "ENVIRONMENTS", wide=True),
    )
    return ListLayout(columns, "name", _fields(ImageView))


def mounts_layout() -> ListLayout:
    columns = (
        Column("name", "NAME"),
        Column("source", "SOURCE"),
        Column("sub_path", "SUB_PATH", wide=True),
        Column("mount_path", "PATH"),
        Column("type", "TYPE"),
        Column("read_only", "ACCESS", lambda item: "ro" if item.get("read_only") else "rw"),
        Column("owners", "FOR", _joined("owners")),
        Column("conditions", "IF", _joined("conditions")),
        Column("removes", "REMOVES", wide=True),
        Column("active", "ACTIVE", wide=True),
    )
    return ListLayout(columns, "name", _fields(MountView))


def allowances_layout() -> ListLayout:
    columns = (
        Column("owner", "FOR"),
        Column("resource", "RESOURCE"),
        Column("amount", "AMOUNT", right=True),
        Column("expires_at", "EXPIRES_AT", _dash("expires_at")),
    )
    return ListLayout(columns, "resource", _fields(AllowanceView))


def quotas_layout() -> ListLayout:
    columns = (
        Column("user", "USER"),
        Column("resource", "RESOURCE"),
        Column("group", "GROUP", wide=True),
        Column("priority", "PRIORITY", wide=True),
        Column("used", "USED", _dash("used"), right=True),
        Column("nodes", "NODES", right=True),
        Column("bar", "", quota_bar, narrow=True),
    )
    return ListLayout(columns, "resource", _fields(views.QuotaView))


def quota_bar(quota: Item, width: int = 20) -> str:
    """[####......] of used nodes; empty when the use is not known."""
    used, limit = quota.get("used"), int(quota["nodes"])
    if used is None:
        return ""
    filled = 0 if limit <= 0 else min(width, -(-width * int(used) // limit))
    return f"[{'#' * filled}{'.' * (width - filled)}]"


def _memory(item: Item) -> str:
    return human_bytes(item.get("memory_bytes") or 0)


def _free(node: Item) -> str:
    """Of a shared node what containers can still get."""
    free = node.get("free")
    return "-" if free is None else amounts(free)


def _usage(worker: Item) -> str:
    usage = worker.get("usage") or {}
    parts = []
    if "cpu_percent" in usage:
        parts.append(f"cpu {usage['cpu_percent']:.0f}%")
    if "memory_bytes" in usage:
        parts.append(f"mem {human_bytes(usage['memory_bytes'])}")
    if "gpu_percent" in usage:
        parts.append(f"gpu {usage['gpu_percent']:.0f}%")
    elif usage.get("gpus"):
        parts.append("gpu unknown")
    if "gpu_memory_bytes" in usage:
        parts.append(f"gpu mem {human_bytes(usage['gpu_memory_bytes'])}")
    return ", ".join(parts)

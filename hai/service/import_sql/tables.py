"""The original's tables: what each row means here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from hai.core.allowance import Allowance, Membership
from hai.core.identity import EXTERNAL, PUBLIC, Role, User
from hai.core.images import Image
from hai.core.mounts import MountKind, parse_mount_type
from hai.core.quota import EVERYONE, Quota, parse_resource
from hai.core.rowset import Host
from hai.core.storage import Storage
from hai.core.types import UserName
from hai.errors import InvalidInput
from hai.service.allowances import check_allowance
from hai.service.images import check_image
from hai.service.import_sql.columns import Row
from hai.service.mounts import check_row, named

_OLD_MOUNTS = ("marsv2-scripts-", "marsv2-entrypoints-", "start-scripts-", "etc-configmap-")
_MOST_NODES = 1_000_000


@dataclass(frozen=True, slots=True)
class OldToken:
    """A token of the original, which users have in their files; `secret` is never shown."""

    user: str
    secret: str = field(repr=False)
    expires_at: float | None = None


Item = User | Membership | Quota | Allowance | Image | Storage | Host | OldToken


@dataclass(frozen=True, slots=True)
class Read:
    """What one row is here; a note says what of it has no meaning any more."""

    items: tuple[Item, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """`past`: columns that are read and have no effect."""

    read: Callable[[Row, float], Read]
    columns: tuple[str, ...]
    past: tuple[str, ...] = ()


def _user(row: Row, _now: float) -> Read:
    name = row.text("user_name")
    user = User(
        name=UserName(name),
        role=Role.USER,
        uid=row.integer("user_id"),
        active=row.boolean("active", default=True),
        nick_name=row.text("nick_name", ""),
        team=row.text("shared_group", ""),
    )
    items: list[Item] = [user]
    role = row.text("role", "internal")
    if role not in ("internal", EXTERNAL):
        raise row.error("role", f"{role!r} is no role: internal or external")
    if role == EXTERNAL:
        items.append(Membership(name, EXTERNAL))
    if row.has("token"):
        items.append(OldToken(name, row.text("token")))
    return Read(tuple(items))


def _user_group(row: Row, _now: float) -> Read:
    return Read((Membership(row.text("user_name"), row.text("group")),))


def _access_token(row: Row, _now: float) -> Read:
    owner, target = row.text("from_user_name"), row.text("access_user_name")
    if not row.boolean("active", default=False):
        return Read()
    if owner != target or row.text("access_scope", "all") != "all":
        return Read(note="tokens that act for somebody else, or for a part, are left out")
    return Read((OldToken(owner, row.text("access_token"), row.moment("expire_at")),))


def _quota(row: Row, now: float) -> Read:
    owner, resource = row.text("user_name"), row.text("resource")
    amount = row.integer("quota")
    if amount is None:
        raise row.error("quota", "quota is missing")
    expires_at = row.moment("expire_time")
    if expires_at is not None and expires_at <= now:
        return Read(note="quotas that have ended are left out")
    if not resource.startswith("node-"):
        allowance = Allowance(owner, resource, amount, expires_at)
        _checked(row, "resource", lambda: check_allowance(allowance))
        return Read((allowance,))
    if expires_at is not None:
        raise row.error("expire_time", "a quota of nodes has no end here: leave expire_time out")
    if not 0 <= amount <= _MOST_NODES:
        raise row.error("quota", f"{amount} is no number of nodes (0 to {_MOST_NODES:,})")
    try:
        group, priority = parse_resource(resource)
    except ValueError as error:
        raise row.error("resource", str(error)) from None
    user = EVERYONE if owner == PUBLIC else UserName(owner)
    return Read((Quota(user, group, priority, amount),))


def _storage(row: Row, _now: float) -> Read:
    source, sub_path = row.text("host_path"), ""
    if source.startswith(_OLD_MOUNTS):
        return Read(note="the original's own config maps are left out: agents bring their scripts")
    try:
        kind, host_path_type = parse_mount_type(row.text("mount_type", ""))
    except ValueError as error:
        raise row.error("mount_type", str(error)) from None
    if kind is not MountKind.HOST_PATH:
        source, _, sub_path = source.partition(":")
    action = row.text("action", "add")
    if action not in ("add", "remove"):
        raise row.error("action", f"{action!r} is no action: add or remove")
    storage = named(
        Storage(
            name="",
            source=source,
            mount_path=row.text("mount_path"),
            kind=kind,
            host_path_type=host_path_type,
            sub_path=sub_path,
            owners=row.texts("owners"),
            conditions=row.texts("conditions"),
            read_only=row.boolean("read_only", default=False),
            removes=action == "remove",
            active=row.boolean("active", default=True),
        )
    )
    _checked(row, "host_path", lambda: check_row(storage))
    return Read((storage,))


def _train_environment(row: Row, _now: float) -> Read:
    config = row.document("config")
    variables, python = config.get("environments") or {}, config.get("python") or ""
    if not isinstance(variables, Mapping) or not isinstance(python, str):
        raise row.error("config", "config: environments is an object, and python a text")
    if any(isinstance(value, dict | list) for value in variables.values()):
        raise row.error("config", "config: an environment variable is a text")
    texts = {str(name): "" if v is None else str(v) for name, v in variables.items()}
    image = Image(row.text("env_name"), row.text("image"), texts, python)
    _checked(row, "env_name", lambda: check_image(image))
    past = sorted(set(config) - {"environments", "python"})
    note = f"config of a train_environment: {', '.join(past)} has no effect" if past else ""
    return Read((image,), note)


def _host(row: Row, _now: float) -> Read:
    gpus = row.integer("gpu_num") or 0
    if not 0 <= gpus <= 1024:
        raise row.error("gpu_num", f"{gpus} is no number of GPUs")
    host = Host(
        node=row.text("node"),
        gpus=gpus,
        group=row.text("origin_group", ""),
        zone=row.text("schedule_zone", ""),
        room=row.text("room", ""),
        flags=row.texts("flags"),
    )
    return Read((host,))


def _checked(row: Row, column: str, check: Callable[[], None]) -> None:
    try:
        check()
    except InvalidInput as error:
        raise row.error(column, error.message, error.hint) from None


TABLES = {
    "user": ImportedTable(
        _user,
        ("user_id", "user_name", "nick_name", "token", "role", "active", "shared_group"),
        ("last_activity",),
    ),
    "user_group": ImportedTable(_user_group, ("user_name", "group")),
    "user_access_token": ImportedTable(
        _access_token,
        (
            "from_user_name",
            "access_user_name",
            "access_token",
            "access_scope",
            "expire_at",
            "active",
        ),
        ("created_at", "created_by", "deleted_by", "updated_at"),
    ),
    "quota": ImportedTable(
        _quota,
        ("user_name", "resource", "quota", "expire_time"),
        ("created_at", "updated_at"),
    ),
    "storage": ImportedTable(
        _storage,
        (
            "host_path",
            "mount_path",
            "owners",
            "conditions",
            "mount_type",
            "read_only",
            "action",
            "active",
        ),
        ("created_at", "updated_at"),
    ),
    "train_environment": ImportedTable(
        _train_environment, ("env_name", "image", "config"), ("schema_template",)
    ),
    "host": ImportedTable(
        _host,
        ("node", "gpu_num", "origin_group", "room", "schedule_zone", "flags"),
        ("type", "use"),
    ),
}

PAST = frozenset(
    {
        "task_ng",
        "unfinished_task_ng",
        "pod_ng",
        "task_error_info",
        "task_metrics",
        "task_tag",
        "task_runtime_config",
        "task_restart_log",
        "train_image",
        "user_image",
        "host_reset_time",
        "node_dmesgs",
        "node_health_check_report",
        "user_artifact",
        "task_artifact_mapping",
        "user_downloaded_files",
        "user_sync_status",
        "message",
        "multi_server_config",
        "storage_monitor_dir",
        "external_quota_change_log",
    }
)
"""Tables of the original that have no part here: left out with a note."""


def meant(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """A hint: what `word` may have been meant to be, or all that there is."""
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"

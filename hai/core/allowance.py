"""What a user may use besides nodes, in the original's spelling: `train_environment:hai_base`,
`cap:IPC_LOCK`, `jupyter:dev`, `hfai:x:10020`, ...

A user's own row wins over those of the user's groups; of these the largest counts.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

PRIVILEGES = ("privileged", "host_ipc", "host_pid", "host_network")
_FLAGS = (
    *PRIVILEGES,
    "node",
    "port",
    "spot_jupyter",
    "dedicated_jupyter",
    "background_task",
)
CAPABILITIES = (  # of Linux, without CAP_
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"),
    *("SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW"),
    *("IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT"),
    *("SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD"),
    *("LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG"),
    *("WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)
_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?:train_environment|jupyter(?:_(?:cpu|memory|gpus|containers))?):[^\s:]{1,200}",
        f"cap:(?:{'|'.join(CAPABILITIES)})",
        r"custom_service:(?:http|tcp|local):(?:\d{1,5}|\*)",
        r"port:[^\s:]+:[^:]+:\d+:\d{1,5}",
        r"node_(?:role_)?limit[^\s:]{0,200}",
        r"[a-z_][a-z0-9_-]{0,31}:x:[1-9]\d{0,8}",
    )
)
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Allowance:
    """`owner`: a user, a group, or "public". `amount` 0 takes away what a group has."""

    owner: str
    resource: str
    amount: int = 1
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """`member` is a user, or a team: then all of the team are in the group."""

    member: str
    group: str


def check_resource(resource: str) -> None:
    """ValueError unless the resource is of a form that this platform knows."""
    if resource in _FLAGS or any(form.fullmatch(resource) for form in _FORMS):
        return
    if resource.startswith("cap:"):
        near = get_close_matches(resource[4:].upper().removeprefix("CAP_"), CAPABILITIES, 1)
        hint = f"; did you mean cap:{near[0]}?" if near else ""
        raise ValueError(f"{resource!r} is no resource: Linux has no such capability{hint}")
    raise ValueError(
        f"{resource!r} is no resource; there are node-<group>-<PRIORITY>, train_environment:<name>,"
        f" jupyter:<group>, jupyter_cpu|memory|gpus|containers:<group>, cap:<CAP>, "
        f"custom_service:<type>:<port>, <group>:x:<gid>, "
        f"{', '.join(_FLAGS)}"
    )


def allowed(
    rows: Iterable[Allowance], user: str, groups: Collection[str], now: float
) -> dict[str, int]:
    """Amounts by resource that count for the user now, those above 0 alone."""
    counted = counting(rows, user, groups, now)
    return {name: amount for name, amount in counted.items() if amount > 0}


def counting(
    rows: Iterable[Allowance], user: str, groups: Collection[str], now: float
) -> dict[str, int]:
    """The same with those of 0, which for a limit is one."""
    own: dict[str, int] = {}
    shared: dict[str, int] = {}
    for row in rows:
        if row.expires_at is not None and row.expires_at <= now:
            continue
        resource = row.resource.replace("${user_name}", user)
        if row.owner == user:
            own[resource] = row.amount
        elif row.owner in groups:
            shared[resource] = max(row.amount, shared.get(resource, 0))
    return {**shared, **own}


def capabilities(amounts: Mapping[str, int]) -> frozenset[str]:
    """Linux capabilities, without CAP_."""
    return frozenset(name[4:] for name in amounts if name.startswith("cap:"))


def privileges(amounts: Mapping[str, int]) -> frozenset[str]:
    return frozenset(name for name in PRIVILEGES if name in amounts)


def unix_groups(amounts: Mapping[str, int]) -> tuple[int, ...]:
    """Group ids of `<name>:x:<gid>`, ascending."""
    parts = (name.split(":") for name in amounts)
    return tuple(sorted({int(one[2]) for one in parts if len(one) == 3 and one[1] == "x"}))

"""How much of a group's shared nodes a user's containers may hold at once.

Written as rows of what users may use, in two spellings. The original's packs three numbers into
one: `jupyter:<group>` is mmmmcccnn, GiB of memory, cores, containers. The readable ones win over it
where they speak: `jupyter_cpu:<group>`, `jupyter_memory:<group>` (GiB), `jupyter_gpus:<group>`,
`jupyter_containers:<group>`. What no row speaks of has no limit but the nodes themselves.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hai.core.allowance import Allowance, counting
from hai.core.identity import User
from hai.core.resources import GIB, MILLI, Resources
from hai.core.types import GroupName, UserName

PACKED = "jupyter"
READABLE = ("jupyter_cpu", "jupyter_memory", "jupyter_gpus", "jupyter_containers")


class ContainerLimits(NamedTuple):
    """Thousandths of a cpu, bytes, GPUs, containers; None: no limit."""

    millicores: int | None = None
    memory_bytes: int | None = None
    gpus: int | None = None
    containers: int | None = None

    def as_data(self) -> dict[str, object]:
        cpus = None if self.millicores is None else self.millicores / MILLI
        data = {"cpu": cpus, "memory_bytes": self.memory_bytes, "gpus": self.gpus}
        data["containers"] = self.containers
        return {name: amount for name, amount in data.items() if amount is not None}

    def exceeded_by(self, held: Resources, containers: int) -> list[str]:
        """Names of what would be over its limit."""
        amounts = (*held, containers)
        return [
            name
            for name, limit, amount in zip(NAMES, self, amounts, strict=True)
            if limit is not None and amount > limit
        ]


NAMES = ("cpu", "memory", "gpus", "containers")
UNLIMITED = ContainerLimits()


class ContainerQuota(NamedTuple):
    """What one user may hold in one group."""

    user: UserName
    group: GroupName
    limits: ContainerLimits


def limits_in(amounts: Mapping[str, int], group: str) -> ContainerLimits:
    """From rows by resource, amounts of 0 included."""
    limits = UNLIMITED
    packed = amounts.get(f"{PACKED}:{group}")
    if packed is not None:
        memory, rest = divmod(packed, 100_000)
        limits = ContainerLimits(rest // 100 * MILLI, memory * GIB, None, rest % 100)
    cpus, gib, gpus, containers = (amounts.get(f"{name}:{group}") for name in READABLE)
    return ContainerLimits(
        limits.millicores if cpus is None else cpus * MILLI,
        limits.memory_bytes if gib is None else gib * GIB,
        limits.gpus if gpus is None else gpus,
        limits.containers if containers is None else containers,
    )


def container_quotas(
    rows: Iterable[Allowance], users: Iterable[User], now: float
) -> tuple[ContainerQuota, ...]:
    """What the rows mean for every user whom one of them concerns, by user and group."""
    mine = [row for row in rows if row.resource.partition(":")[0] in (PACKED, *READABLE)]
    groups = sorted({row.resource.partition(":")[2] for row in mine})
    found = []
    for user in sorted(users, key=lambda user: user.name) if mine else ():
        amounts = counting(mine, user.name, user.owns_as, now)
        for group in groups:
            limits = limits_in(amounts, group)
            if limits != UNLIMITED:
                found.append(ContainerQuota(user.name, GroupName(group), limits))
    return tuple(found)

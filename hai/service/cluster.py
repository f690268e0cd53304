"""Groups, nodes and quotas: use-cases of admins, and the short-lived copy that submits check."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from hai.core.container_quota import container_quotas
from hai.core.identity import User
from hai.core.node import Group, Node
from hai.core.quota import EVERYONE, Quota, QuotaTable, effective, parse_resource
from hai.core.resources import Resources, of_node
from hai.core.service_quota import service_rows
from hai.core.task import EventDraft
from hai.core.types import GroupName, UserName
from hai.errors import InvalidInput, NotFound
from hai.ports import Bus, Clock, Cluster, Identity, Launcher, Rows
from hai.service.access import require_admin
from hai.service.containers import NOT_SHARED, Sharing
from hai.service.images import ImageService
from hai.service.imaging import imageless
from hai.service.owners import require_owners
from hai.service.shape import Shape
from hai.service.signals import EVENTS, SCHEDULE
from hai.wording.unknown import no_group

_MOST_TOLD = 4  # limits in one line of the event log; its data has all


class QuotaStore(Identity, Cluster, Rows, Protocol):
    """What is needed of the store here."""


class ClusterCache:
    """The shape of the cluster, read anew when older than `max_age_seconds` or dropped."""

    def __init__(
        self,
        store: QuotaStore,
        clock: Clock,
        launchers: Mapping[str, Launcher] | None = None,
        max_age_seconds: float = 2.0,
        *,
        images: ImageService | None = None,
        sharing: Sharing = NOT_SHARED,
    ) -> None:
        """`images` says what a user may name; None: whatever is named is taken. `sharing`: which
        groups share their nodes."""
        self.sharing = sharing
        self._store = store
        self._clock = clock
        self.images = images
        self._launchers = {} if launchers is None else launchers
        self._max_age_seconds = max_age_seconds
        self._shape: Shape | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    def drop(self) -> None:
        """Forget the copy: something was changed here."""
        self._shape = None

    async def shape(self) -> Shape:
        """What is known, at most `max_age_seconds` old."""
        if self._is_fresh() and self._shape is not None:
            return self._shape
        async with self._reading:  # one reads, the others wait for it
            if self._shape is None or not self._is_fresh():
                now = self._clock.steady()
                self._shape = await self._read()
                self._read_at = now
            return self._shape

    def _is_fresh(self) -> bool:
        return self._clock.steady() - self._read_at < self._max_age_seconds

    async def _read(self) -> Shape:
        sizes = {group.name: 0 for group in await self._store.groups()}
        nodes = await self._store.nodes()
        have: dict[GroupName, tuple[Resources, ...]] = {}
        for node in nodes:
            sizes[node.group] = sizes.get(node.group, 0) + 1
            have[node.group] = (*have.get(node.group, ()), of_node(node))
        users = await self._store.users()
        quotas = effective(await self._store.quotas(), users)
        allowances = await self._store.allowances()
        rows = container_quotas(allowances, users, self._clock.now())
        limits = {(row.user, row.group): row.limits for row in rows}
        without = imageless(nodes, self._launchers)
        own = service_rows(allowances)
        names = {name for name, one in self._launchers.items() if one.runs_programs}
        programs = frozenset(node.group for node in nodes if node.launcher in names)
        return Shape(sizes, QuotaTable.of(quotas), without, programs, have, limits, own)


class ClusterService:
    """What admins change about groups, nodes and quotas, and what everybody may read."""

    def __init__(self, store: QuotaStore, bus: Bus, clock: Clock, cache: ClusterCache) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._cache = cache

    async def groups(self) -> list[tuple[Group, int]]:
        """Groups with their number of nodes."""
        sizes = (await self._cache.shape()).group_sizes
        return [(group, sizes.get(group.name, 0)) for group in await self._store.groups()]

    async def nodes(self) -> list[Node]:
        return await self._store.nodes()

    async def quotas(self, user: UserName | None) -> list[Quota]:
        """All rows as written, or those that count for one user (own rows, with what the rows of
        groups mean for the user, and everybody's). NotFound for the name of nobody."""
        rows = await self._store.quotas()
        if user is None:
            return rows
        known = await self._store.user(user)
        is_named = known is not None or any(row.user == user for row in rows)
        if not is_named:
            await require_owners(self._store, [user])
        rows = effective(rows, [known] if known is not None else [])
        return [row for row in rows if row.user in (user, EVERYONE)]

    async def set_quotas(
        self, admin: User, rows: Sequence[tuple[str, str, int]], *, dry_run: bool = False
    ) -> list[Quota]:
        """Rows of (user or "*", node-<group>-<PRIORITY>, nodes). All are checked before any is
        written; of a dry run nothing is."""
        require_admin(admin, "changing quotas")
        quotas = [await self._quota(*row) for row in rows]
        await require_owners(self._store, {one.user for one in quotas} - {EVERYONE})
        if dry_run:
            return quotas
        event = quota_event(quotas, await self._store.quotas(), admin.name, self._clock.now())
        await self._store.put_quotas(quotas, event)
        self._cache.drop()
        await self._bus.publish(SCHEDULE)
        await self._bus.publish(EVENTS)
        return quotas

    async def require_group(self, group: str) -> None:
        """NotFound if no node is in it."""
        sizes = (await self._cache.shape()).group_sizes
        if group not in sizes:
            raise no_group(group, sizes, NotFound)

    async def _quota(self, user: str, resource: str, nodes: int) -> Quota:
        try:
            group, priority = parse_resource(resource)
        except ValueError as error:
            raise InvalidInput(str(error), hint="for example node-training-HIGH") from None
        sizes = (await self._cache.shape()).group_sizes
        if group not in sizes:
            raise no_group(group, sizes)
        if not 0 <= nodes <= 1_000_000:
            raise InvalidInput(
                f"{resource}={nodes:,}: a limit is 0 to 1,000,000 nodes",
                hint=f"hai-cli quota set {user} {resource}=1000000 is as good as no limit",
            )
        return Quota(UserName(user), group, priority, nodes)


def quota_event(
    quotas: Sequence[Quota], before: Sequence[Quota], actor: str, now: float
) -> EventDraft:
    """The event of new limits: whose, of what, and what they were."""
    was = QuotaTable.of(before).limits
    told = []
    for one in quotas[:_MOST_TOLD]:
        limit = was.get((one.user, one.group, one.priority))
        whose = "everybody" if one.user == EVERYONE else one.user
        told.append(f"{whose} {one.resource}={one.nodes} ({_was(limit)})")
    if len(quotas) > _MOST_TOLD:
        told.append(f"and {len(quotas) - _MOST_TOLD} more")
    users = {one.user for one in quotas}
    return EventDraft(
        kind="quota.set",
        actor=actor,
        at=now,
        user=next(iter(users)) if len(users) == 1 and EVERYONE not in users else None,
        why=", ".join(told),
        data={f"{one.user} {one.resource}": one.nodes for one in quotas},
    )


def _was(limit: int | None) -> str:
    return "new" if limit is None else f"was {limit}"

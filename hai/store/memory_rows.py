"""The rows that admins write, in dictionaries; part of the store that keeps nothing."""

from dataclasses import replace

from hai.core.allowance import Allowance, Membership
from hai.core.identity import Token, User
from hai.core.images import ENVIRONMENT, Image
from hai.core.quota import Quota
from hai.core.rowset import Host, RowSet
from hai.core.storage import Storage
from hai.core.task import EventDraft
from hai.core.types import GroupName, Priority, UserName
from hai.errors import PlatformError
from hai.store.memory_times import MemoryTimes


class MemoryRows(MemoryTimes):
    """hai.ports.rows.Rows in one process."""

    _users: dict[UserName, User]
    _tokens: dict[str, Token]
    _quotas: dict[tuple[UserName, GroupName, Priority], Quota]

    def __init__(self) -> None:
        super().__init__()
        self._users = {}
        self._tokens = {}
        self._quotas = {}
        self._memberships: set[Membership] = set()
        self._allowances: dict[tuple[str, str], Allowance] = {}
        self._images: dict[str, Image] = {}
        self._storage: dict[str, Storage] = {}
        self._hosts: dict[str, Host] = {}

    def _with_groups(self, user: User) -> User:
        members = {user.name, user.team} - {""}
        groups = {one.group for one in self._memberships if one.member in members}
        return replace(user, groups=tuple(sorted(groups)))

    async def put_rows(self, rows: RowSet, event: EventDraft) -> None:
        users = {**self._users, **{user.name: user for user in rows.users}}
        if any(token.user not in users for token in rows.tokens):
            raise PlatformError("a token needs its user")
        for user in rows.users:
            old = self._users.get(user.name, user)
            self._users[user.name] = replace(user, groups=(), created_at=old.created_at)
        for token in rows.tokens:
            if token.hash not in {one.hash for one in self._tokens.values()}:
                self._tokens.setdefault(token.id, token)
        self._memberships |= set(rows.memberships)
        self._quotas |= {(q.user, q.group, q.priority): q for q in rows.quotas}
        self._allowances |= {(one.owner, one.resource): one for one in rows.allowances}
        self._images |= {one.name: one for one in rows.images}
        self._storage |= {one.name: one for one in rows.storage}
        self._hosts |= {one.node: one for one in rows.hosts}
        self._log(event)

    async def memberships(self) -> list[Membership]:
        return sorted(self._memberships, key=lambda one: (one.member, one.group))

    async def allowances(self) -> list[Allowance]:
        return [self._allowances[key] for key in sorted(self._allowances)]

    async def images(self) -> list[Image]:
        return [self._images[name] for name in sorted(self._images)]

    async def storage(self) -> list[Storage]:
        return [self._storage[name] for name in sorted(self._storage)]

    async def hosts(self) -> list[Host]:
        return [self._hosts[name] for name in sorted(self._hosts)]

    async def remove_image(self, name: str, event: EventDraft) -> bool:
        gone = self._images.pop(name, None)
        if gone is not None:
            resource = f"{ENVIRONMENT}{name}"
            kept = {key: one for key, one in self._allowances.items() if key[1] != resource}
            self._allowances = kept
        return self._removed(gone, event)

    async def remove_storage(self, name: str, event: EventDraft) -> bool:
        return self._removed(self._storage.pop(name, None), event)

    async def remove_allowance(self, owner: str, resource: str, event: EventDraft) -> bool:
        return self._removed(self._allowances.pop((owner, resource), None), event)

    async def remove_membership(self, member: str, group: str, event: EventDraft) -> bool:
        one = Membership(member, group)
        gone = one if one in self._memberships else None
        self._memberships.discard(one)
        return self._removed(gone, event)

    def _removed(self, gone: object | None, event: EventDraft) -> bool:
        if gone is None:
            return False
        self._log(event)
        return True

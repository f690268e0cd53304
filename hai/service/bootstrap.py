"""Brings a database to what an admin's document says: groups, nodes, quotas and a first user."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from hai.core.identity import Role, User
from hai.core.node import Group, Node
from hai.core.quota import Quota, parse_resource
from hai.core.task import EventDraft
from hai.core.types import GroupName, NodeName, UserName
from hai.errors import Conflict, InvalidInput
from hai.ports import Clock, Cluster, Identity, Tasks
from hai.service.cluster import quota_event
from hai.service.users import UserService, make_token, token_text, user_text

_ACTOR = "bootstrap"
_NODE_KEYS = {field.name for field in fields(Node)} - {"health", "health_why"}


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """`secret` is the new token of the user, None when the user had one already."""

    secret: str | None


class BootstrapStore(Identity, Cluster, Tasks, Protocol):
    """What is needed of the store here."""


class Bootstrap:
    """Idempotent: running it again with the same document changes nothing."""

    def __init__(
        self,
        store: BootstrapStore,
        users: UserService,
        clock: Clock,
        *,
        joining: Collection[str] = (),
    ) -> None:
        """`joining`: launchers whose nodes join and leave by themselves, as those of a cluster."""
        self._store = store
        self._users = users
        self._clock = clock
        self._joining = frozenset(joining)

    async def apply(self, document: Mapping[str, Any]) -> Bootstrapped:
        """Everything is checked before anything is written; InvalidInput names what is wrong."""
        groups = [_group(row) for row in _rows(document, "groups")]
        nodes = [_node(row) for row in _rows(document, "nodes")]
        quotas = [_quota(row) for row in _rows(document, "quotas")]
        user = self._user(document.get("user"))
        for group in groups:
            await self._store.put_group(group, self._clock.now())
        if document.get("replace_nodes"):
            await self._remove_others(nodes)
        if nodes:
            await self._store.put_nodes(nodes, self._clock.now())
        if quotas:
            before, now = await self._store.quotas(), self._clock.now()
            event = quota_event(quotas, before, _ACTOR, now)
            await self._store.put_quotas(quotas, event)
        secret = None
        if user is not None:
            secret = await self._first_token(user, renew=bool(document.get("new_token")))
        return Bootstrapped(secret)

    async def _remove_others(self, nodes: Sequence[Node]) -> None:
        """Nodes that are not in the document and do not join by themselves go; Conflict if a task
        holds one of them."""
        keep = {node.name for node in nodes}
        known = await self._store.nodes()
        gone = {node.name for node in known if node.launcher not in self._joining} - keep
        held = {
            name: task.id
            for task in await self._store.active_tasks()
            if task.attempt is not None
            for name in task.attempt.nodes
            if name in gone
        }
        if held:
            name, task_id = min(held.items())
            raise Conflict(
                f"node {name} is to be removed and is held by task {task_id}",
                hint=f"hai-cli suspend {task_id}, then try again",
            )
        if gone:
            await self._store.remove_nodes(gone, self._clock.now())

    def _user(self, row: Any) -> User | None:
        if row is None:
            return None
        if not isinstance(row, Mapping):
            raise InvalidInput("user: an object with name, role and uid is expected")
        role = row.get("role", "user")
        if role not in set(Role):
            raise InvalidInput(f"user.role: {role!r} is no role")
        return self._users.checked(str(row.get("name", "")), Role(role), row.get("uid"))

    async def _first_token(self, user: User, *, renew: bool) -> str | None:
        if await self._store.user(user.name) is None:
            await self._store.add_user(
                user, self._event("user.added", {}, user.name, user_text(user))
            )
        elif not renew:
            return None
        made = make_token(user.name, _ACTOR, self._clock.now())
        data = {"id": made.token.id, "label": _ACTOR}
        event = self._event("token.made", data, user.name, token_text(made.token))
        await self._store.add_token(made.token, event)
        return made.secret

    def _event(self, kind: str, data: Mapping[str, object], user: UserName, why: str) -> EventDraft:
        now = self._clock.now()
        return EventDraft(kind=kind, actor=_ACTOR, at=now, user=user, why=why, data=data)


def _rows(document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    rows = document.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InvalidInput(f"{key}: a list of objects is expected")
    return rows


def _group(row: Mapping[str, Any]) -> Group:
    name = row.get("name")
    if not isinstance(name, str) or not name or "-" in name or "#" in name:
        raise InvalidInput(
            f"groups: {name!r} is no group name", hint="letters, digits and underscores, no dashes"
        )
    return Group(GroupName(name), str(row.get("description", "")))


def _node(row: Mapping[str, Any]) -> Node:
    unknown = set(row) - _NODE_KEYS
    if unknown or not {"name", "group", "launcher"} <= set(row):
        what = f"unknown {sorted(unknown)}" if unknown else "name, group and launcher are needed"
        raise InvalidInput(f"nodes: {what}")
    values = {**row, "name": NodeName(row["name"]), "group": GroupName(row["group"])}
    return Node(**values)


def _quota(row: Mapping[str, Any]) -> Quota:
    try:
        group, priority = parse_resource(str(row["resource"]))
        return Quota(UserName(str(row["user"])), group, priority, int(row["nodes"]))
    except KeyError as error:
        raise InvalidInput(f"quotas: {error.args[0]} is missing") from None
    except ValueError as error:
        raise InvalidInput(f"quotas: {error}") from None

"""Values for tests: every argument has a sensible default, names and ids differ by themselves."""

import itertools
from typing import Any

from hai.core.identity import Token, User
from hai.core.node import Group, Node
from hai.core.plan import Claim
from hai.core.quota import EVERYONE, Quota
from hai.core.task import Attempt, EventDraft, Task, TaskDraft, Worker
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName

NOW = 1_700_000_000.0  # a moment for tests, in Unix seconds

_serial = itertools.count(1)


def run_spec(**changes: Any) -> dict[str, Any]:
    """A submitted document (run yaml, version 2) as JSON data."""
    return {
        "version": 2,
        "name": "train.py",
        "task_type": "training",
        "priority": 10,
        "spec": {"workspace": "/work", "entrypoint": "train.py", "parameters": ""},
        "resource": {"group": "training", "node_count": 1},
        "options": {},
        **changes,
    }


def task_draft(**changes: Any) -> TaskDraft:
    number = next(_serial)
    values: dict[str, Any] = {
        "user": UserName("alice"),
        "name": f"train-{number}.py",
        "group": GroupName("training"),
        "nodes": 1,
        "priority": Priority.NORMAL,
        "spec": run_spec(),
        "chain_id": f"chain-{number}",
        **changes,
    }
    return TaskDraft(**values)


def task(**changes: Any) -> Task:
    number = next(_serial)
    values: dict[str, Any] = {
        "id": TaskId(number),
        "chain_id": f"chain-{number}",
        "user": UserName("alice"),
        "name": f"train-{number}.py",
        "group": GroupName("training"),
        "nodes": 1,
        "priority": Priority.NORMAL,
        "spec": run_spec(),
        "submitted_at": NOW,
        **changes,
    }
    return Task(**values)


def attempt(*nodes: str, **changes: Any) -> Attempt:
    """An attempt with one new worker on each of `nodes` (default: one, "node-0")."""
    names = nodes or ("node-0",)
    values: dict[str, Any] = {
        "number": 1,
        "priority": Priority.NORMAL,
        "created_at": NOW,
        "workers": tuple(Worker(rank, NodeName(name)) for rank, name in enumerate(names)),
        **changes,
    }
    return Attempt(**values)


def claim(**changes: Any) -> Claim:
    values: dict[str, Any] = {
        "task_id": TaskId(next(_serial)),
        "user": UserName("alice"),
        "group": GroupName("training"),
        "nodes": 1,
        "priority": Priority.NORMAL,
        "state": TaskState.QUEUED,
        "submitted_at": NOW,
        **changes,
    }
    return Claim(**values)


def event(kind: str = "test.noted", **changes: Any) -> EventDraft:
    values: dict[str, Any] = {"kind": kind, "actor": "test", "at": NOW, **changes}
    return EventDraft(**values)


def user(name: str = "alice", **changes: Any) -> User:
    values: dict[str, Any] = {"name": UserName(name), "created_at": NOW, **changes}
    return User(**values)


def token(owner: str = "alice", **changes: Any) -> Token:
    number = next(_serial)
    values: dict[str, Any] = {
        "id": f"token-{number}",
        "hash": f"{number:064x}",
        "user": UserName(owner),
        "created_at": NOW,
        **changes,
    }
    return Token(**values)


def group(name: str = "training", **changes: Any) -> Group:
    return Group(GroupName(name), **changes)


def node(name: str = "node-0", **changes: Any) -> Node:
    values: dict[str, Any] = {"group": GroupName("training"), "launcher": "hollow", **changes}
    return Node(NodeName(name), **values)


def nodes(count: int, **changes: Any) -> list[Node]:
    """node-000, node-001, ..."""
    return [node(f"node-{number:03d}", **changes) for number in range(count)]


def quota(limit: int, **changes: Any) -> Quota:
    values: dict[str, Any] = {
        "user": EVERYONE,
        "group": GroupName("training"),
        "priority": Priority.NORMAL,
        **changes,
    }
    return Quota(nodes=limit, **values)

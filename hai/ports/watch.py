"""Cheap questions about many tasks: no documents, no attempts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from hai.core.types import GroupName, Priority, TaskId, UserName


@dataclass(frozen=True, slots=True)
class UnfinishedTasks:
    """A user's unfinished tasks: how many, and the bytes of what was submitted for them."""

    tasks: int = 0
    bytes: int = 0


class Watch(Protocol):
    """This part of hai.ports.Store."""

    async def task_versions(self, ids: Collection[TaskId]) -> Mapping[TaskId, int]:
        """Of those that exist, by id."""

    async def held_nodes(self) -> Mapping[tuple[UserName, GroupName, Priority], int]:
        """How many nodes active tasks hold, by user, group and the level that they count for."""

    async def owners(
        self, ids: Collection[TaskId]
    ) -> Mapping[TaskId, tuple[UserName, float | None]]:
        """Whose these tasks are and when they ended, of those that exist."""

    async def waiting_of(self, users: Collection[UserName]) -> Mapping[UserName, UnfinishedTasks]:
        """Of those who have any. An array's document counts once."""

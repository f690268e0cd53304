"""What probes and monitors ask of the store."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from hai.core.node import Node
from hai.core.types import TaskState
from hai.ports import Cluster, Database, Leading, Tasks


class MonitoringStore(Database, Cluster, Tasks, Leading, Protocol):
    """What is needed of the store here."""


class Monitoring:
    """Reads; nobody has to log in for it."""

    def __init__(self, store: MonitoringStore) -> None:
        self._store = store

    @property
    def leads(self) -> bool:
        """Whether this process has made sure just now that it leads; asks nobody."""
        return self._store.is_leading

    async def check_database(self) -> None:
        """Unavailable unless it answers."""
        await self._store.ping()

    async def counts(self) -> tuple[Mapping[TaskState, int], Sequence[Node]]:
        """Tasks by state, and all nodes."""
        return await self._store.count_tasks(), await self._store.nodes()

"""The bus between the parts of the platform."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    data: Mapping[str, object] = field(default_factory=dict)


class Bus(Protocol):
    """Hints and live figures, never the truth: a lost message costs time, not correctness."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    @property
    def connected_since(self) -> float | None:
        """Since when all that others publish and put has arrived here, in steady seconds of the
        clock; None while it does not. A bus of one process has no others: minus infinity."""

    async def publish(self, topic: str, data: Mapping[str, object] | None = None) -> None: ...

    async def hint(self, topic: str, data: Mapping[str, object] | None = None) -> None:
        """As publish, to this process alone."""

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[AsyncIterator[Message]]:
        """Messages of these topics published while the context is open. A slow reader loses the
        oldest ones instead of growing without bound."""

    async def put_live(self, key: str, value: Mapping[str, object], ttl_seconds: float) -> None: ...

    async def get_live(self, keys: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """Values that have not expired, by key."""

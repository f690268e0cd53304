"""The connection of a store; part of hai.ports.Store."""

from typing import Protocol


class Database(Protocol):
    """Where the store keeps everything."""

    async def open(self) -> None:
        """Connect and bring the schema up to date. Calling it twice is harmless."""

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Raises Unavailable unless the database answers."""

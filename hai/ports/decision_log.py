"""What the scheduler decided, with its inputs; part of hai.ports.Store."""

from typing import Protocol

from hai.core.replay import Record


class DecisionLog(Protocol):
    """Ticks with what they were given, for replay."""

    async def append_journal(self, record: Record) -> None: ...

    async def journal(
        self, since: float, until: float, *, after: int = 0, limit: int = 100
    ) -> list[Record]:
        """Records with id > after up to the time `until`, from the last snapshot at or before
        `since` on (from the first record if there is none), oldest first."""

    async def prune_journal(self, keep_seconds: float) -> int:
        """Forget records of which younger ones tell for so long, but for the last snapshot of them
        and what follows it; how many. From one snapshot to the next counts for a day at the most,
        whatever clock they were written by."""

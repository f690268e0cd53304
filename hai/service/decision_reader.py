"""Reads the decision log, for whoever wants to decide its ticks again."""

from hai.core.replay import Record
from hai.ports import Clock, DecisionLog


class DecisionReader:
    """Its records name everybody's tasks: whoever asks has to be an admin."""

    def __init__(self, log: DecisionLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def records(
        self, since: float | None, until: float | None, *, after: int, limit: int
    ) -> list[Record]:
        """With id > after up to `until`, oldest first, from the last snapshot at or before `since`
        on; None: now."""
        now = self._clock.now()
        return await self._log.journal(
            now if since is None else since,
            now if until is None else until,
            after=after,
            limit=limit,
        )

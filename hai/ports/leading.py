"""What a store knows of who leads; part of hai.ports.Store."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pause:
    """Whether somebody takes the platform down; `renewals` grows whenever that is said."""

    renewals: int
    is_on: bool


class Leading(Protocol):
    """The leader's lease ends with the holder's process, however it dies, and some seconds after
    its last sign of life: `lead` is one, so ask every second.

    Each holder has a term, a number that grows. What a loop writes through `for_loops` after it
    asked `lead` is refused with Unavailable once another term has begun.
    """

    async def lead(self) -> int:
        """Take or keep the lease: the term; 0 while another process holds it."""

    @property
    def is_leading(self) -> bool:
        """Whether this process has made sure just now that it leads; asks nobody."""

    async def pause(self) -> Pause: ...

    async def renew_pause(self, *, is_on: bool) -> Pause: ...

"""By which clock stored times count; part of hai.ports.Store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hai.core.task import EventDraft


@dataclass(frozen=True, slots=True)
class Timebase:
    """By which clock the stored times of unfinished tasks count: `base` is that of `boot`'s steady
    seconds; see Clock."""

    boot: str
    base: float


class StoredTimes(Protocol):
    """The one time base of all stored times, and moving them along with a step of the clock."""

    async def timebase(self) -> Timebase | None:
        """None: nobody has led yet."""

    async def step(
        self,
        was: Timebase | None,
        base: Timebase,
        seconds: float,
        events: Sequence[EventDraft],
        then: Callable[[], None],
    ) -> bool:
        """Replace the time base and move every stored time of the unfinished tasks, of their latest
        attempts and of those attempts' workers by `seconds` (0: none of them), which gives moved
        tasks a new version. `then` is called before anybody in this process reads or writes again.
        False, and nothing is done, if the time base is not `was` any more."""

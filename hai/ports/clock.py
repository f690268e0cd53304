"""The only source of time."""

from typing import Protocol


class Clock(Protocol):
    """The only source of time.

    `now` is `base + steady()`: it runs evenly whatever becomes of the machine's clock, until
    somebody calls `step_to` with what was `measured` (hai.service.timekeeping does, and moves the
    stored times along). `steps` counts that: times of `now` from before and after a step cannot be
    compared.
    """

    steps: int

    def now(self) -> float:
        """Unix seconds, UTC: what is stored and shown."""

    def steady(self) -> float:
        """Seconds that nobody can set: for how long ago something was in this process."""

    @property
    def boot(self) -> str:
        """Names whose `steady` this is: of one boot of one machine; of one process where that is
        not known."""

    @property
    def base(self) -> float:
        """What `now` adds to `steady`."""

    def measured(self) -> float:
        """The `base` by which `now` would show the machine's clock."""

    def step_to(self, base: float) -> None: ...

    async def sleep(self, seconds: float) -> None: ...

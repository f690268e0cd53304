"""The end of a program and of all that came of it: one SIGTERM for each process, the promised
time, then SIGKILL until nothing lives.

A process that is started after the SIGTERM gets none: it is what a handler uses to save. Nor does
one that only reads, through a pipe, what a handler's process prints.
"""

from __future__ import annotations

import signal

from hai.agent import processes
from hai.agent.signals import readers_of_handlers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hai.agent.program import Program

COMPLAIN_SECONDS = 10.0  # of SIGKILL without effect


class Leaving:
    """Times are monotonic seconds, handed in. `is_done`: nothing of the program lives."""

    def __init__(self, program: Program, say: Callable[[str], None]) -> None:
        self._program = program
        self._say = say
        self._began_ticks = 0
        self._has_second_look = True
        self._warned: set[tuple[int, int]] = set()
        self._kill_at: float | None = None
        self._killed_at: float | None = None
        self._has_complained = False
        self.is_ordered = False  # SIGTERM was sent while the program's main process ran
        self.is_done = False

    @property
    def has_begun(self) -> bool:
        return self._kill_at is not None

    @property
    def has_killed(self) -> bool:
        """SIGKILL was needed."""
        return self._killed_at is not None

    def is_due(self, now: float) -> bool:
        """The promised time is over, and nothing was killed yet."""
        return self._kill_at is not None and self._killed_at is None and now >= self._kill_at

    def order(self, now: float, seconds: float) -> None:
        """Somebody wants the program to leave: SIGTERM, and SIGKILL `seconds` later. Once."""
        if not self.has_begun:
            self.is_ordered = True
            self._say(f"stop: SIGTERM now, SIGKILL in {seconds:g} s for whatever still runs then")
            self._terminate(now, seconds, self._program.kin())

    def look_after(self, now: float, seconds: float) -> None:
        """The main process has ended: the rest is to leave, too."""
        kin = self._program.kin()
        if not kin:
            self.is_done = True
        elif not self.has_begun:
            count = _count(len(kin))
            self._say(f"the program left {count} behind: SIGTERM now, SIGKILL in {seconds:g} s")
            self._terminate(now, seconds, kin)
        elif self.is_due(now):
            self._say(f"still running after SIGTERM: {_count(len(kin))}: SIGKILL")
            self.kill(now, kin)
        elif self._killed_at is not None:
            self._kill_again(now, self._killed_at, kin)

    def second_look(self) -> None:
        """SIGTERM for those that were being started when the others got theirs. Those that were
        just being stopped then (a SIGSTOP takes its time) are resumed, whenever that shows."""
        if not self.has_begun or self.has_killed:
            return
        processes.resume_stopped([pid for pid, _ in self._warned])
        if self._has_second_look:
            self._has_second_look = False
            self._warn(self._program.kin(), before_ticks=self._began_ticks)

    def kill(self, now: float, kin: list[int] | None = None) -> None:
        """SIGKILL for everything; `look_after` repeats it."""
        if self._killed_at is None:
            self._killed_at = now
        self._kill_at = now if self._kill_at is None else self._kill_at
        self._program.kill(self._program.kin() if kin is None else kin)

    def _kill_again(self, now: float, killed_at: float, kin: list[int]) -> None:
        self._program.kill(kin)
        if now - killed_at >= COMPLAIN_SECONDS and not self._has_complained:
            self._has_complained = True
            self._say(f"{_count(len(kin))} cannot be killed; the node is not free before they go")

    def _terminate(self, now: float, seconds: float, kin: list[int]) -> None:
        self._kill_at = now + seconds
        self._began_ticks = processes.ticks_since_boot()
        self._warn(kin)

    def _warn(self, kin: list[int], before_ticks: int | None = None) -> None:
        warned = []
        spared = readers_of_handlers(kin, signal.SIGTERM)
        for pid in kin:
            if pid in spared:
                continue
            who = (pid, processes.start_time(pid))
            if who in self._warned or (before_ticks is not None and who[1] >= before_ticks):
                continue
            self._warned.add(who)
            warned.append(pid)
            processes.signal_exactly(*who, signal.SIGTERM)
        processes.resume_stopped(warned)


def _count(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"

"""Stops the program while the server may count it as lost, and lets it go on afterwards.

By SIGSTOP to each of its processes: an agent's own control group holds the agent as well, and the
one of a container cannot be written from inside.
"""

from __future__ import annotations

import signal

from hai.agent import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hai.agent.program import Program

LOOK_SECONDS = 0.5  # between looks for processes that run in spite of it
_ROUNDS = 50  # of looking for what was started by those that were just being stopped
_AT_REST = (b"T", b"t", b"Z", b"X")


class Fence:
    """Times are monotonic seconds, handed in."""

    def __init__(self, program: Program, say: Callable[[str], None]) -> None:
        self._program = program
        self._say = say
        self._since: float | None = None
        self._looked_at = 0.0
        self._stopped: set[tuple[int, int]] = set()  # by us: pid and start time

    def holds(self, now: float, *, may_run: bool) -> bool:
        """Whether the program is paused; call it often."""
        if may_run:
            self._let_go(now)
            return False
        if self._since is None:
            self._since, self._looked_at = now, now
            self._stop_all()
            self._say(
                "no contact with the server: the program is paused until there is, "
                "because the server may start the task on other nodes"
            )
        elif now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._stop_all()
        return True

    def _stop_all(self) -> None:
        for _ in range(_ROUNDS):
            running = [who for who in self._at_work() if who not in self._stopped]
            if not running:
                break
            for who in running:
                if processes.signal_exactly(*who, signal.SIGSTOP):
                    self._stopped.add(who)
        for who in self._at_work():  # somebody sent SIGCONT, or it takes its time
            processes.signal_exactly(*who, signal.SIGSTOP)

    def _at_work(self) -> list[tuple[int, int]]:
        """Those that are not stopped; what somebody else has stopped before stays as it is."""
        return [
            (pid, processes.start_time(pid))
            for pid in self._program.kin()
            if processes.stat_fields(pid)[:1] not in [[state] for state in _AT_REST]
        ]

    def _let_go(self, now: float) -> None:
        if self._since is None:
            return
        for who in self._stopped:
            processes.signal_exactly(*who, signal.SIGCONT)
        seconds, self._since = now - self._since, None
        self._stopped.clear()
        self._say(f"the server is back: the program goes on after a pause of {seconds:.0f} s")

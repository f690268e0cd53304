"""The decisions of one tick so far, as far as the next ones depend on them.

A start or a suspension that is tried changes what plan() asks: the line, its user's room and share,
the nodes, who may be a victim. Everything else, claims, bookings and reminders, changes when the
decision is carried out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hai.core.plan import Claim, Start
from hai.core.state import SchedulerState

if TYPE_CHECKING:
    from hai.core.ground import Gains
    from hai.core.share import Mark


class Draft:
    """Waiting claims get nodes and active ones leave, until `undo`."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state
        self._starts: list[tuple[Claim, Start, Mark, Gains]] = []
        self._leavers: list[Claim] = []

    def start(self, claim: Claim, start: Start) -> None:
        """The claim leaves its line for these nodes, free ones of its group or leaving ones."""
        state = self._state
        group = state.group(claim.group)
        mark = group.shares.mark(claim.user)
        state.lineup.leave(claim)
        state.lineup.activate(claim)
        gains = group.lend(claim, start, state.now)
        self._starts.append((claim, start, mark, gains))

    def leave(self, victim: Claim) -> None:
        """The active claim's nodes are on their way to somebody else."""
        group = self._state.group(victim.group)
        group.see_off(victim)
        for name in victim.holds:
            self._state.ground_of(name, group).hold(name, victim.task_id, leaving=True)
        self._leavers.append(victim)

    def undo_start(self) -> None:
        """The last start is not made."""
        claim = self._starts[-1][0]
        self._take_back()
        self._state.group(claim.group).queue.recover(claim.user)

    def _take_back(self) -> None:
        state = self._state
        claim, start, mark, gains = self._starts.pop()
        group = state.group(claim.group)
        group.shares.restore(claim.user, mark)
        group.take_back(claim, start, gains)
        state.lineup.deactivate(claim)
        state.lineup.join(claim, state.now)

    def undo(self) -> None:
        """All is as it was, but for the order of the lines."""
        state = self._state
        while self._starts:
            self._take_back()
        for victim in self._leavers:
            group = state.group(victim.group)
            for name in victim.holds:
                state.ground_of(name, group).hold(name, victim.task_id, leaving=False)
            group.call_back(victim, state.now)


@contextmanager
def draft(state: SchedulerState) -> Iterator[Draft]:
    """A draft that is undone however the context ends; inside of it there is no trial."""
    state.begin_draft()
    made = Draft(state)
    try:
        yield made
    finally:
        made.undo()
        state.end_draft()

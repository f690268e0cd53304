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
    from hai.core.inventory.nodes import Gains
    from hai.core.queue.fair_share import Mark


class Assumed:
    """Waiting claims get nodes and active ones leave, until `undo`."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state
        self._starts: list[tuple[Claim, Start, Mark, Gains]] = []
        self._leavers: list[Claim] = []

    def start(self, claim: Claim, start: Start) -> None:
        """The claim leaves its line for these nodes, free ones of its group or leaving ones."""
        state = self._state
        group = state.group(claim.group)
        mark = group.fair_share.mark(claim.user)
        state.eligibility.leave(claim)
        state.eligibility.activate(claim)
        gains = group.lend(claim, start, state.now)
        self._starts.append((claim, start, mark, gains))

    def leave(self, victim: Claim) -> None:
        """The active claim's nodes are on their way to somebody else."""
        group = self._state.group(victim.group)
        group.see_off(victim)
        for name in victim.holds:
            self._state.inventory_of(name, group).hold(name, victim.task_id, leaving=True)
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
        group.fair_share.restore(claim.user, mark)
        group.take_back(claim, start, gains)
        state.eligibility.deactivate(claim)
        state.eligibility.join(claim, state.now)

    def undo(self) -> None:
        """All is as it was, but for the order of the lines."""
        state = self._state
        while self._starts:
            self._take_back()
        for victim in self._leavers:
            group = state.group(victim.group)
            for name in victim.holds:
                state.inventory_of(name, group).hold(name, victim.task_id, leaving=False)
            group.call_back(victim, state.now)


@contextmanager
def assuming(state: SchedulerState) -> Iterator[Assumed]:
    """Assumed decisions that is undone however the context ends; inside of it there is no trial."""
    state.begin_assuming()
    made = Assumed(state)
    try:
        yield made
    finally:
        made.undo()
        state.end_assuming()

"""The decisions of one tick so far, as far as the next ones depend on them.

A start or a suspension that is tried changes what plan() asks: the line, its user's room and share,
the nodes, who may be a victim. Everything else, claims, bookings and reminders, changes when the
decision is carried out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from hai.core.inventory.nodes import Gains
from hai.core.plan import Claim, Start
from hai.core.queue.fair_share import Mark
from hai.core.state import SchedulerState


class Assumed:
    """Waiting claims get nodes and active ones leave; each knows how it is taken back."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state
        self._undo: list[Callable[[], None]] = []

    def start(self, claim: Claim, start: Start) -> None:
        """The claim leaves its line for these nodes, free ones of its group or leaving ones."""
        state = self._state
        group = state.group(claim.group)
        mark = group.fair_share.mark(claim.user)
        state.eligibility.leave(claim)
        state.eligibility.activate(claim)
        gains = group.lend(claim, start, state.now)
        self._undo.append(partial(self._take_back, claim, start, mark, gains))

    @contextmanager
    def starting(self, claim: Claim, start: Start) -> Iterator[None]:
        """The claim has started inside of the context."""
        self.start(claim, start)
        try:
            yield
        finally:
            self._undo.pop()()
            self._state.group(claim.group).queue.recover(claim.user)

    def leave(self, victim: Claim) -> None:
        """The active claim's nodes are on their way to somebody else."""
        self._state.group(victim.group).see_off(victim)
        self._hold(victim, leaving=True)
        self._undo.append(partial(self._call_back, victim))

    def undo(self) -> None:
        """All is as it was, but for the order of the lines."""
        while self._undo:
            self._undo.pop()()

    def _take_back(self, claim: Claim, start: Start, mark: Mark, gains: Gains) -> None:
        state = self._state
        group = state.group(claim.group)
        group.fair_share.restore(claim.user, mark)
        group.take_back(claim, start, gains)
        state.eligibility.deactivate(claim)
        state.eligibility.join(claim, state.now)

    def _call_back(self, victim: Claim) -> None:
        self._hold(victim, leaving=False)
        self._state.group(victim.group).call_back(victim, self._state.now)

    def _hold(self, victim: Claim, *, leaving: bool) -> None:
        group = self._state.group(victim.group)
        for name in victim.holds:
            self._state.inventory_of(name, group).hold(name, victim.task_id, leaving=leaving)


@contextmanager
def assuming(state: SchedulerState) -> Iterator[Assumed]:
    """Decisions that are taken back however the context ends. No transaction begins inside it."""
    state.begin_assuming()
    made = Assumed(state)
    try:
        yield made
    finally:
        made.undo()
        state.end_assuming()

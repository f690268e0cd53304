"""Try decisions on the scheduler's state, see what follows, and leave the state as it was."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from hai.core.lifecycle.claim_updates import leaving, starting
from hai.core.plan import Claim, Demotion, Plan, Start
from hai.core.state import SchedulerState
from hai.core.types import TaskId

if TYPE_CHECKING:
    from hai.core.queue.fair_share import Mark
    from hai.core.types import GroupName, UserName


class Transaction:
    """Changes of claims that are remembered, so that they can be undone."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state
        self._before: dict[TaskId, Claim | None] = {}
        self._marks: dict[tuple[GroupName, UserName], Mark] = {}

    def put(self, claim: Claim) -> None:
        """The claim is new, or becomes this, until the transaction ends."""
        old = self._state.claims.get(claim.task_id)
        if old is not None:
            self._mark(old)
        self._mark(claim)
        self._before.setdefault(claim.task_id, old)
        self._state.change(old, claim)

    def remove(self, task_id: TaskId) -> None:
        """The claim is gone until the transaction ends; harmless if it is not there."""
        old = self._state.claims.get(task_id)
        if old is not None:
            self._mark(old)
            self._before.setdefault(task_id, old)
            self._state.remove(task_id, self._state.now)

    def _mark(self, claim: Claim) -> None:
        whose = (claim.group, claim.user)
        if whose not in self._marks:
            self._marks[whose] = self._state.group(claim.group).fair_share.mark(claim.user)

    def undo(self) -> None:
        state = self._state
        for task_id, claim in self._before.items():
            if claim is None:
                state.remove(task_id, state.now)
            else:
                state.put(claim)
        for (name, user), mark in self._marks.items():
            group = state.group(name)
            group.fair_share.restore(user, mark)
            group.queue.refresh(user)


@contextmanager
def transaction(state: SchedulerState) -> Iterator[Transaction]:
    """One that is undone however the context ends. Transactions nest; the inner one ends first."""
    changes = Transaction(state)
    is_inner = state.in_transaction
    state.in_transaction = True
    try:
        yield changes
    finally:
        changes.undo()
        state.in_transaction = is_inner


@contextmanager
def demoted(state: SchedulerState, demotions: Iterable[Demotion]) -> Iterator[Transaction]:
    """The state in which these tasks, as far as they are still there, ask for less."""
    with transaction(state) as changes:
        for demotion in demotions:
            claim = state.claims.get(demotion.task_id)
            if claim is not None and claim.priority > demotion.priority:
                changes.put(replace(claim, priority=demotion.priority))
        yield changes


@contextmanager
def applied(state: SchedulerState, decided: Plan) -> Iterator[Transaction]:
    """The state as it will be when the plan is under way."""
    with demoted(state, decided.demotions) as changes:
        for suspend in decided.suspends:
            victim = state.claims.get(suspend.task_id)
            if victim is not None and victim.state.is_active:
                changes.put(leaving(victim, suspend.for_task, state.now))
        for start in decided.starts:
            _occupy(state, changes, start)
        for handover in decided.handovers:
            _occupy(state, changes, handover)
        yield changes


def _occupy(state: SchedulerState, changes: Transaction, start: Start) -> None:
    claim = state.claims.get(start.task_id)
    if claim is not None and claim.state.is_waiting:
        changes.put(starting(claim, start, state.now))

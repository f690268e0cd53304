"""The line: its answers are those of a plain model that sorts everything anew each time."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hai.core.plan import Claim
from hai.core.queue.job_classes import FairShareKey
from hai.core.queue.ready import ReadyQueue, own_key
from hai.core.types import Priority, TaskId, UserName
from tests.unit.core.clusters import waiting
from tests.unit.core.queue_model import AUTO, LOW, NORMAL, USERS, WIDEST, Model

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = (NORMAL, LOW)
NOW = 6.0  # nobody has waited since later


class Lines(RuleBasedStateMachine):
    """Claims come and go, shares and quotas change; assumed decisions only take claims away, and
    rooms and turns with them, and put all of it back."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(levels=LEVELS)
        self.queue = ReadyQueue(self.model.room_of, self.model.key_of)
        self.last_id = 0
        self.undo: list[Callable[[], UserName]] | None = None

    @property
    def in_draft(self) -> bool:
        return self.undo is not None

    @precondition(lambda self: not self.in_draft)
    @rule(
        user=st.sampled_from(USERS),
        width=st.integers(1, WIDEST),
        asked=st.sampled_from([LOW, NORMAL, AUTO]),
        rank=st.integers(0, 1),
        since=st.integers(0, 5),
    )
    def join(self, user: str, width: int, asked: Priority, rank: int, since: int) -> None:
        self.last_id += 1
        self._add(
            waiting(
                self.last_id,
                width,
                asked,
                user=user,
                custom_rank=float(rank),
                submitted_at=float(since),
            )
        )

    @precondition(lambda self: not self.in_draft and self.model.claims)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self._remove(data.draw(st.sampled_from(sorted(self.model.claims))))

    @precondition(lambda self: not self.in_draft)
    @rule(
        user=st.sampled_from(USERS),
        level=st.sampled_from(LEVELS),
        room=st.integers(0, WIDEST),
        share=st.integers(0, 3),
        last=st.integers(0, 6),
    )
    def change(self, user: UserName, level: Priority, room: int, share: int, last: int) -> None:
        self.model.room[user, level] = room
        self.model.turns[user] = FairShareKey(float(share), float(last))
        self.queue.refresh(user)

    @precondition(lambda self: not self.in_draft)
    @rule()
    def begin_assuming(self) -> None:
        self.queue.begin_assuming()
        self.undo = []

    @precondition(lambda self: self.in_draft and self.model.claims)
    @rule(data=st.data(), more=st.integers(1, 2))
    def give_nodes(self, data: st.DataObject, more: int) -> None:
        """As a start does: the claim leaves, its user has less room and a higher share."""
        self._give(self.model.claims[data.draw(st.sampled_from(sorted(self.model.claims)))], more)

    def _give(self, claim: Claim, more: int) -> None:
        user, level = claim.user, self.model.level(claim)
        room, turns = dict(self.model.room), dict(self.model.turns)
        assert self.undo is not None
        self.undo.append(lambda: self._restore(claim, room, turns))
        self._remove(claim.task_id)
        if level is not None:
            self.model.room[user, level] = room.get((user, level), 4) - claim.nodes
        self.model.turns[user] = FairShareKey(self.model.key_of(user).share + more, NOW)
        self.queue.refresh(user)
        for lower in LEVELS[1:]:
            self.queue.let_fall(lower)

    def _restore(
        self,
        claim: Claim,
        room: dict[tuple[UserName, Priority], int],
        turns: dict[UserName, FairShareKey],
    ) -> UserName:
        self.model.room, self.model.turns = room, turns
        self._add(claim)
        return claim.user

    @precondition(lambda self: self.undo)
    @rule()
    def take_back(self) -> None:
        """The last start is not made after all."""
        assert self.undo
        user = self.undo.pop()()
        self.queue.recover(user)
        for lower in LEVELS[1:]:
            self.queue.let_fall(lower)

    @precondition(lambda self: self.in_draft)
    @rule()
    def end_assuming(self) -> None:
        for step in reversed(self.undo or []):
            step()
        self.queue.end_assuming()
        self.undo = None

    def _add(self, claim: Claim) -> None:
        self.model.claims[claim.task_id] = claim
        self.queue.add(claim)

    def _remove(self, task_id: TaskId) -> None:
        self.queue.remove(self.model.claims.pop(task_id))

    # one question at a time: an answer may put things right that the next one would stumble over

    @rule(level=st.sampled_from(LEVELS))
    def whose_turn(self, level: Priority) -> None:
        assert self.queue.in_turn(level, WIDEST, ()) == next(iter(self.model.at(level)), None)

    @rule(level=st.sampled_from(LEVELS), widest=st.integers(0, WIDEST), data=st.data())
    def whose_turn_on_few_nodes(self, level: Priority, widest: int, data: st.DataObject) -> None:
        skipped = (
            data.draw(st.sets(st.sampled_from(sorted(self.model.claims))))
            if (self.model.claims)
            else set()
        )
        expected = [c for c in self.model.at(level, widest) if c.task_id not in skipped]
        assert self.queue.in_turn(level, widest, skipped) == next(iter(expected), None)

    @rule(level=st.sampled_from(LEVELS), before=st.integers(0, 5), data=st.data())
    def who_is_overdue(self, level: Priority, before: int, data: st.DataObject) -> None:
        """While decisions are assumed some get nodes while the question is still open."""
        given: set[UserName] = set()
        for user in self.queue.overdue(level, before):
            assert user == self.model.overdue(level, before, given)[0]
            given.add(user)
            head = self.queue.head_of(user, level)
            assert head is not None
            if self.in_draft and data.draw(st.booleans()):
                self._give(head, more=data.draw(st.integers(1, 2)))
        assert not self.model.overdue(level, before, given)

    @rule(level=st.sampled_from(LEVELS), before=st.integers(0, 7))
    def whether_they_are_overdue(self, level: Priority, before: int) -> None:
        overdue = self.model.overdue(level, before, set())
        assert all(
            self.queue.is_overdue(user, level, before) == (user in overdue) for user in USERS
        )

    @rule(level=st.sampled_from(LEVELS))
    def how_narrow(self, level: Priority) -> None:
        """While decisions are assumed the bound may be lower than what waits there yet."""
        widths = [claim.nodes for claim in self.model.at(level)]
        assert self.queue.narrowest(level) <= min(widths, default=math.inf)
        if not self.in_draft:
            assert self.queue.narrowest(level) == min(widths, default=math.inf)

    @rule(level=st.sampled_from(LEVELS), user=st.sampled_from(USERS))
    def whose_head(self, level: Priority, user: UserName) -> None:
        assert self.queue.head_of(user, level) == self.model.head(user, level)

    @precondition(lambda self: not self.in_draft)
    @rule(after=st.integers(0, 6))
    def who_is_next_to_lose_patience(self, after: int) -> None:
        since = [place[0] for level in LEVELS for place in self.model.waits(level)]
        assert self.queue.next_overdue(after) == min((s for s in since if s > after), default=None)

    @precondition(lambda self: not self.in_draft)
    @rule()
    def where_all_wait(self) -> None:
        there = {level for claim in self.model.classes() if (level := self.model.level(claim))}
        there |= {LOW} if any(self.model.level(c) is LOW for c in self.model.classes()) else set()
        assert set(self.queue.levels()) == there
        for level in LEVELS:
            lines = self.queue.lines_at(level)
            mine = [c for c in self.model.claims.values() if self.model.level(c) is level]
            assert {key[3] for line in lines.values() for key in line} == {c.task_id for c in mine}
            assert all(line == sorted(line) for line in lines.values())

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.queue) == len(self.model.claims)
        assert {claim.task_id for claim in self.queue.claims()} == set(self.model.claims)


Lines.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestLines = Lines.TestCase


def test_the_order_of_ones_own() -> None:
    """Who lost a node, then one's own ranks, then who joined first, then the lower id."""
    claims = [
        waiting(5, submitted_at=11.0),
        waiting(4, submitted_at=1.0, queued_at=10.0),
        waiting(3, submitted_at=10.0),
        waiting(2, custom_rank=-1.0, submitted_at=50.0),
        waiting(1, first=True, custom_rank=9.0),
    ]
    assert [claim.task_id for claim in sorted(claims, key=own_key)] == [1, 2, 3, 4, 5]


def test_a_width_that_can_fit_no_more_is_looked_at_again() -> None:
    """Only the users who wait with a gang of such a width are put right."""
    model = Model()
    queue = ReadyQueue(model.room_of, model.key_of)
    queue.add(waiting(1, 3))
    assert queue.levels() == [NORMAL]
    model.room[UserName("ada"), NORMAL] = 2
    queue.refresh_widths(3, 4)
    assert queue.levels() == [NORMAL]  # not its width
    queue.refresh_widths(2, 3)
    assert queue.levels() == []
    model.room.clear()
    queue.refresh_all()
    assert queue.levels() == [NORMAL]
    assert queue.is_at(TaskId(1), NORMAL)
    assert not queue.is_at(TaskId(2), NORMAL)
    assert TaskId(1) in queue
    assert queue.claim(TaskId(1)) == replace(waiting(1, 3))

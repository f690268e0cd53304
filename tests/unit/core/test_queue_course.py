"""A line through many ticks: whatever has happened and whatever is being tried, each answer is that
of a plain list."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from hai.core.plan import Claim
from hai.core.queue.job_classes import FairShareKey, task_of
from hai.core.queue.ready import ReadyQueue
from hai.core.types import Priority, TaskId, UserName
from tests.unit.core.clusters import waiting
from tests.unit.core.queue_model import AUTO, LEVELS, USERS, WIDEST, Model

TICKS = 12
STEPS = 6  # of a level by right, and as many as backfill
NOW = 6.0  # when the ticks are; later than anybody has joined the line


@dataclass
class Course:
    """Between two ticks claims come and go, and rooms and shares change. A tick serves the levels
    from the highest to the lowest: claims leave their lines, and some of that is taken back."""

    chance: random.Random
    model: Model = field(default_factory=Model)
    last_id: int = 0
    starts: list[Callable[[], UserName]] = field(default_factory=list)  # how to take them back
    is_backfilling: bool = False

    def __post_init__(self) -> None:
        self.queue = ReadyQueue(self.model.room_of, self.model.key_of)

    # between ticks

    def change(self) -> None:
        claims = list(self.model.claims.values())
        chance = self.chance.random()
        if not claims or (chance < 0.5 and len(claims) < 25):
            self.join()
        elif chance < 0.7:
            self.leave(self.chance.choice(claims))
        else:
            self.renew(self.chance.choice(USERS))

    def join(self) -> None:
        self.last_id += 1
        claim = waiting(
            self.last_id,
            self.chance.randint(1, WIDEST),
            self.chance.choice([*LEVELS, AUTO, AUTO, AUTO]),
            user=self.chance.choice(USERS),
            custom_rank=float(self.chance.randint(0, 2)),
            submitted_at=float(self.chance.randint(0, 5)),
            first=self.chance.random() < 0.1,
        )
        self.enter(claim)

    def renew(self, user: UserName) -> None:
        for level in LEVELS:
            self.model.room[user, level] = self.chance.randint(0, WIDEST + 2)
        share, last = self.chance.randint(0, 2), self.chance.randint(0, 6)
        self.model.turns[user] = FairShareKey(float(share), float(last))
        self.queue.refresh(user)

    def enter(self, claim: Claim) -> None:
        self.model.claims[claim.task_id] = claim
        self.queue.add(claim)

    def leave(self, claim: Claim) -> None:
        del self.model.claims[claim.task_id]
        self.queue.remove(claim)

    # a tick

    def tick(self) -> None:
        self.queue.begin_assuming()
        for level in LEVELS:
            self.is_backfilling = False
            self.queue.let_fall(level)
            self.see_whether_anybody_waits(level)
            for is_backfill in (False, True):
                for _ in range(STEPS):
                    self.decide(level, is_backfill)
                    self.ask(level)
        for take_back in reversed(self.starts):
            take_back()
        self.starts.clear()
        self.is_backfilling = False
        self.queue.end_assuming()
        there = [level for level in LEVELS if self.model.at(level)]
        assert [level for level in LEVELS if self.queue.has_any(level)] == there

    def decide(self, level: Priority, is_backfill: bool) -> None:
        there = [one for one in self.model.claims.values() if self.model.level(one) is level]
        chance = self.chance.random()
        if chance < 0.4 and there:
            self.start(self.chance.choice(there), level, is_backfill)
        elif chance < 0.5 and there:  # to see what it would cost
            self.start(self.chance.choice(there), level, is_backfill)
            self.ask(level)
            self.queue.recover(self.starts.pop()())

    def start(self, claim: Claim, level: Priority, is_backfill: bool) -> None:
        """Its user has a higher share then, mostly less room, and has its turn now."""
        user, model = claim.user, self.model
        room, turn = model.room.get((user, level), 4), model.key_of(user)
        self.starts.append(lambda: self._take_back(claim, level, room, turn))
        self.leave(claim)
        self.let_another_by(claim)
        model.room[user, level] = room - self.chance.choice([0, claim.nodes])
        last = turn.last_start if is_backfill else NOW
        model.turns[user] = FairShareKey(turn.share + self.chance.randint(1, 2), last)
        self.is_backfilling = is_backfill

    def _take_back(self, claim: Claim, level: Priority, room: int, turn: FairShareKey) -> UserName:
        self.model.room[claim.user, level] = room
        self.model.turns[claim.user] = turn
        self.let_another_by(claim)
        self.enter(claim)
        return claim.user

    def let_another_by(self, claim: Claim) -> None:
        """A member of the same array stands in the line for a moment."""
        if self.chance.random() < 0.3:
            width = self.chance.randint(1, WIDEST)
            other = replace(claim, task_id=TaskId(1000), nodes=width, first=False)
            self.queue.add(other)
            self.queue.remove(other)

    # one question at a time: an answer may put right what the next one would stumble over

    def ask(self, level: Priority) -> None:
        self.chance.choice(
            [
                self.ask_whose_turn_it_is,
                self.ask_whose_turn_it_is,
                self.ask_who_is_overdue,
                self.ask_how_long_they_wait,
                self.ask_whose_turn_it_is_on_few_nodes,
                self.ask_for_the_narrowest,
                self.ask_about_one_user,
                self.ask_about_ranks,
            ]
        )(level)

    def ask_whose_turn_it_is(self, level: Priority) -> None:
        expected = next(iter(self.model.at(level)), None)
        assert self.queue.in_turn(level, WIDEST, ()) == expected

    def ask_whose_turn_it_is_on_few_nodes(self, level: Priority) -> None:
        widest = self.chance.randint(0, WIDEST)
        share = self.chance.choice([0.0, 0.3])
        skipped = {one for one in self.model.claims if self.chance.random() < share}
        open_to = [one for one in self.model.at(level, widest) if one.task_id not in skipped]
        assert self.queue.in_turn(level, widest, skipped) == next(iter(open_to), None)

    def ask_who_is_overdue(self, level: Priority) -> None:
        """In a tick some start while the question is still open."""
        if self.is_backfilling:
            return  # whoever runs as backfill has not had its turn: nobody asks any more
        before, given = float(self.chance.randint(0, 5)), set[UserName]()
        for user in self.queue.overdue(level, before):
            assert user == self.model.overdue(level, before, given)[0]
            given.add(user)
            head = self.queue.head_of(user, level)
            assert head is not None
            assert head == self.model.head(user, level)
            if self.starts and self.chance.random() < 0.5:
                self.start(head, level, is_backfill=False)
        assert not self.model.overdue(level, before, given)

    def ask_how_long_they_wait(self, level: Priority) -> None:
        before = float(self.chance.randint(0, 7))
        overdue = self.model.overdue(level, before, set())
        assert [one for one in USERS if self.queue.is_overdue(one, level, before)] == sorted(
            overdue
        )

    def ask_for_the_narrowest(self, level: Priority) -> None:
        widths = [claim.nodes for claim in self.model.at(level)]
        assert self.queue.narrowest(level) <= min(widths, default=math.inf)

    def ask_about_one_user(self, level: Priority) -> None:
        user = self.chance.choice(USERS)
        assert self.queue.head_of(user, level) == self.model.head(user, level)
        for claim in self.model.claims.values():
            expected = self.model.level(claim)
            assert self.queue.level_of(claim.task_id) is expected
            assert self.queue.is_at(claim.task_id, level) is (expected is level)

    def ask_about_ranks(self, level: Priority) -> None:
        above, most = self.chance.randint(0, 2), self.chance.randint(1, WIDEST)
        for claim in self.model.claims.values():
            expected = self.model.ranked_before(claim, level, above, most)
            assert self.queue.ranked_before(claim, level, above, most) == expected

    def see_whether_anybody_waits(self, level: Priority) -> None:
        assert self.queue.has_any(level) or not self.model.at(level)

    def ask_what_only_a_settled_line_knows(self) -> None:
        questions = [self.ask_for_levels, self.ask_whose_patience_ends_next, self.ask_for_lines]
        self.chance.shuffle(questions)
        for question in questions:
            question()
        assert {claim.task_id: claim for claim in self.queue.claims()} == self.model.claims
        assert len(self.queue) == len(self.model.claims)

    def ask_for_levels(self) -> None:
        assert self.queue.levels() == [level for level in LEVELS if self.model.at(level)]
        for level in LEVELS:
            widths = [claim.nodes for claim in self.model.at(level)]
            assert self.queue.narrowest(level) == min(widths, default=math.inf)

    def ask_whose_patience_ends_next(self) -> None:
        waits = [since for level in LEVELS for since, _, _ in self.model.waits(level)]
        for after in range(7):
            later = [since for since in waits if since > after]
            assert self.queue.next_overdue(after) == min(later, default=None)

    def ask_for_lines(self) -> None:
        for level in LEVELS:
            lines = self.queue.lines_at(level).items()
            told = {user: [task_of(key) for key in line] for user, line in lines}
            assert told == self.model.lines_at(level)


@pytest.mark.parametrize("seed", range(8))
def test_each_answer_is_that_of_a_plain_list(seed: int) -> None:
    course = Course(random.Random(seed))  # noqa: S311 - no secret
    for _ in range(TICKS):
        for _ in range(12):
            course.change()
            course.ask(course.chance.choice(LEVELS))
        course.ask_what_only_a_settled_line_knows()
        course.tick()
        course.ask_what_only_a_settled_line_knows()

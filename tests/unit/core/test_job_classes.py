"""Where classes of alike claims stand."""

import math

from hai.core.queue.job_classes import (
    Entry,
    FairShareKey,
    JobClass,
    JobClasses,
    JobClassKey,
    Waiter,
    at_best,
    rank_of,
)
from hai.core.types import Priority, TaskId, UserName

ENTRY = Entry(0.5, 10.0, UserName("alice"), (True, 0.0, 1.0, TaskId(1)), Priority.AUTO, 2)


def placed(classes: JobClasses, level: Priority, entry: Entry) -> JobClass:
    job_class = JobClass()
    classes.place(job_class, level, entry)
    return job_class


def test_levels_and_turns_are_in_order() -> None:
    classes = JobClasses()
    later, other = ENTRY._replace(share=0.7), ENTRY._replace(width=3)
    placed(classes, Priority.LOW, later)
    placed(classes, Priority.HIGH, ENTRY)
    placed(classes, Priority.LOW, other)
    first = placed(classes, Priority.LOW, ENTRY)
    assert classes.levels() == [Priority.HIGH, Priority.LOW]
    assert classes.widths(Priority.LOW) == {2: [ENTRY, later], 3: [other]}
    classes.place(first, None, None)
    assert classes.widths(Priority.LOW) == {2: [later], 3: [other]}
    assert classes.widths(Priority.NORMAL) == {}


def test_a_rank_before_any_that_its_user_may_have() -> None:
    """With the same share; whatever the claims, and whenever they have joined."""
    user, key = UserName("alice"), FairShareKey(0.5, 7.0)
    best = at_best(user, key)
    heads = [((False, -99.0, -99.0, TaskId(1)), JobClassKey(Priority.NORMAL, 2))]
    real = rank_of(user, key, heads)
    assert best.entries[0] < real.entries[0]
    assert best.entries[0].place < real.entries[0].place
    assert best.waiter < real.waiter


def test_a_user_has_waited_since_it_joined_or_since_its_last_start() -> None:
    heads = [
        ((True, 0.0, 9.0, TaskId(1)), JobClassKey(Priority.NORMAL, 2)),
        ((True, 1.0, 5.0, TaskId(2)), JobClassKey(Priority.NORMAL, 1)),
    ]
    for last_start, since in ((-math.inf, 5.0), (4.0, 5.0), (8.0, 8.0)):
        rank = rank_of(UserName("alice"), FairShareKey(0.5, last_start), reversed(heads))
        assert rank.waiter == Waiter(since, 5.0, UserName("alice"))
        assert [entry.task_id for entry in rank.entries] == [1, 2]


def test_the_same_entry_moves_to_another_level() -> None:
    """As a class with AUTO does whose user has waited equally long at both."""
    classes, job_class = JobClasses(), JobClass()
    classes.place(job_class, Priority.HIGH, ENTRY)
    classes.place(job_class, Priority.LOW, ENTRY)
    assert classes.levels() == [Priority.LOW]
    assert classes.widths(Priority.LOW) == {2: [ENTRY]}
    classes.place(job_class, None, None)
    assert classes.levels() == []

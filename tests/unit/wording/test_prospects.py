"""Prospects and durations in plain words."""

from dataclasses import replace

import pytest

from hai.core.plan import Start
from hai.core.reasons.kinds import Behind
from hai.core.types import GroupName, NodeName, Priority, TaskId, UserName
from hai.core.whatif import NEW, Prospect, Variant, Victim
from hai.wording.phrases import span, tasks
from hai.wording.prospects import change_text, prospect_text
from tests.unit.core.clusters import active, waiting

CLAIM = waiting(2, 4)
NODES = tuple(NodeName(f"n{number}") for number in range(5))
NAMES = {TaskId(7): "7 train of bob"}


def start(count: int, *, backfill: bool = False) -> Start:
    return Start(TaskId(2), NODES[:count], Priority.NORMAL, backfill)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (Variant(), "as it is"),
        (Variant(priority=Priority.NORMAL), "as it is"),
        (Variant(priority=Priority.HIGH), "at priority HIGH"),
        (Variant(nodes=1), "with 1 node (submitted anew)"),
        (
            Variant(nodes=2, group=GroupName("x"), priority=Priority.LOW),
            "with 2 nodes, in group x, at priority LOW (submitted anew)",
        ),
    ],
)
def test_changes(variant: Variant, expected: str) -> None:
    assert change_text(variant, CLAIM) == expected


def test_a_task_that_is_not_submitted_can_not_be_submitted_anew() -> None:
    assert change_text(Variant(nodes=1), replace(CLAIM, task_id=NEW)) == "with 1 node"


@pytest.mark.parametrize(
    ("prospect", "expected"),
    [
        pytest.param(Prospect(claim=CLAIM, start=start(2)), "starts now on n0, n1", id="start"),
        pytest.param(
            Prospect(claim=CLAIM, start=start(5, backfill=True)),
            "starts now as backfill on 5 nodes",
            id="backfill on many",
        ),
        pytest.param(
            Prospect(
                claim=CLAIM,
                handover=start(4),
                suspends=(Victim(TaskId(7), UserName("bob"), 4, 725.0),),
            ),
            "starts on 4 nodes once task 7 train of bob (loses 13 min of work) has been suspended",
            id="one victim",
        ),
        pytest.param(
            Prospect(
                claim=CLAIM,
                handover=start(4),
                suspends=tuple(Victim(TaskId(n), UserName("u"), 1, 0.0) for n in range(10, 16)),
                leavers=(TaskId(7),),
            ),
            "starts on 4 nodes once tasks 10 (loses 0 s of work), 11 (loses 0 s of work), "
            "12 (loses 0 s of work), 13 (loses 0 s of work) and 2 more have been suspended and "
            "task 7 train of bob has left (told already)",
            id="many victims and a leaver",
        ),
        pytest.param(
            Prospect(claim=CLAIM, start=start(1), delays=(TaskId(7), TaskId(9))),
            "starts now on n0; tasks 7 train of bob, 9 would wait longer",
            id="delays",
        ),
        pytest.param(
            Prospect(
                claim=CLAIM, reason=Behind(group=GroupName("g"), level=Priority.NORMAL, position=2)
            ),
            "still waits: it is number 2 in its line in g",
            id="reason",
        ),
        pytest.param(
            Prospect(
                claim=CLAIM,
                reason=Behind(group=GroupName("g"), level=Priority.NORMAL, head=TaskId(3)),
            ),
            "still waits its turn in g, behind task 3",
            id="reason that waits",
        ),
        pytest.param(Prospect(claim=CLAIM), "still waits", id="no reason"),
        pytest.param(
            Prospect(claim=active(1, ["n0"]), taken_by=TaskId(7)),
            "would be suspended for task 7 train of bob",
            id="taken",
        ),
        pytest.param(Prospect(claim=active(1, ["n0"])), "keeps its nodes", id="kept"),
    ],
)
def test_prospects(prospect: Prospect, expected: str) -> None:
    assert prospect_text(prospect, NAMES, 0.0) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5.0, "0 s"),
        (0.2, "1 s"),
        (119, "119 s"),
        (121, "3 min"),
        (7140, "119 min"),
        (7201, "2 h 1 min"),
        (7200, "2 h"),
        (3 * 86400, "3 days"),
    ],
)
def test_durations_are_rounded_up(seconds: float, expected: str) -> None:
    assert span(seconds) == expected


def test_nobody_is_no_phrase() -> None:
    assert tasks([]) == ""
    assert tasks([7], 2) == "tasks 7 and 2 more"

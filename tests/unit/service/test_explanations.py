"""What is told of tasks beside their reasons."""

from dataclasses import replace
from typing import Any

import pytest

from hai.core.forecast import Forecast, Grounds, Outlook
from hai.core.planner import plan
from hai.core.reasons.kinds import Behind, NoFreeNodes, QuotaExceeded, Reason
from hai.core.task import Task, TaskChange
from hai.core.task_facts import ActiveFacts, Holder, WaitFacts, active_facts, wait_facts
from hai.core.types import Keeper, Loss, Outcome, Priority, TaskId, TaskState, UserName
from hai.service.estimates import TrackRecord, off_by
from hai.store.memory import MemoryStore
from hai.wording.explanations import (
    active_explanation,
    ended_explanation,
    suspended_lines,
    waiting_lines,
)
from tests import factories as make
from tests.contract.stored import add
from tests.unit.core.clusters import GROUP, active, nodes, state_of, waiting

NOW = make.NOW
NAMES = {TaskId(7): "7 train of bob"}
MINUTE = 60.0


def held(**attempt: Any) -> Task:
    """A running task, or what its attempt became."""
    made = make.attempt("a", "b", **{"started_at": NOW - 600, **attempt})
    return make.task(id=TaskId(2), nodes=2, attempt=made, state=TaskState.RUNNING)


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (
            {"outcome": Outcome.SUSPENDED_CLEAN, "for_task": TaskId(7)},
            [
                "its nodes went to task 7 train of bob, whose turn it was when the slice was over; "
                "it left them 60 s ago",
                "it saved before it left, so no work is lost",
            ],
        ),
        (
            {"outcome": Outcome.SUSPENDED_DIRTY, "for_task": TaskId(8), "saved_at": NOW - 180},
            [
                "its nodes went to task 8; it left them 60 s ago",
                "it did not save in time: the work since its last checkpoint of 2 min is lost",
            ],
        ),
        (
            {
                "outcome": Outcome.SUSPENDED_CLEAN,
                "for_task": TaskId(7),
                "priority": Priority.LOW,
                "backfill": True,
            },
            [
                "its nodes went to task 7 train of bob, which has priority NORMAL; it left them "
                "60 s ago",
                "it saved before it left, so no work is lost",
            ],
        ),
        (
            {"outcome": Outcome.SUSPENDED_CLEAN, "for_task": TaskId(7), "backfill": True},
            [
                "its nodes went to task 7 train of bob, in whose shadow it ran as backfill; it "
                "left them 60 s ago",
                "it saved before it left, so no work is lost",
            ],
        ),
        (
            {"outcome": Outcome.SUSPENDED_DIRTY, "why": "suspended by alice"},
            [
                "it left its nodes 60 s ago: suspended by alice",
                "it did not save in time: the work of 9 min is lost",
            ],
        ),
        (
            {"outcome": Outcome.NODE_LOST, "why": "rank 0 on a: silent for 45 s"},
            [
                "a worker was lost 60 s ago (rank 0 on a: silent for 45 s); the work of 9 min is "
                "lost"
            ],
        ),
        (
            {"outcome": Outcome.NODE_LOST, "started_at": None, "why": "rank 0 on a: no space"},
            ["it could not be started 60 s ago: rank 0 on a: no space"],
        ),
        (
            {"outcome": Outcome.FAILED, "why": "rank 0 on a exited with code 7"},
            ["its last try failed 60 s ago: rank 0 on a exited with code 7"],
        ),
        ({}, []),
    ],
)
def test_a_suspended_task(attempt: dict[str, Any], expected: list[str]) -> None:
    over = {"ended_at": NOW - 60} if attempt else {}
    bobs = make.task(id=TaskId(7), name="train", user=UserName("bob"))
    heir = bobs if attempt.get("for_task") == 7 else None
    assert suspended_lines(held(**attempt, **over), heir, NOW) == expected


def test_a_held_task_is_told_who_took_it_out_of_its_line() -> None:
    resting = make.task(state=TaskState.SUSPENDED, held=True, why="suspended by alice")
    line = "it was taken out of its line: suspended by alice"
    assert suspended_lines(resting, None, NOW) == [line]
    ended = make.attempt("a", outcome=Outcome.SUSPENDED_CLEAN, why="drained", ended_at=NOW - 60)
    assert suspended_lines(replace(resting, attempt=ended), None, NOW)[:2] == [
        line,
        "it left its nodes 60 s ago: drained",
    ]
    ended = replace(ended, why="suspended by alice")
    assert suspended_lines(replace(resting, attempt=ended), None, NOW)[0] == (
        "it left its nodes 60 s ago: suspended by alice"
    )


@pytest.mark.parametrize(
    ("facts", "text", "lines"),
    [
        (
            ActiveFacts(until=NOW + 720, next_taker=TaskId(7), at_risk_seconds=240.0),
            "runs on 2 nodes at NORMAL, safe from its equals for 12 min more",
            [
                "then task 7 train of bob takes its nodes, as it stands now",
                "it has told of no checkpoint yet: 4 min of work would be lost without one",
            ],
        ),
        (
            ActiveFacts(until=NOW - 1, at_risk_seconds=60.0, saved_at=NOW - 60),
            "runs on 2 nodes at NORMAL; its slice is over, and an equal of another user may take "
            "its turn",
            [
                "nobody waits who could take its nodes: it runs on",
                "its last checkpoint was 60 s ago: the work since then would be lost without "
                "another",
            ],
        ),
        (
            ActiveFacts(backfill=True, shadow_of=TaskId(7), saved_at=NOW),
            "runs on 2 nodes at NORMAL as backfill, until task 7 train of bob, which waits for "
            "these nodes, fits",
            ["its last checkpoint was 0 s ago: the work since then would be lost without another"],
        ),
    ],
)
def test_a_running_task(facts: ActiveFacts, text: str, lines: list[str]) -> None:
    told = active_explanation(held(), facts, NAMES, NOW)
    assert (told.text, told.lines) == (text, lines)


def test_on_shared_nodes_nobody_has_to_leave_for_another() -> None:
    told_of = active_explanation(held(), ActiveFacts(shares=True), NAMES, NOW)
    assert told_of.text == "runs on its part of a, b: no other task can take it"
    assert told_of.lines == []
    facts = WaitFacts(holders=(Holder(TaskId(7), 1, None, shares=True),))
    told = "task 7 train of bob holds a part of 1 node, and leaves it to nobody"
    assert waiting_lines(facts, NAMES, NOW) == [told]


def test_a_fallen_task_is_told_where_it_stands_and_where_it_is_charged() -> None:
    fallen = held(priority=Priority.ABOVE_NORMAL)
    assert active_explanation(fallen, ActiveFacts(), NAMES, NOW).text == (
        "runs on 2 nodes at NORMAL (charged to ABOVE_NORMAL)"
    )


def test_tasks_on_their_way() -> None:
    leaving = replace(held(for_task=TaskId(7)), state=TaskState.SUSPENDING)
    assert (
        active_explanation(leaving, ActiveFacts(), NAMES, NOW).text
        == "was told to save and to leave its 2 nodes: for task 7 train of bob"
    )
    stopping = replace(leaving, state=TaskState.STOPPING, why="stopped by alice")
    assert (
        active_explanation(stopping, ActiveFacts(), NAMES, NOW).text
        == "is leaving its 2 nodes: stopped by alice"
    )
    starting = replace(leaving, state=TaskState.STARTING)
    told = active_explanation(starting, ActiveFacts(), NAMES, NOW)
    assert (told.text, told.lines) == ("is starting on 2 nodes at NORMAL", [])


def test_an_ended_task() -> None:
    task = make.task(state=TaskState.STOPPED, ended_at=NOW, why="stopped by alice")
    told = ended_explanation(task, NOW + 5)
    assert (told.text, told.lines) == (
        "was stopped 5 s ago: stopped by alice",
        ["it never ran"],
    )
    ran = {"started_at": NOW + 30, "ran_seconds": 300.0, "suspend_count": 2}
    failed = make.task(state=TaskState.FAILED, ended_at=NOW + 400, exit_code=7, **ran)
    told = ended_explanation(failed, NOW + 400)
    assert told.text == "failed 0 s ago with exit code 7"
    assert told.lines == [
        "it ran for 5 min and waited 30 s to start",
        "it was suspended 2 times",
    ]


def test_where_a_waiting_task_stands() -> None:
    claims = [
        active(1, ["n0", "n1"], running_since=0.0),
        active(3, ["n2"], user="eve", backfill=True),
        active(4, ["n3"], Priority.HIGH, user="eve"),
        *(waiting(number, 4) for number in range(10, 16)),
    ]
    state = state_of(nodes(4), claims, now=10 * MINUTE)
    order = {TaskId(number): number - 9 for number in range(10, 16)}
    reason = Behind(group=GROUP, level=Priority.NORMAL)
    facts = wait_facts(state, state.claims[TaskId(15)], reason, order)
    assert waiting_lines(facts, {TaskId(10): "10 a of ada"}, state.now) == [
        "place 6 in the order of service of training, behind tasks 10 a of ada, 11, 12 and 2 more",
        "task 3 holds 1 node as backfill, until the task that waits for them fits",
        "task 1 holds 2 nodes, safe for 20 min more",
        "task 4 holds 1 node at HIGH",
    ]
    own = wait_facts(
        state,
        waiting(20, 1, user="bob"),
        QuotaExceeded(group=GROUP, level=Priority.NORMAL, needed=1, limit=2, used=2),
        {},
    )
    assert waiting_lines(own, {}, state.now) == ["the quota is in use by task 1"]


def test_how_firmly_an_active_task_holds_its_nodes() -> None:
    claims = [
        active(1, ["n0", "n1"], running_since=0.0, saved_at=8 * MINUTE),
        active(3, ["n2"], Priority.NORMAL, user="eve", backfill=True),
        waiting(10, 4),
    ]
    state = state_of(nodes(4), claims, now=10 * MINUTE)
    decided = plan(state, state.now)
    firm = active_facts(state, decided, TaskId(1))
    assert (firm.until, firm.at_risk_seconds) == (30 * MINUTE, 2 * MINUTE)
    assert firm.mentioned == {10}
    filler = active_facts(state, decided, TaskId(3))
    assert (filler.until, filler.backfill, filler.shadow_of) == (None, True, 10)
    assert active_facts(state, decided, TaskId(10)) == ActiveFacts()
    assert active_facts(state, decided, TaskId(99)) == ActiveFacts()


@pytest.mark.parametrize(
    ("latest", "started_at", "off"),
    [(20.0, 15.0, 0.0), (20.0, 9.0, -1.0), (20.0, 22.0, 2.0), (None, 99.0, 0.0)],
)
def test_how_far_an_estimate_was_off(latest: float | None, started_at: float, off: float) -> None:
    assert off_by(Forecast(10.0, latest, GROUNDS), started_at) == off


async def test_the_last_estimate_counts_when_the_task_starts() -> None:
    store = MemoryStore()
    inside, late, stopped, waits = await add(store, *(make.task_draft() for _ in range(4)))
    record = TrackRecord(store)
    await record.given(inside.id, Forecast(NOW - 900, NOW - 800, GROUNDS))
    for task in (inside, late, stopped, waits):
        await record.given(task.id, Forecast(NOW, NOW + 60, GROUNDS))
    changes = [
        TaskChange(replace(inside, started_at=NOW + 60), ()),
        TaskChange(replace(late, started_at=NOW + 90), ()),
        TaskChange(replace(stopped, state=TaskState.STOPPED), ()),
    ]
    assert len(await store.save(changes)) == 3
    assert await record.view() == {
        "given": 4,
        "started": 2,
        "inside_range": 1,
        "earlier": 0,
        "later": 1,
        "median_error_seconds": 30.0,
    }


GROUNDS = Grounds(Outlook.IF_NOBODY_COMES)
HEAD = NoFreeNodes(
    group=GROUP,
    level=Priority.NORMAL,
    needed=1,
    nodes=1,
    healthy=1,
    free=0,
    leaving=0,
    preemptible=0,
)
BEHIND = Behind(group=GROUP, level=Priority.NORMAL)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (HEAD, "it is next"),
        (
            replace(HEAD, kept_out_by=Keeper.OWN),
            "it is next once enough of its user's own tasks have ended",
        ),
        (
            replace(HEAD, kept_out_by=Keeper.HIGHER),
            "it is next once higher priorities leave it room",
        ),
        (replace(BEHIND, spares=Loss.QUOTA), "it comes after another task of its user"),
        (replace(BEHIND, spares=Loss.TURN), "it is next"),
    ],
)
def test_the_first_of_a_line_is_told_for_whom_it_waits(reason: Reason, told: str) -> None:
    state = state_of(nodes(1), [active(1, ["n0"]), waiting(2)])
    facts = wait_facts(state, state.claims[TaskId(2)], reason, {TaskId(2): 1})
    assert waiting_lines(facts, {}, 0.0)[0].startswith(
        f"place 1 in the order of service of training: {told}"
    )


def test_who_waits_at_the_lowest_priority_is_told_that_holders_stand_above() -> None:
    state = state_of(nodes(1), [active(1, ["n0"]), waiting(2, priority=Priority.LOW)])
    reason = replace(HEAD, level=Priority.LOW)
    facts = wait_facts(state, state.claims[TaskId(2)], reason, {TaskId(2): 1})
    assert waiting_lines(facts, {}, 0.0)[1] == "task 1 holds 1 node at NORMAL"

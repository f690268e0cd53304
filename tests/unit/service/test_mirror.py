"""The numbered copy behind dashboards: who knows version N gets what changed after it."""

from dataclasses import replace
from typing import Any

from hai.core.task import Task
from hai.core.types import Priority, TaskId, TaskState
from hai.service.board import Board
from hai.service.mirror import FINISHED_KEPT, GONE_KEPT, Mirror, row_of
from hai.service.views import Views
from tests.factories import attempt, task

NOTHING: Any = None


def view_of(value: Task, **more: Any) -> Any:
    """A view with a reason of its own, as a tick would give it."""
    view: Any = {
        **Views(NOTHING, NOTHING, Board()).task(replace(value, state=TaskState.RUNNING)),
        "state": value.state.value,
        "reason": None,
    }
    return {**view, **more}


def put(mirror: Mirror, value: Task, **more: Any) -> None:
    mirror.put(value, view_of(value, **more))


def waiting(code: str, text: str) -> dict[str, Any]:
    return {"reason": {"code": code, "text": text, "evidence": {}}}


def test_only_rows_that_differ_are_news() -> None:
    mirror = Mirror()
    first, second = task(id=TaskId(1)), task(id=TaskId(2))
    put(mirror, first)
    put(mirror, second)
    assert [row["id"] for row in mirror.changed(0)] == [1, 2]
    mirror.version += 1
    put(mirror, first)
    put(mirror, replace(second, priority=Priority.HIGH))
    assert [row["id"] for row in mirror.changed(1)] == [2]
    assert mirror.changed(2) == []


def test_a_place_in_the_line_is_no_news_of_a_row() -> None:
    mirror = Mirror()
    one = task(id=TaskId(1))
    put(mirror, one, **waiting("behind", "is number 7 in its line"))
    assert mirror.changed(0)[0]["why"] == ""
    mirror.version += 1
    put(mirror, one, **waiting("behind", "is number 6 in its line"))
    assert mirror.changed(1) == []
    put(mirror, one, **waiting("no_free_nodes", "waits for 2 nodes"))
    assert mirror.changed(1)[0]["why"] == "waits for 2 nodes"


def test_a_row_says_the_part_of_a_node_that_a_task_has() -> None:
    mirror = Mirror()
    put(mirror, task(id=TaskId(1)))
    put(mirror, task(id=TaskId(2)), asks={"cpu": 1.0, "memory_bytes": 2**30, "gpus": 2})
    whole, part = mirror.changed(0)
    assert "asks" not in whole  # most have none: nothing is sent for them
    assert part["asks"] == {"cpu": 1.0, "memory_bytes": 2**30, "gpus": 2}


def test_the_order_is_the_schedulers_or_else_priority_and_age() -> None:
    mirror = Mirror()
    put(mirror, task(id=TaskId(1), priority=Priority.LOW))
    put(mirror, task(id=TaskId(2), priority=Priority.HIGH))
    put(mirror, task(id=TaskId(3), held=True, state=TaskState.SUSPENDED))
    put(mirror, task(id=TaskId(4), state=TaskState.RUNNING, attempt=attempt("n1")))
    mirror.arrange()
    assert mirror.order == {"training": [2, 1]}
    before = mirror.order_version
    mirror.version += 1
    mirror.arrange()
    assert mirror.order_version == before  # the same order is no news
    put(mirror, task(id=TaskId(1)), position=1)
    put(mirror, task(id=TaskId(2), priority=Priority.HIGH), position=2)
    mirror.arrange()
    assert mirror.order == {"training": [1, 2]}
    assert mirror.order_version == mirror.version


def test_what_the_scheduler_adds_travels_along() -> None:
    estimate = {"earliest": "2030-01-01T00:00:00Z", "latest": None, "basis": "slices"}
    added = {"level": "NORMAL", "safe_until": None, "backfill": True, "estimate": estimate}
    row, position = row_of(task(), view_of(task(), **added, position=3))
    assert position == 3
    assert {key: row.get(key) for key in added} == added
    far, _ = row_of(task(), view_of(task(), estimate=estimate, position=1000))
    assert far["estimate"] is None
    bare, nowhere = row_of(task(), view_of(task()))
    assert nowhere is None
    assert not any(bare.get(key) for key in added)


def test_the_finished_stay_for_a_while() -> None:
    mirror = Mirror()
    for number in range(1, FINISHED_KEPT + 3):
        put(mirror, task(id=TaskId(number), state=TaskState.SUCCEEDED))
    assert mirror.gone_after(0) == [1, 2]
    assert len(mirror.tasks) == FINISHED_KEPT


def test_readers_of_long_ago_begin_anew() -> None:
    mirror = Mirror()
    for number in range(GONE_KEPT + 1):
        mirror.version += 1
        put(mirror, task(id=TaskId(number + 1)))
        mirror.drop(TaskId(number + 1))
    assert not mirror.knows(1)
    assert mirror.knows(mirror.version)
    assert not mirror.knows(mirror.version + 1)
    assert len(mirror.gone) == GONE_KEPT


def test_documents_are_not_kept() -> None:
    mirror = Mirror()
    put(mirror, task(id=TaskId(1), spec={"secret": "x"}))
    assert mirror.tasks[TaskId(1)].task.spec == {}

"""The numbered copy behind dashboards: who knows version N gets what changed after it."""

from dataclasses import replace
from typing import Any

from hai.core.task import Task
from hai.core.types import Priority, TaskId, TaskState
from hai.service.dashboard_cache import FINISHED_KEPT, GONE_KEPT, DashboardCache, row_of
from hai.service.last_tick import LastTick
from hai.service.views import Views
from tests.factories import attempt, task

NOTHING: Any = None


def view_of(value: Task, **more: Any) -> Any:
    """A view with a reason of its own, as a tick would give it."""
    view: Any = {
        **Views(NOTHING, NOTHING, LastTick()).task(replace(value, state=TaskState.RUNNING)),
        "state": value.state.value,
        "reason": None,
    }
    return {**view, **more}


def put(cache: DashboardCache, value: Task, **more: Any) -> None:
    cache.put(value, view_of(value, **more))


def waiting(code: str, text: str) -> dict[str, Any]:
    return {"reason": {"code": code, "text": text, "evidence": {}}}


def test_only_rows_that_differ_are_news() -> None:
    cache = DashboardCache()
    first, second = task(id=TaskId(1)), task(id=TaskId(2))
    put(cache, first)
    put(cache, second)
    assert [row["id"] for row in cache.changed(0)] == [1, 2]
    cache.version += 1
    put(cache, first)
    put(cache, replace(second, priority=Priority.HIGH))
    assert [row["id"] for row in cache.changed(1)] == [2]
    assert cache.changed(2) == []


def test_a_place_in_the_line_is_no_news_of_a_row() -> None:
    cache = DashboardCache()
    one = task(id=TaskId(1))
    put(cache, one, **waiting("behind", "is number 7 in its line"))
    assert cache.changed(0)[0]["why"] == ""
    cache.version += 1
    put(cache, one, **waiting("behind", "is number 6 in its line"))
    assert cache.changed(1) == []
    put(cache, one, **waiting("no_free_nodes", "waits for 2 nodes"))
    assert cache.changed(1)[0]["why"] == "waits for 2 nodes"


def test_a_row_says_the_part_of_a_node_that_a_task_has() -> None:
    cache = DashboardCache()
    put(cache, task(id=TaskId(1)))
    put(cache, task(id=TaskId(2)), asks={"cpu": 1.0, "memory_bytes": 2**30, "gpus": 2})
    whole, part = cache.changed(0)
    assert "asks" not in whole  # most have none: nothing is sent for them
    assert part["asks"] == {"cpu": 1.0, "memory_bytes": 2**30, "gpus": 2}


def test_the_order_is_the_schedulers_or_else_priority_and_age() -> None:
    cache = DashboardCache()
    put(cache, task(id=TaskId(1), priority=Priority.LOW))
    put(cache, task(id=TaskId(2), priority=Priority.HIGH))
    put(cache, task(id=TaskId(3), held=True, state=TaskState.SUSPENDED))
    put(cache, task(id=TaskId(4), state=TaskState.RUNNING, attempt=attempt("n1")))
    cache.arrange()
    assert cache.order == {"training": [2, 1]}
    before = cache.order_version
    cache.version += 1
    cache.arrange()
    assert cache.order_version == before  # the same order is no news
    put(cache, task(id=TaskId(1)), position=1)
    put(cache, task(id=TaskId(2), priority=Priority.HIGH), position=2)
    cache.arrange()
    assert cache.order == {"training": [1, 2]}
    assert cache.order_version == cache.version


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
    cache = DashboardCache()
    for number in range(1, FINISHED_KEPT + 3):
        put(cache, task(id=TaskId(number), state=TaskState.SUCCEEDED))
    assert cache.gone_after(0) == [1, 2]
    assert len(cache.tasks) == FINISHED_KEPT


def test_readers_of_long_ago_begin_anew() -> None:
    cache = DashboardCache()
    for number in range(GONE_KEPT + 1):
        cache.version += 1
        put(cache, task(id=TaskId(number + 1)))
        cache.drop(TaskId(number + 1))
    assert not cache.knows(1)
    assert cache.knows(cache.version)
    assert not cache.knows(cache.version + 1)
    assert len(cache.gone) == GONE_KEPT


def test_documents_are_not_kept() -> None:
    cache = DashboardCache()
    put(cache, task(id=TaskId(1), spec={"secret": "x"}))
    assert cache.tasks[TaskId(1)].task.spec == {}

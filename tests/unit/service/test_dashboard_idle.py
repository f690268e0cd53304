"""What the feed costs when nothing happens, and what it may not keep."""

from pathlib import Path

from hai.core.types import TaskId, TaskState
from hai.service.dashboard import SAMPLES, DashboardFeed, _together, _usage_of
from hai.service.views import Views
from tests.factories import attempt, task
from tests.unit.service.loop_bench import LoopBench


def made(bench: LoopBench) -> DashboardFeed:
    views = Views(bench.store, bench.bus, bench.last_tick)
    return DashboardFeed(bench.store, bench.bus, bench.clock, bench.last_tick, views)


async def test_the_history_is_an_hour_and_no_more(bench: LoopBench, tmp_path: Path) -> None:
    dashboard = made(bench)
    for _ in range(SAMPLES + 5):
        await dashboard.run_once()
        await bench.clock.advance(30)
    history = dashboard._history.view()
    assert len(history["busy"][""]) == SAMPLES
    assert history["every_seconds"] == 30


async def test_a_node_that_several_share_is_one_busy_node(bench: LoopBench) -> None:
    dashboard = made(bench)
    for number, node in enumerate(("n1", "n1", "n2"), 1):
        there = attempt(node)
        one = task(id=TaskId(number), state=TaskState.RUNNING, attempt=there)
        dashboard._cache.put(one, dashboard._views.task(one))
    dashboard._sample()
    assert dashboard._history.view()["busy"][""] == [2]


async def test_without_news_no_version_is_made(bench: LoopBench) -> None:
    dashboard = made(bench)
    await dashboard.refresh()
    before = dashboard._cache.version
    for _ in range(3):
        await dashboard.refresh()
    assert dashboard._cache.version == before


def test_what_containers_on_one_node_use_adds_up() -> None:
    told = [
        {"cpu_percent": 50.0, "gpu_percent": 10.0},
        {"cpu_percent": 30.0, "gpu_percent": 30.0, "memory_bytes": 5.0},
    ]
    assert _together(told) == {"cpu_percent": 80.0, "gpu_percent": 20.0, "memory_bytes": 5.0}


def test_on_a_shared_node_each_task_has_figures_of_its_own() -> None:
    places = {
        "1.1.0": (TaskId(1), "shared"),
        "2.1.0": (TaskId(2), "shared"),
        "3.1.0": (TaskId(3), "shared"),
        "4.1.0": (TaskId(4), "whole"),
        "5.1.0": (TaskId(5), "silent"),
    }
    live = {
        "1.1.0": {"cpu_percent": 50.0, "at": 7.0},
        "2.1.0": {"cpu_percent": 30.0},
        "4.1.0": {"cpu_percent": 5.0},
    }
    by_node, by_task = _usage_of(places, live)
    assert by_node == {"shared": {"cpu_percent": 80.0}, "whole": {"cpu_percent": 5.0}}
    assert by_task == {
        "1": {"shared": {"cpu_percent": 50.0}},
        "2": {"shared": {"cpu_percent": 30.0}},
        "3": {"shared": {}},  # nothing is known, which is not what the others use
    }

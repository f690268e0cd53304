"""What the feed costs when nothing happens, and what it may not keep."""

from hai.core.identity import Role, User
from hai.core.task import WorkerKey
from hai.core.types import TaskId, UserName
from hai.schema.dashboard import DashboardView
from hai.service.dashboard import SAMPLES, DashboardFeed
from hai.service.signals import worker_key
from hai.service.views import Views
from tests.unit.service.loop_bench import LoopBench

ROOT = User(UserName("root"), Role.ADMIN, 0)


def made(bench: LoopBench) -> DashboardFeed:
    views = Views(bench.store, bench.bus, bench.last_tick)
    return DashboardFeed(bench.store, bench.bus, bench.clock, bench.last_tick, views)


async def told(
    bench: LoopBench, *workers: tuple[int, dict[str, float]]
) -> tuple[list[TaskId], DashboardView]:
    """The feed with a task for each (number of its node, what its agent tells)."""
    ids = []
    for node, figures in workers:
        task_id = await bench.submit()
        await bench.begin(task_id, node)
        await bench.bus.put_live(worker_key(WorkerKey(task_id, 1, 0)), figures, 1000)
        ids.append(task_id)
    dashboard = made(bench)
    await dashboard.run_once()
    return ids, await dashboard.whole(ROOT)


async def test_the_history_is_an_hour_and_no_more(bench: LoopBench) -> None:
    dashboard = made(bench)
    for _ in range(SAMPLES + 5):
        await dashboard.run_once()
        await bench.clock.advance(30)
    history = (await dashboard.whole(ROOT))["history"]
    assert len(history["busy"][""]) == SAMPLES
    assert history["every_seconds"] == 30


async def test_a_node_that_several_share_is_one_busy_node(bench: LoopBench) -> None:
    _, piece = await told(bench, (0, {}), (0, {}), (1, {}))
    assert piece["history"]["busy"][""] == [2]


async def test_without_news_no_version_is_made(bench: LoopBench) -> None:
    dashboard = made(bench)
    task_id = await bench.submit()
    before = (await dashboard.whole(ROOT))["cursor"]
    for _ in range(3):
        await bench.clock.advance(30)
        assert (await dashboard.whole(ROOT))["cursor"] == before
    await bench.begin(task_id)
    assert (await dashboard.whole(ROOT))["cursor"] != before


async def test_what_containers_on_one_node_use_adds_up(bench: LoopBench) -> None:
    """Of how busy their GPUs are, the mean is told."""
    first = {"cpu_percent": 50.0, "gpu_percent": 10.0}
    second = {"cpu_percent": 30.0, "gpu_percent": 30.0, "memory_bytes": 5.0}
    _, piece = await told(bench, (0, first), (0, second))
    both = {"cpu_percent": 80.0, "gpu_percent": 20.0, "memory_bytes": 5.0}
    assert piece["usage"] == {"node-0": both}


async def test_on_a_shared_node_each_task_has_figures_of_its_own(bench: LoopBench) -> None:
    nothing: dict[str, float] = {}
    first, second = {"cpu_percent": 50.0, "at": 7.0}, {"cpu_percent": 30.0}
    alone = {"cpu_percent": 5.0}
    ids, piece = await told(bench, (0, first), (0, second), (0, nothing), (1, alone), (2, nothing))
    assert piece["usage"] == {"node-0": {"cpu_percent": 80.0}, "node-1": alone}
    assert piece["task_usage"] == {
        str(ids[0]): {"node-0": {"cpu_percent": 50.0}},
        str(ids[1]): {"node-0": second},
        str(ids[2]): {"node-0": {}},  # nothing is known, which is not what the others use
    }

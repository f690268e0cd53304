"""What the feed costs when nothing happens, and what it may not keep."""

from pathlib import Path

from hai.service.dashboard import SAMPLES, Dashboard, _together
from hai.service.views import Views
from tests.unit.service.loop_bench import LoopBench


def made(bench: LoopBench) -> Dashboard:
    views = Views(bench.store, bench.bus, bench.board)
    return Dashboard(bench.store, bench.bus, bench.clock, bench.board, views)


async def test_the_history_is_an_hour_and_no_more(bench: LoopBench, tmp_path: Path) -> None:
    dashboard = made(bench)
    for _ in range(SAMPLES + 5):
        await dashboard.turn()
        await bench.clock.advance(30)
    history = dashboard._history.view()
    assert len(history["busy"][""]) == SAMPLES
    assert history["every_seconds"] == 30


async def test_without_news_no_version_is_made(bench: LoopBench) -> None:
    dashboard = made(bench)
    await dashboard.refresh()
    before = dashboard._mirror.version
    for _ in range(3):
        await dashboard.refresh()
    assert dashboard._mirror.version == before


def test_what_containers_on_one_node_use_adds_up() -> None:
    told = [
        {"cpu_percent": 50.0, "gpu_percent": 10.0},
        {"cpu_percent": 30.0, "gpu_percent": 30.0, "memory_bytes": 5.0},
    ]
    assert _together(told) == {"cpu_percent": 80.0, "gpu_percent": 20.0, "memory_bytes": 5.0}

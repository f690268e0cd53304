"""The health loop on a bench, and what it says of the nodes."""

from collections.abc import Callable
from pathlib import Path

from hai.core.node import NodeHealth
from hai.service.loops.health import HealthChecking, Patience
from tests.unit.service.loop_bench import LOST_AFTER_SECONDS, LoopBench

TURN_SECONDS = 10.0
QUIET_SECONDS = 60.0
PATIENCE = Patience(lost_after_seconds=LOST_AFTER_SECONDS, quiet_seconds=QUIET_SECONDS)
GIB = 2**30


class Disk:
    """Its free space, as the test says."""

    def __init__(self) -> None:
        self.free_bytes = 10 * GIB

    def __call__(self, _folder: Path) -> int:
        return self.free_bytes


def checking(bench: LoopBench, free_bytes: Callable[[Path], int] | None = None) -> HealthChecking:
    (bench.folder / "logs").mkdir(exist_ok=True)
    return HealthChecking(
        bench.store,
        bench.bus,
        bench.clock,
        bench.launching,
        patience=PATIENCE,
        log_dir=bench.folder / "logs",
        free_bytes=free_bytes or Disk(),
    )


async def health_of(bench: LoopBench) -> dict[str, tuple[NodeHealth, str]]:
    return {node.name: (node.health, node.health_why) for node in await bench.store.nodes()}

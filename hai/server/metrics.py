"""Prometheus figures, made from the read model on request, in a registry of their own."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from hai.core.node import Node
from hai.core.types import TaskState
from hai.ports import Store
from hai.service.board import Board
from hai.service.loops.supervisor import LoopFigures, Supervisor


class _Snapshot(Collector):
    def __init__(
        self,
        counts: Mapping[TaskState, int],
        nodes: Iterable[Node],
        board: Board,
        loops: Mapping[str, LoopFigures],
    ) -> None:
        self._counts = counts
        self._nodes = list(nodes)
        self._board = board
        self._loops = loops

    def collect(self) -> Iterable[Metric]:
        tasks = GaugeMetricFamily("hai_tasks", "Tasks by state", labels=["state"])
        for state in TaskState:
            tasks.add_metric([state.value], self._counts.get(state, 0))
        yield tasks
        nodes = GaugeMetricFamily(
            "hai_nodes", "Nodes by group and health", labels=["group", "health"]
        )
        held: dict[tuple[str, str], int] = {}
        for node in self._nodes:
            key = (node.group, node.health.value)
            held[key] = held.get(key, 0) + 1
        for labels, count in sorted(held.items()):
            nodes.add_metric(list(labels), count)
        yield nodes
        yield CounterMetricFamily(
            "hai_ticks", "Planner runs since the start", value=self._board.ticks
        )
        yield GaugeMetricFamily(
            "hai_tick_seconds", "Duration of the last planner run", value=self._board.tick_seconds
        )
        turns = CounterMetricFamily("hai_loop_turns", "Turns of each loop", labels=["loop"])
        failures = CounterMetricFamily("hai_loop_failures", "Failed turns", labels=["loop"])
        seconds = GaugeMetricFamily(
            "hai_loop_seconds", "Duration of the last turn", labels=["loop"]
        )
        for name, figures in self._loops.items():
            turns.add_metric([name], figures.turns)
            failures.add_metric([name], figures.failures)
            seconds.add_metric([name], figures.last_seconds)
        yield from (turns, failures, seconds)


async def exposition(store: Store, board: Board, supervisor: Supervisor) -> bytes:
    """The text format of all figures as they are now."""
    registry = CollectorRegistry()
    registry.register(
        _Snapshot(await store.count_tasks(), await store.nodes(), board, supervisor.figures)
    )
    return generate_latest(registry)

"""Prometheus figures, made from the read model on request, in a registry of their own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from hai import __version__
from hai.core.node import Node
from hai.core.server_role import ServerRole
from hai.core.types import TaskState
from hai.server.deps import Services
from hai.service.channels import ChannelFigures
from hai.service.last_tick import LastTick
from hai.service.loops.supervisor import LoopFigures


@dataclass(frozen=True, slots=True, eq=False)  # a registry knows it by itself
class _Cluster(Collector):
    """What is the same whoever tells it: told by the leader alone, so that sums over processes are
    right."""

    counts: Mapping[TaskState, int]
    nodes: Sequence[Node]
    last_tick: LastTick

    def collect(self) -> Iterable[Metric]:
        tasks = GaugeMetricFamily("hai_tasks", "Tasks by state", labels=["state"])
        for state in TaskState:
            tasks.add_metric([state.value], self.counts.get(state, 0))
        yield tasks
        nodes = GaugeMetricFamily(
            "hai_nodes", "Nodes by group and health", labels=["group", "health"]
        )
        held: dict[tuple[str, str], int] = {}
        for node in self.nodes:
            key = (node.group, node.health.value)
            held[key] = held.get(key, 0) + 1
        for labels, count in sorted(held.items()):
            nodes.add_metric(list(labels), count)
        yield nodes
        yield CounterMetricFamily(
            "hai_ticks", "Planner runs since the start", value=self.last_tick.ticks
        )
        yield GaugeMetricFamily(
            "hai_tick_seconds",
            "Duration of the last planner run",
            value=self.last_tick.tick_seconds,
        )


@dataclass(frozen=True, slots=True, eq=False)  # a registry knows it by itself
class _Process(Collector):
    """What this process alone can tell."""

    role: ServerRole
    leads: bool
    bus_is_up: bool
    loops: Mapping[str, LoopFigures]
    channels: ChannelFigures

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily(
            "hai_server", "This process", value={"role": self.role.value, "version": __version__}
        )
        yield GaugeMetricFamily(
            "hai_leads", "1 in the process that leads, 0 in others", value=self.leads
        )
        yield GaugeMetricFamily(
            "hai_bus_up", "1 while hints from other processes arrive", value=self.bus_is_up
        )
        yield GaugeMetricFamily(
            "hai_channels", "Channels into tasks that this process carries", self.channels.open
        )
        ways = CounterMetricFamily(
            "hai_channels_carried", "Channels so far, by where their client was", labels=["client"]
        )
        ways.add_metric(["here"], self.channels.carried)
        ways.add_metric(["elsewhere"], self.channels.passed_on)
        yield ways
        turns = CounterMetricFamily("hai_loop_turns", "Turns of each loop", labels=["loop"])
        failures = CounterMetricFamily("hai_loop_failures", "Failed turns", labels=["loop"])
        seconds = GaugeMetricFamily(
            "hai_loop_seconds", "Duration of the last turn", labels=["loop"]
        )
        for name, figures in self.loops.items():
            turns.add_metric([name], figures.runs)
            failures.add_metric([name], figures.failures)
            seconds.add_metric([name], figures.last_seconds)
        yield from (turns, failures, seconds)


async def exposition(served: Services) -> bytes:
    """The text format of all figures of this process as they are now."""
    registry = CollectorRegistry()
    leads = served.monitoring.leads
    if leads:
        counts, nodes = await served.monitoring.counts()
        registry.register(_Cluster(counts, nodes, served.last_tick))
    bus_is_up = served.bus.connected_since is not None
    figures, channels = served.supervisor.figures, served.channels.figures
    registry.register(_Process(served.role, leads, bus_is_up, figures, channels))
    return generate_latest(registry)

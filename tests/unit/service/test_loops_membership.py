"""Nodes that come from a cluster: they join, change and leave; a cordon counts on both sides."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hai.core.lifecycle import transitions
from hai.core.node import Node, NodeHealth
from hai.core.plan import Start
from hai.core.task import Task, TaskChange, WorkerKey
from hai.core.types import NodeName, Priority, TaskState
from hai.errors import Denied, Unavailable
from hai.ports.nodes import SourceNode
from hai.service.loops.membership import MembershipLoop
from tests import factories
from tests.unit.service.loop_bench import LoopBench

H = NodeHealth


class Source:
    """A cluster in memory."""

    launcher = "kubernetes"

    def __init__(self, *names: str) -> None:
        self.there = {name: SourceNode(node=node(name), is_ready=True) for name in names}
        self.leaving: dict[WorkerKey, str] = {}
        self.is_silent = False
        self.may_cordon = True
        self.calls = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def nodes(self) -> list[SourceNode]:
        if self.is_silent:
            raise Unavailable("the API server does not answer")
        return list(self.there.values())

    async def departures(self) -> Mapping[WorkerKey, str]:
        return self.leaving

    async def set_cordon(self, name: NodeName, *, cordoned: bool, agreed: bool) -> None:
        self.calls += 1
        if not self.may_cordon:
            raise Denied("nodes cannot be patched")
        self.change(name, is_cordoned=cordoned, is_agreed=agreed)

    async def wait(self, seconds: float) -> None: ...

    def change(self, name: str, **values: object) -> None:
        self.there[name] = replace(self.there[name], **values)  # type: ignore[arg-type]


def node(name: str, **more: object) -> Node:
    return factories.node(name, launcher="kubernetes", **more)


async def health(bench: LoopBench) -> dict[str, NodeHealth]:
    return {one.name: one.health for one in await bench.store.nodes() if is_ours(one)}


def is_ours(one: Node) -> bool:
    return one.launcher == Source.launcher


async def settle(bench: LoopBench, source: Source, loop: MembershipLoop | None = None) -> None:
    """Several turns; a level that was reached is left alone."""
    loop = loop or MembershipLoop(bench.store, bench.bus, bench.clock, source)
    for _ in range(3):
        await loop.run_once()
    calls, nodes = source.calls, await bench.store.nodes()
    await loop.run_once()
    assert (source.calls, await bench.store.nodes()) == (calls, nodes)


async def test_nodes_join_change_and_leave(bench: LoopBench) -> None:
    await bench.store.put_nodes([factories.node("here", launcher="local")])
    source = Source("n1", "n2")
    source.there["n1"] = replace(source.there["n1"], node=node("n1", group="gpu", gpus=8))
    await settle(bench, source)
    assert set(await health(bench)) == {"n1", "n2"}
    assert "gpu" in {group.name for group in await bench.store.groups()}
    source.there["n2"] = replace(source.there["n2"], node=node("n2", gpus=4, leaf="l1", zone="z"))
    del source.there["n1"]
    await settle(bench, source)
    known = {one.name: one for one in await bench.store.nodes()}
    assert "here" in known
    assert "n1" not in known
    assert (known[NodeName("n2")].gpus, known[NodeName("n2")].leaf, known[NodeName("n2")].zone) == (
        4,
        "l1",
        "z",
    )


async def test_a_silent_cluster_changes_nothing(bench: LoopBench) -> None:
    source = Source("n1")
    await settle(bench, source)
    source.there.clear()
    source.is_silent = True
    await settle(bench, source)
    assert set(await health(bench)) == {"n1"}


async def test_readiness_comes_and_goes(bench: LoopBench) -> None:
    source = Source("n1")
    await settle(bench, source)
    source.change("n1", is_ready=False, why="Kubelet stopped posting node status.")
    await settle(bench, source)
    [one] = filter(is_ours, await bench.store.nodes())
    assert one.health is H.DOWN
    assert "Kubelet stopped posting" in one.health_why
    source.change("n1", is_ready=True, why="")
    await settle(bench, source)
    assert await health(bench) == {"n1": H.READY}


async def test_a_cordon_there_counts_here_and_is_lifted_there(bench: LoopBench) -> None:
    source = Source("n1")
    await settle(bench, source)
    source.change("n1", is_cordoned=True)
    await settle(bench, source)
    assert await health(bench) == {"n1": H.CORDONED}
    source.change("n1", is_cordoned=False)
    await settle(bench, source)
    assert await health(bench) == {"n1": H.READY}
    assert not source.there["n1"].is_agreed


async def test_a_cordon_there_is_lifted_here(bench: LoopBench) -> None:
    source = Source("n1")
    source.change("n1", is_cordoned=True)
    await settle(bench, source)
    await say(bench, H.READY)
    await settle(bench, source)
    assert not source.there["n1"].is_cordoned
    assert await health(bench) == {"n1": H.READY}


@pytest.mark.parametrize("closed", [H.CORDONED, H.DRAINED])
async def test_a_cordon_here_counts_there_and_is_lifted_on_either_side(
    bench: LoopBench, closed: NodeHealth
) -> None:
    source = Source("n1")
    await settle(bench, source)
    for lift in (say(bench, H.READY), lifted_there(source)):
        await say(bench, closed)
        await settle(bench, source)
        assert [one.is_cordoned for one in source.there.values()] == [True]
        assert await health(bench) == {"n1": closed}
        await lift
        await settle(bench, source)
        assert [one.is_cordoned for one in source.there.values()] == [False]
        assert await health(bench) == {"n1": H.READY}


async def test_without_the_right_to_cordon_ours_counts_here(bench: LoopBench) -> None:
    source = Source("n1")
    source.may_cordon = False
    loop = MembershipLoop(bench.store, bench.bus, bench.clock, source)
    await settle(bench, source, loop)
    await say(bench, H.CORDONED)
    await settle(bench, source, loop)
    assert await health(bench) == {"n1": H.CORDONED}
    assert source.calls == 1


async def test_a_node_that_left_stays_while_a_task_holds_it(bench: LoopBench) -> None:
    source = Source("n1")
    await settle(bench, source)
    task = await running(bench)
    del source.there["n1"]
    await settle(bench, source)
    assert await health(bench) == {"n1": H.DOWN}
    source.there["n1"] = SourceNode(node=node("n1"), is_ready=True)
    await settle(bench, source)
    assert await health(bench) == {"n1": H.READY}
    assert (await bench.store.task(task.id)) is not None


async def test_what_the_cluster_asks_to_leave_is_suspended(bench: LoopBench) -> None:
    source = Source("n1")
    await settle(bench, source)
    task = await running(bench)
    source.leaving = {WorkerKey(task.id, 1, 0): "node n1 is drained"}
    await settle(bench, source)
    after = await bench.store.task(task.id)
    assert after is not None
    assert (after.state, after.why) == (TaskState.SUSPENDING, "node n1 is drained")
    assert not after.held


async def test_an_attempt_that_is_over_asks_nobody(bench: LoopBench) -> None:
    source = Source("n1")
    await settle(bench, source)
    task = await running(bench)
    source.leaving = {WorkerKey(task.id, 9, 0): "an old pod"}
    await settle(bench, source)
    after = await bench.store.task(task.id)
    assert after is not None
    assert after.state is TaskState.RUNNING


async def lifted_there(source: Source) -> None:
    source.change("n1", is_cordoned=False)


async def running(bench: LoopBench) -> Task:
    """A task that runs on n1."""
    [made] = await bench.store.add_tasks([factories.task_draft(nodes=1)], bench.clock.now())
    assert isinstance(made, Task)
    start = Start(made.id, (NodeName("n1"),), Priority.NORMAL)
    begun = transitions.begin(made, start, bench.clock.now()).task
    assert begun.attempt is not None
    attempt = replace(begun.attempt, started_at=bench.clock.now())
    runs = replace(begun, state=TaskState.RUNNING, attempt=attempt)
    [saved] = await bench.store.save([TaskChange(runs, ())])
    return saved


async def say(bench: LoopBench, health: NodeHealth) -> None:
    """What an admin's cordon, drain or resume writes."""
    event = factories.event("node.changed")
    await bench.store.set_node_health(NodeName("n1"), health, "an admin", event)

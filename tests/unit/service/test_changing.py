"""The guarded writes that all use-cases share: a task as it is now, a node's health."""

from dataclasses import replace

import pytest

from hai.core.node import NodeHealth
from hai.core.task import Task, TaskChange
from hai.core.types import NodeName, TaskId
from hai.errors import Conflict
from hai.service.changing import TRIES, change_task
from hai.service.node_health import NodeHealthWriter
from tests.unit.service.loop_bench import LoopBench


def ranked(task: Task) -> TaskChange:
    return TaskChange(replace(task, custom_rank=task.custom_rank + 1), ())


async def test_who_was_overtaken_tries_again_on_the_task_as_it_is(bench: LoopBench) -> None:
    task_id = await bench.submit()
    reads = 0

    async def read() -> Task:
        nonlocal reads
        reads += 1
        task = await bench.store.task(task_id)
        assert task is not None
        if reads <= 3:  # somebody else writes between our look and our write
            await bench.store.save([ranked(task)])
        return task

    saved = await change_task(bench.store, bench.bus, read, ranked)
    assert (reads, saved.custom_rank) == (4, 4.0)


async def test_nobody_tries_for_ever_and_nothing_is_half_written(bench: LoopBench) -> None:
    task_id = await bench.submit()
    task = await bench.store.task(task_id)
    assert task is not None
    await bench.store.save([ranked(task)])
    reads: list[TaskId] = []

    async def stale() -> Task:
        reads.append(task_id)
        return task

    with pytest.raises(Conflict, match="changes too fast"):
        await change_task(bench.store, bench.bus, stale, ranked)
    now = await bench.store.task(task_id)
    assert now is not None
    assert (len(reads), now.custom_rank) == (TRIES, 1.0)


async def test_a_health_that_somebody_else_changed_stays_unless_it_is_an_order(
    bench: LoopBench,
) -> None:
    node = (await bench.store.nodes())[0]
    writer = NodeHealthWriter(bench.store, bench.bus, bench.clock, "health")
    assert await writer.write(node, NodeHealth.SUSPECT, "disk: full", told="it is full")
    before = await bench.store.last_event_id()
    assert not await writer.write(node, NodeHealth.READY, "")
    assert await bench.store.last_event_id() == before
    assert await writer.write(node, NodeHealth.CORDONED, "by hand", is_order=True)
    found = {one.name: one for one in await bench.store.nodes()}[node.name]
    assert (found.health, found.health_why) == (NodeHealth.CORDONED, "by hand")
    told = [event.draft for event in await bench.store.events(0) if "node." in event.draft.kind]
    kinds = [(one.kind, one.actor, one.why) for one in told if one.kind != "nodes.changed"]
    assert kinds == [
        ("node.suspect", "health", "it is full"),
        ("node.cordoned", "health", "by hand"),
    ]
    gone = replace(node, name=NodeName("nobody"))
    assert not await writer.write(gone, NodeHealth.READY, "", is_order=True)

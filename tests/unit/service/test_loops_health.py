"""The health loop: full disks make nodes suspect, lasting silence ends agents."""

import pytest

from hai.bus.local import LocalBus
from hai.core.node import NodeHealth
from hai.core.types import NodeName, TaskState
from hai.ports import WorkerPhase
from hai.service.loops.health import HealthChecking
from hai.service.signals import SCHEDULE, heard
from hai.service.suspects import mark_suspects
from tests import factories
from tests.unit.service.health_bench import (
    GIB,
    PATIENCE,
    QUIET_SECONDS,
    TURN_SECONDS,
    Disk,
    checking,
    health_of,
)
from tests.unit.service.loop_bench import LOST_AFTER_SECONDS, LoopBench, key_of


class OneOfMany(LocalBus):
    """The bus of a process that may or may not hear the others."""

    since: float | None = None

    @property
    def connected_since(self) -> float | None:
        return self.since


async def local_node(bench: LoopBench) -> None:
    await bench.store.put_nodes([factories.node("here", launcher="local")])


async def test_a_full_disk_makes_the_nodes_of_this_machine_suspect(bench: LoopBench) -> None:
    await local_node(bench)
    disk = Disk()
    loop = checking(bench, disk)
    assert await loop.run_once() == TURN_SECONDS
    assert (await health_of(bench))["here"] == (NodeHealth.READY, "")
    disk.free_bytes = 5 * 2**20
    async with bench.bus.subscribe(SCHEDULE) as messages:
        await loop.run_once()
        assert await heard(messages, 5.0), "the planner hears it"
    health, why = (await health_of(bench))["here"]
    assert health is NodeHealth.SUSPECT
    assert "5 MiB free" in why
    assert (await health_of(bench))["node-0"] == (NodeHealth.READY, "")
    noted = await bench.store.last_event_id()
    disk.free_bytes = 4 * 2**20
    await loop.run_once()
    assert await bench.store.last_event_id() == noted, "once is enough"
    disk.free_bytes = GIB
    await loop.run_once()
    assert (await health_of(bench))["here"] == (NodeHealth.READY, "")


async def test_a_log_folder_that_is_gone_is_no_better(bench: LoopBench) -> None:
    await local_node(bench)
    loop = HealthChecking(
        bench.store,
        bench.bus,
        bench.clock,
        bench.launching,
        patience=PATIENCE,
        log_dir=bench.folder / "nowhere",
    )
    assert await loop.run_once() == TURN_SECONDS
    assert (await health_of(bench))["here"][0] is NodeHealth.SUSPECT
    (bench.folder / "nowhere").mkdir()
    await loop.run_once()
    assert (await health_of(bench))["here"][0] is NodeHealth.READY


@pytest.mark.parametrize("health", [NodeHealth.DRAINED, NodeHealth.DOWN, NodeHealth.SUSPECT])
async def test_what_others_said_of_a_node_stays(bench: LoopBench, health: NodeHealth) -> None:
    await local_node(bench)
    await bench.store.set_node_health(NodeName("here"), health, "an admin", factories.event())
    disk = Disk()
    loop = checking(bench, disk)
    for free_bytes in (0, GIB):
        disk.free_bytes = free_bytes
        await loop.run_once()
        assert (await health_of(bench))["here"] == (health, "an admin")


async def test_lasting_silence_ends_an_agent_and_nothing_less_does(bench: LoopBench) -> None:
    silent, speaking = await bench.running(), await bench.running(first_node=1)
    loop = checking(bench)
    await loop.run_once()
    alive = dict.fromkeys([key_of(silent), key_of(speaking)], WorkerPhase.ALIVE)
    bench.silent.add(key_of(silent))  # it hangs: no report any more
    await bench.clock.advance(LOST_AFTER_SECONDS + 6)
    for _ in range(2):
        await loop.run_once()
        assert await bench.phases() == alive
        await bench.clock.advance(TURN_SECONDS)
    await loop.run_once()
    assert await bench.phases() == {**alive, key_of(silent): WorkerPhase.LOST}


async def test_without_a_word_from_the_other_processes_nobody_is_taken_for_silent(
    bench: LoopBench,
) -> None:
    """Agents speak to api replicas: while the bus is down, and so long afterwards as an agent may
    be silent, nothing is known of them here."""
    task_id = await bench.running()
    alive = {key_of(task_id): WorkerPhase.ALIVE}
    bus = bench.bus = OneOfMany(bench.clock)  # it hears nothing of the agents
    loop = checking(bench)
    await loop.run_once()
    for _ in range(8):
        await bench.clock.advance(TURN_SECONDS)
        await loop.run_once()
        assert await bench.phases() == alive
    bus.since = bench.clock.steady()
    for _ in range(4):
        await bench.clock.advance(LOST_AFTER_SECONDS / 5)
        await loop.run_once()
        assert await bench.phases() == alive
    bench.silent.add(key_of(task_id))  # it hangs: no report any more
    await bench.clock.advance(2 * LOST_AFTER_SECONDS)
    for _ in range(3):
        await loop.run_once()
        await bench.clock.advance(TURN_SECONDS)
    assert (await bench.phases())[key_of(task_id)] is WorkerPhase.LOST


async def test_a_word_in_between_counts(bench: LoopBench) -> None:
    task_id = await bench.running()
    loop = checking(bench)
    await loop.run_once()
    bench.is_deaf = True
    await bench.clock.advance(LOST_AFTER_SECONDS + 6)
    for _ in range(3):
        await loop.run_once()
        await loop.run_once()
        bench.is_deaf = False
        await bench.clock.advance(6.0)
        await loop.run_once()
        bench.is_deaf = True
        await bench.clock.advance(LOST_AFTER_SECONDS + 6)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.ALIVE}


async def test_who_takes_the_lead_waits_until_all_could_have_spoken(bench: LoopBench) -> None:
    task_id = await bench.running()
    bench.is_deaf = True
    loop = checking(bench)
    bench.store.leads = False
    await bench.clock.advance(10 * LOST_AFTER_SECONDS)
    await loop.run_once()
    bench.store.leads = True
    for _ in range(4):
        await loop.run_once()
        await bench.clock.advance(TURN_SECONDS)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.ALIVE}
    await bench.clock.advance(LOST_AFTER_SECONDS)
    for _ in range(3):
        await loop.run_once()
    assert await bench.phases() == {key_of(task_id): WorkerPhase.LOST}


async def test_a_suspect_comes_back_when_it_was_quiet(bench: LoopBench) -> None:
    disk = Disk()
    loop = checking(bench, disk)
    lost = [(NodeName("node-0"), "worker 1.1.0 is gone")]
    await mark_suspects(bench.store, bench.bus, bench.clock, lost)
    assert (await health_of(bench))["node-0"] == (
        NodeHealth.SUSPECT,
        "lost: worker 1.1.0 is gone",
    )
    assert (await health_of(bench))["node-1"][0] is NodeHealth.READY
    assert await loop.run_once() == TURN_SECONDS
    await bench.clock.advance(QUIET_SECONDS - 5)
    assert await loop.run_once() == 5.0
    again = [(NodeName("node-0"), "worker 2.1.0 is gone")]
    await mark_suspects(bench.store, bench.bus, bench.clock, again)
    await bench.clock.advance(5)
    await loop.run_once()
    assert (await health_of(bench))["node-0"][0] is NodeHealth.SUSPECT
    await bench.clock.advance(QUIET_SECONDS)
    await loop.run_once()
    assert (await health_of(bench))["node-0"] == (NodeHealth.READY, "")
    kinds = [event.draft.kind for event in await bench.store.events(0)]
    assert [kind for kind in kinds if kind.startswith("node.")] == [
        "node.suspect",
        "node.suspect",
        "node.ready",
    ]


async def test_a_suspect_whose_launcher_is_away_stays_one(bench: LoopBench) -> None:
    loop = checking(bench)
    lost = [(NodeName("node-0"), "worker 1.1.0 is gone")]
    await mark_suspects(bench.store, bench.bus, bench.clock, lost)
    await loop.run_once()
    hollow = bench.launchers.pop("hollow")
    await bench.clock.advance(QUIET_SECONDS)
    await loop.run_once()
    assert (await health_of(bench))["node-0"][0] is NodeHealth.SUSPECT
    bench.launchers["hollow"] = hollow
    await bench.clock.advance(QUIET_SECONDS)
    await loop.run_once()
    assert (await health_of(bench))["node-0"][0] is NodeHealth.READY


async def test_what_an_admin_says_of_a_node_wins(bench: LoopBench) -> None:
    event = factories.event("node.cordoned")
    name = NodeName("node-0")
    await bench.store.set_node_health(name, NodeHealth.CORDONED, "mine", event)
    await mark_suspects(bench.store, bench.bus, bench.clock, [(name, "worker 1.1.0 is gone")])
    assert (await health_of(bench))["node-0"] == (NodeHealth.CORDONED, "mine")


async def test_work_that_a_crash_left_on_a_drained_node_is_given_notice(bench: LoopBench) -> None:
    task_id = await bench.running()
    other = await bench.running(first_node=1)
    event = factories.event("node.drained")
    await bench.store.set_node_health(NodeName("node-0"), NodeHealth.DRAINED, "fans", event)
    await checking(bench).run_once()
    task = await bench.task(task_id)
    assert (task.state, task.held) == (TaskState.SUSPENDING, False)
    assert task.why == "node node-0 is drained: fans"
    assert await bench.state(other) is TaskState.RUNNING

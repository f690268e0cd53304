"""The reconcile loop brings what should run and what does run together."""

import json

from structlog.testing import capture_logs

from hai.core.node import NodeHealth
from hai.core.task import Task
from hai.core.types import NodeName, Outcome, TaskId, TaskState, WorkerState
from hai.ports import WorkerPhase
from tests import factories
from tests.unit.service.loop_bench import LATE_SECONDS, TIMING, LoopBench, key_of


async def test_a_worker_that_nobody_launched_is_launched(bench: LoopBench) -> None:
    task_id = await bench.submit(nodes=2)
    await bench.begin(task_id)
    await bench.run_once(bench.reconcile)
    assert await bench.phases() == {}, "its launch may be under way"
    await bench.clock.advance(2.0)
    await bench.run_once(bench.reconcile)
    assert set(await bench.phases()) == {key_of(task_id, 0), key_of(task_id, 1)}
    await bench.clock.advance(0.1)
    assert await bench.state(task_id) is TaskState.RUNNING


async def test_after_a_restart_starting_work_begins_anew(bench: LoopBench) -> None:
    task_id = await bench.submit()
    await bench.begin(task_id)
    bench.is_deaf = True
    bench.launching.launch_soon([await bench.task(task_id)])
    await bench.clock.advance(3.0)
    assert set(await bench.phases()) == {key_of(task_id)}
    await bench.restart()
    await bench.run_once(bench.reconcile)
    assert set(await bench.phases()) == {key_of(task_id)}
    assert await bench.outcome(task_id) is None


async def test_a_worker_that_was_asked_for_is_not_asked_for_again(bench: LoopBench) -> None:
    bench.is_deaf = True
    task_id = await bench.submit()
    await bench.begin(task_id)
    with capture_logs() as logs:
        bench.launching.launch_soon([await bench.task(task_id)])
        assert bench.launching.is_underway(await bench.task(task_id))
        await bench.reconcile.run_once()
        for _ in range(5):
            await bench.clock.advance(2.0)
            await bench.run_once(bench.reconcile)
    assert "relaunch" not in [line["event"] for line in logs]


async def test_launches_are_remembered_only_until_they_are_heard_of(bench: LoopBench) -> None:
    bench.is_deaf = True
    one, two = await bench.submit(), await bench.submit()
    await bench.begin(one)
    await bench.begin(two, first_node=1)
    bench.launching.launch_soon([await bench.task(one), await bench.task(two)])
    await bench.clock.advance(1.0)
    await bench.run_once(bench.reconcile)
    assert bench.launching.launched == {key_of(one), key_of(two)}
    await bench.tell(one, 0, WorkerState.READY)
    await bench.run_once(bench.reconcile)
    assert bench.launching.launched == {key_of(two)}
    await bench.stop(two)
    await bench.tell(two, 0, WorkerState.EXITED, exit_code=143)
    await bench.run_once(bench.reconcile)
    assert bench.launching.launched == set()


async def test_an_end_that_could_not_be_reported_is_found(bench: LoopBench) -> None:
    task_id = await bench.running(seconds=5, exit_code=7)
    bench.is_deaf = True
    with capture_logs():
        await bench.clock.advance(10.0)
    assert await bench.state(task_id) is TaskState.RUNNING
    await bench.run_once(bench.reconcile)
    task = await bench.task(task_id)
    assert (task.state, task.exit_code) == (TaskState.FAILED, 7)


async def test_a_worker_that_died_without_a_word_costs_the_attempt_and_not_the_task(
    bench: LoopBench,
) -> None:
    task_id = await bench.running(nodes=2)
    await bench.hollow.kill(key_of(task_id, 1))
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.STOPPING
    bench.hollow.poke(task_id)  # rank 0 hears it
    await bench.clock.advance(0.2)
    task = await bench.task(task_id)
    assert (task.state, task.first) == (TaskState.SUSPENDED, True)
    assert await bench.outcome(task_id) is Outcome.NODE_LOST
    assert "rank 1 on node-1" in task.why
    health = {node.name: node.health for node in await bench.store.nodes()}
    assert (health[NodeName("node-0")], health[NodeName("node-1")]) == (
        NodeHealth.READY,
        NodeHealth.SUSPECT,
    )


async def test_a_restarted_machine_costs_the_attempt_and_not_the_task(bench: LoopBench) -> None:
    await bench.store.put_nodes([factories.node("node-0", launcher="local")])
    task_id = await bench.submit()
    await bench.begin(task_id)
    await bench.tell(task_id, 0, WorkerState.RUNNING)
    directory = bench.folder / "data" / "workers" / str(key_of(task_id))
    directory.mkdir(parents=True)
    agent = {"pid": 1, "pid_start": 1, "boot_id": "the boot before"}
    (directory / "agent.pid").write_text(json.dumps(agent))
    await bench.run_once(bench.reconcile)
    assert await bench.outcome(task_id) is Outcome.NODE_LOST
    task = await bench.task(task_id)
    assert (task.state, task.held, task.first) == (TaskState.SUSPENDED, False, True)
    node = (await bench.store.nodes())[0]
    assert (node.health, node.health_why) == (
        NodeHealth.SUSPECT,
        f"lost: worker {key_of(task_id)} is gone",
    )


async def test_hollow_work_is_lost_with_its_server_and_goes_back_in_line(bench: LoopBench) -> None:
    task_id = await bench.running(nodes=2)
    await bench.restart()
    await bench.run_once(bench.reconcile)
    assert await bench.outcome(task_id) is Outcome.NODE_LOST
    assert await bench.state(task_id) is TaskState.SUSPENDED


async def test_what_is_alive_is_left_alone(bench: LoopBench) -> None:
    task_id = await bench.running(nodes=2)
    before = await bench.task(task_id)
    for _ in range(5):
        assert 0 < await bench.run_once(bench.reconcile) <= 1.0
        await bench.clock.advance(20.0)
    assert await bench.task(task_id) == before


async def test_a_worker_on_its_way_is_not_lost_but_has_to_come_up(bench: LoopBench) -> None:
    await bench.store.put_nodes([factories.node("node-0", launcher="elsewhere")])
    task_id = await bench.submit()
    await bench.begin(task_id)
    bench.launching.launched.add(key_of(task_id))
    await bench.clock.advance(TIMING.start_timeout_seconds - 1)
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.STARTING
    await bench.clock.advance(1.5)
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.STOPPING
    assert "did not come up" in (await bench.task(task_id)).why


async def test_the_clock_ends_a_handshake_that_nobody_answers(bench: LoopBench) -> None:
    task_id = await bench.running(ignore_suspend=True)
    await bench.suspend(task_id)
    await bench.clock.advance(TIMING.notice_seconds - 0.5)
    assert 0 < await bench.run_once(bench.reconcile) <= 0.5, "it comes back in time"
    assert await bench.state(task_id) is TaskState.SUSPENDING
    await bench.clock.advance(0.5)
    await bench.run_once(bench.reconcile)
    bench.hollow.poke(task_id)
    await bench.clock.advance(0.1)
    assert await bench.outcome(task_id) is Outcome.SUSPENDED_DIRTY


async def test_who_does_not_leave_in_time_is_killed(bench: LoopBench) -> None:
    task_id = await bench.running()
    bench.is_deaf = True
    await bench.stop(task_id)
    await bench.run_once(bench.reconcile)
    await bench.clock.advance(LATE_SECONDS - 1)
    await bench.run_once(bench.reconcile)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.ALIVE}
    await bench.clock.advance(1.0)
    await bench.run_once(bench.reconcile)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.LOST}
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.STOPPED


async def test_who_never_came_is_given_up_and_can_not_come_later(bench: LoopBench) -> None:
    task_id = await bench.submit()
    await bench.begin(task_id)
    launch_underway = await bench.task(task_id)
    await bench.run_once(bench.reconcile)
    await bench.stop(task_id)
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.STOPPING
    await bench.clock.advance(LATE_SECONDS)
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.STOPPED
    await bench.launching.launch(launch_underway)
    assert await bench.phases() == {}


async def test_an_order_from_before_a_crash_gets_its_time(bench: LoopBench) -> None:
    task_id = await bench.running()
    bench.is_deaf = True
    await bench.stop(task_id)
    await bench.clock.advance(3600.0)  # there was no server, and the agent lives on
    await bench.restart_launching()
    await bench.run_once(bench.reconcile)
    await bench.clock.advance(LATE_SECONDS - 1)
    await bench.run_once(bench.reconcile)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.ALIVE}
    await bench.clock.advance(1.0)
    await bench.run_once(bench.reconcile)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.LOST}


async def test_one_worker_that_can_not_be_killed_does_not_hold_up_the_others(
    bench: LoopBench,
) -> None:
    bench.break_local_kills()
    await bench.store.put_nodes([factories.node("node-0", launcher="local")])
    stuck = await bench.submit()
    await bench.begin(stuck)
    await bench.stop(stuck)
    late = await bench.running(first_node=1)
    bench.is_deaf = True
    await bench.stop(late)
    await bench.run_once(bench.reconcile)
    await bench.clock.advance(LATE_SECONDS)
    with capture_logs() as logs:
        await bench.run_once(bench.reconcile)
        await bench.run_once(bench.reconcile)
    assert "kill_failed" in [line["event"] for line in logs]
    assert await bench.state(late) is TaskState.STOPPED
    assert await bench.state(stuck) is TaskState.STOPPING, "it might still be launched"


async def test_workers_of_a_removed_node_can_be_killed(bench: LoopBench) -> None:
    task_id = await bench.running()
    bench.is_deaf = True
    await bench.store.remove_nodes([NodeName("node-0")])
    await bench.restart_launching()
    await bench.stop(task_id)
    await bench.run_once(bench.reconcile)
    await bench.clock.advance(LATE_SECONDS)
    await bench.run_once(bench.reconcile)
    assert await bench.phases() == {key_of(task_id): WorkerPhase.LOST}
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.STOPPED


async def test_what_can_never_start_fails_and_says_why(bench: LoopBench) -> None:
    task_id = await bench.submit(exit_code=999)
    await bench.begin(task_id)
    await bench.clock.advance(2.0)
    await bench.run_once(bench.reconcile)
    task = await bench.task(task_id)
    assert (task.state, task.exit_code) == (TaskState.FAILED, 126)
    assert "exit_code must be" in task.why


async def test_a_follower_touches_nothing(bench: LoopBench) -> None:
    task_id = await bench.submit()
    await bench.begin(task_id)
    bench.store.leads = False
    await bench.clock.advance(100.0)
    await bench.run_once(bench.reconcile)
    assert await bench.phases() == {}
    assert await bench.state(task_id) is TaskState.STARTING


async def test_idle_turns_are_rare(bench: LoopBench) -> None:
    assert await bench.run_once(bench.reconcile) == 5.0


async def drafted(bench: LoopBench, **changes: object) -> TaskId:
    draft = factories.task_draft(**changes)
    (task,) = await bench.store.add_tasks([draft], bench.clock.now())
    assert isinstance(task, Task)
    return task.id


async def test_a_failure_runs_down_the_whole_chain_in_one_run(bench: LoopBench) -> None:
    first = await bench.submit()
    second = await drafted(bench, waits_ok=(first,))
    third = await drafted(bench, waits_ok=(second,))
    last = await drafted(bench, waits_any=(third,))
    await bench.run_once(bench.reconcile)
    assert await bench.state(third) is TaskState.QUEUED
    await bench.stop(first)
    await bench.run_once(bench.reconcile)
    assert await bench.state(second) is TaskState.STOPPED
    assert (await bench.task(third)).why == f"its dependency task {second} was stopped"
    free = await bench.task(last)
    assert (free.state, free.waits_for) == (TaskState.QUEUED, ())


async def test_time_is_up_without_any_report(bench: LoopBench) -> None:
    simulate = factories.run_spec(options={"simulate": {"seconds": 1000}})
    task_id = await drafted(bench, time_limit_seconds=30.0, spec=simulate)
    await bench.begin(task_id)
    bench.launching.launch_soon([await bench.task(task_id)])
    await bench.clock.advance(0.1)
    await bench.run_once(bench.reconcile)
    assert await bench.state(task_id) is TaskState.RUNNING
    await bench.clock.advance(30.0)
    await bench.run_once(bench.reconcile)
    task = await bench.task(task_id)
    assert task.why == "its time limit of 30s is over"

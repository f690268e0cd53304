"""A hollow launcher behind the real rules of a gang: only the store is missing, a dictionary."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hai.core.lifecycle import attempt_protocol, transitions
from hai.core.lifecycle.attempt_protocol import Timing, WorkerReport
from hai.core.node import Node
from hai.core.plan import Start
from hai.core.task import Task, TaskChange, WorkerKey
from hai.core.types import (
    GroupName,
    NodeName,
    Outcome,
    Priority,
    TaskId,
    TaskState,
    UserName,
    WorkerState,
)
from hai.launcher.hollow import HollowLauncher
from hai.ports import WorkerLaunch
from hai.schema.agent import AgentOrder, AgentReport
from tests.clocks import VirtualClock

TIMING = Timing()
STATES = {
    "ready": WorkerState.READY,
    "running": WorkerState.RUNNING,
    "exited": WorkerState.EXITED,
}


class Door:
    """What the server's worker service does with reports, on tasks in a dictionary."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.tasks: dict[TaskId, Task] = {}
        self.batches: list[tuple[float, Sequence[AgentReport]]] = []
        self.broken: Exception | None = None
        self.in_flight = 0
        self.delay_seconds = 0.0

    async def report(self, reports: Sequence[AgentReport]) -> Mapping[str, AgentOrder]:
        assert self.in_flight == 0, "one batch at a time"
        self.in_flight += 1
        try:
            await self.clock.sleep(self.delay_seconds)
            if self.broken is not None:
                raise self.broken
            self.batches.append((self.clock.now(), reports))
            self._fold(reports)
            return {
                report["key"]: self._order(self.tasks[key.task_id], key)
                for report in reports
                if (key := WorkerKey.parse(report["key"])).task_id in self.tasks
            }
        finally:
            self.in_flight -= 1

    def apply(self, change: TaskChange | None) -> None:
        if change is not None:
            self.tasks[change.task.id] = change.task

    def settle(self, task_id: int) -> None:
        """What the reconcile loop does when the clock of a handshake runs out."""
        self.apply(attempt_protocol.settle(self.tasks[TaskId(task_id)], self.clock.now(), TIMING))

    def _fold(self, reports: Sequence[AgentReport]) -> None:
        by_task: defaultdict[TaskId, list[WorkerReport]] = defaultdict(list)
        for report in reports:
            key = WorkerKey.parse(report["key"])
            by_task[key.task_id].append(
                WorkerReport(
                    rank=key.rank,
                    attempt=key.attempt,
                    state=STATES[report["phase"]],
                    exit_code=report["exit_code"],
                    acked=report["acked"],
                    saved=report["saved"],
                    address=report["address"],
                )
            )
        for task_id, folded in by_task.items():
            if task_id in self.tasks:
                self.apply(
                    attempt_protocol.fold(self.tasks[task_id], folded, self.clock.now(), TIMING)
                )

    @staticmethod
    def _order(task: Task, key: WorkerKey) -> AgentOrder:
        order = attempt_protocol.order_of(task, key.attempt, key.rank)
        return {
            "go": order.go,
            "master_addr": order.master_addr,
            "master_port": order.master_port,
            "suspend": order.suspend,
            "grace_seconds": TIMING.grace(task),
            "stop": order.stop,
            "term_seconds": TIMING.term_seconds,
            "over": order.over,
        }


class Bench:
    """A launcher, its clock and its door, and the verbs of a test."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.door = Door(self.clock)
        self.launcher = HollowLauncher(self.clock, self.door.report)

    def submit(self, task_id: int = 1, *, nodes: int = 1, **simulate: Any) -> Task:
        spec: dict[str, object] = {"options": {"simulate": simulate}} if simulate else {}
        task = Task(
            id=TaskId(task_id),
            chain_id=f"c{task_id}",
            user=UserName("ada"),
            name=f"t{task_id}",
            group=GroupName("training"),
            nodes=nodes,
            priority=Priority.NORMAL,
            spec=spec,
            submitted_at=self.clock.now(),
        )
        self.door.tasks[task.id] = task
        return task

    async def start(self, task_id: int = 1) -> None:
        task = self.door.tasks[TaskId(task_id)]
        names = tuple(NodeName(f"h{rank}") for rank in range(task.nodes))
        start = Start(task.id, names, task.priority)
        self.door.apply(transitions.begin(task, start, self.clock.now()))
        for rank in range(task.nodes):
            await self.launcher.launch(self.launch_of(task_id, rank))

    def launch_of(self, task_id: int, rank: int) -> WorkerLaunch:
        task = self.door.tasks[TaskId(task_id)]
        return WorkerLaunch(
            key=WorkerKey(task.id, task.attempts, rank),
            node=Node(NodeName(f"h{rank}"), task.group, "hollow"),
            user=task.user,
            uid=None,
            task_name=task.name,
            chain_id=task.chain_id,
            group=task.group,
            priority=task.priority,
            world_size=task.nodes,
            spec=task.spec,
            whole_life_state=0,
            log_dir="",
            server_url="",
            token="",
        )

    def suspend(self, task_id: int = 1) -> None:
        task = self.door.tasks[TaskId(task_id)]
        now = self.clock.now()
        self.door.apply(transitions.suspend(task, actor="test", why="test", hold=False, now=now))
        self.launcher.poke(task.id)

    def stop(self, task_id: int = 1) -> None:
        task = self.door.tasks[TaskId(task_id)]
        now = self.clock.now()
        self.door.apply(transitions.stop(task, actor="test", why="test", now=now))
        self.launcher.poke(task.id)

    def state(self, task_id: int = 1) -> TaskState:
        return self.door.tasks[TaskId(task_id)].state

    def outcome(self, task_id: int = 1) -> Outcome | None:
        attempt = self.door.tasks[TaskId(task_id)].attempt
        return attempt.outcome if attempt else None

    @property
    def reports(self) -> int:
        return sum(len(reports) for _, reports in self.door.batches)


@asynccontextmanager
async def opened(bench: Bench) -> AsyncIterator[Bench]:
    await bench.launcher.open()
    await bench.launcher.open()  # harmless
    try:
        yield bench
    finally:
        await bench.launcher.close()

"""What the loops work with, without a database: a store in memory, hollow workers, time by hand."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hai.bus.local import LocalBus
from hai.core.lifecycle import transitions
from hai.core.lifecycle.attempt_protocol import Timing, WorkerReport
from hai.core.node import Group
from hai.core.plan import Start
from hai.core.policy import Policy
from hai.core.replay import Record
from hai.core.task import Task, TaskChange, WorkerKey
from hai.core.types import GroupName, NodeName, Outcome, Priority, TaskId, TaskState, WorkerState
from hai.errors import Unavailable
from hai.launcher.hollow import HollowLauncher
from hai.launcher.local import LocalLauncher
from hai.ports import Launcher, WorkerPhase
from hai.schema.agent import AgentOrder, AgentReport
from hai.service.cluster import ClusterCache
from hai.service.decision_recorder import DecisionRecorder
from hai.service.feed import StateFeed
from hai.service.last_tick import LastTick
from hai.service.launchers import Launchers
from hai.service.launching import Launching
from hai.service.loops.reap import Reaping
from hai.service.loops.reconcile import Reconciling
from hai.service.loops.schedule import Scheduling
from hai.service.signals import announce
from hai.service.tasks import TaskService
from hai.service.timekeeping import Timekeeping
from hai.service.workers import WorkerService, WorkerTokens
from hai.store.memory import MemoryStore
from tests import factories
from tests.clocks import VirtualClock, settle

TIMING = Timing()
LATE_SECONDS = TIMING.term_seconds + 5.5  # an agent that has not left by then is bypassed
LOST_AFTER_SECONDS = 45.0
LAUNCHERS_SECONDS = 30.0  # of real time: these answer at once, as soon as the machine lets them


class LoopStore(MemoryStore):
    """Lets a test take the lead away, and do something between loading and applying."""

    def __init__(self) -> None:
        super().__init__()
        self.leads = True
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def lead(self) -> int:
        return int(self.leads)

    def lose_all_tasks(self) -> None:
        """As a database from a backup: it knows none of them."""
        self._tasks.clear()

    @property
    def is_leading(self) -> bool:
        return self.leads

    async def append_journal(self, record: Record) -> None:
        """What a plan is about to do is written before it is done."""
        await super().append_journal(record)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()


class LoopBench:
    """One server; `restart` makes another process of it, which knows only what the store knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.store = LoopStore()
        self.bus = LocalBus(self.clock)
        self.is_deaf = False  # no report of a hollow worker gets through
        self.silent: set[WorkerKey] = set()  # hollow workers that hang: they report no more
        self._orders: dict[str, AgentOrder] = {}  # the last one of each
        self.local = LocalLauncher(folder / "data", python="python3", gpu_count=0)
        self._compose()

    def _compose(self) -> None:
        cache = ClusterCache(self.store, self.clock)
        tasks = TaskService(self.store, self.bus, self.clock, cache, "training")
        self.workers = WorkerService(
            self.store,
            self.bus,
            self.clock,
            tasks,
            TIMING,
            heartbeat_seconds=10.0,
            lost_after_seconds=LOST_AFTER_SECONDS,
        )
        self.hollow = HollowLauncher(self.clock, self._report)
        self._compose_loops()

    def _compose_loops(self) -> None:
        self.launchers: dict[str, Launcher] = {"hollow": self.hollow, "local": self.local}
        self.launching = Launching(
            self.store,
            Launchers(self.launchers, patience_seconds=LAUNCHERS_SECONDS),
            self.workers,
            WorkerTokens(b"secret"),
            log_dir=self.folder / "logs",
            server_url="",
        )
        self.last_tick = LastTick()
        policy = Policy()
        self.journal = DecisionRecorder(self.store, policy, 1e6)
        self.feed = StateFeed(self.store, self.clock, policy, self.journal)
        self.schedule = Scheduling(
            self.store, self.bus, self.feed, self.journal, self.launching, self.last_tick, 5.0
        )
        self.reconcile = Reconciling(
            self.store,
            self.clock,
            self.workers,
            self.launching,
            TIMING,
            self.bus,
        )
        self.timekeeping = Timekeeping(self.store, self.bus, self.clock, self.last_tick)
        self.reap = Reaping(self.store, self.clock, self.launching)

    async def restart_launching(self) -> None:
        """As if the workers were no part of the server: it is new, and they run on."""
        await self.launching.close()
        self._compose_loops()

    async def restart(self) -> None:
        """As it is: hollow work ends with its server."""
        await self.hollow.close()
        self._compose()
        await self.hollow.open()

    async def _report(self, reports: Sequence[AgentReport]) -> Mapping[str, AgentOrder]:
        if self.is_deaf:
            raise Unavailable("nobody listens")
        silent = set(map(str, self.silent))
        heard = [one for one in reports if one["key"] not in silent]
        orders = await self.workers.report(heard)
        kept = {key: order for key, order in self._orders.items() if key in silent}
        self._orders.update(orders)
        return {**kept, **orders}

    async def open(self, nodes: int = 2) -> None:
        await self.store.put_group(Group(GroupName("training")))
        await self.store.put_nodes([factories.node(f"node-{index}") for index in range(nodes)])
        quotas = [factories.quota(100, priority=level) for level in list(Priority)[1:]]
        await self.store.put_quotas(quotas, factories.event(at=self.clock.now()))
        await self.hollow.open()

    async def submit(self, *, nodes: int = 1, priority: int = 10, **simulate: Any) -> TaskId:
        spec = factories.run_spec(options={"simulate": {"seconds": 1000, **simulate}})
        draft = factories.task_draft(nodes=nodes, priority=Priority(priority), spec=spec)
        (task,) = await self.store.add_tasks([draft], self.clock.now())
        assert isinstance(task, Task)
        return task.id

    async def begin(self, task_id: TaskId, first_node: int = 0) -> None:
        """Saved, and then the server died: nobody asked a launcher."""
        task = await self.task(task_id)
        names = tuple(NodeName(f"node-{first_node + rank}") for rank in range(task.nodes))
        start = Start(task_id, names, task.priority)
        await self.save(transitions.begin(task, start, self.clock.now()))

    async def running(self, *, nodes: int = 1, first_node: int = 0, **simulate: Any) -> TaskId:
        task_id = await self.submit(nodes=nodes, **simulate)
        await self.begin(task_id, first_node)
        self.launching.launch_soon([await self.task(task_id)])
        await self.clock.advance(0.1)
        self.hollow.poke(task_id)
        await self.clock.advance(0.1)
        assert await self.state(task_id) is TaskState.RUNNING
        return task_id

    async def save(self, change: TaskChange | None) -> None:
        assert change is not None
        saved = await self.store.save([change])
        assert saved
        await announce(self.bus, saved)

    async def suspend(self, task_id: TaskId) -> None:
        task, now = await self.task(task_id), self.clock.now()
        await self.save(transitions.suspend(task, actor="a", why="w", hold=False, now=now))

    async def stop(self, task_id: TaskId) -> None:
        task, now = await self.task(task_id), self.clock.now()
        await self.save(transitions.stop(task, actor="a", why="w", now=now))

    async def tell(self, task_id: TaskId, rank: int, state: WorkerState, **more: Any) -> None:
        """An agent's report."""
        attempt = (await self.task(task_id)).attempts
        report = WorkerReport(rank=rank, attempt=attempt, state=state, **more)
        await self.workers.fold({task_id: [report]})

    async def run_once(self, loop: Reconciling | Reaping | Scheduling | Timekeeping) -> float:
        """One run, and what it began in the background."""
        due_seconds = await loop.run_once()
        await settle()
        await self.launching.close()
        return due_seconds

    async def task(self, task_id: TaskId) -> Task:
        task = await self.store.task(task_id)
        assert task is not None
        return task

    async def state(self, task_id: TaskId) -> TaskState:
        return (await self.task(task_id)).state

    async def outcome(self, task_id: TaskId) -> Outcome | None:
        attempt = (await self.task(task_id)).attempt
        return attempt.outcome if attempt else None

    async def phases(self) -> dict[WorkerKey, WorkerPhase]:
        return {o.key: o.phase for o in await self.hollow.observe()}

    def break_local_kills(self) -> None:
        """From now on the local launcher can look, and cannot kill."""
        (self.folder / "data" / "workers").mkdir(parents=True)
        (self.folder / "data" / "agent").write_text("no folder")


def key_of(task_id: TaskId, rank: int = 0, attempt: int = 1) -> WorkerKey:
    return WorkerKey(task_id, attempt, rank)

"""The idle loop by a clock that is moved by hand: who is suspended, who is told, who stays."""

from dataclasses import replace
from typing import Any

import pytest

from hai.bus.local import LocalBus
from hai.core.identity import User
from hai.core.idle import IdlePolicy
from hai.core.lifecycle.attempt_protocol import Timing
from hai.core.task import Task, WorkerKey
from hai.core.types import TaskId, TaskState, UserName
from hai.errors import Conflict, Denied, InvalidInput
from hai.ports import ALL_EVENTS
from hai.service.cluster import ClusterCache
from hai.service.idleness import IdleService
from hai.service.last_tick import LastTick
from hai.service.loops.idle import Idling
from hai.service.submit_limits import SubmitLimits
from hai.service.tasks import TaskService
from hai.service.timekeeping import Timekeeping
from hai.service.workers import WorkerService, WorkerTokens
from tests import factories as make
from tests.clocks import VirtualClock
from tests.contract.stored import add, put
from tests.unit.service.loop_bench import LoopStore

HOUR = 3600.0
POLICY = IdlePolicy(seconds=2 * HOUR, most_seconds=24 * HOUR, notice_seconds=600.0)
ALICE = User(UserName("alice"))


class Lab:
    """One running dev container, its agent by hand, and the server's side of it."""

    def __init__(self, policy: IdlePolicy = POLICY) -> None:
        self.clock = VirtualClock(make.NOW)
        self.store = LoopStore()
        self.bus = LocalBus(self.clock)
        self.policy = policy
        self.task_id = TaskId(0)
        self.quiet: dict[str, float | None] = {}  # by signal: since when; None: unknown
        self.restart()

    def restart(self) -> None:
        """Another process, which knows what the store knows, and of whose bus nothing is left."""
        self.bus = LocalBus(self.clock)
        self.idle = IdleService(self.store, self.bus, self.clock, self.policy)
        self.loop = Idling(self.store, self.bus, self.clock, self.idle)
        limits = SubmitLimits(idle=self.policy)
        cache = ClusterCache(self.store, self.clock)
        tasks = TaskService(self.store, self.bus, self.clock, cache, "training", limits)
        self.workers = WorkerService(
            self.store,
            self.bus,
            self.clock,
            tasks,
            Timing(),
            heartbeat_seconds=10.0,
            lost_after_seconds=45.0,
        )

    async def begin(self, task_type: str = "jupyter", **options: Any) -> None:
        spec = make.run_spec(name="lab", task_type=task_type, options=options)
        (task,) = await add(self.store, make.task_draft(name="lab", spec=spec))
        now = self.clock.now()
        attempt = make.attempt("node-0", created_at=now, started_at=now)
        running = {"state": TaskState.RUNNING, "attempts": 1, "attempt": attempt}
        self.task_id = (await put(self.store, task, **running)).id
        self.used("kernels", "cpu", "input")

    def used(self, *signals: str) -> None:
        self.quiet |= dict.fromkeys(signals, self.clock.steady())

    async def task(self) -> Task:
        task = await self.store.task(self.task_id)
        assert task is not None
        return task

    async def report(self) -> dict[str, Any]:
        """The agent's word, and the order that it gets."""
        now = self.clock.steady()
        quiet = {name: None if at is None else now - at for name, at in self.quiet.items()}
        answer = await self.workers.sync(
            {
                "key": str(WorkerKey(self.task_id, 1, 0)),
                "phase": "running",
                "exit_code": None,
                "detail": "",
                "acked": False,
                "saved": False,
                "address": "",
                "port": 0,
                "usage": {"cpu_percent": 1.0},
                "requests": [],
                "seen": "",
                "wait_seconds": 0.0,
                "quiet": quiet,
            },
            WorkerTokens(b"secret"),
        )
        return dict(answer["order"])

    async def live_for(self, seconds: float, *busy: str, every: float = 40.0) -> None:
        """The agent reports `every` so many seconds; `busy` signals are seen each time."""
        until = self.clock.steady() + seconds
        while self.clock.steady() < until:
            await self.clock.advance(min(every, until - self.clock.steady()))
            self.used(*busy)
            await self.report()
            await self.loop.run_once()

    async def state(self) -> TaskState:
        return (await self.task()).state

    async def kinds(self) -> list[str]:
        lines = await self.store.events(0, where=replace(ALL_EVENTS, task_id=self.task_id))
        return [line.draft.kind.removeprefix("task.") for line in lines][1:]

    async def text(self) -> str:
        return (await self.idle.views([await self.task()]))[self.task_id]["text"]


async def test_an_unused_one_is_told_and_then_suspended() -> None:
    lab = Lab()
    await lab.begin()
    await lab.live_for(2 * HOUR - 620)
    assert await lab.kinds() == []
    assert await lab.text() == "idle for 110 min; suspended in 11 min"
    await lab.live_for(30)
    assert await lab.kinds() == ["idle_notice"]
    said = (await lab.report())["say"]
    assert said.startswith("this dev container is idle: it is suspended at 20")
    assert "`hai-cli dev extend lab` keeps it" in said
    await lab.live_for(560)
    assert await lab.state() is TaskState.RUNNING, "ten minutes were promised"
    await lab.live_for(60)
    task = await lab.task()
    assert (task.state, task.held) == (TaskState.SUSPENDING, True), "it may save, and comes back"
    assert await lab.kinds() == ["idle_notice", "idle", "suspending"]
    assert "`hai-cli dev start lab` goes on as it was" in task.why
    assert (await lab.report())["suspend"] is True


@pytest.mark.parametrize("signal", ["gpu", "kernels", "cpu", "input"])
async def test_any_use_keeps_it(signal: str) -> None:
    lab = Lab()
    await lab.begin()
    await lab.live_for(9 * HOUR, signal, every=300.0)
    assert await lab.state() is TaskState.RUNNING
    assert await lab.kinds() == []
    assert "in use" in await lab.text()


async def test_an_unknown_gpu_keeps_it() -> None:
    lab = Lab()
    await lab.begin()
    lab.quiet["gpu"] = None
    await lab.live_for(9 * HOUR, every=300.0)
    assert await lab.state() is TaskState.RUNNING
    assert await lab.text() == "in use (GPU unknown); suspended after 2 h without use"


async def test_an_agent_of_an_older_release_keeps_it() -> None:
    lab = Lab()
    await lab.begin()
    lab.quiet = {}
    await lab.live_for(9 * HOUR, every=300.0)
    assert await lab.kinds() == []


async def test_a_training_is_left_alone() -> None:
    lab = Lab()
    await lab.begin(task_type="training")
    await lab.live_for(5 * HOUR, every=300.0)
    assert (await lab.state(), await lab.kinds()) == (TaskState.RUNNING, [])
    with pytest.raises(Conflict, match="is no dev container"):
        await lab.idle.extend(ALICE, await lab.task(), None)


async def test_use_after_the_notice_takes_it_back() -> None:
    lab = Lab()
    await lab.begin()
    await lab.live_for(2 * HOUR - 500)
    assert await lab.kinds() == ["idle_notice"]
    await lab.live_for(20, "input")
    assert await lab.kinds() == ["idle_notice", "used"]
    assert "say" not in await lab.report()
    await lab.live_for(HOUR, every=60.0)
    assert await lab.kinds() == ["idle_notice", "used"], "it counts anew"
    await lab.live_for(HOUR + 60)
    assert (await lab.kinds())[2:] == ["idle_notice", "idle", "suspending"]


async def test_a_restart_changes_nothing() -> None:
    lab = Lab()
    await lab.begin()
    await lab.live_for(HOUR)
    lab.restart()
    await lab.loop.run_once()
    assert "not been heard yet" in await lab.text()
    await lab.live_for(HOUR - 540)
    assert await lab.kinds() == ["idle_notice"], "the agent has counted on"
    lab.restart()
    await lab.loop.run_once()
    assert await lab.kinds() == ["idle_notice"], "nothing is decided before it is heard"
    await lab.live_for(500)
    assert await lab.state() is TaskState.RUNNING
    await lab.live_for(120)
    assert (await lab.kinds())[1:] == ["idle", "suspending"]


async def test_after_a_long_absence_of_the_server_there_is_time_to_answer() -> None:
    lab = Lab()
    await lab.begin()
    await lab.live_for(2 * HOUR - 500)
    await lab.clock.advance(HOUR)
    lab.restart()
    await lab.live_for(580)
    assert await lab.state() is TaskState.RUNNING
    await lab.live_for(60)
    assert await lab.state() is TaskState.SUSPENDING


async def test_a_silent_agent_is_left_to_others() -> None:
    lab = Lab()
    await lab.begin()
    await lab.live_for(HOUR)
    for _ in range(200):
        await lab.clock.advance(60)
        await lab.loop.run_once()
    assert await lab.kinds() == []


async def test_a_jump_of_the_clock_is_no_idleness() -> None:
    lab = Lab()
    await lab.begin()
    keeping = Timekeeping(lab.store, lab.bus, lab.clock, LastTick())
    await keeping.run_once()
    await lab.live_for(2 * HOUR - 500)
    for seconds in (7 * HOUR, -20 * HOUR):
        lab.clock.jump(seconds)
        await keeping.run_once()
        await lab.loop.run_once()
        assert await lab.kinds() == ["idle_notice"]
    assert await lab.state() is TaskState.RUNNING
    await lab.live_for(450)
    assert await lab.kinds() == ["idle_notice"]
    await lab.live_for(120)
    assert (await lab.kinds())[1:] == ["idle", "suspending"]


async def test_more_time_on_request() -> None:
    lab = Lab()
    await lab.begin()
    await lab.live_for(2 * HOUR - 500)
    view = await lab.idle.extend(ALICE, await lab.task(), 5 * HOUR)
    assert view["text"].endswith("suspended in 5 h, as somebody asked for more time")
    await lab.live_for(20)
    assert await lab.kinds() == ["idle_notice", "extended", "used"]
    await lab.live_for(5 * HOUR - 700)
    assert (await lab.kinds())[3:] == []
    await lab.live_for(800)
    assert (await lab.kinds())[3:] == ["idle_notice", "idle", "suspending"]
    with pytest.raises(Conflict, match="is suspending"):
        await lab.idle.extend(ALICE, await lab.task(), None)


async def test_more_time_has_a_bound_and_an_owner() -> None:
    lab = Lab()
    await lab.begin()
    await lab.report()
    with pytest.raises(InvalidInput, match="more than the 1d"):
        await lab.idle.extend(ALICE, await lab.task(), 25 * HOUR)
    with pytest.raises(Denied):
        await lab.idle.extend(User(UserName("bob")), await lab.task(), None)
    assert await lab.kinds() == []


async def test_a_container_has_its_own_limit() -> None:
    lab = Lab()
    await lab.begin(idle_seconds=600)
    await lab.live_for(280)
    assert await lab.kinds() == []
    await lab.live_for(40)
    assert await lab.kinds() == ["idle_notice"], "half of its limit before"
    await lab.live_for(320)
    assert await lab.state() is TaskState.SUSPENDING


async def test_a_group_may_have_none() -> None:
    lab = Lab(IdlePolicy(seconds=2 * HOUR, by_group={"training": 0.0}))
    await lab.begin()
    await lab.live_for(9 * HOUR, every=300.0)
    assert await lab.kinds() == []
    assert await lab.text() == "never suspended for being idle"
    with pytest.raises(Conflict, match="never suspended"):
        await lab.idle.extend(ALICE, await lab.task(), None)


async def test_who_does_not_lead_decides_nothing() -> None:
    lab = Lab()
    await lab.begin()
    lab.store.leads = False
    await lab.live_for(5 * HOUR, every=30.0)
    assert await lab.kinds() == []

"""Hollow workers: simulated inside the server process, for demos and for tests at scale.

They come through the same door as real agents: reports in, orders out, both as levels. One asyncio
task drives all of them from a heap of due times; whatever is due travels in one batch.

`options.simulate` of a submission says how its program behaves: `seconds` that it runs (default 1),
`exit_code` (0), `save_seconds` from the suspend notice to the saved checkpoint (0), and
`ignore_suspend` (false). Hollow work does not outlive the server: a new launcher knows nothing.
"""

import asyncio
import heapq
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import structlog

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.errors import HaiError, PlatformError
from hai.ports import Clock, Observation, WorkerLaunch, WorkerPhase
from hai.schema.agent import AgentOrder, AgentReport

Report = Callable[[Sequence[AgentReport]], Awaitable[Mapping[str, AgentOrder]]]

log = structlog.get_logger("hai.launcher.hollow")

HEARTBEAT_SECONDS = 5.0
BATCH_SECONDS = 0.02  # at least, from one batch to the next
BATCH_REPORTS = 1000  # at most, in one batch
RETRY_SECONDS = 0.5  # after a report that the server could not take
SUSPENSIONS_KEPT = 100_000  # tasks whose remaining time is remembered
TOMBSTONES_KEPT = 100_000  # keys that were killed before they were launched

_TERMINATED = 143  # 128 + SIGTERM


@dataclass(frozen=True, slots=True)
class Simulation:
    """What `options.simulate` asks for."""

    seconds: float = 1.0
    exit_code: int = 0
    save_seconds: float = 0.0
    ignore_suspend: bool = False

    @classmethod
    def of(cls, spec: Mapping[str, object]) -> "Simulation":
        """From a submitted document; PlatformError names what cannot be simulated."""
        options = spec.get("options")
        asked = options.get("simulate") if isinstance(options, Mapping) else None
        if asked is None:
            return cls()
        if not isinstance(asked, Mapping):
            _refuse("must be a mapping")
        exit_code = asked.get("exit_code", 0)
        if not isinstance(exit_code, int) or not 0 <= exit_code <= 255:
            _refuse("exit_code must be an integer from 0 to 255")
        return cls(
            seconds=_seconds(asked, "seconds", 1.0),
            exit_code=exit_code,
            save_seconds=_seconds(asked, "save_seconds", 0.0),
            ignore_suspend=bool(asked.get("ignore_suspend", False)),
        )


def _seconds(asked: Mapping[str, object], key: str, otherwise: float) -> float:
    value = asked.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        _refuse(f"{key} must be a number of seconds")
    return float(value)


def _refuse(what: str) -> NoReturn:
    raise PlatformError(f"options.simulate: {what}", hint="see docs for options.simulate")


@dataclass(slots=True, eq=False)
class _Worker:
    """One simulated worker. Times are the clock's; None: not set."""

    key: WorkerKey
    address: str
    simulation: Simulation
    remaining_seconds: float
    phase: Literal["ready", "running", "exited"] = "ready"
    exit_code: int | None = None
    detail: str = ""
    ends_at: float | None = None
    saves_at: float | None = None
    beats_at: float = 0.0
    acked: bool = False
    saved: bool = False
    over: bool = False  # its end is recorded, or it was killed: nothing more to say

    def obey(self, order: AgentOrder, now: float) -> bool:
        """Do what the order says; True if there is something new to report."""
        self.over = self.over or order["over"]
        if self.phase == "exited":
            return False
        if order["stop"] or order["over"]:
            self.exit(_TERMINATED)
            return True
        if order["suspend"] and not self.acked and not self.simulation.ignore_suspend:
            self._notice(now)
            return True
        if order["go"] and self.phase == "ready":
            self.phase = "running"
            self.ends_at = now + self.remaining_seconds
            self.run_once(now)
            return True
        return False

    def run_once(self, now: float) -> bool:
        """Let what is due happen; True if there is something new to report."""
        if self.phase == "exited":
            return False
        if self.ends_at is not None and self.ends_at <= now:
            self.exit(self.simulation.exit_code)
            return True
        if self.saves_at is not None and self.saves_at <= now and not self.saved:
            self.saved = True
            return True
        return False

    def _notice(self, now: float) -> None:
        """The program stops its work, acknowledges, and begins to save."""
        if self.ends_at is not None:
            self.remaining_seconds = max(0.0, self.ends_at - now)
            self.ends_at = None
        self.acked = True
        self.saves_at = now + self.simulation.save_seconds
        self.run_once(now)

    def exit(self, exit_code: int) -> None:
        self.phase, self.exit_code = "exited", exit_code

    def due_at(self) -> float:
        """When it has something to say next."""
        times = [self.beats_at]
        if self.phase == "running" and self.ends_at is not None:
            times.append(self.ends_at)
        if self.phase != "exited" and self.saves_at is not None and not self.saved:
            times.append(self.saves_at)
        return min(times)

    def report(self) -> AgentReport:
        return {
            "key": str(self.key),
            "phase": self.phase,
            "exit_code": self.exit_code,
            "detail": self.detail,
            "acked": self.acked,
            "saved": self.saved,
            "address": self.address,
            "port": 0,
            "usage": {},
            "requests": [],
            "seen": "",
            "wait_seconds": 0.0,
        }

    def observation(self) -> Observation:
        if self.phase != "exited":
            return Observation(self.key, WorkerPhase.ALIVE)
        if self.exit_code is None:
            return Observation(self.key, WorkerPhase.LOST, detail=self.detail)
        return Observation(self.key, WorkerPhase.EXITED, self.exit_code, self.detail)


class HollowLauncher:
    """hai.ports.Launcher without any process behind it."""

    name = "hollow"
    takes_images = False
    runs_programs = False

    def __init__(
        self, clock: Clock, report: Report, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._heartbeat_seconds = heartbeat_seconds
        self._clock = clock
        self._report = report
        self._workers: dict[WorkerKey, _Worker] = {}
        self._of_task: defaultdict[TaskId, set[WorkerKey]] = defaultdict(set)
        self._killed: OrderedDict[WorkerKey, None] = OrderedDict()  # before they were launched
        self._remaining: OrderedDict[tuple[TaskId, int], float] = OrderedDict()
        self._due: list[tuple[float, WorkerKey]] = []  # heap; stale entries are harmless
        self._unsaid: dict[WorkerKey, _Worker] = {}  # workers to report, in order
        self._wake = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None

    async def open(self) -> None:
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive(), name="hollow-workers")

    async def close(self) -> None:
        """Hollow workers end with their launcher: nothing runs afterwards, nothing is known."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.cancel()
            with suppress(asyncio.CancelledError):
                await driver
        for kept in (self._workers, self._of_task, self._remaining, self._unsaid):
            kept.clear()
        self._due.clear()
        self._killed.clear()

    async def launch(self, worker: WorkerLaunch) -> None:
        key = worker.key
        if key in self._workers or key in self._killed:
            return
        simulation = Simulation.of(worker.spec)
        remaining = self._remaining.get((key.task_id, key.rank), simulation.seconds)
        self._workers[key] = _Worker(key, str(worker.node.name), simulation, remaining)
        self._of_task[key.task_id].add(key)
        self._say(self._workers[key])

    async def kill(self, key: WorkerKey) -> None:
        worker = self._workers.get(key)
        if worker is None:
            self._killed[key] = None
            if len(self._killed) > TOMBSTONES_KEPT:
                self._killed.popitem(last=False)
        elif worker.phase != "exited":
            worker.phase, worker.detail, worker.over = "exited", "killed", True
            self._unsaid.pop(key, None)

    async def observe(self) -> list[Observation]:
        return [worker.observation() for worker in self._workers.values()]

    async def forget(self, key: WorkerKey) -> None:
        self._killed.pop(key, None)
        self._unsaid.pop(key, None)
        if self._workers.pop(key, None) is not None:
            keys = self._of_task[key.task_id]
            keys.discard(key)
            if not keys:
                del self._of_task[key.task_id]

    def poke(self, task_id: TaskId) -> None:
        """The task changed: ask for its workers' orders soon."""
        for key in self._of_task.get(task_id, ()):
            self._say(self._workers[key])

    def _say(self, worker: _Worker) -> None:
        if not worker.over and self._workers.get(worker.key) is worker:
            self._unsaid[worker.key] = worker
            self._wake.set()

    async def _drive(self) -> None:
        while True:
            await self._rest()
            self._collect_due()
            if self._unsaid:
                pause = BATCH_SECONDS if await self._exchange() else RETRY_SECONDS
                await self._clock.sleep(pause)

    async def _rest(self) -> None:
        """Until somebody has something to say."""
        self._wake.clear()
        if self._unsaid:
            return
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._wake.wait())]
        if self._due:
            seconds = self._due[0][0] - self._clock.steady()
            waits.append(asyncio.create_task(self._clock.sleep(max(0.0, seconds))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _collect_due(self) -> None:
        now = self._clock.steady()
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            worker = self._workers.get(key)
            if worker is None or worker.over:
                continue
            if worker.run_once(now) or worker.beats_at <= now:
                self._say(worker)

    async def _exchange(self) -> bool:
        """One batch of reports, and its orders obeyed; False if the server could not take it."""
        batch = list(self._unsaid.values())[:BATCH_REPORTS]
        for worker in batch:
            del self._unsaid[worker.key]
        try:
            orders = await self._report([worker.report() for worker in batch])
        except HaiError as error:
            log.warning("report_refused", workers=len(batch), error=error.message)
        except Exception:  # the boundary: one bad batch must not end the work of all others
            log.exception("report_failed", workers=len(batch))
        else:
            for worker in batch:
                self._take(worker, orders.get(str(worker.key)))
            return True
        for worker in batch:
            self._say(worker)
        return False

    def _take(self, worker: _Worker, order: AgentOrder | None) -> None:
        """Obey one order; no order means that the server knows no such task."""
        if worker.over or self._workers.get(worker.key) is not worker:
            return
        now = self._clock.steady()
        if order is None:
            worker.over = True
            worker.exit(_TERMINATED)
            return
        if worker.obey(order, now):
            self._say(worker)
        self._remember(worker)
        if not worker.over:
            worker.beats_at = now + self._heartbeat_seconds
            heapq.heappush(self._due, (worker.due_at(), worker.key))

    def _remember(self, worker: _Worker) -> None:
        """A clean suspension keeps the time that is left; a program that ended needs none."""
        of = (worker.key.task_id, worker.key.rank)
        if worker.saved:
            self._remaining[of] = worker.remaining_seconds
            if len(self._remaining) > SUSPENSIONS_KEPT:
                self._remaining.popitem(last=False)
        elif worker.over and worker.ends_at is not None and worker.exit_code != _TERMINATED:
            self._remaining.pop(of, None)

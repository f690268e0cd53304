"""The door through which workers speak: reports in, orders out.

Agents come by HTTP (`sync`, a long poll), hollow workers in batches (`report`). Both are levels: a
report may come twice, late, or after a restart of either side, and the answer is the same.
"""

import hashlib
import hmac
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from hai.core.identity import User
from hai.core.lifecycle import attempt_protocol, transitions
from hai.core.lifecycle.attempt_protocol import Checkpoint, Order, Timing, WorkerReport
from hai.core.moments import time_of_day
from hai.core.task import Task, WorkerKey
from hai.core.types import Priority, TaskId, WorkerState
from hai.errors import AuthRequired, Conflict, HaiError, InvalidInput, NotFound, Unavailable
from hai.ports import Bus, Clock, Cluster, IdleClocks, Tasks
from hai.schema.agent import AgentAnswer, AgentOrder, AgentReport, SdkReply, SdkRequest
from hai.service.batch import Batcher
from hai.service.changing import change_task
from hai.service.clock import SteadyTiming, ToldTimes
from hai.service.idleness import is_running_lab
from hai.service.signals import (
    announce,
    channel_topic,
    next_message,
    ration_key,
    services_key,
    task_topic,
    worker_key,
)
from hai.service.suspects import mark_suspects
from hai.service.tasks import TaskService
from hai.wording.idle import notice_text

_TRIES = 20
_STATES = {
    "ready": WorkerState.READY,
    "running": WorkerState.RUNNING,
    "exited": WorkerState.EXITED,
}


class WorkerTokens:
    """Bearer tokens of agents: a keyed hash of the worker's name, so nothing is stored."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def token(self, key: WorkerKey) -> str:
        digest = hmac.new(self._secret, str(key).encode(), hashlib.sha256).hexdigest()
        return f"haiw_{digest}"

    def check(self, key: WorkerKey, token: str) -> None:
        """AuthRequired unless the token is this worker's."""
        if not hmac.compare_digest(self.token(key).encode(), token.encode()):
            raise AuthRequired("this token is not the one of that worker")

    def channel(self, key: WorkerKey, channel_id: str) -> str:
        """What the worker's side of one channel proves itself with: no key of the worker's is
        needed where the user's own processes can see it."""
        words = f"channel.{channel_id}.{key}".encode()
        return f"haic_{hmac.new(self._secret, words, hashlib.sha256).hexdigest()}"

    def check_channel(self, key: WorkerKey, channel_id: str, token: str) -> None:
        """AuthRequired unless the token is that of this worker's channel."""
        if not hmac.compare_digest(self.channel(key, channel_id).encode(), token.encode()):
            raise AuthRequired("this token is not the one of that channel")


class WorkerStore(Tasks, IdleClocks, Cluster, Protocol):
    """What is needed of the store here."""


class WorkerService:
    """Folds reports into tasks and derives orders."""

    def __init__(
        self,
        store: WorkerStore,
        bus: Bus,
        clock: Clock,
        tasks: TaskService,
        timing: Timing,
        *,
        heartbeat_seconds: float,
        lost_after_seconds: float,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._tasks = tasks
        self._timing = SteadyTiming(timing, clock)
        self._told = ToldTimes(clock)
        self._heartbeat_seconds = heartbeat_seconds
        self._lost_after_seconds = lost_after_seconds
        self._batcher: Batcher[tuple[TaskId, WorkerReport], Task | None] = Batcher(self._fold_all)

    # agents

    async def sync(self, report: AgentReport, tokens: WorkerTokens) -> AgentAnswer:
        """Take one report; answer when the order differs from `seen`, when a client waits for a
        channel, or after `wait_seconds`, cut to the heartbeat: the next report is the sign of
        life."""
        key = parse_key(report["key"])
        await self._note_alive(key, report)
        try:
            return await self._follow(key, report, tokens)
        except Unavailable as error:
            # nothing can be decided about this worker meanwhile: see hai.agent.lease
            details = {**error.details, "heard": True}
            raise Unavailable(
                error.message,
                hint=error.hint,
                details=details,
                retry_after_seconds=error.retry_after_seconds,
            ) from error

    async def _follow(
        self, key: WorkerKey, report: AgentReport, tokens: WorkerTokens
    ) -> AgentAnswer:
        if report.get("lost"):
            await self._suspect(key, report["detail"])
        calls = channel_topic(key)
        async with self._bus.subscribe(task_topic(key.task_id), calls) as messages:
            task = await self._batcher.put((key.task_id, worker_report(report, self._told)))
            replies = [await self._serve(key, request) for request in report["requests"]]
            ration = await self._ration(task)
            answer = await self._answer(task, key, replies, ration)
            until = self._clock.steady() + min(report["wait_seconds"], self._heartbeat_seconds)
            while answer["digest"] == report["seen"] and not replies:
                message = await next_message(messages, until - self._clock.steady())
                if message is None:
                    break
                if message.topic == calls:
                    name = str(message.data.get("id"))
                    answer["channels"] = [{"id": name, "token": tokens.channel(key, name)}]
                    break
                task = await self._store.task(key.task_id)
                answer = await self._answer(task, key, replies, ration)
            return answer

    async def _suspect(self, key: WorkerKey, why: str) -> None:
        """The node of a worker that was lost before it was over; first, as in the reconcile loop:
        once the loss is recorded, nobody would think of the node again."""
        task = await self._store.task(key.task_id)
        attempt = task.attempt if task is not None else None
        if attempt is None or attempt.number != key.attempt or attempt.verdict is not None:
            return
        for worker in attempt.workers:
            if worker.rank == key.rank and not worker.state.is_over:
                lost = [(worker.node, f"worker {key} is gone: {why}")]
                await mark_suspects(self._store, self._bus, self._clock, lost)

    async def _note_alive(self, key: WorkerKey, report: AgentReport) -> None:
        """Live figures; their absence is what the health loop takes for silence."""
        figures: dict[str, object] = {"at": self._clock.now(), **report["usage"]}
        if report.get("quiet"):
            figures["quiet"] = report["quiet"]
        await self._bus.put_live(worker_key(key), figures, self._lost_after_seconds)
        if report.get("services"):
            told = {"by_name": report["services"]}
            await self._bus.put_live(services_key(key), told, self._lost_after_seconds)

    async def _ration(self, task: Task | None) -> int:
        """Bytes that each rank of its user may keep of its log; 0: as it was told at first."""
        if task is None:
            return 0
        name = ration_key(task.user)
        told = (await self._bus.get_live([name])).get(name, {}).get("bytes")
        return told if isinstance(told, int) else 0

    async def _answer(
        self, task: Task | None, key: WorkerKey, replies: Sequence[SdkReply], ration: int
    ) -> AgentAnswer:
        if task is None:
            raise NotFound(f"there is no task {key.task_id}")
        order = self.order(task, key)
        order["log_keep_bytes"] = ration
        said = await self._idle_notice(task)
        if said:
            order["say"] = said
        return {"digest": digest(order), "order": order, "replies": list(replies)}

    async def _idle_notice(self, task: Task) -> str:
        """What a dev container that is to be suspended for being idle is told in its log."""
        rule = self._tasks.idle_policy.rule(task.group, task.options.get("idle_seconds"))
        if rule is None or not is_running_lab(task):
            return ""
        kept = (await self._store.idle_clocks([task.id])).get(task.id)
        if kept is None or kept.attempt != task.attempts or kept.clock.stop_at is None:
            return ""
        return notice_text(task.name, rule, time_of_day(kept.clock.stop_at))

    def order(self, task: Task, key: WorkerKey) -> AgentOrder:
        """The wire form of what this worker should do now."""
        order: Order = attempt_protocol.order_of(task, key.attempt, key.rank)
        return {
            "go": order.go,
            "master_addr": order.master_addr,
            "master_port": order.master_port,
            "suspend": order.suspend,
            "grace_seconds": self._timing.now().grace(task),
            "stop": order.stop,
            "term_seconds": self._timing.now().term_seconds,
            "over": order.over,
        }

    # hollow workers

    async def report(self, reports: Sequence[AgentReport]) -> Mapping[str, AgentOrder]:
        """Take a batch of reports at once; the orders by worker key."""
        items = []
        for report in reports:
            key = parse_key(report["key"])
            await self._note_alive(key, report)
            items.append((key.task_id, worker_report(report, self._told)))
        tasks = await self._fold_all(items)
        orders: dict[str, AgentOrder] = {}
        for report, task in zip(reports, tasks, strict=True):
            if task is not None:
                orders[report["key"]] = self.order(task, parse_key(report["key"]))
        return orders

    # folding

    async def _fold_all(self, items: Sequence[tuple[TaskId, WorkerReport]]) -> list[Task | None]:
        by_task: dict[TaskId, list[WorkerReport]] = defaultdict(list)
        for task_id, report in items:
            by_task[task_id].append(report)
        tasks = await self.fold(by_task)
        return [tasks.get(task_id) for task_id, _ in items]

    async def fold(self, reports: Mapping[TaskId, Sequence[WorkerReport]]) -> dict[TaskId, Task]:
        """Fold reports into their tasks, again for those that somebody else changed meanwhile.

        An empty sequence of reports means: draw the conclusions that the clock allows.
        """
        known: dict[TaskId, Task] = {}
        todo = set(reports)
        for _ in range(_TRIES):
            if not todo:
                return known
            loaded = await self._store.tasks(todo)
            known.update({task.id: task for task in loaded})
            now, timing = self._clock.now(), self._timing.now()
            folded = (attempt_protocol.fold(task, reports[task.id], now, timing) for task in loaded)
            changes = [change for change in folded if change is not None]
            if not changes:
                return known
            saved = await self._store.save(changes)
            known.update({task.id: task for task in saved})
            await announce(self._bus, saved)
            todo = {change.task.id for change in changes} - {task.id for task in saved}
        raise Conflict(f"tasks {sorted(todo)} change too fast")

    # calls of the user's program

    async def _serve(self, key: WorkerKey, request: SdkRequest) -> SdkReply:
        try:
            await self._perform(key.task_id, request)
        except HaiError as error:
            return {"id": request["id"], "ok": False, "error": error.message}
        return {"id": request["id"], "ok": True, "error": ""}

    async def _perform(self, task_id: TaskId, request: SdkRequest) -> None:
        value = request["value"]
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidInput(f"{request['op']} takes an integer")
        if request["op"] == "set_priority":
            await self._set_priority(task_id, value)
        elif request["op"] == "set_whole_life_state":
            await self._set_whole_life_state(task_id, value)
        else:
            raise InvalidInput(f"unknown request {request['op']!r}")

    async def _set_priority(self, task_id: TaskId, value: int) -> None:
        task = await self._task(task_id)
        if value not in set(Priority):
            raise InvalidInput(f"{value} is no priority")
        owner = User(task.user)
        await self._tasks.set_priority(owner, str(task_id), Priority(value))

    async def _set_whole_life_state(self, task_id: TaskId, value: int) -> None:
        if not -(2**63) <= value < 2**63:
            raise InvalidInput("the whole-life state is a 64-bit integer")
        await change_task(
            self._store,
            self._bus,
            lambda: self._task(task_id),
            lambda task: transitions.set_whole_life_state(task, value),
            tries=_TRIES,
        )

    async def _task(self, task_id: TaskId) -> Task:
        task = await self._store.task(task_id)
        if task is None:
            raise NotFound(f"there is no task {task_id}")
        return task


def parse_key(text: str) -> WorkerKey:
    """A worker key from outside; InvalidInput if it is none."""
    try:
        return WorkerKey.parse(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no worker key") from None


def worker_report(report: AgentReport, told: ToldTimes) -> WorkerReport:
    """The core's form of an agent's report, its times by the clock of now."""
    key = parse_key(report["key"])
    return WorkerReport(
        rank=key.rank,
        attempt=key.attempt,
        state=WorkerState.LOST if report.get("lost") else _STATES[report["phase"]],
        exit_code=report["exit_code"],
        detail=report["detail"],
        acked=report["acked"],
        saved=report["saved"],
        address=report["address"],
        port=report["port"],
        checkpoint=_checkpoint(report, told),
        usage=report["usage"],
    )


def _checkpoint(report: AgentReport, times: ToldTimes) -> Checkpoint | None:
    told = report.get("checkpoint")
    if told is None or not math.isfinite(told["at"]):
        return None
    return Checkpoint(times.of(report["key"], told["at"]), told["step"], told["path"])


def digest(order: AgentOrder) -> str:
    """Short name of an order's content, for `seen`."""
    text = json.dumps(order, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""Idle dev containers: what is known of their use, what people see of it, more time on request."""

from collections.abc import Mapping, Sequence

from hai.core.identity import User
from hai.core.idle import Heard, IdleClock, Idleness, IdlePolicy, IdleRule, idleness
from hai.core.lifecycle.transitions import event
from hai.core.moments import rfc3339
from hai.core.task import Task, WorkerKey
from hai.core.types import TaskId, TaskState
from hai.errors import Conflict
from hai.ports import Bus, Clock, IdleClocks
from hai.schema.views import IdleView
from hai.service.access import require_owner
from hai.service.signals import EVENTS, task_topic, worker_key
from hai.wording.idle import signal_lines, state_text
from hai.wording.phrases import span

JUPYTER = "jupyter"
_STALE_SECONDS = 120.0  # a word is older only if a clock jumped: live figures end sooner
_AHEAD_SECONDS = 1.0
_NOT_HEARD = Idleness(None, None)


class IdleService:
    """Asks the bus and the store; `policy` is the platform's."""

    def __init__(self, store: IdleClocks, bus: Bus, clock: Clock, policy: IdlePolicy) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self.policy = policy

    def rule_of(self, task: Task) -> IdleRule | None:
        return self.policy.rule(task.group, task.options.get("idle_seconds"))

    async def clocks(self, tasks: Sequence[Task]) -> Mapping[TaskId, IdleClock]:
        """Of the latest attempts."""
        kept = await self._store.idle_clocks([task.id for task in tasks])
        return {
            task.id: kept[task.id].clock
            for task in tasks
            if task.id in kept and kept[task.id].attempt == task.attempts
        }

    async def look(
        self, tasks: Sequence[Task], clocks: Mapping[TaskId, IdleClock], now: float
    ) -> dict[TaskId, Idleness]:
        """Of running dev containers that a rule counts for. `now`: read with the tasks."""
        keys = {task.id: _keys(task) for task in tasks}
        live = await self._bus.get_live([key for of in keys.values() for key in of])
        found = {}
        for task in tasks:
            rule, attempt = self.rule_of(task), task.attempt
            if rule is None or attempt is None or attempt.started_at is None:
                found[task.id] = _NOT_HEARD
                continue
            heard = [heard_in(live.get(key), now) for key in keys[task.id]]
            clock = clocks.get(task.id, IdleClock())
            found[task.id] = idleness(heard, rule, clock, attempt.started_at, now)
        return found

    async def views(self, tasks: Sequence[Task]) -> dict[TaskId, IdleView]:
        """Of those that are running dev containers."""
        running = [task for task in tasks if is_running_lab(task)]
        if not running:
            return {}
        now = self._clock.now()
        clocks = await self.clocks(running)
        found = await self.look(running, clocks, now)
        return {
            task.id: _view(
                found[task.id], self.rule_of(task), clocks.get(task.id, IdleClock()), now
            )
            for task in running
        }

    async def lines(self, task: Task) -> list[str]:
        """For `why`: the clock, and each sign of use."""
        view = (await self.views([task])).get(task.id)
        return [] if view is None else [f"idleness: {view['text']}", *view["lines"]]

    async def extend(self, user: User, task: Task, seconds: float | None) -> IdleView:
        """Not suspended for being idle for so many seconds from now (None: a whole limit).
        Conflict where nothing is counted, InvalidInput beyond the platform's bound."""
        require_owner(user, task)
        if not is_running_lab(task):
            what = "is no dev container" if task.task_type != JUPYTER else f"is {task.state}"
            raise Conflict(
                f"task {task.id} {what}: its idleness is not counted",
                hint="hai-cli dev list shows your dev containers",
            )
        rule = self.rule_of(task)
        if rule is None:
            raise Conflict(
                f"dev container {task.name} is never suspended for being idle",
                hint="nothing needs to be done",
            )
        more = rule.seconds if seconds is None else seconds
        self.policy.check(more, task.group)
        now = self._clock.now()
        why = f"not suspended for being idle for {span(more)} from now"
        line = event(task, "extended", user.name, now, why=why, data={"seconds": more})
        await self._store.set_idle_until(task, now + more, line)
        await self._bus.publish(task_topic(task.id))
        await self._bus.publish(EVENTS)
        return (await self.views([task]))[task.id]


def is_running_lab(task: Task) -> bool:
    return task.task_type == JUPYTER and task.state is TaskState.RUNNING


def _keys(task: Task) -> list[str]:
    attempt = task.attempt
    if attempt is None:
        return []
    return [
        worker_key(WorkerKey(task.id, attempt.number, worker.rank))
        for worker in attempt.workers
        if not worker.state.is_over
    ]


def heard_in(live: Mapping[str, object] | None, now: float) -> Heard | None:
    """A worker's live figures as its last word; None when there is none of the clock of now."""
    at = None if live is None else live.get("at")
    if live is None or not isinstance(at, int | float):
        return None
    if not -_AHEAD_SECONDS <= now - at <= _STALE_SECONDS:
        return None
    quiet = live.get("quiet")
    if not isinstance(quiet, Mapping) or not quiet:
        return Heard(at, {"cpu": None})  # an agent of an older release: unknown
    told = {str(k): float(v) if isinstance(v, int | float) else None for k, v in quiet.items()}
    return Heard(at, told)


def _view(found: Idleness, rule: IdleRule | None, clock: IdleClock, now: float) -> IdleView:
    stops_at = found.stops_at
    if stops_at is not None and clock.stop_at is not None:
        stops_at = max(stops_at, clock.stop_at)
    return {
        "limit_seconds": None if rule is None else rule.seconds,
        "notice_seconds": None if rule is None else rule.notice_seconds,
        "used_at": None if found.used_at is None else rfc3339(found.used_at),
        "stops_at": None if stops_at is None else rfc3339(stops_at),
        "extended_until": None if clock.until is None else rfc3339(clock.until),
        "quiet_seconds": {signal.value: seconds for signal, seconds in found.quiet.items()},
        "text": state_text(found, rule, clock, now),
        "lines": signal_lines(found.quiet),
    }

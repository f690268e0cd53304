"""The one read model: what CLI, TUI, API and metrics show of tasks, nodes, events and quotas."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from hai.core.array_spec import ArraySpec
from hai.core.forecast import Forecast
from hai.core.identity import User
from hai.core.moments import rfc3339 as rfc3339
from hai.core.node import Node, NodeHealth
from hai.core.quota import EVERYONE, Quota, QuotaTable
from hai.core.reasons.codec import evidence
from hai.core.reasons.kinds import Reason
from hai.core.resources import Resources
from hai.core.task import Attempt, Event, Task, Worker, WorkerKey
from hai.core.types import NodeName, TaskId, UserName, chain_status
from hai.ports import Bus, Cluster, TaskPage, TaskQuery, Tasks, Watch
from hai.schema.views import (
    SCHEMA_VERSION,
    AttemptView,
    EnvironmentView,
    EventView,
    NodeList,
    NodeRow,
    NodeView,
    QueueStatusView,
    QuotaView,
    ReasonView,
    TaskDetail,
    TaskList,
    TaskView,
    UserView,
    WorkerView,
)
from hai.schema.why import EstimateView
from hai.service.containers import NOT_SHARED, Sharing
from hai.service.environments import recorded_environments
from hai.service.idleness import IdleService
from hai.service.last_tick import LastTick
from hai.service.serviceviews import service_views, service_views_of
from hai.service.signals import worker_key
from hai.wording import wait_reasons
from hai.wording.estimates import basis_text

SERVICES_IN_LISTS = 32  # of one task; its detail has all of them


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)


class ViewStore(Cluster, Tasks, Watch, Protocol):
    """What is needed of the store here."""


class Views:
    """Builds views from the store, the last tick's reasons and the live figures."""

    def __init__(
        self,
        store: ViewStore,
        bus: Bus,
        last_tick: LastTick,
        idle: IdleService | None = None,
        sharing: Sharing = NOT_SHARED,
    ) -> None:
        self._idle = idle
        self._sharing = sharing
        self._store = store
        self._bus = bus
        self._last_tick = last_tick

    def task(self, task: Task) -> TaskView:
        attempt = task.attempt
        return {
            "schema_version": SCHEMA_VERSION,
            "id": task.id,
            "chain_id": task.chain_id,
            "name": task.name,
            "user": task.user,
            "group": task.group,
            "nodes": task.nodes,
            "priority": task.priority.name,
            "custom_rank": task.custom_rank,
            "state": task.state.value,
            "chain_status": chain_status(task.state).value,
            "held": task.held,
            "attempts": task.attempts,
            "suspend_count": task.suspend_count,
            "whole_life_state": task.whole_life_state,
            "exit_code": task.exit_code,
            "why": task.why,
            "reason": self._reason(task),
            "assigned_nodes": list(attempt.nodes) if attempt and task.state.is_active else [],
            "submitted_at": rfc3339(task.submitted_at),
            "started_at": _time(task.started_at),
            "ended_at": _time(task.ended_at),
            "task_type": task.task_type,
            "idle": None,
            "asks": None if task.asks is None else task.asks.as_data(),
            "spot": task.spot,
            "removed": task.removed,
            **self._queue_status(task),
        }

    def tasks(self, tasks: Sequence[Task]) -> list[TaskView]:
        """Of many at once, which is cheaper."""
        self._last_tick.consider(task.id for task in tasks if task.state.is_waiting)
        return [self.task(task) for task in tasks]

    async def _add_idle(self, views: Sequence[TaskView], tasks: Sequence[Task]) -> None:
        """What is known of the use of running dev containers."""
        found = {} if self._idle is None else await self._idle.views(tasks)
        for view in views if found else ():
            if view["id"] in found:
                view["idle"] = found[TaskId(view["id"])]

    def _queue_status(self, task: Task) -> QueueStatusView:
        """What time sharing knows of it."""
        attempt = task.attempt
        status = self._last_tick.queue_status(task.id, task.state)
        return {
            "position": status.position,
            "safe_until": _time(status.safe_until),
            "backfill": status.backfill,
            "level": status.level.name if status.level is not None else None,
            "estimate": self._estimate(task, status.position),
            "array_id": task.array_id,
            "array_index": task.array_index,
            "array_size": _array_size(task),
            "waits_for": list(task.waits_for),
            "not_before": _time(task.not_before),
            "time_limit_seconds": task.time_limit_seconds,
            "ran_seconds": task.ran_seconds,
            "failures": task.failures,
            "saved_at": _time(attempt.saved_at) if attempt is not None else None,
        }

    def _estimate(self, task: Task, position: int | None) -> dict[str, Any] | None:
        """When it may start, of the first in a line: the others would cost as much each."""
        told = self._last_tick.estimates.get(task.id)
        if told is None or position != 1 or not task.state.is_waiting:
            return None
        return {**estimate_view(told)}

    def _reason(self, task: Task) -> ReasonView | None:
        if not task.state.is_waiting:
            return None
        reason = self._last_tick.reason(task.id, held=task.held)
        return reason_view(reason)

    async def detail(self, task: Task, *, with_spec: bool) -> TaskDetail:
        """With every attempt, the document if wanted, and live figures for workers that run."""
        attempts = await self._store.attempts(task.id)
        keys = [
            WorkerKey(task.id, attempt.number, worker.rank)
            for attempt in attempts
            for worker in attempt.workers
            if not worker.state.is_over
        ]
        live = await self._bus.get_live([worker_key(key) for key in keys])
        detail: TaskDetail = {
            **self.task(task),
            "spec": dict(task.spec) if with_spec else {},
            "attempt_list": [_attempt(task, attempt, live) for attempt in attempts],
            "services": await service_views(self._bus, task) if with_spec else [],
        }
        await self._add_idle([detail], [task])
        return detail

    async def page(self, query: TaskQuery, sees: Callable[[Task], bool] | None = None) -> TaskList:
        """With the services of unfinished tasks that `sees` is true of, if it is given."""
        page: TaskPage = await self._store.list_tasks(query)
        tasks = self.tasks(page.tasks)
        await self._add_idle(tasks, page.tasks)
        found: TaskList = {
            "schema_version": SCHEMA_VERSION,
            "tasks": tasks,
            "total": page.total,
            "page": query.page,
            "page_size": query.page_size,
            "next": page.tasks[-1].id if len(page.tasks) == query.page_size else None,
        }
        if sees is not None:
            open_ones = [task for task in page.tasks if not task.state.is_final and sees(task)]
            services = await service_views_of(self._bus, open_ones, SERVICES_IN_LISTS)
            found["services"] = {str(task_id): views for task_id, views in services.items()}
        return found

    async def environments(self, user: UserName) -> list[EnvironmentView]:
        """Those that the user's last tasks recorded."""
        return await recorded_environments(self._store, user)

    async def nodes(self) -> NodeList:
        """Every node with who holds it, or shares it."""
        holders: dict[NodeName, list[Task]] = {}
        for task in await self._store.active_tasks():
            for name in task.attempt.nodes if task.attempt is not None else ():
                holders.setdefault(name, []).append(task)
        nodes = await self._store.nodes()
        return {
            "schema_version": SCHEMA_VERSION,
            "nodes": [
                _node(node, held, self._sharing.free_of(node, held))
                for node in nodes
                for held in (holders.get(node.name, []),)
            ],
        }

    def node_rows(self, nodes: Sequence[Node]) -> list[NodeRow]:
        """Nodes without their holders, and whether containers share them."""
        shares = self._sharing.shares_nodes
        return [{**node_row(node), "shared": shares(node.group)} for node in nodes]

    async def quotas(self, rows: Sequence[Quota], asked: UserName) -> list[QuotaView]:
        """Rows with what is used of each now: by its user, and of everybody's rows by the user who
        is `asked` for, unless an own row counts for that one."""
        used = Counter(await self._store.held_nodes())
        own = {(row.group, row.priority) for row in rows if row.user == asked}
        views = []
        for row in _sorted(rows):
            view = quota_view(row)
            if row.user != EVERYONE:
                view["used"] = used[row.user, row.group, row.priority]
            elif (row.group, row.priority) not in own:
                view["used"] = used[asked, row.group, row.priority]
            views.append(view)
        return views

    async def quotas_of(self, rows: Sequence[Quota], user: UserName) -> list[QuotaView]:
        """What counts for the user, one row for each group and level that `rows` name."""
        table = QuotaTable.of(rows)
        levels = {(row.group, row.priority) for row in rows}
        mine = [
            Quota(user, group, level, table.limit(user, group, level)) for group, level in levels
        ]
        return await self.quotas(mine, user)


def reason_view(reason: Reason, now: float | None = None) -> ReasonView:
    """Without `now` the text stays as it is until the reason is another one."""
    return {
        "code": reason.code.value,
        "text": wait_reasons.text(reason, now),
        "evidence": evidence(reason),
    }


def estimate_view(told: Forecast) -> EstimateView:
    latest = None if told.latest is None else rfc3339(told.latest)
    return {"earliest": rfc3339(told.earliest), "latest": latest, "basis": basis_text(told.grounds)}


def _array_size(task: Task) -> int | None:
    if task.array_id is None:
        return None
    try:
        return ArraySpec.parse(task.options.get("array")).size
    except ValueError:
        return None


def _sorted(rows: Sequence[Quota]) -> list[Quota]:
    return sorted(rows, key=lambda row: (row.user, row.group, -row.priority))


def quota_view(row: Quota) -> QuotaView:
    return {
        "user": row.user,
        "resource": row.resource,
        "group": row.group,
        "priority": row.priority.name,
        "nodes": row.nodes,
    }


def _attempt(task: Task, attempt: Attempt, live: Mapping[str, Mapping[str, object]]) -> AttemptView:
    return {
        "number": attempt.number,
        "priority": attempt.priority.name,
        "nodes": list(attempt.nodes),
        "created_at": rfc3339(attempt.created_at),
        "started_at": _time(attempt.started_at),
        "ended_at": _time(attempt.ended_at),
        "outcome": attempt.outcome.value if attempt.outcome else None,
        "exit_code": attempt.exit_code,
        "why": attempt.why,
        "backfill": attempt.backfill,
        "for_task": attempt.for_task,
        "saved_at": _time(attempt.saved_at),
        "workers": [
            _worker(worker, live.get(worker_key(WorkerKey(task.id, attempt.number, worker.rank))))
            for worker in attempt.workers
        ],
    }


def _worker(worker: Worker, live: Mapping[str, object] | None) -> WorkerView:
    figures = live if live is not None else worker.usage
    usage = {
        name: float(value)
        for name, value in figures.items()
        if isinstance(value, int | float) and name != "at"
    }
    return {
        "rank": worker.rank,
        "node": worker.node,
        "state": worker.state.value,
        "exit_code": worker.exit_code,
        "detail": worker.detail,
        "started_at": _time(worker.started_at),
        "ended_at": _time(worker.ended_at),
        "usage": usage,
    }


def node_row(node: Node) -> NodeRow:
    """A node without its holder."""
    return {
        "name": node.name,
        "group": node.group,
        "launcher": node.launcher,
        "health": node.health.value,
        "health_why": node.health_why,
        "gpus": node.gpus,
        "cpus": node.cpus,
        "memory_bytes": node.memory_bytes,
        "leaf": node.leaf,
        "zone": node.zone,
    }


def _node(node: Node, holders: Sequence[Task], free: Resources | None) -> NodeView:
    holder = holders[-1] if holders else None
    status = "working" if holder else "free"
    if node.health is not NodeHealth.READY:
        status = node.health.value
    return {
        **node_row(node),
        "status": status,
        "task_id": holder.id if holder else None,
        "task_name": holder.name if holder else None,
        "user": holder.user if holder else None,
        "tasks": [task.id for task in holders],
        "free": None if free is None else free.as_data(),
    }


def event_view(event: Event) -> EventView:
    draft = event.draft
    return {
        "id": event.id,
        "at": rfc3339(draft.at),
        "kind": draft.kind,
        "actor": draft.actor,
        "task_id": draft.task_id,
        "user": draft.user,
        "why": draft.why,
        "data": dict(draft.data),
    }


def user_view(user: User) -> UserView:
    return {
        "name": user.name,
        "role": user.role.value,
        "uid": user.uid,
        "active": user.active,
        "created_at": rfc3339(user.created_at),
        "gid": user.gid,
        "nick_name": user.nick_name,
        "team": user.team,
        "groups": list(user.groups),
    }

"""The read model of dashboards: one copy of all unfinished tasks in memory, kept up to date by the
ledger, so that ten open dashboards cost no more than one.

Nothing is read for nobody: without readers the loop looks every few seconds, for the history.
"""

import asyncio
import re
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hai import __version__
from hai.core.identity import User
from hai.core.quota import Quota
from hai.core.task import Event, Task, WorkerKey
from hai.core.types import FINAL_STATES, TaskId, TaskState
from hai.ports import Bus, Clock, Cluster, EventLog, TaskQuery, Tasks
from hai.schema.dashboard import DashboardView, HistoryView, TaskRow
from hai.schema.views import SCHEMA_VERSION, QuotaView
from hai.service.dashboard_cache import EVENTS_KEPT, FINISHED_KEPT, DashboardCache, ids_of
from hai.service.last_tick import LastTick
from hai.service.signals import EVENTS, heard, worker_key
from hai.service.views import Views, event_view, quota_view, rfc3339

if TYPE_CHECKING:
    from hai.core.forecast import Forecast
    from hai.core.node import Node

SAMPLE_SECONDS = 30.0
SAMPLES = 120  # an hour
_LOOK_SECONDS = 10.0  # without readers
_REASONS_SECONDS = 2.0  # at least, from one look at what the planner said to the next,
_REASONS_SHARE = 0.2  # and so many that the looks take no more of the time than this
_AT_ONCE = 500  # rows, without serving others
_LEAST_SECONDS = 0.25  # between two pieces for one reader
_HINT_SECONDS = 2.0  # without a hint
_USAGE_SECONDS = 5.0
_PAGE = 1000  # events
_PIECE = 1000  # rows
_FIRST_PIECE = 300
_ALL = 1_000_000
_CURSOR = re.compile(r"(?P<epoch>[0-9a-f]{8})-(?P<numbers>[0-9]{1,18}(?:\.[0-9]{1,18}){5})")
_UNFINISHED = frozenset(TaskState) - FINAL_STATES


@dataclass(slots=True)
class _History:
    """Samples by group; "" is the whole cluster."""

    busy: dict[str, deque[int]] = field(default_factory=dict)
    waiting: dict[str, deque[int]] = field(default_factory=dict)
    sampled_at: float = float("-inf")

    def add(self, busy: dict[str, int], waiting: dict[str, int], groups: Iterable[str]) -> None:
        for group in ("", *groups):
            for kept, values in ((self.busy, busy), (self.waiting, waiting)):
                kept.setdefault(group, deque(maxlen=SAMPLES)).append(values.get(group, 0))

    def view(self) -> HistoryView:
        return {
            "every_seconds": SAMPLE_SECONDS,
            "busy": {group: list(values) for group, values in self.busy.items()},
            "waiting": {group: list(values) for group, values in self.waiting.items()},
        }


_Figures = dict[str, float]  # cpu_percent, memory_bytes, ... of workers that run


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a reader has: versions of the rows and of each part."""

    rows: int = 0
    order: int = -1
    cluster: int = -1
    history: int = -1
    usage: int = -1
    event: int = 0


class DashboardStore(Cluster, Tasks, EventLog, Protocol):
    """What is needed of the store here."""


class DashboardFeed:
    """Feeds dashboards; `run_once` belongs to a loop of the supervisor."""

    def __init__(
        self, store: DashboardStore, bus: Bus, clock: Clock, last_tick: LastTick, views: Views
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._last_tick = last_tick
        self._views = views
        self._cache = DashboardCache()
        self._epoch = secrets.token_hex(4)  # of this process: versions of another mean nothing
        self._event = -1  # the last event taken over
        self._steps = -1  # of the clock when all was loaded; -1: nothing is loaded
        self._nodes: list[Node] = []
        self._quotas: list[Quota] = []
        self._cluster_version = 0
        self._history = _History()
        self._history_version = 0
        self._usage: dict[str, _Figures] = {}
        self._task_usage: dict[str, dict[str, _Figures]] = {}
        self._usage_at = float("-inf")
        self._usage_version = 0
        self._spoken: tuple[int, Mapping[TaskId, Forecast]] = (-1, {})
        self._reasons_due = float("-inf")
        self._reading = asyncio.Lock()

    # keeping up

    async def run_once(self) -> float:
        """Catch up and take a sample when it is due; seconds until the next run."""
        await self.refresh()
        now = self._clock.steady()
        if now - self._history.sampled_at >= SAMPLE_SECONDS:
            self._history.sampled_at = now
            await self._read_cluster()  # nodes may be replaced without a line in the event log
            self._sample()
        return _LOOK_SECONDS

    async def refresh(self) -> None:
        """Take over what happened since the last time."""
        async with self._reading:
            steps = self._clock.steps
            if self._steps != steps or not await self._catch_up():
                await self._load()
                self._steps = steps
            now = self._clock.steady()
            spoken = (self._last_tick.ticks, self._last_tick.estimates)
            if self._spoken != spoken and now >= self._reasons_due:
                self._spoken = spoken
                began = time.perf_counter()
                await self._reconsider()
                took = time.perf_counter() - began
                self._reasons_due = now + max(_REASONS_SECONDS, took / _REASONS_SHARE)
            self._cache.arrange()

    async def _load(self) -> None:
        cache = DashboardCache(version=self._cache.version + 1)
        cache.floor = cache.version
        last = await self._store.last_event_id()
        cache.events.extend(await self._store.events(max(0, last - EVENTS_KEPT), limit=EVENTS_KEPT))
        over = TaskQuery(states=FINAL_STATES, page_size=FINISHED_KEPT)
        finished = reversed((await self._store.list_tasks(over)).tasks)
        query = TaskQuery(states=_UNFINISHED, page_size=_ALL)
        await self._put([*finished, *(await self._store.list_tasks(query)).tasks], cache)
        await self._read_cluster()
        self._cache, self._event = cache, last

    async def _catch_up(self) -> bool:
        """False when so much happened that loading anew is cheaper."""
        page = await self._store.events(self._event, limit=_PAGE)
        if not page:
            return True
        if len(page) == _PAGE and len(self._cache.tasks) < 4 * _PAGE:
            return False
        self._cache.version += 1
        while page:
            await self._take(page)
            if len(page) < _PAGE:
                break
            page = await self._store.events(self._event, limit=_PAGE)
        return True

    async def _take(self, page: list[Event]) -> None:
        await self._put(await self._store.tasks(ids_of(page)), self._cache)
        if any(event.draft.task_id is None for event in page):
            await self._read_cluster()
        self._cache.events.extend(page)
        self._event = page[-1].id

    async def _reconsider(self) -> None:
        """The planner has spoken: reasons, places and slices may be others."""
        self._cache.version += 1
        kept = [kept.task for kept in self._cache.tasks.values() if not kept.task.state.is_final]
        await self._put(kept, self._cache)

    async def _put(self, tasks: Sequence[Task], cache: DashboardCache) -> None:
        for first in range(0, len(tasks), _AT_ONCE):
            some = tasks[first : first + _AT_ONCE]
            for task, view in zip(some, self._views.tasks(some), strict=True):
                cache.put(task, view)
            await asyncio.sleep(0)  # let others be served in between

    async def _read_cluster(self) -> None:
        nodes, quotas = await self._store.nodes(), await self._store.quotas()
        if nodes != self._nodes or quotas != self._quotas:
            self._nodes, self._quotas = nodes, quotas
            self._cluster_version += 1

    def _sample(self) -> None:
        held: dict[str, set[str]] = {"": set()}  # a node that several share is one node
        waiting: dict[str, int] = {"": 0}
        for kept in self._cache.tasks.values():
            state, group = kept.task.state, kept.row["group"]
            if state.is_active:
                held.setdefault(group, set()).update(kept.row["on"])
                held[""].update(kept.row["on"])
            elif state.is_waiting:
                waiting[group] = waiting.get(group, 0) + 1
                waiting[""] += 1
        busy = {group: len(nodes) for group, nodes in held.items()}
        self._history.add(busy, waiting, sorted({node.group for node in self._nodes}))
        self._history_version += 1

    async def _look_at_usage(self) -> None:
        now = self._clock.steady()
        if now - self._usage_at < _USAGE_SECONDS:
            return
        self._usage_at = now
        places = self._places()
        live = await self._bus.get_live(list(places))
        usage, by_task = _usage_of(places, live)
        if (usage, by_task) != (self._usage, self._task_usage):
            self._usage, self._task_usage = usage, by_task
            self._usage_version += 1

    def _places(self) -> dict[str, tuple[TaskId, str]]:
        """Under which key each worker's live figures are: its task, and its node."""
        return {
            worker_key(WorkerKey(kept.task.id, kept.task.attempts, rank)): (kept.task.id, node)
            for kept in self._cache.tasks.values()
            if kept.task.state.is_active
            for rank, node in enumerate(kept.row["on"])
        }

    # telling

    async def whole(self, user: User) -> DashboardView:
        """Everything in one piece."""
        pieces = [piece async for piece in self._pieces(user, _Seen(), size=_ALL)]
        return pieces[0]

    async def follow(
        self, user: User, cursor: str, closing: asyncio.Event
    ) -> AsyncIterator[DashboardView]:
        """Pieces from `cursor` on ("": from nothing), the next one as soon as there is news."""
        seen = self._parse(cursor)
        async with self._bus.subscribe(EVENTS) as messages:
            while not closing.is_set():
                async for piece in self._pieces(user, seen):
                    seen = self._parse(piece["cursor"])
                    yield piece
                await self._clock.sleep(_LEAST_SECONDS)
                await heard(messages, _HINT_SECONDS)

    def _parse(self, cursor: str) -> _Seen:
        match = _CURSOR.fullmatch(cursor)
        if match is None or match["epoch"] != self._epoch:
            return _Seen()
        seen = _Seen(*map(int, match["numbers"].split(".")))
        return seen if self._cache.knows(seen.rows) else _Seen()

    def _cursor(self, now: _Seen) -> str:
        numbers = (now.rows, now.order, now.cluster, now.history, now.usage, now.event)
        return f"{self._epoch}-{'.'.join(map(str, numbers))}"

    async def _pieces(
        self, user: User, seen: _Seen, size: int = _FIRST_PIECE
    ) -> AsyncIterator[DashboardView]:
        """What changed since `seen`; nothing at all when nothing did."""
        self._last_tick.watched_at = self._clock.steady()
        await self._look_at_usage()
        await self.refresh()  # from here to the first piece nothing may be awaited
        if not self._cache.knows(seen.rows):  # loaded anew meanwhile
            seen = _Seen()
        now = self._now()
        if now == seen:
            return
        rows = self._cache.changed(seen.rows)
        piece = self._head(user, seen, now)
        whole = seen.rows == 0
        at = size if whole else _PIECE
        piece["tasks"], rest = rows[:at], rows[at:]
        while True:
            piece["more"] = len(rest)
            piece["cursor"] = "" if rest else self._cursor(now)
            yield piece
            if not rest:
                return
            piece = self._empty(rest[:_PIECE])
            rest = rest[_PIECE:]

    def _now(self) -> _Seen:
        cache = self._cache
        return _Seen(
            rows=cache.version,
            order=cache.order_version,
            cluster=self._cluster_version,
            history=self._history_version,
            usage=self._usage_version,
            event=max(0, self._event),
        )

    def _empty(self, rows: list[TaskRow]) -> DashboardView:
        last_tick = self._last_tick
        return {
            "schema_version": SCHEMA_VERSION,
            "cursor": "",
            "at": rfc3339(self._clock.now()),
            "whole": False,
            "more": 0,
            "tasks": rows,
            "gone": [],
            "events": [],
            "server": {
                "version": __version__,
                "ticks": last_tick.ticks,
                "tick_seconds": round(last_tick.tick_seconds, 4),
                "paused": last_tick.paused,
            },
        }

    def _head(self, user: User, seen: _Seen, now: _Seen) -> DashboardView:
        """A piece with everything but the rows."""
        piece = self._empty([])
        cache = self._cache
        if seen.rows == 0:
            piece["whole"] = True
            piece["you"] = {"name": user.name, "role": user.role.value}
        else:
            piece["gone"] = cache.gone_after(seen.rows)
        piece["events"] = [event_view(event) for event in cache.events if event.id > seen.event]
        if seen.order != now.order:
            piece["order"] = cache.order
        if seen.cluster != now.cluster:
            piece["nodes"] = self._views.node_rows(self._nodes)
            piece["quotas"] = _quotas(self._quotas)
        if seen.history != now.history:
            piece["history"] = self._history.view()
        if seen.usage != now.usage:
            piece["usage"] = self._usage
            piece["task_usage"] = self._task_usage
        return piece


def _quotas(rows: Iterable[Quota]) -> list[QuotaView]:
    ordered = sorted(rows, key=lambda row: (row.user, row.group, -row.priority))
    return [quota_view(row) for row in ordered]


def _figures(live: object) -> dict[str, float]:
    items = live.items() if isinstance(live, dict) else ()
    return {
        name: float(value)
        for name, value in items
        if isinstance(value, int | float) and name != "at"
    }


def _usage_of(
    places: Mapping[str, tuple[TaskId, str]], live: Mapping[str, object]
) -> tuple[dict[str, _Figures], dict[str, dict[str, _Figures]]]:
    """What is used on each node; and of nodes that several hold, by each task there."""
    told: dict[str, list[_Figures]] = {}
    holders: dict[str, set[TaskId]] = {}
    own: dict[tuple[TaskId, str], list[_Figures]] = {}
    for key, (task_id, node) in places.items():
        holders.setdefault(node, set()).add(task_id)
        if figures := _figures(live.get(key)):
            told.setdefault(node, []).append(figures)
            own.setdefault((task_id, node), []).append(figures)
    by_task: dict[str, dict[str, _Figures]] = {}
    for node, ids in holders.items():
        for task_id in sorted(ids) if len(ids) > 1 else ():
            by_task.setdefault(str(task_id), {})[node] = _together(own.get((task_id, node), []))
    return {node: _together(figures) for node, figures in told.items()}, by_task


def _together(told: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of all workers on a node: what they use adds up, how busy their GPUs are is a mean."""
    found: dict[str, float] = {}
    for name in sorted({name for one in told for name in one}):
        values = [one[name] for one in told if name in one]
        found[name] = sum(values) / (len(values) if name == "gpu_percent" else 1)
    return found

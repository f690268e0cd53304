"""The store on PostgreSQL: each method runs one named query; see queries/*.sql for what it does."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from hai.core.node import Group, Node, NodeHealth
from hai.core.past_runs import MOST_RUNS, PastRuns
from hai.core.plan import Claim
from hai.core.replay import Record
from hai.core.task import Attempt, Event, EventDraft, Task, TaskChange, TaskDraft
from hai.core.types import GroupName, NodeName, TaskId, TaskState, UserName
from hai.errors import HaiError, InvalidInput, Unavailable
from hai.ports import ALL_EVENTS, EventCount, EventFilter, TaskPage, TaskQuery, Usage
from hai.store import decision_log_rows, filters, rows
from hai.store.claim_rows import claim_of, past_runs_of, usage_of
from hai.store.database import PostgresDatabase, Read, Rows, connection_settings
from hai.store.documents import Documents
from hai.store.gate import Gate
from hai.store.lease import LeaderLease
from hai.store.migrate import migrate
from hai.store.new_tasks import HALF_LIVES, array_spoilt, new_task, nodes_changed, submitted
from hai.store.postgres_door import PostgresDoor
from hai.store.postgres_idle import PostgresIdle
from hai.store.postgres_leading import PostgresLeading
from hai.store.postgres_rows import PostgresRows
from hai.store.postgres_times import PostgresTimes
from hai.store.postgres_users import PostgresUsers
from hai.store.postgres_watch import PostgresWatch
from hai.wording.refusals import name_in_use

_LARGEST_ID = 2**63 - 1
_SUBMIT_ROUNDS = 5  # a name that is in use and free again each time we look does not last longer


class PostgresStore(
    PostgresUsers,
    PostgresTimes,
    PostgresRows,
    PostgresLeading,
    PostgresWatch,
    PostgresIdle,
    PostgresDoor,
):
    """hai.ports.Store on a PostgreSQL database (UTF-8)."""

    def __init__(self, url: str, pool_size: int, *, may_lead: bool = True) -> None:
        self._database = PostgresDatabase(connection_settings(url), pool_size, Gate())
        self._lease = LeaderLease(self._database.settings, may_lead=may_lead)
        self._opening = asyncio.Lock()
        self._is_open = False
        self._documents = Documents()

    async def open(self) -> None:
        async with self._opening:
            if not self._is_open:
                await migrate(self._database.settings)
                await self._database.open()
                self._is_open = True

    async def close(self) -> None:
        await self._lease.release()
        await self._database.close()

    def for_loops(self, pool_size: int) -> "PostgresStore":
        return _LoopStore(self, pool_size)

    async def ping(self) -> None:
        await self._database.read("ping")

    # where
    async def put_group(self, group: Group, now: float | None = None) -> None:
        parameters = {
            "name": group.name,
            "description": group.description,
            "events": _changed(now, {"group": group.name}),
        }
        await self._database.write("put_group", parameters)

    async def groups(self) -> list[Group]:
        found = await self._database.read("groups")
        return [Group(GroupName(name), description) for name, description in found]

    async def put_nodes(self, nodes: Sequence[Node], now: float | None = None) -> None:
        last = {node.name: rows.node_record(node) for node in nodes}
        parameters = {
            "nodes": rows.json_of(list(last.values())),
            "events": _changed(now, {"put": len(last)}),
        }
        await self._database.write("put_nodes", parameters)

    async def remove_nodes(self, names: Collection[NodeName], now: float | None = None) -> None:
        parameters = {"names": list(names), "events": _changed(now, {"removed": len(names)})}
        await self._database.write("remove_nodes", parameters)

    async def nodes(self) -> list[Node]:
        return [rows.node_of(row) for row in await self._database.read("nodes")]

    async def set_node_health(
        self,
        name: NodeName,
        health: NodeHealth,
        why: str,
        event: EventDraft,
        *,
        was: NodeHealth | None = None,
    ) -> bool:
        parameters = {
            "was": was.value if was else None,
            "name": name,
            "health": health.value,
            "why": why,
            "events": rows.events_json([event]),
        }
        return bool(await self._database.write("set_node_health", parameters))

    # what
    async def add_tasks(self, drafts: Sequence[TaskDraft], now: float) -> list[Task | HaiError]:
        """See hai.ports.Store. If the answer is lost (Unavailable), the tasks may exist or not;
        with a request_id the caller can simply ask again and gets the task that was made."""
        results: dict[int, Task | HaiError] = {}
        waiting = dict(enumerate(drafts))
        for _ in range(_SUBMIT_ROUNDS):
            if not waiting:
                break
            results |= await self._insert(waiting, now)
            waiting = {at: draft for at, draft in waiting.items() if at not in results}
            if waiting:
                results |= await self._refuse(waiting)
                results |= _spoilt(waiting, results)
                waiting = {at: draft for at, draft in waiting.items() if at not in results}
        for at, draft in waiting.items():
            results[at] = Unavailable(f"the name {draft.name!r} changes hands", hint="try again")
        return [results[at] for at in range(len(drafts))]

    async def _insert(
        self, drafts: Mapping[int, TaskDraft], now: float
    ) -> dict[int, Task | HaiError]:
        """The new tasks; one that the database cannot keep does not spoil the others."""
        positions = list(drafts)
        try:
            parameters = {
                "tasks": rows.json_of(rows.draft_records(list(drafts.values()), now)),
                "documents": rows.json_of(rows.document_records(list(drafts.values()))),
                "events": rows.events_json(submitted(d, now) for d in drafts.values()),
            }
            added = await self._database.write("add_tasks", parameters)
        except (InvalidInput, ValueError) as error:
            wholes = _wholes(drafts)
            if len(wholes) > 1:
                results: dict[int, Task | HaiError] = {}
                for whole in wholes:
                    results |= await self._insert(whole, now)
                return results
            if not isinstance(error, InvalidInput):
                error = InvalidInput(f"the task is not valid JSON: {error}")
            return dict.fromkeys(positions, error)
        return {
            positions[place]: new_task(drafts[positions[place]], TaskId(task_id), now, array_id)
            for place, task_id, array_id in added
        }

    async def _refuse(self, drafts: Mapping[int, TaskDraft]) -> dict[int, Task | HaiError]:
        """The earlier task of the same request, or a refusal. Nothing for a draft whose
        obstacle has gone meanwhile."""
        positions = list(drafts)
        parameters = {
            "users": [draft.user for draft in drafts.values()],
            "names": [draft.name for draft in drafts.values()],
            "request_ids": [draft.request_id for draft in drafts.values()],
        }
        found = await self._database.read("tasks_in_the_way", parameters)
        earlier = await self._by_id(same for _, same, _ in found if same is not None)
        results: dict[int, Task | HaiError] = {}
        for place, same, holder in found:
            at = positions[place]
            if same is not None:
                results[at] = earlier[same]
            elif holder is not None:
                results[at] = name_in_use(drafts[at], holder)
        return results

    async def _by_id(self, ids: Iterable[TaskId]) -> dict[TaskId, Task]:
        wanted = set(ids)
        return {task.id: task for task in await self.tasks(wanted)} if wanted else {}

    async def task(self, task_id: TaskId) -> Task | None:
        found = await self.tasks([task_id])
        return found[0] if found else None

    async def task_named(self, user: UserName, name: str) -> Task | None:
        found = await self._read_tasks("task_named", {"user": user, "name": name})
        return found[0] if found else None

    async def tasks(self, ids: Collection[TaskId]) -> list[Task]:
        possible = [task_id for task_id in ids if 0 < task_id <= _LARGEST_ID]
        return await self._read_tasks("tasks", {"ids": possible})

    async def active_tasks(self) -> list[Task]:
        return await self._read_tasks("active_tasks")

    async def claims(self, ids: Collection[TaskId] | None = None) -> list[Claim]:
        if ids is None:
            found = await self._database.read("claims")
        else:
            found = await self._database.read("claims_of", {"ids": list(ids)})
        return [claim_of(row) for row in found]

    async def usage(self, now: float, half_life_seconds: float) -> list[Usage]:
        parameters = {
            "now": rows.timestamp(now),
            "half_life": half_life_seconds,
            "oldest": rows.timestamp(max(0.0, now - HALF_LIVES * half_life_seconds)),
        }
        return [usage_of(row) for row in await self._database.read("usage", parameters)]

    async def durations(self, group: GroupName, since: float) -> list[PastRuns]:
        parameters = {"group": group, "since": rows.timestamp(since), "limit": MOST_RUNS}
        return [past_runs_of(row) for row in await self._database.read("durations", parameters)]

    async def released(self) -> list[Task]:
        return await self._read_tasks("released")

    async def list_tasks(self, query: TaskQuery) -> TaskPage:
        parameters = {
            "user": query.user,
            "states": [state.value for state in query.states] or None,
            "group": query.group,
            "name_contains": query.name_contains,
            "task_type": query.task_type,
            "array": query.array,
            "indices": sorted(query.indices) or None,
            "before": query.before,
            "limit": query.page_size,
            "offset": (query.page - 1) * query.page_size,
        }

        async def finish(found: Rows, read: Read) -> TaskPage:
            tasks = await self._tasks_of([row[1:] for row in found if row[1]], read)
            return TaskPage(tuple(tasks), found[0][0])

        return await self._database.read_then("list_tasks", parameters, finish, prepare=False)

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        found = await self._database.read("attempts", {"task_id": task_id})
        return [rows.attempt_of(row) for row in found]

    async def save(self, changes: Sequence[TaskChange]) -> list[Task]:
        """See hai.ports.Store. The second change of a task in one batch is stale.

        If the answer is lost (Unavailable), the batch was written whole or not at all. Saving it
        again is safe: the versions let nothing be written twice.
        """
        first: dict[TaskId, TaskChange] = {}
        for change in changes:
            first.setdefault(change.task.id, change)
        if not first:
            return []
        parameters = rows.change_parameters(first.values())
        written = {row[0] for row in await self._database.write("save_changes", parameters)}
        return [
            replace(change.task, version=change.task.version + 1)
            for task_id, change in first.items()
            if task_id in written
        ]

    async def count_tasks(self) -> Mapping[TaskState, int]:
        return {TaskState(state): n for state, n in await self._database.read("count_tasks")}

    # what happened
    async def append(self, events: Sequence[EventDraft]) -> None:
        if events:
            await self._database.write("append_events", {"events": rows.events_json(events)})

    async def events(
        self, after: int, *, limit: int = 1000, where: EventFilter = ALL_EVENTS
    ) -> list[Event]:
        query = "events" if where == ALL_EVENTS else "matching_events"
        parameters = {"after": after, "limit": limit, **filters.filter_parameters(where)}
        found = await self._database.read(query, parameters, prepare=where == ALL_EVENTS)
        return [rows.event_of(row) for row in found]

    async def count_events(self, where: EventFilter, last: int) -> EventCount:
        parameters = {"last": last, **filters.filter_parameters(where)}
        found = await self._database.read("count_events", parameters, prepare=False)
        return EventCount(*found[0])

    async def last_event_id(self) -> int:
        found = await self._database.read("last_event_id")
        return int(found[0][0])

    # what the scheduler decided
    async def append_journal(self, record: Record) -> None:
        packed = await asyncio.to_thread(
            decision_log_rows.parameters, record
        )  # a snapshot is large
        await self._database.write("append_journal", packed)

    async def journal(
        self, since: float, until: float, *, after: int = 0, limit: int = 100
    ) -> list[Record]:
        parameters = {
            "since": rows.timestamp(since),
            "until": rows.timestamp(until),
            "after": after,
            "limit": limit,
        }
        found = await self._database.read("journal", parameters)
        return await asyncio.to_thread(lambda: [decision_log_rows.record_of(row) for row in found])

    async def prune_journal(self, keep_seconds: float) -> int:
        return len(await self._database.write("prune_journal", {"keep": keep_seconds}))


class _LoopStore(PostgresStore):
    """The part of a store that is the loops' own; the rest belongs to the other one."""

    def __init__(self, store: PostgresStore, pool_size: int) -> None:
        self._database = store._database.fenced(pool_size)
        self._lease = store._lease
        self._documents = store._documents

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()


def _wholes(drafts: Mapping[int, TaskDraft]) -> list[dict[int, TaskDraft]]:
    """What has to be added together: arrays, and every other draft by itself."""
    wholes: dict[object, dict[int, TaskDraft]] = {}
    for at, draft in drafts.items():
        wholes.setdefault(at if draft.array is None else draft.array, {})[at] = draft
    return list(wholes.values())


def _spoilt(
    waiting: Mapping[int, TaskDraft], results: Mapping[int, Task | HaiError]
) -> dict[int, Task | HaiError]:
    """Refusals of members whose array cannot be added whole."""
    arrays = {draft.array for at, draft in waiting.items() if at in results and draft.array}
    return {
        at: array_spoilt(draft)
        for at, draft in waiting.items()
        if at not in results and draft.array in arrays
    }


def _changed(now: float | None, data: Mapping[str, object]) -> str:
    return rows.json_of(
        [{**rows.event_record(nodes_changed(0.0, data)), "at": rows.timestamp(now)}]
    )

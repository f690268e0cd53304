"""Between core values and database rows.

Core counts time in Unix seconds; columns are timestamptz, exact to the microsecond. Values go in
as JSON records (one parameter for a whole batch), rows come out as tuples in the order of the
queries' columns.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hai.core.moments import rfc3339
from hai.core.node import Node, NodeHealth
from hai.core.quota import Quota
from hai.core.resources import Resources
from hai.core.task import Attempt, Event, EventDraft, Task, TaskChange, TaskDraft, Worker
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

Row = Sequence[Any]
Record = dict[str, object]

# dictionary look-ups: several times faster than calling an enumeration, for thousands of rows
LEVELS = {level.value: level for level in Priority}
STATES = {state.value: state for state in TaskState}


def timestamp(seconds: float | None) -> str | None:
    """Unix seconds as text for a timestamptz column, rounded to the microsecond."""
    return None if seconds is None else rfc3339(seconds, "auto")


def json_of(value: object) -> str:
    """JSON text; ValueError for what JSON does not know (NaN, infinity)."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def storable_json_of(value: object) -> str:
    """JSON text that jsonb and text columns take whatever a program may have reported.

    NUL characters and lone surrogates become U+FFFD, numbers that are not finite become null.
    """
    try:
        text = json_of(value)
    except ValueError:
        return json_of(_cleaned(value))
    if "\\u0000" in text or "\\ud" in text:
        return json_of(_cleaned(value))
    return text


def _cleaned(value: object) -> object:
    match value:
        case str():
            legal = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
            return legal.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {_cleaned(str(key)): _cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item) for item in value]
        case _:
            return value


def task_record(task: Task) -> Record:
    """The columns of a task that change while it lives, with the version that was read."""
    return {
        "id": task.id,
        "version": task.version,
        "priority": task.priority.value,
        "state": task.state.value,
        "held": task.held,
        "custom_rank": task.custom_rank,
        "whole_life_state": task.whole_life_state,
        "attempts": task.attempts,
        "suspend_count": task.suspend_count,
        "exit_code": task.exit_code,
        "why": task.why,
        "started_at": timestamp(task.started_at),
        "ended_at": timestamp(task.ended_at),
        "ran_seconds": task.ran_seconds,
        "queued_at": timestamp(task.queued_at),
        "yielded_at": timestamp(task.yielded_at),
        "first": task.first,
        "not_before": timestamp(task.not_before),
        "failures": task.failures,
        "waits_ok": list(task.waits_ok),
        "waits_any": list(task.waits_any),
        "removed": task.removed,
    }


def draft_records(drafts: Sequence[TaskDraft], now: float) -> list[Record]:
    """All columns of new tasks but their ids; `array_id` is the position (from 1) of the array's
    first member among them."""
    first: dict[str, int] = {}
    for position, draft in enumerate(drafts, 1):
        if draft.array is not None:
            first.setdefault(draft.array, position)
    return [
        {**draft_record(draft, now), "array_id": first.get(draft.array) if draft.array else None}
        for draft in drafts
    ]


def document_records(drafts: Sequence[TaskDraft]) -> list[Record]:
    """What was submitted, once each, under the position (from 1) of the first draft that has it."""
    first: dict[str, int] = {}
    records: list[Record] = []
    for position, draft in enumerate(drafts, 1):
        if draft.array is not None and first.setdefault(draft.array, position) != position:
            continue
        size = len(json_of(draft.spec))
        records.append({"position": position, "spec": draft.spec, "bytes": size})
    return records


def draft_record(draft: TaskDraft, now: float) -> Record:
    """All columns of a new task but its id and its array's."""
    return {
        "chain_id": draft.chain_id,
        "user_name": draft.user,
        "name": draft.name,
        "group_name": draft.group,
        "nodes": draft.nodes,
        "request_id": draft.request_id,
        "submitted_at": timestamp(now),
        "priority": draft.priority.value,
        "state": TaskState.QUEUED.value,
        "held": False,
        "custom_rank": 0.0,
        "whole_life_state": draft.whole_life_state,
        "attempts": 0,
        "suspend_count": 0,
        "why": "",
        "version": 0,
        "ran_seconds": 0.0,
        "first": False,
        "failures": 0,
        "time_limit_seconds": draft.time_limit_seconds,
        "waits_ok": list(draft.waits_ok),
        "waits_any": list(draft.waits_any),
        "array_index": draft.array_index,
        "array_limit": draft.array_limit,
        "asks": None if draft.asks is None else list(draft.asks),
        "removed": False,
        "spot": draft.spot,
    }


def attempt_record(task_id: TaskId, attempt: Attempt) -> Record:
    return {
        "task_id": task_id,
        "number": attempt.number,
        "priority": attempt.priority.value,
        "nodes": list(attempt.nodes),
        "created_at": timestamp(attempt.created_at),
        "started_at": timestamp(attempt.started_at),
        "ended_at": timestamp(attempt.ended_at),
        "suspend_at": timestamp(attempt.suspend_at),
        "acked_at": timestamp(attempt.acked_at),
        "terminate_at": timestamp(attempt.terminate_at),
        "verdict": attempt.verdict,
        "outcome": attempt.outcome,
        "exit_code": attempt.exit_code,
        "why": attempt.why,
        "backfill": attempt.backfill,
        "for_task": attempt.for_task,
        "saved_at": timestamp(attempt.saved_at),
        "gpu_indices": _gpu_indices(attempt),
    }


def _gpu_indices(attempt: Attempt) -> list[list[int]] | None:
    """By rank; None where no node is shared."""
    ranks = [list(worker.gpu_indices) for worker in attempt.workers]
    return ranks if any(ranks) else None


def worker_record(task_id: TaskId, number: int, worker: Worker) -> Record:
    return {
        "task_id": task_id,
        "attempt": number,
        "rank": worker.rank,
        "state": worker.state.value,
        "exit_code": worker.exit_code,
        "detail": worker.detail,
        "acked": worker.acked,
        "saved": worker.saved,
        "address": worker.address,
        "port": worker.port,
        "started_at": timestamp(worker.started_at),
        "ended_at": timestamp(worker.ended_at),
        "usage": {key: value for key, value in worker.usage.items() if math.isfinite(value)},
    }


def event_record(draft: EventDraft) -> Record:
    return {
        "at": timestamp(draft.at),
        "kind": draft.kind,
        "actor": draft.actor,
        "task_id": draft.task_id,
        "user_name": draft.user,
        "why": draft.why,
        "data": draft.data,
    }


def events_json(drafts: Iterable[EventDraft]) -> str:
    return storable_json_of([event_record(draft) for draft in drafts])


def node_record(node: Node) -> Record:
    return {
        "name": node.name,
        "group_name": node.group,
        "launcher": node.launcher,
        "gpus": node.gpus,
        "cpus": node.cpus,
        "memory_bytes": node.memory_bytes,
        "leaf": node.leaf,
        "zone": node.zone,
        "health": node.health.value,
        "health_why": node.health_why,
    }


def quota_record(quota: Quota) -> Record:
    return {
        "user_name": quota.user,
        "group_name": quota.group,
        "priority": quota.priority.value,
        "nodes": quota.nodes,
    }


def change_parameters(changes: Iterable[TaskChange]) -> dict[str, str]:
    """The parameters of query `save_changes`; at most one change for a task."""
    tasks: list[Record] = []
    attempts: list[Record] = []
    workers: list[Record] = []
    events: list[Record] = []
    for change in changes:
        task = change.task
        tasks.append(task_record(task))
        if task.attempt is not None:
            attempts.append(attempt_record(task.id, task.attempt))
            number = task.attempt.number
            workers += [worker_record(task.id, number, w) for w in task.attempt.workers]
        events += [{"id": task.id, **event_record(draft)} for draft in change.events]
    return {
        "tasks": storable_json_of(tasks),
        "attempts": storable_json_of(attempts),
        "workers": storable_json_of(workers),
        "events": storable_json_of(events),
    }


def seconds_of(moment: datetime | None) -> float | None:
    """Unix seconds of a timestamptz: the nearest float, exact to the microsecond."""
    return None if moment is None else moment.timestamp()


def task_of(row: Row, documents: Mapping[int, Mapping[str, object]]) -> Task:
    """A row of view tasks_with_attempt, with its document."""
    (id_, chain_id, user, name, group, nodes, document, submitted_at) = row[:8]
    (priority, state, held, custom_rank, whole_life_state, attempts) = row[8:14]
    (suspend_count, exit_code, why, started_at, ended_at, version) = row[14:20]
    (ran_seconds, queued_at, yielded_at, first, not_before, failures) = row[20:26]
    (time_limit_seconds, waits_ok, waits_any, array_id, array_index, array_limit) = row[26:32]
    return Task(
        id=id_,
        chain_id=chain_id,
        user=user,
        name=name,
        group=group,
        nodes=nodes,
        priority=LEVELS[priority],
        spec=documents[document],
        submitted_at=submitted_at.timestamp(),
        state=STATES[state],
        held=held,
        custom_rank=custom_rank,
        whole_life_state=whole_life_state,
        attempts=attempts,
        suspend_count=suspend_count,
        exit_code=exit_code,
        why=why,
        started_at=seconds_of(started_at),
        ended_at=seconds_of(ended_at),
        version=version,
        attempt=None if row[32] is None else attempt_of(row[32:50]),
        ran_seconds=ran_seconds,
        queued_at=seconds_of(queued_at),
        yielded_at=seconds_of(yielded_at),
        first=first,
        not_before=seconds_of(not_before),
        failures=failures,
        time_limit_seconds=time_limit_seconds,
        waits_ok=tuple(waits_ok),
        waits_any=tuple(waits_any),
        array_id=array_id,
        array_index=array_index,
        array_limit=array_limit,
        asks=asks_of(row[50]),
        removed=row[51],
        spot=row[52],
    )


def asks_of(amounts: Sequence[int] | None) -> Resources | None:
    return None if amounts is None else Resources(*amounts)


def attempt_of(row: Row) -> Attempt:
    """A row of query `attempts`, or the latter part of a task's row."""
    number, priority, nodes, created_at, started_at, ended_at, *rest = row
    suspend_at, acked_at, terminate_at, verdict, outcome, exit_code, why = rest[:7]
    backfill, for_task, saved_at, workers, gpus = rest[7:]
    return Attempt(
        number=number,
        priority=LEVELS[priority],
        created_at=created_at.timestamp(),
        workers=tuple(_worker_of(worker, nodes, gpus) for worker in workers or ()),
        started_at=seconds_of(started_at),
        ended_at=seconds_of(ended_at),
        suspend_at=seconds_of(suspend_at),
        acked_at=seconds_of(acked_at),
        terminate_at=seconds_of(terminate_at),
        verdict=Outcome(verdict) if verdict else None,
        outcome=Outcome(outcome) if outcome else None,
        exit_code=exit_code,
        why=why,
        backfill=backfill,
        for_task=for_task,
        saved_at=seconds_of(saved_at),
    )


def _worker_of(row: Row, nodes: Sequence[str], gpus: Sequence[Sequence[int]] | None) -> Worker:
    """A worker as the JSON array that the queries build."""
    rank, state, exit_code, detail, acked, saved, address, port, began, ended, usage = row
    return Worker(
        rank=rank,
        node=NodeName(nodes[rank]),
        state=WorkerState(state),
        exit_code=exit_code,
        detail=detail,
        acked=acked,
        saved=saved,
        address=address,
        port=port,
        started_at=None if began is None else float(began),
        ended_at=None if ended is None else float(ended),
        usage=usage,
        gpu_indices=tuple(gpus[rank]) if gpus else (),
    )


def event_of(row: Row) -> Event:
    """A row of the `events` queries."""
    id_, at, kind, actor, task_id, user, why, data = row
    draft = EventDraft(
        kind=kind, actor=actor, at=at.timestamp(), task_id=task_id, user=user, why=why, data=data
    )
    return Event(id_, draft)


def node_of(row: Row) -> Node:
    name, group, launcher, gpus, cpus, memory_bytes, leaf, zone, health, health_why = row
    return Node(
        name=NodeName(name),
        group=GroupName(group),
        launcher=launcher,
        gpus=gpus,
        cpus=cpus,
        memory_bytes=memory_bytes,
        leaf=leaf,
        zone=zone,
        health=NodeHealth(health),
        health_why=health_why,
    )


def quota_of(row: Row) -> Quota:
    user, group, priority, nodes = row
    return Quota(UserName(user), GroupName(group), LEVELS[priority], nodes)

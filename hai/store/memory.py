"""A store that keeps nothing: plain dictionaries, for tests and simulation.

It passes the same contract suite as PostgreSQL. No method awaits anything, so that each is one
transaction of the event loop.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from hai.core.claims import claim_of
from hai.core.identity import Token, User
from hai.core.node import Group, Node, NodeHealth
from hai.core.past_runs import MOST_RUNS, PastRuns, name_pattern, summary
from hai.core.plan import Claim
from hai.core.quota import Quota
from hai.core.replay import SNAPSHOT, Record
from hai.core.task import Attempt, Event, EventDraft, Task, TaskChange, TaskDraft
from hai.core.types import GroupName, NodeName, TaskId, TaskState, UserName
from hai.errors import Conflict, HaiError, NotFound
from hai.ports import ALL_EVENTS, EventCount, EventFilter, Pause, TaskPage, TaskQuery, Usage
from hai.store.memory_door import MemoryDoor
from hai.store.memory_rows import MemoryRows
from hai.store.memory_times import last_needed, used
from hai.store.memory_watch import MemoryWatch, matches
from hai.store.new_tasks import HALF_LIVES, array_spoilt, new_task, nodes_changed, submitted
from hai.wording.refusals import name_in_use


class MemoryStore(MemoryDoor, MemoryRows, MemoryWatch):
    """hai.ports.Store in one process."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[GroupName, Group] = {}
        self._nodes: dict[NodeName, Node] = {}
        self._named: dict[tuple[UserName, str], TaskId] = {}  # newest of that name
        self._requests: dict[tuple[UserName, str], TaskId] = {}
        self._journal: list[Record] = []
        self._journal_ids = 1
        self._pause = Pause(0, is_on=False)

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def ping(self) -> None:
        pass

    # who
    async def add_user(self, user: User, event: EventDraft) -> None:
        if user.name in self._users:
            raise Conflict(f"there is a user {user.name} already")
        self._users[user.name] = user
        self._log(event)

    async def user(self, name: UserName) -> User | None:
        found = self._users.get(name)
        return None if found is None else self._with_groups(found)

    async def users(self) -> list[User]:
        return [self._with_groups(self._users[name]) for name in sorted(self._users)]

    async def add_token(self, token: Token, event: EventDraft) -> None:
        if token.user not in self._users:
            raise NotFound(f"there is no user {token.user}")
        if token.id in self._tokens or any(t.hash == token.hash for t in self._tokens.values()):
            raise Conflict(f"there is a token {token.id} already")
        if token.parent is not None and token.parent not in self._tokens:
            raise Conflict(f"token {token.parent} is gone")
        self._tokens[token.id] = token
        self._log(event)

    async def user_of_token(self, token_hash: str, now: float) -> User | None:
        for token in self._tokens.values():
            if token.hash == token_hash and (token.expires_at is None or token.expires_at > now):
                user = self._users[token.user]
                return self._with_groups(user) if user.active else None
        return None

    async def token_of(self, token_hash: str) -> Token | None:
        return next((t for t in self._tokens.values() if t.hash == token_hash), None)

    async def tokens(self, user: UserName) -> list[Token]:
        mine = (token for token in self._tokens.values() if token.user == user)
        return sorted(mine, key=lambda token: (token.created_at, token.id))

    async def remove_token(self, token_id: str, event: EventDraft) -> bool:
        token = self._tokens.pop(token_id, None)
        if token is None:
            return False
        gone = {token_id}
        while made := {t.id for t in self._tokens.values() if t.parent in gone}:
            gone |= made
            self._tokens = {i: t for i, t in self._tokens.items() if i not in made}
        self._log(replace(event, user=token.user, why=f"{event.why} of {token.user}"))
        return True

    # where
    async def put_group(self, group: Group, now: float | None = None) -> None:
        if self._groups.get(group.name) != group:
            self._groups[group.name] = group
            self._changed(now, {"group": group.name})

    async def groups(self) -> list[Group]:
        return [self._groups[name] for name in sorted(self._groups)]

    async def put_nodes(self, nodes: Sequence[Node], now: float | None = None) -> None:
        before = dict(self._nodes)
        for node in nodes:
            old = self._nodes.get(node.name, node)
            self._nodes[node.name] = replace(node, health=old.health, health_why=old.health_why)
        if self._nodes != before:
            self._changed(now, {"put": len({node.name for node in nodes})})

    async def remove_nodes(self, names: Collection[NodeName], now: float | None = None) -> None:
        before = len(self._nodes)
        for name in names:
            self._nodes.pop(name, None)
        if len(self._nodes) != before:
            self._changed(now, {"removed": len(names)})

    def _changed(self, now: float | None, data: Mapping[str, object]) -> None:
        """A store in memory has no clock: without `now` it is as late as the last line."""
        last = self._events[-1].draft.at if self._events else 0.0
        self._log(nodes_changed(last if now is None else now, data))

    async def nodes(self) -> list[Node]:
        return [self._nodes[name] for name in sorted(self._nodes)]

    async def set_node_health(
        self,
        name: NodeName,
        health: NodeHealth,
        why: str,
        event: EventDraft,
        *,
        was: NodeHealth | None = None,
    ) -> bool:
        node = self._nodes.get(name)
        if node is None or was not in (None, node.health):
            return False
        self._nodes[name] = replace(node, health=health, health_why=why)
        self._log(event)
        return True

    async def put_quotas(self, quotas: Sequence[Quota], event: EventDraft) -> None:
        for quota in quotas:
            self._quotas[(quota.user, quota.group, quota.priority)] = quota
        self._log(event)

    async def quotas(self) -> list[Quota]:
        return [self._quotas[key] for key in sorted(self._quotas)]

    # what
    async def add_tasks(self, drafts: Sequence[TaskDraft], now: float) -> list[Task | HaiError]:
        obstacles = [self._obstacle(draft) for draft in drafts]
        spoilt = {d.array for d, one in zip(drafts, obstacles, strict=True) if one and d.array}
        first: dict[str, TaskId] = {}
        return [self._add_task(draft, now, spoilt, first) for draft in drafts]

    def _obstacle(self, draft: TaskDraft) -> Task | HaiError | None:
        request = (draft.user, draft.request_id) if draft.request_id is not None else None
        if request in self._requests:
            return self._tasks[self._requests[request]]
        holder = self._named.get((draft.user, draft.name))
        return name_in_use(draft, holder) if holder in self._unfinished else None

    def _add_task(
        self, draft: TaskDraft, now: float, spoilt: Collection[str], first: dict[str, TaskId]
    ) -> Task | HaiError:
        obstacle = self._obstacle(draft)
        if obstacle is not None:
            return obstacle
        if draft.array in spoilt:
            return array_spoilt(draft)
        request = (draft.user, draft.request_id) if draft.request_id is not None else None
        task_id = TaskId(len(self._tasks) + 1)
        array_id = first.setdefault(draft.array, task_id) if draft.array is not None else None
        task = new_task(draft, task_id, now, array_id)
        self._tasks[task.id] = task
        self._unfinished.add(task.id)
        self._named[(task.user, task.name)] = task.id
        if request is not None:
            self._requests[request] = task.id
        self._log(submitted(draft, now, task.id))
        return task

    async def task(self, task_id: TaskId) -> Task | None:
        return self._tasks.get(task_id)

    async def task_named(self, user: UserName, name: str) -> Task | None:
        task_id = self._named.get((user, name))
        return None if task_id is None else self._tasks[task_id]

    async def tasks(self, ids: Collection[TaskId]) -> list[Task]:
        return [self._tasks[task_id] for task_id in sorted(set(ids)) if task_id in self._tasks]

    async def active_tasks(self) -> list[Task]:
        unfinished = (self._tasks[task_id] for task_id in sorted(self._unfinished))
        return [task for task in unfinished if task.state.is_active]

    async def claims(self, ids: Collection[TaskId] | None = None) -> list[Claim]:
        wanted = self._unfinished if ids is None else self._unfinished & set(ids)
        return [claim_of(self._tasks[task_id]) for task_id in sorted(wanted)]

    async def usage(self, now: float, half_life_seconds: float) -> list[Usage]:
        oldest = now - HALF_LIVES * half_life_seconds
        found: dict[tuple[UserName, GroupName], Usage] = {}
        for task_id, attempts in self._attempts.items():
            task = self._tasks[task_id]
            for attempt in attempts.values():
                if attempt.ended_at is None or attempt.ended_at > oldest:
                    key = (task.user, task.group)
                    sofar = found.get(key) or Usage(*key, 0.0)
                    found[key] = used(sofar, attempt, now, half_life_seconds)
        return [found[key] for key in sorted(found)]

    async def durations(self, group: GroupName, since: float) -> list[PastRuns]:
        done = [
            (task.ended_at, task.id, task)
            for task in self._tasks.values()
            if task.group == group
            and task.state is TaskState.SUCCEEDED
            and task.ended_at is not None
            and task.ended_at >= since
        ]
        runs: dict[tuple[UserName | None, str | None], list[float]] = {}
        for _, _, task in sorted(done, key=lambda one: one[:2])[-MOST_RUNS:]:
            for key in (
                (None, None),
                (task.user, None),
                (task.user, name_pattern(task.name)),
            ):
                runs.setdefault(key, []).append(task.ran_seconds)
        ordered = sorted(runs, key=lambda key: (key[0] or "", key[1] or ""))
        return [summary(*key, runs[key]) for key in ordered]

    async def released(self) -> list[Task]:
        waiting = (self._tasks[task_id] for task_id in sorted(self._unfinished))
        return [
            task
            for task in waiting
            if task.state.is_waiting
            and any(o in self._tasks and self._tasks[o].state.is_final for o in task.waits_for)
        ]

    async def list_tasks(self, query: TaskQuery) -> TaskPage:
        matching = [task for task in reversed(self._tasks.values()) if matches(task, query)]
        first = (query.page - 1) * query.page_size
        total = len(matching) if query.before is None else None
        return TaskPage(tuple(matching[first : first + query.page_size]), total)

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        attempts = self._attempts.get(task_id, {})
        return [attempts[number] for number in sorted(attempts)]

    async def save(self, changes: Sequence[TaskChange]) -> list[Task]:
        saved: dict[TaskId, Task] = {}
        for change in changes:
            new = change.task
            old = self._tasks.get(new.id)
            if old is None or new.id in saved or old.version != new.version:
                continue
            saved[new.id] = self._tasks[new.id] = replace(new, version=new.version + 1)
            if new.attempt is not None:
                self._attempts.setdefault(new.id, {})[new.attempt.number] = new.attempt
            if new.state.is_final:
                self._unfinished.discard(new.id)
            for event in change.events:
                self._log(event)
        return list(saved.values())

    async def count_tasks(self) -> Mapping[TaskState, int]:
        return Counter(task.state for task in self._tasks.values())

    # what happened
    async def append(self, events: Sequence[EventDraft]) -> None:
        for event in events:
            self._log(event)

    async def events(
        self, after: int, *, limit: int = 1000, where: EventFilter = ALL_EVENTS
    ) -> list[Event]:
        later = islice(self._events, max(after, 0), None)
        return list(islice((event for event in later if _passes(event, where)), limit))

    async def count_events(self, where: EventFilter, last: int) -> EventCount:
        ids = [event.id for event in self._events if _passes(event, where)]
        return EventCount(len(ids), ids[-last - 1] if len(ids) > last else 0)

    async def last_event_id(self) -> int:
        return len(self._events)

    # what the scheduler decided
    async def append_journal(self, record: Record) -> None:
        body = json.loads(json.dumps(record.body))  # as a store that writes would keep it
        self._journal.append(replace(record, id=self._journal_ids, body=body))
        self._journal_ids += 1

    async def journal(
        self, since: float, until: float, *, after: int = 0, limit: int = 100
    ) -> list[Record]:
        first = self._snapshot_before(since)
        last = max((record.id for record in self._journal if record.at <= until), default=0)
        matching = (
            record for record in self._journal if record.id > after and first <= record.id <= last
        )
        return list(islice(matching, limit))

    async def prune_journal(self, keep_seconds: float) -> int:
        first = last_needed(self._journal, keep_seconds)
        kept = [record for record in self._journal if record.id >= first]
        gone = len(self._journal) - len(kept)
        self._journal = kept
        return gone

    def _snapshot_before(self, at: float) -> int:
        """Its id; 0 if there is none."""
        ids = [one.id for one in self._journal if one.kind == SNAPSHOT and one.at <= at]
        return max(ids, default=0)

    # who leads
    def for_loops(self, pool_size: int) -> "MemoryStore":
        return self

    async def lead(self) -> int:
        return 1

    @property
    def is_leading(self) -> bool:
        return True

    async def pause(self) -> Pause:
        return self._pause

    async def renew_pause(self, *, is_on: bool) -> Pause:
        self._pause = Pause(self._pause.renewals + 1, is_on)
        return self._pause


def _passes(event: Event, where: EventFilter) -> bool:
    draft = event.draft
    return (
        where.task_id in (None, draft.task_id)
        and where.user in (None, draft.user)
        and (where.since is None or draft.at >= where.since)
        and (where.until is None or draft.at < where.until)
        and where.has_kind(draft.kind)
    )

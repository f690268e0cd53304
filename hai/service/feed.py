"""The scheduler's state, kept in step with the store from the event log.

A leader builds it once and then reads only what changed: every change of a task, a node or a quota
leaves an event, in the order of its commit, so nothing is missed. What was read is told to a
recorder, so that it can be replayed.
"""

from typing import Protocol

from hai.core.container_quota import ContainerQuota, container_quotas
from hai.core.inputs import Delta, Snapshot
from hai.core.policy import Policy
from hai.core.quota import Quota, effective
from hai.core.state import SchedulerState
from hai.core.types import TaskId
from hai.ports import Clock, Cluster, EventLog, Identity, Rows, Tasks

_PAGE = 1000
_OF_QUOTAS = {"quota", "rows", "user"}  # kinds of events that may change who may hold what


class Recorder(Protocol):
    """Hears every input of the state, in order."""

    def began(self, snapshot: Snapshot) -> None: ...

    def changed(self, delta: Delta) -> None: ...


class FeedStore(Identity, Cluster, Rows, Tasks, EventLog, Protocol):
    """What is needed of the store here."""


class StateFeed:
    """Call `catch_up` before each plan; `forget` when another process may have led meanwhile."""

    def __init__(self, store: FeedStore, clock: Clock, policy: Policy, recorder: Recorder) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._recorder = recorder
        self._state: SchedulerState | None = None
        self._cursor = 0
        self._steps = 0  # of the clock when the state was built

    def forget(self) -> None:
        """Build the state anew next time."""
        self._state = None

    async def catch_up(self) -> SchedulerState:
        """The state as the store has it now, brought up to the clock's time."""
        while True:
            state = self._state
            if state is None or not self.is_current():
                self._steps = self._clock.steps
                state = self._state = await self._build()
            else:
                await self._read_changes(state)
            if self.is_current():
                return state

    def is_current(self) -> bool:
        """Whether the state counts by the clock of now; one that does not is built anew."""
        return self._steps == self._clock.steps

    async def _read_changes(self, state: SchedulerState) -> None:
        cursor, changed, kinds = await self._read_events(self._cursor)
        claims = await self._store.claims(list(changed)) if changed else []
        if changed:  # a claim that was lost with its node must not be seen before the loss is
            _, _, later = await self._read_events(cursor)
            kinds |= later
        nodes = tuple(await self._store.nodes()) if kinds & {"node", "nodes"} else None
        quotas = await self._quotas() if kinds & _OF_QUOTAS else None
        containers = await self._containers() if kinds & _OF_QUOTAS else None
        if not self.is_current():
            return
        alive = {claim.task_id for claim in claims}
        delta = Delta(
            now=self._clock.now(),
            claims=tuple(claim for claim in claims if state.claims.get(claim.task_id) != claim),
            ended=tuple(
                (task_id, at)
                for task_id, at in sorted(changed.items())
                if task_id not in alive and task_id in state.claims
            ),
            nodes=nodes,
            quotas=quotas,
            containers=containers,
        )
        self._cursor = cursor  # not earlier: what could not be read is read again
        if delta.apply(state):
            self._recorder.changed(delta)

    async def _build(self) -> SchedulerState:
        self._cursor = await self._store.last_event_id()  # first: what comes later is read again
        claims = tuple(await self._store.claims())
        quotas = await self._quotas()
        containers = await self._containers()
        nodes = tuple(await self._store.nodes())  # last: a lost node is not given to who lost it
        now = self._clock.now()
        used = await self._store.usage(now, self._policy.half_life_seconds)
        usage = {(row.group, row.user): (row.node_seconds, row.last_start) for row in used}
        snapshot = Snapshot(now, self._policy, nodes, quotas, claims, usage, containers)
        self._recorder.began(snapshot)
        return snapshot.state()

    async def _quotas(self) -> tuple[Quota, ...]:
        """With what the rows of groups mean for their members."""
        return tuple(effective(await self._store.quotas(), await self._store.users()))

    async def _containers(self) -> tuple[ContainerQuota, ...]:
        rows, users = await self._store.allowances(), await self._store.users()
        return container_quotas(rows, users, self._clock.now())

    async def _read_events(self, cursor: int) -> tuple[int, dict[TaskId, float], set[str]]:
        """The new cursor; tasks with a new event, and the time of their last one; what else
        the lines are about."""
        changed: dict[TaskId, float] = {}
        kinds: set[str] = set()
        while True:
            page = await self._store.events(cursor, limit=_PAGE)
            for event in page:
                kinds.add(event.draft.kind.partition(".")[0])
                if event.draft.task_id is not None:
                    changed[event.draft.task_id] = event.draft.at
            cursor = page[-1].id if page else cursor
            if len(page) < _PAGE:
                return cursor, changed, kinds

"""What the use-cases need from outside: Store, Bus, Launcher, Clock.

Each port has one behavioural contract suite (tests/contract) that every implementation passes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hai.core.identity import Token, User
from hai.core.images import Image
from hai.core.mounts import Mount
from hai.core.node import Group, Node, NodeHealth
from hai.core.past_runs import PastRuns
from hai.core.plan import Claim
from hai.core.quota import Quota
from hai.core.replay import Record
from hai.core.resources import Resources
from hai.core.task import Attempt, Change, Event, EventDraft, Task, TaskDraft, WorkerKey
from hai.core.types import GroupName, NodeName, Priority, TaskId, TaskState, UserName
from hai.errors import HaiError
from hai.ports.bus import Bus as Bus
from hai.ports.bus import Message as Message
from hai.ports.door import DoorStore
from hai.ports.idle import IdleClocks
from hai.ports.leading import Leading
from hai.ports.leading import Pause as Pause
from hai.ports.rows import Rows
from hai.ports.watch import Waiting as Waiting
from hai.ports.watch import Watch


class Clock(Protocol):
    """The only source of time.

    `now` is `base + steady()`: it runs evenly whatever becomes of the machine's clock, until
    somebody calls `step_to` with what was `measured` (hai.service.timekeeping does, and moves the
    stored times along). `steps` counts that: times of `now` from before and after a step cannot be
    compared.
    """

    steps: int

    def now(self) -> float:
        """Unix seconds, UTC: what is stored and shown."""

    def steady(self) -> float:
        """Seconds that nobody can set: for how long ago something was in this process."""

    @property
    def boot(self) -> str:
        """Names whose `steady` this is: of one boot of one machine; of one process where that is
        not known."""

    @property
    def base(self) -> float:
        """What `now` adds to `steady`."""

    def measured(self) -> float:
        """The `base` by which `now` would show the machine's clock."""

    def step_to(self, base: float) -> None: ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Timebase:
    """By which clock the stored times of unfinished tasks count: `base` is that of `boot`'s steady
    seconds; see Clock."""

    boot: str
    base: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """Filters of a task listing; newest first; `page` counts from 1. Empty sets mean: any.

    `indices` are those of an array's members. With `before` the page is that of the tasks with
    smaller ids, and nothing is counted: who reads all pages so gets each task once, whatever is
    submitted meanwhile.
    """

    user: UserName | None = None
    states: frozenset[TaskState] = frozenset()
    group: str | None = None
    name_contains: str = ""
    task_type: str | None = None
    array: TaskId | None = None
    indices: frozenset[int] = frozenset()
    before: TaskId | None = None
    page: int = 1
    page_size: int = 12


@dataclass(frozen=True, slots=True)
class TaskPage:
    """`total` is the number of all that match; None when nothing was counted."""

    tasks: tuple[Task, ...]
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Filters of the ledger: from `since` on and before `until` (Unix seconds). A kind that ends
    with ".*" means all that begin so. An empty set means: any."""

    task_id: TaskId | None = None
    user: UserName | None = None
    since: float | None = None
    until: float | None = None
    kinds: frozenset[str] = frozenset()

    def has_kind(self, kind: str) -> bool:
        return not self.kinds or any(
            kind == one or (one.endswith(".*") and kind.startswith(one[:-1])) for one in self.kinds
        )


ALL_EVENTS = EventFilter()


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many lines match, and the id behind which the wanted last of them begin."""

    total: int
    after: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a user's ended attempts in a group have used: node-seconds, each moment of them halved
    for every half-life since. `last_start` is that of the latest attempt that was no backfill."""

    user: UserName
    group: GroupName
    node_seconds: float
    last_start: float | None = None


class Store(Rows, Leading, Watch, IdleClocks, DoorStore, Protocol):
    """The truth. Every method is one transaction; Unavailable when the database does not answer."""

    async def open(self) -> None:
        """Connect and bring the schema up to date. Calling it twice is harmless."""

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Raises Unavailable unless the database answers."""

    # who
    async def add_user(self, user: User, event: EventDraft) -> None:
        """Conflict if the name is taken."""

    async def user(self, name: UserName) -> User | None: ...

    async def users(self) -> list[User]: ...

    async def add_token(self, token: Token, event: EventDraft) -> None: ...

    async def user_of_token(self, token_hash: str, now: float) -> User | None:
        """The active user whose unexpired token has this hash."""

    async def token_of(self, token_hash: str) -> Token | None:
        """The token with this hash, also one that has expired."""

    async def tokens(self, user: UserName) -> list[Token]:
        """All of a user's, oldest first."""

    async def remove_token(self, token_id: str, event: EventDraft) -> bool:
        """Removes what was made with it as well. False if there is none. The event tells whose it
        was: " of USER" ends its `why`."""

    # where
    # These three append "nodes.changed" (actor "platform", `now` None: the store's own clock) when
    # they change anything.
    async def put_group(self, group: Group, now: float | None = None) -> None: ...

    async def groups(self) -> list[Group]: ...

    async def put_nodes(self, nodes: Sequence[Node], now: float | None = None) -> None:
        """Insert or replace; keeps the health of a node that exists already."""

    async def remove_nodes(self, names: Collection[NodeName], now: float | None = None) -> None: ...

    async def nodes(self) -> list[Node]:
        """Ordered by name."""

    async def set_node_health(
        self,
        name: NodeName,
        health: NodeHealth,
        why: str,
        event: EventDraft,
        *,
        was: NodeHealth | None = None,
    ) -> bool:
        """False if there is no such node, or if its health is not `was` (None: any) any more."""

    async def put_quotas(self, quotas: Sequence[Quota], event: EventDraft) -> None: ...

    async def quotas(self) -> list[Quota]: ...

    # what
    async def add_tasks(self, drafts: Sequence[TaskDraft], now: float) -> list[Task | HaiError]:
        """One result per draft, in order: the new task; the task of the same (user, request_id);
        or NameInUse when the user has an unfinished task of that name. Drafts with the same
        `array` are added all or none, and know the first one's id as `array_id`. Appends
        "task.submitted" (actor = user, data = {"name", "nodes", "group", "priority"}) for each
        new one."""

    async def task(self, task_id: TaskId) -> Task | None:
        """With its latest attempt and workers, as every method that returns tasks."""

    async def task_named(self, user: UserName, name: str) -> Task | None:
        """The user's newest task of that name."""

    async def tasks(self, ids: Collection[TaskId]) -> list[Task]: ...

    async def active_tasks(self) -> list[Task]:
        """All that hold nodes, by id."""

    async def claims(self, ids: Collection[TaskId] | None = None) -> list[Claim]:
        """All unfinished tasks, or those of them with these ids, as the planner sees them, by id.
        An active one tells of its attempt, a waiting one of the attempt before."""

    async def usage(self, now: float, half_life_seconds: float) -> list[Usage]:
        """By user and group, in that order; attempts that ended more than 20 half-lives ago do not
        count. An attempt holds its nodes from its creation to its end."""

    async def durations(self, group: GroupName, since: float) -> list[PastRuns]:
        """Running times of the group's tasks that succeeded since then, the latest of them if
        there are many: of everybody first, then by user and name. Empty without any."""

    async def released(self) -> list[Task]:
        """Waiting tasks with a dependency that has ended, by id; some of them if there are many."""

    async def list_tasks(self, query: TaskQuery) -> TaskPage: ...

    async def attempts(self, task_id: TaskId) -> list[Attempt]:
        """All attempts with workers, oldest first."""

    async def save(self, changes: Sequence[Change]) -> list[Task]:
        """Write each change whose version is current: task row, its `attempt` with workers
        (upsert by number and rank), its events. Returns the saved tasks with their new version;
        a change that is missing from the result was stale and left no trace."""

    async def count_tasks(self) -> Mapping[TaskState, int]: ...

    # what happened
    async def append(self, events: Sequence[EventDraft]) -> None: ...

    async def events(
        self, after: int, *, limit: int = 1000, where: EventFilter = ALL_EVENTS
    ) -> list[Event]:
        """Ledger lines with id > after, oldest first."""

    async def count_events(self, where: EventFilter, last: int) -> EventCount:
        """All lines that match, and where the last `last` of them begin."""

    async def last_event_id(self) -> int:
        """0 for an empty ledger."""

    # what the scheduler decided
    async def append_journal(self, record: Record) -> None: ...

    async def journal(
        self, since: float, until: float, *, after: int = 0, limit: int = 100
    ) -> list[Record]:
        """Records with id > after up to the time `until`, from the last snapshot at or before
        `since` on (from the first record if there is none), oldest first."""

    async def prune_journal(self, keep_seconds: float) -> int:
        """Forget records of which younger ones tell for so long, but for the last snapshot of them
        and what follows it; how many. From one snapshot to the next counts for a day at the most,
        whatever clock they were written by."""

    # by which clock
    async def timebase(self) -> Timebase | None:
        """None: nobody has led yet."""

    async def last_event_at(self) -> float | None:
        """The time of the newest ledger line."""

    async def step(
        self,
        was: Timebase | None,
        base: Timebase,
        seconds: float,
        events: Sequence[EventDraft],
        then: Callable[[], None],
    ) -> bool:
        """Replace the time base and move every stored time of the unfinished tasks, of their latest
        attempts and of those attempts' workers by `seconds` (0: none of them), which gives moved
        tasks a new version. `then` is called before anybody in this process reads or writes again.
        False, and nothing is done, if the time base is not `was` any more."""

    # who leads: see Leading
    def for_loops(self, pool_size: int) -> "Store":
        """The same store for the loops of a leader: connections of their own, so that readers can
        not starve them, and a fence around what they write. Opened and closed by itself, inside
        of this one's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLaunch:
    """All that a launcher needs to start one worker. `token` lets its agent talk to the server.

    From `gid` on: what only launchers with containers can give; the others ignore it.
    """

    key: WorkerKey
    node: Node
    user: UserName
    uid: int | None
    task_name: str
    chain_id: str
    group: str
    priority: Priority
    world_size: int
    spec: Mapping[str, object]
    whole_life_state: int
    log_dir: str  # of this attempt, on the shared file system
    server_url: str
    token: str
    nodes: tuple[NodeName, ...] = ()  # of the whole gang, by rank
    gid: int | None = None  # the user's first group; None: the same number as `uid`
    groups: tuple[int, ...] = ()  # the user's further Unix groups, ascending
    image: Image | None = None  # None: the task names none and the platform has none
    mounts: tuple[Mount, ...] = ()  # in order: a later one may lie within an earlier one
    capabilities: frozenset[str] = frozenset()  # by quota (cap:IPC_LOCK), without CAP_
    privileges: frozenset[str] = frozenset()  # by quota: of privileged, host_ipc, host_network, ...
    # its part of a node that others share (None: all of it), and what its GPUs' numbers are there
    asks: Resources | None = None
    gpu_indices: tuple[int, ...] = ()


class WorkerPhase(StrEnum):
    """What a launcher sees of a worker from outside."""

    PENDING = "pending"  # on its way, and something keeps it waiting: `detail` says what
    ALIVE = "alive"
    UNKNOWN = "unknown"  # it may run or not; `detail` says why. Never taken for lost
    EXITED = "exited"  # it left a report: exit_code is set
    LOST = "lost"  # it is gone without a report
    NODE_LOST = "node_lost"  # so is the machine (or it was restarted)


@dataclass(frozen=True, slots=True)
class Observation:
    """`exit_code`, `acked` and `saved` are the words of the report that it left, and so is
    `detail`, unless the phase says otherwise."""

    key: WorkerKey
    phase: WorkerPhase
    exit_code: int | None = None
    detail: str = ""
    acked: bool = False
    saved: bool = False


class Launcher(Protocol):
    """Starts and ends workers on nodes. Everything is idempotent under the worker's key."""

    name: str  # matches Node.launcher
    takes_images: bool  # whether it starts a worker in the image that its task names

    async def open(self) -> None: ...

    async def close(self) -> None:
        """Let go without touching any worker: they outlive the server."""

    async def launch(self, worker: WorkerLaunch) -> None:
        """Returns when the worker is on its way. A second call for a live, ended or killed key
        does nothing. Unavailable: try again later. PlatformError: it can never start."""

    async def kill(self, key: WorkerKey) -> None:
        """SIGKILL the worker, its agent and all that they left behind; a later launch of the same
        key does nothing. Afterwards the worker is not observed as alive."""

    async def observe(self) -> list[Observation]:
        """Every worker known here that was not forgotten. Unavailable, or no answer at all, when
        nothing can be said now: then all of its workers are unknown."""

    async def forget(self, key: WorkerKey) -> None:
        """Its attempt is over and recorded: remove what was kept for it (not its logs)."""

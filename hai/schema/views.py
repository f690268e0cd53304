"""What the API answers, as typed dictionaries: the server builds them, the client reads them.

Plain dictionaries keep the client free of a validation library and tolerant of newer servers
(unknown keys and values pass through). Times are RFC 3339 in UTC, durations seconds, sizes bytes.
Additive only: a key that exists keeps its name and meaning.
"""

import sys
from typing import Any, NotRequired

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # what pydantic asks for before 3.12
    from typing_extensions import TypedDict
SCHEMA_VERSION = 1


class ReasonView(TypedDict):
    """Why a task waits: `code` is a hai.core.types.WaitCode, `text` the same in plain words."""

    code: str
    text: str
    evidence: dict[str, Any]


class WorkerView(TypedDict):
    rank: int
    node: str
    state: str
    exit_code: int | None
    detail: str
    started_at: str | None
    ended_at: str | None
    usage: dict[str, float]


class AttemptView(TypedDict):
    number: int
    priority: str
    nodes: list[str]
    created_at: str
    started_at: str | None
    ended_at: str | None
    outcome: str | None
    exit_code: int | None
    why: str
    backfill: bool
    for_task: int | None  # who got its nodes
    saved_at: str | None
    workers: list[WorkerView]


class QueueStatusView(TypedDict):
    """What time sharing knows of a task."""

    position: int | None  # in its line, from 1, while it waits
    safe_until: str | None  # no equal takes its nodes before
    backfill: bool  # it runs in the shadow of a gang and yields when that fits
    level: str | None  # the priority that its nodes are charged at
    estimate: dict[str, Any] | None  # when it may start; in lists of the first of a line only
    array_id: int | None  # the id of its array's first task
    array_index: int | None
    array_size: int | None
    waits_for: list[int]  # tasks that have to end first
    not_before: str | None  # it is not tried again earlier
    time_limit_seconds: float | None
    ran_seconds: float  # in all attempts that have ended
    failures: int  # attempts that failed and were tried again
    saved_at: str | None  # the last checkpoint that its program told of


class TaskFacts(TypedDict):
    """What a task is and where it stands."""

    schema_version: int
    id: int
    chain_id: str
    name: str
    user: str
    group: str
    nodes: int
    priority: str
    custom_rank: float  # among its user's own tasks: the lowest first
    state: str
    chain_status: str
    held: bool
    attempts: int
    suspend_count: int
    whole_life_state: int
    exit_code: int | None
    why: str
    reason: ReasonView | None  # set while the task waits
    assigned_nodes: list[str]
    submitted_at: str
    started_at: str | None
    ended_at: str | None


class IdleView(TypedDict):
    """The use of a running dev container. `quiet_seconds`: since each sign of use was seen last,
    null: unknown, which counts as use. `stops_at`: when it is suspended if there comes none; null
    while its agent was not heard, or where nothing is counted (`limit_seconds` null)."""

    limit_seconds: float | None
    notice_seconds: float | None
    used_at: str | None
    stops_at: str | None
    extended_until: str | None
    quiet_seconds: dict[str, float | None]
    text: str
    lines: list[str]


class TaskView(TaskFacts, QueueStatusView):
    """One row of `list`; `status` and `describe` add the rest."""

    task_type: str  # training, jupyter
    idle: IdleView | None  # of running dev containers
    asks: dict[str, Any] | None  # of a node that others share: cpu, memory_bytes, gpus
    spot: bool  # a container on whole nodes that nobody else needs
    removed: bool  # a dev container that its user has removed


class ServiceView(TypedDict):
    """A service of one rank. `state`: waiting (for the program), running, stopping, ended, or
    "program" and "on call" where nothing of its own has to run."""

    name: str
    type: str
    port: int | None
    rank: int
    state: str
    exit_code: int | None
    starts: int


class TaskDetail(TaskView):
    spec: dict[str, Any]  # as submitted; {} for those who may not see it
    attempt_list: list[AttemptView]
    services: list[ServiceView]


class EnvironmentView(TypedDict):
    """An environment of haienv as a task recorded it. `options`: py_venv and environment of a run
    document that takes it again."""

    label: str  # as vision[ann] 3fa4c0ffee12
    task_id: int  # the last task that had it
    options: dict[str, Any]


class EnvironmentList(TypedDict):
    schema_version: int
    environments: list[EnvironmentView]


class NodeRow(TypedDict):
    """A node without its holder: the tasks say what they hold."""

    name: str
    group: str
    launcher: str
    health: str
    health_why: str
    gpus: int
    cpus: float
    memory_bytes: int
    leaf: str
    zone: str
    shared: NotRequired[bool]  # containers share it; in feeds


class NodeView(NodeRow):
    status: str  # "free", "working" or the health when that is not "ready"
    task_id: int | None
    task_name: str | None
    user: str | None
    tasks: list[int]  # all that hold it: several share it, or one leaves it to another
    # what containers can still get of one that they share: cpu, memory_bytes, gpus; else null
    free: dict[str, Any] | None


class NodeList(TypedDict):
    schema_version: int
    nodes: list[NodeView]


class TaskList(TypedDict):
    """`next` is the `before` of the page that follows; null on the last one. Where they are asked
    for: `services` by task id, of unfinished tasks that the caller may see into; `nodes` as
    /nodes tells them."""

    schema_version: int
    tasks: list[TaskView]
    total: int | None  # of all that match; null when asked with `before`
    page: int
    page_size: int
    next: int | None
    services: NotRequired[dict[str, list[ServiceView]]]
    nodes: NotRequired[list[NodeView]]


class NodeChanged(TypedDict):
    """What an admin did to a node, and the tasks that have to leave it."""

    node: NodeView
    suspended: list[int]


class ArrayChanged(TypedDict):
    """The members of an array that were changed, and how many it has."""

    schema_version: int
    tasks: list[TaskView]
    total: int


class EventView(TypedDict):
    id: int
    at: str
    kind: str
    actor: str
    task_id: int | None
    user: str | None
    why: str
    data: dict[str, Any]


class QuotaView(TypedDict):
    user: str
    resource: str  # node-<group>-<PRIORITY>
    group: str
    priority: str
    nodes: int
    used: NotRequired[int]  # nodes held now by its user, or of everybody's rows by who is asked for


class UserView(TypedDict):
    name: str
    role: str
    uid: int | None
    active: bool
    created_at: str
    gid: int | None
    nick_name: str
    team: str
    groups: list[str]  # the user's own and the team's


class WhoamiView(TypedDict):
    user: UserView
    quotas: list[QuotaView]
    server_version: str


class TokenView(TypedDict):
    """`token` is the secret; it is shown once, when it is made."""

    id: str
    user: str
    label: str
    expires_at: str | None
    token: str


class TokenRow(TypedDict):
    """A token as it is listed. `parent`: the id of the token that it ends with."""

    id: str
    user: str
    label: str
    created_at: str
    expires_at: str | None
    parent: str | None


class LogLine(TypedDict):
    """A line or a piece of one. `at` is the line's own time; `text` has no line end and no time
    prefix. `open` (only if true): the line goes on with the next piece of this rank and attempt.
    `raw`: the bytes in base64, only where they are no UTF-8 and `text` has stand-ins for them."""

    attempt: int
    rank: int
    at: str
    text: str
    open: NotRequired[bool]
    raw: NotRequired[str]


class ErrorBody(TypedDict):
    """Body of every reply that is not 2xx."""

    code: str
    message: str
    hint: str
    request_id: str
    details: NotRequired[dict[str, Any]]


class PlatformView(TypedDict):
    """`paused_seconds`: nothing is started for so long, for the platform is going down.
    `clock_jump`: the last one since the server began, None or {at, seconds}; below 0: back.
    `log_disk`: {free, need, why}: bytes, and why task logs have stopped, "" while they go on."""

    paused_seconds: float
    clock_jump: dict[str, object] | None
    log_disk: NotRequired[dict[str, object]]


class TicketView(TypedDict):
    """`url` opens a service in a browser: once, within a minute."""

    url: str

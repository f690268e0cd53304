"""The words between an agent and the server: POST /api/v1/agent/sync.

Both directions are levels, not edges: a report is all that the agent knows of its worker, an order
is all that it should do. Repeating either is harmless, so both sides may die at any time.
"""

import sys
from typing import Any, Literal, NotRequired

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # what pydantic asks for before 3.12
    from typing_extensions import TypedDict


class SdkRequest(TypedDict):
    """A call of the user's program that the agent passes on (hai/client/training.py)."""

    id: str
    op: str  # set_whole_life_state, set_priority
    value: Any


class SdkReply(TypedDict):
    id: str
    ok: bool
    error: str


class Checkpoint(TypedDict):
    """What the program said about its last checkpoint; `at` in the agent's Unix seconds."""

    at: float
    step: int | None
    path: str


class ServiceReport(TypedDict):
    """`state`: waiting, running, stopping, ended. `starts`: how often it was started."""

    state: str
    exit_code: int | None
    starts: int


class AgentReport(TypedDict):
    """`seen` is the digest of the order that the agent obeys already: the server answers at once
    when its order differs, otherwise after `wait_seconds` at most. `saved`: by the program's word,
    or by a file under options.checkpoint that was written after the notice. `lost`: the program did
    not come to its end; it could not be started here, or its worker was taken from it."""

    key: str  # task.attempt.rank
    phase: Literal["ready", "running", "exited"]
    exit_code: int | None  # shell convention: 128 + signal number
    detail: str  # "", "watchdog", "cannot start: ...", "not started: ..."
    acked: bool
    saved: bool
    lost: NotRequired[bool]
    address: str
    port: int
    usage: dict[str, float]  # cpu_seconds, cpu_percent, memory_bytes, gpus, gpu_percent, ...
    checkpoint: NotRequired[Checkpoint | None]
    services: NotRequired[dict[str, ServiceReport]]  # programs beside the user's, by name
    requests: list[SdkRequest]
    seen: str
    wait_seconds: float
    quiet: NotRequired[dict[str, float | None]]  # of a dev container: see hai/agent/quiet.py


class AgentOrder(TypedDict):
    """What the worker should do now.

    go: start the program (the gang is complete); suspend: give the program notice; stop: SIGTERM to
    all its processes, SIGKILL to what lives after `term_seconds`; over: the end is recorded, the
    agent may leave; log_keep_bytes: of the log the newest so many, 0: as it was told at first; say:
    a line for the log, once.
    """

    go: bool
    master_addr: str
    master_port: int
    suspend: bool
    grace_seconds: float
    stop: bool
    term_seconds: float
    over: bool
    log_keep_bytes: NotRequired[int]
    say: NotRequired[str]


class ChannelCall(TypedDict):
    """A client waits for a channel into this worker: come to GET /api/v1/agent/channel?id=... with
    this token. Repeated until the agent is there."""

    id: str
    token: str


class AgentAnswer(TypedDict):
    digest: str
    order: AgentOrder
    replies: list[SdkReply]
    channels: NotRequired[list[ChannelCall]]
    error: NotRequired[str]

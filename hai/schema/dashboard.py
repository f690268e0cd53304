"""What feeds a dashboard: everything at first, then only what changed.

The same rules as in hai.schema.views hold: plain dictionaries, additive only.
"""

import sys
from typing import Any, NotRequired

from hai.schema.views import EventView, NodeRow, QuotaView

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # what pydantic asks for before 3.12
    from typing_extensions import TypedDict


class TaskRow(TypedDict):
    """One task in few words. `why` is empty while the task merely stands in its line: its place
    there is in `DashboardView.order`, which says the same in far fewer bytes."""

    id: int
    name: str
    user: str
    group: str
    nodes: int
    priority: str
    state: str
    held: bool
    attempts: int
    suspend_count: int
    exit_code: int | None
    why: str
    code: str  # of the reason for waiting; "" when it does not wait
    on: list[str]  # nodes that it holds now
    submitted_at: str
    since: str | None  # when the present attempt began
    ended_at: str | None
    level: NotRequired[str | None]
    safe_until: NotRequired[str | None]
    backfill: NotRequired[bool]
    estimate: NotRequired[dict[str, Any] | None]
    asks: NotRequired[dict[str, Any] | None]  # its part of a node that others share


class HistoryView(TypedDict):
    """Samples at even distances, the newest last; by group and, as "", of the whole cluster."""

    every_seconds: float
    busy: dict[str, list[int]]  # nodes that a task held
    waiting: dict[str, list[int]]  # tasks that waited


class ServerFacts(TypedDict):
    version: str
    ticks: int
    tick_seconds: float
    paused: bool


class DashboardView(TypedDict):
    """A piece of a feed. `whole`: forget what was known before. `more`: tasks that follow in
    further pieces. What is absent did not change. `cursor` is empty until the last piece."""

    schema_version: int
    cursor: str
    at: str  # the server's clock
    whole: bool
    more: int
    tasks: list[TaskRow]
    gone: list[int]
    events: list[EventView]
    server: ServerFacts
    you: NotRequired[dict[str, str]]  # name and role of who asks
    order: NotRequired[dict[str, list[int]]]  # waiting tasks of each group as they are served
    nodes: NotRequired[list[NodeRow]]
    quotas: NotRequired[list[QuotaView]]
    history: NotRequired[HistoryView]
    usage: NotRequired[dict[str, dict[str, float]]]  # live figures by node
    # of nodes that several tasks hold: each task's own, by its id and the node
    task_usage: NotRequired[dict[str, dict[str, dict[str, float]]]]

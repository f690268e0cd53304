"""Streams by server-sent events: a task's logs, its states, the event log."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from hai.core.moments import require_year, unix_seconds
from hai.core.task import Event, Task
from hai.core.types import TaskId, UserName
from hai.errors import InvalidInput
from hai.ports import EventCount, EventFilter
from hai.schema.views import LogLine
from hai.server.deps import Caller, Served, Services, Streaming
from hai.server.sse import KEEP_ALIVE, sse
from hai.service.access import require_owner
from hai.service.logitems import End, Item, LogGap, LogLines, LogQuery, Quiet, StateNow
from hai.service.views import event_view, rfc3339

router = APIRouter(tags=["streams"])

_MOST_RANKS = 100_000


class LogParams(BaseModel):
    """`rank`: "all" or like 0,2-3. `prev`: the attempt before the last. `since`: RFC 3339."""

    rank: str = "0"
    attempt: int | None = Field(default=None, ge=1)
    prev: bool = False
    since: str | None = None
    tail: int | None = Field(default=None, ge=0, le=1_000_000)
    follow: bool = False
    cursor: str = ""

    def query(self, last_event_id: str) -> LogQuery:
        return LogQuery(
            ranks=parse_ranks(self.rank),
            attempt=self.attempt,
            previous=self.prev,
            since=parse_time(self.since),
            tail=self.tail,
            follow=self.follow,
            cursor=last_event_id or self.cursor,
        )


@router.get("/tasks/{ref}/logs")
async def logs(
    ref: str,
    user: Caller,
    served: Served,
    reply: Streaming,
    params: Annotated[LogParams, Query()],
    last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:
    """`lines` with a cursor as id, `gap`; when following also `state`; `end` closes."""
    task = await served.tasks.find(user, ref)
    require_owner(user, task, "read its output")
    query = params.query(last_event_id)
    items = served.logs.stream(task, query)
    first = await anext(aiter(items), None)  # errors in the question become a reply, not a stream
    return reply(_encode(served, first, items), is_never_quiet=query.follow)


async def _encode(
    served: Services, first: Item | None, items: AsyncIterator[Item]
) -> AsyncIterator[bytes]:
    states = _States(served)
    if first is not None:
        for event in _events(first, states):
            yield event
    async for item in items:
        for event in _events(item, states):
            yield event


def _events(item: Item, states: "_States") -> list[bytes]:
    match item:
        case LogLines():
            if not item.encoded:
                lines = [_line(item, index) for index in range(len(item.lines))]
                item.encoded.append(sse("lines", {"lines": lines}, item.cursor))
            return item.encoded
        case Quiet():
            return [KEEP_ALIVE]
        case LogGap():
            return [sse("gap", {"rank": item.rank, "attempt": item.attempt, "bytes": item.bytes})]
        case StateNow():
            return states.changed(item.task)
        case End():
            return [*states.changed(item.task), _end(item.task)]


def _line(item: LogLines, index: int) -> LogLine:
    line = item.lines[index]
    view: LogLine = {
        "attempt": item.attempt,
        "rank": line.rank,
        "at": rfc3339(line.at),
        "text": line.text,
    }
    if line.is_open:
        view["open"] = True
    if view["text"].encode() != line.data:
        view["raw"] = b64encode(line.data).decode()
    return view


def _end(task: Task) -> bytes:
    return sse("end", {"state": task.state.value, "exit_code": task.exit_code, "why": task.why})


class _States:
    """Passes a state on only when its view differs from the last one."""

    def __init__(self, served: Services) -> None:
        self._served = served
        self._last: object = None

    def changed(self, task: Task) -> list[bytes]:
        view = self._served.views.task(task)
        if view == self._last:
            return []
        self._last = view
        return [sse("state", view)]


@router.get("/tasks/{ref}/watch")
async def watch(ref: str, user: Caller, served: Served, reply: Streaming) -> StreamingResponse:
    """`state` now and after every change, `end` when the task has ended."""
    task = await served.tasks.find(user, ref)
    return reply(_encode(served, None, served.logs.watch(task)))


class EventParams(BaseModel):
    """`cursor`: the id of the last line that is known already. `since`, `until`: RFC 3339. `kind`:
    as task.running, or task.* for all that begin so. `last`: only so many, the newest ones."""

    cursor: int = Field(default=0, ge=0, lt=2**63)
    follow: bool = False
    task: str | None = None
    user: str | None = Field(default=None, max_length=63)
    since: str | None = None
    until: str | None = None
    kind: list[Annotated[str, Field(max_length=63)]] = Field(default_factory=list, max_length=100)
    last: int | None = Field(default=None, ge=0, lt=2**63)

    def where(self, task_id: TaskId | None) -> EventFilter:
        if any("\0" in text for text in (self.user or "", *self.kind)):
            raise InvalidInput("a NUL byte cannot be part of a name")
        return EventFilter(
            task_id=task_id,
            user=UserName(self.user) if self.user else None,
            since=parse_time(self.since),
            until=parse_time(self.until),
            kinds=frozenset(self.kind),
        )

    def after(self, last_event_id: str) -> int:
        """The line to go on behind."""
        if not last_event_id:
            return self.cursor
        if not re.fullmatch(r"[0-9]{1,18}", last_event_id):
            raise InvalidInput(f"{last_event_id[:40]!r} is no id of a line in the event log")
        return int(last_event_id)


@router.get("/events")
async def events(
    caller: Caller,
    served: Served,
    reply: Streaming,
    params: Annotated[EventParams, Query()],
    last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:
    """The event log from `cursor` on; each line's id is the cursor behind it. With `last` the
    number of all lines that match comes first (`total`). Without `follow` an `end` closes the
    stream: one that closes without it is not whole."""
    # the errors of a question come before its stream begins
    after = params.after(last_event_id)
    task_id = (await served.tasks.find(caller, params.task)).id if params.task else None
    where = params.where(task_id)
    if where.user is not None:
        await served.users.require_known(where.user)
    count = None if params.last is None else await served.events.count(where, params.last)
    found = served.events.stream(
        after=after if count is None else max(after, count.after),
        follow=params.follow,
        where=where,
    )
    return reply(_ledger(found, count))


async def _ledger(
    found: AsyncIterator[Event | None], count: EventCount | None
) -> AsyncIterator[bytes]:
    if count is not None:
        yield sse("total", {"total": count.total})
    async for line in found:
        if line is None:
            yield sse("end", {})
        else:
            yield sse("event", event_view(line), str(line.id))


def parse_ranks(text: str) -> frozenset[int] | None:
    """ "all" -> None, "0,2-3" -> {0, 2, 3}."""
    if text == "all":
        return None
    ranks: set[int] = set()
    named = 0
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip())
        if not match:
            raise InvalidInput(f"{text!r} is no list of ranks", hint='for example 0,2-3 or "all"')
        first, last = int(match[1]), int(match[2] or match[1])
        named += last - first + 1
        if last < first or last >= _MOST_RANKS or named > _MOST_RANKS:
            hint = f"from the lower to the higher, {_MOST_RANKS:,} ranks at most"
            raise InvalidInput(f"{part[:40]!r} is no range of ranks", hint=hint)
        ranks.update(range(first, last + 1))
    return frozenset(ranks)


def parse_time(text: str | None) -> float | None:
    """RFC 3339 to Unix seconds."""
    if text is None:
        return None

    def refused(_: datetime) -> float:
        raise InvalidInput(f"{text!r} has no time zone", hint="end it with Z for UTC")

    try:
        return require_year(unix_seconds(text, zoneless=refused))
    except ValueError:
        raise InvalidInput(
            f"{text!r} is no time", hint="RFC 3339, like 2026-01-31T12:00:00Z"
        ) from None
    except OverflowError:
        raise InvalidInput(f"{text!r} is out of range", hint="years are 1 to 9999") from None

"""hai-cli events."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from hai.cli.complete import complete_tasks
from hai.cli.grammar import parse_since
from hai.cli.layouts import events_layout
from hai.cli.listing import Counted
from hai.cli.refs import UserFilter, resolve_ref
from hai.cli.session import Session, verb
from hai.cli.stream import bounded, following, limited
from hai.console.commands import new_app, option
from hai.console.errors import INTERRUPTED
from hai.console.output import Format
from hai.errors import InvalidInput

app = new_app()
PEOPLES_LIMIT = 100
_WHICH = "Which events"

Task = Annotated[
    str | None,
    typer.Argument(metavar="[EXP]", help="Only this task.", autocompletion=complete_tasks),
]
Since = Annotated[
    str | None,
    option("--since", metavar="TIME", help="From 10m ago, or a time, on.", panel=_WHICH),
]
Until = Annotated[
    str | None,
    option("--until", metavar="TIME", help="Before 10m ago, or a time.", panel=_WHICH),
]
Kinds = Annotated[
    list[str] | None,
    option(
        "--kind",
        metavar="KIND",
        help="As task.running, or 'task.*' for all that begin so; repeatable.",
        panel=_WHICH,
    ),
]
Limit = Annotated[
    int | None,
    option(
        "--limit",
        metavar="N",
        help="The newest N of them; with --sort the first N in that order.",
        show_default=f"{PEOPLES_LIMIT} in tables, else all",
        panel=_WHICH,
    ),
]
Cursor = Annotated[
    str | None,
    option("--cursor", metavar="ID", help="Newer than this event only.", panel=_WHICH),
]


@verb(
    app,
    "events",
    """
    hai-cli events 12                       the history of a task
    hai-cli events --since 1h --kind 'node.*'
    hai-cli events --limit 1000             more of them
    hai-cli events -f                       as it happens
    hai-cli events -o jsonl                 all of them, for programs
    """,
    lists=True,
)
def events(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    exp: Task = None,
    *,
    follow: Annotated[bool, option("-f", "--follow", help="Stay and show what comes.")] = False,
    user: UserFilter = None,
    since: Since = None,
    until: Until = None,
    kind: Kinds = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> int | None:
    """What happened, when, who did it, and why; oldest first. People get the newest and the number
    of all; the formats for programs (-o json, jsonl, yaml, csv, name, and -q) give all."""
    _check(session, follow=follow, until=until, limit=limit)
    if session.output.fields == ("help",):
        session.output.rows((), events_layout())
        return None
    if limit is None and session.output.format.is_for_people:
        limit = PEOPLES_LIMIT
    params: dict[str, Any] = {
        "task": resolve_ref(exp) if exp else None,
        "user": user,
        "since": parse_since(since, session.now) if since else None,
        "until": parse_since(until, session.now) if until else None,
        "kind": [part for text in kind or () for part in text.split(",")],
        "last": None if session.output.sort else limit,
        "cursor": cursor,
        "follow": 1 if follow else None,
    }
    if not follow:
        _show(session, params, limit)
        return None
    if session.output.format is Format.JSON:
        session.output.format = Format.JSONL  # an array without an end helps nobody
    try:
        with limited(session):
            _follow(session, params)
    except KeyboardInterrupt:
        return INTERRUPTED
    return None


def _check(session: Session, *, follow: bool, until: str | None, limit: int | None) -> None:
    if limit is not None and limit < 0:
        raise InvalidInput("--limit must not be negative", hint="--limit 20 shows the newest 20")
    if follow and until is not None:
        raise InvalidInput("-f and --until contradict each other", hint="give one of them")
    if follow and session.output.sort:
        raise InvalidInput("-f shows events as they come, and cannot sort", hint="leave --sort out")


def _show(session: Session, params: Mapping[str, Any], limit: int | None) -> None:
    """What there is, each line as it arrives; for people also how many there are."""
    answer = _Answer()
    lines = Counted(answer.lines(session, params))
    session.output.rows(lines, events_layout(), count=limit)
    if not session.output.format.is_for_people:
        return
    total = lines.count if answer.total is None else answer.total
    if total == 0:
        kinds = " of kind " + " or ".join(params["kind"]) if params["kind"] else ""
        session.stderr.say(f"no events{kinds}")
    elif limit is not None and limit < total:
        session.stderr.say(f"{limit:,} of {total:,} events (--limit N for more, -o jsonl for all)")


class _Answer:
    """The lines of one answer, and the number of all that match where the server tells it."""

    def __init__(self) -> None:
        self.total: int | None = None

    def lines(self, session: Session, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for event in session.client.events("events", bounded(session), params=params):
            if event.name == "event":
                yield event.data
            elif event.name == "total":
                self.total = int(event.data["total"])


def _follow(session: Session, params: Mapping[str, Any]) -> None:
    for event in session.client.events("events", following(session), params=params):
        if event.name == "event":
            session.output.rows([event.data], events_layout())
            session.output.headers = False

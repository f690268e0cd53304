"""hai-cli events."""

from typing import Annotated, Any

import typer

from hai.cli.complete import complete_tasks
from hai.cli.errors import INTERRUPTED
from hai.cli.framework import new_app, option
from hai.cli.layouts import events_layout
from hai.cli.output import Format
from hai.cli.refs import UserFilter, resolve_ref
from hai.cli.session import Session, verb
from hai.cli.stream import bounded, following, within_limit

app = new_app()


@verb(
    app,
    "events",
    """
    hai-cli events 12                 the history of a task
    hai-cli events -f                 all that happens, as it happens
    hai-cli events -f -o jsonl        for programs
    """,
    lists=True,
)
def events(
    session: Session,
    exp: Annotated[
        str | None,
        typer.Argument(metavar="[EXP]", help="Only this task.", autocompletion=complete_tasks),
    ] = None,
    *,
    follow: Annotated[bool, option("-f", "--follow", help="Stay and show what comes.")] = False,
    user: UserFilter = None,
    cursor: Annotated[
        str | None, option("--cursor", metavar="ID", help="Newer than this event only.")
    ] = None,
) -> int | None:
    """What happened, when, who did it, and why."""
    params: dict[str, Any] = {
        "task": resolve_ref(exp) if exp else None,
        "user": user,
        "cursor": cursor,
        "follow": 1 if follow else None,
    }
    if not follow:
        stream = session.client.events(
            "events", bounded(session, ends_on_close=True), params=params
        )
        found = [event.data for event in stream if event.name == "event"]
        session.output.rows(found, events_layout())
        return None
    if session.output.format is Format.JSON:
        session.output.format = Format.JSONL  # an array without an end helps nobody
    try:
        _follow(session, params)
    except KeyboardInterrupt:
        return INTERRUPTED
    return None


def _follow(session: Session, params: dict[str, Any]) -> None:
    stream = session.client.events("events", following(session), params=params)
    for event in within_limit(session, stream):
        if event.name == "event":
            session.output.rows([event.data], events_layout())
            session.output.headers = False

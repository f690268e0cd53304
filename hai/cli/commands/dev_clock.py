"""hai-cli dev extend | restart, and what `dev start` does with one that was suspended."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

from hai.cli.dev_layouts import dev_layout
from hai.cli.grammar import parse_duration
from hai.cli.listing import UNFINISHED
from hai.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from hai.cli.session import Session


def idle_option(text: str) -> float:
    """Seconds of --idle; InvalidInput for none."""
    seconds = parse_duration(text)
    if seconds < 1:
        raise InvalidInput(
            f"{text!r} is no time that a dev container could be idle", hint="write --idle 2h"
        )
    return seconds


def show(session: Session, task: Any) -> None:
    session.output.item(task, dev_layout(session.now))


def is_set_aside(task: Any) -> bool:
    """Suspended until somebody starts it again."""
    return bool(task["held"]) and task["state"] in ("suspended", "suspending")


def go_on(session: Session, name: str, task: Any, given: list[str]) -> int:
    """As it was; Conflict when something of it should be otherwise."""
    if given:
        raise Conflict(
            f"dev container {name} is {task['state']} and goes on as it was: {', '.join(given)} "
            "would be for a new one",
            hint=f"hai-cli dev stop {quote(name)} first, or hai-cli dev start {quote(name)} alone",
        )
    resumed = session.client.call("resume", body={"why": ""}, ref=task["id"])
    session.stderr.say(f"dev container {name} goes on, task {task['id']}")
    session.stderr.say(f"  open it:  hai-cli dev open {quote(name)}")
    show(session, resumed)
    return 0


def extend(session: Session, name: str, task: Any, time: str | None) -> int:
    seconds = None if time is None else idle_option(time)
    view = session.client.call("extend", body={"seconds": seconds}, ref=task["id"])
    session.stderr.say(f"dev container {name}: {view['text']}")
    show(session, session.client.call("task", ref=task["id"]))
    return 0


def restart(session: Session, name: str, task: Any) -> int:
    if task["state"] not in ("running", "starting"):
        what = "start" if task["state"] not in UNFINISHED or is_set_aside(task) else "list"
        hint = f"hai-cli dev start {quote(name)}" if what == "start" else "hai-cli dev list"
        raise Conflict(f"dev container {name} is {task['state']}: nothing runs", hint=hint)
    body = {"why": "restarted by its user", "hold": False}
    changed = session.client.call("suspend", body=body, ref=task["id"])
    session.stderr.say(f"dev container {name} saves, stops and starts again as it was")
    session.stderr.say(f"  open it:  hai-cli dev open {quote(name)}")
    show(session, changed)
    return 0

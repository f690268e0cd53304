"""Sending a run document and saying what came of it."""

from collections.abc import Mapping
from typing import Any

from hai.cli.document import with_request_id
from hai.cli.foretelling import tell_why
from hai.cli.layouts import tasks_layout, why_line
from hai.cli.session import Session
from hai.cli.stream import follow_task
from hai.console.errors import INTERRUPTED
from hai.core.recorded import recorded_name
from hai.errors import AuthRequired, TimedOut, Unavailable, Unreachable


def submit(session: Session, document: Mapping[str, Any], *, follow: bool, dry_run: bool) -> int:
    """Submits the document, or prints it and says what would become of it; with `follow` the exit
    code is the task's."""
    if dry_run:
        session.stderr.say("dry run: nothing was submitted; this is the document")
        session.output.document(dict(document))
        _foretell(session, document)
        return 0
    try:
        task = session.client.call("submit", body=with_request_id(document))
    except KeyboardInterrupt:
        session.stderr.say("")
        session.stderr.say("interrupted while submitting; `hai-cli list` shows whether it arrived")
        return INTERRUPTED
    if follow and task.get("array_id") is not None:
        session.stderr.warn("-f follows the first task of the array only")
    _narrate(session, task, follow=follow)
    if named := recorded_name(document.get("options") or {}):
        session.stderr.say(f"  environment: {named}")
    if follow:
        return follow_task(session, task)
    session.output.item(task, tasks_layout(session.now))
    return 0


def _foretell(session: Session, document: Mapping[str, Any]) -> None:
    """What the scheduler would make of the document; its refusal is an error. Without a server
    there is only the document."""
    try:
        view = session.client.call("pretend", params={"dry_run": "true"}, body=dict(document))
    except (AuthRequired, Unreachable, TimedOut, Unavailable) as error:
        session.stderr.warn(f"what would become of it is unknown: {error.message}")
        return
    for line in tell_why(view, session.now):
        session.stderr.say(line)


def _narrate(session: Session, task: Mapping[str, Any], *, follow: bool) -> None:
    count = f"{task['nodes']} node{'' if task['nodes'] == 1 else 's'}"
    of = f"{count} of {task['group']}, priority {task['priority']}"
    array_id = task.get("array_id")
    if array_id is not None:
        size = task.get("array_size")
        session.stderr.say(f"array {array_id} submitted: {size} tasks, each with {of}")
        if not follow:
            session.stderr.say(f"  look at it:  hai-cli list --array {array_id}")
            session.stderr.say(f"  stop it:     hai-cli stop '{array_id}_[*]'")
        return
    session.stderr.say(f"task {task['id']} {task['name']!r} submitted: {of}")
    if follow:
        return
    why = why_line(task)
    if why and task["state"] == "queued":
        session.stderr.say(f"  it waits: {why}")
    session.stderr.say(f"  follow it:  hai-cli logs -f {task['id']}")
    session.stderr.say(f"  stop it:    hai-cli stop {task['id']}")

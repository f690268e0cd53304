"""hai-cli list | status | describe."""

from collections.abc import Mapping
from typing import Annotated, Any

from hai.cli.foretelling import estimate_text
from hai.cli.framework import new_app, option
from hai.cli.layouts import tasks_layout, why_line, without_why, workers_layout
from hai.cli.output import Format
from hai.cli.refs import ArrayFilter, Exp, ExpType, Group, UserFilter, resolve_ref
from hai.cli.session import Session, verb
from hai.cli.terminal import printable
from hai.cli.watching import Watch, watching

app = new_app()
_WHOLE = (Format.JSON, Format.JSONL, Format.YAML)  # formats that show every field


Everyone = Annotated[bool, option("-a", "--all", help="Tasks of all users.")]
States = Annotated[
    list[str] | None,
    option("--state", metavar="STATE", help="queued, running, suspended, ...; repeatable."),
]
Name = Annotated[str | None, option("--name", metavar="NAME", help="Of this name.")]
Page = Annotated[int, option("-p", "--page", metavar="N", help="Page.", show_default=True)]
PageSize = Annotated[
    int,
    option(
        "-ps",
        "--page_size",
        "--page-size",
        metavar="N",
        help="Tasks per page, at most 100.",
        show_default=True,
    ),
]


@verb(
    app,
    "list",
    """
    hai-cli list                         your tasks, newest first
    hai-cli list -a --state running      everybody's that run
    hai-cli list -o json | jq '.[].id'   for programs
    hai-cli list --fields id,name,why    chosen columns
    hai-cli list --array 12              the tasks of an array
    hai-cli list -w                      keep watching
    """,
    lists=True,
)
def list_tasks(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    *,
    everyone: Everyone = False,
    user: UserFilter = None,
    state: States = None,
    group: Group = None,
    name: Name = None,
    array: ArrayFilter = None,
    page: Page = 1,
    page_size: PageSize = 12,
    watch: Watch = False,
) -> None:
    """List tasks, newest first."""
    params = {
        "user": user or ("all" if everyone else None),
        "state": [part for text in state or () for part in text.split(",")],
        "group": group,
        "name": name,
        "array": array,
        "page": page,
        "page_size": page_size,
    }

    def show() -> None:
        answer = session.client.call("tasks", params=params)
        session.output.rows(answer["tasks"], tasks_layout(session.now))
        if not watch:
            _tell_rest(session, answer)

    watching(session, show, watch=watch)


def _tell_rest(session: Session, answer: Mapping[str, Any]) -> None:
    if not session.output.format.is_for_people:
        return
    shown, total = len(answer["tasks"]), int(answer["total"])
    if total == 0:
        session.stderr.say("no tasks")
    elif shown < total:
        page, size = int(answer["page"]), int(answer["page_size"])
        pages = -(-total // size)
        session.stderr.say(f"{shown} of {total} tasks, page {page} of {pages} (-p N for another)")


@verb(
    app,
    "status",
    """
    hai-cli status 12
    hai-cli status train.py -o json
    hai-cli status @last -w
    """,
    lists=True,
)
def status(session: Session, exp: Exp, *, exp_type: ExpType = "auto", watch: Watch = False) -> None:
    """One task and its workers, rank by rank. JSON and YAML hold the whole task."""
    ref = resolve_ref(exp, exp_type)

    def show() -> None:
        task = session.client.call("task", ref=ref)
        is_short = not session.output.format.is_for_people or bool(session.output.fields)
        layout = tasks_layout(session.now)
        session.output.item(
            _without_details(task, session), layout if is_short else without_why(layout)
        )
        if not is_short:
            _show_rest(session, task)

    watching(session, show, watch=watch)


def _show_rest(session: Session, task: Mapping[str, Any]) -> None:
    """The whole reason, which a cell of a narrow terminal would cut, and the workers."""
    why = why_line(task)
    if why:
        session.output.text(f"why: {printable(why)}")
    if task.get("estimate"):
        told = estimate_text(task["estimate"], session.now)
        session.output.text(f"estimated start: {printable(told)}")
    workers = _last_workers(task)
    if workers:
        session.output.text("\n")
        session.output.rows(workers, workers_layout(session.now))


def _without_details(task: Mapping[str, Any], session: Session) -> Mapping[str, Any]:
    """The submitted document is for `describe`; programs get the attempts too."""
    hidden = {"spec"} if session.output.format in _WHOLE else set()
    return {key: value for key, value in task.items() if key not in hidden}


def _last_workers(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    attempts = task.get("attempt_list") or []
    return list(attempts[-1]["workers"]) if attempts else []


@verb(
    app,
    "describe",
    """
    hai-cli describe 12
    hai-cli describe train.py -o json
    """,
)
def describe(session: Session, exp: Exp, *, exp_type: ExpType = "auto") -> None:
    """All about one task: the document as submitted, every attempt, and why it waits or ended.
    YAML for people, -o json for programs."""
    task = session.client.call("task", ref=resolve_ref(exp, exp_type))
    if session.output.format.is_for_people:
        session.output.document(_for_reading(task))
    elif session.output.format in _WHOLE:
        session.output.document(task)
    else:
        session.output.item(task, tasks_layout(session.now))


def _for_reading(task: Mapping[str, Any]) -> dict[str, Any]:
    """The task without what says nothing, the document last."""
    hidden = ("schema_version", "spec", "attempt_list")
    head = {k: v for k, v in task.items() if k not in hidden and v not in (None, "", [])}
    attempts = [
        {key: value for key, value in attempt.items() if value not in (None, "", [])}
        for attempt in task.get("attempt_list") or []
    ]
    return {**head, "attempts_made": attempts, "spec": task.get("spec")}

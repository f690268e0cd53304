"""hai-cli list | status | describe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from hai.cli.code import code_of
from hai.cli.foretelling import estimate_text
from hai.cli.layouts import tasks_layout, why_line, without_why, workers_layout
from hai.cli.listing import Counted, all_tasks, array_ref, members, states_line
from hai.cli.refs import ArrayFilter, Exp, ExpType, Group, UserFilter, resolve_ref
from hai.cli.session import Session, verb
from hai.cli.watching import Watch, watching
from hai.console.commands import new_app, option
from hai.console.output import Format
from hai.console.terminal import printable
from hai.core.recorded import recorded_name
from hai.errors import InvalidInput

app = new_app()
PEOPLES_PAGE = 12
_WHOLE = (Format.JSON, Format.JSONL, Format.YAML)  # formats that show every field


Everyone = Annotated[bool, option("-a", "--all", help="Tasks of all users.")]
States = Annotated[
    list[str] | None,
    option("--state", metavar="STATE", help="queued, running, suspended, ...; repeatable."),
]
Name = Annotated[str | None, option("--name", metavar="NAME", help="Of this name.")]
Page = Annotated[
    int | None,
    option("-p", "--page", metavar="N", help="Page; formats for programs give all without it."),
]
PageSize = Annotated[
    int | None,
    option(
        "-ps",
        "--page_size",
        "--page-size",
        metavar="N",
        help="Tasks per page, at most 500.",
        show_default=str(PEOPLES_PAGE),
    ),
]


@verb(
    app,
    "list",
    """
    hai-cli list                         your tasks, newest first
    hai-cli list -a --state running      everybody's that run
    hai-cli list -o json | jq '.[].id'   all of them, for programs
    hai-cli list --sort -nodes           the widest of all tasks first
    hai-cli list --fields id,name,why    chosen columns
    hai-cli list --array @last           the tasks of the array submitted last
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
    page: Page = None,
    page_size: PageSize = None,
    watch: Watch = False,
) -> None:
    """List tasks, newest first. People get a page and the number of all; the formats for programs
    (-o json, jsonl, yaml, csv, name, and -q) give all, or the page that is asked for. Filters and
    --sort work on all tasks."""
    filters = {
        "user": user or ("all" if everyone else None),
        "state": [part for text in state or () for part in text.split(",")],
        "group": group,
        "name": name,
        "array": array,
    }
    paged = session.output.format.is_for_people or (page, page_size) != (None, None)
    place = ListPage(page or 1, page_size or PEOPLES_PAGE) if paged else None
    if page == 0 or page_size == 0:
        raise InvalidInput("pages and their sizes begin with 1", hint="-p 1 is the first page")

    def show() -> None:
        if session.output.fields == ("help",):
            session.output.rows((), tasks_layout(session.now))
        elif place is None:
            session.output.rows(all_tasks(session, filters), tasks_layout(session.now))
        else:
            _show_page(session, filters, place, quiet=watch)

    watching(session, show, watch=watch)


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a list; `page` counts from 1."""

    page: int
    size: int


def _show_page(
    session: Session, filters: Mapping[str, Any], place: ListPage, *, quiet: bool = False
) -> None:
    """A page of all tasks in their order, and the number of all for people."""
    layout = tasks_layout(session.now)
    session.output.require_known(layout)
    if session.output.sort:
        counted = Counted(all_tasks(session, filters))
        first = (place.page - 1) * place.size
        session.output.rows(counted, layout, first=first, count=place.size)
        total, shown = counted.count, max(0, min(place.size, counted.count - first))
    else:
        params = {**filters, "page": place.page, "page_size": place.size}
        answer = session.client.call("tasks", params=params)
        session.output.rows(answer["tasks"], layout)
        total, shown = int(answer["total"]), len(answer["tasks"])
    if session.output.format.is_for_people and not quiet:
        _tell_rest(session, place, shown, total)


def _tell_rest(session: Session, place: ListPage, shown: int, total: int) -> None:
    if total == 0:
        session.stderr.say("no tasks")
    elif shown < total:
        pages = -(-total // place.size)
        session.stderr.say(
            f"{shown:,} of {total:,} tasks, page {place.page:,} of {pages:,} (-p N for another)"
        )


@verb(
    app,
    "status",
    """
    hai-cli status 12
    hai-cli status train.py -o json
    hai-cli status @last -w
    hai-cli status '12_[7]'              a task of array 12
    hai-cli status '12_[*]'              how many of them are in which state
    """,
    lists=True,
)
def status(session: Session, exp: Exp, *, exp_type: ExpType = "auto", watch: Watch = False) -> None:
    """One task and its workers, rank by rank. JSON and YAML hold the whole task. Of an array, as
    12_[*] or 12_[0-9]: how many are in which state, and its tasks as `list` shows them."""
    ref = resolve_ref(exp, exp_type)
    if array_ref(ref) is not None:
        watching(session, lambda: _show_array(session, ref), watch=watch)
        return

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


def _show_array(session: Session, ref: str) -> None:
    if not session.output.format.is_for_people:
        session.output.rows(members(session, ref), tasks_layout(session.now))
        return
    session.output.text(f"{ref}: {states_line(session, ref)}\n\n")
    _show_page(session, {"user": "all", "array": ref}, ListPage(1, PEOPLES_PAGE))


def _show_rest(session: Session, task: Mapping[str, Any]) -> None:
    """The whole reason, which a cell of a narrow terminal would cut, and the workers."""
    why = why_line(task)
    if why:
        session.output.text(f"why: {printable(why)}")
    if task.get("estimate"):
        told = estimate_text(task["estimate"], session.now)
        session.output.text(f"estimated start: {printable(told)}")
    if task.get("idle"):
        session.output.text(f"use: {printable(task['idle']['text'])}")
        for line in task["idle"]["lines"]:
            session.output.text(f"  {printable(line)}")
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


Code = Annotated[
    bool, option("--code", help="The snapshot that it runs, with the digest of each file.")
]


@verb(
    app,
    "describe",
    """
    hai-cli describe 12
    hai-cli describe train.py -o json
    hai-cli describe 12 --code
    """,
)
def describe(session: Session, exp: Exp, *, code: Code = False, exp_type: ExpType = "auto") -> None:
    """All about one task: the document as submitted, every attempt, and why it waits or ended.
    YAML for people, -o json for programs."""
    task = session.client.call("task", ref=resolve_ref(exp, exp_type))
    if code:
        session.output.document(code_of(session, task))
        return
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
    named = recorded_name((task.get("spec") or {}).get("options") or {})
    if named:
        head["environment"] = named
    return {**head, "attempts_made": attempts, "spec": task.get("spec")}

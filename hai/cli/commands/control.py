"""hai-cli stop | suspend | resume | priority."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from hai.cli.complete import complete_priorities
from hai.cli.grammar import parse_priority
from hai.cli.layouts import tasks_layout
from hai.cli.listing import UNFINISHED, array_ref, members, widened
from hai.cli.refs import AssumeYes, DryRun, Exp, Exps, ExpType, resolve_ref
from hai.cli.session import Session, verb
from hai.console.commands import UsageError, new_app, option
from hai.console.terminal import printable
from hai.core.types import Priority
from hai.errors import HaiError, InvalidInput

app = new_app()
Why = Annotated[str, option("--why", metavar="TEXT", help="A reason, for the record.")]
_DONE = {
    "stop": "is told to stop",
    "suspend": "is told to save and leave its nodes",
    "resume": "goes on",
}


@verb(
    app,
    "stop",
    """
    hai-cli stop 12
    hai-cli stop train.py
    hai-cli stop 12 13 14 -y
    hai-cli stop '12_[*]'            all tasks of array 12
    """,
)
def stop(
    session: Session,
    exps: Exps,
    *,
    yes: AssumeYes = False,
    dry_run: DryRun = False,
    why: Why = "",
    exp_type: ExpType = "auto",
) -> int:
    """End tasks for good. Asks before it stops several tasks, or a task of somebody else."""
    refs = _targets(session, exps, exp_type)
    tasks = _look_up(session, refs)
    if dry_run:
        return _pretend(session, "stop", tasks)
    if not yes and not _agreed(session, tasks):
        session.stderr.say("nothing was stopped")
        return 1
    arrays = [ref for ref in refs if _whole_array(ref) is not None]
    inside = {t["id"] for t in tasks if f"{t.get('array_id')}_[*]" in arrays}
    return _each(
        session, "stop", [*arrays, *(t["id"] for t in tasks if t["id"] not in inside)], why
    )


@verb(app, "suspend", "hai-cli suspend 12\nhai-cli suspend train.py --why 'making room'")
def suspend(
    session: Session,
    exps: Exps,
    *,
    dry_run: DryRun = False,
    why: Why = "",
    exp_type: ExpType = "auto",
    yes: AssumeYes = False,
) -> int:
    """Give tasks notice: they save, leave their nodes, and stay suspended until `resume`."""
    refs = _targets(session, exps, exp_type)
    if dry_run:
        return _pretend(session, "suspend", _look_up(session, refs))
    return _each(session, "suspend", refs, why)


@verb(app, "resume", "hai-cli resume 12\nhai-cli resume train.py")
def resume(
    session: Session,
    exps: Exps,
    *,
    dry_run: DryRun = False,
    why: Why = "",
    exp_type: ExpType = "auto",
    yes: AssumeYes = False,
) -> int:
    """Put suspended tasks back in the queue."""
    refs = _targets(session, exps, exp_type)
    if dry_run:
        return _pretend(session, "resume", _look_up(session, refs))
    return _each(session, "resume", refs, why)


@verb(
    app,
    "priority",
    """
    hai-cli priority 12 HIGH
    hai-cli priority train.py 10
    hai-cli priority 12 --rank -1    before the other tasks of yours
    """,
)
def priority(
    session: Session,
    exp: Exp,
    level: Annotated[
        str | None,
        typer.Argument(metavar="LEVEL", help="Name or number.", autocompletion=complete_priorities),
    ] = None,
    *,
    rank: Annotated[
        float | None,
        option("--rank", metavar="N", help="Place among your own tasks: the lowest first; 0."),
    ] = None,
    dry_run: DryRun = False,
    exp_type: ExpType = "auto",
) -> int:
    """Change the priority of a task, waiting or running, or its rank among your own tasks."""
    if level is None and rank is None:
        raise UsageError("LEVEL or --rank is missing", session.context)
    if rank is not None and not math.isfinite(rank):
        raise InvalidInput(f"{rank} is no rank", hint="write a number, as --rank -1 or --rank 2.5")
    ref = resolve_ref(exp, exp_type)
    value = None if level is None else parse_priority(level)
    if dry_run:
        return _pretend_priority(session, ref, value, rank)
    wanted = {"priority": value, "custom_rank": rank}
    body = {key: one for key, one in wanted.items() if one is not None}
    task = session.client.call("priority", body=body, ref=ref)
    told = f" and rank {task['custom_rank']:g}" if rank is not None else ""
    session.stderr.say(f"task {task['id']} {task['name']!r} has priority {task['priority']}{told}")
    session.output.item(task, tasks_layout(session.now))
    return 0


def _targets(session: Session, exps: Sequence[str], exp_type: str) -> list[str]:
    """What is to be changed: whole arrays as 12_[*], some members of one each by its id."""
    refs: list[str] = []
    for exp in exps:
        ref = widened(session, resolve_ref(exp, exp_type))
        some = array_ref(ref) is not None and _whole_array(ref) is None
        refs += [str(task["id"]) for task in _unfinished(session, ref)] if some else [ref]
    return refs


def _whole_array(ref: object) -> int | None:
    """The array that "12_[*]" names; None for any other reference."""
    found = array_ref(str(ref))
    return found.array_id if found is not None and not found.indices else None


def _look_up(session: Session, refs: Sequence[str]) -> list[Mapping[str, Any]]:
    """Every task, each once; fails before anything is changed."""
    tasks: list[Mapping[str, Any]] = []
    for ref in refs:
        if array_ref(ref) is None:
            tasks.append(session.client.call("task", ref=ref))
        else:
            tasks += _unfinished(session, ref)
    return list({task["id"]: task for task in tasks}.values())


def _unfinished(session: Session, ref: str) -> list[Mapping[str, Any]]:
    """The members that have not ended, by id; NotFound when there is no such array."""
    return list(members(session, ref, UNFINISHED))[::-1]


def _pretend(session: Session, what: str, tasks: Sequence[Mapping[str, Any]]) -> int:
    for task in tasks:
        session.stderr.say(f"would {what}: {_named(task)}")
    session.stderr.say("dry run: nothing was changed")
    session.output.rows(tasks, tasks_layout(session.now))
    return 0


def _pretend_priority(session: Session, ref: str, value: int | None, rank: float | None) -> int:
    """Says what the scheduler would make of a level; of the array's tasks, one by one."""
    tasks = _look_up(session, [ref])
    wishes = []
    if value is not None:
        level = Priority(value).name
        wishes.append(f"priority {level}")
        for task in tasks:
            told = session.client.call("what_if", body={"priority": value}, ref=task["id"])
            session.stderr.say(printable(f"task {task['id']} at {level}: {told['text']}"))
    if rank is not None:
        wishes.append(f"rank {rank:g}")
    return _pretend(session, f"set to {' and '.join(wishes)}", tasks)


def _named(task: Mapping[str, Any]) -> str:
    return f"task {task['id']} {task['name']!r} of {task['user']}, {task['state']}"


def _agreed(session: Session, tasks: Sequence[Mapping[str, Any]]) -> bool:
    if len(tasks) == 1 and tasks[0]["user"] == _me(session):
        return True
    if not session.can_ask:
        raise InvalidInput(
            f"stopping {'several tasks' if len(tasks) > 1 else 'a task of somebody else'} needs a "
            "yes, and nobody can be asked here",
            hint="add --yes; --dry-run shows what would be stopped",
        )
    for task in tasks:
        session.stderr.say(f"would stop: {_named(task)}")
    which = f"these {len(tasks)} tasks" if len(tasks) > 1 else "this task"
    return session.ask(f"stop {which} for good?")


def _me(session: Session) -> str:
    return str(session.client.call("whoami")["user"]["name"])


def _each(session: Session, action: str, refs: Sequence[object], why: str) -> int:
    """Acts on every task, reports each failure, and gives the first one's exit code."""
    from hai.console.errors import exit_code

    done: list[Mapping[str, Any]] = []
    code = 0
    for ref in refs:
        array_id = _whole_array(ref)
        if array_id is not None:
            changed, failure = _change_array(session, action, array_id, why)
            done += changed
            code = code or failure
            continue
        outcome = _attempt(session, action, ref, why)
        if isinstance(outcome, HaiError):
            session.stderr.error(outcome)
            code = code or exit_code(outcome)
            continue
        done.append(outcome)
        session.stderr.say(_done_line(action, outcome))
    if len(done) == 1 and len(refs) == 1 and _whole_array(refs[0]) is None:
        session.output.item(done[0], tasks_layout(session.now))
    elif done:
        session.output.rows(done, tasks_layout(session.now))
    return code


def _done_line(action: str, task: Mapping[str, Any]) -> str:
    # A resumed task keeps its state until it gets nodes: "now suspended" would mislead.
    is_waiting = action == "resume" and task["state"] == "suspended"
    now = "as soon as nodes are free" if is_waiting else f"now {task['state']}"
    return f"task {task['id']} {task['name']!r} {_DONE[action]}, {now}"


def _change_array(
    session: Session, action: str, array_id: int, why: str
) -> tuple[list[Mapping[str, Any]], int]:
    """The members that were changed, and the exit code."""
    from hai.console.errors import exit_code

    try:
        answer = session.client.call(f"array_{action}", body={"why": why}, id=array_id)
    except HaiError as error:
        session.stderr.error(error)
        return [], exit_code(error)
    changed = list(answer["tasks"])
    session.stderr.say(
        f"array {array_id}: {len(changed)} of {answer['total']} tasks changed by {action}"
    )
    return changed, 0


def _attempt(session: Session, action: str, ref: object, why: str) -> Any:
    try:
        return session.client.call(action, body={"why": why}, ref=ref)
    except HaiError as error:
        return error

"""What a verb will do, in words, before it is done; and the same as a command line. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hai.core.types import Priority
from hai.errors import HaiError
from hai.tui.model import DashboardNode, DashboardTask, rank_of
from hai.tui.pages import losses
from hai.tui.text import count_of, cut

_NAME = 40  # columns of a name
SHOWN = 8  # tasks that a question names
LEVELS = tuple(level.name for level in sorted(Priority) if level is not Priority.AUTO)


@dataclass(frozen=True, slots=True)
class Question:
    """Asked before something is changed. `typed`: what must be typed for a yes ("" for none)."""

    title: str
    lines: tuple[str, ...]
    verb: str
    command: str
    typed: str = ""


def named(task: DashboardTask) -> str:
    return f"task {task.id} {cut(task.name, _NAME)!r} of {cut(task.user, _NAME)}"


def stop_question(tasks: Sequence[DashboardTask], *, typed: bool = False) -> Question:
    """For stop and, where many are meant, for kill."""
    lines = [f"{named(task)}: {_stop_effect(task)}" for task in tasks[:SHOWN]]
    lines += _rest(tasks)
    lines.append("It cannot be undone; what was not saved is lost.")
    title = f"Stop {named(tasks[0])}?" if len(tasks) == 1 else f"Stop {len(tasks)} tasks?"
    return Question(
        title, tuple(lines), "Stop", _command("stop", tasks), str(len(tasks)) if typed else ""
    )


def _stop_effect(task: DashboardTask) -> str:
    if task.is_waiting:
        return "leaves its line for good"
    return f"SIGTERM now, SIGKILL in 5 s; {count_of(task.nodes, 'node')} freed"


def toggle_question(tasks: Sequence[DashboardTask]) -> tuple[str, Question]:
    """The route ("suspend" or "resume") and its question: held tasks are resumed, others are
    suspended; a mixed choice is suspended."""
    if all(task.held for task in tasks):
        lines = [f"{named(task)}: back in its line at {task.priority}" for task in tasks[:SHOWN]]
        title = _title("Resume", tasks)
        return "resume", Question(
            title, (*lines, *_rest(tasks)), "Resume", _command("resume", tasks)
        )
    lines = [f"{named(task)}: {_suspend_effect(task)}" for task in tasks[:SHOWN]]
    last = "Suspended until somebody resumes it (z)."
    return "suspend", Question(
        _title("Suspend", tasks),
        (*lines, *_rest(tasks), last),
        "Suspend",
        _command("suspend", tasks),
    )


def _suspend_effect(task: DashboardTask) -> str:
    if task.is_waiting:
        return "leaves its line and keeps its id"
    return f"is told to save, then leaves {count_of(task.nodes, 'node')}"


def _title(verb: str, tasks: Sequence[DashboardTask]) -> str:
    return f"{verb} {named(tasks[0])}?" if len(tasks) == 1 else f"{verb} {len(tasks)} tasks?"


def _rest(tasks: Sequence[DashboardTask]) -> list[str]:
    return [f"... and {len(tasks) - SHOWN} more"] if len(tasks) > SHOWN else []


def _command(verb: str, tasks: Sequence[DashboardTask]) -> str:
    return f"hai-cli {verb} {' '.join(str(task.id) for task in tasks)}"


def level_beside(priority: str, step: int) -> str | None:
    """The next level above (+1) or below (-1); None at the end of the scale."""
    ranks = [rank_of(level) for level in LEVELS]
    at = ranks.index(rank_of(priority)) + step
    return LEVELS[at] if 0 <= at < len(LEVELS) else None


Prediction = Mapping[str, Any] | HaiError


class LevelChange(NamedTuple):
    """`level`: what the task shall have."""

    task: DashboardTask
    level: str


class Effect(NamedTuple):
    """What is done: to one task, and to several."""

    one: str
    several: str


def priority_question(
    changes: Sequence[LevelChange], predictions: Sequence[Prediction]
) -> Question:
    """With what the scheduler says that each would do by itself; or that it cannot say."""
    lines: list[str] = []
    for (task, level), prediction in zip(changes, predictions, strict=False):
        lines += [f"{named(task)}: from {task.priority} to {level}.", *_priority_effect(prediction)]
    lines += _rest([task for task, _ in changes])
    commands = [f"hai-cli priority {task.id} {level}" for task, level in changes[:SHOWN]]
    only = changes[0].level if len(changes) == 1 else f"of {len(changes)} tasks"
    return Question(f"Priority {only}?", tuple(lines), "Change", "\n".join(commands))


def _priority_effect(prediction: Prediction) -> list[str]:
    if isinstance(prediction, HaiError):
        return [f"What it would do cannot be said: {prediction.message}"]
    text = str(prediction.get("text") or "")
    return [*filter(None, [text]), *losses(prediction.get("suspends") or ())]


def outcome(told: Effect, asked: int, done: Sequence[Mapping[str, Any]],
            refused: Sequence[HaiError]) -> str:  # fmt: skip
    """How it went, in one line."""
    if len(done) == asked == 1:
        return f"task {done[0]['id']} {told.one}"
    several = f"{asked} tasks {told.several}"
    text = f"{len(done)} of {several}" if refused else several
    if not refused:
        return text
    first = f"{refused[0].message}{' - ' + refused[0].hint if refused[0].hint else ''}"
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    return f"{text}; {first}{more}"


def drain_question(
    node: DashboardNode, tasks: Sequence[DashboardTask], why: str = ""
) -> tuple[str, Question]:
    """The route and its question: a drained (or suspect) node is taken back, others are drained."""
    if node.health == "ready":
        lines = (f"{node.name} of {node.group} takes no new task. {_drain_effect(tasks)}",)
        reason = f" --why {shlex.quote(why)}" if why else ""
        command = f"hai-cli nodes drain {node.name}{reason}"
        return "node_drain", Question(f"Drain {node.name}?", lines, "Drain", command)
    known = f" ({node.health_why})" if node.health_why else ""
    lines = (f"{node.name} is {node.health}{known}. It takes tasks again.",)
    return "node_resume", Question(
        f"Take {node.name} back?", lines, "Take back", f"hai-cli nodes resume {node.name}"
    )


def _drain_effect(tasks: Sequence[DashboardTask]) -> str:
    if not tasks:
        return "Nothing runs there."
    if len(tasks) > 1:
        told = ", ".join(named(task) for task in tasks[:SHOWN])
        more = f" and {len(tasks) - SHOWN} more" if len(tasks) > SHOWN else ""
        return f"{told}{more} are told to save, leave it, and go on elsewhere."
    task = tasks[0]
    where = f"all its {task.nodes} nodes" if task.nodes > 1 else "it"
    return f"{named(task)} is told to save, leaves {where}, and goes on elsewhere."


def is_missing_route(error: HaiError) -> bool:
    """Whether the server, an older one, does not have the route at all."""
    text = error.message
    known = text.endswith((": Not Found", ": Method Not Allowed"))
    return error.code in ("not_found", "invalid_input") and known


NEWER = "this server is too old for that: it has no such route"

"""What a verb will do, in words, before it is done; and the same as a command line. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hai.core.types import Priority
from hai.errors import HaiError
from hai.tui.model import Node, Task, rank_of
from hai.tui.pages import losses
from hai.tui.text import count_of

LEVELS = tuple(level.name for level in sorted(Priority) if level is not Priority.AUTO)


@dataclass(frozen=True, slots=True)
class Question:
    """Asked before something is changed. `typed`: what must be typed for a yes ("" for none)."""

    title: str
    lines: tuple[str, ...]
    verb: str
    command: str
    typed: str = ""


def named(task: Task) -> str:
    return f"task {task.id} {task.name!r} of {task.user}"


def stop_question(tasks: Sequence[Task], *, typed: bool = False) -> Question:
    """For stop and, where many are meant, for kill."""
    lines = [f"{named(task)}: {_stop_effect(task)}" for task in tasks[:8]]
    lines += _rest(tasks)
    lines.append("It can not be undone; what was not saved is lost.")
    title = f"Stop {named(tasks[0])}?" if len(tasks) == 1 else f"Stop {len(tasks)} tasks?"
    return Question(
        title, tuple(lines), "Stop", _command("stop", tasks), str(len(tasks)) if typed else ""
    )


def _stop_effect(task: Task) -> str:
    if task.is_waiting:
        return "leaves its line for good"
    return f"SIGTERM now, SIGKILL in 5 s; {count_of(task.nodes, 'node')} freed"


def toggle_question(tasks: Sequence[Task]) -> tuple[str, Question]:
    """The route ("suspend" or "resume") and its question: held tasks are resumed, others are
    suspended; a mixed choice is suspended."""
    if all(task.held for task in tasks):
        lines = [f"{named(task)}: back in its line at {task.priority}" for task in tasks[:8]]
        title = _title("Resume", tasks)
        return "resume", Question(
            title, (*lines, *_rest(tasks)), "Resume", _command("resume", tasks)
        )
    lines = [f"{named(task)}: {_suspend_effect(task)}" for task in tasks[:8]]
    last = "Suspended until somebody resumes it (z)."
    return "suspend", Question(
        _title("Suspend", tasks),
        (*lines, *_rest(tasks), last),
        "Suspend",
        _command("suspend", tasks),
    )


def _suspend_effect(task: Task) -> str:
    if task.is_waiting:
        return "leaves its line and keeps its id"
    return f"is told to save, then leaves {count_of(task.nodes, 'node')}"


def _title(verb: str, tasks: Sequence[Task]) -> str:
    return f"{verb} {named(tasks[0])}?" if len(tasks) == 1 else f"{verb} {len(tasks)} tasks?"


def _rest(tasks: Sequence[Task]) -> list[str]:
    return [f"... and {len(tasks) - 8} more"] if len(tasks) > 8 else []


def _command(verb: str, tasks: Sequence[Task]) -> str:
    return f"hai-cli {verb} {' '.join(str(task.id) for task in tasks)}"


def level_beside(priority: str, step: int) -> str | None:
    """The next level above (+1) or below (-1); None at the end of the scale."""
    ranks = [rank_of(level) for level in LEVELS]
    at = ranks.index(rank_of(priority)) + step
    return LEVELS[at] if 0 <= at < len(LEVELS) else None


def priority_question(task: Task, level: str, prediction: Mapping[str, Any] | HaiError) -> Question:
    """With what the scheduler says it would do; or that it can not say."""
    if isinstance(prediction, HaiError):
        effect = [f"What it would do can not be said: {prediction.message}"]
    else:
        effect = [str(prediction.get("text") or "")]
        effect += losses(prediction.get("suspends") or ())
    lines = [f"{named(task)}: from {task.priority} to {level}.", *filter(None, effect)]
    return Question(
        f"Priority {level}?", tuple(lines), "Change", f"hai-cli priority {task.id} {level}"
    )


def drain_question(node: Node, task: Task | None) -> tuple[str, Question]:
    """The route and its question: a drained (or suspect) node is taken back, others are drained."""
    if node.health == "ready":
        stays = f"{named(task)} goes on there to its end." if task else "Nothing runs there."
        lines = (f"{node.name} of {node.group} takes no new task. {stays}",)
        question = Question(
            f"Drain {node.name}?", lines, "Drain", f"hai-cli nodes drain {node.name}"
        )
        return "node_drain", question
    why = f" ({node.health_why})" if node.health_why else ""
    lines = (f"{node.name} is {node.health}{why}. It takes tasks again.",)
    return "node_resume", Question(
        f"Take {node.name} back?", lines, "Take back", f"hai-cli nodes resume {node.name}"
    )


def is_missing_route(error: HaiError) -> bool:
    """Whether the server, an older one, does not have the route at all."""
    text = error.message
    known = text.endswith((": Not Found", ": Method Not Allowed"))
    return error.code in ("not_found", "invalid_input") and known


NEWER = "this server is too old for that: it has no such route"

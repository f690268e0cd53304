"""Tasks that wait for others: what `options.after` may say, and what the end of one means."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from hai.core.lifecycle.transitions import event, stop
from hai.core.task import Task, TaskChange
from hai.core.types import TaskId, TaskState

MOST_DEPENDENCIES = 1000
ACTOR = "dependencies"


class After(StrEnum):
    """What has to become of the other task."""

    OK = "afterok"  # it has to succeed
    ANY = "afterany"  # it has to end


@dataclass(frozen=True, slots=True)
class Dependency:
    """`ref` is what the user wrote: an id, a name, @last, or 12_[*] for a whole array."""

    mode: After
    ref: str

    def __str__(self) -> str:
        return f"{self.mode}:{self.ref}"


def parse_after(value: object) -> tuple[Dependency, ...]:
    """From options.after: an id, "12,13", "afterok:12:13,afterany:14", or a list of these.
    ValueError says what is wrong."""
    items = value if isinstance(value, list | tuple) else [value]
    found: list[Dependency] = []
    for item in items:
        if isinstance(item, int) and not isinstance(item, bool):
            item = str(item)
        if not isinstance(item, str):
            raise ValueError(f"options.after: {item!r} names no task")
        for part in item.split(","):
            found += _parse_part(part.strip())
    if len(found) > MOST_DEPENDENCIES:
        raise ValueError(f"options.after names more than {MOST_DEPENDENCIES} tasks")
    return tuple(dict.fromkeys(found))


def _parse_part(part: str) -> list[Dependency]:
    word, colon, rest = part.partition(":")
    if not colon or not word.startswith("after"):
        mode, rest = After.OK, part
    elif word in set(After):
        mode = After(word)
    else:
        raise ValueError(f"options.after: {word!r} is unknown: it knows afterok and afterany")
    refs = rest.split(":") if rest.replace(":", "").isdigit() else [rest]
    if not all(refs):
        raise ValueError("options.after: a task's id or name is missing: write afterok:12")
    return [Dependency(mode, ref) for ref in refs]


def release(task: Task, others: Mapping[TaskId, Task], now: float) -> TaskChange | None:
    """What the end of tasks that this one waits for means: one reason less to wait, or its end."""
    for other_id in task.waits_ok:
        other = others.get(other_id)
        if other is not None and other.state.is_final and other.state is not TaskState.SUCCEEDED:
            how = "failed" if other.state is TaskState.FAILED else "was stopped"
            return stop(task, actor=ACTOR, why=f"its dependency task {other_id} {how}", now=now)
    ended = {id_ for id_ in task.waits_for if (one := others.get(id_)) and one.state.is_final}
    if not ended:
        return None
    free = replace(
        task,
        waits_ok=tuple(id_ for id_ in task.waits_ok if id_ not in ended),
        waits_any=tuple(id_ for id_ in task.waits_any if id_ not in ended),
    )
    if not free.waits_for and task.attempts == 0:
        free = replace(free, queued_at=now)
    data = {"ended": sorted(ended), "waits_for": list(free.waits_for)}
    return TaskChange(free, (event(free, "released", ACTOR, now, data=data),))

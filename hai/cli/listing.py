"""Reading lists of tasks from the server, all of them or a page, and what a reference to several
tasks means."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hai.cli.session import Session
from hai.core.array_spec import ArrayRef
from hai.core.types import FINAL_STATES, TaskState
from hai.errors import InvalidInput

PAGE_SIZE = 500  # the most that the server gives at once
UNFINISHED = sorted(set(TaskState) - FINAL_STATES)
Item = Mapping[str, Any]


def all_tasks(session: Session, filters: Mapping[str, Any]) -> Iterator[Item]:
    """Every task that matches, newest first; a page of them is held at a time."""
    before = None
    while True:
        params = {**filters, "page_size": PAGE_SIZE, "before": before}
        answer = session.client.call("tasks", params=params)
        yield from answer["tasks"]
        before = answer.get("next")
        if before is None:
            return


def array_ref(ref: str) -> ArrayRef | None:
    """What "12_[*]" or "12_[0-4]" names; None for any other reference, and for a single member,
    which is a task like any other."""
    try:
        found = ArrayRef.parse(ref)
    except ValueError as error:
        raise InvalidInput(str(error), hint="for example 12_[*], 12_[7] or 12_[0-9]") from None
    return None if found is None or found.is_one else found


def widened(session: Session, ref: str) -> str:
    """The reference where several tasks are possible: @last is the whole array when one was
    submitted last."""
    if ref != "@last":
        return ref
    task = session.client.call("task", ref=ref)
    array_id = task.get("array_id")
    return str(task["id"]) if array_id is None else f"{array_id}_[*]"


def members(session: Session, ref: str, states: Sequence[str] = ()) -> Iterator[Item]:
    """The members of an array that a reference names, newest first; NotFound without any."""
    return all_tasks(session, _of(ref, states))


def count_members(session: Session, ref: str, states: Sequence[str] = ()) -> tuple[int, Item]:
    """How many members are in these states, and the newest of them ({} without any)."""
    answer = session.client.call("tasks", params={**_of(ref, states), "page_size": 1})
    return int(answer["total"]), answer["tasks"][0] if answer["tasks"] else {}


def states_line(session: Session, ref: str) -> str:
    """How many members are in which state, as "3 running, 97 queued"."""
    counts = {state: count_members(session, ref, [state])[0] for state in TaskState}
    return ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)


class Counted:
    """An iterable that knows how many items have been taken from it."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.count = 0

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            self.count += 1
            yield item


def _of(ref: str, states: Sequence[str]) -> dict[str, Any]:
    return {"user": "all", "array": ref, "state": list(states)}

"""Attacks by a task: a program of `inside` that says what it got."""

from dataclasses import dataclass
from typing import Any, Protocol

from scripts.chaos_driver.waiting import Violation, wait_for

END_SECONDS = 240.0
ENDED = ("succeeded", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class Ended:
    state: str
    why: str
    text: str  # its log


class TaskPlace(Protocol):
    """A platform, as the attacker sees it."""

    def submit(self, program: str, *words: str, **more: Any) -> int:
        """The attacker's task of one worker, which runs a program of `inside`; `more` replaces
        fields of the document."""

    def state(self, task_id: int) -> str: ...

    def ended(self, task_id: int) -> Ended: ...

    def stop(self, task_id: int) -> None: ...


def attempted(place: TaskPlace, program: str, *words: str, **more: Any) -> str:
    """Run it; the last line that it says before DONE. Violation if it got anything."""
    ended = end_of(place, place.submit(program, *words, **more))
    got = [line for line in ended.text.splitlines() if line.startswith("GOT")]
    if got or ended.state != "succeeded" or "DONE" not in ended.text:
        raise Violation(f"{ended.state} {ended.why}: {'; '.join(got) or ended.text[-500:]}")
    lines = [line for line in ended.text.splitlines() if line and line != "DONE"]
    return lines[-1] if lines else "got nothing"


def end_of(place: TaskPlace, task_id: int) -> Ended:
    if not wait_for(lambda: place.state(task_id) in ENDED, END_SECONDS, 0.5):
        place.stop(task_id)
        raise Violation(f"it has not ended in {END_SECONDS:.0f} s")
    return place.ended(task_id)

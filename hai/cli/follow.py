"""Following a task: its lines go to stdout, what happens to it to stderr. No I/O of its own."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hai.cli.layouts import why_line
from hai.client.events import ServerEvent

Item = Mapping[str, Any]
LONGEST_NODE_LIST = 4
_COUNTDOWN = re.compile(r"\bin \d+ (s|min|h( \d+ min)?|days)\b")


@dataclass(frozen=True, slots=True)
class FollowedEnding:
    """How the followed task ended. `state` is not final when only the log came to its present end,
    and "" when nobody said."""

    state: str = ""
    exit_code: int | None = None
    why: str = ""

    @property
    def code(self) -> int:
        """Ours: the program's own when it failed, 1 when there is none or the task was stopped."""
        if self.state == "failed":
            code = self.exit_code or 1
            return code if 0 < code < 256 else 1
        return 1 if self.state == "stopped" else 0


@dataclass(slots=True)
class Follower:
    """Feeds on events of the log or watch stream until `end`.

    `line(LogLine)` shows a line, `flush()` follows each batch, `say(text)` narrates.
    """

    line: Callable[[Item], object]
    flush: Callable[[], object]
    say: Callable[[str], object]
    narrates_states: bool = True
    _last_state: str = ""

    def run(self, events: Iterable[ServerEvent]) -> FollowedEnding | None:
        """The ending; None when the stream is over without one."""
        for event in events:
            ending = self.take(event)
            if ending is not None:
                return ending
        return None

    def take(self, event: ServerEvent) -> FollowedEnding | None:
        """One event. Kinds of a newer server are passed over."""
        if event.name == "lines":
            for line in event.data["lines"]:
                self.line(line)
            self.flush()
        elif event.name == "state" and self.narrates_states:
            self._state(event.data)
        elif event.name == "gap":
            self.say(gap_line(event.data))
        elif event.name == "end":
            return _ending(event.data)
        return None

    def _state(self, task: Item) -> None:
        # A reconnected stream repeats the present state: only news are told.
        text = state_line(task)
        news = _COUNTDOWN.sub("", text)  # that time passes is none
        if text and news != self._last_state:
            self._last_state = news
            self.say(text)


def state_line(task: Item) -> str:
    """A task's state in words, with the reason; "" for final states, which the end tells."""
    state = str(task["state"])
    head = f"task {task['id']} {_words(task, state)}"
    if state in ("succeeded", "failed", "stopped"):
        return ""
    return head


def _words(task: Item, state: str) -> str:
    why = task.get("why") or ""
    reason = why_line(task) if task.get("reason") else ""
    if state == "queued":
        return f"queued: {reason}" if reason else "queued"
    if state == "starting":
        return f"starting on {nodes_line(task)}"
    if state == "running":
        attempt = int(task.get("attempts") or 1)
        again = f" (attempt {attempt})" if attempt > 1 else ""
        return f"running on {nodes_line(task)}{again}"
    if state in ("suspending", "suspended"):
        causes = dict.fromkeys(text for text in (why, reason) if text)
        return f"{state}: {'; '.join(causes)}" if causes else state
    return f"{state}: {why}" if why else state


def nodes_line(task: Item) -> str:
    """Node names, the first few of many."""
    nodes = [str(node) for node in task.get("assigned_nodes") or []]
    if not nodes:
        return f"{task['nodes']} nodes" if task["nodes"] != 1 else "1 node"
    shown = ", ".join(nodes[:LONGEST_NODE_LIST])
    more = len(nodes) - LONGEST_NODE_LIST
    return f"{shown} and {more} more" if more > 0 else shown


def end_line(task: object, ending: FollowedEnding) -> str:
    """The last word of a followed task."""
    code = f" with exit code {ending.exit_code}" if ending.exit_code is not None else ""
    code = "" if ending.state == "succeeded" else code
    why = f": {ending.why}" if ending.why else ""
    return f"task {task} {ending.state}{code}{why}"


def gap_line(gap: Item) -> str:
    return (
        f"[rank {gap.get('rank')}, attempt {gap.get('attempt')}: "
        f"{gap.get('bytes')} bytes of older output are gone, rotation removed them]"
    )


def _ending(data: Item) -> FollowedEnding:
    return FollowedEnding(
        state=str(data.get("state") or ""),
        exit_code=data.get("exit_code"),
        why=str(data.get("why") or ""),
    )
